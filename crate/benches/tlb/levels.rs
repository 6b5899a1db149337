//! What look-ups cost.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use tabvisor::mem::tlb::core::{
    Entry, FIFO, L1Tlb, L2Tlb, LFU, LRU, PLRU, Policy, RANDOM, Rights, Select, TlbLevel, View,
};
use tabvisor::mem::tlb::{Hierarchy, Manager, TlbConfig};

use crate::runtime::RuntimeLevel;

pub const VIEW: View = View { local: 2, global: 1 };
const SATP: u64 = 10 << 60 | 1 << 44;

/// A page's entry.
pub fn entry(vaddr: u64) -> Entry {
    Entry::new(vaddr, 0, 0x8000_0000 + (vaddr & 0xfff_f000), Rights(0xcf), VIEW)
}

/// `count` pages in a row, asked for in an order that no processor foresees; 4096 look-ups.
pub fn order(count: u64) -> Vec<u64> {
    let mut noise = 0x1234_5678_9abc_def1_u64;
    let draw = |_| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        ((noise >> 33) % count) << 12 | noise & 0xff8
    };
    (0..4096).map(draw).collect()
}

/// Measures one look-up of `order` after the other.
pub fn measure(
    criterion: &mut Criterion,
    group: &str,
    name: &str,
    order: &[u64],
    mut look_up: impl FnMut(u64) -> Option<Entry>,
) {
    let mut group = criterion.benchmark_group(group);
    group.throughput(Throughput::Elements(order.len() as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            for &vaddr in order {
                black_box(look_up(black_box(vaddr)));
            }
        });
    });
    group.finish();
}

fn filled<const SETS: usize, const WAYS: usize, const POLICY: u8>(count: u64) -> TlbLevel<SETS, WAYS, POLICY>
where
    Policy<POLICY>: Select<WAYS>,
{
    let mut level = TlbLevel::default();
    for page in 0..count {
        level.insert(page << 12, entry(page << 12));
    }
    level
}

/// A hierarchy that has been asked for `count` pages.
fn asked(words: &str, count: u64) -> Hierarchy {
    let config = TlbConfig::parse(words).expect("the words are right");
    let mut hierarchy = Manager::new(config, 1).hierarchy();
    for page in 0..count {
        if hierarchy.look_up(page << 12, false, SATP).is_none() {
            let ticket = hierarchy.begin_walk();
            hierarchy.insert(page << 12, false, 0, 0x8000_0000, Rights(0xcf), ticket);
        }
    }
    hierarchy
}

/// Hits in the first level, by itself and through the whole hierarchy.
pub fn hits(criterion: &mut Criterion) {
    let order = order(256);
    let mut level: L1Tlb = filled(256);
    measure(criterion, "l1_hit", "level", &order, |vaddr| {
        level.get(vaddr, VIEW)
    });
    let mut level: L1Tlb = filled(255);
    // A superpage somewhere: two sizes are tried where the first finds nothing.
    level.insert(1 << 40, Entry::new(1 << 40, 1, 0, Rights(0xcf), VIEW));
    let order_small = self::order(255);
    measure(
        criterion,
        "l1_hit",
        "level, superpages too",
        &order_small,
        |vaddr| level.get(vaddr, VIEW),
    );
    for words in ["unified", "unified,prefetch=4", "unified,adaptive"] {
        let mut hierarchy = asked(words, 256);
        measure(criterion, "l1_hit", words, &order, |vaddr| {
            hierarchy.look_up(vaddr, false, SATP)
        });
    }
}

/// Hits of a first level under each policy.
pub fn policies(criterion: &mut Criterion) {
    fn one<const POLICY: u8>(criterion: &mut Criterion, name: &str)
    where
        Policy<POLICY>: Select<4>,
    {
        let mut level = filled::<64, 4, POLICY>(256);
        measure(criterion, "policy", name, &order(256), |vaddr| {
            level.get(vaddr, VIEW)
        });
    }
    one::<LRU>(criterion, "lru");
    one::<PLRU>(criterion, "plru");
    one::<LFU>(criterion, "lfu");
    one::<FIFO>(criterion, "fifo");
    one::<RANDOM>(criterion, "random");
}

/// The same level with its geometry in the type, and in fields.
pub fn geometry(criterion: &mut Criterion) {
    let order = order(256);
    let mut level: L1Tlb = filled(256);
    measure(criterion, "geometry", "in the type", &order, |vaddr| {
        level.get(vaddr, VIEW)
    });
    let mut level = RuntimeLevel::new(black_box(64), black_box(4));
    for page in 0..256 {
        level.insert(page << 12, entry(page << 12));
    }
    measure(criterion, "geometry", "at run time", &order, |vaddr| {
        level.get(vaddr, VIEW)
    });
    let wide = self::order(4096);
    let mut level: L2Tlb = filled(4096);
    measure(
        criterion,
        "geometry, second level",
        "in the type",
        &wide,
        |vaddr| level.get(vaddr, VIEW),
    );
    let mut level = RuntimeLevel::new(black_box(512), black_box(8));
    for page in 0..4096 {
        level.insert(page << 12, entry(page << 12));
    }
    measure(
        criterion,
        "geometry, second level",
        "at run time",
        &wide,
        |vaddr| level.get(vaddr, VIEW),
    );
}

/// Look-ups that the first level does not answer, but the second does.
pub fn misses(criterion: &mut Criterion) {
    for words in [
        "unified",
        "unified,plru",
        "unified,lfu",
        "unified,fifo",
        "unified,random",
        "concurrent",
    ] {
        let mut hierarchy = asked(words, 4096);
        // One page after the other: none is in the first level any more when its turn comes again.
        let order: Vec<u64> = (0..4096).map(|page| page << 12).collect();
        measure(criterion, "l1_miss_l2_hit", words, &order, |vaddr| {
            hierarchy.look_up(vaddr, false, SATP)
        });
    }
}
