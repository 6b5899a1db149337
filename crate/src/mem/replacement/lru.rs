//! Least recently used: the exact order of use.

use super::{Order, Replacement};

/// Gives up the way that was not used for longest.
#[derive(Debug, Default, Clone, Copy)]
pub struct Lru;

impl<const WAYS: usize> Replacement<WAYS> for Lru {
    type Set = Order<WAYS>;
    const EMPTY: Order<WAYS> = Order::START;
    const NAME: &'static str = "lru";

    #[inline]
    fn touch(&mut self, set: &mut Order<WAYS>, way: usize, _: u32) {
        set.promote(way);
    }

    fn fill(&mut self, set: &mut Order<WAYS>, way: usize) {
        set.promote(way);
    }

    fn victim(&mut self, set: &mut Order<WAYS>) -> usize {
        set.last()
    }

    fn moved_to_front(&mut self, set: &mut Order<WAYS>, way: usize) {
        set.swap(0, way);
    }
}
