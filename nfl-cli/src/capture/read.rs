//! Frames out of pcap and pcapng, one at a time.
//!
//! Classic records go through `pcap-file`. Blocks of pcapng are taken apart here, because version
//! 2.0 of that crate refuses interfaces whose options it misjudges (a time zone, a comment that is
//! not UTF-8), reads the two halves of a time stamp in the wrong order for little-endian files, and
//! leaves the padding in simple packets.

use std::io::{self, Read};

use pcap_file::pcap::{PcapHeader, PcapParser};
use pcap_file::{Endianness, PcapError, TsResolution};

use super::{CaptureError, Frame, LinkType};

/// No record of a sound capture is longer, in bytes; whoever claims more is not believed.
const RECORD_MAX: usize = 16 << 20;
/// How much is asked of the file at once, in bytes.
const READ_AHEAD: usize = 64 << 10;
/// The bits of pcap's link word that hold the type; the others describe a checksum of the frame.
const LINK_MASK: u32 = 0xffff;

/// The frames of a capture. After an error there are no more.
pub(crate) struct Reader<R> {
    source: Source<R>,
    format: Format,
    next_index: u64,
    /// Records read so far, whether they held a frame or not.
    records: u64,
    done: bool,
}

enum Format {
    Pcap(PcapParser),
    PcapNg(Section),
}

impl<R: Read> Reader<R> {
    /// Look at the start of a capture to see which kind it is.
    pub(crate) fn new(reader: R) -> Result<Reader<R>, CaptureError> {
        let mut source = Source::new(reader);
        source.fill(24)?;
        let format = match *source.ahead() {
            [] => return Err(CaptureError::Empty),
            [0x1f, 0x8b, ..] => return Err(CaptureError::Compressed("gzip")),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => return Err(CaptureError::Compressed("zstd")),
            [0xfd, b'7', b'z', b'X', ..] => return Err(CaptureError::Compressed("xz")),
            [0x0a, 0x0d, 0x0d, 0x0a, ..] => Format::PcapNg(Section::default()),
            [0xa1, 0xb2, 0xcd, 0x34, ..] | [0x34, 0xcd, 0xb2, 0xa1, ..] => {
                return Err(CaptureError::Variant("modified pcap"));
            }
            [0xa1, 0xb2, 0xc3, 0xd4, ..]
            | [0xd4, 0xc3, 0xb2, 0xa1, ..]
            | [0xa1, 0xb2, 0x3c, 0x4d, ..]
            | [0x4d, 0x3c, 0xb2, 0xa1, ..] => {
                let (_, parser) =
                    PcapParser::new(source.ahead()).map_err(|error| broken(0, error))?;
                source.skip(24);
                Format::Pcap(parser)
            }
            _ => return Err(CaptureError::Foreign),
        };
        Ok(Reader {
            source,
            format,
            next_index: 0,
            records: 0,
            done: false,
        })
    }

    /// The link type of the whole capture, where the format has one.
    pub(crate) fn link(&self) -> Option<LinkType> {
        match &self.format {
            Format::Pcap(parser) => Some(link_of(&parser.header())),
            Format::PcapNg(_) => None,
        }
    }

    /// Bytes of the file that have become frames.
    pub(crate) fn position(&self) -> u64 {
        self.source.taken
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, CaptureError> {
        loop {
            let record = self.records + 1;
            let found = match &mut self.format {
                Format::Pcap(parser) => next_record(&mut self.source, parser, record)?,
                Format::PcapNg(section) => section.next_block(&mut self.source, record)?,
            };
            self.records = record;
            match found {
                Found::End => return Ok(None),
                Found::Other => {}
                Found::Frame(frame) => {
                    let index = self.next_index;
                    self.next_index += 1;
                    return Ok(Some(Frame { index, ..frame }));
                }
            }
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Frame, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.next_frame().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

/// What the next record is.
enum Found {
    End,
    Other,
    Frame(Frame),
}

/// A reader with a view of what comes next.
struct Source<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    taken: u64,
}

impl<R: Read> Source<R> {
    fn new(reader: R) -> Source<R> {
        Source {
            reader,
            buffer: Vec::new(),
            start: 0,
            taken: 0,
        }
    }

    /// The bytes that were read and not taken yet.
    fn ahead(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Try to have `len` bytes ahead; whether there are so many.
    fn fill(&mut self, len: usize) -> Result<bool, CaptureError> {
        if self.ahead().len() >= len {
            return Ok(true);
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        while self.buffer.len() < len {
            let have = self.buffer.len();
            // Twice as much each time, so that a false length costs no more than the file holds.
            self.buffer.resize(have + READ_AHEAD.max(have), 0);
            let got = match self.reader.read(&mut self.buffer[have..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.buffer.truncate(have);
                    continue;
                }
                Err(error) => {
                    self.buffer.truncate(have);
                    return Err(CaptureError::Unread(error));
                }
                Ok(got) => got,
            };
            self.buffer.truncate(have + got);
            if got == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Have a record of `len` bytes ahead, or say that it is cut short.
    fn require(&mut self, len: usize, record: u64) -> Result<(), CaptureError> {
        if len > RECORD_MAX {
            return Err(CaptureError::Malformed {
                record,
                what: "its length is beyond any sound record",
            });
        }
        if self.fill(len)? {
            Ok(())
        } else {
            Err(CaptureError::Truncated { record })
        }
    }

    /// Have the start of a record ahead; `false` at the end of the file.
    fn begin(&mut self, len: usize, record: u64) -> Result<bool, CaptureError> {
        self.fill(len)?;
        if self.ahead().is_empty() {
            return Ok(false);
        }
        self.require(len, record)?;
        Ok(true)
    }

    fn skip(&mut self, len: usize) {
        self.start += len;
        self.taken += len as u64;
    }
}

fn link_of(header: &PcapHeader) -> LinkType {
    LinkType((u32::from(header.datalink) & LINK_MASK) as u16)
}

fn broken(record: u64, error: PcapError) -> CaptureError {
    match error {
        PcapError::IncompleteBuffer => CaptureError::Truncated { record },
        PcapError::InvalidField(what) => CaptureError::Malformed { record, what },
        PcapError::IoError(error) => CaptureError::Unread(error),
        _ => CaptureError::Malformed {
            record,
            what: "it is against the format",
        },
    }
}

const RECORD_HEADER_BYTES: usize = 16;

fn next_record<R: Read>(
    source: &mut Source<R>,
    parser: &PcapParser,
    record: u64,
) -> Result<Found, CaptureError> {
    if !source.begin(RECORD_HEADER_BYTES, record)? {
        return Ok(Found::End);
    }
    let header = parser.header();
    let order = Order(header.endianness);
    let captured = order.u32(source.ahead(), 8).unwrap_or(0) as usize;
    source.require(RECORD_HEADER_BYTES.saturating_add(captured), record)?;
    // The raw form, because captures with lengths above their own snapshot length are common.
    let (_, raw) = parser
        .next_raw_packet(source.ahead())
        .map_err(|error| broken(record, error))?;
    let fraction_ns = match header.ts_resolution {
        TsResolution::MicroSecond => u64::from(raw.ts_frac) * 1000,
        TsResolution::NanoSecond => u64::from(raw.ts_frac),
    };
    let frame = Frame {
        index: 0,
        timestamp_ns: u64::from(raw.ts_sec) * 1_000_000_000 + fraction_ns,
        link: link_of(&header),
        orig_len: raw.orig_len,
        data: raw.data.into_owned(),
    };
    source.skip(RECORD_HEADER_BYTES + captured);
    Ok(Found::Frame(frame))
}

/// Numbers in the byte order of a file.
#[derive(Clone, Copy)]
struct Order(Endianness);

impl Order {
    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let word = *bytes.get(at..)?.first_chunk()?;
        Some(match self.0 {
            Endianness::Big => u16::from_be_bytes(word),
            Endianness::Little => u16::from_le_bytes(word),
        })
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let word = *bytes.get(at..)?.first_chunk()?;
        Some(match self.0 {
            Endianness::Big => u32::from_be_bytes(word),
            Endianness::Little => u32::from_le_bytes(word),
        })
    }
}

/// A section of a pcapng file: its byte order and the interfaces announced so far.
struct Section {
    order: Order,
    interfaces: Vec<Interface>,
}

impl Default for Section {
    fn default() -> Section {
        Section {
            order: Order(Endianness::Little),
            interfaces: Vec::new(),
        }
    }
}

struct Interface {
    link: LinkType,
    /// Bytes kept of each frame; 0 for all.
    snapshot: u32,
    clock: Clock,
}

/// How an interface counts time.
struct Clock {
    ticks_per_second: u128,
    offset_s: u64,
}

impl Clock {
    fn nanoseconds(&self, ticks: u64) -> u64 {
        let ns = u128::from(ticks) * 1_000_000_000 / self.ticks_per_second;
        // The offset is a signed number of seconds; sums wrap as the clock itself does.
        (ns as u64).wrapping_add(self.offset_s.wrapping_mul(1_000_000_000))
    }
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const OPTION_TIME_RESOLUTION: u16 = 9;
const OPTION_TIME_OFFSET: u16 = 14;

impl Section {
    fn next_block<R: Read>(
        &mut self,
        source: &mut Source<R>,
        record: u64,
    ) -> Result<Found, CaptureError> {
        if !source.begin(12, record)? {
            return Ok(Found::End);
        }
        let malformed = |what| CaptureError::Malformed { record, what };
        let start = source.ahead();
        let kind = self.order.u32(start, 0);
        if kind == Some(SECTION_HEADER) {
            self.order = match start.get(8..12) {
                Some([0x1a, 0x2b, 0x3c, 0x4d]) => Order(Endianness::Big),
                Some([0x4d, 0x3c, 0x2b, 0x1a]) => Order(Endianness::Little),
                _ => return Err(malformed("its byte-order mark is neither of the two")),
            };
            self.interfaces.clear();
        }
        let len = self.order.u32(start, 4).unwrap_or(0) as usize;
        if len < 12 || !len.is_multiple_of(4) {
            return Err(malformed("its length is no block's"));
        }
        source.require(len, record)?;
        let block = &source.ahead()[..len];
        if self.order.u32(block, len - 4) != self.order.u32(block, 4) {
            return Err(malformed("its two lengths differ"));
        }
        let body = &block[8..len - 4];
        let found = match kind {
            Some(INTERFACE) => {
                let interface = self.interface(body);
                self.interfaces
                    .push(interface.ok_or(malformed("an interface without its fields"))?);
                Found::Other
            }
            Some(ENHANCED_PACKET) => {
                let id = self.order.u32(body, 0);
                let frame = self.packet(id, body);
                Found::Frame(frame.ok_or(malformed(NOT_A_PACKET))?)
            }
            Some(PACKET) => {
                let id = self.order.u16(body, 0).map(u32::from);
                let frame = self.packet(id, body);
                Found::Frame(frame.ok_or(malformed(NOT_A_PACKET))?)
            }
            Some(SIMPLE_PACKET) => {
                let frame = self.simple_packet(body);
                Found::Frame(frame.ok_or(malformed(NOT_A_PACKET))?)
            }
            _ => Found::Other,
        };
        source.skip(len);
        Ok(found)
    }

    fn interface(&self, body: &[u8]) -> Option<Interface> {
        let mut clock = Clock {
            ticks_per_second: 1_000_000,
            offset_s: 0,
        };
        let link = LinkType(self.order.u16(body, 0)?);
        let snapshot = self.order.u32(body, 4)?;
        let mut options = &body[8..];
        while let (Some(code @ 1..), Some(len)) =
            (self.order.u16(options, 0), self.order.u16(options, 2))
        {
            let value = options.get(4..4 + usize::from(len))?;
            match (code, value) {
                (OPTION_TIME_RESOLUTION, &[power]) => {
                    let base: u128 = if power & 0x80 == 0 { 10 } else { 2 };
                    clock.ticks_per_second = base.checked_pow(u32::from(power & 0x7f))?;
                }
                (OPTION_TIME_OFFSET, value) => {
                    let (a, b) = (self.order.u32(value, 0)?, self.order.u32(value, 4)?);
                    clock.offset_s = match self.order.0 {
                        Endianness::Big => u64::from(a) << 32 | u64::from(b),
                        Endianness::Little => u64::from(b) << 32 | u64::from(a),
                    };
                }
                _ => {}
            }
            let padded = usize::from(len).next_multiple_of(4);
            options = options.get(4 + padded..).unwrap_or(&[]);
        }
        Some(Interface {
            link,
            snapshot,
            clock,
        })
    }

    /// An enhanced packet, or the obsolete form, which differs in its first word.
    fn packet(&self, interface: Option<u32>, body: &[u8]) -> Option<Frame> {
        let interface = self.interfaces.get(interface? as usize)?;
        let (high, low) = (self.order.u32(body, 4)?, self.order.u32(body, 8)?);
        let captured = self.order.u32(body, 12)? as usize;
        Some(Frame {
            index: 0,
            timestamp_ns: interface
                .clock
                .nanoseconds(u64::from(high) << 32 | u64::from(low)),
            link: interface.link,
            orig_len: self.order.u32(body, 16)?,
            data: body[20..].get(..captured)?.to_vec(),
        })
    }

    fn simple_packet(&self, body: &[u8]) -> Option<Frame> {
        let interface = self.interfaces.first()?;
        let orig_len = self.order.u32(body, 0)?;
        let snapshot = match interface.snapshot {
            0 => u32::MAX,
            snapshot => snapshot,
        };
        Some(Frame {
            index: 0,
            timestamp_ns: 0,
            link: interface.link,
            orig_len,
            data: body[4..].get(..orig_len.min(snapshot) as usize)?.to_vec(),
        })
    }
}

const NOT_A_PACKET: &str = "a packet without its bytes or its interface";

#[cfg(test)]
mod tests {
    use super::*;

    const NS: u64 = 1_000_000_000;

    /// A pcap file with one frame in the given byte order.
    fn pcap(magic: u32, big: bool) -> Vec<u8> {
        let word = |w: u32| {
            if big {
                w.to_be_bytes()
            } else {
                w.to_le_bytes()
            }
        };
        let half = |h: u16| {
            if big {
                h.to_be_bytes()
            } else {
                h.to_le_bytes()
            }
        };
        let mut file = word(magic).to_vec();
        file.extend([half(2), half(4)].concat());
        for w in [0, 0, 4, 1, 7, 5, 3, 60] {
            file.extend(word(w));
        }
        file.extend([1, 2, 3]);
        file
    }

    fn frames(file: &[u8]) -> (Vec<Frame>, Option<String>) {
        let mut frames = Vec::new();
        let reader = match Reader::new(file) {
            Ok(reader) => reader,
            Err(error) => return (frames, Some(error.to_string())),
        };
        for frame in reader {
            match frame {
                Ok(frame) => frames.push(frame),
                Err(error) => return (frames, Some(error.to_string())),
            }
        }
        (frames, None)
    }

    #[test]
    fn pcap_of_four_kinds() {
        for (magic, per_unit) in [(0xa1b2_c3d4, 1000), (0xa1b2_3c4d, 1)] {
            for big in [false, true] {
                let (frames, error) = frames(&pcap(magic, big));
                let frame = Frame {
                    index: 0,
                    timestamp_ns: 7 * NS + 5 * per_unit,
                    link: LinkType::ETHERNET,
                    data: vec![1, 2, 3],
                    orig_len: 60,
                };
                assert_eq!((frames, error), (vec![frame], None));
            }
        }
    }

    #[test]
    fn a_truncated_file_keeps_its_whole_frames() {
        let one = pcap(0xa1b2_c3d4, false);
        let two = [&one[..], &one[24..]].concat();
        for len in 0..two.len() {
            let (frames, error) = frames(&two[..len]);
            assert_eq!(frames.len(), usize::from(len >= one.len()), "{len}");
            let expected = match len {
                0 => Some("the file is empty"),
                1..4 => Some("the file is neither pcap nor pcapng"),
                4..24 => Some("the file ends in the middle of its header"),
                24 => None,
                _ if len < one.len() => Some("the file ends in the middle of record 1"),
                _ if len == one.len() => None,
                _ => Some("the file ends in the middle of record 2"),
            };
            assert_eq!(error.as_deref(), expected, "{len}");
        }
    }

    #[test]
    fn foreign_files() {
        let said = |file: &[u8]| frames(file).1.unwrap_or_default();
        assert_eq!(
            said(b"\x1f\x8b\x08\x00"),
            "the file is compressed with gzip; decompress it first"
        );
        assert_eq!(said(b"#!/bin/sh\n"), "the file is neither pcap nor pcapng");
        assert_eq!(
            said(&[0x34, 0xcd, 0xb2, 0xa1, 2, 0, 4, 0]),
            "modified pcap files are not read; convert it to pcap"
        );
        let mut long = pcap(0xa1b2_c3d4, false);
        long[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(
            said(&long),
            "record 1: its length is beyond any sound record"
        );
    }

    fn block(kind: u32, body: &[u8], big: bool) -> Vec<u8> {
        let word = |w: u32| {
            if big {
                w.to_be_bytes()
            } else {
                w.to_le_bytes()
            }
        };
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let len = word(body.len() as u32 + 12);
        [&word(kind)[..], &len, &body, &len].concat()
    }

    /// A pcapng file: a clock of 2^-10 seconds and 100 seconds late, a comment that is not UTF-8,
    /// one packet of each form and a block that nobody knows.
    fn pcapng(big: bool) -> Vec<u8> {
        let word = |w: u32| {
            if big {
                w.to_be_bytes()
            } else {
                w.to_le_bytes()
            }
        };
        let half = |h: u16| {
            if big {
                h.to_be_bytes()
            } else {
                h.to_le_bytes()
            }
        };
        let offset = if big { [0, 100] } else { [100, 0] };
        let section = [&word(0x1a2b_3c4d)[..], &half(1), &half(0), &[0xff; 8]].concat();
        let interface = [
            &half(101)[..],
            &half(0),
            &word(2),
            &half(1),
            &half(1),
            &[0xff, 0, 0, 0],
            &half(9),
            &half(1),
            &[0x8a, 0, 0, 0],
            &half(14),
            &half(8),
            &word(offset[0]),
            &word(offset[1]),
            &half(0),
            &half(0),
        ]
        .concat();
        let packet = |first: [u8; 4]| {
            let words = [word(0), word(1536), word(3), word(9)].concat();
            [&first[..], &words, &[0x45, 1, 2]].concat()
        };
        let obsolete = packet([half(0), half(7)].concat().try_into().unwrap_or_default());
        [
            block(SECTION_HEADER, &section, big),
            block(INTERFACE, &interface, big),
            block(ENHANCED_PACKET, &packet(word(0)), big),
            block(0xbad, b"whatever", big),
            block(PACKET, &obsolete, big),
            block(SIMPLE_PACKET, &[&word(9)[..], &[0x45, 1]].concat(), big),
        ]
        .concat()
    }

    #[test]
    fn pcapng_in_both_orders() {
        for big in [false, true] {
            let (frames, error) = frames(&pcapng(big));
            assert_eq!(error, None);
            let seen: Vec<_> = frames
                .iter()
                .map(|f| (f.index, f.timestamp_ns, f.link, &f.data[..], f.orig_len))
                .collect();
            let at = 101 * NS + NS / 2;
            let expected: [(u64, u64, LinkType, &[u8], u32); 3] = [
                (0, at, LinkType::RAW, &[0x45, 1, 2], 9),
                (1, at, LinkType::RAW, &[0x45, 1, 2], 9),
                (2, 0, LinkType::RAW, &[0x45, 1], 9),
            ];
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn damaged_files_never_panic() {
        let files = [
            pcap(0xa1b2_c3d4, false),
            pcap(0xa1b2_3c4d, true),
            pcapng(false),
            pcapng(true),
        ];
        for file in files {
            for len in 0..file.len() {
                let _ = frames(&file[..len]);
            }
            for at in 0..file.len() {
                for byte in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut damaged = file.clone();
                    damaged[at] = byte;
                    let _ = frames(&damaged);
                }
            }
        }
    }
}
