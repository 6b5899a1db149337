//! Random: no memory of use at all.

use super::Replacement;

/// Gives up a way drawn from a xorshift generator, whose state is part of the cache: the same calls always give the same
/// ways, on every host.
#[derive(Debug, Clone, Copy)]
pub struct Random {
    state: u64,
}

impl Default for Random {
    fn default() -> Self {
        // Any number but zero.
        Random {
            state: 0x9e37_79b9_7f4a_7c15,
        }
    }
}

impl<const WAYS: usize> Replacement<WAYS> for Random {
    type Set = ();
    const EMPTY: () = ();
    const NAME: &'static str = "random";

    fn touch(&mut self, (): &mut (), _: usize, _: u32) {}

    fn fill(&mut self, (): &mut (), _: usize) {}

    fn victim(&mut self, (): &mut ()) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        // The upper half times the number of ways, over 2^32: even, whatever the number.
        (((self.state >> 32) * WAYS as u64) >> 32) as usize
    }

    fn moved_to_front(&mut self, (): &mut (), _: usize) {}
}
