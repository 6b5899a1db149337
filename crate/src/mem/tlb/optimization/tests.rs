//! What is guessed from sequences that are plain.

use super::*;
use crate::mem::tlb::TlbConfig;

fn last_pattern(pages: impl IntoIterator<Item = u64>) -> Pattern {
    let mut follower = AccessPattern::default();
    let patterns = pages.into_iter().map(|page| follower.observe(page));
    patterns.last().unwrap()
}

#[test]
fn sequences_are_told_apart() {
    assert_eq!(last_pattern([5, 6]), Pattern::Unknown);
    assert_eq!(last_pattern(5..9), Pattern::Sequential { step: 1 });
    assert_eq!(last_pattern((5..9).rev()), Pattern::Sequential { step: -1 });
    assert_eq!(last_pattern((0..5).map(|n| n * 7)), Pattern::Strided { step: 7 });
    assert_eq!(last_pattern([10, 14, 11, 30, 17, 22]), Pattern::Random);
    let far = (0..20).map(|n| n * 1_000_003);
    assert_eq!(last_pattern(far), Pattern::Unknown);
}

#[test]
fn two_sequences_side_by_side_are_both_followed() {
    let pages = (0..6).flat_map(|n| [1000 + n, 900_000 - n]);
    assert_eq!(last_pattern(pages), Pattern::Sequential { step: -1 });
}

#[test]
fn what_comes_next_follows_the_step() {
    let next = |pattern, depth| Ahead::of(pattern, 0x5123, depth).map(Iterator::collect::<Vec<_>>);
    assert_eq!(
        next(Pattern::Sequential { step: 1 }, 2),
        Some(vec![0x6000, 0x7000])
    );
    assert_eq!(next(Pattern::Strided { step: -3 }, 1), Some(vec![0x2000]));
    assert_eq!(next(Pattern::Random, 4), None);
    let mut prefetcher = Prefetcher::new(1);
    let guesses = [0x1000, 0x2000, 0x3000].map(|vaddr| prefetcher.observe(vaddr));
    assert_eq!(
        guesses.map(|ahead| ahead.map(Iterator::collect::<Vec<_>>)),
        [None, None, Some(vec![0x4000])]
    );
}

/// Look-ups of which so many in a hundred miss, until something is to be changed.
fn until_advice(adaptive: &mut Adaptive, missing: u32) -> Option<Advice> {
    (0..1 << 17).find_map(|at| adaptive.count(at % 100 >= missing))
}

#[test]
fn nothing_is_tried_while_all_is_well() {
    let mut adaptive = Adaptive::new(TlbConfig::default());
    assert_eq!(until_advice(&mut adaptive, 1), None);
}

#[test]
fn what_makes_nothing_better_is_taken_back() {
    let mut adaptive = Adaptive::new(TlbConfig::default());
    let start = Advice::Policy(TlbConfig::default().policy);
    let tried = until_advice(&mut adaptive, 30).unwrap();
    assert!(matches!(tried, Advice::Policy(_)) && tried != start);
    assert_eq!(until_advice(&mut adaptive, 30), Some(start));
}

#[test]
fn what_makes_it_better_stays() {
    let mut adaptive = Adaptive::new(TlbConfig::default());
    assert!(matches!(until_advice(&mut adaptive, 30), Some(Advice::Policy(_))));
    // Two windows later it is kept, and then something else is tried.
    assert!(matches!(
        until_advice(&mut adaptive, 10),
        Some(Advice::Prefetch(_))
    ));
}
