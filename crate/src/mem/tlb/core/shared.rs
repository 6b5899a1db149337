//! The second level that all harts of a machine share.
//!
//! Look-ups take no lock: each set is guarded by a sequence number, which is odd while somebody writes (a *seqlock*). A
//! look-up that meets a writer finds nothing, and the page table is walked instead; so nobody ever waits to read. Writers are
//! serialised by a lock. Who wants to enter something and finds it taken lets it be; who must forget something waits.
//!
//! ASIDs, and global pages too, mean something to one hart only (privileged specification, section 11.1.11, "Supervisor
//! Address Translation and Protection Register": "ASIDs are private to a hart" unless software makes them otherwise). So
//! entries are tagged with all of `satp`: harts that have the same root and ASID share, others do not.
//!
//! Between a walk and the entering of what it found, another hart may have changed the page table and forgotten the page here.
//! So [`SharedLevel::ticket`] is taken before the walk, and nothing is entered if anything was forgotten since.
//!
//! What gives way is what was entered first: a look-up would have to write to tell more.

use std::fmt::Debug;
use std::sync::atomic::{self, AtomicU64, Ordering};

use super::entry::{Entry, NO_KEY, SIZES, View, is_of_page, keys, page_key, size_bits};
use crate::mem::tlb::hierarchy::asid_of;

/// A word that threads share.
pub trait Word: Debug + Send + Sync {
    /// A word that is 0.
    fn zero() -> Self;
    /// As [`AtomicU64::load`].
    fn load(&self, ordering: Ordering) -> u64;
    /// As [`AtomicU64::store`].
    fn store(&self, value: u64, ordering: Ordering);
}

/// The lock among writers.
pub trait WriterLock: Debug + Default + Send + Sync {
    /// Does `work` once the lock is free.
    fn with(&self, work: impl FnOnce());
    /// Does `work` if the lock is free now.
    fn try_with(&self, work: impl FnOnce());
}

/// What threads share memory with: the host's own, or a model of it in tests.
pub trait Kit: Debug {
    /// Its words.
    type Word: Word;
    /// Its lock.
    type Lock: WriterLock;
    /// As [`atomic::fence`].
    fn fence(ordering: Ordering);
}

/// The host's own.
#[derive(Debug)]
pub struct Native;

impl Word for AtomicU64 {
    fn zero() -> Self {
        AtomicU64::new(0)
    }

    #[inline(always)]
    fn load(&self, ordering: Ordering) -> u64 {
        AtomicU64::load(self, ordering)
    }

    #[inline(always)]
    fn store(&self, value: u64, ordering: Ordering) {
        AtomicU64::store(self, value, ordering);
    }
}

impl WriterLock for parking_lot::Mutex<()> {
    fn with(&self, work: impl FnOnce()) {
        let _guard = self.lock();
        work();
    }

    fn try_with(&self, work: impl FnOnce()) {
        if let Some(_guard) = self.try_lock() {
            work();
        }
    }
}

impl Kit for Native {
    type Word = AtomicU64;
    type Lock = parking_lot::Mutex<()>;

    #[inline(always)]
    fn fence(ordering: Ordering) {
        atomic::fence(ordering);
    }
}

/// The shared second level that machines have: 4096 entries.
pub type SharedTlb = SharedLevel<512, 8, Native>;

/// The view that keys are made with: whose an entry is says its tag.
const ANYBODY: View = View { local: 0, global: 0 };

#[derive(Debug)]
struct Slot<W> {
    key: W,
    /// The `satp` for which the page table was walked.
    tag: W,
    data: W,
}

#[derive(Debug)]
struct Set<W, const WAYS: usize> {
    sequence: W,
    /// The way that gives way next.
    next: W,
    slots: [Slot<W>; WAYS],
}

/// `SETS` (a power of two) sets of `WAYS` translations, for all harts.
#[derive(Debug)]
pub struct SharedLevel<const SETS: usize, const WAYS: usize, K: Kit = Native> {
    sets: Box<[Set<K::Word, WAYS>]>,
    /// A bit for each size that may be there.
    sizes: K::Word,
    /// How often something was forgotten.
    forgotten: K::Word,
    writer: K::Lock,
}

impl<const SETS: usize, const WAYS: usize, K: Kit> Default for SharedLevel<SETS, WAYS, K> {
    fn default() -> Self {
        const { assert!(SETS.is_power_of_two(), "the number of sets is a power of two") };
        let set = |_| Set {
            sequence: Word::zero(),
            next: Word::zero(),
            slots: std::array::from_fn(|_| Slot {
                key: Word::zero(),
                tag: Word::zero(),
                data: Word::zero(),
            }),
        };
        SharedLevel {
            sets: (0..SETS).map(set).collect(),
            sizes: Word::zero(),
            forgotten: Word::zero(),
            writer: K::Lock::default(),
        }
    }
}

/// What was forgotten when a walk began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

impl<const SETS: usize, const WAYS: usize, K: Kit> SharedLevel<SETS, WAYS, K> {
    fn set(&self, vaddr: u64, size: u32) -> &Set<K::Word, WAYS> {
        &self.sets[(vaddr >> size_bits(size)) as usize & (SETS - 1)]
    }

    fn sizes(&self) -> impl Iterator<Item = u32> {
        let sizes = self.sizes.load(Ordering::Acquire);
        (0..SIZES).filter(move |size| sizes >> size & 1 != 0)
    }

    /// To be taken before a walk whose result is to be entered.
    pub fn ticket(&self) -> Ticket {
        Ticket(self.forgotten.load(Ordering::Acquire))
    }

    /// The translation of the page around `vaddr` for harts with this `satp`, as `view` sees it.
    #[inline]
    pub fn get(&self, vaddr: u64, satp: u64, view: View) -> Option<Entry> {
        self.sizes().find_map(|size| {
            let data = self.read(self.set(vaddr, size), vaddr, size, satp)?;
            let [local, global] = keys(vaddr, size, view);
            let rights = Entry::of_words([local, data]).rights();
            let is_global = rights.0 & super::Rights::GLOBAL != 0;
            Some(Entry::of_words([if is_global { global } else { local }, data]))
        })
    }

    /// The data of the page in a set, if nobody writes there.
    fn read(&self, set: &Set<K::Word, WAYS>, vaddr: u64, size: u32, satp: u64) -> Option<u64> {
        let before = set.sequence.load(Ordering::Acquire);
        if before & 1 != 0 {
            return None;
        }
        let page = page_key(vaddr, size);
        let mut found = None;
        for slot in &set.slots {
            let key = slot.key.load(Ordering::Relaxed);
            if is_of_page(key, page) && key != NO_KEY && slot.tag.load(Ordering::Relaxed) == satp {
                found = Some(slot.data.load(Ordering::Relaxed));
            }
        }
        // What was read is read before the number is looked at again.
        K::fence(Ordering::Acquire);
        let after = set.sequence.load(Ordering::Relaxed);
        found.filter(|_| after == before)
    }

    /// Changes a set; only by who has the lock.
    fn write(set: &Set<K::Word, WAYS>, work: impl FnOnce()) {
        let sequence = set.sequence.load(Ordering::Relaxed);
        set.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
        // Nobody sees what is written next without that number.
        K::fence(Ordering::Release);
        work();
        set.sequence.store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// Enters what a walk found, unless something was forgotten since `ticket` or another hart is writing.
    pub fn insert(&self, ticket: Ticket, vaddr: u64, satp: u64, entry: Entry) {
        self.writer.try_with(|| {
            if self.forgotten.load(Ordering::Relaxed) != ticket.0 {
                return;
            }
            let size = entry.size();
            let sizes = self.sizes.load(Ordering::Relaxed);
            self.sizes.store(sizes | 1 << size, Ordering::Release);
            let set = self.set(vaddr, size);
            let page = page_key(vaddr, size);
            let is_same = |slot: &&Slot<K::Word>| {
                is_of_page(slot.key.load(Ordering::Relaxed), page) && slot.tag.load(Ordering::Relaxed) == satp
            };
            let is_empty = |slot: &&Slot<K::Word>| slot.key.load(Ordering::Relaxed) == NO_KEY;
            let same = set.slots.iter().find(is_same);
            let slot = same.or_else(|| set.slots.iter().find(is_empty));
            Self::write(set, || {
                let slot = slot.unwrap_or_else(|| {
                    let next = set.next.load(Ordering::Relaxed);
                    set.next.store(next.wrapping_add(1), Ordering::Relaxed);
                    &set.slots[next as usize % WAYS]
                });
                slot.key.store(keys(vaddr, size, ANYBODY)[0], Ordering::Relaxed);
                slot.tag.store(satp, Ordering::Relaxed);
                slot.data.store(entry.words()[1], Ordering::Relaxed);
            });
        });
    }

    /// Empties the slots of a set for which `is_stale` says so, of key, tag and data.
    fn empty(set: &Set<K::Word, WAYS>, is_stale: impl Fn(u64, u64, u64) -> bool) {
        let stale = |slot: &&Slot<K::Word>| {
            let [key, tag, data] =
                [&slot.key, &slot.tag, &slot.data].map(|word| word.load(Ordering::Relaxed));
            key != NO_KEY && is_stale(key, tag, data)
        };
        if set.slots.iter().any(|slot| stale(&slot)) {
            Self::write(set, || {
                let slots = set.slots.iter().filter(stale);
                slots.for_each(|slot| slot.key.store(NO_KEY, Ordering::Relaxed));
            });
        }
    }

    /// Does what forgets something: with the lock, and such that walks that have begun enter nothing.
    fn forget(&self, work: impl FnOnce()) {
        self.writer.with(|| {
            let forgotten = self.forgotten.load(Ordering::Relaxed);
            self.forgotten.store(forgotten.wrapping_add(1), Ordering::Release);
            work();
        });
    }

    /// Forgets what is known of the address: pages of every size around it. With `asid`, only of harts that have that ASID,
    /// and no global page.
    pub fn flush_address(&self, vaddr: u64, asid: Option<u16>) {
        self.forget(|| {
            for size in self.sizes() {
                let page = page_key(vaddr, size);
                Self::empty(self.set(vaddr, size), |key, tag, data| {
                    is_of_page(key, page) && asid.is_none_or(|asid| is_own(tag, data, asid))
                });
            }
        });
    }

    /// Forgets what harts that have this ASID do not share with all address spaces.
    pub fn flush_asid(&self, asid: u16) {
        self.forget(|| {
            let sets = self.sets.iter();
            sets.for_each(|set| Self::empty(set, |_, tag, data| is_own(tag, data, asid)));
        });
    }

    /// Forgets everything.
    pub fn flush(&self) {
        self.forget(|| {
            self.sets.iter().for_each(|set| Self::empty(set, |_, _, _| true));
            self.sizes.store(0, Ordering::Release);
        });
    }
}

/// Whether an entry of these is of this ASID and not global.
fn is_own(satp: u64, data: u64, asid: u16) -> bool {
    asid_of(satp) == asid && data & u64::from(super::Rights::GLOBAL) == 0
}
