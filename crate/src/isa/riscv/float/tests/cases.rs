//! Operands likely to find mistakes, and the operations as a table.

use crate::isa::riscv::float::arith::{slow_add, slow_mul};
use crate::isa::riscv::float::convert::{slow_from_integer, slow_resize, slow_to_integer};
use crate::isa::riscv::float::divsqrt::{slow_div, slow_sqrt};
use crate::isa::riscv::float::fma::slow_fused_multiply_add;
use crate::isa::riscv::float::*;

/// An operation on up to three operands.
pub type Function = fn(&[u64; 3], Rounding, &mut Flags) -> u64;

/// One operation said twice: as the crate offers it, and by the slow path alone.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    pub name: &'static str,
    pub offered: Function,
    pub slow: Function,
}

macro_rules! operation {
    ($name:literal, $operands:pat, |$rounding:ident, $flags:ident| $offered:expr, $slow:expr) => {
        Operation {
            name: $name,
            offered: |$operands, $rounding, $flags| $offered,
            slow: |$operands, $rounding, $flags| $slow,
        }
    };
}

macro_rules! to_integer {
    ($name:literal, $function:ident, $int:ty) => {
        operation!($name, &[a, ..], |r, f| $function::<F>(a, r, f) as u64, {
            slow_to_integer::<F>(a, r, f, <$int>::MIN.into(), <$int>::MAX.into()) as $int as u64
        })
    };
}

macro_rules! from_integer {
    ($name:literal, $function:ident, $int:ty) => {
        operation!($name, &[a, ..], |r, f| $function::<F>(a as $int, r, f), {
            slow_from_integer::<F>((a as $int).into(), r, f)
        })
    };
}

/// Every operation that rounds, in the format `F`, except for resizing.
pub fn operations<F: Format>() -> [Operation; 14] {
    [
        operation!(
            "add",
            &[a, b, _],
            |r, f| add::<F>(a, b, r, f),
            slow_add::<F>(a, b, r, f)
        ),
        operation!(
            "sub",
            &[a, b, _],
            |r, f| sub::<F>(a, b, r, f),
            slow_add::<F>(a, b ^ F::SIGN, r, f)
        ),
        operation!(
            "mul",
            &[a, b, _],
            |r, f| mul::<F>(a, b, r, f),
            slow_mul::<F>(a, b, r, f)
        ),
        operation!(
            "div",
            &[a, b, _],
            |r, f| div::<F>(a, b, r, f),
            slow_div::<F>(a, b, r, f)
        ),
        operation!(
            "sqrt",
            &[a, ..],
            |r, f| sqrt::<F>(a, r, f),
            slow_sqrt::<F>(a, r, f)
        ),
        operation!(
            "fma",
            &[a, b, c],
            |r, f| fused_multiply_add::<F>(a, b, c, r, f),
            { slow_fused_multiply_add::<F>(a, b, c, r, f) }
        ),
        to_integer!("to_i32", to_i32, i32),
        to_integer!("to_u32", to_u32, u32),
        to_integer!("to_i64", to_i64, i64),
        to_integer!("to_u64", to_u64, u64),
        from_integer!("from_i32", from_i32, i32),
        from_integer!("from_u32", from_u32, u32),
        from_integer!("from_i64", from_i64, i64),
        from_integer!("from_u64", from_u64, u64),
    ]
}

/// The conversions between the formats.
pub fn resizes() -> [Operation; 2] {
    [
        Operation {
            name: "widen",
            offered: |&[a, ..], _, f| f32_to_f64(a, f),
            slow: |&[a, ..], r, f| slow_resize::<F32, F64>(a, r, f),
        },
        operation!(
            "narrow",
            &[a, ..],
            |r, f| f64_to_f32(a, r, f),
            slow_resize::<F64, F32>(a, r, f)
        ),
    ]
}

/// A source of operands: SplitMix64 with a seed, so that a failure can be repeated.
#[derive(Debug)]
pub struct Cases(pub u64);

impl Cases {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    /// Bits in a few runs of zeros and ones: carries, halfway cases and exact results come from these.
    fn runs(&mut self, width: u32) -> u64 {
        let mut bits = 0;
        for _ in 0..self.below(4) {
            bits ^= (u64::MAX >> self.below(64)) << self.below(64);
        }
        bits & ((1 << width) - 1)
    }

    /// One operand. Half of the exponents are close to a boundary of the format or to that of 1.0.
    fn operand<F: Layout>(&mut self) -> u64 {
        let max = F::EXPONENT_MAX as u64;
        let bias = F::BIAS as u64;
        let field = match self.below(8) {
            0 => self.below(3),
            1 => max - self.below(3),
            2 => (bias + self.below(131)).saturating_sub(65).min(max),
            3 => bias + self.below(3) - 1,
            // Products and quotients of these are near the ends of the range.
            4 => bias / 2 + self.below(5) - 2,
            5 => bias + bias / 2 + self.below(5) - 2,
            _ => self.below(max),
        };
        let fraction = match self.below(4) {
            0 => self.next() & F::FRACTION,
            1 => self.below(4),
            _ => self.runs(F::FRACTION_BITS),
        };
        let sign = if self.next() & 1 == 1 { F::SIGN } else { 0 };
        sign | field << F::FRACTION_BITS | fraction
    }

    /// A pattern near another: a few units off, or the same with another exponent; often of the other sign.
    fn near<F: Layout>(&mut self, bits: u64) -> u64 {
        let mask = F::SIGN | (F::SIGN - 1);
        let near = match self.below(3) {
            0 => bits.wrapping_add(self.below(5)).wrapping_sub(2),
            1 => bits.wrapping_add((self.below(9) << F::FRACTION_BITS).wrapping_sub(4 << F::FRACTION_BITS)),
            _ => bits ^ self.runs(F::FRACTION_BITS),
        };
        (near ^ if self.below(3) > 0 { F::SIGN } else { 0 }) & mask
    }

    /// Three operands; the second may be near the first, the third near their product.
    pub fn operands<F: Format>(&mut self) -> [u64; 3] {
        let a = self.operand::<F>();
        let b = if self.below(4) == 0 {
            self.near::<F>(a)
        } else {
            self.operand::<F>()
        };
        let c = if self.below(2) == 0 {
            let product = mul::<F>(a, b, Rounding::NearestEven, &mut Flags::INEXACT.clone());
            self.near::<F>(product)
        } else {
            self.operand::<F>()
        };
        [a, b, c]
    }

    /// Operands for a conversion from integers: all lengths, ties included.
    pub fn integers(&mut self) -> [u64; 3] {
        let length = self.below(65);
        let bits = if self.below(2) == 0 {
            self.next()
        } else {
            self.runs(63) << self.below(2)
        };
        let integer = bits.checked_shr(64 - length as u32).unwrap_or(0);
        [
            if self.below(2) == 0 {
                integer
            } else {
                integer.wrapping_neg()
            },
            0,
            0,
        ]
    }
}
