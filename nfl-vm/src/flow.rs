//! Flows: the five-tuple of a packet, and the handles that stand for them during a run.
//!
//! In: packets from the network header on. Out: five-tuples and their bytes. Guaranteed: any bytes
//! have a tuple; ports are 0 for later fragments, for protocols without ports, and where the packet
//! ends before them.

/// The tuple of a flow as it stands on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct FlowTuple {
    /// Source, then destination, each in the first so many bytes.
    addresses: [[u8; ADDRESS_MAX]; 2],
    /// 4 or 16, or 0 when the packet is not IP.
    address_bytes: u8,
    /// Source port, or 0.
    pub source_port: u16,
    /// Destination port, or 0.
    pub destination_port: u16,
    /// Protocol number of the transport.
    pub protocol: u8,
}

/// Bytes of the longest address.
const ADDRESS_MAX: usize = 16;

/// Bytes of ports and protocol.
const REST: usize = 5;

/// Bytes of the key that a flow has in every table: the length of its tuple, and the tuple with zeros
/// behind it.
pub(crate) const FLOW_KEY_BYTES: usize = 1 + 2 * ADDRESS_MAX + REST;

/// The key of a flow in tables.
pub(crate) type FlowKey = [u8; FLOW_KEY_BYTES];

/// The key for the bytes of a tuple; nothing when no tuple has so many.
pub(crate) fn flow_key(tuple: &[u8]) -> Option<FlowKey> {
    let has = |address: usize| tuple.len() == 2 * address + REST;
    if ![0, 4, ADDRESS_MAX].into_iter().any(has) {
        return None;
    }
    let mut key = [0; FLOW_KEY_BYTES];
    key[0] = tuple.len() as u8;
    key[1..=tuple.len()].copy_from_slice(tuple);
    Some(key)
}

/// The bytes of the tuple that a key stands for.
pub(crate) fn flow_of(key: &[u8]) -> &[u8] {
    let (&len, rest) = key.split_first().unwrap_or((&0, &[]));
    rest.get(..usize::from(len)).unwrap_or(rest)
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const DCCP: u8 = 33;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;

/// IPv6 extension headers that are stepped over at most; behind more the protocol is the next one's.
const EXTENSIONS_MAX: usize = 8;

const IPV6_HEADER_BYTES: usize = 40;

impl FlowTuple {
    /// The tuple of a packet that begins with its IP header; an empty one for anything else.
    pub fn of(packet: &[u8]) -> FlowTuple {
        let tuple = match packet.first().map(|byte| byte >> 4) {
            Some(4) => of_ipv4(packet),
            Some(6) => of_ipv6(packet),
            _ => None,
        };
        tuple.unwrap_or_default()
    }

    /// The tuple of packets in the other direction.
    #[must_use]
    pub fn reversed(self) -> FlowTuple {
        let [source, destination] = self.addresses;
        FlowTuple {
            addresses: [destination, source],
            source_port: self.destination_port,
            destination_port: self.source_port,
            ..self
        }
    }

    /// Source address: 4 or 16 bytes, none when the packet is not IP.
    pub fn source(&self) -> &[u8] {
        &self.addresses[0][..usize::from(self.address_bytes)]
    }

    /// Destination address, as long.
    pub fn destination(&self) -> &[u8] {
        &self.addresses[1][..usize::from(self.address_bytes)]
    }

    /// Addresses, ports and protocol in wire order, source before destination: 13 bytes for IPv4, 37
    /// for IPv6. These are the keys of tables over flows, and what `hash(flow)` covers.
    pub fn to_bytes(&self) -> Vec<u8> {
        flow_of(&self.key()).to_vec()
    }

    /// The key of the flow in tables.
    pub(crate) fn key(&self) -> FlowKey {
        let address = usize::from(self.address_bytes);
        let (source, destination, ports) = (1, 1 + address, 1 + 2 * address);
        let mut key = [0; FLOW_KEY_BYTES];
        key[0] = (2 * address + REST) as u8;
        // A shorter address writes zeros behind itself, which the next field covers.
        key[source..][..ADDRESS_MAX].copy_from_slice(&self.addresses[0]);
        key[destination..][..ADDRESS_MAX].copy_from_slice(&self.addresses[1]);
        key[ports..ports + 2].copy_from_slice(&self.source_port.to_be_bytes());
        key[ports + 2..ports + 4].copy_from_slice(&self.destination_port.to_be_bytes());
        key[ports + 4] = self.protocol;
        key
    }

    fn new<const N: usize>(
        (source, destination): ([u8; N], [u8; N]),
        (source_port, destination_port): (u16, u16),
        protocol: u8,
    ) -> FlowTuple {
        let mut addresses = [[0; ADDRESS_MAX]; 2];
        addresses[0][..N].copy_from_slice(&source);
        addresses[1][..N].copy_from_slice(&destination);
        FlowTuple {
            addresses,
            address_bytes: N as u8,
            source_port,
            destination_port,
            protocol,
        }
    }
}

fn of_ipv4(packet: &[u8]) -> Option<FlowTuple> {
    let header: &[u8; 20] = packet.first_chunk()?;
    let later_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0;
    let header_bytes = usize::from(header[0] & 15) * 4;
    let protocol = header[9];
    let ports = ports(protocol, packet.get(header_bytes..), later_fragment);
    let source = [header[12], header[13], header[14], header[15]];
    let destination = [header[16], header[17], header[18], header[19]];
    Some(FlowTuple::new((source, destination), ports, protocol))
}

fn of_ipv6(packet: &[u8]) -> Option<FlowTuple> {
    let header: &[u8; IPV6_HEADER_BYTES] = packet.first_chunk()?;
    let (mut protocol, mut at, mut later_fragment) = (header[6], IPV6_HEADER_BYTES, false);
    for _ in 0..EXTENSIONS_MAX {
        let Some(&[next, len, high, low]) = packet.get(at..).and_then(<[u8]>::first_chunk) else {
            break;
        };
        let bytes = match protocol {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => (usize::from(len) + 1) * 8,
            FRAGMENT => {
                later_fragment |= u16::from_be_bytes([high, low]) >> 3 != 0;
                8
            }
            AUTHENTICATION => (usize::from(len) + 2) * 4,
            _ => break,
        };
        (protocol, at) = (next, at + bytes);
        if later_fragment {
            break;
        }
    }
    let ports = ports(protocol, packet.get(at..), later_fragment);
    let (source, destination) = header[8..].split_at(ADDRESS_MAX);
    let (source, destination) = (
        source.first_chunk::<ADDRESS_MAX>()?,
        destination.first_chunk()?,
    );
    Some(FlowTuple::new((*source, *destination), ports, protocol))
}

fn ports(protocol: u8, transport: Option<&[u8]>, later_fragment: bool) -> (u16, u16) {
    let has_ports = matches!(protocol, TCP | UDP | DCCP | SCTP | UDP_LITE) && !later_fragment;
    match transport.and_then(<[u8]>::first_chunk) {
        Some(&[a, b, c, d]) if has_ports => {
            (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
        }
        _ => (0, 0),
    }
}

const ETHERTYPE_AT: usize = 12;
const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
const ETHERTYPE_VLAN: [u8; 2] = [0x81, 0x00];
const ETHERTYPE_SERVICE_VLAN: [u8; 2] = [0x88, 0xa8];

/// The offset of the IP header in an Ethernet frame, behind one tag of either kind and any number of
/// VLAN tags.
pub(crate) fn network_offset(frame: &[u8]) -> Option<usize> {
    let mut at = ETHERTYPE_AT;
    loop {
        let kind: &[u8; 2] = frame.get(at..)?.first_chunk()?;
        match *kind {
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => return Some(at + 2),
            ETHERTYPE_VLAN => at += 4,
            ETHERTYPE_SERVICE_VLAN if at == ETHERTYPE_AT => at += 4,
            _ => return None,
        }
    }
}

/// The flows that a run has met. A handle is the place of a tuple here, counted from 1. The memory is
/// kept from run to run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flows(Vec<FlowTuple>);

impl Flows {
    /// Forgets the flows of the run before.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The handle of a tuple; equal tuples have equal handles.
    pub(crate) fn handle(&mut self, tuple: FlowTuple) -> u32 {
        let known = self.0.iter().position(|other| *other == tuple);
        let at = known.unwrap_or_else(|| {
            self.0.push(tuple);
            self.0.len() - 1
        });
        at as u32 + 1
    }

    /// The tuple of a handle.
    pub(crate) fn tuple(&self, handle: u32) -> Option<&FlowTuple> {
        self.0.get(handle.checked_sub(1)? as usize)
    }
}
