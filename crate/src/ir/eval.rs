//! What each pure operation makes of numbers: the meaning of [`BinaryOp`], [`UnaryOp`] and, where their fast ways may be
//! taken, of [`FloatOp`]s. The reference and constant folding use the same functions.

use super::{BinaryOp, FloatOp, Precision, UnaryOp, Width};

/// What a [`BinaryOp`] makes.
pub fn binary(op: BinaryOp, a: u64, b: u64) -> u64 {
    match op {
        BinaryOp::Add => a.wrapping_add(b),
        BinaryOp::Sub => a.wrapping_sub(b),
        BinaryOp::And => a & b,
        BinaryOp::Or => a | b,
        BinaryOp::Xor => a ^ b,
        BinaryOp::Shl => a << (b & 63),
        BinaryOp::Shr => a >> (b & 63),
        BinaryOp::Sar => ((a as i64) >> (b & 63)) as u64,
        BinaryOp::Rotr => a.rotate_right((b & 63) as u32),
        BinaryOp::Rotr32 => (a as u32).rotate_right((b & 31) as u32).into(),
        BinaryOp::Mul => a.wrapping_mul(b),
        BinaryOp::Mulh => ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64,
        BinaryOp::Mulhu => ((u128::from(a) * u128::from(b)) >> 64) as u64,
        BinaryOp::Mulhsu => ((i128::from(a as i64) * i128::from(b)) >> 64) as u64,
        BinaryOp::Div if b == 0 => u64::MAX,
        BinaryOp::Div => (a as i64).wrapping_div(b as i64) as u64,
        BinaryOp::Divu => a.checked_div(b).unwrap_or(u64::MAX),
        BinaryOp::Rem if b == 0 => a,
        BinaryOp::Rem => (a as i64).wrapping_rem(b as i64) as u64,
        BinaryOp::Remu => a.checked_rem(b).unwrap_or(a),
    }
}

/// The low bits of a number, sign-extended.
pub fn sext(width: Width, a: u64) -> u64 {
    match width {
        Width::W8 => a as i8 as u64,
        Width::W16 => a as i16 as u64,
        Width::W32 => a as i32 as u64,
        Width::W64 => a,
    }
}

/// The low bits of a number, zero-extended.
pub fn zext(width: Width, a: u64) -> u64 {
    match width {
        Width::W8 => a & 0xff,
        Width::W16 => a & 0xffff,
        Width::W32 => a & 0xffff_ffff,
        Width::W64 => a,
    }
}

/// What a [`UnaryOp`] makes. Doubles are given by their bits.
pub fn unary(op: UnaryOp, a: u64) -> u64 {
    match op {
        UnaryOp::Sext(width) => sext(width, a),
        UnaryOp::Zext(width) => zext(width, a),
        UnaryOp::Clz => a.leading_zeros().into(),
        UnaryOp::Ctz => a.trailing_zeros().into(),
        UnaryOp::Cpop => a.count_ones().into(),
        UnaryOp::Rev8 => a.swap_bytes(),
        UnaryOp::OrcB => u64::from_le_bytes(a.to_le_bytes().map(|byte| if byte == 0 { 0 } else { 0xff })),
        UnaryOp::ToBits | UnaryOp::FromBits => a,
        UnaryOp::Unbox if a >> 32 == 0xffff_ffff => a & 0xffff_ffff,
        UnaryOp::Unbox => 0x7fc0_0000,
    }
}

/// What a [`FloatOp`] makes by the host's operation, if the conditions of its fast way hold; numbers are given by their
/// bits. `ready` is as [`super::abi`] says.
pub fn float(op: FloatOp, precision: Precision, [a, b, c]: [u64; 3], ready: bool) -> Option<u64> {
    if !ready && needs_ready(op, precision) {
        return None;
    }
    match precision {
        Precision::Single => single(op, [a, b, c]),
        Precision::Double => double(op, [a, b, c]),
    }
}

/// Whether the fast way of an operation depends on the guest's flags and rounding mode.
pub fn needs_ready(op: FloatOp, precision: Precision) -> bool {
    match op {
        FloatOp::Min | FloatOp::Max | FloatOp::Eq | FloatOp::Lt | FloatOp::Le | FloatOp::Widen => false,
        FloatOp::FromI32 | FloatOp::FromU32 => precision == Precision::Single,
        _ => true,
    }
}

macro_rules! fast_ways {
    ($name:ident, $float:ty, $bits:ty) => {
        fn $name(op: FloatOp, operands: [u64; 3]) -> Option<u64> {
            let [x, y, z] = operands.map(|bits| <$float>::from_bits(bits as $bits));
            let integer = operands[0];
            // The smallest normal number may have been rounded up to, which would be an underflow.
            let normal = |number: &$float| number.abs() > <$float>::MIN_POSITIVE && number.is_finite();
            let bits = |number: $float| u64::from(number.to_bits());
            match op {
                FloatOp::Add => Some(x + y).filter(|sum| sum.is_finite()).map(bits),
                FloatOp::Sub => Some(x - y).filter(|sum| sum.is_finite()).map(bits),
                FloatOp::Mul => Some(x * y).filter(normal).map(bits),
                FloatOp::Div if y.is_normal() => Some(x / y).filter(normal).map(bits),
                FloatOp::Sqrt if x.is_normal() && x > 0.0 => Some(bits(x.sqrt())),
                FloatOp::Fma => Some(x.mul_add(y, z)).filter(normal).map(bits),
                FloatOp::Min if x < y => Some(bits(x)),
                FloatOp::Min if y < x => Some(bits(y)),
                FloatOp::Max if x < y => Some(bits(y)),
                FloatOp::Max if y < x => Some(bits(x)),
                FloatOp::Eq if !x.is_nan() && !y.is_nan() => Some((x == y).into()),
                FloatOp::Lt if !x.is_nan() && !y.is_nan() => Some((x < y).into()),
                FloatOp::Le if !x.is_nan() && !y.is_nan() => Some((x <= y).into()),
                FloatOp::ToI32 if x.abs() < 2_147_483_648.0 => Some(x as i32 as u64),
                FloatOp::ToI64 if x.abs() < 9_223_372_036_854_775_808.0 => Some(x as i64 as u64),
                FloatOp::FromI32 => Some(bits(integer as i32 as $float)),
                FloatOp::FromU32 => Some(bits(integer as u32 as $float)),
                FloatOp::FromI64 => Some(bits(integer as i64 as $float)),
                FloatOp::FromU64 => Some(bits(integer as $float)),
                FloatOp::Widen => Some(f32::from_bits(integer as u32))
                    .filter(|number| !number.is_nan())
                    .map(|number| f64::from(number).to_bits()),
                FloatOp::Narrow => Some(f64::from_bits(integer) as f32)
                    .filter(|number| number.abs() > f32::MIN_POSITIVE && number.is_finite())
                    .map(|number| number.to_bits().into()),
                _ => None,
            }
        }
    };
}

fast_ways!(single, f32, u32);
fast_ways!(double, f64, u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_has_the_results_of_the_contract() {
        let least = i64::MIN as u64;
        assert_eq!(binary(BinaryOp::Div, 7, 0), u64::MAX);
        assert_eq!(binary(BinaryOp::Div, least, u64::MAX), least);
        assert_eq!(binary(BinaryOp::Divu, 7, 0), u64::MAX);
        assert_eq!(binary(BinaryOp::Rem, 7, 0), 7);
        assert_eq!(binary(BinaryOp::Rem, least, u64::MAX), 0);
        assert_eq!(binary(BinaryOp::Remu, 7, 0), 7);
    }

    #[test]
    fn high_products() {
        assert_eq!(binary(BinaryOp::Mulh, u64::MAX, u64::MAX), 0);
        assert_eq!(binary(BinaryOp::Mulhu, u64::MAX, u64::MAX), u64::MAX - 1);
        assert_eq!(binary(BinaryOp::Mulhsu, u64::MAX, u64::MAX), u64::MAX);
    }

    #[test]
    fn what_may_underflow_is_left_to_the_helper() {
        let half = 0.5f64.to_bits();
        let least = f64::MIN_POSITIVE.to_bits();
        let twice = (f64::MIN_POSITIVE * 2.0).to_bits();
        let product = |a| float(FloatOp::Mul, Precision::Double, [a, half, a], true);
        assert_eq!(product(least), None);
        assert_eq!(product(twice), None);
        assert_eq!(product(1.0f64.to_bits()), Some(half));
        assert_eq!(float(FloatOp::Mul, Precision::Double, [half; 3], false), None);
    }
}
