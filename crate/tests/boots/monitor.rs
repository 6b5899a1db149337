//! The embedded monitor, and what a virtual clock promises.

use tabvisor::engine::EngineConfig;
use tabvisor::machine::{Exit, Image, MachineConfig};

use crate::engines::Engine;
use crate::harness::{Guest, bare};

under_every_engine!(
    the_self_test_passes_and_runs_the_same_twice,
    a_waiting_monitor_is_idle_and_ends_with_its_reason,
);

const MONITOR: &[u8] = include_bytes!("../../../tests/guests/monitor/monitor.elf");
const PROMPT: &str = "monitor> ";

fn monitor(engine: Engine, harts: usize) -> Guest {
    let mut guest = Guest::start(
        engine,
        MachineConfig {
            kernel: Some(Image::new("monitor.elf", MONITOR)),
            // When a region is ready must not depend on the host, for the machine to run the same each time.
            engine: EngineConfig {
                synchronous: true,
                ..EngineConfig::default()
            },
            ..bare(64, harts)
        },
    );
    guest.expect("TABVISOR MONITOR READY");
    guest.expect(PROMPT);
    guest
}

impl Guest {
    /// Types a monitor command and returns what it prints.
    fn command(&mut self, text: &str) -> String {
        self.type_line(text);
        self.expect("\n");
        self.expect(PROMPT).replace('\r', "")
    }
}

fn the_self_test_passes_and_runs_the_same_twice(engine: Engine) {
    let run = || {
        let mut guest = monitor(engine, 4);
        let output = guest.command("selftest");
        assert!(output.contains("SELFTEST OK"), "{output}");
        let output = guest.command("harts");
        assert!(
            output.contains("HARTS 3 started, total 300000, as expected"),
            "{output}"
        );
        (guest.console(), guest.machine.stats())
    };
    let first = run();
    assert!(first.1.instructions > 100_000, "{:?}", first.1);
    assert_eq!(first, run());
}

fn a_waiting_monitor_is_idle_and_ends_with_its_reason(engine: Engine) {
    let mut guest = monitor(engine, 1);
    let instructions = guest.machine.stats().instructions;
    assert_eq!(guest.machine.run(1_000_000), Exit::Idle { until_ns: None });
    assert_eq!(guest.machine.run(1_000_000), Exit::Idle { until_ns: None });
    assert!(guest.machine.stats().instructions < instructions + 10_000);
    guest.type_line("reboot");
    assert_eq!(guest.until_exit(), Exit::Reset);
    guest.machine.reset().unwrap();
    guest.expect(PROMPT);
    guest.type_line("poweroff fail");
    assert!(matches!(guest.until_exit(), Exit::Failed { .. }));
}
