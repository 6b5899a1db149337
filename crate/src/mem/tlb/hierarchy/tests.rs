//! A hierarchy may forget, but never lies: every kind, policy and switch against a map that forgets nothing.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::mem::tlb::Manager;
use crate::mem::tlb::core::size_bits;

#[derive(Debug, Clone)]
enum Step {
    /// Looks up, and enters the page if it is not found. `number` tells contents apart.
    Access {
        vaddr: u64,
        fetch: bool,
        size: u32,
        satp: u64,
        global: bool,
        number: u8,
    },
    Fence(Fence),
}

/// Five ASIDs, of which the last two share a slot; two roots.
fn satp() -> impl Strategy<Value = u64> {
    let asid = prop::sample::select(&[0_u64, 1, 2, 3, 67]);
    (asid, prop::bool::weighted(0.1)).prop_map(|(asid, other)| 8 << 60 | asid << 44 | u64::from(other))
}

fn address() -> impl Strategy<Value = u64> {
    (0..40_u64, 0..3_u64, 0..2_u64).prop_map(|(low, middle, high)| low << 12 | middle << 21 | high << 30)
}

fn fence() -> impl Strategy<Value = Fence> {
    let asid = || prop::option::of(prop::sample::select(&[0_u16, 1, 2, 3, 67]));
    prop_oneof![
        1 => Just(Fence::All),
        2 => asid().prop_map(Fence::of_space),
        4 => (address(), asid()).prop_map(|(vaddr, asid)| Fence::of_page(vaddr, asid)),
        1 => (address(), 0..9_u64 << 12, asid())
            .prop_map(|(start, bytes, asid)| Fence::of_range(start + 8, bytes, asid)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let access = (
        address(),
        any::<bool>(),
        0..3_u32,
        satp(),
        prop::bool::weighted(0.2),
        any::<u8>(),
    );
    prop_oneof![
        12 => access.prop_map(|(vaddr, fetch, size, satp, global, number)| {
            // Of which size a page is, its place says: pages of two sizes at once are nobody's promise.
            let size = if vaddr >> 30 != 0 { 2 } else { size.min(u32::from(vaddr >> 21 & 3 == 2)) };
            Step::Access { vaddr, fetch, size, satp, global: global && size > 0, number }
        }),
        2 => fence().prop_map(Step::Fence),
    ]
}

fn config() -> impl Strategy<Value = TlbConfig> {
    let kinds = [
        HierarchyKind::Unified,
        HierarchyKind::PerCpu,
        HierarchyKind::Concurrent,
    ];
    let kind = (0..kinds.len()).prop_map(move |at| kinds[at]);
    let policy = prop::sample::select(&PolicyKind::ALL);
    (kind, policy, any::<bool>()).prop_map(|(hierarchy, policy, adaptive)| TlbConfig {
        hierarchy,
        policy,
        adaptive,
        ..TlbConfig::default()
    })
}

/// What was entered: page, size and `satp`, to where it is and whether it is global.
type Reference = HashMap<(u64, u32, u64), (u64, bool)>;

/// Forgets what a fence names.
fn forget(reference: &mut Reference, fence: Fence) {
    reference.retain(|&(page, size, satp), &mut (_, global)| {
        let of_asid = |asid: Option<u16>| asid.is_none_or(|asid| asid == asid_of(satp) && !global);
        match fence {
            Fence::All => false,
            Fence::Asid(asid) => !of_asid(Some(asid)),
            Fence::Range { start, pages, asid } => {
                let named = (0..pages).any(|n| (start + n * PAGE_SIZE) >> size_bits(size) == page);
                !(named && of_asid(asid))
            }
        }
    });
}

proptest! {
    #[test]
    fn a_hierarchy_never_lies(config in config(), steps in prop::collection::vec(step(), 1..400)) {
        let mut hierarchy = Manager::new(config, 1).hierarchy();
        let mut reference = Reference::new();
        let mut last = 0;
        for step in steps {
            match step {
                Step::Fence(fence) => {
                    hierarchy.fence(fence);
                    forget(&mut reference, fence);
                }
                Step::Access { vaddr, fetch, size, satp, global, number } => {
                    if satp != last {
                        // An ASID with another root has lost what was its own.
                        reference.retain(|&(_, _, other), &mut (_, global)| {
                            global || other == satp || asid_of(other) != asid_of(satp)
                        });
                        last = satp;
                    }
                    if let Some(found) = hierarchy.look_up(vaddr, fetch, satp) {
                        let size = found.size();
                        let page = vaddr >> size_bits(size);
                        let is_known = reference.iter().any(|(&(page_, size_, satp_), &(physical, global))| {
                            (page_, size_) == (page, size)
                                && (satp_ == satp || global)
                                && global == found.is_global()
                                && physical | vaddr & ((1 << size_bits(size)) - 1) == found.physical(vaddr)
                        });
                        prop_assert!(is_known, "{found:?} at {vaddr:#x}");
                    } else {
                        let physical = (u64::from(number) << 32) >> size_bits(size) << size_bits(size);
                        let rights = Rights(0xcf | if global { Rights::GLOBAL } else { 0 });
                        let ticket = hierarchy.begin_walk();
                        hierarchy.insert(vaddr, fetch, size, physical, rights, ticket);
                        reference.insert((vaddr >> size_bits(size), size, satp), (physical, global));
                        prop_assert!(hierarchy.look_up(vaddr, fetch, satp).is_some());
                    }
                }
            }
        }
    }
}

#[test]
fn numbers_of_spaces_that_are_used_up_start_anew() {
    let mut hierarchy = Manager::new(TlbConfig::default(), 1).hierarchy();
    let satp = 8 << 60;
    for round in 0..70_000_u64 {
        assert_eq!(hierarchy.look_up(0x1000, false, satp), None, "in round {round}");
        hierarchy.insert(0x1000, false, 0, 0x8000_0000, Rights(0xcf), None);
        assert!(hierarchy.look_up(0x1000, false, satp).is_some());
        hierarchy.fence(if round % 2 == 0 {
            Fence::All
        } else {
            Fence::Asid(0)
        });
    }
}
