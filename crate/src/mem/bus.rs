//! What a hart sees of the machine around it.

use super::Ram;

/// Nothing answers at a guest-physical address, or not for that size: the hart takes an access fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing answers at guest-physical {addr:#x}")]
pub struct BusFault {
    /// Guest-physical address.
    pub addr: u64,
}

/// The machine around a hart: RAM, devices and time.
pub trait Bus {
    /// Guest RAM.
    fn ram(&self) -> &Ram;
    /// Guest RAM, to be written.
    fn ram_mut(&mut self) -> &mut Ram;
    /// Reads `size` (1, 2, 4 or 8) bytes from a device, zero-extended.
    fn mmio_read(&mut self, addr: u64, size: u8) -> Result<u64, BusFault>;
    /// Writes the low `size` bytes of `value` to a device.
    fn mmio_write(&mut self, addr: u64, size: u8, value: u64) -> Result<(), BusFault>;
    /// The `mtime` counter.
    fn mtime(&mut self) -> u64;
}
