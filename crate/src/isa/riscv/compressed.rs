//! Decoding of the C extension (unprivileged spec chapter 26): each 16-bit encoding stands for a 32-bit instruction.

use super::insn::{Insn, Op, Reg};

/// Bits `low .. low + width` of `half`, moved to bit `to`.
fn bits(half: u16, low: u32, width: u32, to: u32) -> i32 {
    ((i32::from(half) >> low) & ((1 << width) - 1)) << to
}

/// `value` with bit `top` as its sign.
fn sign_extend(value: i32, top: u32) -> i32 {
    value << (31 - top) >> (31 - top)
}

/// The full register field at bit 7.
fn rd_full(half: u16) -> Reg {
    Reg::new(u32::from(half) >> 7)
}

/// The full register field at bit 2.
fn rs2_full(half: u16) -> Reg {
    Reg::new(u32::from(half) >> 2)
}

/// The three-bit register field at bit 7 (`rs1'`), x8 to x15.
fn rs1_short(half: u16) -> Reg {
    Reg::new(8 + (u32::from(half) >> 7 & 7))
}

/// The three-bit register field at bit 2 (`rd'` or `rs2'`), x8 to x15.
fn rs2_short(half: u16) -> Reg {
    Reg::new(8 + (u32::from(half) >> 2 & 7))
}

fn imm_6(half: u16) -> i32 {
    sign_extend(bits(half, 12, 1, 5) | bits(half, 2, 5, 0), 5)
}

/// Shift amounts are unsigned.
fn shamt(half: u16) -> i32 {
    bits(half, 12, 1, 5) | bits(half, 2, 5, 0)
}

fn offset_word(half: u16) -> i32 {
    bits(half, 10, 3, 3) | bits(half, 6, 1, 2) | bits(half, 5, 1, 6)
}

fn offset_double(half: u16) -> i32 {
    bits(half, 10, 3, 3) | bits(half, 5, 2, 6)
}

fn offset_jump(half: u16) -> i32 {
    sign_extend(
        bits(half, 12, 1, 11)
            | bits(half, 11, 1, 4)
            | bits(half, 9, 2, 8)
            | bits(half, 8, 1, 10)
            | bits(half, 7, 1, 6)
            | bits(half, 6, 1, 7)
            | bits(half, 3, 3, 1)
            | bits(half, 2, 1, 5),
        11,
    )
}

fn offset_branch(half: u16) -> i32 {
    sign_extend(
        bits(half, 12, 1, 8)
            | bits(half, 10, 2, 3)
            | bits(half, 5, 2, 6)
            | bits(half, 3, 2, 1)
            | bits(half, 2, 1, 5),
        8,
    )
}

/// An instruction of two bytes; integer destinations are given as written.
fn insn(op: Op, rd: Reg, rs1: Reg, rs2: Reg, imm: i32) -> Insn {
    Insn {
        rd,
        rs1,
        rs2,
        imm,
        len: 2,
        ..Insn::new(op)
    }
}

/// `op rd, rs1, imm`
fn imm_op(op: Op, rd: Reg, rs1: Reg, imm: i32) -> Insn {
    insn(op, rd.as_destination(), rs1, Reg::ZERO, imm)
}

/// `op rs2, imm(rs1)`, and branches
fn store(op: Op, rs1: Reg, rs2: Reg, imm: i32) -> Insn {
    insn(op, Reg::SINK, rs1, rs2, imm)
}

/// Decodes one 16-bit encoding; `None` where it is reserved or not of RV64GC.
pub fn decode_16(half: u16) -> Option<Insn> {
    let funct3 = half >> 13;
    match half & 3 {
        0 => quadrant_0(half, funct3),
        1 => quadrant_1(half, funct3),
        2 => quadrant_2(half, funct3),
        _ => None,
    }
}

fn quadrant_0(half: u16, funct3: u16) -> Option<Insn> {
    use Op::*;
    let (base, data) = (rs1_short(half), rs2_short(half));
    Some(match funct3 {
        // c.addi4spn
        0 => {
            let imm = bits(half, 11, 2, 4) | bits(half, 7, 4, 6) | bits(half, 6, 1, 2) | bits(half, 5, 1, 3);
            if imm == 0 {
                return None;
            }
            imm_op(Addi, data, Reg::SP, imm)
        }
        1 => insn(Fld, data, base, Reg::ZERO, offset_double(half)),
        2 => imm_op(Lw, data, base, offset_word(half)),
        3 => imm_op(Ld, data, base, offset_double(half)),
        5 => store(Fsd, base, data, offset_double(half)),
        6 => store(Sw, base, data, offset_word(half)),
        7 => store(Sd, base, data, offset_double(half)),
        _ => return None,
    })
}

fn quadrant_1(half: u16, funct3: u16) -> Option<Insn> {
    use Op::*;
    let rd = rd_full(half);
    Some(match funct3 {
        0 => imm_op(Addi, rd, rd, imm_6(half)),
        1 if rd == Reg::ZERO => return None,
        1 => imm_op(Addiw, rd, rd, imm_6(half)),
        2 => imm_op(Li, rd, Reg::ZERO, imm_6(half)),
        // c.addi16sp
        3 if rd == Reg::SP => {
            let imm = sign_extend(
                bits(half, 12, 1, 9)
                    | bits(half, 6, 1, 4)
                    | bits(half, 5, 1, 6)
                    | bits(half, 3, 2, 7)
                    | bits(half, 2, 1, 5),
                9,
            );
            if imm == 0 {
                return None;
            }
            imm_op(Addi, rd, rd, imm)
        }
        3 if imm_6(half) == 0 => return None,
        3 => imm_op(Li, rd, Reg::ZERO, imm_6(half) << 12),
        4 => quadrant_1_alu(half)?,
        5 => imm_op(Jal, Reg::ZERO, Reg::ZERO, offset_jump(half)),
        6 => store(Beq, rs1_short(half), Reg::ZERO, offset_branch(half)),
        _ => store(Bne, rs1_short(half), Reg::ZERO, offset_branch(half)),
    })
}

fn quadrant_1_alu(half: u16) -> Option<Insn> {
    use Op::*;
    let rd = rs1_short(half);
    Some(match half >> 10 & 3 {
        0 => imm_op(Srli, rd, rd, shamt(half)),
        1 => imm_op(Srai, rd, rd, shamt(half)),
        2 => imm_op(Andi, rd, rd, imm_6(half)),
        _ => {
            let op = match (half >> 12 & 1, half >> 5 & 3) {
                (0, 0) => Sub,
                (0, 1) => Xor,
                (0, 2) => Or,
                (0, _) => And,
                (_, 0) => Subw,
                (_, 1) => Addw,
                _ => return None,
            };
            insn(op, rd, rd, rs2_short(half), 0)
        }
    })
}

fn quadrant_2(half: u16, funct3: u16) -> Option<Insn> {
    use Op::*;
    let (rd, rs2) = (rd_full(half), rs2_full(half));
    let load_double = bits(half, 12, 1, 5) | bits(half, 5, 2, 3) | bits(half, 2, 3, 6);
    let store_double = bits(half, 10, 3, 3) | bits(half, 7, 3, 6);
    Some(match funct3 {
        0 => imm_op(Slli, rd, rd, shamt(half)),
        1 => insn(Fld, rd, Reg::SP, Reg::ZERO, load_double),
        2 if rd == Reg::ZERO => return None,
        2 => imm_op(
            Lw,
            rd,
            Reg::SP,
            bits(half, 12, 1, 5) | bits(half, 4, 3, 2) | bits(half, 2, 2, 6),
        ),
        3 if rd == Reg::ZERO => return None,
        3 => imm_op(Ld, rd, Reg::SP, load_double),
        4 => match (half >> 12 & 1, rd, rs2) {
            (0, Reg::ZERO, Reg::ZERO) => return None,
            (0, _, Reg::ZERO) => imm_op(Jalr, Reg::ZERO, rd, 0),
            (0, _, _) => insn(Add, rd.as_destination(), Reg::ZERO, rs2, 0),
            (_, Reg::ZERO, Reg::ZERO) => insn(Ebreak, Reg::SINK, Reg::ZERO, Reg::ZERO, i32::from(half)),
            (_, _, Reg::ZERO) => imm_op(Jalr, Reg::RA, rd, 0),
            (_, _, _) => insn(Add, rd.as_destination(), rd, rs2, 0),
        },
        5 => store(Fsd, Reg::SP, rs2, store_double),
        6 => store(Sw, Reg::SP, rs2, bits(half, 9, 4, 2) | bits(half, 7, 2, 6)),
        _ => store(Sd, Reg::SP, rs2, store_double),
    })
}
