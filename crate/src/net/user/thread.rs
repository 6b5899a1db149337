//! The thread that runs the [`Stack`], and the end of the cable that the machine holds.
//!
//! The thread sleeps in `poll(2)` over the host's sockets and one end of a socket pair; the machine writes a byte to
//! the other end when there is something new for the thread. A byte is written at most once per turn of the loop.

use std::collections::VecDeque;
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant as HostInstant;

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec};
use smoltcp::time::Instant;

use super::outbox::NetStats;
use super::stack::{Stack, Token};
use super::{NetError, UserConfig};
use crate::net::{MAX_FRAME, NetBackend};

/// Frames waiting in each direction; the guest's further ones are lost, ours wait in the stack.
const QUEUE: usize = 1024;
/// The thread is told that the guest takes frames again when no more than this many are left.
const LOW: usize = QUEUE / 2;

/// Called, on the network's thread, when frames for the guest have become ready.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// What the machine and the thread share.
#[derive(Debug, Default)]
struct Shared {
    from_guest: VecDeque<Vec<u8>>,
    to_guest: VecDeque<Vec<u8>>,
    /// A byte is in the socket pair, or the thread has yet to look here after it took one out.
    woken: bool,
    /// The thread has more frames than `to_guest` has room for.
    held_up: bool,
    stop: bool,
    /// Frames of the guest that did not get as far as the stack.
    lost: u64,
    /// How often the thread has woken up.
    turns: u64,
    /// The stack's own figures.
    stats: NetStats,
}

/// A user-mode network: the end of its cable. Dropping it ends the network's thread and every connection.
pub struct UserNetwork {
    mac: [u8; 6],
    shared: Arc<Mutex<Shared>>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
    forwards: Vec<SocketAddr>,
}

impl fmt::Debug for UserNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserNetwork({:x?}, {:?})", self.mac, self.stats())
    }
}

impl UserNetwork {
    /// Starts a network. `waker` is called when frames for the guest have become ready.
    pub fn start(config: UserConfig, waker: Waker) -> Result<Self, NetError> {
        let (wake, woken) = UnixStream::pair().map_err(NetError::Wake)?;
        wake.set_nonblocking(true).map_err(NetError::Wake)?;
        woken.set_nonblocking(true).map_err(NetError::Wake)?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let mac = config.mac;
        let start = HostInstant::now();
        let mut forwards = Vec::new();
        let mut listeners = Vec::new();
        for forward in &config.forwards {
            let (listener, address) =
                listen(forward.host).map_err(|error| NetError::Forward(forward.host, error))?;
            forwards.push(address);
            listeners.push((listener, forward.guest_port));
        }
        let mut stack = Stack::new(config, Instant::ZERO);
        listeners
            .into_iter()
            .for_each(|(listener, port)| stack.listen(listener, port));
        let runner = Runner {
            stack,
            shared: Arc::clone(&shared),
            woken,
            waker,
            start,
        };
        let thread = std::thread::Builder::new()
            .name("user network".into())
            .spawn(move || runner.run())
            .map_err(NetError::Thread)?;
        Ok(Self {
            mac,
            shared,
            wake,
            thread: Some(thread),
            forwards,
        })
    }

    /// Where the host listens for the guest, in the order of the configuration.
    pub fn forwards(&self) -> &[SocketAddr] {
        &self.forwards
    }

    /// What the network has done so far.
    pub fn stats(&self) -> NetStats {
        let shared = self.shared.lock();
        NetStats {
            dropped: shared.stats.dropped + shared.lost,
            ..shared.stats
        }
    }

    /// How often the thread has woken up: not at all while nothing happens.
    pub fn turns(&self) -> u64 {
        self.shared.lock().turns
    }

    /// Changes what is shared and wakes the thread if `change` says so.
    fn tell<R>(&self, change: impl FnOnce(&mut Shared) -> (bool, R)) -> R {
        let (wake, result) = {
            let mut shared = self.shared.lock();
            let (wake, result) = change(&mut shared);
            (wake && !std::mem::replace(&mut shared.woken, true), result)
        };
        // It can fail only if the pair is full, then the thread is awake, or if the thread is gone.
        if wake && let Err(error) = (&self.wake).write(&[0]) {
            log::debug!("cannot wake the user-mode network: {error}");
        }
        result
    }
}

impl NetBackend for UserNetwork {
    fn send(&mut self, frame: &[u8]) {
        self.tell(|shared| {
            let room = shared.from_guest.len() < QUEUE;
            if room && frame.len() <= MAX_FRAME {
                shared.from_guest.push_back(frame.to_vec());
            } else {
                shared.lost += 1;
            }
            (true, ())
        });
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        self.tell(|shared| {
            let frame = shared.to_guest.pop_front();
            let go_on = shared.held_up && shared.to_guest.len() <= LOW;
            shared.held_up &= !go_on;
            (go_on, frame)
        })
    }

    fn mac(&self) -> [u8; 6] {
        self.mac
    }
}

impl Drop for UserNetwork {
    fn drop(&mut self) {
        self.tell(|shared| {
            shared.stop = true;
            (true, ())
        });
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the user-mode network's thread panicked");
        }
    }
}

/// A non-blocking listening socket, and where it really listens.
fn listen(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// What the thread owns.
struct Runner {
    stack: Stack,
    shared: Arc<Mutex<Shared>>,
    woken: UnixStream,
    waker: Waker,
    start: HostInstant,
}

impl Runner {
    fn now(&self) -> Instant {
        Instant::from_micros(self.start.elapsed().as_micros() as i64)
    }

    fn run(mut self) {
        let mut frames = VecDeque::new();
        loop {
            let ready = match self.wait() {
                Ok(ready) => ready,
                Err(error) => {
                    log::error!("the user-mode network stops: waiting for its sockets failed: {error}");
                    return;
                }
            };
            {
                let mut shared = self.shared.lock();
                if shared.stop {
                    return;
                }
                shared.woken = false;
                shared.turns += 1;
                std::mem::swap(&mut shared.from_guest, &mut frames);
            }
            let now = self.now();
            ready.into_iter().for_each(|token| self.stack.ready(token));
            frames.drain(..).for_each(|frame| self.stack.input(&frame, now));
            self.stack.poll(now);
            self.deliver();
        }
    }

    /// Sleeps until something happens or a timer ends. Returns the sockets that are ready.
    fn wait(&mut self) -> rustix::io::Result<Vec<Token>> {
        let mut tokens = Vec::new();
        let mut fds = vec![PollFd::new(&self.woken, PollFlags::IN)];
        for (fd, wants, token) in self.stack.interests() {
            fds.push(PollFd::from_borrowed_fd(fd, wants));
            tokens.push(token);
        }
        let timeout = self.stack.deadline().map(|at| {
            let micros = (at - self.now().min(at)).total_micros();
            Timespec {
                tv_sec: (micros / 1_000_000) as i64,
                tv_nsec: (micros % 1_000_000 * 1000) as _,
            }
        });
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        if !fds[0].revents().is_empty() {
            // One byte at a time is in there; more would only mean one more turn.
            let _ = (&self.woken).read(&mut [0; 16]);
        }
        let ready = fds[1..]
            .iter()
            .zip(tokens)
            .filter(|(fd, _)| !fd.revents().is_empty());
        Ok(ready.map(|(_, token)| token).collect())
    }

    /// Hands frames to the machine and tells it.
    fn deliver(&mut self) {
        let mut delivered = false;
        {
            let mut shared = self.shared.lock();
            while shared.to_guest.len() < QUEUE
                && let Some(frame) = self.stack.output()
            {
                shared.to_guest.push_back(frame);
                delivered = true;
            }
            shared.held_up = !self.stack.is_drained();
            shared.stats = self.stack.stats();
        }
        if delivered {
            (self.waker)();
        }
    }
}
