//! WebAssembly memory comes zeroed and untouched from `memory.grow`, which the allocator does not know: it would write
//! zeroes over all of it, and the browser would have to find every page. It never shrinks, so what a machine had stays with
//! the page until another machine takes it.

use core::arch::wasm32::memory_grow;
use std::ptr::NonNull;
use std::sync::Mutex;

use super::HugePages;
use super::free_blocks::FreeBlocks;

/// What memory grows by, in bytes.
pub const WASM_PAGE: usize = 64 << 10;

/// Memory that machines which are gone had, all of it zero.
static FREE: Mutex<FreeBlocks> = Mutex::new(FreeBlocks::new());

pub fn allocate(len: usize, _: HugePages) -> Option<NonNull<u8>> {
    let wasm_pages = len.div_ceil(WASM_PAGE);
    let reused = FREE
        .lock()
        .ok()
        .and_then(|mut free| free.take(wasm_pages * WASM_PAGE));
    let start = match reused {
        Some(start) => start,
        None => match memory_grow(0, wasm_pages) {
            usize::MAX => return None,
            before => before * WASM_PAGE,
        },
    };
    NonNull::new(start as *mut u8)
}

/// Takes back what [`allocate`] gave, zeroed.
pub fn free(start: NonNull<u8>, len: usize) {
    if let Ok(mut free) = FREE.lock() {
        free.put(start.as_ptr() as usize, len.next_multiple_of(WASM_PAGE));
    }
}

pub fn give_back(_pages: &mut [u8]) -> bool {
    false
}

/// Browsers do not say.
pub fn resident(_start: *const u8, _there: &mut [bool]) -> bool {
    false
}
