//! The board's registers against those of QEMU's `virt` machine, access by access.
//!
//! QEMU's test protocol ("qtest") reads and writes device registers from outside. The machine is never started, so its
//! time stands still at zero; ours is given the same.

#![cfg(not(target_arch = "wasm32"))]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tabvisor::device::clint::Clint;
use tabvisor::device::plic::Plic;
use tabvisor::device::rtc::Rtc;
use tabvisor::device::uart::Uart;
use tabvisor::device::{DeviceContext, MmioDevice};
use tabvisor::machine::map::{self, Window};
use tabvisor::mem::{PAGE_SIZE, Ram};

const HARTS: usize = 2;
/// Start of the year 2020.
const EPOCH_NS: u64 = 1_577_836_800_000_000_000;

struct Qemu {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Qemu {
    fn start() -> Self {
        let mut process = Command::new("qemu-system-riscv64")
            .args([
                "-machine", "virt", "-smp", "2", "-S", "-display", "none", "-bios", "none",
            ])
            .args([
                "-serial",
                "null",
                "-monitor",
                "none",
                "-rtc",
                "base=2020-01-01T00:00:00,clock=vm",
            ])
            .args(["-qtest", "stdio", "-qtest-log", "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("qemu-system-riscv64 runs (Debian has it in qemu-system-misc)");
        let input = process.stdin.take().expect("a pipe");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        Self {
            process,
            input,
            output,
        }
    }

    /// Sends a command and returns the answer's value, if it has one.
    fn ask(&mut self, command: &str) -> Option<u64> {
        writeln!(self.input, "{command}").expect("QEMU listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("QEMU answers");
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("OK"), "{command}: {line}");
        let value = words.next()?.trim_start_matches("0x");
        Some(u64::from_str_radix(value, 16).expect("a hexadecimal number"))
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about it then.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn letter(size: u8) -> char {
    match size {
        1 => 'b',
        2 => 'w',
        4 => 'l',
        _ => 'q',
    }
}

/// Our devices, wired as on the board, with QEMU's beside them.
struct Boards {
    clint: Clint,
    plic: Plic,
    rtc: Rtc,
    uart: Uart,
    ram: Ram,
    qemu: Qemu,
    history: Vec<String>,
    random: u64,
}

impl Boards {
    fn new(seed: u64) -> Self {
        Self {
            clint: Clint::new(HARTS),
            plic: Plic::new(HARTS),
            rtc: Rtc::new(EPOCH_NS),
            uart: Uart::new(),
            ram: Ram::new(map::RAM_BASE, PAGE_SIZE).expect("a page"),
            qemu: Qemu::start(),
            history: Vec::new(),
            random: seed,
        }
    }

    /// Below `bound`: xorshift64*, so that a run can be repeated.
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % bound
    }

    fn access<T>(
        &mut self,
        addr: u64,
        access: impl FnOnce(&mut dyn MmioDevice, u64, &mut DeviceContext<'_>) -> T,
    ) -> T {
        let at = |window: Window| window.offset(addr);
        let devices: [(Option<u64>, &mut dyn MmioDevice); 4] = [
            (at(map::CLINT), &mut self.clint),
            (at(map::PLIC), &mut self.plic),
            (at(map::RTC), &mut self.rtc),
            (at(map::UART), &mut self.uart),
        ];
        let mut cx = DeviceContext {
            ram: &mut self.ram,
            now_ns: 0,
        };
        let (offset, device) = devices
            .into_iter()
            .find_map(|(offset, device)| Some((offset?, device)))
            .expect("a device");
        let result = access(device, offset, &mut cx);
        self.plic.set_level(map::UART_IRQ as usize, self.uart.interrupt());
        self.plic.set_level(map::RTC_IRQ as usize, self.rtc.interrupt());
        result
    }

    fn write(&mut self, addr: u64, size: u8, value: u64) {
        let command = format!("write{} {addr:#x} {value:#x}", letter(size));
        self.qemu.ask(&command);
        self.history.push(command);
        self.access(addr, |device, offset, cx| device.write(offset, size, value, cx))
            .expect("the register can be written");
    }

    /// Reads on both; the bits in `mask` must agree.
    fn read(&mut self, addr: u64, size: u8, mask: u64) -> u64 {
        let command = format!("read{} {addr:#x}", letter(size));
        let theirs = self.qemu.ask(&command).expect("a value");
        let ours = self
            .access(addr, |device, offset, cx| device.read(offset, size, cx))
            .expect("the register can be read");
        let last = &self.history[self.history.len().saturating_sub(30)..];
        assert_eq!(
            ours & mask,
            theirs & mask,
            "{command}: ours, then QEMU's, after {last:#?}"
        );
        self.history.push(command);
        ours
    }
}

const UART: u64 = map::UART.base;

#[test]
fn uart_registers_agree() {
    let mut boards = Boards::new(1);
    for register in 1..8 {
        boards.read(UART + register, 1, 0xff);
    }
    for _ in 0..20_000 {
        let value = boards.below(256);
        match boards.below(16) {
            // The modem interrupt stays off: QEMU leaves out the changes that loopback makes.
            0 => boards.write(UART + 1, 1, value & 0x07),
            // Trigger level one: above it QEMU waits four character times, and its clock stands still.
            1 => boards.write(UART + 2, 1, value & 0x0f),
            2 => boards.write(UART + 3, 1, value),
            // Mostly in loopback, where sent bytes are received.
            3 => boards.write(UART + 4, 1, value | if value & 0x60 != 0 { 0x10 } else { 0 }),
            4..8 => boards.write(UART, 1, value),
            8 => boards.write(UART + 7, 1, value),
            9 => boards.write(UART + 5 + (value & 1), 1, value),
            10..13 => {
                // What an empty receiver holds is nobody's business.
                let dlab = boards.read(UART + 3, 1, 0xff) & 0x80 != 0;
                if dlab || boards.read(UART + 5, 1, 0xff) & 1 != 0 {
                    boards.read(UART, 1, 0xff);
                }
            }
            13 => {
                boards.read(UART + 6, 1, 0xf0);
            }
            register => {
                boards.read(UART + 1 + (register + value) % 5, 1, 0xff);
            }
        }
    }
}

#[test]
fn rtc_registers_agree() {
    let mut boards = Boards::new(2);
    let mut low = EPOCH_NS;
    for _ in 0..20_000 {
        let offset = boards.below(8) * 4;
        if boards.below(2) == 0 {
            boards.read(map::RTC.base + offset, 4, u64::MAX);
            continue;
        }
        // Near the present, so that alarms lie on both sides of it.
        low = EPOCH_NS.wrapping_add(low.rotate_left(7) % (1 << 34));
        let value = match offset {
            0x04 | 0x0c => (low >> 32) + boards.below(3),
            _ => low & 0xffff_ffff,
        };
        boards.write(map::RTC.base + offset, 4, value);
    }
}

#[test]
fn clint_registers_agree() {
    let mut boards = Boards::new(3);
    // The specification leaves their reset values open; QEMU's, zero, raise the timer interrupts.
    for hart in 0..HARTS as u64 {
        boards.write(map::CLINT.base + 0x4000 + 8 * hart, 8, u64::MAX);
    }
    for _ in 0..10_000 {
        let hart = boards.below(HARTS as u64 + 1);
        let half = boards.below(2) * 4;
        let (offset, size) = match boards.below(4) {
            0 => (4 * hart, 4),
            1 => (0x4000 + 8 * hart, 8),
            2 => (0x4000 + 8 * hart + half, 4),
            _ => (0xbff8 + half, 4),
        };
        if boards.below(2) == 0 {
            boards.read(map::CLINT.base + offset, size, u64::MAX);
        } else {
            let value = boards.below(1 << 48).wrapping_mul(0x1_0001) >> (64 - 8 * u32::from(size));
            boards.write(map::CLINT.base + offset, size, value);
        }
    }
}

#[test]
fn plic_registers_agree() {
    let mut boards = Boards::new(4);
    for _ in 0..20_000 {
        let word = boards.below(3) * 4;
        let context = boards.below(2 * HARTS as u64);
        let (offset, limit, mask) = match boards.below(4) {
            0 => (4 * boards.below(96), 8, u64::MAX),
            1 => (0x1000 + word, 1, u64::MAX),
            // QEMU keeps the enable bit of source 0, which does not exist.
            2 => (
                0x2000 + 0x80 * context + word,
                1 << 32,
                if word == 0 { !1 } else { !0 },
            ),
            _ => (0x20_0000 + 0x1000 * context, 8, u64::MAX),
        };
        if offset == 0 {
            // Nor is there a priority for it.
        } else if boards.below(2) == 0 {
            boards.read(map::PLIC.base + offset, 4, mask);
        } else {
            let value = boards.below(limit);
            boards.write(map::PLIC.base + offset, 4, value);
        }
    }
}

/// An interrupt's way: raised by the UART, claimed, served, completed; from the highest priority to the lowest.
#[test]
fn interrupts_are_claimed_alike() {
    const PENDING: u64 = map::PLIC.base + 0x1000;
    const CLAIM_S1: u64 = map::PLIC.base + 0x20_3004;
    let mut boards = Boards::new(5);
    for rtc_priority in 1..=3 {
        boards.write(map::PLIC.base + 4 * u64::from(map::UART_IRQ), 4, 2);
        boards.write(map::PLIC.base + 4 * u64::from(map::RTC_IRQ), 4, rtc_priority);
        boards.write(map::PLIC.base + 0x2180, 4, 0xc00);
        // An alarm in the past rings at once; the transmitter is empty.
        boards.write(map::RTC.base + 0x10, 4, 1);
        boards.write(map::RTC.base + 0x08, 4, 0);
        boards.write(UART + 1, 1, 2);
        boards.read(PENDING, 4, u64::MAX);
        for _ in 0..2 {
            let source = boards.read(CLAIM_S1, 4, u64::MAX);
            assert!([10, 11].contains(&source));
            boards.read(PENDING, 4, u64::MAX);
            boards.read(UART + 2, 1, 0xff);
            boards.write(map::RTC.base + 0x1c, 4, 1);
            boards.write(CLAIM_S1, 4, source);
        }
        assert_eq!(boards.read(CLAIM_S1, 4, u64::MAX), 0);
        boards.write(UART + 1, 1, 0);
    }
}
