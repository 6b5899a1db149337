//! The slow path on formats so small that every operand can be tried, in all five modes.
//!
//! The reference knows nothing of significands: it lists the format's numbers in order and looks for the neighbours of
//! the exact result, which is given only by how it compares with a number.

use std::cmp::Ordering;

use crate::isa::riscv::float::arith::{slow_add, slow_mul};
use crate::isa::riscv::float::convert::{slow_from_integer, slow_resize, slow_to_integer};
use crate::isa::riscv::float::divsqrt::{slow_div, slow_sqrt};
use crate::isa::riscv::float::fma::slow_fused_multiply_add;
use crate::isa::riscv::float::{Flags, Layout, Rounding};

/// A format of 1 + `E` + `F` bits.
#[derive(Debug, Clone, Copy)]
struct Mini<const E: u32, const F: u32>;

impl<const E: u32, const F: u32> Layout for Mini<E, F> {
    const EXPONENT_BITS: u32 = E;
    const FRACTION_BITS: u32 = F;
}

/// Numbers are integers in units of 2^-`UNIT`.
const UNIT: i32 = 24;

/// The magnitudes of a format, in order.
struct Reference {
    /// At index i the magnitude of bit pattern i, going on past the largest as if the exponent were wider.
    numbers: Vec<i128>,
    /// The same with a wider exponent below as well: what tininess is judged by.
    unbounded: Vec<i128>,
    least_normal: i128,
}

impl Reference {
    fn new<F: Layout>() -> Reference {
        let number = |field: i32, fraction: u64| {
            i128::from(fraction) << (field - F::BIAS - F::FRACTION_BITS as i32 + UNIT)
        };
        let hidden = F::FRACTION + 1;
        let binade = |field: i32| (hidden..2 * hidden).map(move |fraction| number(field, fraction));
        // Far enough above for quotients, and one binade below for what may round up to the least normal number.
        let fields = F::EXPONENT_MAX + 12;
        let subnormal = (0..hidden).map(|fraction| number(1, fraction));
        Reference {
            numbers: subnormal.chain((1..fields).flat_map(binade)).collect(),
            // Zero twice, so that here too even numbers have even indices.
            unbounded: [0, 0].into_iter().chain((0..fields).flat_map(binade)).collect(),
            least_normal: number(1, hidden),
        }
    }

    /// The signed number of a finite bit pattern.
    fn value<F: Layout>(&self, bits: u64) -> i128 {
        let magnitude = self.numbers[(bits & !F::SIGN) as usize];
        if bits & F::SIGN != 0 {
            -magnitude
        } else {
            magnitude
        }
    }

    /// Rounds the result whose magnitude compares with a number as `exact` says.
    fn round<F: Layout>(
        &self,
        negative: bool,
        rounding: Rounding,
        exact: impl Fn(i128) -> Ordering,
    ) -> (u64, Flags) {
        let (mut index, inexact) = nearest(&self.numbers, negative, rounding, &exact);
        let (unbounded, _) = nearest(&self.unbounded, negative, rounding, &exact);
        let mut flags = Flags::empty();
        flags.set(Flags::INEXACT, inexact);
        flags.set(
            Flags::UNDERFLOW,
            inexact && self.unbounded[unbounded] < self.least_normal,
        );
        let infinity = F::INFINITY as usize;
        if index >= infinity {
            flags = Flags::OVERFLOW | Flags::INEXACT;
            let to_infinity = match rounding {
                Rounding::NearestEven | Rounding::NearestAway => true,
                Rounding::TowardsZero => false,
                Rounding::Down => negative,
                Rounding::Up => !negative,
            };
            index = if to_infinity { infinity } else { infinity - 1 };
        }
        (index as u64 | if negative { F::SIGN } else { 0 }, flags)
    }
}

/// The index of the number a magnitude is rounded to, and whether they differ.
fn nearest(
    numbers: &[i128],
    negative: bool,
    rounding: Rounding,
    exact: &impl Fn(i128) -> Ordering,
) -> (usize, bool) {
    let above = numbers.partition_point(|&number| exact(number) != Ordering::Less);
    assert!((1..numbers.len()).contains(&above), "the list reaches far enough");
    let below = above - 1;
    if exact(numbers[below]) == Ordering::Equal {
        return (below, false);
    }
    let even = if below % 2 == 0 { below } else { above };
    let middle = exact((numbers[below] + numbers[above]) / 2);
    let index = match (rounding, middle) {
        (Rounding::NearestEven, Ordering::Equal) => even,
        (Rounding::NearestAway, Ordering::Equal) => above,
        (Rounding::NearestEven | Rounding::NearestAway, Ordering::Less) => below,
        (Rounding::NearestEven | Rounding::NearestAway, Ordering::Greater) => above,
        (Rounding::TowardsZero, _) => below,
        (Rounding::Down, _) => {
            if negative {
                above
            } else {
                below
            }
        }
        (Rounding::Up, _) => {
            if negative {
                below
            } else {
                above
            }
        }
    };
    (index, true)
}

/// Every finite bit pattern.
fn finite<F: Layout>() -> impl Iterator<Item = u64> + Clone {
    (0..F::INFINITY).chain(F::SIGN..F::SIGN | F::INFINITY)
}

/// Runs an operation with no flags set.
fn run<T>(operation: impl FnOnce(&mut Flags) -> T) -> (T, Flags) {
    let mut flags = Flags::empty();
    (operation(&mut flags), flags)
}

/// The sign of a sum: an exact zero takes the operands' common sign, or else the mode decides.
fn sum_sign(sum: i128, both_negative: bool, same_sign: bool, rounding: Rounding) -> bool {
    match sum.cmp(&0) {
        Ordering::Less => true,
        Ordering::Greater => false,
        Ordering::Equal => {
            if same_sign {
                both_negative
            } else {
                rounding == Rounding::Down
            }
        }
    }
}

#[test]
fn two_operands() {
    type F = Mini<4, 3>;
    let reference = Reference::new::<F>();
    for (a, b) in finite::<F>().flat_map(|a| finite::<F>().map(move |b| (a, b))) {
        let (x, y) = (reference.value::<F>(a), reference.value::<F>(b));
        let (minus, same) = (a & F::SIGN != 0, (a ^ b) & F::SIGN == 0);
        for rounding in Rounding::ALL {
            let negative = sum_sign(x + y, minus, same, rounding);
            let expected = reference.round::<F>(negative, rounding, |n| (x + y).abs().cmp(&n));
            assert_eq!(
                run(|f| slow_add::<F>(a, b, rounding, f)),
                expected,
                "{a:#x} + {b:#x}, {rounding:?}"
            );

            let expected = reference.round::<F>(!same, rounding, |n| (x * y).abs().cmp(&(n << UNIT)));
            assert_eq!(
                run(|f| slow_mul::<F>(a, b, rounding, f)),
                expected,
                "{a:#x} × {b:#x}, {rounding:?}"
            );

            if y != 0 {
                let expected =
                    reference.round::<F>(!same, rounding, |n| (x.abs() << UNIT).cmp(&(n * y.abs())));
                assert_eq!(
                    run(|f| slow_div::<F>(a, b, rounding, f)),
                    expected,
                    "{a:#x} ÷ {b:#x}, {rounding:?}"
                );
            }
        }
    }
}

#[test]
fn square_roots() {
    type F = Mini<5, 6>;
    let reference = Reference::new::<F>();
    for a in 0..F::INFINITY {
        let x = reference.value::<F>(a);
        for rounding in Rounding::ALL {
            let expected = reference.round::<F>(false, rounding, |n| (x << UNIT).cmp(&(n * n)));
            assert_eq!(
                run(|f| slow_sqrt::<F>(a, rounding, f)),
                expected,
                "√{a:#x}, {rounding:?}"
            );
        }
    }
}

#[test]
fn fused_operations() {
    type F = Mini<3, 3>;
    let reference = Reference::new::<F>();
    for (a, b) in finite::<F>().flat_map(|a| finite::<F>().map(move |b| (a, b))) {
        let product = reference.value::<F>(a) * reference.value::<F>(b);
        let minus = (a ^ b) & F::SIGN != 0;
        for c in finite::<F>() {
            let sum = product + (reference.value::<F>(c) << UNIT);
            for rounding in Rounding::ALL {
                let negative = sum_sign(sum, minus, minus == (c & F::SIGN != 0), rounding);
                let expected = reference.round::<F>(negative, rounding, |n| sum.abs().cmp(&(n << UNIT)));
                let result = run(|f| slow_fused_multiply_add::<F>(a, b, c, rounding, f));
                assert_eq!(result, expected, "{a:#x} × {b:#x} + {c:#x}, {rounding:?}");
            }
        }
    }
}

#[test]
fn narrower_formats_and_integers() {
    type Wide = Mini<5, 6>;
    type F = Mini<4, 3>;
    let (wide, reference) = (Reference::new::<Wide>(), Reference::new::<F>());
    for rounding in Rounding::ALL {
        for a in finite::<Wide>() {
            let x = wide.value::<Wide>(a);
            let expected = reference.round::<F>(a & Wide::SIGN != 0, rounding, |n| x.abs().cmp(&n));
            assert_eq!(
                run(|f| slow_resize::<Wide, F>(a, rounding, f)),
                expected,
                "{a:#x}, {rounding:?}"
            );
        }
        for integer in -1000i128..1000 {
            let expected = reference.round::<F>(integer < 0, rounding, |n| (integer.abs() << UNIT).cmp(&n));
            let result = run(|f| slow_from_integer::<F>(integer, rounding, f));
            assert_eq!(result, expected, "{integer}, {rounding:?}");
        }
    }
}

#[test]
fn integers_of_eight_bits() {
    type F = Mini<5, 6>;
    let reference = Reference::new::<F>();
    for (a, rounding) in finite::<F>().flat_map(|a| Rounding::ALL.map(|rounding| (a, rounding))) {
        let x = reference.value::<F>(a);
        let one = 1 << UNIT;
        let (floor, rest) = (x.div_euclid(one), x.rem_euclid(one));
        let ceiling = floor + i128::from(rest != 0);
        let towards_zero = if x < 0 { ceiling } else { floor };
        let integer = match (rounding, rest.cmp(&(one / 2))) {
            (Rounding::Down, _) => floor,
            (Rounding::Up, _) => ceiling,
            (Rounding::TowardsZero, _) => towards_zero,
            (_, Ordering::Less) => floor,
            (_, Ordering::Greater) => ceiling,
            (Rounding::NearestEven, Ordering::Equal) => floor + floor.rem_euclid(2),
            (Rounding::NearestAway, Ordering::Equal) => floor + ceiling - towards_zero,
        };
        for (min, max) in [(-128, 127), (0, 255)] {
            let expected = match integer {
                i if i < min => (min, Flags::INVALID),
                i if i > max => (max, Flags::INVALID),
                i => (i, if rest == 0 { Flags::empty() } else { Flags::INEXACT }),
            };
            let result = run(|f| slow_to_integer::<F>(a, rounding, f, min, max));
            assert_eq!(result, expected, "{a:#x} to {min}..={max}, {rounding:?}");
        }
    }
}
