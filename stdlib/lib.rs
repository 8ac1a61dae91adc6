//! The standard library of NFL, in NFL.
//!
//! In: nothing. Out: [`FILES`], paths and texts. Guaranteed: a path is the package's directory and
//! a file name, and every file checks without a finding.
#![forbid(unsafe_code)]

/// All files of the library: path and text.
pub const FILES: &[(&str, &str)] = &[
    ("nfl/flow/Flows.nfl", include_str!("nfl/flow/Flows.nfl")),
    ("nfl/lang/Lookup.nfl", include_str!("nfl/lang/Lookup.nfl")),
    ("nfl/lang/Random.nfl", include_str!("nfl/lang/Random.nfl")),
    ("nfl/net/Arp.nfl", include_str!("nfl/net/Arp.nfl")),
    ("nfl/net/Dhcp.nfl", include_str!("nfl/net/Dhcp.nfl")),
    (
        "nfl/net/DhcpOption.nfl",
        include_str!("nfl/net/DhcpOption.nfl"),
    ),
    ("nfl/net/Dns.nfl", include_str!("nfl/net/Dns.nfl")),
    ("nfl/net/Esp.nfl", include_str!("nfl/net/Esp.nfl")),
    ("nfl/net/Eth.nfl", include_str!("nfl/net/Eth.nfl")),
    ("nfl/net/Geneve.nfl", include_str!("nfl/net/Geneve.nfl")),
    ("nfl/net/Gre.nfl", include_str!("nfl/net/Gre.nfl")),
    ("nfl/net/Icmp.nfl", include_str!("nfl/net/Icmp.nfl")),
    ("nfl/net/Icmpv6.nfl", include_str!("nfl/net/Icmpv6.nfl")),
    ("nfl/net/Ipv4.nfl", include_str!("nfl/net/Ipv4.nfl")),
    ("nfl/net/Ipv6.nfl", include_str!("nfl/net/Ipv6.nfl")),
    (
        "nfl/net/Ipv6Extensions.nfl",
        include_str!("nfl/net/Ipv6Extensions.nfl"),
    ),
    ("nfl/net/Mpls.nfl", include_str!("nfl/net/Mpls.nfl")),
    ("nfl/net/Ports.nfl", include_str!("nfl/net/Ports.nfl")),
    ("nfl/net/Sctp.nfl", include_str!("nfl/net/Sctp.nfl")),
    ("nfl/net/Tcp.nfl", include_str!("nfl/net/Tcp.nfl")),
    (
        "nfl/net/TcpOptions.nfl",
        include_str!("nfl/net/TcpOptions.nfl"),
    ),
    (
        "nfl/net/Transport.nfl",
        include_str!("nfl/net/Transport.nfl"),
    ),
    ("nfl/net/Udp.nfl", include_str!("nfl/net/Udp.nfl")),
    ("nfl/net/Vlan.nfl", include_str!("nfl/net/Vlan.nfl")),
    ("nfl/net/Vxlan.nfl", include_str!("nfl/net/Vxlan.nfl")),
    ("nfl/path/Paths.nfl", include_str!("nfl/path/Paths.nfl")),
    (
        "nfl/table/Counters.nfl",
        include_str!("nfl/table/Counters.nfl"),
    ),
    ("nfl/table/Meter.nfl", include_str!("nfl/table/Meter.nfl")),
    ("nfl/table/Tables.nfl", include_str!("nfl/table/Tables.nfl")),
    ("nfl/text/Hash.nfl", include_str!("nfl/text/Hash.nfl")),
    ("nfl/text/Http.nfl", include_str!("nfl/text/Http.nfl")),
    ("nfl/text/Tls.nfl", include_str!("nfl/text/Tls.nfl")),
    ("nfl/time/Clock.nfl", include_str!("nfl/time/Clock.nfl")),
];
