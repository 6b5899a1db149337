//! From chunks that are wanted to chunks that have arrived: one asynchronous task for each disk.

use std::ops::Range;

use futures::channel::mpsc::UnboundedReceiver;
use futures::{StreamExt, future};

use super::answer::{Answer, RemoteFile};
use super::{Arrivals, CHUNK, Waker};
use crate::storage::{BlockError, batch};

/// How often a part is asked for before it is said not to come.
const TRIES: usize = 3;

/// A way to ask a web server for part of a file.
pub trait Transport {
    /// Asks for some bytes of the file at `url`. An answer whose body is longer than they are may be cut off.
    fn get(&self, url: &str, range: Range<u64>) -> impl Future<Output = Result<Answer, BlockError>>;
}

/// Finds out how long a file is, and that its server serves parts.
pub async fn open(transport: &impl Transport, url: &str) -> Result<RemoteFile, BlockError> {
    RemoteFile::from_first(url, transport.get(url, 0..1).await?)
}

/// Reads the chunks that `wanted` names, `limit` at a time, until nobody can want any more.
pub async fn run(
    transport: impl Transport,
    file: RemoteFile,
    wanted: UnboundedReceiver<u64>,
    limit: usize,
    arrivals: &Arrivals,
    wake: Waker,
) {
    let (transport, file) = (&transport, &file);
    let read = |chunk| async move { (chunk, read(transport, file, chunk).await) };
    batch::unordered(wanted, limit, read)
        .for_each(|arrival| {
            arrivals.put(arrival);
            wake();
            future::ready(())
        })
        .await;
}

async fn read(transport: &impl Transport, file: &RemoteFile, chunk: u64) -> Result<Vec<u8>, BlockError> {
    let start = chunk * CHUNK;
    let range = start..file.len.min(start + CHUNK);
    let mut outcome = Err(BlockError::NotReady);
    for _ in 0..TRIES {
        let answer = transport.get(&file.url, range.clone()).await;
        outcome = answer.and_then(|answer| file.check(answer, &range));
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}
