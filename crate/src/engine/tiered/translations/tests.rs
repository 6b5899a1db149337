//! What branch-target caches hear of translations that go.

use super::*;
use crate::jit::gc::{Budget, Mode, Work, collector};
use crate::jit::{Compaction, Finished, Job};
use crate::mem::Ram;

const PAGE: u64 = 0x1000;
const RAM_BASE: u64 = 0x8000_0000;

/// Code that nobody calls: only what is given back is noted.
#[derive(Debug, Default)]
struct Nowhere {
    released: Vec<usize>,
}

impl Backend for Nowhere {
    fn submit(&mut self, job: Job) -> Result<(), Job> {
        Err(job)
    }
    fn finished(&mut self, _: &mut Vec<Finished>) {}
    fn pending(&self) -> usize {
        0
    }
    fn release(&mut self, code: Code) {
        self.released.push(code.function);
    }
    unsafe fn call(&self, _: usize, _: *mut u8, _: u32) -> u32 {
        unreachable!("nothing is called")
    }
    fn code_bytes(&self) -> usize {
        0
    }
    fn modules(&self) -> usize {
        0
    }
    fn is_sparse(&self) -> bool {
        false
    }
    fn compact(&mut self, _: &mut Vec<(u32, Code)>) -> Work {
        Work::None
    }
    fn compaction(&self) -> Compaction {
        Compaction::default()
    }
    fn now_us(&self) -> f64 {
        0.0
    }
}

/// Translations of programs that were loaded at the same virtual page, each in the next physical one, with entries at
/// its first and its sixteenth byte.
struct Programs {
    translations: Translations,
    collector: Box<dyn Collector>,
    backend: Nowhere,
    numbers: Vec<u32>,
}

impl Programs {
    const AT: u64 = 0x1_0000;

    fn new(count: u64) -> Self {
        let mut programs = Programs {
            translations: Translations::default(),
            collector: collector(Mode::Generational, Budget::of(1 << 20)),
            backend: Nowhere::default(),
            numbers: Vec::new(),
        };
        for nth in 0..count {
            programs.add(vec![(Self::AT, RAM_BASE + nth * PAGE)]);
        }
        programs
    }

    /// Adds one that lies in these pages, and begins in the first.
    fn add(&mut self, pages: Vec<(u64, u64)>) -> u32 {
        let (at, physical) = pages[0];
        let ram = Ram::new(physical, PAGE).unwrap();
        let key = |offset| Key {
            pc: at + offset,
            physical: physical + offset,
            privilege: 0,
        };
        let original = Original::read(std::slice::from_ref(&(at..at + 32)), &pages, &ram).unwrap();
        let number = self.translations.add(Translation {
            key: key(0),
            entries: vec![key(0), key(16)],
            pages,
            original,
            points: Vec::new(),
            tier: Tier::Quick,
            state: State::Pending,
            ticks: 0,
            asleep: false,
        });
        let code = Code {
            function: self.numbers.len(),
            bytes: 100,
        };
        self.with(|translations, keepers| translations.finish(number, State::Ready(code), keepers));
        self.numbers.push(number);
        number
    }

    fn with<R>(&mut self, f: impl FnOnce(&mut Translations, &mut Keepers<'_>) -> R) -> R {
        let mut keepers = Keepers {
            collector: &mut *self.collector,
            backend: &mut self.backend,
        };
        f(&mut self.translations, &mut keepers)
    }

    /// Entries that went since, as offsets.
    fn gone_since(&self, seen: u64) -> Option<Vec<u64>> {
        let entries = self.translations.departures.since(seen)?;
        Some(entries.map(|(pc, _)| pc - Self::AT).collect())
    }
}

#[test]
fn what_falls_asleep_departs_and_what_the_collector_frees_does_not() {
    let mut programs = Programs::new(2);
    let seen = programs.translations.departures.count();
    assert_eq!(seen, 0, "what came has not gone");
    programs.with(|translations, keepers| translations.drop_page(RAM_BASE, keepers));
    assert_eq!(programs.gone_since(seen), Some(vec![0, 16]));
    // It is in no cache: that is why it is freed.
    let seen = programs.translations.departures.count();
    let second = programs.numbers[1];
    programs.with(|translations, keepers| translations.free(second, keepers));
    assert_eq!(programs.gone_since(seen), Some(vec![]));
    assert_eq!(programs.backend.released, [1]);
    let code = Code {
        function: 9,
        bytes: 100,
    };
    let first = programs.numbers[0];
    programs.translations.moved(first, code);
    assert_eq!(programs.gone_since(seen), Some(vec![0, 16]));
    programs.with(Translations::drop_all);
    assert_eq!(programs.gone_since(seen), None);
}

#[test]
fn a_page_names_what_lies_in_it_unless_that_is_too_much() {
    let named = |programs: &Programs, page| {
        let entries = programs.translations.covering(page)?;
        Some(entries.map(|key| key.pc - Programs::AT).collect::<Vec<_>>())
    };
    let mut programs = Programs::new(2);
    assert_eq!(named(&programs, Programs::AT), Some(vec![0, 16, 0, 16]));
    assert_eq!(named(&programs, Programs::AT + PAGE), Some(vec![]));
    programs.with(|translations, keepers| translations.drop_page(RAM_BASE, keepers));
    assert_eq!(named(&programs, Programs::AT), Some(vec![0, 16]));
    let mut many = Programs::new(MOST_NAMED as u64 + 1);
    assert_eq!(named(&many, Programs::AT), None);
    many.with(|translations, keepers| translations.drop_page(RAM_BASE, keepers));
    assert_eq!(
        named(&many, Programs::AT).map(|entries| entries.len()),
        Some(2 * MOST_NAMED)
    );
}

#[test]
fn two_pages_that_are_one_in_memory_fall_asleep_once() {
    let mut programs = Programs::new(0);
    let number = programs.add(vec![(Programs::AT, RAM_BASE), (Programs::AT + PAGE, RAM_BASE)]);
    let key = programs.translations.get(number).unwrap().key;
    programs.with(|translations, keepers| translations.drop_page(RAM_BASE, keepers));
    assert_eq!(programs.translations.dropped, 1);
    assert_eq!(programs.translations.sleepers(key), [number]);
    programs.with(|translations, keepers| translations.free(number, keepers));
    assert!(programs.translations.sleepers(key).is_empty());
    assert_eq!(programs.translations.sleeping_entries(RAM_BASE).count(), 0);
    assert_eq!(programs.backend.released, [0]);
}
