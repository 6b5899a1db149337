//! Zero-copy views of a split virtqueue's three parts (virtio 1.2, chapter 2.7).
//!
//! Every accessor checks its range against RAM: whatever the guest wrote, the answer is a value or an error.

use crate::mem::{BadAddress, Ram};

/// The buffer goes on in the descriptor named by `next`.
pub const DESC_NEXT: u16 = 1;
/// The device writes the buffer; otherwise it reads it.
pub const DESC_WRITE: u16 = 2;
/// The buffer holds a table of descriptors.
pub const DESC_INDIRECT: u16 = 4;

/// Bytes of one descriptor.
pub const DESC_SIZE: u64 = 16;

/// One descriptor, parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// Guest-physical address of the buffer.
    pub addr: u64,
    /// Bytes in the buffer.
    pub len: u32,
    /// `DESC_*` bits.
    pub flags: u16,
    /// Index of the next descriptor, if [`DESC_NEXT`] is set.
    pub next: u16,
}

impl Descriptor {
    /// Whether all of `flag` is set.
    pub fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

/// A table of descriptors: the queue's own, or an indirect one.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    bytes: &'a [u8],
}

impl<'a> Table<'a> {
    /// The table of `count` descriptors at `addr`, which must lie wholly in RAM.
    pub fn new_checked(ram: &'a Ram, addr: u64, count: u64) -> Result<Self, BadAddress> {
        Ok(Self {
            bytes: ram.slice(addr, count * DESC_SIZE)?,
        })
    }

    /// Number of descriptors.
    pub fn count(&self) -> usize {
        self.bytes.len() / DESC_SIZE as usize
    }

    /// Descriptor `index`, unless it is past the end.
    pub fn get(&self, index: u16) -> Option<Descriptor> {
        let entry: &[u8; 16] = self.bytes.as_chunks::<16>().0.get(usize::from(index))?;
        let [a0, a1, a2, a3, a4, a5, a6, a7, l0, l1, l2, l3, f0, f1, n0, n1] = *entry;
        Some(Descriptor {
            addr: u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]),
            len: u32::from_le_bytes([l0, l1, l2, l3]),
            flags: u16::from_le_bytes([f0, f1]),
            next: u16::from_le_bytes([n0, n1]),
        })
    }
}

/// The ring the driver writes: `flags, idx, ring[size], used_event`, all 16 bits wide.
#[derive(Debug, Clone, Copy)]
pub struct AvailRing {
    /// Guest-physical address; even.
    pub addr: u64,
    /// Entries.
    pub size: u16,
}

impl AvailRing {
    /// Bytes from `flags` to `used_event`.
    pub fn bytes(self) -> u64 {
        6 + 2 * u64::from(self.size)
    }

    /// The driver asks for no interrupts (only meaningful without EVENT_IDX).
    pub fn no_interrupt(self, ram: &Ram) -> Result<bool, BadAddress> {
        Ok(ram.read_u16(self.addr)? & 1 != 0)
    }

    /// Where the driver will put its next entry.
    pub fn idx(self, ram: &Ram) -> Result<u16, BadAddress> {
        ram.read_u16(self.addr.wrapping_add(2))
    }

    /// Head of the chain in slot `position % size`.
    pub fn head(self, ram: &Ram, position: u16) -> Result<u16, BadAddress> {
        let slot = u64::from(position % self.size);
        ram.read_u16(self.addr.wrapping_add(4 + 2 * slot))
    }

    /// The used index after which the driver wants an interrupt (EVENT_IDX).
    pub fn used_event(self, ram: &Ram) -> Result<u16, BadAddress> {
        ram.read_u16(self.addr.wrapping_add(4 + 2 * u64::from(self.size)))
    }
}

/// The ring the device writes: `flags, idx, ring[size] of (id, len), avail_event`.
#[derive(Debug, Clone, Copy)]
pub struct UsedRing {
    /// Guest-physical address; a multiple of four.
    pub addr: u64,
    /// Entries.
    pub size: u16,
}

impl UsedRing {
    /// Bytes from `flags` to `avail_event`.
    pub fn bytes(self) -> u64 {
        6 + 8 * u64::from(self.size)
    }

    /// Writes the entry in slot `position % size`.
    pub fn set(self, ram: &mut Ram, position: u16, head: u16, written: u32) -> Result<(), BadAddress> {
        let slot = self.addr.wrapping_add(4 + 8 * u64::from(position % self.size));
        ram.write_u32(slot, u32::from(head))?;
        ram.write_u32(slot.wrapping_add(4), written)
    }

    /// Publishes the entries below `idx`.
    pub fn set_idx(self, ram: &mut Ram, idx: u16) -> Result<(), BadAddress> {
        ram.write_u16(self.addr.wrapping_add(2), idx)
    }

    /// The available index after which the device wants a notification (EVENT_IDX).
    pub fn set_avail_event(self, ram: &mut Ram, idx: u16) -> Result<(), BadAddress> {
        ram.write_u16(self.addr.wrapping_add(4 + 8 * u64::from(self.size)), idx)
    }
}
