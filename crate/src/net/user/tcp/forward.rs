//! Ports of the host that lead to the guest: who connects to one is connected to the guest's port, as from the
//! gateway.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use smoltcp::time::{Duration, Instant};

/// How long to leave a listener alone that cannot accept, for want of file descriptors perhaps.
const PAUSE: Duration = Duration::from_secs(1);
/// Connections accepted before others have their turn.
const BURST: usize = 16;

/// A listening socket of the host.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    guest_port: u16,
    ready: bool,
    paused_until: Option<Instant>,
}

impl Listener {
    /// `socket` must be non-blocking.
    pub fn new(socket: TcpListener, guest_port: u16) -> Self {
        Self {
            socket,
            guest_port,
            ready: true,
            paused_until: None,
        }
    }

    pub fn guest_port(&self) -> u16 {
        self.guest_port
    }

    /// The socket, if it is to be waited for.
    pub fn interest(&self) -> Option<BorrowedFd<'_>> {
        self.paused_until.is_none().then(|| self.socket.as_fd())
    }

    /// Notes that somebody connects.
    pub fn ready(&mut self) {
        self.ready = true;
    }

    /// When to try again though nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        self.paused_until
    }

    /// The streams of those who have connected.
    pub fn accept(&mut self, now: Instant) -> Vec<TcpStream> {
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
            self.ready = true;
        }
        let mut streams = Vec::new();
        while std::mem::take(&mut self.ready) {
            match self.socket.accept().and_then(|(stream, _)| prepare(stream)) {
                Ok(stream) => {
                    streams.push(stream);
                    // What is left stays in the socket, which the next turn finds ready again.
                    self.ready = streams.len() < BURST;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    log::warn!(
                        "cannot accept connections to the guest's port {}: {error}",
                        self.guest_port
                    );
                    self.paused_until = Some(now + PAUSE);
                }
            }
        }
        streams
    }
}

fn prepare(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
