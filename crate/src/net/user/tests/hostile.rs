//! A guest that breaks the rules of TCP on a connection that is open: no panic, no spinning, nothing left behind.

use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::Duration as HostDuration;

use proptest::prelude::*;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpProtocol, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};

use super::frames::{ipv4, payload, stack};
use crate::net::user::stack::Stack;
use crate::net::user::{GATEWAY, GUEST};

const FIRST: i32 = 1000;

/// One segment of the guest, relative to where the connection stands at its beginning.
#[derive(Debug, Clone)]
struct Segment {
    control: TcpControl,
    seq: i32,
    ack: Option<i32>,
    window: u16,
    data: usize,
    /// Time that passes before it.
    wait: Duration,
}

fn segment() -> impl Strategy<Value = Segment> {
    let control = prop_oneof![
        4 => Just(TcpControl::None),
        2 => Just(TcpControl::Psh),
        1 => Just(TcpControl::Syn),
        2 => Just(TcpControl::Fin),
        1 => Just(TcpControl::Rst),
    ];
    // Mostly near where the connection is, sometimes anywhere.
    let near = || prop_oneof![8 => -2..4000i32, 1 => -100_000..100_000i32, 1 => any::<i32>()];
    let ack = prop_oneof![6 => near().prop_map(Some), 1 => Just(None)];
    let window = prop_oneof![Just(0), Just(1), Just(u16::MAX), any::<u16>()];
    let wait = prop_oneof![4 => Just(0), 1 => 0..20_000u64, 1 => 0..10_000_000u64];
    (control, near(), ack, window, 0..1400usize, wait).prop_map(|(control, seq, ack, window, data, wait)| {
        Segment {
            control,
            seq,
            ack,
            window,
            data,
            wait: Duration::from_millis(wait),
        }
    })
}

fn emit(port: u16, segment: &Segment, theirs: TcpSeqNumber) -> Vec<u8> {
    let data = vec![b'x'; segment.data];
    let syn = segment.control == TcpControl::Syn;
    let repr = TcpRepr {
        src_port: 50000,
        dst_port: port,
        control: segment.control,
        seq_number: TcpSeqNumber(FIRST.wrapping_add(segment.seq)),
        ack_number: segment.ack.map(|ack| TcpSeqNumber(theirs.0.wrapping_add(ack))),
        window_len: segment.window,
        window_scale: syn.then_some(14),
        max_seg_size: syn.then_some(1),
        sack_permitted: syn,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &data,
    };
    let mut bytes = vec![0; repr.buffer_len()];
    let checksums = ChecksumCapabilities::default();
    repr.emit(
        &mut TcpPacket::new_unchecked(&mut bytes[..]),
        &GUEST.into(),
        &GATEWAY.into(),
        &checksums,
    );
    ipv4(GATEWAY, IpProtocol::Tcp, &bytes)
}

/// Polls until the guest's SYN is answered, and returns the answer's sequence number.
fn answered(stack: &mut Stack) -> Option<TcpSeqNumber> {
    for _ in 0..1000 {
        ready(stack);
        stack.poll(Instant::ZERO);
        if let Some(frame) = stack.output() {
            let segment = TcpPacket::new_checked(payload(&frame)).ok()?;
            return segment.syn().then(|| segment.seq_number());
        }
        thread::sleep(HostDuration::from_millis(1));
    }
    None
}

/// Says of every socket of the host that something happened there.
fn ready(stack: &mut Stack) {
    let tokens: Vec<_> = stack.interests().map(|(_, _, token)| token).collect();
    tokens.into_iter().for_each(|token| stack.ready(token));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn broken_rules_break_nothing(
        segments in proptest::collection::vec(segment(), 1..40),
        answers_first in any::<bool>(),
    ) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut stack = stack();
        let begin = Segment { control: TcpControl::Syn, seq: -1, ack: None, window: 1000, data: 0, wait: Duration::ZERO };
        stack.input(&emit(port, &begin, TcpSeqNumber(0)), Instant::ZERO);
        let theirs = answered(&mut stack);
        prop_assert!(theirs.is_some());
        let theirs = theirs.unwrap_or_default();
        if answers_first {
            let agree = Segment { control: TcpControl::None, seq: 0, ack: Some(1), ..begin };
            stack.input(&emit(port, &agree, theirs), Instant::ZERO);
        }
        let mut host = Some(listener.accept().unwrap().0);
        let mut now = Instant::ZERO;
        for (index, segment) in segments.iter().enumerate() {
            now += segment.wait;
            stack.input(&emit(port, segment, theirs), now);
            ready(&mut stack);
            stack.poll(now);
            while stack.output().is_some() {}
            if index == segments.len() / 2 {
                host = None;
            }
        }
        drop(host);
        // However it went, in the end all is forgotten, and the timers do not ask to be run without an end.
        for _ in 0..500 {
            ready(&mut stack);
            stack.poll(now);
            while stack.output().is_some() {}
            let Some(next) = stack.deadline() else { break };
            now = now.max(next);
        }
        prop_assert_eq!(stack.stats().tcp_connections, 0);
    }
}
