//! One test of one instruction: the instruction itself and what it needs around it.

use crate::encode::{self, Form, Instruction};
use crate::image::{SCRATCH, SCRATCH_BYTES};
use crate::prng::Prng;

/// An instruction to be tested, with the seed of its operands. The bytes depend on the address only where the
/// instruction's do, so that a unit can be placed again elsewhere and do the same.
#[derive(Clone, Debug)]
pub enum Unit {
    Known {
        instruction: &'static Instruction,
        seed: u64,
    },
    /// Any bits at all, two or four bytes long as the low bits say.
    Raw(u32),
}

/// A unit placed at an address.
#[derive(Clone, Debug, Default)]
pub struct Placed {
    pub bytes: Vec<u8>,
    /// What was placed, in words.
    pub text: String,
}

const F_CSRS: [(u32, &str); 3] = [(1, "fflags"), (2, "frm"), (3, "fcsr")];
const M_CSRS: [(u32, &str); 2] = [(0x140, "sscratch"), (0x143, "stval")];

impl Placed {
    fn word(&mut self, word: u32) {
        self.bytes.extend(word.to_le_bytes());
    }

    fn half(&mut self, half: u32) {
        self.bytes.extend((half as u16).to_le_bytes());
    }

    /// Sets a register to an address by auipc and addi.
    fn address(&mut self, pc: u64, rd: u32, address: u64) {
        let here = pc + self.bytes.len() as u64;
        let offset = address.wrapping_sub(here) as u32;
        let high = offset.wrapping_add(0x800) & 0xffff_f000;
        self.word(0x17 | rd << 7 | high);
        self.word(encode::i_type(0x13, rd, rd, offset));
    }

    /// `xori rd, rd, -1`: what a branch is taken around, or not.
    fn flip(&mut self, rd: u32) {
        self.word(encode::i_type(0x4013, rd, rd, 0xfff));
    }
}

/// An address in the scratch memory for an access of `size` bytes: mostly aligned, the rest across the page
/// border more often than chance would have it.
fn target(r: &mut Prng, size: u8, aligned: bool) -> u64 {
    let size = u64::from(size);
    let offset = if aligned || !r.one_in(3) {
        r.below(SCRATCH_BYTES / size) * size
    } else if r.one_in(2) {
        SCRATCH_BYTES / 2 - 8 + r.below(16)
    } else {
        r.below(SCRATCH_BYTES - size)
    };
    SCRATCH + offset.min(SCRATCH_BYTES - size)
}

impl Unit {
    /// The bytes of this unit at address `pc`. `machine` says whether machine-mode CSRs can be reached.
    pub fn place(&self, pc: u64, machine: bool) -> Placed {
        match self {
            Self::Known { instruction, seed } => place(instruction, *seed, pc, machine),
            Self::Raw(word) if word & 3 == 3 => Placed {
                bytes: word.to_le_bytes().to_vec(),
                text: format!("word {word:08x}"),
            },
            Self::Raw(half) => Placed {
                bytes: (*half as u16).to_le_bytes().to_vec(),
                text: format!("half {half:04x}"),
            },
        }
    }
}

fn place(instruction: &Instruction, seed: u64, pc: u64, machine: bool) -> Placed {
    let r = &mut Prng::new(seed);
    let mut out = Placed::default();
    let (name, bits) = (instruction.name, instruction.bits);
    let (rd, rs1, rs2, rs3) = (r.bits(5), r.bits(5), r.bits(5), r.bits(5));
    // Small registers numbers, for the compressed forms.
    let (cd, c1, c2) = (8 + r.bits(3), 8 + r.bits(3), 8 + r.bits(3));
    let base = encode::register(r);
    let immediate = r.bits(12);
    let rounding = *r.pick(&[0u32, 1, 2, 3, 4, 7, 7, 7]);
    let roundings = ["rne", "rtz", "rdn", "rup", "rmm", "", "", "dyn"];
    let rounded = roundings[rounding as usize];
    out.text = match instruction.form {
        Form::R => {
            out.word(encode::r_type(bits, rd, rs1, rs2));
            format!("{name} {rd}, {rs1}, {rs2}")
        }
        Form::Unary => {
            if name == "ctzw" && rs1 != 0 {
                // QEMU 7.2 looks further than the word if that is 0 (`bits.S` has that): set its last bit.
                out.word(encode::i_type(0x2800_1013, rs1, rs1, 31));
            }
            out.word(encode::r_type(bits, rd, rs1, 0));
            format!("{name} {rd}, {rs1}")
        }
        Form::I => {
            out.word(encode::i_type(bits, rd, rs1, immediate));
            format!("{name} x{rd}, x{rs1}, {immediate:#x}")
        }
        Form::Shift6 => {
            out.word(encode::r_type(bits, rd, rs1, 0) | (immediate & 63) << 20);
            format!("{name} x{rd}, x{rs1}, {}", immediate & 63)
        }
        Form::Shift5 => {
            out.word(encode::r_type(bits, rd, rs1, immediate & 31));
            format!("{name} x{rd}, x{rs1}, {}", immediate & 31)
        }
        Form::U => {
            let value = r.bits(20);
            out.word(bits | rd << 7 | value << 12);
            format!("{name} x{rd}, {value:#x}")
        }
        Form::Load(size) => {
            let address = target(r, size, false);
            out.address(pc, base, address.wrapping_sub(sign_extend(immediate)));
            out.word(encode::i_type(bits, rd, base, immediate));
            format!("{name} {rd}, {immediate:#x}(x{base}) at {address:#x}")
        }
        Form::Store(size) => {
            let address = target(r, size, false);
            out.address(pc, base, address.wrapping_sub(sign_extend(immediate)));
            out.word(encode::s_type(bits, base, rs2, immediate));
            format!("{name} {rs2}, {immediate:#x}(x{base}) at {address:#x}")
        }
        Form::Branch => {
            // A third of the branches compare a register with itself.
            let rs2 = if r.one_in(3) { rs1 } else { rs2 };
            if r.one_in(2) {
                out.word(encode::b_type(bits, rs1, rs2, 8));
                out.flip(base);
                format!("{name} x{rs1}, x{rs2} over not x{base}")
            } else {
                out.word(encode::jal(0, 12));
                out.flip(base);
                out.word(encode::jal(0, 8));
                out.word(encode::b_type(bits, rs1, rs2, -8));
                format!("{name} x{rs1}, x{rs2} back to not x{base}")
            }
        }
        Form::Jal => {
            out.word(encode::jal(rd, 12));
            out.flip(base);
            out.word(encode::jal(0, 8));
            out.word(encode::jal(rs1, -8));
            format!("{name} x{rd}, then x{rs1} back to not x{base}")
        }
        Form::Jalr => {
            // Bit 0 of the target is ignored.
            let odd = r.below(2);
            let target = pc + 16 + odd;
            out.address(pc, base, target.wrapping_sub(sign_extend(immediate)));
            out.word(encode::i_type(bits, rd, base, immediate));
            out.flip(base);
            format!("{name} x{rd}, {immediate:#x}(x{base})")
        }
        Form::Amo(size) => {
            // QEMU 7.2 reports misaligned atomics as loads: `traps.S` has them.
            let address = target(r, size, true);
            out.address(pc, base, address);
            out.word(encode::r_type(bits, rd, base, rs2) | r.bits(2) << 25);
            format!("{name} x{rd}, x{rs2}, (x{base}) at {address:#x}")
        }
        Form::LrSc(size) => {
            let address = target(r, size, true);
            out.address(pc, base, address);
            let order = r.bits(2) << 25;
            // The first result goes where it cannot spoil the address.
            let rd = if rd == base { 0 } else { rd };
            let mut text = format!("lr/sc on x{base} at {address:#x}: lr x{rd}");
            out.word(encode::r_type(bits | 2 << 27 | order, rd, base, 0));
            if r.one_in(4) {
                // To another address the store must fail.
                let other = SCRATCH + (address - SCRATCH + SCRATCH_BYTES / 2) % SCRATCH_BYTES;
                let second = base % 31 + 1;
                out.address(pc, second, other);
                out.word(encode::r_type(bits | 3 << 27 | order, rs3, second, rs2));
                text += &format!(", sc x{rs3}, x{rs2}, (x{second}) at {other:#x}");
            } else {
                let rs3 = if rs3 == base { 0 } else { rs3 };
                out.word(encode::r_type(bits | 3 << 27 | order, rs3, base, rs2));
                // The reservation is spent: the second store must fail.
                out.word(encode::r_type(bits | 3 << 27 | order, rs1, base, rs2));
                text += &format!(", sc x{rs3}, x{rs2}, sc x{rs1}, x{rs2}");
            }
            text
        }
        Form::Csr | Form::CsrImmediate => {
            let (csr, csr_name) = if machine && r.one_in(3) {
                *r.pick(&M_CSRS)
            } else {
                *r.pick(&F_CSRS)
            };
            out.word(encode::i_type(bits, rd, rs1, csr));
            // Read it back, and leave a rounding mode that exists.
            out.word(encode::i_type(0x2073, rs3, 0, csr));
            out.word(encode::i_type(0x5073, 0, r.bits(3) % 5, 2));
            format!("{name} x{rd}, {csr_name}, {rs1}; csrr x{rs3}, {csr_name}; a valid frm")
        }
        Form::Bare => {
            out.word(bits);
            name.to_owned()
        }
        Form::Fence => {
            let sets = r.bits(8);
            out.word(bits | sets << 20);
            format!("{name} {sets:#x}")
        }
        Form::FloatRounded => {
            out.word(encode::r_type(bits, rd, rs1, rs2) | rounding << 12);
            format!("{name} {rd}, {rs1}, {rs2}, {rounded}")
        }
        Form::FloatUnaryRounded => {
            out.word(encode::r_type(bits, rd, rs1, 0) | rounding << 12);
            format!("{name} {rd}, {rs1}, {rounded}")
        }
        Form::FloatFused => {
            out.word(encode::r_type(bits, rd, rs1, rs2) | rounding << 12 | rs3 << 27);
            format!("{name} f{rd}, f{rs1}, f{rs2}, f{rs3}, {rounded}")
        }

        Form::CAddi4spn => {
            let immediate = (1 + r.bits(8) % 255) << 2;
            out.half(bits | encode::c_addi4spn(immediate) | (cd - 8) << 2);
            format!("{name} x{cd}, {immediate}")
        }
        Form::CLoad(size) | Form::CStore(size) => {
            let offset = r.bits(5) * u32::from(size);
            let address = target(r, size, false);
            out.address(pc, c1, address.wrapping_sub(u64::from(offset)));
            out.half(bits | encode::c_offset(size, offset) | (c1 - 8) << 7 | (cd - 8) << 2);
            format!("{name} {cd}, {offset}(x{c1}) at {address:#x}")
        }
        Form::CLoadSp(size) => {
            // Integer loads to x0 are reserved; f0 is only left out with them.
            let rd = base;
            let offset = r.bits(6) * u32::from(size);
            let address = target(r, size, false);
            out.address(pc, 2, address.wrapping_sub(u64::from(offset)));
            out.half(bits | encode::c_offset_load_sp(size, offset) | rd << 7);
            format!("{name} {rd}, {offset}(sp) at {address:#x}")
        }
        Form::CStoreSp(size) => {
            let offset = r.bits(6) * u32::from(size);
            let address = target(r, size, false);
            out.address(pc, 2, address.wrapping_sub(u64::from(offset)));
            out.half(bits | encode::c_offset_store_sp(size, offset) | rs2 << 2);
            format!("{name} {rs2}, {offset}(sp) at {address:#x}")
        }
        Form::CImmediate => {
            out.half(bits | encode::c_immediate(immediate) | base << 7);
            format!("{name} x{base}, {:#x}", immediate & 63)
        }
        Form::CAddi16sp => {
            let immediate = (1 + r.bits(6) % 63) << 4;
            out.half(bits | encode::c_addi16sp(immediate));
            format!("{name} {immediate:#x}")
        }
        Form::CLui => {
            let immediate = 1 + r.bits(6) % 63;
            let rd = if base == 2 { 3 } else { base };
            out.half(bits | encode::c_immediate(immediate) | rd << 7);
            format!("{name} x{rd}, {immediate:#x}")
        }
        Form::CShift | Form::CAndi => {
            out.half(bits | encode::c_immediate(immediate) | (cd - 8) << 7);
            format!("{name} x{cd}, {:#x}", immediate & 63)
        }
        Form::CArithmetic => {
            out.half(bits | (cd - 8) << 7 | (c2 - 8) << 2);
            format!("{name} x{cd}, x{c2}")
        }
        Form::CSlli => {
            out.half(bits | encode::c_immediate(immediate) | base << 7);
            format!("{name} x{base}, {}", immediate & 63)
        }
        Form::CMove => {
            let rs2 = encode::register(r);
            out.half(bits | rd << 7 | rs2 << 2);
            format!("{name} x{rd}, x{rs2}")
        }
        Form::CJ => {
            out.half(bits | encode::c_jump(8));
            out.flip(base);
            out.half(bits | encode::c_jump(4));
            out.half(bits | encode::c_jump(-6));
            format!("{name} forward and back to not x{base}")
        }
        Form::CJr => {
            out.address(pc, base, pc + 14 + r.below(2));
            out.half(bits | base << 7);
            out.flip(base);
            format!("{name} x{base}")
        }
        Form::CBranch => {
            // Half of the time the register is 0.
            if r.one_in(2) {
                out.word(encode::i_type(0x13, cd, 0, 0));
            }
            if r.one_in(2) {
                out.half(bits | encode::c_branch(6) | (cd - 8) << 7);
                out.flip(base);
                format!("{name} x{cd} over not x{base}")
            } else {
                out.word(encode::jal(0, 12));
                out.flip(base);
                out.word(encode::jal(0, 6));
                out.half(bits | encode::c_branch(-8) | (cd - 8) << 7);
                format!("{name} x{cd} back to not x{base}")
            }
        }
    };
    out
}

fn sign_extend(immediate: u32) -> u64 {
    ((immediate << 20) as i32 >> 20) as u64
}
