//! Translations of whole hierarchies against plain walks, while page tables change under them: with the fences that the
//! specification demands nobody may tell one from the other.

use proptest::prelude::*;

use super::*;
use crate::isa::riscv::hart::Hart;
use crate::mem::tlb::{Fence, HierarchyKind, Manager, PolicyKind, TlbConfig};
use crate::mem::{BusFault, Ram};

/// Nothing but RAM.
#[derive(Debug)]
struct Memory(Ram);

impl Bus for Memory {
    fn ram(&self) -> &Ram {
        &self.0
    }
    fn ram_mut(&mut self) -> &mut Ram {
        &mut self.0
    }
    fn mmio_read(&mut self, addr: u64, _: u8) -> Result<u64, BusFault> {
        Err(BusFault { addr })
    }
    fn mmio_write(&mut self, addr: u64, _: u8, _: u64) -> Result<(), BusFault> {
        Err(BusFault { addr })
    }
    fn mtime(&mut self) -> u64 {
        0
    }
}

const BASE: u64 = 0x8000_0000;
/// Page tables: pages of RAM from its start. The first two are roots.
const TABLES: u64 = 10;
const ROOTS: u64 = 2;

/// An address whose numbers in the tables are `vpn`, highest first, in Sv39.
fn address([high, middle, low]: [u64; 3], offset: u64) -> u64 {
    let vaddr = high << 30 | middle << 21 | low << 12 | offset;
    // Bit 38 upwards are equal.
    ((vaddr << 25) as i64 >> 25) as u64
}

/// Pages that a sweep visits.
const PAGES: u64 = 16;

/// Numbers of entries that are used of each table: few, so that they are met again; one in the upper half.
static SLOTS: [u64; 3] = [0, 1, 511];

fn vpn() -> impl Strategy<Value = [u64; 3]> {
    prop::array::uniform3(prop::sample::select(&SLOTS))
}

fn satp() -> impl Strategy<Value = u64> {
    (0..ROOTS, 0..3_u64).prop_map(|(root, asid)| 8 << 60 | asid << 44 | ((BASE >> 12) + root))
}

#[derive(Debug, Clone)]
enum Step {
    /// Entry `slot` of a table becomes `entry`, and the fence is of `kind`.
    Change {
        table: u64,
        slot: u64,
        entry: u64,
        kind: u8,
        vpn: [u64; 3],
    },
    Access {
        hart: usize,
        vaddr: u64,
        access: Access,
        privilege: Privilege,
    },
    /// Many accesses, one page after the other, as prefetching likes them.
    Sweep {
        hart: usize,
        vpn: [u64; 3],
        access: Access,
    },
    Satp {
        hart: usize,
        satp: u64,
    },
    Status {
        hart: usize,
        sum: bool,
        mxr: bool,
    },
    /// Whether hardware sets A and D bits; a write of `menvcfg` drops everything.
    Hardware(bool),
}

fn entry() -> impl Strategy<Value = u64> {
    prop_oneof![
        // A pointer to another table; sometimes global.
        6 => (ROOTS..TABLES, prop::bool::weighted(0.1)).prop_map(|(table, global)| {
            ((BASE >> 12) + table) << 10 | pte::V | if global { pte::G } else { 0 }
        }),
        // A leaf: aligned to 1 GiB, so that it can stand at any level, or to nothing.
        8 => (any::<u8>(), 0..4_u64, prop::bool::weighted(0.7)).prop_map(|(bits, page, aligned)| {
            let page = if aligned { page << 18 } else { (BASE >> 12) + page * 0x201 };
            page << 10 | u64::from(bits) | pte::V | pte::R
        }),
        1 => any::<u64>(),
        1 => Just(0),
    ]
}

fn access() -> impl Strategy<Value = Access> {
    prop::sample::select(vec![Access::Read, Access::Write, Access::Execute])
}

fn step() -> impl Strategy<Value = Step> {
    let hart = 0..2_usize;
    let slot = prop_oneof![prop::sample::select(&SLOTS), 0..PAGES];
    let privilege = prop::sample::select(vec![Privilege::User, Privilege::Supervisor]);
    let place = (vpn(), 0..4096_u64).prop_map(|(vpn, offset)| address(vpn, offset & !7));
    prop_oneof![
        6 => (0..TABLES, slot, entry(), 0..4_u8, vpn())
            .prop_map(|(table, slot, entry, kind, vpn)| Step::Change { table, slot, entry, kind, vpn }),
        20 => (hart.clone(), place, access(), privilege)
            .prop_map(|(hart, vaddr, access, privilege)| Step::Access { hart, vaddr, access, privilege }),
        2 => (hart.clone(), vpn(), access()).prop_map(|(hart, vpn, access)| Step::Sweep { hart, vpn, access }),
        4 => (hart.clone(), satp()).prop_map(|(hart, satp)| Step::Satp { hart, satp }),
        2 => (hart, any::<bool>(), any::<bool>()).prop_map(|(hart, sum, mxr)| Step::Status { hart, sum, mxr }),
        1 => any::<bool>().prop_map(Step::Hardware),
    ]
}

/// Two harts and their memory.
struct World {
    harts: [Hart; 2],
    memory: Memory,
    manager: Manager,
}

impl World {
    fn new(config: TlbConfig) -> Self {
        let manager = Manager::new(config, 2);
        let hart = |id| {
            let mut hart = Hart::new(id, BASE);
            hart.state.csr.pmp.open();
            hart.state.csr.satp = 8 << 60 | BASE >> 12;
            hart.translations = manager.hierarchy();
            hart
        };
        let mut memory = Memory(Ram::new(BASE, (TABLES + 600) * PAGE_SIZE).unwrap());
        // Something to begin with: the roots point to tables that point to tables of leaves.
        for table in 0..TABLES {
            for (at, slot) in (0..).zip(SLOTS) {
                let pointer = |table: u64| ((BASE >> 12) + table) << 10 | pte::V;
                let entry = match table {
                    0..ROOTS => pointer(ROOTS + table + at),
                    ROOTS..6 => pointer(6 + at),
                    _ => ((BASE >> 12) + TABLES + slot) << 10 | 0xcf | ((at % 2) * pte::U),
                };
                let address = BASE + table * PAGE_SIZE + slot * 8;
                memory.0.write_u64(address, entry).unwrap();
            }
        }
        // Sweeps find more there, of which each third was not accessed yet, each second not stored to.
        for table in 6..TABLES {
            for slot in 2..PAGES {
                let accessed = if slot % 3 == 0 { 0 } else { pte::A };
                let stored = (slot % 2) * pte::D;
                let entry = ((BASE >> 12) + TABLES + slot) << 10 | 0xf | accessed | stored;
                let address = BASE + table * PAGE_SIZE + slot * 8;
                memory.0.write_u64(address, entry).unwrap();
            }
        }
        World {
            harts: [hart(0), hart(1)],
            memory,
            manager,
        }
    }

    /// A fence on hart 0, and one that it asks of hart 1.
    fn fence_everywhere(&mut self, fence: Fence) {
        self.harts[0].fence(fence);
        if self.manager.send(1, fence) {
            self.harts[1].fence(fence);
        }
    }

    fn hart(&mut self, hart: usize) -> &mut Hart {
        for fence in self.manager.received(hart) {
            self.harts[hart].fence(fence);
        }
        &mut self.harts[hart]
    }

    fn access(
        &mut self,
        hart: usize,
        vaddr: u64,
        access: Access,
        privilege: Privilege,
    ) -> Result<Translation, Exception> {
        self.hart(hart);
        self.harts[hart].translate(&mut self.memory, vaddr, 8, access, privilege)
    }

    /// What is to be compared of an access's result. Of what else is allowed, the one that remembers may know less.
    fn result(
        &mut self,
        hart: usize,
        vaddr: u64,
        access: Access,
        privilege: Privilege,
    ) -> Result<(u64, u32, bool), Exception> {
        let translation = self.access(hart, vaddr, access, privilege)?;
        Ok((translation.physical, translation.size, translation.global))
    }
}

/// Runs the steps on two worlds, the second of which remembers nothing.
fn compare(config: TlbConfig, steps: &[Step]) -> Result<(), TestCaseError> {
    let plain = TlbConfig {
        hierarchy: HierarchyKind::Fast,
        ..config
    };
    let mut worlds = [World::new(config), World::new(plain)];
    for step in steps {
        match *step {
            Step::Change {
                table,
                slot,
                entry,
                kind,
                vpn,
            } => {
                for world in &mut worlds {
                    let address = BASE + table * PAGE_SIZE + slot * 8;
                    world.memory.0.write_u64(address, entry).unwrap();
                    // What was changed may be reached from anywhere. A fence that names less than that is only enough together
                    // with one that names the rest.
                    match kind {
                        0 => world.fence_everywhere(Fence::All),
                        1 => {
                            (0..3).for_each(|asid| world.fence_everywhere(Fence::Asid(asid)));
                            every_address(|vaddr| world.fence_everywhere(Fence::of_page(vaddr, None)));
                        }
                        2 => every_address(|vaddr| world.fence_everywhere(Fence::of_page(vaddr, None))),
                        _ => {
                            let start = address_of(vpn);
                            world.fence_everywhere(Fence::of_range(start, 3 * PAGE_SIZE, Some(1)));
                            world.fence_everywhere(Fence::All);
                        }
                    }
                }
            }
            Step::Access {
                hart,
                vaddr,
                access,
                privilege,
            } => {
                let [tested, reference] = &mut worlds;
                let result = tested.result(hart, vaddr, access, privilege);
                prop_assert_eq!(
                    result,
                    reference.result(hart, vaddr, access, privilege),
                    "{:?} of {:#x} by {:?}",
                    access,
                    vaddr,
                    privilege
                );
            }
            Step::Sweep { hart, vpn, access } => {
                for page in 0..PAGES {
                    let vaddr = address_of(vpn).wrapping_add(page * PAGE_SIZE);
                    let [tested, reference] = &mut worlds;
                    let result = tested.result(hart, vaddr, access, Privilege::Supervisor);
                    prop_assert_eq!(
                        result,
                        reference.result(hart, vaddr, access, Privilege::Supervisor)
                    );
                }
            }
            Step::Satp { hart, satp } => {
                for world in &mut worlds {
                    world.hart(hart).state.csr.satp = satp;
                    world.hart(hart).leave_address_space();
                }
                // An ASID that a hart had with another root is fenced, and so are global pages, which the roots do not share.
                for world in &mut worlds {
                    world.fence_everywhere(Fence::All);
                }
            }
            Step::Status { hart, sum, mxr } => {
                for world in &mut worlds {
                    let status = &mut world.hart(hart).state.csr.mstatus;
                    *status &= !(mstatus::SUM | mstatus::MXR);
                    *status |= if sum { mstatus::SUM } else { 0 } | if mxr { mstatus::MXR } else { 0 };
                }
            }
            Step::Hardware(sets) => {
                for world in &mut worlds {
                    for hart in 0..2 {
                        let hart = world.hart(hart);
                        hart.state.csr.menvcfg = if sets { envcfg::ADUE } else { 0 };
                        hart.flush_translations();
                    }
                }
            }
        }
        let tables = worlds
            .each_ref()
            .map(|world| world.memory.0.slice(BASE, TABLES * PAGE_SIZE).unwrap());
        prop_assert!(tables[0] == tables[1], "A and D bits differ after {:?}", step);
    }
    Ok(())
}

fn address_of(vpn: [u64; 3]) -> u64 {
    address(vpn, 0)
}

/// Every page that the tests' addresses lie in, but for those of sweeps.
fn every_address(mut work: impl FnMut(u64)) {
    for high in SLOTS {
        for middle in SLOTS {
            for low in SLOTS {
                let start = address([high, middle, low], 0);
                (0..PAGES).for_each(|page| work(start.wrapping_add(page * PAGE_SIZE)));
            }
        }
    }
}

fn config() -> impl Strategy<Value = TlbConfig> {
    (
        prop::sample::select(&[
            HierarchyKind::Unified,
            HierarchyKind::PerCpu,
            HierarchyKind::Concurrent,
        ]),
        prop::sample::select(&PolicyKind::ALL),
        prop::sample::select(&[0_u8, 1, 4, 16]),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(hierarchy, policy, prefetch, adaptive, walk_cache)| TlbConfig {
            hierarchy,
            policy,
            prefetch,
            adaptive,
            walk_cache,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn nobody_can_tell_a_hierarchy_from_a_walk(
        config in config(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        compare(config, &steps)?;
    }
}

const SATP_A: u64 = 8 << 60 | 1 << 44 | BASE >> 12;
const SATP_B: u64 = 8 << 60 | 2 << 44 | ((BASE >> 12) + 1);

/// A world in which both roots map, by 1 GiB leaves, address 0 locally and 1 GiB globally.
fn two_spaces(kind: HierarchyKind) -> World {
    let mut world = World::new(TlbConfig {
        hierarchy: kind,
        ..TlbConfig::default()
    });
    for root in 0..2 {
        let leaf = |gib: u64| gib << 28 | pte::V | pte::R | pte::A;
        let table = BASE + root * PAGE_SIZE;
        world.memory.0.write_u64(table, leaf(4 + root)).unwrap();
        world.memory.0.write_u64(table + 8, leaf(7) | pte::G).unwrap();
    }
    world
}

/// Walks that an access takes, after `satp` was written.
fn walks(world: &mut World, satp: u64, vaddr: u64) -> u64 {
    let hart = &mut world.harts[0];
    let before = hart.translations.stats().walks;
    hart.state.csr.satp = satp;
    world
        .access(0, vaddr, Access::Read, Privilege::Supervisor)
        .unwrap();
    world.harts[0].translations.stats().walks - before
}

#[test]
fn a_switch_of_address_space_drops_nothing() {
    let mut world = two_spaces(HierarchyKind::Unified);
    assert_eq!([SATP_A, SATP_B].map(|satp| walks(&mut world, satp, 0)), [1, 1]);
    assert_eq!([SATP_A, SATP_B].map(|satp| walks(&mut world, satp, 0)), [0, 0]);
    // A global page is found in every space, and in every part of it.
    assert_eq!(walks(&mut world, SATP_A, 1 << 30), 1);
    assert_eq!(walks(&mut world, SATP_B, (1 << 30) + 0x1234_5000), 0);
}

#[test]
fn fences_drop_what_they_name() {
    let mut world = two_spaces(HierarchyKind::Unified);
    let mut after = |fence| {
        let places = [(SATP_A, 0), (SATP_B, 0), (SATP_A, 1 << 30)];
        for (satp, vaddr) in places {
            walks(&mut world, satp, vaddr);
        }
        world.harts[0].fence(fence);
        places.map(|(satp, vaddr)| walks(&mut world, satp, vaddr))
    };
    assert_eq!(after(Fence::Asid(1)), [1, 0, 0]);
    // Any address of a superpage names it.
    assert_eq!(after(Fence::of_page(0x3fff_f000, Some(2))), [0, 1, 0]);
    assert_eq!(after(Fence::of_page(0x3fff_f000, None)), [1, 1, 0]);
    assert_eq!(after(Fence::of_page(0x5000_0000, Some(1))), [0, 0, 0]);
    assert_eq!(after(Fence::of_page(0x5000_0000, None)), [0, 0, 1]);
    assert_eq!(after(Fence::All), [1, 1, 1]);
}

#[test]
fn an_asid_with_another_root_is_another_space() {
    for kind in [HierarchyKind::Unified, HierarchyKind::Concurrent] {
        let mut world = two_spaces(kind);
        let other_root = SATP_A + 1;
        assert_eq!(walks(&mut world, SATP_A, 0), 1);
        assert_eq!(walks(&mut world, other_root, 0), 1);
        assert_eq!(walks(&mut world, SATP_A, 0), 1, "{kind:?}");
    }
}

#[test]
fn harts_share_the_concurrent_level() {
    let mut world = two_spaces(HierarchyKind::Concurrent);
    walks(&mut world, SATP_A, 0);
    world.harts[1].state.csr.satp = SATP_A;
    world
        .access(1, 0x1000, Access::Read, Privilege::Supervisor)
        .unwrap();
    let stats = world.harts[1].translations.stats();
    assert_eq!((stats.walks, stats.l2_hits), (0, 1));
}

#[test]
fn a_walk_starts_at_the_lowest_table_known() {
    let mut world = World::new(TlbConfig::default());
    let reads = |world: &mut World, vaddr| {
        world
            .access(0, vaddr, Access::Read, Privilege::Supervisor)
            .unwrap();
        let stats = world.harts[0].translations.stats();
        (stats.walks, stats.walk_cache_hits)
    };
    assert_eq!(reads(&mut world, 0), (1, 0));
    assert_eq!(reads(&mut world, 0x1f_f000), (2, 1));
}

#[test]
fn an_update_sees_that_the_entry_changed() {
    let mut world = two_spaces(HierarchyKind::Unified);
    let hart = &mut world.harts[0];
    hart.state.csr.menvcfg = envcfg::ADUE;
    let leaf = hart.find_leaf(&mut world.memory, 0, 3).unwrap();
    let leaf = Leaf {
        read: leaf.read | pte::U,
        ..leaf
    };
    let updated = hart.update_accessed(&mut world.memory, leaf, Access::Write, 0);
    assert_eq!(updated, Ok(None));
}

proptest! {
    /// Addresses located together, in any order, are where each is by itself, and where a load finds it.
    #[test]
    fn many_addresses_are_where_each_is(
        entries in prop::collection::vec((0..TABLES, prop::sample::select(&SLOTS), entry()), 0..40),
        addresses in prop::collection::vec((vpn(), 0..4096_u64), 1..60),
        odd in any::<u64>(),
        privilege in prop::sample::select(vec![Privilege::User, Privilege::Supervisor, Privilege::Machine]),
    ) {
        let mut memory = Memory(Ram::new(BASE, TABLES * PAGE_SIZE).unwrap());
        for (table, slot, entry) in entries {
            memory.0.write_u64(BASE + table * PAGE_SIZE + slot * 8, entry).unwrap();
        }
        let mut hart = Hart::new(0, BASE);
        hart.state.privilege = privilege;
        hart.state.csr.satp = 8 << 60 | BASE >> 12;
        let mut addresses: Vec<u64> = addresses.into_iter().map(|(vpn, offset)| address(vpn, offset)).collect();
        addresses.push(odd);
        let together: Vec<_> = hart.locate(&memory.0, addresses.iter().copied()).collect();
        for (&vaddr, &found) in addresses.iter().zip(&together) {
            prop_assert_eq!(hart.locate(&memory.0, [vaddr]).next(), Some(found));
            // The load may set bits: it has tables of its own.
            let mut own = Memory(Ram::new(BASE, TABLES * PAGE_SIZE).unwrap());
            own.0.write(BASE, memory.0.slice(BASE, TABLES * PAGE_SIZE).unwrap()).unwrap();
            let loaded = hart.translate(&mut own, vaddr, 1, Access::Read, privilege);
            if let Ok(translation) = loaded {
                prop_assert_eq!(Some(translation.physical), found);
            }
        }
    }
}
