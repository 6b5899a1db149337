//! The engines that tests run machines under: all of them, each time. One is added by its lines in this file.

#![allow(
    dead_code,
    unused_macros,
    reason = "some test programs list their tests, others go through the engines"
)]

use tabvisor::engine::tiered::TierConfig;
use tabvisor::engine::{self, Compiler, EngineConfig};
use tabvisor::ir::passes::PassSet;
use tabvisor::machine::{Machine, MachineConfig, MachineError};

/// How a machine runs its guest's code.
#[derive(Debug, Clone, Copy)]
pub enum Engine {
    /// The interpreter.
    Interp,
    /// The compiler, with thresholds so low that most of what runs is compiled.
    Jit,
}

/// For tests that go through the engines by themselves, because comparing costs less than what they compare with.
pub const ENGINES: [Engine; 2] = [Engine::Interp, Engine::Jit];

/// Makes a test of each function for every engine, which it is given: `linux::interp::it_boots` of `it_boots`.
macro_rules! under_every_engine {
    ($($function:ident),* $(,)?) => {
        mod interp {
            $(#[test] fn $function() { super::$function(crate::engines::Engine::Interp) })*
        }
        mod jit {
            $(#[test] fn $function() { super::$function(crate::engines::Engine::Jit) })*
        }
    };
}

impl Engine {
    /// What the module of its tests is called.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Interp => "interp",
            Engine::Jit => "jit",
        }
    }

    /// Powers a machine on that uses this engine.
    pub fn machine(self, config: MachineConfig) -> Result<Machine, MachineError> {
        let engine = match self {
            Engine::Interp => EngineConfig {
                tlb: config.engine.tlb,
                ..engine::Engine::Interp.into()
            },
            Engine::Jit => EngineConfig {
                engine: engine::Engine::Jit,
                tiers: TierConfig::default(),
                compiler: Compiler::Own,
                synchronous: config.engine.synchronous,
                passes: PassSet::ALL,
                tlb: config.engine.tlb,
                gc: config.engine.gc,
            },
        };
        Machine::new(MachineConfig { engine, ..config })
    }
}
