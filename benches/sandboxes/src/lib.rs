//! Other sandboxes behind one interface, loaded by the benches.
//!
//! In: a program, packets, the number of a sandbox. Out: runs. Guaranteed: a pass over all packets is one call, so that the interface costs
//! nothing that counts. The number of each sandbox is its place in [`Kind`], which the benches know too.

#[path = "../../src/frames.rs"]
#[expect(dead_code, reason = "the benches use the rest")]
mod frames;
#[cfg(feature = "polkavm")]
mod polka;
mod rbpf;
mod sbpf;
#[cfg(feature = "wasmtime")]
mod wasm;

use std::slice;
#[cfg(any(feature = "polkavm", feature = "wasmtime"))]
use std::sync::OnceLock;

/// What became of a packet: the verdict, the port, which none of these has, and the bytes.
type End = (u32, u32, Vec<u8>);

/// A function on a sandbox, over its packets.
trait Sandbox {
    /// Puts the packets back as they were.
    fn restore(&mut self);
    /// Runs all packets once and adds up the verdicts.
    fn pass(&mut self) -> u32;
    /// What became of each packet in a pass over restored packets.
    fn ends(&mut self) -> Vec<End>;
}

/// The sandboxes; a number's lowest bit says whether it compiles.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rbpf,
    Sbpf,
    Polka,
    Wasm,
}

fn kind(number: u32) -> (Kind, bool) {
    let kind = match number / 2 {
        0 => Kind::Rbpf,
        1 => Kind::Sbpf,
        2 => Kind::Polka,
        _ => Kind::Wasm,
    };
    (kind, number % 2 == 1)
}

/// Engines that nodes make once.
#[cfg(feature = "wasmtime")]
fn wasm_engine() -> Result<&'static wasmtime::Engine, String> {
    static ENGINE: OnceLock<Result<wasmtime::Engine, String>> = OnceLock::new();
    ENGINE
        .get_or_init(wasm::engine)
        .as_ref()
        .map_err(Clone::clone)
}

#[cfg(feature = "polkavm")]
fn polka_engine(jit: bool) -> Result<&'static polkavm::Engine, String> {
    static ENGINES: [OnceLock<Result<polkavm::Engine, String>>; 2] =
        [OnceLock::new(), OnceLock::new()];
    let engine = ENGINES[usize::from(jit)].get_or_init(|| polka::engine(jit));
    engine.as_ref().map_err(Clone::clone)
}

fn make(number: u32, program: &[u8], packets: &[Vec<u8>]) -> Result<Box<dyn Sandbox>, String> {
    let (kind, jit) = kind(number);
    Ok(match kind {
        Kind::Rbpf => Box::new(rbpf::Rbpf::new(program, jit, packets)?),
        Kind::Sbpf => Box::new(sbpf::Sbpf::new(program, jit, packets)?),
        #[cfg(feature = "polkavm")]
        Kind::Polka => Box::new(polka::Polka::new(polka_engine(jit)?, program, packets)?),
        #[cfg(feature = "wasmtime")]
        Kind::Wasm => Box::new(wasm::Wasm::new(wasm_engine()?, program, packets)?),
        #[cfg(not(all(feature = "polkavm", feature = "wasmtime")))]
        _ => return Err("it was left out of the build".to_string()),
    })
}

/// A side for the benches.
pub struct Handle(Box<dyn Sandbox>);

/// Copies as much of a text as there is room for; answers its length.
///
/// # Safety
///
/// `out` has `room` bytes.
unsafe fn tell(text: &[u8], out: *mut u8, room: usize) -> usize {
    let length = text.len().min(room);
    // SAFETY: the caller's promise, and the length is no more than either.
    unsafe { out.copy_from_nonoverlapping(text.as_ptr(), length) };
    text.len()
}

/// Makes a side of a program and packets that lie one behind the other. Answers null and the reason in `why`, which has 256 bytes and ends
/// with a zero, if the sandbox refuses.
///
/// # Safety
///
/// Each pointer is of as many bytes as the number behind it says, `lengths` of `count` numbers whose sum is no more than the packets' bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sandbox_make(
    number: u32,
    program: *const u8,
    program_bytes: usize,
    packets: *const u8,
    lengths: *const u32,
    count: usize,
    why: *mut u8,
) -> *mut Handle {
    // SAFETY: the caller's promise.
    let (program, lengths) = unsafe {
        (
            slice::from_raw_parts(program, program_bytes),
            slice::from_raw_parts(lengths, count),
        )
    };
    let all: usize = lengths.iter().map(|&length| length as usize).sum();
    // SAFETY: the caller's promise.
    let mut rest = unsafe { slice::from_raw_parts(packets, all) };
    let mut split = Vec::with_capacity(count);
    for &length in lengths {
        let (packet, behind) = rest.split_at(length as usize);
        split.push(packet.to_vec());
        rest = behind;
    }
    match make(number, program, &split) {
        Ok(side) => Box::into_raw(Box::new(Handle(side))),
        Err(mut text) => {
            text.truncate(255);
            text.push('\0');
            // SAFETY: the caller's promise.
            unsafe { tell(text.as_bytes(), why, 256) };
            std::ptr::null_mut()
        }
    }
}

/// # Safety
///
/// The side came from [`sandbox_make`] and nobody else uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sandbox_restore(side: *mut Handle) {
    // SAFETY: the caller's promise.
    unsafe { &mut *side }.0.restore();
}

/// # Safety
///
/// As [`sandbox_restore`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sandbox_pass(side: *mut Handle) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { &mut *side }.0.pass()
}

/// Writes the verdict of each packet and all bytes one behind the other.
///
/// # Safety
///
/// As [`sandbox_restore`], and there is room for as many verdicts and bytes as the side was made with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sandbox_ends(side: *mut Handle, verdicts: *mut u32, bytes: *mut u8) {
    // SAFETY: the caller's promise.
    let ends = unsafe { &mut *side }.0.ends();
    let mut at = 0;
    for (index, (verdict, _, packet)) in ends.iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe {
            verdicts.add(index).write(*verdict);
            at += tell(packet, bytes.add(at), packet.len());
        }
    }
}

/// What has to be done to a program once, before it is shipped: polkavm links object files. Answers the length; 0 if that fails.
///
/// # Safety
///
/// Each pointer is of as many bytes as the number behind it says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sandbox_prepare(
    number: u32,
    program: *const u8,
    program_bytes: usize,
    out: *mut u8,
    room: usize,
) -> usize {
    // SAFETY: the caller's promise.
    let program = unsafe { slice::from_raw_parts(program, program_bytes) };
    let prepared: Result<Vec<u8>, String> = match kind(number).0 {
        #[cfg(feature = "polkavm")]
        Kind::Polka => polka::link(program),
        _ => Ok(program.to_vec()),
    };
    match prepared {
        // SAFETY: the caller's promise.
        Ok(prepared) => unsafe { tell(&prepared, out, room) },
        Err(why) => {
            // SAFETY: the caller's promise.
            unsafe { tell(why.as_bytes(), out, room) };
            0
        }
    }
}

/// From the bytes of a program to the verdict on its first packet.
///
/// # Safety
///
/// Each pointer is of as many bytes as the number behind it says, and the program was made before once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sandbox_cold(
    number: u32,
    program: *const u8,
    program_bytes: usize,
    packet: *mut u8,
    packet_bytes: usize,
) -> u32 {
    // SAFETY: the caller's promise.
    let (program, packet) = unsafe {
        (
            slice::from_raw_parts(program, program_bytes),
            slice::from_raw_parts_mut(packet, packet_bytes),
        )
    };
    let (kind, jit) = kind(number);
    match kind {
        Kind::Rbpf => rbpf::cold(program, jit, packet),
        Kind::Sbpf => sbpf::cold(program, jit, packet),
        #[cfg(feature = "polkavm")]
        Kind::Polka => polka::cold(
            polka_engine(jit).expect("it was made before"),
            program,
            packet,
        ),
        #[cfg(feature = "wasmtime")]
        Kind::Wasm => wasm::cold(wasm_engine().expect("it was made before"), program, packet),
        #[cfg(not(all(feature = "polkavm", feature = "wasmtime")))]
        _ => u32::MAX,
    }
}
