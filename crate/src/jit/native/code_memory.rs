//! Memory for machine code, never writable and executable at one address.
//!
//! Code lies in arenas of 1 MiB, each an anonymous file mapped twice: writable where the compiler writes, executable where
//! it runs. So an arena whose code is running takes more without being stopped, and no system call is made for a region;
//! changing one mapping's protection to and fro would take code away from under the hart that runs it. Freed ranges are
//! used again; an arena that is empty is unmapped, and where most of what is mapped is free, what the emptiest holds is moved
//! to others: code is the same at any address. On x86-64, other processors see what was written as soon as they see
//! its address, so nothing need be flushed; other hosts are refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    ptr,
};

use rustix::mm::{MapFlags, ProtFlags};

use crate::jit::{Code, Compaction, CompileError};

/// Bytes of an arena.
const ARENA: usize = 1 << 20;
/// What a function's address is a multiple of.
const ALIGN: usize = 16;
/// Functions that a step moves at most.
const MOVED_AT_A_TIME: usize = 64;

/// Code memory.
#[derive(Debug)]
pub(super) struct CodeMemory {
    arenas: Vec<Arena>,
    /// Most arenas there may be.
    limit: usize,
    used: usize,
    compaction: Compaction,
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
    /// The same by length: the shortest that is long enough is taken.
    by_length: BTreeSet<(usize, usize)>,
    /// Regions' code: sizes and the regions' numbers, by offsets.
    regions: BTreeMap<usize, (usize, u32)>,
    /// It holds code that is not a region's, and stays where it is.
    fixed: bool,
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
            by_length: BTreeSet::from([(bytes, 0)]),
            regions: BTreeMap::new(),
            fixed: false,
        };
        arena.run = map(ProtFlags::READ | ProtFlags::EXEC)?.cast();
        Ok(arena)
    }

    /// Takes `bytes` bytes out of the shortest free range that has them.
    fn take(&mut self, bytes: usize) -> Option<usize> {
        let &(length, at) = self.by_length.range((bytes, 0)..).next()?;
        self.remove(at, length);
        if length > bytes {
            self.insert(at + bytes, length - bytes);
        }
        self.left -= bytes;
        Some(at)
    }

    /// In builds for tests, makes what is there code that ends the process: nobody may run what was given back.
    fn poison(&self, at: usize, bytes: usize) {
        if cfg!(debug_assertions) {
            self.write(at, &vec![0xcc; bytes]);
        }
    }

    /// Writes code to an offset, in a range that was taken.
    fn write(&self, at: usize, code: &[u8]) {
        debug_assert!(at + code.len() <= self.bytes);
        // SAFETY: the range lies in the arena and was free until now: nobody reads or runs it.
        unsafe { ptr::copy_nonoverlapping(code.as_ptr(), self.write.add(at), code.len()) };
    }

    /// Gives a range back.
    fn give(&mut self, mut at: usize, mut bytes: usize) {
        self.left += bytes;
        if let Some((&before, &length)) = self.free.range(..at).next_back()
            && before + length == at
        {
            self.remove(before, length);
            (at, bytes) = (before, bytes + length);
        }
        if let Some(&length) = self.free.get(&(at + bytes)) {
            self.remove(at + bytes, length);
            bytes += length;
        }
        self.insert(at, bytes);
    }

    fn insert(&mut self, at: usize, length: usize) {
        self.free.insert(at, length);
        self.by_length.insert((length, at));
    }

    fn remove(&mut self, at: usize, length: usize) {
        self.free.remove(&at);
        self.by_length.remove(&(length, at));
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
    /// Memory for at most `limit` bytes, rounded up to whole arenas.
    pub fn new(limit: usize) -> Self {
        Self {
            arenas: Vec::new(),
            limit: limit.div_ceil(ARENA).max(1),
            used: 0,
            compaction: Compaction::default(),
        }
    }

    /// Bytes of code.
    pub fn used(&self) -> usize {
        self.used
    }

    /// What moving code together has come to.
    pub fn compaction(&self) -> Compaction {
        self.compaction
    }

    /// Bytes mapped.
    pub fn mapped(&self) -> usize {
        self.arenas.iter().map(|arena| arena.bytes).sum()
    }

    /// Puts code that stays where it is into memory. Its address.
    pub fn place_fixed(&mut self, code: &[u8]) -> Result<usize, CompileError> {
        let (number, at) = self.take(code)?;
        let arena = &mut self.arenas[number];
        arena.fixed = true;
        Ok(arena.run as usize + at)
    }

    /// Puts a region's code, which must not depend on its place, into memory. Its address.
    pub fn place(&mut self, code: &[u8], region: u32) -> Result<usize, CompileError> {
        if code.len() > ARENA {
            // Others giving way would not help.
            let text = format!("its code has {} bytes; at most {ARENA} fit", code.len());
            return Err(CompileError::Refused { number: region, text });
        }
        let (number, at) = self.take(code)?;
        let arena = &mut self.arenas[number];
        arena.regions.insert(at, (code.len(), region));
        Ok(arena.run as usize + at)
    }

    /// Room for code, which it is put into: an arena and an offset in that.
    fn take(&mut self, code: &[u8]) -> Result<(usize, usize), CompileError> {
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
        self.arenas[number].write(at, code);
        self.used += bytes;
        Ok((number, at))
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
        let at = address - arena.run as usize;
        arena.regions.remove(&at);
        arena.poison(at, bytes);
        arena.give(at, bytes);
        self.used -= bytes;
        self.unmap_if_empty(number);
    }

    fn unmap_if_empty(&mut self, number: usize) {
        let arena = &self.arenas[number];
        if arena.left == arena.bytes {
            self.compaction.returned_bytes += arena.bytes as u64;
            self.arenas.swap_remove(number);
        }
    }

    /// Whether more than half of what is mapped is free.
    pub fn is_sparse(&self) -> bool {
        self.mapped() >= 2 * self.used + 2 * ARENA
    }

    /// Where memory is sparse, moves some of the emptiest arena's code to others. Adds to `moved` what has another address now.
    /// Whether it did anything.
    pub fn compact(&mut self, moved: &mut Vec<(u32, Code)>) -> bool {
        if !self.is_sparse() {
            return false;
        }
        let movable = self.arenas.iter().enumerate().filter(|(_, arena)| !arena.fixed);
        let Some((from, _)) = movable.max_by_key(|(_, arena)| arena.left) else {
            return false;
        };
        let arena = &self.arenas[from];
        let some: Vec<_> = arena.regions.iter().take(MOVED_AT_A_TIME).collect();
        let some: Vec<_> = some
            .into_iter()
            .map(|(&at, &(len, region))| (at, len, region))
            .collect();
        let before = moved.len();
        for (at, len, region) in some {
            let bytes = len.next_multiple_of(ALIGN).max(ALIGN);
            let others = self
                .arenas
                .iter_mut()
                .enumerate()
                .filter(|(number, _)| *number != from);
            let mut others = others.filter_map(|(number, arena)| Some((number, arena.take(bytes)?)));
            let Some((to, new)) = others.next() else {
                break;
            };
            // SAFETY: the range holds the region's code, which nobody writes.
            let code = unsafe { std::slice::from_raw_parts(self.arenas[from].write.add(at), len) };
            self.arenas[to].write(new, code);
            self.arenas[to].regions.insert(new, (len, region));
            let arena = &mut self.arenas[from];
            arena.regions.remove(&at);
            arena.poison(at, bytes);
            arena.give(at, bytes);
            let function = self.arenas[to].run as usize + new;
            moved.push((region, Code { function, bytes: len }));
        }
        self.compaction.moved += (moved.len() - before) as u64;
        self.unmap_if_empty(from);
        moved.len() > before
    }
}
