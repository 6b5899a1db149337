//! Running guest code.
