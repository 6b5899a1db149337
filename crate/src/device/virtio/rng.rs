//! The entropy device (virtio 1.2, chapter 5.4). Where the entropy comes from is the host's affair.

use std::fmt;

use super::{Queue, QueueError, VirtioDevice, id};
use crate::device::DeviceContext;

/// Most bytes given to one request; the standard lets a device give fewer than asked for.
const MOST: u64 = 64 << 10;

/// A source of random bytes.
pub type Entropy = Box<dyn FnMut(&mut [u8])>;

/// The entropy device. It has no state of its own.
pub struct Rng {
    entropy: Entropy,
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rng")
    }
}

impl Rng {
    /// A device that gives the guest what `entropy` fills in.
    pub fn new(entropy: Entropy) -> Self {
        Self { entropy }
    }
}

impl VirtioDevice for Rng {
    fn id(&self) -> u32 {
        id::ENTROPY
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &[64]
    }

    fn read_config(&self, _offset: u64, into: &mut [u8]) {
        into.fill(0);
    }

    fn notify(
        &mut self,
        _index: usize,
        queues: &mut [Queue],
        cx: &mut DeviceContext<'_>,
    ) -> Result<(), QueueError> {
        let queue = &mut queues[0];
        while let Some(chain) = queue.pop(cx.ram)? {
            let mut writer = chain.writer();
            while let Some(room) = writer.next_slice(cx.ram, MOST - u64::from(writer.written()))? {
                (self.entropy)(room);
            }
            queue.push(cx.ram, chain.head, writer.written())?;
        }
        Ok(())
    }
}
