//! The network as a plain struct: frames, readiness of host sockets and the time go in, frames come out.

use std::net::{SocketAddrV4, TcpListener};
use std::os::fd::BorrowedFd;

use rustix::event::PollFlags;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Instant;
use smoltcp::wire::{
    DHCP_SERVER_PORT, Error, EthernetAddress, EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet,
    Ipv4Repr, UdpPacket, UdpRepr,
};

use super::outbox::{NetStats, Outbox};
use super::{GATEWAY_MAC, UserConfig, arp, dhcp, icmp, is_broadcast, is_guest, tcp, udp};
use crate::net::MAX_FRAME;

/// Says which of the host's sockets is meant.
#[derive(Debug, Clone, Copy)]
pub enum Token {
    Tcp(tcp::Token),
    Udp(udp::Key),
}

/// The whole network but for its thread.
#[derive(Debug)]
pub struct Stack {
    config: UserConfig,
    out: Outbox,
    tcp: tcp::Connections,
    udp: udp::Flows,
}

impl Stack {
    pub fn new(config: UserConfig, now: Instant) -> Self {
        let mut out = Outbox::new(EthernetAddress(config.mac));
        let tcp = tcp::Connections::new(config.seed, &mut out, now);
        let udp = udp::Flows::new();
        Self {
            config,
            out,
            tcp,
            udp,
        }
    }

    /// Has those who connect to `socket`, which must be non-blocking, connected to the guest's `guest_port`.
    pub fn listen(&mut self, socket: TcpListener, guest_port: u16) {
        self.tcp.listen(socket, guest_port);
    }

    /// Takes a frame of the guest. Never fails: what is malformed is counted and forgotten.
    pub fn input(&mut self, frame: &[u8], now: Instant) {
        self.out.stats.frames_from_guest += 1;
        if self.frame(frame, now).is_err() {
            self.out.stats.malformed += 1;
        }
    }

    fn frame(&mut self, frame: &[u8], now: Instant) -> Result<(), Error> {
        if frame.len() > MAX_FRAME {
            return Err(Error);
        }
        let frame = EthernetFrame::new_checked(frame)?;
        if !frame.src_addr().is_unicast() {
            return Err(Error);
        }
        if frame.dst_addr() != GATEWAY_MAC && !frame.dst_addr().is_broadcast() {
            self.out.stats.ignored += 1;
            return Ok(());
        }
        self.out.guest_mac = frame.src_addr();
        match frame.ethertype() {
            EthernetProtocol::Arp => arp::input(frame.payload(), &mut self.out),
            EthernetProtocol::Ipv4 => self.ipv4(frame.payload(), now),
            _ => {
                self.out.stats.ignored += 1;
                Ok(())
            }
        }
    }

    fn ipv4(&mut self, packet: &[u8], now: Instant) -> Result<(), Error> {
        let checksums = ChecksumCapabilities::default();
        let packet = Ipv4Packet::new_checked(packet)?;
        let ip = Ipv4Repr::parse(&packet, &checksums)?;
        if packet.more_frags() || packet.frag_offset() != 0 {
            self.out.stats.ignored += 1;
            return Ok(());
        }
        let payload = packet.payload();
        match ip.next_header {
            IpProtocol::Udp => self.udp(&ip, payload, now),
            _ if !is_guest(ip.src_addr) => {
                self.out.stats.ignored += 1;
                Ok(())
            }
            IpProtocol::Tcp => self.tcp.input(&packet, &ip, &self.config, &mut self.out, now),
            IpProtocol::Icmp => icmp::input(&ip, payload, &mut self.out),
            _ => {
                self.out.stats.ignored += 1;
                Ok(())
            }
        }
    }

    fn udp(&mut self, ip: &Ipv4Repr, payload: &[u8], now: Instant) -> Result<(), Error> {
        let packet = UdpPacket::new_checked(payload)?;
        let (from, to) = (ip.src_addr.into(), ip.dst_addr.into());
        let udp = UdpRepr::parse(&packet, &from, &to, &ChecksumCapabilities::default())?;
        if udp.dst_port == DHCP_SERVER_PORT {
            return dhcp::input(packet.payload(), &mut self.out);
        }
        // Broadcasts and multicasts concern neighbours, and there are none.
        if !is_guest(ip.src_addr) || ip.dst_addr.is_multicast() || is_broadcast(ip.dst_addr) {
            self.out.stats.ignored += 1;
            return Ok(());
        }
        let guest = SocketAddrV4::new(ip.src_addr, udp.src_port);
        let remote = SocketAddrV4::new(ip.dst_addr, udp.dst_port);
        self.udp
            .input(guest, remote, packet.payload(), &self.config, &mut self.out, now);
        Ok(())
    }

    /// The next frame for the guest.
    pub fn output(&mut self) -> Option<Vec<u8>> {
        self.out.pop()
    }

    /// Whether [`Self::output`] has nothing to give.
    pub fn is_drained(&self) -> bool {
        self.out.is_empty()
    }

    /// The host's sockets and what to wait for on them: nothing, while the guest does not take its frames.
    pub fn interests(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags, Token)> {
        let tcp = self
            .tcp
            .interests()
            .map(|(fd, wants, key)| (fd, wants, Token::Tcp(key)));
        let udp = self
            .udp
            .interests()
            .map(|(fd, wants, key)| (fd, wants, Token::Udp(key)));
        tcp.chain(udp).filter(|_| !self.out.is_full())
    }

    /// Notes that what was wanted of a socket can be had.
    pub fn ready(&mut self, token: Token) {
        match token {
            Token::Tcp(key) => self.tcp.ready(key),
            Token::Udp(key) => self.udp.ready(key),
        }
    }

    /// Carries everything that can be carried between guest and host.
    pub fn poll(&mut self, now: Instant) {
        self.tcp.poll(&mut self.out, now);
        self.udp.poll(&mut self.out, now);
    }

    /// When [`Self::poll`] must be called though nothing happens. None while the guest does not take its frames: the
    /// timers could send nothing.
    pub fn deadline(&self) -> Option<Instant> {
        if self.out.is_full() {
            return None;
        }
        self.tcp.deadline().into_iter().chain(self.udp.deadline()).min()
    }

    pub fn stats(&self) -> NetStats {
        NetStats {
            tcp_connections: self.tcp.len(),
            udp_flows: self.udp.len(),
            ..self.out.stats
        }
    }
}
