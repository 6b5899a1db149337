//! Figures of a running machine.

use serde::{Deserialize, Serialize};

use crate::engine::tiered::JitStats;
use crate::mem::tlb::TlbStats;

/// Figures since power-on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Instructions retired, all harts.
    pub instructions: u64,
    /// Guest time since power-on, in nanoseconds.
    pub guest_ns: u64,
    /// Guest time in which every hart waited, in nanoseconds.
    pub idle_ns: u64,
    /// Loads and stores executed.
    pub accesses: u64,
    /// Loads and stores that the fast table did not answer.
    pub tlb_misses: u64,
    /// Times that a hart's fast table was emptied.
    pub tlb_flushes: u64,
    /// What happened below the fast table, all harts.
    pub tlb: TlbStats,
    /// Bytes of guest RAM.
    pub ram_bytes: u64,
    /// Pages of decoded code held.
    pub code_pages: u64,
    /// Decoded instructions held.
    pub code_instructions: u64,
    /// The compiler's, under engines that have one.
    pub jit: Option<JitStats>,
}

/// What guest memory takes of the host's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUse {
    /// Bytes of guest RAM that the host holds: natively those of pages in its memory, else those of pages ever touched.
    pub ram_in_use_bytes: u64,
    /// Bytes of guest RAM given back to the host because they were zero, since power-on. The guest may have used them again.
    pub ram_trimmed_bytes: u64,
}
