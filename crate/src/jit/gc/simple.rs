//! The two collectors that are there to be compared with.

use super::{Budget, Collector, Fate, GcStats, Mode, Step};
use rustc_hash::FxHashMap;

/// Frees everything when there is too much of it: what most emulators do.
#[derive(Debug)]
pub struct Simple {
    budget: Budget,
    sizes: FxHashMap<u32, usize>,
    bytes: usize,
    pressed: bool,
    collections: u64,
}

impl Simple {
    /// One with this budget.
    pub fn new(budget: Budget) -> Self {
        Simple {
            budget,
            sizes: FxHashMap::default(),
            bytes: 0,
            pressed: false,
            collections: 0,
        }
    }

    fn forget(&mut self, number: u32) -> Fate {
        self.bytes -= self.sizes.remove(&number).unwrap_or(0);
        Fate::Free
    }
}

impl Collector for Simple {
    fn mode(&self) -> Mode {
        Mode::Simple
    }

    fn born(&mut self, number: u32, bytes: usize) {
        self.forget(number);
        self.sizes.insert(number, bytes);
        self.bytes += bytes;
    }

    fn used(&mut self, _: u32) {}

    fn written(&mut self, number: u32) -> Fate {
        self.forget(number)
    }

    fn revived(&mut self, _: u32) {}

    fn done(&mut self, number: u32) -> Fate {
        self.forget(number)
    }

    fn press(&mut self) {
        self.pressed = true;
    }

    fn is_due(&self) -> bool {
        self.pressed || self.bytes > self.budget.bytes
    }

    fn step(&mut self, free: &mut Vec<u32>) -> Step {
        if !self.is_due() {
            return Step::default();
        }
        self.pressed = false;
        free.extend(self.sizes.drain().map(|(number, _)| number));
        self.bytes = 0;
        self.collections += 1;
        Step {
            worked: true,
            flush: true,
        }
    }

    fn tell(&self, stats: &mut GcStats) {
        stats.major = self.collections;
        stats.old_bytes = self.bytes as u64;
    }
}

/// Frees nothing.
#[derive(Debug, Default)]
pub struct Off {
    bytes: usize,
}

impl Collector for Off {
    fn mode(&self) -> Mode {
        Mode::Off
    }

    fn born(&mut self, _: u32, bytes: usize) {
        self.bytes += bytes;
    }

    fn used(&mut self, _: u32) {}

    fn written(&mut self, _: u32) -> Fate {
        Fate::Leak
    }

    fn revived(&mut self, _: u32) {}

    fn done(&mut self, _: u32) -> Fate {
        Fate::Leak
    }

    fn press(&mut self) {}

    fn is_due(&self) -> bool {
        false
    }

    fn step(&mut self, _: &mut Vec<u32>) -> Step {
        Step::default()
    }

    fn tell(&self, stats: &mut GcStats) {
        stats.old_bytes = self.bytes as u64;
    }
}
