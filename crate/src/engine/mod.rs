//! Running guest code.
//!
//! [`code`] keeps decoded pages, shared by all harts; [`fetch`] finds a hart's page by virtual address; and
//! [`interpreter`] executes. [`profile`] keeps what was learned of the code. [`branch_target`] leads indirect jumps to compiled code, which
//! `compile_queue` has made in the background.

mod bits;
pub mod branch_target;
pub mod code;
#[cfg(not(target_arch = "wasm32"))]
pub mod compile_queue;
pub mod fetch;
pub mod interpreter;
pub mod profile;
pub mod tiered;

use crate::ir::passes::PassSet;
use crate::isa::riscv::hart::Hart;
use crate::jit::gc;
use crate::mem::tlb::TlbConfig;
use fetch::FetchCache;
use serde::{Deserialize, Serialize};
use tiered::{Context, Targets, TierConfig};

/// A hart and what its engine keeps for it.
#[derive(Debug)]
pub struct Core {
    /// The hart.
    pub hart: Hart,
    /// Where it last found code.
    pub fetch: FetchCache,
    /// Loads and stores executed, for the hit rate of the fast table.
    pub accesses: u64,
    /// What an arrival at the target of a jump takes from its heat: 0 where nobody wants to know what is hot.
    pub heat_step: u16,
    /// What compiled code shares with the run loop.
    pub context: Context,
    /// Where compiled code is, by guest address.
    pub targets: Option<Box<Targets>>,
    /// Instructions retired at which the run loop looks again at where branches go; 0 for a long look at once.
    pub look_at: u64,
}

impl Core {
    /// A core around `hart`.
    pub fn new(hart: Hart) -> Self {
        Core {
            hart,
            fetch: FetchCache::default(),
            accesses: 0,
            heat_step: 0,
            context: Context::default(),
            targets: None,
            look_at: 0,
        }
    }
}

/// How guest code is executed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Interpreted.
    Interp,
    /// Interpreted until hot, then compiled.
    Jit,
    /// The fastest that the host can do.
    #[default]
    Auto,
}

/// What makes machine code; in the page it is the browser, whatever is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compiler {
    /// Our own, where the host has the instructions that it uses; else Cranelift.
    #[default]
    Own,
    /// Cranelift, on a thread of its own.
    Cranelift,
}

/// An engine and how it is tuned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineConfig {
    /// Which.
    pub engine: Engine,
    /// What is compiled when.
    pub tiers: TierConfig,
    /// What makes machine code.
    pub compiler: Compiler,
    /// Regions are compiled where they are asked for, not beside the guest: slower, but always the same.
    pub synchronous: bool,
    /// What is done to regions before they are compiled.
    pub passes: PassSet,
    /// How translations of addresses are remembered.
    pub tlb: TlbConfig,
    /// How compiled code is collected.
    pub gc: GcConfig,
}

/// Which compiled code is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcConfig {
    /// How it is collected.
    pub mode: gc::Mode,
    /// Bytes of it, with what belongs to it, beyond which some must go; or, where nothing ever goes, of code beyond which the
    /// rest is interpreted.
    pub bytes: usize,
}

impl Default for GcConfig {
    fn default() -> Self {
        GcConfig {
            mode: gc::Mode::default(),
            // The browser's machine code for ours takes several times as much beside it.
            bytes: if cfg!(target_arch = "wasm32") {
                16 << 20
            } else {
                64 << 20
            },
        }
    }
}

/// Bytes of code where none is ever given back, and nobody has said how many.
const ALL_THERE_IS: usize = 256 << 20;

/// Words that say no [`GcConfig`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} says nothing of how code is collected; words, separated by commas, are: generational, simple or off; budget=MIB"
)]
pub struct BadGcWord(String);

impl GcConfig {
    /// The collector's budget.
    pub fn budget(&self) -> gc::Budget {
        gc::Budget::of(self.bytes)
    }

    /// Bytes of code that a compiler may hold: where it is collected, more than the budget, since collecting takes a while.
    pub fn code_limit(&self) -> usize {
        match self.mode {
            gc::Mode::Off => self.bytes,
            gc::Mode::Generational | gc::Mode::Simple => self.bytes.saturating_mul(2).max(32 << 20),
        }
    }

    /// What these words say, the others being as usual: `generational`, `simple` or `off`, and `budget=MIB`.
    pub fn parse(words: &str) -> Result<Self, BadGcWord> {
        let mut config = GcConfig::default();
        for word in words.split(',').filter(|word| !word.is_empty()) {
            let bad = || BadGcWord(word.into());
            match word.strip_prefix("budget=") {
                Some(mib) => {
                    let mib = mib.parse::<u16>().ok().filter(|&mib| mib > 0);
                    // More than the page's addresses reach is as much as there may be.
                    config.bytes = usize::from(mib.ok_or_else(bad)?).saturating_mul(1 << 20);
                }
                None => config.mode = word.parse().map_err(|_| bad())?,
            }
        }
        if config.mode == gc::Mode::Off && !words.contains("budget=") {
            config.bytes = ALL_THERE_IS;
        }
        Ok(config)
    }
}

impl From<Engine> for EngineConfig {
    fn from(engine: Engine) -> Self {
        EngineConfig {
            engine,
            ..EngineConfig::default()
        }
    }
}

/// Why an engine returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// The instructions are used up, or devices and interrupts want to be looked at.
    Budget,
    /// The hart waits for an interrupt.
    Waiting,
    /// The hart called the host's firmware; `pc` is at the `ecall`.
    FirmwareCall,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_how_code_is_collected() {
        let usual = GcConfig::default();
        assert_eq!(GcConfig::parse(""), Ok(usual));
        let config = GcConfig::parse("budget=3,off").unwrap();
        assert_eq!((config.mode, config.bytes), (gc::Mode::Off, 3 << 20));
        assert_eq!(GcConfig::parse("off").unwrap().bytes, ALL_THERE_IS);
        for bad in [
            "Off",
            "budget=",
            "budget=0",
            "budget=-1",
            "budget=65536",
            "budget=1M",
            "simple, off",
        ] {
            let error = GcConfig::parse(bad).unwrap_err().to_string();
            assert!(error.contains("generational, simple or off"), "{error}");
        }
    }
}
