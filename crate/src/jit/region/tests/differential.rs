//! Random programs run by the interpreter, and by regions as far as those go.

use std::collections::HashSet;

use super::programs::{CODE, DATA, HANDLER, SIZE, WFI, program, straight};
use super::{Random, check};
use crate::engine::code::CodeCache;
use crate::engine::{Core, Leave, interpreter};
use crate::ir::abi::Helper;
use crate::ir::interpret::{self, State, World};
use crate::ir::passes::{Level, PassSet, optimise, shape};
use crate::isa::riscv::csr::mstatus;
use crate::isa::riscv::decode::decode;
use crate::isa::riscv::float::Flags;
use crate::isa::riscv::float::perform::{FloatCode, perform};
use crate::isa::riscv::hart::{Hart, HartState};
use crate::isa::riscv::insn::{Insn, Op, Reg};
use crate::jit::region::{Formed, Limits, NoProfile, Source, form, slots};
use crate::mem::{Bus, BusFault, PAGE_SIZE, Ram};

/// Memory and nothing else.
struct Board(Ram);

impl Bus for Board {
    fn ram(&self) -> &Ram {
        &self.0
    }
    fn ram_mut(&mut self) -> &mut Ram {
        &mut self.0
    }
    fn mmio_read(&mut self, addr: u64, _: u8) -> Result<u64, BusFault> {
        Err(BusFault { addr })
    }
    fn mmio_write(&mut self, addr: u64, _: u8, _: u64) -> Result<(), BusFault> {
        Err(BusFault { addr })
    }
    fn mtime(&mut self) -> u64 {
        0
    }
}

/// What regions run on: a hart's state and its memory.
struct Machine {
    hart: HartState,
    board: Board,
}

impl Source for Machine {
    fn instruction(&mut self, pc: u64) -> Option<Insn> {
        let low = self.board.0.read_u16(pc).ok()?;
        let high = self.board.0.read_u16(pc + 2).unwrap_or(0);
        Some(decode(u32::from(low) | u32::from(high) << 16))
    }
}

impl World for Machine {
    fn fast(&mut self, addr: u64, bytes: u64, _: bool) -> Option<&mut [u8]> {
        // Pages by turns, so that helpers have something to do.
        let fits = addr & (PAGE_SIZE - 1) <= PAGE_SIZE - bytes;
        if !fits || addr >> 12 & 1 != 0 {
            return None;
        }
        self.board.0.slice_mut(addr, bytes).ok()
    }

    fn help(&mut self, state: &mut State, helper: Helper, [a, b, c]: [u64; 3], code: u32) -> Option<u64> {
        let bytes = code as usize;
        let aligned = bytes == 0 || a % bytes as u64 == 0;
        match helper {
            Helper::Float => {
                let result = perform(FloatCode(code), a, b, c, &mut self.hart.csr);
                state.inexact = self.hart.csr.flags().contains(Flags::INEXACT);
                return Some(result);
            }
            Helper::LoadForUpdate | Helper::LoadReserved | Helper::StoreConditional if !aligned => {
                return None;
            }
            Helper::StoreConditional if self.hart.reservation.take() != Some(a) => return Some(1),
            Helper::Store | Helper::StoreConditional => {
                self.board.0.write(a, &b.to_le_bytes()[..bytes]).ok()?;
                return Some(0);
            }
            // As if they were to be declined: the interpreter does them.
            Helper::Control => return None,
            Helper::LoadReserved => self.hart.reservation = Some(a),
            Helper::Load | Helper::LoadForUpdate => {}
        }
        let mut value = [0; 8];
        let loaded = self.board.0.read(a, &mut value[..bytes]);
        if loaded.is_err() && helper == Helper::LoadReserved {
            self.hart.reservation = None;
        }
        loaded.ok()?;
        Some(u64::from_le_bytes(value))
    }
}

impl Machine {
    fn state(&self) -> State {
        let (hart, csr) = (&self.hart, &self.hart.csr);
        let mut slots = hart.x.all().to_vec();
        slots.extend(hart.f);
        slots.extend([
            csr.mstatus,
            csr.sscratch,
            csr.sepc,
            csr.scause,
            csr.stval,
            csr.menvcfg,
        ]);
        State {
            slots,
            retired: hart.retired,
            run_until: u64::MAX,
            inexact: csr.flags().contains(Flags::INEXACT),
            rounding: csr.frm,
        }
    }

    fn absorb(&mut self, state: &State, pc: u64) {
        assert_eq!(state.slots[usize::from(slots::MSTATUS.0)], self.hart.csr.mstatus);
        for number in 1..32 {
            self.hart.x.set(Reg::new(number), state.slots[number as usize]);
        }
        self.hart.f.copy_from_slice(&state.slots[32..64]);
        self.hart.retired = state.retired;
        self.hart.pc = pc;
    }

    /// Runs regions as long as one can be entered. Returns how many were.
    fn run_regions(&mut self, limits: &Limits, level: Option<Level>) -> usize {
        for entered in 0..10_000 {
            let pc = self.hart.pc;
            let Some(Formed {
                mut region, entries, ..
            }) = form(pc, self, limits, &NoProfile)
            else {
                return entered;
            };
            check(&region);
            assert_eq!(entries[0], pc);
            if let Some(level) = level {
                shape(&mut region, PassSet::ALL);
                optimise(&mut region, level, PassSet::ALL);
                check(&region);
            }
            let mut state = self.state();
            let left = interpret::run(&region, 0, &mut state, self, 1_000_000).unwrap();
            self.absorb(&state, left.pc);
            if left.leave != crate::ir::Leave::Next {
                return entered + 1;
            }
        }
        panic!("the program does not end: {:#x}", self.hart.pc);
    }

    /// Has the interpreter run to the end.
    fn finish(self) -> Machine {
        let mut hart = Hart::new(0, 0);
        hart.state = self.hart;
        let (mut core, mut board) = (Core::new(hart), self.board);
        // An access outside memory might have been to a device: the interpreter returns, to look at devices.
        let mut code = CodeCache::default();
        let ended =
            (0..10).any(|_| interpreter::run(&mut core, &mut code, &mut board, 1_000_000) == Leave::Waiting);
        let (pc, csr) = (core.hart.state.pc, &core.hart.state.csr);
        assert!(
            ended,
            "it does not end: {pc:#x}, {:#x} at {:#x}",
            csr.mcause, csr.mepc
        );
        Machine {
            hart: core.hart.state,
            board,
        }
    }
}

/// A number of the kinds that make trouble.
fn number(random: &mut Random) -> u64 {
    match random.below(8) {
        0 => random.below(64),
        1 => random.next() as i32 as u64,
        2 => 1 << random.below(64),
        3 => u64::MAX << random.below(64),
        4 => u64::from(random.next() as u32),
        5 => random.next() & random.next() & random.next(),
        _ => random.next(),
    }
}

fn float(random: &mut Random) -> u64 {
    let double = |number: f64| number.to_bits();
    let single = |number: f32| u64::from(number.to_bits()) | 0xffff_ffff << 32;
    let small = random.below(2000) as f64 / 16.0 - 60.0;
    match random.below(10) {
        0..=2 => double(small),
        3..=5 => single(small as f32),
        6 => double(random.pick(&[0.0, -0.0, f64::INFINITY, f64::NAN, f64::MIN_POSITIVE, 1e-310])),
        7 => single(random.pick(&[0.0, -0.0, f32::INFINITY, f32::NAN, f32::MIN_POSITIVE, 1e-40])),
        8 => random.next() | 0xffff_ffff << 32,
        _ => random.next(),
    }
}

fn machine(random: &mut Random, code: &[u32]) -> Machine {
    let mut ram = Ram::new(CODE, SIZE).unwrap();
    for (at, word) in code.iter().enumerate() {
        ram.write_u32(CODE + at as u64 * 4, *word).unwrap();
    }
    ram.write_u32(HANDLER, WFI).unwrap();
    for at in (DATA - 0x3000..DATA + 0x3000).step_by(8) {
        ram.write_u64(at, number(random)).unwrap();
    }
    let mut hart = Hart::new(0, CODE).state;
    for number_of in 1..32 {
        hart.x.set(Reg::new(number_of), number(random));
    }
    for address in 8..12 {
        let at = DATA - 0x1000 + random.below(0x400) * 8;
        let at = if random.below(8) == 0 {
            at + random.below(8)
        } else {
            at
        };
        hart.x.set(Reg::new(address), at);
    }
    for register in &mut hart.f {
        *register = float(random);
    }
    hart.csr.mtvec = HANDLER;
    hart.csr.fflags = random.pick(&[0, 1, 1, 0x1f]);
    hart.csr.frm = random.pick(&[0, 0, 0, 0, 1, 2, 3, 4]);
    hart.csr.mstatus |= random.pick(&[3, 3, 3, 3, 3, 3, 1, 0]) << mstatus::FS.trailing_zeros();
    Machine {
        hart,
        board: Board(ram),
    }
}

fn compare(seed: u64, code: &[u32], limits: &Limits) -> usize {
    let level = [None, Some(Level::Quick), Some(Level::Hot)][seed as usize % 3];
    let by_interpreter = machine(&mut Random(seed), code).finish();
    let mut by_regions = machine(&mut Random(seed), code);
    let entered = by_regions.run_regions(limits, level);
    let by_regions = by_regions.finish();
    let listing = || {
        let lines = code.iter().enumerate();
        let lines = lines.map(|(at, &word)| format!("{:x}: {:?}", CODE + at as u64 * 4, decode(word)));
        lines.collect::<Vec<_>>().join("\n")
    };
    for (name, theirs, ours) in [
        ("x", by_interpreter.hart.x.all(), by_regions.hart.x.all()),
        ("f", &by_interpreter.hart.f, &by_regions.hart.f),
    ] {
        for register in 0..32 {
            let (theirs, ours) = (theirs[register], ours[register]);
            assert!(
                theirs == ours,
                "seed {seed}: {name}{register} is {ours:#x}, not {theirs:#x}\n{}",
                listing()
            );
        }
    }
    let rest = |machine: &Machine| {
        let (hart, csr) = (&machine.hart, &machine.hart.csr);
        (
            hart.pc,
            hart.retired,
            csr.fflags,
            csr.mstatus,
            csr.mcause,
            csr.mepc,
            csr.mtval,
        )
    };
    assert_eq!(
        rest(&by_interpreter),
        rest(&by_regions),
        "seed {seed}\n{}",
        listing()
    );
    let memory = |machine: &Machine| machine.board.0.slice(CODE, SIZE).unwrap().to_vec();
    assert!(
        memory(&by_interpreter) == memory(&by_regions),
        "seed {seed}: memory differs\n{}",
        listing()
    );
    entered
}

#[test]
fn straight_code_does_what_the_interpreter_does() {
    let mut random = Random(1);
    let mut ops = HashSet::new();
    for seed in 0..6000 {
        let mut code: Vec<u32> = (0..1 + random.below(12)).map(|_| straight(&mut random)).collect();
        ops.extend(code.iter().map(|&word| decode(word).op));
        code.push(WFI);
        compare(seed, &code, &Limits::HOT);
    }
    // All there are, up to the last of Zbs, less those that are not straight code.
    let jumps = Op::Bgeu as usize - Op::Jal as usize + 1;
    let system = Op::SfenceInvalIr as usize - Op::Ecall as usize + 1;
    assert_eq!(ops.len(), Op::Bseti as usize + 1 - jumps - system, "{ops:?}");
}

#[test]
fn programs_do_what_the_interpreter_does() {
    let mut random = Random(2);
    let mut entered = 0;
    for seed in 0..3000 {
        let code = program(&mut random);
        let limits = match seed % 4 {
            0 => Limits::QUICK,
            1 => Limits {
                blocks: 4,
                instructions: 30,
                ..Limits::HOT
            },
            _ => Limits::HOT,
        };
        entered += compare(seed, &code, &limits);
    }
    assert!(entered > 4000, "only {entered} regions were entered");
}
