//! Integer operations.

use wasm_encoder::{BlockType, ValType};

use super::function::{Emitter, Operand};
use crate::ir::{BinaryOp, Compare, Inst, UnaryOp, Value, Width};

/// `0x00ff` and the like, repeated over 64 bits.
const EVERY_OTHER_BYTE: i64 = 0x00ff_00ff_00ff_00ff;
const EVERY_OTHER_HALF: i64 = 0x0000_ffff_0000_ffff;
const LOW_BITS: i64 = 0x7f7f_7f7f_7f7f_7f7f;
/// What a single must have above it to count as one.
const BOX: i64 = 0xffff_ffff_0000_0000_u64 as i64;
const CANONICAL_NAN: i64 = 0x7fc0_0000;

impl Emitter<'_> {
    /// Writes an instruction that has no effect.
    pub fn expression(&mut self, inst: Inst) {
        match inst {
            Inst::Const(value) => {
                self.op().i64_const(value as i64);
            }
            Inst::Get(slot) => match self.slot_local(slot) {
                Some(local) => {
                    self.op().local_get(local);
                }
                None => self.load_slot(slot),
            },
            Inst::Binary(op, a, b) => self.binary(op, a, b),
            Inst::Unary(op, a) => self.unary(op, a),
            Inst::Compare(compare, a, b) => {
                self.compare(compare, a, b);
                self.op().i64_extend_i32_u();
            }
            Inst::Select(condition, a, b) => {
                self.push(a);
                self.push(b);
                self.is_not_zero(condition);
                self.op().select();
            }
            _ => unreachable!("{inst:?} is a statement"),
        }
    }

    /// The comparison that a value is, if it is written only here.
    fn inline_compare(&self, value: Value) -> Option<(Compare, Value, Value)> {
        match self.insts[value.0 as usize] {
            Inst::Compare(compare, a, b) if self.is_inline(value) => Some((compare, a, b)),
            _ => None,
        }
    }

    fn is_not_zero(&mut self, value: Value) {
        if let Some((compare, a, b)) = self.inline_compare(value) {
            self.compare(compare, a, b);
        } else {
            self.push(value);
            self.op().i64_const(0).i64_ne();
        }
    }

    /// Writes a comparison: an `i32`.
    pub fn compare(&mut self, compare: Compare, a: Value, b: Value) {
        if self.constant(b) == Some(0) {
            match (compare, self.inline_compare(a)) {
                (Compare::Ne, Some((inner, a, b))) => return self.compare(inner, a, b),
                (Compare::Eq, Some((inner, a, b))) => return self.compare(inner.negated(), a, b),
                (Compare::Eq, None) => {
                    self.push(a);
                    self.op().i64_eqz();
                    return;
                }
                _ => {}
            }
        }
        self.push(a);
        self.push(b);
        match compare {
            Compare::Eq => self.op().i64_eq(),
            Compare::Ne => self.op().i64_ne(),
            Compare::Lt => self.op().i64_lt_s(),
            Compare::Ge => self.op().i64_ge_s(),
            Compare::Ltu => self.op().i64_lt_u(),
            Compare::Geu => self.op().i64_ge_u(),
        };
    }

    fn unary(&mut self, op: UnaryOp, a: Value) {
        match op {
            UnaryOp::Rev8 | UnaryOp::OrcB | UnaryOp::Unbox => return self.unary_of_several(op, a),
            _ => self.push(a),
        }
        match op {
            UnaryOp::Sext(Width::W8) => self.op().i64_extend8_s(),
            UnaryOp::Sext(Width::W16) => self.op().i64_extend16_s(),
            UnaryOp::Sext(Width::W32) => self.op().i64_extend32_s(),
            UnaryOp::Zext(Width::W8) => self.op().i64_const(0xff).i64_and(),
            UnaryOp::Zext(Width::W16) => self.op().i64_const(0xffff).i64_and(),
            UnaryOp::Zext(Width::W32) => self.op().i32_wrap_i64().i64_extend_i32_u(),
            UnaryOp::Clz => self.op().i64_clz(),
            UnaryOp::Ctz => self.op().i64_ctz(),
            UnaryOp::Cpop => self.op().i64_popcnt(),
            UnaryOp::ToBits => self.op().i64_reinterpret_f64(),
            UnaryOp::FromBits => self.op().f64_reinterpret_i64(),
            // The whole is what it was.
            _ => return,
        };
    }

    /// Operations that read their operand several times.
    fn unary_of_several(&mut self, op: UnaryOp, a: Value) {
        if op == UnaryOp::Rev8 {
            self.push(a);
            for (mask, bits) in [(EVERY_OTHER_BYTE, 8), (EVERY_OTHER_HALF, 16)] {
                let x = self.take(ValType::I64);
                self.op()
                    .local_tee(x)
                    .i64_const(mask)
                    .i64_and()
                    .i64_const(bits)
                    .i64_shl();
                self.op()
                    .local_get(x)
                    .i64_const(bits)
                    .i64_shr_u()
                    .i64_const(mask)
                    .i64_and()
                    .i64_or();
                self.give(x, ValType::I64);
            }
            self.op().i64_const(32).i64_rotl();
            return;
        }
        let x = self.operand(a);
        if op == UnaryOp::OrcB {
            // The top bit of each byte that is not zero, then that bit spread downwards.
            let top = self.take(ValType::I64);
            self.read(x);
            self.op()
                .i64_const(LOW_BITS)
                .i64_and()
                .i64_const(LOW_BITS)
                .i64_add();
            self.read(x);
            self.op().i64_or().i64_const(!LOW_BITS).i64_and();
            self.op().local_tee(top).i64_const(1).i64_shl();
            self.op().local_get(top).i64_const(7).i64_shr_u().i64_sub();
            self.give(top, ValType::I64);
        } else {
            self.read(x);
            self.op()
                .i32_wrap_i64()
                .i64_extend_i32_u()
                .i64_const(CANONICAL_NAN);
            self.read(x);
            self.op().i64_const(BOX).i64_ge_u().select();
        }
        self.finish(x);
    }

    fn binary(&mut self, op: BinaryOp, a: Value, b: Value) {
        match op {
            BinaryOp::Div | BinaryOp::Divu | BinaryOp::Rem | BinaryOp::Remu => return self.divide(op, a, b),
            BinaryOp::Mulh | BinaryOp::Mulhu | BinaryOp::Mulhsu => return self.multiply_high(op, a, b),
            BinaryOp::Rotr32 => {
                self.push(a);
                self.op().i32_wrap_i64();
                self.push(b);
                self.op().i32_wrap_i64().i32_rotr().i64_extend_i32_u();
                return;
            }
            _ => {}
        }
        self.push(a);
        self.push(b);
        match op {
            BinaryOp::Add => self.op().i64_add(),
            BinaryOp::Sub => self.op().i64_sub(),
            BinaryOp::And => self.op().i64_and(),
            BinaryOp::Or => self.op().i64_or(),
            BinaryOp::Xor => self.op().i64_xor(),
            BinaryOp::Shl => self.op().i64_shl(),
            BinaryOp::Shr => self.op().i64_shr_u(),
            BinaryOp::Sar => self.op().i64_shr_s(),
            BinaryOp::Rotr => self.op().i64_rotr(),
            _ => self.op().i64_mul(),
        };
    }

    /// Divides as the guest does: nothing traps.
    fn divide(&mut self, op: BinaryOp, a: Value, b: Value) {
        let signed = matches!(op, BinaryOp::Div | BinaryOp::Rem);
        let (x, y) = (self.operand(a), self.operand(b));
        let guarded = match y {
            Operand::Const(divisor) => divisor == 0 || signed && divisor == u64::MAX,
            _ => true,
        };
        if guarded {
            self.read(y);
            if signed {
                // -1 or 0
                self.op().i64_const(1).i64_add().i64_const(2).i64_lt_u();
            } else {
                self.op().i64_eqz();
            }
            self.if_hinted(BlockType::Result(ValType::I64), false);
            match op {
                BinaryOp::Div => {
                    self.op().i64_const(-1).i64_const(0);
                    self.read(x);
                    self.op().i64_sub();
                }
                BinaryOp::Divu => {
                    self.op().i64_const(-1);
                }
                BinaryOp::Rem => {
                    self.read(x);
                    self.op().i64_const(0);
                }
                _ => self.read(x),
            }
            if signed {
                self.read(y);
                self.op().i64_eqz().select();
            }
            self.op().else_();
        }
        self.read(x);
        self.read(y);
        match op {
            BinaryOp::Div => self.op().i64_div_s(),
            BinaryOp::Divu => self.op().i64_div_u(),
            BinaryOp::Rem => self.op().i64_rem_s(),
            _ => self.op().i64_rem_u(),
        };
        if guarded {
            self.end();
        }
        self.finish(y);
        self.finish(x);
    }

    /// The upper half of a product, by four products of halves.
    fn multiply_high(&mut self, op: BinaryOp, a: Value, b: Value) {
        let (x, y) = (self.operand(a), self.operand(b));
        let [cross, other] = [(); 2].map(|()| self.take(ValType::I64));
        // cross = high x * low y + high (low x * low y)
        self.half(x, true);
        self.half(y, false);
        self.op().i64_mul();
        self.half(x, false);
        self.half(y, false);
        self.op()
            .i64_mul()
            .i64_const(32)
            .i64_shr_u()
            .i64_add()
            .local_set(cross);
        // other = low x * high y + low cross
        self.half(x, false);
        self.half(y, true);
        self.op()
            .i64_mul()
            .local_get(cross)
            .i32_wrap_i64()
            .i64_extend_i32_u()
            .i64_add()
            .local_set(other);
        self.half(x, true);
        self.half(y, true);
        self.op().i64_mul();
        self.op().local_get(cross).i64_const(32).i64_shr_u().i64_add();
        self.op().local_get(other).i64_const(32).i64_shr_u().i64_add();
        self.give(cross, ValType::I64);
        self.give(other, ValType::I64);
        // A negative factor was taken for one that is 2^64 greater.
        if op != BinaryOp::Mulhu {
            self.if_negative(x, y);
        }
        if op == BinaryOp::Mulh {
            self.if_negative(y, x);
        }
        self.finish(y);
        self.finish(x);
    }

    /// The upper or lower half of an operand.
    fn half(&mut self, of: Operand, upper: bool) {
        self.read(of);
        if upper {
            self.op().i64_const(32).i64_shr_u();
        } else {
            self.op().i32_wrap_i64().i64_extend_i32_u();
        }
    }

    /// Subtracts `less` from what is on the operand stack if `of` is negative.
    fn if_negative(&mut self, of: Operand, less: Operand) {
        self.read(of);
        self.op().i64_const(63).i64_shr_s();
        self.read(less);
        self.op().i64_and().i64_sub();
    }
}
