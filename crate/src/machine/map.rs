//! The board's physical memory and interrupt lines, in one table.
//!
//! ```text
//! 0010_0000  test finisher            power off, reset, exit code
//! 0010_1000  Goldfish RTC             PLIC source 11
//! 0200_0000  CLINT                    software and timer interrupts of each hart
//! 0c00_0000  PLIC                     external interrupts of each hart
//! 1000_0000  NS16550A UART            PLIC source 10
//! 1000_1000  virtio-mmio slot 0       PLIC source 1
//!   ...      one page a slot            ...
//! 1000_8000  virtio-mmio slot 7       PLIC source 8
//! 8000_0000  RAM                      firmware, then from 8020_0000 the kernel
//! ```
//!
//! Addresses and lines are those of QEMU's `virt` machine, so what was built for it runs unchanged.

/// A device's registers in guest-physical memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First byte.
    pub base: u64,
    /// Length in bytes.
    pub size: u64,
}

impl Window {
    const fn new(base: u64, size: u64) -> Self {
        Self { base, size }
    }

    /// Offset of `addr` from the start of the window, if it lies inside.
    #[inline]
    pub const fn offset(self, addr: u64) -> Option<u64> {
        let offset = addr.wrapping_sub(self.base);
        if offset < self.size { Some(offset) } else { None }
    }
}

/// Test finisher.
pub const FINISHER: Window = Window::new(0x0010_0000, 0x1000);
/// Goldfish real-time clock.
pub const RTC: Window = Window::new(0x0010_1000, 0x1000);
/// Core-local interruptor.
pub const CLINT: Window = Window::new(0x0200_0000, 0x1_0000);
/// Platform-level interrupt controller.
pub const PLIC: Window = Window::new(0x0c00_0000, 0x60_0000);
/// Serial port.
pub const UART: Window = Window::new(0x1000_0000, 0x100);
/// Start of RAM.
pub const RAM_BASE: u64 = 0x8000_0000;

/// Where M-mode firmware is loaded.
pub const FIRMWARE: u64 = RAM_BASE;
/// Where a kernel that does not say otherwise is loaded: above 2 MiB of room for the firmware.
pub const KERNEL: u64 = RAM_BASE + 0x20_0000;

/// PLIC source of the serial port.
pub const UART_IRQ: u32 = 10;
/// PLIC source of the real-time clock.
pub const RTC_IRQ: u32 = 11;

/// Number of virtio-mmio slots.
pub const VIRTIO_SLOTS: usize = 8;

/// Registers of a virtio-mmio slot.
pub const fn virtio(slot: usize) -> Window {
    Window::new(0x1000_1000 + slot as u64 * 0x1000, 0x1000)
}

/// PLIC source of a virtio-mmio slot.
pub const fn virtio_irq(slot: usize) -> u32 {
    1 + slot as u32
}

/// Frequency of `mtime` and of the `time` CSR.
pub const TIMEBASE_HZ: u32 = 10_000_000;
/// Input clock of the serial port, from which drivers compute the divisor.
pub const UART_CLOCK_HZ: u32 = 3_686_400;
/// Bytes that `cbo.*` instructions act on.
pub const CACHE_BLOCK: u32 = crate::isa::riscv::CACHE_BLOCK as u32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_do_not_overlap() {
        let mut windows = vec![FINISHER, RTC, CLINT, PLIC, UART];
        windows.extend((0..VIRTIO_SLOTS).map(virtio));
        windows.push(Window::new(RAM_BASE, 1 << 30));
        windows.sort_by_key(|window| window.base);
        for pair in windows.windows(2) {
            assert!(pair[0].base + pair[0].size <= pair[1].base, "{pair:?}");
        }
        assert_eq!(UART.offset(UART.base + 0x100), None);
        assert_eq!(PLIC.offset(PLIC.base + 4), Some(4));
    }
}
