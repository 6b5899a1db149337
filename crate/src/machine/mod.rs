//! Boards, boot and firmware: the parts put together.

pub mod device_tree;
pub mod image;
pub mod map;
pub mod sbi;
