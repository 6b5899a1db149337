//! Guest RAM: one contiguous range of guest-physical addresses.
//!
//! Untouched pages cost nothing. Everything that writes RAM on behalf of the guest goes through this type, so it can tell
//! the code cache which pages holding decoded code have changed; only stores that the fast table answers do not, and it
//! allows none to such pages.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::pages::Pages;

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
    /// One bit per page: the page holds code that an engine has decoded or translated.
    code_pages: Box<[u64]>,
    /// Pages whose code bit was cleared by a write and which the engine has not yet dropped.
    stale_code: Vec<u64>,
}

impl fmt::Debug for Ram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ram({:#x}+{:#x})", self.base, self.size)
    }
}

impl Ram {
    /// `size` zeroed bytes at guest-physical `base`; both must be multiples of [`PAGE_SIZE`].
    pub fn new(base: u64, size: u64) -> Result<Self, RamError> {
        if size == 0 || !size.is_multiple_of(PAGE_SIZE) || !base.is_multiple_of(PAGE_SIZE) {
            return Err(RamError::BadSize(size));
        }
        let out_of_memory = RamError::OutOfMemory(size);
        if base.checked_add(size).is_none() {
            return Err(out_of_memory);
        }
        let bytes = usize::try_from(size).map_err(|_| out_of_memory.clone())?;
        let host = Pages::new(bytes).ok_or(out_of_memory)?;
        let words = (bytes / PAGE_SIZE as usize).div_ceil(64);
        Ok(Self {
            base,
            size,
            host,
            code_pages: vec![0; words].into_boxed_slice(),
            stale_code: Vec::new(),
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

    /// Gives the whole pages inside `addr .. addr + len` back; they read as zero afterwards.
    pub fn discard(&mut self, addr: u64, len: u64) -> Result<(), BadAddress> {
        let offset = self.offset(addr, len)?;
        self.note_write(addr, len);
        self.host.release(offset, len as usize);
        Ok(())
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
        let Ok(offset) = self.offset(addr, 1) else {
            return false;
        };
        let page = offset / PAGE_SIZE as usize;
        let (word, bit) = (page / 64, 1u64 << (page % 64));
        let fresh = self.code_pages[word] & bit == 0;
        self.code_pages[word] |= bit;
        fresh
    }

    /// Whether the page of `addr` holds code.
    #[inline]
    pub fn is_code(&self, addr: u64) -> bool {
        self.offset(addr, 1).is_ok_and(|offset| {
            let page = offset / PAGE_SIZE as usize;
            self.code_pages[page / 64] >> (page % 64) & 1 != 0
        })
    }

    /// Notes that `addr .. addr + len` is being written: code pages in it go on the stale list.
    pub fn note_write(&mut self, addr: u64, len: u64) {
        let Ok(offset) = self.offset(addr, len.max(1)) else {
            return;
        };
        let last = (offset + len.max(1) as usize - 1) / PAGE_SIZE as usize;
        for page in offset / PAGE_SIZE as usize..=last {
            let (word, bit) = (page / 64, 1u64 << (page % 64));
            if self.code_pages[word] & bit != 0 {
                self.code_pages[word] &= !bit;
                self.stale_code.push(self.base + page as u64 * PAGE_SIZE);
            }
        }
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
