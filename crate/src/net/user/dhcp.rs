//! A DHCP server (RFC 2131) with one address to give: whoever asks on this network is the guest.

use std::iter::once;
use std::net::Ipv4Addr;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpMessageType, DhcpPacket, DhcpRepr, Error, EthernetAddress,
    IpProtocol, UdpPacket, UdpRepr,
};

use super::outbox::Outbox;
use super::{DNS, GATEWAY, GUEST, NETMASK};

/// A day: guests renew at half of it.
const LEASE_SECONDS: u32 = 24 * 60 * 60;

/// Answers the DHCP message `message`.
pub fn input(message: &[u8], out: &mut Outbox) -> Result<(), Error> {
    let packet = DhcpPacket::new_checked(message)?;
    let request = DhcpRepr::parse(&packet)?;
    let answer = match request.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        DhcpMessageType::Request if request.server_identifier.is_some_and(|id| id != GATEWAY) => {
            // The guest took another server's offer; there is none, but it may ask as it likes.
            out.stats.ignored += 1;
            return Ok(());
        }
        // Renewing, a guest names its address as its own; before, as the one it wants.
        DhcpMessageType::Request if request.requested_ip.unwrap_or(request.client_ip) == GUEST => {
            DhcpMessageType::Ack
        }
        DhcpMessageType::Request => DhcpMessageType::Nak,
        DhcpMessageType::Inform => DhcpMessageType::Ack,
        _ => {
            out.stats.ignored += 1;
            return Ok(());
        }
    };
    reply(&request, answer, out);
    Ok(())
}

/// Sends the answer of kind `answer` to `request`.
fn reply(request: &DhcpRepr<'_>, answer: DhcpMessageType, out: &mut Outbox) {
    let refused = answer == DhcpMessageType::Nak;
    // An informed guest has an address already: it wants only the settings.
    let leased = !refused && request.message_type != DhcpMessageType::Inform;
    let lease = |seconds| leased.then_some(seconds);
    let repr = DhcpRepr {
        message_type: answer,
        transaction_id: request.transaction_id,
        secs: 0,
        client_hardware_address: request.client_hardware_address,
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip: if leased { GUEST } else { Ipv4Addr::UNSPECIFIED },
        server_ip: GATEWAY,
        router: (!refused).then_some(GATEWAY),
        subnet_mask: (!refused).then_some(NETMASK),
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: request.broadcast,
        requested_ip: None,
        client_identifier: request.client_identifier,
        server_identifier: Some(GATEWAY),
        parameter_request_list: None,
        dns_servers: (!refused).then(|| once(DNS).collect()),
        max_size: None,
        lease_duration: lease(LEASE_SECONDS),
        renew_duration: lease(LEASE_SECONDS / 2),
        rebind_duration: lease(LEASE_SECONDS / 8 * 7),
        additional_options: &[],
    };
    let udp = UdpRepr {
        src_port: DHCP_SERVER_PORT,
        dst_port: DHCP_CLIENT_PORT,
    };
    let mut bytes = vec![0; udp.header_len() + repr.buffer_len()];
    let mut written = Ok(());
    udp.emit(
        &mut UdpPacket::new_unchecked(&mut bytes[..]),
        &GATEWAY.into(),
        &Ipv4Addr::BROADCAST.into(),
        repr.buffer_len(),
        |payload| written = repr.emit(&mut DhcpPacket::new_unchecked(payload)),
        &ChecksumCapabilities::default(),
    );
    if written.is_err() {
        out.stats.dropped += 1;
        return;
    }
    // A guest without an address may not yet see what is sent to one: always to the broadcast address, and on the
    // wire to everybody if it asked for that.
    let to = if request.broadcast || refused {
        EthernetAddress::BROADCAST
    } else {
        out.guest_mac
    };
    out.ipv4_at(to, GATEWAY, Ipv4Addr::BROADCAST, IpProtocol::Udp, &bytes);
}
