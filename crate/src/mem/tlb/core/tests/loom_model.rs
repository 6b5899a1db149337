//! The shared level under every order in which threads may run and see each other's writes, as loom tries them.

use std::sync::atomic::Ordering;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, fence};
use loom::thread;

use super::super::shared::{Kit, SharedLevel, Word, WriterLock};
use super::super::{Entry, Rights, View};

/// What loom has in place of the host's own.
#[derive(Debug)]
struct Model;

impl Word for AtomicU64 {
    fn zero() -> Self {
        AtomicU64::new(0)
    }

    fn load(&self, ordering: Ordering) -> u64 {
        AtomicU64::load(self, ordering)
    }

    fn store(&self, value: u64, ordering: Ordering) {
        AtomicU64::store(self, value, ordering);
    }
}

#[derive(Debug)]
struct Lock(loom::sync::Mutex<()>);

impl Default for Lock {
    fn default() -> Self {
        Lock(loom::sync::Mutex::new(()))
    }
}

impl WriterLock for Lock {
    fn with(&self, work: impl FnOnce()) {
        let _guard = self.0.lock().unwrap();
        work();
    }

    fn try_with(&self, work: impl FnOnce()) {
        if let Ok(_guard) = self.0.try_lock() {
            work();
        }
    }
}

impl Kit for Model {
    type Word = AtomicU64;
    type Lock = Lock;

    fn fence(ordering: Ordering) {
        fence(ordering);
    }
}

type Level = SharedLevel<1, 1, Model>;

const VIEW: View = View { local: 1, global: 2 };
const SATP: u64 = 8 << 60 | 1;
const A: u64 = 0x1000;
const B: u64 = 0x2000;

/// The page of `vaddr`, at a place and with rights that belong together.
fn entry(vaddr: u64, version: u64) -> Entry {
    Entry::new(
        vaddr,
        0,
        vaddr << 8 | version << 32,
        Rights(version as u8 & 0xf),
        VIEW,
    )
}

/// Every order with at most so many changes of thread at points where none is needed.
fn model(work: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(work);
}

#[test]
fn a_look_up_sees_all_of_an_entry_or_nothing() {
    model(|| {
        let level = Arc::new(Level::default());
        level.insert(level.ticket(), A, SATP, entry(A, 1));
        let writer = Arc::clone(&level);
        let thread = thread::spawn(move || writer.insert(writer.ticket(), B, SATP, entry(B, 2)));
        for vaddr in [A, B] {
            let version = vaddr >> 12;
            let found = level.get(vaddr, SATP, VIEW);
            assert!(
                found.is_none_or(|found| found == entry(vaddr, version)),
                "{found:?}"
            );
        }
        thread.join().unwrap();
        assert_eq!(level.get(B, SATP, VIEW), Some(entry(B, 2)));
    });
}

#[test]
fn what_was_walked_for_before_a_fence_is_not_found_after_it() {
    model(|| {
        let level = Arc::new(Level::default());
        // Version 1 stands in the page table until it is changed to 2; the change is followed by a fence.
        let table = Arc::new(AtomicU64::new(1));
        let walker = (Arc::clone(&level), Arc::clone(&table));
        let thread = thread::spawn(move || {
            let (level, table) = walker;
            let ticket = level.ticket();
            let version = table.load(Ordering::Acquire);
            level.insert(ticket, A, SATP, entry(A, version));
        });
        table.store(2, Ordering::Release);
        level.flush_address(A, None);
        let found = level.get(A, SATP, VIEW);
        assert!(found.is_none_or(|found| found == entry(A, 2)), "{found:?}");
        thread.join().unwrap();
        let found = level.get(A, SATP, VIEW);
        assert!(found.is_none_or(|found| found == entry(A, 2)), "{found:?}");
    });
}
