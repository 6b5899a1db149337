//! Two machines made alike, one under the engine to be tested and one interpreted instruction by instruction, run side by
//! side and compared.
//!
//! Engines return where they like: at the end of a region, of a page, of a budget. So the tested machine goes first and
//! notes what each call of its engine came to; the reference, for the same call, executes instructions until it has retired
//! as many and taken as many traps, and must then be in the same state. All that happens between calls — devices,
//! interrupt lines, time, firmware — thus happens to both at the same points. Both need a virtual clock, and nothing from
//! outside that only one of them sees.
//!
//! A guest that changes code or page tables and does not fence may see either version, so it may be stopped for a
//! difference that is none. Operating systems fence.

use std::collections::VecDeque;
use std::fmt::{self, Write};

use super::board::Board;
use super::{Clock, Exit, Machine, MachineConfig, MachineError, Stats};
use crate::engine::code::CodeCache;
use crate::engine::profile::Profile;
use crate::engine::{Core, Engine, Leave, interpreter};
use crate::isa::riscv::hart::HartState;
use crate::mem::Bus;

/// Instructions that the tested machine goes ahead. A difference is found that late at most.
const AHEAD: u64 = 20_000;
/// Memory is compared whenever so many instructions have been run, and at the end.
const MEMORY_EVERY: u64 = 100_000_000;
/// Instructions and traps that the reference may be behind in one call. A call is a turn and a page's worth.
const MOST_STEPS: u64 = 1 << 24;
/// Instructions that a report lists.
const LISTED: usize = 400;

/// What one call of the tested engine came to.
#[derive(Debug)]
pub(super) struct Record {
    hart: usize,
    traps: u64,
    leave: Leave,
    state: HartState,
}

impl Record {
    #[inline(never)]
    pub fn new(hart: usize, core: &Core, leave: Leave) -> Self {
        Record {
            hart,
            traps: core.hart.traps,
            leave,
            state: core.hart.state.clone(),
        }
    }
}

/// What a machine is in a lockstep.
#[derive(Debug)]
pub(super) enum Part {
    /// Runs freely, and tells what its calls came to.
    Tested(VecDeque<Record>),
    /// Goes where the other went.
    Reference(Follower),
}

/// Follows the tested machine.
#[derive(Debug, Default)]
pub(super) struct Follower {
    records: VecDeque<Record>,
    difference: Option<Box<Difference>>,
    /// Where the instructions of the current call were.
    path: VecDeque<u64>,
}

impl Follower {
    /// Does what the tested engine did in this call; `None` if that differs.
    #[inline(never)]
    pub fn follow(
        &mut self,
        hart: usize,
        core: &mut Core,
        code: &mut CodeCache,
        board: &mut Board,
    ) -> Option<Leave> {
        let Some(record) = self.records.pop_front().filter(|record| record.hart == hart) else {
            let text = "the reference gets a turn that the tested machine had not".to_owned();
            self.difference = Some(Box::new(Difference::new(hart, &core.hart.state, vec![text])));
            return None;
        };
        self.path.clear();
        // As the engines do when they begin.
        core.hart.state.reservation = None;
        let texts = match self.steps(&record, core, code, board) {
            Ok(()) => compare(&record.state, &core.hart.state),
            Err(text) => {
                let mut texts = vec![text];
                texts.append(&mut compare(&record.state, &core.hart.state));
                texts
            }
        };
        if texts.is_empty() {
            // A hart that was woken last thing in a call is awake before the next.
            core.hart.state.waiting = record.state.waiting;
            return Some(record.leave);
        }
        let mut difference = Difference::new(hart, &core.hart.state, texts);
        difference.code = self.path.iter().map(|&pc| (pc, bits(core, board, pc))).collect();
        self.difference = Some(Box::new(difference));
        None
    }

    fn steps(
        &mut self,
        record: &Record,
        core: &mut Core,
        code: &mut CodeCache,
        board: &mut Board,
    ) -> Result<(), String> {
        let wanted = (record.state.retired, record.traps);
        let mut left = None;
        for _ in 0..MOST_STEPS {
            let (retired, traps) = (core.hart.state.retired, core.hart.traps);
            if (retired, traps) == wanted {
                let calls = record.leave == Leave::FirmwareCall;
                return match (left, calls) {
                    (None, false) | (Some(Leave::FirmwareCall), true) => Ok(()),
                    _ => Err(format!(
                        "the tested engine left with {:?}, the reference with {left:?}",
                        record.leave
                    )),
                };
            }
            if left.is_some() || retired > wanted.0 || traps > wanted.1 {
                return Err(format!(
                    "the tested engine retired {} instructions and took {} traps; the reference passed that at {retired} \
                     and {traps}",
                    wanted.0, wanted.1
                ));
            }
            if self.path.len() == LISTED {
                self.path.pop_front();
            }
            self.path.push_back(core.hart.state.pc);
            left = interpreter::step(core, code, board);
        }
        Err("the reference does not get where the tested engine is".to_owned())
    }
}

/// The instruction bits at `pc`, if they can be read now.
fn bits(core: &mut Core, board: &mut Board, pc: u64) -> Option<u32> {
    let mut half = |at: u64| {
        let physical = core.hart.probe_fetch(board, at)?.physical | at & 0xfff;
        board.ram().read_u16(physical).ok()
    };
    let low = half(pc)?;
    if low & 3 != 3 {
        return Some(u32::from(low));
    }
    Some(u32::from(low) | u32::from(half(pc.wrapping_add(2))?) << 16)
}

/// What is different in two states, in words.
fn compare(tested: &HartState, reference: &HartState) -> Vec<String> {
    let mut texts = Vec::new();
    let mut number = |name: &str, tested: u64, reference: u64| {
        if tested != reference {
            texts.push(format!("{name} is {tested:#x}, should be {reference:#x}"));
        }
    };
    number("pc", tested.pc, reference.pc);
    number("privilege", tested.privilege as u64, reference.privilege as u64);
    number("retired", tested.retired, reference.retired);
    for (at, (&tested, &reference)) in tested.x.all().iter().zip(reference.x.all()).enumerate() {
        number(&format!("x{at}"), tested, reference);
    }
    for (at, (&tested, &reference)) in tested.f.iter().zip(&reference.f).enumerate() {
        number(&format!("f{at}"), tested, reference);
    }
    if tested.reservation != reference.reservation {
        texts.push(format!(
            "the reservation is {:x?}, should be {:x?}",
            tested.reservation, reference.reservation
        ));
    }
    if tested.csr != reference.csr {
        // The registers' names are those of the fields.
        let (tested, reference) = (format!("{:#x?}", tested.csr), format!("{:#x?}", reference.csr));
        for (tested, reference) in tested.lines().zip(reference.lines()) {
            if tested != reference {
                let (tested, reference) = (tested.trim(), reference.trim());
                texts.push(format!("csr {tested} should be {reference}"));
            }
        }
    }
    texts
}

/// Where the tested machine and the reference part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The hart.
    pub hart: usize,
    /// Instructions that the reference's hart had retired.
    pub retired: u64,
    /// What differs, in words.
    pub texts: Vec<String>,
    /// Where the reference was since they agreed last, and the instructions there; the most recent ones if they are many.
    pub code: Vec<(u64, Option<u32>)>,
}

impl Difference {
    fn new(hart: usize, state: &HartState, texts: Vec<String>) -> Self {
        Difference {
            hart,
            retired: state.retired,
            texts,
            code: Vec::new(),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "hart {} differs from the interpreter after {} instructions:",
            self.hart, self.retired
        )?;
        self.texts.iter().try_for_each(|text| writeln!(f, "  {text}"))?;
        if self.code.is_empty() {
            return Ok(());
        }
        let pcs = || self.code.iter().map(|&(pc, _)| pc);
        let (low, high) = (pcs().min().unwrap_or_default(), pcs().max().unwrap_or_default());
        writeln!(f, "since they agreed it was between {low:#x} and {high:#x}:")?;
        // Each place once, in the order in which it was met first: loops would fill the screen.
        let mut seen = std::collections::HashSet::new();
        for &(pc, bits) in &self.code {
            if seen.insert(pc) {
                let bits = bits.map_or("not mapped".to_owned(), |bits| format!("{bits:08x}"));
                writeln!(f, "  {pc:#x}: {bits}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Difference {}

/// Why there is no lockstep.
#[derive(Debug, thiserror::Error)]
pub enum LockstepError {
    /// Time is not part of the machine.
    #[error("a lockstep needs machines with a virtual clock: with the host's no two runs are the same")]
    HostClock,
    /// A machine could not be made.
    #[error(transparent)]
    Machine(#[from] MachineError),
}

/// The two machines.
#[derive(Debug)]
pub struct Lockstep {
    tested: Machine,
    reference: Machine,
    /// Instructions since memory was compared.
    unchecked: u64,
}

impl Lockstep {
    /// Two machines made of configurations that must be equal, down to the entropy that they give; `tested.engine` tells
    /// the engine to be tested.
    pub fn new(mut tested: MachineConfig, mut reference: MachineConfig) -> Result<Self, LockstepError> {
        for config in [&tested, &reference] {
            if !matches!(config.clock, Clock::Virtual { .. }) {
                return Err(LockstepError::HostClock);
            }
        }
        // Code that becomes ready at any time would make each run another.
        tested.engine.synchronous = true;
        reference.engine.engine = Engine::Interp;
        let mut lockstep = Lockstep {
            tested: Machine::new(tested)?,
            reference: Machine::new(reference)?,
            unchecked: 0,
        };
        lockstep.tested.part = Some(Part::Tested(VecDeque::new()));
        lockstep.reference.part = Some(Part::Reference(Follower::default()));
        Ok(lockstep)
    }

    /// Executes about `instructions` instructions on both, as [`Machine::run`] does on one.
    pub fn run(&mut self, instructions: u64) -> Result<Exit, Box<Difference>> {
        let mut left = instructions.max(1);
        loop {
            let slice = left.min(AHEAD);
            let exit = self.tested.run(slice);
            self.catch_up(slice, &exit)?;
            self.unchecked += slice;
            left -= slice;
            let ends = !matches!(exit, Exit::Budget | Exit::Idle { .. });
            if ends || self.unchecked >= MEMORY_EVERY {
                self.compare_memory()?;
            }
            if exit != Exit::Budget || left == 0 {
                return Ok(exit);
            }
        }
    }

    /// Brings the reference to where the tested machine has come.
    fn catch_up(&mut self, slice: u64, exit: &Exit) -> Result<(), Box<Difference>> {
        if let (Some(Part::Tested(records)), Some(Part::Reference(follower))) =
            (&mut self.tested.part, &mut self.reference.part)
        {
            std::mem::swap(records, &mut follower.records);
        }
        let other = self.reference.run(slice);
        let Some(Part::Reference(follower)) = &mut self.reference.part else {
            return Ok(());
        };
        if let Some(difference) = follower.difference.take() {
            return Err(difference);
        }
        let missed = std::mem::take(&mut follower.records);
        if let Some(record) = missed.front() {
            return Err(self.difference(
                record.hart,
                "the tested machine had a turn that the reference gets not",
            ));
        }
        if other != *exit {
            return Err(self.difference(
                0,
                &format!("it came back with {exit:?}, should have with {other:?}"),
            ));
        }
        Ok(())
    }

    fn difference(&self, hart: usize, text: &str) -> Box<Difference> {
        let state = &self.reference.cores[hart].hart.state;
        Box::new(Difference::new(hart, state, vec![text.to_owned()]))
    }

    /// Compares what the two have in memory.
    pub fn compare_memory(&mut self) -> Result<(), Box<Difference>> {
        self.unchecked = 0;
        let ram = |machine: &Machine| (machine.ram().base(), machine.ram().size());
        let (base, size) = ram(&self.tested);
        let slices = [&self.tested, &self.reference].map(|machine| machine.ram().slice(base, size));
        let [Ok(tested), Ok(reference)] = slices else {
            return Err(self.difference(0, "the machines' memories are not the same size"));
        };
        if tested == reference {
            return Ok(());
        }
        let mut text = String::from("memory differs:");
        let differing = tested.chunks(8).zip(reference.chunks(8)).enumerate();
        for (at, (tested, reference)) in differing.filter(|(_, (a, b))| a != b).take(8) {
            let word = |bytes: &[u8]| {
                bytes
                    .iter()
                    .rev()
                    .fold(0, |word, &byte| word << 8 | u64::from(byte))
            };
            let _ = write!(
                text,
                " {:#x} holds {:#x}, should {:#x};",
                base + 8 * at as u64,
                word(tested),
                word(reference)
            );
        }
        Err(self.difference(0, &text))
    }

    /// Gives both the same input; see [`Machine::console_input`].
    pub fn console_input(&mut self, bytes: &[u8]) -> usize {
        let room = self.console_room().min(bytes.len());
        self.reference.console_input(&bytes[..room]);
        self.tested.console_input(&bytes[..room])
    }

    /// As [`Machine::console_room`].
    pub fn console_room(&self) -> usize {
        self.tested.console_room().min(self.reference.console_room())
    }

    /// Tells both the size of the terminal.
    pub fn console_resize(&mut self, columns: u16, rows: u16) {
        self.tested.console_resize(columns, rows);
        self.reference.console_resize(columns, rows);
    }

    /// What the tested machine has written. It was compared, in that both sent the same bytes to the same devices.
    pub fn take_console_output(&mut self) -> Vec<u8> {
        self.reference.take_console_output();
        self.tested.take_console_output()
    }

    /// Powers both off and on again.
    pub fn reset(&mut self) -> Result<(), MachineError> {
        self.tested.reset()?;
        self.reference.reset()
    }

    /// Gives the tested machine what another run has learned; see [`Machine::use_profile`].
    pub fn use_profile(&mut self, profile: Profile) {
        self.tested.use_profile(profile);
    }

    /// Figures of the tested machine.
    pub fn stats(&self) -> Stats {
        self.tested.stats()
    }

    /// The tested machine, to be looked at.
    pub fn tested(&self) -> &Machine {
        &self.tested
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::isa::riscv::insn::Reg;
    use crate::machine::{Image, map};
    use crate::mem::HugePages;

    /// Counts in x5, for ever.
    const PROGRAM: [u32; 2] = [0x0012_8293, 0xffdf_f06f];

    fn config(clock: Clock) -> MachineConfig {
        MachineConfig {
            memory_bytes: 2 << 20,
            harts: 1,
            numa: 1,
            huge_pages: HugePages::Auto,
            bios: Some(Image::new("program", PROGRAM.map(u32::to_le_bytes).concat())),
            kernel: None,
            initrd: None,
            append: String::new(),
            disks: Vec::new(),
            shares: Vec::new(),
            net: None,
            entropy: Box::new(|bytes| bytes.fill(0)),
            engine: Engine::Jit.into(),
            clock,
            epoch_ns: 0,
        }
    }

    fn lockstep() -> Lockstep {
        let config = || {
            config(Clock::Virtual {
                ns_per_instruction: 10,
            })
        };
        Lockstep::new(config(), config()).unwrap()
    }

    #[test]
    fn a_register_that_differs_is_named() {
        let mut lockstep = lockstep();
        assert_eq!(lockstep.run(1000), Ok(Exit::Budget));
        lockstep.tested.cores[0].hart.state.x.set(Reg::new(6), 7);
        let difference = lockstep.run(1000).unwrap_err();
        assert_eq!(difference.texts, ["x6 is 0x7, should be 0x0"]);
        assert!(difference.code.contains(&(map::RAM_BASE, Some(PROGRAM[0]))));
        assert!(difference.to_string().contains("0x80000000: 00128293"));
    }

    #[test]
    fn a_path_that_differs_is_noticed() {
        let mut lockstep = lockstep();
        lockstep.tested.cores[0].hart.state.pc += 4;
        let difference = lockstep.run(1001).unwrap_err();
        assert!(
            difference.texts.iter().any(|text| text.starts_with("pc is")),
            "{difference}"
        );
    }

    #[test]
    fn a_trap_too_many_is_noticed() {
        let mut lockstep = lockstep();
        // An interrupt that only one of them gets.
        let state = &mut lockstep.tested.cores[0].hart.state;
        (state.csr.mip, state.csr.mie, state.csr.mtvec) = (2, 2, map::RAM_BASE);
        state.csr.mstatus |= 1 << 3;
        assert!(lockstep.run(1000).is_err());
    }

    #[test]
    fn memory_that_differs_is_noticed() {
        let mut lockstep = lockstep();
        lockstep
            .tested
            .board
            .ram
            .write_u8(map::RAM_BASE + 0x1003, 5)
            .unwrap();
        let difference = lockstep.compare_memory().unwrap_err();
        assert_eq!(
            difference.texts,
            ["memory differs: 0x80001000 holds 0x5000000, should 0x0;"]
        );
    }

    #[test]
    fn the_hosts_time_is_refused() {
        let config = || config(Clock::Host(Box::new(|| 0)));
        let refused = Lockstep::new(config(), config());
        assert!(matches!(refused, Err(LockstepError::HostClock)));
    }
}
