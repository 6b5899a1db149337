//! WebAssembly made at run time: the back end of the page.
//!
//! A region becomes a function `(state: i32, entry: i32) -> i32`, as [`crate::ir::abi`] describes it. `structure` finds
//! `block`s and `loop`s for its control flow, `plan` decides where values live, `function` and its neighbours write
//! instructions, `module` puts many functions into a module. All that runs, and is tested, on any host; only the part
//! that hands modules to the engine, `host` with `places`, is for the page. `ledger` knows what lives in which module, for `compact`, which
//! moves functions out of mostly dead ones.
//!
//! What counts is what the engine's optimising compiler makes of a function. Its register allocator keeps guest registers
//! in the host's registers as long as no call stands in their way, so every call is in code that is told to be unlikely
//! (section `metadata.code.branch_hint`).

#[cfg(target_arch = "wasm32")]
mod clock;
#[cfg(target_arch = "wasm32")]
mod compact;
mod features;
mod float;
mod function;
#[cfg(target_arch = "wasm32")]
mod host;
mod integer;
#[cfg(any(test, target_arch = "wasm32"))]
mod ledger;
mod memory;
mod module;
#[cfg(target_arch = "wasm32")]
mod places;
mod plan;
mod runtime;
mod structure;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;

#[cfg(target_arch = "wasm32")]
pub use clock::now_ms;
pub use features::Features;
#[cfg(target_arch = "wasm32")]
pub use host::WasmBackend;
pub use module::{Body, Builder, Module, Placing, emit_module};
