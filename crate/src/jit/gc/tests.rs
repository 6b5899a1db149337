//! The collectors against a model of harts that jump to code by their branch-target caches.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Harts, each with a cache.
const HARTS: usize = 2;

#[derive(Debug, Clone, Copy)]
enum Action {
    /// A translation of so many bytes is ready.
    Birth(usize),
    /// A hart's cache is told of a translation.
    Link(usize, usize),
    /// A hart forgets one.
    Unlink(usize, usize),
    /// A translation's card is written.
    Write(usize),
    /// One that sleeps is found to be what it was.
    Revive(usize),
    /// Another takes a translation's place.
    Replace(usize),
    /// There was no room.
    Press,
    /// Steps.
    Collect(usize),
}

fn action() -> impl Strategy<Value = Action> {
    let any = 0..usize::MAX;
    prop_oneof![
        8 => (1..60_000_usize).prop_map(Action::Birth),
        8 => (0..HARTS, any.clone()).prop_map(|(hart, at)| Action::Link(hart, at)),
        1 => (0..HARTS, any.clone()).prop_map(|(hart, at)| Action::Unlink(hart, at)),
        2 => any.clone().prop_map(Action::Write),
        2 => any.clone().prop_map(Action::Revive),
        1 => any.prop_map(Action::Replace),
        1 => Just(Action::Press),
        4 => (1..20_usize).prop_map(Action::Collect),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Life {
    Awake,
    Asleep,
}

/// What there is, and what harts know.
struct World {
    collector: Box<dyn Collector>,
    all: BTreeMap<u32, (Life, usize)>,
    /// Code that stays for ever.
    leaked: BTreeSet<u32>,
    caches: [BTreeSet<u32>; HARTS],
    last: u32,
    freed: u64,
}

impl World {
    fn new(mode: Mode, budget: Budget) -> Self {
        World {
            collector: collector(mode, budget),
            all: BTreeMap::new(),
            leaked: BTreeSet::new(),
            caches: Default::default(),
            last: 0,
            freed: 0,
        }
    }

    /// The `at`-th of those with this life.
    fn pick(&self, life: Life, at: usize) -> Option<u32> {
        let numbers = self.all.iter().filter(|(_, known)| known.0 == life);
        let numbers: Vec<u32> = numbers.map(|(&number, _)| number).collect();
        (!numbers.is_empty()).then(|| numbers[at % numbers.len()])
    }

    fn flush(&mut self) {
        self.caches.iter_mut().for_each(BTreeSet::clear);
    }

    fn birth(&mut self, bytes: usize) -> u32 {
        self.last += 1;
        self.collector.born(self.last, bytes);
        self.all.insert(self.last, (Life::Awake, bytes));
        self.last
    }

    fn link(&mut self, hart: usize, number: u32) {
        self.caches[hart].insert(number);
        self.collector.used(number);
    }

    fn follow(&mut self, number: u32, fate: Fate) {
        for cache in &mut self.caches {
            cache.remove(&number);
        }
        match fate {
            Fate::Keep => {
                let bytes = self.all[&number].1;
                self.all.insert(number, (Life::Asleep, bytes));
            }
            Fate::Free => {
                self.all.remove(&number);
            }
            Fate::Leak => {
                self.all.remove(&number);
                self.leaked.insert(number);
            }
        }
    }

    /// A step, after which what harts know must be there.
    fn step(&mut self) -> Step {
        let mut free = Vec::new();
        let due = self.collector.is_due();
        let step = self.collector.step(&mut free);
        // Who is not due is not asked.
        assert_eq!(step.worked, due);
        assert!(due || free.is_empty() && !step.flush);
        if step.flush {
            self.flush();
        }
        for number in free {
            assert!(self.all.remove(&number).is_some(), "{number} is freed twice");
            self.freed += 1;
        }
        self.check();
        step
    }

    /// Steps until a collection, begun now if need be, is over.
    fn settle(&mut self) {
        while self.step().worked {}
    }

    /// No hart can jump to what is gone: its memory may hold anything.
    fn check(&self) {
        for known in self.caches.iter().flatten() {
            let life = self.all.get(known).map(|known| known.0);
            assert_eq!(life, Some(Life::Awake), "a hart would run {known}");
        }
        let mut stats = GcStats::default();
        self.collector.tell(&mut stats);
        if self.collector.mode() != Mode::Off {
            let told = stats.young_bytes + stats.old_bytes + stats.asleep_bytes;
            let bytes: usize = self.all.values().map(|known| known.1).sum();
            assert_eq!(told, bytes as u64);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Birth(bytes) => {
                self.birth(bytes);
            }
            Action::Link(hart, at) => {
                if let Some(number) = self.pick(Life::Awake, at) {
                    self.link(hart, number);
                }
            }
            Action::Unlink(hart, at) => {
                let known = &mut self.caches[hart];
                if !known.is_empty() {
                    let number = *known.iter().nth(at % known.len()).unwrap();
                    known.remove(&number);
                }
            }
            Action::Write(at) => {
                if let Some(number) = self.pick(Life::Awake, at) {
                    let fate = self.collector.written(number);
                    self.follow(number, fate);
                }
            }
            Action::Revive(at) => {
                if let Some(number) = self.pick(Life::Asleep, at) {
                    self.collector.revived(number);
                    let bytes = self.all[&number].1;
                    self.all.insert(number, (Life::Awake, bytes));
                }
            }
            Action::Replace(at) => {
                if let Some(number) = self.pick(Life::Awake, at) {
                    let fate = self.collector.done(number);
                    self.follow(number, fate);
                }
            }
            Action::Press => self.collector.press(),
            Action::Collect(steps) => (0..steps).for_each(|_| {
                self.step();
            }),
        }
        self.check();
    }
}

fn modes() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Generational), Just(Mode::Simple), Just(Mode::Off)]
}

const SMALL: Budget = Budget {
    bytes: 400_000,
    nursery: 50_000,
    asleep: 100_000,
};

proptest! {
    #[test]
    fn nothing_that_a_hart_may_run_is_freed(
        mode in modes(),
        actions in proptest::collection::vec(action(), 0..400),
    ) {
        let mut world = World::new(mode, SMALL);
        for action in actions {
            world.act(action);
        }
        world.settle();
        let bytes: usize = world.all.values().map(|known| known.1).sum();
        match mode {
            Mode::Off => prop_assert_eq!(world.freed, 0),
            Mode::Generational | Mode::Simple => prop_assert!(bytes <= SMALL.bytes),
        }
    }

    /// What sleeps when a major collection begins is gone when it is over.
    #[test]
    fn nothing_dead_survives_a_major_collection(
        actions in proptest::collection::vec(action(), 0..400),
    ) {
        let mut world = World::new(Mode::Generational, SMALL);
        for action in actions {
            world.act(action);
        }
        world.settle();
        world.collector.press();
        world.settle();
        prop_assert_eq!(world.pick(Life::Asleep, 0), None);
    }
}

fn generational() -> World {
    World::new(Mode::Generational, SMALL)
}

fn told(world: &World) -> GcStats {
    let mut stats = GcStats::default();
    world.collector.tell(&mut stats);
    stats
}

#[test]
fn what_is_used_in_every_epoch_grows_old_and_what_is_not_is_freed() {
    let mut world = generational();
    let kept = world.birth(1000);
    let dropped = world.birth(1000);
    for _ in 0..10 {
        // A nursery full of others.
        for _ in 0..5 {
            world.birth(10_000);
        }
        world.settle();
        world.link(0, kept);
    }
    assert!(world.all.contains_key(&kept));
    assert!(!world.all.contains_key(&dropped));
    assert_eq!(told(&world).old_bytes, 1000);
    assert_eq!(told(&world).minor, 10);
    assert_eq!(told(&world).major, 0);
}

#[test]
fn a_major_collection_frees_the_coldest_first() {
    let mut world = generational();
    let old: Vec<u32> = (0..40).map(|_| world.birth(7_000)).collect();
    for _ in 0..4 {
        old.iter().for_each(|&number| world.link(0, number));
        (0..5).for_each(|_| {
            world.birth(10_000);
        });
        world.settle();
    }
    let warm = &old[20..];
    assert_eq!(told(&world).major, 0);
    let mut used = warm.to_vec();
    while told(&world).major == 0 {
        used.push(world.birth(10_000));
        used.iter().for_each(|&number| world.link(1, number));
        world.settle();
    }
    assert!(warm.iter().all(|number| world.all.contains_key(number)));
    assert!(old[..20].iter().any(|number| !world.all.contains_key(number)));
}

#[test]
fn a_step_does_a_bounded_part() {
    let mut world = World::new(Mode::Generational, Budget::of(1 << 20));
    (0..5_000).for_each(|_| {
        world.birth(100);
    });
    world.settle();
    world.collector.press();
    let mut steps = 0;
    loop {
        let before = world.all.len();
        if !world.step().worked {
            break;
        }
        assert!(before - world.all.len() <= STEP_FREES);
        steps += 1;
    }
    assert!(steps > 40, "{steps}");
    assert!(world.all.len() <= 2_500);
}

#[test]
fn without_room_half_goes_even_if_all_of_it_is_hot() {
    let mut world = generational();
    for _ in 0..10 {
        let number = world.birth(4_000);
        world.link(0, number);
    }
    world.collector.press();
    world.settle();
    assert_eq!(world.all.len(), 5);
}

#[test]
fn those_that_slept_longest_go_when_too_many_sleep() {
    let mut world = generational();
    for _ in 0..12 {
        let number = world.birth(10_000);
        let fate = world.collector.written(number);
        world.follow(number, fate);
        world.settle();
    }
    let left: Vec<u32> = world.all.keys().copied().collect();
    assert_eq!(left, (3..=12).collect::<Vec<_>>());
}

#[test]
fn modes_are_words() {
    for mode in [Mode::Generational, Mode::Simple, Mode::Off] {
        assert_eq!(mode.to_string().parse(), Ok(mode));
    }
    assert!("Off ".parse::<Mode>().is_err());
}
