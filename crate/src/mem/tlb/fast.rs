//! The fast table: a direct-mapped cache of translations that engines check inline on every load and store.
//!
//! An entry's tag is the virtual page it maps, so one comparison answers "mapped, and allowed, and not across a page's
//! end". Each context (privilege and `SUM`) has a table of its own, so changing privilege flushes nothing. When the address
//! space changes, only pages that belong to the one left are dropped: global ones stay, as those of a kernel.
//!
//! Of a superpage the table holds the parts that were used, each an entry; dropping any address of it drops them all.
//!
//! Two pages that share an index would drive each other out again and again; the entries driven out last are kept in a
//! small victim buffer, from which they come back without a walk.

use super::core::size_bits;

/// Entries of one context's table.
pub const ENTRIES: usize = 8192;
/// Entries that are dropped together, or not at all if none of them was filled.
const CHUNK: usize = 128;
const CHUNKS: usize = CONTEXTS * ENTRIES / CHUNK;

// What the low bits of `Entry::physical` say.
/// The page is in every address space.
const GLOBAL: u64 = 1;
/// Where the size stands of the page that this is a part of.
const SIZE_SHIFT: u32 = 1;
const PAGE: u64 = !0xfff;

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
    /// Guest-physical page; in the low bits, what kind of page it is. Compiled code does not look at it.
    physical: u64,
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

    /// Whether it belongs to one address space.
    fn is_local(&self) -> bool {
        self.physical & GLOBAL == 0
    }

    /// Whether it is a part of the superpage of `size` around `vaddr`.
    fn is_part_of(&self, vaddr: u64, size: u32) -> bool {
        let own = (self.physical >> SIZE_SHIFT & 7) as u32;
        own == size && (self.page() ^ vaddr) >> size_bits(size) == 0
    }
}

/// What is entered of a page.
#[derive(Debug, Clone, Copy)]
pub struct Mapping {
    /// An address in it.
    pub vaddr: u64,
    /// The guest-physical page.
    pub physical: u64,
    /// Where the host has it.
    pub host: *const u8,
    /// Loads are allowed.
    pub readable: bool,
    /// Stores are allowed.
    pub writable: bool,
    /// It is in every address space.
    pub global: bool,
    /// The size of the page that this is a part of; 0 for 4 KiB.
    pub size: u32,
}

/// The tables of one hart.
#[derive(Debug)]
pub struct Tlb {
    entries: Box<[Entry]>,
    /// Chunks of which an entry was filled since all were dropped.
    filled: [bool; CHUNKS],
    /// Chunks in which a page of one address space was entered since.
    local: [bool; CHUNKS],
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
            local: [false; CHUNKS],
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

    /// Enters a translation. What can be stored to by the table can be loaded from.
    pub fn fill(&mut self, context: Context, mapping: Mapping) {
        let page = mapping.vaddr & PAGE;
        let tag = |allowed| if allowed { page } else { NONE };
        let global = if mapping.global { GLOBAL } else { 0 };
        let new = Entry {
            read: tag(mapping.readable),
            write: tag(mapping.writable && mapping.readable),
            physical: mapping.physical & PAGE | u64::from(mapping.size) << SIZE_SHIFT | global,
            addend: (mapping.host as usize).wrapping_sub(page as usize),
        };
        let place = context as usize * ENTRIES + index(page);
        self.filled[place / CHUNK] = true;
        self.local[place / CHUNK] |= !mapping.global;
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
        let entry = self.entries[place];
        // It may have been driven out before others of its chunk were dropped.
        self.filled[place / CHUNK] = true;
        self.local[place / CHUNK] |= entry.is_local();
        Some(entry.physical & PAGE)
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
        self.local = [false; CHUNKS];
        self.victims.fill((0, EMPTY));
    }

    /// Drops what belongs to the address space that is left.
    pub fn leave_address_space(&mut self) {
        for (chunk, local) in self.entries.chunks_mut(CHUNK).zip(&mut self.local) {
            if std::mem::take(local) {
                let entries = chunk.iter_mut().filter(|entry| entry.is_local());
                entries.for_each(|entry| *entry = EMPTY);
            }
        }
        let victims = self.victims.iter_mut().map(|(_, entry)| entry);
        victims
            .filter(|entry| entry.is_local())
            .for_each(|entry| *entry = EMPTY);
    }

    /// Drops the parts of superpages around an address, of at most this size.
    pub fn flush_superpages(&mut self, vaddr: u64, largest: u32) {
        for entry in self.all() {
            if (1..=largest).any(|size| entry.is_part_of(vaddr, size)) {
                *entry = EMPTY;
            }
        }
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
            if entry.physical & PAGE == physical {
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
        tlb.fill(Context::User, mapping(A, 0x8000_0000));
        let read_only = Mapping {
            writable: false,
            ..mapping(B, 0x8000_1000)
        };
        tlb.fill(Context::User, read_only);
        tlb
    }

    fn mapping(vaddr: u64, physical: u64) -> Mapping {
        Mapping {
            vaddr,
            physical,
            host: std::ptr::null(),
            readable: true,
            writable: true,
            global: false,
            size: 0,
        }
    }

    /// Whether the table itself has a page.
    fn has(tlb: &Tlb, vaddr: u64) -> bool {
        tlb.entries[Context::User as usize * ENTRIES + index(vaddr)].read == vaddr & PAGE
    }

    #[test]
    fn global_pages_stay_when_the_address_space_changes() {
        let mut tlb = filled();
        let global = Mapping {
            global: true,
            ..mapping(A + 0x1000, 0x8000_2000)
        };
        tlb.fill(Context::User, global);
        tlb.leave_address_space();
        assert!(has(&tlb, A + 0x1000));
        assert!(!has(&tlb, B));
        assert_eq!(tlb.recall(Context::User, A, tag(A, 8), false), None);
    }

    #[test]
    fn every_part_of_a_superpage_goes_with_any_address_of_it() {
        let mut tlb = Tlb::default();
        let part = |vaddr| Mapping {
            size: 1,
            ..mapping(vaddr, 0x8000_0000)
        };
        let parts = [A + 0x1000, A + 0x1f_f000, A + 0x20_0000];
        parts
            .iter()
            .for_each(|&vaddr| tlb.fill(Context::User, part(vaddr)));
        tlb.fill(Context::User, mapping(A + 0x3000, 0x8000_3000));
        tlb.flush_superpages(A + 0x10_0000, 4);
        assert_eq!(parts.map(|vaddr| has(&tlb, vaddr)), [false, false, true]);
        assert!(has(&tlb, A + 0x3000));
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
