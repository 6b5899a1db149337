//! One client's conversation: takes a message apart, hands it to its handler, and frames the answer.

use super::fid::FidTable;
use super::wire::{HEADER, Input, MAX_MESSAGE, Output, message};
use crate::storage::fs::{Errno, FileSystem, FsResult, Time};

/// The tag of messages that have none.
const NO_TAG: u16 = !0;

/// A 9p2000.L server for one client.
#[derive(Debug)]
pub struct Server {
    pub(super) files: Box<dyn FileSystem>,
    pub(super) fids: FidTable,
    /// Longest message agreed on; 0 before there is an agreement.
    pub(super) message_size: usize,
}

impl Server {
    /// A server of `files`.
    pub fn new(files: Box<dyn FileSystem>) -> Self {
        Self {
            files,
            fids: FidTable::default(),
            message_size: 0,
        }
    }

    /// Forgets the client, closing all it had open.
    pub fn reset(&mut self) {
        self.fids.clear();
        self.message_size = 0;
    }

    /// Tells the present.
    pub fn set_time(&mut self, now: Time) {
        self.files.set_time(now);
    }

    /// Answers `request`, putting into `reply` one message of at most `room` bytes (but never less than an error takes).
    pub fn handle(&mut self, request: &[u8], room: u64, reply: &mut Vec<u8>) {
        let (kind, tag, outcome) = match split_header(request) {
            Some((kind, tag, fields)) => {
                begin(reply, kind.wrapping_add(1), tag);
                let agreed = if self.message_size == 0 {
                    MAX_MESSAGE
                } else {
                    self.message_size
                };
                let limit = usize::try_from(room).map_or(agreed, |room| room.min(agreed));
                let mut output = Output::new(reply, limit);
                let mut outcome = self.dispatch(kind, &mut Input::new(fields), &mut output);
                if outcome.is_ok() && reply.len() > limit {
                    outcome = Err(Errno::EMSGSIZE);
                }
                (kind, tag, outcome)
            }
            None => (0, NO_TAG, Err(Errno::EPROTO)),
        };
        if let Err(error) = outcome {
            log::debug!("9p message {kind}: {error}");
            begin(reply, message::LERROR + 1, tag);
            reply.extend_from_slice(&error.0.to_le_bytes());
        }
        let length = reply.len() as u32;
        reply[..4].copy_from_slice(&length.to_le_bytes());
    }

    fn dispatch(&mut self, kind: u8, input: &mut Input<'_>, output: &mut Output<'_>) -> FsResult<()> {
        if self.message_size == 0 && kind != message::VERSION {
            return Err(Errno::EPROTO);
        }
        match kind {
            message::VERSION => self.version(input, output),
            message::ATTACH => self.attach(input, output),
            message::FLUSH => Ok(()),
            message::CLUNK => self.clunk(input),
            message::STATFS => self.statfs(input, output),
            message::WALK => self.walk(input, output),
            message::LOPEN => self.open(input, output),
            message::LCREATE => self.create(input, output),
            message::READ => self.read(input, output),
            message::WRITE => self.write(input, output),
            message::FSYNC => self.fsync(input),
            message::LOCK => self.lock(input, output),
            message::GETLOCK => self.getlock(input, output),
            message::READDIR => self.readdir(input, output),
            message::MKDIR => self.mkdir(input, output),
            message::UNLINKAT => self.unlinkat(input),
            message::REMOVE => self.remove(input),
            message::GETATTR => self.getattr(input, output),
            message::SETATTR => self.setattr(input),
            message::SYMLINK => self.symlink(input, output),
            message::READLINK => self.readlink(input, output),
            message::LINK => self.link(input),
            message::RENAME => self.rename(input),
            message::RENAMEAT => self.renameat(input),
            message::MKNOD => Err(Errno::EPERM),
            message::AUTH | message::XATTRWALK | message::XATTRCREATE => Err(Errno::EOPNOTSUPP),
            _ => Err(Errno::ENOSYS),
        }
    }
}

/// Type, tag and fields of a message, whose size must not be more than there is.
fn split_header(request: &[u8]) -> Option<(u8, u16, &[u8])> {
    let &[s0, s1, s2, s3, kind, t0, t1] = request.first_chunk::<HEADER>()?;
    let size = usize::try_from(u32::from_le_bytes([s0, s1, s2, s3])).ok()?;
    Some((kind, u16::from_le_bytes([t0, t1]), request.get(HEADER..size)?))
}

/// Starts an answer over; its size is filled in at the end.
fn begin(reply: &mut Vec<u8>, kind: u8, tag: u16) {
    reply.clear();
    reply.extend_from_slice(&[0, 0, 0, 0, kind]);
    reply.extend_from_slice(&tag.to_le_bytes());
}
