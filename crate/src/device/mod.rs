//! The board's devices. A device is handed RAM and the time; it knows no engine and no host.

pub mod clint;
pub mod finisher;
pub mod plic;
pub mod rtc;
#[cfg(test)]
mod testing;
pub mod uart;
pub mod virtio;

use crate::mem::Ram;

/// What a device may touch while it handles an access or a poll.
#[derive(Debug)]
pub struct DeviceContext<'a> {
    /// Guest RAM, for DMA.
    pub ram: &'a mut Ram,
    /// Nanoseconds of guest time since power-on.
    pub now_ns: u64,
}

/// An access the device does not answer: wrong size, or no register there. The hart takes an access fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no register at offset {offset:#x} for an access of {size} bytes")]
pub struct AccessFault {
    /// Offset from the start of the device's window.
    pub offset: u64,
    /// Bytes accessed.
    pub size: u8,
}

/// A device with memory-mapped registers.
pub trait MmioDevice {
    /// Reads `size` (1, 2, 4 or 8) bytes at `offset`, zero-extended. Offsets are below the window's length.
    fn read(&mut self, offset: u64, size: u8, cx: &mut DeviceContext<'_>) -> Result<u64, AccessFault>;

    /// Writes the low `size` bytes of `value` at `offset`.
    fn write(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
        cx: &mut DeviceContext<'_>,
    ) -> Result<(), AccessFault>;

    /// Level of the device's interrupt line.
    fn interrupt(&self) -> bool {
        false
    }
}
