//! The virtio devices, driven as a guest's driver would: rings laid out in RAM, registers over the bus.

#![cfg(not(target_arch = "wasm32"))]

mod driver;

mod balloon;
mod blk;
mod console;
mod net;
mod p9;
mod queue;
mod rng;
mod transport;
