//! Where a hart's code is: from virtual page and privilege to decoded page.

use super::code::Page;
use crate::isa::riscv::hart::Privilege;
use crate::isa::riscv::insn::Insn;

const ENTRIES: usize = 256;

/// A key that no page has.
const NONE: u64 = u64::MAX;

/// Entries for instructions that straddle two pages.
const STRADDLES: usize = 32;

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Virtual page, with the privilege in its low bits.
    key: u64,
    page: *const Page,
    /// The page is there in every address space.
    global: bool,
}

const EMPTY: Entry = Entry {
    key: NONE,
    page: std::ptr::null(),
    global: false,
};

/// An instruction whose halves lie in two pages, with the jump past it.
#[derive(Debug, Clone, Copy)]
pub struct Straddle {
    key: u64,
    /// The instruction and an [`crate::isa::riscv::insn::Op::Continue`].
    pub insns: [Insn; 2],
}

/// A direct-mapped cache of the pages that a hart fetches from.
#[derive(Debug)]
pub struct FetchCache {
    entries: Box<[Entry; ENTRIES]>,
    straddles: Box<[Option<Straddle>; STRADDLES]>,
    has_straddles: bool,
    /// [`super::code::CodeCache::drops`] that this has seen.
    pub seen_drops: u64,
    /// [`super::code::CodeCache::marks`] that this has seen.
    pub seen_marks: u64,
    /// Look-ups that found nothing.
    pub misses: u64,
}

// SAFETY: the pages are owned by the machine's code cache, which moves between threads only together with this.
unsafe impl Send for FetchCache {}

impl Default for FetchCache {
    fn default() -> Self {
        FetchCache {
            entries: Box::new([EMPTY; ENTRIES]),
            straddles: Box::new([None; STRADDLES]),
            has_straddles: false,
            seen_drops: 0,
            seen_marks: 0,
            misses: 0,
        }
    }
}

#[inline(always)]
fn key(pc: u64, privilege: Privilege) -> u64 {
    (pc & !0xfff) | privilege as u64
}

/// Privileges spread over the table, so that user and kernel pages do not meet.
#[inline(always)]
fn index(pc: u64, privilege: Privilege) -> usize {
    ((pc >> 12) as usize ^ (privilege as usize * 0x55)) & (ENTRIES - 1)
}

impl FetchCache {
    /// The page of `pc`, if known.
    #[inline(always)]
    pub fn get(&self, pc: u64, privilege: Privilege) -> Option<*const Page> {
        let entry = &self.entries[index(pc, privilege)];
        (entry.key == key(pc, privilege)).then_some(entry.page)
    }

    /// The page of `pc`, if known, and whether it is there in every address space.
    pub fn get_with_kind(&self, pc: u64, privilege: Privilege) -> Option<(*const Page, bool)> {
        let page = self.get(pc, privilege)?;
        Some((page, self.entries[index(pc, privilege)].global))
    }

    /// Remembers the page of `pc`, which may be there in every address space.
    pub fn insert(&mut self, pc: u64, privilege: Privilege, page: *const Page, global: bool) {
        self.misses += 1;
        self.entries[index(pc, privilege)] = Entry {
            key: key(pc, privilege),
            page,
            global,
        };
    }

    /// Forgets everything.
    pub fn flush(&mut self) {
        self.entries.fill(EMPTY);
        self.flush_straddles();
    }

    /// Forgets what is not there in every address space.
    pub fn leave_address_space(&mut self) {
        let local = self.entries.iter_mut().filter(|entry| !entry.global);
        local.for_each(|entry| *entry = EMPTY);
        self.flush_straddles();
    }

    /// Forgets one virtual page.
    pub fn flush_page(&mut self, vaddr: u64) {
        for privilege in [Privilege::User, Privilege::Supervisor] {
            self.entries[index(vaddr, privilege)] = EMPTY;
        }
        self.flush_straddles();
    }

    fn flush_straddles(&mut self) {
        if self.has_straddles {
            self.straddles.fill(None);
            self.has_straddles = false;
        }
    }

    /// The straddling instruction at the end of `pc`'s page, if known.
    pub fn straddle(&self, pc: u64, privilege: Privilege) -> Option<&Straddle> {
        self.straddles[(pc >> 12) as usize % STRADDLES]
            .as_ref()
            .filter(|s| s.key == key(pc, privilege))
    }

    /// Remembers the straddling instruction at the end of `pc`'s page.
    pub fn insert_straddle(&mut self, pc: u64, privilege: Privilege, insns: [Insn; 2]) -> &Straddle {
        self.has_straddles = true;
        self.straddles[(pc >> 12) as usize % STRADDLES].insert(Straddle {
            key: key(pc, privilege),
            insns,
        })
    }
}
