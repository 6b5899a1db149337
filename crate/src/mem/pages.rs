//! Zeroed host memory in whole pages, which costs nothing until it is touched.
//!
//! It knows which pages were ever touched: all others are zero, need no zeroing and are never looked at.

use std::ops::Range;
use std::ptr::NonNull;
use std::slice;

use super::PAGE_SIZE;
use super::page_set::PageSet;

#[cfg(any(test, target_arch = "wasm32"))]
mod free_blocks;
#[cfg(unix)]
#[path = "pages/unix.rs"]
mod host;
#[cfg(target_arch = "wasm32")]
#[path = "pages/wasm.rs"]
mod host;

#[cfg(target_arch = "wasm32")]
pub use host::WASM_PAGE;

const PAGE: usize = PAGE_SIZE as usize;

/// Pages of which the host is asked at a time whether they are in its memory.
const ASKED: usize = 512;

/// Whether the host is to back guest memory with pages larger than 4 KiB (2 MiB on x86-64), natively. They make the
/// host's own address translation cheaper; the host gives 2 MiB at once where the guest touches the first byte of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HugePages {
    /// What was measured to be faster: yes, if the host lets programs choose.
    #[default]
    Auto,
    /// Yes; a warning where the host has none.
    On,
    /// No, whatever the host's own policy is.
    Off,
}

/// A block of host memory, zeroed at first.
#[derive(Debug)]
pub struct Pages {
    start: NonNull<u8>,
    len: usize,
    /// Pages that may be other than zero, or were at some time.
    touched: PageSet,
    /// Where [`Self::trim`] goes on.
    trim_at: usize,
}

// SAFETY: `Pages` owns its memory; all access goes through `&self`/`&mut self`.
unsafe impl Send for Pages {}

impl Pages {
    /// `len` zeroed bytes, a whole number of pages and not none; `None` where the host cannot give them.
    pub fn new(len: usize, huge: HugePages) -> Option<Self> {
        if len == 0 || isize::try_from(len).is_err() {
            return None;
        }
        Some(Pages {
            start: host::allocate(len, huge)?,
            len,
            touched: PageSet::new(len / PAGE),
            trim_at: 0,
        })
    }

    /// The first byte.
    #[inline(always)]
    pub fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Notes that a page is going to be written, or may be from now on without further notice.
    #[inline]
    pub fn touch(&mut self, page: usize) {
        self.touched.insert(page);
    }

    /// The first pages in `among` that follow each other and may be other than zero.
    pub fn touched(&self, among: Range<usize>) -> Option<Range<usize>> {
        self.touched.next_run(among)
    }

    fn bytes(&mut self, range: Range<usize>) -> &mut [u8] {
        assert!(range.start <= range.end && range.end <= self.len, "inside");
        // SAFETY: the range is inside our memory (just checked), which is initialised, and we are borrowed exclusively.
        unsafe { slice::from_raw_parts_mut(self.start().add(range.start), range.len()) }
    }

    /// Zeroes a range, giving whole pages back to the host where that can be done. The range must be inside.
    pub fn zero(&mut self, offset: usize, len: usize) {
        let end = offset.checked_add(len).filter(|&end| end <= self.len);
        let end = end.expect("the zeroed range is inside");
        let mut at = offset / PAGE;
        while let Some(run) = self.touched.next_run(at..end.div_ceil(PAGE)) {
            at = run.end;
            let from = (run.start * PAGE).max(offset);
            let bytes = self.bytes(from..(run.end * PAGE).min(end));
            let head = (from.next_multiple_of(PAGE) - from).min(bytes.len());
            let (front, rest) = bytes.split_at_mut(head);
            let (whole, back) = rest.split_at_mut(rest.len() / PAGE * PAGE);
            front.fill(0);
            back.fill(0);
            if !host::give_back(whole) {
                // Looking is cheaper than writing, and pages that are reported free often are zero already.
                let pages = whole.chunks_mut(PAGE);
                pages.filter(|page| !is_zero(page)).for_each(|page| page.fill(0));
            }
        }
    }

    /// Bytes that the host holds for it, as near as can be known: natively those of pages in the host's memory, else
    /// those of pages ever touched. Asking takes the host some tens of microseconds for each 256 MiB.
    pub fn in_use(&self) -> u64 {
        let touched = || self.touched.len() as u64 * PAGE_SIZE;
        let mut there = [false; ASKED];
        let mut resident = 0;
        for at in (0..self.len).step_by(ASKED * PAGE) {
            let pages = (self.len - at).div_ceil(PAGE).min(ASKED);
            // SAFETY: inside our memory.
            let start = unsafe { self.start().add(at) };
            if !host::resident(start, &mut there[..pages]) {
                return touched();
            }
            resident += there[..pages].iter().filter(|&&there| there).count() as u64 * PAGE_SIZE;
        }
        resident
    }

    /// Looks for pages that are zero and gives them back to the host: at `pages` touched pages at most, going on where it
    /// ended before. Returns the bytes given back. Pages that the host does not hold are left alone, so looking takes no
    /// memory; where it cannot tell which, nothing is done.
    pub fn trim(&mut self, pages: usize) -> u64 {
        let mut there = [false; ASKED];
        let mut left = pages;
        let mut given = 0;
        while left > 0 {
            let Some(run) = self.touched.next_run(self.trim_at..self.len / PAGE) else {
                self.trim_at = 0;
                break;
            };
            let run = run.start..run.end.min(run.start + left.min(ASKED));
            self.trim_at = run.end;
            left -= run.len();
            let there = &mut there[..run.len()];
            let bytes = self.bytes(run.start * PAGE..run.end * PAGE);
            if !host::resident(bytes.as_ptr(), there) {
                break;
            }
            let useless: Vec<bool> = bytes
                .chunks(PAGE)
                .zip(there)
                .map(|(page, there)| *there && is_zero(page))
                .collect();
            let mut at = 0;
            for pages in useless.chunk_by(|a, b| a == b) {
                let range = at..at + pages.len() * PAGE;
                at = range.end;
                if pages[0] && host::give_back(&mut bytes[range.clone()]) {
                    given += range.len() as u64;
                }
            }
        }
        given
    }

    /// Asks the host to take the memory of a range, whole pages and inside, from a node of its own, by its number in
    /// [`host_nodes`]. False if it refuses.
    #[cfg(target_os = "linux")]
    pub fn prefer_node(&mut self, range: Range<usize>, node: usize) -> bool {
        host::prefer_node(self.bytes(range), node)
    }
}

#[cfg(target_os = "linux")]
pub use host::nodes as host_nodes;

impl Drop for Pages {
    fn drop(&mut self) {
        if cfg!(target_arch = "wasm32") {
            // Whoever gets it next expects zeroes.
            self.zero(0, self.len);
        }
        host::free(self.start, self.len);
    }
}

/// Whether all bytes are zero.
fn is_zero(bytes: &[u8]) -> bool {
    bytes
        .chunks(128)
        .all(|part| part.iter().fold(0, |all, byte| all | byte) == 0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Pages of ones at `pages`, of `all`.
    fn ones(all: usize, pages: &[usize]) -> Pages {
        let mut memory = Pages::new(all * PAGE, HugePages::Off).unwrap();
        for &page in pages {
            memory.touch(page);
            memory.bytes(page * PAGE..(page + 1) * PAGE).fill(1);
        }
        memory
    }

    #[test]
    fn four_gigabytes_untouched_take_nothing() {
        let mut memory = ones(1 << 20, &[0, 5, 1 << 19, (1 << 20) - 1]);
        assert_eq!(memory.in_use(), 4 * PAGE_SIZE);
        memory.zero(0, memory.len);
        assert_eq!(memory.in_use(), 0);
        assert!(memory.bytes(5 * PAGE..6 * PAGE).iter().all(|&byte| byte == 0));
    }

    #[test]
    fn zero_pages_are_found_and_given_back() {
        let mut memory = ones(2000, &[1, 2, 3, 4, 700, 701, 1999]);
        memory.bytes(2 * PAGE..4 * PAGE).fill(0);
        memory.bytes(701 * PAGE..702 * PAGE).fill(0);
        memory.bytes(1999 * PAGE..2000 * PAGE - 1).fill(0);
        assert_eq!(memory.trim(2), PAGE_SIZE);
        assert_eq!(memory.in_use(), 6 * PAGE_SIZE);
        assert_eq!(memory.trim(2), PAGE_SIZE);
        assert_eq!(memory.trim(1000), PAGE_SIZE);
        assert_eq!(memory.trim(1000), 0, "those that are not there are not looked at");
        assert_eq!(memory.in_use(), 4 * PAGE_SIZE);
        assert_eq!(memory.bytes(1999 * PAGE..2000 * PAGE).last(), Some(&1));
    }

    #[test]
    fn parts_of_pages_are_zeroed_exactly() {
        for huge in [HugePages::On, HugePages::Off] {
            let mut memory = Pages::new(8 * PAGE, huge).unwrap();
            for (offset, len) in [
                (0, 0),
                (100, 50),
                (0x800, 0x2000),
                (0xfff, 2),
                (0x1000, 0x7000),
                (5, 0x7ff0),
            ] {
                (0..8).for_each(|page| memory.touch(page));
                memory.bytes(0..8 * PAGE).fill(7);
                memory.zero(offset, len);
                let zeroes = memory.bytes(0..8 * PAGE).iter().enumerate();
                for (at, &byte) in zeroes {
                    let expected = if (offset..offset + len).contains(&at) {
                        0
                    } else {
                        7
                    };
                    assert_eq!(byte, expected, "{at:#x} of {offset:#x}+{len:#x}");
                }
            }
        }
    }
}
