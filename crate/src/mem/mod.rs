//! Guest memory.

mod ram;

pub use ram::{BadAddress, PAGE_SIZE, Ram, RamError};
