//! One guest through the lockstep.

use tabvisor::engine::tiered::TierConfig;
use tabvisor::engine::{Compiler, Engine, EngineConfig, GcConfig};
use tabvisor::jit::gc::{Budget, Mode};
use tabvisor::machine::lockstep::{Difference, Lockstep};
use tabvisor::machine::{Clock, Exit, Image, MachineConfig, Stats};
use tabvisor::mem::HugePages;

use crate::guest::Guest;
use crate::image::MEMORY;
use crate::prng::Prng;

/// Programs that run longer are left: their timer may fire too often for them to get on. Each hart has so many.
const MOST_INSTRUCTIONS: u64 = 300_000;

/// How a program is run.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    seed: u64,
    /// Most instructions of a call of the machine.
    slice: u64,
    tiers: TierConfig,
    compiler: Compiler,
    gc: GcConfig,
}

/// What came of it.
pub enum Outcome {
    Agrees { ends: bool, stats: Box<Stats> },
    Differs(Box<Difference>),
}

impl Trial {
    /// Turns of all lengths, and all code compiled at once.
    pub fn random(seed: u64) -> Self {
        let mut r = Prng::new(seed ^ 0x5eed);
        Trial {
            seed,
            slice: *r.pick(&[2, 5, 20, 50, 50, 300, 20_000]),
            tiers: TierConfig {
                quick_arrivals: Some(1 + r.bits(1) as u16),
                retry_arrivals: Some(1),
                hot_ticks: Some(Some(1 + r.bits(1) * 3)),
                look_every: Some(*r.pick(&[0, 50, 3_000])),
            },
            compiler: *r.pick(&[Compiler::Own, Compiler::Own, Compiler::Cranelift]),
            gc: GcConfig {
                mode: *r.pick(&[
                    Mode::Generational,
                    Mode::Generational,
                    Mode::Generational,
                    Mode::Simple,
                    Mode::Off,
                ]),
                // Little room: much is collected.
                bytes: *r.pick(&[Budget::LEAST, 4 * Budget::LEAST]),
            },
        }
    }

    fn config(&self, harts: usize, image: &[u8]) -> MachineConfig {
        MachineConfig {
            memory_bytes: MEMORY,
            harts,
            numa: 1,
            huge_pages: HugePages::Auto,
            bios: Some(Image::new("program", image)),
            kernel: None,
            initrd: None,
            append: String::new(),
            disks: Vec::new(),
            shares: Vec::new(),
            net: None,
            entropy: Box::new(|bytes| bytes.fill(0)),
            engine: EngineConfig {
                engine: Engine::Jit,
                tiers: self.tiers,
                compiler: self.compiler,
                gc: self.gc,
                ..EngineConfig::default()
            },
            // A tick for each instruction.
            clock: Clock::Virtual {
                ns_per_instruction: 100,
            },
            epoch_ns: 0,
        }
    }

    pub fn run(&self, guest: &Guest) -> Outcome {
        let image = guest.build();
        let config = || self.config(guest.harts(), &image);
        let mut lockstep = Lockstep::new(config(), config()).expect("two machines with the programs");
        let most = MOST_INSTRUCTIONS * guest.harts() as u64;
        let mut r = Prng::new(self.seed);
        let mut run = 0;
        let ends = loop {
            let slice = 1 + r.below(self.slice);
            match lockstep.run(slice) {
                Err(difference) => return Outcome::Differs(difference),
                Ok(Exit::Budget) if run < most => run += slice,
                Ok(exit) => break exit == Exit::PowerOff,
            }
        };
        match lockstep.compare_memory() {
            Err(difference) => Outcome::Differs(difference),
            Ok(()) => Outcome::Agrees {
                ends,
                stats: Box::new(lockstep.stats()),
            },
        }
    }
}
