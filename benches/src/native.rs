//! The functions in C, compiled for this machine and called in this process.
//!
//! In: packets and entries. Out: a [`Side`]. All calls into C are here, and the tables of the C are global, so one function is filled at a time.

use std::hint::black_box;
use std::os::raw::c_void;

use crate::measure::{End, Side};
use crate::traffic::{Entry, Map, NODE, NOW_NS, QUEUE, Traffic};

/// `struct ctx` of `nf.h`.
#[repr(C)]
#[derive(Default)]
pub(crate) struct Ctx {
    pub(crate) port: u32,
    port_mask: u32,
    in_port: u32,
    node_id: u32,
    queue_depth: u32,
}

impl Ctx {
    pub(crate) fn new() -> Ctx {
        Ctx {
            node_id: NODE,
            queue_depth: QUEUE,
            ..Ctx::default()
        }
    }
}

/// A function in C: the packet, its length, the context; answers the verdict.
pub(crate) type Function = unsafe extern "C" fn(*mut u8, u32, *mut Ctx) -> u32;

#[rustfmt::skip]
unsafe extern "C" {
    fn nf_microseg(packet: *mut u8, length: u32, ctx: *mut Ctx) -> u32;
    fn nf_router(packet: *mut u8, length: u32, ctx: *mut Ctx) -> u32;
    fn nf_nat44(packet: *mut u8, length: u32, ctx: *mut Ctx) -> u32;
    fn nf_synguard(packet: *mut u8, length: u32, ctx: *mut Ctx) -> u32;
    fn nf_telemetry(packet: *mut u8, length: u32, ctx: *mut Ctx) -> u32;
    fn nf_dnsguard(packet: *mut u8, length: u32, ctx: *mut Ctx) -> u32;
    fn nf_empty(packet: *mut u8, length: u32, ctx: *mut Ctx) -> u32;
    fn nf_parse(packet: *mut u8, length: u32, ctx: *mut Ctx) -> u32;
    fn nf_csum1500(packet: *mut u8, length: u32, ctx: *mut Ctx) -> u32;
    fn nf_fnv64(packet: *mut u8, length: u32, ctx: *mut Ctx) -> u32;
    fn nf_map_update(map: u32, key: *const c_void, value: *const c_void) -> i32;
    fn bench_reset();
    fn bench_time(ns: u32);
    fn bench_route(address: *const u8, bits: u32, value: *const u8);
    fn bench_entries(map: u32, out: *mut u32, room: u32) -> u32;
}

/// The function of this name.
pub(crate) fn function(name: &str) -> Function {
    match name {
        "microseg" => nf_microseg,
        "router" => nf_router,
        "nat44" => nf_nat44,
        "synguard" => nf_synguard,
        "telemetry" => nf_telemetry,
        "dnsguard" => nf_dnsguard,
        "parse" => nf_parse,
        "csum1500" => nf_csum1500,
        "fnv64" => nf_fnv64,
        _ => nf_empty,
    }
}

/// Empties the tables of the C and fills them with these entries.
pub(crate) fn fill(entries: &[Entry]) {
    // SAFETY: the harness has one thread, and no function runs while its tables change.
    unsafe {
        bench_reset();
        bench_time(NOW_NS as u32);
    }
    for Entry {
        map, key, c, bits, ..
    } in entries
    {
        match bits {
            // SAFETY: the address has 4 bytes and the value is a `struct route` of 16.
            Some(bits) => unsafe { bench_route(key.as_ptr(), u32::from(*bits), c.as_ptr()) },
            // SAFETY: key and value have the sizes that the map of this number has.
            None => unsafe {
                nf_map_update(*map as u32, key.as_ptr().cast(), c.as_ptr().cast());
            },
        }
    }
    assert!(
        entries
            .iter()
            .all(|e| e.map != Map::Routes || e.c.len() == 16)
    );
}

/// What `synguard` counted, by network.
pub(crate) fn counts() -> Vec<([u8; 4], u64)> {
    let mut out = vec![0u32; 2 << 16];
    // SAFETY: there is room for as many pairs as are asked for.
    let count = unsafe { bench_entries(5, out.as_mut_ptr(), 1 << 16) } as usize;
    let pair = |pair: &[u32]| (pair[0].to_le_bytes(), u64::from(pair[1]));
    let mut counts: Vec<_> = out[..2 * count].chunks(2).map(pair).collect();
    counts.sort();
    counts
}

/// Bytes from one packet to the next; the IP header is aligned, as in a node.
const GAP: usize = 64;

/// Packets one behind the other.
pub(crate) struct Frames {
    pristine: Vec<u8>,
    bytes: Vec<u8>,
    places: Vec<(usize, u32)>,
}

impl Frames {
    pub(crate) fn new(packets: &[Vec<u8>]) -> Frames {
        let mut pristine = Vec::new();
        let mut places = Vec::new();
        for packet in packets {
            pristine.resize(pristine.len().next_multiple_of(GAP) + GAP + 2, 0);
            places.push((pristine.len(), packet.len() as u32));
            pristine.extend(packet);
        }
        pristine.resize(pristine.len() + 2 * GAP, 0);
        Frames {
            bytes: pristine.clone(),
            pristine,
            places,
        }
    }

    pub(crate) fn restore(&mut self) {
        self.bytes.copy_from_slice(&self.pristine);
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Where a packet lies in the memory, and its length.
    pub(crate) fn place(&self, packet: usize) -> (usize, u32) {
        self.places[packet]
    }

    /// All packets and the gaps between them.
    pub(crate) fn memory(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Runs something over each packet, and adds up what it answers, so that nothing is left out as unused.
    #[inline(always)]
    pub(crate) fn each(&mut self, mut run: impl FnMut(&mut [u8]) -> u32) -> u32 {
        let mut sum = 0u32;
        for &(at, length) in &self.places {
            sum = sum.wrapping_add(run(&mut self.bytes[at..at + length as usize]));
        }
        sum
    }

    pub(crate) fn ends(&mut self, mut run: impl FnMut(&mut [u8]) -> (u32, u32)) -> Vec<End> {
        self.restore();
        let mut ends = Vec::new();
        for &(at, length) in &self.places {
            let packet = &mut self.bytes[at..at + length as usize];
            let (verdict, port) = run(packet);
            ends.push((verdict, port, packet.to_vec()));
        }
        ends
    }
}

/// A function in C over its packets.
pub(crate) struct Native {
    function: Function,
    frames: Frames,
}

impl Native {
    pub(crate) fn new(name: &str, traffic: &Traffic) -> Native {
        Native {
            function: function(name),
            frames: Frames::new(&traffic.packets),
        }
    }
}

impl Side for Native {
    fn packets(&self) -> usize {
        self.frames.len()
    }

    fn restore(&mut self) {
        self.frames.restore();
    }

    fn pass(&mut self) {
        let function = black_box(self.function);
        let mut ctx = Ctx::new();
        black_box(self.frames.each(|packet| {
            // SAFETY: the pointer and the length are those of one slice; the function stays within them.
            unsafe { function(packet.as_mut_ptr(), packet.len() as u32, &raw mut ctx) }
        }));
    }

    fn ends(&mut self) -> Vec<End> {
        let function = self.function;
        self.frames.ends(|packet| {
            let mut ctx = Ctx::new();
            // SAFETY: as above.
            let verdict =
                unsafe { function(packet.as_mut_ptr(), packet.len() as u32, &raw mut ctx) };
            (verdict, ctx.port)
        })
    }
}
