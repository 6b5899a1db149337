//! Tabvisor: a virtual machine for real 64-bit operating systems, in a web page and natively.
//!
//! The map of the house, from the guest outwards:
//!
//! * [`isa`] — what guest instructions mean. Knows no device and no host.
//! * [`mem`] — guest RAM, the bus, and the fast table of translated addresses.
//! * [`engine`] — running guest code: the interpreter and its run loop.
//! * [`device`] — the board's devices, and those on virtio. Knows no engine.
//! * [`storage`], [`net`] — what stands behind the block, file and network devices.
//! * [`machine`] — puts them together: boards, boot, firmware.
//! * `web` — the thin wasm-bindgen surface; the command line is its native sister.
//!
//! Time, randomness and input are parameters: only `web`, the command line and the backends that stand for something of
//! the host (a file, a folder, sockets) ask the host. `docs/architecture.md` tells the whole.

#[cfg(test)]
extern crate self as tabvisor;

pub mod device;
pub mod engine;
pub mod ir;
pub mod isa;
pub mod jit;
pub mod machine;
pub mod mem;
pub mod net;
pub mod storage;
#[cfg(target_arch = "wasm32")]
pub mod web;
