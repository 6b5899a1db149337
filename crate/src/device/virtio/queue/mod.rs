//! The split virtqueue (virtio 1.2, chapter 2.7), device side, with INDIRECT_DESC and EVENT_IDX.
//!
//! Two levels: [`view`] reads and writes the rings in place; [`Chain`] is a request parsed and checked, with a
//! [`Reader`] and a [`Writer`] over its buffers. All of it lies in memory a hostile guest writes: every malformation is
//! a [`QueueError`], and the transport then asks the driver for a reset. Packed rings are not offered.

mod chain;
pub mod view;

use serde::{Deserialize, Serialize};

use chain::Limits;
pub use chain::{Chain, Reader, Segment, Writer};
use view::{AvailRing, DESC_SIZE, Table, UsedRing};

use crate::mem::{BadAddress, Ram};

/// Bytes of buffers handed out per notification or poll; what is over waits for the next poll. Keeps one access by the
/// guest from holding the machine for long.
const BYTES_PER_TURN: u64 = 16 << 20;

/// What the driver got wrong. The device cannot go on after any of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// A ring, table or buffer outside RAM.
    #[error("virtqueue: {0}")]
    Address(#[from] BadAddress),
    /// The queue's size is not a power of two between 1 and the maximum.
    #[error("virtqueue size {size} is not a power of two up to {max}")]
    Size {
        /// Size the driver chose.
        size: u16,
        /// Largest size the device offers.
        max: u16,
    },
    /// A part of the queue at an address without the alignment the standard asks for.
    #[error("virtqueue part at {addr:#x} is not aligned to {align} bytes")]
    Alignment {
        /// Where it is.
        addr: u64,
        /// Multiple it must be of.
        align: u64,
    },
    /// The available index is further ahead than the queue is long.
    #[error("virtqueue's available index {index} is more than its size ahead of {expected}")]
    AvailableIndex {
        /// What the driver wrote.
        index: u16,
        /// The next entry the device will take.
        expected: u16,
    },
    /// A head or `next` that names no descriptor.
    #[error("virtqueue descriptor {index} of a table of {count}")]
    DescriptorIndex {
        /// The index.
        index: u16,
        /// Descriptors there are.
        count: usize,
    },
    /// A loop, or more descriptors than the queue has.
    #[error("virtqueue chain loops or is longer than {0} descriptors")]
    ChainTooLong(u16),
    /// The buffers of one chain overlap: together they are larger than RAM.
    #[error("virtqueue chain describes more bytes than there is RAM")]
    TooManyBytes,
    /// Indirect descriptor though the driver did not accept the feature.
    #[error("virtqueue has an indirect descriptor, but the feature was not negotiated")]
    IndirectNotNegotiated,
    /// Indirect descriptor within an indirect table, or with a successor.
    #[error("virtqueue has an indirect descriptor that is nested or not the last of its chain")]
    IndirectMisplaced,
    /// Length of an indirect table.
    #[error("virtqueue's indirect table of {0} bytes is not a whole, non-zero number of descriptors")]
    IndirectLength(u32),
    /// A device-readable buffer after a device-writable one.
    #[error("virtqueue chain has a readable buffer after a writable one")]
    ReadableAfterWritable,
    /// A request without room for its header or answer.
    #[error("virtqueue buffer is {missing} bytes too short for the request")]
    BufferTooShort {
        /// Bytes lacking.
        missing: u64,
    },
    /// A request longer than the device's protocol allows.
    #[error("virtqueue request is longer than {limit} bytes")]
    RequestTooLarge {
        /// Most bytes allowed.
        limit: usize,
    },
}

/// One virtqueue: plain state, with the rings themselves in guest RAM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Largest size offered; a power of two.
    pub max_size: u16,
    /// Size the driver chose.
    pub size: u16,
    /// Whether the driver has set the queue up.
    pub ready: bool,
    /// Guest-physical address of the descriptor table.
    pub table: u64,
    /// Guest-physical address of the ring the driver writes.
    pub avail: u64,
    /// Guest-physical address of the ring the device writes.
    pub used: u64,
    pub(super) indirect: bool,
    pub(super) event_idx: bool,
    next_avail: u16,
    next_used: u16,
    /// `next_used` when the driver was last considered for an interrupt.
    signalled: u16,
    chains_left: u16,
    bytes_left: u64,
    /// A turn ended with requests left over.
    starved: bool,
}

impl Queue {
    /// A queue the driver has not set up yet.
    pub fn new(max_size: u16) -> Self {
        Self {
            max_size,
            size: max_size,
            ready: false,
            table: 0,
            avail: 0,
            used: 0,
            indirect: false,
            event_idx: false,
            next_avail: 0,
            next_used: 0,
            signalled: 0,
            chains_left: 0,
            bytes_left: 0,
            starved: false,
        }
    }

    /// Checks what the driver set up and makes the queue ready, starting at index 0.
    pub fn enable(&mut self, ram: &Ram) -> Result<(), QueueError> {
        if !self.size.is_power_of_two() || self.size > self.max_size {
            return Err(QueueError::Size {
                size: self.size,
                max: self.max_size,
            });
        }
        let parts = [
            (self.table, 16, u64::from(self.size) * DESC_SIZE),
            (self.avail, 2, self.avail_ring().bytes()),
            (self.used, 4, self.used_ring().bytes()),
        ];
        for (addr, align, len) in parts {
            if !addr.is_multiple_of(align) {
                return Err(QueueError::Alignment { addr, align });
            }
            ram.host_ptr(addr, len)?;
        }
        (self.next_avail, self.next_used, self.signalled) = (0, 0, 0);
        self.ready = true;
        Ok(())
    }

    /// Starts a turn: a bounded number of chains may be popped until the next one.
    pub fn begin_turn(&mut self) {
        self.chains_left = self.size;
        self.bytes_left = BYTES_PER_TURN;
    }

    /// Whether a turn ended before the requests did: the queue must be looked at again without being notified.
    pub fn starved(&self) -> bool {
        self.starved
    }

    /// The same, and forgets it.
    pub fn take_starved(&mut self) -> bool {
        std::mem::take(&mut self.starved)
    }

    /// Whether the driver has made a chain available. If not, asks to be notified of the next one.
    pub fn has_next(&mut self, ram: &mut Ram) -> Result<bool, QueueError> {
        if !self.ready {
            return Ok(false);
        }
        let index = self.avail_ring().idx(ram)?;
        let waiting = index.wrapping_sub(self.next_avail);
        if waiting > self.size {
            return Err(QueueError::AvailableIndex {
                index,
                expected: self.next_avail,
            });
        }
        if waiting == 0 && self.event_idx {
            self.used_ring().set_avail_event(ram, self.next_avail)?;
        }
        Ok(waiting != 0)
    }

    /// Whether this turn allows another chain. If not, there will be another turn soon.
    pub fn may_pop(&mut self) -> bool {
        let over = self.chains_left == 0 || self.bytes_left == 0;
        self.starved |= over;
        !over
    }

    /// Takes the next chain, if there is one and this turn is not over.
    pub fn pop(&mut self, ram: &mut Ram) -> Result<Option<Chain>, QueueError> {
        if !self.has_next(ram)? {
            return Ok(None);
        }
        if !self.may_pop() {
            return Ok(None);
        }
        let head = self.avail_ring().head(ram, self.next_avail)?;
        let table = Table::new_checked(ram, self.table, u64::from(self.size))?;
        let limits = Limits {
            indirect: self.indirect,
            descriptors: self.max_size,
        };
        let chain = Chain::parse(ram, table, head, limits)?;
        self.chains_left -= 1;
        self.bytes_left = self.bytes_left.saturating_sub(chain.total());
        self.next_avail = self.next_avail.wrapping_add(1);
        Ok(Some(chain))
    }

    /// Gives the chain with head `head` back to the driver, `written` bytes of it written.
    pub fn push(&mut self, ram: &mut Ram, head: u16, written: u32) -> Result<(), QueueError> {
        let used = self.used_ring();
        used.set(ram, self.next_used, head, written)?;
        self.next_used = self.next_used.wrapping_add(1);
        used.set_idx(ram, self.next_used)?;
        Ok(())
    }

    /// Whether chains given back since the last call call for an interrupt.
    pub fn take_interrupt(&mut self, ram: &Ram) -> Result<bool, QueueError> {
        let (old, new) = (self.signalled, self.next_used);
        if !self.ready || old == new {
            return Ok(false);
        }
        self.signalled = new;
        if self.event_idx {
            let event = self.avail_ring().used_event(ram)?;
            // Whether `event` is in `old .. new`, all modulo 2^16 (chapter 2.7.10.1).
            Ok(new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old))
        } else {
            Ok(!self.avail_ring().no_interrupt(ram)?)
        }
    }

    fn avail_ring(&self) -> AvailRing {
        AvailRing {
            addr: self.avail,
            size: self.size,
        }
    }

    fn used_ring(&self) -> UsedRing {
        UsedRing {
            addr: self.used,
            size: self.size,
        }
    }
}

/// Takes up to 64 chains from a queue of 16 whose rings and buffers are `memory`, and answers each. For fuzzing: whatever
/// the bytes, this ends, touches nothing outside, and returns a value.
pub fn exercise(memory: &[u8]) -> Result<u64, QueueError> {
    const BASE: u64 = 0x8000_0000;
    const SIZE: u64 = 0x4000;
    let Ok(mut ram) = Ram::new(BASE, SIZE) else {
        return Ok(0);
    };
    let memory = &memory[..memory.len().min(SIZE as usize)];
    ram.write(BASE, memory)?;
    let mut queue = Queue::new(16);
    (queue.table, queue.avail, queue.used) = (BASE, BASE + 0x100, BASE + 0x140);
    queue.indirect = memory.first().is_some_and(|byte| byte & 1 != 0);
    queue.event_idx = memory.get(1).is_some_and(|byte| byte & 1 != 0);
    queue.enable(&ram)?;
    let mut moved = 0;
    for _ in 0..4 {
        queue.begin_turn();
        while let Some(chain) = queue.pop(&mut ram)? {
            let mut reader = chain.reader();
            let mut writer = chain.writer();
            let mut tail = writer.split_tail(1);
            while let Some(bytes) = reader.next_slice(&ram, 512)? {
                moved += bytes.len() as u64;
            }
            while let Some(room) = writer.next_slice(&mut ram, 512)? {
                room.fill(moved as u8);
                moved += room.len() as u64;
            }
            if let Some(tail) = &mut tail {
                tail.write_all(&mut ram, &[0])?;
            }
            queue.push(&mut ram, chain.head, writer.written())?;
        }
        queue.take_interrupt(&ram)?;
    }
    Ok(moved)
}
