//! Directories: readdir, mkdir, unlinkat, remove.

use super::super::server::Server;
use super::super::wire::{Input, Output, QID};
use crate::storage::fs::{Errno, FsResult, Kind, Owner};

/// Flag of `unlinkat`: remove a directory.
const AT_REMOVEDIR: u32 = 0x200;

/// The type of an entry as `readdir` gives it (Linux's DT_ numbers).
fn entry_type(kind: Kind) -> u8 {
    match kind {
        Kind::Directory => 4,
        Kind::File => 8,
        Kind::Symlink => 10,
        Kind::Other => 0,
    }
}

impl Server {
    /// `fid[4] offset[8] count[4]`, answered by `count[4]` bytes of entries: `qid[13] offset[8] type[1] name[s]`.
    pub(in super::super) fn readdir(
        &mut self,
        input: &mut Input<'_>,
        output: &mut Output<'_>,
    ) -> FsResult<()> {
        let (fid, cookie, count) = (input.u32()?, input.u64()?, input.u32()?);
        let directory = self.fids.get(fid)?.directory()?;
        output.nested(count, |output| {
            let (mut wrote, mut outcome) = (false, Ok(()));
            directory.entries(cookie, &mut |entry| {
                if output.left() < QID + 8 + 1 + 2 + entry.name.len() {
                    // Nothing at all would look like the end of the directory.
                    if !wrote {
                        outcome = Err(Errno::EINVAL);
                    }
                    return false;
                }
                output.qid_of(entry.kind, 0, entry.inode);
                output.u64(entry.cookie);
                output.u8(entry_type(entry.kind));
                outcome = output.string(entry.name);
                wrote = true;
                outcome.is_ok()
            })?;
            outcome
        })
    }

    /// `dfid[4] name[s] mode[4] gid[4]`, answered by `qid[13]`.
    pub(in super::super) fn mkdir(&mut self, input: &mut Input<'_>, output: &mut Output<'_>) -> FsResult<()> {
        let (fid, name, mode, gid) = (input.u32()?, input.name()?, input.u32()?, input.u32()?);
        let fid = self.fids.get(fid)?;
        let path = fid.path.child(name)?;
        self.files.make_directory(
            &path,
            Owner {
                mode,
                uid: fid.uid,
                gid,
            },
        )?;
        output.qid(&self.files.attributes(&path)?);
        Ok(())
    }

    /// `dirfd[4] name[s] flags[4]`.
    pub(in super::super) fn unlinkat(&mut self, input: &mut Input<'_>) -> FsResult<()> {
        let (fid, name, flags) = (input.u32()?, input.name()?, input.u32()?);
        let path = self.fids.path(fid)?.child(name)?;
        self.files.remove(&path, flags & AT_REMOVEDIR != 0)
    }

    /// `fid[4]`: removes the file and lets go of the fid, even if the former fails.
    pub(in super::super) fn remove(&mut self, input: &mut Input<'_>) -> FsResult<()> {
        let fid = self.fids.remove(input.u32()?)?;
        let directory = self.files.attributes(&fid.path)?.kind == Kind::Directory;
        self.files.remove(&fid.path, directory)
    }
}
