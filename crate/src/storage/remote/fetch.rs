//! Over HTTP from a page's worker: the browser's `fetch`.

use std::ops::Range;
use std::sync::Arc;

use futures::channel::mpsc;
use js_sys::{Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Headers, Request, RequestInit, Response};

use super::answer::Answer;
use super::pump::{self, Transport};
use super::{Arrivals, Options, RemoteDisk, Waker};
use crate::storage::BlockError;

/// Requests by the browser.
#[derive(Debug)]
struct Fetch;

impl Transport for Fetch {
    async fn get(&self, url: &str, range: Range<u64>) -> Result<Answer, BlockError> {
        get(url, range).await.map_err(|error| {
            let reason = error
                .dyn_ref::<js_sys::Error>()
                .map_or_else(|| format!("{error:?}"), |error| error.message().into());
            BlockError::Host(format!("cannot read {url}: {reason}"))
        })
    }
}

async fn get(url: &str, range: Range<u64>) -> Result<Answer, JsValue> {
    let headers = Headers::new()?;
    headers.set("Range", &format!("bytes={}-{}", range.start, range.end - 1))?;
    let init = RequestInit::new();
    init.set_headers(&headers);
    let request = Request::new_with_str_and_init(url, &init)?;
    // `fetch` belongs to windows, workers and Node alike.
    let global = js_sys::global();
    let fetch: js_sys::Function = Reflect::get(&global, &"fetch".into())?.dyn_into()?;
    let answered: Promise = fetch.call1(&global, &request)?.dyn_into()?;
    let response: Response = JsFuture::from(answered).await?.dyn_into()?;
    let headers = response.headers();
    let version = match headers.get("etag")? {
        Some(tag) => Some(tag),
        None => headers.get("last-modified")?,
    };
    let body = if response.status() == 206 {
        let buffer = JsFuture::from(response.array_buffer()?).await?;
        Uint8Array::new(&buffer).to_vec()
    } else {
        Vec::new()
    };
    Ok(Answer {
        status: response.status(),
        content_range: headers.get("content-range")?,
        version,
        body,
    })
}

impl RemoteDisk {
    /// Opens the file at `url` as a disk. `wake` is called when chunks have arrived. Options' `patient` has no effect: a page
    /// must not wait.
    pub async fn open(url: &str, options: Options, wake: Waker) -> Result<Self, BlockError> {
        let file = pump::open(&Fetch, url).await?;
        let (requests, wanted) = mpsc::unbounded();
        let arrivals = Arc::new(Arrivals::default());
        let len = file.len;
        let from_network = Arc::clone(&arrivals);
        spawn_local(async move {
            pump::run(Fetch, file, wanted, options.limit, &from_network, wake).await;
        });
        let options = Options {
            patient: false,
            ..options
        };
        Ok(Self::new(url.to_owned(), len, options, requests, arrivals))
    }
}
