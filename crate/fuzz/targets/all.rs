//! What the fuzz targets do with their bytes. Also run by `cargo test` over the seeds, without libFuzzer.
//!
//! None of it may panic, hang, or take memory without bound; what it returns is of no interest.

#![allow(dead_code, reason = "each target uses one of these")]

use tabvisor::device::virtio::{Balloon, Blk, Console, Net, P9, Rng, VirtioDevice, VirtioMmio};
use tabvisor::device::virtio::{p9 as p9_device, queue};
use tabvisor::device::{DeviceContext, MmioDevice};
use tabvisor::isa::riscv::decode::decode;
use tabvisor::machine::device_tree::{self, BoardShape, Mmu};
use tabvisor::machine::image::{Image, Loader};
use tabvisor::machine::map;
use tabvisor::mem::Ram;
use tabvisor::net::NetBackend;
use tabvisor::storage::MemoryDisk;
use tabvisor::storage::fs::MemoryFs;

/// Instructions, one after another.
pub fn decoder(data: &[u8]) {
    for word in data.as_chunks::<4>().0 {
        let insn = decode(u32::from_le_bytes(*word));
        assert!(!format!("{insn:?}").is_empty());
    }
}

/// A kernel or firmware file: ELF, Linux Image, compressed or raw.
pub fn image(data: &[u8]) {
    let Ok(mut ram) = Ram::new(map::RAM_BASE, 32 << 20) else {
        return;
    };
    let image = Image::new("fuzz", data);
    let _ = Loader::new(&mut ram).kernel(&image);
    let _ = Loader::new(&mut ram).firmware(&image);
}

/// All that is loaded before power-on, of sizes and with a command line made of the bytes, and the device tree for it.
pub fn boot(data: &[u8]) {
    let Some((&[size, harts, kernel, mmu], rest)) = data.split_first_chunk::<4>() else {
        return;
    };
    let ram_size = (u64::from(size) + 1) << 16;
    let Ok(mut ram) = Ram::new(map::RAM_BASE, ram_size) else {
        return;
    };
    let (kernel, rest) = rest.split_at(usize::from(kernel).min(rest.len()));
    let append = String::from_utf8_lossy(&rest[..rest.len().min(64)]).into_owned();
    let mut loader = Loader::new(&mut ram);
    if kernel.is_empty() || loader.kernel(&Image::new("kernel", kernel)).is_err() {
        return;
    }
    let initrd = loader.initrd(&Image::new("initrd", rest)).ok();
    let shape = BoardShape {
        harts: usize::from(harts % 9),
        ram_base: map::RAM_BASE,
        ram_size,
        mmu: [Mmu::Sv39, Mmu::Sv48, Mmu::Sv57][usize::from(mmu % 3)],
        virtio_slots: 0..usize::from(mmu % 9),
        append: &append,
        initrd,
        rng_seed: None,
    };
    if let Ok(tree) = device_tree::build(&shape) {
        let _ = loader.device_tree(&tree);
    }
}

/// Guest memory with a virtqueue in it.
pub fn virtqueue(data: &[u8]) {
    let _ = queue::exercise(data);
}

/// 9p messages, each after its length.
pub fn p9(data: &[u8]) {
    p9_device::exercise(data);
}

/// A network that gives back what it is sent.
#[derive(Debug, Default)]
struct Echo(Vec<Vec<u8>>);

impl NetBackend for Echo {
    fn send(&mut self, frame: &[u8]) {
        self.0.push(frame.to_vec());
    }
    fn receive(&mut self) -> Option<Vec<u8>> {
        self.0.pop()
    }
    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0, 1]
    }
}

/// A device (by the first byte), its driver's memory, and then register accesses: four bytes each.
pub fn virtio(data: &[u8]) {
    const MEMORY: usize = 0x1000;
    let Some((&kind, rest)) = data.split_first() else {
        return;
    };
    let files = MemoryFs::new(1 << 20);
    let blk = || Blk::new(Box::new(MemoryDisk::blank(1 << 16)), "fuzz");
    let share = || P9::new("fuzz", Box::new(files), 0);
    let device: Box<dyn VirtioDevice> = match kind % 6 {
        0 => Box::new(Rng::new(Box::new(|into| into.fill(1)))),
        1 => Box::new(Console::new(80, 25)),
        2 => Box::new(Net::new(Box::new(Echo::default()))),
        3 => Box::new(Balloon::new()),
        4 => Box::new(blk().expect("64 KiB are whole sectors")),
        _ => Box::new(share().expect("the tag is short")),
    };
    let mut slot = VirtioMmio::new(device);
    let Ok(mut ram) = Ram::new(map::RAM_BASE, 0x4000) else {
        return;
    };
    let (memory, accesses) = rest.split_at(rest.len().min(MEMORY));
    ram.write(map::RAM_BASE, memory).expect("it is smaller than RAM");
    let mut cx = DeviceContext {
        ram: &mut ram,
        now_ns: 0,
    };
    start(&mut slot, &mut cx);
    for access in accesses.as_chunks::<4>().0 {
        let [action, register, low, high] = *access;
        let (offset, value) = (u64::from(register) * 2, u64::from(low) | u64::from(high) << 24);
        match action % 4 {
            0 => drop(slot.write(offset, 4, value, &mut cx)),
            1 => drop(slot.read(offset, 1 << (high % 4), &mut cx)),
            2 => drop(slot.write(0x50, 4, u64::from(low % 5), &mut cx)),
            _ => {
                if let Some(console) = slot.device_mut::<Console>() {
                    console.input(&[low, high]);
                    console.take_output();
                }
                slot.poll(&mut cx);
            }
        }
    }
}

/// Sets all queues up in the first page of RAM, a quarter of it each, with all features accepted.
fn start(slot: &mut VirtioMmio, cx: &mut DeviceContext<'_>) {
    // No register refuses an aligned access of four bytes.
    fn set(slot: &mut VirtioMmio, cx: &mut DeviceContext<'_>, register: u64, value: u64) {
        slot.write(register, 4, value, cx).expect("aligned");
    }
    set(slot, cx, 0x70, 3);
    for select in [0, 1] {
        set(slot, cx, 0x14, select);
        set(slot, cx, 0x24, select);
        let offered = slot.read(0x10, 4, cx).expect("aligned");
        set(slot, cx, 0x20, offered);
    }
    set(slot, cx, 0x70, 3 | 8);
    for queue in 0..4 {
        let base = map::RAM_BASE + 0x400 * queue;
        set(slot, cx, 0x30, queue);
        set(slot, cx, 0x38, 16);
        for (register, addr) in [(0x80, base), (0x90, base + 0x100), (0xa0, base + 0x180)] {
            set(slot, cx, register, addr & 0xffff_ffff);
            set(slot, cx, register + 4, addr >> 32);
        }
        set(slot, cx, 0x44, 1);
    }
    set(slot, cx, 0x70, 3 | 8 | 4);
}
