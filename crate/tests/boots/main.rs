//! Whole guests, booted and used: what they print is the proof.
//!
//! The Linux, Python, OpenSBI and U-Boot of these tests are Debian's own; `npm run setup` gets them. The monitor is ours.

#![cfg(not(target_arch = "wasm32"))]

#[path = "../engines/mod.rs"]
#[macro_use]
mod engines;
mod harness;
#[path = "../common/part_server.rs"]
mod part_server;

mod bad_input;
mod collector;
mod disk;
mod firmware;
mod linux;
mod memory;
mod monitor;
mod network;
mod numa;
mod python;
mod share;
mod tlb;
