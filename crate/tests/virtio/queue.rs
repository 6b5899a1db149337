//! Rings as hostile as they come: the device asks for a reset, and nothing else happens.

use proptest::prelude::*;
use tabvisor::device::virtio::queue::exercise;
use tabvisor::device::virtio::{Console, Rng};

use crate::driver::*;

fn rng(without: u64) -> Driver {
    Driver::without(Rng::new(Box::new(|into| into.fill(0xa5))), without)
}

/// Lets `spoil` prepare a ring whose head 0 is then offered, and expects the device to give up on it.
fn refused(what: &str, without: u64, spoil: impl FnOnce(&mut Driver)) {
    let mut driver = rng(without);
    spoil(&mut driver);
    driver.offer(0, 0);
    driver.notify(0);
    assert!(driver.needs_reset(), "{what}");
    assert_eq!(driver.interrupts(), 2, "{what}");
    assert_eq!(driver.used(0), None, "{what}");
    driver.notify(0);
    driver.poll();
    driver.start(F_EVENT_IDX);
    assert!(!driver.needs_reset());
    assert_eq!(
        driver.submit(0, &[(DATA, 8, true)]),
        8,
        "{what}: works after a reset"
    );
}

#[test]
fn malformed_chains_need_a_reset() {
    refused("loop of one", 0, |d| d.descriptor(0, 0, DATA, 4, WRITE | NEXT, 0));
    refused("loop of two", 0, |d| {
        d.descriptor(0, 0, DATA, 4, WRITE | NEXT, 1);
        d.descriptor(0, 1, DATA, 4, WRITE | NEXT, 0);
    });
    refused("loop of empty buffers", 0, |d| {
        d.descriptor(0, 0, DATA, 0, WRITE | NEXT, 0);
    });
    refused("next past the end", 0, |d| {
        d.descriptor(0, 0, DATA, 4, WRITE | NEXT, QUEUE_SIZE);
    });
    refused("below RAM", 0, |d| d.descriptor(0, 0, BASE - 1, 4, WRITE, 0));
    refused("past RAM", 0, |d| {
        d.descriptor(0, 0, BASE + SIZE - 3, 4, WRITE, 0);
    });
    refused("address wraps", 0, |d| {
        d.descriptor(0, 0, u64::MAX - 1, 4, WRITE, 0);
    });
    refused("length of 4 GiB", 0, |d| {
        d.descriptor(0, 0, DATA, u32::MAX, WRITE, 0);
    });
    refused("readable after writable", 0, |d| {
        d.descriptor(0, 0, DATA, 4, WRITE | NEXT, 1);
        d.descriptor(0, 1, DATA, 4, 0, 0);
    });
    refused("more bytes than RAM", 0, |d| {
        d.descriptor(0, 0, BASE, SIZE as u32, NEXT, 1);
        d.descriptor(0, 1, BASE, 1, 0, 0);
    });
    refused("head past the end", 0, |d| d.offer(0, QUEUE_SIZE));
    refused("index jumps", 0, |d| {
        d.ram.write_u16(ring(0) + 0x4002, QUEUE_SIZE).unwrap();
    });
    refused("index goes back", 0, |d| {
        d.ram.write_u16(ring(0) + 0x4002, 0xfffe).unwrap();
    });
}

#[test]
fn malformed_indirect_tables_need_a_reset() {
    let table = DATA + 0x1000;
    refused("not negotiated", F_INDIRECT, |d| {
        d.descriptor(0, 0, table, 16, INDIRECT, 0);
    });
    for len in [0, 1, 15, 17, u32::MAX] {
        refused("length of table", 0, |d| {
            d.descriptor(0, 0, table, len, INDIRECT, 0);
        });
    }
    refused("table outside RAM", 0, |d| {
        d.descriptor(0, 0, BASE + SIZE - 16, 32, INDIRECT, 0);
    });
    refused("indirect with a successor", 0, |d| {
        d.descriptor(0, 0, table, 16, INDIRECT | NEXT, 1);
        put_descriptor(&mut d.ram, table, DATA, 4, WRITE, 0);
    });
    refused("indirect within indirect", 0, |d| {
        d.descriptor(0, 0, table, 16, INDIRECT, 0);
        put_descriptor(&mut d.ram, table, table, 16, INDIRECT, 0);
    });
    refused("next past the table", 0, |d| {
        d.descriptor(0, 0, table, 32, INDIRECT, 0);
        put_descriptor(&mut d.ram, table, DATA, 4, WRITE | NEXT, 2);
    });
    refused("loop within the table", 0, |d| {
        d.descriptor(0, 0, table, 32, INDIRECT, 0);
        put_descriptor(&mut d.ram, table, DATA, 4, WRITE | NEXT, 1);
        put_descriptor(&mut d.ram, table + 16, DATA, 4, WRITE | NEXT, 0);
    });
    refused("longer than the queue", 0, |d| {
        d.descriptor(0, 0, table, 16 * 65, INDIRECT, 0);
        for index in 0..65u16 {
            let more = if index < 64 { NEXT } else { 0 };
            put_descriptor(
                &mut d.ram,
                table + 16 * u64::from(index),
                DATA,
                4,
                WRITE | more,
                index + 1,
            );
        }
    });
}

#[test]
fn indirect_tables_work_alone_and_after_direct_buffers() {
    let mut driver = rng(F_EVENT_IDX);
    let table = DATA + 0x1000;
    put_descriptor(&mut driver.ram, table, DATA, 4, WRITE | NEXT, 2);
    put_descriptor(&mut driver.ram, table + 32, DATA + 8, 4, WRITE, 0);
    driver.descriptor(0, 0, table, 48, INDIRECT, 0);
    driver.offer(0, 0);
    driver.descriptor(0, 1, DATA + 16, 4, WRITE | NEXT, 2);
    driver.descriptor(0, 2, table, 48, INDIRECT | WRITE, 0);
    driver.offer(0, 1);
    driver.notify(0);
    assert_eq!((driver.used(0), driver.used(0)), (Some((0, 8)), Some((1, 12))));
    assert_eq!(driver.bytes(DATA + 4, 8), [0, 0, 0, 0, 0xa5, 0xa5, 0xa5, 0xa5]);
}

#[test]
fn indices_wrap_around() {
    let mut driver = rng(0);
    for round in 0..70_000u32 {
        let written = driver.submit(0, &[(DATA, 1 + round % 7, true)]);
        assert_eq!(written, 1 + round % 7);
    }
}

#[test]
fn interrupts_come_only_when_wanted() {
    // By flag.
    let mut driver = rng(F_EVENT_IDX);
    driver.ram.write_u16(ring(0) + 0x4000, 1).unwrap();
    driver.submit(0, &[(DATA, 1, true)]);
    assert_eq!(driver.interrupts(), 0);
    driver.ram.write_u16(ring(0) + 0x4000, 0).unwrap();
    driver.submit(0, &[(DATA, 1, true)]);
    assert_eq!(driver.interrupts(), 1);
    // By index: the third, whether it comes alone or in a batch, and not again until asked.
    let mut driver = rng(0);
    let used_event = ring(0) + 0x4004 + 2 * u64::from(QUEUE_SIZE);
    driver.ram.write_u16(used_event, 2).unwrap();
    for expected in [0, 0, 1, 0, 0] {
        driver.submit(0, &[(DATA, 1, true)]);
        assert_eq!(driver.interrupts(), expected);
    }
    driver.ram.write_u16(used_event, 6).unwrap();
    for _ in 0..4 {
        driver.add(0, &[(DATA, 1, true)]);
    }
    driver.notify(0);
    assert_eq!(driver.interrupts(), 1);
    // And the device asks to hear of the next buffer.
    let avail_event = ring(0) + 0x6004 + 8 * u64::from(QUEUE_SIZE);
    assert_eq!(driver.ram.read_u16(avail_event), Ok(9));
}

#[test]
fn a_buffer_over_the_rings_themselves_ends() {
    // The device's own writes change the available index while it works.
    let mut driver = Driver::new(Console::new(80, 25));
    for _ in 0..1000 {
        driver.device::<Console>().input(&[1; 64]);
        driver.add(0, &[(ring(0) + 0x4000, 64, true)]);
        driver.notify(0);
        driver.poll();
        if driver.needs_reset() {
            return;
        }
    }
    panic!("the driver's ring was overwritten with nonsense, which the device did not mind");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Descriptors of all sorts, mostly plausible: it ends, without a panic.
    #[test]
    fn any_memory_is_survived(
        flags in any::<[u8; 2]>(),
        table in prop::collection::vec(
            (prop_oneof![0x8000_0000u64..0x8000_4010, any::<u64>()],
             prop_oneof![0u32..64, (0u32..8).prop_map(|n| n * 16), any::<u32>()],
             prop_oneof![0u16..8, any::<u16>()],
             prop_oneof![0u16..17, any::<u16>()]), 16),
        avail in prop::collection::vec(prop_oneof![0u16..17, any::<u16>()], 18),
    ) {
        let mut memory = Vec::new();
        for (addr, len, flags, next) in table {
            memory.extend(addr.to_le_bytes());
            memory.extend(len.to_le_bytes());
            memory.extend(flags.to_le_bytes());
            memory.extend(next.to_le_bytes());
        }
        memory.extend(avail.iter().flat_map(|entry| entry.to_le_bytes()));
        memory[0] = flags[0];
        memory[1] = flags[1];
        let _ = exercise(&memory);
    }
}
