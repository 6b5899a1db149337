//! The two formats, how their bits are laid out, and NaN boxing.

use std::fmt::Debug;

use super::fast::Host;
use super::round::{Exact, Flags};

/// How an IEEE 754 binary interchange format lays out its bits: sign, exponent, fraction, from the top.
pub trait Layout: Copy + Debug + 'static {
    /// Width of the exponent field.
    const EXPONENT_BITS: u32;
    /// Width of the fraction field.
    const FRACTION_BITS: u32;

    /// Significant bits, the hidden one included.
    const PRECISION: u32 = Self::FRACTION_BITS + 1;
    /// What the exponent field of 1.0 holds.
    const BIAS: i32 = (1 << (Self::EXPONENT_BITS - 1)) - 1;
    /// The exponent field of infinities and NaNs.
    const EXPONENT_MAX: i32 = (1 << Self::EXPONENT_BITS) - 1;
    /// The sign bit.
    const SIGN: u64 = 1 << (Self::EXPONENT_BITS + Self::FRACTION_BITS);
    /// The fraction field.
    const FRACTION: u64 = (1 << Self::FRACTION_BITS) - 1;
    /// Positive infinity; also the mask of the exponent field.
    const INFINITY: u64 = (Self::EXPONENT_MAX as u64) << Self::FRACTION_BITS;
    /// The bit that tells a quiet NaN from a signalling one.
    const QUIET: u64 = 1 << (Self::FRACTION_BITS - 1);
    /// The NaN every operation returns: positive, quiet, no payload.
    const CANONICAL_NAN: u64 = Self::INFINITY | Self::QUIET;
}

/// A format the host computes in as well.
pub trait Format: Layout {
    /// The host's type for it.
    type Host: Host;
}

/// binary32, single precision.
#[derive(Debug, Clone, Copy)]
pub struct F32;

impl Layout for F32 {
    const EXPONENT_BITS: u32 = 8;
    const FRACTION_BITS: u32 = 23;
}

impl Format for F32 {
    type Host = f32;
}

/// binary64, double precision.
#[derive(Debug, Clone, Copy)]
pub struct F64;

impl Layout for F64 {
    const EXPONENT_BITS: u32 = 11;
    const FRACTION_BITS: u32 = 52;
}

impl Format for F64 {
    type Host = f64;
}

/// A binary32 value as a 64-bit register holds it: all upper bits set.
#[inline]
pub fn box_f32(bits: u64) -> u64 {
    bits | 0xffff_ffff_0000_0000
}

/// The binary32 value in a 64-bit register; the canonical NaN if the register does not hold a boxed one.
#[inline]
pub fn unbox_f32(register: u64) -> u64 {
    if register >> 32 == 0xffff_ffff {
        register & 0xffff_ffff
    } else {
        F32::CANONICAL_NAN
    }
}

/// What a bit pattern stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    Nan,
    Infinity { negative: bool },
    Finite(Exact),
}

/// Takes a bit pattern apart.
pub(super) fn unpack<F: Layout>(bits: u64) -> Value {
    let negative = bits & F::SIGN != 0;
    let field = ((bits & F::INFINITY) >> F::FRACTION_BITS) as i32;
    let fraction = bits & F::FRACTION;
    if field == F::EXPONENT_MAX {
        return if fraction == 0 {
            Value::Infinity { negative }
        } else {
            Value::Nan
        };
    }
    let hidden = if field == 0 { 0 } else { F::FRACTION + 1 };
    Value::Finite(Exact {
        negative,
        exponent: field.max(1) - F::BIAS - F::FRACTION_BITS as i32,
        significand: u128::from(fraction | hidden),
    })
}

#[inline]
pub(super) fn is_nan<F: Layout>(bits: u64) -> bool {
    bits & !F::SIGN > F::INFINITY
}

#[inline]
pub(super) fn is_signalling<F: Layout>(bits: u64) -> bool {
    is_nan::<F>(bits) && bits & F::QUIET == 0
}

/// The result of an operation one of whose operands is a NaN: a signalling one raises the invalid flag.
pub(super) fn propagate_nan<F: Layout>(operands: &[u64], flags: &mut Flags) -> u64 {
    if operands.iter().any(|&bits| is_signalling::<F>(bits)) {
        *flags |= Flags::INVALID;
    }
    F::CANONICAL_NAN
}

/// The result of an operation that has none, such as ∞ − ∞.
pub(super) fn invalid<F: Layout>(flags: &mut Flags) -> u64 {
    *flags |= Flags::INVALID;
    F::CANONICAL_NAN
}

/// A signed infinity.
pub(super) fn infinity<F: Layout>(negative: bool) -> u64 {
    F::INFINITY | if negative { F::SIGN } else { 0 }
}

/// A signed zero.
pub(super) fn zero<F: Layout>(negative: bool) -> u64 {
    if negative { F::SIGN } else { 0 }
}
