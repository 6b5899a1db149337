//! Each policy by hand; the branch-target cache's property tests hold them against models.

use super::*;

const WAYS: usize = 4;

/// A full set, filled in order of its ways.
fn full<P: Replacement<WAYS>>() -> (P, P::Set) {
    let (mut policy, mut set) = (P::default(), P::EMPTY);
    for way in 0..WAYS {
        policy.fill(&mut set, way);
    }
    (policy, set)
}

#[test]
fn lru_gives_up_what_was_not_used_for_longest() {
    let (mut lru, mut set) = full::<Lru>();
    assert_eq!(lru.victim(&mut set), 0);
    Replacement::<WAYS>::touch(&mut lru, &mut set, 0, 1);
    assert_eq!(lru.victim(&mut set), 1);
    // The entry of way 1 is touched and moved to the front; what was in way 0 is in way 1 now.
    Replacement::<WAYS>::touch(&mut lru, &mut set, 1, 1);
    Replacement::<WAYS>::moved_to_front(&mut lru, &mut set, 1);
    assert_eq!(lru.victim(&mut set), 2);
    Replacement::<WAYS>::touch(&mut lru, &mut set, 2, 1);
    Replacement::<WAYS>::touch(&mut lru, &mut set, 3, 1);
    assert_eq!(lru.victim(&mut set), 1);
}

#[test]
fn fifo_does_not_care_for_use() {
    let (mut fifo, mut set) = full::<Fifo>();
    Replacement::<WAYS>::touch(&mut fifo, &mut set, 0, 9);
    assert_eq!(fifo.victim(&mut set), 0);
    Replacement::<WAYS>::fill(&mut fifo, &mut set, 0);
    assert_eq!(fifo.victim(&mut set), 1);
}

#[test]
fn lfu_counts_and_forgets_by_halves() {
    let (mut lfu, mut set) = full::<Lfu>();
    lfu.touch(&mut set, 0, 200);
    lfu.touch(&mut set, 1, 3);
    lfu.touch(&mut set, 3, 1);
    assert_eq!((set, lfu.victim(&mut set)), ([201, 4, 1, 2], 2));
    lfu.touch(&mut set, 0, 60);
    assert_eq!(set, [160, 2, 0, 1]);
    lfu.touch(&mut set, 2, u32::MAX);
    assert_eq!(set, [160, 2, 255, 1]);
    assert_eq!(lfu.victim(&mut set), 3);
}

#[test]
fn the_tree_never_gives_up_what_was_used_last() {
    let (mut plru, mut set) = full::<TreePlru>();
    for way in [0, 3, 1, 2, 2, 0] {
        Replacement::<WAYS>::touch(&mut plru, &mut set, way, 1);
        assert_ne!(Replacement::<WAYS>::victim(&mut plru, &mut set), way);
    }
    // After 0, 1, 2, 3 in turn it is exact.
    let (mut plru, mut set) = full::<TreePlru>();
    assert_eq!(Replacement::<WAYS>::victim(&mut plru, &mut set), 0);
}

#[test]
fn random_reaches_every_way_and_repeats_itself() {
    let draw = || {
        let (mut random, mut set) = full::<Random>();
        let ways = (0..200).map(|_| Replacement::<WAYS>::victim(&mut random, &mut set));
        ways.collect::<Vec<_>>()
    };
    let ways = draw();
    assert_eq!(ways, draw());
    for way in 0..WAYS {
        assert!(ways.iter().filter(|&&other| other == way).count() > 25);
    }
    assert!(ways.iter().all(|&way| way < WAYS));
}

/// An order against a list.
fn order_is_a_list<const WAYS: usize>() {
    let mut order = Order::<WAYS>::START;
    let mut list: Vec<usize> = (0..WAYS).collect();
    for step in 0..500_usize {
        assert_eq!(order.last(), list[WAYS - 1], "{WAYS} ways, after {step} steps");
        let (a, b) = (step * 7 % WAYS, step * step % WAYS);
        order.promote(a);
        list.retain(|&way| way != a);
        list.insert(0, a);
        let place = |way| list.iter().position(|&other| other == way).unwrap();
        let (at_a, at_b) = (place(a), place(b));
        order.swap(a, b);
        list.swap(at_a, at_b);
    }
}

#[test]
fn an_order_is_that_of_a_list() {
    order_is_a_list::<1>();
    order_is_a_list::<2>();
    order_is_a_list::<3>();
    order_is_a_list::<4>();
    order_is_a_list::<7>();
    order_is_a_list::<8>();
}
