//! Decoding of 32-bit encodings (unprivileged spec chapter 34, "RV32/64G Instruction Set Listings").

use super::insn::{Insn, Op, Reg};

/// Decodes the instruction that starts with `bits`; only the low half counts if it is a compressed one. Never fails:
/// what means nothing becomes [`Op::Illegal`].
pub fn decode(bits: u32) -> Insn {
    if bits & 3 == 3 {
        decode_32(bits).unwrap_or(Insn::illegal(bits, 4))
    } else {
        let half = bits as u16;
        super::compressed::decode_16(half).unwrap_or(Insn::illegal(u32::from(half), 2))
    }
}

fn field(bits: u32, low: u32, width: u32) -> u32 {
    bits >> low & ((1 << width) - 1)
}

fn rd(bits: u32) -> Reg {
    Reg::new(bits >> 7)
}

fn rs1(bits: u32) -> Reg {
    Reg::new(bits >> 15)
}

fn rs2(bits: u32) -> Reg {
    Reg::new(bits >> 20)
}

fn imm_i(bits: u32) -> i32 {
    bits as i32 >> 20
}

fn imm_s(bits: u32) -> i32 {
    (bits as i32 >> 25 << 5) | field(bits, 7, 5) as i32
}

fn imm_b(bits: u32) -> i32 {
    (bits as i32 >> 31 << 12)
        | (field(bits, 7, 1) << 11 | field(bits, 25, 6) << 5 | field(bits, 8, 4) << 1) as i32
}

fn imm_j(bits: u32) -> i32 {
    (bits as i32 >> 31 << 20)
        | (field(bits, 12, 8) << 12 | field(bits, 20, 1) << 11 | field(bits, 21, 10) << 1) as i32
}

/// `op rd, rs1, rs2`
fn r_type(op: Op, bits: u32) -> Insn {
    Insn {
        rd: rd(bits).as_destination(),
        rs1: rs1(bits),
        rs2: rs2(bits),
        ..Insn::new(op)
    }
}

/// `op rd, rs1, imm`
fn i_type(op: Op, bits: u32, imm: i32) -> Insn {
    Insn {
        rd: rd(bits).as_destination(),
        rs1: rs1(bits),
        imm,
        ..Insn::new(op)
    }
}

/// `op rs2, imm(rs1)` and branches.
fn s_type(op: Op, bits: u32, imm: i32) -> Insn {
    Insn {
        rs1: rs1(bits),
        rs2: rs2(bits),
        imm,
        ..Insn::new(op)
    }
}

fn decode_32(bits: u32) -> Option<Insn> {
    use Op::*;
    let funct3 = field(bits, 12, 3) as usize;
    Some(match field(bits, 2, 5) {
        0b00000 => {
            let op = *[Lb, Lh, Lw, Ld, Lbu, Lhu, Lwu].get(funct3)?;
            i_type(op, bits, imm_i(bits))
        }
        0b00001 => {
            let op = match funct3 {
                2 => Flw,
                3 => Fld,
                _ => return None,
            };
            Insn {
                rd: rd(bits),
                ..i_type(op, bits, imm_i(bits))
            }
        }
        0b00011 => misc_mem(bits, funct3)?,
        0b00100 => op_imm(bits, funct3)?,
        0b00101 => i_type(Auipc, bits, (bits & 0xffff_f000) as i32),
        0b00110 => op_imm_32(bits, funct3)?,
        0b01000 => s_type(*[Sb, Sh, Sw, Sd].get(funct3)?, bits, imm_s(bits)),
        0b01001 => {
            let op = match funct3 {
                2 => Fsw,
                3 => Fsd,
                _ => return None,
            };
            s_type(op, bits, imm_s(bits))
        }
        0b01011 => amo(bits, funct3)?,
        0b01100 => r_type(op_reg(bits, funct3)?, bits),
        0b01101 => i_type(Li, bits, (bits & 0xffff_f000) as i32),
        0b01110 => r_type(op_reg_32(bits, funct3)?, bits),
        0b10000 => fused(bits, [FmaddS, FmaddD])?,
        0b10001 => fused(bits, [FmsubS, FmsubD])?,
        0b10010 => fused(bits, [FnmsubS, FnmsubD])?,
        0b10011 => fused(bits, [FnmaddS, FnmaddD])?,
        0b10100 => op_fp(bits, funct3)?,
        0b11000 => {
            let op = match funct3 {
                0 => Beq,
                1 => Bne,
                4 => Blt,
                5 => Bge,
                6 => Bltu,
                7 => Bgeu,
                _ => return None,
            };
            s_type(op, bits, imm_b(bits))
        }
        0b11001 if funct3 == 0 => i_type(Jalr, bits, imm_i(bits)),
        0b11011 => i_type(Jal, bits, imm_j(bits)),
        0b11100 => system(bits, funct3)?,
        _ => return None,
    })
}

fn misc_mem(bits: u32, funct3: usize) -> Option<Insn> {
    Some(match funct3 {
        0 => Insn::new(Op::Fence),
        1 => Insn::new(Op::FenceI),
        2 if field(bits, 7, 5) == 0 => {
            let op = match bits >> 20 {
                0 => Op::CboInval,
                1 => Op::CboClean,
                2 => Op::CboFlush,
                4 => Op::CboZero,
                _ => return None,
            };
            // The bits say what an illegal-instruction exception reports where the environment forbids it.
            Insn {
                rs1: rs1(bits),
                imm: bits as i32,
                ..Insn::new(op)
            }
        }
        _ => return None,
    })
}

fn op_imm(bits: u32, funct3: usize) -> Option<Insn> {
    use Op::*;
    let shift_funct = bits >> 26;
    let amount = field(bits, 20, 6) as i32;
    let shift = |op| Some(i_type(op, bits, amount));
    match (funct3, shift_funct) {
        (0, _) if rs1(bits) == Reg::ZERO => Some(i_type(Li, bits, imm_i(bits))),
        (0, _) => Some(i_type(Addi, bits, imm_i(bits))),
        (2, _) => Some(i_type(Slti, bits, imm_i(bits))),
        (3, _) => Some(i_type(Sltiu, bits, imm_i(bits))),
        (4, _) => Some(i_type(Xori, bits, imm_i(bits))),
        (6, _) => Some(i_type(Ori, bits, imm_i(bits))),
        (7, _) => Some(i_type(Andi, bits, imm_i(bits))),
        (1, 0b000000) => shift(Slli),
        (1, 0b001010) => shift(Bseti),
        (1, 0b010010) => shift(Bclri),
        (1, 0b011010) => shift(Binvi),
        (1, 0b011000) => Some(i_type(
            *[Clz, Ctz, Cpop].get(amount as usize).or(sext(amount))?,
            bits,
            0,
        )),
        (5, 0b000000) => shift(Srli),
        (5, 0b010000) => shift(Srai),
        (5, 0b010010) => shift(Bexti),
        (5, 0b011000) => shift(Rori),
        (5, 0b001010) if amount == 7 => Some(i_type(OrcB, bits, 0)),
        (5, 0b011010) if amount == 0b111000 => Some(i_type(Rev8, bits, 0)),
        _ => None,
    }
}

/// `sext.b` and `sext.h` share the count instructions' encoding.
fn sext(amount: i32) -> Option<&'static Op> {
    match amount {
        4 => Some(&Op::SextB),
        5 => Some(&Op::SextH),
        _ => None,
    }
}

fn op_imm_32(bits: u32, funct3: usize) -> Option<Insn> {
    use Op::*;
    let amount = field(bits, 20, 5) as i32;
    match (funct3, bits >> 25) {
        (0, _) => Some(i_type(Addiw, bits, imm_i(bits))),
        (1, 0b0000000) => Some(i_type(Slliw, bits, amount)),
        (1, 0b0000100 | 0b0000101) => Some(i_type(SlliUw, bits, field(bits, 20, 6) as i32)),
        (1, 0b0110000) => Some(i_type(*[Clzw, Ctzw, Cpopw].get(amount as usize)?, bits, 0)),
        (5, 0b0000000) => Some(i_type(Srliw, bits, amount)),
        (5, 0b0100000) => Some(i_type(Sraiw, bits, amount)),
        (5, 0b0110000) => Some(i_type(Roriw, bits, amount)),
        _ => None,
    }
}

fn op_reg(bits: u32, funct3: usize) -> Option<Op> {
    use Op::*;
    match bits >> 25 {
        0b0000000 => Some([Add, Sll, Slt, Sltu, Xor, Srl, Or, And][funct3]),
        0b0000001 => Some([Mul, Mulh, Mulhsu, Mulhu, Div, Divu, Rem, Remu][funct3]),
        0b0100000 => [
            Some(Sub),
            None,
            None,
            None,
            Some(Xnor),
            Some(Sra),
            Some(Orn),
            Some(Andn),
        ][funct3],
        0b0010000 => [
            None,
            None,
            Some(Sh1add),
            None,
            Some(Sh2add),
            None,
            Some(Sh3add),
            None,
        ][funct3],
        0b0000101 => [
            None,
            None,
            None,
            None,
            Some(Min),
            Some(Minu),
            Some(Max),
            Some(Maxu),
        ][funct3],
        0b0110000 => match funct3 {
            1 => Some(Rol),
            5 => Some(Ror),
            _ => None,
        },
        0b0100100 => match funct3 {
            1 => Some(Bclr),
            5 => Some(Bext),
            _ => None,
        },
        0b0110100 if funct3 == 1 => Some(Binv),
        0b0010100 if funct3 == 1 => Some(Bset),
        _ => None,
    }
}

fn op_reg_32(bits: u32, funct3: usize) -> Option<Op> {
    use Op::*;
    match (bits >> 25, funct3) {
        (0b0000000, 0) => Some(Addw),
        (0b0000000, 1) => Some(Sllw),
        (0b0000000, 5) => Some(Srlw),
        (0b0100000, 0) => Some(Subw),
        (0b0100000, 5) => Some(Sraw),
        (0b0000001, 0) => Some(Mulw),
        (0b0000001, 4) => Some(Divw),
        (0b0000001, 5) => Some(Divuw),
        (0b0000001, 6) => Some(Remw),
        (0b0000001, 7) => Some(Remuw),
        (0b0000100, 0) => Some(AddUw),
        (0b0000100, 4) if rs2(bits) == Reg::ZERO => Some(ZextH),
        (0b0010000, 2) => Some(Sh1addUw),
        (0b0010000, 4) => Some(Sh2addUw),
        (0b0010000, 6) => Some(Sh3addUw),
        (0b0110000, 1) => Some(Rolw),
        (0b0110000, 5) => Some(Rorw),
        _ => None,
    }
}

fn amo(bits: u32, funct3: usize) -> Option<Insn> {
    use Op::*;
    let [word, double] = match bits >> 27 {
        0b00010 if rs2(bits) == Reg::ZERO => [LrW, LrD],
        0b00011 => [ScW, ScD],
        0b00001 => [AmoswapW, AmoswapD],
        0b00000 => [AmoaddW, AmoaddD],
        0b00100 => [AmoxorW, AmoxorD],
        0b01100 => [AmoandW, AmoandD],
        0b01000 => [AmoorW, AmoorD],
        0b10000 => [AmominW, AmominD],
        0b10100 => [AmomaxW, AmomaxD],
        0b11000 => [AmominuW, AmominuD],
        0b11100 => [AmomaxuW, AmomaxuD],
        _ => return None,
    };
    match funct3 {
        2 => Some(r_type(word, bits)),
        3 => Some(r_type(double, bits)),
        _ => None,
    }
}

fn fused(bits: u32, ops: [Op; 2]) -> Option<Insn> {
    let op = *ops.get(field(bits, 25, 2) as usize)?;
    Some(Insn {
        rd: rd(bits),
        rs3: Reg::new(bits >> 27),
        rm: field(bits, 12, 3) as u8,
        ..r_type(op, bits)
    })
}

fn op_fp(bits: u32, funct3: usize) -> Option<Insn> {
    use Op::*;
    let second = field(bits, 20, 5) as usize;
    let double = match field(bits, 25, 2) {
        0 => false,
        1 => true,
        _ => return None,
    };
    let pick = |single, d| if double { d } else { single };
    let among = |ops: &[[Op; 2]], index: usize| ops.get(index).map(|&[s, d]| pick(s, d));
    // Whether the destination is an integer register.
    let mut to_integer = false;
    let op = match bits >> 27 {
        0b00000 => pick(FaddS, FaddD),
        0b00001 => pick(FsubS, FsubD),
        0b00010 => pick(FmulS, FmulD),
        0b00011 => pick(FdivS, FdivD),
        0b01011 if second == 0 => pick(FsqrtS, FsqrtD),
        0b00100 => among(
            &[[FsgnjS, FsgnjD], [FsgnjnS, FsgnjnD], [FsgnjxS, FsgnjxD]],
            funct3,
        )?,
        0b00101 => among(&[[FminS, FminD], [FmaxS, FmaxD]], funct3)?,
        0b01000 => match (double, second) {
            (false, 1) => FcvtSD,
            (true, 0) => FcvtDS,
            _ => return None,
        },
        0b10100 => {
            to_integer = true;
            among(&[[FleS, FleD], [FltS, FltD], [FeqS, FeqD]], funct3)?
        }
        0b11000 => {
            to_integer = true;
            among(
                &[
                    [FcvtWS, FcvtWD],
                    [FcvtWuS, FcvtWuD],
                    [FcvtLS, FcvtLD],
                    [FcvtLuS, FcvtLuD],
                ],
                second,
            )?
        }
        0b11010 => among(
            &[
                [FcvtSW, FcvtDW],
                [FcvtSWu, FcvtDWu],
                [FcvtSL, FcvtDL],
                [FcvtSLu, FcvtDLu],
            ],
            second,
        )?,
        0b11100 if second == 0 => {
            to_integer = true;
            among(&[[FmvXW, FmvXD], [FclassS, FclassD]], funct3)?
        }
        0b11110 if second == 0 && funct3 == 0 => pick(FmvWX, FmvDX),
        _ => return None,
    };
    let rd = if to_integer {
        rd(bits).as_destination()
    } else {
        rd(bits)
    };
    // What an invalid dynamic rounding mode reports: the engines re-read the encoding from memory then.
    Some(Insn {
        rd,
        rm: funct3 as u8,
        ..r_type(op, bits)
    })
}

fn system(bits: u32, funct3: usize) -> Option<Insn> {
    use Op::*;
    let csr = |op| {
        // The number of the source field matters even where it is x0, so `rs1` keeps it; `imm` holds the CSR number.
        Insn {
            rs2: Reg::new(field(bits, 7, 5)),
            ..i_type(op, bits, (bits >> 20) as i32)
        }
    };
    Some(match funct3 {
        1 => csr(Csrrw),
        2 => csr(Csrrs),
        3 => csr(Csrrc),
        5 => csr(Csrrwi),
        6 => csr(Csrrsi),
        7 => csr(Csrrci),
        0 if field(bits, 7, 5) == 0 => {
            let op = match (bits >> 25, field(bits, 20, 5), rs1(bits)) {
                (0, 0, Reg::ZERO) => Ecall,
                (0, 1, Reg::ZERO) => Ebreak,
                (0b0001000, 2, Reg::ZERO) => Sret,
                (0b0011000, 2, Reg::ZERO) => Mret,
                (0b0001000, 5, Reg::ZERO) => Wfi,
                (0b0001001, _, _) => SfenceVma,
                (0b0001011, _, _) => SinvalVma,
                (0b0001100, 0, Reg::ZERO) => SfenceWInval,
                (0b0001100, 1, Reg::ZERO) => SfenceInvalIr,
                _ => return None,
            };
            Insn {
                imm: bits as i32,
                ..s_type(op, bits, 0)
            }
        }
        _ => return None,
    })
}
