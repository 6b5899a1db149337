//! Where a hart's code is: from virtual page and privilege to decoded page.

use super::bits::ones;
use super::code::Page;
use crate::isa::riscv::hart::Privilege;
use crate::isa::riscv::insn::Insn;

/// As many as code of a kernel and a large program have pages that are run again and again.
const ENTRIES: usize = 1024;

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
    /// A bit for each entry that is not there in every address space.
    local: [u64; ENTRIES / 64],
    straddles: Box<[Option<Straddle>; STRADDLES]>,
    has_straddles: bool,
    /// [`super::code::CodeCache::drops`] that this has seen.
    pub seen_drops: u64,
    /// [`super::code::CodeCache::marks`] that this has seen.
    pub seen_marks: u64,
}

// SAFETY: the pages are owned by the machine's code cache, which moves between threads only together with this.
unsafe impl Send for FetchCache {}

impl Default for FetchCache {
    fn default() -> Self {
        FetchCache {
            entries: Box::new([EMPTY; ENTRIES]),
            local: [0; ENTRIES / 64],
            straddles: Box::new([None; STRADDLES]),
            has_straddles: false,
            seen_drops: 0,
            seen_marks: 0,
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
        let index = index(pc, privilege);
        let bit = 1 << (index % 64);
        if global {
            self.local[index / 64] &= !bit;
        } else {
            self.local[index / 64] |= bit;
        }
        self.entries[index] = Entry {
            key: key(pc, privilege),
            page,
            global,
        };
    }

    /// Forgets everything.
    pub fn flush(&mut self) {
        self.entries.fill(EMPTY);
        self.local.fill(0);
        self.flush_straddles();
    }

    /// Forgets what is not there in every address space.
    pub fn leave_address_space(&mut self) {
        for index in ones(&std::mem::take(&mut self.local)) {
            self.entries[index] = EMPTY;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::code::CodeCache;
    use crate::mem::{PAGE_SIZE, Ram};

    #[test]
    fn what_is_there_in_every_address_space_stays_when_one_is_left() {
        const BASE: u64 = 0x8000_0000;
        let mut ram = Ram::new(BASE, 2 * PAGE_SIZE).unwrap();
        let mut code = CodeCache::default();
        let [one, other] = [0, PAGE_SIZE].map(|offset| code.page(&mut ram, BASE + offset).unwrap());
        let mut cache = FetchCache::default();
        let pcs = [0, 1, 63, 64, ENTRIES as u64 - 1].map(|page| page * PAGE_SIZE);
        let of = |cache: &FetchCache, pc| cache.get(pc, Privilege::User);
        for pc in pcs {
            cache.insert(pc, Privilege::User, one, pc == PAGE_SIZE);
        }
        assert!(pcs.iter().all(|&pc| of(&cache, pc) == Some(one)));
        // In the places of the first, and of the second.
        let far = |page: u64| (ENTRIES as u64 + page) * PAGE_SIZE;
        cache.insert(far(0), Privilege::User, other, true);
        cache.insert(far(1), Privilege::User, other, false);
        cache.leave_address_space();
        assert_eq!(of(&cache, far(0)), Some(other));
        assert!(pcs.iter().all(|&pc| of(&cache, pc).is_none()));
        assert_eq!(of(&cache, far(1)), None);

        cache.flush_page(far(0));
        assert_eq!(of(&cache, far(0)), None);
        cache.insert(far(0), Privilege::User, other, true);
        cache.flush();
        assert_eq!(of(&cache, far(0)), None);
    }
}
