//! What one way of a set holds: the layout that compiled code reads.

/// Where compiled code for a guest address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The region's function: an index into the wasm table, or the address of machine code.
    pub function: usize,
    /// Which of the region's entries.
    pub entry: u32,
}

/// A key that no instruction has, since instructions start at even addresses: the way is empty.
pub const NO_PC: u64 = u64::MAX;

/// One way of a set, as compiled code finds it in memory: 32 bytes.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Entry {
    /// Guest-virtual address, or [`NO_PC`].
    pub pc: u64,
    /// [`Target::function`], widened.
    pub function: u64,
    /// [`Target::entry`], widened.
    pub entry: u64,
    /// Hits that the replacement policy does not know of yet. Compiled code may add one for each of its own, modulo 2^64.
    pub uses: u64,
}

impl Entry {
    /// Bytes from one entry to the next.
    pub const SIZE: usize = 32;

    pub(super) const EMPTY: Entry = Entry {
        pc: NO_PC,
        function: 0,
        entry: 0,
        uses: 0,
    };

    pub(super) fn target(&self) -> Target {
        Target {
            function: self.function as usize,
            entry: self.entry as u32,
        }
    }

    pub(super) fn point_to(&mut self, target: Target) {
        self.function = target.function as u64;
        self.entry = u64::from(target.entry);
    }
}

const _: () = {
    assert!(size_of::<Entry>() == Entry::SIZE);
    assert!(std::mem::offset_of!(Entry, pc) == 0);
    assert!(std::mem::offset_of!(Entry, function) == 8);
    assert!(std::mem::offset_of!(Entry, entry) == 16);
    assert!(std::mem::offset_of!(Entry, uses) == 24);
};
