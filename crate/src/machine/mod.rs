//! Boards, boot and firmware: the parts put together.
