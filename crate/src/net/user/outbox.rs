//! Frames on their way to the guest, and the small pieces that build them.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{
    ETHERNET_HEADER_LEN, EthernetAddress, EthernetFrame, EthernetProtocol, IPV4_HEADER_LEN, IpProtocol,
    Ipv4Packet, Ipv4Repr,
};

use super::{GATEWAY_MAC, MTU};

/// With so many frames waiting nothing more is taken from the host's sockets.
const FULL: usize = 256;
/// With so many waiting even answers to the guest's own packets are dropped.
const OVERFLOW: usize = 1024;

/// What a network has done since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetStats {
    /// Frames taken from the guest.
    pub frames_from_guest: u64,
    /// Frames made for the guest.
    pub frames_to_guest: u64,
    /// Frames of the guest that were not well formed.
    pub malformed: u64,
    /// Well-formed frames that this network does not carry: other protocols, fragments, foreign addresses.
    pub ignored: u64,
    /// Packets lost because some bound was reached.
    pub dropped: u64,
    /// TCP connections now open.
    pub tcp_connections: usize,
    /// UDP flows now open.
    pub udp_flows: usize,
}

/// Frames waiting for the guest to take them.
#[derive(Debug)]
pub struct Outbox {
    frames: VecDeque<Vec<u8>>,
    /// The guest's Ethernet address, learnt from its frames.
    pub guest_mac: EthernetAddress,
    /// Identification of the next packet that is cut into fragments.
    ident: u16,
    pub stats: NetStats,
}

impl Outbox {
    pub fn new(guest_mac: EthernetAddress) -> Self {
        Self {
            frames: VecDeque::new(),
            guest_mac,
            ident: 0,
            stats: NetStats::default(),
        }
    }

    /// Whether senders that can wait should.
    pub fn is_full(&self) -> bool {
        self.frames.len() >= FULL
    }

    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub fn pop(&mut self) -> Option<Vec<u8>> {
        self.frames.pop_front()
    }

    /// Queues a frame to `to` whose `len` bytes of payload `fill` writes.
    pub fn ethernet<R>(
        &mut self,
        to: EthernetAddress,
        ethertype: EthernetProtocol,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> R,
    ) -> R {
        let mut bytes = vec![0; ETHERNET_HEADER_LEN + len];
        let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
        frame.set_dst_addr(to);
        frame.set_src_addr(GATEWAY_MAC);
        frame.set_ethertype(ethertype);
        let result = fill(frame.payload_mut());
        if self.frames.len() < OVERFLOW {
            self.stats.frames_to_guest += 1;
            self.frames.push_back(bytes);
        } else {
            self.stats.dropped += 1;
        }
        result
    }

    /// Queues an IPv4 packet to the guest at `dst`, in fragments if it is longer than a frame.
    pub fn ipv4(&mut self, src: Ipv4Addr, dst: Ipv4Addr, protocol: IpProtocol, payload: &[u8]) {
        self.ipv4_at(self.guest_mac, src, dst, protocol, payload);
    }

    /// Like [`Self::ipv4`], to a chosen Ethernet address.
    pub fn ipv4_at(
        &mut self,
        mac: EthernetAddress,
        src: Ipv4Addr,
        dst: Ipv4Addr,
        protocol: IpProtocol,
        payload: &[u8],
    ) {
        // Bytes in a full fragment: offsets count in units of eight.
        const STEP: usize = (MTU - IPV4_HEADER_LEN) / 8 * 8;
        if payload.len() > usize::from(u16::MAX) - IPV4_HEADER_LEN {
            self.stats.dropped += 1;
            return;
        }
        self.ident = self.ident.wrapping_add(1);
        let (ident, fragmented) = (self.ident, payload.len() > STEP);
        for (index, piece) in payload.chunks(STEP).enumerate() {
            let offset = index * STEP;
            let last = offset + piece.len() == payload.len();
            let repr = Ipv4Repr {
                src_addr: src,
                dst_addr: dst,
                next_header: protocol,
                payload_len: piece.len(),
                hop_limit: 64,
            };
            let len = IPV4_HEADER_LEN + piece.len();
            self.ethernet(mac, EthernetProtocol::Ipv4, len, |bytes| {
                let mut packet = Ipv4Packet::new_unchecked(bytes);
                repr.emit(&mut packet, &ChecksumCapabilities::ignored());
                if fragmented {
                    packet.set_dont_frag(false);
                    packet.set_ident(ident);
                    packet.set_more_frags(!last);
                    packet.set_frag_offset(offset as u16);
                }
                packet.fill_checksum();
                packet.payload_mut().copy_from_slice(piece);
            });
        }
    }
}

/// The outbox as smoltcp's network device, with at most one packet waiting to be received.
#[derive(Debug)]
pub struct Link<'a> {
    pub out: &'a mut Outbox,
    pub packet: Option<&'a [u8]>,
}

/// A packet of the guest for smoltcp.
#[derive(Debug)]
pub struct Incoming<'a>(&'a [u8]);

/// Room in the outbox for one packet of smoltcp's.
#[derive(Debug)]
pub struct Outgoing<'a>(&'a mut Outbox);

impl Device for Link<'_> {
    type RxToken<'a>
        = Incoming<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Outgoing<'a>
    where
        Self: 'a;

    fn receive(&mut self, _now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let packet = self.packet.take()?;
        Some((Incoming(packet), Outgoing(self.out)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Self::TxToken<'_>> {
        (!self.out.is_full()).then_some(Outgoing(self.out))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}

impl RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let to = self.0.guest_mac;
        self.0.ethernet(to, EthernetProtocol::Ipv4, len, fill)
    }
}
