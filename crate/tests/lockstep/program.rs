//! Programs: pieces, and what goes before and around them — the state at the start, page tables, handlers of traps.

use std::fmt;

use crate::encode::{b_type, i_type, jal, r_type, s_type};
use crate::image::*;
use crate::piece::{self, Code, Piece};
use crate::prng::Prng;
use crate::values;

/// A program.
#[derive(Clone, Debug)]
pub struct Program {
    /// Of everything but the pieces.
    seed: u64,
    /// The hart that runs it, of how many.
    hart: u64,
    harts: u64,
    /// The mode it runs in: 0, 1 or 3.
    privilege: u32,
    /// Traps and a timer go to S-mode where they can.
    delegates: bool,
    /// Ticks between two interrupts; more than the handler needs.
    period: u32,
    /// Where in its page the program begins.
    offset: u64,
    pub pieces: Vec<Piece>,
}

const T0: u32 = 5;
const T1: u32 = 6;
const T2: u32 = 7;
const SAVE: u32 = 31;
const LD: u32 = 0x3003;
const SD: u32 = 0x3023;
const ADDI: u32 = 0x13;
const SW: u32 = 0x2023;
const AMOADD: u32 = 0x302f;
const WFI: u32 = 0x1050_0073;

/// Numbers of CSRs that M-mode and S-mode have alike.
struct Csrs {
    scratch: u32,
    epc: u32,
    cause: u32,
    /// `mret` or `sret`
    back: u32,
}
const MACHINE: Csrs = Csrs {
    scratch: 0x340,
    epc: 0x341,
    cause: 0x342,
    back: 0x3020_0073,
};
const SUPERVISOR: Csrs = Csrs {
    scratch: 0x140,
    epc: 0x141,
    cause: 0x142,
    back: 0x1020_0073,
};

fn csrrw(rd: u32, csr: u32, rs1: u32) -> u32 {
    i_type(0x1073, rd, rs1, csr)
}
fn csrr(rd: u32, csr: u32) -> u32 {
    i_type(0x2073, rd, 0, csr)
}

impl Program {
    /// One for hart `hart` of `harts`.
    pub fn random(seed: u64, hart: u64, harts: u64) -> Self {
        let mut r = Prng::new(seed);
        let privilege = *r.pick(&[0, 1, 1, 3]);
        let length = *r.pick(&[4, 12, 30]);
        Program {
            seed,
            hart,
            harts,
            privilege,
            delegates: privilege != 3 && r.one_in(2),
            // Harts take turns: time passes faster than each gets on.
            period: (60 + r.bits(8)) * harts as u32,
            offset: 2 * r.below(0x800),
            pieces: vec![Piece::Loop {
                times: 2 + r.bits(4),
                body: piece::random(&mut r, length, 3),
            }],
        }
    }

    fn shift(&self) -> u64 {
        self.hart * STRIDE
    }

    /// Code at an address of hart 0's, which is another for other harts.
    fn at(&self, base: u64) -> Code {
        let mut code = Code::at(base + self.shift());
        (code.shift, code.harts) = (self.shift(), self.harts);
        code
    }

    fn code(&self) -> Code {
        let mut code = self.at(CODE + self.offset);
        piece::write(&mut code, &self.pieces, self.privilege);
        // The last to come here turns the power off, the others wait for it.
        code.set(T0, ENDED);
        code.word(i_type(ADDI, T1, 0, 1));
        code.word(r_type(AMOADD, T1, T0, T1));
        code.word(i_type(ADDI, T0, 0, self.harts as u32 - 1));
        code.word(b_type(0x63, T0, T1, 12));
        code.word(WFI);
        code.word(jal(0, -4));
        code.set(T0, 0x10_0000);
        code.set(T1, 0x5555);
        code.word(s_type(SW, T0, T1, 0));
        code.word(jal(0, 0));
        code
    }

    /// Puts what the hart needs into memory, by offset from [`BASE`].
    pub fn put_into(&self, bytes: &mut Vec<u8>) {
        let mut r = Prng::new(!self.seed);
        let shift = self.shift();
        let mut put = |at: u64, what: &[u8]| {
            let at = (at - BASE) as usize;
            bytes.resize(bytes.len().max(at + what.len()), 0);
            bytes[at..at + what.len()].copy_from_slice(what);
        };
        for code in [
            self.start(&mut r),
            self.handler(MACHINE_HANDLER, &MACHINE),
            self.handler(SUPERVISOR_HANDLER, &SUPERVISOR),
        ] {
            put(code.base, &code.bytes);
        }
        // Accessed and dirty already, but for the page that is mapped to and fro, where that is left to chance.
        let user = if self.privilege == 0 { 0x10 } else { 0 };
        let leaf = |physical: u64, bits: u64| (physical >> 2 | bits).to_le_bytes();
        put(ROOT + shift, &leaf(0, 0xcf | user));
        put(ROOT + shift + 8 * 2, &leaf(BASE, 0xcf | user));
        put(ROOT + shift + 8 * 3, &leaf(MIDDLE + shift, 1));
        put(ROOT + shift + 8 * 4, &leaf(BASE, 0xcf));
        put(MIDDLE + shift, &leaf(LEAF + shift, 1));
        put(
            LEAF + shift,
            &leaf(PHYSICAL + shift, *r.pick(&[0xcf, 0x4f, 0x0f]) | user),
        );
        for at in 0..32 {
            put(REGISTERS + shift + 8 * at, &values::integer(&mut r).to_le_bytes());
            put(
                REGISTERS + shift + 256 + 8 * at,
                &values::float(&mut r).to_le_bytes(),
            );
        }
        for at in (0..SCRATCH_BYTES).step_by(8) {
            let value = if r.one_in(3) {
                values::float(&mut r)
            } else {
                values::integer(&mut r)
            };
            // All have the same: what the last has put stays.
            put(SCRATCH + at, &value.to_le_bytes());
        }
        for page in 0..2 {
            for routine in 0..8 {
                let at = PHYSICAL + shift + page * 0x1000 + routine * ROUTINE_BYTES;
                put(at, &routine_code(&mut r, at).bytes);
            }
        }
        let code = self.code();
        assert!(code.here() < BASE + STRIDE + shift, "the program is too long");
        put(code.base, &code.bytes);
    }

    /// Brings the machine into the state in which the program starts.
    fn start(&self, r: &mut Prng) -> Code {
        let mut code = self.at(START);
        let shift = self.shift();
        let float = *r.pick(&[1, 2, 3, 3, 3, 3, 3, 0]) << 13;
        let interrupts: u64 = 1 << 7 | 1 << 3 | 1 << 1 | 1 << 5;
        let supervisor_memory = 1 << 18;
        let (sti, mti, msi) = (1 << 5, 1 << 7, 1 << 3);
        let delegates = u64::from(self.delegates);
        let sv39 = 8 << 60 | (ROOT + shift) >> 12;
        // Illegal instructions, breakpoints, and loads and stores that fail.
        let exceptions = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 13 | 1 << 15;
        for (csr, value) in [
            (0x3b0, u64::MAX),
            (0x3a0, 0x1f),
            (0x305, MACHINE_HANDLER + shift),
            (0x340, MACHINE_SAVE + shift),
            (0x105, SUPERVISOR_RAM + SUPERVISOR_HANDLER + shift - BASE),
            (0x140, SUPERVISOR_SAVE + shift),
            (0x180, if self.privilege == 3 { 0 } else { sv39 }),
            (0x302, delegates * exceptions),
            (0x303, delegates * sti),
            (0x306, 7),
            (0x106, 7),
            (0x30a, 1 << 63 | 1 << 61),
            (0x14d, u64::from(self.period)),
            (0x304, msi | mti | (delegates * sti)),
            (
                0x300,
                u64::from(self.privilege) << 11 | float | (interrupts & !(1 << 3)) | supervisor_memory,
            ),
            (0x341, CODE + shift + self.offset),
        ] {
            code.set(T0, value);
            code.word(csrrw(0, csr, T0));
        }
        code.set(T0, MTIMECMP + 8 * self.hart);
        code.word(i_type(ADDI, T1, 0, self.period));
        code.word(s_type(SD, T0, T1, 0));
        code.set(SAVE, REGISTERS + shift);
        if float != 0 {
            (0..32).for_each(|f| code.word(i_type(0x3007, f, SAVE, 256 + 8 * f)));
        }
        (1..32).for_each(|x| code.word(i_type(LD, x, SAVE, 8 * x)));
        code.word(MACHINE.back);
        code
    }

    /// A handler: sets the timer anew and takes back what interrupted the hart, maps the page elsewhere for an `ecall`, goes on elsewhere after a jump to nowhere,
    /// and otherwise skips the instruction.
    fn handler(&self, at: u64, csrs: &Csrs) -> Code {
        let mut code = self.at(at);
        let machine = csrs.back == MACHINE.back;
        code.word(csrrw(SAVE, csrs.scratch, SAVE));
        for (at, reg) in [T0, T1, T2].into_iter().enumerate() {
            code.word(s_type(SD, SAVE, reg, 8 * at as u32));
        }
        // Counts traps.
        code.word(i_type(LD, T0, SAVE, 32));
        code.word(i_type(ADDI, T0, T0, 1));
        code.word(s_type(SD, SAVE, T0, 32));
        code.word(csrr(T0, csrs.cause));
        let mut branches = Vec::new();
        let mut to_end = Vec::new();
        // Interrupts: not less than 0 goes on.
        let interrupt = code.here();
        code.word(0);
        if machine {
            code.set(T1, 0x200_bff8);
            code.word(i_type(LD, T2, T1, 0));
            code.word(i_type(ADDI, T2, T2, self.period));
            code.set(T1, MTIMECMP + 8 * self.hart);
            code.word(s_type(SD, T1, T2, 0));
            code.set(T1, MSIP + 4 * self.hart);
            code.word(s_type(SW, T1, 0, 0));
        } else {
            code.word(csrr(T2, 0xc01));
            code.word(i_type(ADDI, T2, T2, self.period));
            code.word(csrrw(0, 0x14d, T2));
        }
        to_end.push(code.here());
        code.word(0);
        branches.push((interrupt, b_type(0x5063, T0, 0, (code.here() - interrupt) as i32)));
        // Jumps to nowhere: causes 1 and 12.
        for cause in [1, 12] {
            code.word(i_type(ADDI, T1, 0, cause));
            code.word(b_type(0x1063, T0, T1, 16));
            code.word(i_type(LD, T2, SAVE, RESUME));
            code.word(csrrw(0, csrs.epc, T2));
            to_end.push(code.here());
            code.word(0);
        }
        // Calls: 8 to 11.
        code.word(i_type(ADDI, T1, T0, 0xff8));
        code.word(i_type(0x3013, T1, T1, 4));
        let call = code.here();
        code.word(0);
        code.set(T1, LEAF + code.shift);
        code.word(i_type(LD, T2, T1, 0));
        code.word(i_type(0x4013, T2, T2, 0x400));
        code.word(s_type(SD, T1, T2, 0));
        code.word(r_type(0x1200_0073, 0, 0, 0));
        branches.push((call, b_type(0x63, T1, 0, (code.here() - call) as i32)));
        // Past the instruction, whose two low bits tell how long it is.
        code.word(csrr(T0, csrs.epc));
        code.word(i_type(0x5003, T1, T0, 0));
        code.word(i_type(0x7013, T1, T1, 3));
        code.word(i_type(ADDI, T1, T1, 0xffd));
        code.word(i_type(ADDI, T0, T0, 2));
        code.word(b_type(0x1063, T1, 0, 8));
        code.word(i_type(ADDI, T0, T0, 2));
        code.word(csrrw(0, csrs.epc, T0));
        let end = code.here();
        for (at, reg) in [T0, T1, T2].into_iter().enumerate() {
            code.word(i_type(LD, reg, SAVE, 8 * at as u32));
        }
        code.word(csrrw(SAVE, csrs.scratch, SAVE));
        code.word(csrs.back);
        branches.extend(to_end.iter().map(|&at| (at, jal(0, (end - at) as i32))));
        for (at, word) in branches {
            let at = (at - code.base) as usize;
            code.bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        code
    }
}

/// A routine: what [`Piece::ModifyRemapped`] changes, a short loop, and the return.
fn routine_code(r: &mut Prng, at: u64) -> Code {
    let mut code = Code::at(at);
    let (a, b) = (8 + r.bits(2), 12 + r.bits(2));
    code.word(i_type(ADDI, a, a, r.bits(12)));
    code.word(i_type(ADDI, T0, 0, 1 + r.bits(2)));
    for _ in 0..r.below(4) {
        code.word(r_type(
            *r.pick(&[0x33, 0x4033, 0x4000_0033, 0x0200_0033]),
            b,
            a,
            b,
        ));
    }
    code.word(i_type(ADDI, T0, T0, 0xfff));
    code.word(b_type(0x1063, T0, 0, -8));
    code.word(i_type(0x67, 0, 1, 0));
    code
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Program {
            privilege,
            delegates,
            period,
            ..
        } = self;
        writeln!(
            f,
            "hart {}, in mode {privilege}, delegating: {delegates}, a timer every {period} ticks:",
            self.hart
        )?;
        let code = self.code();
        code.listing
            .iter()
            .try_for_each(|(at, text)| writeln!(f, "  {at:#x}: {text}"))?;
        writeln!(f, "  {:#x}: end", code.here())
    }
}
