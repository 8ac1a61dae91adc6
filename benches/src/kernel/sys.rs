//! The few commands of `bpf(2)` that the harness needs.

use std::io::Error;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const MAP_CREATE: i32 = 0;
const MAP_UPDATE_ELEM: i32 = 2;
const PROG_LOAD: i32 = 5;
const PROG_TEST_RUN: i32 = 10;
const XDP: u32 = 6;
const NO_PREALLOC: u32 = 1;
const MAP_ENTRIES: u32 = 32_768;

/// Something that the kernel made.
pub(crate) struct Fd(OwnedFd);

impl Fd {
    pub(crate) fn number(&self) -> u32 {
        self.0.as_raw_fd() as u32
    }
}

/// What kind of map, with the sizes of keys and values in bytes.
#[derive(Clone, Copy)]
pub(crate) enum MapKind {
    Hash { key: u32, value: u32 },
    Lpm { key: u32, value: u32 },
    Array { value: u32 },
}

/// The argument of a command, `union bpf_attr`.
#[repr(C, align(8))]
struct Attr([u8; 144]);

impl Attr {
    fn new() -> Attr {
        Attr([0; 144])
    }

    fn word(mut self, at: usize, value: u32) -> Attr {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
        self
    }

    fn address(mut self, at: usize, bytes: *const u8) -> Attr {
        self.0[at..at + 8].copy_from_slice(&(bytes as u64).to_le_bytes());
        self
    }

    fn read(&self, at: usize) -> u32 {
        u32::from_le_bytes([0, 1, 2, 3].map(|i| self.0[at + i]))
    }
}

fn bpf(command: i32, attr: &mut Attr) -> Result<i32, Error> {
    // SAFETY: the caller put addresses of live memory of the sizes it names into the argument.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attr.0.as_mut_ptr(),
            size_of::<Attr>(),
        )
    };
    if answer < 0 {
        return Err(Error::last_os_error());
    }
    Ok(answer as i32)
}

fn owned(number: i32) -> Fd {
    // SAFETY: the kernel just gave this number to us and to nobody else.
    Fd(unsafe { OwnedFd::from_raw_fd(number) })
}

pub(crate) fn map(kind: MapKind) -> Result<Fd, String> {
    let (number, key, value, entries, flags) = match kind {
        MapKind::Hash { key, value } => (1, key, value, MAP_ENTRIES, 0),
        MapKind::Lpm { key, value } => (11, key, value, MAP_ENTRIES, NO_PREALLOC),
        MapKind::Array { value } => (2, 4, value, 1, 0),
    };
    let mut attr = Attr::new()
        .word(0, number)
        .word(4, key)
        .word(8, value)
        .word(12, entries)
        .word(16, flags);
    let fd = bpf(MAP_CREATE, &mut attr).map_err(|e| format!("a map: {e}"))?;
    Ok(owned(fd))
}

/// An entry; key and value have the sizes of the map.
pub(crate) fn update(map: &Fd, key: &[u8], value: &[u8]) -> Result<(), String> {
    let mut attr = Attr::new()
        .word(0, map.number())
        .address(8, key.as_ptr())
        .address(16, value.as_ptr());
    bpf(MAP_UPDATE_ELEM, &mut attr).map_err(|e| format!("an entry: {e}"))?;
    Ok(())
}

pub(crate) fn program(code: &[u8]) -> Result<Fd, String> {
    let mut log = vec![0u8; 1 << 20];
    let mut attr = Attr::new()
        .word(0, XDP)
        .word(4, (code.len() / 8) as u32)
        .address(8, code.as_ptr())
        .address(16, c"GPL".as_ptr().cast())
        .word(24, 1)
        .word(28, log.len() as u32)
        .address(32, log.as_mut_ptr());
    let fd = bpf(PROG_LOAD, &mut attr).map_err(|e| {
        let end = log.iter().position(|&b| b == 0).unwrap_or(log.len());
        let text = String::from_utf8_lossy(&log[..end]);
        let last = text.lines().rev().take(2).collect::<Vec<_>>().join(" / ");
        format!("the verifier: {e}: {last}")
    })?;
    Ok(owned(fd))
}

/// What became of a packet.
pub(crate) struct Run {
    pub(crate) verdict: u32,
    /// The mean of the runs.
    pub(crate) nanos: u32,
    pub(crate) bytes: Vec<u8>,
}

/// Runs a packet so many times.
pub(crate) fn run(program: &Fd, packet: &[u8], repeat: u32) -> Result<Run, String> {
    let mut bytes = vec![0; packet.len() + 256];
    let mut attr = Attr::new()
        .word(0, program.number())
        .word(8, packet.len() as u32)
        .word(12, bytes.len() as u32)
        .address(16, packet.as_ptr())
        .address(24, bytes.as_mut_ptr())
        .word(32, repeat);
    bpf(PROG_TEST_RUN, &mut attr).map_err(|e| format!("a run: {e}"))?;
    bytes.truncate(attr.read(12) as usize);
    Ok(Run {
        verdict: attr.read(4),
        nanos: attr.read(36),
        bytes,
    })
}
