//! The structure through which `fw_dynamic` builds of OpenSBI learn where to go next, passed in `a2`.
//!
//! From OpenSBI's `include/sbi/fw_dynamic.h`.

/// "OSBI", little-endian.
const MAGIC: u64 = 0x4942_534f;
const VERSION: u64 = 2;
/// S-mode, as privilege levels are numbered.
const NEXT_MODE: u64 = 1;
const OPTIONS: u64 = 0;
const BOOT_HART: u64 = 0;

/// The structure's bytes; `next` is the physical address of what runs after the firmware, in S-mode on hart 0.
pub fn encode(next: u64) -> Vec<u8> {
    [MAGIC, VERSION, next, NEXT_MODE, OPTIONS, BOOT_HART]
        .iter()
        .flat_map(|field| field.to_le_bytes())
        .collect()
}
