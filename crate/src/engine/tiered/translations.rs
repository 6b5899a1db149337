//! The translation cache: which regions there are, of which guest pages, and what became of them.
//!
//! A translation is found by the guest-virtual address and the guest-physical address of its entry and by privilege, and
//! holds where the page table said its pages are: it may run only where it still says so. A write to any of its pages
//! drops it.

use crate::ir::Point;
use crate::isa::riscv::hart::Privilege;
use crate::jit::{Backend, Code, Tier};
use rustc_hash::FxHashMap;

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
    /// Where it may be left within a block.
    pub points: Vec<Point>,
    /// How much was done for it.
    pub tier: Tier,
    /// What became of it.
    pub state: State,
    /// How often a turn ended in it.
    pub ticks: u32,
}

/// Those of one key.
#[derive(Debug, Default, Clone, Copy)]
struct Versions {
    /// The one to run, and at which of its entries.
    current: Option<(u32, u32)>,
    /// The one that will replace it, while it is being compiled.
    next: Option<u32>,
}

/// The cache.
#[derive(Debug, Default)]
pub struct Translations {
    all: FxHashMap<u32, Translation>,
    by_key: FxHashMap<Key, Versions>,
    /// By guest-physical page.
    by_page: FxHashMap<u64, Vec<u32>>,
    /// Guest-virtual pages, with how many translations lie in each.
    virtual_pages: FxHashMap<u64, u32>,
    last_number: u32,
    /// Changes whenever code is given back: who remembers functions forgets them then.
    pub generation: u64,
    /// Translations dropped so far.
    pub dropped: u64,
}

impl Translations {
    /// Adds a translation that is being compiled; returns its number.
    pub fn add(&mut self, translation: Translation) -> u32 {
        self.last_number = self.last_number.wrapping_add(1);
        let number = self.last_number;
        for &(virtual_page, physical_page) in &translation.pages {
            self.by_page.entry(physical_page).or_default().push(number);
            *self.virtual_pages.entry(virtual_page).or_default() += 1;
        }
        for (entry, &key) in (0..).zip(&translation.entries) {
            let versions = self.by_key.entry(key).or_default();
            match versions.current {
                None => versions.current = Some((number, entry)),
                Some(_) if key == translation.key => versions.next = Some(number),
                Some(_) => {}
            }
        }
        self.all.insert(number, translation);
        number
    }

    /// The translation with this number.
    pub fn get(&self, number: u32) -> Option<&Translation> {
        self.all.get(&number)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Translation> {
        self.all.get_mut(&number)
    }

    /// The translation to run at a key, or that is on its way there, and the number of its entry.
    pub fn find(&self, key: Key) -> Option<(&Translation, u32)> {
        let (number, entry) = self.by_key.get(&key)?.current?;
        Some((self.all.get(&number)?, entry))
    }

    /// Whether a better translation of `key` is being compiled.
    pub fn is_being_replaced(&self, key: Key) -> bool {
        self.by_key
            .get(&key)
            .is_some_and(|versions| versions.next.is_some())
    }

    /// Whether some translation lies in a guest-virtual page.
    pub fn covers(&self, virtual_page: u64) -> bool {
        self.virtual_pages.contains_key(&virtual_page)
    }

    /// Notes what became of a translation that was being compiled. One that was dropped meanwhile is given back.
    pub fn finish(&mut self, number: u32, state: State, backend: &mut dyn Backend) {
        let Some(translation) = self.all.get_mut(&number) else {
            if let State::Ready(code) = state {
                backend.release(code);
            }
            return;
        };
        translation.state = state;
        let (key, entries) = (translation.key, translation.entries.clone());
        let Some(versions) = self.by_key.get_mut(&key) else {
            return;
        };
        let mut old = None;
        if versions.next == Some(number) {
            versions.next = None;
            if state == State::Refused {
                self.remove(number, backend);
                return;
            }
            old = versions.current.replace((number, 0));
        }
        if let Some((old, entry)) = old {
            // One that was made for another address lives on for that.
            if entry == 0 {
                self.remove(old, backend);
            } else {
                self.generation += 1;
            }
        }
        // Entries of others that have gone since.
        for (entry, key) in (0..).zip(entries) {
            let versions = self.by_key.entry(key).or_default();
            versions.current.get_or_insert((number, entry));
        }
    }

    /// Drops what lies in a guest-physical page.
    pub fn drop_page(&mut self, physical_page: u64, backend: &mut dyn Backend) {
        for number in self.by_page.remove(&physical_page).unwrap_or_default() {
            self.remove(number, backend);
            self.dropped += 1;
        }
    }

    /// Drops everything.
    pub fn clear(&mut self, backend: &mut dyn Backend) {
        let numbers: Vec<u32> = self.all.keys().copied().collect();
        for number in numbers {
            self.remove(number, backend);
        }
        self.generation += 1;
    }

    /// Forgets a translation that nobody compiles.
    pub fn forget(&mut self, number: u32, backend: &mut dyn Backend) {
        let generation = self.generation;
        self.remove(number, backend);
        // It had no code that anybody could remember.
        self.generation = generation;
    }

    fn remove(&mut self, number: u32, backend: &mut dyn Backend) {
        let Some(translation) = self.all.remove(&number) else {
            return;
        };
        if let State::Ready(code) = translation.state {
            backend.release(code);
        }
        self.generation += 1;
        for (virtual_page, physical_page) in translation.pages {
            if let Some(numbers) = self.by_page.get_mut(&physical_page) {
                numbers.retain(|&other| other != number);
            }
            if let Some(count) = self.virtual_pages.get_mut(&virtual_page) {
                *count -= 1;
                if *count == 0 {
                    self.virtual_pages.remove(&virtual_page);
                }
            }
        }
        for key in translation.entries {
            let Some(versions) = self.by_key.get_mut(&key) else {
                continue;
            };
            versions.current.take_if(|current| current.0 == number);
            versions.next.take_if(|next| *next == number);
            if versions.current.is_none() {
                versions.current = versions.next.take().map(|next| (next, 0));
            }
            if versions.current.is_none() {
                self.by_key.remove(&key);
            }
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Translation> {
        self.all.values()
    }

    /// Their number.
    pub fn count(&self) -> usize {
        self.all.len()
    }
}
