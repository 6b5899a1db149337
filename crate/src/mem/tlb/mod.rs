//! The fast table: a direct-mapped cache of translations that engines check inline on every load and store.
//!
//! An entry's tag is the virtual page it maps, so one comparison answers "mapped, and allowed, and not across a page's
//! end". Each context (privilege and `SUM`) has a table of its own, so changing privilege flushes nothing.

/// Entries of one context's table.
pub const ENTRIES: usize = 1024;

/// A tag that no page has.
const NONE: u64 = u64::MAX;

/// Whose accesses a table serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Context {
    /// U-mode.
    User,
    /// S-mode, user pages refused.
    Supervisor,
    /// S-mode, user pages allowed (`sstatus.SUM`).
    SupervisorUser,
    /// M-mode: no translation.
    Machine,
}

/// Number of contexts.
const CONTEXTS: usize = 4;

/// One page's translation.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Entry {
    /// Virtual page if loads are allowed, else a tag that no page has.
    pub read: u64,
    /// Virtual page if stores are allowed, else a tag that no page has.
    pub write: u64,
    /// Guest-physical page.
    pub physical: u64,
    /// Host address of the page minus its virtual address, wrapping.
    pub addend: usize,
}

const EMPTY: Entry = Entry {
    read: NONE,
    write: NONE,
    physical: NONE,
    addend: 0,
};

/// The tables of one hart.
#[derive(Debug)]
pub struct Tlb {
    entries: Box<[Entry; CONTEXTS * ENTRIES]>,
    /// Look-ups that found nothing.
    pub misses: u64,
    /// Times that everything was dropped.
    pub flushes: u64,
}

impl Default for Tlb {
    fn default() -> Self {
        Tlb {
            entries: Box::new([EMPTY; CONTEXTS * ENTRIES]),
            misses: 0,
            flushes: 0,
        }
    }
}

/// Index of a virtual address in its context's table.
#[inline(always)]
pub fn index(vaddr: u64) -> usize {
    (vaddr >> 12) as usize & (ENTRIES - 1)
}

/// The tag that an access to `bytes` bytes at `vaddr` must find: its last byte's page, which is no page that can stand
/// at the first byte's index if the access crosses a page's end.
#[inline(always)]
pub fn tag(vaddr: u64, bytes: u64) -> u64 {
    vaddr.wrapping_add(bytes - 1) & !0xfff
}

impl Tlb {
    /// The table of `context`; it lives and stays in place as long as this `Tlb`.
    #[inline(always)]
    pub fn table(&self, context: Context) -> *const Entry {
        // SAFETY: each context has `ENTRIES` entries in the array.
        unsafe { self.entries.as_ptr().add(context as usize * ENTRIES) }
    }

    /// Enters a translation of the page of `vaddr`.
    pub fn fill(
        &mut self,
        context: Context,
        vaddr: u64,
        physical: u64,
        host: *const u8,
        readable: bool,
        writable: bool,
    ) {
        let page = vaddr & !0xfff;
        let tag = |allowed| if allowed { page } else { NONE };
        self.entries[context as usize * ENTRIES + index(vaddr)] = Entry {
            read: tag(readable),
            write: tag(writable),
            physical,
            addend: (host as usize).wrapping_sub(page as usize),
        };
    }

    /// Drops everything.
    pub fn flush(&mut self) {
        self.flushes += 1;
        self.entries.fill(EMPTY);
    }

    /// Drops the translations of one virtual page.
    pub fn flush_page(&mut self, vaddr: u64) {
        for context in 0..CONTEXTS {
            self.entries[context * ENTRIES + index(vaddr)] = EMPTY;
        }
    }

    /// Takes the permission to store to a guest-physical page away.
    pub fn protect(&mut self, physical: u64) {
        for entry in self.entries.iter_mut() {
            if entry.physical == physical {
                entry.write = NONE;
            }
        }
    }

    /// Takes the permission to store away from every page.
    pub fn protect_all(&mut self) {
        for entry in self.entries.iter_mut() {
            entry.write = NONE;
        }
    }
}
