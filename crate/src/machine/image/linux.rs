//! The header of Linux's RISC-V `Image`, from the kernel's `Documentation/arch/riscv/boot-image-header.rst`. An
//! EFI-stub `Image` has the same header: its first instruction also spells "MZ".

use super::{ImageError, u32_at, u64_at};

const TEXT_OFFSET_AT: usize = 8;
const IMAGE_SIZE_AT: usize = 16;
const FLAGS_AT: usize = 24;
const MAGIC_AT: usize = 0x38;
const MAGIC: u32 = u32::from_le_bytes(*b"RSC\x05");
const ARM64_MAGIC: u32 = u32::from_le_bytes(*b"ARM\x64");
/// Where the boot sector of an x86 kernel says "HdrS".
const X86_MAGIC_AT: usize = 0x202;
const X86_MAGIC: u32 = u32::from_le_bytes(*b"HdrS");

const FLAG_BIG_ENDIAN: u64 = 1;

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Distance of the kernel from the start of RAM.
    pub text_offset: u64,
    /// Memory the kernel needs from its start, file and zeroed data together.
    pub image_size: u64,
}

impl Header {
    /// Offset of the field that says where to load and how much.
    pub const FIELD: u64 = TEXT_OFFSET_AT as u64;

    /// The header, or `None` if the file has none.
    pub fn parse(image: &str, bytes: &[u8]) -> Result<Option<Self>, ImageError> {
        let wrong = |offset, expected, found: &str| {
            Err(ImageError::Format {
                image: image.into(),
                offset,
                expected,
                found: found.into(),
            })
        };
        let magic = u32_at(bytes, MAGIC_AT);
        if magic == Some(ARM64_MAGIC) {
            return wrong(MAGIC_AT as u64, "a 64-bit RISC-V kernel", "a kernel for arm64");
        }
        if u32_at(bytes, X86_MAGIC_AT) == Some(X86_MAGIC) {
            return wrong(X86_MAGIC_AT as u64, "a 64-bit RISC-V kernel", "a kernel for x86");
        }
        let (Some(MAGIC), Some(text_offset), Some(image_size), Some(flags)) = (
            magic,
            u64_at(bytes, TEXT_OFFSET_AT),
            u64_at(bytes, IMAGE_SIZE_AT),
            u64_at(bytes, FLAGS_AT),
        ) else {
            return Ok(None);
        };
        if flags & FLAG_BIG_ENDIAN != 0 {
            return wrong(FLAGS_AT as u64, "a little-endian kernel", "a big-endian one");
        }
        Ok(Some(Self {
            text_offset,
            image_size,
        }))
    }
}
