//! Guest memory: RAM, the bus a hart sees, and the fast table of translations. Knows no instruction set.

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
pub use ram::{BadAddress, PAGE_SIZE, Ram, RamError};
