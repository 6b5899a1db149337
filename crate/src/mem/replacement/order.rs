//! The ways of a set in an order, latest first.

/// A permutation of the ways of a set. Ways are bytes: a set has at most 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order<const WAYS: usize>([u8; WAYS]);

impl<const WAYS: usize> Order<WAYS> {
    /// Way 0 first.
    pub const START: Self = {
        assert!(WAYS > 0 && WAYS <= 256, "a set has 1 to 256 ways");
        let mut ways = [0; WAYS];
        let mut way = 0;
        while way < WAYS {
            ways[way] = way as u8;
            way += 1;
        }
        Order(ways)
    };

    /// Makes `way` the first.
    pub fn promote(&mut self, way: usize) {
        if let Some(at) = self.place(way) {
            self.0[..=at].rotate_right(1);
        }
    }

    /// The last way.
    pub fn last(&self) -> usize {
        usize::from(self.0[WAYS - 1])
    }

    /// Lets two ways change places.
    pub fn swap(&mut self, a: usize, b: usize) {
        if let (Some(a), Some(b)) = (self.place(a), self.place(b)) {
            self.0.swap(a, b);
        }
    }

    fn place(&self, way: usize) -> Option<usize> {
        self.0.iter().position(|&other| usize::from(other) == way)
    }
}
