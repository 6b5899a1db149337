//! First in, first out: the order of filling, whatever is used.

use super::{Order, Replacement};

/// Gives up the way that was filled longest ago.
#[derive(Debug, Default, Clone, Copy)]
pub struct Fifo;

impl<const WAYS: usize> Replacement<WAYS> for Fifo {
    type Set = Order<WAYS>;
    const EMPTY: Order<WAYS> = Order::START;
    const NAME: &'static str = "fifo";

    fn touch(&mut self, _: &mut Order<WAYS>, _: usize, _: u32) {}

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
