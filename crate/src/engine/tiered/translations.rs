//! The translation cache: which regions there are, of which guest pages, and what became of them.
//!
//! A translation is found by the guest-virtual address and the guest-physical address of its entry and by privilege, and
//! holds where the page table said its pages are: it may run only where it still says so. A write to any of its pages puts
//! it to sleep: nobody finds it, until its source is seen to be what it was, here or in other pages. What is kept is up
//! to the collector ([`crate::jit::gc`]).

#[cfg(test)]
mod tests;

use crate::ir::Point;
use crate::isa::riscv::hart::Privilege;
use crate::jit::gc::{Collector, Fate};
use crate::jit::{Backend, Code, Tier};
use rustc_hash::FxHashMap;

use super::collect::Ghosts;
use super::departures::Departures;
use super::original::Original;

/// Translations of one address that may sleep.
const MOST_ASLEEP: usize = 8;
/// Translations that are named one by one where a page of theirs is no longer what it was; of more, everything is forgotten.
const MOST_NAMED: usize = 256;
/// Bytes that a translation takes beside its code, its source and its points, roughly.
const RECORD: usize = 256;

/// What a translation is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// Guest-virtual address of the entry.
    pub pc: u64,
    /// Its guest-physical address.
    pub physical: u64,
    /// Privilege.
    pub privilege: u8,
}

impl Key {
    /// The key of an entry.
    pub fn new(pc: u64, physical: u64, privilege: Privilege) -> Self {
        Key {
            pc,
            physical,
            privilege: privilege as u8,
        }
    }

    /// What one that sleeps is found by: it may wake elsewhere in physical memory.
    fn asleep(self) -> (u64, u8) {
        (self.pc, self.privilege)
    }
}

/// What became of a translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Being compiled.
    Pending,
    /// Can run.
    Ready(Code),
    /// Could not be compiled.
    Refused,
}

/// One region and its code.
#[derive(Debug)]
pub struct Translation {
    /// What it is found by, and what it was made for.
    pub key: Key,
    /// What it can be found by too: its entries, in their order, of which `key` is the first.
    pub entries: Vec<Key>,
    /// Its pages: guest-virtual and guest-physical.
    pub pages: Vec<(u64, u64)>,
    /// The guest code it was made of.
    pub original: Original,
    /// Where it may be left within a block.
    pub points: Vec<Point>,
    /// How much was done for it.
    pub tier: Tier,
    /// What became of it.
    pub state: State,
    /// How often a turn ended in it.
    pub ticks: u32,
    /// Its source was written, or its pages' contents were replaced: it may be something else now.
    pub asleep: bool,
}

impl Translation {
    /// Its size with all that belongs to it, its code being so large.
    fn bytes(&self, code: usize) -> usize {
        code + self.original.size() + size_of_val(&*self.points) + RECORD
    }
}

/// Those of one key.
#[derive(Debug, Default, Clone, Copy)]
struct Versions {
    /// The one to run, and at which of its entries.
    current: Option<(u32, u32)>,
    /// The one that will replace it, while it is being compiled.
    next: Option<u32>,
}

/// Who keeps code and who makes it.
#[derive(Debug)]
pub struct Keepers<'a> {
    /// Decides what is kept.
    pub collector: &'a mut dyn Collector,
    /// Holds the code.
    pub backend: &'a mut dyn Backend,
}

/// The cache.
#[derive(Debug, Default)]
pub struct Translations {
    all: FxHashMap<u32, Translation>,
    by_key: FxHashMap<Key, Versions>,
    /// By guest-physical page.
    by_page: FxHashMap<u64, Vec<u32>>,
    /// By guest-virtual page.
    by_virtual_page: FxHashMap<u64, Vec<u32>>,
    /// Those that sleep, by guest-virtual address of an entry and privilege.
    asleep: FxHashMap<(u64, u8), Vec<u32>>,
    /// Those that sleep, by the guest-physical page in which they lay.
    asleep_by_page: FxHashMap<u64, Vec<u32>>,
    last_number: u32,
    /// What branch-target caches have to forget.
    pub departures: Departures,
    /// Translations put to sleep or dropped so far since their source was written.
    pub dropped: u64,
    /// Translations of code that had one before, which was given back.
    pub recompiled: u64,
    ghosts: Ghosts,
}

impl Translations {
    /// Adds a translation that is being compiled; returns its number.
    pub fn add(&mut self, translation: Translation) -> u32 {
        self.last_number = self.last_number.wrapping_add(1);
        let number = self.last_number;
        self.recompiled += u64::from(self.ghosts.take(translation.original.hash()));
        self.link(number, &translation);
        self.all.insert(number, translation);
        number
    }

    /// Makes a translation one that is found.
    fn link(&mut self, number: u32, translation: &Translation) {
        for &(virtual_page, physical_page) in &translation.pages {
            self.by_page.entry(physical_page).or_default().push(number);
            self.by_virtual_page.entry(virtual_page).or_default().push(number);
        }
        for (entry, &key) in (0..).zip(&translation.entries) {
            let versions = self.by_key.entry(key).or_default();
            match versions.current {
                None => versions.current = Some((number, entry)),
                Some(_) if key == translation.key && translation.state == State::Pending => {
                    versions.next = Some(number);
                }
                Some(_) => {}
            }
        }
    }

    /// Makes it one that is not found. Whoever knows its code must forget that.
    fn unlink(&mut self, number: u32, translation: &Translation) {
        for (virtual_page, physical_page) in &translation.pages {
            remove_from(&mut self.by_page, physical_page, number);
            remove_from(&mut self.by_virtual_page, virtual_page, number);
        }
        for key in &translation.entries {
            let Some(versions) = self.by_key.get_mut(key) else {
                continue;
            };
            versions.current.take_if(|current| current.0 == number);
            versions.next.take_if(|next| *next == number);
            if versions.current.is_none() {
                versions.current = versions.next.take().map(|next| (next, 0));
            }
            if versions.current.is_none() {
                self.by_key.remove(key);
            }
        }
    }

    /// The translation with this number.
    pub fn get(&self, number: u32) -> Option<&Translation> {
        self.all.get(&number)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Translation> {
        self.all.get_mut(&number)
    }

    /// The translation to run at a key, or that is on its way there: its number, itself and the number of its entry.
    pub fn find(&self, key: Key) -> Option<(u32, &Translation, u32)> {
        let (number, entry) = self.by_key.get(&key)?.current?;
        Some((number, self.all.get(&number)?, entry))
    }

    /// Those that sleep and could be woken for a key, the latest first.
    pub fn sleepers(&self, key: Key) -> Vec<u32> {
        let sleepers = self.asleep.get(&key.asleep());
        sleepers.map_or_else(Vec::new, |numbers| numbers.iter().rev().copied().collect())
    }

    /// Guest-physical addresses in a page at which those that sleep had their entries.
    pub fn sleeping_entries(&self, physical_page: u64) -> impl Iterator<Item = u64> + '_ {
        self.entries_of(self.asleep_by_page.get(&physical_page), physical_page)
    }

    /// Guest-physical addresses in a page at which those that do not sleep have their entries.
    pub fn entries_in(&self, physical_page: u64) -> impl Iterator<Item = u64> + '_ {
        self.entries_of(self.by_page.get(&physical_page), physical_page)
    }

    fn entries_of<'a>(
        &'a self,
        numbers: Option<&'a Vec<u32>>,
        physical_page: u64,
    ) -> impl Iterator<Item = u64> + 'a {
        numbers
            .into_iter()
            .flatten()
            .filter_map(|number| self.all.get(number))
            .flat_map(|translation| &translation.entries)
            .map(|key| key.physical)
            .filter(move |physical| physical & !0xfff == physical_page)
    }

    /// Whether a better translation of `key` is being compiled.
    pub fn is_being_replaced(&self, key: Key) -> bool {
        self.by_key
            .get(&key)
            .is_some_and(|versions| versions.next.is_some())
    }

    /// The entries of all translations that lie in a guest-virtual page; `None` if they are too many to be named one by one.
    pub fn covering(&self, virtual_page: u64) -> Option<impl Iterator<Item = &Key>> {
        let numbers = self
            .by_virtual_page
            .get(&virtual_page)
            .map_or(&[][..], Vec::as_slice);
        let translations = numbers.iter().filter_map(|number| self.all.get(number));
        (numbers.len() <= MOST_NAMED).then(|| translations.flat_map(|translation| &translation.entries))
    }

    /// Notes what became of a translation that was being compiled. One that was dropped meanwhile is given back.
    pub fn finish(&mut self, number: u32, state: State, keepers: &mut Keepers<'_>) {
        let Some(translation) = self.all.get_mut(&number) else {
            if let State::Ready(code) = state {
                keepers.backend.release(code);
            }
            return;
        };
        translation.state = state;
        let asleep = translation.asleep;
        let bytes = translation.bytes(match state {
            State::Ready(code) => code.bytes,
            _ => 0,
        });
        keepers.collector.born(number, bytes);
        if asleep {
            let fate = match state {
                State::Ready(_) => keepers.collector.written(number),
                _ => keepers.collector.done(number),
            };
            if fate != Fate::Keep {
                self.remove(number, fate, keepers);
            }
            return;
        }
        let (key, entries) = (translation.key, translation.entries.clone());
        let Some(versions) = self.by_key.get_mut(&key) else {
            return;
        };
        let mut old = None;
        if versions.next == Some(number) {
            versions.next = None;
            if state == State::Refused {
                self.end(number, keepers);
                return;
            }
            old = versions.current.replace((number, 0));
        }
        if let Some((old, entry)) = old {
            // One that was made for another address lives on for that.
            if entry == 0 {
                self.end(old, keepers);
            } else {
                self.departures.note(&[key]);
            }
        }
        // Entries of others that have gone since.
        for (entry, key) in (0..).zip(entries) {
            let versions = self.by_key.entry(key).or_default();
            versions.current.get_or_insert((number, entry));
        }
    }

    /// A guest-physical page was written: what lies in it sleeps, or is dropped.
    pub fn drop_page(&mut self, physical_page: u64, keepers: &mut Keepers<'_>) {
        for number in self.by_page.remove(&physical_page).unwrap_or_default() {
            // It may sleep already: two of its pages may be one in physical memory.
            if self.all.get(&number).is_some_and(|known| !known.asleep) {
                self.dropped += 1;
                self.put_to_sleep(number, keepers);
            }
        }
    }

    /// All memory is another: everything sleeps, or is dropped.
    pub fn drop_all(&mut self, keepers: &mut Keepers<'_>) {
        let awake = self.all.iter().filter(|(_, translation)| !translation.asleep);
        let mut numbers: Vec<u32> = awake.map(|(&number, _)| number).collect();
        numbers.sort_unstable();
        for number in numbers {
            self.put_to_sleep(number, keepers);
        }
        self.departures.note_all();
    }

    fn put_to_sleep(&mut self, number: u32, keepers: &mut Keepers<'_>) {
        let Some(translation) = self.all.get(&number) else {
            return;
        };
        let fate = match translation.state {
            State::Refused => keepers.collector.done(number),
            State::Ready(_) | State::Pending => keepers.collector.written(number),
        };
        if fate != Fate::Keep {
            let gone = self.remove(number, fate, keepers);
            self.miss(gone.as_ref());
            if let Some(gone) = gone {
                self.departures.note(&gone.entries);
            }
            return;
        }
        let Some(mut translation) = self.all.remove(&number) else {
            return;
        };
        self.unlink(number, &translation);
        self.departures.note(&translation.entries);
        translation.asleep = true;
        let mut too_many = Vec::new();
        for key in &translation.entries {
            let sleepers = self.asleep.entry(key.asleep()).or_default();
            if sleepers.len() >= MOST_ASLEEP {
                too_many.push(sleepers[0]);
            }
            sleepers.push(number);
        }
        for (_, physical_page) in &translation.pages {
            self.asleep_by_page
                .entry(*physical_page)
                .or_default()
                .push(number);
        }
        self.all.insert(number, translation);
        for number in too_many {
            self.end(number, keepers);
        }
    }

    /// A translation's source is what it was, in these pages: it is found again.
    pub fn wake(&mut self, number: u32, pages: Vec<(u64, u64)>) {
        let Some(mut translation) = self.all.remove(&number) else {
            return;
        };
        self.forget_sleeper(number, &translation);
        translation.asleep = false;
        let physical = |pc: u64| {
            let page = pages.iter().find(|page| page.0 == pc & !0xfff);
            page.map(|page| page.1 | pc & 0xfff)
        };
        for key in translation.entries.iter_mut().chain([&mut translation.key]) {
            if let Some(physical) = physical(key.pc) {
                key.physical = physical;
            }
        }
        translation.pages = pages;
        self.link(number, &translation);
        self.all.insert(number, translation);
    }

    fn forget_sleeper(&mut self, number: u32, translation: &Translation) {
        for key in &translation.entries {
            remove_from(&mut self.asleep, &key.asleep(), number);
        }
        for (_, physical_page) in &translation.pages {
            remove_from(&mut self.asleep_by_page, physical_page, number);
        }
    }

    /// Forgets a translation that nobody compiles.
    pub fn forget(&mut self, number: u32, keepers: &mut Keepers<'_>) {
        // It had no code that anybody could remember.
        let fate = keepers.collector.done(number);
        self.remove(number, fate, keepers);
    }

    /// Nobody looks for a translation any more.
    fn end(&mut self, number: u32, keepers: &mut Keepers<'_>) {
        let fate = keepers.collector.done(number);
        if let Some(gone) = self.remove(number, fate, keepers) {
            self.departures.note(&gone.entries);
        }
    }

    /// Frees a translation that the collector has named. Branch-target caches were emptied if they could know it.
    pub fn free(&mut self, number: u32, keepers: &mut Keepers<'_>) -> Option<Translation> {
        let freed = self.remove(number, Fate::Free, keepers);
        self.miss(freed.as_ref());
        freed
    }

    /// Remembers code that was given back, to know if it is compiled again.
    fn miss(&mut self, gone: Option<&Translation>) {
        if let Some(gone) = gone
            && matches!(gone.state, State::Ready(_))
        {
            self.ghosts.note(gone.original.hash());
        }
    }

    fn remove(&mut self, number: u32, fate: Fate, keepers: &mut Keepers<'_>) -> Option<Translation> {
        let translation = self.all.remove(&number)?;
        if let State::Ready(code) = translation.state
            && fate != Fate::Leak
        {
            keepers.backend.release(code);
        }
        if translation.asleep {
            self.forget_sleeper(number, &translation);
        } else {
            self.unlink(number, &translation);
        }
        Some(translation)
    }

    /// A translation's code has another place now. Whoever knows the old one must forget it.
    pub fn moved(&mut self, number: u32, code: Code) {
        if let Some(translation) = self.all.get_mut(&number)
            && let State::Ready(old) = &mut translation.state
        {
            *old = code;
            self.departures.note(&translation.entries);
        }
    }

    /// Their number.
    pub fn count(&self) -> usize {
        self.all.len()
    }
}

/// Takes `number` from the list at `key`, once. What goes is mostly among the oldest, which are in front.
fn remove_from<K: std::hash::Hash + Eq>(lists: &mut FxHashMap<K, Vec<u32>>, key: &K, number: u32) {
    if let Some(numbers) = lists.get_mut(key) {
        if let Some(at) = numbers.iter().position(|&other| other == number) {
            numbers.remove(at);
        }
        if numbers.is_empty() {
            lists.remove(key);
        }
    }
}
