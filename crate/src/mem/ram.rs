//! Guest RAM: one contiguous range of guest-physical addresses.
//!
//! Untouched pages cost nothing. Everything that writes RAM on behalf of the guest goes through this type, so it can tell
//! the code cache which pages holding decoded code have changed, and whoever asks which pages were written at all. Only
//! stores that the fast table answers do not: a page that is to be watched must have no permission to store there, which
//! is what [`Ram::allow_stores`] is asked for before one is entered.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::numa::Node;
use super::page_set::PageSet;
use super::pages::{HugePages, Pages};

/// Size in bytes of the smallest guest page.
pub const PAGE_SIZE: u64 = 4096;

/// An access that is not wholly inside RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("guest-physical range {addr:#x}+{len:#x} is not inside RAM")]
pub struct BadAddress {
    /// First guest-physical byte of the access.
    pub addr: u64,
    /// Length of the access in bytes.
    pub len: u64,
}

/// Why RAM could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RamError {
    /// {0} bytes is not a whole, non-zero number of 4 KiB pages.
    #[error("guest memory of {0} bytes is not a whole, non-zero number of 4 KiB pages")]
    BadSize(u64),
    /// The host has no {0} bytes to give.
    #[error("the host cannot give {0} bytes of guest memory; ask for less")]
    OutOfMemory(u64),
}

/// Guest RAM. Reads and writes are bounds-checked; all multi-byte accesses are little-endian.
pub struct Ram {
    base: u64,
    size: u64,
    host: Pages,
    /// Pages holding code that an engine has decoded or translated.
    code_pages: PageSet,
    /// Pages whose code bit was cleared by a write and which the engine has not yet dropped.
    stale_code: Vec<u64>,
    /// While somebody wants to know: pages written since they were taken last.
    dirty: Option<PageSet>,
}

impl fmt::Debug for Ram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ram({:#x}+{:#x})", self.base, self.size)
    }
}

impl Ram {
    /// `size` zeroed bytes at guest-physical `base`, both multiples of [`PAGE_SIZE`], in pages of the host's usual size.
    pub fn new(base: u64, size: u64) -> Result<Self, RamError> {
        Self::with_huge_pages(base, size, HugePages::Auto)
    }

    /// The same, with a choice of the host's pages.
    pub fn with_huge_pages(base: u64, size: u64, huge: HugePages) -> Result<Self, RamError> {
        if size == 0 || !size.is_multiple_of(PAGE_SIZE) || !base.is_multiple_of(PAGE_SIZE) {
            return Err(RamError::BadSize(size));
        }
        let out_of_memory = RamError::OutOfMemory(size);
        if base.checked_add(size).is_none() {
            return Err(out_of_memory);
        }
        let bytes = usize::try_from(size).map_err(|_| out_of_memory.clone())?;
        let host = Pages::new(bytes, huge).ok_or(out_of_memory)?;
        Ok(Self {
            base,
            size,
            host,
            code_pages: PageSet::new(bytes / PAGE_SIZE as usize),
            stale_code: Vec::new(),
            dirty: None,
        })
    }

    /// First guest-physical address.
    #[inline]
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Length in bytes.
    #[inline]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether all of `addr .. addr + len` is RAM.
    #[inline]
    pub fn contains(&self, addr: u64, len: u64) -> bool {
        let offset = addr.wrapping_sub(self.base);
        offset < self.size && len <= self.size - offset
    }

    /// Offset into the allocation, if the whole range is RAM.
    #[inline]
    fn offset(&self, addr: u64, len: u64) -> Result<usize, BadAddress> {
        if self.contains(addr, len) {
            Ok((addr - self.base) as usize)
        } else {
            Err(BadAddress { addr, len })
        }
    }

    /// Host address of guest-physical `addr`. The pointer is good for `len` bytes for as long as this `Ram` lives.
    #[inline]
    pub fn host_ptr(&self, addr: u64, len: u64) -> Result<*mut u8, BadAddress> {
        let offset = self.offset(addr, len)?;
        // SAFETY: `offset .. offset + len` is inside the allocation.
        Ok(unsafe { self.host.start().add(offset) })
    }

    /// The bytes at `addr`.
    pub fn slice(&self, addr: u64, len: u64) -> Result<&[u8], BadAddress> {
        let ptr = self.host_ptr(addr, len)?;
        // SAFETY: in bounds (checked), initialised (zeroed at allocation), not written while `&self` lives.
        Ok(unsafe { std::slice::from_raw_parts(ptr, len as usize) })
    }

    /// The bytes at `addr`, to be written: code pages among them become stale.
    pub fn slice_mut(&mut self, addr: u64, len: u64) -> Result<&mut [u8], BadAddress> {
        let ptr = self.host_ptr(addr, len)?;
        self.note_write(addr, len);
        // SAFETY: in bounds (checked), initialised, and `&mut self` makes it exclusive.
        Ok(unsafe { std::slice::from_raw_parts_mut(ptr, len as usize) })
    }

    /// Copies guest memory at `addr` into `into`.
    pub fn read(&self, addr: u64, into: &mut [u8]) -> Result<(), BadAddress> {
        into.copy_from_slice(self.slice(addr, into.len() as u64)?);
        Ok(())
    }

    /// Copies `from` to guest memory at `addr`.
    pub fn write(&mut self, addr: u64, from: &[u8]) -> Result<(), BadAddress> {
        self.slice_mut(addr, from.len() as u64)?.copy_from_slice(from);
        Ok(())
    }

    /// Makes `addr .. addr + len` read as zero, and gives the whole pages in it back to the host where that can be done.
    pub fn discard(&mut self, addr: u64, len: u64) -> Result<(), BadAddress> {
        let offset = self.offset(addr, len)?;
        let mut left = self.pages(offset, len);
        // What was never touched is zero already, and stays as clean as it was.
        while let Some(run) = self.host.touched(left.clone()) {
            left.start = run.end;
            self.note_changes(run);
        }
        self.host.zero(offset, len as usize);
        Ok(())
    }

    /// Gives pages that are all zero back to the host, of `pages` that it looks at; see [`Pages::trim`]. Returns the bytes
    /// given back. The guest sees nothing of it.
    pub fn trim(&mut self, pages: usize) -> u64 {
        self.host.trim(pages)
    }

    /// Bytes that the host holds for the guest; see [`Pages::in_use`].
    pub fn in_use(&self) -> u64 {
        self.host.in_use()
    }

    /// Asks the host to take the memory of each of the guest's nodes from one of its own. Does nothing where it has but one.
    pub fn place(&mut self, nodes: &[Node]) {
        #[cfg(target_os = "linux")]
        {
            let host_nodes = super::pages::host_nodes();
            if host_nodes.len() < 2 {
                log::debug!(target: "numa", "the host has one memory node: guest memory is not bound");
                return;
            }
            for (number, node) in nodes.iter().enumerate() {
                let host_node = host_nodes[number % host_nodes.len()];
                let Ok(offset) = self.offset(node.base, node.size) else {
                    continue;
                };
                if self
                    .host
                    .prefer_node(offset..offset + node.size as usize, host_node)
                {
                    log::debug!(target: "numa", "guest node {number} has its memory on host node {host_node}");
                } else {
                    log::warn!(target: "numa", "the host does not bind guest node {number} to its node {host_node}");
                }
            }
        }
        #[cfg(not(target_os = "linux"))]
        log::debug!(target: "numa", "{} nodes of guest memory are not bound: that takes Linux", nodes.len());
    }

    /// Stores `new` to the aligned doubleword at `addr` if that is `old`, in one step even where other threads of the host
    /// store there. Returns whether it was.
    pub fn compare_exchange_u64(&mut self, addr: u64, old: u64, new: u64) -> Result<bool, BadAddress> {
        let ptr = self.host_ptr(addr, 8)?.cast::<u64>();
        if !ptr.is_aligned() {
            return Err(BadAddress { addr, len: 8 });
        }
        // SAFETY: in bounds and aligned (checked), and good as long as `self`.
        let word = unsafe { AtomicU64::from_ptr(ptr) };
        let result = word.compare_exchange(old.to_le(), new.to_le(), Ordering::AcqRel, Ordering::Relaxed);
        if result.is_ok() {
            self.note_write(addr, 8);
        }
        Ok(result.is_ok())
    }

    /// Marks the page of `addr` as holding code. Returns whether it was unmarked before: then write permissions that
    /// engines have cached for it must go.
    pub fn mark_code(&mut self, addr: u64) -> bool {
        self.offset(addr, 1)
            .is_ok_and(|offset| self.code_pages.insert(offset / PAGE_SIZE as usize))
    }

    /// Whether the page of `addr` holds code.
    #[inline]
    pub fn is_code(&self, addr: u64) -> bool {
        self.offset(addr, 1)
            .is_ok_and(|offset| self.code_pages.contains(offset / PAGE_SIZE as usize))
    }

    /// Whether stores to the page of `addr` may pass this type by from now on: not where it holds code or the first store
    /// has yet to be noted. Where they may, the page counts as touched.
    #[inline]
    pub fn allow_stores(&mut self, addr: u64) -> bool {
        let Ok(offset) = self.offset(addr, 1) else {
            return false;
        };
        let page = offset / PAGE_SIZE as usize;
        let allowed =
            !self.code_pages.contains(page) && self.dirty.as_ref().is_none_or(|dirty| dirty.contains(page));
        if allowed {
            self.host.touch(page);
        }
        allowed
    }

    /// The pages that `len` bytes from `offset` lie in.
    #[inline]
    fn pages(&self, offset: usize, len: u64) -> Range<usize> {
        let end = (offset as u64 + len).div_ceil(PAGE_SIZE);
        offset / PAGE_SIZE as usize..end as usize
    }

    /// Notes that `addr .. addr + len` is being written.
    pub fn note_write(&mut self, addr: u64, len: u64) {
        let Ok(offset) = self.offset(addr, len) else {
            return;
        };
        let pages = self.pages(offset, len);
        pages.clone().for_each(|page| self.host.touch(page));
        self.note_changes(pages);
    }

    /// Notes that pages change: those with code go on the stale list.
    fn note_changes(&mut self, pages: Range<usize>) {
        for page in pages {
            if self.code_pages.remove(page) {
                self.stale_code.push(self.base + page as u64 * PAGE_SIZE);
            }
            if let Some(dirty) = &mut self.dirty {
                dirty.insert(page);
            }
        }
    }

    /// Begins to note which pages are written, none so far. Write permissions that engines have cached must go.
    pub fn track_dirty(&mut self) {
        self.dirty = Some(PageSet::new(self.size as usize / PAGE_SIZE as usize));
    }

    /// No longer notes which pages are written.
    pub fn stop_tracking_dirty(&mut self) {
        self.dirty = None;
    }

    /// Guest-physical addresses of the pages written since tracking began or this was asked last, in ascending order; none
    /// without tracking. Write permissions that engines have cached must go before anything runs.
    pub fn take_dirty(&mut self) -> impl Iterator<Item = u64> + use<> {
        let base = self.base;
        let dirty = self.dirty.take();
        if dirty.is_some() {
            self.track_dirty();
        }
        dirty
            .into_iter()
            .flat_map(PageSet::into_pages)
            .map(move |page| base + page as u64 * PAGE_SIZE)
    }

    /// Whether [`Self::take_stale_code`] would return anything.
    #[inline]
    pub fn has_stale_code(&self) -> bool {
        !self.stale_code.is_empty()
    }

    /// Guest-physical addresses of the pages whose code was overwritten since the last call.
    pub fn take_stale_code(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.stale_code)
    }
}

macro_rules! scalar {
    ($($read:ident $write:ident $ty:ty;)*) => {
        impl Ram {$(
            /// Little-endian load; `addr` need not be aligned.
            #[inline]
            pub fn $read(&self, addr: u64) -> Result<$ty, BadAddress> {
                let mut bytes = [0; size_of::<$ty>()];
                self.read(addr, &mut bytes)?;
                Ok(<$ty>::from_le_bytes(bytes))
            }
            /// Little-endian store; `addr` need not be aligned.
            #[inline]
            pub fn $write(&mut self, addr: u64, value: $ty) -> Result<(), BadAddress> {
                self.write(addr, &value.to_le_bytes())
            }
        )*}
    };
}

scalar! {
    read_u8 write_u8 u8;
    read_u16 write_u16 u16;
    read_u32 write_u32 u32;
    read_u64 write_u64 u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses_outside_are_errors() {
        let mut ram = Ram::new(0x8000_0000, 0x2000).unwrap();
        assert!(ram.write_u64(0x8000_1ff8, 1).is_ok());
        assert!(ram.write_u64(0x8000_1ff9, 1).is_err());
        assert!(ram.read_u8(0x7fff_ffff).is_err());
        assert!(ram.slice(0x8000_0000, u64::MAX).is_err());
        assert!(ram.slice(u64::MAX, 2).is_err());
        assert!(Ram::new(0, 5).is_err());
    }

    #[test]
    fn writes_to_code_pages_are_reported_once() {
        let mut ram = Ram::new(0x8000_0000, 0x4000).unwrap();
        assert!(ram.mark_code(0x8000_1234));
        assert!(!ram.mark_code(0x8000_1000));
        ram.write(0x8000_0ffe, &[1, 2, 3, 4]).unwrap();
        assert!(!ram.is_code(0x8000_1000));
        ram.write_u8(0x8000_1000, 9).unwrap();
        assert_eq!(ram.take_stale_code(), [0x8000_1000]);
        assert!(!ram.has_stale_code());
    }

    #[test]
    fn dirty_pages_are_those_written_since() {
        let mut ram = Ram::new(0x8000_0000, 0x8000).unwrap();
        assert!(ram.allow_stores(0x8000_0000) && ram.allow_stores(0x8000_6000));
        assert_eq!(ram.take_dirty().count(), 0);
        ram.track_dirty();
        assert!(!ram.allow_stores(0x8000_0000), "the first store must be seen");
        ram.write(0x8000_1ffe, &[1, 2, 3, 4]).unwrap();
        ram.write(0x8000_5000, &[]).unwrap();
        ram.discard(0x8000_4fff, 0x3000).unwrap();
        assert!(ram.allow_stores(0x8000_1234) && ram.allow_stores(0x8000_2000));
        assert!(ram.take_dirty().eq([0x8000_1000, 0x8000_2000, 0x8000_6000]));
        assert!(!ram.allow_stores(0x8000_1234));
        ram.mark_code(0x8000_1000);
        ram.write_u8(0x8000_1000, 1).unwrap();
        assert_eq!(ram.take_stale_code(), [0x8000_1000]);
        assert!(ram.take_dirty().eq([0x8000_1000]));
        ram.stop_tracking_dirty();
        assert!(ram.allow_stores(0x8000_7000) && !ram.allow_stores(0x8000_8000));
        ram.write_u8(0x8000_0000, 1).unwrap();
        assert_eq!(ram.take_dirty().count(), 0);
    }

    #[test]
    fn a_doubleword_is_exchanged_only_for_what_it_was() {
        let mut ram = Ram::new(0x8000_0000, 0x2000).unwrap();
        ram.write_u64(0x8000_0010, 5).unwrap();
        ram.mark_code(0x8000_0000);
        assert_eq!(ram.compare_exchange_u64(0x8000_0010, 4, 9), Ok(false));
        assert!(!ram.has_stale_code());
        assert_eq!(ram.compare_exchange_u64(0x8000_0010, 5, 9), Ok(true));
        assert_eq!((ram.read_u64(0x8000_0010), ram.has_stale_code()), (Ok(9), true));
        assert!(ram.compare_exchange_u64(0x8000_0011, 0, 0).is_err());
        assert!(ram.compare_exchange_u64(0x8000_1ffc, 0, 0).is_err());
    }

    #[test]
    fn discarded_pages_read_as_zero() {
        let mut ram = Ram::new(0, 0x4000).unwrap();
        ram.slice_mut(0, 0x4000).unwrap().fill(7);
        ram.discard(0x800, 0x2000).unwrap();
        assert_eq!(ram.read_u8(0x7ff), Ok(7));
        assert!(ram.slice(0x800, 0x2000).unwrap().iter().all(|&b| b == 0));
        assert_eq!(ram.read_u8(0x2800), Ok(7));
    }
}
