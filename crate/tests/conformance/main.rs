//! Conformance of the RISC-V machine: the same bare-metal programs run under Debian's QEMU and under Tabvisor, and
//! what they write on the serial line must be equal,
//! whichever engine Tabvisor uses.
//!
//! `random` makes programs over every instruction; `directed` assembles the sources of `tests/conformance`, which
//! also know what they should see. Needed: `qemu-system-riscv64` and `riscv64-unknown-elf-gcc`.

#![cfg(not(target_arch = "wasm32"))]

mod assembler;
mod directed;
mod elf;
mod encode;
#[path = "../engines/mod.rs"]
mod engines;
mod image;
mod prng;
mod program;
mod qemu;
mod random;
mod tabvisor_side;
mod translation;
mod unit;
mod values;
