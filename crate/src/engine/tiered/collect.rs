//! The run loop's side of the collector: what is freed, what is found to be what it was, and what to do without room.

use super::source::page_of;
use super::{Jit, Key, State, Translation};
use crate::engine::Core;
use crate::engine::code::{Changes, CodeCache};
use crate::jit::CompileError;
use crate::jit::gc::{Mode, Step, Work};
use crate::mem::Bus;

/// What is left of its heat to an address whose region was freed: one part in so many.
const COOLED: u16 = 4;

/// Addresses that are looked at when execution arrives there, at most.
const MOST_EXPECTED: usize = 1 << 16;

impl Jit {
    /// Does a step of a collection, if there is something to do.
    pub(super) fn collect_garbage(&mut self, code: &CodeCache) {
        let moves = self.collector.mode() == Mode::Generational && self.backend.is_sparse();
        if !moves && !self.collector.is_due() {
            // Not even the time is asked for, which in the page is a call of JavaScript.
            return;
        }
        let start = self.backend.now_us();
        let mut freed = std::mem::take(&mut self.freed);
        let Step { worked, flush } = self.collector.step(&mut freed);
        if flush {
            self.translations.departures.note_all();
        }
        let mut work = match (worked, flush) {
            (_, true) => Work::Flush,
            (true, false) if !freed.is_empty() => Work::Free,
            (true, false) => Work::Look,
            (false, false) => Work::None,
        };
        for number in freed.drain(..) {
            let Some(gone) = self.with_keepers(|translations, keepers| translations.free(number, keepers))
            else {
                continue;
            };
            self.stats.gc.freed += 1;
            if !gone.asleep {
                // It was hot once, but not of late.
                let left = (code.initial_heat / COOLED).max(1);
                let entries = gone.entries.iter();
                entries.for_each(|key| code.set_heat(key.physical, left));
            }
        }
        self.freed = freed;
        // One or the other: a step is short.
        if moves && work == Work::None {
            work = self.compact();
        }
        if work != Work::None {
            self.pauses.add(self.backend.now_us() - start, work);
        }
    }

    /// Moves some code together, if that is worth it.
    fn compact(&mut self) -> Work {
        let mut moved = Vec::new();
        let work = self.backend.compact(&mut moved);
        for (number, code) in moved {
            self.translations.moved(number, code);
        }
        work
    }

    /// There was no room for a region's code.
    pub(super) fn no_room(&mut self, number: u32, error: &CompileError) {
        if !self.said_no_room {
            self.said_no_room = true;
            match self.collector.mode() {
                Mode::Off => log::warn!(target: "jit", "from now on hot code is interpreted: {error}"),
                Mode::Generational | Mode::Simple => {
                    log::warn!(target: "jit", "hot code is interpreted until other gives way: {error}");
                }
            }
        }
        self.stats.refused += 1;
        self.collector.press();
        self.with_keepers(|translations, keepers| match keepers.collector.mode() {
            // None will.
            Mode::Off => translations.finish(number, State::Refused, keepers),
            Mode::Generational | Mode::Simple => translations.forget(number, keepers),
        });
    }

    /// Wakes a translation for `key` whose source is there again, or still. Whether there is one.
    pub(super) fn revive<B: Bus>(
        &mut self,
        core: &mut Core,
        code: &mut CodeCache,
        bus: &mut B,
        key: Key,
    ) -> bool {
        for number in self.translations.sleepers(key) {
            let Some(translation) = self.translations.get(number) else {
                continue;
            };
            let Some(pages) = pages_now(core, code, bus, translation) else {
                continue;
            };
            if !translation.original.is_in(&pages, bus.ram()) {
                continue;
            }
            if bus.ram().has_stale_code() {
                // Looking for the pages has written to one of them: another time.
                return false;
            }
            self.translations.wake(number, pages);
            self.collector.revived(number);
            self.stats.gc.revived += 1;
            if let Some(translation) = self.translations.get(number) {
                let entries = translation.entries.iter();
                entries.for_each(|key| code.set_heat(key.physical, 0));
            }
            return true;
        }
        false
    }

    /// Takes what happened to pages of code.
    pub(super) fn take_changes(&mut self, code: &mut CodeCache) {
        let Some(changes) = &mut code.changes else {
            return;
        };
        if changes.written.is_empty() && changes.fresh.is_empty() {
            return;
        }
        let Changes { written, fresh } = std::mem::take(changes);
        for page in written {
            self.with_keepers(|translations, keepers| translations.drop_page(page, keepers));
        }
        // Execution need not become hot again where there are translations, or may be.
        for page in fresh {
            for physical in self.translations.sleeping_entries(page) {
                self.expected.insert(physical);
                code.set_heat(physical, 0);
            }
            for physical in self.translations.entries_in(page) {
                code.set_heat(physical, 0);
            }
        }
        if self.expected.len() > MOST_EXPECTED {
            self.expected.clear();
        }
    }
}

/// Where a translation's pages are now, decoded and marked as holding code.
fn pages_now<B: Bus>(
    core: &mut Core,
    code: &mut CodeCache,
    bus: &mut B,
    translation: &Translation,
) -> Option<Vec<(u64, u64)>> {
    let mut pages = Vec::with_capacity(translation.pages.len());
    for &(virtual_page, _) in &translation.pages {
        let physical_page = match translation.original.instruction_in(virtual_page) {
            Some(pc) => {
                let page = page_of(core, code, bus, pc)?;
                // SAFETY: just found; nothing was dropped since.
                unsafe { (*page).physical }
            }
            // It was looked into, but nothing of it belongs to the region.
            None => core.hart.probe_fetch(bus, virtual_page)?.physical,
        };
        pages.push((virtual_page, physical_page));
    }
    Some(pages)
}

/// Which code was given back lately, to tell what is compiled again; roughly, and in little room.
#[derive(Debug)]
pub struct Ghosts {
    tags: Box<[u32; Ghosts::PLACES]>,
}

impl Ghosts {
    const PLACES: usize = 1 << 14;

    fn place(hash: u64) -> (usize, u32) {
        ((hash >> 32) as usize % Self::PLACES, hash as u32 | 1)
    }

    /// Code with this hash was given back.
    pub fn note(&mut self, hash: u64) {
        let (place, tag) = Self::place(hash);
        self.tags[place] = tag;
    }

    /// Whether it was, since it was asked last.
    pub fn take(&mut self, hash: u64) -> bool {
        let (place, tag) = Self::place(hash);
        let known = self.tags[place] == tag;
        if known {
            self.tags[place] = 0;
        }
        known
    }
}

impl Default for Ghosts {
    fn default() -> Self {
        Ghosts {
            tags: Box::new([0; Self::PLACES]),
        }
    }
}
