//! The instruction set as the tests know it: names, encodings and operand shapes.
//!
//! Written from the manuals' tables, apart from Tabvisor's decoder: a shared mistake would go unseen.

use crate::prng::Prng;

/// Where an instruction's operands are and what must hold for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// rd, rs1, rs2
    R,
    /// rd, rs1 (rs2's place is part of the opcode)
    Unary,
    /// rd, rs1, 12-bit immediate
    I,
    /// rd, rs1, 6-bit shift amount
    Shift6,
    /// rd, rs1, 5-bit shift amount
    Shift5,
    /// rd, 20-bit immediate
    U,
    /// Load of so many bytes into an integer or float register: rd, immediate(rs1)
    Load(u8),
    /// Store of so many bytes: rs2, immediate(rs1)
    Store(u8),
    /// Branches forward and backward
    Branch,
    Jal,
    Jalr,
    /// Atomic read-modify-write of so many bytes
    Amo(u8),
    /// Load-reserved and store-conditional sequences on so many bytes
    LrSc(u8),
    /// CSR instruction with a register, or with a 5-bit immediate
    Csr,
    CsrImmediate,
    /// fence, fence.i and the like: the word as it stands
    Bare,
    /// fence with random predecessor and successor sets
    Fence,
    /// rd, rs1, rs2, rounding mode
    FloatRounded,
    /// rd, rs1, rounding mode (rs2's place is part of the opcode)
    FloatUnaryRounded,
    /// rd, rs1, rs2, rs3, rounding mode
    FloatFused,

    /// rd', a multiple of 4
    CAddi4spn,
    /// rd'/rs2', rs1', offset: loads and stores of so many bytes
    CLoad(u8),
    CStore(u8),
    /// rd/rs2, offset from sp
    CLoadSp(u8),
    CStoreSp(u8),
    /// rd (not x0), non-zero immediate; HINTs included
    CImmediate,
    /// The stack pointer plus a multiple of 16
    CAddi16sp,
    CLui,
    /// rd', 6-bit shift amount or immediate
    CShift,
    CAndi,
    /// rd', rs2'
    CArithmetic,
    /// rd, 6-bit shift amount
    CSlli,
    /// rd, rs2, neither of them x0
    CMove,
    CJ,
    CJr,
    CBranch,
}

/// One instruction.
#[derive(Clone, Copy, Debug)]
pub struct Instruction {
    pub name: &'static str,
    pub form: Form,
    /// The bits that are not operands.
    pub bits: u32,
}

const fn of(name: &'static str, form: Form, bits: u32) -> Instruction {
    Instruction { name, form, bits }
}

const fn op(opcode: u32, funct3: u32, funct7: u32) -> u32 {
    opcode | funct3 << 12 | funct7 << 25
}

const fn op_imm(opcode: u32, funct3: u32, immediate: u32) -> u32 {
    opcode | funct3 << 12 | immediate << 20
}

/// Everything of RV64IMA, Zicsr, Zifencei, Zba, Zbb and Zbs.
#[rustfmt::skip]
pub const INTEGER: &[Instruction] = &[
    of("lui", Form::U, 0x37), of("auipc", Form::U, 0x17),
    of("jal", Form::Jal, 0x6f), of("jalr", Form::Jalr, 0x67),
    of("beq", Form::Branch, op(0x63, 0, 0)), of("bne", Form::Branch, op(0x63, 1, 0)),
    of("blt", Form::Branch, op(0x63, 4, 0)), of("bge", Form::Branch, op(0x63, 5, 0)),
    of("bltu", Form::Branch, op(0x63, 6, 0)), of("bgeu", Form::Branch, op(0x63, 7, 0)),
    of("lb", Form::Load(1), op(0x03, 0, 0)), of("lh", Form::Load(2), op(0x03, 1, 0)),
    of("lw", Form::Load(4), op(0x03, 2, 0)), of("ld", Form::Load(8), op(0x03, 3, 0)),
    of("lbu", Form::Load(1), op(0x03, 4, 0)), of("lhu", Form::Load(2), op(0x03, 5, 0)),
    of("lwu", Form::Load(4), op(0x03, 6, 0)),
    of("sb", Form::Store(1), op(0x23, 0, 0)), of("sh", Form::Store(2), op(0x23, 1, 0)),
    of("sw", Form::Store(4), op(0x23, 2, 0)), of("sd", Form::Store(8), op(0x23, 3, 0)),
    of("addi", Form::I, op(0x13, 0, 0)), of("slti", Form::I, op(0x13, 2, 0)),
    of("sltiu", Form::I, op(0x13, 3, 0)), of("xori", Form::I, op(0x13, 4, 0)),
    of("ori", Form::I, op(0x13, 6, 0)), of("andi", Form::I, op(0x13, 7, 0)),
    of("slli", Form::Shift6, op(0x13, 1, 0)), of("srli", Form::Shift6, op(0x13, 5, 0)),
    of("srai", Form::Shift6, op(0x13, 5, 0x20)), of("addiw", Form::I, op(0x1b, 0, 0)),
    of("slliw", Form::Shift5, op(0x1b, 1, 0)), of("srliw", Form::Shift5, op(0x1b, 5, 0)),
    of("sraiw", Form::Shift5, op(0x1b, 5, 0x20)),
    of("add", Form::R, op(0x33, 0, 0)), of("sub", Form::R, op(0x33, 0, 0x20)),
    of("sll", Form::R, op(0x33, 1, 0)), of("slt", Form::R, op(0x33, 2, 0)),
    of("sltu", Form::R, op(0x33, 3, 0)), of("xor", Form::R, op(0x33, 4, 0)),
    of("srl", Form::R, op(0x33, 5, 0)), of("sra", Form::R, op(0x33, 5, 0x20)),
    of("or", Form::R, op(0x33, 6, 0)), of("and", Form::R, op(0x33, 7, 0)),
    of("addw", Form::R, op(0x3b, 0, 0)), of("subw", Form::R, op(0x3b, 0, 0x20)),
    of("sllw", Form::R, op(0x3b, 1, 0)), of("srlw", Form::R, op(0x3b, 5, 0)),
    of("sraw", Form::R, op(0x3b, 5, 0x20)),
    of("fence", Form::Fence, op(0x0f, 0, 0)), of("fence.tso", Form::Bare, 0x8330_000f),
    of("pause", Form::Bare, 0x0100_000f), of("fence.i", Form::Bare, op(0x0f, 1, 0)),
    of("csrrw", Form::Csr, op(0x73, 1, 0)), of("csrrs", Form::Csr, op(0x73, 2, 0)),
    of("csrrc", Form::Csr, op(0x73, 3, 0)), of("csrrwi", Form::CsrImmediate, op(0x73, 5, 0)),
    of("csrrsi", Form::CsrImmediate, op(0x73, 6, 0)), of("csrrci", Form::CsrImmediate, op(0x73, 7, 0)),
    // M
    of("mul", Form::R, op(0x33, 0, 1)), of("mulh", Form::R, op(0x33, 1, 1)),
    of("mulhsu", Form::R, op(0x33, 2, 1)), of("mulhu", Form::R, op(0x33, 3, 1)),
    of("div", Form::R, op(0x33, 4, 1)), of("divu", Form::R, op(0x33, 5, 1)),
    of("rem", Form::R, op(0x33, 6, 1)), of("remu", Form::R, op(0x33, 7, 1)),
    of("mulw", Form::R, op(0x3b, 0, 1)), of("divw", Form::R, op(0x3b, 4, 1)),
    of("divuw", Form::R, op(0x3b, 5, 1)), of("remw", Form::R, op(0x3b, 6, 1)),
    of("remuw", Form::R, op(0x3b, 7, 1)),
    // A
    of("lr/sc.w", Form::LrSc(4), op(0x2f, 2, 0)), of("lr/sc.d", Form::LrSc(8), op(0x2f, 3, 0)),
    of("amoadd.w", Form::Amo(4), op(0x2f, 2, 0)), of("amoadd.d", Form::Amo(8), op(0x2f, 3, 0)),
    of("amoswap.w", Form::Amo(4), op(0x2f, 2, 0x04)), of("amoswap.d", Form::Amo(8), op(0x2f, 3, 0x04)),
    of("amoxor.w", Form::Amo(4), op(0x2f, 2, 0x10)), of("amoxor.d", Form::Amo(8), op(0x2f, 3, 0x10)),
    of("amoor.w", Form::Amo(4), op(0x2f, 2, 0x20)), of("amoor.d", Form::Amo(8), op(0x2f, 3, 0x20)),
    of("amoand.w", Form::Amo(4), op(0x2f, 2, 0x30)), of("amoand.d", Form::Amo(8), op(0x2f, 3, 0x30)),
    of("amomin.w", Form::Amo(4), op(0x2f, 2, 0x40)), of("amomin.d", Form::Amo(8), op(0x2f, 3, 0x40)),
    of("amomax.w", Form::Amo(4), op(0x2f, 2, 0x50)), of("amomax.d", Form::Amo(8), op(0x2f, 3, 0x50)),
    of("amominu.w", Form::Amo(4), op(0x2f, 2, 0x60)), of("amominu.d", Form::Amo(8), op(0x2f, 3, 0x60)),
    of("amomaxu.w", Form::Amo(4), op(0x2f, 2, 0x70)), of("amomaxu.d", Form::Amo(8), op(0x2f, 3, 0x70)),
    // Zba
    of("add.uw", Form::R, op(0x3b, 0, 0x04)), of("sh1add", Form::R, op(0x33, 2, 0x10)),
    of("sh2add", Form::R, op(0x33, 4, 0x10)), of("sh3add", Form::R, op(0x33, 6, 0x10)),
    of("sh1add.uw", Form::R, op(0x3b, 2, 0x10)), of("sh2add.uw", Form::R, op(0x3b, 4, 0x10)),
    of("sh3add.uw", Form::R, op(0x3b, 6, 0x10)), of("slli.uw", Form::Shift6, op(0x1b, 1, 0x04)),
    // Zbb
    of("andn", Form::R, op(0x33, 7, 0x20)), of("orn", Form::R, op(0x33, 6, 0x20)),
    of("xnor", Form::R, op(0x33, 4, 0x20)), of("max", Form::R, op(0x33, 6, 5)),
    of("maxu", Form::R, op(0x33, 7, 5)), of("min", Form::R, op(0x33, 4, 5)),
    of("minu", Form::R, op(0x33, 5, 5)), of("rol", Form::R, op(0x33, 1, 0x30)),
    of("ror", Form::R, op(0x33, 5, 0x30)), of("rolw", Form::R, op(0x3b, 1, 0x30)),
    of("rorw", Form::R, op(0x3b, 5, 0x30)), of("rori", Form::Shift6, op(0x13, 5, 0x30)),
    of("roriw", Form::Shift5, op(0x1b, 5, 0x30)),
    of("clz", Form::Unary, op_imm(0x13, 1, 0x600)), of("ctz", Form::Unary, op_imm(0x13, 1, 0x601)),
    of("cpop", Form::Unary, op_imm(0x13, 1, 0x602)), of("clzw", Form::Unary, op_imm(0x1b, 1, 0x600)),
    of("ctzw", Form::Unary, op_imm(0x1b, 1, 0x601)), of("cpopw", Form::Unary, op_imm(0x1b, 1, 0x602)),
    of("sext.b", Form::Unary, op_imm(0x13, 1, 0x604)), of("sext.h", Form::Unary, op_imm(0x13, 1, 0x605)),
    of("zext.h", Form::Unary, op(0x3b, 4, 0x04)), of("orc.b", Form::Unary, op_imm(0x13, 5, 0x287)),
    of("rev8", Form::Unary, op_imm(0x13, 5, 0x6b8)),
    // Zbs
    of("bclr", Form::R, op(0x33, 1, 0x24)), of("bext", Form::R, op(0x33, 5, 0x24)),
    of("binv", Form::R, op(0x33, 1, 0x34)), of("bset", Form::R, op(0x33, 1, 0x14)),
    of("bclri", Form::Shift6, op(0x13, 1, 0x24)), of("bexti", Form::Shift6, op(0x13, 5, 0x24)),
    of("binvi", Form::Shift6, op(0x13, 1, 0x34)), of("bseti", Form::Shift6, op(0x13, 1, 0x14)),
];

const fn fp(funct7: u32, funct3: u32, rs2: u32) -> u32 {
    0x53 | funct3 << 12 | rs2 << 20 | funct7 << 25
}

/// Everything of F and D.
#[rustfmt::skip]
pub const FLOAT: &[Instruction] = &[
    of("flw", Form::Load(4), op(0x07, 2, 0)), of("fld", Form::Load(8), op(0x07, 3, 0)),
    of("fsw", Form::Store(4), op(0x27, 2, 0)), of("fsd", Form::Store(8), op(0x27, 3, 0)),
    of("fmadd.s", Form::FloatFused, op(0x43, 0, 0)), of("fmadd.d", Form::FloatFused, op(0x43, 0, 1)),
    of("fmsub.s", Form::FloatFused, op(0x47, 0, 0)), of("fmsub.d", Form::FloatFused, op(0x47, 0, 1)),
    of("fnmsub.s", Form::FloatFused, op(0x4b, 0, 0)), of("fnmsub.d", Form::FloatFused, op(0x4b, 0, 1)),
    of("fnmadd.s", Form::FloatFused, op(0x4f, 0, 0)), of("fnmadd.d", Form::FloatFused, op(0x4f, 0, 1)),
    of("fadd.s", Form::FloatRounded, fp(0x00, 0, 0)), of("fadd.d", Form::FloatRounded, fp(0x01, 0, 0)),
    of("fsub.s", Form::FloatRounded, fp(0x04, 0, 0)), of("fsub.d", Form::FloatRounded, fp(0x05, 0, 0)),
    of("fmul.s", Form::FloatRounded, fp(0x08, 0, 0)), of("fmul.d", Form::FloatRounded, fp(0x09, 0, 0)),
    of("fdiv.s", Form::FloatRounded, fp(0x0c, 0, 0)), of("fdiv.d", Form::FloatRounded, fp(0x0d, 0, 0)),
    of("fsqrt.s", Form::FloatUnaryRounded, fp(0x2c, 0, 0)), of("fsqrt.d", Form::FloatUnaryRounded, fp(0x2d, 0, 0)),
    of("fsgnj.s", Form::R, fp(0x10, 0, 0)), of("fsgnj.d", Form::R, fp(0x11, 0, 0)),
    of("fsgnjn.s", Form::R, fp(0x10, 1, 0)), of("fsgnjn.d", Form::R, fp(0x11, 1, 0)),
    of("fsgnjx.s", Form::R, fp(0x10, 2, 0)), of("fsgnjx.d", Form::R, fp(0x11, 2, 0)),
    of("fmin.s", Form::R, fp(0x14, 0, 0)), of("fmin.d", Form::R, fp(0x15, 0, 0)),
    of("fmax.s", Form::R, fp(0x14, 1, 0)), of("fmax.d", Form::R, fp(0x15, 1, 0)),
    of("fle.s", Form::R, fp(0x50, 0, 0)), of("fle.d", Form::R, fp(0x51, 0, 0)),
    of("flt.s", Form::R, fp(0x50, 1, 0)), of("flt.d", Form::R, fp(0x51, 1, 0)),
    of("feq.s", Form::R, fp(0x50, 2, 0)), of("feq.d", Form::R, fp(0x51, 2, 0)),
    of("fclass.s", Form::Unary, fp(0x70, 1, 0)), of("fclass.d", Form::Unary, fp(0x71, 1, 0)),
    of("fcvt.w.s", Form::FloatUnaryRounded, fp(0x60, 0, 0)), of("fcvt.w.d", Form::FloatUnaryRounded, fp(0x61, 0, 0)),
    of("fcvt.wu.s", Form::FloatUnaryRounded, fp(0x60, 0, 1)), of("fcvt.wu.d", Form::FloatUnaryRounded, fp(0x61, 0, 1)),
    of("fcvt.l.s", Form::FloatUnaryRounded, fp(0x60, 0, 2)), of("fcvt.l.d", Form::FloatUnaryRounded, fp(0x61, 0, 2)),
    of("fcvt.lu.s", Form::FloatUnaryRounded, fp(0x60, 0, 3)), of("fcvt.lu.d", Form::FloatUnaryRounded, fp(0x61, 0, 3)),
    of("fcvt.s.w", Form::FloatUnaryRounded, fp(0x68, 0, 0)), of("fcvt.d.w", Form::FloatUnaryRounded, fp(0x69, 0, 0)),
    of("fcvt.s.wu", Form::FloatUnaryRounded, fp(0x68, 0, 1)), of("fcvt.d.wu", Form::FloatUnaryRounded, fp(0x69, 0, 1)),
    of("fcvt.s.l", Form::FloatUnaryRounded, fp(0x68, 0, 2)), of("fcvt.d.l", Form::FloatUnaryRounded, fp(0x69, 0, 2)),
    of("fcvt.s.lu", Form::FloatUnaryRounded, fp(0x68, 0, 3)), of("fcvt.d.lu", Form::FloatUnaryRounded, fp(0x69, 0, 3)),
    of("fcvt.s.d", Form::FloatUnaryRounded, fp(0x20, 0, 1)), of("fcvt.d.s", Form::FloatUnaryRounded, fp(0x21, 0, 0)),
    of("fmv.x.w", Form::Unary, fp(0x70, 0, 0)), of("fmv.x.d", Form::Unary, fp(0x71, 0, 0)),
    of("fmv.w.x", Form::Unary, fp(0x78, 0, 0)), of("fmv.d.x", Form::Unary, fp(0x79, 0, 0)),
];

const fn c(quadrant: u32, funct3: u32) -> u32 {
    quadrant | funct3 << 13
}

/// Everything of C, with its float loads and stores; `c.ebreak` is the protocol's.
#[rustfmt::skip]
pub const COMPRESSED: &[Instruction] = &[
    of("c.addi4spn", Form::CAddi4spn, c(0, 0)),
    of("c.fld", Form::CLoad(8), c(0, 1)), of("c.lw", Form::CLoad(4), c(0, 2)), of("c.ld", Form::CLoad(8), c(0, 3)),
    of("c.fsd", Form::CStore(8), c(0, 5)), of("c.sw", Form::CStore(4), c(0, 6)), of("c.sd", Form::CStore(8), c(0, 7)),
    of("c.addi", Form::CImmediate, c(1, 0)), of("c.addiw", Form::CImmediate, c(1, 1)),
    of("c.li", Form::CImmediate, c(1, 2)), of("c.addi16sp", Form::CAddi16sp, c(1, 3) | 2 << 7),
    of("c.lui", Form::CLui, c(1, 3)),
    of("c.srli", Form::CShift, c(1, 4)), of("c.srai", Form::CShift, c(1, 4) | 1 << 10),
    of("c.andi", Form::CAndi, c(1, 4) | 2 << 10),
    of("c.sub", Form::CArithmetic, c(1, 4) | 3 << 10), of("c.xor", Form::CArithmetic, c(1, 4) | 3 << 10 | 1 << 5),
    of("c.or", Form::CArithmetic, c(1, 4) | 3 << 10 | 2 << 5), of("c.and", Form::CArithmetic, c(1, 4) | 3 << 10 | 3 << 5),
    of("c.subw", Form::CArithmetic, c(1, 4) | 7 << 10), of("c.addw", Form::CArithmetic, c(1, 4) | 7 << 10 | 1 << 5),
    of("c.j", Form::CJ, c(1, 5)), of("c.beqz", Form::CBranch, c(1, 6)), of("c.bnez", Form::CBranch, c(1, 7)),
    of("c.slli", Form::CSlli, c(2, 0)), of("c.fldsp", Form::CLoadSp(8), c(2, 1)),
    of("c.lwsp", Form::CLoadSp(4), c(2, 2)), of("c.ldsp", Form::CLoadSp(8), c(2, 3)),
    of("c.jr", Form::CJr, c(2, 4)), of("c.mv", Form::CMove, c(2, 4)),
    of("c.jalr", Form::CJr, c(2, 4) | 1 << 12), of("c.add", Form::CMove, c(2, 4) | 1 << 12),
    of("c.fsdsp", Form::CStoreSp(8), c(2, 5)), of("c.swsp", Form::CStoreSp(4), c(2, 6)),
    of("c.sdsp", Form::CStoreSp(8), c(2, 7)),
];

/// Bit `from` of `value`, moved to bit `to`.
const fn bit(value: u32, from: u32, to: u32) -> u32 {
    (value >> from & 1) << to
}

pub const fn i_type(bits: u32, rd: u32, rs1: u32, immediate: u32) -> u32 {
    bits | rd << 7 | rs1 << 15 | (immediate & 0xfff) << 20
}

pub const fn r_type(bits: u32, rd: u32, rs1: u32, rs2: u32) -> u32 {
    bits | rd << 7 | rs1 << 15 | rs2 << 20
}

pub const fn s_type(bits: u32, rs1: u32, rs2: u32, immediate: u32) -> u32 {
    bits | (immediate & 0x1f) << 7 | rs1 << 15 | rs2 << 20 | (immediate >> 5 & 0x7f) << 25
}

pub const fn b_type(bits: u32, rs1: u32, rs2: u32, offset: i32) -> u32 {
    let o = offset as u32;
    bits | rs1 << 15
        | rs2 << 20
        | bit(o, 11, 7)
        | (o >> 1 & 0xf) << 8
        | (o >> 5 & 0x3f) << 25
        | bit(o, 12, 31)
}

pub const fn jal(rd: u32, offset: i32) -> u32 {
    let o = offset as u32;
    0x6f | rd << 7 | (o >> 12 & 0xff) << 12 | bit(o, 11, 20) | (o >> 1 & 0x3ff) << 21 | bit(o, 20, 31)
}

/// Offset field of `c.lw`, `c.ld` and their kin.
pub const fn c_offset(size: u8, offset: u32) -> u32 {
    let middle = (offset >> 3 & 7) << 10;
    if size == 4 {
        middle | bit(offset, 2, 6) | bit(offset, 6, 5)
    } else {
        middle | (offset >> 6 & 3) << 5
    }
}

/// Offset field of `c.lwsp` and its kin.
pub const fn c_offset_load_sp(size: u8, offset: u32) -> u32 {
    bit(offset, 5, 12)
        | if size == 4 {
            (offset >> 2 & 7) << 4 | (offset >> 6 & 3) << 2
        } else {
            (offset >> 3 & 3) << 5 | (offset >> 6 & 7) << 2
        }
}

/// Offset field of `c.swsp` and its kin.
pub const fn c_offset_store_sp(size: u8, offset: u32) -> u32 {
    if size == 4 {
        (offset >> 2 & 0xf) << 9 | (offset >> 6 & 3) << 7
    } else {
        (offset >> 3 & 7) << 10 | (offset >> 6 & 7) << 7
    }
}

/// Six-bit immediate of the quadrant 1 and 2 instructions.
pub const fn c_immediate(immediate: u32) -> u32 {
    (immediate & 0x1f) << 2 | bit(immediate, 5, 12)
}

pub const fn c_addi4spn(immediate: u32) -> u32 {
    bit(immediate, 3, 5) | bit(immediate, 2, 6) | (immediate >> 6 & 0xf) << 7 | (immediate >> 4 & 3) << 11
}

pub const fn c_addi16sp(immediate: u32) -> u32 {
    bit(immediate, 5, 2)
        | (immediate >> 7 & 3) << 3
        | bit(immediate, 6, 5)
        | bit(immediate, 4, 6)
        | bit(immediate, 9, 12)
}

pub const fn c_jump(offset: i32) -> u32 {
    let o = offset as u32;
    bit(o, 5, 2)
        | (o >> 1 & 7) << 3
        | bit(o, 7, 6)
        | bit(o, 6, 7)
        | bit(o, 10, 8)
        | (o >> 8 & 3) << 9
        | bit(o, 4, 11)
        | bit(o, 11, 12)
}

pub const fn c_branch(offset: i32) -> u32 {
    let o = offset as u32;
    bit(o, 5, 2) | (o >> 1 & 3) << 3 | (o >> 6 & 3) << 5 | (o >> 3 & 3) << 10 | bit(o, 8, 12)
}

/// A random general register other than x0.
pub fn register(r: &mut Prng) -> u32 {
    1 + r.bits(5) % 31
}
