//! A level may forget, but never lie: every level and policy against a map that forgets nothing.

mod loom_model;
mod shared;

use proptest::prelude::*;
use std::collections::HashMap;

use super::*;

/// Address spaces in play: numbers as [`Spaces`] gives them, and one for global pages.
const SPACES: u16 = 3;
const GLOBAL_SPACE: u16 = 9;

fn view(space: u16) -> View {
    View {
        local: space,
        global: GLOBAL_SPACE,
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert {
        vaddr: u64,
        size: u32,
        space: u16,
        rights: u8,
    },
    Get {
        vaddr: u64,
        space: u16,
    },
    FlushAddress {
        vaddr: u64,
        space: Option<u16>,
    },
    Flush,
    OpenWays(usize),
}

/// Addresses that share sets, superpages and parts of them, in both halves.
pub(super) fn address() -> impl Strategy<Value = u64> {
    let page = (0_u64..6, 0_u64..3, 0_u64..3);
    (page, any::<bool>(), 0_u64..4096).prop_map(|((low, middle, high), upper, offset)| {
        let vaddr = low << 12 | middle << 22 | high << 31 | offset;
        if upper {
            vaddr | 0xffff_ffc0_0000_0000
        } else {
            vaddr
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let space = 1..=SPACES;
    prop_oneof![
        8 => (address(), 0..3_u32, space.clone(), any::<u8>())
            .prop_map(|(vaddr, size, space, rights)| Step::Insert { vaddr, size, space, rights }),
        12 => (address(), space.clone()).prop_map(|(vaddr, space)| Step::Get { vaddr, space }),
        3 => (address(), prop::option::of(space))
            .prop_map(|(vaddr, space)| Step::FlushAddress { vaddr, space }),
        1 => Just(Step::Flush),
        1 => (1..=9_usize).prop_map(Step::OpenWays),
    ]
}

/// Where a test puts a page: told by page and rights, so that a mix-up shows.
pub(super) fn somewhere(vaddr: u64, size: u32, rights: u8) -> u64 {
    let page = vaddr >> size_bits(size) & 0xffff;
    (page << size_bits(size)) ^ u64::from(rights) << 48
}

/// Page and size to what was entered last, by space; [`GLOBAL_SPACE`] for global pages.
type Reference = HashMap<(u64, u32, u16), Entry>;

fn run<const SETS: usize, const WAYS: usize, const POLICY: u8>(steps: &[Step]) -> Result<(), TestCaseError>
where
    Policy<POLICY>: Select<WAYS>,
{
    let mut level = TlbLevel::<SETS, WAYS, POLICY>::default();
    let mut reference = Reference::new();
    for step in steps {
        match *step {
            Step::Insert {
                vaddr,
                size,
                space,
                rights,
            } => {
                let physical = somewhere(vaddr, size, rights);
                let entry = Entry::new(vaddr, size, physical, Rights(rights), view(space));
                level.insert(vaddr, entry);
                let whose = if entry.is_global() { GLOBAL_SPACE } else { space };
                reference.insert((vaddr >> size_bits(size), size, whose), entry);
                let mut smaller = (0..size).flat_map(|size| [(size, space), (size, GLOBAL_SPACE)]);
                let hidden = smaller
                    .any(|(size, whose)| reference.contains_key(&(vaddr >> size_bits(size), size, whose)));
                let twice = reference.contains_key(&(vaddr >> size_bits(size), size, space))
                    && reference.contains_key(&(vaddr >> size_bits(size), size, GLOBAL_SPACE));
                if !hidden && !twice {
                    prop_assert_eq!(level.get(vaddr, view(space)), Some(entry), "it was just entered");
                }
            }
            Step::Get { vaddr, space } => {
                if let Some(entry) = level.get(vaddr, view(space)) {
                    let whose = if entry.is_global() { GLOBAL_SPACE } else { space };
                    let key = (vaddr >> size_bits(entry.size()), entry.size(), whose);
                    prop_assert_eq!(reference.get(&key), Some(&entry));
                    let offset = vaddr & ((1 << size_bits(entry.size())) - 1);
                    let base = somewhere(vaddr, entry.size(), entry.rights().0);
                    prop_assert_eq!(entry.physical(vaddr), base | offset);
                }
            }
            Step::FlushAddress { vaddr, space } => {
                level.flush_address(vaddr, space);
                reference.retain(|&(page, size, whose), _| {
                    page != vaddr >> size_bits(size) || space.is_some_and(|space| space != whose)
                });
            }
            Step::Flush => {
                level.flush();
                reference.clear();
            }
            Step::OpenWays(ways) => level.open_ways(ways),
        }
    }
    Ok(())
}

macro_rules! against_reference {
    ($($name:ident $policy:ident;)*) => {
        proptest! {$(
            #[test]
            fn $name(steps in prop::collection::vec(step(), 1..300)) {
                run::<1, 1, $policy>(&steps)?;
                run::<4, 2, $policy>(&steps)?;
                run::<64, 4, $policy>(&steps)?;
                run::<2, 8, $policy>(&steps)?;
            }
        )*}
    };
}

against_reference! {
    lru_never_lies LRU;
    plru_never_lies PLRU;
    lfu_never_lies LFU;
    fifo_never_lies FIFO;
    random_never_lies RANDOM;
}

#[test]
fn a_level_holds_as_much_as_it_says() {
    let mut level = L1Tlb::default();
    let entry = |page: u64| Entry::new(page << 12, 0, page << 12, Rights(1), view(1));
    for page in 0..256 {
        assert_eq!(level.insert(page << 12, entry(page)), None);
    }
    for page in 0..256 {
        assert_eq!(level.get(page << 12, view(1)), Some(entry(page)));
    }
    // Page 0 was used longest ago.
    assert_eq!(level.insert(256 << 12, entry(256)), Some(entry(0)));
    level.open_ways(1);
    assert_eq!(
        (0..257)
            .filter(|page| level.get(page << 12, view(1)).is_some())
            .count(),
        64
    );
}

#[test]
fn numbers_of_spaces_never_come_back() {
    let mut spaces = Spaces::default();
    let mut seen = std::collections::HashSet::new();
    for round in 0..2000_u64 {
        for asid in [1, 2, 1, 257] {
            // Asked again it is the same; once forgotten, or with another identity, never.
            let view = spaces.view(asid, round).unwrap();
            assert_eq!(spaces.view(asid, round), Ok(view));
            assert_eq!(spaces.number(asid), Some(view.local));
            assert!(seen.insert(view.local) || asid == 1, "{asid} in round {round}");
        }
        spaces.forget(2);
        assert_eq!(spaces.number(2), None);
    }
    while spaces.forget_all().is_ok() {}
    assert_eq!(spaces.forget_all(), Err(UsedUp));
    spaces.start_anew();
    assert!(spaces.view(1, 1).is_ok());
}

#[test]
fn the_walk_cache_knows_the_lowest_table() {
    let mut cache = WalkCache::default();
    let table = |level, address| Table {
        level,
        address,
        global: level == 0,
    };
    cache.note(0x4020_3000, 5, table(1, 0x8000_1000));
    cache.note(0x4020_3000, 5, table(0, 0x8000_2000));
    assert_eq!(cache.find(0x4020_4fff, 5, 3), Some(table(0, 0x8000_2000)));
    assert_eq!(cache.find(0x4040_0000, 5, 3), Some(table(1, 0x8000_1000)));
    assert_eq!(cache.find(0x4020_3000, 6, 3), None);
    // The table of the highest level is the root, which is known anyway.
    assert_eq!(cache.find(0x4040_0000, 5, 2), None);
    cache.flush_address(0x4020_0000);
    assert_eq!(cache.find(0x4020_3000, 5, 3), None);
}

#[test]
fn parts_of_superpages_are_never_missed() {
    let mut superpages = Superpages::default();
    superpages.note(0x1234_5000, 0);
    assert_eq!(superpages.around(0x1234_5000), None);
    superpages.note(0x1234_5000, 1);
    superpages.note(0xffff_ffff_8000_0000, 2);
    assert_eq!(superpages.around(0x123f_f000), Some(1));
    assert_eq!(superpages.around(0xffff_ffff_b000_0000), Some(2));
    superpages.clear();
    assert_eq!(superpages.around(0x1234_5000), None);
}
