//! What asking for many things at once is worth: chunks of a disk on a web server, and translations of addresses.
//!
//! ```sh
//! cargo bench -p tabvisor --bench batch     # rows {"name","value","unit"}, one a line
//! ```

#[path = "../tests/common/part_server.rs"]
mod part_server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use part_server::{Manners, PartServer};
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
}
