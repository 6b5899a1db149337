use tabvisor::device::virtio::{Balloon, balloon};

use crate::driver::*;

const PAGES: u64 = BASE + 0x30_0000;

fn pages_left(driver: &Driver) -> Vec<u64> {
    (0..8)
        .filter(|page| driver.ram.read_u8(PAGES + page * 4096) == Ok(7))
        .collect()
}

fn balloon() -> Driver {
    let mut driver = Driver::new(Balloon::new());
    driver.ram.slice_mut(PAGES, 8 * 4096).unwrap().fill(7);
    driver
}

#[test]
fn inflating_gives_pages_back() {
    let mut driver = balloon();
    driver.device::<Balloon>().set_target(3 * 4096);
    driver.poll();
    assert_eq!((driver.interrupts(), driver.get(0x100)), (2, 3));
    let first = (PAGES / 4096) as u32;
    // In any order, twice, and with some that are not RAM at all.
    for (i, page) in [first + 5, first + 1, first + 2, first + 1, 0, u32::MAX]
        .into_iter()
        .enumerate()
    {
        driver.ram.write_u32(DATA + 4 * i as u64, page).unwrap();
    }
    assert_eq!(driver.submit(0, &[(DATA, 4 * 6, false)]), 0);
    assert_eq!(pages_left(&driver), [0, 3, 4, 6, 7]);
    assert!(driver.write(0x104, 4, 3));
    assert_eq!(driver.device::<Balloon>().actual(), 3 * 4096);
    assert_eq!(driver.submit(1, &[(DATA, 8, false)]), 0);
    assert!(!driver.needs_reset());
    driver.add(0, &[(DATA, 0x10_0004, false)]);
    driver.notify(0);
    assert!(driver.needs_reset(), "a list longer than memory is nonsense");
}

#[test]
fn free_pages_are_taken_as_reported() {
    let mut driver = balloon();
    driver.submit(3, &[(PAGES, 4096, true), (PAGES + 3 * 4096, 2 * 4096, true)]);
    assert_eq!(pages_left(&driver), [1, 2, 5, 6, 7]);
    assert_eq!(driver.device::<Balloon>().reported(), 3 * 4096);
    // Without the statistics queue, reporting takes its number.
    let mut driver = Driver::without(Balloon::new(), F_EVENT_IDX | balloon::F_STATS);
    driver.ram.slice_mut(PAGES, 8 * 4096).unwrap().fill(7);
    driver.submit(2, &[(PAGES, 4096, true)]);
    assert_eq!(pages_left(&driver), [1, 2, 3, 4, 5, 6, 7]);
    driver.submit(3, &[(PAGES + 4096, 4096, true)]);
    assert_eq!(pages_left(&driver), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn statistics_come_when_asked_for() {
    let mut driver = balloon();
    driver.ram.write_u16(DATA, 4).unwrap();
    driver.ram.write_u64(DATA + 2, 123_456).unwrap();
    driver.add(2, &[(DATA, 15, false)]);
    driver.notify(2);
    assert_eq!(driver.used(2), None, "the device keeps the request");
    assert_eq!(driver.device::<Balloon>().stats().get(&4), Some(&123_456));
    driver.poll();
    assert_eq!(driver.used(2), None);
    driver.device::<Balloon>().request_stats();
    driver.poll();
    assert_eq!(driver.used(2), Some((0, 0)));
    assert_eq!(driver.interrupts(), 1);
    // Two at once: the first goes straight back.
    driver.add(2, &[(DATA, 10, false)]);
    driver.add(2, &[(DATA, 0, false)]);
    driver.notify(2);
    assert_eq!((driver.used(2), driver.used(2)), (Some((1, 0)), None));
    assert!(driver.device::<Balloon>().stats().is_empty());
}
