//! The captures of the repository, frame by frame, and where a handler begins in each.
//!
//! In: `tests/captures`. Out: frames. Guaranteed: what the captures of `nflc` read is what is read
//! here, since it is the same code; broken captures give the frames before the break.

use std::fs;
use std::path::PathBuf;

use nfl_abi::Layer;
use nfl_vm::Context;

use crate::cli::capture as files;
use crate::root;

/// A packet of a capture as a handler gets it.
#[derive(Clone, Debug)]
pub struct Start {
    /// Its bytes from the handler's layer on.
    pub packet: Vec<u8>,
    /// What the node adds.
    pub context: Context,
}

/// One capture.
#[derive(Clone, Debug)]
pub struct Capture {
    /// Its file's name.
    pub name: String,
    frames: Vec<files::Frame>,
}

/// Every capture of the repository, by name.
pub fn captures() -> Vec<Capture> {
    let dir = root().join("tests/captures");
    let entries = fs::read_dir(&dir).expect("there is a directory of captures");
    let paths = entries.map(|entry| entry.expect("a directory can be read to its end").path());
    let is_capture = |p: &PathBuf| p.extension().is_some_and(|e| e == "pcap" || e == "pcapng");
    let mut paths: Vec<PathBuf> = paths.filter(is_capture).collect();
    paths.sort();
    paths.into_iter().map(read).collect()
}

fn read(path: PathBuf) -> Capture {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let file = fs::File::open(&path).expect("captures can be read");
    let reader = files::Reader::new(file).unwrap_or_else(|e| panic!("{name}: {e}"));
    Capture {
        name,
        frames: reader.map_while(Result::ok).collect(),
    }
}

impl Capture {
    /// How many frames it has.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether it has no frame.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The packets that a handler of this layer runs for.
    pub fn packets(&self, layer: Layer) -> impl Iterator<Item = Start> {
        self.frames.iter().filter_map(move |frame| {
            let start = files::locate(frame.link, &frame.data, layer)?;
            Some(Start {
                packet: frame.data[start.packet_offset..].to_vec(),
                context: Context {
                    network_offset: start.network_offset,
                    clock_ns: frame.timestamp_ns,
                    ..Context::default()
                },
            })
        })
    }
}
