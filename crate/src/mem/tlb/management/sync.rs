//! Fences between harts, as messages.
//!
//! A hart that wants another to forget something puts a [`Fence`] into its [`Mailbox`]; the other reads it before it runs
//! its next instruction. The machine sees to that: it reads a hart's mailbox whenever it hands it over to an engine.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::Fence;

/// Fences that are kept apart; if more wait, everything is forgotten instead.
const MOST: usize = 64;

/// The fences that wait for one hart.
#[derive(Debug, Default)]
pub struct Mailbox {
    /// Whether there may be any: looked at first, without the lock.
    full: AtomicBool,
    fences: Mutex<Vec<Fence>>,
}

impl Mailbox {
    /// Leaves a fence.
    pub fn put(&self, fence: Fence) {
        let mut fences = self.fences.lock();
        if fences.len() == MOST {
            fences.clear();
            fences.push(Fence::All);
        } else if fences.first() != Some(&Fence::All) && !fences.contains(&fence) {
            fences.push(fence);
        }
        // After the fence, for who sees this without the lock.
        self.full.store(true, Ordering::Release);
    }

    /// Takes all that wait, in order.
    #[inline]
    pub fn take(&self) -> Vec<Fence> {
        // Most of the time there is nothing.
        if !self.full.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut fences = self.fences.lock();
        self.full.store(false, Ordering::Relaxed);
        std::mem::take(&mut fences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_arrive_in_order_and_once() {
        let mailbox = Mailbox::default();
        assert!(mailbox.take().is_empty());
        let fences = [Fence::Asid(1), Fence::of_page(0x1000, None)];
        fences.iter().chain(&fences).for_each(|&fence| mailbox.put(fence));
        assert_eq!(mailbox.take(), fences);
        assert!(mailbox.take().is_empty());
    }

    #[test]
    fn too_many_become_one_over_everything() {
        let mailbox = Mailbox::default();
        (0..200).for_each(|page| mailbox.put(Fence::of_page(page << 12, None)));
        assert_eq!(mailbox.take(), [Fence::All]);
    }
}
