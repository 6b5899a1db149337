//! Decoded code: guest pages as arrays of instructions, keyed by physical address and shared by all harts.
//!
//! A page is decoded lazily, in *runs*: straight lines of instructions that lie next to each other in one array, up to
//! an instruction that never falls through. A map from offset to index finds where to enter. Jumps within a page are
//! thus two loads, with no look-up by address. A write to the page drops it whole. When there are too many, those go that were
//! not looked up since they were passed over last (the clock algorithm).

use std::cell::Cell;
use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use super::profile;
use crate::isa::riscv::decode::decode;
use crate::isa::riscv::insn::{Insn, Op};
use crate::mem::{PAGE_SIZE, Ram};
use rustc_hash::FxHashMap;

/// No instruction was decoded at this offset yet.
pub const UNDECODED: u16 = u16::MAX;

/// Slots of a page: instructions start at even addresses.
const SLOTS: usize = PAGE_SIZE as usize / 2;

/// Bytes of decoded pages beyond which some are dropped.
const MOST_BYTES: usize = if cfg!(target_arch = "wasm32") {
    32 << 20
} else {
    64 << 20
};
/// Pages that are dropped at a time, which takes some tenths of a millisecond.
const DROPPED_AT_A_TIME: usize = 256;

/// What is known of one even offset in a page.
#[derive(Debug)]
pub struct Slot {
    /// Index of the instruction there, or [`UNDECODED`].
    pub index: u16,
    /// How often execution may still jump here before that is worth a look of the run loop.
    heat: Cell<u16>,
}

impl Slot {
    /// Notes that execution jumps here. False when the heat is used up.
    #[inline(always)]
    pub fn arrive(&self, step: u16) -> bool {
        let heat = self.heat.get();
        if heat == 0 {
            return false;
        }
        self.heat.set(heat - step);
        true
    }

    /// Arrivals left.
    pub fn heat(&self) -> u16 {
        self.heat.get()
    }

    /// Sets how many arrivals are left.
    pub fn set_heat(&self, heat: u16) {
        self.heat.set(heat);
    }
}

/// One decoded page.
#[derive(Debug)]
pub struct Page {
    /// Guest-physical address.
    pub physical: u64,
    /// What a profile knows the page by, where there is one.
    pub contents: u64,
    /// It was looked up since it was passed over last.
    used: bool,
    /// Runs, one after the other.
    insns: Vec<Insn>,
    map: [Slot; SLOTS],
}

impl Page {
    fn new(physical: u64, heat: u16) -> Box<Self> {
        Box::new(Page {
            physical,
            contents: 0,
            used: true,
            insns: Vec::new(),
            map: std::array::from_fn(|_| Slot {
                index: UNDECODED,
                heat: Cell::new(heat),
            }),
        })
    }

    /// Sets heats by what a profile knows of such a page with these bytes: what was hot will soon be compiled, and what was
    /// arrived at has the looks of it.
    fn expect(&mut self, bytes: &[u8], heat: u16, profile: &mut profile::Profile) {
        self.contents = profile::contents(bytes);
        let Some(known) = profile.meet(self.contents) else {
            return;
        };
        for &offset in known.arrived() {
            self.slot(u64::from(offset)).set_heat(heat - 1);
        }
        for entry in known.entries() {
            self.slot(u64::from(entry.offset)).set_heat((heat - 1).min(1));
        }
    }

    /// Tells a profile where execution has arrived, which is where the heat is not what it was at first.
    fn tell(&self, heat: u16, profile: &mut profile::Profile) {
        let arrived = (0_u16..).step_by(2).zip(&self.map);
        let arrived = arrived.filter(|(_, slot)| slot.heat() != heat);
        profile.note_arrivals(self.contents, arrived.map(|(offset, _)| offset));
    }

    /// What is known of `offset`.
    #[inline(always)]
    pub fn slot(&self, offset: u64) -> &Slot {
        &self.map[(offset as usize & (PAGE_SIZE as usize - 1)) / 2]
    }

    /// Index of the instruction at `offset`, or [`UNDECODED`].
    #[inline(always)]
    pub fn index(&self, offset: u64) -> u16 {
        self.slot(offset).index
    }

    /// The instruction at an index that [`Self::index`] gave. The pointer is good until the page decodes more.
    #[inline(always)]
    pub fn insn(&self, index: u16) -> *const Insn {
        debug_assert!(usize::from(index) < self.insns.len());
        // SAFETY: indices in the map are within `insns`.
        unsafe { self.insns.as_ptr().add(usize::from(index)) }
    }

    /// Decodes the run that starts at `offset`, from the page's `bytes`.
    fn decode_run(&mut self, bytes: &[u8], offset: u64) {
        let mut at = offset as usize & (PAGE_SIZE as usize - 2);
        loop {
            // A run ends where it meets code that is decoded, or the page's end.
            if at == PAGE_SIZE as usize || self.map[at / 2].index != UNDECODED {
                self.push(
                    at,
                    Insn {
                        imm: at as i32,
                        ..Insn::new(Op::Continue)
                    },
                );
                return;
            }
            let low = u16::from_le_bytes([bytes[at], bytes[at + 1]]);
            let insn = match bytes.get(at + 2..at + 4) {
                Some(high) => {
                    decode(u32::from(low) | u32::from(u16::from_le_bytes([high[0], high[1]])) << 16)
                }
                None if low & 3 == 3 => Insn::new(Op::Straddle),
                None => decode(u32::from(low)),
            };
            self.map[at / 2].index = self.insns.len() as u16;
            self.push(at, insn);
            if insn.op.ends_run() {
                return;
            }
            at += usize::from(insn.len);
        }
    }

    fn push(&mut self, offset: usize, insn: Insn) {
        self.insns.push(Insn {
            offset: offset as u16,
            ..insn
        });
    }
}

/// What happened to pages.
#[derive(Debug, Default)]
pub struct Changes {
    /// Guest-physical pages that were written and so dropped.
    pub written: Vec<u64>,
    /// Guest-physical pages that were decoded, and had not been or had been dropped.
    pub fresh: Vec<u64>,
}

/// All decoded pages of a machine.
#[derive(Debug)]
pub struct CodeCache {
    pages: FxHashMap<u64, Box<Page>>,
    /// Their addresses, in the order in which they are looked at when there are too many; some may have gone.
    clock: VecDeque<u64>,
    /// A page that holds nothing.
    empty: Box<Page>,
    instructions: usize,
    /// Counts the times that pages were dropped: who remembers pages forgets them when this changes.
    pub drops: u64,
    /// Counts the times that a page became one that holds code: who remembers permissions to store forgets them.
    pub marks: u64,
    /// What happened to pages, for who keeps more than decoded code of them; only where that one takes it now and then.
    pub changes: Option<Changes>,
    /// Heat of offsets in pages to come. It must not be 0.
    pub initial_heat: u16,
    /// What is known of pages to come, and is to be known of those that there are.
    pub profile: Option<profile::Shared>,
}

impl Default for CodeCache {
    fn default() -> Self {
        CodeCache {
            pages: FxHashMap::default(),
            clock: VecDeque::new(),
            empty: Page::new(u64::MAX, u16::MAX),
            instructions: 0,
            drops: 0,
            marks: 0,
            changes: None,
            initial_heat: u16::MAX,
            profile: None,
        }
    }
}

impl CodeCache {
    /// A page in which nothing is ever decoded.
    pub fn empty_page(&self) -> *const Page {
        &raw const *self.empty
    }

    /// The page of guest-physical address `physical`, with the instruction there decoded; `None` outside RAM.
    pub fn page(&mut self, ram: &mut Ram, physical: u64) -> Option<*const Page> {
        let base = physical & !(PAGE_SIZE - 1);
        if ram.mark_code(base) {
            self.marks += 1;
        }
        let bytes = ram.slice(base, PAGE_SIZE).ok()?;
        let heat = self.initial_heat;
        let page = match self.pages.entry(base) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                let mut page = Page::new(base, heat);
                if let Some(profile) = &self.profile {
                    page.expect(bytes, heat, &mut profile.lock());
                }
                if let Some(changes) = &mut self.changes {
                    changes.fresh.push(base);
                }
                self.clock.push_back(base);
                vacant.insert(page)
            }
        };
        page.used = true;
        if page.index(physical) == UNDECODED {
            let before = page.insns.len();
            page.decode_run(bytes, physical);
            self.instructions += page.insns.len() - before;
        }
        Some(&raw const **page)
    }

    /// Sets how many arrivals are left at a guest-physical address, if its page is decoded.
    pub fn set_heat(&self, physical: u64, heat: u16) {
        if let Some(page) = self.pages.get(&(physical & !(PAGE_SIZE - 1))) {
            page.slot(physical).set_heat(heat);
        }
    }

    /// Lets an address that was arrived at stay interpreted for long.
    pub fn hold_back(&self, physical: u64) {
        let page = self.pages.get(&(physical & !(PAGE_SIZE - 1)));
        let slot = page.map(|page| page.slot(physical));
        if let Some(slot) = slot.filter(|slot| slot.heat() != self.initial_heat) {
            slot.set_heat(u16::MAX);
        }
    }

    /// Drops the pages whose memory was written.
    pub fn drop_stale(&mut self, ram: &mut Ram) {
        for base in ram.take_stale_code() {
            self.drop_page(base, true);
            if let Some(changes) = &mut self.changes {
                changes.written.push(base);
            }
        }
        if self.clock.len() > 2 * self.pages.len() + DROPPED_AT_A_TIME {
            self.clock = self.pages.keys().copied().collect();
        }
        self.drops += 1;
    }

    /// Whether it holds so much that some is to be dropped, where nobody has a pointer into it.
    pub fn is_full(&self) -> bool {
        self.bytes() > MOST_BYTES
    }

    /// Bytes of decoded pages.
    fn bytes(&self) -> usize {
        self.pages.len() * size_of::<Page>() + self.instructions * size_of::<Insn>()
    }

    /// Drops some pages that were not used of late.
    pub fn drop_some(&mut self) {
        let mut left = DROPPED_AT_A_TIME.min(self.pages.len());
        while left > 0 {
            let Some(base) = self.clock.pop_front() else {
                break;
            };
            let Some(page) = self.pages.get_mut(&base) else {
                continue;
            };
            if std::mem::take(&mut page.used) {
                self.clock.push_back(base);
                continue;
            }
            self.drop_page(base, false);
            left -= 1;
        }
        self.drops += 1;
    }

    /// Drops a page, if there is one; `gone` if it holds something else now.
    fn drop_page(&mut self, base: u64, gone: bool) {
        if let Some(page) = self.pages.remove(&base) {
            self.instructions -= page.insns.len();
            if let Some(profile) = &self.profile {
                let mut profile = profile.lock();
                page.tell(self.initial_heat, &mut profile);
                if gone {
                    profile.note_gone(page.contents);
                }
            }
        }
    }

    /// Tells the profile where execution has arrived in the pages there are.
    pub fn tell_profile(&self) {
        if let Some(profile) = &self.profile {
            let mut profile = profile.lock();
            self.pages
                .values()
                .for_each(|page| page.tell(self.initial_heat, &mut profile));
        }
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.tell_profile();
        self.pages.clear();
        self.clock.clear();
        self.instructions = 0;
        self.drops += 1;
    }

    /// Decoded pages and instructions held.
    pub fn size(&self) -> (usize, usize) {
        (self.pages.len(), self.instructions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_where_it_meets_decoded_code() {
        let mut ram = Ram::new(0x8000_0000, 0x1000).unwrap();
        // c.nop; c.nop; c.nop; c.j .
        ram.write(0x8000_0000, &[1, 0, 1, 0, 1, 0, 1, 0xa0]).unwrap();
        let mut code = CodeCache::default();
        code.page(&mut ram, 0x8000_0004).unwrap();
        let page = code.page(&mut ram, 0x8000_0000).unwrap();
        // SAFETY: the cache was not touched since.
        let page = unsafe { &*page };
        let first = usize::from(page.index(0));
        assert_eq!(page.insns[first + 2].op, Op::Continue);
        assert_eq!(page.insns[first + 2].imm, 4);
        assert_eq!(code.size(), (1, 5));
    }

    #[test]
    fn what_was_not_used_of_late_goes_when_there_is_too_much() {
        const PAGES: u64 = 2000;
        let mut ram = Ram::new(0x8000_0000, PAGES * PAGE_SIZE).unwrap();
        let mut code = CodeCache::default();
        let at = |page: u64| 0x8000_0000 + page * PAGE_SIZE;
        for page in 0..PAGES {
            code.page(&mut ram, at(page)).unwrap();
        }
        let before = code.drops;
        code.drop_some();
        assert_eq!(
            code.size().0 as u64,
            PAGES - DROPPED_AT_A_TIME as u64,
            "all were used alike"
        );
        assert_ne!(code.drops, before);
        for _ in 0..20 {
            // Half of what was there at first is in use; no page comes back otherwise.
            for page in (0..PAGES)
                .filter(|page| page % 2 == 0 && code.pages.contains_key(&at(*page)))
                .collect::<Vec<_>>()
            {
                code.page(&mut ram, at(page)).unwrap();
            }
            let odd = (0..PAGES).filter(|page| page % 2 == 1);
            if odd.filter(|page| code.pages.contains_key(&at(*page))).count() < DROPPED_AT_A_TIME {
                break;
            }
            code.drop_some();
        }
        let even = (0..PAGES).filter(|page| page % 2 == 0);
        let left = even.filter(|page| code.pages.contains_key(&at(*page))).count();
        assert!(left + 2 * DROPPED_AT_A_TIME >= PAGES as usize / 2, "{left}");
    }

    #[test]
    fn writes_drop_pages() {
        let mut ram = Ram::new(0x8000_0000, 0x2000).unwrap();
        let mut code = CodeCache::default();
        code.page(&mut ram, 0x8000_0000).unwrap();
        code.page(&mut ram, 0x8000_1000).unwrap();
        ram.write_u8(0x8000_0fff, 1).unwrap();
        code.drop_stale(&mut ram);
        assert_eq!(code.size().0, 1);
        assert!(code.page(&mut ram, 0x8000_2000).is_none());
    }
}
