use tabvisor::device::virtio::Rng;

use crate::driver::*;

#[test]
fn fills_what_the_driver_offers() {
    let mut next = 0u8;
    let mut driver = Driver::new(Rng::new(Box::new(move |into| {
        for byte in into {
            next = next.wrapping_add(1);
            *byte = next;
        }
    })));
    assert_eq!(driver.submit(0, &[(DATA, 3, true), (DATA + 100, 2, true)]), 5);
    assert_eq!(driver.bytes(DATA, 4), [1, 2, 3, 0]);
    assert_eq!(driver.bytes(DATA + 100, 3), [4, 5, 0]);
    assert_eq!(driver.interrupts(), 1);
    // More than it gives at once; none at all; nothing to write.
    assert_eq!(driver.submit(0, &[(DATA, 0x10_0000, true)]), 64 << 10);
    assert_eq!(driver.submit(0, &[(DATA, 4, false)]), 0);
    assert_eq!(driver.submit(0, &[(DATA, 0, true)]), 0);
}
