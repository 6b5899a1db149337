//! ARP (RFC 826): tells the guest the Ethernet address of the network's own IP addresses.

use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr, Error, EthernetProtocol};

use super::outbox::Outbox;
use super::{GATEWAY_MAC, is_ours};

/// Answers the ARP packet `packet` if it asks for an address of ours. Not for others: the guest itself asks for its
/// own address, to find out whether somebody else has it.
pub fn input(packet: &[u8], out: &mut Outbox) -> Result<(), Error> {
    let ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr,
        source_protocol_addr,
        target_protocol_addr,
        ..
    } = ArpRepr::parse(&ArpPacket::new_checked(packet)?)?
    else {
        return Err(Error);
    };
    if operation != ArpOperation::Request || !is_ours(target_protocol_addr) {
        out.stats.ignored += 1;
        return Ok(());
    }
    let reply = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: GATEWAY_MAC,
        source_protocol_addr: target_protocol_addr,
        target_hardware_addr: source_hardware_addr,
        target_protocol_addr: source_protocol_addr,
    };
    out.ethernet(
        out.guest_mac,
        EthernetProtocol::Arp,
        reply.buffer_len(),
        |bytes| reply.emit(&mut ArpPacket::new_unchecked(bytes)),
    );
    Ok(())
}
