//! Conversions: between the formats, and to and from integers.

use super::fast;
use super::format::{F32, F64, Format, Layout, Value, infinity, propagate_nan, unpack};
use super::round::{Exact, Flags, Rounding, round_off, round_pack};

macro_rules! integer_conversions {
    ($($to:ident, $from:ident, $int:ty;)*) => {$(
        #[doc = concat!("Converts to `", stringify!($int), "`. Out of range saturates, a NaN gives the largest value; ")]
        /// both raise invalid (and then not inexact).
        #[inline]
        pub fn $to<F: Format>(a: u64, rounding: Rounding, flags: &mut Flags) -> $int {
            match fast::to_integer::<F>(a, rounding).map(|(x, inexact)| (<$int>::try_from(x), inexact)) {
                Some((Ok(integer), inexact)) => {
                    flags.set(Flags::INEXACT, inexact || flags.contains(Flags::INEXACT));
                    integer
                }
                _ => slow_to_integer::<F>(a, rounding, flags, <$int>::MIN.into(), <$int>::MAX.into()) as $int,
            }
        }

        #[doc = concat!("Converts from `", stringify!($int), "`.")]
        #[inline]
        pub fn $from<F: Format>(integer: $int, rounding: Rounding, flags: &mut Flags) -> u64 {
            let fast = i64::try_from(integer).ok().and_then(|x| fast::from_integer::<F>(x, rounding, flags));
            match fast {
                Some(bits) => bits,
                None => slow_from_integer::<F>(integer.into(), rounding, flags),
            }
        }
    )*};
}

integer_conversions! {
    to_i32, from_i32, i32;
    to_u32, from_u32, u32;
    to_i64, from_i64, i64;
    to_u64, from_u64, u64;
}

/// Widens a single to a double; always exact.
#[inline]
pub fn f32_to_f64(a: u64, flags: &mut Flags) -> u64 {
    match fast::widen(a) {
        Some(bits) => bits,
        None => slow_resize::<F32, F64>(a, Rounding::NearestEven, flags),
    }
}

/// Narrows a double to a single.
#[inline]
pub fn f64_to_f32(a: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
    match fast::narrow(a, rounding, flags) {
        Some(bits) => bits,
        None => slow_resize::<F64, F32>(a, rounding, flags),
    }
}

#[cold]
#[inline(never)]
pub(super) fn slow_resize<From: Layout, To: Layout>(a: u64, rounding: Rounding, flags: &mut Flags) -> u64 {
    match unpack::<From>(a) {
        Value::Nan => {
            propagate_nan::<From>(&[a], flags);
            To::CANONICAL_NAN
        }
        Value::Infinity { negative } => infinity::<To>(negative),
        Value::Finite(x) => round_pack::<To>(x, rounding, flags),
    }
}

#[cold]
#[inline(never)]
pub(super) fn slow_from_integer<F: Layout>(integer: i128, rounding: Rounding, flags: &mut Flags) -> u64 {
    let exact = Exact {
        negative: integer < 0,
        exponent: 0,
        significand: integer.unsigned_abs(),
    };
    round_pack::<F>(exact, rounding, flags)
}

/// Converts to an integer of the range `min..=max`, which holds no more than 64 bits.
#[cold]
#[inline(never)]
pub(super) fn slow_to_integer<F: Layout>(
    a: u64,
    rounding: Rounding,
    flags: &mut Flags,
    min: i128,
    max: i128,
) -> i128 {
    let x = match unpack::<F>(a) {
        Value::Finite(x) => x,
        Value::Nan => Exact {
            negative: false,
            exponent: i32::MAX,
            significand: 1,
        },
        Value::Infinity { negative } => Exact {
            negative,
            exponent: i32::MAX,
            significand: 1,
        },
    };
    let (magnitude, inexact) = if x.exponent < 0 {
        // A number of 53 bits is far below one half however much further it is shifted.
        round_off(
            x.significand,
            x.exponent.unsigned_abs().min(120),
            x.negative,
            rounding,
        )
    } else {
        // Nor does it matter by how much it is too large.
        (x.significand << x.exponent.min(70), false)
    };
    let integer = if x.negative {
        -(magnitude as i128)
    } else {
        magnitude as i128
    };
    if integer < min || integer > max {
        *flags |= Flags::INVALID;
        return if x.negative { min } else { max };
    }
    flags.set(Flags::INEXACT, inexact || flags.contains(Flags::INEXACT));
    integer
}
