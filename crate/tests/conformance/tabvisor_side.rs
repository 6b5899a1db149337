//! The side under test: Tabvisor's own machine, in this process.

use tabvisor::engine::EngineConfig;
use tabvisor::machine::{Clock, Exit, Image, MachineConfig};
use tabvisor::mem::HugePages;

use crate::engines::Engine;

/// Instructions no program needs: more means that it hangs.
const BUDGET: u64 = 4_000_000_000;
const STEP: u64 = 10_000_000;

/// Runs `elf` as firmware on one hart.
pub fn run(engine: Engine, elf: &[u8]) -> String {
    run_on(engine, elf, 1)
}

/// Runs `elf` as firmware and returns what it wrote on the serial line, and after it why it stopped if it did not
/// power the machine off.
pub fn run_on(engine: Engine, elf: &[u8], harts: usize) -> String {
    let config = MachineConfig {
        memory_bytes: 128 << 20,
        harts,
        numa: 1,
        huge_pages: HugePages::Auto,
        bios: Some(Image {
            name: "program.elf".to_owned(),
            bytes: elf.to_vec(),
        }),
        kernel: None,
        initrd: None,
        append: String::new(),
        disks: Vec::new(),
        shares: Vec::new(),
        net: None,
        entropy: Box::new(|bytes| bytes.fill(0)),
        engine: EngineConfig::default(),
        clock: Clock::Virtual {
            ns_per_instruction: 10,
        },
        epoch_ns: 1_700_000_000_000_000_000,
    };
    let mut machine = engine
        .machine(config)
        .expect("a machine with the program as its firmware");
    let mut output = Vec::new();
    let mut used = 0;
    let end = loop {
        let exit = machine.run(STEP);
        output.extend(machine.take_console_output());
        match exit {
            Exit::PowerOff => break None,
            Exit::Budget if used < BUDGET => used += STEP,
            // The virtual clock jumps to the next timer by itself; without one nothing will ever happen.
            other => break Some(other),
        }
    };
    let mut text = String::from_utf8_lossy(&output).into_owned();
    if let Some(exit) = end {
        text += &format!("\nstopped: {exit:?} after {used} instructions\n");
    }
    text
}
