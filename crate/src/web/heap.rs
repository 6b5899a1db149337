//! The allocator of the page: dlmalloc, as in Rust's library, but memory grows in large steps, and between slices.
//!
//! With thousands of instances that have the memory, and each module of compiled code is one, `memory.grow` was seen to take two to six
//! milliseconds in V8. Rust's allocator asks for 64 KiB at a time, whenever it needs them.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::fmt;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use core::arch::wasm32::memory_grow;
use dlmalloc::Dlmalloc;

use crate::mem::WASM_PAGE;

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(Dlmalloc::new_with_allocator(Reserve)));

/// Memory grows by so much at a time; what nobody has written to costs nothing.
const STEP: usize = 16 << 20;
/// What a slice may need without growth.
const ENOUGH: usize = 4 << 20;

/// Memory that the allocator has not had yet: where it begins and ends.
static START: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);

/// Sees to it that the next slice need not wait for memory. Without room for more nothing happens: who needs it is told.
pub fn keep_ahead() {
    if left() < ENOUGH {
        grow(STEP);
    }
}

fn left() -> usize {
    END.load(Relaxed) - START.load(Relaxed)
}

/// Grows the reserve. What is left of it is lost where somebody else's memory lies in between: a machine's, made meanwhile.
fn grow(bytes: usize) -> bool {
    let pages = bytes.div_ceil(WASM_PAGE);
    let before = memory_grow(0, pages);
    if before == usize::MAX {
        return false;
    }
    let start = before * WASM_PAGE;
    if start != END.load(Relaxed) {
        START.store(start, Relaxed);
    }
    // No pointer may wrap around, so the last bytes of the address space are nobody's.
    let end = start
        .checked_add(pages * WASM_PAGE)
        .unwrap_or(usize::MAX - (WASM_PAGE - 1));
    END.store(end, Relaxed);
    true
}

/// Where dlmalloc has its memory from.
struct Reserve;

// SAFETY: nobody else has what is given out, which is memory from `memory.grow` that was not given out before.
unsafe impl dlmalloc::Allocator for Reserve {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let Some(size) = size.checked_next_multiple_of(WASM_PAGE) else {
            return (null_mut(), 0, 0);
        };
        // Near the end of what there may be, what is needed and no more.
        if left() < size && !grow(size.max(STEP)) && !grow(size) || left() < size {
            return (null_mut(), 0, 0);
        }
        let start = START.load(Relaxed);
        START.store(start + size, Relaxed);
        (start as *mut u8, size, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        WASM_PAGE
    }
}

struct Heap(UnsafeCell<Dlmalloc<Reserve>>);

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heap")
            .field("left", &left())
            .finish_non_exhaustive()
    }
}

// SAFETY: without threads nobody shares it.
#[cfg(not(target_feature = "atomics"))]
unsafe impl Sync for Heap {}

// None of it belongs into the functions that allocate: the module would be 77 KB larger.
// SAFETY: dlmalloc's, as it is.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: there is one thread, and dlmalloc does not call us.
        unsafe { (*self.0.get()).malloc(layout.size(), layout.align()) }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { (*self.0.get()).calloc(layout.size(), layout.align()) }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above; the pointer is one of ours.
        unsafe { (*self.0.get()).free(pointer, layout.size(), layout.align()) }
    }

    #[inline(never)]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { (*self.0.get()).realloc(pointer, layout.size(), layout.align(), size) }
    }
}
