//! Compiling regions of guest code.
//!
//! A back end turns a [`crate::ir::Region`] into a function of the host, as [`crate::ir::abi`] describes it. In the page it
//! is a WebAssembly module, natively machine code by Cranelift. Back ends know nothing of the guest's instruction set.

pub mod gc;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod harness;
#[cfg(not(target_arch = "wasm32"))]
pub mod native;
pub mod region;
pub mod wasm;

use std::fmt;

use crate::ir::Region;
use gc::Work;

/// How much is done for a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Small and compiled fast.
    Quick,
    /// Large, with every optimisation.
    Hot,
}

/// A region to be compiled.
#[derive(Debug)]
pub struct Job {
    /// Its number: given back with the code, and stored by the code when it leaves at a point.
    pub number: u32,
    /// What is to be compiled, as it was lifted: passes are the back end's to run, on whatever thread it compiles.
    pub region: Region,
    /// How much is to be done for it.
    pub tier: Tier,
}

/// Compiled code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The function: natively its address, in wasm its index in the function table.
    pub function: usize,
    /// Its size in bytes.
    pub bytes: usize,
}

/// Why a region could not be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The compiler refused it.
    #[error("the compiler refused region {number}: {text}")]
    Refused {
        /// The region's number.
        number: u32,
        /// What it said.
        text: String,
    },
    /// No room for code, or in the function table.
    #[error("no room for compiled code: {0}")]
    NoRoom(String),
}

/// A job that is done.
#[derive(Debug)]
pub struct Finished {
    /// The job's number.
    pub number: u32,
    /// The code.
    pub result: Result<Code, CompileError>,
}

/// What moving code together has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compaction {
    /// Functions moved.
    pub moved: u64,
    /// Bytes of memory given back: of modules that nothing refers to any more, or of arenas.
    pub returned_bytes: u64,
}

/// A compiler.
pub trait Backend: fmt::Debug + Send {
    /// Takes a job, or gives it back if too much is waiting already.
    fn submit(&mut self, job: Job) -> Result<(), Job>;
    /// Whether it compiles at once.
    fn is_immediate(&self) -> bool {
        false
    }
    /// Compiles a job at once, if the back end is so fast at it that waiting would cost more.
    fn compile_now(&mut self, _job: &mut Job) -> Option<Finished> {
        None
    }
    /// Adds what has been finished since the last call. Never blocks for long: a back end that compiles on the caller's
    /// thread does at most some milliseconds of work.
    fn finished(&mut self, into: &mut Vec<Finished>);
    /// Jobs taken and not yet finished.
    fn pending(&self) -> usize;
    /// Gives the code's memory and place in tables back. Nobody will call it again.
    fn release(&mut self, code: Code);
    /// A function of the host from code: natively the address itself.
    ///
    /// # Safety
    /// `code` must be one of this back end's, not released; `state` must be the state that the [`crate::ir::Abi`] it was
    /// made with describes, and nothing else may use that meanwhile.
    unsafe fn call(&self, function: usize, state: *mut u8, entry: u32) -> u32;
    /// Bytes of code held.
    fn code_bytes(&self) -> usize;
    /// WebAssembly modules that hold code now; natively 0.
    fn modules(&self) -> usize;
    /// Whether there may be code that should be moved together. Asked before each turn of a hart.
    fn is_sparse(&self) -> bool;
    /// Does a bounded part of moving code together, so that memory which holds little of it any more can be given back. Code
    /// that has another place since is added to `moved`, with its number: nobody may call it at the old one. What it did.
    fn compact(&mut self, moved: &mut Vec<(u32, Code)>) -> Work;
    /// What that has come to so far.
    fn compaction(&self) -> Compaction;
    /// The host's clock, in microseconds from whenever: to tell how long something took.
    fn now_us(&self) -> f64;
    /// The longest that making or handing over a module has taken, in microseconds: the guest stands still meanwhile. 0 where code
    /// is compiled beside the guest.
    fn longest_stall_us(&self) -> u64 {
        0
    }
}
