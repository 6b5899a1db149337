//! Tests of the arithmetic: special values here; every value of small formats, all modes, in [`exhaustive`]; the fast path
//! against the slow one in [`fast_slow`]; and both against the host processor, flags included, in [`host`].

mod cases;
mod exhaustive;
mod fast_slow;
#[cfg(target_arch = "x86_64")]
mod host;

use super::*;

/// Runs an operation on doubles with flags clear, rounding to nearest even.
fn run(operation: impl Fn(&mut Flags) -> u64) -> (f64, u8) {
    let mut flags = Flags::empty();
    (f64::from_bits(operation(&mut flags)), flags.bits())
}

const RNE: Rounding = Rounding::NearestEven;
const SNAN: u64 = F64::INFINITY | 1;

fn d(x: f64) -> u64 {
    x.to_bits()
}

#[test]
fn invalid_operations_give_the_canonical_nan() {
    let (inf, zero, one) = (f64::INFINITY, 0.0, 1.0);
    let canonical = f64::from_bits(F64::CANONICAL_NAN).to_bits();
    type Operation = fn(&mut Flags) -> u64;
    let operations: [(Operation, u8); 11] = [
        (|f| sub::<F64>(d(f64::INFINITY), d(f64::INFINITY), RNE, f), 16),
        (|f| mul::<F64>(d(f64::INFINITY), d(0.0), RNE, f), 16),
        (|f| div::<F64>(d(0.0), d(-0.0), RNE, f), 16),
        (|f| div::<F64>(d(f64::INFINITY), d(f64::NEG_INFINITY), RNE, f), 16),
        (|f| sqrt::<F64>(d(-1.0), RNE, f), 16),
        (|f| add::<F64>(d(-f64::NAN), d(1.0), RNE, f), 0),
        (|f| add::<F64>(SNAN, d(1.0), RNE, f), 16),
        (
            |f| fused_multiply_add::<F64>(d(0.0), d(f64::INFINITY), d(f64::NAN), RNE, f),
            16,
        ),
        (
            |f| fused_multiply_add::<F64>(d(1.0), d(f64::INFINITY), d(f64::NEG_INFINITY), RNE, f),
            16,
        ),
        (|f| fused_multiply_add::<F64>(d(1.0), d(1.0), SNAN, RNE, f), 16),
        (|f| f32_to_f64(0xff80_0001, f), 16),
    ];
    for (index, (operation, expected)) in operations.into_iter().enumerate() {
        let (result, flags) = run(operation);
        assert_eq!(
            (result.to_bits(), flags),
            (canonical, expected),
            "operation {index}"
        );
    }
    assert_eq!(run(|f| div::<F64>(d(one), d(-zero), RNE, f)), (-inf, 8));
    assert_eq!(run(|f| div::<F64>(d(one), d(inf), RNE, f)), (0.0, 0));
    assert_eq!(run(|f| sqrt::<F64>(d(-zero), RNE, f)).0.to_bits(), d(-0.0));
}

#[test]
fn exact_zero_sums_take_their_sign_from_the_mode() {
    for rounding in Rounding::ALL {
        let sum = run(|f| add::<F64>(d(1.5), d(-1.5), rounding, f));
        let fused = run(|f| fused_multiply_add::<F64>(d(0.5), d(3.0), d(-1.5), rounding, f));
        let expected = if rounding == Rounding::Down { d(-0.0) } else { 0 };
        assert_eq!((sum.0.to_bits(), sum.1), (expected, 0));
        assert_eq!((fused.0.to_bits(), fused.1), (expected, 0));
    }
}

#[test]
fn overflow_saturates_as_the_mode_says() {
    for (rounding, positive, negative) in [
        (Rounding::NearestEven, f64::INFINITY, f64::NEG_INFINITY),
        (Rounding::TowardsZero, f64::MAX, f64::MIN),
        (Rounding::Down, f64::MAX, f64::NEG_INFINITY),
        (Rounding::Up, f64::INFINITY, f64::MIN),
        (Rounding::NearestAway, f64::INFINITY, f64::NEG_INFINITY),
    ] {
        assert_eq!(
            run(|f| mul::<F64>(d(f64::MAX), d(2.0), rounding, f)),
            (positive, 5)
        );
        assert_eq!(
            run(|f| add::<F64>(d(f64::MIN), d(f64::MIN), rounding, f)),
            (negative, 5)
        );
    }
}

#[test]
fn tininess_is_detected_after_rounding() {
    // (1 - 2^-53) × 2^-1022 rounds up to the least normal number: with an unbounded exponent it needs no rounding.
    let below_one = f64::from_bits(d(1.0) - 1);
    assert_eq!(
        run(|f| mul::<F64>(d(f64::MIN_POSITIVE), d(below_one), RNE, f)),
        (f64::MIN_POSITIVE, 3)
    );
    // (1 - 2^-106) × 2^-1022 reaches it even so: inexact, not underflow.
    let above_one = f64::from_bits(d(1.0) + 1);
    let (result, flags) = run(|f| {
        let half = d(f64::MIN_POSITIVE / 2.0);
        // -(2^-1023) × 2^-52 × 2^-52 + 2^-1022
        fused_multiply_add::<F64>(
            half ^ F64::SIGN,
            d((above_one - 1.0).powi(2)),
            d(f64::MIN_POSITIVE),
            RNE,
            f,
        )
    });
    assert_eq!((result, flags), (f64::MIN_POSITIVE, 1));
}

#[test]
fn minimum_and_maximum_prefer_numbers_and_order_zeros() {
    let nan = F64::CANONICAL_NAN;
    assert_eq!(run(|f| min::<F64>(d(0.0), d(-0.0), f)).0.to_bits(), d(-0.0));
    assert_eq!(run(|f| max::<F64>(d(-0.0), d(0.0), f)).0.to_bits(), 0);
    assert_eq!(run(|f| min::<F64>(d(-2.0), d(-1.0), f)), (-2.0, 0));
    assert_eq!(run(|f| max::<F64>(d(-2.0), d(-1.0), f)), (-1.0, 0));
    assert_eq!(run(|f| min::<F64>(d(-2.0), d(1.0), f)), (-2.0, 0));
    assert_eq!(run(|f| max::<F64>(nan, d(1.0), f)), (1.0, 0));
    assert_eq!(run(|f| min::<F64>(d(1.0), SNAN, f)), (1.0, 16));
    let both = run(|f| max::<F64>(SNAN, nan | F64::SIGN, f));
    assert_eq!((both.0.to_bits(), both.1), (nan, 16));
}

#[test]
fn comparisons_are_quiet_or_signalling() {
    let nan = F64::CANONICAL_NAN;
    let flag = |compare: fn(u64, u64, &mut Flags) -> bool, a, b| {
        let mut flags = Flags::empty();
        (compare(a, b, &mut flags), flags.bits())
    };
    assert_eq!(flag(eq::<F64>, nan, nan), (false, 0));
    assert_eq!(flag(eq::<F64>, SNAN, d(1.0)), (false, 16));
    assert_eq!(flag(lt::<F64>, d(1.0), nan), (false, 16));
    assert_eq!(flag(le::<F64>, nan, d(1.0)), (false, 16));
    let line = [f64::NEG_INFINITY, -1.0, -5e-324, 0.0, 5e-324, 1.0, f64::INFINITY];
    for (a, b) in line
        .iter()
        .flat_map(|&a| line.map(|b| (a, b)))
        .chain([(0.0, -0.0), (-0.0, 0.0)])
    {
        assert_eq!(flag(eq::<F64>, d(a), d(b)), (a == b, 0));
        assert_eq!(flag(lt::<F64>, d(a), d(b)), (a < b, 0));
        assert_eq!(flag(le::<F64>, d(a), d(b)), (a <= b, 0));
    }
}

#[test]
fn conversions_to_integers_saturate() {
    let rtz = Rounding::TowardsZero;
    for (x, i_32, u_32, i_64, u_64) in [
        (f64::NAN, i32::MAX, u32::MAX, i64::MAX, u64::MAX),
        (f64::INFINITY, i32::MAX, u32::MAX, i64::MAX, u64::MAX),
        (f64::NEG_INFINITY, i32::MIN, 0, i64::MIN, 0),
        (1e300, i32::MAX, u32::MAX, i64::MAX, u64::MAX),
        (-1e300, i32::MIN, 0, i64::MIN, 0),
    ] {
        let mut f = Flags::empty();
        assert_eq!(to_i32::<F64>(d(x), rtz, &mut f), i_32);
        assert_eq!(std::mem::take(&mut f), Flags::INVALID);
        assert_eq!(to_u32::<F64>(d(x), rtz, &mut f), u_32);
        assert_eq!(std::mem::take(&mut f), Flags::INVALID);
        assert_eq!(to_i64::<F64>(d(x), rtz, &mut f), i_64);
        assert_eq!(std::mem::take(&mut f), Flags::INVALID);
        assert_eq!(to_u64::<F64>(d(x), rtz, &mut f), u_64);
        assert_eq!(std::mem::take(&mut f), Flags::INVALID);
    }
    let mut f = Flags::empty();
    // A negative number that rounds to zero is inexact, not invalid.
    assert_eq!(
        (
            to_u32::<F64>(d(-0.75), rtz, &mut f),
            std::mem::take(&mut f).bits()
        ),
        (0, 1)
    );
    assert_eq!(
        (
            to_u32::<F64>(d(-0.75), RNE, &mut f),
            std::mem::take(&mut f).bits()
        ),
        (0, 16)
    );
    assert_eq!(
        (to_u64::<F64>(d(-1.0), rtz, &mut f), std::mem::take(&mut f).bits()),
        (0, 16)
    );
    // The ends of the ranges.
    assert_eq!(
        (
            to_i32::<F64>(d(2147483647.5), rtz, &mut f),
            std::mem::take(&mut f).bits()
        ),
        (i32::MAX, 1)
    );
    assert_eq!(
        (
            to_i32::<F64>(d(2147483647.5), RNE, &mut f),
            std::mem::take(&mut f).bits()
        ),
        (i32::MAX, 16)
    );
    assert_eq!(
        (to_i64::<F64>(d(-9223372036854775808.0), rtz, &mut f), f.bits()),
        (i64::MIN, 0)
    );
    assert_eq!(
        (to_u64::<F64>(d(18446744073709549568.0), rtz, &mut f), f.bits()),
        (18446744073709549568, 0)
    );
    assert_eq!(
        (to_u64::<F32>(0x5f80_0000, rtz, &mut f), f.bits()),
        (u64::MAX, 16)
    );
}

#[test]
fn classes_boxes_and_layout() {
    let classes = [
        f64::NEG_INFINITY,
        -1.0,
        -5e-324,
        -0.0,
        0.0,
        5e-324,
        f64::MIN_POSITIVE,
        f64::INFINITY,
        f64::from_bits(SNAN),
        -f64::NAN,
    ];
    for (bit, x) in classes.into_iter().enumerate() {
        assert_eq!(classify::<F64>(d(x)), 1 << bit);
    }
    assert_eq!(classify::<F32>(0x807f_ffff), 1 << 2);
    assert_eq!(unbox_f32(box_f32(0x3f80_0000)), 0x3f80_0000);
    assert_eq!(unbox_f32(0x3f80_0000), F32::CANONICAL_NAN);
    assert_eq!(unbox_f32(0xffff_fffe_3f80_0000), F32::CANONICAL_NAN);
    assert_eq!(
        (F32::CANONICAL_NAN, F32::SIGN, F32::INFINITY),
        (0x7fc0_0000, 1 << 31, 0x7f80_0000)
    );
    assert_eq!((F64::CANONICAL_NAN, F64::BIAS), (0x7ff8_0000_0000_0000, 1023));
    assert_eq!(Rounding::from_bits(4), Some(Rounding::NearestAway));
    assert_eq!(Rounding::from_bits(5), None);
    assert_eq!(Flags::from(0xff).bits(), 0x1f);
}
