//! RV64GC: decoding, semantics, CSRs, traps, paging and floating point.

pub mod float;
