//! Least frequently used: a counter for each way.

use super::Replacement;

/// Gives up the way that was used least; of equals, the one of the highest number.
///
/// A new entry starts at one use. When a counter would pass 255, all of its set are halved first, so that what was used
/// much long ago does not stay for ever.
#[derive(Debug, Default, Clone, Copy)]
pub struct Lfu;

impl<const WAYS: usize> Replacement<WAYS> for Lfu {
    type Set = [u8; WAYS];
    const EMPTY: [u8; WAYS] = [0; WAYS];
    const NAME: &'static str = "lfu";

    fn touch(&mut self, set: &mut [u8; WAYS], way: usize, times: u32) {
        let times = u8::try_from(times).unwrap_or(u8::MAX);
        if set[way].checked_add(times).is_none() {
            set.iter_mut().for_each(|uses| *uses /= 2);
        }
        set[way] = set[way].saturating_add(times);
    }

    fn fill(&mut self, set: &mut [u8; WAYS], way: usize) {
        set[way] = 1;
    }

    fn victim(&mut self, set: &mut [u8; WAYS]) -> usize {
        let ways = (0..WAYS).rev();
        ways.min_by_key(|&way| set[way]).unwrap_or(0)
    }

    fn moved_to_front(&mut self, set: &mut [u8; WAYS], way: usize) {
        set.swap(0, way);
    }
}
