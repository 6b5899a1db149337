//! Figures of the collector.

use serde::{Deserialize, Serialize};

use super::{Mode, Work};

/// Buckets of the histogram of pauses: eight for each doubling, from a microsecond to more than a second.
const BUCKETS: usize = 8 * 21;

/// How long the guest stood still, as a histogram: each bucket is an eighth of a doubling wide.
#[derive(Debug, Clone)]
pub struct Pauses {
    counts: [u64; BUCKETS],
    total_us: f64,
    /// The longest, and what was done meanwhile.
    longest: (f64, Work),
}

impl Default for Pauses {
    fn default() -> Self {
        Pauses {
            counts: [0; BUCKETS],
            total_us: 0.0,
            longest: (0.0, Work::None),
        }
    }
}

impl Pauses {
    /// Counts one, in which this was done.
    pub fn add(&mut self, us: f64, work: Work) {
        let bucket = (us.max(1.0).log2() * 8.0).ceil() as usize;
        self.counts[bucket.min(BUCKETS - 1)] += 1;
        self.total_us += us;
        if us > self.longest.0 {
            self.longest = (us, work);
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all, in microseconds.
    pub fn total_us(&self) -> f64 {
        self.total_us
    }

    /// The longest, in microseconds, and what was done meanwhile.
    pub fn longest(&self) -> (f64, Work) {
        self.longest
    }

    /// What the given share of them, from 0 to 1, did not exceed, in microseconds: the upper end of its bucket, but not more
    /// than the longest.
    pub fn percentile_us(&self, share: f64) -> f64 {
        let wanted = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        bucket.map_or(0.0, |bucket| (bucket as f64 / 8.0).exp2().min(self.longest.0))
    }

    /// How many took up to 1, 2, 4, 8… microseconds, and more than the one before; the last are all that took longer.
    pub fn by_doubling(&self) -> [u64; 16] {
        let mut counts = [0; 16];
        for (bucket, count) in self.counts.iter().enumerate() {
            counts[bucket.div_ceil(8).min(15)] += count;
        }
        counts
    }
}

/// Figures since power-on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct GcStats {
    /// How translations are collected.
    pub mode: Mode,
    /// Minor collections.
    pub minor: u64,
    /// Major collections.
    pub major: u64,
    /// Bytes of young translations.
    pub young_bytes: u64,
    /// Bytes of old ones.
    pub old_bytes: u64,
    /// Bytes of those that sleep.
    pub asleep_bytes: u64,
    /// Translations that have become old.
    pub promoted: u64,
    /// Translations freed because they were not used.
    pub freed: u64,
    /// Translations whose source turned out to be what it was.
    pub revived: u64,
    /// Regions compiled again that had been compiled before and were given back.
    pub recompiled: u64,
    /// Translations moved so that memory could be given back.
    pub moved: u64,
    /// Bytes of memory given back: natively arenas, in the page modules.
    pub returned_bytes: u64,
    /// Steps of collections.
    pub pauses: u64,
    /// How long all of them took, in microseconds.
    pub pause_total_us: f64,
    /// How many of these took up to 1, 2, 4, 8… microseconds.
    pub pauses_by_doubling_us: [u64; 16],
    /// What half of them did not exceed, in microseconds.
    pub pause_p50_us: f64,
    /// What 99 in 100 did not exceed, in microseconds.
    pub pause_p99_us: f64,
    /// The longest, in microseconds.
    pub pause_max_us: f64,
    /// What was done meanwhile.
    pub pause_max_work: Work,
}

impl GcStats {
    /// Fills in the figures of pauses.
    pub fn note_pauses(&mut self, pauses: &Pauses) {
        self.pauses = pauses.count();
        self.pauses_by_doubling_us = pauses.by_doubling();
        self.pause_p50_us = pauses.percentile_us(0.5);
        self.pause_p99_us = pauses.percentile_us(0.99);
        self.pause_total_us = pauses.total_us();
        (self.pause_max_us, self.pause_max_work) = pauses.longest();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_an_eighth_of_a_doubling() {
        let mut pauses = Pauses::default();
        assert_eq!(pauses.percentile_us(0.5), 0.0);
        for us in 1..=1000 {
            pauses.add(f64::from(us), Work::Look);
        }
        for (share, exact) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let told = pauses.percentile_us(share);
            assert!(told >= exact && told <= exact * 1.0906, "{share}: {told}");
        }
        assert_eq!(pauses.by_doubling().iter().sum::<u64>(), 1000);
        assert_eq!(pauses.by_doubling()[..4], [1, 1, 2, 4]);
        pauses.add(1e9, Work::Free);
        pauses.add(7.0, Work::Make);
        assert_eq!(pauses.longest(), (1e9, Work::Free));
        assert_eq!(pauses.total_us(), 1e9 + 500_500.0 + 7.0);
    }
}
