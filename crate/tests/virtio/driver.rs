//! A small driver: enough of virtio 1.2's driver side to set a device up, and to misuse it.

use tabvisor::device::virtio::{VirtioDevice, VirtioMmio};
use tabvisor::device::{DeviceContext, MmioDevice};
use tabvisor::mem::Ram;

pub const BASE: u64 = 0x8000_0000;
pub const SIZE: u64 = 0x40_0000;
/// Where tests may put buffers; rings live below.
pub const DATA: u64 = BASE + 0x20_0000;
pub const QUEUE_SIZE: u16 = 16;

pub const NEXT: u16 = 1;
pub const WRITE: u16 = 2;
pub const INDIRECT: u16 = 4;
pub const F_INDIRECT: u64 = 1 << 28;
pub const F_EVENT_IDX: u64 = 1 << 29;
pub const F_VERSION_1: u64 = 1 << 32;
pub const NEEDS_RESET: u32 = 64;

/// A buffer of a request: address, length, whether the device writes it.
pub type Buffer = (u64, u32, bool);

pub struct Driver {
    pub ram: Ram,
    pub slot: VirtioMmio,
    pub now_ns: u64,
    free: [u16; 8],
    seen: [u16; 8],
}

impl Driver {
    /// The device, untouched.
    pub fn cold(device: impl VirtioDevice) -> Self {
        let ram = Ram::new(BASE, SIZE).unwrap();
        Self {
            ram,
            slot: VirtioMmio::new(Box::new(device)),
            now_ns: 0,
            free: [0; 8],
            seen: [0; 8],
        }
    }

    /// The device set up with all features it offers, except those in `without`.
    pub fn without(device: impl VirtioDevice, without: u64) -> Self {
        let mut driver = Self::cold(device);
        driver.start(without);
        driver
    }

    /// The device set up without EVENT_IDX, so that every request interrupts.
    pub fn new(device: impl VirtioDevice) -> Self {
        Self::without(device, F_EVENT_IDX)
    }

    pub fn start(&mut self, without: u64) {
        self.set(0x70, 0);
        self.set(0x70, 1 | 2);
        let features = self.features() & !without;
        self.accept(features);
        self.set(0x70, 1 | 2 | 8);
        assert_eq!(self.get(0x70), 1 | 2 | 8, "features refused");
        for queue in 0..8 {
            self.set(0x30, queue);
            if self.get(0x34) != 0 {
                self.set_up(queue, QUEUE_SIZE.into());
                assert_eq!(self.get(0x44), 1, "queue {queue} not ready");
            }
        }
        self.set(0x70, 1 | 2 | 4 | 8);
        (self.free, self.seen) = ([0; 8], [0; 8]);
    }

    pub fn features(&mut self) -> u64 {
        self.set(0x14, 0);
        let low = self.get(0x10);
        self.set(0x14, 1);
        u64::from(self.get(0x10)) << 32 | u64::from(low)
    }

    pub fn accept(&mut self, features: u64) {
        self.set(0x24, 0);
        self.set(0x20, features as u32);
        self.set(0x24, 1);
        self.set(0x20, (features >> 32) as u32);
    }

    pub fn set_up(&mut self, queue: u32, size: u32) {
        let at = ring(queue as usize);
        self.ram.slice_mut(at, 0x8000).unwrap().fill(0);
        self.set(0x30, queue);
        self.set(0x38, size);
        for (register, addr) in [(0x80, at), (0x90, at + 0x4000), (0xa0, at + 0x6000)] {
            self.set(register, addr as u32);
            self.set(register + 4, (addr >> 32) as u32);
        }
        self.set(0x44, 1);
    }

    pub fn get(&mut self, offset: u64) -> u32 {
        self.read(offset, 4).unwrap() as u32
    }

    pub fn read(&mut self, offset: u64, size: u8) -> Option<u64> {
        let mut cx = DeviceContext {
            ram: &mut self.ram,
            now_ns: self.now_ns,
        };
        self.slot.read(offset, size, &mut cx).ok()
    }

    pub fn set(&mut self, offset: u64, value: u32) {
        assert!(self.write(offset, 4, value.into()));
    }

    pub fn write(&mut self, offset: u64, size: u8, value: u64) -> bool {
        let mut cx = DeviceContext {
            ram: &mut self.ram,
            now_ns: self.now_ns,
        };
        self.slot.write(offset, size, value, &mut cx).is_ok()
    }

    pub fn poll(&mut self) {
        let mut cx = DeviceContext {
            ram: &mut self.ram,
            now_ns: self.now_ns,
        };
        self.slot.poll(&mut cx);
    }

    pub fn device<T: VirtioDevice>(&mut self) -> &mut T {
        self.slot
            .device_mut()
            .expect("the slot holds this kind of device")
    }

    pub fn needs_reset(&mut self) -> bool {
        self.get(0x70) & NEEDS_RESET != 0
    }

    /// Takes and acknowledges the interrupt causes.
    pub fn interrupts(&mut self) -> u32 {
        let causes = self.get(0x60);
        assert_eq!(causes != 0, self.slot.interrupt());
        self.set(0x64, causes);
        causes
    }

    pub fn descriptor(&mut self, queue: usize, index: u16, addr: u64, len: u32, flags: u16, next: u16) {
        let at = ring(queue) + 16 * u64::from(index);
        put_descriptor(&mut self.ram, at, addr, len, flags, next);
    }

    /// Lays a chain out in the next free descriptors and makes it available, without notifying. Returns its head.
    pub fn add(&mut self, queue: usize, buffers: &[Buffer]) -> u16 {
        let head = self.free[queue];
        for (position, &(addr, len, write)) in buffers.iter().enumerate() {
            let index = self.free[queue];
            self.free[queue] = (index + 1) % QUEUE_SIZE;
            let more = position + 1 < buffers.len();
            let flags = if write { WRITE } else { 0 } | if more { NEXT } else { 0 };
            self.descriptor(queue, index, addr, len, flags, self.free[queue]);
        }
        self.offer(queue, head);
        head
    }

    /// Makes `head` available.
    pub fn offer(&mut self, queue: usize, head: u16) {
        let avail = ring(queue) + 0x4000;
        let idx = self.ram.read_u16(avail + 2).unwrap();
        self.ram
            .write_u16(avail + 4 + 2 * u64::from(idx % QUEUE_SIZE), head)
            .unwrap();
        self.ram.write_u16(avail + 2, idx.wrapping_add(1)).unwrap();
    }

    pub fn notify(&mut self, queue: usize) {
        self.set(0x50, queue as u32);
    }

    /// The next used entry (head, bytes written), if there is one.
    pub fn used(&mut self, queue: usize) -> Option<(u32, u32)> {
        let used = ring(queue) + 0x6000;
        let idx = self.ram.read_u16(used + 2).unwrap();
        if idx == self.seen[queue] {
            return None;
        }
        let slot = used + 4 + 8 * u64::from(self.seen[queue] % QUEUE_SIZE);
        self.seen[queue] = self.seen[queue].wrapping_add(1);
        Some((
            self.ram.read_u32(slot).unwrap(),
            self.ram.read_u32(slot + 4).unwrap(),
        ))
    }

    /// Adds, notifies, and returns the bytes written.
    pub fn submit(&mut self, queue: usize, buffers: &[Buffer]) -> u32 {
        let head = self.add(queue, buffers);
        self.notify(queue);
        let (used, written) = self.used(queue).expect("the device answers at once");
        assert_eq!(used, u32::from(head));
        written
    }

    pub fn bytes(&self, addr: u64, len: u64) -> Vec<u8> {
        self.ram.slice(addr, len).unwrap().to_vec()
    }
}

/// Where queue `queue`'s descriptor table is; its rings follow 0x4000 and 0x6000 further.
pub fn ring(queue: usize) -> u64 {
    BASE + 0x1_0000 + 0x8000 * queue as u64
}

pub fn put_descriptor(ram: &mut Ram, at: u64, addr: u64, len: u32, flags: u16, next: u16) {
    ram.write_u64(at, addr).unwrap();
    ram.write_u32(at + 8, len).unwrap();
    ram.write_u16(at + 12, flags).unwrap();
    ram.write_u16(at + 14, next).unwrap();
}
