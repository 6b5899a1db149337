//! Memory for machine code, never writable and executable at one address.
//!
//! Code lies in arenas of 1 MiB, each an anonymous file mapped twice: writable where the compiler writes, executable where
//! it runs. So an arena whose code is running takes more without being stopped, and no system call is made for a region;
//! changing one mapping's protection to and fro would take code away from under the hart that runs it. Freed ranges are
//! used again; an arena that is empty is unmapped. On x86-64, other processors see what was written as soon as they see
//! its address, so nothing need be flushed; other hosts are refused.

use std::{collections::BTreeMap, ptr};

use rustix::mm::{MapFlags, ProtFlags};

use crate::jit::CompileError;

/// Bytes of an arena.
const ARENA: usize = 1 << 20;
/// What a function's address is a multiple of.
const ALIGN: usize = 16;

/// Code memory.
#[derive(Debug)]
pub(super) struct CodeMemory {
    arenas: Vec<Arena>,
    /// Most arenas there may be.
    limit: usize,
    used: usize,
}

#[derive(Debug)]
struct Arena {
    /// The writable mapping.
    write: *mut u8,
    /// The executable mapping of the same bytes.
    run: *mut u8,
    /// Bytes of both.
    bytes: usize,
    /// Free ranges: lengths by offsets. None touches the next.
    free: BTreeMap<usize, usize>,
    /// Bytes free in all.
    left: usize,
}

// SAFETY: an arena owns its mappings, which belong to no thread; all changes go through `&mut`.
unsafe impl Send for Arena {}

fn no_room(what: &str) -> impl Fn(rustix::io::Errno) -> CompileError {
    move |error| CompileError::NoRoom(format!("{what}: {error}"))
}

/// An anonymous file of `bytes` bytes that may be mapped executable.
#[cfg(target_os = "linux")]
fn anonymous_file(bytes: usize) -> Result<rustix::fd::OwnedFd, CompileError> {
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
    // Kernels before 6.3 do not know the flag, and let every such file be executed.
    let file = memfd_create("tabvisor-code", MemfdFlags::CLOEXEC | MemfdFlags::EXEC)
        .or_else(|_| memfd_create("tabvisor-code", MemfdFlags::CLOEXEC))
        .map_err(no_room("an anonymous file for code"))?;
    ftruncate(&file, bytes as u64).map_err(no_room("growing the file for code"))?;
    Ok(file)
}

#[cfg(not(target_os = "linux"))]
fn anonymous_file(_bytes: usize) -> Result<rustix::fd::OwnedFd, CompileError> {
    Err(CompileError::NoRoom(
        "machine code is only made on Linux hosts".into(),
    ))
}

impl Arena {
    fn new(bytes: usize) -> Result<Self, CompileError> {
        let file = anonymous_file(bytes)?;
        let map = |protection| {
            // SAFETY: a new mapping, at an address that the kernel picks, of a file that nobody else has.
            unsafe { rustix::mm::mmap(ptr::null_mut(), bytes, protection, MapFlags::SHARED, &file, 0) }
                .map_err(no_room("mapping memory for code"))
        };
        let write = map(ProtFlags::READ | ProtFlags::WRITE)?.cast();
        let mut arena = Self {
            write,
            run: ptr::null_mut(),
            bytes,
            free: BTreeMap::from([(0, bytes)]),
            left: bytes,
        };
        arena.run = map(ProtFlags::READ | ProtFlags::EXEC)?.cast();
        Ok(arena)
    }

    /// Takes `bytes` bytes out of the first free range that has them.
    fn take(&mut self, bytes: usize) -> Option<usize> {
        if bytes > self.left {
            return None;
        }
        let (&at, &length) = self.free.iter().find(|&(_, &length)| length >= bytes)?;
        self.free.remove(&at);
        if length > bytes {
            self.free.insert(at + bytes, length - bytes);
        }
        self.left -= bytes;
        Some(at)
    }

    /// Gives a range back.
    fn give(&mut self, mut at: usize, mut bytes: usize) {
        self.left += bytes;
        if let Some((&before, &length)) = self.free.range(..at).next_back()
            && before + length == at
        {
            (at, bytes) = (before, bytes + length);
        }
        if let Some(after) = self.free.remove(&(at + bytes)) {
            bytes += after;
        }
        self.free.insert(at, bytes);
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for mapping in [self.write, self.run] {
            if !mapping.is_null() {
                // SAFETY: it was mapped with this size by `new`, and nobody uses code of an arena that is dropped.
                let unmapped = unsafe { rustix::mm::munmap(mapping.cast(), self.bytes) };
                debug_assert!(unmapped.is_ok());
            }
        }
    }
}

impl CodeMemory {
    /// Memory for at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            arenas: Vec::new(),
            limit: limit / ARENA,
            used: 0,
        }
    }

    /// Bytes of code.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Bytes mapped.
    #[cfg(test)]
    pub fn mapped(&self) -> usize {
        self.arenas.iter().map(|arena| arena.bytes).sum()
    }

    /// Puts code, which must not depend on its place, into memory. Its address.
    pub fn place(&mut self, code: &[u8]) -> Result<usize, CompileError> {
        let bytes = code.len().next_multiple_of(ALIGN).max(ALIGN);
        if bytes > ARENA {
            return Err(CompileError::NoRoom(format!(
                "{bytes} bytes of code for one region; at most {ARENA} fit"
            )));
        }
        // The newest first: the others are full unless something was released.
        let found = self
            .arenas
            .iter_mut()
            .enumerate()
            .rev()
            .find_map(|(n, arena)| Some((n, arena.take(bytes)?)));
        let (number, at) = match found {
            Some(found) => found,
            None if self.arenas.len() >= self.limit => {
                return Err(CompileError::NoRoom(format!("{} bytes are in use", self.used)));
            }
            None => {
                let mut arena = Arena::new(ARENA)?;
                let at = arena.take(bytes).expect("a new arena is empty");
                self.arenas.push(arena);
                (self.arenas.len() - 1, at)
            }
        };
        let arena = &self.arenas[number];
        // SAFETY: the range lies in the arena, and was free: nobody reads or runs it.
        unsafe { ptr::copy_nonoverlapping(code.as_ptr(), arena.write.add(at), code.len()) };
        self.used += bytes;
        Ok(arena.run as usize + at)
    }

    /// Gives the memory of code back that `place` put at `address`.
    pub fn release(&mut self, address: usize, bytes: usize) {
        let bytes = bytes.next_multiple_of(ALIGN).max(ALIGN);
        let holds = |arena: &Arena| (arena.run as usize..arena.run as usize + arena.bytes).contains(&address);
        let Some(number) = self.arenas.iter().position(holds) else {
            debug_assert!(false, "released code that is not in memory");
            return;
        };
        let arena = &mut self.arenas[number];
        arena.give(address - arena.run as usize, bytes);
        self.used -= bytes;
        if arena.left == arena.bytes {
            self.arenas.swap_remove(number);
        }
    }
}
