//! The ways of a set in an order, latest first.

/// A bit in each of 8 bytes.
const COLUMN: u64 = 0x0101_0101_0101_0101;

/// An order of the ways of a set, of at most 8, as a matrix of bits: bit `b` of byte `a` says that `a` comes before `b`.
///
/// To make a way the first, its row is set and then its column cleared; the last is the one whose row is empty. That takes a
/// handful of instructions and no branch, where moving numbers about in a list takes both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order<const WAYS: usize>(u64);

impl<const WAYS: usize> Order<WAYS> {
    /// Columns of ways that there are, in each row.
    const COLUMNS: u64 = COLUMN * ((1 << WAYS) - 1);

    /// Way 0 first.
    pub const START: Self = {
        assert!(WAYS > 0 && WAYS <= 8, "a set has 1 to 8 ways");
        // Each row but for the columns from its own downwards.
        Order(0x0080_c0e0_f0f8_fcfe & Self::COLUMNS)
    };

    /// Makes `way` the first.
    #[inline]
    pub fn promote(&mut self, way: usize) {
        self.0 = (self.0 | 0xff << (8 * way)) & !(COLUMN << way);
    }

    /// The last way.
    #[inline]
    pub fn last(&self) -> usize {
        // Of bytes that are zero, the subtraction finds the lowest exactly; rows of ways that there are not lie above.
        let rows = self.0 & Self::COLUMNS;
        let empty = rows.wrapping_sub(COLUMN) & !rows & COLUMN << 7;
        (empty.trailing_zeros() / 8) as usize % WAYS
    }

    /// Lets two ways change places.
    #[inline]
    pub fn swap(&mut self, a: usize, b: usize) {
        let rows = (self.0 >> (8 * a) ^ self.0 >> (8 * b)) & 0xff;
        self.0 ^= rows << (8 * a) ^ rows << (8 * b);
        let columns = (self.0 >> a ^ self.0 >> b) & COLUMN;
        self.0 ^= columns << a ^ columns << b;
    }
}
