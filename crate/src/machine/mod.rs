//! Boards, boot and firmware: the parts put together.
//!
//! A [`Machine`] is made of a [`MachineConfig`] and driven by [`Machine::run`], which the host calls again and again:
//! it executes about as many instructions as it is asked to and says why it came back. Between calls the host hands
//! over input and takes output.

mod board;
mod boot;
mod config;
pub mod device_tree;
mod firmware;
pub mod image;
pub mod lockstep;
pub mod map;
mod memory;
pub mod sbi;
mod stats;
mod translate;

use std::collections::VecDeque;

use crate::device::finisher::Finish;
use crate::device::virtio::{self, VirtioDevice};
use crate::engine::code::CodeCache;
use crate::engine::profile::Profile;
use crate::engine::tiered::{self, Jit};
use crate::engine::{Core, Engine, EngineConfig, Leave, interpreter};
use crate::isa::riscv::csr::irq;
use crate::isa::riscv::hart::{Hart, Privilege};
use crate::jit::{Backend, CompileError};
use crate::mem::tlb::management::Recorded;
use crate::mem::tlb::{Manager, TlbStats};
use crate::mem::{MAX_NODES, Node, Ram, RamError, split_nodes};
use board::Board;
use boot::BootImages;
pub use config::{Clock, Entropy, MAX_HARTS, MachineConfig};
use firmware::Power;
pub use image::{Image, ImageError};
pub use stats::{MemoryUse, Stats};

/// Instructions a hart runs before devices and other harts get their turn, where it is the only one: a tenth of a millisecond of
/// compiled code. Each turn reads the clock, which in the page is a call of JavaScript.
const TURN_ALONE: u64 = 50_000;
/// The same where harts take turns: short, because one of them may be spinning on a lock that another holds.
const TURN_SHARED: u64 = 4_000;

/// Rounds in a row in which harts did nothing but trap before the guest is taken for lost: over a million traps.
const LOST_ROUNDS: u32 = 64;

/// Console input that waits for the guest to take it; no more is taken then.
const MAX_CONSOLE_BACKLOG: usize = 64 << 10;

/// Why a machine could not be made or started.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The number of harts is out of range.
    #[error("{0} harts: a machine has 1 to {MAX_HARTS}")]
    BadHarts(usize),
    /// The number of memory nodes is out of range.
    #[error(
        "{nodes} memory nodes for {harts} harts: a machine has 1 to {MAX_NODES}, and a hart for each; give fewer nodes or more harts"
    )]
    BadNodes {
        /// Memory nodes asked for.
        nodes: usize,
        /// Harts asked for.
        harts: usize,
    },
    /// There is too little memory for so many nodes.
    #[error(
        "{bytes} bytes of guest memory are too few for {nodes} nodes of 2 MiB or more; give more memory or fewer nodes"
    )]
    MemoryTooSmall {
        /// Bytes of RAM asked for.
        bytes: u64,
        /// Memory nodes asked for.
        nodes: usize,
    },
    /// More virtio devices than slots.
    #[error("{0} virtio devices, but the board has {slots} slots; leave a disk or a share out", slots = map::VIRTIO_SLOTS)]
    TooManyDevices(usize),
    /// Neither firmware nor kernel.
    #[error("there is nothing to run: give a kernel or firmware")]
    NothingToRun,
    /// RAM could not be made.
    #[error(transparent)]
    Ram(#[from] RamError),
    /// An image could not be loaded.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The device tree could not be made.
    #[error(transparent)]
    DeviceTree(#[from] device_tree::DeviceTreeError),
    /// The host cannot run compiled code.
    #[error("this host cannot run compiled guest code: {0}; choose the engine \"interp\"")]
    NoCompiler(String),
    /// A device could not be made of what it was given.
    #[error("{0}")]
    Device(String),
}

/// Why [`Machine::run`] came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// The instructions are used up.
    Budget,
    /// Every hart waits for an interrupt. Nothing will happen before guest time `until_ns`, or ever, unless input comes.
    Idle {
        /// When the next timer fires.
        until_ns: Option<u64>,
    },
    /// The guest powered the machine off.
    PowerOff,
    /// The guest asked for a reset: call [`Machine::reset`].
    Reset,
    /// The guest powered the machine off and says that it failed.
    Failed {
        /// Its exit code.
        code: u16,
    },
    /// The guest can do nothing any more: every hart that does not wait traps for ever in its own trap handler, as one
    /// does whose kernel is no kernel.
    Lost {
        /// Where and why, in words.
        text: String,
    },
}

/// A machine.
#[derive(Debug)]
pub struct Machine {
    cores: Vec<Core>,
    power: Vec<Power>,
    board: Board,
    code: CodeCache,
    /// What the harts' translations have in common.
    tlbs: Manager,
    /// The compiler, under the engines that have one.
    jit: Option<Box<Jit>>,
    images: BootImages,
    /// The guest's memory nodes.
    nodes: Vec<Node>,
    /// Bytes of RAM given back to the host because they were zero.
    trimmed_bytes: u64,
    entropy: EntropySource,
    epoch_ns: u64,
    console_backlog: VecDeque<u8>,
    /// When all harts began to wait.
    idle_since: Option<u64>,
    idle_ns: u64,
    /// Rounds in a row in which nothing but traps happened.
    lost_rounds: u32,
    /// What it is in a lockstep, if it is in one.
    part: Option<lockstep::Part>,
}

/// The source of randomness, which has nothing to show.
struct EntropySource(Entropy);

impl std::fmt::Debug for EntropySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EntropySource")
    }
}

impl Machine {
    /// Makes a machine and powers it on.
    pub fn new(config: MachineConfig) -> Result<Self, MachineError> {
        let MachineConfig {
            memory_bytes,
            harts,
            numa,
            huge_pages,
            bios,
            kernel,
            initrd,
            append,
            disks,
            shares,
            net,
            ..
        } = config;
        if !(1..=MAX_HARTS).contains(&harts) {
            return Err(MachineError::BadHarts(harts));
        }
        if numa == 0 || numa > harts.min(MAX_NODES) {
            return Err(MachineError::BadNodes { nodes: numa, harts });
        }
        let (entropy, device_entropy) = board::share_entropy(config.entropy);
        let mut devices: Vec<Box<dyn VirtioDevice>> = vec![Box::new(virtio::Console::new(80, 24))];
        devices.push(Box::new(virtio::Rng::new(device_entropy)));
        devices.push(Box::new(virtio::Balloon::new()));
        if let Some(net) = net {
            devices.push(Box::new(virtio::Net::new(net)));
        }
        for (index, disk) in disks.into_iter().enumerate() {
            let disk = virtio::Blk::new(disk, &format!("tabvisor-disk-{index}"))
                .map_err(|error| MachineError::Device(format!("disk {index}: {error}")))?;
            devices.push(Box::new(disk));
        }
        for (tag, files) in shares {
            let share = virtio::P9::new(&tag, files, config.epoch_ns)
                .map_err(|error| MachineError::Device(format!("share {tag:?}: {error}")))?;
            devices.push(Box::new(share));
        }
        if devices.len() > map::VIRTIO_SLOTS {
            return Err(MachineError::TooManyDevices(devices.len()));
        }
        let mut ram = Ram::with_huge_pages(map::RAM_BASE, memory_bytes, huge_pages)?;
        let nodes = split_nodes(map::RAM_BASE, memory_bytes, numa).ok_or(MachineError::MemoryTooSmall {
            bytes: memory_bytes,
            nodes: numa,
        })?;
        if numa > 1 {
            ram.place(&nodes);
        }
        let mut code = CodeCache::default();
        let jit = compiler(config.engine, &mut code)?.map(Box::new);
        let mut machine = Machine {
            cores: Vec::new(),
            power: Vec::new(),
            board: Board::new(ram, harts, config.clock, config.epoch_ns, devices),
            code,
            tlbs: Manager::new(config.engine.tlb, harts),
            jit,
            images: BootImages {
                bios,
                kernel,
                initrd,
                append,
            },
            nodes,
            trimmed_bytes: 0,
            entropy: EntropySource(entropy),
            epoch_ns: config.epoch_ns,
            console_backlog: VecDeque::new(),
            idle_since: None,
            idle_ns: 0,
            lost_rounds: 0,
            part: None,
        };
        machine.power_on(harts)?;
        Ok(machine)
    }

    /// Powers the machine off and on again. What stands behind its devices stays.
    pub fn reset(&mut self) -> Result<(), MachineError> {
        let harts = self.cores.len();
        let (base, size) = (self.board.ram.base(), self.board.ram.size());
        // Within RAM by construction.
        let _ = self.board.ram.discard(base, size);
        self.board.reset(harts, self.epoch_ns);
        self.power_on(harts)
    }

    fn power_on(&mut self, harts: usize) -> Result<(), MachineError> {
        let mut seed = [0; 32];
        (self.entropy.0)(&mut seed);
        self.code.clear();
        if let Some(jit) = &mut self.jit {
            jit.memory_changed();
        }
        (self.cores, self.power) = boot::power_on(&self.images, &mut self.board, harts, &self.nodes, seed)?;
        self.tlbs = Manager::new(self.tlbs.config(), harts);
        for core in &mut self.cores {
            core.hart.translations = self.tlbs.hierarchy();
        }
        Ok(())
    }

    /// Executes about `instructions` instructions, all harts together.
    pub fn run(&mut self, instructions: u64) -> Exit {
        if let Some(since) = self.idle_since.take() {
            self.idle_ns += self.board.update_time().saturating_sub(since);
        }
        let turn = if self.cores.len() == 1 {
            TURN_ALONE
        } else {
            TURN_SHARED
        };
        let mut left = instructions.max(1);
        loop {
            self.feed_console();
            self.board.poll();
            let mut longest = 0;
            let mut all_wait = true;
            for hart in 0..self.cores.len() {
                let before = self.cores[hart].hart.state.retired;
                match self.run_turn(hart, turn.min(left)) {
                    Turn::Waits => {}
                    Turn::Ran => all_wait = false,
                    Turn::Exit(exit) => return exit,
                }
                longest = longest.max(self.cores[hart].hart.state.retired - before);
            }
            if all_wait {
                let until_ns = self.next_deadline();
                if !until_ns.is_some_and(|until_ns| self.board.skip_to(until_ns)) {
                    self.idle_since = Some(self.board.now_ns());
                    return Exit::Idle { until_ns };
                }
            }
            self.lost_rounds = if longest == 0 && !all_wait {
                self.lost_rounds + 1
            } else {
                0
            };
            if self.lost_rounds == LOST_ROUNDS {
                self.lost_rounds = 0;
                return Exit::Lost {
                    text: self.describe_lost(),
                };
            }
            // A hart that traps for ever retires nothing, nor does one whose device's work never ends: the turn counts
            // all the same.
            self.board.advance(if all_wait { 0 } else { longest.max(1) });
            left = left.saturating_sub(longest.max(turn / 16));
            if left == 0 {
                return Exit::Budget;
            }
        }
    }

    /// Gives one hart its turn.
    fn run_turn(&mut self, hart: usize, instructions: u64) -> Turn {
        if self.power[hart] == Power::Stopped {
            return Turn::Waits;
        }
        let end = self.cores[hart].hart.state.retired + instructions;
        let mut ran = false;
        loop {
            let core = &mut self.cores[hart];
            let csr = &core.hart.state.csr;
            let stimecmp = csr.sstc_enabled().then_some(csr.stimecmp);
            core.hart.lines = self.board.lines(hart, stimecmp);
            firmware::wake(core, &mut self.power[hart]);
            if self.power[hart] != Power::Started {
                return if ran { Turn::Ran } else { Turn::Waits };
            }
            for fence in self.tlbs.received(hart) {
                core.hart.translations.count_message();
                core.hart.fence(fence);
            }
            let before = core.hart.state.retired;
            if before >= end {
                return Turn::Ran;
            }
            let (code, board, instructions) = (&mut self.code, &mut self.board, end - before);
            let leave = match (&mut self.jit, &mut self.part) {
                (_, Some(lockstep::Part::Reference(follower))) => {
                    match follower.follow(hart, core, code, board) {
                        Some(leave) => leave,
                        None => return Turn::Exit(Exit::Budget),
                    }
                }
                (Some(jit), _) => tiered::run(core, code, jit, board, instructions),
                (None, _) => interpreter::run(core, code, board, instructions),
            };
            if let Some(lockstep::Part::Tested(records)) = &mut self.part {
                records.push_back(lockstep::Record::new(hart, core, leave));
            }
            let progress = core.hart.state.retired != before;
            ran |= progress || leave != Leave::Waiting;
            // Whatever the hart did next: a guest that powers off often waits for an interrupt right behind.
            if let Some(request) = self.board.finisher.take_request() {
                return Turn::Exit(match request {
                    Finish::Pass => Exit::PowerOff,
                    Finish::Fail(code) => Exit::Failed { code },
                    Finish::Reset => Exit::Reset,
                });
            }
            match leave {
                Leave::FirmwareCall => {
                    let exit = firmware::answer(
                        &mut self.cores,
                        &mut self.power,
                        &mut self.board,
                        &self.tlbs,
                        hart,
                    );
                    if let Some(exit) = exit {
                        return Turn::Exit(exit);
                    }
                }
                Leave::Waiting => return if ran { Turn::Ran } else { Turn::Waits },
                Leave::Budget if !progress => return Turn::Ran,
                Leave::Budget => {}
            }
        }
    }

    /// Says which hart traps for ever, where and why.
    #[cold]
    fn describe_lost(&self) -> String {
        let lost = self.cores.iter().zip(&self.power);
        let lost = lost
            .map(|(core, power)| (&core.hart.state, power))
            .find(|(state, power)| **power == Power::Started && !state.waiting);
        let Some((state, _)) = lost else {
            return "no hart can go on".into();
        };
        let csr = &state.csr;
        let (cause, value) = match state.privilege {
            Privilege::Machine => (csr.mcause, csr.mtval),
            _ => (csr.scause, csr.stval),
        };
        format!(
            "hart {} is lost: the handler of its traps, at {:#x}, traps itself (cause {cause:#x}, value {value:#x}); \
             is what was started made for this machine?",
            csr.mhartid, state.pc
        )
    }

    /// The guest time at which a timer or a device wants attention next.
    fn next_deadline(&self) -> Option<u64> {
        let now_ns = self.board.now_ns();
        let clint = &self.board.clint;
        let timers = self.cores.iter().enumerate().flat_map(|(hart, core)| {
            let csr = &core.hart.state.csr;
            // A timer that the hart masks wakes nobody, now or later.
            let wakes = |number: u64| self.power[hart] != Power::Stopped && csr.mie >> number & 1 != 0;
            let machine = wakes(irq::MTI).then(|| clint.next_timer_ns(hart, now_ns));
            let supervisor =
                (wakes(irq::STI) && csr.sstc_enabled()).then(|| clint.ns_of_tick(csr.stimecmp, now_ns));
            [machine.flatten(), supervisor.flatten()]
        });
        timers.flatten().chain(self.board.next_device_deadline()).min()
    }

    /// Gives console input to the guest, which takes it when it can. Returns how many bytes were taken: with much input
    /// waiting, the rest is to be offered again.
    pub fn console_input(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.console_room());
        self.console_backlog.extend(&bytes[..taken]);
        taken
    }

    /// Bytes that [`Self::console_input`] would take now.
    pub fn console_room(&self) -> usize {
        MAX_CONSOLE_BACKLOG.saturating_sub(self.console_backlog.len())
    }

    /// Moves console input on to the device that the guest uses: the virtio console once it has spoken there, unless it
    /// listens on the serial port, as it does while a program has that open.
    fn feed_console(&mut self) {
        if self.console_backlog.is_empty() {
            return;
        }
        let bytes = self.console_backlog.make_contiguous();
        let serial = self.board.uart.is_listening();
        let accepted = match self.board.console() {
            Some(console) if console.has_spoken() && !serial => console.input(bytes),
            _ => self.board.uart.push_input(bytes),
        };
        self.console_backlog.drain(..accepted);
    }

    /// What the guest has written to its consoles since the last call.
    pub fn take_console_output(&mut self) -> Vec<u8> {
        let mut output = self.board.uart.take_output();
        if let Some(console) = self.board.console() {
            output.append(&mut console.take_output());
        }
        output
    }

    /// Tells the guest the size of its terminal.
    pub fn console_resize(&mut self, columns: u16, rows: u16) {
        if let Some(console) = self.board.console() {
            console.resize(columns, rows);
        }
    }

    /// A hart, to be looked at.
    pub fn hart(&self, number: usize) -> Option<&Hart> {
        self.cores.get(number).map(|core| &core.hart)
    }

    /// Begins to record the walks and fences of a hart, goes on, or stops; returns those since the last call.
    pub fn record_translations(&mut self, hart: usize, on: bool) -> Vec<Recorded> {
        let core = self.cores.get_mut(hart);
        core.map(|core| core.hart.translations.record(on))
            .unwrap_or_default()
    }

    /// Guest memory, to be looked at.
    pub fn ram(&self) -> &Ram {
        &self.board.ram
    }

    /// What was learned of the guest's code, for the next run of the same guest; none under the interpreter.
    pub fn profile(&self) -> Option<Profile> {
        Some(self.jit.as_ref()?.profile(&self.code))
    }

    /// Takes in what another run has learned, by [`Self::profile`]. Best before the machine runs: pages of code that were
    /// looked into already are not looked into again. Nothing is done with it under the interpreter.
    pub fn use_profile(&mut self, profile: Profile) {
        if let Some(jit) = &mut self.jit {
            jit.use_profile(profile);
        }
    }

    /// Figures since power-on.
    pub fn stats(&self) -> Stats {
        let (code_pages, code_instructions) = self.code.size();
        let sum = |f: fn(&Core) -> u64| self.cores.iter().map(f).sum();
        let mut tlb = TlbStats::default();
        for core in &self.cores {
            tlb += core.hart.translations.stats();
        }
        Stats {
            instructions: sum(|core| core.hart.state.retired),
            guest_ns: self.board.now_ns(),
            idle_ns: self.idle_ns,
            accesses: sum(|core| core.accesses),
            tlb_misses: sum(|core| core.hart.tlb.misses),
            tlb_flushes: sum(|core| core.hart.tlb.flushes),
            tlb,
            ram_bytes: self.board.ram.size(),
            code_pages: code_pages as u64,
            code_instructions: code_instructions as u64,
            jit: self.jit.as_ref().map(|jit| jit.stats(&self.cores)),
        }
    }
}

/// The compiler that an engine has; none for the interpreter, and none where the host cannot have one and the engine is
/// to be the fastest there is.
fn compiler(config: EngineConfig, code: &mut CodeCache) -> Result<Option<Jit>, MachineError> {
    if config.engine == Engine::Interp {
        return Ok(None);
    }
    match backend(config) {
        Ok(backend) => Ok(Some(Jit::new(backend, config, code))),
        Err(error) if config.engine == Engine::Auto => {
            log::warn!(target: "jit", "guest code is interpreted: {error}");
            Ok(None)
        }
        Err(error) => Err(MachineError::NoCompiler(error.to_string())),
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn backend(config: EngineConfig) -> Result<Box<dyn Backend>, CompileError> {
    use crate::engine::Compiler;
    use crate::jit::native::{NativeBackend, Options, Threading};
    let threading = if config.synchronous {
        Threading::Here
    } else {
        Threading::Background
    };
    let options = Options {
        threading,
        passes: config.passes,
        own: config.compiler == Compiler::Own,
        code_limit: config.gc.code_limit(),
    };
    Ok(Box::new(NativeBackend::new(tiered::abi(), options)?))
}

#[cfg(target_arch = "wasm32")]
fn backend(config: EngineConfig) -> Result<Box<dyn Backend>, CompileError> {
    use crate::jit::wasm::WasmBackend;
    let backend = WasmBackend::new(tiered::abi(), config.passes).with_limit(config.gc.code_limit());
    Ok(Box::new(if config.synchronous {
        backend.synchronous()
    } else {
        backend
    }))
}

/// What came of a hart's turn.
#[derive(Debug)]
enum Turn {
    /// It waits for an interrupt, or is stopped.
    Waits,
    /// It ran.
    Ran,
    /// The machine stops.
    Exit(Exit),
}
