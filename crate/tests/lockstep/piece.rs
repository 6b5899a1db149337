//! What programs are made of. A piece needs nothing of the registers that the pieces before it left, so that any can be
//! taken out; what must last (counters of loops, return addresses) is in memory.

use crate::encode::{COMPRESSED, FLOAT, INTEGER, b_type, i_type, jal, r_type, s_type};
use crate::image::{
    CELLS, LEAF, MACHINE_SAVE, MOST_HARTS, MSIP, NOWHERE, PHYSICAL, REMAPPED, RESUME, ROUTINE_BYTES,
};
use crate::prng::Prng;
use crate::unit::Unit;

/// A part of a program.
#[derive(Clone, Debug)]
pub enum Piece {
    /// An instruction, or a few that belong together.
    One(Unit),
    /// This bits as they stand: illegal, `ebreak`, `wfi`, or one that needs no operands.
    Word(u32),
    /// Counted down.
    Loop { times: u32, body: Vec<Piece> },
    /// A function and its call, direct or through a register.
    Call { direct: bool, body: Vec<Piece> },
    /// Skipped if one register is less than, or the like, another.
    Skip {
        condition: u32,
        a: u32,
        b: u32,
        body: Vec<Piece>,
    },
    /// A jump to nowhere, which the handler brings back.
    BadJump,
    /// A load or store (by opcode) where nothing is, or an atomic that is not aligned.
    BadAccess { word: u32, address: u64 },
    /// An instruction that is changed, then run.
    Modify { rd: u32, immediate: u32 },
    /// The same in a page that may be mapped elsewhere; through physical page `page`.
    ModifyRemapped { page: u64, routine: u64 },
    /// Maps the page elsewhere: by the M-mode handler, or by itself where it may.
    Remap { by_handler: bool, whole: bool },
    /// Calls a routine there.
    CallRemapped { routine: u64 },
    /// Loads from there, and stores.
    AccessRemapped { word: u32, offset: u64 },
    /// Interrupts a hart; the machine may have fewer.
    Interrupt { hart: u64 },
    /// The rounding mode, reserved ones among them, for a few instructions.
    Rounding { mode: u32, body: Vec<Piece> },
}

/// Code as it is being written.
#[derive(Debug, Default)]
pub struct Code {
    pub base: u64,
    pub bytes: Vec<u8>,
    /// What is at which address, in words.
    pub listing: Vec<(u64, String)>,
    /// Cells of memory given out.
    cells: u64,
    /// How far the hart's own memory is from that of hart 0.
    pub shift: u64,
    /// Harts of the machine.
    pub harts: u64,
}

impl Code {
    pub fn at(base: u64) -> Self {
        Code {
            base,
            ..Code::default()
        }
    }
    pub fn here(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }
    pub fn word(&mut self, word: u32) {
        self.bytes.extend(word.to_le_bytes());
    }
    /// Sets a register to any value.
    pub fn set(&mut self, rd: u32, value: u64) {
        self.word(0x17 | rd << 7);
        self.word(i_type(0x3003, rd, rd, 12));
        self.word(jal(0, 12));
        self.bytes.extend(value.to_le_bytes());
    }
    fn note(&mut self, text: impl Into<String>) {
        self.listing.push((self.here(), text.into()));
    }
    fn cell(&mut self) -> u64 {
        self.cells += 1;
        CELLS + self.shift + 8 * self.cells
    }
    /// Writes `word` over what is at `at`.
    fn patch(&mut self, at: u64, word: u32) {
        let at = (at - self.base) as usize;
        self.bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    /// A `jal x0` over what `inside` writes.
    fn jump_over(&mut self, inside: impl FnOnce(&mut Self)) {
        let at = self.here();
        self.word(0);
        inside(self);
        let distance = self.here() - at;
        self.patch(at, jal(0, distance as i32));
    }
}

const LD: u32 = 0x3003;
const SD: u32 = 0x3023;
const LW: u32 = 0x2003;
const SW: u32 = 0x2023;
const ADDI: u32 = 0x13;
const JALR: u32 = 0x67;
const FENCE_I: u32 = 0x100f;
const SFENCE_VMA: u32 = 0x1200_0073;
const ECALL: u32 = 0x73;
const CSRRW_FRM: u32 = 0x0020_1073;
const T0: u32 = 5;
const T1: u32 = 6;
const T2: u32 = 7;
const RA: u32 = 1;
/// What is added to an I-type instruction to add 1 to its immediate.
const NEXT_IMMEDIATE: u32 = 0x100;

/// Writes pieces one after the other. `privilege` is that of the mode they run in.
pub fn write(code: &mut Code, pieces: &[Piece], privilege: u32) {
    for piece in pieces {
        piece.write(code, privilege);
    }
}

impl Piece {
    fn write(&self, code: &mut Code, privilege: u32) {
        match self {
            Piece::One(unit) => {
                let placed = unit.place(code.here(), privilege == 3);
                code.note(placed.text);
                code.bytes.extend(placed.bytes);
            }
            Piece::Word(word) => {
                code.note(format!("word {word:08x}"));
                code.word(*word);
            }
            Piece::Loop { times, body } => {
                let cell = code.cell();
                code.note(format!("{times} times, counted at {cell:#x}:"));
                code.set(T1, cell);
                code.word(i_type(ADDI, T0, 0, *times));
                code.word(s_type(SD, T1, T0, 0));
                let head = code.here();
                write(code, body, privilege);
                code.note("end of the loop");
                code.set(T1, cell);
                code.word(i_type(LD, T0, T1, 0));
                code.word(i_type(ADDI, T0, T0, 0xfff));
                code.word(s_type(SD, T1, T0, 0));
                let distance = head.wrapping_sub(code.here()) as i32;
                if distance > -4000 {
                    code.word(b_type(0x1063, T0, 0, distance));
                } else {
                    code.word(b_type(0x63, T0, 0, 8));
                    code.word(jal(0, distance - 4));
                }
            }
            Piece::Call { direct, body } => {
                let cell = code.cell();
                code.note(format!("a function, its return address at {cell:#x}:"));
                let mut function = 0;
                code.jump_over(|code| {
                    function = code.here();
                    code.set(T1, cell);
                    code.word(s_type(SD, T1, RA, 0));
                    write(code, body, privilege);
                    code.set(T1, cell);
                    code.word(i_type(LD, RA, T1, 0));
                    code.note("return");
                    code.word(i_type(JALR, 0, RA, 0));
                });
                code.note(format!("call of {function:#x}"));
                if *direct {
                    let distance = function.wrapping_sub(code.here()) as i32;
                    code.word(jal(RA, distance));
                } else {
                    code.set(T0, function);
                    code.word(i_type(JALR, RA, T0, 0));
                }
            }
            Piece::Skip {
                condition,
                a,
                b,
                body,
            } => {
                code.note(format!("unless branch {condition} of x{a} and x{b}:"));
                // Around a jump, because what is skipped may be long.
                code.word(b_type(0x63 | condition << 12, *a, *b, 8));
                code.jump_over(|code| write(code, body, privilege));
            }
            Piece::BadJump => {
                code.note("a jump to nowhere");
                code.set(T1, MACHINE_SAVE + code.shift);
                let set_bytes = 20;
                let after = code.here() + 2 * set_bytes + 8;
                code.set(T0, after);
                code.word(s_type(SD, T1, T0, RESUME));
                code.set(T0, NOWHERE);
                code.word(i_type(JALR, RA, T0, 0));
            }
            Piece::BadAccess { word, address } => {
                code.note(format!("access {word:08x} to {address:#x}"));
                code.set(T0, *address);
                code.word(word & !(31 << 15) | T0 << 15);
            }
            Piece::Modify { rd, immediate } => {
                let mut slot = 0;
                code.note("an instruction that is to be changed");
                code.jump_over(|code| {
                    slot = code.here();
                    code.word(i_type(ADDI, *rd, *rd, *immediate));
                    code.word(i_type(JALR, 0, RA, 0));
                });
                code.note(format!("changes {slot:#x} and calls it"));
                change(code, slot);
                code.set(T0, slot);
                code.word(i_type(JALR, RA, T0, 0));
            }
            Piece::ModifyRemapped { page, routine } => {
                let slot = PHYSICAL + code.shift + page * 0x1000 + routine * ROUTINE_BYTES;
                code.note(format!("changes {slot:#x}"));
                change(code, slot);
            }
            Piece::Remap { by_handler, whole } => {
                code.note("maps the page elsewhere");
                if *by_handler || privilege != 1 {
                    code.word(ECALL);
                } else {
                    code.set(T1, LEAF + code.shift);
                    code.word(i_type(LD, T0, T1, 0));
                    code.word(i_type(0x4013, T0, T0, 0x400));
                    code.word(s_type(SD, T1, T0, 0));
                    code.set(T1, REMAPPED);
                    let page = if *whole { 0 } else { T1 };
                    code.word(r_type(SFENCE_VMA, 0, page, 0));
                }
            }
            // Machine mode does not translate.
            Piece::CallRemapped { .. } | Piece::AccessRemapped { .. } if privilege == 3 => {}
            Piece::CallRemapped { routine } => {
                let at = REMAPPED + routine * ROUTINE_BYTES;
                code.note(format!("calls {at:#x}"));
                code.set(T0, at);
                code.word(i_type(JALR, RA, T0, 0));
            }
            Piece::AccessRemapped { word, offset } => {
                let at = REMAPPED + offset;
                code.note(format!("access {word:08x} to {at:#x}"));
                code.set(T0, at);
                code.word(word & !(31 << 15) | T0 << 15);
            }
            Piece::Interrupt { hart } => {
                let hart = hart % code.harts;
                code.note(format!("interrupts hart {hart}"));
                code.set(T1, MSIP + 4 * hart);
                code.word(i_type(ADDI, T0, 0, 1));
                code.word(s_type(SW, T1, T0, 0));
            }
            Piece::Rounding { mode, body } => {
                code.note(format!("with rounding mode {mode}:"));
                code.word(i_type(ADDI, T0, 0, *mode));
                code.word(CSRRW_FRM | T0 << 15);
                write(code, body, privilege);
                code.word(CSRRW_FRM);
                code.note("with rounding mode 0 again");
            }
        }
    }

    /// The pieces in it.
    pub fn body_mut(&mut self) -> Option<&mut Vec<Piece>> {
        match self {
            Piece::Loop { body, .. }
            | Piece::Call { body, .. }
            | Piece::Skip { body, .. }
            | Piece::Rounding { body, .. } => Some(body),
            _ => None,
        }
    }
}

/// Adds 1 to the immediate of the instruction at `slot`.
fn change(code: &mut Code, slot: u64) {
    code.set(T1, slot);
    code.word(i_type(LW, T0, T1, 0));
    code.word(0x37 | T2 << 7 | NEXT_IMMEDIATE << 12);
    code.word(r_type(0x33, T0, T0, T2));
    code.word(s_type(SW, T1, T0, 0));
    code.word(FENCE_I);
}

/// `lw`, `ld`, `fld`, `sw`, `sd`, `fsd` and `amoadd.d`; the address goes in.
const ACCESSES: [u32; 7] = [
    LW | 8 << 7,
    LD | 9 << 7,
    0x3007 | 10 << 7,
    SW | 8 << 20,
    SD | 9 << 20,
    0x3027 | 10 << 20,
    0x302f | 11 << 7 | 9 << 20,
];

/// A list of random pieces. `depth` tells how many may stand in each other yet.
pub fn random(r: &mut Prng, length: u64, depth: u32) -> Vec<Piece> {
    (0..1 + r.below(length)).map(|_| one(r, depth)).collect()
}

fn one(r: &mut Prng, depth: u32) -> Piece {
    let inner = |r: &mut Prng| random(r, 6, depth.saturating_sub(1));
    match r.below(31) {
        0 | 1 if depth > 0 => Piece::Loop {
            times: 1 + r.bits(2),
            body: inner(r),
        },
        2 | 3 if depth > 0 => Piece::Call {
            direct: r.one_in(2),
            body: inner(r),
        },
        4 | 5 if depth > 0 => Piece::Skip {
            condition: *r.pick(&[0, 1, 4, 5, 6, 7]),
            a: r.bits(5),
            b: r.bits(5),
            body: inner(r),
        },
        6 if depth > 0 && r.one_in(2) => Piece::Rounding {
            mode: r.bits(3),
            body: inner(r),
        },
        7 if r.one_in(3) => Piece::BadJump,
        8 if r.one_in(2) => Piece::BadAccess {
            word: *r.pick(&ACCESSES),
            address: *r.pick(&[
                NOWHERE,
                NOWHERE + 0xffd,
                0,
                PHYSICAL + 0xbf5,
                1 << 62,
                u64::MAX - 3,
            ]),
        },
        // Illegal ones, ebreak, and wfi.
        9 if r.one_in(3) => Piece::Word(*r.pick(&[0xffff_ffff, 0x0010_0073, 0x1050_0073, 0x3020_2073])),
        // Counters, which show how many instructions were retired: cycle, time, instret.
        10 if r.one_in(2) => Piece::Word(0xc000_2073 | r.bits(2).min(2) << 20 | (8 + r.bits(3)) << 7),
        11 => Piece::Modify {
            rd: 8 + r.bits(4),
            immediate: r.bits(12),
        },
        12 => Piece::ModifyRemapped {
            page: r.below(2),
            routine: r.below(8),
        },
        13 => Piece::Remap {
            by_handler: r.one_in(2),
            whole: r.one_in(2),
        },
        14 | 15 => Piece::CallRemapped { routine: r.below(8) },
        16 => Piece::AccessRemapped {
            word: *r.pick(&ACCESSES),
            offset: 0x800 + r.below(0x100) * 8,
        },
        30 if r.one_in(2) => Piece::Interrupt {
            hart: r.below(MOST_HARTS),
        },
        17..20 => known(r, COMPRESSED),
        20..24 => known(r, FLOAT),
        _ => known(r, INTEGER),
    }
}

fn known(r: &mut Prng, table: &'static [crate::encode::Instruction]) -> Piece {
    Piece::One(Unit::Known {
        instruction: r.pick(table),
        seed: r.next(),
    })
}
