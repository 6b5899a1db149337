//! The branch-target cache: hit rates by policy and geometry over traces of jumps, and what a look-up costs.
//!
//! ```sh
//! cargo bench -p tabvisor --bench branch_target -- --quick
//! ```

#[path = "../common/debian.rs"]
mod debian;
mod recorder;
mod traces;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use tabvisor::engine::branch_target::{BranchTargetCache, DefaultBranchTargets, FOLD_SHIFT, Target};
use tabvisor::mem::PAGE_SIZE;
use tabvisor::mem::replacement::{Fifo, Lfu, Lru, Random, Replacement, TreePlru};
use traces::{Event, Trace};

const TARGET: Target = Target {
    function: 1,
    entry: 0,
};

/// Who looks into the cache.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Asker {
    /// The run loop, which tells the policy.
    Loop,
    /// Compiled code, which tells nothing; the run loop follows on a miss.
    Silent,
    /// Compiled code that counts its hits.
    Counting,
}

/// What came of a trace.
struct Outcome {
    hit_rate: f64,
    /// Ways looked at for a hit, on average.
    ways: f64,
    /// Nanoseconds an event, flushes included; those of one page, which are done the long way here, left out.
    ns: f64,
}

/// Does what compiled code does. The way that hit.
#[inline(always)]
fn probe<const SETS: usize, const WAYS: usize, P: Replacement<WAYS>>(
    cache: &mut BranchTargetCache<SETS, WAYS, P>,
    pc: u64,
    count: bool,
) -> Option<usize> {
    let set = (pc >> 1 ^ pc >> FOLD_SHIFT) as usize & (SETS - 1);
    let entries = cache.entries_ptr();
    (0..WAYS).find(|way| {
        // SAFETY: within the entries, which nothing else touches meanwhile.
        let entry = unsafe { &mut *entries.add(set * WAYS + way) };
        let hit = entry.pc == pc;
        entry.uses = entry.uses.wrapping_add(u64::from(hit & count));
        hit
    })
}

/// An address whose set is, by `pc >> 1` alone, that of `pc` folded: folding twice is not folding.
fn unfold(pc: u64, sets: usize) -> u64 {
    pc ^ (pc >> FOLD_SHIFT & (sets as u64 - 1)) << 1
}

/// Forgets the targets in the virtual page of `vaddr`, of which nobody has kept a list here.
fn flush_page<const SETS: usize, const WAYS: usize, P: Replacement<WAYS>>(
    cache: &mut BranchTargetCache<SETS, WAYS, P>,
    vaddr: u64,
) {
    for offset in (0..PAGE_SIZE).step_by(2) {
        cache.remove(vaddr & !(PAGE_SIZE - 1) | offset);
    }
}

fn play<const SETS: usize, const WAYS: usize, P: Replacement<WAYS>>(
    trace: &Trace,
    asker: Asker,
    folded: bool,
) -> Outcome {
    let mut caches = [(); 2].map(|()| BranchTargetCache::<SETS, WAYS, P>::default());
    let (mut jumps, mut hits, mut ways) = (0_u64, 0_u64, 0_u64);
    let mut aside = Duration::ZERO;
    let start = Instant::now();
    for event in &trace.events {
        match *event {
            Event::Go { pc, user } => {
                let cache = &mut caches[usize::from(user)];
                let pc = if folded { pc } else { unfold(pc, SETS) };
                jumps += 1;
                let hit = match asker {
                    Asker::Loop => cache.lookup(pc).map(|_| 0),
                    Asker::Silent => probe(cache, pc, false),
                    Asker::Counting => probe(cache, pc, true),
                };
                match hit {
                    Some(way) => {
                        hits += 1;
                        ways += way as u64 + 1;
                    }
                    None => cache.insert(pc, TARGET),
                }
            }
            Event::FlushAll => caches.iter_mut().for_each(BranchTargetCache::flush),
            Event::FlushPage(page) => {
                let start = Instant::now();
                caches.iter_mut().for_each(|cache| flush_page(cache, page));
                aside += start.elapsed();
            }
        }
    }
    Outcome {
        hit_rate: 100.0 * hits as f64 / jumps as f64,
        ways: ways as f64 / hits as f64,
        ns: (start.elapsed() - aside).as_nanos() as f64 / trace.events.len() as f64,
    }
}

fn row<const SETS: usize, const WAYS: usize, P: Replacement<WAYS>>(
    traces: &[Trace],
    asker: Asker,
    folded: bool,
) {
    let outcomes = traces
        .iter()
        .map(|trace| play::<SETS, WAYS, P>(trace, asker, folded));
    let cells: Vec<String> = outcomes
        .map(|outcome| format!("{:.2} {:.2} {:.1}", outcome.hit_rate, outcome.ways, outcome.ns))
        .collect();
    let asker = format!("{asker:?}").to_lowercase();
    let fold = if folded { "yes" } else { "no" };
    println!(
        "| {SETS} x {WAYS} | {} | {asker} | {fold} | {} |",
        P::NAME,
        cells.join(" | ")
    );
}

/// Prints a row for each policy in one geometry.
fn policies<const SETS: usize, const WAYS: usize>(traces: &[Trace], askers: &[Asker]) {
    for &asker in askers {
        row::<SETS, WAYS, Lru>(traces, asker, true);
        row::<SETS, WAYS, Fifo>(traces, asker, true);
        row::<SETS, WAYS, Lfu>(traces, asker, true);
        row::<SETS, WAYS, TreePlru>(traces, asker, true);
        row::<SETS, WAYS, Random>(traces, asker, true);
    }
}

/// Prints a row for each geometry.
fn geometries<P: Replacement<1> + Replacement<2> + Replacement<4> + Replacement<8>>(traces: &[Trace]) {
    row::<256, 1, P>(traces, Asker::Silent, true);
    row::<1024, 1, P>(traces, Asker::Silent, true);
    row::<4096, 1, P>(traces, Asker::Silent, true);
    row::<16384, 1, P>(traces, Asker::Silent, true);
    row::<512, 2, P>(traces, Asker::Silent, true);
    row::<1024, 2, P>(traces, Asker::Silent, true);
    row::<2048, 2, P>(traces, Asker::Silent, true);
    row::<4096, 2, P>(traces, Asker::Silent, true);
    row::<8192, 2, P>(traces, Asker::Silent, true);
    row::<512, 4, P>(traces, Asker::Silent, true);
    row::<1024, 4, P>(traces, Asker::Silent, true);
    row::<2048, 4, P>(traces, Asker::Silent, true);
    row::<512, 8, P>(traces, Asker::Silent, true);
}

/// Prints hits in percent, ways looked at for a hit, and nanoseconds an event.
fn report() {
    let start = Instant::now();
    let traces = traces::all();
    eprintln!("traces made in {:.1?}", start.elapsed());
    for trace in &traces {
        let count = |wanted: fn(&Event) -> bool| trace.events.iter().filter(|event| wanted(event)).count();
        let jumps = count(|event| matches!(event, Event::Go { .. }));
        let flushes = count(|event| matches!(event, Event::FlushAll));
        let pages = count(|event| matches!(event, Event::FlushPage(_)));
        println!(
            "{}: {jumps} jumps, {flushes} flushes, {pages} of one page",
            trace.name
        );
    }
    let names: Vec<_> = traces.iter().map(|trace| trace.name).collect();
    println!("\nhits in %, ways looked at for a hit, ns an event\n");
    println!(
        "| sets x ways | policy | asker | folded | {} |",
        names.join(" | ")
    );
    println!("|---|---|---|---|{}", "---|".repeat(names.len()));
    let askers = [Asker::Loop, Asker::Silent, Asker::Counting];
    policies::<256, 4>(&traces, &askers);
    policies::<1024, 4>(&traces, &askers);
    geometries::<Fifo>(&traces);
    // Without folding.
    row::<4096, 1, Fifo>(&traces, Asker::Silent, false);
    row::<2048, 2, Fifo>(&traces, Asker::Silent, false);
    row::<1024, 4, Fifo>(&traces, Asker::Silent, false);
    println!();
}

fn look_ups<const SETS: usize, const WAYS: usize, P: Replacement<WAYS>>(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("branch_target");
    let name = format!("{SETS}x{WAYS} {}", P::NAME);
    let mut cache = BranchTargetCache::<SETS, WAYS, P>::default();
    let known: Vec<u64> = (0..64).map(|n| 0x8000_0000 + n * 0x94).collect();
    for &pc in &known {
        cache.insert(pc, TARGET);
    }
    let mut next = known.iter().cycle();
    group.bench_function(BenchmarkId::new("hit", &name), |bencher| {
        bencher.iter(|| cache.lookup(black_box(*next.next().unwrap_or(&0))));
    });
    let mut next = known.iter().cycle();
    group.bench_function(BenchmarkId::new("hit in compiled code", &name), |bencher| {
        bencher.iter(|| probe(&mut cache, black_box(*next.next().unwrap_or(&0)), false));
    });
    group.bench_function(BenchmarkId::new("miss", &name), |bencher| {
        bencher.iter(|| cache.lookup(black_box(0x1234)));
    });
    let mut pc = 0;
    group.bench_function(BenchmarkId::new("insert and evict", &name), |bencher| {
        bencher.iter(|| {
            pc += 2;
            cache.insert(black_box(pc), TARGET);
        });
    });
    group.bench_function(BenchmarkId::new("flush of 20", &name), |bencher| {
        bencher.iter(|| {
            for &pc in &known[..20] {
                cache.insert(pc, TARGET);
            }
            cache.flush();
        });
    });
    group.finish();
}

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    if std::env::args().any(|argument| argument == "--bench") {
        report();
    }
    let mut criterion = Criterion::default().configure_from_args();
    look_ups::<{ DefaultBranchTargets::SETS }, { DefaultBranchTargets::WAYS }, Lru>(&mut criterion);
    look_ups::<1024, 4, Lru>(&mut criterion);
    look_ups::<1024, 4, Lfu>(&mut criterion);
    look_ups::<1024, 4, Fifo>(&mut criterion);
    look_ups::<1024, 4, TreePlru>(&mut criterion);
    look_ups::<1024, 4, Random>(&mut criterion);
    criterion.final_summary();
}
