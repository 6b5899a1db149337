//! Pseudo-LRU: one bit for each inner node of a binary tree over the ways.

use super::Replacement;

/// Follows the tree's bits, each of which points away from where was used last.
///
/// A set has 1, 2, 4 … 64 ways. Node 1 is the root, node `n` has the children `2n` and `2n + 1`, and the leaves are
/// `WAYS + way`. A set bit says that the upper half was used longer ago.
#[derive(Debug, Default, Clone, Copy)]
pub struct TreePlru;

impl TreePlru {
    /// Lets the bits on the way to `way` point away from it.
    fn point_away<const WAYS: usize>(bits: &mut u64, way: usize) {
        let mut node = WAYS + way;
        while node > 1 {
            let lower = node & 1 == 0;
            node /= 2;
            *bits = *bits & !(1 << node) | u64::from(lower) << node;
        }
    }
}

impl<const WAYS: usize> Replacement<WAYS> for TreePlru {
    type Set = u64;
    const EMPTY: u64 = {
        assert!(
            WAYS.is_power_of_two() && WAYS <= 64,
            "a tree has 1, 2, 4, 8, 16, 32 or 64 leaves"
        );
        0
    };
    const NAME: &'static str = "plru";

    fn touch(&mut self, set: &mut u64, way: usize, _: u32) {
        Self::point_away::<WAYS>(set, way);
    }

    fn fill(&mut self, set: &mut u64, way: usize) {
        Self::point_away::<WAYS>(set, way);
    }

    fn victim(&mut self, set: &mut u64) -> usize {
        let mut node = 1;
        while node < WAYS {
            node = 2 * node + (*set >> node & 1) as usize;
        }
        node - WAYS
    }

    /// The bits belong to places and cannot be exchanged exactly: the front counts as used.
    fn moved_to_front(&mut self, set: &mut u64, _: usize) {
        Self::point_away::<WAYS>(set, 0);
    }
}
