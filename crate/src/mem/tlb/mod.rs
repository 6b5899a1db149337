//! Translations that are remembered, in three layers.
//!
//! ```text
//! compiled code, interpreter ──▶ fast table                    one comparison, in line
//!                                  │ missed
//!                                  ▼
//!                        first level, instructions or data     256 entries each
//!                                  │ missed
//!                                  ▼
//!                           second level                       4096 entries, one hart's or all harts'
//!                                  │ missed
//!                                  ▼
//!                  page table, from where the walk cache says  (`isa::riscv::mmu`)
//! ```
//!
//! - [`fast`]: pages of 4 KiB as one hart may use them right now, with host addresses. It knows no address spaces: what belongs
//!   to one goes when that changes.
//! - [`core`]: what the hierarchy below it is built of. It keeps pages in their own size, for many address spaces, with
//!   their rights; whoever asks checks these against the present state, so a change of that flushes nothing.
//! - [`optimization`]: what guesses: prefetching, and fitting the hierarchy to the guest.
//! - [`management`]: who owns hierarchies, what is counted, and fences, also between harts.
//! - [`hierarchy`]: the levels of one hart put together as a [`TlbConfig`] says. It is asked once for each access that
//!   the fast table does not answer, and finds its implementation by one `match`.

pub mod config;
pub mod core;
pub mod fast;
pub mod hierarchy;
pub mod management;
pub mod optimization;

pub use config::{HierarchyKind, PolicyKind, TlbConfig, TlbConfigError};
pub use fast::{Context, ENTRIES, Entry, Mapping, Tlb, index, tag};
pub use hierarchy::Hierarchy;
pub use management::{Fence, Manager, TlbStats};
