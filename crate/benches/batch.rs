//! What asking for many things at once is worth: chunks of a disk on a web server, and translations of addresses of
//! Debian's Linux.
//!
//! ```sh
//! cargo bench -p tabvisor --bench batch     # rows {"name","value","unit"}, one a line
//! ```

#[path = "common/debian.rs"]
mod debian;
#[path = "../tests/common/part_server.rs"]
mod part_server;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use part_server::{Manners, PartServer};
use tabvisor::engine::Engine;
use tabvisor::machine::Machine;
use tabvisor::storage::remote::{CHUNK, Options};
use tabvisor::storage::{Access, BlockBackend, Readiness, RemoteDisk};

/// What a server far away takes to answer.
const LATENCY: Duration = Duration::from_millis(20);

fn row(name: &str, value: f64, unit: &str) {
    println!("{{\"name\":\"{name}\",\"value\":{value:.4},\"unit\":\"{unit}\"}}");
}

/// Seconds that `count` chunks take: each asked for when the one before has come, or all at once, up to the usual limit.
fn read(server: &PartServer, count: u64, at_once: bool) -> f64 {
    let usual = Options::default();
    let options = Options {
        kept: count as usize,
        patient: true,
        limit: if at_once { usual.limit } else { 1 },
    };
    let mut disk = RemoteDisk::open(&server.url, options, Arc::new(|| {})).expect("the server serves parts");
    let start = Instant::now();
    let step = if at_once { count } else { 1 };
    for first in (0..count).step_by(step as usize) {
        assert_eq!(
            disk.prepare(Access::Read, first * CHUNK, step * CHUNK),
            Readiness::Now
        );
    }
    let took = start.elapsed().as_secs_f64();
    let mut last = [0];
    disk.read_at(count * CHUNK - 1, &mut last)
        .expect("it was prepared");
    took
}

/// A booted guest. `None` where it was not fetched.
fn guest() -> Option<Machine> {
    let mut machine = debian::machine(Engine::Auto.into())?;
    debian::run_until(&mut machine, debian::READY);
    Some(machine)
}

/// Nanoseconds of `work`, the least of many times.
fn least_ns(mut work: impl FnMut()) -> f64 {
    let mut least = f64::MAX;
    for _ in 0..200 {
        let start = Instant::now();
        work();
        least = least.min(start.elapsed().as_nanos() as f64);
    }
    least
}

/// Addresses of the kernel's map of all memory, which begins there under Sv57, without an order.
fn kernel_addresses(count: u64) -> Vec<u64> {
    const LINEAR: u64 = 0xff60_0000_0000_0000;
    (0..count)
        .map(|at| LINEAR + at.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (200 << 20))
        .collect()
}

fn translations(counts: &[u64]) {
    let Some(machine) = guest() else {
        eprintln!("Debian's Linux is not there (`npm run setup`): translations are left out");
        return;
    };
    for &count in counts {
        let addresses = kernel_addresses(count);
        let at_once = || block_on(machine.translate_many(0, &addresses, 4)).expect("there is a hart");
        let hart = machine.hart(0).expect("there is a hart");
        let one_by_one = || {
            let each = addresses
                .iter()
                .map(|&vaddr| hart.locate(machine.ram(), [vaddr]).next().flatten());
            each.collect::<Vec<_>>()
        };
        let found = at_once();
        assert_eq!(found, one_by_one());
        eprintln!(
            "{} of {count} addresses are mapped",
            found.iter().flatten().count()
        );
        let sequential = least_ns(|| drop(black_box(one_by_one())));
        let batch = least_ns(|| drop(black_box(at_once())));
        row(
            &format!("translate_{count}_one_by_one_ns"),
            sequential / count as f64,
            "ns",
        );
        row(
            &format!("translate_batch_vs_sequential_{count}"),
            batch / sequential,
            "ratio",
        );
    }
}

fn main() {
    // Under `cargo test` it only has to run.
    let counts: &[u64] = if std::env::args().any(|argument| argument == "--bench") {
        &[10, 100, 1000]
    } else {
        &[2]
    };
    let most = counts.iter().max().copied().unwrap_or_default();
    let server = PartServer::start(vec![7; (most * CHUNK) as usize], LATENCY, Manners::Good);
    for &count in counts {
        let (one_by_one, at_once) = (read(&server, count, false), read(&server, count, true));
        row(&format!("chunks_{count}_one_by_one_ms"), one_by_one * 1e3, "ms");
        row(&format!("chunks_{count}_batch_ms"), at_once * 1e3, "ms");
        row(
            &format!("chunk_batch_vs_one_by_one_{count}"),
            at_once / one_by_one,
            "ratio",
        );
    }
    translations(counts);
}
