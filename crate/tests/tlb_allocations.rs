//! Look-ups of translations allocate nothing: counted by an allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use tabvisor::mem::tlb::core::Rights;
use tabvisor::mem::tlb::{Fence, Manager, TlbConfig};

/// The system's allocator, with a count for each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: all is done by the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no count any more, and is not asked for it.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SATP: u64 = 8 << 60 | 1 << 44;

/// Allocations that `work` makes.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn hits_misses_and_fences_allocate_nothing() {
    for words in [
        "unified",
        "per-cpu,lfu",
        "concurrent,fifo",
        "unified,plru,prefetch=4",
        "unified,random",
    ] {
        let config = TlbConfig::parse(words).unwrap();
        let manager = Manager::new(config, 1);
        let mut hierarchy = manager.hierarchy();
        let pages = || (0..1000_u64).map(|page| page << 12);
        let enter = allocations(|| {
            for vaddr in pages() {
                assert_eq!(hierarchy.look_up(vaddr, false, SATP), None);
                let ticket = hierarchy.begin_walk();
                hierarchy.insert(vaddr, false, 0, 0x8000_0000 + vaddr, Rights(0xcf), ticket);
            }
        });
        let hits = allocations(|| {
            for vaddr in pages().skip(800).cycle().take(100_000) {
                assert!(hierarchy.look_up(vaddr, false, SATP).is_some());
            }
        });
        assert!(hierarchy.stats().l1_data_hits >= 99_000, "{words}");
        let fences = allocations(|| {
            hierarchy.fence(Fence::of_page(0x1000, None));
            hierarchy.fence(Fence::Asid(1));
            hierarchy.fence(Fence::All);
        });
        assert_eq!((enter, hits, fences), (0, 0, 0), "{words}");
    }
}
