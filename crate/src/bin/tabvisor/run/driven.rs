//! The machine that a guest runs on, or the two.

use anyhow::Result;
use tabvisor::engine::profile::Profile;
use tabvisor::machine::lockstep::Lockstep;
use tabvisor::machine::{Exit, Machine, MachineError, MemoryUse, Stats};

/// What a session drives.
#[derive(Debug)]
pub enum Guest {
    Alone(Box<Machine>),
    Lockstep(Box<Lockstep>),
}

impl Guest {
    pub fn run(&mut self, instructions: u64) -> Result<Exit> {
        match self {
            Guest::Alone(machine) => Ok(machine.run(instructions)),
            Guest::Lockstep(both) => Ok(both.run(instructions)?),
        }
    }

    pub fn console_resize(&mut self, columns: u16, rows: u16) {
        match self {
            Guest::Alone(machine) => machine.console_resize(columns, rows),
            Guest::Lockstep(both) => both.console_resize(columns, rows),
        }
    }

    pub fn console_room(&self) -> usize {
        match self {
            Guest::Alone(machine) => machine.console_room(),
            Guest::Lockstep(both) => both.console_room(),
        }
    }

    pub fn console_input(&mut self, bytes: &[u8]) -> usize {
        match self {
            Guest::Alone(machine) => machine.console_input(bytes),
            Guest::Lockstep(both) => both.console_input(bytes),
        }
    }

    pub fn take_console_output(&mut self) -> Vec<u8> {
        match self {
            Guest::Alone(machine) => machine.take_console_output(),
            Guest::Lockstep(both) => both.take_console_output(),
        }
    }

    pub fn reset(&mut self) -> Result<(), MachineError> {
        match self {
            Guest::Alone(machine) => machine.reset(),
            Guest::Lockstep(both) => both.reset(),
        }
    }

    pub fn profile(&self) -> Option<Profile> {
        match self {
            Guest::Alone(machine) => machine.profile(),
            Guest::Lockstep(both) => both.tested().profile(),
        }
    }

    pub fn use_profile(&mut self, profile: Profile) {
        match self {
            Guest::Alone(machine) => machine.use_profile(profile),
            Guest::Lockstep(both) => both.use_profile(profile),
        }
    }

    /// Gives pages that are zero back to the host, of `pages` that are looked at.
    pub fn trim_memory(&mut self, pages: usize) {
        match self {
            Guest::Alone(machine) => machine.trim_memory(pages),
            // Two machines are compared all the time: what they take of the host is no matter.
            Guest::Lockstep(_) => {}
        }
    }

    pub fn memory_use(&self) -> MemoryUse {
        match self {
            Guest::Alone(machine) => machine.memory_use(),
            Guest::Lockstep(both) => both.tested().memory_use(),
        }
    }

    pub fn stats(&self) -> Stats {
        match self {
            Guest::Alone(machine) => machine.stats(),
            Guest::Lockstep(both) => both.stats(),
        }
    }
}
