//! Floating-point operations.
//!
//! The host's operation is done first; then it is looked whether its result may be taken ([`FloatOp`] says when), and if
//! not, the helper does it again. What is looked at are *limits*: numbers that are chosen, at entry and after each call of
//! the helper, so that one comparison fails both if the result is out of range and if the guest's floating-point state is
//! not *ready*.

use wasm_encoder::{BlockType, ValType};

use super::function::{Emitter, Operand, STATE};
use super::runtime::Runtime;
use crate::ir::abi::Helper;
use crate::ir::{FloatOp, Inst, Precision, Type};

/// Locals of the limits that the region needs.
#[derive(Debug, Default, Clone, Copy)]
pub struct Limits {
    /// 1 if ready, else 0.
    ready: Option<u32>,
    /// Infinity if ready, else 0: above every finite double's magnitude.
    finite: Option<u32>,
    /// Above the upper half of every normal double, the sign shifted out and the least normal one subtracted; else 0.
    normal: Option<u32>,
    /// The same for singles.
    finite_single: Option<u32>,
    normal_single: Option<u32>,
}

// The smallest normal exponent is left out: a result that was rounded up to it has underflowed.
const NORMAL: i32 = (0x7fd_u32 << 21) as i32;
const LEAST_NORMAL: i32 = 2 << 21;
const FINITE_SINGLE: i32 = (0xff_u32 << 24) as i32;
const NORMAL_SINGLE: i32 = (0xfd_u32 << 24) as i32;
const LEAST_NORMAL_SINGLE: i32 = 2 << 24;

/// When the host's result may be taken.
#[derive(Clone, Copy, PartialEq)]
enum Check {
    Never,
    Always,
    Ready,
    Finite,
    Normal,
    NormalBoth,
    PositiveOperand,
    Unequal,
    Ordered,
    Below(f64),
    NoNan,
}

fn check(op: FloatOp, precision: Precision, fused: bool) -> Check {
    match op {
        FloatOp::Add | FloatOp::Sub => Check::Finite,
        FloatOp::Mul | FloatOp::Narrow => Check::Normal,
        FloatOp::Fma if fused => Check::Normal,
        FloatOp::Div => Check::NormalBoth,
        FloatOp::Sqrt => Check::PositiveOperand,
        FloatOp::Min | FloatOp::Max => Check::Unequal,
        FloatOp::Eq | FloatOp::Lt | FloatOp::Le => Check::Ordered,
        FloatOp::ToI32 => Check::Below(2_147_483_648.0),
        FloatOp::ToI64 => Check::Below(9_223_372_036_854_775_808.0),
        FloatOp::FromI32 | FloatOp::FromU32 if precision == Precision::Double => Check::Always,
        FloatOp::FromI32 | FloatOp::FromU32 | FloatOp::FromI64 | FloatOp::FromU64 => Check::Ready,
        FloatOp::Widen => Check::NoNan,
        FloatOp::Fma | FloatOp::Other => Check::Never,
    }
}

/// A floating-point instruction's operands.
#[derive(Clone, Copy)]
struct Operands {
    a: Operand,
    b: Operand,
    c: Operand,
}

impl Emitter<'_> {
    /// Takes locals for the limits that the region needs, and computes them.
    pub fn start_limits(&mut self) {
        let region = self.region;
        for inst in region.blocks.iter().flat_map(|block| &block.insts) {
            let Inst::Float { op, precision, .. } = *inst else {
                continue;
            };
            let double = precision == Precision::Double;
            let (limit, ty): (fn(&mut Limits) -> &mut Option<u32>, _) =
                match check(op, precision, self.features.relaxed_madd_is_fused) {
                    Check::Finite if double => (|limits| &mut limits.finite, ValType::F64),
                    Check::Finite => (|limits| &mut limits.finite_single, ValType::I32),
                    Check::Normal | Check::NormalBoth if double => {
                        (|limits| &mut limits.normal, ValType::I32)
                    }
                    Check::Normal | Check::NormalBoth => (|limits| &mut limits.normal_single, ValType::I32),
                    Check::Ready | Check::PositiveOperand | Check::Below(_) => {
                        (|limits| &mut limits.ready, ValType::I32)
                    }
                    _ => continue,
                };
            if limit(&mut self.limits).is_none() {
                let local = self.take(ty);
                *limit(&mut self.limits) = Some(local);
            }
        }
        self.refresh_limits();
    }

    /// Computes the limits anew.
    pub fn refresh_limits(&mut self) {
        let limits = self.limits;
        let integers = [
            (limits.ready, 1),
            (limits.normal, NORMAL),
            (limits.finite_single, FINITE_SINGLE),
            (limits.normal_single, NORMAL_SINGLE),
        ];
        let integers = integers
            .iter()
            .filter_map(|&(limit, value)| Some((limit?, value)));
        if integers.clone().next().is_none() && limits.finite.is_none() {
            return;
        }
        let ready = self.take(ValType::I32);
        self.op()
            .local_get(STATE)
            .call(Runtime::Ready.index())
            .local_set(ready);
        for (limit, value) in integers {
            self.op()
                .i32_const(value)
                .i32_const(0)
                .local_get(ready)
                .select()
                .local_set(limit);
        }
        if let Some(limit) = limits.finite {
            self.op().f64_const(f64::INFINITY.into()).f64_const(0.0.into());
            self.op().local_get(ready).select().local_set(limit);
        }
        self.give(ready, ValType::I32);
    }

    /// Writes a floating-point operation: its result is put into a local.
    pub fn float(&mut self, inst: Inst, into: u32) {
        let Inst::Float {
            op,
            precision,
            a,
            b,
            c,
            code,
        } = inst
        else {
            return;
        };
        let operands = Operands {
            a: self.operand(a),
            b: self.operand(b),
            c: self.operand(c),
        };
        let types = [a, b, c].map(|value| self.plan.types[value.0 as usize].unwrap_or(Type::I64));
        let Operands { a, b, c } = operands;
        let ty = if gives_double(op, precision) {
            ValType::F64
        } else {
            ValType::I64
        };
        // The helper needs the operands again.
        let clash = [a, b, c]
            .iter()
            .any(|operand| matches!(operand, Operand::Local(local) if *local == into));
        let place = if clash { self.take(ty) } else { into };
        self.compute(op, precision, operands, types, place, code);
        if clash {
            self.op().local_get(place).local_set(into);
            self.give(place, ty);
        }
        [a, b, c].into_iter().for_each(|operand| self.finish(operand));
    }

    fn compute(
        &mut self,
        op: FloatOp,
        precision: Precision,
        operands: Operands,
        types: [Type; 3],
        result: u32,
        code: u32,
    ) {
        let check = check(op, precision, self.features.relaxed_madd_is_fused);
        if check != Check::Never {
            self.host_operation(op, precision, operands);
            self.op().local_set(result);
        }
        if check == Check::Always {
            return;
        }
        if check != Check::Never {
            self.may_be_taken(check, precision, operands, result);
            self.op().i32_eqz();
            self.if_hinted(BlockType::Empty, false);
        }
        self.op().local_get(STATE);
        for (operand, ty) in [operands.a, operands.b, operands.c].into_iter().zip(types) {
            self.read(operand);
            if ty == Type::F64 {
                self.op().i64_reinterpret_f64();
            }
        }
        self.op()
            .i32_const(code as i32)
            .call(Runtime::of(Helper::Float).index());
        if gives_double(op, precision) {
            self.op().f64_reinterpret_i64();
        }
        self.op().local_set(result);
        self.refresh_limits();
        if check != Check::Never {
            self.end();
        }
    }

    /// Writes the host's operation: its result is left on the operand stack.
    fn host_operation(&mut self, op: FloatOp, precision: Precision, operands: Operands) {
        let Operands { a, b, .. } = operands;
        match op {
            FloatOp::FromI32 | FloatOp::FromU32 | FloatOp::FromI64 | FloatOp::FromU64 => {
                self.read(a);
                self.convert(op, precision);
            }
            FloatOp::Widen => {
                self.read_number(Precision::Single, a);
                self.op().f64_promote_f32();
            }
            FloatOp::Narrow => {
                self.read_number(Precision::Double, a);
                self.op().f32_demote_f64();
                self.bits(Precision::Single);
            }
            FloatOp::ToI32 | FloatOp::ToI64 => {
                self.read_number(precision, a);
                match (op, precision) {
                    (FloatOp::ToI32, Precision::Double) => self.op().i32_trunc_sat_f64_s().i64_extend_i32_s(),
                    (FloatOp::ToI32, Precision::Single) => self.op().i32_trunc_sat_f32_s().i64_extend_i32_s(),
                    (_, Precision::Double) => self.op().i64_trunc_sat_f64_s(),
                    (_, Precision::Single) => self.op().i64_trunc_sat_f32_s(),
                };
            }
            FloatOp::Eq | FloatOp::Lt | FloatOp::Le => {
                self.compare_numbers(op, precision, operands);
                self.op().i64_extend_i32_u();
            }
            FloatOp::Fma => self.multiply_and_add(precision, operands),
            _ => {
                self.read_number(precision, a);
                if op != FloatOp::Sqrt {
                    self.read_number(precision, b);
                }
                self.arithmetic(op, precision);
                self.bits(precision);
            }
        }
    }

    fn arithmetic(&mut self, op: FloatOp, precision: Precision) {
        let mut to = self.op();
        match (op, precision) {
            (FloatOp::Add, Precision::Double) => to.f64_add(),
            (FloatOp::Add, Precision::Single) => to.f32_add(),
            (FloatOp::Sub, Precision::Double) => to.f64_sub(),
            (FloatOp::Sub, Precision::Single) => to.f32_sub(),
            (FloatOp::Mul, Precision::Double) => to.f64_mul(),
            (FloatOp::Mul, Precision::Single) => to.f32_mul(),
            (FloatOp::Div, Precision::Double) => to.f64_div(),
            (FloatOp::Div, Precision::Single) => to.f32_div(),
            (FloatOp::Min, Precision::Double) => to.f64_min(),
            (FloatOp::Min, Precision::Single) => to.f32_min(),
            (FloatOp::Max, Precision::Double) => to.f64_max(),
            (FloatOp::Max, Precision::Single) => to.f32_max(),
            (_, Precision::Double) => to.f64_sqrt(),
            (_, Precision::Single) => to.f32_sqrt(),
        };
    }

    fn convert(&mut self, op: FloatOp, precision: Precision) {
        let mut to = self.op();
        match (op, precision) {
            (FloatOp::FromI32, Precision::Double) => to.i32_wrap_i64().f64_convert_i32_s(),
            (FloatOp::FromU32, Precision::Double) => to.i32_wrap_i64().f64_convert_i32_u(),
            (FloatOp::FromI64, Precision::Double) => to.f64_convert_i64_s(),
            (_, Precision::Double) => to.f64_convert_i64_u(),
            (FloatOp::FromI32, Precision::Single) => to.i32_wrap_i64().f32_convert_i32_s(),
            (FloatOp::FromU32, Precision::Single) => to.i32_wrap_i64().f32_convert_i32_u(),
            (FloatOp::FromI64, Precision::Single) => to.f32_convert_i64_s(),
            (_, Precision::Single) => to.f32_convert_i64_u(),
        };
        self.bits(precision);
    }

    /// One rounding: only lanes have such an instruction.
    fn multiply_and_add(&mut self, precision: Precision, Operands { a, b, c }: Operands) {
        for operand in [a, b, c] {
            self.read_number(precision, operand);
            match precision {
                Precision::Double => self.op().f64x2_splat(),
                Precision::Single => self.op().f32x4_splat(),
            };
        }
        match precision {
            Precision::Double => self.op().f64x2_relaxed_madd().f64x2_extract_lane(0),
            Precision::Single => self.op().f32x4_relaxed_madd().f32x4_extract_lane(0),
        };
        self.bits(precision);
    }

    /// Writes a comparison: an `i32`.
    fn compare_numbers(&mut self, op: FloatOp, precision: Precision, operands: Operands) {
        self.read_number(precision, operands.a);
        self.read_number(precision, operands.b);
        let mut to = self.op();
        match (op, precision) {
            (FloatOp::Eq, Precision::Double) => to.f64_eq(),
            (FloatOp::Eq, Precision::Single) => to.f32_eq(),
            (FloatOp::Lt, Precision::Double) => to.f64_lt(),
            (FloatOp::Lt, Precision::Single) => to.f32_lt(),
            (_, Precision::Double) => to.f64_le(),
            (_, Precision::Single) => to.f32_le(),
        };
    }

    /// Reads an operand as a number: singles are integers.
    fn read_number(&mut self, precision: Precision, operand: Operand) {
        self.read(operand);
        if precision == Precision::Single {
            self.op().i32_wrap_i64().f32_reinterpret_i32();
        }
    }

    /// Makes a value of a number that is on the operand stack.
    fn bits(&mut self, precision: Precision) {
        if precision == Precision::Single {
            self.op().i32_reinterpret_f32().i64_extend_i32_u();
        }
    }

    /// Writes whether the host's result may be taken: an `i32`.
    fn may_be_taken(&mut self, check: Check, precision: Precision, operands: Operands, result: u32) {
        let Operands { a, b, .. } = operands;
        let limits = self.limits;
        let ready = limits.ready.unwrap_or(0);
        match check {
            Check::Ready => {
                self.op().local_get(ready);
            }
            Check::Finite => match precision {
                Precision::Double => {
                    self.op()
                        .local_get(result)
                        .f64_abs()
                        .local_get(limits.finite.unwrap_or(0))
                        .f64_lt();
                }
                Precision::Single => {
                    let limit = limits.finite_single.unwrap_or(0);
                    self.op()
                        .local_get(result)
                        .i32_wrap_i64()
                        .i32_const(1)
                        .i32_shl()
                        .local_get(limit)
                        .i32_lt_u();
                }
            },
            Check::Normal | Check::NormalBoth => {
                let limit = if precision == Precision::Double {
                    limits.normal
                } else {
                    limits.normal_single
                };
                self.exponent(precision, Operand::Local(result));
                self.op().local_get(limit.unwrap_or(0)).i32_lt_u();
                if check == Check::NormalBoth {
                    self.exponent(precision, b);
                    let limit = if precision == Precision::Double {
                        NORMAL
                    } else {
                        NORMAL_SINGLE
                    };
                    self.op().i32_const(limit).i32_lt_u().i32_and();
                }
            }
            Check::PositiveOperand => {
                // As a signed number: at least the least normal one, and below infinity.
                let (least, count) = match precision {
                    Precision::Double => (LEAST_NORMAL >> 1, NORMAL as u32 >> 1),
                    Precision::Single => (LEAST_NORMAL_SINGLE >> 1, NORMAL_SINGLE as u32 >> 1),
                };
                self.upper_word(precision, a);
                self.op()
                    .i32_const(least)
                    .i32_sub()
                    .i32_const(count as i32)
                    .i32_lt_u();
                self.op().local_get(ready).i32_and();
            }
            Check::Unequal => {
                self.compare_numbers(FloatOp::Lt, precision, operands);
                self.compare_numbers(FloatOp::Lt, precision, Operands { a: b, b: a, c: a });
                self.op().i32_or();
            }
            Check::Ordered => {
                self.compare_numbers(FloatOp::Le, precision, operands);
                self.compare_numbers(FloatOp::Lt, precision, Operands { a: b, b: a, c: a });
                self.op().i32_or();
            }
            Check::Below(limit) => {
                self.read_number(precision, a);
                match precision {
                    Precision::Double => self.op().f64_abs().f64_const(limit.into()).f64_lt(),
                    Precision::Single => self.op().f32_abs().f32_const((limit as f32).into()).f32_lt(),
                };
                self.op().local_get(ready).i32_and();
            }
            Check::NoNan => {
                self.op().local_get(result).local_get(result).f64_eq();
            }
            Check::Never | Check::Always => {
                self.op().i32_const(1);
            }
        }
    }

    /// A number's bits, the sign shifted out and the least normal number subtracted: their upper half, for doubles.
    fn exponent(&mut self, precision: Precision, of: Operand) {
        self.upper_word(precision, of);
        let least = if precision == Precision::Double {
            LEAST_NORMAL
        } else {
            LEAST_NORMAL_SINGLE
        };
        // An addition, so that V8 shifts and adds in one instruction.
        self.op().i32_const(1).i32_shl().i32_const(-least).i32_add();
    }

    /// A single's bits, or the upper half of a double's.
    fn upper_word(&mut self, precision: Precision, of: Operand) {
        self.read(of);
        if precision == Precision::Double {
            self.op().i64_reinterpret_f64().i64_const(32).i64_shr_u();
        }
        self.op().i32_wrap_i64();
    }
}

/// Whether the result is a double.
fn gives_double(op: FloatOp, precision: Precision) -> bool {
    use FloatOp::{Eq, Le, Lt, Narrow, Other, ToI32, ToI64};
    precision == Precision::Double && !matches!(op, Eq | Lt | Le | ToI32 | ToI64 | Other | Narrow)
}
