//! Floating-point operations: the host's, wherever [`FloatOp`] says that this gives the same; else code behind the blocks
//! calls the helper. Conditions are checked on the numbers' exponents, as integers.

use super::asm::{Alu, Cc, Label, Mem, Prefix, Reg, Shift, Size, Xmm};
use super::cold::ColdKind;
use super::emit::Emit;
use super::registers::{AnyReg, READY, TooManyValues, frame, gpr, xmm};
use crate::ir::{Block, FloatOp, Precision, Type, Value};
use crate::jit::native::lower::asks_ready;

type Done = Result<(), TooManyValues>;

/// The parts of a format.
struct Format {
    /// The lowest bit of the exponent.
    shift: u8,
    /// The exponent of infinities and NaNs: all ones.
    top: i32,
    /// The exponent of 1.
    bias: i32,
    size: Size,
}

fn format(precision: Precision) -> Format {
    match precision {
        Precision::Single => Format {
            shift: 23,
            top: 0xff,
            bias: 127,
            size: Size::D,
        },
        Precision::Double => Format {
            shift: 52,
            top: 0x7ff,
            bias: 1023,
            size: Size::Q,
        },
    }
}

/// An operation being written.
struct Operation {
    op: FloatOp,
    double: bool,
    /// Operands where the block has them.
    operands: [AnyReg; 3],
    /// Operands as numbers of the host.
    numbers: [Xmm; 3],
    /// Where the host's operation puts its result: no operand.
    made: Xmm,
    /// To compute with.
    work: Reg,
    dst: AnyReg,
    slow: Label,
}

/// Whether operands are integers.
fn takes_integers(op: FloatOp) -> bool {
    matches!(
        op,
        FloatOp::FromI32 | FloatOp::FromU32 | FloatOp::FromI64 | FloatOp::FromU64
    )
}

impl Emit<'_> {
    /// A floating-point operation.
    #[allow(clippy::too_many_arguments, reason = "they are the fields of the instruction")]
    pub fn float(
        &mut self,
        block: &Block,
        at: u32,
        op: FloatOp,
        precision: Precision,
        values: [Value; 3],
        code: u32,
    ) -> Done {
        let class = match op {
            FloatOp::Eq | FloatOp::Lt | FloatOp::Le | FloatOp::ToI32 | FloatOp::ToI64 => Type::I64,
            FloatOp::Other | FloatOp::Narrow => Type::I64,
            _ => precision.ty(),
        };
        let mut operands = [0; 3];
        for (operand, value) in operands.iter_mut().zip(values) {
            *operand = self.r.read(value)?;
        }
        if op == FloatOp::Other || op == FloatOp::Fma && !self.host.fma {
            self.r.used(at, &values);
            let dst = self.r.define(block, at, class, None)?;
            self.float_helper(operands, code, dst);
            return Ok(());
        }
        let work = gpr(self.r.scratch(Type::I64)?);
        let made = xmm(self.r.scratch(Type::F64)?);
        // Singles are in general-purpose registers.
        let from = match op {
            FloatOp::Widen => Precision::Single,
            FloatOp::Narrow => Precision::Double,
            _ => precision,
        };
        let count = match op {
            _ if takes_integers(op) => 0,
            FloatOp::Fma => 3,
            FloatOp::Sqrt | FloatOp::ToI32 | FloatOp::ToI64 | FloatOp::Widen | FloatOp::Narrow => 1,
            _ => 2,
        };
        let mut numbers = [Xmm(0); 3];
        for index in 0..count {
            numbers[index] = match from {
                Precision::Double => xmm(operands[index]),
                Precision::Single if index > 0 && operands[index] == operands[0] => numbers[0],
                Precision::Single => xmm(self.r.scratch(Type::F64)?),
            };
        }
        self.r.used(at, &values);
        let dst = self.r.define(block, at, class, None)?;
        let (slow, back) = self.cold_and_back(ColdKind::Float { operands, code, dst });
        // Straight to where it belongs, if no operand is lost by that before the helper may need it.
        let made = match class {
            Type::F64 if !operands.contains(&dst) => xmm(dst),
            _ => made,
        };
        let operation = Operation {
            op,
            double: precision == Precision::Double,
            operands,
            numbers,
            made,
            work,
            dst,
            slow,
        };
        if asks_ready(op, precision) {
            self.asm().cmp_byte(frame(READY), 0);
            self.asm().jcc(Cc::E, slow);
        }
        if from == Precision::Single {
            for index in 0..count {
                if index == 0 || numbers[index] != numbers[0] {
                    self.asm()
                        .move_to_xmm(Size::D, numbers[index], gpr(operands[index]));
                }
            }
        }
        self.check_operands(&operation, precision);
        self.compute(&operation);
        self.check_result(&operation, precision);
        self.deliver(&operation, class, precision);
        self.asm().bind(back);
        Ok(())
    }

    /// Puts the exponent of an operand into `work`, with the sign above it if that is asked for.
    fn exponent(&mut self, work: Reg, operand: AnyReg, format: &Format, sign: bool) {
        self.r.copy(work.0, operand);
        self.asm().shift(Shift::Shr, format.size, work, format.shift);
        if !sign {
            self.asm().alu_imm(Alu::And, Size::D, work, format.top);
        }
    }

    /// Goes to `slow` if the operands are none that the host may be given.
    fn check_operands(&mut self, operation: &Operation, precision: Precision) {
        let &Operation {
            op,
            double,
            operands: [a, b, _],
            numbers: [x, y, _],
            work,
            slow,
            ..
        } = operation;
        let format = format(precision);
        match op {
            FloatOp::Div | FloatOp::Sqrt => {
                let (operand, sign) = if op == FloatOp::Div { (b, false) } else { (a, true) };
                self.exponent(work, operand, &format, sign);
                // Neither 0 nor all ones.
                self.asm().alu_imm(Alu::Sub, Size::D, work, 1);
                self.asm().alu_imm(Alu::Cmp, Size::D, work, format.top - 1);
                self.asm().jcc(Cc::Ae, slow);
            }
            FloatOp::ToI32 | FloatOp::ToI64 => {
                self.exponent(work, a, &format, false);
                let end = format.bias + if op == FloatOp::ToI32 { 31 } else { 63 };
                self.asm().alu_imm(Alu::Cmp, Size::D, work, end);
                self.asm().jcc(Cc::Ae, slow);
            }
            FloatOp::Min | FloatOp::Max => {
                self.asm().compare_xmm(double, x, y);
                // Equal or unordered.
                self.asm().jcc(Cc::E, slow);
            }
            FloatOp::Eq | FloatOp::Lt | FloatOp::Le => {
                self.asm().compare_xmm(double, x, y);
                self.asm().jcc(Cc::P, slow);
            }
            FloatOp::Widen => {
                self.asm().compare_xmm(false, x, x);
                self.asm().jcc(Cc::P, slow);
            }
            _ => {}
        }
    }

    /// The host's operation. Comparisons have made their flags.
    fn compute(&mut self, operation: &Operation) {
        let &Operation {
            op,
            double,
            operands: [a, b, _],
            numbers: [x, y, z],
            made,
            work,
            dst,
            ..
        } = operation;
        let prefix = if double { Prefix::F2 } else { Prefix::F3 };
        match op {
            FloatOp::Add => self.asm().avx(prefix, 0x58, made, x, y),
            FloatOp::Sub => self.asm().avx(prefix, 0x5c, made, x, y),
            FloatOp::Mul => self.asm().avx(prefix, 0x59, made, x, y),
            FloatOp::Div => self.asm().avx(prefix, 0x5e, made, x, y),
            FloatOp::Sqrt => self.asm().avx(prefix, 0x51, made, x, x),
            FloatOp::Fma => {
                self.asm().mov_xmm(made, x);
                self.asm().fma213(double, made, y, z);
            }
            FloatOp::Min | FloatOp::Max => {
                // The first is less than the second, or the other way round.
                let keep = if op == FloatOp::Min { Cc::B } else { Cc::A };
                if double {
                    let done = self.asm().label();
                    self.asm().mov_xmm(made, x);
                    self.asm().jcc(keep, done);
                    self.asm().mov_xmm(made, y);
                    self.asm().bind(done);
                } else {
                    self.asm().mov(Size::Q, work, gpr(b));
                    self.asm().cmov(keep, work, gpr(a));
                }
            }
            FloatOp::Eq | FloatOp::Lt | FloatOp::Le => {
                let cc = match op {
                    FloatOp::Eq => Cc::E,
                    FloatOp::Lt => Cc::B,
                    _ => Cc::Be,
                };
                self.asm().setcc(cc, gpr(dst));
                self.asm().movzx(1, gpr(dst), gpr(dst));
            }
            FloatOp::ToI32 | FloatOp::ToI64 => self.asm().convert_to_int(double, gpr(dst), x),
            FloatOp::FromI32 | FloatOp::FromU32 | FloatOp::FromI64 => {
                // It keeps upper bits, for which it would have to wait.
                self.asm().avx(Prefix::None, 0x57, made, made, made);
                let (size, source) = match op {
                    FloatOp::FromI32 => (Size::D, gpr(a)),
                    FloatOp::FromI64 => (Size::Q, gpr(a)),
                    _ => {
                        self.asm().mov(Size::D, work, gpr(a));
                        (Size::Q, work)
                    }
                };
                self.asm().convert_from_int(double, size, made, source);
            }
            FloatOp::FromU64 => self.convert_from_u64(double, made, gpr(a), work),
            FloatOp::Widen => self.asm().avx(Prefix::F3, 0x5a, made, x, x),
            FloatOp::Narrow => self.asm().avx(Prefix::F2, 0x5a, made, x, x),
            FloatOp::Other => unreachable!("the helper does it"),
        }
    }

    /// From an unsigned integer: one too large for a signed one is halved, keeping whether a bit was lost, and doubled.
    fn convert_from_u64(&mut self, double: bool, made: Xmm, source: Reg, work: Reg) {
        let prefix = if double { Prefix::F2 } else { Prefix::F3 };
        let (small, done) = (self.asm().label(), self.asm().label());
        self.asm().avx(Prefix::None, 0x57, made, made, made);
        self.asm().mov(Size::Q, work, source);
        self.asm().test(Size::Q, work, work);
        self.asm().jcc(Cc::Ge, small);
        self.asm().alu_imm(Alu::And, Size::D, work, 1);
        // Its lowest bit is the lost one, or the one above.
        self.asm().push(work);
        self.asm().mov(Size::Q, work, source);
        self.asm().shift(Shift::Shr, Size::Q, work, 1);
        self.asm().alu(Alu::Or, Size::Q, work, Mem::at(Reg::RSP, 0));
        self.asm().lea(Size::Q, Reg::RSP, Mem::at(Reg::RSP, 8));
        self.asm().convert_from_int(double, Size::Q, made, work);
        self.asm().avx(prefix, 0x58, made, made, made);
        self.asm().jmp(done);
        self.asm().bind(small);
        self.asm().convert_from_int(double, Size::Q, made, work);
        self.asm().bind(done);
    }

    /// Goes to `slow` if the host's result is none that may be kept.
    fn check_result(&mut self, operation: &Operation, precision: Precision) {
        let &Operation {
            op, made, work, slow, ..
        } = operation;
        let format = format(if op == FloatOp::Narrow {
            Precision::Single
        } else {
            precision
        });
        let finite = matches!(op, FloatOp::Add | FloatOp::Sub);
        let normal = matches!(op, FloatOp::Mul | FloatOp::Div | FloatOp::Fma | FloatOp::Narrow);
        if !finite && !normal {
            return;
        }
        self.asm().move_from_xmm(format.size, work, made);
        self.asm().shift(Shift::Shr, format.size, work, format.shift);
        if finite {
            self.asm().alu_imm(Alu::And, Size::D, work, format.top);
            self.asm().alu_imm(Alu::Cmp, Size::D, work, format.top);
            self.asm().jcc(Cc::E, slow);
        } else {
            // The smallest normal exponent is left out: a result that was rounded up to it has underflowed.
            self.asm().alu_imm(Alu::Sub, Size::D, work, 2);
            self.asm().alu_imm(Alu::And, Size::D, work, format.top);
            self.asm().alu_imm(Alu::Cmp, Size::D, work, format.top - 2);
            self.asm().jcc(Cc::Ae, slow);
        }
    }

    /// Puts the result where it belongs.
    fn deliver(&mut self, operation: &Operation, class: Type, precision: Precision) {
        let &Operation {
            op, made, work, dst, ..
        } = operation;
        let single = precision == Precision::Single;
        match op {
            FloatOp::Eq | FloatOp::Lt | FloatOp::Le | FloatOp::ToI32 | FloatOp::ToI64 => {}
            FloatOp::Min | FloatOp::Max if single => self.r.copy(dst, work.0),
            _ if class == Type::I64 => self.asm().move_from_xmm(Size::D, gpr(dst), made),
            _ => {
                if xmm(dst) != made {
                    self.asm().mov_xmm(xmm(dst), made);
                }
            }
        }
    }
}
