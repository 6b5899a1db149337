//! Disks as Linux sees them, held against what lies behind them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tabvisor::machine::MachineConfig;
use tabvisor::storage::remote::{CHUNK, Options};
use tabvisor::storage::{BlockBackend, BlockError, MemoryDisk, Overlay, RemoteDisk};

use crate::engines::Engine;
use crate::harness::{Bell, Guest, crc32, host_clock, linux, noise};
use crate::part_server::{Manners, PartServer};

under_every_engine!(
    what_is_written_is_read_back_and_lies_on_the_disk,
    a_full_or_broken_disk_gives_errors_and_keeps_what_was_flushed,
    a_disk_on_a_web_server_is_read_as_it_is_asked_for,
);

/// A disk that the test keeps a hand on: it remembers only what was flushed, and fails when told to.
#[derive(Debug, Clone, Default)]
struct Watched(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    /// What would survive a power cut.
    flushed: Vec<u8>,
    /// What the guest reads back.
    current: Vec<u8>,
    /// Writes from this byte on find no room.
    full_from: Option<u64>,
    fails: bool,
}

impl Watched {
    fn blank(len: usize) -> Self {
        let disk = Self::default();
        disk.0.borrow_mut().flushed = vec![0; len];
        disk.0.borrow_mut().current = vec![0; len];
        disk
    }
}

impl State {
    fn check(&self) -> Result<(), BlockError> {
        if self.fails {
            return Err(BlockError::Host("the disk is broken".into()));
        }
        Ok(())
    }
}

impl BlockBackend for Watched {
    fn len(&self) -> u64 {
        self.0.borrow().current.len() as u64
    }

    fn read_only(&self) -> bool {
        false
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), BlockError> {
        let state = self.0.borrow();
        state.check()?;
        into.copy_from_slice(&state.current[offset as usize..][..into.len()]);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, from: &[u8]) -> Result<(), BlockError> {
        let mut state = self.0.borrow_mut();
        state.check()?;
        if state
            .full_from
            .is_some_and(|full| offset + from.len() as u64 > full)
        {
            return Err(BlockError::Full);
        }
        state.current[offset as usize..][..from.len()].copy_from_slice(from);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        let mut state = self.0.borrow_mut();
        state.check()?;
        let State { flushed, current, .. } = &mut *state;
        flushed.copy_from_slice(current);
        Ok(())
    }

    fn discard(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.write_zeroes(offset, len, true)
    }

    fn write_zeroes(&mut self, offset: u64, len: u64, _may_unmap: bool) -> Result<(), BlockError> {
        self.write_at(offset, &vec![0; len as usize])
    }
}

const RANDOM_BYTES: usize = 3 << 20;

fn what_is_written_is_read_back_and_lies_on_the_disk(engine: Engine) {
    let disk = Watched::blank(8 << 20);
    let mut guest = Guest::boot(
        engine,
        MachineConfig {
            disks: vec![Box::new(disk.clone())],
            ..linux(2)
        },
    );
    assert_eq!(guest.run("cat /sys/block/vda/serial"), "tabvisor-disk-0");
    guest.run("dd if=/dev/urandom of=/tmp/random bs=64k count=48 2>/dev/null");
    guest
        .run("dd if=/tmp/random of=/dev/vda bs=64k conv=fsync 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches");
    let written = guest.run("sha256sum </tmp/random");
    let read = guest.run("dd if=/dev/vda bs=64k count=48 2>/dev/null | sha256sum");
    assert_eq!(written, read);
    let sum = guest.run("crc32 </tmp/random");
    assert_eq!(sum, crc32(&disk.0.borrow().flushed[..RANDOM_BYTES]));

    guest.run("mke2fs -F /dev/vda >/dev/null && modprobe ext4 && mkdir /mnt/disk && mount -t ext4 /dev/vda /mnt/disk");
    guest.run("cp /tmp/random /mnt/disk/random && mkdir /mnt/disk/deep && echo kept >/mnt/disk/deep/note");
    guest.run(
        "umount /mnt/disk && echo 3 >/proc/sys/vm/drop_caches && mount -t ext4 -o ro /dev/vda /mnt/disk",
    );
    assert_eq!(guest.run("cat /mnt/disk/deep/note"), "kept");
    assert_eq!(guest.run("crc32 </mnt/disk/random"), sum);
    let superblock_magic = [0x53, 0xef];
    assert_eq!(disk.0.borrow().flushed[1024 + 56..][..2], superblock_magic);
}

fn a_full_or_broken_disk_gives_errors_and_keeps_what_was_flushed(engine: Engine) {
    let disk = Watched::blank(8 << 20);
    disk.0.borrow_mut().full_from = Some(4 << 20);
    let protected = MemoryDisk::from_bytes(&[b'p'; 4096], true).unwrap();
    let mut guest = Guest::boot(
        engine,
        MachineConfig {
            disks: vec![Box::new(disk.clone()), Box::new(protected)],
            ..linux(1)
        },
    );
    let write = |seek: u32| format!("dd if=/tmp/a of=/dev/vda bs=64k seek={seek} conv=fsync 2>&1");
    guest.run("yes flushed | head -c 1048576 >/tmp/a");
    guest.run(&write(0));
    let flushed = guest.run("crc32 </tmp/a");
    assert_eq!(flushed, crc32(&disk.0.borrow().flushed[..1 << 20]));

    let (output, status) = guest.run_status(&write(60));
    assert!(status != 0 && output.contains("I/O error"), "{output}");

    disk.0.borrow_mut().fails = true;
    let (output, status) = guest.run_status(&write(16));
    assert!(status != 0 && output.contains("I/O error"), "{output}");
    guest.run("echo 3 >/proc/sys/vm/drop_caches");
    let (output, status) = guest.run_status("dd if=/dev/vda of=/dev/null bs=64k 2>&1");
    assert!(status != 0 && output.contains("I/O error"), "{output}");

    // As it was before it broke.
    disk.0.borrow_mut().fails = false;
    guest.run("echo 3 >/proc/sys/vm/drop_caches");
    guest.run("dd if=/dev/vda of=/tmp/b bs=64k count=16 2>&1");
    assert_eq!(guest.run("crc32 </tmp/b"), flushed);
    assert_eq!(flushed, crc32(&disk.0.borrow().flushed[..1 << 20]));

    assert_eq!(guest.run("cat /sys/block/vdb/ro; head -c 3 /dev/vdb"), "1\nppp");
    let (output, status) = guest.run_status("echo x >/dev/vdb");
    assert!(status != 0, "{output}");
}

fn a_disk_on_a_web_server_is_read_as_it_is_asked_for(engine: Engine) {
    let bytes = noise(64 << 20);
    let server = PartServer::start(bytes.clone(), Duration::from_millis(5), Manners::Good);
    let bell = Bell::default();
    let ring = bell.clone();
    let disk = RemoteDisk::open(&server.url, Options::default(), Arc::new(move || ring.ring())).unwrap();
    let mut guest = Guest::with_bell(
        engine,
        MachineConfig {
            disks: vec![Box::new(Overlay::new(Box::new(disk), 16 << 20).unwrap())],
            clock: host_clock(),
            ..linux(1)
        },
        bell,
    );
    guest.wait_for_shell();
    guest.run("dd if=/dev/vda of=/tmp/a bs=64k skip=16 count=64 2>/dev/null");
    assert_eq!(guest.run("crc32 </tmp/a"), crc32(&bytes[1 << 20..5 << 20]));
    // What is written is kept here, with what was around it.
    guest.run("dd if=/tmp/a of=/dev/vda bs=1000 seek=40000 count=2 conv=fsync 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches");
    let mut expected = bytes[38 << 20..39 << 20].to_vec();
    let at = 40_000_000 - (38 << 20);
    expected[at..at + 2000].copy_from_slice(&bytes[1 << 20..][..2000]);
    guest.run("dd if=/dev/vda of=/tmp/b bs=1M skip=38 count=1 2>/dev/null");
    assert_eq!(guest.run("crc32 </tmp/b"), crc32(&expected));
    // Five megabytes were read, some of what the kernel looks at besides, and no more.
    let chunks = bytes.len() / CHUNK as usize;
    assert!(
        server.requests() < chunks / 3,
        "{} of {chunks} chunks",
        server.requests()
    );
    assert!(server.most_at_once() > 1);
}
