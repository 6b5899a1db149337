//! Dirty pages under both engines, of a program whose stores are known; and what memory takes of the host.

use super::*;
use crate::engine::tiered::TierConfig;
use crate::engine::{Engine, EngineConfig};
use crate::machine::{Clock, Exit, Image, MachineConfig, MachineError};
use crate::mem::HugePages;

/// Where the program's data begins.
const DATA: u64 = 0x8010_0000;
const PAGE: u64 = 4096;

/// Stores to pages 0 to 5 of its data in every way there is, and loads from page 6, for ever.
const PROGRAM: &[u32] = &[
    0x0010_0297, // auipc t0, 0x100
    0x0000_1637, // lui a2, 1
    0x00c2_83b3, // add t2, t0, a2
    0x00c3_8433, // add s0, t2, a2
    0x00c4_0533, // add a0, s0, a2
    0x00c5_05b3, // add a1, a0, a2
    0x00c5_85b3, // add a1, a1, a2
    0x00c5_86b3, // add a3, a1, a2
    // loop:
    0x0062_b023, // sd t1, 0(t0)
    0x0063_b02f, // amoadd.d zero, t1, (t2)
    0x0044_200f, // cbo.zero (s0)
    0x1005_34af, // lr.d s1, (a0)
    0x1865_34af, // sc.d s1, t1, (a0)
    0xfe65_be23, // sd t1, -4(a1)
    0x0006_b703, // ld a4, 0(a3)
    0x0013_0313, // addi t1, t1, 1
    0xfe1f_f06f, // j loop
];

fn config(engine: Engine, memory_bytes: u64) -> MachineConfig {
    let code: Vec<u8> = PROGRAM.iter().flat_map(|word| word.to_le_bytes()).collect();
    MachineConfig {
        memory_bytes,
        harts: 1,
        numa: 1,
        huge_pages: HugePages::Off,
        bios: Some(Image::new("program", code)),
        kernel: None,
        initrd: None,
        append: String::new(),
        disks: Vec::new(),
        shares: Vec::new(),
        net: None,
        entropy: Box::new(|bytes| bytes.fill(0)),
        engine: EngineConfig {
            tiers: TierConfig {
                quick_arrivals: Some(100),
                retry_arrivals: Some(100),
                ..TierConfig::default()
            },
            synchronous: true,
            ..engine.into()
        },
        clock: Clock::Virtual {
            ns_per_instruction: 10,
        },
        epoch_ns: 0,
    }
}

fn every_page() -> Vec<u64> {
    (0..6).map(|page| DATA + page * PAGE).collect()
}

#[test]
fn every_kind_of_store_makes_its_page_dirty() {
    for engine in [Engine::Interp, Engine::Jit] {
        let mut machine = Machine::new(config(engine, 4 << 20)).unwrap();
        assert_eq!(machine.run(100_000), Exit::Budget);
        assert_eq!(machine.take_dirty_pages().count(), 0, "nobody has asked yet");
        machine.track_dirty_pages();
        for _ in 0..3 {
            assert_eq!(machine.run(1000), Exit::Budget);
            let dirty: Vec<_> = machine.take_dirty_pages().collect();
            assert_eq!(dirty, every_page(), "{engine:?}");
        }
        assert_eq!(machine.take_dirty_pages().count(), 0, "it has not run since");
        machine.stop_tracking_dirty_pages();
        machine.run(1000);
        assert_eq!(machine.take_dirty_pages().count(), 0);
        assert_eq!(machine.stats().jit.is_some(), engine == Engine::Jit);
        assert!(machine.stats().jit.is_none_or(|jit| jit.instructions > 50_000));
    }
}

#[test]
fn code_that_is_overwritten_while_tracked_is_seen_twice() {
    let mut machine = Machine::new(config(Engine::Jit, 4 << 20)).unwrap();
    machine.run(10_000);
    machine.track_dirty_pages();
    // addi t1, t1, 1 becomes addi t1, t1, 0, as a device would write it.
    machine
        .board
        .ram
        .write_u32(crate::machine::map::RAM_BASE + 15 * 4, 0x0003_0313)
        .unwrap();
    assert_eq!(
        machine.take_dirty_pages().next(),
        Some(crate::machine::map::RAM_BASE)
    );
    machine.run(1000);
    let counted = machine.ram().read_u64(DATA);
    machine.run(1000);
    assert_eq!(machine.ram().read_u64(DATA), counted);
}

#[cfg(target_os = "linux")]
#[test]
fn memory_that_is_not_used_takes_nothing() {
    let mut machine = Machine::new(config(Engine::Interp, 4 << 30)).unwrap();
    machine.run(10_000);
    let used = machine.memory_use().ram_in_use_bytes;
    assert!((8 * PAGE..64 * PAGE).contains(&used), "{used} bytes");
    machine.reset().unwrap();
    let used = machine.memory_use().ram_in_use_bytes;
    assert!((PAGE..16 * PAGE).contains(&used), "{used} bytes");
}

#[cfg(target_os = "linux")]
#[test]
fn zero_pages_go_back_and_come_again() {
    let mut machine = Machine::new(config(Engine::Jit, 64 << 20)).unwrap();
    let far = DATA + (16 << 20);
    machine.board.ram.slice_mut(far, 100 * PAGE).unwrap().fill(1);
    machine.board.ram.slice_mut(far, 99 * PAGE).unwrap().fill(0);
    machine.run(10_000);
    let before = machine.memory_use();
    // Pages 2 and 5 of the program's data are zero too: of the count that lies across 4 and 5, 5 has the upper half.
    machine.trim_memory(1000);
    let after = machine.memory_use();
    let given = after.ram_trimmed_bytes;
    assert!((101 * PAGE..110 * PAGE).contains(&given), "{given}");
    assert_eq!(after.ram_in_use_bytes, before.ram_in_use_bytes - given);
    // Both the program, by the permission it has still, and a device find zeroes there and can write.
    machine.run(10_000);
    assert_eq!(machine.ram().read_u64(DATA + 2 * PAGE), Ok(0));
    machine.board.ram.write_u64(far, 5).unwrap();
    assert_eq!(machine.ram().read_u64(far), Ok(5));
    assert_eq!(machine.ram().read_u8(far + 99 * PAGE), Ok(1));
}

#[test]
fn nodes_need_harts_and_memory() {
    let refusal = |numa, harts, memory| {
        let config = MachineConfig {
            numa,
            harts,
            ..config(Engine::Interp, memory)
        };
        Machine::new(config).unwrap_err()
    };
    for (numa, harts) in [(0, 1), (2, 1), (9, 8), (usize::MAX, 4)] {
        let error = refusal(numa, harts, 64 << 20);
        assert!(matches!(error, MachineError::BadNodes { .. }), "{error}");
        assert!(
            error.to_string().contains("give fewer nodes or more harts"),
            "{error}"
        );
    }
    let error = refusal(4, 4, 7 << 20);
    assert!(error.to_string().contains("too few for 4 nodes"), "{error}");
}

#[test]
fn many_addresses_are_translated_in_their_order() {
    let machine = Machine::new(config(Engine::Interp, 1 << 20)).unwrap();
    let addresses: Vec<u64> = (0..1000_u64)
        .map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .collect();
    let translate =
        |hart, limit| futures::executor::block_on(machine.translate_many(hart, &addresses, limit));
    // The hart has no page table yet.
    let same: Vec<_> = addresses.iter().map(|&vaddr| Some(vaddr)).collect();
    assert_eq!(translate(0, 4), Some(same.clone()));
    assert_eq!(translate(0, 0), Some(same));
    assert_eq!(translate(1, 4), None);
}
