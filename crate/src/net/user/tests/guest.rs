//! The guest of these tests: a smoltcp interface at the end of the cable.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant as HostInstant};

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr};

use crate::net::user::{GATEWAY, GUEST, NetPolicy, UserConfig, UserNetwork};
use crate::net::{MAX_FRAME, NetBackend};

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(30);

pub fn config() -> UserConfig {
    UserConfig {
        mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
        policy: NetPolicy { loopback_only: true },
        resolvers: Vec::new(),
        forwards: Vec::new(),
        seed: 1,
    }
}

pub struct Guest {
    pub network: UserNetwork,
    pub interface: Interface,
    pub sockets: SocketSet<'static>,
    start: HostInstant,
    next_port: u16,
}

impl Guest {
    /// A guest without an address.
    pub fn unconfigured(config: UserConfig) -> Self {
        let me = thread::current();
        let network = UserNetwork::start(config, Arc::new(move || me.unpark())).unwrap();
        let mac = HardwareAddress::Ethernet(EthernetAddress(network.mac()));
        let mut cable = Cable(network);
        let interface = Interface::new(Config::new(mac), &mut cable, Instant::ZERO);
        Self {
            network: cable.0,
            interface,
            sockets: SocketSet::new(Vec::new()),
            start: HostInstant::now(),
            next_port: 49152,
        }
    }

    /// A guest with the usual address and route.
    pub fn new(config: UserConfig) -> Self {
        let mut guest = Self::unconfigured(config);
        guest.configure(IpCidr::new(GUEST.into(), 24), GATEWAY);
        guest
    }

    pub fn configure(&mut self, address: IpCidr, router: Ipv4Addr) {
        self.interface
            .update_ip_addrs(|addresses| addresses.push(address).unwrap());
        self.interface
            .routes_mut()
            .add_default_ipv4_route(router)
            .unwrap();
    }

    pub fn port(&mut self) -> u16 {
        self.next_port += 1;
        self.next_port
    }

    /// Lets the guest work until `done` gives something.
    pub fn until<T>(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> Option<T>) -> T {
        let end = HostInstant::now() + PATIENCE;
        loop {
            let now = Instant::from_micros(self.start.elapsed().as_micros() as i64);
            let mut cable = Cable(&mut self.network);
            self.interface.poll(now, &mut cable, &mut self.sockets);
            if let Some(result) = done(self) {
                return result;
            }
            assert!(
                HostInstant::now() < end,
                "waited too long for {what}; {:?}",
                self.network
            );
            let delay = self.interface.poll_delay(now, &self.sockets);
            let delay = delay.map_or(PATIENCE, Duration::from);
            if !delay.is_zero() {
                thread::park_timeout(delay.min(Duration::from_millis(50)));
            }
        }
    }

    /// Begins a connection to `to`, with `to`'s port on the gateway if it is on the loopback.
    pub fn connect(&mut self, to: SocketAddr) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 64 * 1024]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        let port = self.port();
        let remote = if to.ip().is_loopback() {
            (GATEWAY.into(), to.port())
        } else {
            (to.ip().to_string().parse().unwrap(), to.port())
        };
        let remote: (smoltcp::wire::IpAddress, u16) = remote;
        socket.connect(self.interface.context(), remote, port).unwrap();
        self.sockets.add(socket)
    }

    pub fn tcp(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }
}

/// The cable as a smoltcp device.
pub struct Cable<N>(pub N);

pub struct Received(Vec<u8>);
pub struct Room<'a>(&'a mut dyn NetBackend);

/// What a cable may hold: a network or a loan of one.
pub trait AsBackend {
    fn backend(&mut self) -> &mut dyn NetBackend;
}

impl AsBackend for UserNetwork {
    fn backend(&mut self) -> &mut dyn NetBackend {
        self
    }
}

impl AsBackend for &mut UserNetwork {
    fn backend(&mut self) -> &mut dyn NetBackend {
        *self
    }
}

impl<N: AsBackend> Device for Cable<N> {
    type RxToken<'a>
        = Received
    where
        Self: 'a;
    type TxToken<'a>
        = Room<'a>
    where
        Self: 'a;

    fn receive(&mut self, _now: Instant) -> Option<(Received, Room<'_>)> {
        let backend = self.0.backend();
        let frame = backend.receive()?;
        assert!(frame.len() <= MAX_FRAME);
        Some((Received(frame), Room(backend)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Room<'_>> {
        Some(Room(self.0.backend()))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = MAX_FRAME;
        capabilities
    }
}

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let mut frame = vec![0; len];
        let result = fill(&mut frame);
        self.0.send(&frame);
        result
    }
}
