//! Memory nodes as Linux sees them.

use tabvisor::machine::MachineConfig;

use crate::engines::Engine;
use crate::harness::{Guest, linux};

under_every_engine!(linux_sees_the_nodes_with_their_harts_and_memory);

fn linux_sees_the_nodes_with_their_harts_and_memory(engine: Engine) {
    let mut guest = Guest::boot(engine, MachineConfig { numa: 2, ..linux(3) });
    let mut read = |file: &str| guest.run(&format!("cat /sys/devices/system/node/{file}"));
    assert_eq!(read("online"), "0-1");
    assert_eq!(read("has_cpu"), "0-1");
    // Three harts: two in the first node, one in the second.
    assert_eq!(read("node0/cpulist"), "0-1");
    assert_eq!(read("node1/cpulist"), "2");
    assert_eq!(read("node0/distance"), "10 20");
    assert_eq!(read("node1/distance"), "20 10");
    let mut total = 0;
    for node in 0..2 {
        let meminfo = read(&format!("node{node}/meminfo"));
        let words: Vec<_> = meminfo.split_whitespace().collect();
        assert_eq!(words[..3], ["Node", &node.to_string(), "MemTotal:"], "{meminfo}");
        let kib: u64 = words[3].parse().unwrap();
        // Half of 256 MiB, but for what the kernel keeps for itself.
        assert!((64 << 10..=128 << 10).contains(&kib), "{meminfo}");
        total += kib;
    }
    assert!(total > 180 << 10, "{total} KiB");
}
