//! What a run has learned of its guest's code, for compilers and for the next run: where it is hot, which way branches go,
//! where indirect jumps go.
//!
//! All is kept by *page*, and a page is known by a hash of its contents, not by its address: kernels and programs are
//! loaded elsewhere each time, and a page that has changed is another page. Within a page, code is told by its offset.
//! Targets of jumps are kept as distances. So a profile of other code, or a forged one, never says anything of code that it
//! does not know; and what it says is no more than a hint of what to compile, which changes nothing that the guest sees.
//!
//! [`format`] turns it into bytes and back.

pub mod format;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Pages held at most.
pub const MOST_PAGES: usize = 8192;
/// Targets remembered of an indirect jump.
const MOST_TARGETS: usize = 4;
/// Runs after which a page that was never met again is forgotten.
const MOST_RUNS: u8 = 16;
/// A target seen less often than one time in so many is not one that code is compiled for.
const LEAST_SHARE: u32 = 8;
/// A branch that was seen less often than this tells nothing.
const LEAST_SEEN: u16 = 8;

/// One that decoded code and the compiler both write to.
pub type Shared = Arc<Mutex<Profile>>;

/// A hash of a page's bytes. It is not made to withstand who looks for collisions: those only mislead hints.
pub fn contents(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    // Four lanes, since each step waits for the product of the one before.
    let mut lanes = [1_u64, 2, 3, 4];
    let mut chunks = bytes.chunks_exact(32);
    for chunk in &mut chunks {
        for (lane, word) in lanes.iter_mut().zip(chunk.chunks_exact(8)) {
            let word = word
                .iter()
                .rev()
                .fold(0, |word, &byte| word << 8 | u64::from(byte));
            *lane = (*lane ^ word).wrapping_mul(FACTOR);
            *lane ^= *lane >> 29;
        }
    }
    let mut hash = bytes.len() as u64;
    let rest = chunks.remainder().iter().map(|&byte| u64::from(byte));
    for word in lanes.into_iter().chain(rest) {
        hash = (hash ^ word).wrapping_mul(FACTOR);
        hash ^= hash >> 32;
    }
    hash
}

/// What is known of something at an offset of its page.
trait At {
    fn offset(&self) -> u16;
}

/// What is known at `offset`, in a list that is sorted by offset.
fn find<T: At>(list: &[T], offset: u16) -> Option<&T> {
    let at = list.binary_search_by_key(&offset, At::offset).ok()?;
    Some(&list[at])
}

/// The same, made if need be.
fn find_or_make<T: At>(list: &mut Vec<T>, offset: u16, make: impl FnOnce() -> T) -> &mut T {
    let at = list
        .binary_search_by_key(&offset, At::offset)
        .unwrap_or_else(|at| {
            list.insert(at, make());
            at
        });
    &mut list[at]
}

/// Where a region was formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotEntry {
    /// Offset in the page, in bytes.
    pub offset: u16,
    /// It was compiled anew with every optimisation.
    pub hot: bool,
}

/// How often a conditional branch was seen to be taken and not to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// Offset in the page, in bytes.
    pub offset: u16,
    /// Times taken.
    pub taken: u16,
    /// Times not taken.
    pub passed: u16,
}

/// Where an indirect jump was seen to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jump {
    /// Offset in the page, in bytes.
    pub offset: u16,
    /// Distances from the jump to its targets, and how often each was seen.
    pub targets: Vec<(i64, u16)>,
}

impl At for HotEntry {
    fn offset(&self) -> u16 {
        self.offset
    }
}

impl At for Branch {
    fn offset(&self) -> u16 {
        self.offset
    }
}

impl At for Jump {
    fn offset(&self) -> u16 {
        self.offset
    }
}

/// What is known of the code in a page. The lists are sorted by offset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageProfile {
    /// Runs since it was met last.
    age: u8,
    /// The guest has written to it since: it holds something else now.
    #[serde(skip)]
    gone: bool,
    entries: Vec<HotEntry>,
    /// Offsets that execution has jumped to.
    arrived: Vec<u16>,
    branches: Vec<Branch>,
    jumps: Vec<Jump>,
}

impl PageProfile {
    /// Where regions were formed.
    pub fn entries(&self) -> &[HotEntry] {
        &self.entries
    }

    /// Offsets that execution has jumped to.
    pub fn arrived(&self) -> &[u16] {
        &self.arrived
    }

    /// Notes that execution has jumped to these offsets, which must be in ascending order.
    fn arrive(&mut self, offsets: impl Iterator<Item = u16>) {
        let old = self.arrived.len();
        for offset in offsets {
            if self.arrived[..old].binary_search(&offset).is_err() {
                self.arrived.push(offset);
            }
        }
        self.arrived.sort_unstable();
    }
}

/// What is known of a guest's code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// By the hash of their contents.
    pages: HashMap<u64, PageProfile>,
    /// Some of them may be dropped when there are too many.
    has_droppable: bool,
}

impl Profile {
    /// Pages known.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Places where regions were formed.
    pub fn entries(&self) -> usize {
        self.pages.values().map(|page| page.entries.len()).sum()
    }

    /// The page with these contents, if it is known. It is met again thereby.
    pub fn meet(&mut self, contents: u64) -> Option<&PageProfile> {
        let page = self.pages.get_mut(&contents)?;
        page.age = 0;
        page.gone = false;
        Some(page)
    }

    /// A page with these contents was overwritten: where the guest makes code as it runs, it may never be seen again.
    pub fn note_gone(&mut self, contents: u64) {
        if let Some(page) = self.pages.get_mut(&contents) {
            page.gone = true;
            self.has_droppable = true;
        }
    }

    /// The page with these contents, made if there is room.
    fn page(&mut self, contents: u64) -> Option<&mut PageProfile> {
        if self.pages.len() >= MOST_PAGES && !self.pages.contains_key(&contents) {
            if !std::mem::take(&mut self.has_droppable) {
                return None;
            }
            // What this run has met, and what is there still, is worth more than what others have met, or was once there.
            self.pages.retain(|_, page| page.age == 0 && !page.gone);
            if self.pages.len() >= MOST_PAGES {
                return None;
            }
        }
        let page = self.pages.entry(contents).or_default();
        page.age = 0;
        Some(page)
    }

    /// The region entry at an offset, if one was formed there.
    pub fn entry(&self, contents: u64, offset: u16) -> Option<HotEntry> {
        find(&self.pages.get(&contents)?.entries, offset).copied()
    }

    /// Notes that a region is formed at an offset.
    pub fn note_entry(&mut self, contents: u64, offset: u16, hot: bool) {
        if let Some(page) = self.page(contents) {
            let make = || HotEntry { offset, hot };
            find_or_make(&mut page.entries, offset, make).hot |= hot;
        }
    }

    /// Notes that a region has code in a page.
    pub fn note_page(&mut self, contents: u64) {
        self.page(contents);
    }

    /// Notes which way the branch at an offset went.
    pub fn note_branch(&mut self, contents: u64, offset: u16, taken: bool) {
        let Some(page) = self.page(contents) else { return };
        let make = || Branch {
            offset,
            taken: 0,
            passed: 0,
        };
        let branch = find_or_make(&mut page.branches, offset, make);
        if branch.taken.max(branch.passed) == u16::MAX {
            // What was seen lately counts more.
            branch.taken /= 2;
            branch.passed /= 2;
        }
        if taken {
            branch.taken += 1;
        } else {
            branch.passed += 1;
        }
    }

    /// Notes that the indirect jump at an offset went so far.
    pub fn note_jump(&mut self, contents: u64, offset: u16, distance: i64) {
        let Some(page) = self.page(contents) else { return };
        let make = || Jump {
            offset,
            targets: Vec::new(),
        };
        let targets = &mut find_or_make(&mut page.jumps, offset, make).targets;
        let full = targets.len() >= MOST_TARGETS;
        match targets.iter_mut().find(|target| target.0 == distance) {
            Some(known) => known.1 = known.1.saturating_add(1),
            None if !full => targets.push((distance, 1)),
            // The rarest gives way once it was outvoted, so that what became frequent late is found too.
            None => {
                if let Some(rarest) = targets.iter_mut().min_by_key(|target| target.1) {
                    match rarest.1 {
                        0 | 1 => *rarest = (distance, 1),
                        _ => rarest.1 -= 1,
                    }
                }
            }
        }
    }

    /// Notes what execution has jumped to in a page that a region has code in, in ascending order.
    pub fn note_arrivals(&mut self, contents: u64, offsets: impl Iterator<Item = u16>) {
        if let Some(page) = self.pages.get_mut(&contents) {
            page.arrive(offsets);
        }
    }

    /// How often the branch at an offset is taken, from 0 to 1, if it was seen often enough. It is never quite 0 or 1.
    pub fn taken_ratio(&self, contents: u64, offset: u16) -> Option<f32> {
        let branch = find(&self.pages.get(&contents)?.branches, offset)?;
        let (taken, passed) = (f32::from(branch.taken), f32::from(branch.passed));
        let seen = taken + passed;
        // Half a time each, unseen: what is rare may only not have been seen yet.
        (seen >= f32::from(LEAST_SEEN)).then(|| (taken + 0.5) / (seen + 1.0))
    }

    /// Distances from the indirect jump at an offset to where it mostly goes, the most frequent first. Targets that are rare
    /// among those seen are left out.
    pub fn targets(&self, contents: u64, offset: u16) -> Vec<i64> {
        let jump = self
            .pages
            .get(&contents)
            .and_then(|page| find(&page.jumps, offset));
        let mut targets = jump.map(|jump| jump.targets.clone()).unwrap_or_default();
        let seen: u32 = targets.iter().map(|target| u32::from(target.1)).sum();
        targets.retain(|target| u32::from(target.1) * LEAST_SHARE >= seen);
        targets.sort_by_key(|target| std::cmp::Reverse(target.1));
        targets.into_iter().map(|target| target.0).collect()
    }

    /// Takes in what another run has learned. What is known already stays as it is.
    pub fn add(&mut self, other: Profile) {
        let mut others: Vec<_> = other.pages.into_iter().collect();
        others.sort_unstable_by_key(|(contents, page)| (page.age, *contents));
        for (contents, page) in others {
            if self.pages.len() >= MOST_PAGES {
                break;
            }
            self.has_droppable = true;
            self.pages.entry(contents).or_insert(page);
        }
    }

    /// Ages every page by a run: those that this run does not meet again are forgotten after some more.
    pub fn age(&mut self) {
        self.has_droppable = true;
        self.pages.retain(|_, page| {
            page.age = page.age.saturating_add(1);
            page.age <= MOST_RUNS
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_differ_by_any_bit() {
        let mut page = vec![0x5a; 4096];
        let before = contents(&page);
        for at in [0, 7, 8, 1000, 4095] {
            page[at] ^= 0x10;
            assert_ne!(contents(&page), before, "{at}");
            page[at] ^= 0x10;
        }
        assert_eq!(contents(&page), before);
        page.swap(0, 32);
        assert_eq!(contents(&page), before);
        page[0] = 1;
        let first = contents(&page);
        page.swap(0, 32);
        assert_ne!(contents(&page), first, "order counts");
    }

    #[test]
    fn branches_tell_once_they_were_seen_often() {
        let mut profile = Profile::default();
        for _ in 0..7 {
            profile.note_branch(1, 16, true);
        }
        assert_eq!(profile.taken_ratio(1, 16), None);
        profile.note_branch(1, 16, false);
        assert_eq!(profile.taken_ratio(1, 16), Some(7.5 / 9.0));
        assert_eq!(profile.taken_ratio(2, 16), None);
        assert_eq!(profile.taken_ratio(1, 18), None);
        for _ in 0..200_000 {
            profile.note_branch(1, 16, false);
        }
        assert!(profile.taken_ratio(1, 16).unwrap() < 0.001);
    }

    #[test]
    fn the_most_frequent_target_comes_first_even_if_it_came_late() {
        let mut profile = Profile::default();
        for distance in [-8, 4, 8, 12, 16, 20] {
            profile.note_jump(1, 2, distance);
        }
        for _ in 0..3 {
            profile.note_jump(1, 2, 100);
        }
        let targets = profile.targets(1, 2);
        assert_eq!(targets[0], 100);
        assert_eq!(targets.len(), MOST_TARGETS);
        for _ in 0..30 {
            profile.note_jump(1, 2, 100);
        }
        assert_eq!(profile.targets(1, 2), [100]);
        assert_eq!(profile.targets(1, 4), [0; 0]);
    }

    #[test]
    fn arrivals_are_kept_only_of_pages_with_regions() {
        let mut profile = Profile::default();
        profile.note_arrivals(1, [2].into_iter());
        assert!(profile.is_empty());
        profile.note_entry(1, 0, false);
        profile.note_entry(1, 0, true);
        profile.note_entry(1, 0, false);
        profile.note_arrivals(1, [0, 8].into_iter());
        profile.note_arrivals(1, [2, 8].into_iter());
        let page = profile.meet(1).unwrap();
        assert_eq!(page.arrived(), [0, 2, 8]);
        assert!(page.entries()[0].hot);
    }

    #[test]
    fn pages_are_bounded_and_those_of_this_run_stay() {
        let mut old = Profile::default();
        for contents in 0..MOST_PAGES as u64 {
            old.note_page(contents);
        }
        old.age();
        let mut profile = Profile::default();
        profile.note_entry(u64::MAX, 0, true);
        profile.add(old);
        assert_eq!(profile.len(), MOST_PAGES);
        assert!(profile.meet(3).is_some());
        profile.note_entry(u64::MAX - 1, 0, true);
        assert_eq!(profile.len(), 3, "the one met, and the two of this run");
        for contents in 0..2 * MOST_PAGES as u64 {
            profile.note_page(contents);
        }
        assert_eq!(profile.len(), MOST_PAGES);
    }

    #[test]
    fn pages_that_were_overwritten_give_way_to_others() {
        let mut profile = Profile::default();
        profile.note_entry(u64::MAX, 0, true);
        for contents in 0..10 * MOST_PAGES as u64 {
            profile.note_entry(contents, 0, false);
            profile.note_gone(contents);
        }
        assert!(profile.len() <= MOST_PAGES);
        assert!(profile.meet(u64::MAX).is_some());
        let last = 10 * MOST_PAGES as u64 - 1;
        assert!(profile.meet(last).is_some());
    }

    #[test]
    fn what_is_never_met_again_is_forgotten() {
        let mut profile = Profile::default();
        profile.note_entry(1, 0, false);
        profile.note_entry(2, 0, false);
        for _ in 0..=MOST_RUNS {
            profile.age();
            profile.meet(1);
        }
        assert!(profile.meet(1).is_some());
        assert!(profile.meet(2).is_none());
    }
}
