//! Decides what to look up ahead.
//!
//! The pages that data accesses missed the fast table with are followed. Where one of them was not in the hierarchy either,
//! or was there only because it had been looked up ahead, and the sequence has a step, the next pages are worth a walk: their
//! leaves stand beside the one just read. The walk itself (`isa::riscv::mmu`) sets no A or D bit, raises nothing and reads
//! only RAM; pages whose A bit is clear are left out, since entering them would have to set it.

use super::{AccessPattern, Ahead};

/// Looks ahead of strides.
#[derive(Debug)]
pub struct Prefetcher {
    pattern: AccessPattern,
    depth: u8,
}

impl Prefetcher {
    /// Looks `depth` pages ahead.
    pub fn new(depth: u8) -> Self {
        Prefetcher {
            pattern: AccessPattern::default(),
            depth,
        }
    }

    /// An access to `vaddr` was looked up: what comes next, if that can be told.
    pub fn observe(&mut self, vaddr: u64) -> Option<Ahead> {
        let pattern = self.pattern.observe(vaddr >> 12);
        Ahead::of(pattern, vaddr, self.depth)
    }
}
