//! What a hierarchy is built of: entries, levels, and the walk cache beside them.

mod entry;
mod level;
mod policy;
mod regions;
mod shared;
mod spaces;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
mod unified;
mod walk_cache;

pub use entry::{Entry, Rights, View, keys, size_bits};
pub use level::{L1Tlb, L2Tlb, TlbLevel};
pub use policy::{FIFO, LFU, LRU, PLRU, Policy, RANDOM, Select};
pub use regions::Superpages;
pub use shared::{Kit, Native, SharedLevel, SharedTlb, Ticket, Word, WriterLock};
pub use spaces::{Spaces, UsedUp};
pub use unified::{Asker, Second, Unified};
pub use walk_cache::{Table, WalkCache};
