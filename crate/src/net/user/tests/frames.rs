//! The stack without its thread: single frames, hostile ones above all.

use std::net::Ipv4Addr;

use proptest::prelude::*;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Instant;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, EthernetFrame,
    EthernetProtocol, EthernetRepr, Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Packet,
    Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};

use super::guest::config;
use crate::net::user::outbox::Outbox;
use crate::net::user::stack::Stack;
use crate::net::user::{DNS, GATEWAY, GATEWAY_MAC, GUEST};

const MAC: EthernetAddress = EthernetAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

pub fn stack() -> Stack {
    Stack::new(config(), Instant::ZERO)
}

/// The frames with which `stack` answers `frame`.
fn answers(stack: &mut Stack, frame: &[u8]) -> Vec<Vec<u8>> {
    stack.input(frame, Instant::ZERO);
    stack.poll(Instant::ZERO);
    std::iter::from_fn(|| stack.output()).collect()
}

fn ethernet(protocol: EthernetProtocol, payload: &[u8]) -> Vec<u8> {
    let repr = EthernetRepr {
        src_addr: MAC,
        dst_addr: GATEWAY_MAC,
        ethertype: protocol,
    };
    let mut bytes = vec![0; repr.buffer_len() + payload.len()];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
    repr.emit(&mut frame);
    frame.payload_mut().copy_from_slice(payload);
    bytes
}

pub fn ipv4(dst: Ipv4Addr, protocol: IpProtocol, payload: &[u8]) -> Vec<u8> {
    let repr = Ipv4Repr {
        src_addr: GUEST,
        dst_addr: dst,
        next_header: protocol,
        payload_len: payload.len(),
        hop_limit: 64,
    };
    let mut bytes = vec![0; repr.buffer_len() + payload.len()];
    let mut packet = Ipv4Packet::new_unchecked(&mut bytes[..]);
    repr.emit(&mut packet, &ChecksumCapabilities::default());
    packet.payload_mut().copy_from_slice(payload);
    ethernet(EthernetProtocol::Ipv4, &bytes)
}

fn udp(dst: Ipv4Addr, port: u16, payload: &[u8]) -> Vec<u8> {
    let repr = UdpRepr {
        src_port: 68,
        dst_port: port,
    };
    let mut bytes = vec![0; repr.header_len() + payload.len()];
    repr.emit(
        &mut UdpPacket::new_unchecked(&mut bytes[..]),
        &GUEST.into(),
        &dst.into(),
        payload.len(),
        |space| space.copy_from_slice(payload),
        &ChecksumCapabilities::default(),
    );
    ipv4(dst, IpProtocol::Udp, &bytes)
}

fn tcp(dst: Ipv4Addr, control: TcpControl, ack: bool) -> Vec<u8> {
    let repr = TcpRepr {
        src_port: 50000,
        dst_port: 9,
        control,
        seq_number: TcpSeqNumber(77),
        ack_number: ack.then_some(TcpSeqNumber(99)),
        window_len: 1000,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: b"",
    };
    let mut bytes = vec![0; repr.buffer_len()];
    repr.emit(
        &mut TcpPacket::new_unchecked(&mut bytes[..]),
        &GUEST.into(),
        &dst.into(),
        &ChecksumCapabilities::default(),
    );
    ipv4(dst, IpProtocol::Tcp, &bytes)
}

fn arp(target: Ipv4Addr) -> Vec<u8> {
    let repr = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: MAC,
        source_protocol_addr: GUEST,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: target,
    };
    let mut bytes = vec![0; repr.buffer_len()];
    repr.emit(&mut ArpPacket::new_unchecked(&mut bytes[..]));
    ethernet(EthernetProtocol::Arp, &bytes)
}

fn dhcp(kind: DhcpMessageType, wanted: Ipv4Addr) -> Vec<u8> {
    let repr = DhcpRepr {
        message_type: kind,
        transaction_id: 5,
        secs: 0,
        client_hardware_address: MAC,
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip: Ipv4Addr::UNSPECIFIED,
        server_ip: Ipv4Addr::UNSPECIFIED,
        router: None,
        subnet_mask: None,
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: true,
        requested_ip: Some(wanted),
        client_identifier: Some(MAC),
        server_identifier: Some(GATEWAY),
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    };
    let mut bytes = vec![0; repr.buffer_len()];
    repr.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..])).unwrap();
    udp(Ipv4Addr::BROADCAST, 67, &bytes)
}

/// The IPv4 payload of a frame for the guest.
pub fn payload(frame: &[u8]) -> &[u8] {
    Ipv4Packet::new_checked(EthernetFrame::new_checked(frame).unwrap().payload())
        .unwrap()
        .payload()
}

#[test]
fn arp_is_answered_for_our_addresses_only() {
    let mut stack = stack();
    assert_eq!(answers(&mut stack, &arp(GATEWAY)).len(), 1);
    assert_eq!(answers(&mut stack, &arp(DNS)).len(), 1);
    // The guest asks for its own address to see whether it is taken.
    assert_eq!(answers(&mut stack, &arp(GUEST)).len(), 0);
    assert_eq!(answers(&mut stack, &arp(Ipv4Addr::new(10, 0, 2, 77))).len(), 0);
}

#[test]
fn a_wrong_lease_is_denied() {
    let mut stack = stack();
    let mut answer = |wanted| {
        let frames = answers(&mut stack, &dhcp(DhcpMessageType::Request, wanted));
        let message = UdpPacket::new_checked(payload(&frames[0]))
            .unwrap()
            .payload()
            .to_vec();
        DhcpRepr::parse(&DhcpPacket::new_checked(&message[..]).unwrap())
            .unwrap()
            .message_type
    };
    assert_eq!(answer(GUEST), DhcpMessageType::Ack);
    assert_eq!(answer(Ipv4Addr::new(192, 168, 1, 2)), DhcpMessageType::Nak);
}

#[test]
fn what_is_out_of_reach_is_said_to_be() {
    let outside = Ipv4Addr::new(192, 0, 2, 1);
    let mut stack = stack();
    let frames = answers(&mut stack, &udp(outside, 9, b"hello"));
    let message = Icmpv4Packet::new_checked(payload(&frames[0])).unwrap();
    let Icmpv4Repr::DstUnreachable { reason, header, data } =
        Icmpv4Repr::parse(&message, &ChecksumCapabilities::default()).unwrap()
    else {
        panic!("not an error: {message}");
    };
    assert_eq!(reason, Icmpv4DstUnreachable::PortUnreachable);
    assert_eq!((header.src_addr, header.dst_addr), (GUEST, outside));
    assert_eq!(data[..4], [0, 68, 0, 9]);
}

#[test]
fn stray_segments_are_reset_but_resets_are_not() {
    let outside = Ipv4Addr::new(192, 0, 2, 1);
    let mut stack = stack();
    for (control, ack, expected) in [
        (TcpControl::Syn, false, 1),
        (TcpControl::None, true, 1),
        (TcpControl::Rst, true, 0),
    ] {
        let frames = answers(&mut stack, &tcp(outside, control, ack));
        assert_eq!(frames.len(), expected);
        for frame in frames {
            let segment = TcpPacket::new_checked(payload(&frame)).unwrap();
            assert!(segment.rst());
            if ack {
                assert_eq!(segment.seq_number(), TcpSeqNumber(99));
            } else {
                assert_eq!(segment.ack_number(), TcpSeqNumber(78));
            }
        }
    }
}

#[test]
fn long_packets_go_in_fragments() {
    let mut out = Outbox::new(MAC);
    let bytes: Vec<u8> = (0..5000).map(|i| i as u8).collect();
    out.ipv4(GATEWAY, GUEST, IpProtocol::Udp, &bytes);
    let mut joined = Vec::new();
    while let Some(frame) = out.pop() {
        let packet = Ipv4Packet::new_checked(&frame[14..]).unwrap();
        assert!(packet.verify_checksum());
        assert!(frame.len() <= 1514);
        assert_eq!(usize::from(packet.frag_offset()), joined.len());
        joined.extend_from_slice(packet.payload());
        assert_eq!(packet.more_frags(), joined.len() < bytes.len());
    }
    assert_eq!(joined, bytes);
}

#[test]
fn a_guest_that_takes_nothing_fills_no_memory() {
    let mut stack = stack();
    let frame = arp(GATEWAY);
    for _ in 0..10_000 {
        stack.input(&frame, Instant::ZERO);
    }
    assert!(std::iter::from_fn(|| stack.output()).count() <= 1024);
    assert!(stack.stats().dropped > 0);
}

/// Frames of every kind the stack takes apart.
fn samples() -> Vec<Vec<u8>> {
    let icmp = Icmpv4Repr::EchoRequest {
        ident: 1,
        seq_no: 2,
        data: b"ping",
    };
    let mut ping = vec![0; icmp.buffer_len()];
    icmp.emit(
        &mut Icmpv4Packet::new_unchecked(&mut ping[..]),
        &ChecksumCapabilities::default(),
    );
    vec![
        arp(GATEWAY),
        ipv4(GATEWAY, IpProtocol::Icmp, &ping),
        udp(DNS, 53, b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04host\0\0\x01\0\x01"),
        udp(Ipv4Addr::new(192, 0, 2, 1), 9, b"hello"),
        tcp(Ipv4Addr::new(192, 0, 2, 1), TcpControl::Syn, false),
        dhcp(DhcpMessageType::Discover, GUEST),
        dhcp(DhcpMessageType::Request, GUEST),
    ]
}

/// Makes the IP checksum and the one above it right again, so that damage gets past them.
fn repair(frame: &mut [u8]) {
    let Ok(mut frame) = EthernetFrame::new_checked(frame) else {
        return;
    };
    let Ok(mut packet) = Ipv4Packet::new_checked(frame.payload_mut()) else {
        return;
    };
    packet.fill_checksum();
    let (src, dst, protocol) = (
        packet.src_addr().into(),
        packet.dst_addr().into(),
        packet.next_header(),
    );
    match protocol {
        IpProtocol::Udp => {
            if let Ok(mut udp) = UdpPacket::new_checked(packet.payload_mut()) {
                udp.fill_checksum(&src, &dst);
            }
        }
        IpProtocol::Tcp => {
            if let Ok(mut tcp) = TcpPacket::new_checked(packet.payload_mut()) {
                tcp.fill_checksum(&src, &dst);
            }
        }
        IpProtocol::Icmp => {
            if let Ok(mut icmp) = Icmpv4Packet::new_checked(packet.payload_mut()) {
                icmp.fill_checksum();
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn noise_is_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..1600)) {
        let mut stack = stack();
        answers(&mut stack, &bytes);
        prop_assert_eq!(stack.stats().frames_from_guest, 1);
    }

    #[test]
    fn damaged_frames_are_harmless(
        sample in 0usize..7,
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
        repaired in any::<bool>(),
    ) {
        let mut stack = stack();
        let mut frame = samples().swap_remove(sample);
        for (at, value) in damage {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        if let Some(cut) = cut {
            frame.truncate(cut.index(frame.len()));
        }
        if repaired {
            repair(&mut frame);
        }
        for answer in answers(&mut stack, &frame) {
            prop_assert!(answer.len() <= 1514);
        }
        // The stack still works.
        prop_assert_eq!(answers(&mut stack, &arp(GATEWAY)).len(), 1);
    }
}
