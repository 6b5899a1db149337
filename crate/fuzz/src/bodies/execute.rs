//! Random code on a small machine: it runs for the instructions it is given, twice alike, and comes back.

use tabvisor::machine::{Clock, Exit, Image, Machine, MachineConfig, Stats};
use tabvisor::mem::HugePages;
use tabvisor::storage::MemoryDisk;

use super::Input;

const MEMORY: u64 = 4 << 20;
/// Instructions for each call of `run`, and how many calls.
const SLICE: u64 = 400;
const SLICES: usize = 4;

/// First byte: how to start ([`image`]); then code.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let mode = input.u8();
    let (first, second) = (execute(mode, input.0), execute(mode, input.0));
    assert_eq!(first, second, "the same machine ran differently");
}

fn execute(mode: u8, code: &[u8]) -> Option<(Vec<Exit>, Stats, Vec<u8>)> {
    let image = Some(Image::new("code", image(mode, code)));
    let firmware = mode & 1 != 0;
    let mut seed = 0u8;
    let config = MachineConfig {
        memory_bytes: MEMORY,
        harts: if mode & 2 != 0 { 2 } else { 1 },
        numa: 1,
        huge_pages: HugePages::Auto,
        bios: if firmware { image.clone() } else { None },
        kernel: if firmware { None } else { image },
        initrd: None,
        append: String::new(),
        disks: vec![Box::new(MemoryDisk::blank(1 << 16))],
        shares: Vec::new(),
        net: None,
        entropy: Box::new(move |into| {
            for byte in into {
                seed = seed.wrapping_mul(5).wrapping_add(1);
                *byte = seed;
            }
        }),
        engine: tabvisor::engine::Engine::Interp.into(),
        clock: Clock::Virtual {
            ns_per_instruction: 100,
        },
        epoch_ns: 0,
    };
    // Code that looks like an image which cannot be loaded is the business of another target.
    let mut machine = Machine::new(config).ok()?;
    let mut exits = Vec::new();
    for slice in 0..SLICES {
        let exit = machine.run(SLICE);
        let over = matches!(exit, Exit::PowerOff | Exit::Failed { .. });
        if exit == Exit::Reset {
            machine.reset().expect("it started before");
        }
        exits.push(exit);
        if over {
            break;
        }
        machine.console_input(&[b'a' + slice as u8; 3]);
        machine.console_resize(80, slice as u16);
    }
    let stats = machine.stats();
    let most = 2 * (SLICES as u64 * SLICE + 1000);
    assert!(stats.instructions <= most, "{} instructions", stats.instructions);
    Some((exits, stats, machine.take_console_output()))
}

/// The image: the code as it is, or (bit 2) after a [`prologue`]. With bit 3 as well, supervisor code runs under Sv39,
/// through a page table in the page that follows the prologue's.
fn image(mode: u8, code: &[u8]) -> Vec<u8> {
    if mode & 4 == 0 {
        return code.to_vec();
    }
    let machine_mode = mode & 1 != 0;
    let paged = mode & 8 != 0 && !machine_mode;
    let mut words = prologue(machine_mode);
    if paged {
        // satp = 8 << 60 | (page number of this code + 1)
        words.extend([
            auipc(T6),
            0x00cf_df93, // srli t6, t6, 12
            addi(T6, 1),
            0x0010_0f13, // li   t5, 1
            0x03ff_1f13, // slli t5, t5, 63
            0x01ef_efb3, // or   t6, t6, t5
            csrw(0x180, T6),
        ]);
        // Goes on in the page after the next.
        let distance = 0x2000 - 4 * words.len() as u32;
        words.push(
            (distance >> 12 & 0xff) << 12 | (distance >> 11 & 1) << 20 | (distance >> 1 & 0x3ff) << 21 | 0x6f,
        );
    }
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    if paged {
        bytes.resize(0x1000, 0);
        for gigabyte in 0..4u64 {
            // Mapped at its own address: valid, readable, writable, executable, accessed, dirty.
            bytes.extend((gigabyte << 28 | 0xcf).to_le_bytes());
        }
        bytes.resize(0x2000, 0);
    }
    bytes.extend_from_slice(code);
    bytes
}

const T6: u32 = 31;

fn csrw(csr: u32, source: u32) -> u32 {
    csr << 20 | source << 15 | 1 << 12 | 0x73
}

fn csrr(destination: u32, csr: u32) -> u32 {
    csr << 20 | 2 << 12 | destination << 7 | 0x73
}

fn lui(register: u32, value: u32) -> u32 {
    value & 0xffff_f000 | register << 7 | 0x37
}

fn auipc(register: u32) -> u32 {
    register << 7 | 0x17
}

fn addi(register: u32, value: u32) -> u32 {
    (value & 0xfff) << 20 | register << 15 | register << 7 | 0x13
}

/// Instructions that set a trap handler which goes on after whatever trapped, and point registers at memory and
/// devices, so that more than the first instruction of random code is executed.
fn prologue(machine_mode: bool) -> Vec<u32> {
    let (tvec, epc, ret) = if machine_mode {
        (0x305, 0x341, 0x3020_0073)
    } else {
        (0x105, 0x141, 0x1020_0073)
    };
    let mut words = vec![
        0x0140_006f, // j over the handler
        csrr(T6, epc),
        addi(T6, 4),
        csrw(epc, T6),
        ret,
        auipc(T6),
        addi(T6, -0x10i32 as u32),
        csrw(tvec, T6),
    ];
    // Registers that compressed loads and stores reach: devices (two of virtio, UART, PLIC, CLINT, clock) and memory.
    let devices = [
        0x1000_1000,
        0x1000_2000,
        0x1000_0000,
        0x0c20_0000,
        0x0200_0000,
        0x0010_1000,
    ];
    words.extend(
        (8..)
            .zip(devices)
            .map(|(register, address)| lui(register, address)),
    );
    words.extend([auipc(2), auipc(14), auipc(15)]);
    words
}
