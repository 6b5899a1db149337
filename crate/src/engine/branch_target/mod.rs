//! The branch-target cache: from the guest-virtual address that an indirect jump or a return goes to, to compiled code.
//!
//! It is set-associative; sets, ways and replacement policy are parameters of the type, and [`DefaultBranchTargets`] is
//! what measurement chose (`docs/jit.md`). Keys are addresses only. The owner keeps one cache for each hart and
//! privilege, or flushes on a change of privilege; it removes what goes, or flushes, which costs only as much as was inserted
//! since the last flush.
//!
//! # What compiled code may rely on
//!
//! Compiled code looks into the cache itself. The memory behind [`BranchTargetCache::entries_ptr`] does not move while
//! the cache lives, and is laid out like this:
//!
//! ```text
//! entries_ptr + (set * WAYS + way) * 32      set < SETS, way < WAYS
//!    +0 u64 pc         guest-virtual address; all ones: empty
//!    +8 u64 function   index into the wasm table, or address of machine code
//!   +16 u64 entry      number of the entry within the region
//!   +24 u64 uses       hits the policy does not know of
//! ```
//!
//! [`BranchTargetCache::layout`] says the same in the words of [`crate::ir::abi`]. The set of an address is [`set_index`]:
//! `(pc >> 1 ^ pc >> 12) & (SETS - 1)`.
//! The code compares `pc` with ways 0 to `WAYS - 1` of that set, in this order (an empty way matches nothing, since the
//! low bit of `pc` is clear), and goes to the first that is equal; it may stop before the last way. If none is, it
//! goes back to the run loop, which asks [`BranchTargetCache::lookup`], compiles or interprets, and calls
//! [`BranchTargetCache::insert`].
//!
//! Hits in compiled code tell the policy nothing: to LRU and LFU an entry is as old, and as little used, as the run loop's own
//! look-ups say. Code that adds one to `uses` on a hit makes up for that; the counts are taken over when the policy
//! has to choose. For the same reason an entry found or made by the run loop moves to way 0 of its set: what was
//! needed last is looked at first.

mod entry;
#[cfg(test)]
mod tests;

use std::fmt::Debug;

use super::bits::ones;
use crate::ir::abi::TargetLayout;
use crate::mem::replacement::{Lru, Replacement};
pub use entry::{Entry, NO_PC, Target};

/// The cache that engines use; `docs/jit.md` has the figures that chose it.
pub type DefaultBranchTargets = BranchTargetCache<4096, 2, Lru>;

/// How far an address is shifted before it is folded over itself to give a set: the page's number.
pub const FOLD_SHIFT: u32 = 12;

/// The set, of `sets` (a power of two), in which `pc` is looked for.
#[inline(always)]
pub const fn set_index(pc: u64, sets: usize) -> usize {
    (pc >> 1 ^ pc >> FOLD_SHIFT) as usize & (sets - 1)
}

/// What happened in a cache since it was made. Hits of compiled code are not among it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct BranchTargetStats {
    /// Look-ups that found a target.
    pub hits: u64,
    /// Look-ups that found none.
    pub misses: u64,
    /// Targets that had to give way to another.
    pub evictions: u64,
    /// Calls of [`BranchTargetCache::flush`].
    pub flushes: u64,
}

/// A cache of `SETS` sets (a power of two) of `WAYS` targets, from which `P` chooses what gives way.
#[derive(Debug)]
pub struct BranchTargetCache<const SETS: usize, const WAYS: usize, P: Replacement<WAYS>> {
    entries: Box<[[Entry; WAYS]]>,
    /// What the policy knows of each set.
    known: Box<[P::Set]>,
    /// A bit for each set that may hold something.
    dirty: Box<[u64]>,
    policy: P,
    stats: BranchTargetStats,
}

impl<const SETS: usize, const WAYS: usize, P: Replacement<WAYS>> Default
    for BranchTargetCache<SETS, WAYS, P>
{
    fn default() -> Self {
        const {
            assert!(SETS.is_power_of_two(), "the number of sets is a power of two");
            assert!(WAYS > 0, "a set has at least one way");
        }
        BranchTargetCache {
            entries: vec![[Entry::EMPTY; WAYS]; SETS].into_boxed_slice(),
            known: vec![P::EMPTY; SETS].into_boxed_slice(),
            dirty: vec![0; SETS.div_ceil(64)].into_boxed_slice(),
            policy: P::default(),
            stats: BranchTargetStats::default(),
        }
    }
}

impl<const SETS: usize, const WAYS: usize, P: Replacement<WAYS>> BranchTargetCache<SETS, WAYS, P> {
    /// Sets.
    pub const SETS: usize = SETS;
    /// Entries in a set.
    pub const WAYS: usize = WAYS;

    /// What a back end must know.
    pub fn layout() -> TargetLayout {
        TargetLayout {
            set_mask: SETS as u32 - 1,
            fold_shift: FOLD_SHIFT,
            ways: WAYS as u32,
            entry_bytes: Entry::SIZE as u32,
            pc: std::mem::offset_of!(Entry, pc) as u32,
            function: std::mem::offset_of!(Entry, function) as u32,
            entry: std::mem::offset_of!(Entry, entry) as u32,
        }
    }

    /// The first entry of the first set, for compiled code: see the module's documentation.
    pub fn entries_ptr(&mut self) -> *mut Entry {
        self.entries.as_mut_ptr().cast()
    }

    /// The target of `pc`.
    #[inline]
    pub fn lookup(&mut self, pc: u64) -> Option<Target> {
        let set = set_index(pc, SETS);
        // Otherwise `NO_PC`, where nothing can jump, would find empty ways.
        let found = if pc & 1 == 0 { self.find(set, pc) } else { None };
        let Some(way) = found else {
            self.stats.misses += 1;
            return None;
        };
        self.stats.hits += 1;
        let target = self.entries[set][way].target();
        self.policy.touch(&mut self.known[set], way, 1);
        self.move_to_front(set, way);
        Some(target)
    }

    /// Remembers the target of `pc`, in place of what was known of `pc`. An odd `pc`, which no instruction has, is left out.
    pub fn insert(&mut self, pc: u64, target: Target) {
        if pc & 1 != 0 {
            return;
        }
        let set = set_index(pc, SETS);
        let way = if let Some(way) = self.find(set, pc) {
            self.policy.touch(&mut self.known[set], way, 1);
            way
        } else {
            let way = self.find(set, NO_PC).unwrap_or_else(|| self.evict(set));
            self.entries[set][way] = Entry { pc, ..Entry::EMPTY };
            self.policy.fill(&mut self.known[set], way);
            self.dirty[set / 64] |= 1 << (set % 64);
            way
        };
        self.entries[set][way].point_to(target);
        self.move_to_front(set, way);
    }

    /// Forgets the target of `pc`, and returns it.
    pub fn remove(&mut self, pc: u64) -> Option<Target> {
        if pc & 1 != 0 {
            return None;
        }
        let set = set_index(pc, SETS);
        let way = self.find(set, pc)?;
        let entry = std::mem::replace(&mut self.entries[set][way], Entry::EMPTY);
        Some(entry.target())
    }

    /// Forgets everything. Only sets that were filled since the last flush are written.
    pub fn flush(&mut self) {
        self.stats.flushes += 1;
        for set in ones(&self.dirty) {
            self.entries[set] = [Entry::EMPTY; WAYS];
            self.known[set] = P::EMPTY;
        }
        self.dirty.fill(0);
    }

    /// What happened so far.
    pub fn stats(&self) -> BranchTargetStats {
        self.stats
    }

    /// The way of `set` that holds `pc`.
    #[inline]
    fn find(&self, set: usize, pc: u64) -> Option<usize> {
        self.entries[set].iter().position(|entry| entry.pc == pc)
    }

    /// The way of a full set that gives way.
    fn evict(&mut self, set: usize) -> usize {
        self.stats.evictions += 1;
        let known = &mut self.known[set];
        // What compiled code used counts now; nobody knows in which order, so the front counts as latest.
        for (way, entry) in self.entries[set].iter_mut().enumerate().rev() {
            let uses = std::mem::take(&mut entry.uses);
            if uses > 0 {
                let times = u32::try_from(uses).unwrap_or(u32::MAX);
                self.policy.touch(known, way, times);
            }
        }
        self.policy.victim(known)
    }

    fn move_to_front(&mut self, set: usize, way: usize) {
        if way != 0 {
            self.entries[set].swap(0, way);
            self.policy.moved_to_front(&mut self.known[set], way);
        }
    }
}
