//! Who owns hierarchies, what is counted, and what must be forgotten.

mod flush;
mod manager;
mod recorded;
mod stats;
mod sync;

pub use flush::Fence;
pub use manager::Manager;
pub use recorded::Recorded;
pub use stats::TlbStats;
pub use sync::Mailbox;
