//! What stands behind the block and file devices.
//!
//! A [`BlockBackend`] is a disk: [`MemoryDisk`], a host file, a file of the page's user, or an [`Overlay`] that keeps
//! changes to another one in memory, or a file on a web server ([`RemoteDisk`]), which is the one that is slow: devices ask
//! it to [`BlockBackend::prepare`] before they read.

pub mod batch;
#[cfg(target_arch = "wasm32")]
mod browser;
#[cfg(not(target_arch = "wasm32"))]
mod file;
pub mod fs;
mod memory;
mod overlay;
pub mod remote;
mod sparse;

use std::fmt;

#[cfg(target_arch = "wasm32")]
pub use browser::BrowserFile;
#[cfg(not(target_arch = "wasm32"))]
pub use file::{FileDisk, OpenError};
pub use memory::MemoryDisk;
pub use overlay::Overlay;
pub use remote::RemoteDisk;
pub use sparse::Sparse;

/// Why a disk did not do what it was asked to. The guest sees an I/O error; the text is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The range is not inside the disk.
    #[error("bytes {offset:#x}+{len:#x} are not inside a disk of {size:#x} bytes")]
    OutOfRange {
        /// First byte.
        offset: u64,
        /// Bytes.
        len: u64,
        /// Size of the disk in bytes.
        size: u64,
    },
    /// The disk may not be written.
    #[error("the disk is read-only")]
    ReadOnly,
    /// No room for what was to be written.
    #[error("no room left to write to the disk")]
    Full,
    /// What is to be read has not arrived yet: it was not prepared for.
    #[error("these bytes of the disk have not arrived yet")]
    NotReady,
    /// The host refused.
    #[error("{0}")]
    Host(String),
}

/// What is to be done with a range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read it.
    Read,
    /// Write, discard or zero it.
    Write,
}

/// Whether a disk can do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// At once, or it fails at once.
    Now,
    /// Not yet; it has been set about.
    Later,
}

/// A disk: a fixed number of bytes. Ranges outside it are errors, never cut short.
pub trait BlockBackend: fmt::Debug {
    /// Bytes on the disk.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether writing is refused.
    fn read_only(&self) -> bool;

    /// Makes ready for an access to these bytes, without waiting. Until it says [`Readiness::Now`] the access is not to be
    /// made, but asked about again when the machine is woken.
    fn prepare(&mut self, access: Access, offset: u64, len: u64) -> Readiness {
        let _ = (access, offset, len);
        Readiness::Now
    }

    /// Fills `into` with the bytes at `offset`.
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), BlockError>;

    /// Writes `from` at `offset`. It is only sure to last after [`Self::flush`].
    fn write_at(&mut self, offset: u64, from: &[u8]) -> Result<(), BlockError>;

    /// Makes all that was written last.
    fn flush(&mut self) -> Result<(), BlockError>;

    /// The guest no longer needs these bytes: they may read as anything it wrote before, or zero.
    fn discard(&mut self, offset: u64, len: u64) -> Result<(), BlockError>;

    /// Makes these bytes zero, giving their room back if `may_unmap`.
    fn write_zeroes(&mut self, offset: u64, len: u64, may_unmap: bool) -> Result<(), BlockError>;
}

/// Checks that `offset .. offset + len` is inside `size` bytes.
fn check_range(size: u64, offset: u64, len: u64) -> Result<(), BlockError> {
    match offset.checked_add(len) {
        Some(end) if end <= size => Ok(()),
        _ => Err(BlockError::OutOfRange { offset, len, size }),
    }
}
