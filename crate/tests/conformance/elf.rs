//! The least ELF file both machines load: a header and one loadable segment per piece of memory.

use crate::image::BASE;

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;

/// An executable whose entry is `BASE`, from (physical address, bytes) pairs.
pub fn write(segments: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(b"\x7fELF\x02\x01\x01");
    out.resize(16, 0);
    for half in [2u16, 243] {
        out.extend(half.to_le_bytes()); // ET_EXEC, EM_RISCV
    }
    out.extend(1u32.to_le_bytes());
    for word in [BASE, HEADER as u64, 0] {
        out.extend(word.to_le_bytes()); // entry, program headers, no section headers
    }
    out.extend(5u32.to_le_bytes()); // RVC, double-float ABI
    for half in [HEADER, PROGRAM_HEADER, segments.len(), 64, 0, 0] {
        out.extend((half as u16).to_le_bytes());
    }
    let mut offset = (HEADER + PROGRAM_HEADER * segments.len()) as u64;
    for (address, bytes) in segments {
        out.extend(1u32.to_le_bytes()); // PT_LOAD
        out.extend(7u32.to_le_bytes()); // R, W, X
        let size = bytes.len() as u64;
        for word in [offset, *address, *address, size, size, 1] {
            out.extend(word.to_le_bytes());
        }
        offset += size;
    }
    for (_, bytes) in segments {
        out.extend(bytes);
    }
    out
}
