//! The functions in C, compiled for this machine and called in this process.
//!
//! In: packets and entries. Out: a [`Side`]. All calls into C are here, and the tables of the C are global, so one function is filled at a time.

use std::hint::black_box;
use std::os::raw::c_void;
use std::time::Duration;

use crate::frames::{Frames, Row};
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

/// A function in C over its packets.
pub(crate) struct Native {
    function: Function,
    frames: Frames,
    row: Option<Row>,
}

impl Native {
    pub(crate) fn new(name: &str, traffic: &Traffic) -> Native {
        Native {
            function: function(name),
            frames: Frames::new(&traffic.packets),
            row: None,
        }
    }

    /// The same that runs one packet many times in a row; whether the function changes packets.
    pub(crate) fn in_a_row(self, changes: bool) -> Native {
        Native {
            row: Some(Row { first: 0, changes }),
            ..self
        }
    }
}

impl Side for Native {
    fn packets(&self) -> usize {
        match self.row {
            Some(_) => self.frames.runs_in_a_row(),
            None => self.frames.len(),
        }
    }

    fn restore(&mut self) {
        self.frames.restore();
    }

    fn pass(&mut self) -> Option<Duration> {
        let function = black_box(self.function);
        let mut ctx = Ctx::new();
        if let Some(row) = &mut self.row {
            row.next();
            black_box(self.frames.in_a_row(*row, |room, start, length| {
                let packet = &mut room[start..start + length];
                // SAFETY: the pointer and the length are those of one slice; the function stays within them.
                unsafe { function(packet.as_mut_ptr(), length as u32, &raw mut ctx) }
            }));
            return None;
        }
        black_box(self.frames.each(|packet| {
            // SAFETY: the pointer and the length are those of one slice; the function stays within them.
            unsafe { function(packet.as_mut_ptr(), packet.len() as u32, &raw mut ctx) }
        }));
        None
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
