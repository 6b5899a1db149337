//! Boards, boot and firmware: the parts put together.

pub mod map;
