//! Zeroed host memory in whole pages, which costs nothing until it is touched.

use std::ptr::NonNull;
use std::slice;

use super::PAGE_SIZE;

/// A block of host memory, zeroed at first.
#[derive(Debug)]
pub struct Pages {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: `Pages` owns its memory; all access goes through `&self`/`&mut self`.
unsafe impl Send for Pages {}

impl Pages {
    /// `len` zeroed bytes, page-aligned; `None` where the host cannot give them. `len` is not zero.
    pub fn new(len: usize) -> Option<Self> {
        if len == 0 || isize::try_from(len).is_err() {
            return None;
        }
        Some(Pages {
            start: host::allocate(len)?,
            len,
        })
    }

    /// The first byte.
    #[inline(always)]
    pub fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Zeroes a range, giving whole host pages back to the system where that can be done. The range must be inside.
    pub fn release(&mut self, offset: usize, len: usize) {
        assert!(
            offset.checked_add(len).is_some_and(|end| end <= self.len),
            "released range is inside"
        );
        // SAFETY: the range is inside our memory, which is initialised, and we borrow it exclusively.
        let bytes = unsafe { slice::from_raw_parts_mut(self.start.as_ptr().add(offset), len) };
        let page = PAGE_SIZE as usize;
        let head = (offset.next_multiple_of(page) - offset).min(len);
        let whole = (len - head) / page * page;
        let (front, rest) = bytes.split_at_mut(head);
        let (middle, back) = rest.split_at_mut(whole);
        front.fill(0);
        back.fill(0);
        if !host::give_back(middle) {
            middle.fill(0);
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        host::free(self.start, self.len);
    }
}

/// The system maps fresh pages when they are touched. (The allocator would zero them all at once: it cannot promise
/// both alignment and untouched memory.)
#[cfg(unix)]
mod host {
    use std::ptr::{NonNull, null_mut};

    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

    pub fn allocate(len: usize) -> Option<NonNull<u8>> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping, at an address of the system's choice.
        let start = unsafe { mmap_anonymous(null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, flags) };
        NonNull::new(start.ok()?.cast())
    }

    pub fn free(start: NonNull<u8>, len: usize) {
        // SAFETY: mapped by `allocate` with this length, and nobody uses it any more. Nothing can be done if it fails.
        let _ = unsafe { munmap(start.as_ptr().cast(), len) };
    }

    pub fn give_back(pages: &mut [u8]) -> bool {
        // Elsewhere than on Linux this advice need not make the pages read as zero.
        if pages.is_empty() || !cfg!(target_os = "linux") {
            return pages.is_empty();
        }
        // SAFETY: whole pages of private anonymous memory, borrowed exclusively; after DONTNEED they read as zero, which
        // is a valid state for bytes.
        unsafe { madvise(pages.as_mut_ptr().cast(), pages.len(), Advice::LinuxDontNeed) }.is_ok()
    }
}

/// WebAssembly memory comes zeroed and untouched from `memory.grow`, which the allocator does not know: it would write
/// zeroes over all of it, and the browser would have to find every page. It never shrinks, so blocks are kept for reuse.
#[cfg(target_arch = "wasm32")]
mod host {
    use core::arch::wasm32::memory_grow;
    use std::ptr::NonNull;
    use std::sync::Mutex;

    const WASM_PAGE: usize = 64 << 10;

    /// Blocks that were freed: address and length.
    static FREE: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

    pub fn allocate(len: usize) -> Option<NonNull<u8>> {
        let wasm_pages = len.div_ceil(WASM_PAGE);
        let len = wasm_pages * WASM_PAGE;
        if let Ok(mut free) = FREE.lock()
            && let Some(index) = free.iter().position(|&(_, free_len)| free_len == len)
        {
            let start = free.swap_remove(index).0 as *mut u8;
            // SAFETY: the block was given out with this length before, and nobody has it now.
            unsafe { start.write_bytes(0, len) };
            return NonNull::new(start);
        }
        match memory_grow(0, wasm_pages) {
            usize::MAX => None,
            before => NonNull::new((before * WASM_PAGE) as *mut u8),
        }
    }

    pub fn free(start: NonNull<u8>, len: usize) {
        if let Ok(mut free) = FREE.lock() {
            free.push((start.as_ptr() as usize, len.next_multiple_of(WASM_PAGE)));
        }
    }

    pub fn give_back(_pages: &mut [u8]) -> bool {
        false
    }
}
