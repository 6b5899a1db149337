//! The user-mode network: what Linux gets, fetches and serves through it. Nothing leaves the host.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use tabvisor::engine::EngineConfig;
use tabvisor::machine::MachineConfig;
use tabvisor::net::NetBackend;
use tabvisor::net::user::{Forward, NetPolicy, UserConfig, UserNetwork};

use crate::engines::Engine;
use crate::harness::{Bell, Guest, crc32, host_clock, linux, noise};

under_every_engine!(a_lease_a_ping_a_download_and_a_server);

const MAC: [u8; 6] = [0x52, 0x54, 0, 0xab, 0xcd, 0xef];

/// Serves `body` to one request after another, and returns its port.
fn serve(body: Vec<u8>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&body).unwrap();
        }
    });
    port
}

fn a_lease_a_ping_a_download_and_a_server(engine: Engine) {
    let body = noise(3 << 20);
    let port = serve(body.clone());
    let bell = Bell::default();
    let ringer = bell.clone();
    let config = UserConfig {
        mac: MAC,
        policy: NetPolicy { loopback_only: true },
        resolvers: Vec::new(),
        forwards: vec![Forward {
            host: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            guest_port: 80,
        }],
        seed: 1,
    };
    let network = UserNetwork::start(config, Arc::new(move || ringer.ring())).unwrap();
    assert_eq!(network.mac(), MAC);
    let into_guest = network.forwards()[0];
    let machine = MachineConfig {
        net: Some(Box::new(network)),
        engine: EngineConfig::default(),
        clock: host_clock(),
        ..linux(1)
    };
    let mut guest = Guest::with_bell(engine, machine, bell);
    guest.wait_for_shell();
    assert_eq!(guest.run("cat /sys/class/net/eth0/address"), "52:54:00:ab:cd:ef");
    guest.run("until ip route | grep -q default; do sleep 0.2; done");
    let address = guest.run("ip -4 addr show eth0");
    assert!(address.contains("inet 10.0.2.15/24"), "{address}");
    assert_eq!(guest.run("cat /etc/resolv.conf"), "nameserver 10.0.2.3");
    let ping = guest.run("ping -c 3 -i 0.2 10.0.2.2");
    assert!(
        ping.contains("3 packets transmitted, 3 packets received"),
        "{ping}"
    );

    let fetched = guest.run(&format!(
        "wget -q -O /tmp/body http://10.0.2.2:{port}/body && crc32 </tmp/body"
    ));
    assert_eq!(fetched, crc32(&body));
    let (output, status) = guest.run_status("wget -q -O - http://10.0.2.2:1/ 2>&1");
    assert!(status != 0 && output.contains("refused"), "{output}");

    // And the other way, to a server in the guest.
    guest.run("httpd -p 80 -h /tmp");
    let client = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(into_guest).unwrap();
        stream.write_all(b"GET /body HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    });
    guest.run_until(|| client.is_finished());
    assert!(client.join().unwrap().ends_with(&body));
}
