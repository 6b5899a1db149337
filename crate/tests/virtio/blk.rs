use std::cell::Cell;
use std::rc::Rc;

use tabvisor::device::virtio::{Blk, blk};
use tabvisor::storage::{BlockBackend, BlockError, MemoryDisk};

use crate::driver::*;

const HEADER: u64 = DATA;
const STATUS: u64 = DATA + 0x100;
const BODY: u64 = DATA + 0x1000;
const SECTORS: u64 = 64;

fn disk() -> Driver {
    Driver::new(Blk::new(Box::new(MemoryDisk::blank(SECTORS * 512)), "tabvisor-1").unwrap())
}

/// Sends a request with data at `BODY`; returns the status and the bytes written.
fn request(driver: &mut Driver, kind: u32, sector: u64, len: u32, write: bool) -> (u8, u32) {
    driver.ram.write_u32(HEADER, kind).unwrap();
    driver.ram.write_u64(HEADER + 8, sector).unwrap();
    driver.ram.write_u8(STATUS, 0xff).unwrap();
    let written = driver.submit(0, &[(HEADER, 16, false), (BODY, len, write), (STATUS, 1, true)]);
    assert_eq!(driver.interrupts(), 1);
    (driver.ram.read_u8(STATUS).unwrap(), written)
}

#[test]
fn what_is_written_is_read_back() {
    let mut driver = disk();
    assert_eq!(driver.read(0x100, 8), Some(SECTORS));
    assert_eq!(driver.read(0x114, 4), Some(512));
    for (i, byte) in driver.ram.slice_mut(BODY, 1024).unwrap().iter_mut().enumerate() {
        *byte = i as u8 ^ 0x5a;
    }
    let sent = driver.bytes(BODY, 1024);
    assert_eq!(request(&mut driver, 1, 3, 1024, false), (0, 1));
    assert_eq!(request(&mut driver, 4, 0, 0, false), (0, 1));
    driver.ram.slice_mut(BODY, 1024).unwrap().fill(0);
    assert_eq!(request(&mut driver, 0, 3, 1024, true), (0, 1025));
    assert_eq!(driver.bytes(BODY, 1024), sent);
    assert_eq!(request(&mut driver, 8, 0, 20, true), (0, 21));
    assert_eq!(driver.bytes(BODY, 20), b"tabvisor-1\0\0\0\0\0\0\0\0\0\0");
}

#[test]
fn framing_is_the_drivers_choice() {
    let mut driver = disk();
    driver.ram.slice_mut(BODY, 512).unwrap().fill(9);
    driver.ram.write_u32(HEADER, 1).unwrap();
    driver.ram.write_u64(HEADER + 8, 1).unwrap();
    // Header in two pieces; data in uneven ones.
    let pieces = [
        (HEADER, 3, false),
        (HEADER + 3, 13, false),
        (BODY, 100, false),
        (BODY, 412, false),
        (STATUS, 1, true),
    ];
    assert_eq!(
        (driver.submit(0, &pieces), driver.ram.read_u8(STATUS)),
        (1, Ok(0))
    );
    driver.ram.write_u32(HEADER, 0).unwrap();
    // Data and status in one buffer.
    assert_eq!(
        driver.submit(0, &[(HEADER, 16, false), (BODY + 512, 513, true)]),
        513
    );
    assert_eq!(driver.bytes(BODY + 512, 513)[510..], [9, 9, 0]);
}

#[test]
fn ranges_outside_the_disk_are_io_errors() {
    let mut driver = disk();
    for (sector, len) in [
        (SECTORS, 512),
        (SECTORS - 1, 1024),
        (u64::MAX, 512),
        (u64::MAX / 512, 512),
        (0, 511),
        (0, 65 * 512),
    ] {
        for (kind, write) in [(0, true), (1, false)] {
            assert_eq!(
                request(&mut driver, kind, sector, len, write),
                (1, 1),
                "{kind} {sector:#x} {len}"
            );
        }
    }
    assert_eq!(request(&mut driver, 99, 0, 512, true).0, 2);
}

#[test]
fn discard_and_write_zeroes() {
    let mut driver = disk();
    driver.ram.slice_mut(BODY, 4096).unwrap().fill(7);
    assert_eq!(request(&mut driver, 1, 0, 4096, false).0, 0);
    let mut range = |kind, sector: u64, sectors: u32, flags: u32| {
        driver.ram.write_u64(BODY, sector).unwrap();
        driver.ram.write_u32(BODY + 8, sectors).unwrap();
        driver.ram.write_u32(BODY + 12, flags).unwrap();
        request(&mut driver, kind, 0, 16, false).0
    };
    assert_eq!(range(13, 1, 2, 1), 0);
    assert_eq!(range(13, 4, 1, 0), 0);
    assert_eq!(range(11, 6, 1, 0), 0);
    assert_eq!(range(11, 6, 1, 1), 2, "discard knows no unmap flag");
    assert_eq!(range(13, 6, 1, 2), 2, "reserved flag");
    assert_eq!(range(13, SECTORS - 1, 2, 0), 1);
    assert_eq!(range(11, u64::MAX, u32::MAX, 0), 1);
    assert_eq!(request(&mut driver, 11, 0, 15, false).0, 1);
    assert_eq!(request(&mut driver, 11, 0, 65 * 16, false).0, 1);
    assert_eq!(request(&mut driver, 0, 0, 4096, true).0, 0);
    let sectors: Vec<u8> = driver
        .bytes(BODY, 4096)
        .chunks(512)
        .map(|sector| sector[511])
        .collect();
    assert_eq!(sectors, [7, 0, 0, 7, 0, 7, 0, 7]);
}

#[test]
fn requests_without_header_or_status_need_a_reset() {
    for buffers in [
        &[(HEADER, 16, false)][..],
        &[(HEADER, 15, false), (STATUS, 1, true)],
        &[(STATUS, 1, true)],
    ] {
        let mut driver = disk();
        driver.add(0, buffers);
        driver.notify(0);
        assert!(driver.needs_reset(), "{buffers:x?}");
    }
}

#[test]
fn large_transfers_are_spread_over_turns() {
    let mut driver = Driver::new(Blk::new(Box::new(MemoryDisk::blank(64 << 20)), "").unwrap());
    driver.descriptor(0, 0, HEADER, 16, NEXT, 1);
    driver.descriptor(0, 1, BASE + 0x20_1000, 0x1f_f000, NEXT | WRITE, 2);
    driver.descriptor(0, 2, STATUS, 1, WRITE, 0);
    for _ in 0..QUEUE_SIZE {
        driver.offer(0, 0);
    }
    // Sixteen requests of two megabytes, of which sixteen megabytes are done in one go.
    assert_eq!(driver.slot.next_deadline(), None);
    driver.notify(0);
    assert_eq!(std::iter::from_fn(|| driver.used(0)).count(), 9);
    assert_eq!(driver.slot.next_deadline(), Some(0));
    driver.poll();
    assert_eq!(std::iter::from_fn(|| driver.used(0)).count(), 7);
    assert_eq!(driver.slot.next_deadline(), None);
}

/// Fails in every way a disk can, or, if `writable`, only where it is read.
#[derive(Debug)]
struct Broken {
    flushes: Rc<Cell<u32>>,
    writable: bool,
}

impl Broken {
    fn outcome(&self) -> Result<(), BlockError> {
        if self.writable {
            Ok(())
        } else {
            Err(BlockError::Full)
        }
    }
}

impl BlockBackend for Broken {
    fn len(&self) -> u64 {
        1 << 20
    }
    fn read_only(&self) -> bool {
        false
    }
    fn read_at(&mut self, _: u64, _: &mut [u8]) -> Result<(), BlockError> {
        Err(BlockError::Host("unreadable".into()))
    }
    fn write_at(&mut self, _: u64, _: &[u8]) -> Result<(), BlockError> {
        self.outcome()
    }
    fn flush(&mut self) -> Result<(), BlockError> {
        self.flushes.set(self.flushes.get() + 1);
        self.outcome()
    }
    fn discard(&mut self, _: u64, _: u64) -> Result<(), BlockError> {
        self.outcome()
    }
    fn write_zeroes(&mut self, _: u64, _: u64, _: bool) -> Result<(), BlockError> {
        self.outcome()
    }
}

#[test]
fn a_failing_disk_reports_io_errors() {
    let broken = Broken {
        flushes: Rc::default(),
        writable: false,
    };
    let mut driver = Driver::new(Blk::new(Box::new(broken), "").unwrap());
    assert_eq!(request(&mut driver, 0, 0, 512, true).0, 1);
    for (kind, len) in [(1, 512), (4, 0), (11, 16), (13, 16)] {
        assert_eq!(request(&mut driver, kind, 0, len, false).0, 1, "{kind}");
    }
}

#[test]
fn without_flush_every_write_is_flushed() {
    let flushes = Rc::default();
    let broken = || {
        Blk::new(
            Box::new(Broken {
                flushes: Rc::clone(&flushes),
                writable: true,
            }),
            "",
        )
        .unwrap()
    };
    let mut driver = Driver::without(broken(), F_EVENT_IDX);
    request(&mut driver, 1, 0, 512, false);
    assert_eq!(flushes.get(), 0);
    let mut driver = Driver::without(broken(), F_EVENT_IDX | blk::F_FLUSH);
    request(&mut driver, 1, 0, 512, false);
    assert_eq!(flushes.get(), 1);
}

#[test]
fn read_only_disks_say_so_and_refuse() {
    let disk = MemoryDisk::from_bytes(&[3; 1024], true).unwrap();
    let mut driver = Driver::new(Blk::new(Box::new(disk), "").unwrap());
    assert_ne!(driver.features() & blk::F_RO, 0);
    assert_eq!(driver.features() & (blk::F_DISCARD | blk::F_WRITE_ZEROES), 0);
    assert_eq!(request(&mut driver, 1, 0, 512, false).0, 1);
    assert_eq!(request(&mut driver, 0, 0, 512, true).0, 0);
    let odd = MemoryDisk::from_bytes(&[3; 1000], true).unwrap();
    assert!(
        Blk::new(Box::new(odd), "")
            .unwrap_err()
            .to_string()
            .contains("1000")
    );
}
