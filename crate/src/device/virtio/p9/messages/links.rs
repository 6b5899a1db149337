//! Names and links: symlink, readlink, link, rename, renameat.

use super::super::server::Server;
use super::super::wire::{Input, Output};
use crate::storage::fs::{Errno, FsResult, Owner, Path};

/// Longest target of a symbolic link, as on Linux.
const TARGET_MAX: usize = 4095;

impl Server {
    /// `fid[4] name[s] symtgt[s] gid[4]`, answered by `qid[13]`.
    pub(in super::super) fn symlink(
        &mut self,
        input: &mut Input<'_>,
        output: &mut Output<'_>,
    ) -> FsResult<()> {
        let (fid, name, target, gid) = (input.u32()?, input.name()?, input.string()?, input.u32()?);
        if target.len() > TARGET_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let fid = self.fids.get(fid)?;
        let path = fid.path.child(name)?;
        self.files.symlink(
            &path,
            target,
            Owner {
                mode: 0o777,
                uid: fid.uid,
                gid,
            },
        )?;
        output.qid(&self.files.attributes(&path)?);
        Ok(())
    }

    /// `fid[4]`, answered by `target[s]`.
    pub(in super::super) fn readlink(
        &mut self,
        input: &mut Input<'_>,
        output: &mut Output<'_>,
    ) -> FsResult<()> {
        let path = self.fids.path(input.u32()?)?;
        output.string(&self.files.read_link(&path)?)
    }

    /// `dfid[4] fid[4] name[s]`.
    pub(in super::super) fn link(&mut self, input: &mut Input<'_>) -> FsResult<()> {
        let (directory, fid, name) = (input.u32()?, input.u32()?, input.name()?);
        let new = self.fids.path(directory)?.child(name)?;
        self.files.link(&self.fids.path(fid)?, &new)
    }

    /// `fid[4] dfid[4] name[s]`.
    pub(in super::super) fn rename(&mut self, input: &mut Input<'_>) -> FsResult<()> {
        let (fid, directory, name) = (input.u32()?, input.u32()?, input.name()?);
        let from = self.fids.path(fid)?;
        let to = self.fids.path(directory)?.child(name)?;
        self.move_to(&from, &to)
    }

    /// `olddirfid[4] oldname[s] newdirfid[4] newname[s]`.
    pub(in super::super) fn renameat(&mut self, input: &mut Input<'_>) -> FsResult<()> {
        let (old, old_name) = (input.u32()?, input.name()?);
        let (new, new_name) = (input.u32()?, input.name()?);
        let from = self.fids.path(old)?.child(old_name)?;
        let to = self.fids.path(new)?.child(new_name)?;
        self.move_to(&from, &to)
    }

    fn move_to(&mut self, from: &Path, to: &Path) -> FsResult<()> {
        self.files.rename(from, to)?;
        self.fids.moved(from, to);
        Ok(())
    }
}
