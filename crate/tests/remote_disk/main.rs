//! Disks on web servers, by a server on 127.0.0.1.

#![cfg(not(target_arch = "wasm32"))]

#[path = "../common/part_server.rs"]
mod part_server;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use part_server::{Manners, PartServer};
use proptest::prelude::*;
use tabvisor::storage::remote::{CHUNK, Options, Waker};
use tabvisor::storage::{Access, BlockBackend, BlockError, Overlay, Readiness, RemoteDisk};

const LATENCY: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(60);

fn file(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// Rung when chunks have arrived.
#[derive(Debug, Default)]
struct Bell(Mutex<bool>, Condvar);

impl Bell {
    fn waker(self: &Arc<Self>) -> Waker {
        let bell = Arc::clone(self);
        Arc::new(move || {
            *bell.0.lock().unwrap() = true;
            bell.1.notify_all();
        })
    }

    fn wait(&self) {
        let rung = self.0.lock().unwrap();
        let (mut rung, outcome) = self.1.wait_timeout_while(rung, PATIENCE, |rung| !*rung).unwrap();
        assert!(!outcome.timed_out(), "nothing arrives");
        *rung = false;
    }
}

fn ready(disk: &mut dyn BlockBackend, bell: &Bell, access: Access, offset: u64, len: u64) {
    while disk.prepare(access, offset, len) == Readiness::Later {
        bell.wait();
    }
}

fn no_waker() -> Waker {
    Arc::new(|| {})
}

#[test]
fn many_chunks_are_under_way_at_once_up_to_the_limit() {
    let bytes = file(100 * CHUNK as usize + 5);
    let server = PartServer::start(bytes.clone(), LATENCY, Manners::Good);
    let bell = Arc::new(Bell::default());
    let mut disk = RemoteDisk::open(&server.url, Options::default(), bell.waker()).unwrap();
    assert_eq!(disk.len(), bytes.len() as u64);
    let before = Instant::now();
    ready(&mut disk, &bell, Access::Read, 0, bytes.len() as u64);
    let took = before.elapsed();
    let mut read = vec![0; bytes.len()];
    disk.read_at(0, &mut read).unwrap();
    assert!(read == bytes);
    assert_eq!(server.requests(), 102);
    assert_eq!(server.most_at_once(), Options::default().limit);
    // One by one the latency alone would be two seconds; at most a third of that is asked for.
    assert!(took < LATENCY * 100 / 3, "{took:?}");
}

#[test]
fn what_is_not_there_is_not_waited_for() {
    let server = PartServer::start(file(3 * CHUNK as usize), LATENCY, Manners::Good);
    let bell = Arc::new(Bell::default());
    let mut disk = RemoteDisk::open(&server.url, Options::default(), bell.waker()).unwrap();
    let mut byte = [0];
    assert_eq!(disk.read_at(CHUNK, &mut byte), Err(BlockError::NotReady));
    assert_eq!(disk.prepare(Access::Read, CHUNK, 1), Readiness::Later);
    ready(&mut disk, &bell, Access::Read, CHUNK, 1);
    assert_eq!(disk.read_at(CHUNK, &mut byte), Ok(()));
    // Out of range and writes are refused at once.
    assert_eq!(disk.prepare(Access::Read, 3 * CHUNK, 1), Readiness::Now);
    assert!(matches!(
        disk.read_at(3 * CHUNK, &mut byte),
        Err(BlockError::OutOfRange { .. })
    ));
    assert_eq!(disk.prepare(Access::Write, 0, 1), Readiness::Now);
    assert_eq!(disk.write_at(0, &[1]), Err(BlockError::ReadOnly));
}

#[test]
fn no_more_chunks_are_kept_than_may_be() {
    let bytes = file(8 * CHUNK as usize);
    let server = PartServer::start(bytes.clone(), Duration::ZERO, Manners::Good);
    let options = Options {
        kept: 2,
        patient: true,
        ..Options::default()
    };
    let mut disk = RemoteDisk::open(&server.url, options, no_waker()).unwrap();
    for chunk in [5, 1, 5, 3, 7, 5] {
        let mut read = [0; 10];
        disk.read_at(chunk * CHUNK, &mut read).unwrap();
        assert_eq!(read, bytes[(chunk * CHUNK) as usize..][..10]);
    }
    // 5, 1, 3, 7 and 5 again; and the file's first byte.
    assert_eq!(server.requests(), 6);
}

#[test]
fn reads_in_a_row_are_read_ahead() {
    let server = PartServer::start(file(40 * CHUNK as usize), Duration::ZERO, Manners::Good);
    let bell = Arc::new(Bell::default());
    let mut disk = RemoteDisk::open(&server.url, Options::default(), bell.waker()).unwrap();
    for chunk in 0..4 {
        ready(&mut disk, &bell, Access::Read, chunk * CHUNK, CHUNK);
    }
    // The first byte, four chunks read, and up to eight beyond.
    let deadline = Instant::now() + PATIENCE;
    while server.requests() < 1 + 4 + 4 {
        assert!(Instant::now() < deadline, "{} requests", server.requests());
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(server.requests() <= 1 + 4 + 8);
}

#[test]
fn a_server_that_fails_now_and_then_is_asked_again() {
    let bytes = file(4 * CHUNK as usize);
    let server = PartServer::start(bytes.clone(), Duration::ZERO, Manners::FailsEverySecondAfter(1));
    let options = Options {
        limit: 1,
        patient: true,
        ..Options::default()
    };
    let mut disk = RemoteDisk::open(&server.url, options, no_waker()).unwrap();
    let mut read = vec![0; bytes.len()];
    disk.read_at(0, &mut read).unwrap();
    assert!(read == bytes);
}

#[test]
fn servers_that_cannot_be_used_are_refused_in_words() {
    let open = |manners| {
        let server = PartServer::start(file(2 * CHUNK as usize), Duration::ZERO, manners);
        let options = Options {
            patient: true,
            ..Options::default()
        };
        RemoteDisk::open(&server.url, options, no_waker())
    };
    let words = |error: BlockError| error.to_string();
    assert!(words(open(Manners::NoParts).unwrap_err()).contains("serves whole files only"));
    assert!(words(open(Manners::FailsAfter(0)).unwrap_err()).contains("503"));
    assert!(
        words(RemoteDisk::open("http://127.0.0.1:1/x", Options::default(), no_waker()).unwrap_err())
            .contains("127.0.0.1:1")
    );
    assert!(RemoteDisk::open("nonsense", Options::default(), no_waker()).is_err());

    let mut byte = [0];
    let mut changed = open(Manners::ChangesAfter(1)).unwrap();
    assert!(words(changed.read_at(0, &mut byte).unwrap_err()).contains("another file"));

    let mut broken = open(Manners::FailsAfter(1)).unwrap();
    assert!(words(broken.read_at(0, &mut byte).unwrap_err()).contains("503"));
    // It is asked again the next time.
    assert!(words(broken.read_at(0, &mut byte).unwrap_err()).contains("503"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Reads, and writes to an overlay, once they are prepared, do what they do to an array.
    #[test]
    fn an_overlay_of_a_remote_disk_behaves_like_an_array(
        steps in prop::collection::vec((0u64..600_000, 1u64..200_000, any::<Option<u8>>()), 1..12),
    ) {
        let mut model = file(800_000);
        let server = PartServer::start(model.clone(), Duration::ZERO, Manners::Good);
        let bell = Arc::new(Bell::default());
        let disk = RemoteDisk::open(&server.url, Options { kept: 4, ..Options::default() }, bell.waker()).unwrap();
        let mut disk = Overlay::new(Box::new(disk), u64::MAX).unwrap();
        for (offset, len, value) in steps {
            let range = offset as usize..(offset + len) as usize;
            if let Some(value) = value {
                ready(&mut disk, &bell, Access::Write, offset, len);
                disk.write_at(offset, &vec![value; len as usize]).unwrap();
                model[range].fill(value);
            } else {
                ready(&mut disk, &bell, Access::Read, offset, len);
                let mut read = vec![0; len as usize];
                disk.read_at(offset, &mut read).unwrap();
                prop_assert!(read == model[range]);
            }
        }
    }
}

/// The test server counts for this one too.
#[test]
fn the_waker_is_called_for_each_chunk() {
    let server = PartServer::start(file(5 * CHUNK as usize), Duration::ZERO, Manners::Good);
    let calls = Arc::new(AtomicUsize::new(0));
    let for_waker = Arc::clone(&calls);
    let waker: Waker = Arc::new(move || {
        for_waker.fetch_add(1, Ordering::SeqCst);
    });
    let mut disk = RemoteDisk::open(&server.url, Options::default(), waker).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while disk.prepare(Access::Read, 0, 5 * CHUNK) == Readiness::Later || calls.load(Ordering::SeqCst) < 5 {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(calls.load(Ordering::SeqCst), 5);
}
