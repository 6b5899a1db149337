//! The guest's TCP connections (RFC 9293): which there are, how they begin and how they end.
//!
//! A SYN of the guest is held back until the host has connected; only then is a smoltcp socket made for it, so the
//! guest sees a refused connection refused. From then on [`Join`] carries the bytes. Each connection has a smoltcp
//! socket set of its own, so a packet costs the same however many there are.

mod forward;
mod join;

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::PollFlags;
use smoltcp::iface::Interface;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Instant;
use smoltcp::wire::{
    Error, HardwareAddress, Icmpv4DstUnreachable, IpCidr, IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl,
    TcpPacket, TcpRepr,
};

use super::outbox::{Link, Outbox};
use super::{GATEWAY, GUEST, UserConfig, host, icmp};
use forward::Listener;
use join::{Join, Progress};

/// Connections at a time, those being opened or closed included. A file descriptor and 128 KiB each.
const MAX_CONNECTIONS: usize = 512;
/// The first of the ports from which the gateway connects to the guest; all above are too.
const FIRST_PORT: u16 = 49152;

/// What tells one connection from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    guest: SocketAddrV4,
    remote: SocketAddrV4,
}

/// Says which of the host's sockets is meant.
#[derive(Debug, Clone, Copy)]
pub enum Token {
    Connection(Key),
    /// By its place in the order of [`Connections::listen`].
    Listener(usize),
}

/// Every TCP connection of the guest.
pub struct Connections {
    interface: Interface,
    open: HashMap<Key, Connection>,
    listeners: Vec<Listener>,
    /// The gateway's port for the next connection to the guest.
    next_port: u16,
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(&self.open).finish()
    }
}

#[derive(Debug)]
struct Connection {
    host: TcpStream,
    stage: Stage,
    /// Something happened that [`Connections::poll`] has to look at.
    ready: bool,
    /// What to wait for on `host`.
    wants: PollFlags,
    /// When to look at it again though nothing happens.
    deadline: Option<Instant>,
}

#[derive(Debug)]
enum Stage {
    /// The host connects; the guest waits for an answer to this packet.
    Connecting { syn: Vec<u8> },
    /// Both sides are connected.
    Joined(Box<Join>),
}

impl Connections {
    pub fn new(seed: u64, out: &mut Outbox, now: Instant) -> Self {
        let mut config = smoltcp::iface::Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut Link { out, packet: None }, now);
        interface.update_ip_addrs(|addresses| {
            // The list is empty and has room for one at least.
            let _ = addresses.push(IpCidr::new(GATEWAY.into(), 24));
        });
        // The guest's connections end here whatever address they go to.
        interface.set_any_ip(true);
        Self {
            interface,
            open: HashMap::new(),
            listeners: Vec::new(),
            next_port: FIRST_PORT,
        }
    }

    /// Has those who connect to `socket`, which must be non-blocking, connected to the guest's `guest_port`.
    pub fn listen(&mut self, socket: TcpListener, guest_port: u16) {
        self.listeners.push(Listener::new(socket, guest_port));
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Takes the guest's packet `packet`, with header `ip` and TCP segment `segment`.
    pub fn input(
        &mut self,
        packet: &Ipv4Packet<&[u8]>,
        ip: &Ipv4Repr,
        config: &UserConfig,
        out: &mut Outbox,
        now: Instant,
    ) -> Result<(), Error> {
        let tcp = TcpPacket::new_checked(packet.payload())?;
        let key = Key {
            guest: SocketAddrV4::new(ip.src_addr, tcp.src_port()),
            remote: SocketAddrV4::new(ip.dst_addr, tcp.dst_port()),
        };
        let whole = &packet.as_ref()[..usize::from(packet.total_len())];
        let begins = tcp.syn() && !tcp.ack() && !tcp.rst();
        if let Some(connection) = self.open.get_mut(&key) {
            match &mut connection.stage {
                // A port used anew while the old connection only waits for stray packets.
                Stage::Joined(join) if begins && join.is_over() => {}
                Stage::Joined(join) => {
                    let mut link = Link {
                        out,
                        packet: Some(whole),
                    };
                    join.input(&mut self.interface, &mut link, now);
                    connection.ready = true;
                    return Ok(());
                }
                Stage::Connecting { .. } if tcp.rst() => {
                    self.open.remove(&key);
                    return Ok(());
                }
                Stage::Connecting { syn } => {
                    // Sent again, perhaps with another sequence number: the latest counts.
                    if begins {
                        check(&tcp, ip)?;
                        *syn = whole.to_vec();
                    }
                    return Ok(());
                }
            }
            self.open.remove(&key);
        }
        let segment = check(&tcp, ip)?;
        if !begins {
            refuse(ip, &segment, out);
            return Ok(());
        }
        let Some(host) = config.host_address(key.remote).filter(|_| self.make_room()) else {
            refuse(ip, &segment, out);
            return Ok(());
        };
        match host::connect(host) {
            Ok(host) => {
                let syn = whole.to_vec();
                let connection = Connection {
                    host,
                    stage: Stage::Connecting { syn },
                    ready: false,
                    wants: PollFlags::OUT,
                    deadline: None,
                };
                self.open.insert(key, connection);
            }
            Err(error) => failed(&error, whole, out),
        }
        Ok(())
    }

    /// Whether there is room for one more connection, if need be in the place of one that is over.
    fn make_room(&mut self) -> bool {
        if self.open.len() < MAX_CONNECTIONS {
            return true;
        }
        let over =
            |connection: &Connection| matches!(&connection.stage, Stage::Joined(join) if join.is_over());
        let key = self
            .open
            .iter()
            .find(|(_, connection)| over(connection))
            .map(|(key, _)| *key);
        key.is_some_and(|key| self.open.remove(&key).is_some())
    }

    /// The host's sockets and what to wait for on them.
    pub fn interests(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags, Token)> {
        let listeners = self.listeners.iter().enumerate();
        let listeners = listeners
            .filter_map(|(i, listener)| Some((listener.interest()?, PollFlags::IN, Token::Listener(i))));
        // A socket nothing is wanted of is left out: its errors would be reported again and again.
        let connections = self
            .open
            .iter()
            .filter(|(_, connection)| !connection.wants.is_empty());
        connections
            .map(|(key, connection)| (connection.host.as_fd(), connection.wants, Token::Connection(*key)))
            .chain(listeners)
    }

    /// Notes that what was wanted of a socket can be had.
    pub fn ready(&mut self, token: Token) {
        match token {
            Token::Connection(key) => {
                if let Some(connection) = self.open.get_mut(&key) {
                    connection.ready = true;
                }
            }
            Token::Listener(index) => {
                if let Some(listener) = self.listeners.get_mut(index) {
                    listener.ready();
                }
            }
        }
    }

    /// Begins connections to the guest for those who have connected to the host's listeners.
    fn accept(&mut self, now: Instant) {
        for index in 0..self.listeners.len() {
            let to = SocketAddrV4::new(GUEST, self.listeners[index].guest_port());
            for host in self.listeners[index].accept(now) {
                self.open_to_guest(host, to);
            }
        }
    }

    /// Begins a connection of `host` to the guest's `to`; past the limit `host` is closed.
    fn open_to_guest(&mut self, host: TcpStream, to: SocketAddrV4) {
        if !self.make_room() {
            return host::reset(host);
        }
        // There are more ports than there can be connections, so one is free.
        let key = loop {
            let remote = SocketAddrV4::new(GATEWAY, self.next_port);
            self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_PORT);
            let key = Key { guest: to, remote };
            if !self.open.contains_key(&key) {
                break key;
            }
        };
        let Some(join) = Join::connect(&mut self.interface, key.remote, key.guest) else {
            return host::reset(host);
        };
        let connection = Connection {
            host,
            stage: Stage::Joined(Box::new(join)),
            ready: true,
            wants: PollFlags::empty(),
            deadline: None,
        };
        self.open.insert(key, connection);
    }

    /// Carries everything that can be carried.
    pub fn poll(&mut self, out: &mut Outbox, now: Instant) {
        self.accept(now);
        let interface = &mut self.interface;
        let finished: Vec<Key> = self
            .open
            .iter_mut()
            .filter(|(_, c)| c.ready || c.deadline.is_some_and(|at| at <= now))
            .filter_map(|(key, connection)| (!connection.poll(interface, out, now)).then_some(*key))
            .collect();
        for key in finished {
            if let Some(connection) = self.open.remove(&key) {
                connection.finish();
            }
        }
    }

    /// When [`Self::poll`] must be called though nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        let listeners = self.listeners.iter().filter_map(Listener::deadline);
        let connections = self.open.values().filter_map(|connection| connection.deadline);
        connections.chain(listeners).min()
    }
}

impl Connection {
    /// Carries what can be carried; `false` when the connection has ended.
    fn poll(&mut self, interface: &mut Interface, out: &mut Outbox, now: Instant) -> bool {
        self.ready = false;
        if let Stage::Connecting { syn } = &self.stage {
            match host::connected(&self.host) {
                Ok(true) => {}
                Ok(false) => return true,
                Err(error) => {
                    failed(&error, syn, out);
                    return false;
                }
            }
            let mut link = Link {
                out,
                packet: Some(syn),
            };
            let Some(join) = Join::new(interface, &mut link, now) else {
                return false;
            };
            self.stage = Stage::Joined(Box::new(join));
        }
        let Stage::Joined(join) = &mut self.stage else {
            return true;
        };
        match join.poll(&self.host, interface, out, now) {
            Progress::Open { wants, deadline } => {
                (self.wants, self.deadline) = (wants, deadline);
                true
            }
            Progress::Closed => false,
        }
    }

    /// Closes the host's side; if it did not come to its proper end, so that the host's peer knows.
    fn finish(self) {
        match self.stage {
            Stage::Joined(join) if !join.is_complete() => host::reset(self.host),
            _ => {}
        }
    }
}

/// The segment in `tcp`, if it is sound.
fn check<'a>(tcp: &TcpPacket<&'a [u8]>, ip: &Ipv4Repr) -> Result<TcpRepr<'a>, Error> {
    let checksums = ChecksumCapabilities::default();
    TcpRepr::parse(tcp, &ip.src_addr.into(), &ip.dst_addr.into(), &checksums)
}

/// Tells the guest why the host could not connect for its packet `syn`.
fn failed(error: &io::Error, syn: &[u8], out: &mut Outbox) {
    log::debug!("the guest's connection failed: {error}");
    let checksums = ChecksumCapabilities::default();
    let Ok(packet) = Ipv4Packet::new_checked(syn) else {
        return;
    };
    let Ok(ip) = Ipv4Repr::parse(&packet, &checksums) else {
        return;
    };
    let unreachable = matches!(
        error.kind(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::TimedOut
    );
    if unreachable {
        icmp::unreachable(Icmpv4DstUnreachable::HostUnreachable, &ip, packet.payload(), out);
    } else if let Ok(segment) = TcpPacket::new_checked(packet.payload())
        .and_then(|tcp| TcpRepr::parse(&tcp, &ip.src_addr.into(), &ip.dst_addr.into(), &checksums))
    {
        refuse(&ip, &segment, out);
    }
}

/// Answers a segment that belongs to no connection with a reset (RFC 9293, 3.10.7.1).
fn refuse(ip: &Ipv4Repr, segment: &TcpRepr<'_>, out: &mut Outbox) {
    if segment.control == TcpControl::Rst {
        return;
    }
    let (seq_number, ack_number) = match segment.ack_number {
        Some(expected) => (expected, None),
        None => (
            smoltcp::wire::TcpSeqNumber(0),
            Some(segment.seq_number + segment.segment_len()),
        ),
    };
    let reset = TcpRepr {
        src_port: segment.dst_port,
        dst_port: segment.src_port,
        control: TcpControl::Rst,
        seq_number,
        ack_number,
        window_len: 0,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let mut bytes = vec![0; reset.buffer_len()];
    reset.emit(
        &mut TcpPacket::new_unchecked(&mut bytes[..]),
        &ip.dst_addr.into(),
        &ip.src_addr.into(),
        &ChecksumCapabilities::default(),
    );
    out.ipv4(ip.dst_addr, ip.src_addr, IpProtocol::Tcp, &bytes);
}
