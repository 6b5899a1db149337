//! Addition, subtraction and multiplication.

use super::fast;
use super::format::{Format, Layout, Value, infinity, invalid, propagate_nan, unpack};
use super::round::{Exact, Flags, Rounding, round_pack, shift_right_sticky};

/// `a + b`.
#[inline]
pub fn add<F: Format>(a: u64, b: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
    match fast::add::<F>(a, b, rounding, flags) {
        Some(sum) => sum,
        None => slow_add::<F>(a, b, rounding, flags),
    }
}

/// `a - b`.
#[inline]
pub fn sub<F: Format>(a: u64, b: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
    // Flipping the sign of a NaN changes nothing: NaN results are canonical.
    add::<F>(a, b ^ F::SIGN, rounding, flags)
}

/// `a × b`.
#[inline]
pub fn mul<F: Format>(a: u64, b: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
    match fast::mul::<F>(a, b, rounding, flags) {
        Some(product) => product,
        None => slow_mul::<F>(a, b, rounding, flags),
    }
}

#[cold]
#[inline(never)]
pub(super) fn slow_add<F: Layout>(a: u64, b: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
    match (unpack::<F>(a), unpack::<F>(b)) {
        (Value::Nan, _) | (_, Value::Nan) => propagate_nan::<F>(&[a, b], flags),
        (Value::Infinity { negative: x }, Value::Infinity { negative: y }) if x != y => invalid::<F>(flags),
        (Value::Infinity { negative }, _) | (_, Value::Infinity { negative }) => infinity::<F>(negative),
        (Value::Finite(x), Value::Finite(y)) => round_pack::<F>(sum(x, y, rounding), rounding, flags),
    }
}

#[cold]
#[inline(never)]
pub(super) fn slow_mul<F: Layout>(a: u64, b: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
    let negative = (a ^ b) & F::SIGN != 0;
    match (unpack::<F>(a), unpack::<F>(b)) {
        (Value::Nan, _) | (_, Value::Nan) => propagate_nan::<F>(&[a, b], flags),
        (Value::Infinity { .. }, Value::Finite(x)) | (Value::Finite(x), Value::Infinity { .. })
            if x.significand == 0 =>
        {
            invalid::<F>(flags)
        }
        (Value::Infinity { .. }, _) | (_, Value::Infinity { .. }) => infinity::<F>(negative),
        (Value::Finite(x), Value::Finite(y)) => round_pack::<F>(product(x, y), rounding, flags),
    }
}

/// The product of two numbers of at most 64 significant bits, to the last bit.
pub(super) fn product(x: Exact, y: Exact) -> Exact {
    Exact {
        negative: x.negative != y.negative,
        exponent: x.exponent + y.exponent,
        significand: x.significand * y.significand,
    }
}

/// The sum of two numbers of at most 106 significant bits. The rounding mode decides the sign of an exact zero.
pub(super) fn sum(x: Exact, y: Exact, rounding: Rounding) -> Exact {
    if x.significand == 0 && y.significand == 0 {
        return Exact {
            negative: zero_sign(x.negative, y.negative, rounding),
            ..x
        };
    } else if x.significand == 0 {
        return y;
    } else if y.significand == 0 {
        return x;
    }

    // Both leading bits go to bit 126, which leaves room for a carry. Bits fall off the smaller operand only when it is
    // more than 20 places below the larger; then at most one leading bit cancels, and the sticky bit stays far below
    // the rounding position.
    let (x, y) = (normalised(x), normalised(y));
    let (large, small) = if (x.exponent, x.significand) >= (y.exponent, y.significand) {
        (x, y)
    } else {
        (y, x)
    };
    let aligned = shift_right_sticky(small.significand, (large.exponent - small.exponent) as u32);
    if large.negative == small.negative {
        return Exact {
            significand: large.significand + aligned,
            ..large
        };
    }
    let significand = large.significand - aligned;
    let negative = if significand == 0 {
        zero_sign(x.negative, y.negative, rounding)
    } else {
        large.negative
    };
    Exact {
        negative,
        significand,
        ..large
    }
}

/// The sign of an exact zero sum: that of both operands if they agree, else plus except when rounding down.
fn zero_sign(x: bool, y: bool, rounding: Rounding) -> bool {
    if x == y { x } else { rounding == Rounding::Down }
}

fn normalised(x: Exact) -> Exact {
    let shift = x.significand.leading_zeros() - 1;
    Exact {
        exponent: x.exponent - shift as i32,
        significand: x.significand << shift,
        ..x
    }
}
