//! What is simplified while instructions are lifted: only what is cheap to see and common in what lifting writes.

use super::lift::{Builder, V};
use crate::ir::{BinaryOp, Compare, FloatOp, Inst, Precision, UnaryOp, Value, Width, eval};

/// Upper word of a NaN-boxed single.
const BOX: u64 = 0xffff_ffff_0000_0000;

impl Builder {
    /// The number that `value` is, if it is a constant.
    fn known(&self, value: Value) -> Option<u64> {
        match self.inst(value) {
            Inst::Const(number) => Some(number),
            _ => None,
        }
    }

    /// `a op b` where that is something simpler.
    pub(super) fn simplified_binary(&mut self, op: BinaryOp, a: V, b: V) -> Option<V> {
        use BinaryOp::{Add, And, Or, Rotr, Sar, Shl, Shr, Sub, Xor};
        if let (V::Const(a), V::Const(b)) = (a, b) {
            return Some(V::Const(eval::binary(op, a, b)));
        }
        match (op, a, b) {
            (Add | Or | Xor, V::Const(0), v)
            | (Add | Sub | Or | Xor | Shl | Shr | Sar | Rotr, v, V::Const(0))
            | (And, v, V::Const(u64::MAX))
            | (And, V::Const(u64::MAX), v) => Some(v),
            (And, _, V::Const(0)) | (And, V::Const(0), _) => Some(V::Const(0)),
            (And | Or, a, b) if a == b => Some(a),
            (Xor | Sub, a, b) if a == b => Some(V::Const(0)),
            (Or, V::Int(a), V::Int(b)) => self.joined(a, b),
            _ => None,
        }
    }

    /// `(x & m) | (y & !m)` where that is something simpler: what the moves and negations among the sign injections are.
    fn joined(&mut self, a: Value, b: Value) -> Option<V> {
        let (Inst::Binary(BinaryOp::And, x, m), Inst::Binary(BinaryOp::And, y, rest)) =
            (self.inst(a), self.inst(b))
        else {
            return None;
        };
        let mask = self.known(m)?;
        if self.known(rest)? != !mask {
            return None;
        }
        if x == y {
            return Some(V::Int(x));
        }
        match self.inst(x) {
            Inst::Binary(BinaryOp::Xor, z, ones) if z == y && self.known(ones) == Some(u64::MAX) => {
                Some(V::Int(self.emit(Inst::Binary(BinaryOp::Xor, y, m))))
            }
            _ => None,
        }
    }

    /// `op a` where that is something simpler.
    pub(super) fn simplified_unary(&mut self, op: UnaryOp, a: V) -> Option<V> {
        if let V::Const(a) = a {
            return Some(V::Const(eval::unary(op, a)));
        }
        match op {
            UnaryOp::Sext(width) => {
                let value = self.int(a);
                if self.is_sign_extended(value, width) {
                    return Some(V::Int(value));
                }
                let low = self.low_value(width, value);
                (low != value).then(|| V::Int(self.emit(Inst::Unary(op, low))))
            }
            UnaryOp::Zext(width) => {
                let value = self.int(a);
                if self.is_zero_extended(value, width) {
                    return Some(V::Int(value));
                }
                let low = self.low_value(width, value);
                (low != value).then(|| V::Int(self.emit(Inst::Unary(op, low))))
            }
            UnaryOp::Unbox => {
                let value = self.int(a);
                match self.inst(value) {
                    Inst::Binary(BinaryOp::Or, single, upper)
                        if self.known(upper) == Some(BOX) && self.is_zero_extended(single, Width::W32) =>
                    {
                        Some(V::Int(single))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// A value whose low `width` is that of `v`: what only changes the bits above is left out.
    pub(super) fn low_bits(&mut self, width: Width, v: V) -> V {
        match v {
            V::Const(_) => v,
            _ if width == Width::W64 => v,
            _ => {
                let value = self.int(v);
                V::Int(self.low_value(width, value))
            }
        }
    }

    fn low_value(&self, width: Width, mut value: Value) -> Value {
        loop {
            value = match self.inst(value) {
                Inst::Unary(UnaryOp::Sext(of) | UnaryOp::Zext(of), inner) if of.bytes() >= width.bytes() => {
                    inner
                }
                Inst::Binary(BinaryOp::Or, inner, upper)
                    if width.bytes() <= 4 && self.known(upper) == Some(BOX) =>
                {
                    inner
                }
                _ => return value,
            };
        }
    }

    /// Whether all bits from the sign bit of `width` up are known to be equal.
    fn is_sign_extended(&self, value: Value, width: Width) -> bool {
        match self.inst(value) {
            Inst::Unary(UnaryOp::Sext(of), _) => of.bytes() <= width.bytes(),
            Inst::Unary(UnaryOp::Zext(of), _) | Inst::Load { width: of, .. } => of.bytes() < width.bytes(),
            Inst::Compare(..) => true,
            Inst::Float { op, .. } => match op {
                FloatOp::Eq | FloatOp::Lt | FloatOp::Le => true,
                FloatOp::ToI32 => width == Width::W32,
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether all bits above `width` are known to be 0.
    fn is_zero_extended(&self, value: Value, width: Width) -> bool {
        match self.inst(value) {
            Inst::Unary(UnaryOp::Zext(of), _) | Inst::Load { width: of, .. } => of.bytes() <= width.bytes(),
            Inst::Unary(UnaryOp::Unbox, _) => width.bytes() >= 4,
            Inst::Compare(..) => true,
            Inst::Float { op, precision, .. } => match op {
                FloatOp::Eq | FloatOp::Lt | FloatOp::Le => true,
                FloatOp::ToI32 | FloatOp::ToI64 | FloatOp::Other | FloatOp::Widen => false,
                _ => precision == Precision::Single && width.bytes() >= 4,
            },
            Inst::Binary(BinaryOp::And, _, mask) => match self.known(mask) {
                Some(mask) => mask >> (width.bytes() * 8 - 1) >> 1 == 0,
                None => false,
            },
            _ => false,
        }
    }

    /// The comparison of a branch; where it asks whether an earlier comparison held, that one.
    pub(super) fn comparison_behind(&mut self, compare: Compare, a: V, b: V) -> (Compare, Value, Value) {
        let tested = match (a, b) {
            (V::Int(value), V::Const(0)) | (V::Const(0), V::Int(value)) => Some(value),
            _ => None,
        };
        if let Some(Inst::Compare(behind, x, y)) = tested.map(|value| self.inst(value)) {
            match compare {
                Compare::Ne => return (behind, x, y),
                Compare::Eq => return (behind.negated(), x, y),
                _ => {}
            }
        }
        (compare, self.int(a), self.int(b))
    }
}
