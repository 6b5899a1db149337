//! A web server on 127.0.0.1 that serves parts of one file, slowly if it is told to, and badly if it is told that.

#![allow(dead_code, reason = "each program that has the server uses a part of it")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    Good,
    /// Whole files only.
    NoParts,
    /// The file is another one after so many requests.
    ChangesAfter(usize),
    /// After so many requests every other one is refused.
    FailsEverySecondAfter(usize),
    /// Every request after so many is refused.
    FailsAfter(usize),
}

#[derive(Debug)]
struct Shared {
    file: Vec<u8>,
    latency: Duration,
    manners: Manners,
    requests: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
}

/// The server. Its threads end with the process.
#[derive(Debug)]
pub struct PartServer {
    pub url: String,
    shared: Arc<Shared>,
}

impl PartServer {
    pub fn start(file: Vec<u8>, latency: Duration, manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of 127.0.0.1");
        let url = format!("http://{}/disk.img", listener.local_addr().expect("its address"));
        let shared = Arc::new(Shared {
            file,
            latency,
            manners,
            requests: AtomicUsize::new(0),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let for_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&for_thread);
                std::thread::spawn(move || serve(&shared, stream));
            }
        });
        PartServer { url, shared }
    }

    /// Requests so far.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Requests that were answered at the same time, at most.
    pub fn most_at_once(&self) -> usize {
        self.shared.most.load(Ordering::SeqCst)
    }
}

/// Answers one request after the other until the other side has no more.
fn serve(shared: &Shared, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(&stream);
    loop {
        let mut range = None;
        let mut line = String::new();
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("range: bytes=") {
                let (first, last) = value.split_once('-').expect("a range");
                range = Some((first.parse().expect("a number"), last.parse().expect("a number")));
            }
            if line.is_empty() {
                break;
            }
        }
        let now = shared.now.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most.fetch_max(now, Ordering::SeqCst);
        std::thread::sleep(shared.latency);
        let number = shared.requests.fetch_add(1, Ordering::SeqCst);
        shared.now.fetch_sub(1, Ordering::SeqCst);
        if (&stream).write_all(&answer(shared, number, range)).is_err() {
            return;
        }
    }
}

fn answer(shared: &Shared, number: usize, range: Option<(usize, usize)>) -> Vec<u8> {
    let mut version = 1;
    let refused = match shared.manners {
        Manners::Good | Manners::NoParts => false,
        Manners::ChangesAfter(after) => {
            version += usize::from(number >= after);
            false
        }
        Manners::FailsEverySecondAfter(after) => number >= after && (number - after).is_multiple_of(2),
        Manners::FailsAfter(after) => number >= after,
    };
    if refused {
        return b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec();
    }
    let len = shared.file.len();
    match range {
        Some((first, last)) if shared.manners != Manners::NoParts && first <= last && last < len => {
            let part = &shared.file[first..=last];
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\nETag: \"{version}\"\r\nContent-Range: bytes {first}-{last}/{len}\r\n\
                 Content-Length: {}\r\n\r\n",
                part.len()
            );
            [head.as_bytes(), part].concat()
        }
        Some(_) if shared.manners != Manners::NoParts => {
            b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n".to_vec()
        }
        _ => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n");
            [head.as_bytes(), &shared.file].concat()
        }
    }
}
