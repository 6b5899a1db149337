//! The virtio devices, driven as a guest's driver would: rings laid out in RAM, registers over the bus.

mod driver;

mod blk;
mod console;
mod p9;
mod queue;
mod rng;
mod transport;
