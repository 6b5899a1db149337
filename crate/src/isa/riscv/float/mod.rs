//! IEEE 754 binary32 and binary64 arithmetic as the RISC-V F and D extensions (version 2.2) define it.
//!
//! Every function takes and returns bit patterns in the low bits of a `u64`:
//!
//! ```
//! use tabvisor::isa::riscv::float::{self, F64, Flags, Rounding};
//! let mut flags = Flags::empty();
//! let third = float::div::<F64>(1f64.to_bits(), 3f64.to_bits(), Rounding::NearestEven, &mut flags);
//! assert_eq!(f64::from_bits(third), 1.0 / 3.0);
//! assert_eq!(flags, Flags::INEXACT);
//! ```
//!
//! `flags` is the hart's accrued `fflags`: flags are only ever added to it. Passing the live value matters for speed, as
//! a result need not be checked for being exact once inexact is set.
//!
//! What RISC-V leaves open in IEEE 754, and how it is settled here: a NaN result is always the canonical NaN; tininess
//! is detected after rounding; minimum and maximum are `minimumNumber` and `maximumNumber` with −0 below +0.
//!
//! Each operation is said exactly once, over unbounded exponents and 128-bit significands: `arith`, `fma`, `divsqrt`
//! and `convert` compute an [`Exact`](round::Exact) value, `round` turns it into a bit pattern and flags. `fast` stands
//! before them: it answers the common case (round to nearest, an ordinary result) with the host's own arithmetic and
//! declines everything else. It reads no host flags, so it is the same on x86-64 and wasm.
//!
//! Sign injection and moves are bit operations and are left to the caller.

mod arith;
mod compare;
mod convert;
mod divsqrt;
mod fast;
mod fast_fma;
mod fma;
mod format;
pub mod perform;
mod round;
#[cfg(test)]
mod tests;

pub use arith::{add, mul, sub};
pub use compare::{classify, eq, le, lt, max, min};
pub use convert::{
    f32_to_f64, f64_to_f32, from_i32, from_i64, from_u32, from_u64, to_i32, to_i64, to_u32, to_u64,
};
pub use divsqrt::{div, sqrt};
pub use fma::fused_multiply_add;
pub use format::{F32, F64, Format, Layout, box_f32, unbox_f32};
pub use round::{Flags, Rounding};
