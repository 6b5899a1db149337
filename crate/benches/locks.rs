//! `parking_lot`'s locks beside those of `std::sync`, as the engine uses locks: short, by one thread or two.
//!
//! * `queue`: a job is pushed, or popped if one waits, as the run loop and the compile thread do.
//! * `lookup`: a number is looked up in a map, as in a cache that threads share; one time in 64 it is written.
//! * `compile queue`: whole jobs that do nothing go through [`CompileQueue`] and come back.
//!
//! ```sh
//! cargo bench -p tabvisor --bench locks -- --quick
//! ```

use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, measurement::WallTime};
use tabvisor::engine::compile_queue::{CompileQueue, Priority};

/// A job, about as large as the handle of one is.
type Job = [u64; 3];
type Map = HashMap<u64, u64>;

/// Addresses in the map.
const KEYS: u64 = 1024;

/// A lock around `T`, whichever.
trait Lock<T>: Sync {
    const NAME: &'static str;
    fn new(value: T) -> Self;
    fn read<R>(&self, f: impl FnOnce(&T) -> R) -> R;
    fn write<R>(&self, f: impl FnOnce(&mut T) -> R) -> R;
}

impl<T: Send> Lock<T> for parking_lot::Mutex<T> {
    const NAME: &'static str = "parking_lot::Mutex";
    fn new(value: T) -> Self {
        Self::new(value)
    }
    fn read<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.lock())
    }
    fn write<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.lock())
    }
}

impl<T: Send> Lock<T> for std::sync::Mutex<T> {
    const NAME: &'static str = "std::sync::Mutex";
    fn new(value: T) -> Self {
        Self::new(value)
    }
    fn read<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.lock().expect("no thread panics"))
    }
    fn write<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.lock().expect("no thread panics"))
    }
}

impl<T: Send + Sync> Lock<T> for parking_lot::RwLock<T> {
    const NAME: &'static str = "parking_lot::RwLock";
    fn new(value: T) -> Self {
        Self::new(value)
    }
    fn read<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.read())
    }
    fn write<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.write())
    }
}

impl<T: Send + Sync> Lock<T> for std::sync::RwLock<T> {
    const NAME: &'static str = "std::sync::RwLock";
    fn new(value: T) -> Self {
        Self::new(value)
    }
    fn read<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.read().expect("no thread panics"))
    }
    fn write<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.write().expect("no thread panics"))
    }
}

/// How long it takes `threads` threads to do `count` steps each, from the first's start to the last's end.
fn time(threads: usize, count: u64, step: impl Fn(usize, u64) + Sync) -> Duration {
    let barrier = Barrier::new(threads + 1);
    let mut taken = Duration::ZERO;
    std::thread::scope(|scope| {
        let workers = (0..threads).map(|thread| {
            let (barrier, step) = (&barrier, &step);
            scope.spawn(move || {
                barrier.wait();
                (0..count).for_each(|n| step(thread, n));
            })
        });
        let workers: Vec<_> = workers.collect();
        let start = Instant::now();
        barrier.wait();
        for worker in workers {
            worker.join().expect("no thread panics");
        }
        taken = start.elapsed();
    });
    taken
}

fn queue<L: Lock<VecDeque<Job>>>(group: &mut BenchmarkGroup<'_, WallTime>, threads: usize) {
    group.bench_function(BenchmarkId::new(L::NAME, threads), |bencher| {
        bencher.iter_custom(|count| {
            let jobs = L::new(VecDeque::with_capacity(64));
            time(threads, count, |_, n| {
                jobs.write(|jobs| match jobs.pop_front() {
                    Some(job) => {
                        black_box(job);
                    }
                    None => jobs.push_back([n; 3]),
                });
            })
        });
    });
}

fn lookup<L: Lock<Map>>(group: &mut BenchmarkGroup<'_, WallTime>, threads: usize) {
    group.bench_function(BenchmarkId::new(L::NAME, threads), |bencher| {
        let map = L::new((0..KEYS).map(|n| (0x8000_0000 + n * 2, n)).collect());
        bencher.iter_custom(|count| {
            time(threads, count, |thread, n| {
                let key = 0x8000_0000 + (n * 7 + thread as u64 * 99) % KEYS * 2;
                if n % 64 == 63 {
                    map.write(|map| map.insert(key, n));
                } else {
                    black_box(map.read(|map| map.get(&key).copied()));
                }
            })
        });
    });
}

fn compile_queue(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile queue");
    group.throughput(Throughput::Elements(256));
    group.bench_function("256 jobs there and back", |bencher| {
        let queue = CompileQueue::new(256, |job: &mut Job| job[0]).expect("the host gives a thread");
        let mut results = Vec::new();
        bencher.iter(|| {
            for heat in 0..256 {
                let submitted = queue.submit([heat; 3], Priority { tier: 0, heat });
                submitted.expect("the queue was empty");
            }
            queue.wait_until_idle();
            queue.take_finished(&mut results);
            results.drain(..).count()
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for threads in [1, 2] {
        let mut group = criterion.benchmark_group("queue");
        queue::<parking_lot::Mutex<_>>(&mut group, threads);
        queue::<std::sync::Mutex<_>>(&mut group, threads);
        group.finish();
        let mut group = criterion.benchmark_group("lookup");
        lookup::<parking_lot::Mutex<_>>(&mut group, threads);
        lookup::<std::sync::Mutex<_>>(&mut group, threads);
        lookup::<parking_lot::RwLock<_>>(&mut group, threads);
        lookup::<std::sync::RwLock<_>>(&mut group, threads);
        group.finish();
    }
    compile_queue(&mut criterion);
    criterion.final_summary();
}
