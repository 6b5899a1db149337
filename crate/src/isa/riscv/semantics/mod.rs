//! What every instruction does, said once for all engines.
//!
//! The match below is the whole instruction set. What fits a line stands in it; the rest has a function in the file of
//! its extension.

mod atomic;
mod bits;
mod float;
mod integer;

use super::insn::{Insn, Op};
use super::ops::{Condition, FloatCompare, FloatOp, IntKind, Ops, Precision, Width};
use atomic::{amo, amo_select, load_reserved, store_conditional};
use bits::*;
use float::*;
use integer::*;

/// Executes `i`, or writes down what executing it means, as `o` has it.
#[inline(always)]
#[rustfmt::skip]
pub fn execute<O: Ops>(o: &mut O, i: &Insn) -> Result<O::Flow, O::Stop> {
    use Precision::{Double as D, Single as S};
    match i.op {
        // RV64I
        Op::Li => { let v = immediate(o, i); set(o, i, v) }
        Op::Auipc => { let (pc, v) = (o.pc(i), immediate(o, i)); let v = o.add(pc, v); set(o, i, v) }
        Op::Jal => jal(o, i),
        Op::Jalr => jalr(o, i),
        Op::Beq => branch(o, i, Condition::Eq),
        Op::Bne => branch(o, i, Condition::Ne),
        Op::Blt => branch(o, i, Condition::Lt),
        Op::Bge => branch(o, i, Condition::Ge),
        Op::Bltu => branch(o, i, Condition::Ltu),
        Op::Bgeu => branch(o, i, Condition::Geu),
        Op::Lb => load_signed(o, i, Width::Byte),
        Op::Lh => load_signed(o, i, Width::Half),
        Op::Lw => load_signed(o, i, Width::Word),
        Op::Ld => load(o, i, Width::Double),
        Op::Lbu => load(o, i, Width::Byte),
        Op::Lhu => load(o, i, Width::Half),
        Op::Lwu => load(o, i, Width::Word),
        Op::Sb => store(o, i, Width::Byte),
        Op::Sh => store(o, i, Width::Half),
        Op::Sw => store(o, i, Width::Word),
        Op::Sd => store(o, i, Width::Double),
        Op::Addi => reg_imm(o, i, O::add),
        Op::Slti => reg_imm(o, i, O::slt),
        Op::Sltiu => reg_imm(o, i, O::sltu),
        Op::Xori => reg_imm(o, i, O::xor),
        Op::Ori => reg_imm(o, i, O::or),
        Op::Andi => reg_imm(o, i, O::and),
        Op::Slli => reg_imm(o, i, O::shl),
        Op::Srli => reg_imm(o, i, O::shr),
        Op::Srai => reg_imm(o, i, O::sar),
        Op::Addiw => reg_imm(o, i, word_of(O::add)),
        Op::Slliw => reg_imm(o, i, word_of(O::shl)),
        Op::Srliw => reg_imm(o, i, srlw),
        Op::Sraiw => reg_imm(o, i, sraw),
        Op::Add => reg_reg(o, i, O::add),
        Op::Sub => reg_reg(o, i, O::sub),
        Op::Sll => reg_reg(o, i, O::shl),
        Op::Slt => reg_reg(o, i, O::slt),
        Op::Sltu => reg_reg(o, i, O::sltu),
        Op::Xor => reg_reg(o, i, O::xor),
        Op::Srl => reg_reg(o, i, O::shr),
        Op::Sra => reg_reg(o, i, O::sar),
        Op::Or => reg_reg(o, i, O::or),
        Op::And => reg_reg(o, i, O::and),
        Op::Addw => reg_reg(o, i, word_of(O::add)),
        Op::Subw => reg_reg(o, i, word_of(O::sub)),
        Op::Sllw => reg_reg(o, i, sllw),
        Op::Srlw => reg_reg(o, i, srlw),
        Op::Sraw => reg_reg(o, i, sraw),
        // Harts take turns on one host thread, so memory is always seen in program order.
        Op::Fence => o.next(),

        // M
        Op::Mul => reg_reg(o, i, O::mul),
        Op::Mulh => reg_reg(o, i, O::mulh),
        Op::Mulhsu => reg_reg(o, i, O::mulhsu),
        Op::Mulhu => reg_reg(o, i, O::mulhu),
        Op::Div => reg_reg(o, i, O::div),
        Op::Divu => reg_reg(o, i, O::divu),
        Op::Rem => reg_reg(o, i, O::rem),
        Op::Remu => reg_reg(o, i, O::remu),
        Op::Mulw => reg_reg(o, i, word_of(O::mul)),
        Op::Divw => reg_reg(o, i, signed_words(O::div)),
        Op::Divuw => reg_reg(o, i, unsigned_words(O::divu)),
        Op::Remw => reg_reg(o, i, signed_words(O::rem)),
        Op::Remuw => reg_reg(o, i, unsigned_words(O::remu)),

        // A
        Op::LrW => load_reserved(o, i, Width::Word),
        Op::LrD => load_reserved(o, i, Width::Double),
        Op::ScW => store_conditional(o, i, Width::Word),
        Op::ScD => store_conditional(o, i, Width::Double),
        Op::AmoswapW => amo(o, i, Width::Word, |_, _, new| new),
        Op::AmoaddW => amo(o, i, Width::Word, O::add),
        Op::AmoxorW => amo(o, i, Width::Word, O::xor),
        Op::AmoandW => amo(o, i, Width::Word, O::and),
        Op::AmoorW => amo(o, i, Width::Word, O::or),
        Op::AmominW => amo_select(o, i, Width::Word, O::slt, false),
        Op::AmomaxW => amo_select(o, i, Width::Word, O::slt, true),
        Op::AmominuW => amo_select(o, i, Width::Word, O::sltu, false),
        Op::AmomaxuW => amo_select(o, i, Width::Word, O::sltu, true),
        Op::AmoswapD => amo(o, i, Width::Double, |_, _, new| new),
        Op::AmoaddD => amo(o, i, Width::Double, O::add),
        Op::AmoxorD => amo(o, i, Width::Double, O::xor),
        Op::AmoandD => amo(o, i, Width::Double, O::and),
        Op::AmoorD => amo(o, i, Width::Double, O::or),
        Op::AmominD => amo_select(o, i, Width::Double, O::slt, false),
        Op::AmomaxD => amo_select(o, i, Width::Double, O::slt, true),
        Op::AmominuD => amo_select(o, i, Width::Double, O::sltu, false),
        Op::AmomaxuD => amo_select(o, i, Width::Double, O::sltu, true),

        // F and D
        Op::Flw => load_float(o, i, S),
        Op::Fld => load_float(o, i, D),
        Op::Fsw => store_float(o, i, Width::Word),
        Op::Fsd => store_float(o, i, Width::Double),
        Op::FaddS => arithmetic(o, i, FloatOp::Add, S),
        Op::FaddD => arithmetic(o, i, FloatOp::Add, D),
        Op::FsubS => arithmetic(o, i, FloatOp::Sub, S),
        Op::FsubD => arithmetic(o, i, FloatOp::Sub, D),
        Op::FmulS => arithmetic(o, i, FloatOp::Mul, S),
        Op::FmulD => arithmetic(o, i, FloatOp::Mul, D),
        Op::FdivS => arithmetic(o, i, FloatOp::Div, S),
        Op::FdivD => arithmetic(o, i, FloatOp::Div, D),
        Op::FsqrtS => arithmetic(o, i, FloatOp::Sqrt, S),
        Op::FsqrtD => arithmetic(o, i, FloatOp::Sqrt, D),
        Op::FminS => arithmetic(o, i, FloatOp::Min, S),
        Op::FminD => arithmetic(o, i, FloatOp::Min, D),
        Op::FmaxS => arithmetic(o, i, FloatOp::Max, S),
        Op::FmaxD => arithmetic(o, i, FloatOp::Max, D),
        Op::FmaddS => fused(o, i, S, false, false),
        Op::FmaddD => fused(o, i, D, false, false),
        Op::FmsubS => fused(o, i, S, false, true),
        Op::FmsubD => fused(o, i, D, false, true),
        Op::FnmsubS => fused(o, i, S, true, false),
        Op::FnmsubD => fused(o, i, D, true, false),
        Op::FnmaddS => fused(o, i, S, true, true),
        Op::FnmaddD => fused(o, i, D, true, true),
        Op::FsgnjS => sign_injection(o, i, S, |_, _, b| b),
        Op::FsgnjD => sign_injection(o, i, D, |_, _, b| b),
        Op::FsgnjnS => sign_injection(o, i, S, not_second),
        Op::FsgnjnD => sign_injection(o, i, D, not_second),
        Op::FsgnjxS => sign_injection(o, i, S, O::xor),
        Op::FsgnjxD => sign_injection(o, i, D, O::xor),
        Op::FeqS => compare(o, i, FloatCompare::Eq, S),
        Op::FeqD => compare(o, i, FloatCompare::Eq, D),
        Op::FltS => compare(o, i, FloatCompare::Lt, S),
        Op::FltD => compare(o, i, FloatCompare::Lt, D),
        Op::FleS => compare(o, i, FloatCompare::Le, S),
        Op::FleD => compare(o, i, FloatCompare::Le, D),
        Op::FclassS => classify(o, i, S),
        Op::FclassD => classify(o, i, D),
        Op::FcvtWS => to_int(o, i, S, IntKind::I32),
        Op::FcvtWD => to_int(o, i, D, IntKind::I32),
        Op::FcvtWuS => to_int(o, i, S, IntKind::U32),
        Op::FcvtWuD => to_int(o, i, D, IntKind::U32),
        Op::FcvtLS => to_int(o, i, S, IntKind::I64),
        Op::FcvtLD => to_int(o, i, D, IntKind::I64),
        Op::FcvtLuS => to_int(o, i, S, IntKind::U64),
        Op::FcvtLuD => to_int(o, i, D, IntKind::U64),
        Op::FcvtSW => from_int(o, i, S, IntKind::I32),
        Op::FcvtDW => from_int(o, i, D, IntKind::I32),
        Op::FcvtSWu => from_int(o, i, S, IntKind::U32),
        Op::FcvtDWu => from_int(o, i, D, IntKind::U32),
        Op::FcvtSL => from_int(o, i, S, IntKind::I64),
        Op::FcvtDL => from_int(o, i, D, IntKind::I64),
        Op::FcvtSLu => from_int(o, i, S, IntKind::U64),
        Op::FcvtDLu => from_int(o, i, D, IntKind::U64),
        Op::FcvtSD => convert(o, i, S),
        Op::FcvtDS => convert(o, i, D),
        Op::FmvXW => move_to_int(o, i, Width::Word),
        Op::FmvXD => move_to_int(o, i, Width::Double),
        Op::FmvWX => move_from_int(o, i, S),
        Op::FmvDX => move_from_int(o, i, D),

        // Zba
        Op::Sh1add => reg_reg(o, i, shift_add(1)),
        Op::Sh2add => reg_reg(o, i, shift_add(2)),
        Op::Sh3add => reg_reg(o, i, shift_add(3)),
        Op::AddUw => reg_reg(o, i, shift_add_word(0)),
        Op::Sh1addUw => reg_reg(o, i, shift_add_word(1)),
        Op::Sh2addUw => reg_reg(o, i, shift_add_word(2)),
        Op::Sh3addUw => reg_reg(o, i, shift_add_word(3)),
        Op::SlliUw => reg_imm(o, i, |o: &mut O, a, b| { let a = o.zext(Width::Word, a); o.shl(a, b) }),

        // Zbb
        Op::Andn => reg_reg(o, i, inverted(O::and)),
        Op::Orn => reg_reg(o, i, inverted(O::or)),
        Op::Xnor => reg_reg(o, i, inverted(O::xor)),
        Op::Clz => unary(o, i, O::clz),
        Op::Ctz => unary(o, i, O::ctz),
        Op::Cpop => unary(o, i, O::cpop),
        Op::Clzw => unary(o, i, clzw),
        Op::Ctzw => unary(o, i, ctzw),
        Op::Cpopw => unary(o, i, |o: &mut O, a| { let a = o.zext(Width::Word, a); o.cpop(a) }),
        Op::Max => reg_reg(o, i, pick(O::slt, true)),
        Op::Maxu => reg_reg(o, i, pick(O::sltu, true)),
        Op::Min => reg_reg(o, i, pick(O::slt, false)),
        Op::Minu => reg_reg(o, i, pick(O::sltu, false)),
        Op::SextB => unary(o, i, |o: &mut O, a| o.sext(Width::Byte, a)),
        Op::SextH => unary(o, i, |o: &mut O, a| o.sext(Width::Half, a)),
        Op::ZextH => unary(o, i, |o: &mut O, a| o.zext(Width::Half, a)),
        Op::Rol => reg_reg(o, i, |o: &mut O, a, b| { let b = negate(o, b); o.rotr(a, b) }),
        Op::Ror => reg_reg(o, i, O::rotr),
        Op::Rori => reg_imm(o, i, O::rotr),
        Op::Rolw => reg_reg(o, i, |o: &mut O, a, b| { let b = negate(o, b); rotr_word(o, a, b) }),
        Op::Rorw => reg_reg(o, i, rotr_word),
        Op::Roriw => reg_imm(o, i, rotr_word),
        Op::OrcB => unary(o, i, O::orc_b),
        Op::Rev8 => unary(o, i, O::rev8),

        // Zbs
        Op::Bclr => reg_reg(o, i, bit_clear),
        Op::Bclri => reg_imm(o, i, bit_clear),
        Op::Bext => reg_reg(o, i, bit_extract),
        Op::Bexti => reg_imm(o, i, bit_extract),
        Op::Binv => reg_reg(o, i, one_bit(O::xor)),
        Op::Binvi => reg_imm(o, i, one_bit(O::xor)),
        Op::Bset => reg_reg(o, i, one_bit(O::or)),
        Op::Bseti => reg_imm(o, i, one_bit(O::or)),

        // Zicsr, Zifencei, Zicbom, Zicboz, Svinval, privileged; and what is no instruction
        Op::Csrrw | Op::Csrrs | Op::Csrrc | Op::Csrrwi | Op::Csrrsi | Op::Csrrci
        | Op::FenceI | Op::Ecall | Op::Ebreak | Op::Mret | Op::Sret | Op::Wfi
        | Op::SfenceVma | Op::SinvalVma | Op::SfenceWInval | Op::SfenceInvalIr
        | Op::CboInval | Op::CboClean | Op::CboFlush | Op::CboZero
        | Op::Illegal | Op::Straddle | Op::Continue => o.system(i),
    }
}
