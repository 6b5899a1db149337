use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use tabvisor::device::virtio::{Blk, blk};
use tabvisor::storage::{Access, BlockBackend, BlockError, MemoryDisk, Readiness};

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

/// A disk whose sectors arrive when the test says so.
#[derive(Debug)]
struct Slow {
    disk: MemoryDisk,
    here: Rc<RefCell<BTreeSet<u64>>>,
    asked: Rc<RefCell<BTreeSet<u64>>>,
}

impl BlockBackend for Slow {
    fn len(&self) -> u64 {
        self.disk.len()
    }

    fn read_only(&self) -> bool {
        false
    }

    fn prepare(&mut self, _access: Access, offset: u64, len: u64) -> Readiness {
        let sectors = offset / 512..(offset + len).div_ceil(512);
        self.asked.borrow_mut().extend(sectors.clone());
        if sectors.clone().all(|sector| self.here.borrow().contains(&sector)) {
            Readiness::Now
        } else {
            Readiness::Later
        }
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), BlockError> {
        assert!(
            self.here.borrow().contains(&(offset / 512)),
            "it was not prepared"
        );
        self.disk.read_at(offset, into)
    }

    fn write_at(&mut self, offset: u64, from: &[u8]) -> Result<(), BlockError> {
        assert!(
            self.here.borrow().contains(&(offset / 512)),
            "it was not prepared"
        );
        self.disk.write_at(offset, from)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }

    fn discard(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.write_zeroes(offset, len, true)
    }

    fn write_zeroes(&mut self, offset: u64, len: u64, may_unmap: bool) -> Result<(), BlockError> {
        self.disk.write_zeroes(offset, len, may_unmap)
    }
}

type Sectors = Rc<RefCell<BTreeSet<u64>>>;

/// A driver of such a disk, the sectors that have arrived, and those that were asked for.
fn slow_disk(len: u64) -> (Driver, Sectors, Sectors) {
    let (here, asked) = (Sectors::default(), Sectors::default());
    let bytes: Vec<u8> = (0..len).map(|at| (at / 512) as u8).collect();
    let disk = Slow {
        disk: MemoryDisk::from_bytes(&bytes, false).unwrap(),
        here: Rc::clone(&here),
        asked: Rc::clone(&asked),
    };
    (
        Driver::new(Blk::new(Box::new(disk), "slow").unwrap()),
        here,
        asked,
    )
}

/// Puts a request for one sector in the queue, its buffers being those of `number`.
fn offer(driver: &mut Driver, number: u64, kind: u32, sector: u64) -> u16 {
    let at = DATA + number * 0x400;
    driver.ram.write_u32(at, kind).unwrap();
    driver.ram.write_u64(at + 8, sector).unwrap();
    driver.ram.write_u8(at + 0x10, 0xff).unwrap();
    let write = kind == 0;
    driver.add(
        0,
        &[(at, 16, false), (at + 0x200, 512, write), (at + 0x10, 1, true)],
    )
}

#[test]
fn requests_wait_for_a_slow_disk_each_for_itself() {
    let (mut driver, here, asked) = slow_disk(SECTORS * 512);
    let heads: Vec<u16> = [9, 3, 40, 5]
        .iter()
        .zip(0..)
        .map(|(&sector, number)| offer(&mut driver, number, 0, sector))
        .collect();
    here.borrow_mut().insert(40);
    driver.notify(0);
    // All are asked for at once; the one that is there is answered.
    assert_eq!(*asked.borrow(), BTreeSet::from([3, 5, 9, 40]));
    assert_eq!(driver.used(0), Some((u32::from(heads[2]), 513)));
    assert_eq!(driver.used(0), None);
    assert_eq!(driver.interrupts(), 1);
    driver.poll();
    assert_eq!((driver.used(0), driver.interrupts()), (None, 0));

    here.borrow_mut().extend([3, 5]);
    driver.poll();
    assert_eq!(driver.used(0), Some((u32::from(heads[1]), 513)));
    assert_eq!(driver.used(0), Some((u32::from(heads[3]), 513)));
    assert_eq!(driver.interrupts(), 1);
    for (number, sector) in [(1, 3), (2, 40), (3, 5)] {
        let at = DATA + number * 0x400;
        assert_eq!(driver.ram.read_u8(at + 0x10), Ok(0));
        assert_eq!(driver.bytes(at + 0x200, 512), [sector; 512]);
    }

    // A driver that resets the device hears no more of what it asked before.
    driver.set(0x70, 0);
    here.borrow_mut().insert(9);
    driver.poll();
    assert_eq!(driver.ram.read_u8(DATA + 0x10), Ok(0xff));
}

#[test]
fn writes_wait_too_and_large_reads_go_on_in_pieces() {
    const LARGE: u64 = 0x18_0000;
    const PIECE: u64 = 1 << 20;
    let (mut driver, here, asked) = slow_disk(LARGE);
    let head = offer(&mut driver, 0, 1, 7);
    driver.notify(0);
    assert_eq!(driver.used(0), None);
    here.borrow_mut().insert(7);
    driver.poll();
    assert_eq!(driver.used(0), Some((u32::from(head), 1)));

    here.borrow_mut().clear();
    asked.borrow_mut().clear();
    let sectors = |bytes: u64| bytes / 512;
    driver.ram.write_u32(HEADER, 0).unwrap();
    driver.ram.write_u64(HEADER + 8, 0).unwrap();
    let body = DATA + 0x1000;
    let head = driver.add(
        0,
        &[(HEADER, 16, false), (body, LARGE as u32, true), (STATUS, 1, true)],
    );
    driver.notify(0);
    // No more than a piece beyond what is there is asked for.
    assert_eq!(asked.borrow().len() as u64, sectors(PIECE));
    here.borrow_mut().extend(0..sectors(PIECE));
    driver.poll();
    assert_eq!(driver.used(0), None);
    assert_eq!(asked.borrow().len() as u64, sectors(LARGE));
    // What was read is not asked for again.
    here.borrow_mut().clear();
    here.borrow_mut().extend(sectors(PIECE)..sectors(LARGE));
    driver.poll();
    assert_eq!(driver.used(0), Some((u32::from(head), LARGE as u32 + 1)));
    let body = driver.bytes(body, LARGE);
    let mut others = body.iter().zip(0_u64..).filter(|&(_, at)| sectors(at) != 7);
    assert!(others.all(|(&byte, at)| byte == sectors(at) as u8));
}

/// A driver may put the same request in the queue as often as it likes.
#[test]
fn no_more_requests_are_parked_than_the_queue_has() {
    let (mut driver, here, _) = slow_disk(SECTORS * 512);
    let head = offer(&mut driver, 0, 0, 9);
    driver.notify(0);
    for _ in 0..2000 {
        driver.offer(0, head);
        driver.notify(0);
    }
    here.borrow_mut().insert(9);
    for _ in 0..100 {
        driver.poll();
    }
    // 2001 answers were asked for, and the queue's indices count as many.
    let mut answers = 0;
    while let Some((index, written)) = driver.used(0) {
        assert_eq!((index, written), (u32::from(head), 513));
        answers += 1;
    }
    assert!(driver.needs_reset() || answers == 2001, "{answers}");
}
