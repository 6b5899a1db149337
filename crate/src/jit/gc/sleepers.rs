//! Those that sleep: translations whose source was written, and may turn out to be what it was.
//!
//! Until one wakes it takes room, in a module of the engine too, whose other functions have to be moved when all the rest has gone. What
//! was old when it fell asleep has all the room there is. What was young has less and less while nearly all of it goes
//! without having woken, as the code of programs that have ended does; where it wakes it has more again.

use std::collections::BTreeMap;

/// What was young has at least one part in so many of all room.
const LEAST_ROOM: usize = 16;
/// One part in so many of what was young has to wake for it to keep its room.
const WORTHWHILE: usize = 8;

/// Those of one generation, in the order in which they fell asleep.
#[derive(Debug, Default)]
struct Generation {
    numbers: BTreeMap<u64, u32>,
    bytes: usize,
}

impl Generation {
    /// The one that has slept longest, and when it fell asleep.
    fn first(&self) -> Option<(u64, u32)> {
        self.numbers
            .first_key_value()
            .map(|(&since, &number)| (since, number))
    }
}

/// Those that sleep.
#[derive(Debug)]
pub struct Sleepers {
    young: Generation,
    old: Generation,
    /// Bytes that may sleep, and that may of what was young.
    room: usize,
    young_room: usize,
    /// Bytes of what was young that went asleep, and that woke, since its room was last looked at.
    gone: usize,
    woken: usize,
    /// Bytes that are to go because there is less room than there was: that says nothing about them.
    evicted: usize,
}

impl Sleepers {
    /// None yet, and room for so many bytes.
    pub fn new(room: usize) -> Self {
        Sleepers {
            young: Generation::default(),
            old: Generation::default(),
            room,
            young_room: room,
            gone: 0,
            woken: 0,
            evicted: 0,
        }
    }

    fn generation(&mut self, was_old: bool) -> &mut Generation {
        match was_old {
            true => &mut self.old,
            false => &mut self.young,
        }
    }

    /// Bytes of all.
    pub fn bytes(&self) -> usize {
        self.young.bytes + self.old.bytes
    }

    /// Translation `number` is the `since`-th to fall asleep.
    pub fn insert(&mut self, since: u64, was_old: bool, number: u32, bytes: usize) {
        let generation = self.generation(was_old);
        generation.numbers.insert(since, number);
        generation.bytes += bytes;
    }

    /// It sleeps no more.
    pub fn remove(&mut self, since: u64, was_old: bool, bytes: usize) {
        let generation = self.generation(was_old);
        if generation.numbers.remove(&since).is_some() {
            generation.bytes -= bytes;
        }
        // A major collection may have freed them all.
        self.evicted = self.evicted.min(self.young.bytes);
    }

    /// Numbers of those that fell asleep up to this one, each generation in its order.
    pub fn up_to(&self, last: u64) -> impl Iterator<Item = u32> + '_ {
        let each = [&self.young, &self.old].into_iter();
        each.flat_map(move |generation| generation.numbers.range(..=last).map(|(_, &number)| number))
    }

    /// Whether more sleeps than there is room for.
    pub fn are_too_many(&self) -> bool {
        self.bytes() > self.room || self.young.bytes > self.young_room
    }

    /// The one that is to go next, if too many sleep: of all or of the young the one that has slept longest.
    pub fn next_to_go(&self) -> Option<u32> {
        if !self.are_too_many() {
            return None;
        }
        let firsts = match self.young.bytes > self.young_room {
            true => [self.young.first(), None],
            false => [self.young.first(), self.old.first()],
        };
        firsts.into_iter().flatten().min().map(|(_, number)| number)
    }

    /// One that was young went without having woken.
    pub fn went(&mut self, bytes: usize) {
        let evicted = bytes.min(self.evicted);
        self.evicted -= evicted;
        self.gone += bytes - evicted;
        if self.gone >= self.young_room {
            if self.woken < self.gone / WORTHWHILE {
                self.young_room = (self.young_room / 2).max(self.room / LEAST_ROOM);
                self.evicted = self.young.bytes.saturating_sub(self.young_room);
            }
            (self.gone, self.woken) = (0, 0);
        }
    }

    /// One that was young wakes.
    pub fn woke(&mut self, bytes: usize) {
        self.woken += bytes;
        if self.woken >= self.young_room / 2 && self.woken >= self.gone {
            self.young_room = (self.young_room * 2).min(self.room);
            (self.gone, self.woken) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many fall asleep one after the other, and those that are too many go. How many are left.
    fn let_sleep(sleepers: &mut Sleepers, first: u64, count: u64, was_old: bool) -> usize {
        for since in first..first + count {
            sleepers.insert(since, was_old, since as u32, 100);
            while let Some(number) = sleepers.next_to_go() {
                let number = u64::from(number);
                let was_old = sleepers.old.numbers.contains_key(&number);
                sleepers.remove(number, was_old, 100);
                if !was_old {
                    sleepers.went(100);
                }
            }
        }
        sleepers.young.numbers.len()
    }

    #[test]
    fn what_was_young_and_never_wakes_has_less_and_less_room() {
        let mut sleepers = Sleepers::new(16_000);
        assert_eq!(let_sleep(&mut sleepers, 0, 160, false), 160);
        // A roomful has to go first.
        assert_eq!(let_sleep(&mut sleepers, 160, 159, false), 160);
        assert_eq!(let_sleep(&mut sleepers, 319, 1, false), 80);
        assert_eq!(let_sleep(&mut sleepers, 320, 79, false), 80);
        assert_eq!(let_sleep(&mut sleepers, 399, 1, false), 40);
        assert_eq!(let_sleep(&mut sleepers, 400, 1000, false), 10);
        assert_eq!(sleepers.young.first().unwrap().0, 1390);
        // What was old has what is left of the room.
        assert_eq!(let_sleep(&mut sleepers, 1400, 1000, true), 0);
        assert_eq!(sleepers.old.numbers.len(), 160);
    }

    #[test]
    fn what_a_major_collection_freed_is_waited_for_no_more() {
        let mut sleepers = Sleepers::new(16_000);
        let_sleep(&mut sleepers, 0, 159, false);
        sleepers.went(16_000);
        assert_eq!((sleepers.young_room, sleepers.evicted), (8_000, 7_900));
        (0..159).for_each(|since| sleepers.remove(since, false, 100));
        // A roomful that goes tells as much as ever.
        assert_eq!(let_sleep(&mut sleepers, 159, 159, false), 80);
        assert_eq!(let_sleep(&mut sleepers, 318, 1, false), 40);
    }

    #[test]
    fn where_it_wakes_it_has_more_again() {
        let mut sleepers = Sleepers::new(16_000);
        let_sleep(&mut sleepers, 0, 2000, false);
        assert_eq!(sleepers.young_room, 1000);
        let mut since = 2000;
        while sleepers.young_room < 16_000 {
            let_sleep(&mut sleepers, since, 1, false);
            sleepers.remove(since, false, 100);
            sleepers.woke(100);
            since += 1;
            assert!(since < 2400);
        }
        // One in eight is enough to keep it.
        for _ in 0..2000 {
            let_sleep(&mut sleepers, since, 7, false);
            sleepers.insert(since + 7, false, since as u32 + 7, 100);
            sleepers.remove(since + 7, false, 100);
            sleepers.woke(100);
            since += 8;
        }
        assert_eq!(sleepers.young_room, 16_000);
    }
}
