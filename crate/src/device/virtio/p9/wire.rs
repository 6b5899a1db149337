//! The fields of 9p messages: little-endian integers, and strings with two bytes of length before them.
//!
//! [`Input`] reads them in place from a message of the guest's; past its end every field is an error, never a panic.

use crate::storage::fs::{Attributes, Errno, FsResult, Kind, Name};

/// Longest message the server agrees to.
pub const MAX_MESSAGE: usize = 512 << 10;
/// Shortest limit a client may ask for.
pub const MIN_MESSAGE: usize = 4096;
/// Bytes of `size, type, tag` before every message's fields.
pub const HEADER: usize = 7;
/// Bytes of `count` before data.
pub const COUNT: usize = 4;
/// Bytes of a qid.
pub const QID: usize = 13;

/// Message types; an answer's is one higher.
pub mod message {
    pub const LERROR: u8 = 6;
    pub const STATFS: u8 = 8;
    pub const LOPEN: u8 = 12;
    pub const LCREATE: u8 = 14;
    pub const SYMLINK: u8 = 16;
    pub const MKNOD: u8 = 18;
    pub const RENAME: u8 = 20;
    pub const READLINK: u8 = 22;
    pub const GETATTR: u8 = 24;
    pub const SETATTR: u8 = 26;
    pub const XATTRWALK: u8 = 30;
    pub const XATTRCREATE: u8 = 32;
    pub const READDIR: u8 = 40;
    pub const FSYNC: u8 = 50;
    pub const LOCK: u8 = 52;
    pub const GETLOCK: u8 = 54;
    pub const LINK: u8 = 70;
    pub const MKDIR: u8 = 72;
    pub const RENAMEAT: u8 = 74;
    pub const UNLINKAT: u8 = 76;
    pub const VERSION: u8 = 100;
    pub const AUTH: u8 = 102;
    pub const ATTACH: u8 = 104;
    pub const FLUSH: u8 = 108;
    pub const WALK: u8 = 110;
    pub const READ: u8 = 116;
    pub const WRITE: u8 = 118;
    pub const CLUNK: u8 = 120;
    pub const REMOVE: u8 = 122;
}

/// The fields of a message not read yet.
#[derive(Debug)]
pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// The fields in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn array<const N: usize>(&mut self) -> FsResult<[u8; N]> {
        let (field, rest) = self.rest.split_first_chunk::<N>().ok_or(Errno::EPROTO)?;
        self.rest = rest;
        Ok(*field)
    }

    pub fn u8(&mut self) -> FsResult<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> FsResult<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> FsResult<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> FsResult<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn bytes(&mut self, count: usize) -> FsResult<&'a [u8]> {
        let (field, rest) = self.rest.split_at_checked(count).ok_or(Errno::EPROTO)?;
        self.rest = rest;
        Ok(field)
    }

    pub fn string(&mut self) -> FsResult<&'a [u8]> {
        let length = self.u16()?;
        self.bytes(length.into())
    }

    /// A string that must be the name of a directory entry.
    pub fn name(&mut self) -> FsResult<Name> {
        Name::new_checked(self.string()?)
    }
}

/// The fields of an answer being written.
#[derive(Debug)]
pub struct Output<'a> {
    bytes: &'a mut Vec<u8>,
    /// Longest the whole message may become.
    pub limit: usize,
}

impl<'a> Output<'a> {
    /// Writes on after what is in `bytes`.
    pub fn new(bytes: &'a mut Vec<u8>, limit: usize) -> Self {
        Self { bytes, limit }
    }

    /// Bytes that may still be written.
    pub fn left(&self) -> usize {
        self.limit.saturating_sub(self.bytes.len())
    }

    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// A string; the file systems' names and link targets all fit 16 bits of length.
    pub fn string(&mut self, value: &[u8]) -> FsResult<()> {
        self.u16(u16::try_from(value.len()).map_err(|_| Errno::ENAMETOOLONG)?);
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    /// What identifies a file, and a version that changes with its contents.
    pub fn qid(&mut self, attributes: &Attributes) {
        let modified = attributes.modified;
        let version = modified.nanos ^ (modified.seconds as u32) << 8 ^ attributes.size as u32;
        self.qid_of(attributes.kind, version, attributes.inode);
    }

    pub fn qid_of(&mut self, kind: Kind, version: u32, inode: u64) {
        self.u8(match kind {
            Kind::Directory => 0x80,
            Kind::Symlink => 0x02,
            Kind::File | Kind::Other => 0,
        });
        self.u32(version);
        self.u64(inode);
    }

    /// Counted data of at most `count` bytes, cut to what the message has room for; `fill` says how many there are.
    pub fn data(&mut self, count: u32, fill: impl FnOnce(&mut [u8]) -> FsResult<usize>) -> FsResult<()> {
        let room = self.left().saturating_sub(COUNT).min(count as usize);
        let start = self.bytes.len() + COUNT;
        self.bytes.resize(start + room, 0);
        let filled = fill(&mut self.bytes[start..])?.min(room);
        self.bytes.truncate(start + filled);
        self.bytes[start - COUNT..start].copy_from_slice(&(filled as u32).to_le_bytes());
        Ok(())
    }

    /// Counted data of at most `count` bytes, of which `write` writes as much as it finds room for.
    pub fn nested(
        &mut self,
        count: u32,
        write: impl FnOnce(&mut Output<'_>) -> FsResult<()>,
    ) -> FsResult<()> {
        let start = self.bytes.len();
        self.u32(0);
        let limit = self.limit.min(start.saturating_add(COUNT + count as usize));
        write(&mut Output {
            bytes: &mut *self.bytes,
            limit,
        })?;
        let written = (self.bytes.len() - start - COUNT) as u32;
        self.bytes[start..start + COUNT].copy_from_slice(&written.to_le_bytes());
        Ok(())
    }
}
