//! The guest's UDP flows (RFC 768): one host socket for each pair of addresses, forgotten when idle.
//!
//! A socket is connected to the one peer the guest spoke to, so nobody else can reach the guest through it, and the
//! guest learns when nobody listens there. Queries to the network's DNS server are a flow to the host's resolver.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::PollFlags;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Icmpv4DstUnreachable, IpProtocol, Ipv4Repr, UDP_HEADER_LEN, UdpPacket, UdpRepr};

use super::outbox::Outbox;
use super::{DNS, DNS_PORT, UserConfig, dns, host, icmp};

/// Flows at a time; the one idle longest makes room for the next.
const MAX_FLOWS: usize = 256;
/// Flows are forgotten after so long without a datagram (RFC 4787 asks for two minutes at least).
const IDLE: Duration = Duration::from_secs(120);
/// Questions to a resolver are answered sooner or never.
const IDLE_DNS: Duration = Duration::from_secs(20);
/// Datagrams taken from one socket before the others have their turn.
const BURST: usize = 32;
/// No datagram is longer.
const MAX_DATAGRAM: usize = 65535;

/// What tells one flow from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    guest: SocketAddrV4,
    remote: SocketAddrV4,
}

impl Key {
    fn is_dns(&self) -> bool {
        self.remote == SocketAddrV4::new(DNS, DNS_PORT)
    }

    /// Header of the guest's datagrams with `payload_len` bytes after it.
    fn header(&self, payload_len: usize) -> Ipv4Repr {
        Ipv4Repr {
            src_addr: *self.guest.ip(),
            dst_addr: *self.remote.ip(),
            next_header: IpProtocol::Udp,
            payload_len,
            hop_limit: 64,
        }
    }
}

/// Every UDP flow of the guest.
#[derive(Debug)]
pub struct Flows {
    open: HashMap<Key, Flow>,
    buffer: Box<[u8]>,
}

#[derive(Debug)]
struct Flow {
    host: UdpSocket,
    ready: bool,
    last_used: Instant,
    /// Datagrams the guest has sent since one came back; for DNS this says which resolver is tried.
    unanswered: usize,
}

impl Flows {
    pub fn new() -> Self {
        Self {
            open: HashMap::new(),
            buffer: vec![0; MAX_DATAGRAM].into_boxed_slice(),
        }
    }

    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Takes a datagram of the guest.
    pub fn input(
        &mut self,
        guest: SocketAddrV4,
        remote: SocketAddrV4,
        payload: &[u8],
        config: &UserConfig,
        out: &mut Outbox,
        now: Instant,
    ) {
        let key = Key { guest, remote };
        if key.is_dns()
            && let Some(answer) = dns::local_answer(payload)
        {
            emit(&key, &answer, out);
            return;
        }
        let attempt = self.open.get(&key).map_or(0, |flow| flow.unanswered);
        let target = if key.is_dns() {
            config.resolver(attempt)
        } else {
            config.host_address(remote)
        };
        let Some(target) = target else {
            match dns::failure(payload).filter(|_| key.is_dns()) {
                Some(answer) => emit(&key, &answer, out),
                None => port_unreachable(&key, out),
            }
            return;
        };
        match self
            .flow(key, target, now)
            .and_then(|flow| flow.send(payload, now))
        {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => port_unreachable(&key, out),
            Err(error) => {
                log::debug!("a datagram of the guest was lost: {error}");
                out.stats.dropped += 1;
            }
        }
    }

    /// The flow `key`, made if need be, with its socket connected to `target`.
    fn flow(&mut self, key: Key, target: SocketAddr, now: Instant) -> io::Result<&mut Flow> {
        // A question asked again goes to the next resolver, which may need a socket of another family.
        let moved = self
            .open
            .get(&key)
            .is_some_and(|flow| key.is_dns() && flow.host.peer_addr().ok() != Some(target));
        if !self.open.contains_key(&key) || moved {
            if !moved && self.open.len() >= MAX_FLOWS {
                let oldest = self
                    .open
                    .iter()
                    .min_by_key(|(_, flow)| flow.last_used)
                    .map(|(key, _)| *key);
                oldest.map(|key| self.open.remove(&key));
            }
            let unanswered = self.open.get(&key).map_or(0, |flow| flow.unanswered);
            let flow = Flow {
                host: host::datagrams(target)?,
                ready: false,
                last_used: now,
                unanswered,
            };
            self.open.insert(key, flow);
        }
        self.open
            .get_mut(&key)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The host's sockets, to be waited for until they can be read.
    pub fn interests(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags, Key)> {
        self.open
            .iter()
            .map(|(key, flow)| (flow.host.as_fd(), PollFlags::IN, *key))
    }

    /// Notes that a socket can be read.
    pub fn ready(&mut self, key: Key) {
        if let Some(flow) = self.open.get_mut(&key) {
            flow.ready = true;
        }
    }

    /// Passes datagrams of the host's sockets on and forgets idle flows.
    pub fn poll(&mut self, out: &mut Outbox, now: Instant) {
        for (key, flow) in self.open.iter_mut().filter(|(_, flow)| flow.ready) {
            flow.ready = false;
            for _ in 0..BURST {
                // What is not taken now stays in the socket, which the next poll finds readable again.
                if out.is_full() {
                    break;
                }
                match flow.host.recv(&mut self.buffer) {
                    Ok(len) => {
                        emit(key, &self.buffer[..len], out);
                        flow.last_used = now;
                        flow.unanswered = 0;
                    }
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && !key.is_dns() => {
                        port_unreachable(key, out);
                    }
                    Err(_) => break,
                }
            }
        }
        self.open.retain(|key, flow| flow.expiry(key) > now);
    }

    /// When [`Self::poll`] must be called though nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        self.open.iter().map(|(key, flow)| flow.expiry(key)).min()
    }
}

impl Flow {
    fn send(&mut self, payload: &[u8], now: Instant) -> io::Result<()> {
        self.last_used = now;
        self.unanswered = self.unanswered.saturating_add(1);
        self.host.send(payload).map(drop)
    }

    fn expiry(&self, key: &Key) -> Instant {
        self.last_used + if key.is_dns() { IDLE_DNS } else { IDLE }
    }
}

/// Sends the guest a datagram of flow `key`.
fn emit(key: &Key, payload: &[u8], out: &mut Outbox) {
    let repr = UdpRepr {
        src_port: key.remote.port(),
        dst_port: key.guest.port(),
    };
    let (from, to) = (*key.remote.ip(), *key.guest.ip());
    // Longer than UDP over IPv4 can say: cannot come from a socket of IPv4, but from one of IPv6.
    if payload.len() > MAX_DATAGRAM - UDP_HEADER_LEN {
        out.stats.dropped += 1;
        return;
    }
    let mut bytes = vec![0; UDP_HEADER_LEN + payload.len()];
    repr.emit(
        &mut UdpPacket::new_unchecked(&mut bytes[..]),
        &from.into(),
        &to.into(),
        payload.len(),
        |space| space.copy_from_slice(payload),
        &ChecksumCapabilities::default(),
    );
    out.ipv4(from, to, IpProtocol::Udp, &bytes);
}

/// Tells the guest that nobody listens where it sent a datagram of flow `key`.
fn port_unreachable(key: &Key, out: &mut Outbox) {
    let mut ports = [0; UDP_HEADER_LEN];
    let mut udp = UdpPacket::new_unchecked(&mut ports[..]);
    udp.set_src_port(key.guest.port());
    udp.set_dst_port(key.remote.port());
    udp.set_len(UDP_HEADER_LEN as u16);
    icmp::unreachable(
        Icmpv4DstUnreachable::PortUnreachable,
        &key.header(UDP_HEADER_LEN),
        &ports,
        out,
    );
}
