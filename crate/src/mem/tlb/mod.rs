//! The fast table: a direct-mapped cache of translations that engines check inline on every load and store.
//!
//! An entry's tag is the virtual page it maps, so one comparison answers "mapped, and allowed, and not across a page's
//! end". Each context (privilege and `SUM`) has a table of its own, so changing privilege flushes nothing.
//!
//! Two pages that share an index would drive each other out again and again; the entries driven out last are kept in a
//! small victim buffer, from which they come back without a walk.

/// Entries of one context's table.
pub const ENTRIES: usize = 8192;
/// Entries that are dropped together, or not at all if none of them was filled.
const CHUNK: usize = 128;
const CHUNKS: usize = CONTEXTS * ENTRIES / CHUNK;

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

/// Entries of the victim buffer.
const VICTIMS: usize = 8;

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

impl Entry {
    /// The virtual page it maps, [`NONE`] if it allows nothing.
    fn page(&self) -> u64 {
        if self.read != NONE { self.read } else { self.write }
    }
}

/// The tables of one hart.
#[derive(Debug)]
pub struct Tlb {
    entries: Box<[Entry]>,
    /// Chunks of which an entry was filled since all were dropped.
    filled: [bool; CHUNKS],
    /// Entries driven out, with their place in `entries`.
    victims: [(usize, Entry); VICTIMS],
    next_victim: usize,
    /// Look-ups that found nothing.
    pub misses: u64,
    /// Times that everything was dropped.
    pub flushes: u64,
}

impl Default for Tlb {
    fn default() -> Self {
        Tlb {
            entries: vec![EMPTY; CONTEXTS * ENTRIES].into_boxed_slice(),
            filled: [false; CHUNKS],
            victims: [(0, EMPTY); VICTIMS],
            next_victim: 0,
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

    /// Enters a translation of the page of `vaddr`. What can be stored to by the table can be loaded from.
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
        let new = Entry {
            read: tag(readable),
            write: tag(writable && readable),
            physical,
            addend: (host as usize).wrapping_sub(page as usize),
        };
        let place = context as usize * ENTRIES + index(vaddr);
        self.filled[place / CHUNK] = true;
        let old = std::mem::replace(&mut self.entries[place], new);
        if old.physical != NONE && old.page() != page {
            self.victims[self.next_victim] = (place, old);
            self.next_victim = (self.next_victim + 1) % VICTIMS;
        }
    }

    /// Brings an entry that was driven out back if it allows the access, whose tag is given: its guest-physical page.
    pub fn recall(&mut self, context: Context, vaddr: u64, tag: u64, write: bool) -> Option<u64> {
        let place = context as usize * ENTRIES + index(vaddr);
        let found = self.victims.iter_mut().find(|(victim_place, entry)| {
            *victim_place == place && tag == if write { entry.write } else { entry.read }
        })?;
        std::mem::swap(&mut found.1, &mut self.entries[place]);
        Some(self.entries[place].physical)
    }

    /// The entries of chunks that are not empty.
    fn filled(&mut self) -> impl Iterator<Item = &mut [Entry]> {
        let chunks = self.entries.chunks_mut(CHUNK).zip(&self.filled);
        chunks.filter_map(|(chunk, &filled)| filled.then_some(chunk))
    }

    /// Every entry that may hold something, wherever it is.
    fn all(&mut self) -> impl Iterator<Item = &mut Entry> {
        let chunks = self.entries.chunks_mut(CHUNK).zip(&self.filled);
        chunks
            .filter_map(|(chunk, &filled)| filled.then_some(chunk))
            .flatten()
            .chain(self.victims.iter_mut().map(|(_, entry)| entry))
    }

    /// Drops everything.
    pub fn flush(&mut self) {
        self.flushes += 1;
        self.filled().for_each(|chunk| chunk.fill(EMPTY));
        self.filled = [false; CHUNKS];
        self.victims.fill((0, EMPTY));
    }

    /// Drops the translations of one virtual page.
    pub fn flush_page(&mut self, vaddr: u64) {
        for context in 0..CONTEXTS {
            self.entries[context * ENTRIES + index(vaddr)] = EMPTY;
        }
        for (place, entry) in &mut self.victims {
            if *place % ENTRIES == index(vaddr) {
                *entry = EMPTY;
            }
        }
    }

    /// Takes the permission to store to a guest-physical page away.
    pub fn protect(&mut self, physical: u64) {
        for entry in self.all() {
            if entry.physical == physical {
                entry.write = NONE;
            }
        }
    }

    /// Takes the permission to store away from every page.
    pub fn protect_all(&mut self) {
        for entry in self.all() {
            entry.write = NONE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u64 = 0x1_0000_0000;
    /// Shares its index with `A`.
    const B: u64 = A + ((ENTRIES as u64) << 12);

    fn filled() -> Tlb {
        let mut tlb = Tlb::default();
        let host = std::ptr::null();
        tlb.fill(Context::User, A, 0x8000_0000, host, true, true);
        tlb.fill(Context::User, B, 0x8000_1000, host, true, false);
        tlb
    }

    #[test]
    fn a_page_driven_out_comes_back_with_its_rights() {
        let mut tlb = filled();
        assert_eq!(tlb.recall(Context::Supervisor, A, tag(A, 1), false), None);
        assert_eq!(tlb.recall(Context::User, A, tag(A, 8), true), Some(0x8000_0000));
        assert_eq!(tlb.recall(Context::User, B, tag(B, 8), true), None);
        assert_eq!(tlb.recall(Context::User, B, tag(B, 8), false), Some(0x8000_1000));
    }

    #[test]
    fn an_access_across_the_end_of_a_page_never_matches() {
        let mut tlb = filled();
        assert_eq!(
            tlb.recall(Context::User, A + 0xfff, tag(A + 0xfff, 2), false),
            None
        );
        assert_eq!(
            tlb.recall(Context::User, A + 0xffe, tag(A + 0xffe, 2), false),
            Some(0x8000_0000)
        );
    }

    #[test]
    fn flushes_and_protection_reach_what_was_driven_out() {
        let mut tlb = filled();
        tlb.protect(0x8000_0000);
        assert_eq!(tlb.recall(Context::User, A, tag(A, 1), true), None);
        tlb.flush_page(A);
        assert_eq!(tlb.recall(Context::User, A, tag(A, 1), false), None);
        let mut tlb = filled();
        tlb.flush();
        assert_eq!(tlb.recall(Context::User, A, tag(A, 1), false), None);
    }
}
