//! A disk in memory.

use super::{BlockBackend, BlockError, Sparse, check_range};

/// A disk whose bytes are in memory, those never written taking none.
#[derive(Debug)]
pub struct MemoryDisk {
    bytes: Sparse,
    len: u64,
    read_only: bool,
}

impl MemoryDisk {
    /// A blank disk of `len` bytes.
    pub fn blank(len: u64) -> Self {
        Self {
            bytes: Sparse::new(),
            len,
            read_only: false,
        }
    }

    /// A disk that holds `contents`.
    pub fn from_bytes(contents: &[u8], read_only: bool) -> Result<Self, BlockError> {
        let mut bytes = Sparse::new();
        if !bytes.write(0, contents) {
            return Err(BlockError::Full);
        }
        Ok(Self {
            bytes,
            len: contents.len() as u64,
            read_only,
        })
    }

    fn check_write(&self, offset: u64, len: u64) -> Result<(), BlockError> {
        if self.read_only {
            return Err(BlockError::ReadOnly);
        }
        check_range(self.len, offset, len)
    }
}

impl BlockBackend for MemoryDisk {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_only(&self) -> bool {
        self.read_only
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), BlockError> {
        check_range(self.len, offset, into.len() as u64)?;
        self.bytes.read(offset, into);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, from: &[u8]) -> Result<(), BlockError> {
        self.check_write(offset, from.len() as u64)?;
        if self.bytes.write(offset, from) {
            Ok(())
        } else {
            Err(BlockError::Full)
        }
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }

    fn discard(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.write_zeroes(offset, len, true)
    }

    fn write_zeroes(&mut self, offset: u64, len: u64, _may_unmap: bool) -> Result<(), BlockError> {
        self.check_write(offset, len)?;
        self.bytes.zero(offset, len);
        Ok(())
    }
}
