//! What happens below the fast table, written down for measuring.

use super::Fence;
use crate::mem::tlb::core::Rights;

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// A page was walked to.
    Page {
        /// The address asked for.
        vaddr: u64,
        /// For a fetch.
        fetch: bool,
        /// The address space.
        satp: u64,
        /// The page's size: it covers `12 + 9 * size` bits of address.
        size: u32,
        /// What it allows.
        rights: Rights,
    },
    /// Something was to be forgotten.
    Fence(Fence),
}
