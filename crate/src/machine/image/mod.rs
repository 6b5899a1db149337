//! Loading what a machine starts with: firmware, kernel, initial RAM disk and device tree.
//!
//! ```text
//! file ──unwrap EFI zboot──▶ ──gzip, zstd──▶ ELF?    segments at their physical addresses
//!                                            Image?  Linux's RISC-V boot header says how far into RAM and how big
//!                                            else    raw: firmware at the start of RAM, a kernel 2 MiB above it
//! ```
//!
//! [`Loader`] puts them into RAM and remembers what lies where, so that nothing overwrites anything. Files are not
//! trusted: whatever is wrong with one is an [`ImageError`].

mod compression;
mod elf;
mod firmware_info;
mod linux;
mod loader;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

pub use loader::{Loaded, Loader};

/// A file to load.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    /// What error messages call it: its file name.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Image {
    /// A file of that name and content.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
        }
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({:?}, {} bytes)", self.name, self.bytes.len())
    }
}

/// Why an image cannot be loaded. Offsets count from the start of the file, or of what was compressed in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The file has nothing in it.
    #[error("{image}: the file is empty")]
    Empty {
        /// Name of the image.
        image: String,
    },
    /// A field says what cannot be.
    #[error("{image}: at offset {offset:#x}: expected {expected}, found {found}")]
    Format {
        /// Name of the image.
        image: String,
        /// Where in the file.
        offset: u64,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// The image is packed in a way that is not understood.
    #[error("{image}: at offset {offset:#x}: compressed with {method}; use gzip, zstd or no compression")]
    UnknownCompression {
        /// Name of the image.
        image: String,
        /// Where the compressed data starts.
        offset: u64,
        /// Name of the method.
        method: String,
    },
    /// Unpacking failed.
    #[error("{image}: the {method} data that starts at offset {offset:#x} cannot be unpacked: {reason}")]
    Decompression {
        /// Name of the image.
        image: String,
        /// Where the compressed data starts.
        offset: u64,
        /// Name of the method.
        method: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// Unpacked, the image would not fit.
    #[error("{image}: unpacks to more than the {limit} bytes of guest memory; give the machine more memory")]
    TooBig {
        /// Name of the image.
        image: String,
        /// Bytes of guest memory.
        limit: u64,
    },
    /// Part of the image would lie outside RAM.
    #[error(
        "{image}: at offset {offset:#x}: to be loaded at {:#x}..{:#x}, but memory is at {:#x}..{:#x}; \
         give the machine more memory or link the image for this board",
        range.start, range.end, ram.start, ram.end
    )]
    OutsideRam {
        /// Name of the image.
        image: String,
        /// Where the file says so.
        offset: u64,
        /// Guest-physical addresses asked for.
        range: Range<u64>,
        /// Guest-physical addresses of RAM.
        ram: Range<u64>,
    },
    /// Two things would lie in the same place.
    #[error(
        "{image}: at offset {offset:#x}: to be loaded at {:#x}..{:#x}, where {other} lies already",
        range.start, range.end
    )]
    Overlap {
        /// Name of the image.
        image: String,
        /// Where the file says so.
        offset: u64,
        /// Guest-physical addresses asked for.
        range: Range<u64>,
        /// What is there.
        other: String,
    },
    /// There is no place large enough left.
    #[error(
        "{image}: needs {size} bytes of memory, but there are only {room} left for it; give the machine more memory"
    )]
    NoRoom {
        /// Name of the image.
        image: String,
        /// Bytes needed.
        size: u64,
        /// Bytes there are.
        room: u64,
    },
}

/// Little-endian fields of a file, `None` beyond its end.
fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let field = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_le_bytes(*field))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    let field = bytes.get(offset..)?.first_chunk()?;
    Some(u64::from_le_bytes(*field))
}
