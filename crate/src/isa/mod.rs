//! Instruction sets: what guest instructions mean.

pub mod riscv;
