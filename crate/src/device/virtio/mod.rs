//! Devices by virtio 1.2, all on the memory-mapped transport.
//!
//! [`VirtioMmio`] is the transport; behind it stands a [`VirtioDevice`]. A device sees parsed request chains, never raw
//! rings, and says what the driver got wrong by returning an error: the transport then sets DEVICE_NEEDS_RESET. What a
//! device must remember is one plain serde struct, its `…State`; backends and host queues are not part of it.

pub mod balloon;
pub mod blk;
pub mod console;
pub mod mmio;
pub mod net;
pub mod p9;
pub mod queue;
pub mod rng;

use std::any::Any;
use std::fmt;

pub use balloon::Balloon;
pub use blk::Blk;
pub use console::Console;
pub use mmio::VirtioMmio;
pub use net::Net;
pub use p9::P9;
pub use queue::{Chain, Queue, QueueError, Reader, Writer};
pub use rng::Rng;

use super::DeviceContext;

/// Device ids (virtio 1.2, chapter 5).
pub mod id {
    /// Network card.
    pub const NET: u32 = 1;
    /// Block device.
    pub const BLOCK: u32 = 2;
    /// Console.
    pub const CONSOLE: u32 = 3;
    /// Entropy source.
    pub const ENTROPY: u32 = 4;
    /// Memory balloon.
    pub const BALLOON: u32 = 5;
    /// 9P transport.
    pub const P9: u32 = 9;
}

/// What is particular to one kind of device.
pub trait VirtioDevice: fmt::Debug + Any {
    /// Its number in [`id`].
    fn id(&self) -> u32;

    /// Its own feature bits (0 to 23); the transport adds those of the queues.
    fn features(&self) -> u64 {
        0
    }

    /// Largest size of each of its queues: powers of two.
    fn queue_sizes(&self) -> &'static [u16];

    /// Fills `into` from the configuration space at `offset`; past its end it reads as zero.
    fn read_config(&self, offset: u64, into: &mut [u8]);

    /// The driver writes the configuration space. Most have nothing writable.
    fn write_config(&mut self, offset: u64, from: &[u8]) {
        let _ = (offset, from);
    }

    /// The driver is ready and accepted `features`.
    fn activate(&mut self, features: u64) {
        let _ = features;
    }

    /// Back to the state at power-on.
    fn reset(&mut self) {}

    /// The driver put something in queue `index`.
    fn notify(
        &mut self,
        index: usize,
        queues: &mut [Queue],
        cx: &mut DeviceContext<'_>,
    ) -> Result<(), QueueError>;

    /// Time to bring in what arrived from outside since the last call.
    fn poll(&mut self, queues: &mut [Queue], cx: &mut DeviceContext<'_>) -> Result<(), QueueError> {
        let _ = (queues, cx);
        Ok(())
    }

    /// Guest time at which [`Self::poll`] must be called even if nothing arrives.
    fn next_deadline(&self) -> Option<u64> {
        None
    }

    /// Whether the configuration space has changed since the last call, which the driver must be told.
    fn take_config_change(&mut self) -> bool {
        false
    }
}

/// Copies from a configuration space; what is past its end reads as zero.
fn read_config_bytes(config: &[u8], offset: u64, into: &mut [u8]) {
    into.fill(0);
    if let Some(rest) = usize::try_from(offset)
        .ok()
        .and_then(|offset| config.get(offset..))
    {
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
    }
}
