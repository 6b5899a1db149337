//! The common case on the host's own floating point: same bits, same flags, or `None`.
//!
//! x86-64 (SSE2) and wasm both compute binary32 and binary64 exactly as IEEE 754 says, rounding to nearest even, so for
//! that mode the result bits come for free. Flags do not: no host flag is read here (wasm has none). Instead:
//!
//! * Results that might raise overflow, underflow, division by zero or invalid are recognised by their exponent field
//!   and left to the slow path. So are NaNs, whose bits differ between hosts.
//! * Inexact is sticky. Once the guest's flag is set nothing need be known; until then the rounding error is found
//!   exactly, either by an error-free transformation or by counting significant bits.

use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Sub};

use super::format::{F32, F64, Format, Layout};
use super::round::{Flags, Rounding};

/// A floating-point type of the host.
pub trait Host:
    Copy + Debug + PartialEq + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// Positive zero.
    const ZERO: Self;
    /// The value with the bit pattern in the low bits of `bits`.
    fn from_bits(bits: u64) -> Self;
    /// The bit pattern.
    fn to_bits(self) -> u64;
    /// The nearest value to an integer.
    fn from_i64(integer: i64) -> Self;
    /// The value as a double, exactly; the bits of a NaN are unspecified.
    fn to_f64(self) -> f64;
    /// The square root, rounded to nearest.
    fn sqrt(self) -> Self;
    /// `x × y + z` rounded once, if the operands are ordinary enough; sets inexact unless `flags` has it already.
    fn fused_multiply_add(x: Self, y: Self, z: Self, flags: &mut Flags) -> Option<Self>;
}

macro_rules! host {
    ($float:ident, $bits:ident, $fma:path) => {
        impl Host for $float {
            const ZERO: $float = 0.0;
            #[inline]
            fn from_bits(bits: u64) -> $float {
                $float::from_bits(bits as $bits)
            }
            #[inline]
            fn to_bits(self) -> u64 {
                u64::from(self.to_bits())
            }
            #[inline]
            fn from_i64(integer: i64) -> $float {
                integer as $float
            }
            #[inline]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline]
            fn sqrt(self) -> $float {
                self.sqrt()
            }
            #[inline]
            fn fused_multiply_add(x: $float, y: $float, z: $float, flags: &mut Flags) -> Option<$float> {
                $fma(x, y, z, flags)
            }
        }
    };
}

host!(f32, u32, super::fast_fma::single);
host!(f64, u64, super::fast_fma::double);

/// Neither infinite nor a NaN.
#[inline]
pub(super) fn is_finite<F: Layout>(bits: u64) -> bool {
    bits & F::INFINITY != F::INFINITY
}

/// Finite, and so far above the least normal number that it cannot have been rounded up to it.
#[inline]
pub(super) fn is_ordinary<F: Layout>(bits: u64) -> bool {
    let least = 2 << F::FRACTION_BITS;
    (bits & F::INFINITY).wrapping_sub(least) < F::INFINITY - least
}

#[inline]
fn host<F: Format>(bits: u64) -> F::Host {
    F::Host::from_bits(bits)
}

#[inline]
pub(super) fn add<F: Format>(a: u64, b: u64, rounding: Rounding, flags: &mut Flags) -> Option<u64> {
    if rounding != Rounding::NearestEven {
        return None;
    }
    let (x, y) = (host::<F>(a), host::<F>(b));
    let sum = x + y;
    // A sum cannot underflow: a subnormal one is exact.
    if !is_finite::<F>(sum.to_bits()) {
        return None;
    }
    if !flags.contains(Flags::INEXACT) {
        note_sum_error::<F>(x, y, flags)?;
    }
    Some(sum.to_bits())
}

/// `None` if an intermediate result overflowed, which needs operands within a factor of two of the largest.
#[cold]
#[inline(never)]
fn note_sum_error<F: Format>(x: F::Host, y: F::Host, flags: &mut Flags) -> Option<()> {
    let (_, error) = two_sum(x, y);
    if !is_finite::<F>(error.to_bits()) {
        return None;
    }
    flags.set(Flags::INEXACT, error != F::Host::ZERO);
    Some(())
}

/// Knuth's TwoSum: the rounded sum, and exactly what was rounded off.
#[inline]
pub(super) fn two_sum<H: Host>(x: H, y: H) -> (H, H) {
    let sum = x + y;
    let y_part = sum - x;
    let x_part = sum - y_part;
    (sum, (x - x_part) + (y - y_part))
}

#[inline]
pub(super) fn mul<F: Format>(a: u64, b: u64, rounding: Rounding, flags: &mut Flags) -> Option<u64> {
    if rounding != Rounding::NearestEven {
        return None;
    }
    let (x, y) = (host::<F>(a), host::<F>(b));
    let product = (x * y).to_bits();
    if !is_ordinary::<F>(product) {
        let exact = is_finite::<F>(product) && (x == F::Host::ZERO || y == F::Host::ZERO);
        return exact.then_some(product);
    }
    if !flags.contains(Flags::INEXACT) {
        flags.set(Flags::INEXACT, !is_exact_product::<F>(a, b));
    }
    Some(product)
}

/// Whether the product of two finite numbers, if in range, has few enough significant bits.
#[cold]
#[inline(never)]
fn is_exact_product<F: Layout>(a: u64, b: u64) -> bool {
    odd_significand::<F>(a)
        .checked_mul(odd_significand::<F>(b))
        .is_some_and(|product| product >> F::PRECISION == 0)
}

/// The significand of a finite non-zero number without its trailing zeros.
fn odd_significand<F: Layout>(bits: u64) -> u64 {
    let fraction = bits & F::FRACTION;
    let significand = if bits & F::INFINITY == 0 {
        fraction
    } else {
        fraction | (F::FRACTION + 1)
    };
    significand >> significand.trailing_zeros()
}

#[inline]
pub(super) fn div<F: Format>(a: u64, b: u64, rounding: Rounding, flags: &mut Flags) -> Option<u64> {
    if rounding != Rounding::NearestEven {
        return None;
    }
    let (x, y) = (host::<F>(a), host::<F>(b));
    let quotient = (x / y).to_bits();
    if !is_ordinary::<F>(quotient) {
        let exact = is_finite::<F>(quotient) && x == F::Host::ZERO;
        return exact.then_some(quotient);
    }
    if !flags.contains(Flags::INEXACT) {
        flags.set(Flags::INEXACT, !is_product_of::<F>(a, quotient, b));
    }
    Some(quotient)
}

#[inline]
pub(super) fn sqrt<F: Format>(a: u64, rounding: Rounding, flags: &mut Flags) -> Option<u64> {
    if rounding != Rounding::NearestEven {
        return None;
    }
    // Roots of ordinary numbers are ordinary, and those of negative ones are NaNs.
    let root = host::<F>(a).sqrt().to_bits();
    if !is_ordinary::<F>(root) {
        return None;
    }
    if !flags.contains(Flags::INEXACT) {
        flags.set(Flags::INEXACT, !is_product_of::<F>(a, root, root));
    }
    Some(root)
}

/// Whether `a` is exactly `x × y`, given that it is nearly so: then the odd parts tell.
#[cold]
#[inline(never)]
fn is_product_of<F: Layout>(a: u64, x: u64, y: u64) -> bool {
    odd_significand::<F>(x).checked_mul(odd_significand::<F>(y)) == Some(odd_significand::<F>(a))
}

#[inline]
pub(super) fn fused_multiply_add<F: Format>(
    a: u64,
    b: u64,
    c: u64,
    rounding: Rounding,
    flags: &mut Flags,
) -> Option<u64> {
    if rounding != Rounding::NearestEven {
        return None;
    }
    F::Host::fused_multiply_add(host::<F>(a), host::<F>(b), host::<F>(c), flags).map(Host::to_bits)
}

#[inline]
pub(super) fn widen(a: u64) -> Option<u64> {
    let single = f32::from_bits(a as u32);
    (!single.is_nan()).then(|| f64::from(single).to_bits())
}

#[inline]
pub(super) fn narrow(a: u64, rounding: Rounding, flags: &mut Flags) -> Option<u64> {
    let double = f64::from_bits(a);
    let single = double as f32;
    let bits = u64::from(single.to_bits());
    let exact = f64::from(single) == double;
    // An exact result is the same in every mode, subnormal or not; infinity is as exact as can be.
    if exact {
        return Some(bits);
    }
    if rounding != Rounding::NearestEven || !is_ordinary::<F32>(bits) {
        return None;
    }
    *flags |= Flags::INEXACT;
    Some(bits)
}

#[inline]
pub(super) fn from_integer<F: Format>(integer: i64, rounding: Rounding, flags: &mut Flags) -> Option<u64> {
    let magnitude = integer.unsigned_abs();
    let spare = magnitude.leading_zeros() + magnitude.trailing_zeros();
    if spare + F::PRECISION < u64::BITS {
        if rounding != Rounding::NearestEven {
            return None;
        }
        *flags |= Flags::INEXACT;
    }
    Some(F::Host::from_i64(integer).to_bits())
}

/// The rounded integer, and whether rounding changed the value, in any mode; `None` if it is not nearly an `i64`.
#[inline]
pub(super) fn to_integer<F: Format>(a: u64, rounding: Rounding) -> Option<(i64, bool)> {
    const LIMIT: f64 = (1u64 << 63) as f64;
    let x = host::<F>(a).to_f64();
    if !(-LIMIT..LIMIT).contains(&x) {
        return None;
    }
    // Both the truncation and what it cuts off are exact in a double.
    let truncated = x as i64;
    let rest = x - truncated as f64;
    if rest == 0.0 {
        return Some((truncated, false));
    }
    let away = match rounding {
        Rounding::TowardsZero => false,
        Rounding::Down => rest < 0.0,
        Rounding::Up => rest > 0.0,
        Rounding::NearestEven => rest.abs() > 0.5 || (rest.abs() == 0.5 && truncated & 1 == 1),
        Rounding::NearestAway => rest.abs() >= 0.5,
    };
    // A number with a fraction is below 2^53, so the step cannot overflow.
    let step = if rest < 0.0 { -1 } else { 1 };
    Some((truncated + if away { step } else { 0 }, true))
}

/// The exponent field of a double, for range checks.
#[inline]
pub(super) fn exponent_field(x: f64) -> i32 {
    ((x.to_bits() & F64::INFINITY) >> F64::FRACTION_BITS) as i32
}
