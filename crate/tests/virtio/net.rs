use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use tabvisor::device::virtio::Net;
use tabvisor::net::{MAX_FRAME, NetBackend};

use crate::driver::*;

/// Both ends of the cable.
#[derive(Debug, Default, Clone)]
struct Cable {
    sent: Rc<RefCell<Vec<Vec<u8>>>>,
    waiting: Rc<RefCell<VecDeque<Vec<u8>>>>,
}

impl NetBackend for Cable {
    fn send(&mut self, frame: &[u8]) {
        self.sent.borrow_mut().push(frame.to_vec());
    }
    fn receive(&mut self) -> Option<Vec<u8>> {
        self.waiting.borrow_mut().pop_front()
    }
    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0, 9]
    }
}

fn card() -> (Driver, Cable) {
    let cable = Cable::default();
    (Driver::new(Net::new(Box::new(cable.clone()))), cable)
}

#[test]
fn frames_go_out_without_their_header() {
    let (mut driver, cable) = card();
    let frame: Vec<u8> = (0..60).collect();
    driver.ram.write(DATA + 12, &frame).unwrap();
    driver.submit(1, &[(DATA, 12, false), (DATA + 12, 60, false)]);
    driver.submit(1, &[(DATA, 72, false)]);
    assert_eq!(*cable.sent.borrow(), [frame.clone(), frame]);
    // Too short, too long, nothing to read: dropped, not errors.
    for len in [1, 12, 25, 12 + MAX_FRAME as u32 + 1, 0x10_0000] {
        driver.submit(1, &[(DATA, len, false)]);
    }
    driver.submit(1, &[(DATA, 100, true)]);
    assert_eq!(cable.sent.borrow().len(), 2);
    assert_eq!(driver.device::<Net>().dropped(), 6);
    assert!(!driver.needs_reset());
}

#[test]
fn frames_come_in_when_there_are_buffers() {
    let (mut driver, cable) = card();
    cable
        .waiting
        .borrow_mut()
        .extend([vec![1; 60], vec![2; 60], vec![3; 1514], vec![4; 60]]);
    driver.poll();
    assert_eq!(cable.waiting.borrow().len(), 4, "without buffers they wait");
    driver.add(0, &[(DATA, 12, true), (DATA + 0x100, 1514, true)]);
    driver.notify(0);
    assert_eq!(driver.used(0), Some((0, 72)));
    assert_eq!(driver.bytes(DATA, 12), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(driver.bytes(DATA + 0x100, 61)[59..], [1, 0]);
    assert_eq!(driver.interrupts(), 1);
    for _ in 0..3 {
        driver.add(0, &[(DATA, 100, true)]);
    }
    driver.poll();
    // The long frame does not fit its buffer.
    assert_eq!(
        [driver.used(0), driver.used(0), driver.used(0)],
        [Some((2, 72)), Some((3, 0)), Some((4, 72))]
    );
    assert_eq!(driver.device::<Net>().dropped(), 1);
}

#[test]
fn a_flood_is_taken_in_turns() {
    let (mut driver, cable) = card();
    cable.waiting.borrow_mut().extend((0..100).map(|_| vec![1; 60]));
    // One descriptor offered over and over, as a hostile driver may.
    driver.descriptor(0, 0, DATA, 100, WRITE, 0);
    for _ in 0..QUEUE_SIZE {
        driver.offer(0, 0);
    }
    driver.poll();
    assert_eq!(cable.waiting.borrow().len(), 100 - usize::from(QUEUE_SIZE));
    // What a turn leaves over in one queue is not forgotten for a notification of another.
    let (left, mut polls) = (cable.waiting.borrow().len(), 0);
    for _ in 0..QUEUE_SIZE {
        driver.offer(0, 0);
    }
    for _ in 0..QUEUE_SIZE {
        driver.offer(1, 0);
    }
    driver.descriptor(1, 0, BASE, 0x20_0000, 0, 0);
    driver.notify(1);
    assert_eq!(driver.slot.next_deadline(), Some(0));
    driver.notify(0);
    assert_eq!(driver.slot.next_deadline(), Some(0));
    while driver.slot.next_deadline().is_some() && polls < 100 {
        driver.poll();
        polls += 1;
    }
    assert_eq!((polls, driver.device::<Net>().dropped()), (1, QUEUE_SIZE.into()));
    assert!(cable.waiting.borrow().len() < left);
}

#[test]
fn configuration_and_link() {
    let (mut driver, cable) = card();
    let mac: Vec<u8> = (0x100..0x106)
        .map(|at| driver.read(at, 1).unwrap() as u8)
        .collect();
    assert_eq!(mac, [2, 0, 0, 0, 0, 9]);
    assert_eq!(
        (driver.read(0x106, 2), driver.read(0x10a, 2)),
        (Some(1), Some(1500))
    );
    driver.device::<Net>().set_link(false);
    driver.poll();
    assert_eq!((driver.interrupts(), driver.read(0x106, 2)), (2, Some(0)));
    cable.waiting.borrow_mut().push_back(vec![1; 60]);
    driver.add(0, &[(DATA, 100, true)]);
    driver.notify(0);
    driver.submit(1, &[(DATA, 72, false)]);
    assert_eq!((driver.used(0), cable.sent.borrow().len()), (None, 0));
    driver.device::<Net>().set_link(true);
    driver.poll();
    assert_eq!(driver.interrupts(), 3);
    assert_eq!(driver.used(0), Some((0, 72)));
}
