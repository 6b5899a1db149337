//! Memory that the guest no longer needs goes back to the host.

use std::process::Command;

use tabvisor::machine::MachineConfig;

use crate::engines::Engine;
use crate::harness::{Guest, linux};

/// Set in the process that does the measuring: other tests' machines must not be in it.
const ALONE: &str = "TABVISOR_TEST_ALONE";

under_every_engine!(free_pages_are_reported_and_leave_the_process);

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
    guest.run("rm /tmp/big && sleep 20");
    let freed = resident_mib();
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
