//! Guesses which chunks are going to be read.

use std::ops::Range;

/// Chunks asked for ahead, at most.
const MOST: u64 = 16;

/// Sees what is read. As long as each read begins where the last ended, twice as many chunks are wanted ahead of it each
/// time.
#[derive(Debug, Default)]
pub struct Readahead {
    last: Range<u64>,
    ahead: u64,
}

impl Readahead {
    /// `chunks` are being read, of a disk of `count`: those to ask for ahead.
    pub fn after(&mut self, chunks: &Range<u64>, count: u64) -> Range<u64> {
        if *chunks == self.last {
            // The same read, asked about again, or another part of the same chunks.
            return 0..0;
        }
        // A read that begins within a chunk goes on in the one that the last ended in.
        let goes_on = chunks.start == self.last.end || chunks.start + 1 == self.last.end;
        self.ahead = if goes_on {
            (self.ahead * 2).clamp(1, MOST)
        } else {
            0
        };
        self.last = chunks.clone();
        chunks.end..(chunks.end + self.ahead).min(count).max(chunks.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_in_a_row_are_seen_and_others_are_not() {
        let mut readahead = Readahead::default();
        assert!(readahead.after(&(50..51), 100).is_empty());
        assert_eq!(readahead.after(&(51..53), 100), 53..54);
        assert!(readahead.after(&(51..53), 100).is_empty());
        assert_eq!(readahead.after(&(52..54), 100), 54..56);
        assert_eq!(readahead.after(&(54..55), 100), 55..59);
        assert!(readahead.after(&(10..11), 100).is_empty());
        assert_eq!(readahead.after(&(11..99), 100), 99..100);
        assert!(readahead.after(&(99..100), 100).is_empty());
    }
}
