//! One connection that both sides have opened: smoltcp's socket towards the guest and the host's stream, joined.
//!
//! ```text
//!   guest ──▶ smoltcp receive buffer ──▶ stream        an end (FIN) passes on after the last byte,
//!   guest ◀── smoltcp send buffer    ◀── stream        each direction by itself; a reset passes on at once
//! ```
//!
//! Neither side is read while the other does not take what was read: a slow reader slows its writer.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpStream};

use rustix::event::PollFlags;
use smoltcp::iface::{Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpListenEndpoint, Ipv4Packet, TcpPacket};

use super::super::outbox::{Link, Outbox};

/// Bytes on their way in each direction.
const BUFFER: usize = 64 * 1024;
/// Idle connections are probed so often: a guest that was reset answers that it knows nothing of them.
const KEEP_ALIVE: Duration = Duration::from_secs(120);
/// A guest that acknowledges nothing for so long is gone. Long, because guests get paused.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// How a connection stands after a poll.
#[derive(Debug)]
pub enum Progress {
    /// It goes on: what to wait for on the host's stream, and until when.
    Open {
        wants: PollFlags,
        deadline: Option<Instant>,
    },
    /// It has ended.
    Closed,
}

fn new_socket() -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; BUFFER]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.set_nagle_enabled(false); // the host's side has gathered what there is
    socket.set_keep_alive(Some(KEEP_ALIVE));
    socket.set_timeout(Some(TIMEOUT));
    socket
}

#[derive(Debug)]
pub struct Join {
    /// Holds only the socket of this connection.
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    /// The host's side has sent its last byte, and smoltcp knows.
    host_ended: bool,
    /// The guest has sent its last byte.
    guest_ended: bool,
    /// The host's side has been told of the guest's last byte.
    host_told: bool,
}

impl Join {
    /// Answers the SYN that waits in `link`. `None` if smoltcp does not like it.
    pub fn new(interface: &mut Interface, link: &mut Link<'_>, now: Instant) -> Option<Self> {
        let packet = Ipv4Packet::new_checked(link.packet?).ok()?;
        let port = TcpPacket::new_checked(packet.payload()).ok()?.dst_port();
        let mut socket = new_socket();
        let local = IpListenEndpoint {
            addr: Some(packet.dst_addr().into()),
            port,
        };
        socket.listen(local).ok()?;
        let mut join = Self::with(socket);
        join.input(interface, link, now);
        (join.state() == State::SynReceived).then_some(join)
    }

    /// Begins a connection from `from` to the guest's `to`.
    pub fn connect(interface: &mut Interface, from: SocketAddrV4, to: SocketAddrV4) -> Option<Self> {
        let mut socket = new_socket();
        socket.connect(interface.context(), to, from).ok()?;
        Some(Self::with(socket))
    }

    fn with(socket: Socket<'static>) -> Self {
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        Self {
            sockets,
            handle,
            host_ended: false,
            guest_ended: false,
            host_told: false,
        }
    }

    fn state(&self) -> State {
        self.sockets.get::<Socket<'_>>(self.handle).state()
    }

    /// Whether all that is left is to wait for stray packets.
    pub fn is_over(&self) -> bool {
        matches!(self.state(), State::TimeWait | State::Closed) && self.is_complete()
    }

    /// Whether every byte of both sides has been passed on, and both ends.
    pub fn is_complete(&self) -> bool {
        self.host_ended && self.host_told
    }

    /// Takes the packet of this connection that waits in `link`.
    pub fn input(&mut self, interface: &mut Interface, link: &mut Link<'_>, now: Instant) {
        interface.poll_ingress_single(now, link, &mut self.sockets);
    }

    /// Carries everything that can be carried.
    pub fn poll(
        &mut self,
        host: &TcpStream,
        interface: &mut Interface,
        out: &mut Outbox,
        now: Instant,
    ) -> Progress {
        let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
        // Back to listening: the guest reset the connection before it was complete.
        if socket.state() == State::Listen {
            return Progress::Closed;
        }
        self.guest_ended |= matches!(
            socket.state(),
            State::CloseWait | State::LastAck | State::Closing | State::TimeWait
        );
        let mut wants = PollFlags::empty();
        match self.carry(host) {
            Ok(flags) => wants |= flags,
            // The host's side is broken: no more can be carried either way.
            Err(_) => self.sockets.get_mut::<Socket<'_>>(self.handle).abort(),
        }
        let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
        // smoltcp empties the buffers at the end of TIME-WAIT, so it is held up while the host has not taken all.
        let held = socket.state() == State::TimeWait && socket.recv_queue() > 0;
        let mut deadline = None;
        if !held {
            while interface.poll_egress(now, &mut Link { out, packet: None }, &mut self.sockets)
                == PollResult::SocketStateChanged
            {}
            deadline = interface.poll_at(now, &self.sockets);
        }
        let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
        // A closed socket that remembers its peer has a reset to send yet; one with data has the host to wait for.
        if socket.state() == State::Closed
            && socket.remote_endpoint().is_none()
            && !wants.contains(PollFlags::OUT)
        {
            return Progress::Closed;
        }
        if socket.can_send() && !self.host_ended {
            wants |= PollFlags::IN;
        }
        Progress::Open { wants, deadline }
    }

    /// Moves bytes and ends between the two sides until one of them must wait. Says for what to wait with bytes of
    /// the guest in hand.
    fn carry(&mut self, mut host: &TcpStream) -> io::Result<PollFlags> {
        let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
        while socket.can_recv() {
            let moved = socket.recv(|bytes| match host.write(bytes) {
                Ok(count) => (count, Ok(())),
                Err(error) => (0, Err(error)),
            });
            match moved {
                Ok(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.fill(host, PollFlags::OUT);
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Ok(Ok(())) => {}
                Err(_) => break,
            }
        }
        if self.guest_ended && !self.host_told {
            self.host_told = true;
            host.shutdown(Shutdown::Write)?;
        }
        self.fill(host, PollFlags::empty())
    }

    /// Moves bytes and the end from the host's side to smoltcp. Returns `wants` as it is.
    fn fill(&mut self, mut host: &TcpStream, wants: PollFlags) -> io::Result<PollFlags> {
        let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
        while !self.host_ended && socket.can_send() {
            let moved = socket.send(|space| match host.read(space) {
                Ok(count) => (count, Ok(count)),
                Err(error) => (0, Err(error)),
            });
            match moved {
                Ok(Ok(0)) => {
                    self.host_ended = true;
                    socket.close();
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => break,
            }
        }
        Ok(wants)
    }
}
