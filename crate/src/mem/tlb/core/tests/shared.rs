//! The shared level against a map that forgets nothing, by one thread.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::shared::SharedLevel;
use super::super::{Entry, Rights, View, size_bits};
use super::{address, somewhere};

const VIEW: View = View { local: 3, global: 4 };

#[derive(Debug, Clone)]
enum Step {
    Insert {
        vaddr: u64,
        size: u32,
        satp: u64,
        rights: u8,
        late: bool,
    },
    Get {
        vaddr: u64,
        satp: u64,
    },
    FlushAddress {
        vaddr: u64,
        asid: Option<u16>,
    },
    FlushAsid(u16),
    Flush,
}

/// Two roots, three ASIDs.
fn satp() -> impl Strategy<Value = u64> {
    (0_u64..2, 0_u64..3).prop_map(|(root, asid)| 8 << 60 | asid << 44 | (root + 0x80000))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (address(), 0..3_u32, satp(), any::<u8>(), prop::bool::weighted(0.1)).prop_map(
            |(vaddr, size, satp, rights, late)| Step::Insert { vaddr, size, satp, rights, late }
        ),
        12 => (address(), satp()).prop_map(|(vaddr, satp)| Step::Get { vaddr, satp }),
        3 => (address(), prop::option::of(0..3_u16))
            .prop_map(|(vaddr, asid)| Step::FlushAddress { vaddr, asid }),
        1 => (0..3_u16).prop_map(Step::FlushAsid),
        1 => Just(Step::Flush),
    ]
}

proptest! {
    #[test]
    fn the_shared_level_never_lies(steps in prop::collection::vec(step(), 1..300)) {
        let level = SharedLevel::<4, 2>::default();
        let mut reference: HashMap<(u64, u32, u64), Entry> = HashMap::new();
        let is_own = |satp: u64, entry: &Entry, asid: u16| (satp >> 44) as u16 == asid && !entry.is_global();
        for step in steps {
            match step {
                Step::Insert { vaddr, size, satp, rights, late } => {
                    let entry = Entry::new(vaddr, size, somewhere(vaddr, size, rights), Rights(rights), VIEW);
                    let ticket = level.ticket();
                    if late {
                        // What was walked for may have been changed since.
                        level.flush_asid(77);
                        level.insert(ticket, vaddr, satp, entry);
                        continue;
                    }
                    level.insert(ticket, vaddr, satp, entry);
                    reference.insert((vaddr >> size_bits(size), size, satp), entry);
                    if size == 0 {
                        prop_assert_eq!(level.get(vaddr, satp, VIEW), Some(entry));
                    }
                }
                Step::Get { vaddr, satp } => {
                    if let Some(entry) = level.get(vaddr, satp, VIEW) {
                        let key = (vaddr >> size_bits(entry.size()), entry.size(), satp);
                        prop_assert_eq!(reference.get(&key), Some(&entry));
                    }
                }
                Step::FlushAddress { vaddr, asid } => {
                    level.flush_address(vaddr, asid);
                    reference.retain(|&(page, size, satp), entry| {
                        page != vaddr >> size_bits(size)
                            || asid.is_some_and(|asid| !is_own(satp, entry, asid))
                    });
                }
                Step::FlushAsid(asid) => {
                    level.flush_asid(asid);
                    reference.retain(|&(_, _, satp), entry| !is_own(satp, entry, asid));
                }
                Step::Flush => {
                    level.flush();
                    reference.clear();
                }
            }
        }
    }
}
