//! Fids: the numbers by which a client knows places in the tree and what it has open there.

use std::collections::BTreeMap;

use crate::storage::fs::{Attributes, Errno, FileSystem, FsResult, OpenDirectory, OpenFile, Path};

/// Most fids at a time. Linux keeps one or two per cached directory entry.
const MAX_FIDS: usize = 16384;
/// Most of them open: each may hold a file descriptor of the host.
const MAX_OPEN: usize = 512;

/// What a fid has open.
#[derive(Debug)]
pub(super) enum Open {
    Nothing,
    File(Box<dyn OpenFile>),
    Directory(Box<dyn OpenDirectory>),
}

/// A place in the tree.
#[derive(Debug)]
pub(super) struct Fid {
    pub path: Path,
    pub open: Open,
    /// The user files made through this fid belong to.
    pub uid: u32,
}

impl Fid {
    /// Attributes of what is open, which may have lost its name; else of what is at the path.
    pub fn attributes(&mut self, files: &mut dyn FileSystem) -> FsResult<Attributes> {
        match &mut self.open {
            Open::File(file) => file.attributes(),
            Open::Directory(directory) => directory.attributes(),
            Open::Nothing => files.attributes(&self.path),
        }
    }

    pub fn file(&mut self) -> FsResult<&mut dyn OpenFile> {
        match &mut self.open {
            Open::File(file) => Ok(file.as_mut()),
            Open::Directory(_) => Err(Errno::EISDIR),
            Open::Nothing => Err(Errno::EBADF),
        }
    }

    pub fn directory(&mut self) -> FsResult<&mut dyn OpenDirectory> {
        match &mut self.open {
            Open::Directory(directory) => Ok(directory.as_mut()),
            Open::File(_) => Err(Errno::ENOTDIR),
            Open::Nothing => Err(Errno::EBADF),
        }
    }
}

/// All fids of a client.
#[derive(Debug, Default)]
pub(super) struct FidTable {
    fids: BTreeMap<u32, Fid>,
}

impl FidTable {
    pub fn clear(&mut self) {
        self.fids.clear();
    }

    pub fn get(&mut self, fid: u32) -> FsResult<&mut Fid> {
        self.fids.get_mut(&fid).ok_or(Errno::EBADF)
    }

    /// A copy of the path of `fid`.
    pub fn path(&mut self, fid: u32) -> FsResult<Path> {
        Ok(self.get(fid)?.path.clone())
    }

    /// A new fid; the number must be free.
    pub fn add(&mut self, number: u32, path: Path, uid: u32) -> FsResult<()> {
        if self.fids.contains_key(&number) {
            return Err(Errno::EINVAL);
        }
        if self.fids.len() >= MAX_FIDS {
            return Err(Errno::EMFILE);
        }
        self.fids.insert(
            number,
            Fid {
                path,
                open: Open::Nothing,
                uid,
            },
        );
        Ok(())
    }

    pub fn remove(&mut self, fid: u32) -> FsResult<Fid> {
        self.fids.remove(&fid).ok_or(Errno::EBADF)
    }

    /// Errs unless `fid` is there, is not open, and one more may be.
    pub fn check_may_open(&mut self, fid: u32) -> FsResult<()> {
        if !matches!(self.get(fid)?.open, Open::Nothing) {
            return Err(Errno::EBADF);
        }
        let open = self
            .fids
            .values()
            .filter(|fid| !matches!(fid.open, Open::Nothing))
            .count();
        if open >= MAX_OPEN {
            Err(Errno::EMFILE)
        } else {
            Ok(())
        }
    }

    /// After what was at `from` moved to `to`: fids at or below it move along.
    pub fn moved(&mut self, from: &Path, to: &Path) {
        for fid in self.fids.values_mut() {
            if let Some(path) = fid.path.moved(from, to) {
                fid.path = path;
            }
        }
    }
}
