//! Attributes: getattr, setattr.

use super::super::fid::Open;
use super::super::server::Server;
use super::super::wire::{Input, Output};
use crate::storage::fs::{FsResult, SetAttributes, SetTime, Time};

/// The attributes an answer holds: all but birth time, generation and data version.
const VALID_BASIC: u64 = 0x7ff;

/// Bits of `valid` in setattr.
mod set {
    pub const MODE: u32 = 1;
    pub const UID: u32 = 2;
    pub const GID: u32 = 4;
    pub const SIZE: u32 = 8;
    pub const ATIME: u32 = 0x10;
    pub const MTIME: u32 = 0x20;
    /// The time is in the message; without these it is the present.
    pub const ATIME_SET: u32 = 0x80;
    pub const MTIME_SET: u32 = 0x100;
}

impl Server {
    /// `fid[4] request_mask[8]`, answered by `valid[8] qid[13] mode[4] uid[4] gid[4] nlink[8] rdev[8] size[8] blksize[8]
    /// blocks[8]`, then seconds and nanoseconds, `[8]` each, of access, modification, change and birth, then `gen[8]
    /// data_version[8]`.
    pub(in super::super) fn getattr(
        &mut self,
        input: &mut Input<'_>,
        output: &mut Output<'_>,
    ) -> FsResult<()> {
        let (fid, _mask) = (input.u32()?, input.u64()?);
        let attributes = self.fids.get(fid)?.attributes(self.files.as_mut())?;
        output.u64(VALID_BASIC);
        output.qid(&attributes);
        output.u32(attributes.mode);
        output.u32(attributes.uid);
        output.u32(attributes.gid);
        output.u64(attributes.links);
        output.u64(attributes.device);
        output.u64(attributes.size);
        output.u64(4096);
        output.u64(attributes.blocks);
        for time in [
            attributes.accessed,
            attributes.modified,
            attributes.changed,
            Time::default(),
        ] {
            output.u64(time.seconds);
            output.u64(time.nanos.into());
        }
        output.u64(0);
        output.u64(0);
        Ok(())
    }

    /// `fid[4] valid[4] mode[4] uid[4] gid[4] size[8]`, then seconds and nanoseconds, `[8]` each, of access and
    /// modification.
    pub(in super::super) fn setattr(&mut self, input: &mut Input<'_>) -> FsResult<()> {
        let (fid, valid) = (input.u32()?, input.u32()?);
        let (mode, uid, gid, size) = (input.u32()?, input.u32()?, input.u32()?, input.u64()?);
        let mut time = |changed, given| -> FsResult<Option<SetTime>> {
            let time = Time {
                seconds: input.u64()?,
                nanos: input.u64()?.min(999_999_999) as u32,
            };
            let change = if valid & given != 0 {
                SetTime::At(time)
            } else {
                SetTime::Now
            };
            Ok((valid & changed != 0).then_some(change))
        };
        let change = SetAttributes {
            mode: (valid & set::MODE != 0).then_some(mode),
            uid: (valid & set::UID != 0).then_some(uid),
            gid: (valid & set::GID != 0).then_some(gid),
            size: (valid & set::SIZE != 0).then_some(size),
            accessed: time(set::ATIME, set::ATIME_SET)?,
            modified: time(set::MTIME, set::MTIME_SET)?,
        };
        let fid = self.fids.get(fid)?;
        match &mut fid.open {
            Open::File(file) => file.set_attributes(&change),
            _ => self.files.set_attributes(&fid.path, &change),
        }
    }
}
