//! Unpacking kernels: gzip, zstd, and either of them inside Linux's self-extracting EFI image ("zboot").

use std::borrow::Cow;
use std::io::Read;

use flate2::read::GzDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::{ImageError, u32_at};

/// What is not unpacked here, but known by its first bytes: a clear error beats running it as code.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x89LZO", "lzo"),
];

const GZIP: &[u8] = b"\x1f\x8b\x08";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

// The zboot header, from `drivers/firmware/efi/libstub/zboot-header.S`: "MZ", then these.
const ZBOOT_MAGIC_AT: usize = 4;
const ZBOOT_MAGIC: &[u8] = b"zimg";
const ZBOOT_PAYLOAD_AT: usize = 8;
const ZBOOT_SIZE_AT: usize = 12;
const ZBOOT_METHOD: std::ops::Range<usize> = 24..56;

/// What is packed in `bytes`, or `bytes` themselves. At most `limit` bytes come out.
pub fn unpack<'a>(image: &str, bytes: &'a [u8], limit: u64) -> Result<Cow<'a, [u8]>, ImageError> {
    let (offset, packed) = payload(image, bytes)?;
    let read: (&'static str, Result<Vec<u8>, String>) = if packed.starts_with(GZIP) {
        ("gzip", drain(GzDecoder::new(packed), limit))
    } else if packed.starts_with(ZSTD) {
        let decoder = StreamingDecoder::new(packed).map_err(|error| error.to_string());
        ("zstd", decoder.and_then(|decoder| drain(decoder, limit)))
    } else if let Some((_, method)) = FOREIGN.iter().find(|(magic, _)| packed.starts_with(magic)) {
        return Err(unknown(image, offset, method));
    } else if offset != 0 {
        // A zboot payload is always compressed.
        let method = bytes.get(ZBOOT_METHOD).unwrap_or_default();
        let method = method.split(|&byte| byte == 0).next().unwrap_or_default();
        return Err(unknown(image, offset, &String::from_utf8_lossy(method)));
    } else {
        return Ok(Cow::Borrowed(bytes));
    };
    match read {
        (_, Ok(unpacked)) if unpacked.len() as u64 > limit => Err(ImageError::TooBig {
            image: image.into(),
            limit,
        }),
        (_, Ok(unpacked)) => Ok(Cow::Owned(unpacked)),
        (method, Err(reason)) => Err(ImageError::Decompression {
            image: image.into(),
            offset,
            method,
            reason,
        }),
    }
}

fn unknown(image: &str, offset: u64, method: &str) -> ImageError {
    ImageError::UnknownCompression {
        image: image.into(),
        offset,
        method: method.into(),
    }
}

/// Reads to the end, or until there is one byte more than `limit`.
fn drain(decoder: impl Read, limit: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    decoder
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// The payload of a zboot image and its offset; of any other file, all of it.
fn payload<'a>(image: &str, bytes: &'a [u8]) -> Result<(u64, &'a [u8]), ImageError> {
    let zboot = bytes.starts_with(b"MZ")
        && bytes
            .get(ZBOOT_MAGIC_AT..)
            .is_some_and(|rest| rest.starts_with(ZBOOT_MAGIC));
    if !zboot {
        return Ok((0, bytes));
    }
    let field = |at| u32_at(bytes, at).unwrap_or(0) as usize;
    let (start, size) = (field(ZBOOT_PAYLOAD_AT), field(ZBOOT_SIZE_AT));
    // The header comes first, so a payload at 0 is nonsense too.
    start
        .checked_add(size)
        .filter(|_| start >= ZBOOT_METHOD.end)
        .and_then(|end| bytes.get(start..end))
        .map(|payload| (start as u64, payload))
        .ok_or_else(|| ImageError::Format {
            image: image.into(),
            offset: ZBOOT_PAYLOAD_AT as u64,
            expected: "the offset and size of a compressed kernel inside the file",
            found: format!(
                "offset {start:#x}, size {size:#x} in a file of {:#x} bytes",
                bytes.len()
            ),
        })
}
