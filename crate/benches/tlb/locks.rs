//! The lock among the writers of the shared level: parking_lot's and the standard library's, alone and contended.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::thread;

use criterion::{Criterion, Throughput};
use tabvisor::mem::tlb::core::{Kit, Native, SharedLevel, WriterLock};

use crate::levels::{VIEW, entry};

/// The host's own atomics, with the standard library's lock.
#[derive(Debug)]
struct Standard;

#[derive(Debug, Default)]
struct Lock(std::sync::Mutex<()>);

impl WriterLock for Lock {
    fn with(&self, work: impl FnOnce()) {
        let _guard = self.0.lock();
        work();
    }

    fn try_with(&self, work: impl FnOnce()) {
        if let Ok(_guard) = self.0.try_lock() {
            work();
        }
    }
}

impl Kit for Standard {
    type Word = AtomicU64;
    type Lock = Lock;

    fn fence(ordering: Ordering) {
        fence(ordering);
    }
}

const SATP: u64 = 10 << 60;

fn one<K: Kit>(criterion: &mut Criterion, name: &str) {
    let level = SharedLevel::<512, 8, K>::default();
    let fill = |page: u64| level.insert(level.ticket(), page << 12, SATP, entry(page << 12));
    let mut group = criterion.benchmark_group("shared");
    group.throughput(Throughput::Elements(1));
    let mut page = 0;
    let mut next = || {
        page = (page + 1) % 4096;
        page
    };
    group.bench_function(format!("{name}: insert"), |bencher| bencher.iter(|| fill(next())));
    group.bench_function(format!("{name}: fence"), |bencher| {
        bencher.iter(|| level.flush_address(next() << 12, None));
    });
    group.bench_function(format!("{name}: look-up"), |bencher| {
        bencher.iter(|| black_box(level.get(next() << 12, SATP, VIEW)));
    });
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut page = 0;
            while !stop.load(Ordering::Relaxed) {
                page = (page + 7) % 4096;
                level.flush_address(page << 12, None);
                fill(page);
            }
        });
        group.bench_function(format!("{name}: fence, another writes"), |bencher| {
            bencher.iter(|| level.flush_address(next() << 12, None));
        });
        group.bench_function(format!("{name}: look-up, another writes"), |bencher| {
            bencher.iter(|| black_box(level.get(next() << 12, SATP, VIEW)));
        });
        stop.store(true, Ordering::Relaxed);
    });
    group.finish();
}

/// Each lock.
pub fn writers(criterion: &mut Criterion) {
    one::<Native>(criterion, "parking_lot");
    one::<Standard>(criterion, "std");
}
