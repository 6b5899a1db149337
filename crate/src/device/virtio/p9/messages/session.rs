//! Coming, looking around and going: version, attach, walk, clunk, statfs.

use super::super::server::Server;
use super::super::wire::{Input, MAX_MESSAGE, MIN_MESSAGE, Output};
use crate::storage::fs::{Attributes, Errno, FsResult, Name, Path};

/// Most names in one walk.
const MAX_WALK: u16 = 16;
/// What `statfs` calls the file system ("V9FS").
const FS_TYPE: u32 = 0x0102_1997;

impl Server {
    /// `msize[4] version[s]`, answered in kind. Starts a new conversation.
    pub(in super::super) fn version(
        &mut self,
        input: &mut Input<'_>,
        output: &mut Output<'_>,
    ) -> FsResult<()> {
        let size = input.u32()? as usize;
        let known = input.string()? == b"9P2000.L";
        self.reset();
        if size < MIN_MESSAGE {
            return Err(Errno::EMSGSIZE);
        }
        let size = size.min(MAX_MESSAGE);
        if known {
            self.message_size = size;
        }
        output.u32(size as u32);
        output.string(if known { b"9P2000.L" } else { b"unknown" })
    }

    /// `fid[4] afid[4] uname[s] aname[s] n_uname[4]`, answered by `qid[13]`.
    pub(in super::super) fn attach(
        &mut self,
        input: &mut Input<'_>,
        output: &mut Output<'_>,
    ) -> FsResult<()> {
        let fid = input.u32()?;
        let _authentication = input.u32()?;
        let (_user, tree) = (input.string()?, input.string()?);
        let uid = input.u32()?;
        if !matches!(tree, b"" | b"/") {
            return Err(Errno::ENOENT);
        }
        let attributes = self.files.attributes(&Path::root())?;
        self.fids.add(fid, Path::root(), uid)?;
        output.qid(&attributes);
        Ok(())
    }

    /// `fid[4] newfid[4] nwname[2] wname[s]…`, answered by `nwqid[2] qid[13]…`. If only some of the names are found,
    /// that many qids answer, and the new fid is not made.
    pub(in super::super) fn walk(&mut self, input: &mut Input<'_>, output: &mut Output<'_>) -> FsResult<()> {
        let (fid, new_fid, count) = (input.u32()?, input.u32()?, input.u16()?);
        if count > MAX_WALK {
            return Err(Errno::EINVAL);
        }
        let names = (0..count).map(|_| input.string()).collect::<FsResult<Vec<_>>>()?;
        let from = self.fids.get(fid)?;
        let (mut path, uid) = (from.path.clone(), from.uid);
        let mut found = Vec::new();
        for name in names {
            match self.step(&path, name) {
                Ok((next, attributes)) => {
                    path = next;
                    found.push(attributes);
                }
                Err(error) if found.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        if found.len() == usize::from(count) {
            if new_fid == fid {
                self.fids.remove(fid)?;
            }
            self.fids.add(new_fid, path, uid)?;
        }
        output.u16(found.len() as u16);
        found.iter().for_each(|attributes| output.qid(attributes));
        Ok(())
    }

    fn step(&mut self, path: &Path, name: &[u8]) -> FsResult<(Path, Attributes)> {
        let next = path.child(Name::new_checked(name)?)?;
        let attributes = self.files.attributes(&next)?;
        Ok((next, attributes))
    }

    /// `fid[4]`: lets go of it.
    pub(in super::super) fn clunk(&mut self, input: &mut Input<'_>) -> FsResult<()> {
        self.fids.remove(input.u32()?).map(drop)
    }

    /// `fid[4]`, answered by `type[4] bsize[4] blocks[8] bfree[8] bavail[8] files[8] ffree[8] fsid[8] namelen[4]`.
    pub(in super::super) fn statfs(
        &mut self,
        input: &mut Input<'_>,
        output: &mut Output<'_>,
    ) -> FsResult<()> {
        self.fids.get(input.u32()?)?;
        let statistics = self.files.statistics()?;
        output.u32(FS_TYPE);
        output.u32(statistics.block_size);
        output.u64(statistics.blocks);
        output.u64(statistics.free);
        output.u64(statistics.available);
        output.u64(statistics.files);
        output.u64(statistics.files_free);
        output.u64(0);
        output.u32(statistics.name_length);
        Ok(())
    }
}
