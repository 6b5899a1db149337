//! Register values that find mistakes: the borders of the integer types and the corners of IEEE 754.

use crate::prng::Prng;

/// An integer register's value.
pub fn integer(r: &mut Prng) -> u64 {
    match r.below(8) {
        0 => *r.pick(&[
            0,
            1,
            u64::MAX,
            1 << 63,
            i64::MAX as u64,
            0x8000_0000,
            0x7fff_ffff,
            0xffff_ffff,
            0xffff_ffff_8000_0000,
            0xffff_ffff_7fff_ffff,
        ]),
        1 => (1u64 << r.below(64)).wrapping_add(r.below(3)).wrapping_sub(1),
        2 => r.below(64),
        3 => r.below(64).wrapping_neg(),
        4 => r.next() >> r.below(64),
        5 => ((r.next() as i64) >> r.below(64)) as u64,
        // Bytes of all zeros and all ones, for orc.b and rev8.
        6 => (0..8).fold(0, |v, _| v << 8 | *r.pick(&[0, 0, 0xff, 0x80, 0x01])),
        _ => r.next(),
    }
}

/// One IEEE 754 format, described by its field widths.
struct Format {
    fraction: u32,
    exponent: u32,
}

const SINGLE: Format = Format {
    fraction: 23,
    exponent: 8,
};
const DOUBLE: Format = Format {
    fraction: 52,
    exponent: 11,
};

impl Format {
    fn random(&self, r: &mut Prng) -> u64 {
        let max_exponent = (1u64 << self.exponent) - 1;
        let bias = max_exponent / 2;
        let exponent = match r.below(10) {
            0 => 0,
            1 => max_exponent,
            2 => 1 + r.below(3),
            3 => max_exponent - 1 - r.below(3),
            // Around the points where conversions to 32-bit and 64-bit integers overflow.
            4 => bias + 28 + r.below(6),
            5 => bias + 60 + r.below(6),
            6 | 7 => bias - 3 + r.below(6),
            8 => bias.saturating_sub(self.fraction as u64 + 2) + r.below(2 * self.fraction as u64 + 4),
            _ => r.below(max_exponent + 1),
        };
        let mask = (1u64 << self.fraction) - 1;
        let fraction = mask
            & match r.below(8) {
                0 | 1 => 0,
                2 => mask,
                3 => 1 << r.below(self.fraction as u64),
                4 => !(1 << r.below(self.fraction as u64)),
                // Long runs of ones and zeros make rounding carry far.
                5 => mask << r.below(self.fraction as u64),
                6 => r.next() & (mask << r.below(self.fraction as u64)),
                _ => r.next(),
            };
        let sign = r.below(2);
        sign << (self.fraction + self.exponent) | exponent.min(max_exponent) << self.fraction | fraction
    }
}

/// A floating-point register's value: doubles, boxed singles, and now and then a badly boxed single.
pub fn float(r: &mut Prng) -> u64 {
    match r.below(16) {
        0..=7 => DOUBLE.random(r),
        8..=14 => 0xffff_ffff_0000_0000 | SINGLE.random(r),
        _ => r.next() << 32 | SINGLE.random(r),
    }
}
