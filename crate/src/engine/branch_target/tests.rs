//! Random use of every policy in several geometries, held against a model that remembers everything.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::mem::replacement::{Fifo, Lfu, Random, TreePlru};

#[derive(Debug, Clone)]
enum Step {
    Lookup(u64),
    Insert(u64, Target),
    Remove(u64),
    /// Compiled code goes there, and counts it if told so.
    Inline(u64, bool),
    Flush,
}

fn target() -> impl Strategy<Value = Target> {
    (any::<u32>(), any::<u32>()).prop_map(|(function, entry)| Target {
        function: function as usize,
        entry,
    })
}

/// Few addresses, so that they meet in sets and come again.
fn address() -> impl Strategy<Value = u64> {
    prop_oneof![
        (0_u64..48).prop_map(|n| n * 2),
        (0_u64..24).prop_map(|n| 0xffff_ffff_8000_0000 + n * 0x802)
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => address().prop_map(Step::Lookup),
        8 => (address(), target()).prop_map(|(pc, target)| Step::Insert(pc, target)),
        2 => address().prop_map(Step::Remove),
        4 => (address(), any::<bool>()).prop_map(|(pc, counts)| Step::Inline(pc, counts)),
        1 => Just(Step::Flush),
    ];
    prop::collection::vec(step, 1..300)
}

/// What the model knows of an address.
#[derive(Debug, Clone, Copy)]
struct Known {
    target: Target,
    used: usize,
    filled: usize,
    uses: u32,
}

/// Whether the policy may choose `victim` among the others in its set.
type Judge = fn(victim: Known, others: &[Known]) -> bool;

const LRU: Judge = |victim, others| others.iter().all(|other| victim.used < other.used);
const FIFO: Judge = |victim, others| others.iter().all(|other| victim.filled < other.filled);
const LFU: Judge = |victim, others| others.iter().all(|other| victim.uses <= other.uses);
/// What was used last stays.
const PLRU: Judge = |victim, others| others.is_empty() || others.iter().any(|other| victim.used < other.used);
const ANY: Judge = |_, _| true;

/// Does what compiled code does, by the documented layout alone.
fn inline_hit<const SETS: usize, const WAYS: usize, P: Replacement<WAYS>>(
    cache: &mut BranchTargetCache<SETS, WAYS, P>,
    pc: u64,
    counts: bool,
) -> Option<(u64, u64)> {
    let base = cache.entries_ptr().cast::<u64>();
    let layout = BranchTargetCache::<SETS, WAYS, P>::layout();
    assert_eq!(
        (layout.entry_bytes, layout.pc, layout.function, layout.entry),
        (32, 0, 8, 16)
    );
    let set = (pc >> 1 ^ pc >> layout.fold_shift) as usize & layout.set_mask as usize;
    (0..layout.ways as usize).find_map(|way| {
        // SAFETY: within the entries, which nobody else touches meanwhile.
        unsafe {
            let at = base.add((set * WAYS + way) * 4);
            if at.read() != pc {
                return None;
            }
            if counts {
                *at.add(3) += 1;
            }
            Some((at.add(1).read(), at.add(2).read()))
        }
    })
}

fn check<const SETS: usize, const WAYS: usize, P: Replacement<WAYS>>(steps: &[Step], judge: Judge) {
    let mut cache = BranchTargetCache::<SETS, WAYS, P>::default();
    let mut model: HashMap<u64, Known> = HashMap::new();
    let mut expected = BranchTargetStats::default();
    // The model does not know in which order counted hits of compiled code are taken over.
    let exact = !steps.iter().any(|step| matches!(step, Step::Inline(_, true)));
    for (now, step) in steps.iter().enumerate() {
        match *step {
            Step::Lookup(pc) => {
                let found = cache.lookup(pc);
                assert_eq!(found, model.get(&pc).map(|known| known.target));
                match model.get_mut(&pc) {
                    Some(known) => {
                        (known.used, known.uses) = (now, known.uses + 1);
                        expected.hits += 1;
                        let set = &cache.entries[set_index(pc, SETS)];
                        assert_eq!(set[0].pc, pc);
                    }
                    None => expected.misses += 1,
                }
            }
            Step::Insert(pc, target) => {
                cache.insert(pc, target);
                if let Some(known) = model.get_mut(&pc) {
                    (known.target, known.used, known.uses) = (target, now, known.uses + 1);
                } else {
                    let set = set_index(pc, SETS);
                    let others = model.keys().filter(|other| set_index(**other, SETS) == set);
                    let others: Vec<u64> = others.copied().collect();
                    let held: HashSet<u64> = cache.entries[set].iter().map(|entry| entry.pc).collect();
                    let gone: Vec<u64> = others.iter().copied().filter(|pc| !held.contains(pc)).collect();
                    assert_eq!(gone.len(), usize::from(others.len() == WAYS));
                    if let [gone] = gone[..] {
                        expected.evictions += 1;
                        let victim = model.remove(&gone).unwrap();
                        let stay = others.iter().filter_map(|pc| model.get(pc).copied());
                        let stay: Vec<_> = stay.collect();
                        assert!(!exact || judge(victim, &stay), "{victim:?} went, {stay:?} stay");
                    }
                    model.insert(
                        pc,
                        Known {
                            target,
                            used: now,
                            filled: now,
                            uses: 1,
                        },
                    );
                }
            }
            Step::Remove(pc) => {
                assert_eq!(cache.remove(pc), model.remove(&pc).map(|known| known.target));
            }
            Step::Inline(pc, counts) => {
                let expected = model.get(&pc).map(|known| known.target);
                let expected = expected.map(|target| (target.function as u64, u64::from(target.entry)));
                assert_eq!(inline_hit(&mut cache, pc, counts), expected);
            }
            Step::Flush => {
                cache.flush();
                model.clear();
                expected.flushes += 1;
                assert!(cache.dirty.iter().all(|&word| word == 0));
            }
        }
        let held = cache.entries.iter().flatten().filter(|entry| entry.pc != NO_PC);
        let held: HashMap<u64, Target> = held.map(|entry| (entry.pc, entry.target())).collect();
        let known: HashMap<u64, Target> = model.iter().map(|(pc, known)| (*pc, known.target)).collect();
        assert_eq!(held, known);
    }
    assert_eq!(cache.stats(), expected);
}

/// One policy in many geometries.
macro_rules! geometries {
    ($name:ident, $policy:ty, $judge:expr, $($sets:literal x $ways:literal),*) => {
        proptest! {
            #[test]
            fn $name(steps in steps()) {
                let quiet: Vec<Step> =
                    steps.iter().filter(|step| !matches!(step, Step::Inline(..))).cloned().collect();
                $(
                    check::<$sets, $ways, $policy>(&steps, $judge);
                    check::<$sets, $ways, $policy>(&quiet, $judge);
                )*
            }
        }
    };
}

geometries!(lru_is_exact, Lru, LRU, 1 x 1, 1 x 4, 2 x 3, 4 x 2, 16 x 8, 128 x 1);
geometries!(fifo_is_exact, Fifo, FIFO, 1 x 1, 1 x 4, 2 x 3, 4 x 2, 16 x 8, 128 x 1);
geometries!(lfu_is_exact, Lfu, LFU, 1 x 1, 1 x 4, 2 x 3, 4 x 2, 16 x 8, 128 x 1);
geometries!(plru_keeps_what_was_used_last, TreePlru, PLRU, 1 x 1, 1 x 4, 4 x 2, 16 x 8, 128 x 1);
geometries!(random_is_never_wrong, Random, ANY, 1 x 1, 1 x 4, 2 x 3, 4 x 2, 16 x 8, 128 x 1);

const SOMEWHERE: Target = Target {
    function: 7,
    entry: 3,
};

#[test]
fn no_address_that_cannot_be_is_found_or_kept() {
    let mut cache = DefaultBranchTargets::default();
    for pc in [NO_PC, 1, 0x8000_0001] {
        assert_eq!(cache.lookup(pc), None);
        cache.insert(pc, SOMEWHERE);
        assert_eq!(cache.lookup(pc), None);
        assert_eq!(cache.remove(pc), None);
    }
    cache.insert(NO_PC - 1, SOMEWHERE);
    assert_eq!(cache.lookup(NO_PC - 1), Some(SOMEWHERE));
}

#[test]
fn hits_that_compiled_code_counts_save_an_entry() {
    fn survivor<P: Replacement<2>>(counts: bool) -> bool {
        let mut cache = BranchTargetCache::<1, 2, P>::default();
        cache.insert(0, SOMEWHERE);
        cache.insert(2, SOMEWHERE);
        // The run loop asks for 2 alone, compiled code for 0 alone, and oftener.
        cache.lookup(2);
        for _ in 0..3 {
            inline_hit(&mut cache, 0, counts);
        }
        cache.insert(4, SOMEWHERE);
        cache.lookup(0).is_some()
    }
    assert!(survivor::<Lfu>(true) && !survivor::<Lfu>(false));
    assert!(survivor::<Lru>(true) && !survivor::<Lru>(false));
}

#[test]
fn the_memory_that_compiled_code_knows_stays_where_it_is() {
    let mut cache = DefaultBranchTargets::default();
    let before = cache.entries_ptr();
    for n in 0..100_000 {
        cache.insert(n * 2, SOMEWHERE);
    }
    cache.flush();
    let mut moved = Box::new(cache);
    assert_eq!(moved.entries_ptr(), before);
}
