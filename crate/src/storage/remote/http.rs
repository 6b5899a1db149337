//! Over HTTP from this host: one thread for each disk runs its [`pump`], requests are made on a pool of threads.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc;
use futures::executor::block_on;
use ureq::http::HeaderMap;

use super::answer::Answer;
use super::pump::{self, Transport};
use super::{Arrivals, Options, RemoteDisk, Waker};
use crate::storage::BlockError;

/// Longest that a server may take to answer a request for a chunk.
const PATIENCE: Duration = Duration::from_secs(60);

/// Requests by this process.
#[derive(Debug, Clone)]
struct Http(ureq::Agent);

impl Transport for Http {
    async fn get(&self, url: &str, range: Range<u64>) -> Result<Answer, BlockError> {
        let (agent, url) = (self.0.clone(), url.to_owned());
        blocking::unblock(move || {
            get(&agent, &url, &range).map_err(|error| BlockError::Host(format!("cannot read {url}: {error}")))
        })
        .await
    }
}

fn get(agent: &ureq::Agent, url: &str, range: &Range<u64>) -> Result<Answer, ureq::Error> {
    let bytes = format!("bytes={}-{}", range.start, range.end - 1);
    let mut response = agent.get(url).header("Range", bytes).call()?;
    let text = |headers: &HeaderMap, name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let headers = response.headers();
    let content_range = text(headers, "content-range");
    let version = text(headers, "etag").or_else(|| text(headers, "last-modified"));
    let status = response.status().as_u16();
    // The body of a refusal, or of a whole file, is of no use.
    let body = if status == 206 {
        let limit = range.end - range.start + 1;
        response.body_mut().with_config().limit(limit).read_to_vec()?
    } else {
        Vec::new()
    };
    Ok(Answer {
        status,
        content_range,
        version,
        body,
    })
}

impl RemoteDisk {
    /// Opens the file at `url` (`http:` or `https:`) as a disk. Waits for the server's first answer. `wake` is called, on
    /// another thread, when chunks have arrived.
    pub fn open(url: &str, options: Options, wake: Waker) -> Result<Self, BlockError> {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .max_idle_connections_per_host(options.limit.max(1))
            .build();
        let transport = Http(ureq::Agent::new_with_config(config));
        let file = block_on(pump::open(&transport, url))?;
        let (requests, wanted) = mpsc::unbounded();
        let arrivals = Arc::new(Arrivals::default());
        let disk = Self::new(url.to_owned(), file.len, options, requests, Arc::clone(&arrivals));
        let work = move || block_on(pump::run(transport, file, wanted, options.limit, &arrivals, wake));
        std::thread::Builder::new()
            .name("remote disk".into())
            .spawn(work)
            .map_err(|error| BlockError::Host(format!("no thread to read {url} with: {error}")))?;
        Ok(disk)
    }
}
