//! The wasm-bindgen surface: what the page's worker calls. Thin: it turns JavaScript values into a
//! [`crate::machine::Machine`]'s configuration and its results back, and is the host layer that owns clock and entropy.
//!
//! One class builds ([`MachineBuilder`]), one runs ([`WebMachine`]). Errors reach JavaScript as `Error`s whose messages
//! are meant for people. Nothing here is asynchronous: whoever calls fetches the images and decides when to run.

mod builder;
mod heap;
mod host;
mod log;
mod machine;

use wasm_bindgen::prelude::wasm_bindgen;

pub use builder::{ImageBytes, MachineBuilder};
pub use machine::{Counters, FileInfo, WebMachine};

/// How a slice of running ended; the page's runner has the same numbers.
#[wasm_bindgen]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitKind {
    /// The instructions asked for have been run.
    Budget = 0,
    /// Every hart waits for an interrupt; see [`WebMachine::idle_until_ms`].
    Idle = 1,
    /// The guest powered off.
    PowerOff = 2,
    /// The guest asked for a reset; the caller carries it out.
    Reset = 3,
    /// The guest stopped and reported failure; see [`WebMachine::exit_code`].
    Failed = 4,
    /// The guest can do nothing any more; see [`WebMachine::lost`].
    Lost = 5,
}

/// Called by the module itself when it is instantiated: panics and warnings then appear in the browser's console.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
    log::to_console();
}
