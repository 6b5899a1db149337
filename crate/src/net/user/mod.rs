//! A network for one guest inside this process, as QEMU's user-mode network ("slirp") is: no rights, no set-up.
//!
//! ```text
//!   guest 10.0.2.15 ──Ethernet frames──▶ Stack ─┬─ ARP, DHCP, ping of the gateway: answered here
//!                                               ├─ TCP: ended here by smoltcp, each joined to a host TcpStream
//!                                               └─ UDP: each flow joined to a host UdpSocket
//! ```
//!
//! The gateway 10.0.2.2 is also the host: its ports are those of the host's 127.0.0.1. 10.0.2.3 forwards DNS to the
//! host's resolver, and itself knows the names `host` and `gateway`.
//!
//! [`UserNetwork`] runs the stack on a thread of its own, which sleeps while nothing happens. The stack itself is a
//! plain struct that is handed frames and the time.
//!
//! Everything is bounded: connections, flows, buffers, queues. Past a bound the guest sees refused connections and
//! lost packets, as on any network. What it does not do: IPv6, reassembly of fragments sent by the guest, ping beyond
//! the gateway.

mod arp;
mod dhcp;
mod dns;
mod host;
mod icmp;
mod outbox;
mod stack;
mod tcp;
mod thread;
mod udp;

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use smoltcp::wire::EthernetAddress;

pub use outbox::NetStats;
pub use thread::{UserNetwork, Waker};

/// The address the DHCP server gives the guest.
pub const GUEST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// The gateway; its ports are those of the host's 127.0.0.1.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// The DNS server.
pub const DNS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
/// Every address of the network; the last octet is the host part.
const NETMASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);
/// The Ethernet address behind which the gateway and everything beyond it is reached.
const GATEWAY_MAC: EthernetAddress = EthernetAddress([0x52, 0x55, 10, 0, 2, 2]);
/// Bytes of an IP packet that fit a frame.
const MTU: usize = 1500;
const DNS_PORT: u16 = 53;

/// How far the guest may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetPolicy {
    /// Only the host's own loopback addresses: nothing leaves the machine. Otherwise the guest reaches whatever the
    /// host's user reaches.
    pub loopback_only: bool,
}

impl NetPolicy {
    /// Whether the guest's traffic may go to `to`.
    pub fn allows(&self, to: SocketAddr) -> bool {
        !self.loopback_only || to.ip().is_loopback()
    }
}

/// A port of the host whose connections lead to the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// Where the host listens; port 0 is any free one.
    pub host: SocketAddr,
    /// The guest's port, at [`GUEST`].
    pub guest_port: u16,
}

/// What a [`UserNetwork`] is to be.
#[derive(Debug, Clone)]
pub struct UserConfig {
    /// The guest's Ethernet address, as [`crate::net::NetBackend::mac`] gives it to the device.
    pub mac: [u8; 6],
    /// How far the guest may reach.
    pub policy: NetPolicy,
    /// Where DNS queries go: tried in turn. With none, queries are answered "server failure".
    pub resolvers: Vec<SocketAddr>,
    /// Ports of the host that lead to the guest.
    pub forwards: Vec<Forward>,
    /// Seed of TCP's initial sequence numbers: should be hard to guess.
    pub seed: u64,
}

impl UserConfig {
    /// The usual network: the host's resolvers, everything reachable.
    pub fn from_host() -> Self {
        Self {
            mac: [0x52, 0x54, 0x00, 0x12, 0x34, 0x56],
            policy: NetPolicy::default(),
            resolvers: host::resolvers(),
            forwards: Vec::new(),
            seed: host::random_seed(),
        }
    }

    /// Where on the host the guest's connections and datagrams to `to` go; `None` where there is nobody.
    fn host_address(&self, to: SocketAddrV4) -> Option<SocketAddr> {
        let (ip, port) = (*to.ip(), to.port());
        let target = if ip == GATEWAY {
            SocketAddr::from((Ipv4Addr::LOCALHOST, port))
        } else if ip == DNS {
            return (port == DNS_PORT).then(|| self.resolver(0)).flatten();
        } else if is_local(ip) || !is_routable(ip) {
            return None;
        } else {
            SocketAddr::from((ip, port))
        };
        self.policy.allows(target).then_some(target)
    }

    /// The resolver for attempt number `attempt`.
    fn resolver(&self, attempt: usize) -> Option<SocketAddr> {
        let allowed = |to: &&SocketAddr| self.policy.allows(**to);
        let count = self.resolvers.iter().filter(allowed).count();
        let index = attempt.checked_rem(count)?;
        self.resolvers.iter().filter(allowed).nth(index).copied()
    }
}

/// Why a network could not be started.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The pair of sockets that wakes the network's thread could not be made.
    #[error("the user-mode network cannot make its wake-up socket: {0}; are too many files open?")]
    Wake(std::io::Error),
    /// A port to be forwarded to the guest cannot be listened on.
    #[error("the host cannot listen on {0} for the guest: {1}; choose another port")]
    Forward(SocketAddr, std::io::Error),
    /// The thread could not be started.
    #[error("the user-mode network cannot start its thread: {0}")]
    Thread(std::io::Error),
}

/// Whether `ip` is on the guest's own network.
fn is_local(ip: Ipv4Addr) -> bool {
    ip & NETMASK == GATEWAY & NETMASK
}

/// Whether the network itself answers at `ip`.
fn is_ours(ip: Ipv4Addr) -> bool {
    ip == GATEWAY || ip == DNS
}

/// Whether a guest may call itself `ip`.
fn is_guest(ip: Ipv4Addr) -> bool {
    is_local(ip) && !is_ours(ip) && !matches!(ip.octets()[3], 0 | 255)
}

/// Whether packets to `ip` may leave the guest's network at all.
fn is_routable(ip: Ipv4Addr) -> bool {
    let class_e_or_broadcast = ip.octets()[0] >= 240;
    !(ip.octets()[0] == 0 || ip.is_loopback() || ip.is_multicast() || class_e_or_broadcast)
}

/// Whether `ip` means every machine of the network.
fn is_broadcast(ip: Ipv4Addr) -> bool {
    ip.is_broadcast() || ip == GATEWAY | !NETMASK
}
