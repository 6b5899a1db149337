//! Debian's Linux for benches. Its time passes with its instructions: each run is the same.

use std::path::{Path, PathBuf};

use tabvisor::engine::EngineConfig;
use tabvisor::machine::{Clock, Exit, Image, Machine, MachineConfig};
use tabvisor::mem::HugePages;

/// What its first program writes when the shell is there.
pub const READY: &str = "TABVISOR GUEST READY";

/// A machine that is about to boot it. `None` where it was not fetched.
pub fn machine(engine: EngineConfig) -> Option<Machine> {
    let folder = std::env::var_os("TABVISOR_GUESTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../build/guests"),
        PathBuf::from,
    );
    let file = |name: &str| {
        let bytes = std::fs::read(folder.join("debian").join(name)).ok()?;
        Some(Image::new(name, bytes))
    };
    let machine = Machine::new(MachineConfig {
        memory_bytes: 256 << 20,
        harts: 1,
        numa: 1,
        huge_pages: HugePages::Auto,
        bios: None,
        kernel: Some(file("kernel")?),
        initrd: Some(file("initrd.gz")?),
        append: "earlycon=sbi console=ttyS0".into(),
        disks: Vec::new(),
        shares: Vec::new(),
        net: None,
        entropy: Box::new(|bytes| bytes.fill(7)),
        engine,
        clock: Clock::Virtual {
            ns_per_instruction: 4,
        },
        epoch_ns: 1_767_225_600_000_000_000,
    });
    Some(machine.expect("the machine is sound"))
}

/// Runs until the guest has written `text`.
pub fn run_until(machine: &mut Machine, text: &str) {
    let mut console = String::new();
    while !console.contains(text) {
        assert_eq!(machine.run(1_000_000), Exit::Budget, "the guest runs");
        console += &String::from_utf8_lossy(&machine.take_console_output());
    }
}
