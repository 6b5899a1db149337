//! A machine with somebody at its console.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tabvisor::engine::EngineConfig;
use tabvisor::machine::{Clock, Exit, Image, Machine, MachineConfig};
use tabvisor::mem::HugePages;

use crate::engines::Engine;

/// Instructions between two looks at the console.
const SLICE: u64 = 2_000_000;
/// Longest wait for anything, in wall-clock time: only a hang takes so long, whatever else the host does.
const PATIENCE: Duration = Duration::from_secs(240);
/// What the Linux guest prints before its shell.
pub const READY: &str = "TABVISOR GUEST READY";
/// Where virtual clocks start: 2026-01-01.
pub const EPOCH_NS: u64 = 1_767_225_600_000_000_000;

/// A file of a fetched guest, such as `debian/kernel`.
pub fn guest_file(name: &str) -> Image {
    let folder = match std::env::var_os("TABVISOR_GUESTS") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../build/guests"),
    };
    let path = folder.join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Image::new(name, bytes),
        Err(error) => panic!("{}: {error}; run `npm run setup` first", path.display()),
    }
}

/// A machine with nothing to run yet. Its time passes with its instructions, so that a busy host changes nothing.
pub fn bare(memory_mib: u64, harts: usize) -> MachineConfig {
    MachineConfig {
        memory_bytes: memory_mib << 20,
        harts,
        numa: 1,
        huge_pages: HugePages::Auto,
        bios: None,
        kernel: None,
        initrd: None,
        append: String::new(),
        disks: Vec::new(),
        shares: Vec::new(),
        net: None,
        entropy: Box::new(noise_source(0)),
        engine: EngineConfig::default(),
        clock: Clock::Virtual {
            ns_per_instruction: 4,
        },
        epoch_ns: EPOCH_NS,
    }
}

/// A machine with Debian's Linux.
pub fn linux(harts: usize) -> MachineConfig {
    MachineConfig {
        kernel: Some(guest_file("debian/kernel")),
        initrd: Some(guest_file("debian/initrd.gz")),
        append: "earlycon=sbi console=ttyS0 loglevel=5".into(),
        ..bare(256, harts)
    }
}

/// The host's clock, for guests that talk to something outside them.
pub fn host_clock() -> Clock {
    let start = Instant::now();
    Clock::Host(Box::new(move || start.elapsed().as_nanos() as u64))
}

/// Wakes a waiting guest from another thread.
#[derive(Clone, Default)]
pub struct Bell(Arc<(Mutex<bool>, Condvar)>);

impl Bell {
    /// Rings it.
    pub fn ring(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits until it has been rung since the last wait, at most `limit`.
    fn wait(&self, limit: Duration) {
        let rung = self.0.0.lock().unwrap();
        let (mut rung, _) = self.0.1.wait_timeout_while(rung, limit, |rung| !*rung).unwrap();
        *rung = false;
    }
}

/// A running machine and what was seen on its console.
pub struct Guest {
    /// The machine.
    pub machine: Machine,
    /// Rung when something outside has come for the machine.
    bell: Bell,
    seen: Vec<u8>,
    /// What of it was expected already.
    passed: usize,
}

impl Guest {
    /// Powers a machine on.
    pub fn start(engine: Engine, config: MachineConfig) -> Self {
        Self::with_bell(engine, config, Bell::default())
    }

    /// Powers a machine on that `bell` wakes.
    pub fn with_bell(engine: Engine, config: MachineConfig, bell: Bell) -> Self {
        Guest {
            machine: engine.machine(config).unwrap_or_else(|error| panic!("{error}")),
            bell,
            seen: Vec::new(),
            passed: 0,
        }
    }

    /// Boots Debian's Linux to its shell, ready for [`Self::run`].
    pub fn boot(engine: Engine, config: MachineConfig) -> Self {
        let mut guest = Self::start(engine, config);
        guest.wait_for_shell();
        guest
    }

    /// Waits for Linux's shell and makes it read commands without echo and line editing.
    pub fn wait_for_shell(&mut self) {
        self.expect(READY);
        self.expect("# ");
        self.type_line("stty -echo; echo quiet; while read -r line; do eval \"$line\"; done");
        self.expect("quiet\r\n");
    }

    /// Runs a shell command and returns what it printed; it must succeed.
    pub fn run(&mut self, command: &str) -> String {
        let (output, status) = self.run_status(command);
        assert_eq!(status, 0, "`{command}` fails: {output}");
        output
    }

    /// Runs a shell command and returns what it printed and its exit status.
    pub fn run_status(&mut self, command: &str) -> (String, i32) {
        self.type_line(&format!("{command}; echo \"[status $?]\""));
        let output = self.expect("[status ");
        let status = self.expect("]\r\n");
        let status = status.parse().expect("a number");
        (output.replace('\r', "").trim_end().to_owned(), status)
    }

    /// Types text and Enter.
    pub fn type_line(&mut self, text: &str) {
        self.machine.console_input(text.as_bytes());
        self.machine.console_input(b"\n");
    }

    /// Runs the machine until the console shows `text` after what was expected last, and returns what came before it.
    pub fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = find(&self.seen[self.passed..], text.as_bytes()) {
                let before = &self.seen[self.passed..self.passed + at];
                let before = String::from_utf8_lossy(before).into_owned();
                self.passed += at + text.len();
                return before;
            }
            let exit = self.slice();
            let stopped = !matches!(exit, Exit::Budget | Exit::Idle { .. });
            if (stopped || Instant::now() > deadline)
                && find(&self.seen[self.passed..], text.as_bytes()).is_none()
            {
                panic!("no {text:?}, but {exit:?}; the console shows:\n{}", self.tail());
            }
        }
    }

    /// Runs the machine until something outside has happened.
    pub fn run_until(&mut self, happened: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !happened() {
            assert!(
                Instant::now() < deadline,
                "it does not happen; the console shows:\n{}",
                self.tail()
            );
            self.slice();
        }
    }

    /// Runs the machine until it stops by itself.
    pub fn until_exit(&mut self) -> Exit {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.slice() {
                Exit::Budget | Exit::Idle { .. } => {}
                exit => return exit,
            }
        }
        panic!("the machine does not stop; the console shows:\n{}", self.tail());
    }

    /// Runs the machine for a moment, or sleeps while it has nothing to do.
    fn slice(&mut self) -> Exit {
        let exit = self.machine.run(SLICE);
        self.seen.append(&mut self.machine.take_console_output());
        if let Exit::Idle { until_ns } = exit {
            let now_ns = self.machine.stats().guest_ns;
            let wait = until_ns.map_or(Duration::from_millis(100), |until_ns| {
                Duration::from_nanos(until_ns.saturating_sub(now_ns))
            });
            self.bell.wait(wait.min(Duration::from_millis(100)));
        }
        exit
    }

    /// Everything seen so far.
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    /// The last lines.
    fn tail(&self) -> String {
        let from = self.seen.len().saturating_sub(3000);
        String::from_utf8_lossy(&self.seen[from..]).into_owned()
    }
}

/// The check sum that the guest's `crc32` prints.
pub fn crc32(bytes: &[u8]) -> String {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    format!("{:08x}", crc.sum())
}

/// Bytes without a pattern, always the same.
pub fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    noise_source(1)(&mut bytes);
    bytes
}

/// Fills buffers with bytes without a pattern.
fn noise_source(mut state: u64) -> impl FnMut(&mut [u8]) {
    move |bytes| {
        for byte in bytes {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
    }
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}
