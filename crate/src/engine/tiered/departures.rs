//! What branch-target caches have to forget.
//!
//! Translations come and go many times in a second where a guest starts programs or makes code. A cache that forgot
//! everything each time would have to be told of all that runs again, at a look into the tables for each entry. So the
//! entries of what went are noted, and each core's caches forget just these when the core comes by.

use std::collections::VecDeque;

use super::Key;

/// Entries that are remembered. A core that missed more forgets everything, which costs less by then.
const MOST: usize = 512;

/// Entries at which there is no longer the code that there was, in the order in which it went.
#[derive(Debug, Default)]
pub struct Departures {
    /// The latest: address and privilege.
    latest: VecDeque<(u64, u8)>,
    /// How many there were before these.
    before: u64,
}

impl Departures {
    /// Code with these entries was given back, fell asleep or has another place.
    pub fn note(&mut self, entries: &[Key]) {
        self.latest
            .extend(entries.iter().map(|key| (key.pc, key.privilege)));
        let excess = self.latest.len().saturating_sub(MOST);
        self.latest.drain(..excess);
        self.before += excess as u64;
    }

    /// Nothing that was known may be used any more.
    pub fn note_all(&mut self) {
        self.before = self.count() + 1;
        self.latest.clear();
    }

    /// How many there were so far: to be handed to [`Self::since`] the next time.
    pub fn count(&self) -> u64 {
        self.before + self.latest.len() as u64
    }

    /// The addresses and privileges of those after the first `seen`; `None` if everything must be forgotten.
    pub fn since(&self, seen: u64) -> Option<impl Iterator<Item = (u64, u8)>> {
        let known = usize::try_from(seen.checked_sub(self.before)?).ok()?;
        Some(self.latest.range(known.min(self.latest.len())..).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pc: u64) -> Key {
        Key {
            pc,
            physical: !pc,
            privilege: pc as u8 & 1,
        }
    }

    fn since(departures: &Departures, seen: u64) -> Option<Vec<u64>> {
        let entries = departures.since(seen)?;
        Some(
            entries
                .inspect(|&(pc, privilege)| assert_eq!(u64::from(privilege), pc & 1))
                .map(|(pc, _)| pc)
                .collect(),
        )
    }

    #[test]
    fn each_reader_hears_of_what_it_has_not_seen() {
        let mut departures = Departures::default();
        assert_eq!(since(&departures, departures.count()), Some(vec![]));
        departures.note(&[key(1), key(2)]);
        let seen = departures.count();
        departures.note(&[key(3)]);
        assert_eq!(since(&departures, 0), Some(vec![1, 2, 3]));
        assert_eq!(since(&departures, seen), Some(vec![3]));
        assert_eq!(since(&departures, departures.count()), Some(vec![]));
    }

    #[test]
    fn who_has_missed_too_much_forgets_everything() {
        let mut departures = Departures::default();
        departures.note(&[key(0)]);
        let seen = departures.count();
        (1..=MOST as u64).for_each(|pc| departures.note(&[key(pc)]));
        assert_eq!(since(&departures, 0), None);
        assert_eq!(since(&departures, seen), Some((1..=MOST as u64).collect()));
        departures.note(&[key(0); MOST + 3]);
        assert_eq!(since(&departures, seen), None);
    }

    #[test]
    fn everything_may_have_to_be_forgotten_by_everybody() {
        let mut departures = Departures::default();
        departures.note(&[key(1)]);
        let seen = departures.count();
        departures.note_all();
        assert_eq!(since(&departures, seen), None);
        assert_eq!(since(&departures, departures.count()), Some(vec![]));
        departures.note(&[key(2)]);
        assert_eq!(since(&departures, seen), None);
        let empty = Departures::default();
        assert_eq!(since(&empty, 0), Some(vec![]));
    }
}
