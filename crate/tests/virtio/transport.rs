use tabvisor::device::virtio::{Console, Rng, VirtioMmio};

use crate::driver::*;

fn rng() -> Rng {
    Rng::new(Box::new(|into| into.fill(0xa5)))
}

#[test]
fn an_empty_slot_has_device_id_zero() {
    let mut driver = Driver::cold(rng());
    driver.slot = VirtioMmio::empty();
    assert_eq!((driver.get(0), driver.get(4), driver.get(8)), (0x7472_6976, 2, 0));
    driver.set(0x70, 1);
    assert_eq!(driver.get(0x70), 0);
    driver.notify(0);
    driver.poll();
    assert_eq!(driver.slot.next_deadline(), None);
}

#[test]
fn registers_are_32_bits_wide_and_config_any() {
    let mut driver = Driver::cold(Console::new(80, 25));
    assert_eq!(driver.read(0, 8), None);
    assert_eq!(driver.read(1, 1), None);
    assert_eq!(driver.read(2, 4), None);
    assert!(!driver.write(0x70, 1, 1));
    assert_eq!(driver.read(0x100, 2), Some(80));
    assert_eq!(driver.read(0x102, 1), Some(25));
    assert_eq!(driver.read(0x100, 8), Some(1 << 32 | 25 << 16 | 80));
    assert_eq!(driver.read(0xff8, 8), Some(0));
    assert_eq!((driver.get(0xb0), driver.get(0xb4)), (u32::MAX, u32::MAX));
}

#[test]
fn features_must_be_offered_and_modern() {
    let mut driver = Driver::cold(rng());
    let offered = driver.features();
    assert_eq!(offered, F_VERSION_1 | F_INDIRECT | F_EVENT_IDX);
    for bad in [offered & !F_VERSION_1, offered | 1 << 40, offered | 1] {
        driver.set(0x70, 0);
        driver.set(0x70, 3);
        driver.accept(bad);
        driver.set(0x70, 3 | 8);
        assert_eq!(driver.get(0x70), 3, "{bad:#x}");
        driver.set(0x70, 3 | 8 | 4);
        assert_eq!(driver.get(0x70), 3, "{bad:#x}");
    }
    driver.start(0);
    driver.accept(0);
    assert!(!driver.needs_reset(), "features cannot change once agreed");
}

#[test]
fn badly_placed_queues_need_a_reset() {
    let good = [
        (0x38, 16u32),
        (0x80, 0x8001_0000),
        (0x90, 0x8002_0000),
        (0xa0, 0x8003_0000),
    ];
    let set_up = |bad: Option<(u64, u32)>| {
        let mut driver = Driver::cold(rng());
        driver.set(0x70, 3);
        driver.accept(F_VERSION_1);
        driver.set(0x70, 3 | 8);
        for (register, value) in good.into_iter().chain(bad) {
            driver.set(register, value);
        }
        driver.set(0x44, 1);
        (driver.needs_reset(), driver.get(0x44))
    };
    assert_eq!(set_up(None), (false, 1));
    for bad in [
        (0x38, 0),
        (0x38, 15),
        (0x38, 128),
        (0x38, 0x10010),
        (0x80, 0x8001_0008),
        (0x80, 0x7fff_fff0),
        (0x84, 1),
        (0x90, 0x8002_0001),
        (0x90, 0x8040_0000 - 4),
        (0xa0, 0x8003_0002),
        (0xa4, u32::MAX),
    ] {
        assert_eq!(set_up(Some(bad)), (true, 0), "{bad:x?}");
    }
}

#[test]
fn reset_returns_to_power_on() {
    let mut driver = Driver::new(rng());
    driver.submit(0, &[(DATA, 16, true)]);
    assert_eq!(driver.get(0x60), 1);
    driver.set(0x70, 0);
    assert_eq!((driver.get(0x70), driver.get(0x44), driver.get(0x60)), (0, 0, 0));
    driver.notify(0);
    driver.start(0);
    assert_eq!(driver.submit(0, &[(DATA, 16, true)]), 16);
}

#[test]
fn selecting_queues_that_are_not_there() {
    let mut driver = Driver::new(rng());
    for queue in [1, 7, u32::MAX] {
        driver.set(0x30, queue);
        assert_eq!((driver.get(0x34), driver.get(0x44)), (0, 0));
        driver.set(0x38, 4);
        driver.set(0x44, 1);
        driver.set(0x50, queue);
    }
    assert!(!driver.needs_reset());
}

#[test]
fn buffers_offered_before_the_driver_is_ready_are_served() {
    let mut driver = Driver::cold(rng());
    driver.set(0x70, 3);
    driver.accept(F_VERSION_1);
    driver.set(0x70, 3 | 8);
    driver.set_up(0, QUEUE_SIZE.into());
    driver.descriptor(0, 0, DATA, 5, WRITE, 0);
    driver.offer(0, 0);
    driver.notify(0);
    assert_eq!(driver.ram.read_u8(DATA), Ok(0));
    driver.set(0x70, 3 | 8 | 4);
    assert_eq!(driver.ram.read_u8(DATA), Ok(0xa5));
}
