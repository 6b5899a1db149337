//! RV64GC: decoding, semantics, CSRs, traps, paging and floating point.
//!
//! An instruction's way: [`decode`] makes an [`insn::Insn`] of its bits, [`semantics`] says what it does over the
//! [`ops::Ops`] trait, and an engine implements that trait. State stands in [`hart`] and [`csr`]; [`trap`], [`mmu`] and
//! [`pmp`] are the privileged architecture.

mod compressed;
pub mod csr;
pub mod decode;
pub mod float;
pub mod hart;
pub mod insn;
pub mod mmu;
pub mod ops;
pub mod pmp;
pub mod semantics;
pub mod trap;

/// Bytes of a cache block, as the device tree says.
pub const CACHE_BLOCK: u64 = 64;
