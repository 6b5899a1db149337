//! ELF files: which parts go where, and where to start.

use std::ops::Range;

use ::elf::abi::{EM_RISCV, ET_DYN, ET_EXEC, PT_LOAD};
use ::elf::endian::LittleEndian;
use ::elf::file::Class;
use ::elf::{ElfBytes, ParseError};

use super::ImageError;

pub const MAGIC: &[u8] = b"\x7fELF";

/// More than any linker makes; a limit on the work that a file can cause.
const MOST_SEGMENTS: usize = 64;

// Offsets of header fields, for messages.
const CLASS_AT: u64 = 4;
const TYPE_AT: u64 = 16;
const MACHINE_AT: u64 = 18;
const ENTRY_AT: u64 = 24;
const COUNT_AT: u64 = 56;
const PROGRAM_HEADER_SIZE: u64 = 56;

/// A piece of the file and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Where in the file its program header is.
    pub header_at: u64,
    /// First guest-physical byte.
    pub addr: u64,
    /// What comes first.
    pub bytes: &'a [u8],
    /// Length in memory, at least that of `bytes`; the rest is zero.
    pub size: u64,
}

/// Segments in file order and the physical entry address. `base` is where a position-independent file goes whose
/// addresses are below it.
pub fn parse<'a>(image: &str, bytes: &'a [u8], base: u64) -> Result<(Vec<Segment<'a>>, u64), ImageError> {
    let wrong = |offset, expected, found: String| ImageError::Format {
        image: image.into(),
        offset,
        expected,
        found,
    };
    let parsed =
        |offset: u64| move |error: ParseError| wrong(offset, "a well-formed ELF file", error.to_string());
    // Looked at before parsing, which would take the other byte order or class for damage.
    if bytes.get(4..6) != Some(&[2, 1]) {
        let found = format!("class and byte order {:?}", bytes.get(4..6).unwrap_or_default());
        return Err(wrong(CLASS_AT, "a 64-bit little-endian ELF file ([2, 1])", found));
    }
    let file = ElfBytes::<LittleEndian>::minimal_parse(bytes).map_err(parsed(0))?;
    let header = &file.ehdr;
    if header.class != Class::ELF64 || header.e_machine != EM_RISCV {
        let found = format!("ELF machine {}", header.e_machine);
        return Err(wrong(MACHINE_AT, "a RISC-V program (ELF machine 243)", found));
    }
    if !matches!(header.e_type, ET_EXEC | ET_DYN) {
        let found = format!("ELF type {}", header.e_type);
        return Err(wrong(TYPE_AT, "an executable (ELF type 2 or 3)", found));
    }

    let headers: Vec<_> = file
        .segments()
        .into_iter()
        .flatten()
        .enumerate()
        .filter(|(_, header)| header.p_type == PT_LOAD && header.p_memsz != 0)
        .take(MOST_SEGMENTS + 1)
        .collect();
    if headers.is_empty() || headers.len() > MOST_SEGMENTS {
        let found = if headers.is_empty() { "none" } else { "more" };
        return Err(wrong(COUNT_AT, "1 to 64 segments to load", found.into()));
    }
    let lowest = headers
        .iter()
        .map(|(_, header)| header.p_paddr)
        .min()
        .unwrap_or(0);
    let bias = if header.e_type == ET_DYN {
        base.saturating_sub(lowest)
    } else {
        0
    };

    let mut segments = Vec::with_capacity(headers.len());
    let mut entry = None;
    for (index, program) in headers {
        let header_at = header.e_phoff.wrapping_add(index as u64 * PROGRAM_HEADER_SIZE);
        let contents = file.segment_data(&program).map_err(parsed(header_at))?;
        if program.p_filesz > program.p_memsz {
            let found = format!(
                "{:#x} in file, {:#x} in memory",
                program.p_filesz, program.p_memsz
            );
            return Err(wrong(
                header_at,
                "a segment no larger in the file than in memory",
                found,
            ));
        }
        let addr = program.p_paddr.wrapping_add(bias);
        // Kernels are linked at virtual addresses, entry included; started they are at physical ones.
        let into = header.e_entry.wrapping_sub(program.p_vaddr);
        if into < program.p_memsz {
            entry = entry.or(Some(addr.wrapping_add(into)));
        }
        segments.push(Segment {
            header_at,
            addr,
            bytes: contents,
            size: program.p_memsz,
        });
    }
    let physical =
        |segment: &Segment<'_>| -> Range<u64> { segment.addr..segment.addr.saturating_add(segment.size) };
    let entry = entry
        .or_else(|| {
            let inside = segments
                .iter()
                .any(|segment| physical(segment).contains(&header.e_entry));
            inside.then_some(header.e_entry)
        })
        .ok_or_else(|| {
            let found = format!("{:#x}", header.e_entry);
            wrong(ENTRY_AT, "an entry address inside one of the segments", found)
        })?;
    Ok((segments, entry))
}
