//! Copy on write: changes stay in memory, the disk below is only read.

use super::sparse::CHUNK;
use super::{Access, BlockBackend, BlockError, Readiness, Sparse, check_range};

/// A writable disk over one that is never written.
#[derive(Debug)]
pub struct Overlay {
    base: Box<dyn BlockBackend>,
    changed: Sparse,
    /// One bit per chunk: its bytes are in `changed` (where absent means zero), not in `base`.
    owned: Vec<u64>,
    /// Most bytes `changed` may take.
    limit: u64,
}

impl Overlay {
    /// A disk that reads as `base` does until written. At most `limit` bytes of changes are kept; then the disk is full.
    pub fn new(base: Box<dyn BlockBackend>, limit: u64) -> Result<Self, BlockError> {
        let words = base.len().div_ceil(CHUNK * 64);
        let mut owned = Vec::new();
        let words = usize::try_from(words).map_err(|_| BlockError::Full)?;
        owned.try_reserve_exact(words).map_err(|_| BlockError::Full)?;
        owned.resize(words, 0);
        Ok(Self {
            base,
            changed: Sparse::new(),
            owned,
            limit,
        })
    }

    /// Bytes of memory that the changes take.
    pub fn changed_bytes(&self) -> u64 {
        self.changed.allocated()
    }

    fn owns(&self, chunk: u64) -> bool {
        self.owned[(chunk / 64) as usize] >> (chunk % 64) & 1 != 0
    }

    fn own(&mut self, chunk: u64) {
        self.owned[(chunk / 64) as usize] |= 1 << (chunk % 64);
    }

    /// Chunks with the same owner from `start` on, which are read in one go: whether they are owned, and where they end, at
    /// most at `stop`.
    fn run(&self, start: u64, stop: u64) -> (bool, u64) {
        let owned = self.owns(start / CHUNK);
        let mut end = (start / CHUNK + 1) * CHUNK;
        while end < stop && self.owns(end / CHUNK) == owned {
            end += CHUNK;
        }
        (owned, end.min(stop))
    }

    /// Takes over the chunk around `offset` with its present contents, for a change to part of it.
    fn copy_up(&mut self, offset: u64) -> Result<(), BlockError> {
        let chunk = offset / CHUNK;
        if self.owns(chunk) {
            return Ok(());
        }
        let mut bytes = [0; CHUNK as usize];
        let start = chunk * CHUNK;
        let len = CHUNK.min(self.base.len() - start) as usize;
        self.base.read_at(start, &mut bytes[..len])?;
        self.put(start, &bytes[..len])?;
        self.own(chunk);
        Ok(())
    }

    fn put(&mut self, offset: u64, from: &[u8]) -> Result<(), BlockError> {
        let growth = self.changed.growth(offset, from.len() as u64);
        if self.changed.allocated() + growth > self.limit || !self.changed.write(offset, from) {
            return Err(BlockError::Full);
        }
        Ok(())
    }

    /// Makes ready for new contents of `offset .. end`: chunks only partly covered keep the rest of theirs.
    fn copy_up_edges(&mut self, offset: u64, end: u64) -> Result<(), BlockError> {
        if !offset.is_multiple_of(CHUNK) {
            self.copy_up(offset)?;
        }
        if !end.is_multiple_of(CHUNK) && end < self.base.len() {
            self.copy_up(end)?;
        }
        Ok(())
    }
}

impl BlockBackend for Overlay {
    fn len(&self) -> u64 {
        self.base.len()
    }

    fn read_only(&self) -> bool {
        false
    }

    fn prepare(&mut self, access: Access, offset: u64, len: u64) -> Readiness {
        if len == 0 || check_range(self.len(), offset, len).is_err() {
            return Readiness::Now;
        }
        let stop = offset + len;
        let mut readiness = Readiness::Now;
        if access == Access::Read {
            let mut start = offset;
            while start < stop {
                let (owned, end) = self.run(start, stop);
                if !owned && self.base.prepare(access, start, end - start) == Readiness::Later {
                    readiness = Readiness::Later;
                }
                start = end;
            }
            return readiness;
        }
        // Of a write, what of its first and last chunk it leaves is read: see `copy_up_edges`.
        for edge in [offset, stop] {
            let (chunk, inside) = (edge / CHUNK, !edge.is_multiple_of(CHUNK) && edge < self.len());
            if inside && !self.owns(chunk) {
                let start = chunk * CHUNK;
                let len = CHUNK.min(self.len() - start);
                if self.base.prepare(Access::Read, start, len) == Readiness::Later {
                    readiness = Readiness::Later;
                }
            }
        }
        readiness
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), BlockError> {
        check_range(self.len(), offset, into.len() as u64)?;
        let mut done = 0;
        while done < into.len() {
            let start = offset + done as u64;
            let (owned, end) = self.run(start, offset + into.len() as u64);
            let run = &mut into[done..done + (end - start) as usize];
            done += run.len();
            if owned {
                self.changed.read(start, run);
            } else {
                self.base.read_at(start, run)?;
            }
        }
        Ok(())
    }

    fn write_at(&mut self, offset: u64, from: &[u8]) -> Result<(), BlockError> {
        check_range(self.len(), offset, from.len() as u64)?;
        if from.is_empty() {
            return Ok(());
        }
        let end = offset + from.len() as u64;
        self.copy_up_edges(offset, end)?;
        self.put(offset, from)?;
        for chunk in offset / CHUNK..end.div_ceil(CHUNK) {
            self.own(chunk);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }

    fn discard(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.write_zeroes(offset, len, true)
    }

    fn write_zeroes(&mut self, offset: u64, len: u64, _may_unmap: bool) -> Result<(), BlockError> {
        check_range(self.len(), offset, len)?;
        if len == 0 {
            return Ok(());
        }
        let end = offset + len;
        self.copy_up_edges(offset, end)?;
        self.changed.zero(offset, len);
        for chunk in offset / CHUNK..end.div_ceil(CHUNK) {
            self.own(chunk);
        }
        Ok(())
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use proptest::prelude::*;

    use super::super::MemoryDisk;
    use super::*;

    #[test]
    fn a_full_overlay_says_so_and_keeps_what_it_has() {
        let base = MemoryDisk::from_bytes(&[7; 40960], true).unwrap();
        let mut disk = Overlay::new(Box::new(base), 2 * CHUNK).unwrap();
        disk.write_at(10, &[1; 4096]).unwrap();
        assert_eq!(disk.write_at(20000, &[2]), Err(BlockError::Full));
        disk.write_at(4000, &[3]).unwrap();
        let mut bytes = [0; 3];
        disk.read_at(19999, &mut bytes).unwrap();
        assert_eq!(bytes, [7; 3]);
        disk.read_at(3999, &mut bytes).unwrap();
        assert_eq!(bytes, [1, 3, 1]);
        assert!(matches!(
            disk.read_at(40959, &mut bytes),
            Err(BlockError::OutOfRange { .. })
        ));
    }

    proptest! {
        #[test]
        fn behaves_like_an_array(steps in prop::collection::vec((0u64..20000, 0u64..9500, any::<Option<u8>>()), 0..20)) {
            let mut model: Vec<u8> = (0..29696u32).map(|i| (i % 251) as u8).collect();
            let base = MemoryDisk::from_bytes(&model, true).unwrap();
            let mut disk = Overlay::new(Box::new(base), u64::MAX).unwrap();
            for (offset, len, value) in steps {
                let range = offset as usize..(offset + len) as usize;
                match value {
                    Some(value) => {
                        disk.write_at(offset, &vec![value; len as usize]).unwrap();
                        model[range].fill(value);
                    }
                    None => {
                        disk.write_zeroes(offset, len, true).unwrap();
                        model[range].fill(0);
                    }
                }
            }
            let mut read = vec![1; model.len()];
            disk.read_at(0, &mut read).unwrap();
            prop_assert!(read == model);
        }
    }
}
