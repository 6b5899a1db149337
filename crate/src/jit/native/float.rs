//! Floating-point operations: the host's, wherever [`FloatOp`] says that this gives the same; else a cold block calls the
//! helper. Conditions are checked on the numbers' exponents, as integers, behind the operation itself.

use cranelift_codegen::ir::{
    self as clif, InstBuilder, MemFlagsData,
    condcodes::{FloatCC, IntCC},
    types::{F32, F64, I32, I64},
};

use super::lower::{Lower, asks_ready};
use crate::ir::{FloatOp, Precision, Type, Value, abi::Helper};

/// Where the parts of a number of a format are.
struct Format {
    /// The lowest bit of the exponent.
    shift: i64,
    /// The exponent of infinities and NaNs: all ones.
    top: i64,
    /// The exponent of 1.
    bias: i64,
}

fn format(precision: Precision) -> Format {
    match precision {
        Precision::Single => Format {
            shift: 23,
            top: 0xff,
            bias: 127,
        },
        Precision::Double => Format {
            shift: 52,
            top: 0x7ff,
            bias: 1023,
        },
    }
}

fn host_type(precision: Precision) -> clif::Type {
    match precision {
        Precision::Single => F32,
        Precision::Double => F64,
    }
}

impl Lower<'_, '_> {
    /// A floating-point operation.
    pub fn float(
        &mut self,
        op: FloatOp,
        precision: Precision,
        operands: [Value; 3],
        code: u32,
    ) -> clif::Value {
        let operands = operands.map(|value| self.value(value));
        let result = match op {
            FloatOp::Eq | FloatOp::Lt | FloatOp::Le | FloatOp::ToI32 | FloatOp::ToI64 | FloatOp::Other => {
                Type::I64
            }
            FloatOp::Narrow => Type::I64,
            _ => precision.ty(),
        };
        if op == FloatOp::Other || op == FloatOp::Fma && !self.target.fma {
            return self.float_helper(operands, code, result);
        }
        if matches!(op, FloatOp::FromI32 | FloatOp::FromU32) && !asks_ready(op, precision) {
            return self.host_float(op, precision, operands);
        }
        let slow = self.cold_block();
        if asks_ready(op, precision) {
            let ready = self.ready.expect("found out at entry wherever it is asked for");
            let ready = self.b.use_var(ready);
            self.go_on_if(ready, slow);
        }
        self.check_operands(op, precision, operands, slow);
        let made = self.host_float(op, precision, operands);
        self.check_result(op, precision, made, slow);
        let done = self.b.create_block();
        let ty = self.b.func.dfg.value_type(made);
        let either = self.b.append_block_param(done, ty);
        self.jump_with(done, &[made]);
        self.go_on_in(slow);
        let helped = self.float_helper(operands, code, result);
        self.jump_with(done, &[helped]);
        self.go_on_in(done);
        either
    }

    /// Calls the helper, and finds out whether floating point is ready now.
    fn float_helper(&mut self, operands: [clif::Value; 3], code: u32, result: Type) -> clif::Value {
        let bits = operands.map(|value| self.bits_of(value));
        let made = self.call(Helper::Float, bits, code);
        self.find_ready();
        match result {
            Type::I64 => made,
            Type::F64 => self.b.ins().bitcast(F64, MemFlagsData::new(), made),
        }
    }

    /// A value's bits.
    fn bits_of(&mut self, value: clif::Value) -> clif::Value {
        if self.b.func.dfg.value_type(value) == F64 {
            self.b.ins().bitcast(I64, MemFlagsData::new(), value)
        } else {
            value
        }
    }

    /// Goes on if `fine`, else in `slow`.
    fn go_on_if(&mut self, fine: clif::Value, slow: clif::Block) {
        let next = self.b.create_block();
        self.b.ins().brif(fine, next, [], slow, []);
        self.go_on_in(next);
    }

    /// The exponent of the number with these bits, and the sign above it if that is asked for.
    fn exponent(&mut self, bits: clif::Value, precision: Precision, sign: bool) -> clif::Value {
        let Format { shift, top, .. } = format(precision);
        let exponent = self.b.ins().ushr_imm_u(bits, shift);
        if sign {
            exponent
        } else {
            self.b.ins().band_imm_u(exponent, top)
        }
    }

    /// Whether `least <= exponent < end`.
    fn within(&mut self, exponent: clif::Value, least: i64, end: i64) -> clif::Value {
        let above = if least == 0 {
            exponent
        } else {
            self.b.ins().iadd_imm_s(exponent, -least)
        };
        self.b
            .ins()
            .icmp_imm_s(IntCC::UnsignedLessThan, above, end - least)
    }

    /// Goes to `slow` if the operands are none that the host may be given.
    fn check_operands(
        &mut self,
        op: FloatOp,
        precision: Precision,
        [a, b, _]: [clif::Value; 3],
        slow: clif::Block,
    ) {
        let Format { top, bias, .. } = format(precision);
        let fine = match op {
            FloatOp::Div => {
                let bits = self.bits_of(b);
                let exponent = self.exponent(bits, precision, false);
                self.within(exponent, 1, top)
            }
            FloatOp::Sqrt => {
                let bits = self.bits_of(a);
                let exponent = self.exponent(bits, precision, true);
                self.within(exponent, 1, top)
            }
            FloatOp::ToI32 | FloatOp::ToI64 => {
                let bits = self.bits_of(a);
                let exponent = self.exponent(bits, precision, false);
                self.within(exponent, 0, bias + if op == FloatOp::ToI32 { 31 } else { 63 })
            }
            FloatOp::Min | FloatOp::Max => {
                let (x, y) = (self.number(a, precision), self.number(b, precision));
                self.b.ins().fcmp(FloatCC::OrderedNotEqual, x, y)
            }
            FloatOp::Eq | FloatOp::Lt | FloatOp::Le => {
                let (x, y) = (self.number(a, precision), self.number(b, precision));
                self.b.ins().fcmp(FloatCC::Ordered, x, y)
            }
            FloatOp::Widen => {
                let x = self.number(a, Precision::Single);
                self.b.ins().fcmp(FloatCC::Ordered, x, x)
            }
            _ => return,
        };
        self.go_on_if(fine, slow);
    }

    /// Goes to `slow` if the host's result is none that may be kept.
    fn check_result(&mut self, op: FloatOp, precision: Precision, made: clif::Value, slow: clif::Block) {
        let precision = if op == FloatOp::Narrow {
            Precision::Single
        } else {
            precision
        };
        let top = format(precision).top;
        let least = match op {
            FloatOp::Add | FloatOp::Sub => 0,
            // The smallest normal exponent is left out: a result that was rounded up to it has underflowed.
            FloatOp::Mul | FloatOp::Div | FloatOp::Fma | FloatOp::Narrow => 2,
            _ => return,
        };
        let bits = self.bits_of(made);
        let exponent = self.exponent(bits, precision, false);
        let fine = match least {
            0 => self.b.ins().icmp_imm_s(IntCC::NotEqual, exponent, top),
            _ => self.within(exponent, least, top),
        };
        self.go_on_if(fine, slow);
    }

    /// A value as a number of the host.
    fn number(&mut self, value: clif::Value, precision: Precision) -> clif::Value {
        match precision {
            Precision::Double => value,
            Precision::Single => {
                let bits = self.b.ins().ireduce(I32, value);
                self.b.ins().bitcast(F32, MemFlagsData::new(), bits)
            }
        }
    }

    /// A number of the host as a value.
    fn value_of(&mut self, number: clif::Value) -> clif::Value {
        if self.b.func.dfg.value_type(number) == F64 {
            return number;
        }
        let bits = self.b.ins().bitcast(I32, MemFlagsData::new(), number);
        self.b.ins().uextend(I64, bits)
    }

    /// The host's operation.
    fn host_float(&mut self, op: FloatOp, precision: Precision, [a, b, c]: [clif::Value; 3]) -> clif::Value {
        let ty = host_type(precision);
        let number = match op {
            FloatOp::FromI32 => {
                let word = self.b.ins().ireduce(I32, a);
                self.b.ins().fcvt_from_sint(ty, word)
            }
            FloatOp::FromU32 => {
                let word = self.b.ins().ireduce(I32, a);
                let word = self.b.ins().uextend(I64, word);
                self.b.ins().fcvt_from_sint(ty, word)
            }
            FloatOp::FromI64 => self.b.ins().fcvt_from_sint(ty, a),
            FloatOp::FromU64 => self.b.ins().fcvt_from_uint(ty, a),
            FloatOp::Widen => {
                let x = self.number(a, Precision::Single);
                self.b.ins().fpromote(F64, x)
            }
            FloatOp::Narrow => self.b.ins().fdemote(F32, a),
            _ => {
                let [x, y] = [a, b].map(|value| self.number(value, precision));
                match op {
                    FloatOp::Add => self.b.ins().fadd(x, y),
                    FloatOp::Sub => self.b.ins().fsub(x, y),
                    FloatOp::Mul => self.b.ins().fmul(x, y),
                    FloatOp::Div => self.b.ins().fdiv(x, y),
                    FloatOp::Sqrt => self.b.ins().sqrt(x),
                    FloatOp::Fma => {
                        let z = self.number(c, precision);
                        self.b.ins().fma(x, y, z)
                    }
                    FloatOp::Min | FloatOp::Max => {
                        let less = self.b.ins().fcmp(FloatCC::LessThan, x, y);
                        let (yes, no) = if op == FloatOp::Min { (a, b) } else { (b, a) };
                        return self.b.ins().select(less, yes, no);
                    }
                    // In range, or a smaller number of 64 bits: extended already.
                    FloatOp::ToI32 | FloatOp::ToI64 => return self.b.ins().fcvt_to_sint_sat(I64, x),
                    FloatOp::Eq => return self.compare_floats(FloatCC::Equal, x, y),
                    FloatOp::Lt => return self.compare_floats(FloatCC::LessThan, x, y),
                    FloatOp::Le => return self.compare_floats(FloatCC::LessThanOrEqual, x, y),
                    _ => unreachable!("conversions are done above, and others are the helper's"),
                }
            }
        };
        self.value_of(number)
    }

    fn compare_floats(&mut self, how: FloatCC, x: clif::Value, y: clif::Value) -> clif::Value {
        let holds = self.b.ins().fcmp(how, x, y);
        self.b.ins().uextend(I64, holds)
    }
}
