//! Open files: lopen, lcreate, read, write, fsync, lock, getlock.

use super::super::fid::Open;
use super::super::server::Server;
use super::super::wire::{Input, Output};
use crate::storage::fs::{Errno, FsResult, Kind, OpenMode, Owner};

/// Flags of `open`, numbered as Linux does on most machines.
mod flag {
    pub const ACCESS: u32 = 3;
    pub const WRITE_ONLY: u32 = 1;
    pub const READ_WRITE: u32 = 2;
    pub const EXCLUSIVE: u32 = 0o200;
    pub const TRUNCATE: u32 = 0o1000;
    pub const APPEND: u32 = 0o2000;
    pub const DIRECTORY: u32 = 0o200_000;
}

/// Answers to a lock request, and the type that says "none".
const LOCK_SUCCESS: u8 = 0;
const LOCK_NONE: u8 = 2;

fn mode(flags: u32) -> FsResult<OpenMode> {
    let (read, write) = match flags & flag::ACCESS {
        flag::WRITE_ONLY => (false, true),
        flag::READ_WRITE => (true, true),
        0 => (true, false),
        _ => return Err(Errno::EINVAL),
    };
    Ok(OpenMode {
        read,
        write,
        truncate: flags & flag::TRUNCATE != 0,
        append: flags & flag::APPEND != 0,
        exclusive: flags & flag::EXCLUSIVE != 0,
    })
}

impl Server {
    /// `fid[4] flags[4]`, answered by `qid[13] iounit[4]`.
    pub(in super::super) fn open(&mut self, input: &mut Input<'_>, output: &mut Output<'_>) -> FsResult<()> {
        let (number, flags) = (input.u32()?, input.u32()?);
        self.fids.check_may_open(number)?;
        let fid = self.fids.get(number)?;
        let attributes = self.files.attributes(&fid.path)?;
        let mode = mode(flags)?;
        fid.open = if attributes.kind == Kind::Directory {
            if mode.write || mode.truncate {
                return Err(Errno::EISDIR);
            }
            Open::Directory(self.files.open_directory(&fid.path)?)
        } else if flags & flag::DIRECTORY != 0 {
            return Err(Errno::ENOTDIR);
        } else {
            Open::File(self.files.open(&fid.path, mode)?)
        };
        let attributes = fid.attributes(self.files.as_mut())?;
        output.qid(&attributes);
        output.u32(0);
        Ok(())
    }

    /// `fid[4] name[s] flags[4] mode[4] gid[4]`, answered by `qid[13] iounit[4]`. The fid, of a directory, becomes the
    /// new file's.
    pub(in super::super) fn create(
        &mut self,
        input: &mut Input<'_>,
        output: &mut Output<'_>,
    ) -> FsResult<()> {
        let (number, name, flags) = (input.u32()?, input.name()?, input.u32()?);
        let (permissions, gid) = (input.u32()?, input.u32()?);
        self.fids.check_may_open(number)?;
        let fid = self.fids.get(number)?;
        let path = fid.path.child(name)?;
        let owner = Owner {
            mode: permissions,
            uid: fid.uid,
            gid,
        };
        let mut file = self.files.create(&path, mode(flags)?, owner)?;
        let attributes = file.attributes()?;
        fid.path = path;
        fid.open = Open::File(file);
        output.qid(&attributes);
        output.u32(0);
        Ok(())
    }

    /// `fid[4] offset[8] count[4]`, answered by `count[4] data`.
    pub(in super::super) fn read(&mut self, input: &mut Input<'_>, output: &mut Output<'_>) -> FsResult<()> {
        let (fid, offset, count) = (input.u32()?, input.u64()?, input.u32()?);
        let file = self.fids.get(fid)?.file()?;
        output.data(count, |into| file.read(offset, into))
    }

    /// `fid[4] offset[8] count[4] data`, answered by `count[4]`.
    pub(in super::super) fn write(&mut self, input: &mut Input<'_>, output: &mut Output<'_>) -> FsResult<()> {
        let (fid, offset, count) = (input.u32()?, input.u64()?, input.u32()?);
        let data = input.bytes(count as usize)?;
        let written = self.fids.get(fid)?.file()?.write(offset, data)?;
        output.u32(written as u32);
        Ok(())
    }

    /// `fid[4] datasync[4]`.
    pub(in super::super) fn fsync(&mut self, input: &mut Input<'_>) -> FsResult<()> {
        let (fid, data_only) = (input.u32()?, input.u32()?);
        match &mut self.fids.get(fid)?.open {
            Open::File(file) => file.sync(data_only != 0),
            Open::Directory(_) => Ok(()),
            Open::Nothing => Err(Errno::EBADF),
        }
    }

    /// `fid[4] type[1] flags[4] start[8] length[8] proc_id[4] client_id[s]`, answered by `status[1]`.
    pub(in super::super) fn lock(&mut self, input: &mut Input<'_>, output: &mut Output<'_>) -> FsResult<()> {
        self.fids.get(input.u32()?)?;
        output.u8(LOCK_SUCCESS);
        Ok(())
    }

    /// `fid[4] type[1] start[8] length[8] proc_id[4] client_id[s]`, answered by the lock in the way, which there never
    /// is: `type[1]` "none" and the other fields as they came.
    pub(in super::super) fn getlock(
        &mut self,
        input: &mut Input<'_>,
        output: &mut Output<'_>,
    ) -> FsResult<()> {
        self.fids.get(input.u32()?)?;
        let (_kind, start, length, process) = (input.u8()?, input.u64()?, input.u64()?, input.u32()?);
        let client = input.string()?;
        output.u8(LOCK_NONE);
        output.u64(start);
        output.u64(length);
        output.u32(process);
        output.string(client)
    }
}
