//! Replacement policies as numbers, so that they can be parameters of a level's type.

use crate::mem::replacement::{Fifo, Lfu, Lru, Random, Replacement, TreePlru};

/// Least recently used.
pub const LRU: u8 = 0;
/// Pseudo-LRU, a tree of bits.
pub const PLRU: u8 = 1;
/// Least frequently used.
pub const LFU: u8 = 2;
/// First in, first out.
pub const FIFO: u8 = 3;
/// Random.
pub const RANDOM: u8 = 4;

/// The policy of a number, to be asked for its type.
#[derive(Debug, Clone, Copy)]
pub struct Policy<const POLICY: u8>;

/// Maps a policy to what does it in sets of `WAYS` entries; all of that at compile time.
pub trait Select<const WAYS: usize> {
    /// What does it.
    type Replacement: Replacement<WAYS>;
}

macro_rules! select {
    ($($policy:ident $replacement:ty;)*) => {$(
        impl<const WAYS: usize> Select<WAYS> for Policy<$policy> {
            type Replacement = $replacement;
        }
    )*};
}

select! {
    LRU Lru;
    PLRU TreePlru;
    LFU Lfu;
    FIFO Fifo;
    RANDOM Random;
}

/// A policy and the number of ways it chooses from, in short.
pub(super) type Chosen<const WAYS: usize, const POLICY: u8> = <Policy<POLICY> as Select<WAYS>>::Replacement;

/// What such a policy knows of a set, in short.
pub(super) type Known<const WAYS: usize, const POLICY: u8> = <Chosen<WAYS, POLICY> as Replacement<WAYS>>::Set;
