//! The 9P transport device (virtio 1.2 leaves it to the Plan 9 protocol; Linux's `trans_virtio` is the driver) and a
//! 9p2000.L server behind it, over any [`FileSystem`].
//!
//! Not offered: authentication, device nodes, extended attributes. Locks are always granted, as the one guest that there
//! is keeps its own.

mod fid;
mod messages;
mod server;
mod wire;

use serde::{Deserialize, Serialize};

pub use server::Server;

use super::{Chain, Queue, QueueError, VirtioDevice, id, read_config_bytes};
use crate::device::DeviceContext;
use crate::mem::Ram;
use crate::storage::fs::{FileSystem, MemoryFs, Time};

/// Feature bit: the configuration space holds the tag to mount by.
pub const F_MOUNT_TAG: u64 = 1;

/// A share's name that the guest cannot mount by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("share tag {0:?} is not 1 to 31 bytes without NUL")]
pub struct BadTag(pub String);

/// What the device remembers, besides what the server holds open.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct P9State {
    tag: String,
    /// Wall-clock time at power-on, in nanoseconds since 1970.
    epoch_ns: u64,
}

/// A share of files.
#[derive(Debug)]
pub struct P9 {
    state: P9State,
    server: Server,
    reply: Vec<u8>,
}

impl P9 {
    /// Shares `files` under `tag`. `epoch_ns` is the wall-clock time at power-on, in nanoseconds since 1970.
    pub fn new(tag: &str, files: Box<dyn FileSystem>, epoch_ns: u64) -> Result<Self, BadTag> {
        // Linux compares tags within a buffer of 32 bytes.
        if tag.is_empty() || tag.len() > 31 || tag.contains('\0') {
            return Err(BadTag(tag.to_owned()));
        }
        let state = P9State {
            tag: tag.to_owned(),
            epoch_ns,
        };
        Ok(Self {
            state,
            server: Server::new(files),
            reply: Vec::new(),
        })
    }

    /// Its state, for saving.
    pub fn state(&self) -> &P9State {
        &self.state
    }

    fn handle(&mut self, chain: &Chain, ram: &mut Ram) -> Result<u32, QueueError> {
        let request = chain.reader().read_rest(ram, wire::MAX_MESSAGE)?;
        let mut writer = chain.writer();
        self.server.handle(&request, writer.left(), &mut self.reply);
        writer.write_all(ram, &self.reply)?;
        Ok(writer.written())
    }
}

impl VirtioDevice for P9 {
    fn id(&self) -> u32 {
        id::P9
    }

    fn features(&self) -> u64 {
        F_MOUNT_TAG
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &[128]
    }

    fn read_config(&self, offset: u64, into: &mut [u8]) {
        let tag = self.state.tag.as_bytes();
        let mut config = (tag.len() as u16).to_le_bytes().to_vec();
        config.extend_from_slice(tag);
        read_config_bytes(&config, offset, into);
    }

    fn reset(&mut self) {
        self.server.reset();
    }

    fn notify(
        &mut self,
        _index: usize,
        queues: &mut [Queue],
        cx: &mut DeviceContext<'_>,
    ) -> Result<(), QueueError> {
        let now = self.state.epoch_ns.saturating_add(cx.now_ns);
        let now = Time {
            seconds: now / 1_000_000_000,
            nanos: (now % 1_000_000_000) as u32,
        };
        self.server.set_time(now);
        let queue = &mut queues[0];
        while let Some(chain) = queue.pop(cx.ram)? {
            let written = self.handle(&chain, cx.ram)?;
            queue.push(cx.ram, chain.head, written)?;
        }
        Ok(())
    }
}

/// Feeds one message after another, each with its length in two bytes before it, to a server over a small tree in
/// memory. For fuzzing: whatever the bytes, every reply is a well-formed message that fits.
pub fn exercise(mut bytes: &[u8]) {
    let files = MemoryFs::new(1 << 20);
    // That this much fits is not what is being tried.
    let _ = files.write_file("directory/file", b"contents");
    let mut server = Server::new(Box::new(files));
    let mut reply = Vec::new();
    while let Some((&[low, high], rest)) = bytes.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
        let (message, later) = rest.split_at(length);
        server.handle(message, 8192, &mut reply);
        assert!(
            reply.len() >= 7 && reply.len() <= 8192,
            "reply of {} bytes",
            reply.len()
        );
        bytes = later;
    }
}
