//! From guest code to regions of IR.
//!
//! [`form`] walks guest code from an entry and decides what belongs to a region; [`lift`] writes the instructions down, by
//! the same text that the interpreter executes ([`crate::isa::riscv::semantics`]). This is the one part of the compiler
//! that knows the guest's instruction set.

mod discover;
mod emit;
mod float;
mod lift;
mod simplify;
pub mod slots;
#[cfg(test)]
mod tests;

pub use discover::{Limits, NoProfile, Profile, Source, is_return};
pub use emit::{Formed, form};
pub use lift::{Builder, Flow, V};
