//! How the devices' unit tests reach registers.

use super::{AccessFault, DeviceContext, MmioDevice};
use crate::mem::{PAGE_SIZE, Ram};

fn with_context<T>(now_ns: u64, access: impl FnOnce(&mut DeviceContext<'_>) -> T) -> T {
    let mut ram = Ram::new(0x8000_0000, PAGE_SIZE).expect("a page of RAM");
    access(&mut DeviceContext {
        ram: &mut ram,
        now_ns,
    })
}

/// Reads a register of a device that needs no RAM.
pub fn read(device: &mut dyn MmioDevice, offset: u64, size: u8, now_ns: u64) -> Result<u64, AccessFault> {
    with_context(now_ns, |cx| device.read(offset, size, cx))
}

/// Writes a register of a device that needs no RAM.
pub fn write(
    device: &mut dyn MmioDevice,
    offset: u64,
    size: u8,
    value: u64,
    now_ns: u64,
) -> Result<(), AccessFault> {
    with_context(now_ns, |cx| device.write(offset, size, value, cx))
}
