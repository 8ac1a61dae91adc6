//! Captures: frames out of a file, frames into a file, and where in a frame a handler begins.
//!
//! In: a pcap file (micro- or nanoseconds, either byte order) or a pcapng file. Out: its frames in
//! order, and a pcap file of what became of them. Guaranteed: no panic and no allocation out of
//! proportion on any bytes; a broken file yields the frames before the break, then one error that
//! names the record; an output file is there as a whole or not at all.

mod error;
mod locate;
mod read;
mod write;

pub(crate) use error::CaptureError;
pub(crate) use locate::locate;
pub(crate) use read::Reader;
pub(crate) use write::Writer;

/// A link type by its number in the registry of the tcpdump project.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LinkType(pub(crate) u16);

impl LinkType {
    /// BSD loopback: the address family in the byte order of the machine that captured.
    pub(crate) const NULL: LinkType = LinkType(0);
    /// Ethernet without preamble.
    pub(crate) const ETHERNET: LinkType = LinkType(1);
    /// Raw IP, as some systems number it in their files.
    pub(crate) const RAW_BSD: LinkType = LinkType(12);
    /// Raw IP, as OpenBSD numbers it.
    pub(crate) const RAW_OPENBSD: LinkType = LinkType(14);
    /// Raw IP of either version.
    pub(crate) const RAW: LinkType = LinkType(101);
    /// OpenBSD loopback: the address family, most significant byte first.
    pub(crate) const LOOP: LinkType = LinkType(108);
    /// Linux cooked.
    pub(crate) const LINUX_SLL: LinkType = LinkType(113);
    /// Raw IPv4.
    pub(crate) const IPV4: LinkType = LinkType(228);
    /// Raw IPv6.
    pub(crate) const IPV6: LinkType = LinkType(229);
    /// Linux cooked, version 2.
    pub(crate) const LINUX_SLL2: LinkType = LinkType(276);
}

/// One frame of a capture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    /// Its number in the capture, from 0.
    pub(crate) index: u64,
    /// Nanoseconds since 1970; 0 where the file has no time.
    pub(crate) timestamp_ns: u64,
    /// What it begins with.
    pub(crate) link: LinkType,
    /// The bytes that were captured.
    pub(crate) data: Vec<u8>,
    /// How many bytes it had on the wire.
    pub(crate) orig_len: u32,
}
