//! Bytes of which only what was written takes memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};

/// Bytes per piece.
pub const CHUNK: u64 = 4096;

/// An endless run of bytes, all zero until written, kept in pieces of [`CHUNK`] bytes. Whoever holds it bounds what is
/// written: see [`Self::growth`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sparse {
    chunks: BTreeMap<u64, Vec<u8>>,
}

impl Sparse {
    /// All zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of memory taken.
    pub fn allocated(&self) -> u64 {
        self.chunks.len() as u64 * CHUNK
    }

    /// Bytes of memory that writing `len` bytes at `offset` would take in addition.
    pub fn growth(&self, offset: u64, len: u64) -> u64 {
        if len == 0 {
            return 0;
        }
        let (first, last) = (offset / CHUNK, offset.saturating_add(len - 1) / CHUNK);
        let present = self.chunks.range(first..=last).count() as u64;
        (last - first + 1 - present).saturating_mul(CHUNK)
    }

    /// Fills `into` with the bytes at `offset`.
    pub fn read(&self, offset: u64, into: &mut [u8]) {
        for (index, at, range) in pieces(offset, into.len()) {
            let into = &mut into[range];
            match self.chunks.get(&index) {
                Some(chunk) => into.copy_from_slice(&chunk[at..at + into.len()]),
                None => into.fill(0),
            }
        }
    }

    /// Writes `from` at `offset`. Returns false, with a part written, if the host has no memory for it.
    #[must_use]
    pub fn write(&mut self, offset: u64, from: &[u8]) -> bool {
        for (index, at, range) in pieces(offset, from.len()) {
            let from = &from[range];
            let chunk = match self.chunks.entry(index) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let mut chunk = Vec::new();
                    if chunk.try_reserve_exact(CHUNK as usize).is_err() {
                        return false;
                    }
                    chunk.resize(CHUNK as usize, 0);
                    entry.insert(chunk)
                }
            };
            chunk[at..at + from.len()].copy_from_slice(from);
        }
        true
    }

    /// Makes `len` bytes at `offset` zero and gives their memory back. Costs no more than what was there.
    pub fn zero(&mut self, offset: u64, len: u64) {
        let end = offset.saturating_add(len);
        let (first_whole, end_whole) = (offset.div_ceil(CHUNK), end / CHUNK);
        if first_whole < end_whole {
            let mut rest = self.chunks.split_off(&first_whole);
            self.chunks.append(&mut rest.split_off(&end_whole));
        }
        for (from, to) in [
            (offset, end.min(first_whole.saturating_mul(CHUNK))),
            (offset.max(end_whole * CHUNK), end),
        ] {
            if from < to
                && let Some(chunk) = self.chunks.get_mut(&(from / CHUNK))
            {
                let start = (from % CHUNK) as usize;
                chunk[start..start + (to - from) as usize].fill(0);
            }
        }
    }
}

/// Cuts `len` bytes at `offset` at chunk borders: chunk index, place in the chunk, range of the whole.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let position = offset.saturating_add(done as u64);
        let at = (position % CHUNK) as usize;
        let now = (CHUNK as usize - at).min(len - done);
        let range = done..done + now;
        done += now;
        (now > 0).then_some((position / CHUNK, at, range))
    })
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a plain array: any sequence of writes and zeroings.
        #[test]
        fn behaves_like_an_array(steps in prop::collection::vec((0u64..20000, 0u64..9000, any::<Option<u8>>()), 0..20)) {
            let mut model = vec![0u8; 30000];
            let mut sparse = Sparse::new();
            for (offset, len, value) in steps {
                let range = offset as usize..(offset + len) as usize;
                match value {
                    Some(value) => {
                        let before = sparse.allocated();
                        let growth = sparse.growth(offset, len);
                        prop_assert!(sparse.write(offset, &vec![value; len as usize]));
                        prop_assert_eq!(sparse.allocated(), before + growth);
                        model[range].fill(value);
                    }
                    None => {
                        sparse.zero(offset, len);
                        model[range].fill(0);
                    }
                }
            }
            let mut read = vec![1; model.len()];
            sparse.read(0, &mut read);
            prop_assert!(read == model);
        }
    }

    #[test]
    fn zeroing_everything_is_cheap_and_complete() {
        let mut sparse = Sparse::new();
        assert!(sparse.write(5000, b"hello"));
        sparse.zero(1, u64::MAX);
        assert_eq!(sparse.growth(0, 1), CHUNK);
        assert_eq!(sparse.allocated(), 0);
    }
}
