//! Guest memory: RAM, the bus a hart sees, and what is remembered of translations. Knows no instruction set; of an
//! architecture only what its page tables say.

mod bus;
mod numa;
mod page_set;
mod pages;
mod ram;
pub mod replacement;
pub mod tlb;

pub use bus::{Bus, BusFault};
pub use numa::{MAX_NODES, Node, split_nodes};
pub use pages::HugePages;
#[cfg(target_arch = "wasm32")]
pub(crate) use pages::WASM_PAGE;
pub use ram::{BadAddress, PAGE_SIZE, Ram, RamError};
