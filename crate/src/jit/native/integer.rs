//! Operations on integers.

use cranelift_codegen::ir::{
    self as clif, InstBuilder, MemFlagsData,
    condcodes::IntCC,
    types::{F64, I32, I64},
};

use super::lower::Lower;
use crate::ir::{BinaryOp, Block, UnaryOp, Value, Width};

impl Lower<'_, '_> {
    /// An operation on two integers.
    pub fn binary(&mut self, block: &Block, op: BinaryOp, a: Value, b: Value) -> clif::Value {
        let (x, y) = (self.value(a), self.value(b));
        if let Some(number) = self.known(block, b)
            && let Some(made) = self.binary_with_constant(op, x, number)
        {
            return made;
        }
        let ins = self.b.ins();
        match op {
            BinaryOp::Add => ins.iadd(x, y),
            BinaryOp::Sub => ins.isub(x, y),
            BinaryOp::And => ins.band(x, y),
            BinaryOp::Or => ins.bor(x, y),
            BinaryOp::Xor => ins.bxor(x, y),
            // Cranelift takes shift amounts modulo the width too.
            BinaryOp::Shl => ins.ishl(x, y),
            BinaryOp::Shr => ins.ushr(x, y),
            BinaryOp::Sar => ins.sshr(x, y),
            BinaryOp::Rotr => ins.rotr(x, y),
            BinaryOp::Rotr32 => {
                let (x, y) = (self.narrow(Width::W32, x), self.narrow(Width::W32, y));
                let word = self.b.ins().rotr(x, y);
                self.b.ins().uextend(I64, word)
            }
            BinaryOp::Mul => ins.imul(x, y),
            BinaryOp::Mulh => ins.smulhi(x, y),
            BinaryOp::Mulhu => ins.umulhi(x, y),
            BinaryOp::Mulhsu => {
                // As unsigned, a negative number is 2^64 too large: b too much in the high word.
                let high = ins.umulhi(x, y);
                let sign = self.b.ins().sshr_imm_u(x, 63);
                let excess = self.b.ins().band(sign, y);
                self.b.ins().isub(high, excess)
            }
            BinaryOp::Div => {
                // Divisors 0 and -1 would trap: divided by 1 instead, and made good afterwards.
                let next = ins.iadd_imm_s(y, 1);
                let special = self.b.ins().icmp_imm_s(IntCC::UnsignedLessThanOrEqual, next, 1);
                let one = self.constant(1);
                let divisor = self.b.ins().select(special, one, y);
                let quotient = self.b.ins().sdiv(x, divisor);
                let negated = self.b.ins().ineg(x);
                let minus = self.b.ins().icmp_imm_s(IntCC::Equal, y, -1);
                let quotient = self.b.ins().select(minus, negated, quotient);
                self.unless_zero(y, quotient, None)
            }
            BinaryOp::Divu => {
                let divisor = self.or_one(y);
                let quotient = self.b.ins().udiv(x, divisor);
                self.unless_zero(y, quotient, None)
            }
            BinaryOp::Rem => {
                let next = ins.iadd_imm_s(y, 1);
                let special = self.b.ins().icmp_imm_s(IntCC::UnsignedLessThanOrEqual, next, 1);
                let one = self.constant(1);
                let divisor = self.b.ins().select(special, one, y);
                let rest = self.b.ins().srem(x, divisor);
                self.unless_zero(y, rest, Some(x))
            }
            BinaryOp::Remu => {
                let divisor = self.or_one(y);
                let rest = self.b.ins().urem(x, divisor);
                self.unless_zero(y, rest, Some(x))
            }
        }
    }

    /// What is shorter with a constant as second operand.
    fn binary_with_constant(&mut self, op: BinaryOp, x: clif::Value, number: u64) -> Option<clif::Value> {
        let immediate = number as i64;
        let amount = (number & 63) as i64;
        let divides = !matches!(number, 0 | u64::MAX);
        let y = if divides {
            Some(self.constant(number))
        } else {
            None
        };
        let ins = self.b.ins();
        Some(match op {
            BinaryOp::Shl => ins.ishl_imm_u(x, amount),
            BinaryOp::Shr => ins.ushr_imm_u(x, amount),
            BinaryOp::Sar => ins.sshr_imm_u(x, amount),
            BinaryOp::Rotr => ins.rotr_imm_u(x, amount),
            BinaryOp::Add => ins.iadd_imm_s(x, immediate),
            BinaryOp::And => ins.band_imm_s(x, immediate),
            BinaryOp::Div => ins.sdiv(x, y?),
            BinaryOp::Divu => ins.udiv(x, y?),
            BinaryOp::Rem => ins.srem(x, y?),
            BinaryOp::Remu => ins.urem(x, y?),
            _ => return None,
        })
    }

    /// `y`, or 1 where it is 0.
    fn or_one(&mut self, y: clif::Value) -> clif::Value {
        let one = self.constant(1);
        self.b.ins().select(y, y, one)
    }

    /// `made`, but `otherwise` (all ones if `None`) where `divisor` is 0.
    fn unless_zero(
        &mut self,
        divisor: clif::Value,
        made: clif::Value,
        otherwise: Option<clif::Value>,
    ) -> clif::Value {
        let otherwise = otherwise.unwrap_or_else(|| self.constant(u64::MAX));
        self.b.ins().select(divisor, made, otherwise)
    }

    /// An operation on one value.
    pub fn unary(&mut self, op: UnaryOp, a: Value) -> clif::Value {
        let x = self.value(a);
        let ins = self.b.ins();
        match op {
            UnaryOp::Sext(Width::W64) | UnaryOp::Zext(Width::W64) => x,
            UnaryOp::Sext(width) => {
                let low = self.narrow(width, x);
                self.b.ins().sextend(I64, low)
            }
            UnaryOp::Zext(width) => {
                let low = self.narrow(width, x);
                self.b.ins().uextend(I64, low)
            }
            UnaryOp::Clz => ins.clz(x),
            UnaryOp::Ctz => ins.ctz(x),
            UnaryOp::Cpop => ins.popcnt(x),
            UnaryOp::Rev8 => ins.bswap(x),
            UnaryOp::OrcB => {
                // The top bit of each byte: set by the byte itself, or by a carry out of its other bits.
                let low = self.constant(0x7f7f_7f7f_7f7f_7f7f);
                let others = self.b.ins().band(x, low);
                let carried = self.b.ins().iadd(others, low);
                let either = self.b.ins().bor(carried, x);
                let top = self.b.ins().band_not(either, low);
                // Top bits b become 2b - b/128: eight ones each.
                let twice = self.b.ins().ishl_imm_u(top, 1);
                let bottom = self.b.ins().ushr_imm_u(top, 7);
                self.b.ins().isub(twice, bottom)
            }
            UnaryOp::ToBits => ins.bitcast(I64, MemFlagsData::new(), x),
            UnaryOp::FromBits => ins.bitcast(F64, MemFlagsData::new(), x),
            UnaryOp::Unbox => {
                let upper = ins.ushr_imm_u(x, 32);
                let boxed = self.b.ins().icmp_imm_s(IntCC::Equal, upper, 0xffff_ffff);
                let low = self.b.ins().ireduce(I32, x);
                let low = self.b.ins().uextend(I64, low);
                let nan = self.constant(0x7fc0_0000);
                self.b.ins().select(boxed, low, nan)
            }
        }
    }
}
