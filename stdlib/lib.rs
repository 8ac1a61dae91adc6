//! The standard library of NFL, in NFL.
//!
//! In: nothing. Out: [`FILES`], paths and texts. Guaranteed: a path is the package's directory and
//! a file name, and every file checks without a finding.
#![forbid(unsafe_code)]

/// All files of the library: path and text.
pub const FILES: &[(&str, &str)] = &[
    ("nfl/net/Eth.nfl", include_str!("nfl/net/Eth.nfl")),
    ("nfl/net/Icmp.nfl", include_str!("nfl/net/Icmp.nfl")),
    ("nfl/net/Ipv4.nfl", include_str!("nfl/net/Ipv4.nfl")),
    ("nfl/net/Ipv6.nfl", include_str!("nfl/net/Ipv6.nfl")),
    ("nfl/net/Ports.nfl", include_str!("nfl/net/Ports.nfl")),
    ("nfl/net/Tcp.nfl", include_str!("nfl/net/Tcp.nfl")),
    ("nfl/net/Udp.nfl", include_str!("nfl/net/Udp.nfl")),
    ("nfl/net/Vlan.nfl", include_str!("nfl/net/Vlan.nfl")),
];
