//! Where in a frame a handler begins: at the link header, or at the network header behind it.

use nfl::Layer;
use nfl::abi::map;

use super::LinkType;

/// The longest packet that a node hands to a handler, in bytes.
const PACKET_MAX: usize = map::PACKET_MAX as usize;
/// The largest offset of a network header that a handler can be told.
const NETWORK_OFFSET_MAX: usize = 63;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_SERVICE_VLAN: u16 = 0x88a8;

/// Where a handler's packet begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Start {
    /// Offset in the frame of the packet's first byte.
    pub(crate) packet_offset: usize,
    /// Offset in the packet of the IP header, if it is IP and a handler can be told.
    pub(crate) network_offset: Option<u8>,
}

/// Where a handler of `layer` begins in a frame; `None` when it is not run for this frame: a link
/// handler takes Ethernet only, a network handler IPv4 and IPv6 only, and no handler takes a
/// packet that is longer than a node would hand over.
pub(crate) fn locate(link: LinkType, frame: &[u8], layer: Layer) -> Option<Start> {
    let start = match layer {
        Layer::Link if link == LinkType::ETHERNET => Start {
            packet_offset: 0,
            network_offset: network_header(link, frame)
                .filter(|&at| at <= NETWORK_OFFSET_MAX)
                .and_then(|at| u8::try_from(at).ok()),
        },
        Layer::Link => return None,
        Layer::Network => Start {
            packet_offset: network_header(link, frame)?,
            network_offset: Some(0),
        },
    };
    (frame.len() - start.packet_offset <= PACKET_MAX).then_some(start)
}

/// Offset of the IP header, at most the frame's length.
fn network_header(link: LinkType, frame: &[u8]) -> Option<usize> {
    match link {
        LinkType::ETHERNET => behind_tags(frame, 12),
        LinkType::LINUX_SLL => behind_tags(frame, 14),
        LinkType::LINUX_SLL2 => match ethertype(frame, 0)? {
            // The protocol stands first here, and what it announces behind the 20-byte header.
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => (frame.len() >= 20).then_some(20),
            ETHERTYPE_VLAN | ETHERTYPE_SERVICE_VLAN => behind_tags(frame, 22),
            _ => None,
        },
        LinkType::NULL | LinkType::LOOP => {
            let family = u32::from_be_bytes(*frame.first_chunk()?);
            let family = if family > 0xffff {
                family.swap_bytes()
            } else {
                family
            };
            // AF_INET is 2 everywhere; AF_INET6 is 10 in Linux, 24, 28 or 30 in the BSDs.
            matches!(family, 2 | 10 | 24 | 28 | 30).then_some(4)
        }
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => {
            matches!(frame.first()? >> 4, 4 | 6).then_some(0)
        }
        LinkType::IPV4 | LinkType::IPV6 => Some(0),
        _ => None,
    }
}

/// The IP header behind the EtherType at `at`, stepping over one service or customer tag and then
/// any number of customer tags.
fn behind_tags(frame: &[u8], mut at: usize) -> Option<usize> {
    if ethertype(frame, at)? == ETHERTYPE_SERVICE_VLAN {
        at += 4;
    }
    loop {
        match ethertype(frame, at)? {
            ETHERTYPE_VLAN => at += 4,
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => return Some(at + 2),
            _ => return None,
        }
    }
}

fn ethertype(frame: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*frame.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ethernet(types: &[u16]) -> Vec<u8> {
        let mut frame = vec![0x11; 12];
        for (n, ethertype) in types.iter().enumerate() {
            if n > 0 {
                frame.extend([0, 7]);
            }
            frame.extend(ethertype.to_be_bytes());
        }
        frame.extend([0x45, 0, 0, 20]);
        frame
    }

    fn at(link: LinkType, frame: &[u8]) -> Option<usize> {
        locate(link, frame, Layer::Network).map(|s| s.packet_offset)
    }

    #[test]
    fn network_handlers_begin_behind_link_header_and_tags() {
        let ether = |types: &[u16]| at(LinkType::ETHERNET, &ethernet(types));
        assert_eq!(ether(&[0x0800]), Some(14));
        assert_eq!(ether(&[0x86dd]), Some(14));
        assert_eq!(ether(&[0x0806]), None);
        assert_eq!(ether(&[0x8100, 0x0800]), Some(18));
        assert_eq!(ether(&[0x88a8, 0x8100, 0x86dd]), Some(22));
        assert_eq!(ether(&[0x8100, 0x8100, 0x8100, 0x0800]), Some(26));
        assert_eq!(ether(&[0x8100, 0x88a8, 0x0800]), None);
        assert_eq!(ether(&[0x88a8, 0x88a8, 0x0800]), None);
        assert_eq!(ether(&[0x8100]), None);
    }

    #[test]
    fn other_link_types() {
        let mut cooked = vec![0; 14];
        cooked.extend([0x08, 0x00, 0x45]);
        assert_eq!(at(LinkType::LINUX_SLL, &cooked), Some(16));
        let mut cooked2 = vec![0x86, 0xdd];
        cooked2.resize(18, 0);
        assert_eq!(at(LinkType::LINUX_SLL2, &cooked2), None);
        cooked2.resize(30, 0);
        assert_eq!(at(LinkType::LINUX_SLL2, &cooked2), Some(20));
        cooked2[..2].copy_from_slice(&[0x81, 0x00]);
        cooked2[22..24].copy_from_slice(&[0x08, 0x00]);
        assert_eq!(at(LinkType::LINUX_SLL2, &cooked2), Some(24));
        assert_eq!(at(LinkType::NULL, &[2, 0, 0, 0, 0x45]), Some(4));
        assert_eq!(at(LinkType::NULL, &[0, 0, 0, 30, 0x60]), Some(4));
        assert_eq!(at(LinkType::LOOP, &[0, 0, 0, 7, 0x45]), None);
        assert_eq!(at(LinkType::RAW, &[0x45]), Some(0));
        assert_eq!(at(LinkType::RAW, &[0x55]), None);
        assert_eq!(at(LinkType::RAW, &[]), None);
        assert_eq!(at(LinkType::IPV4, &[]), Some(0));
        assert_eq!(at(LinkType(147), &[0x45]), None);
    }

    #[test]
    fn link_handlers_begin_at_ethernet_frames_only() {
        let frame = ethernet(&[0x8100, 0x0800]);
        let start = locate(LinkType::ETHERNET, &frame, Layer::Link);
        assert_eq!(
            start,
            Some(Start {
                packet_offset: 0,
                network_offset: Some(18)
            })
        );
        assert_eq!(locate(LinkType::RAW, &frame, Layer::Link), None);
        let tagged = ethernet(&[&[0x8100; 13][..], &[0x0800]].concat());
        let start = locate(LinkType::ETHERNET, &tagged, Layer::Link);
        assert_eq!(start.map(|s| s.network_offset), Some(None));
    }

    #[test]
    fn short_and_long_frames() {
        let frame = ethernet(&[0x8100, 0x0800]);
        for len in 0..18 {
            assert_eq!(at(LinkType::ETHERNET, &frame[..len]), None, "{len}");
        }
        assert_eq!(at(LinkType::ETHERNET, &frame[..18]), Some(18));
        let mut long = ethernet(&[0x0800]);
        long.resize(14 + PACKET_MAX, 0);
        assert_eq!(at(LinkType::ETHERNET, &long), Some(14));
        assert_eq!(locate(LinkType::ETHERNET, &long, Layer::Link), None);
        long.push(0);
        assert_eq!(at(LinkType::ETHERNET, &long), None);
    }
}
