//! ICMP (RFC 792): ping of the network's own addresses, and the errors the guest is told of.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{Error, Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Repr};

use super::is_ours;
use super::outbox::Outbox;

/// Bytes of the guest's packet that an error quotes after its IP header: enough for the ports.
const QUOTED: usize = 8;

/// Takes an ICMP message of the guest. Pings beyond the gateway need rights a user does not have, so they are
/// answered with an error at once rather than with silence.
pub fn input(ip: &Ipv4Repr, payload: &[u8], out: &mut Outbox) -> Result<(), Error> {
    let checksums = ChecksumCapabilities::default();
    let message = Icmpv4Repr::parse(&Icmpv4Packet::new_checked(payload)?, &checksums)?;
    match message {
        Icmpv4Repr::EchoRequest { ident, seq_no, data } if is_ours(ip.dst_addr) => {
            let reply = Icmpv4Repr::EchoReply { ident, seq_no, data };
            emit(ip, &reply, out);
        }
        Icmpv4Repr::EchoRequest { .. } => unreachable(Icmpv4DstUnreachable::HostProhibited, ip, payload, out),
        _ => out.stats.ignored += 1,
    }
    Ok(())
}

/// Tells the guest that its packet `ip` with `payload` did not arrive, and why.
pub fn unreachable(reason: Icmpv4DstUnreachable, ip: &Ipv4Repr, payload: &[u8], out: &mut Outbox) {
    let message = Icmpv4Repr::DstUnreachable {
        reason,
        header: *ip,
        data: &payload[..payload.len().min(QUOTED)],
    };
    emit(ip, &message, out);
}

/// Sends `message` to where `ip` came from.
fn emit(ip: &Ipv4Repr, message: &Icmpv4Repr<'_>, out: &mut Outbox) {
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(
        &mut Icmpv4Packet::new_unchecked(&mut bytes[..]),
        &ChecksumCapabilities::default(),
    );
    // An error comes from the gateway, a reply from whoever was asked.
    let from = if is_ours(ip.dst_addr) {
        ip.dst_addr
    } else {
        super::GATEWAY
    };
    out.ipv4(from, ip.src_addr, IpProtocol::Icmp, &bytes);
}
