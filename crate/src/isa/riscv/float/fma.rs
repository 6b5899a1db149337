//! Fused multiply-add: one rounding.

use super::arith::{product, sum};
use super::fast;
use super::format::{Format, Layout, Value, infinity, invalid, propagate_nan, unpack};
use super::round::{Flags, Rounding, round_pack};

/// `a × b + c` with one rounding. The other three instructions flip the signs of `a` or `c`.
#[inline]
pub fn fused_multiply_add<F: Format>(a: u64, b: u64, c: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
    match fast::fused_multiply_add::<F>(a, b, c, rounding, flags) {
        Some(result) => result,
        None => slow_fused_multiply_add::<F>(a, b, c, rounding, flags),
    }
}

#[cold]
#[inline(never)]
pub(super) fn slow_fused_multiply_add<F: Layout>(
    a: u64,
    b: u64,
    c: u64,
    rounding: Rounding,
    flags: &mut Flags,
) -> u64 {
    let (x, y, z) = (unpack::<F>(a), unpack::<F>(b), unpack::<F>(c));
    // ∞ × 0 is invalid even when the addend is a quiet NaN.
    if let (Value::Infinity { .. }, Value::Finite(e)) | (Value::Finite(e), Value::Infinity { .. }) = (x, y)
        && e.significand == 0
    {
        return invalid::<F>(flags);
    }
    let negative = (a ^ b) & F::SIGN != 0;
    match (x, y, z) {
        (Value::Nan, ..) | (_, Value::Nan, _) | (.., Value::Nan) => propagate_nan::<F>(&[a, b, c], flags),
        (Value::Finite(x), Value::Finite(y), Value::Finite(z)) => {
            round_pack::<F>(sum(product(x, y), z, rounding), rounding, flags)
        }
        (Value::Finite(_), Value::Finite(_), Value::Infinity { negative }) => infinity::<F>(negative),
        (_, _, Value::Infinity { negative: addend }) if addend != negative => invalid::<F>(flags),
        _ => infinity::<F>(negative),
    }
}
