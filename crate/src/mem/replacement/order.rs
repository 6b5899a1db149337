//! The ways of a set in an order, latest first.

/// A nibble of ones in each of 16.
const ONES: u64 = 0x1111_1111_1111_1111;
/// The top bit of each nibble.
const TOPS: u64 = ONES << 3;

/// A permutation of the ways of a set, of at most 16: nibble `n`, counted from the low end, is the way at place `n`.
///
/// Nibbles past the last way hold the numbers that no way has, so all 16 numbers are there, each once, whatever `WAYS` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order<const WAYS: usize>(u64);

impl<const WAYS: usize> Order<WAYS> {
    /// Way 0 first.
    pub const START: Self = {
        assert!(WAYS > 0 && WAYS <= 16, "a set has 1 to 16 ways");
        Order(0xfedc_ba98_7654_3210)
    };

    /// Makes `way` the first.
    #[inline]
    pub fn promote(&mut self, way: usize) {
        let shift = self.place(way);
        let before = (1 << shift) - 1;
        let through = before << 4 | 0xf;
        self.0 = self.0 & !through | (self.0 & before) << 4 | way as u64 & 0xf;
    }

    /// The last way.
    #[inline]
    pub fn last(&self) -> usize {
        (self.0 >> (4 * (WAYS - 1)) & 0xf) as usize
    }

    /// Lets two ways change places.
    #[inline]
    pub fn swap(&mut self, a: usize, b: usize) {
        let difference = (a ^ b) as u64 & 0xf;
        self.0 ^= difference << self.place(a) ^ difference << self.place(b);
    }

    /// How far the nibble of `way` is from the low end, in bits.
    ///
    /// The nibbles that differ from `way` become the ones that are not zero; of zeros, subtraction finds the lowest exactly.
    #[inline]
    fn place(&self, way: usize) -> u32 {
        let zero_at_way = self.0 ^ ((way as u64 & 0xf) * ONES);
        let tops = zero_at_way.wrapping_sub(ONES) & !zero_at_way & TOPS;
        tops.trailing_zeros() & !3
    }
}
