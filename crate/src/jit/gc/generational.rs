//! The collector by generation and heat.
//!
//! A *minor* collection looks at the young: those used in the last epoch survive, and become old after they have
//! survived [`OLD_AFTER`] times; those unused for a while are freed. A *major* one frees all that sleep, takes the heat of all
//! others, and frees the coldest until three quarters of the budget are left. Both go through their sets by number, a
//! bounded part in each step; what is born meanwhile has a higher number than they go to.
//!
//! *Heat* is eight bits: three for how lately something was used, in doublings of epochs, and below them five for how
//! steadily, one for each of the last collections that looked at it, set where it was used since the one before.

use std::collections::BTreeSet;

use super::sleepers::Sleepers;
use super::{Budget, Collector, Fate, GcStats, Mode, STEP, STEP_FREES, Step};
use rustc_hash::FxHashMap;

/// Minor collections that a translation survives before it is old.
const OLD_AFTER: u8 = 2;
/// Epochs for which a young translation may go unused, while there is room and when there is little.
const PATIENCE: [u32; 2] = [6, 1];
/// What was used since the last collection that looked.
const USED: u8 = 0x80;

/// Where a translation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Home {
    Young,
    Old,
    /// Since it was the so-manieth to fall asleep; and whether it was old before.
    Asleep(u64, bool),
}

#[derive(Debug, Clone, Copy)]
struct Object {
    bytes: usize,
    home: Home,
    /// The epoch in which it was used last.
    used: u32,
    /// One bit for each collection that has looked at it, the highest for the last: whether it was used since the one before.
    history: u8,
    survived: u8,
}

impl Object {
    /// How hot it is in an epoch.
    fn heat(&self, epoch: u32) -> u8 {
        let unused = epoch.wrapping_sub(self.used);
        let lately = 7 - (unused.saturating_add(1)).ilog2().min(7) as u8;
        lately << 5 | self.history >> 3
    }

    /// A collection has looked at it.
    fn look(&mut self, used: bool) {
        self.history = self.history >> 1 | if used { USED } else { 0 };
    }
}

/// What is being done.
#[derive(Debug)]
enum Cycle {
    Rest,
    /// The young from `next` to `last`.
    Minor {
        next: u32,
        last: u32,
    },
    /// Those asleep, up to this one in the order in which they fell asleep.
    Wake {
        last: u64,
    },
    /// Heats are taken, of all from `next` to `last`; bytes by heat so far.
    Mark {
        next: u32,
        last: u32,
        by_heat: Box<[usize; 256]>,
    },
    /// Those are freed, of all from `next` to `last`, that are not hotter than this.
    Sweep {
        next: u32,
        last: u32,
        cold: Cold,
    },
}

/// What a major collection frees.
#[derive(Debug, Clone, Copy)]
struct Cold {
    /// What is not hotter than this,
    heat: u8,
    /// while there is more than this.
    target: usize,
}

/// The collector by generation and heat.
#[derive(Debug)]
pub struct Generational {
    budget: Budget,
    objects: FxHashMap<u32, Object>,
    young: BTreeSet<u32>,
    old: BTreeSet<u32>,
    asleep: Sleepers,
    /// Bytes of those awake.
    young_bytes: usize,
    old_bytes: usize,
    /// Bytes born in this epoch.
    born_bytes: usize,
    epoch: u32,
    /// The epoch at the last major collection.
    last_major: u32,
    /// How many have fallen asleep.
    sleepers: u64,
    cycle: Cycle,
    pressed: bool,
    minor: u64,
    major: u64,
    promoted: u64,
}

impl Generational {
    /// One with this budget.
    pub fn new(budget: Budget) -> Self {
        Generational {
            budget,
            objects: FxHashMap::default(),
            young: BTreeSet::new(),
            old: BTreeSet::new(),
            asleep: Sleepers::new(budget.asleep),
            young_bytes: 0,
            old_bytes: 0,
            born_bytes: 0,
            epoch: 0,
            last_major: 0,
            sleepers: 0,
            cycle: Cycle::Rest,
            pressed: false,
            minor: 0,
            major: 0,
            promoted: 0,
        }
    }

    /// Bytes of all there is.
    fn bytes(&self) -> usize {
        self.young_bytes + self.old_bytes + self.asleep.bytes()
    }

    fn enter(&mut self, number: u32, object: Object) {
        match object.home {
            Home::Young => {
                self.young.insert(number);
                self.young_bytes += object.bytes;
            }
            Home::Old => {
                self.old.insert(number);
                self.old_bytes += object.bytes;
            }
            Home::Asleep(since, old) => {
                self.asleep.insert(since, old, number, object.bytes);
            }
        }
        self.objects.insert(number, object);
    }

    fn leave(&mut self, number: u32) -> Option<Object> {
        let object = self.objects.remove(&number)?;
        match object.home {
            Home::Young => {
                self.young.remove(&number);
                self.young_bytes -= object.bytes;
            }
            Home::Old => {
                self.old.remove(&number);
                self.old_bytes -= object.bytes;
            }
            Home::Asleep(since, old) => {
                self.asleep.remove(since, old, object.bytes);
            }
        }
        Some(object)
    }

    /// The highest number there is among those awake.
    fn last(&self) -> u32 {
        let last = |set: &BTreeSet<u32>| set.last().copied().unwrap_or(0);
        last(&self.young).max(last(&self.old))
    }

    /// Whether it is time for a major collection.
    fn is_short(&self) -> bool {
        self.pressed || self.bytes() > self.budget.bytes
    }

    /// Begins a collection, if it is time to. Says whether it does, which begins an epoch.
    fn begin(&mut self) -> bool {
        if self.is_short() {
            self.major += 1;
            self.cycle = Cycle::Wake { last: self.sleepers };
        } else if self.born_bytes >= self.budget.nursery {
            self.minor += 1;
            let last = self.young.last().copied().unwrap_or(0);
            self.cycle = Cycle::Minor { next: 0, last };
        } else {
            return false;
        }
        self.born_bytes = 0;
        self.epoch = self.epoch.wrapping_add(1);
        true
    }

    /// Whether it was used in this epoch or the last `epochs` before.
    fn used_within(&self, object: &Object, epochs: u32) -> bool {
        self.epoch.wrapping_sub(object.used) <= epochs
    }

    /// Looks at a young translation. Whether it is to be freed.
    fn look_at_young(&mut self, number: u32) -> bool {
        let Some(&object) = self.objects.get(&number) else {
            return false;
        };
        let short = self.bytes() > self.budget.bytes / 2;
        let patience = PATIENCE[usize::from(short)];
        if !self.used_within(&object, patience) {
            self.leave(number);
            return true;
        }
        let recently = self.used_within(&object, 1);
        let survived = object.survived + u8::from(recently);
        let mut known = Object { survived, ..object };
        known.look(recently);
        if survived >= OLD_AFTER {
            self.leave(number);
            self.promoted += 1;
            let home = Home::Old;
            self.enter(number, Object { home, ..known });
        } else {
            self.objects.insert(number, known);
        }
        false
    }

    /// Those awake from `next` to `last`, as many as a step looks at.
    fn awake(&self, next: u32, last: u32) -> Vec<u32> {
        if next > last {
            return Vec::new();
        }
        let (mut young, mut old) = (self.young.range(next..=last), self.old.range(next..=last));
        let mut heads = (young.next(), old.next());
        std::iter::from_fn(|| match heads {
            (Some(&a), Some(&b)) if a < b => Some(std::mem::replace(&mut heads.0, young.next())),
            (Some(_), None) => Some(std::mem::replace(&mut heads.0, young.next())),
            (_, Some(_)) => Some(std::mem::replace(&mut heads.1, old.next())),
            (None, None) => None,
        })
        .flatten()
        .take(STEP)
        .copied()
        .collect()
    }

    fn minor_step(&mut self, next: u32, last: u32, free: &mut Vec<u32>) {
        let numbers: Vec<u32> = match next <= last {
            true => self.young.range(next..=last).take(STEP).copied().collect(),
            false => Vec::new(),
        };
        self.cycle = Cycle::Rest;
        let limit = free.len() + STEP_FREES;
        for &number in &numbers {
            if self.look_at_young(number) {
                free.push(number);
            }
            let more = number < last && (free.len() >= limit || number == numbers[numbers.len() - 1]);
            if more {
                let next = number + 1;
                self.cycle = Cycle::Minor { next, last };
                return;
            }
        }
    }

    fn wake_step(&mut self, last: u64, free: &mut Vec<u32>) {
        let numbers: Vec<u32> = self.asleep.up_to(last).take(STEP_FREES).collect();
        for &number in &numbers {
            self.leave(number);
        }
        free.extend(&numbers);
        if numbers.len() < STEP_FREES {
            let (next, last, by_heat) = (0, self.last(), Box::new([0; 256]));
            self.cycle = Cycle::Mark { next, last, by_heat };
        }
    }

    /// Takes heats. Afterwards it is known how cold something must be to be freed.
    fn mark_step(&mut self, next: u32, last: u32, mut by_heat: Box<[usize; 256]>) {
        let numbers = self.awake(next, last);
        let last_major = self.epoch.wrapping_sub(self.last_major);
        for number in &numbers {
            let used = self
                .objects
                .get(number)
                .is_some_and(|object| self.used_within(object, last_major));
            if let Some(object) = self.objects.get_mut(number) {
                object.look(used);
                by_heat[usize::from(object.heat(self.epoch))] += object.bytes;
            }
        }
        if let Some(&reached) = numbers.last()
            && reached < last
        {
            let next = reached + 1;
            self.cycle = Cycle::Mark { next, last, by_heat };
            return;
        }
        // Where there was no room, the budget says nothing: half goes.
        let target = match std::mem::take(&mut self.pressed) {
            true => self.bytes() / 2,
            false => self.budget.bytes / 4 * 3,
        };
        let mut excess = self.bytes().saturating_sub(target);
        let mut heat = None;
        for (at, &bytes) in (0..=u8::MAX).zip(by_heat.iter()) {
            // What was not used for more than a hundred collections goes anyway.
            if excess == 0 && at > 0 {
                break;
            }
            excess = excess.saturating_sub(bytes);
            heat = Some(at);
        }
        self.last_major = self.epoch;
        self.cycle = match heat {
            Some(heat) => {
                let cold = Cold { heat, target };
                Cycle::Sweep { next: 0, last, cold }
            }
            None => Cycle::Rest,
        };
    }

    /// Frees the cold. Whether one of them may be in a branch-target cache.
    fn sweep_step(&mut self, next: u32, last: u32, cold: Cold, free: &mut Vec<u32>) -> bool {
        let numbers = self.awake(next, last);
        self.cycle = Cycle::Rest;
        let limit = free.len() + STEP_FREES;
        let mut flush = false;
        for &number in &numbers {
            let object = self.objects.get(&number).copied();
            if let Some(object) = object.filter(|object| object.heat(self.epoch) <= cold.heat)
                && (object.heat(self.epoch) == 0 || self.bytes() > cold.target)
            {
                flush |= object.used == self.epoch;
                self.leave(number);
                free.push(number);
            }
            let more = number < last && (free.len() >= limit || number == numbers[numbers.len() - 1]);
            if more {
                let next = number + 1;
                self.cycle = Cycle::Sweep { next, last, cold };
                break;
            }
        }
        flush
    }

    /// Frees those that have slept longest while too much sleeps.
    fn trim_sleepers(&mut self, free: &mut Vec<u32>) {
        let limit = free.len() + STEP_FREES;
        while free.len() < limit
            && let Some(number) = self.asleep.next_to_go()
        {
            self.end(number);
            free.push(number);
        }
    }

    /// One goes, asleep or awake.
    fn end(&mut self, number: u32) {
        if let Some(Object {
            bytes,
            home: Home::Asleep(_, false),
            ..
        }) = self.leave(number)
        {
            self.asleep.went(bytes);
        }
    }
}

impl Collector for Generational {
    fn mode(&self) -> Mode {
        Mode::Generational
    }

    fn born(&mut self, number: u32, bytes: usize) {
        self.leave(number);
        let object = Object {
            bytes,
            home: Home::Young,
            used: self.epoch,
            history: USED,
            survived: 0,
        };
        self.enter(number, object);
        self.born_bytes += bytes;
    }

    fn used(&mut self, number: u32) {
        let epoch = self.epoch;
        if let Some(object) = self.objects.get_mut(&number) {
            object.used = epoch;
        }
    }

    fn written(&mut self, number: u32) -> Fate {
        if let Some(object) = self.leave(number) {
            self.sleepers += 1;
            let home = match object.home {
                Home::Young => Home::Asleep(self.sleepers, false),
                Home::Old => Home::Asleep(self.sleepers, true),
                Home::Asleep(_, old) => Home::Asleep(self.sleepers, old),
            };
            self.enter(number, Object { home, ..object });
        }
        Fate::Keep
    }

    fn revived(&mut self, number: u32) {
        if let Some(object) = self.leave(number) {
            let (home, used) = match object.home {
                Home::Asleep(_, true) => (Home::Old, self.epoch),
                Home::Asleep(_, false) => {
                    self.asleep.woke(object.bytes);
                    (Home::Young, self.epoch)
                }
                awake => (awake, object.used),
            };
            self.enter(number, Object { home, used, ..object });
        }
    }

    fn done(&mut self, number: u32) -> Fate {
        self.end(number);
        Fate::Free
    }

    fn press(&mut self) {
        self.pressed = true;
    }

    fn is_due(&self) -> bool {
        !matches!(self.cycle, Cycle::Rest)
            || self.is_short()
            || self.born_bytes >= self.budget.nursery
            || self.asleep.are_too_many()
    }

    fn step(&mut self, free: &mut Vec<u32>) -> Step {
        let mut step = Step::default();
        if matches!(self.cycle, Cycle::Rest) {
            step.flush = self.begin();
        }
        let before = free.len();
        step.worked = true;
        match std::mem::replace(&mut self.cycle, Cycle::Rest) {
            Cycle::Rest => {
                self.trim_sleepers(free);
                step.worked = free.len() > before;
            }
            Cycle::Minor { next, last } => self.minor_step(next, last, free),
            Cycle::Wake { last } => {
                self.cycle = Cycle::Wake { last };
                self.wake_step(last, free);
            }
            Cycle::Mark { next, last, by_heat } => self.mark_step(next, last, by_heat),
            Cycle::Sweep { next, last, cold } => step.flush |= self.sweep_step(next, last, cold, free),
        }
        step
    }

    fn tell(&self, stats: &mut GcStats) {
        stats.minor = self.minor;
        stats.major = self.major;
        stats.young_bytes = self.young_bytes as u64;
        stats.old_bytes = self.old_bytes as u64;
        stats.asleep_bytes = self.asleep.bytes() as u64;
        stats.promoted = self.promoted;
    }
}
