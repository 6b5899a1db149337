//! Division and square root.

use super::fast;
use super::format::{Format, Layout, Value, infinity, invalid, propagate_nan, unpack, zero};
use super::round::{Exact, Flags, Rounding, round_pack};

/// `a ÷ b`.
#[inline]
pub fn div<F: Format>(a: u64, b: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
    match fast::div::<F>(a, b, rounding, flags) {
        Some(quotient) => quotient,
        None => slow_div::<F>(a, b, rounding, flags),
    }
}

/// The square root of `a`.
#[inline]
pub fn sqrt<F: Format>(a: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
    match fast::sqrt::<F>(a, rounding, flags) {
        Some(root) => root,
        None => slow_sqrt::<F>(a, rounding, flags),
    }
}

#[cold]
#[inline(never)]
pub(super) fn slow_div<F: Layout>(a: u64, b: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
    let negative = (a ^ b) & F::SIGN != 0;
    match (unpack::<F>(a), unpack::<F>(b)) {
        (Value::Nan, _) | (_, Value::Nan) => propagate_nan::<F>(&[a, b], flags),
        (Value::Infinity { .. }, Value::Infinity { .. }) => invalid::<F>(flags),
        (Value::Infinity { .. }, _) => infinity::<F>(negative),
        (_, Value::Infinity { .. }) => zero::<F>(negative),
        (Value::Finite(x), Value::Finite(y)) => match (x.significand, y.significand) {
            (0, 0) => invalid::<F>(flags),
            (0, _) => zero::<F>(negative),
            (_, 0) => {
                *flags |= Flags::DIVIDE_BY_ZERO;
                infinity::<F>(negative)
            }
            _ => round_pack::<F>(quotient(x, y), rounding, flags),
        },
    }
}

/// The quotient of two non-zero numbers, the divisor of at most 64 bits: at least 64 bits of it, the last sticky.
fn quotient(x: Exact, y: Exact) -> Exact {
    let shift = x.significand.leading_zeros();
    let dividend = x.significand << shift;
    let quotient = dividend / y.significand;
    let remainder = dividend % y.significand;
    Exact {
        negative: x.negative != y.negative,
        exponent: x.exponent - shift as i32 - y.exponent,
        significand: quotient | u128::from(remainder != 0),
    }
}

#[cold]
#[inline(never)]
pub(super) fn slow_sqrt<F: Layout>(a: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
    match unpack::<F>(a) {
        Value::Nan => propagate_nan::<F>(&[a], flags),
        Value::Finite(x) if x.significand == 0 => a,
        Value::Infinity { negative: false } => a,
        Value::Infinity { negative: true } | Value::Finite(Exact { negative: true, .. }) => {
            invalid::<F>(flags)
        }
        Value::Finite(x) => round_pack::<F>(root(x), rounding, flags),
    }
}

/// The square root of a positive number: 65 bits of it, the last sticky.
fn root(x: Exact) -> Exact {
    // An even exponent halves exactly; shifting one place less than all the way makes it so.
    let shift = x.significand.leading_zeros();
    let shift = shift - ((x.exponent - shift as i32) & 1) as u32;
    let radicand = x.significand << shift;
    let root = radicand.isqrt();
    Exact {
        negative: false,
        exponent: (x.exponent - shift as i32) / 2 - 1,
        significand: root << 1 | u128::from(root * root != radicand),
    }
}
