//! Comparisons, minimum and maximum, and classification. None of them rounds.

use super::format::{Layout, is_nan, is_signalling};
use super::round::Flags;

/// `a == b`: quiet, only a signalling NaN raises invalid.
#[inline]
pub fn eq<F: Layout>(a: u64, b: u64, flags: &mut Flags) -> bool {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        raise_if_signalling::<F>(a, b, flags);
        return false;
    }
    // The two zeros are the only patterns that differ and are equal.
    a == b || (a | b) & !F::SIGN == 0
}

/// `a < b`: signalling, any NaN raises invalid.
#[inline]
pub fn lt<F: Layout>(a: u64, b: u64, flags: &mut Flags) -> bool {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        *flags |= Flags::INVALID;
        return false;
    }
    order::<F>(a) < order::<F>(b) && (a | b) & !F::SIGN != 0
}

/// `a <= b`: signalling, any NaN raises invalid.
#[inline]
pub fn le<F: Layout>(a: u64, b: u64, flags: &mut Flags) -> bool {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        *flags |= Flags::INVALID;
        return false;
    }
    order::<F>(a) <= order::<F>(b) || (a | b) & !F::SIGN == 0
}

/// The smaller number, −0 below +0; the other operand if one is a NaN.
#[inline]
pub fn min<F: Layout>(a: u64, b: u64, flags: &mut Flags) -> u64 {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        return the_number::<F>(a, b, flags);
    }
    if order::<F>(a) <= order::<F>(b) { a } else { b }
}

/// The larger number, −0 below +0; the other operand if one is a NaN.
#[inline]
pub fn max<F: Layout>(a: u64, b: u64, flags: &mut Flags) -> u64 {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        return the_number::<F>(a, b, flags);
    }
    if order::<F>(a) >= order::<F>(b) { a } else { b }
}

/// `fclass`: one bit set, from bit 0 for −∞ up to bit 7 for +∞, bit 8 a signalling and bit 9 a quiet NaN.
#[inline]
pub fn classify<F: Layout>(a: u64) -> u64 {
    let magnitude = a & !F::SIGN;
    if is_nan::<F>(a) {
        return if is_signalling::<F>(a) { 1 << 8 } else { 1 << 9 };
    }
    let size = match magnitude {
        0 => 0,
        m if m <= F::FRACTION => 1,
        m if m < F::INFINITY => 2,
        _ => 3,
    };
    if a & F::SIGN != 0 {
        1 << (3 - size)
    } else {
        1 << (4 + size)
    }
}

/// A key that orders numbers as integers, −0 just below +0.
#[inline]
fn order<F: Layout>(bits: u64) -> i64 {
    let magnitude = (bits & !F::SIGN) as i64;
    if bits & F::SIGN != 0 {
        !magnitude
    } else {
        magnitude
    }
}

/// Minimum or maximum where at least one operand is a NaN.
#[cold]
#[inline(never)]
fn the_number<F: Layout>(a: u64, b: u64, flags: &mut Flags) -> u64 {
    raise_if_signalling::<F>(a, b, flags);
    match (is_nan::<F>(a), is_nan::<F>(b)) {
        (true, true) => F::CANONICAL_NAN,
        (true, false) => b,
        _ => a,
    }
}

#[cold]
#[inline(never)]
fn raise_if_signalling<F: Layout>(a: u64, b: u64, flags: &mut Flags) {
    if is_signalling::<F>(a) || is_signalling::<F>(b) {
        *flags |= Flags::INVALID;
    }
}
