//! Rounding modes, exception flags, and the one place where an exact value becomes a bit pattern.

use serde::{Deserialize, Serialize};

use super::format::{Layout, infinity, zero};

/// The accrued exception flags, laid out as `fflags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub struct Flags(u8);

bitflags::bitflags! {
    impl Flags: u8 {
        /// NX: the result was rounded.
        const INEXACT = 1;
        /// UF: the result was tiny and was rounded.
        const UNDERFLOW = 2;
        /// OF: the result was too large for the format.
        const OVERFLOW = 4;
        /// DZ: a finite number was divided by zero.
        const DIVIDE_BY_ZERO = 8;
        /// NV: the operation has no meaningful result.
        const INVALID = 16;
    }
}

impl From<u8> for Flags {
    fn from(bits: u8) -> Flags {
        Flags::from_bits_truncate(bits)
    }
}

impl From<Flags> for u8 {
    fn from(flags: Flags) -> u8 {
        flags.bits()
    }
}

/// Rounding modes, with the numbers `frm` and the `rm` field give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Rounding {
    /// RNE: to nearest, ties to even.
    NearestEven = 0,
    /// RTZ: towards zero.
    TowardsZero = 1,
    /// RDN: towards −∞.
    Down = 2,
    /// RUP: towards +∞.
    Up = 3,
    /// RMM: to nearest, ties away from zero.
    NearestAway = 4,
}

impl Rounding {
    /// Every mode, in the order of their numbers.
    pub const ALL: [Rounding; 5] = [
        Rounding::NearestEven,
        Rounding::TowardsZero,
        Rounding::Down,
        Rounding::Up,
        Rounding::NearestAway,
    ];

    /// The mode with the number `frm`; `None` for the reserved ones (5, 6) and for 7, which means "dynamic" in `rm`
    /// and is reserved in `frm`.
    #[inline]
    pub fn from_bits(frm: u8) -> Option<Rounding> {
        Rounding::ALL.get(usize::from(frm)).copied()
    }
}

/// A number known exactly, of value ± `significand` × 2^`exponent`.
///
/// Where an operation cannot deliver every bit (a quotient, a far smaller addend) it sets the lowest bit of the
/// significand to say "and a bit more", and makes sure this sticky bit stands below the rounding position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exact {
    pub negative: bool,
    pub exponent: i32,
    pub significand: u128,
}

/// Shifts right by any distance; bits that fall off leave their trace in the lowest bit.
pub(super) fn shift_right_sticky(value: u128, distance: u32) -> u128 {
    if distance >= u128::BITS {
        return u128::from(value != 0);
    }
    let kept = value >> distance;
    kept | u128::from(kept << distance != value)
}

/// Drops the lowest `drop` bits (1 to 127) of a magnitude, rounding it. Returns the rest, and whether it is inexact.
pub(super) fn round_off(magnitude: u128, drop: u32, negative: bool, rounding: Rounding) -> (u128, bool) {
    let kept = magnitude >> drop;
    let dropped = magnitude - (kept << drop);
    let half = 1 << (drop - 1);
    let up = match rounding {
        Rounding::NearestEven => dropped > half || (dropped == half && kept & 1 == 1),
        Rounding::TowardsZero => false,
        Rounding::Down => negative && dropped != 0,
        Rounding::Up => !negative && dropped != 0,
        Rounding::NearestAway => dropped >= half,
    };
    (kept + u128::from(up), dropped != 0)
}

/// Rounds a number to the format, raising inexact, underflow and overflow.
pub(super) fn round_pack<F: Layout>(value: Exact, rounding: Rounding, flags: &mut Flags) -> u64 {
    let negative = value.negative;
    if value.significand == 0 {
        return zero::<F>(negative);
    }
    // Normalise: the leading bit stands at the top, and `field` is what the exponent field would hold.
    let shift = value.significand.leading_zeros();
    let significand = value.significand << shift;
    let field = value.exponent - shift as i32 + 127 + F::BIAS;
    if field >= F::EXPONENT_MAX {
        return overflow::<F>(negative, rounding, flags);
    }

    let drop = u128::BITS - F::PRECISION;
    let (rounded, inexact) = if field >= 1 {
        round_off(significand, drop, negative, rounding)
    } else {
        let denormal = shift_right_sticky(significand, (1 - field) as u32);
        let (rounded, inexact) = round_off(denormal, drop, negative, rounding);
        // Tiny after rounding: still below the least normal number were the exponent unbounded. Only a value within
        // half a unit of that number can round up to it.
        let tiny = field < 0 || round_off(significand, drop, negative, rounding).0 >> F::PRECISION == 0;
        if tiny && inexact {
            *flags |= Flags::UNDERFLOW;
        }
        (rounded, inexact)
    };

    // The hidden bit adds one to the exponent field, and a carry out of the significand adds one more.
    let magnitude = ((field.max(1) - 1) as u64) << F::FRACTION_BITS;
    let magnitude = magnitude + rounded as u64;
    if magnitude >= F::INFINITY {
        return overflow::<F>(negative, rounding, flags);
    }
    if inexact {
        *flags |= Flags::INEXACT;
    }
    magnitude | zero::<F>(negative)
}

fn overflow<F: Layout>(negative: bool, rounding: Rounding, flags: &mut Flags) -> u64 {
    *flags |= Flags::OVERFLOW | Flags::INEXACT;
    let to_infinity = match rounding {
        Rounding::NearestEven | Rounding::NearestAway => true,
        Rounding::TowardsZero => false,
        Rounding::Down => negative,
        Rounding::Up => !negative,
    };
    // The largest finite number is the pattern just below infinity.
    infinity::<F>(negative) - u64::from(!to_infinity)
}
