use tabvisor::device::virtio::Console;

use crate::driver::*;

#[test]
fn input_waits_for_buffers_and_fills_them() {
    let mut driver = Driver::cold(Console::new(80, 25));
    assert!(!driver.device::<Console>().has_driver());
    driver.start(F_EVENT_IDX);
    assert!(driver.device::<Console>().has_driver());
    assert_eq!(driver.device::<Console>().input(b"hello world"), 11);
    driver.poll();
    assert_eq!(driver.interrupts(), 0);
    driver.add(0, &[(DATA, 5, true)]);
    driver.add(0, &[(DATA + 16, 16, true)]);
    driver.notify(0);
    assert_eq!((driver.used(0), driver.used(0)), (Some((0, 5)), Some((1, 6))));
    assert_eq!(driver.bytes(DATA, 5), b"hello");
    assert_eq!(driver.bytes(DATA + 16, 6), b" world");
    assert_eq!(driver.interrupts(), 1);
    driver.add(0, &[(DATA, 5, true)]);
    driver.notify(0);
    assert_eq!(driver.used(0), None);
    driver.device::<Console>().input(b"!");
    driver.poll();
    assert_eq!(driver.used(0), Some((2, 1)));
}

#[test]
fn output_is_collected_and_held_back_when_nobody_takes_it() {
    let mut driver = Driver::new(Console::new(80, 25));
    driver.ram.write(DATA, b"uname -m\n").unwrap();
    assert!(!driver.device::<Console>().has_spoken());
    driver.submit(1, &[(DATA, 5, false), (DATA + 5, 4, false)]);
    assert!(driver.device::<Console>().has_spoken());
    assert_eq!(driver.device::<Console>().take_output(), b"uname -m\n");
    for _ in 0..3 {
        driver.add(1, &[(DATA, 0x8_0000, false)]);
    }
    driver.notify(1);
    assert!(driver.used(1).is_some() && driver.used(1).is_some() && driver.used(1).is_none());
    assert_eq!(driver.device::<Console>().take_output().len(), 0x10_0000);
    driver.poll();
    assert!(driver.used(1).is_some());
    // One write larger than the host will ever hold is the driver's error.
    driver.add(1, &[(DATA, 0x10_0001, false)]);
    driver.poll();
    driver.device::<Console>().take_output();
    driver.poll();
    assert!(driver.needs_reset());
}

#[test]
fn a_resize_interrupts_once() {
    let mut driver = Driver::new(Console::new(80, 25));
    let generation = driver.get(0xfc);
    driver.device::<Console>().resize(132, 43);
    driver.poll();
    assert_eq!(driver.interrupts(), 2);
    assert_ne!(driver.get(0xfc), generation);
    assert_eq!(
        (driver.read(0x100, 2), driver.read(0x102, 2)),
        (Some(132), Some(43))
    );
    driver.device::<Console>().resize(132, 43);
    driver.poll();
    assert_eq!(driver.interrupts(), 0);
}

#[test]
fn endless_input_is_bounded() {
    let mut driver = Driver::new(Console::new(80, 25));
    let console = driver.device::<Console>();
    assert_eq!(console.input(&vec![0; 3 << 20]), 1 << 20);
    assert_eq!(console.input(b"x"), 0);
}
