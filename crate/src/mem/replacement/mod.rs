//! Which way of a set gives way: replacement policies for set-associative caches.
//!
//! A cache tells its [`Replacement`] what happens to a set, and asks which way to give up when all are taken. One policy is
//! one file. What a policy knows of a set is plain data of a fixed size that the cache keeps beside its entries, so a
//! look-up allocates nothing. The branch-target cache ([`crate::engine::branch_target`]) is generic over it.
//!
//! A cache may move entries between the ways of a set, so that the likeliest is looked at first; [`Replacement::moved_to_front`]
//! tells the policy.

mod fifo;
mod lfu;
mod lru;
mod order;
mod plru;
mod random;
#[cfg(test)]
mod tests;

use std::fmt::Debug;

pub use fifo::Fifo;
pub use lfu::Lfu;
pub use lru::Lru;
pub use order::Order;
pub use plru::TreePlru;
pub use random::Random;

/// A replacement policy for sets of `WAYS` entries. The value itself holds what all sets share.
///
/// Ways are numbers below `WAYS`.
pub trait Replacement<const WAYS: usize>: Default + Debug {
    /// What is known of one set.
    type Set: Copy + Debug;
    /// What is known of a set that holds nothing.
    const EMPTY: Self::Set;
    /// The policy's name, for tables.
    const NAME: &'static str;

    /// The entry in `way` was used `times` times since the last call for it (at least once).
    fn touch(&mut self, set: &mut Self::Set, way: usize, times: u32);
    /// A new entry was put into `way`.
    fn fill(&mut self, set: &mut Self::Set, way: usize);
    /// The way to give up, where all are taken. Where some are empty, the cache fills those and does not ask.
    fn victim(&mut self, set: &mut Self::Set) -> usize;
    /// The entry in `way`, which was just touched or filled, and the one in way 0 have changed places.
    fn moved_to_front(&mut self, set: &mut Self::Set, way: usize);
}
