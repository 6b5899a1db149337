//! The share over the virtqueue: an in-test 9p client, over a tree in memory and over a directory of the host.

use proptest::prelude::*;
use tabvisor::device::virtio::P9;
use tabvisor::device::virtio::p9::exercise;
use tabvisor::storage::fs::{FileSystem, MemoryFs};

use crate::driver::*;

const REQUEST: u64 = DATA;
const REPLY: u64 = DATA + 0x10_0000;
const ENOENT: u32 = 2;
const EBADF: u32 = 9;
const EINVAL: u32 = 22;
const ENOTEMPTY: u32 = 39;
const EPROTO: u32 = 71;

/// The fields of a message under construction.
#[derive(Clone, Default)]
pub struct Fields(Vec<u8>);

impl Fields {
    pub fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }
    pub fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    pub fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    pub fn name(mut self, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.0.extend((value.len() as u16).to_le_bytes());
        self.0.extend(value);
        self
    }
    pub fn bytes(mut self, value: &[u8]) -> Self {
        self.0.extend(value);
        self
    }
}

pub fn f() -> Fields {
    Fields::default()
}

pub struct Client {
    pub driver: Driver,
}

impl Client {
    /// Mounts: fid 0 is the root.
    pub fn new(files: impl FileSystem + 'static) -> Self {
        let share = P9::new("share", Box::new(files), 1_700_000_000_000_000_000).unwrap();
        let mut client = Self {
            driver: Driver::new(share),
        };
        client.mount();
        client
    }

    pub fn mount(&mut self) {
        let version = self.ok(100, f().u32(1 << 20).name("9P2000.L"));
        assert_eq!(version[..4], (512u32 << 10).to_le_bytes());
        self.ok(104, f().u32(0).u32(!0).name("root").name("").u32(0));
    }

    /// Sends raw bytes; returns the raw reply.
    pub fn raw(&mut self, message: &[u8], room: u32) -> Vec<u8> {
        self.driver.ram.write(REQUEST, message).unwrap();
        let written = self
            .driver
            .submit(0, &[(REQUEST, message.len() as u32, false), (REPLY, room, true)]);
        self.driver.bytes(REPLY, written.into())
    }

    /// Sends a message; returns its answer's fields or the error number.
    pub fn call(&mut self, kind: u8, fields: Fields) -> Result<Vec<u8>, u32> {
        let mut message = (7 + fields.0.len() as u32).to_le_bytes().to_vec();
        message.extend([kind, 0x34, 0x12]);
        message.extend(fields.0);
        let reply = self.raw(&message, 64 << 10);
        assert_eq!(reply[..4], (reply.len() as u32).to_le_bytes());
        assert_eq!(reply[5..7], [0x34, 0x12]);
        match reply[4] {
            7 => Err(u32::from_le_bytes(reply[7..11].try_into().unwrap())),
            answer => {
                assert_eq!(answer, kind + 1);
                Ok(reply[7..].to_vec())
            }
        }
    }

    pub fn ok(&mut self, kind: u8, fields: Fields) -> Vec<u8> {
        self.call(kind, fields)
            .unwrap_or_else(|error| panic!("message {kind}: errno {error}"))
    }

    /// Walks from the root; returns how many names were found.
    pub fn walk(&mut self, new: u32, names: &[&str]) -> Result<u16, u32> {
        let fields = f().u32(0).u32(new).u16(names.len() as u16);
        let answer = self.call(110, names.iter().fold(fields, Fields::name))?;
        Ok(u16::from_le_bytes([answer[0], answer[1]]))
    }

    pub fn clunk(&mut self, fid: u32) {
        self.ok(120, f().u32(fid));
    }

    /// Makes `name` in the directory `names`, writes `contents`, closes it.
    pub fn put(&mut self, names: &[&str], name: &str, contents: &[u8]) {
        assert_eq!(self.walk(99, names), Ok(names.len() as u16));
        self.ok(14, f().u32(99).name(name).u32(0o1002).u32(0o644).u32(0));
        let written = self.ok(118, f().u32(99).u64(0).u32(contents.len() as u32).bytes(contents));
        assert_eq!(written, (contents.len() as u32).to_le_bytes());
        self.ok(50, f().u32(99).u32(0));
        self.clunk(99);
    }

    pub fn get(&mut self, names: &[&str]) -> Result<Vec<u8>, u32> {
        if self.walk(98, names)? != names.len() as u16 {
            return Err(ENOENT);
        }
        let outcome = self
            .call(12, f().u32(98).u32(0))
            .and_then(|_| self.call(116, f().u32(98).u64(0).u32(60_000)))
            .map(|answer| answer[4..].to_vec());
        self.clunk(98);
        outcome
    }

    pub fn names(&mut self, names: &[&str]) -> Vec<String> {
        assert_eq!(self.walk(97, names), Ok(names.len() as u16));
        self.ok(12, f().u32(97).u32(0o200000));
        let (mut cookie, mut all) = (0u64, Vec::new());
        loop {
            // Little room, so that reading takes several messages.
            let answer = self.ok(40, f().u32(97).u64(cookie).u32(100));
            let mut rest = &answer[4..];
            if rest.is_empty() {
                break;
            }
            while !rest.is_empty() {
                cookie = u64::from_le_bytes(rest[13..21].try_into().unwrap());
                let length = usize::from(u16::from_le_bytes([rest[22], rest[23]]));
                all.push(String::from_utf8(rest[24..24 + length].to_vec()).unwrap());
                rest = &rest[24 + length..];
            }
        }
        self.clunk(97);
        all.sort();
        all
    }

    /// Mode, size and modification time in seconds.
    pub fn stat(&mut self, fid: u32) -> Result<(u32, u64, u64), u32> {
        let answer = self.call(24, f().u32(fid).u64(0x7ff))?;
        assert_eq!(answer.len(), 8 + 13 + 3 * 4 + 15 * 8);
        let number = |at: usize| u64::from_le_bytes(answer[at..at + 8].try_into().unwrap());
        Ok((number(21) as u32, number(49), number(89)))
    }
}

/// Every message a file system sees in ordinary use; run over both kinds.
fn ordinary_use(mut client: Client) {
    client.ok(72, f().u32(0).name("dir").u32(0o755).u32(0));
    assert_eq!(client.call(72, f().u32(0).name("dir").u32(0o755).u32(0)), Err(17));
    client.put(&["dir"], "file", b"hello");
    assert_eq!(client.get(&["dir", "file"]).unwrap(), b"hello");
    assert_eq!(client.names(&["dir"]), [".", "..", "file"]);

    // Attributes, truncation and times.
    client.walk(1, &["dir", "file"]).unwrap();
    assert_eq!(
        client.stat(1).map(|(mode, size, _)| (mode & 0o170000, size)),
        Ok((0o100000, 5))
    );
    let set = |valid: u32, mode: u32, size: u64, mtime: u64| {
        f().u32(1)
            .u32(valid)
            .u32(mode)
            .u32(0)
            .u32(0)
            .u64(size)
            .u64(0)
            .u64(0)
            .u64(mtime)
            .u64(0)
    };
    client.ok(26, set(1 | 8 | 0x20 | 0x100, 0o600, 2, 12345));
    assert_eq!(client.stat(1), Ok((0o100600, 2, 12345)));
    client.ok(26, set(8, 0, 8, 0));
    assert_eq!(client.get(&["dir", "file"]).unwrap(), b"he\0\0\0\0\0\0");
    client.ok(26, set(0x20, 0, 0, 0));
    assert!(client.stat(1).unwrap().2 > 1_600_000_000);

    // Open, append; rename while open; remove while open.
    client.ok(12, f().u32(1).u32(0o2001));
    client.ok(118, f().u32(1).u64(0).u32(1).bytes(b"!"));
    client.ok(74, f().u32(0).name("dir").u32(0).name("moved"));
    assert_eq!(client.get(&["moved", "file"]).unwrap(), b"he\0\0\0\0\0\0!");
    client.walk(2, &["moved"]).unwrap();
    assert_eq!(
        client.call(76, f().u32(0).name("moved").u32(0x200)),
        Err(ENOTEMPTY)
    );
    assert_eq!(client.call(76, f().u32(2).name("file").u32(0x200)), Err(20));
    client.ok(76, f().u32(2).name("file").u32(0));
    assert_eq!(client.stat(1).map(|stat| stat.1), Ok(9));
    client.clunk(1);

    // Links of both kinds.
    client.put(&["moved"], "one", b"1");
    client.walk(1, &["moved", "one"]).unwrap();
    client.ok(70, f().u32(0).u32(1).name("two"));
    assert_eq!(client.get(&["two"]).unwrap(), b"1");
    client.ok(16, f().u32(0).name("sym").name("moved/one").u32(0));
    client.walk(3, &["sym"]).unwrap();
    assert_eq!(client.ok(22, f().u32(3)), b"\x09\0moved/one");
    assert_eq!(client.stat(3).map(|(mode, ..)| mode & 0o170000), Ok(0o120000));
    assert_eq!(
        client.call(12, f().u32(3).u32(0)),
        Err(40),
        "links are the client's to follow"
    );
    assert_eq!(client.call(22, f().u32(1)), Err(EINVAL));

    // The old rename, a directory into itself, onto a full directory.
    client.ok(20, f().u32(1).u32(0).name("three"));
    assert_eq!(client.stat(1).map(|stat| stat.1), Ok(1));
    assert_eq!(client.get(&["three"]).unwrap(), b"1");
    assert_eq!(
        client.call(74, f().u32(0).name("moved").u32(2).name("x")),
        Err(EINVAL)
    );
    assert_eq!(
        client.call(74, f().u32(0).name("moved").u32(0).name("three")),
        Err(20)
    );
    assert_eq!(
        client.call(74, f().u32(0).name("three").u32(0).name("moved")),
        Err(21)
    );
    assert_eq!(client.call(20, f().u32(0).u32(2).name("root")), Err(16));
    client.ok(122, f().u32(1));
    assert_eq!(client.stat(1), Err(EBADF));
    client.ok(122, f().u32(2));
    assert_eq!(client.names(&[]), [".", "..", "sym", "two"]);

    // The rest: locks, statfs, flush, refusals.
    client.walk(4, &["two"]).unwrap();
    let lock = f().u8(1).u32(0).u64(0).u64(0).u32(7).name("guest");
    assert_eq!(client.ok(52, f().u32(4).bytes(&lock.0)), [0]);
    let get = f().u8(1).u64(5).u64(6).u32(7).name("guest");
    let none = f().u8(2).u64(5).u64(6).u32(7).name("guest");
    assert_eq!(client.ok(54, f().u32(4).bytes(&get.0)), none.0);
    assert_eq!(client.ok(8, f().u32(0)).len(), 60);
    client.ok(108, f().u16(1));
    assert_eq!(
        client.call(18, f().u32(0).name("dev").u32(0o60600).u32(8).u32(0).u32(0)),
        Err(1)
    );
    assert_eq!(client.call(30, f().u32(4).u32(5).name("user.x")), Err(95));
    assert_eq!(client.call(102, f().u32(9).name("root").name("").u32(0)), Err(95));
    assert_eq!(client.call(200, f()), Err(38));
}

/// Names and paths that try to get out; run over both kinds.
fn hostile_names(mut client: Client) {
    client.put(&[], "file", b"in");
    client.ok(72, f().u32(0).name("dir").u32(0o755).u32(0));
    for name in ["..", ".", "", "/", "/etc", "dir/../..", "a\0b"] {
        assert_eq!(client.walk(1, &[name]), Err(EINVAL), "{name:?}");
        assert_eq!(client.walk(1, &["dir", name]), Ok(1), "{name:?}");
        assert_eq!(client.stat(1), Err(EBADF));
        let makes = [
            (14, f().u32(1).name(name).u32(0o102).u32(0o644).u32(0)),
            (72, f().u32(0).name(name).u32(0o755).u32(0)),
            (16, f().u32(0).name(name).name("x").u32(0)),
            (76, f().u32(0).name(name).u32(0)),
            (74, f().u32(0).name("file").u32(0).name(name)),
            (74, f().u32(0).name(name).u32(0).name("file2")),
            (70, f().u32(0).u32(0).name(name)),
        ];
        client.walk(1, &[]).unwrap();
        for (kind, fields) in makes {
            assert_eq!(client.call(kind, fields), Err(EINVAL), "{kind} {name:?}");
        }
        client.clunk(1);
    }
    assert_eq!(client.walk(1, &["file", "below"]), Ok(1));
    assert_eq!(client.names(&[]), [".", "..", "dir", "file"]);
}

#[test]
fn ordinary_use_of_a_tree_in_memory() {
    ordinary_use(Client::new(MemoryFs::new(1 << 20)));
}

#[test]
fn hostile_names_in_memory() {
    hostile_names(Client::new(MemoryFs::new(1 << 20)));
}

#[test]
fn the_page_and_the_guest_see_each_others_files() {
    let files = MemoryFs::new(1 << 20);
    files.write_file("in/hello.txt", b"from the page").unwrap();
    let mut client = Client::new(files.clone());
    assert_eq!(client.driver.read(0x100, 2), Some(5));
    assert_eq!(
        client.driver.read(0x102, 4),
        Some(u64::from(u32::from_le_bytes(*b"shar")))
    );
    assert_eq!(client.get(&["in", "hello.txt"]).unwrap(), b"from the page");
    client.put(&["in"], "reply", b"from the guest");
    assert_eq!(files.read_file("in/reply").unwrap(), b"from the guest");
}

#[test]
fn malformed_messages_are_answered_by_errors() {
    let mut client = Client::new(MemoryFs::new(1 << 20));
    let error = |reply: Vec<u8>| (reply[4], u32::from_le_bytes(reply[7..11].try_into().unwrap()));
    for message in [
        &b""[..],
        b"\x07\0\0",
        b"\x06\0\0\0\x18\0\0",
        b"\xff\xff\xff\xff\x18\0\0",
        b"\x08\0\0\0\x18\0\0",
    ] {
        assert_eq!(error(client.raw(message, 100)), (7, EPROTO), "{message:?}");
    }
    for kind in 0..=255u8 {
        if kind != 108 {
            assert!(client.call(kind, f()).is_err(), "{kind} without fields");
        }
    }
    client.mount();
    assert_eq!(client.call(110, f().u32(0).u32(1).u16(17)), Err(EINVAL));
    assert_eq!(client.call(110, f().u32(0).u32(1).u16(2).name("a")), Err(EPROTO));
    assert_eq!(
        client.call(118, f().u32(0).u64(0).u32(u32::MAX).bytes(b"x")),
        Err(EPROTO)
    );
    assert_eq!(client.call(116, f().u32(0).u64(0).u32(u32::MAX)), Err(EBADF));
    assert_eq!(client.call(100, f().u32(10).name("9P2000.L")), Err(90));
    assert_eq!(
        client.call(24, f().u32(0).u64(0)),
        Err(EPROTO),
        "no version, no service"
    );
    assert_eq!(
        client.ok(100, f().u32(8192).name("9P2000.u"))[4..],
        *b"\x07\0unknown"
    );
}

#[test]
fn answers_fit_the_buffer_or_are_errors() {
    let files = MemoryFs::new(1 << 20);
    files.write_file("file", &[7; 5000]).unwrap();
    let mut client = Client::new(files);
    client.walk(1, &["file"]).unwrap();
    client.ok(12, f().u32(1).u32(0));
    let read = f().u32(1).u64(0).u32(5000);
    let mut message = vec![23, 0, 0, 0, 116, 1, 0];
    message.extend(read.0);
    // Data is cut to the room there is; what cannot be cut is an error; where not even that fits, it is the driver's.
    assert_eq!(client.raw(&message, 100).len(), 100);
    let getattr = b"\x13\0\0\0\x18\x01\0\x01\0\0\0\0\0\0\0\0\0\0\0";
    assert_eq!(client.raw(getattr, 100)[4], 7);
    client.driver.ram.write(REQUEST, getattr).unwrap();
    client.driver.add(0, &[(REQUEST, 19, false), (REPLY, 10, true)]);
    client.driver.notify(0);
    assert!(client.driver.needs_reset());
    client.driver.start(F_EVENT_IDX);
    client.mount();
    assert_eq!(client.stat(1), Err(EBADF), "a reset closes everything");
}

#[test]
fn fids_are_bounded() {
    let mut client = Client::new(MemoryFs::new(1 << 20));
    let refused = (1..100_000).find(|&fid| client.walk(fid, &[]).is_err());
    assert_eq!(refused, Some(16384));
    for fid in 1..=512 {
        client.ok(12, f().u32(fid).u32(0));
    }
    assert_eq!(client.call(12, f().u32(513).u32(0)), Err(24));
}

#[cfg(target_os = "linux")]
mod host {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tabvisor::storage::fs::HostFs;

    use super::*;

    #[test]
    fn ordinary_use_of_a_directory_of_the_host() {
        let dir = tempfile::tempdir().unwrap();
        ordinary_use(Client::new(HostFs::new(dir.path(), false).unwrap()));
    }

    #[test]
    fn hostile_names_on_the_host() {
        let dir = tempfile::tempdir().unwrap();
        let share = dir.path().join("share");
        fs::create_dir(&share).unwrap();
        hostile_names(Client::new(HostFs::new(&share, false).unwrap()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    /// Symbolic links that lead out, whoever made them: the guest reads them as links, and nothing goes through them.
    #[test]
    fn links_that_lead_out_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let share = dir.path().join("share");
        let outside = dir.path().join("outside");
        fs::create_dir(&share).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), b"secret").unwrap();
        symlink(&outside, share.join("out")).unwrap();
        symlink(outside.join("secret"), share.join("leak")).unwrap();
        symlink("../outside", share.join("up")).unwrap();
        symlink(outside.join("new"), share.join("dangling")).unwrap();
        symlink("/proc/self/root", share.join("magic")).unwrap();
        let mut client = Client::new(HostFs::new(&share, false).unwrap());
        for link in ["out", "up", "magic"] {
            assert_eq!(client.walk(1, &[link, "secret"]), Ok(1), "{link}");
            assert_eq!(client.walk(1, &[link]), Ok(1));
            assert_eq!(client.stat(1).map(|(mode, ..)| mode & 0o170000), Ok(0o120000));
            assert!(client.call(12, f().u32(1).u32(0)).is_err());
            assert!(
                client
                    .call(72, f().u32(1).name("made").u32(0o755).u32(0))
                    .is_err()
            );
            assert!(client.call(76, f().u32(1).name("secret").u32(0)).is_err());
            assert!(
                client
                    .call(74, f().u32(1).name("secret").u32(0).name("stolen"))
                    .is_err()
            );
            assert!(
                client
                    .call(14, f().u32(1).name("made").u32(0o102).u32(0o644).u32(0))
                    .is_err()
            );
            client.clunk(1);
        }
        for link in ["leak", "dangling"] {
            assert!(client.get(&[link]).is_err());
            client.walk(1, &[link]).unwrap();
            let truncate = f()
                .u32(1)
                .u32(8)
                .u32(0)
                .u32(0)
                .u32(0)
                .u64(0)
                .u64(0)
                .u64(0)
                .u64(0)
                .u64(0);
            assert!(client.call(26, truncate).is_err());
            let chmod = f()
                .u32(1)
                .u32(1)
                .u32(0o777)
                .u32(0)
                .u32(0)
                .u64(0)
                .u64(0)
                .u64(0)
                .u64(0)
                .u64(0);
            assert!(client.call(26, chmod).is_err());
            client.clunk(1);
            client.walk(1, &[]).unwrap();
            assert!(
                client
                    .call(14, f().u32(1).name(link).u32(0o1002).u32(0o644).u32(0))
                    .is_err(),
                "{link}"
            );
            client.clunk(1);
        }
        assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        // A directory that is swapped for a link after the walk.
        client.ok(72, f().u32(0).name("dir").u32(0o755).u32(0));
        client.walk(1, &["dir"]).unwrap();
        fs::remove_dir(share.join("dir")).unwrap();
        symlink(&outside, share.join("dir")).unwrap();
        assert!(
            client
                .call(14, f().u32(1).name("made").u32(0o102).u32(0o644).u32(0))
                .is_err()
        );
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    }

    #[test]
    fn special_files_are_not_opened_and_set_id_bits_not_given() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
        let mut client = Client::new(HostFs::new(dir.path(), false).unwrap());
        assert_eq!(client.get(&["fifo"]), Err(13), "and without waiting for a writer");
        client.walk(1, &[]).unwrap();
        client.ok(14, f().u32(1).name("tool").u32(0o101).u32(0o6755).u32(0));
        client.ok(
            26,
            f().u32(1)
                .u32(1)
                .u32(0o6755)
                .u32(0)
                .u32(0)
                .u64(0)
                .u64(0)
                .u64(0)
                .u64(0)
                .u64(0),
        );
        client.clunk(1);
        client.walk(1, &["tool"]).unwrap();
        client.ok(
            26,
            f().u32(1)
                .u32(1)
                .u32(0o6755)
                .u32(0)
                .u32(0)
                .u64(0)
                .u64(0)
                .u64(0)
                .u64(0)
                .u64(0),
        );
        let mode = fs::metadata(dir.path().join("tool"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o755);
    }

    #[test]
    fn a_read_only_share_is_read_only() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), b"as it was").unwrap();
        let mut client = Client::new(HostFs::new(dir.path(), true).unwrap());
        assert_eq!(client.get(&["file"]).unwrap(), b"as it was");
        client.walk(1, &["file"]).unwrap();
        let refused = [
            (12, f().u32(1).u32(1)),
            (12, f().u32(1).u32(0o1000)),
            (
                26,
                f().u32(1)
                    .u32(1)
                    .u32(0)
                    .u32(0)
                    .u32(0)
                    .u64(0)
                    .u64(0)
                    .u64(0)
                    .u64(0)
                    .u64(0),
            ),
            (72, f().u32(0).name("dir").u32(0o755).u32(0)),
            (76, f().u32(0).name("file").u32(0)),
            (74, f().u32(0).name("file").u32(0).name("other")),
            (70, f().u32(0).u32(1).name("other")),
            (16, f().u32(0).name("other").name("file").u32(0)),
            (14, f().u32(0).name("other").u32(0o102).u32(0o644).u32(0)),
        ];
        for (kind, fields) in refused {
            assert_eq!(client.call(kind, fields), Err(30), "{kind}");
        }
        assert!(HostFs::new(&dir.path().join("file"), false).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// Messages that mount, then anything: it ends, and every answer is well formed.
    #[test]
    fn any_messages_are_survived(
        messages in prop::collection::vec(
            (prop_oneof![prop::sample::select(vec![12u8, 14, 20, 24, 26, 40, 72, 74, 76, 110, 116, 118, 120]), any::<u8>()],
             prop::collection::vec(prop_oneof![0u8..3, any::<u8>()], 0..64)), 0..20)
    ) {
        let mut bytes = Vec::new();
        let mut add = |kind: u8, fields: &[u8]| {
            bytes.extend((7 + fields.len() as u16).to_le_bytes());
            bytes.extend((7 + fields.len() as u32).to_le_bytes());
            bytes.extend([kind, 1, 0]);
            bytes.extend(fields);
        };
        add(100, &f().u32(8192).name("9P2000.L").0);
        add(104, &f().u32(0).u32(!0).name("").name("").u32(0).0);
        add(110, &f().u32(0).u32(1).u16(2).name("directory").name("file").0);
        for (kind, fields) in &messages {
            add(*kind, fields);
        }
        exercise(&bytes);
    }
}
