//! Compiled code that is given back, and code whose source is written but stays what it is.

use tabvisor::engine::GcConfig;
use tabvisor::engine::tiered::JitStats;
use tabvisor::jit::gc::Mode;
use tabvisor::machine::{Exit, Image, MachineConfig};

use crate::engines::Engine;
use crate::harness::{Guest, READY, bare, linux};

/// Instructions by hand; registers are numbers.
mod code {
    pub fn addi(rd: u32, rs1: u32, imm: i32) -> u32 {
        (imm as u32) << 20 | rs1 << 15 | rd << 7 | 0x13
    }
    pub fn lui(rd: u32, imm: u32) -> u32 {
        imm << 12 | rd << 7 | 0x37
    }
    pub fn xor(rd: u32, rs1: u32, rs2: u32) -> u32 {
        rs2 << 20 | rs1 << 15 | 4 << 12 | rd << 7 | 0x33
    }
    pub fn auipc(rd: u32) -> u32 {
        rd << 7 | 0x17
    }
    pub fn lw(rd: u32, rs1: u32, imm: i32) -> u32 {
        (imm as u32) << 20 | rs1 << 15 | 2 << 12 | rd << 7 | 0x03
    }
    pub fn sw(rs2: u32, rs1: u32, imm: i32) -> u32 {
        let imm = imm as u32;
        (imm >> 5 & 0x7f) << 25 | rs2 << 20 | rs1 << 15 | 2 << 12 | (imm & 31) << 7 | 0x23
    }
    pub fn jalr(rd: u32, rs1: u32) -> u32 {
        rs1 << 15 | rd << 7 | 0x67
    }
    pub fn bne(rs1: u32, rs2: u32, offset: i32) -> u32 {
        let offset = offset as u32;
        let high = (offset >> 12 & 1) << 31 | (offset >> 5 & 0x3f) << 25;
        let low = (offset >> 1 & 15) << 8 | (offset >> 11 & 1) << 7;
        high | rs2 << 20 | rs1 << 15 | 1 << 12 | low | 0x63
    }
    pub const FENCE_I: u32 = 0x100f;
}
use code::*;

const X1: u32 = 1;
/// Where the function is.
const FUNCTION: u32 = 10;
/// How often it is called still.
const LEFT: u32 = 11;
const SUM: u32 = 12;
const NEW: u32 = 13;
const TOGGLE: u32 = 14;
const T: u32 = 15;

/// Firmware that calls a function, in a page of its own, a thousand times, and does something between two calls. The
/// function goes round a loop 150 times and adds a step to the sum each time. At the end the firmware powers off: in order if
/// the sum is `sum`.
fn firmware(between: &[u32], sum: u32) -> MachineConfig {
    const STEP: i32 = 3;
    let mut words = vec![
        auipc(FUNCTION),
        lui(T, 1),
        // The function's page follows.
        0x33 | T << 20 | FUNCTION << 15 | FUNCTION << 7,
        addi(LEFT, 0, 1000),
        // Instructions to be written in place of the step, and the difference of the two.
        lw(NEW, FUNCTION, 0x100),
        lw(TOGGLE, FUNCTION, 0x104),
    ];
    let start = words.len();
    words.push(jalr(X1, FUNCTION));
    words.extend_from_slice(between);
    words.push(addi(LEFT, LEFT, -1));
    words.push(bne(LEFT, 0, (start as i32 - words.len() as i32) * 4));
    let finish = [
        lui(X1, (sum + 0x800) >> 12),
        addi(X1, X1, (sum << 20) as i32 >> 20),
        xor(SUM, SUM, X1),
        lui(X1, 0x5),
        addi(X1, X1, 0x555),
        lui(T, 0x100),
        // Pass if the sum is right; else fail.
        bne(SUM, 0, 12),
        sw(X1, T, 0),
        0x6f,
        lui(X1, 0x13),
        addi(X1, X1, 0x333),
        sw(X1, T, 0),
        0x6f,
    ];
    words.extend(finish);
    let add = |step| addi(SUM, SUM, step);
    let function = [
        addi(T, 0, 150),
        add(STEP),
        addi(T, T, -1),
        bne(T, 0, -8),
        jalr(0, X1),
    ];
    words.resize(0x400, 0);
    words.extend(function);
    words.resize(0x400 + 0x40, 0);
    words.extend([add(STEP + 2), add(STEP) ^ add(STEP + 2)]);
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    MachineConfig {
        bios: Some(Image::new("firmware", bytes)),
        ..bare(16, 1)
    }
}

/// Runs it to its end with this collector.
fn run(words: &str, config: MachineConfig) -> JitStats {
    let mut guest = Guest::start(Engine::Jit, with(words, config));
    assert_eq!(guest.until_exit(), Exit::PowerOff);
    guest.machine.stats().jit.unwrap()
}

fn with(words: &str, mut config: MachineConfig) -> MachineConfig {
    config.engine.gc = GcConfig::parse(words).unwrap();
    config.engine.synchronous = true;
    config
}

/// Data beside the function is written after each call.
#[test]
fn code_beside_data_is_revived_when_the_data_changes() {
    let between = [sw(LEFT, FUNCTION, 0x200)];
    let config = || firmware(&between, 1000 * 150 * 3);
    let kept = run("", config());
    // A region may go round a few times before it sees that.
    assert!(kept.gc.revived > 100, "{kept:?}");
    assert!(kept.compiled < 10, "{kept:?}");
    let simple = run("simple", config());
    assert!(simple.compiled > 100 && simple.gc.revived == 0, "{simple:?}");
    assert!(simple.gc.recompiled > 100, "{simple:?}");
}

/// The function's step is rewritten after each call, to and fro: the code of the other must never run.
#[test]
fn changed_code_never_runs_and_code_that_comes_back_is_known() {
    let between = [sw(NEW, FUNCTION, 4), xor(NEW, NEW, TOGGLE), FENCE_I];
    for words in ["", "simple", "off", "budget=1"] {
        let stats = run(words, firmware(&between, 500 * 150 * 3 + 500 * 150 * 5));
        match GcConfig::parse(words).unwrap().mode {
            Mode::Generational => {
                assert!(stats.gc.revived > 900 && stats.compiled < 12, "{stats:?}");
            }
            Mode::Simple | Mode::Off => assert!(stats.compiled > 300, "{stats:?}"),
        }
    }
}

/// A boot after a reboot finds most of its code compiled, though all memory was zero between.
#[test]
fn a_reboot_revives_what_the_first_boot_has_compiled() {
    let compiled = |words: &str| {
        let mut guest = Guest::start(Engine::Jit, with(words, linux(1)));
        guest.expect(READY);
        guest.expect("# ");
        let first = guest.machine.stats().jit.unwrap();
        guest.type_line("reboot -f");
        assert_eq!(guest.until_exit(), Exit::Reset);
        guest.machine.reset().unwrap();
        guest.expect(READY);
        guest.expect("# ");
        let both = guest.machine.stats().jit.unwrap();
        (both.compiled - first.compiled, both.gc)
    };
    let (again, gc) = compiled("");
    let (simple, _) = compiled("simple");
    println!(
        "compiled in the second boot: {again} regions, {} revived; without revival {simple}",
        gc.revived
    );
    assert!(again * 2 <= simple, "{again} of {simple}");
}

/// Without room for code, and without anybody who makes some, the rest is interpreted; with little room, cold code goes.
#[test]
fn a_guest_goes_on_without_room_for_code() {
    for words in ["off,budget=1", "budget=1", "simple,budget=1"] {
        let mut guest = Guest::start(Engine::Jit, with(words, linux(1)));
        guest.expect(READY);
        guest.expect("# ");
        let stats = guest.machine.stats().jit.unwrap();
        match words {
            "off,budget=1" => assert!(stats.refused > 0 && stats.gc.freed == 0, "{stats:?}"),
            _ => assert!(stats.gc.freed > 1000, "{stats:?}"),
        }
        assert!(stats.code_bytes <= 4 << 20, "{words}: {stats:?}");
        guest.type_line("poweroff -f");
        assert_eq!(guest.until_exit(), Exit::PowerOff);
    }
}
