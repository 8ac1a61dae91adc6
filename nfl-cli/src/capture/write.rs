//! Frames into a pcap file that is there as a whole or not at all.
//!
//! The frames go to a temporary file beside the target, which takes the target's name when all of
//! them are written. A target that is no regular file, such as a pipe or a device, is written to
//! directly, because a rename would replace it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use pcap_file::pcap::PcapHeader;
use pcap_file::{DataLink, Endianness, PcapError, TsResolution};
use tempfile::NamedTempFile;

use super::CaptureError::{self, Unwritten};
use super::LinkType;

/// The snapshot length in the header, in bytes: what tcpdump writes.
const SNAPSHOT_BYTES: u32 = 262_144;

/// A pcap file, microseconds, little-endian, in the making.
pub(crate) struct Writer {
    path: PathBuf,
    file: BufWriter<Sink>,
    /// The link type in the header, which waits for the first frame if need be.
    link: Option<LinkType>,
    begun: bool,
}

enum Sink {
    Beside(NamedTempFile),
    Direct(File),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Beside(file) => file.write(bytes),
            Sink::Direct(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Beside(file) => file.flush(),
            Sink::Direct(file) => file.flush(),
        }
    }
}

impl Writer {
    /// Begin a capture at `path`. All frames have one link type: `link`, or the first frame's.
    pub(crate) fn create(path: &Path, link: Option<LinkType>) -> Result<Writer, CaptureError> {
        // Through a symbolic link to what it names, so that the link survives.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let sink = match fs::metadata(&path) {
            Ok(meta) if !meta.is_file() => {
                Sink::Direct(File::options().write(true).open(&path).map_err(Unwritten)?)
            }
            _ => Sink::Beside(beside(&path).map_err(Unwritten)?),
        };
        Ok(Writer {
            path,
            file: BufWriter::new(sink),
            link,
            begun: false,
        })
    }

    /// Add a frame.
    pub(crate) fn write(
        &mut self,
        link: LinkType,
        timestamp_ns: u64,
        data: &[u8],
        orig_len: u32,
    ) -> Result<(), CaptureError> {
        let first = *self.link.get_or_insert(link);
        if first != link {
            return Err(CaptureError::MixedLinks(first, link));
        }
        self.begin(first)?;
        let micros = timestamp_ns / 1000;
        let seconds = u32::try_from(micros / 1_000_000).unwrap_or(u32::MAX);
        let captured = u32::try_from(data.len())
            .map_err(io::Error::other)
            .map_err(Unwritten)?;
        for word in [seconds, (micros % 1_000_000) as u32, captured, orig_len] {
            self.file
                .write_all(&word.to_le_bytes())
                .map_err(Unwritten)?;
        }
        self.file.write_all(data).map_err(Unwritten)
    }

    /// Write what is left and give the file its name. A capture of no frames has the link type
    /// that `create` was told, or Ethernet.
    pub(crate) fn finish(mut self) -> Result<(), CaptureError> {
        self.begin(self.link.unwrap_or(LinkType::ETHERNET))?;
        let sink = self
            .file
            .into_inner()
            .map_err(|error| Unwritten(error.into_error()))?;
        match sink {
            Sink::Direct(_) => Ok(()),
            Sink::Beside(file) => match file.persist(&self.path) {
                Ok(_) => Ok(()),
                Err(error) => Err(Unwritten(error.error)),
            },
        }
    }

    fn begin(&mut self, link: LinkType) -> Result<(), CaptureError> {
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        let header = PcapHeader {
            version_major: 2,
            version_minor: 4,
            ts_correction: 0,
            ts_accuracy: 0,
            snaplen: SNAPSHOT_BYTES,
            datalink: DataLink::from(u32::from(link.0)),
            ts_resolution: TsResolution::MicroSecond,
            endianness: Endianness::Little,
        };
        match header.write_to(&mut self.file) {
            Ok(_) => Ok(()),
            Err(PcapError::IoError(error)) => Err(Unwritten(error)),
            Err(other) => Err(Unwritten(io::Error::other(other.to_string()))),
        }
    }
}

/// The temporary file, in the directory of the target so that a rename is enough.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".nflc-").suffix(".pcap");
    #[cfg(unix)]
    {
        // As any new file, and not private as temporary files are.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(directory)
}

#[cfg(test)]
mod tests {
    use super::super::{Frame, Reader};
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .expect("a directory")
            .map(|e| {
                e.expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_written_is_read_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("out.pcap");
        let mut writer = Writer::create(&path, None).expect("a file");
        let bytes = [(1_000_002_000, vec![1, 2, 3], 3), (0, vec![], 9)];
        for (at, data, orig_len) in &bytes {
            let written = writer.write(LinkType::RAW, *at, data, *orig_len);
            written.expect("a frame");
        }
        assert!(!path.exists(), "not before it is whole");
        writer.finish().expect("a whole file");
        assert_eq!(names(directory.path()), ["out.pcap"]);
        let reader = Reader::new(File::open(&path).expect("the file")).expect("a capture");
        let frames: Vec<Frame> = reader.map(|f| f.expect("a frame")).collect();
        let seen: Vec<_> = frames
            .into_iter()
            .map(|f| (f.timestamp_ns, f.data, f.orig_len))
            .collect();
        assert_eq!(seen, bytes);
    }

    #[test]
    fn a_capture_of_no_frames_has_its_header() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("out.pcap");
        let writer = Writer::create(&path, Some(LinkType::NULL)).expect("a file");
        writer.finish().expect("a whole file");
        let mut reader = Reader::new(File::open(&path).expect("the file")).expect("a capture");
        assert_eq!(reader.link(), Some(LinkType::NULL));
        assert!(reader.next().is_none());
    }

    #[test]
    fn an_abandoned_capture_leaves_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("out.pcap");
        fs::write(&path, "precious").expect("a file");
        let mut writer = Writer::create(&path, None).expect("a file");
        let written = writer.write(LinkType::RAW, 0, &[0x45], 1);
        written.expect("a frame");
        let error = writer
            .write(LinkType::ETHERNET, 0, &[], 0)
            .expect_err("two links");
        assert_eq!(
            error.to_string(),
            "the frames have link types 101 and 1, and a pcap file has only one"
        );
        drop(writer);
        assert_eq!(names(directory.path()), ["out.pcap"]);
        assert_eq!(fs::read(&path).expect("the file"), b"precious");
    }

    #[test]
    fn a_place_that_is_not_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("no/out.pcap");
        assert!(Writer::create(&path, None).is_err_and(|e| matches!(e, Unwritten(_))));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk() {
        let mut writer = Writer::create(Path::new("/dev/full"), None).expect("a device");
        let written = writer.write(LinkType::RAW, 0, &[0x45], 1);
        written.expect("a frame in the buffer");
        let error = writer.finish().expect_err("no room");
        assert_eq!(error.code().text, "E902");
        assert!(Path::new("/dev/full").exists());
    }
}
