//! Every virtio device behind its transport: any register access, with rings and buffers of any content.

use std::collections::VecDeque;

use tabvisor::device::virtio::mmio::WINDOW;
use tabvisor::device::virtio::{Balloon, Blk, Console, Net, P9, Rng, VirtioDevice, VirtioMmio};
use tabvisor::device::{DeviceContext, MmioDevice};
use tabvisor::mem::Ram;
use tabvisor::net::NetBackend;
use tabvisor::storage::MemoryDisk;
use tabvisor::storage::fs::MemoryFs;

use super::Input;

const BASE: u64 = 0x8000_0000;
const SIZE: u64 = 0x2_0000;
/// Where [`Fuzzed::start`] puts queue 0's rings; those of others follow, each [`QUEUE`] further.
const RINGS: u64 = BASE + 0x1000;
const QUEUE: u64 = 0x400;
const QUEUE_SIZE: u16 = 16;
/// Where chains have their buffers.
const DATA: u64 = BASE + 0x8000;

/// First byte: which device; then one action after another.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let kind = input.u8();
    let mut fuzzed = Fuzzed {
        ram: Ram::new(BASE, SIZE).expect("128 KiB"),
        slot: VirtioMmio::new(device(kind % 6)),
        now_ns: 0,
        next: [0; 4],
    };
    // Otherwise the driver's part of the set-up is the fuzzer's to find as well.
    if kind & 0x80 == 0 {
        fuzzed.start(if kind & 0x40 == 0 { u64::MAX } else { input.u64() });
    }
    while !input.is_empty() {
        fuzzed.act(&mut input);
    }
    fuzzed.slot.reset();
}

fn device(kind: u8) -> Box<dyn VirtioDevice> {
    match kind {
        0 => {
            let disk = Box::new(MemoryDisk::blank(0x8000));
            Box::new(Blk::new(disk, "fuzz").expect("64 sectors"))
        }
        1 => Box::new(Console::new(80, 24)),
        2 => Box::new(Rng::new(Box::new(|into| into.fill(0x5a)))),
        3 => {
            let files = MemoryFs::new(0x4000);
            files.write_file("directory/file", b"contents").expect("it fits");
            Box::new(P9::new("fuzz", Box::new(files), 0).expect("a good tag"))
        }
        4 => Box::new(Net::new(Box::new(Echo::default()))),
        _ => Box::new(Balloon::new()),
    }
}

/// A cable whose far end sends every frame back.
#[derive(Debug, Default)]
struct Echo(VecDeque<Vec<u8>>);

impl NetBackend for Echo {
    fn send(&mut self, frame: &[u8]) {
        if self.0.len() < 16 {
            self.0.push_back(frame.to_vec());
        }
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        self.0.pop_front()
    }

    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0, 1]
    }
}

struct Fuzzed {
    ram: Ram,
    slot: VirtioMmio,
    now_ns: u64,
    /// Next free descriptor of each queue.
    next: [u16; 4],
}

impl Fuzzed {
    fn read(&mut self, offset: u64, size: u8) -> u64 {
        let mut cx = DeviceContext {
            ram: &mut self.ram,
            now_ns: self.now_ns,
        };
        // No register there is a right answer.
        self.slot.read(offset, size, &mut cx).unwrap_or(0)
    }

    fn write(&mut self, offset: u64, size: u8, value: u64) {
        let mut cx = DeviceContext {
            ram: &mut self.ram,
            now_ns: self.now_ns,
        };
        let _ = self.slot.write(offset, size, value, &mut cx);
    }

    fn set(&mut self, offset: u64, value: u32) {
        self.write(offset, 4, value.into());
    }

    /// What a driver does first: accept those features of `wanted` that there are, set the queues up, be ready.
    fn start(&mut self, wanted: u64) {
        self.set(0x70, 0);
        self.set(0x70, 3);
        for half in 0..2 {
            self.set(0x14, half);
            self.set(0x24, half);
            let offered = self.read(0x10, 4) as u32;
            self.set(0x20, offered & (wanted >> (32 * half)) as u32);
        }
        self.set(0x70, 11);
        for queue in 0..4 {
            self.set(0x30, queue);
            self.set(0x38, QUEUE_SIZE.into());
            let table = ring(queue as usize);
            for (register, address) in [(0x80, table), (0x90, table + 0x100), (0xa0, table + 0x200)] {
                self.set(register, address as u32);
                self.set(register + 4, (address >> 32) as u32);
            }
            self.set(0x44, 1);
        }
        self.set(0x70, 15);
        self.next = [0; 4];
    }

    fn act(&mut self, input: &mut Input<'_>) {
        let action = input.u8();
        let queue = usize::from(action >> 4 & 3);
        match action & 0xf {
            0 => drop(self.read(u64::from(input.u16()) % WINDOW, 1 << (action >> 4 & 3))),
            1 => {
                let offset = u64::from(input.u16()) % WINDOW;
                self.write(offset, 1 << (action >> 4 & 3), input.u64());
            }
            2 => self.set(u64::from(input.u8() & 0x3f) * 4, input.u32()),
            3 => self.set(u64::from(input.u8() & 0x3f) * 4, input.u8().into()),
            4 => {
                // Anywhere in memory, rings included.
                let at = BASE + u64::from(input.u16()) * 2;
                let length = input.u8().into();
                let bytes = input.bytes(length);
                let _ = self.ram.write(at, bytes);
            }
            5 => {
                self.now_ns = self.now_ns.saturating_add(input.u32().into());
                let mut cx = DeviceContext {
                    ram: &mut self.ram,
                    now_ns: self.now_ns,
                };
                self.slot.poll(&mut cx);
            }
            6 => self.start(input.u64()),
            7 => {
                if let Some(console) = self.slot.device_mut::<Console>() {
                    console.input(&[action; 9]);
                    console.resize(input.u8().into(), 1);
                    console.take_output();
                }
                if let Some(balloon) = self.slot.device_mut::<Balloon>() {
                    balloon.set_target(input.u32().into());
                }
            }
            8 => self.set(0x50, queue as u32),
            _ => self.offer(queue, action & 1 != 0, input),
        }
        let _ = self.slot.interrupt();
        if let Some(at) = self.slot.next_deadline() {
            self.now_ns = self.now_ns.max(at);
        }
    }

    /// Offers a chain of up to three buffers, the first with bytes of the fuzzer's, and notifies.
    fn offer(&mut self, queue: usize, wild: bool, input: &mut Input<'_>) {
        let length = input.u8().into();
        let bytes = input.bytes(length);
        let _ = self.ram.write(DATA, bytes);
        let shape = input.u8();
        let count = u16::from(shape & 3) + 1;
        let table = ring(queue);
        let head = self.next[queue] % QUEUE_SIZE;
        for position in 0..count {
            let index = (head + position) % QUEUE_SIZE;
            let writable = shape >> (4 + position.min(3)) & 1;
            let (mut address, mut size) = (DATA + 0x1000 * u64::from(position), 0x200);
            if position == 0 && !bytes.is_empty() {
                size = bytes.len() as u32;
            }
            let mut flags = u16::from(writable) << 1 | u16::from(position + 1 < count);
            if wild {
                address = address.wrapping_add_signed(input.u32().cast_signed().into());
                size = input.u32();
                flags ^= u16::from(input.u8() & 7);
            }
            let mut descriptor = address.to_le_bytes().to_vec();
            descriptor.extend(size.to_le_bytes());
            descriptor.extend(flags.to_le_bytes());
            descriptor.extend(((index + 1) % QUEUE_SIZE).to_le_bytes());
            let _ = self.ram.write(table + 16 * u64::from(index), &descriptor);
        }
        self.next[queue] = (head + count) % QUEUE_SIZE;
        let avail = table + 0x100;
        let idx = self.ram.read_u16(avail + 2).expect("in RAM");
        let _ = self
            .ram
            .write_u16(avail + 4 + 2 * u64::from(idx % QUEUE_SIZE), head);
        let _ = self.ram.write_u16(avail + 2, idx.wrapping_add(1));
        self.set(0x50, queue as u32);
    }
}

fn ring(queue: usize) -> u64 {
    RINGS + QUEUE * queue as u64
}
