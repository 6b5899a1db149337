//! Results that are copied, and results that are cloned: a level is a direct-mapped table here, so that little else counts.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput};

use crate::levels::order;

const SLOTS: usize = 256;

/// What a look-up returns: page, place and rights; to be copied.
#[derive(Clone, Copy)]
struct Plain([u64; 3]);

/// The same, but may only be cloned.
#[derive(Clone)]
struct Cloned([u64; 3]);

/// What is read of a result, so that it must be there.
trait Read {
    fn read(&self) -> u64;
}

impl Read for Plain {
    fn read(&self) -> u64 {
        self.0[1]
    }
}

impl Read for Cloned {
    fn read(&self) -> u64 {
        self.0[1]
    }
}

impl Read for Box<Plain> {
    fn read(&self) -> u64 {
        self.0[1]
    }
}

impl Read for Arc<Plain> {
    fn read(&self) -> u64 {
        self.0[1]
    }
}

fn one<T: Read>(criterion: &mut Criterion, name: &str, make: impl Fn(Plain) -> T, take: impl Fn(&T) -> T) {
    let plain = |page: usize| Plain([page as u64, 0x8_0000 + page as u64, 0xcf]);
    let table: Vec<T> = (0..SLOTS).map(|page| make(plain(page))).collect();
    let order = order(SLOTS as u64);
    let mut group = criterion.benchmark_group("result");
    group.throughput(Throughput::Elements(order.len() as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            for &vaddr in &order {
                let found = take(&table[(vaddr >> 12) as usize % SLOTS]);
                black_box(found.read());
            }
        });
    });
    group.finish();
}

/// Each kind of result.
pub fn copy_and_clone(criterion: &mut Criterion) {
    one(criterion, "copied", |plain| plain, |entry| *entry);
    one(
        criterion,
        "cloned, plain data",
        |plain| Cloned(plain.0),
        Cloned::clone,
    );
    one(criterion, "cloned, on the heap", Box::new, Box::clone);
    one(criterion, "cloned, counted", Arc::new, Arc::clone);
}
