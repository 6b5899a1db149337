//! What stands behind the file-sharing device: a tree of files.
//!
//! [`MemoryFs`] keeps one in memory, for the page; `HostFs` shares a directory of the host. The guest is hostile: all
//! names reach a file system as [`Name`]s, which cannot mean anything but an entry of the directory they are looked up
//! in, and nobody but the guest ever follows a symbolic link.

mod errno;
#[cfg(all(not(target_arch = "wasm32"), target_os = "linux"))]
mod host;
mod memory;
mod path;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use errno::Errno;
#[cfg(all(not(target_arch = "wasm32"), target_os = "linux"))]
pub use host::{HostFs, ShareError};
pub use memory::{Listed, MemoryFs};
pub use path::{Name, Path};

/// The result of an operation on files.
pub type FsResult<T> = Result<T, Errno>;

/// A moment, as time since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Time {
    /// Whole seconds.
    pub seconds: u64,
    /// Nanoseconds beyond them.
    pub nanos: u32,
}

/// What a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, pipe or socket of the host: seen, but never opened.
    Other,
}

/// What `stat` tells. Numbers are Linux's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// Number that is this file's alone.
    pub inode: u64,
    /// What it is.
    pub kind: Kind,
    /// Type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names it has.
    pub links: u64,
    /// Device number, of a device.
    pub device: u64,
    /// Bytes in it.
    pub size: u64,
    /// 512-byte blocks it takes.
    pub blocks: u64,
    /// Last read.
    pub accessed: Time,
    /// Last written.
    pub modified: Time,
    /// Last change of contents or attributes.
    pub changed: Time,
}

/// A new time stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetTime {
    /// The present.
    Now,
    /// The moment given.
    At(Time),
}

/// Attributes to change; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetAttributes {
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Length in bytes: cut off, or filled up with zeroes.
    pub size: Option<u64>,
    /// Last read.
    pub accessed: Option<SetTime>,
    /// Last written.
    pub modified: Option<SetTime>,
}

/// How a file is to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenMode {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// Cut to no bytes at once.
    pub truncate: bool,
    /// Every write goes to the end.
    pub append: bool,
    /// When creating: it must not exist yet.
    pub exclusive: bool,
}

/// One entry of a directory.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its file's number.
    pub inode: u64,
    /// What it is.
    pub kind: Kind,
    /// Where to go on reading after this entry. Stays good while entries come and go.
    pub cookie: u64,
    /// Its name; `.` and `..` are among the entries.
    pub name: &'a [u8],
}

/// Room and use of a file system, as `statfs` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Bytes per block.
    pub block_size: u32,
    /// Blocks in all.
    pub blocks: u64,
    /// Blocks free.
    pub free: u64,
    /// Blocks free for ordinary users.
    pub available: u64,
    /// Files there may be.
    pub files: u64,
    /// Files there may still be.
    pub files_free: u64,
    /// Longest name in bytes.
    pub name_length: u32,
}

/// An open file. It stays readable and writable after its name is gone. Dropping it closes it.
pub trait OpenFile: fmt::Debug {
    /// Its attributes.
    fn attributes(&mut self) -> FsResult<Attributes>;

    /// Changes its attributes.
    fn set_attributes(&mut self, change: &SetAttributes) -> FsResult<()>;

    /// Reads at `offset` into `into`; fewer bytes than asked for only at the end of the file.
    fn read(&mut self, offset: u64, into: &mut [u8]) -> FsResult<usize>;

    /// Writes at `offset`; returns how many bytes were written, which may be fewer when room runs out.
    fn write(&mut self, offset: u64, from: &[u8]) -> FsResult<usize>;

    /// Makes what was written last.
    fn sync(&mut self, data_only: bool) -> FsResult<()>;
}

/// An open directory. Dropping it closes it.
pub trait OpenDirectory: fmt::Debug {
    /// Its attributes.
    fn attributes(&mut self) -> FsResult<Attributes>;

    /// Hands over the entries after `cookie` (0: from the start) until `each` returns false.
    fn entries(&mut self, cookie: u64, each: &mut dyn FnMut(Entry<'_>) -> bool) -> FsResult<()>;
}

/// A tree of files. No operation follows symbolic links.
pub trait FileSystem: fmt::Debug {
    /// Tells the present to file systems that have no clock.
    fn set_time(&mut self, now: Time) {
        let _ = now;
    }

    /// Attributes of what is at `path`.
    fn attributes(&mut self, path: &Path) -> FsResult<Attributes>;

    /// Changes attributes of what is at `path`.
    fn set_attributes(&mut self, path: &Path, change: &SetAttributes) -> FsResult<()>;

    /// Opens the regular file at `path`.
    fn open(&mut self, path: &Path, mode: OpenMode) -> FsResult<Box<dyn OpenFile>>;

    /// Opens the directory at `path`.
    fn open_directory(&mut self, path: &Path) -> FsResult<Box<dyn OpenDirectory>>;

    /// Makes the regular file at `path`, if need be, and opens it.
    fn create(&mut self, path: &Path, mode: OpenMode, owner: Owner) -> FsResult<Box<dyn OpenFile>>;

    /// Makes a directory.
    fn make_directory(&mut self, path: &Path, owner: Owner) -> FsResult<()>;

    /// Makes a symbolic link that holds `target`, whatever that means to the guest.
    fn symlink(&mut self, path: &Path, target: &[u8], owner: Owner) -> FsResult<()>;

    /// What the symbolic link at `path` holds.
    fn read_link(&mut self, path: &Path) -> FsResult<Vec<u8>>;

    /// Gives the file at `path` another name.
    fn link(&mut self, path: &Path, new: &Path) -> FsResult<()>;

    /// Moves what is at `from` to `to`, replacing a file or empty directory there.
    fn rename(&mut self, from: &Path, to: &Path) -> FsResult<()>;

    /// Removes the name of a file, or (if `directory`) an empty directory.
    fn remove(&mut self, path: &Path, directory: bool) -> FsResult<()>;

    /// Room and use.
    fn statistics(&mut self) -> FsResult<Statistics>;
}

/// Permission bits and owner of a file to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}
