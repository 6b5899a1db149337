//! TCP: whole transfers, ends, refusals, resets, many at once.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};

use super::guest::{Guest, config};
use crate::net::user::{Forward, UserConfig};

const MEGABYTES: usize = 8 << 20;

/// A stream of bytes that has every byte depend on its place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect()
}

/// A server for one connection, on a thread.
fn serve<T: Send + 'static>(
    work: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, thread::JoinHandle<T>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (address, thread::spawn(move || work(listener.accept().unwrap().0)))
}

/// Reads until the end of the stream.
fn download(guest: &mut Guest, handle: SocketHandle) -> Vec<u8> {
    let mut bytes = Vec::new();
    guest.until("a download", |guest| {
        let socket = guest.tcp(handle);
        while socket.can_recv() {
            socket
                .recv(|piece| {
                    bytes.extend_from_slice(piece);
                    (piece.len(), ())
                })
                .unwrap();
        }
        matches!(socket.state(), State::CloseWait | State::Closed).then_some(())
    });
    bytes
}

/// Writes `bytes`, then the end.
fn upload(guest: &mut Guest, handle: SocketHandle, bytes: &[u8]) {
    let mut sent = 0;
    guest.until("an upload", |guest| {
        let socket = guest.tcp(handle);
        while socket.can_send() && sent < bytes.len() {
            sent += socket.send_slice(&bytes[sent..]).unwrap();
        }
        (sent == bytes.len()).then(|| socket.close())
    });
}

#[test]
fn a_download_arrives_whole_and_fast() {
    let (address, server) = serve(|mut stream| stream.write_all(&pattern(MEGABYTES)).unwrap());
    let mut guest = Guest::new(config());
    let start = Instant::now();
    let handle = guest.connect(address);
    let bytes = download(&mut guest, handle);
    println!(
        "download: {:.0} MB/s",
        bytes.len() as f64 / 1e6 / start.elapsed().as_secs_f64()
    );
    assert!(bytes == pattern(MEGABYTES));
    server.join().unwrap();
}

#[test]
fn an_upload_arrives_whole_and_its_end_too() {
    let (address, server) = serve(|mut stream| {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        // The guest's end has come; ours is still open.
        stream.write_all(b"got it").unwrap();
        bytes
    });
    let mut guest = Guest::new(config());
    let start = Instant::now();
    let handle = guest.connect(address);
    upload(&mut guest, handle, &pattern(MEGABYTES));
    let mut answer = Vec::new();
    guest.until("the answer", |guest| {
        let socket = guest.tcp(handle);
        if socket.can_recv() {
            answer = socket.recv(|bytes| (bytes.len(), bytes.to_vec())).unwrap();
        }
        matches!(socket.state(), State::TimeWait).then_some(())
    });
    println!(
        "upload: {:.0} MB/s",
        MEGABYTES as f64 / 1e6 / start.elapsed().as_secs_f64()
    );
    assert_eq!(answer, b"got it");
    guest.until("the connection to be forgotten", |guest| {
        (guest.network.stats().tcp_connections == 0).then_some(())
    });
    assert!(server.join().unwrap() == pattern(MEGABYTES));
}

#[test]
fn a_host_that_ends_first_still_gets_everything() {
    let (address, server) = serve(|mut stream| {
        stream.write_all(b"send").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        // Slow, so that the network has to hold what it could not pass on.
        thread::sleep(Duration::from_millis(200));
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let mut guest = Guest::new(config());
    let handle = guest.connect(address);
    assert_eq!(download(&mut guest, handle), b"send");
    upload(&mut guest, handle, &pattern(MEGABYTES / 2));
    guest.until("the end", |guest| {
        (guest.tcp(handle).state() == State::Closed).then_some(())
    });
    assert!(server.join().unwrap() == pattern(MEGABYTES / 2));
}

#[test]
fn refused_connections_are_refused() {
    // Bound and not listening: nobody else gets the port meanwhile.
    let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let mut guest = Guest::new(config());
    let outside: SocketAddr = "192.0.2.1:80".parse().unwrap();
    let neighbour: SocketAddr = "10.0.2.3:80".parse().unwrap();
    for nobody in [unused, outside, neighbour] {
        let handle = guest.connect(nobody);
        let start = Instant::now();
        guest.until("a refusal", |guest| {
            (guest.tcp(handle).state() == State::Closed).then_some(())
        });
        assert!(start.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(guest.network.stats().tcp_connections, 0);
}

#[test]
fn resets_pass_both_ways() {
    let (address, server) = serve(|mut stream| stream.read(&mut [0; 16]).map_err(|error| error.kind()));
    let mut guest = Guest::new(config());
    let handle = guest.connect(address);
    guest.until("a connection", |guest| guest.tcp(handle).may_send().then_some(()));
    guest.tcp(handle).abort();
    guest.until("the reset to be sent", |guest| {
        (guest.network.stats().tcp_connections == 0 && guest.network.stats().frames_from_guest > 2)
            .then_some(())
    });
    assert_eq!(server.join().unwrap(), Err(ErrorKind::ConnectionReset));

    let (address, server) = serve(|stream| {
        // Closing with unread data resets the connection.
        stream.peek(&mut [0; 1]).unwrap();
    });
    let handle = guest.connect(address);
    guest.until("a connection", |guest| guest.tcp(handle).may_send().then_some(()));
    guest.tcp(handle).send_slice(b"never read").unwrap();
    guest.until("a reset", |guest| {
        (guest.tcp(handle).state() == State::Closed).then_some(())
    });
    server.join().unwrap();
}

#[test]
fn a_slow_reader_slows_its_writer() {
    let (go, wait) = mpsc::channel();
    let (address, server) = serve(move |mut stream| {
        wait.recv().unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let mut guest = Guest::new(config());
    let handle = guest.connect(address);
    guest.until("a connection", |guest| guest.tcp(handle).may_send().then_some(()));
    // More than the host's own buffers hold.
    let bytes = pattern(32 << 20);
    let mut sent = 0;
    let mut last = (0, Instant::now());
    guest.until("the writer to stand still", |guest| {
        let socket = guest.tcp(handle);
        if socket.can_send() {
            sent += socket.send_slice(&bytes[sent..]).unwrap();
        }
        if sent != last.0 {
            last = (sent, Instant::now());
        }
        (last.1.elapsed() > Duration::from_millis(300)).then_some(())
    });
    assert!(sent < bytes.len());
    go.send(()).unwrap();
    upload(&mut guest, handle, &bytes[sent..]);
    guest.until("the end", |guest| {
        let state = guest.tcp(handle).state();
        matches!(state, State::TimeWait | State::Closed).then_some(())
    });
    assert!(server.join().unwrap() == bytes);
}

#[test]
fn many_connections_at_once() {
    const MANY: usize = 200;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let streams: Vec<_> = (0..MANY).map(|_| listener.accept().unwrap().0).collect();
        // All are open now; each gets back what it says.
        for mut stream in streams {
            let mut word = [0; 4];
            stream.read_exact(&mut word).unwrap();
            stream.write_all(&word).unwrap();
        }
    });
    let mut guest = Guest::new(config());
    let handles: Vec<_> = (0..MANY).map(|_| guest.connect(address)).collect();
    guest.until("all connections", |guest| {
        handles.iter().all(|&h| guest.tcp(h).may_send()).then_some(())
    });
    for (index, &handle) in handles.iter().enumerate() {
        guest
            .tcp(handle)
            .send_slice(&(index as u32).to_le_bytes())
            .unwrap();
    }
    for (index, &handle) in handles.iter().enumerate() {
        assert_eq!(download(&mut guest, handle), (index as u32).to_le_bytes());
        guest.tcp(handle).close();
    }
    guest.until("all ends", |guest| {
        handles
            .iter()
            .all(|&h| guest.tcp(h).state() == State::Closed)
            .then_some(())
    });
    server.join().unwrap();
}

#[test]
fn connections_past_the_limit_are_refused_and_the_others_live() {
    const LIMIT: usize = 512;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        (0..LIMIT)
            .map(|_| listener.accept().unwrap().0)
            .collect::<Vec<_>>()
    });
    let mut guest = Guest::new(config());
    let mut handles = Vec::new();
    for _ in 0..LIMIT / 64 {
        let some: Vec<_> = (0..64).map(|_| guest.connect(address)).collect();
        guest.until("connections", |guest| {
            some.iter().all(|&h| guest.tcp(h).may_send()).then_some(())
        });
        handles.extend(some);
    }
    let one_too_many = guest.connect(address);
    guest.until("a refusal", |guest| {
        (guest.tcp(one_too_many).state() == State::Closed).then_some(())
    });
    assert!(handles.iter().all(|&handle| guest.tcp(handle).may_send()));
    drop(server.join().unwrap());
}

#[test]
fn an_idle_network_uses_no_processor() {
    let (address, server) = serve(|mut stream| stream.read(&mut [0; 1]).unwrap());
    let mut guest = Guest::new(config());
    let handle = guest.connect(address);
    guest.until("a connection", |guest| guest.tcp(handle).may_send().then_some(()));
    // Let acknowledgements that were put off be sent.
    let settled = Instant::now() + Duration::from_millis(200);
    guest.until("quiet", |_| (Instant::now() > settled).then_some(()));
    let before = guest.network.turns();
    thread::sleep(Duration::from_millis(500));
    assert!(guest.network.turns() - before <= 1);
    drop(guest);
    assert_eq!(server.join().unwrap(), 0);
}

#[test]
fn the_host_reaches_the_guest_through_a_forwarded_port() {
    let forwards = vec![
        Forward {
            host: (Ipv4Addr::LOCALHOST, 0).into(),
            guest_port: 80,
        };
        2
    ];
    let mut guest = Guest::new(UserConfig { forwards, ..config() });
    let address = guest.network.forwards()[1];
    // Before the guest listens it refuses.
    let client = thread::spawn(move || {
        TcpStream::connect(address)
            .unwrap()
            .read(&mut [0; 1])
            .map_err(|e| e.kind())
    });
    guest.until("a refusal", |_| client.is_finished().then_some(()));
    assert_eq!(client.join().unwrap(), Err(ErrorKind::ConnectionReset));

    let buffer = || SocketBuffer::new(vec![0; 4096]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.listen(80).unwrap();
    let handle = guest.sockets.add(socket);
    let client = thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&pattern(100_000)).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    guest.until("a connection", |guest| guest.tcp(handle).may_recv().then_some(()));
    assert!(download(&mut guest, handle) == pattern(100_000));
    upload(&mut guest, handle, b"welcome");
    guest.until("the end", |_| client.is_finished().then_some(()));
    assert_eq!(client.join().unwrap(), "welcome");
}

#[test]
fn a_guest_that_stops_taking_frames_holds_its_servers_up_and_loses_nothing() {
    // Together their windows are more than the queue of frames for the guest holds.
    const MANY: usize = 60;
    const EACH: usize = 300_000;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let streams: Vec<_> = (0..MANY).map(|_| listener.accept().unwrap().0).collect();
        let writers = streams
            .into_iter()
            .map(|mut stream| thread::spawn(move || stream.write_all(&pattern(EACH)).unwrap()));
        writers
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|writer| writer.join().unwrap());
    });
    let mut guest = Guest::new(config());
    let handles: Vec<_> = (0..MANY).map(|_| guest.connect(address)).collect();
    guest.until("all connections", |guest| {
        handles.iter().all(|&h| guest.tcp(h).may_send()).then_some(())
    });
    thread::sleep(Duration::from_millis(300));
    let before = guest.network.turns();
    thread::sleep(Duration::from_millis(300));
    // Retransmission timers may run, but nothing spins.
    assert!(guest.network.turns() - before < 300);
    for &handle in &handles {
        assert!(download(&mut guest, handle) == pattern(EACH));
    }
    server.join().unwrap();
}
