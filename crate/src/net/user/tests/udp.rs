//! What runs over datagrams: DHCP, DNS, echo services; and ping.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;

use smoltcp::iface::SocketHandle;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::{dhcpv4, icmp, udp};
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, IpAddress};

use super::guest::{Guest, config};
use crate::net::user::{DNS, GATEWAY, GUEST, UserConfig};

/// A server that answers `count` datagrams with themselves and `suffix`.
fn echo(count: usize, suffix: &'static [u8]) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = vec![0; 65535];
        for _ in 0..count {
            let (len, from) = socket.recv_from(&mut buffer).unwrap();
            let answer = [&buffer[..len], suffix].concat();
            socket.send_to(&answer, from).unwrap();
        }
    });
    address
}

/// A UDP socket of the guest.
fn socket(guest: &mut Guest) -> SocketHandle {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 16], vec![0; 1 << 16]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(guest.port()).unwrap();
    guest.sockets.add(socket)
}

/// Sends `bytes` and waits for an answer.
fn ask(guest: &mut Guest, handle: SocketHandle, to: (IpAddress, u16), bytes: &[u8]) -> Vec<u8> {
    guest
        .sockets
        .get_mut::<udp::Socket<'_>>(handle)
        .send_slice(bytes, to)
        .unwrap();
    let (answer, from) = guest.until("an answer", |guest| {
        let socket = guest.sockets.get_mut::<udp::Socket<'_>>(handle);
        socket
            .recv()
            .ok()
            .map(|(bytes, meta)| (bytes.to_vec(), meta.endpoint))
    });
    assert_eq!((from.addr, from.port), to);
    answer
}

#[test]
fn the_guest_gets_a_lease_and_uses_it() {
    let mut guest = Guest::unconfigured(config());
    let handle = guest.sockets.add(dhcpv4::Socket::new());
    let lease = guest.until("a lease", |guest| {
        match guest.sockets.get_mut::<dhcpv4::Socket<'_>>(handle).poll() {
            Some(dhcpv4::Event::Configured(lease)) => {
                Some((lease.address, lease.router, lease.dns_servers.to_vec()))
            }
            _ => None,
        }
    });
    assert_eq!((lease.0.address(), lease.0.prefix_len()), (GUEST, 24));
    assert_eq!((lease.1, &lease.2[..]), (Some(GATEWAY), &[DNS][..]));
    guest.configure(lease.0.into(), GATEWAY);
    assert_eq!(ping(&mut guest, GATEWAY), Some(b"are you there?".to_vec()));
}

/// The data of the answer to a ping of `to`; `None` if it is said to be out of reach.
fn ping(guest: &mut Guest, to: Ipv4Addr) -> Option<Vec<u8>> {
    let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 4], vec![0; 4096]);
    let mut socket = icmp::Socket::new(buffer(), buffer());
    socket.bind(icmp::Endpoint::Ident(7)).unwrap();
    let request = Icmpv4Repr::EchoRequest {
        ident: 7,
        seq_no: 1,
        data: b"are you there?",
    };
    let space = socket.send(request.buffer_len(), to.into()).unwrap();
    request.emit(
        &mut Icmpv4Packet::new_unchecked(space),
        &ChecksumCapabilities::default(),
    );
    let handle = guest.sockets.add(socket);
    let answer = guest.until("an answer to a ping", |guest| {
        let socket = guest.sockets.get_mut::<icmp::Socket<'_>>(handle);
        socket.recv().ok().map(|(bytes, _)| bytes.to_vec())
    });
    let packet = Icmpv4Packet::new_checked(&answer[..]).unwrap();
    match Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()).unwrap() {
        Icmpv4Repr::EchoReply {
            ident: 7,
            seq_no: 1,
            data,
        } => Some(data.to_vec()),
        other => panic!("a strange answer: {other:?}"),
    }
}

#[test]
fn both_servers_answer_pings() {
    let mut guest = Guest::new(config());
    assert!(ping(&mut guest, GATEWAY).is_some());
    assert!(ping(&mut guest, DNS).is_some());
}

#[test]
fn datagrams_go_both_ways() {
    let mut guest = Guest::new(config());
    let server = echo(20, b"!");
    let to = (GATEWAY.into(), server.port());
    let one = socket(&mut guest);
    let other = socket(&mut guest);
    for round in 0..10u8 {
        assert_eq!(
            ask(&mut guest, one, to, &[round; 3]),
            [&[round; 3][..], b"!"].concat()
        );
        assert_eq!(
            ask(&mut guest, other, to, &[round; 1400]),
            [&[round; 1400][..], b"!"].concat()
        );
    }
    assert_eq!(guest.network.stats().udp_flows, 2);
    assert_eq!(guest.network.stats().malformed, 0);
}

fn query(name: &str) -> Vec<u8> {
    let mut bytes = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

#[test]
fn questions_are_forwarded_to_the_resolver() {
    let resolvers = vec![echo(2, b"resolved")];
    let mut guest = Guest::new(UserConfig {
        resolvers,
        ..config()
    });
    let handle = socket(&mut guest);
    let to = (DNS.into(), 53);
    let asked = query("www.example");
    assert_eq!(
        ask(&mut guest, handle, to, &asked),
        [&asked[..], b"resolved"].concat()
    );
    let host = ask(&mut guest, handle, to, &query("host"));
    assert_eq!(host[host.len() - 4..], GATEWAY.octets());
}

#[test]
fn a_dead_resolver_is_passed_over() {
    // Bound but never answering.
    let dead = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let outside = "192.0.2.1:53".parse().unwrap();
    let resolvers = vec![outside, dead.local_addr().unwrap(), echo(1, b"resolved")];
    let mut guest = Guest::new(UserConfig {
        resolvers,
        ..config()
    });
    let handle = socket(&mut guest);
    let to: (IpAddress, u16) = (DNS.into(), 53);
    let asked = query("www.example");
    guest
        .sockets
        .get_mut::<udp::Socket<'_>>(handle)
        .send_slice(&asked, to)
        .unwrap();
    assert_eq!(
        ask(&mut guest, handle, to, &asked),
        [&asked[..], b"resolved"].concat()
    );
}

#[test]
fn without_a_resolver_the_guest_is_told_at_once() {
    let mut guest = Guest::new(config());
    let handle = socket(&mut guest);
    let answer = ask(&mut guest, handle, (DNS.into(), 53), &query("www.example"));
    assert_eq!(answer[..4], [0xab, 0xcd, 0x81, 0x82]);
}
