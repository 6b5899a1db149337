//! Fused multiply-add on the host's floating point.
//!
//! Singles go through doubles, where their product is exact. Doubles use the host's own instruction where it has one and
//! the inexact flag is not in question; otherwise the algorithm of S. Boldo and G. Melquiond, "Emulation of FMA and
//! correctly rounded sums: proved algorithms using rounding to odd", IEEE Transactions on Computers 57 (2008). It
//! yields the rounding error as well.

use super::fast::{exponent_field, is_finite, is_ordinary, two_sum};
use super::format::{F32, F64, Layout};
use super::round::Flags;

/// `x × y + z` in single precision; `None` if the result may raise more than inexact.
#[inline]
pub(super) fn single(x: f32, y: f32, z: f32, flags: &mut Flags) -> Option<f32> {
    // 24 × 24 bits fit in 53, and neither the product nor the sum of singles leaves the range of doubles.
    let product = f64::from(x) * f64::from(y);
    let (sum, error) = two_sum(product, f64::from(z));
    let rounded = to_odd(sum, error);
    let result = rounded as f32;
    if rounded == 0.0 {
        return Some(result);
    }
    if !is_ordinary::<F32>(u64::from(result.to_bits())) {
        return None;
    }
    flags.set(
        Flags::INEXACT,
        flags.contains(Flags::INEXACT) || f64::from(result) != rounded || error != 0.0,
    );
    Some(result)
}

/// `x × y + z` in double precision; `None` if the result may raise more than inexact, or an intermediate may.
#[inline]
pub(super) fn double(x: f64, y: f64, z: f64, flags: &mut Flags) -> Option<f64> {
    if flags.contains(Flags::INEXACT)
        && let Some(result) = hardware(x, y, z)
        && is_ordinary::<F64>(result.to_bits())
    {
        return Some(result);
    }
    emulated(x, y, z, flags)
}

/// The host's instruction, where the processor has one.
#[cfg(target_arch = "x86_64")]
#[inline]
fn hardware(x: f64, y: f64, z: f64) -> Option<f64> {
    #[target_feature(enable = "fma")]
    fn instruction(x: f64, y: f64, z: f64) -> f64 {
        x.mul_add(y, z)
    }
    // SAFETY: the processor was just asked whether it has the instruction.
    std::is_x86_feature_detected!("fma").then(|| unsafe { instruction(x, y, z) })
}

/// The host's instruction, where the processor has one.
#[cfg(target_arch = "aarch64")]
#[inline]
fn hardware(x: f64, y: f64, z: f64) -> Option<f64> {
    Some(x.mul_add(y, z))
}

/// The host's instruction, where the processor has one.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline]
fn hardware(_: f64, _: f64, _: f64) -> Option<f64> {
    None
}

#[inline]
fn emulated(x: f64, y: f64, z: f64, flags: &mut Flags) -> Option<f64> {
    if x == 0.0 || y == 0.0 {
        let result = x * y + z;
        return is_finite::<F64>(result.to_bits()).then_some(result);
    }
    // With factors from 2^-400 to 2^400 and an addend from 2^-900 to 2^900 every intermediate is zero or a multiple of
    // 2^-953, and below 2^901: nothing underflows or overflows.
    let within = |value: f64, limit: i32| (exponent_field(value) - F64::BIAS).abs() <= limit;
    if !within(x, 400) || !within(y, 400) || !(within(z, 900) || z == 0.0) {
        return None;
    }
    let (product, product_error) = two_product(x, y);
    let (low_sum, low_error) = two_sum(z, product_error);
    let (sum, sum_error) = two_sum(product, low_sum);
    let (rest, rest_error) = two_sum(low_error, sum_error);
    let (result, error) = two_sum(sum, to_odd(rest, rest_error));
    if result == 0.0 {
        // Complete cancellation; what the sign is, the slow path says.
        return None;
    }
    flags.set(
        Flags::INEXACT,
        flags.contains(Flags::INEXACT) || error != 0.0 || rest_error != 0.0,
    );
    Some(result)
}

/// Rounds `sum + error`, of which `sum` is the nearest double, to odd instead: an inexact result gets an odd
/// significand, so that rounding it once more cannot go wrong.
#[inline]
fn to_odd(sum: f64, error: f64) -> f64 {
    let bits = sum.to_bits();
    if error == 0.0 || bits & 1 == 1 {
        return sum;
    }
    let away = (error > 0.0) == (sum > 0.0);
    f64::from_bits(if away { bits + 1 } else { bits - 1 })
}

/// Dekker's product: the rounded product, and exactly what was rounded off.
#[inline]
fn two_product(x: f64, y: f64) -> (f64, f64) {
    let product = x * y;
    let ((x_high, x_low), (y_high, y_low)) = (split(x), split(y));
    let error = ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low;
    (product, error)
}

/// Veltkamp's split of a double into two halves of at most 26 bits.
#[inline]
fn split(x: f64) -> (f64, f64) {
    const FACTOR: f64 = ((1u64 << 27) + 1) as f64;
    let scaled = FACTOR * x;
    let high = scaled - (scaled - x);
    (high, x - high)
}
