//! The embedded guest on our own machine: its self-test judges traps, paging and timers from inside, and its benchmark
//! kernels must give the checksums that they give natively.

#![cfg(not(target_arch = "wasm32"))]

#[macro_use]
mod engines;

use engines::Engine;
use tabvisor::engine::EngineConfig;
use tabvisor::machine::{Clock, Exit, Image, Machine, MachineConfig};
use tabvisor::mem::HugePages;

under_every_engine!(
    the_self_test_passes,
    harts_are_started_and_stopped,
    memory_can_be_seen_and_changed,
    lines_can_be_edited_and_commands_ended,
    an_idle_monitor_waits_for_input,
    it_switches_off_and_starts_again,
    kernels_compute_what_they_compute_natively,
    a_paste_longer_than_the_backlog_arrives_whole,
);

const MONITOR: &[u8] = include_bytes!("../../tests/guests/monitor/monitor.elf");
const CHECKSUMS: &str = include_str!("../../tests/bench/checksums.json");

/// Instructions after which a guest that says nothing is taken to hang.
const PATIENCE: u64 = 4_000_000_000;
const PROMPT: &str = "monitor> ";

struct Console {
    machine: Machine,
    text: String,
}

impl Console {
    fn start(engine: Engine, harts: usize, append: &str) -> Console {
        let machine = engine
            .machine(MachineConfig {
                memory_bytes: 128 << 20,
                harts,
                numa: 1,
                huge_pages: HugePages::Auto,
                bios: None,
                kernel: Some(Image {
                    name: "monitor.elf".into(),
                    bytes: MONITOR.to_vec(),
                }),
                initrd: None,
                append: append.into(),
                disks: Vec::new(),
                shares: Vec::new(),
                net: None,
                entropy: Box::new(|bytes| bytes.fill(7)),
                engine: EngineConfig::default(),
                clock: Clock::Virtual {
                    ns_per_instruction: 10,
                },
                epoch_ns: 0,
            })
            .expect("the monitor's machine is sound");
        Console {
            machine,
            text: String::new(),
        }
    }

    /// Runs until the console has said `text`, and returns the output up to and with it.
    fn wait_for(&mut self, text: &str) -> String {
        let mut left = PATIENCE;
        loop {
            self.text += &String::from_utf8_lossy(&self.machine.take_console_output());
            if let Some(at) = self.text.find(text) {
                let rest = self.text.split_off(at + text.len());
                return std::mem::replace(&mut self.text, rest);
            }
            let step = 1_000_000;
            let exit = self.machine.run(step);
            left = left.saturating_sub(step);
            assert!(
                left > 0 && matches!(exit, Exit::Budget | Exit::Idle { .. }),
                "no {text:?} on the console, {exit:?}; it said:\n{}",
                self.text
            );
        }
    }

    /// Types a command and returns what it printed.
    fn command(&mut self, command: &str) -> String {
        self.machine.console_input(format!("{command}\r").as_bytes());
        self.wait_for("\r\n");
        let output = self.wait_for(PROMPT);
        output[..output.len() - PROMPT.len()].replace('\r', "")
    }
}

fn the_self_test_passes(engine: Engine) {
    for harts in [1, 4] {
        let mut console = Console::start(engine, harts, "");
        console.wait_for("TABVISOR MONITOR READY");
        console.wait_for(PROMPT);
        let output = console.command("selftest");
        assert!(output.contains("SELFTEST OK"), "{output}");
    }
}

fn harts_are_started_and_stopped(engine: Engine) {
    let mut console = Console::start(engine, 8, "");
    console.wait_for(PROMPT);
    let output = console.command("harts");
    assert!(
        output.contains("HARTS 7 started, total 700000, as expected"),
        "{output}"
    );
}

fn memory_can_be_seen_and_changed(engine: Engine) {
    let mut console = Console::start(engine, 1, "");
    console.wait_for(PROMPT);
    assert_eq!(console.command("poke h 0x86000000 0x1234 0xabcd"), "");
    assert_eq!(
        console.command("peek w 0x86000000"),
        "0000000086000000: abcd1234\n"
    );
    assert!(
        console
            .command("peek b 0x8000000")
            .starts_with("trap: load access fault (cause 5), value 0x8000000")
    );
}

fn lines_can_be_edited_and_commands_ended(engine: Engine) {
    let mut console = Console::start(engine, 1, "");
    console.wait_for(PROMPT);
    assert!(
        console
            .command("nonsense\x15hexx\x7f\x7f\x7felp")
            .contains("peek b|h|w|d")
    );
    console.machine.console_input(b"bench fib fib\r");
    console.wait_for("\r\n");
    console.machine.run(5_000_000);
    console.machine.console_input(b"\x03");
    assert!(console.wait_for(PROMPT).contains("^C"));
}

fn an_idle_monitor_waits_for_input(engine: Engine) {
    let mut console = Console::start(engine, 1, "");
    console.wait_for(PROMPT);
    for _ in 0..3 {
        let exit = console.machine.run(10_000_000);
        assert!(matches!(exit, Exit::Idle { until_ns: None }), "{exit:?}");
    }
}

fn it_switches_off_and_starts_again(engine: Engine) {
    for (command, wanted) in [("poweroff", Exit::PowerOff), ("reboot", Exit::Reset)] {
        let mut console = Console::start(engine, 1, &format!("run={command}"));
        let exit = (0..100)
            .map(|_| console.machine.run(1_000_000))
            .find(|exit| *exit != Exit::Budget);
        assert_eq!(exit, Some(wanted));
    }
    let mut console = Console::start(engine, 1, "run=poweroff fail");
    let exit = (0..100)
        .map(|_| console.machine.run(1_000_000))
        .find(|exit| *exit != Exit::Budget);
    assert!(matches!(exit, Some(Exit::Failed { .. })), "{exit:?}");
}

/// One kernel of integers and memory, one of floating point; `npm run bench` runs them all.
fn kernels_compute_what_they_compute_natively(engine: Engine) {
    let mut console = Console::start(engine, 1, "");
    console.wait_for(PROMPT);
    for kernel in ["sort", "matmul"] {
        let output = console.command(&format!("bench {kernel}"));
        let checksum = output.split_whitespace().last().unwrap_or_default();
        assert!(
            CHECKSUMS.contains(&format!("\"{kernel}\": \"{checksum}\"")),
            "{output}"
        );
    }
}

fn a_paste_longer_than_the_backlog_arrives_whole(engine: Engine) {
    let mut console = Console::start(engine, 1, "");
    console.wait_for(PROMPT);
    let paste = "nop\r".repeat(40_000);
    let mut left = paste.as_bytes();
    left = &left[console.machine.console_input(left)..];
    assert!(!left.is_empty(), "the backlog has a limit");
    for _ in 0..1000 {
        left = &left[console.machine.console_input(left)..];
        let exit = console.machine.run(1_000_000);
        console.text += &String::from_utf8_lossy(&console.machine.take_console_output());
        if left.is_empty() && matches!(exit, Exit::Idle { .. }) {
            break;
        }
    }
    assert_eq!(console.text.matches("no such command").count(), 40_000);
}
