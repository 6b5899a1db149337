//! Memory that the guest no longer needs goes back to the host, and pages that are written are noticed.

use std::collections::HashSet;
use std::process::Command;

use tabvisor::machine::MachineConfig;
use tabvisor::storage::MemoryDisk;

use crate::engines::Engine;
use crate::harness::{Guest, linux, noise};

/// Set in the process that does the measuring: other tests' machines must not be in it.
const ALONE: &str = "TABVISOR_TEST_ALONE";

under_every_engine!(
    free_pages_are_reported_and_leave_the_process,
    pages_that_change_are_dirty,
);

fn free_pages_are_reported_and_leave_the_process(engine: Engine) {
    if std::env::var_os(ALONE).is_some() {
        return measure(engine);
    }
    let name = format!(
        "memory::{}::free_pages_are_reported_and_leave_the_process",
        engine.name()
    );
    let test = std::env::current_exe().unwrap();
    let output = Command::new(test)
        .args(["--exact", &name])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn measure(engine: Engine) {
    let mut guest = Guest::boot(
        engine,
        MachineConfig {
            memory_bytes: 512 << 20,
            ..linux(1)
        },
    );
    let driver = guest.run("ls /sys/bus/virtio/drivers/virtio_balloon");
    assert!(driver.contains("virtio"), "{driver}");
    let fill = "dd if=/dev/zero of=/tmp/big bs=1M count=180 2>/dev/null";
    guest.run(fill);
    let filled = resident_mib();
    // The kernel reports what has been free for some seconds.
    let in_use = guest.machine.memory_use().ram_in_use_bytes;
    guest.run("rm /tmp/big && sleep 20");
    let freed = resident_mib();
    assert!(guest.machine.memory_use().ram_in_use_bytes + (120 << 20) < in_use);
    assert!(freed + 120 < filled, "{filled} MiB before, {freed} MiB after");
    // What went back can be had again.
    guest.run(fill);
    guest.run("dd if=/tmp/big bs=64k skip=2000 count=4 2>/dev/null | cmp -n 262144 - /dev/zero");
    assert!(freed + 120 < resident_mib());
}

/// This process's share of the host's memory.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

/// All memory is compared with a copy: what changed must be in the set of dirty pages, and most of that must have changed.
fn pages_that_change_are_dirty(engine: Engine) {
    const PAGE: usize = 4096;
    let disk = MemoryDisk::from_bytes(&noise(1 << 20), false).unwrap();
    let mut guest = Guest::boot(
        engine,
        MachineConfig {
            disks: vec![Box::new(disk)],
            ..linux(2)
        },
    );
    guest.machine.track_dirty_pages();
    let (base, size) = (guest.machine.ram().base(), guest.machine.ram().size());
    let all = |guest: &Guest| guest.machine.ram().slice(base, size).unwrap().to_vec();
    let mut before = all(&guest);
    for work in [
        "true",
        "dd if=/dev/vda of=/tmp/copy bs=64k 2>/dev/null",
        "seq 1 20000 | sort -r | sha256sum & cat /proc/*/maps | sha256sum; wait",
        "rm /tmp/copy; dd if=/dev/zero of=/tmp/zeroes bs=1M count=20 2>/dev/null",
        "sleep 3",
    ] {
        guest.run(work);
        let dirty: HashSet<u64> = guest.machine.take_dirty_pages().collect();
        let after = all(&guest);
        let pages = before.chunks(PAGE).zip(after.chunks(PAGE)).enumerate();
        let changed: Vec<_> = pages
            .filter(|(_, (before, after))| before != after)
            .map(|(page, _)| base + (page * PAGE) as u64)
            .collect();
        let unseen = changed.iter().find(|page| !dirty.contains(page));
        assert_eq!(unseen, None, "`{work}` changed it, but it is not dirty");
        println!(
            "`{work}`: {} pages are dirty, {} changed",
            dirty.len(),
            changed.len()
        );
        assert!(
            !changed.is_empty() && dirty.len() < 2 * changed.len() + 6000,
            "{work}: {}",
            dirty.len()
        );
        before = after;
    }
    guest.machine.stop_tracking_dirty_pages();
    guest.run("true");
    assert_eq!(guest.machine.take_dirty_pages().count(), 0);
}
