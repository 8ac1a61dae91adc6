//! The headers of the library against an independent parser, over all captures.
//!
//! A probe is a pattern with a field, and what `etherparse` says that field is. Its handler answers
//! `Steer` with the field's low 32 bits; every packet for which the parser knows the field must be
//! steered there, and every other packet must not be steered at all.

use etherparse::{
    Ipv4HeaderSlice, Ipv6HeaderSlice, LaxLinkExtSlice, LaxNetSlice, LaxSlicedPacket, LinkSlice,
    TcpSlice, TransportSlice, UdpSlice,
};
use nfl_abi::image::VerdictKind;
use nfl_abi::{Layer, Limits, Role};
use nfl_tests::capture::captures;
use nfl_tests::pipeline::check_text;
use nfl_vm::{Budget, Packet, Policy};

/// Packets of one capture that each probe sees.
const PACKETS: usize = 150;

/// What the parser says of a packet: the field's low 32 bits, if the packet has it.
type Oracle = for<'a> fn(&'a LaxSlicedPacket<'a>) -> Option<u32>;

struct Probe {
    pattern: &'static str,
    field: &'static str,
    oracle: Oracle,
}

const fn probe(pattern: &'static str, field: &'static str, oracle: Oracle) -> Probe {
    Probe {
        pattern,
        field,
        oracle,
    }
}

fn eth<'a>(p: &'a LaxSlicedPacket<'a>) -> Option<&'a [u8]> {
    match p.link.as_ref()? {
        LinkSlice::Ethernet2(eth) => Some(eth.header_slice()),
        _ => None,
    }
}

fn vlan<'a>(p: &'a LaxSlicedPacket<'a>, at: usize) -> Option<&'a [u8]> {
    match p.link_exts.get(at)? {
        LaxLinkExtSlice::Vlan(tag) => Some(tag.header_slice()),
        LaxLinkExtSlice::Macsec(_) => None,
    }
}

fn v4<'a>(p: &'a LaxSlicedPacket<'a>) -> Option<Ipv4HeaderSlice<'a>> {
    match p.net.as_ref()? {
        LaxNetSlice::Ipv4(ip) => Some(ip.header()),
        _ => None,
    }
}

fn v6<'a>(p: &'a LaxSlicedPacket<'a>) -> Option<Ipv6HeaderSlice<'a>> {
    match p.net.as_ref()? {
        LaxNetSlice::Ipv6(ip) => Some(ip.header()),
        _ => None,
    }
}

fn arp<'a>(p: &'a LaxSlicedPacket<'a>) -> Option<&'a [u8]> {
    match p.net.as_ref()? {
        LaxNetSlice::Arp(arp) => Some(arp.slice()),
        _ => None,
    }
}

/// The transport right behind IPv4, and behind IPv6 with whatever extension headers.
fn tcp<'a>(p: &'a LaxSlicedPacket<'a>) -> Option<&'a TcpSlice<'a>> {
    match p.transport.as_ref()? {
        TransportSlice::Tcp(tcp) => Some(tcp),
        _ => None,
    }
}

fn udp<'a>(p: &'a LaxSlicedPacket<'a>) -> Option<&'a UdpSlice<'a>> {
    match p.transport.as_ref()? {
        TransportSlice::Udp(udp) => Some(udp),
        _ => None,
    }
}

fn icmp<'a>(p: &'a LaxSlicedPacket<'a>) -> Option<&'a [u8]> {
    match p.transport.as_ref()? {
        TransportSlice::Icmpv4(icmp) => Some(icmp.slice()),
        _ => None,
    }
}

fn icmp6<'a>(p: &'a LaxSlicedPacket<'a>) -> Option<&'a [u8]> {
    match p.transport.as_ref()? {
        TransportSlice::Icmpv6(icmp) => Some(icmp.slice()),
        _ => None,
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u32> {
    let two = bytes.get(at..at + 2)?;
    Some(u32::from(u16::from_be_bytes([two[0], two[1]])))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(half(bytes, at)? << 16 | half(bytes, at + 2)?)
}

fn is_fragment(p: &LaxSlicedPacket<'_>) -> bool {
    match p.net.as_ref() {
        Some(LaxNetSlice::Ipv4(ip)) => ip.is_payload_fragmented(),
        Some(LaxNetSlice::Ipv6(ip)) => ip.is_payload_fragmented(),
        _ => false,
    }
}

const ANY4: &str = "Eth / [Vlan] / [Vlan] / [Vlan] / Ipv4 ip";
const ANY6: &str = "Eth / [Vlan] / [Vlan] / [Vlan] / Ipv6 ip";
const TCP4: &str = "Eth / [Vlan] / [Vlan] / [Vlan] / Ipv4 / Tcp tcp";
const TCP6: &str = "Eth / [Vlan] / [Vlan] / [Vlan] / Ipv6 / [Ipv6HopByHop] / [Ipv6Options] / [Ipv6Routing] / [Ipv6Fragment] / Tcp tcp";
const UDP4: &str = "Eth / [Vlan] / [Vlan] / [Vlan] / Ipv4 / Udp udp";
const UDP6: &str = "Eth / [Vlan] / [Vlan] / [Vlan] / Ipv6 / [Ipv6HopByHop] / [Ipv6Options] / [Ipv6Routing] / [Ipv6Fragment] / Udp udp";
const ARP: &str = "Eth / [Vlan] / [Vlan] / [Vlan] / Arp arp";
const ICMP: &str = "Eth / [Vlan] / [Vlan] / [Vlan] / Ipv4 / Icmp icmp";
const ICMP6: &str = "Eth / [Vlan] / [Vlan] / [Vlan] / Ipv6 / [Ipv6HopByHop] / [Ipv6Options] / [Ipv6Routing] / [Ipv6Fragment] / Icmpv6 icmp";

const PROBES: &[Probe] = &[
    probe("Eth eth", "(u64) eth.dst", |p| word(eth(p)?, 2)),
    probe("Eth eth", "(u64) eth.src >> 32", |p| half(eth(p)?, 6)),
    probe("Eth eth", "eth.type", |p| half(eth(p)?, 12)),
    probe("Eth / Vlan vlan", "vlan.priority", |p| {
        Some(half(vlan(p, 0)?, 0)? >> 13)
    }),
    probe("Eth / Vlan vlan", "vlan.dropEligible", |p| {
        Some(half(vlan(p, 0)?, 0)? >> 12 & 1)
    }),
    probe("Eth / Vlan vlan", "vlan.id", |p| {
        Some(half(vlan(p, 0)?, 0)? & 0xfff)
    }),
    probe("Eth / Vlan / Vlan vlan", "vlan.type", |p| {
        half(vlan(p, 1)?, 2)
    }),
    probe(ANY4, "ip.ihl", |p| Some(v4(p)?.ihl().into())),
    probe(ANY4, "ip.dscp", |p| Some(v4(p)?.dcp().value().into())),
    probe(ANY4, "ip.ecn", |p| Some(v4(p)?.ecn().value().into())),
    probe(ANY4, "ip.length", |p| Some(v4(p)?.total_len().into())),
    probe(ANY4, "ip.id", |p| Some(v4(p)?.identification().into())),
    probe(ANY4, "ip.dontFragment", |p| {
        Some(v4(p)?.dont_fragment().into())
    }),
    probe(ANY4, "ip.moreFragments", |p| {
        Some(v4(p)?.more_fragments().into())
    }),
    probe(ANY4, "ip.fragment", |p| {
        Some(v4(p)?.fragments_offset().value().into())
    }),
    probe(ANY4, "ip.ttl", |p| Some(v4(p)?.ttl().into())),
    probe(ANY4, "ip.protocol", |p| Some(v4(p)?.protocol().0.into())),
    probe(ANY4, "ip.checksum", |p| {
        Some(v4(p)?.header_checksum().into())
    }),
    probe(ANY4, "ip.src", |p| {
        Some(u32::from_be_bytes(v4(p)?.source()))
    }),
    probe(ANY4, "ip.dst", |p| {
        Some(u32::from_be_bytes(v4(p)?.destination()))
    }),
    probe(ANY6, "ip.dscp", |p| {
        Some((v6(p)?.traffic_class() >> 2).into())
    }),
    probe(ANY6, "ip.flow", |p| Some(v6(p)?.flow_label().value())),
    probe(ANY6, "ip.length", |p| Some(v6(p)?.payload_length().into())),
    probe(ANY6, "ip.next", |p| Some(v6(p)?.next_header().0.into())),
    probe(ANY6, "ip.hops", |p| Some(v6(p)?.hop_limit().into())),
    probe(ANY6, "ip.src.high >> 32", |p| word(&v6(p)?.source(), 0)),
    probe(ANY6, "ip.dst.low", |p| word(&v6(p)?.destination(), 12)),
    probe(ARP, "arp.operation", |p| half(arp(p)?, 6)),
    probe(ARP, "(u64) arp.senderMac", |p| word(arp(p)?, 10)),
    probe(ARP, "arp.senderIp", |p| word(arp(p)?, 14)),
    probe(ARP, "(u64) arp.targetMac", |p| word(arp(p)?, 20)),
    probe(ARP, "arp.targetIp", |p| word(arp(p)?, 24)),
    probe(TCP4, "tcp.sport", |p| {
        v4(p).and(Some(tcp(p)?.source_port().into()))
    }),
    probe(TCP4, "tcp.dport", |p| {
        v4(p).and(Some(tcp(p)?.destination_port().into()))
    }),
    probe(TCP4, "tcp.seqNo", |p| {
        v4(p).and(Some(tcp(p)?.sequence_number()))
    }),
    probe(TCP4, "tcp.ackNo", |p| {
        v4(p).and(Some(tcp(p)?.acknowledgment_number()))
    }),
    probe(TCP4, "tcp.offset", |p| {
        v4(p).and(Some(tcp(p)?.data_offset().into()))
    }),
    probe(TCP4, "tcp.cwr", |p| v4(p).and(Some(tcp(p)?.cwr().into()))),
    probe(TCP4, "tcp.ece", |p| v4(p).and(Some(tcp(p)?.ece().into()))),
    probe(TCP4, "tcp.urg", |p| v4(p).and(Some(tcp(p)?.urg().into()))),
    probe(TCP4, "tcp.ack", |p| v4(p).and(Some(tcp(p)?.ack().into()))),
    probe(TCP4, "tcp.psh", |p| v4(p).and(Some(tcp(p)?.psh().into()))),
    probe(TCP4, "tcp.rst", |p| v4(p).and(Some(tcp(p)?.rst().into()))),
    probe(TCP4, "tcp.syn", |p| v4(p).and(Some(tcp(p)?.syn().into()))),
    probe(TCP4, "tcp.fin", |p| v4(p).and(Some(tcp(p)?.fin().into()))),
    probe(TCP4, "tcp.window", |p| {
        v4(p).and(Some(tcp(p)?.window_size().into()))
    }),
    probe(TCP4, "tcp.urgent", |p| {
        v4(p).and(Some(tcp(p)?.urgent_pointer().into()))
    }),
    probe(TCP6, "tcp.dport", |p| {
        v6(p).and(Some(tcp(p)?.destination_port().into()))
    }),
    probe(UDP4, "udp.sport", |p| {
        v4(p).and(Some(udp(p)?.source_port().into()))
    }),
    probe(UDP4, "udp.length", |p| {
        v4(p).and(Some(udp(p)?.length().into()))
    }),
    probe(UDP4, "udp.checksum", |p| {
        v4(p).and(Some(udp(p)?.checksum().into()))
    }),
    probe(UDP6, "udp.dport", |p| {
        v6(p).and(Some(udp(p)?.destination_port().into()))
    }),
    probe(ICMP, "icmp.type", |p| Some(icmp(p)?[0].into())),
    probe(ICMP, "icmp.rest", |p| word(icmp(p)?, 4)),
    probe(ICMP6, "icmp.code", |p| Some(icmp6(p)?[1].into())),
    probe(ICMP6, "icmp.rest", |p| word(icmp6(p)?, 4)),
];

impl Probe {
    fn image(&self) -> nfl_abi::Image {
        let field = format!("({})", self.field);
        let text = format!(
            "import nfl.net.*;\nfunction Read() uses Route {{\n    on ingress(Packet pkt) {{\n        \
             if (!(pkt instanceof {})) return Pass;\n        return Steer(NodeId((u32) {field}));\n    }}\n}}\n",
            self.pattern
        );
        let checking = check_text("probe.nfl", &text);
        let stages = checking
            .function(None)
            .and_then(|function| checking.stages(function, &[]));
        let mut stages = stages.unwrap_or_else(|e| panic!("{text}{e}"));
        stages.remove(0).image
    }
}

#[test]
fn headers_read_what_another_parser_reads() {
    let captures = captures();
    let mut steered = 0;
    for probe in PROBES {
        let image = probe.image();
        let proven = nfl_verify::prove(&image, &Limits::EDGE).expect("a built image is proved");
        let loaded = nfl_vm::load(proven, &Policy::ALL).expect("it is granted everything");
        let mut instance = loaded.instance();
        let mut found = 0;
        for capture in &captures {
            for (index, start) in capture.packets(Layer::Link).enumerate().take(PACKETS) {
                let parsed = LaxSlicedPacket::from_ethernet(&start.packet);
                // What the parser gives up on, for lengths that lie, is judged by its fixed parts here.
                let Some(parsed) = parsed.ok().filter(|p| p.stop_err.is_none()) else {
                    continue;
                };
                // The parser knows no transport of a first fragment.
                let says = (probe.oracle)(&parsed);
                if says.is_none() && is_fragment(&parsed) {
                    continue;
                }
                let mut packet = Packet::from(&start.packet[..]);
                let outcome = instance.run(
                    Role::Ingress,
                    &mut packet,
                    &start.context,
                    &mut [],
                    Budget::Proven,
                );
                let verdict = outcome.expect("proved code does not fail").verdict;
                let read = (verdict.kind == VerdictKind::Steer).then_some(verdict.operand);
                assert_eq!(
                    read, says,
                    "{} of {} in packet {index} of {}",
                    probe.field, probe.pattern, capture.name
                );
                found += u32::from(read.is_some());
            }
        }
        assert!(
            found > 0,
            "no packet has {} of {}",
            probe.field,
            probe.pattern
        );
        steered += found;
    }
    assert!(steered > 10_000, "{steered}");
}
