//! What can be wrong with a capture, in sentences.

use std::fmt;
use std::io;

use nfl::Code;
use nfl::abi::codes;

use super::LinkType;

/// Why a capture cannot be read or written. Records count from 1.
#[derive(Debug)]
pub(crate) enum CaptureError {
    /// The system did not give the file's bytes.
    Unread(io::Error),
    /// The system did not take the file's bytes.
    Unwritten(io::Error),
    /// The file has no byte.
    Empty,
    /// The file is compressed.
    Compressed(&'static str),
    /// A variant of pcap that is not read here.
    Variant(&'static str),
    /// The file is no capture.
    Foreign,
    /// The file ends in the middle of a record.
    Truncated {
        /// Which one; 0 is the file's header.
        record: u64,
    },
    /// A record that is against the format.
    Malformed {
        /// Which one.
        record: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A pcap file has one link type, and these are two.
    MixedLinks(LinkType, LinkType),
}

impl CaptureError {
    /// The diagnostic code.
    pub(crate) fn code(&self) -> &'static Code {
        match self {
            CaptureError::Unread(_) => &codes::E901,
            CaptureError::Unwritten(_) => &codes::E902,
            CaptureError::Empty
            | CaptureError::Compressed(_)
            | CaptureError::Variant(_)
            | CaptureError::Foreign => &codes::E820,
            CaptureError::Truncated { .. } | CaptureError::Malformed { .. } => &codes::E821,
            CaptureError::MixedLinks(..) => &codes::E822,
        }
    }
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CaptureError::Unread(error) | CaptureError::Unwritten(error) => write!(f, "{error}"),
            CaptureError::Empty => write!(f, "the file is empty"),
            CaptureError::Compressed(tool) => {
                write!(f, "the file is compressed with {tool}; decompress it first")
            }
            CaptureError::Variant(name) => {
                write!(f, "{name} files are not read; convert it to pcap")
            }
            CaptureError::Foreign => write!(f, "the file is neither pcap nor pcapng"),
            CaptureError::Truncated { record: 0 } => {
                write!(f, "the file ends in the middle of its header")
            }
            CaptureError::Truncated { record } => {
                write!(f, "the file ends in the middle of record {record}")
            }
            CaptureError::Malformed { record, what } => write!(f, "record {record}: {what}"),
            CaptureError::MixedLinks(a, b) => write!(
                f,
                "the frames have link types {} and {}, and a pcap file has only one",
                a.0, b.0
            ),
        }
    }
}
