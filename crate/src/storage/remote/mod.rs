//! A disk that a web server has: read in chunks, many at once, and kept in a bounded cache.
//!
//! Nothing here waits. A device asks whether what it is to read is there ([`BlockBackend::prepare`]); chunks that are not
//! are asked for, and whoever runs the machine is woken when some have arrived. All chunks that a device's requests want
//! are under way together, up to [`Options::limit`], so the server's latency is paid once for many of them. Where chunks
//! are read one after the other, those that will come next are asked for ahead.
//!
//! The server must serve parts of files (RFC 9110, section 14). The disk is never written: put an [`super::Overlay`] over
//! it.

mod answer;
#[cfg(target_arch = "wasm32")]
mod fetch;
#[cfg(not(target_arch = "wasm32"))]
mod http;
mod pump;
mod readahead;

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use futures::channel::mpsc::UnboundedSender;
use lru::LruCache;
use parking_lot::{Condvar, Mutex};
use rustc_hash::FxBuildHasher;

use super::{Access, BlockBackend, BlockError, Readiness, check_range};
use readahead::Readahead;

/// Bytes that are read at a time, but for the last.
pub const CHUNK: u64 = 128 << 10;

/// Called when chunks have arrived; on another thread, where there are threads.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// How a remote disk is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Chunks that are asked for at once, at most.
    pub limit: usize,
    /// Chunks that are kept. A device wants no more than a quarter of them at a time.
    pub kept: usize,
    /// Reads wait for what is not there yet. Only natively: a page must not wait.
    pub patient: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            limit: 16,
            kept: 512,
            patient: false,
        }
    }
}

/// A chunk, and what came of asking for it.
type Arrival = (u64, Result<Vec<u8>, BlockError>);

/// Where the reading side puts chunks for the disk to take in.
#[derive(Default)]
struct Arrivals {
    chunks: Mutex<Vec<Arrival>>,
    some: Condvar,
}

impl Arrivals {
    fn put(&self, arrival: Arrival) {
        self.chunks.lock().push(arrival);
        self.some.notify_all();
    }
}

/// What is known of a chunk that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    UnderWay,
    Failed(BlockError),
}

/// A file on a web server as a read-only disk.
pub struct RemoteDisk {
    url: String,
    len: u64,
    patient: bool,
    kept: LruCache<u64, Box<[u8]>, FxBuildHasher>,
    wanted: HashMap<u64, Wanted, FxBuildHasher>,
    requests: UnboundedSender<u64>,
    arrivals: Arc<Arrivals>,
    readahead: Readahead,
}

impl fmt::Debug for RemoteDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteDisk")
            .field("url", &self.url)
            .field("len", &self.len)
            .field("kept", &self.kept.len())
            .field("wanted", &self.wanted.len())
            .finish_non_exhaustive()
    }
}

impl RemoteDisk {
    fn new(
        url: String,
        len: u64,
        options: Options,
        requests: UnboundedSender<u64>,
        arrivals: Arc<Arrivals>,
    ) -> Self {
        let kept = NonZeroUsize::new(options.kept).unwrap_or(NonZeroUsize::MIN);
        Self {
            url,
            len,
            patient: options.patient,
            kept: LruCache::with_hasher(kept, FxBuildHasher),
            wanted: HashMap::default(),
            requests,
            arrivals,
            readahead: Readahead::default(),
        }
    }

    /// Takes in what has arrived.
    fn collect(&mut self) {
        let arrived = std::mem::take(&mut *self.arrivals.chunks.lock());
        for (chunk, result) in arrived {
            match result {
                Ok(bytes) => {
                    self.wanted.remove(&chunk);
                    self.kept.put(chunk, bytes.into_boxed_slice());
                }
                Err(error) => {
                    self.wanted.insert(chunk, Wanted::Failed(error));
                }
            }
        }
    }

    /// The chunks that hold a range of bytes.
    fn chunks(offset: u64, len: u64) -> Range<u64> {
        offset / CHUNK..(offset + len).div_ceil(CHUNK)
    }

    /// Asks for a chunk that is neither here nor asked for. Whether it is there, or known not to come.
    fn want(&mut self, chunk: u64) -> bool {
        if self.kept.get(&chunk).is_some() {
            return true;
        }
        if let Some(wanted) = self.wanted.get(&chunk) {
            return *wanted != Wanted::UnderWay;
        }
        let state = match self.requests.unbounded_send(chunk) {
            Ok(()) => Wanted::UnderWay,
            Err(_) => Wanted::Failed(BlockError::Host(format!("nobody reads {} any more", self.url))),
        };
        let known = state != Wanted::UnderWay;
        self.wanted.insert(chunk, state);
        known
    }

    fn all_there(&mut self, offset: u64, len: u64) -> bool {
        self.collect();
        let chunks = Self::chunks(offset, len);
        let mut there = true;
        for chunk in chunks.clone() {
            // Every one of them is asked for, whether or not one before is missing.
            there &= self.want(chunk);
        }
        for chunk in self.readahead.after(&chunks, self.len.div_ceil(CHUNK)) {
            self.want(chunk);
        }
        there
    }

    fn wait(&mut self) {
        let mut chunks = self.arrivals.chunks.lock();
        if chunks.is_empty() {
            self.arrivals.some.wait(&mut chunks);
        }
    }

    /// Copies from a chunk. One that could not be had is an error once, and asked for anew the next time.
    fn read_chunk(&mut self, chunk: u64, start: usize, into: &mut [u8]) -> Result<(), BlockError> {
        if let Some(bytes) = self.kept.get(&chunk) {
            into.copy_from_slice(&bytes[start..start + into.len()]);
            return Ok(());
        }
        match self.wanted.get(&chunk) {
            Some(Wanted::Failed(error)) => {
                let error = error.clone();
                self.wanted.remove(&chunk);
                Err(error)
            }
            _ => Err(BlockError::NotReady),
        }
    }
}

impl BlockBackend for RemoteDisk {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_only(&self) -> bool {
        true
    }

    fn prepare(&mut self, access: Access, offset: u64, len: u64) -> Readiness {
        if access == Access::Write || check_range(self.len, offset, len).is_err() {
            // It is going to be refused.
            return Readiness::Now;
        }
        while !self.all_there(offset, len) {
            if !self.patient {
                return Readiness::Later;
            }
            self.wait();
        }
        Readiness::Now
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), BlockError> {
        check_range(self.len, offset, into.len() as u64)?;
        self.collect();
        let mut done = 0;
        while done < into.len() {
            let at = offset + done as u64;
            let now = ((CHUNK - at % CHUNK) as usize).min(into.len() - done);
            if self.patient {
                self.prepare(Access::Read, at, now as u64);
            }
            self.read_chunk(at / CHUNK, (at % CHUNK) as usize, &mut into[done..done + now])?;
            done += now;
        }
        Ok(())
    }

    fn write_at(&mut self, _offset: u64, _from: &[u8]) -> Result<(), BlockError> {
        Err(BlockError::ReadOnly)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }

    fn discard(&mut self, _offset: u64, _len: u64) -> Result<(), BlockError> {
        Err(BlockError::ReadOnly)
    }

    fn write_zeroes(&mut self, _offset: u64, _len: u64, _may_unmap: bool) -> Result<(), BlockError> {
        Err(BlockError::ReadOnly)
    }
}
