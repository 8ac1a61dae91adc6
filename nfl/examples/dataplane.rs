//! Two workers run packets in batches while a controller edits a table and then replaces the program.
//!
//! No run takes a lock and no packet waits: each is run by the old program or by the new one, from its
//! first byte to its last, with the table as it was before an edit or as it was behind it.

use std::error::Error;
use std::io::{self, Write};
use std::thread;

use nfl::{
    Budget, Compiler, Context, Control, Engine, Frame, Job, Limits, Live, MemoryFiles, Policy,
    Program, Role, VerdictKind, Worker,
};

/// Segments to ports in `allowed` pass, and others leave by `port`.
fn source(port: u16) -> String {
    format!(
        "package demo;

import nfl.net.*;
import nfl.table.Set;

public function Guard() uses Route {{
    Set<u16> allowed = Set(1024);

    on ingress(Packet pkt) {{
        if (pkt instanceof Ipv4 / Tcp tcp && allowed.contains(tcp.dport)) return Pass;
        return Forward(Port({port}));
    }}
}}
"
    )
}

/// Packets of a batch, and the bytes of a buffer: room in front, the packet, and room behind it.
const BATCH: usize = 32;
const HEAD: usize = 64;
const LEN: usize = 40;
const BUFFER: usize = 256;

/// What one worker saw: segments that passed, and those that left by the old port and the new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Seen {
    passed: u64,
    old: u64,
    new: u64,
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let seen = run()?;
    let mut out = io::stdout().lock();
    for (n, seen) in seen.iter().enumerate() {
        let Seen { passed, old, new } = seen;
        writeln!(
            out,
            "worker {n}: {passed} passed, {old} left by port 1, {new} by port 2"
        )?;
    }
    Ok(())
}

fn run() -> Result<Vec<Seen>, Box<dyn Error + Send + Sync>> {
    // Images come from a controller, signed, as in the example `embed`.
    let engine = Engine::interp();
    let program = load(&engine, 1)?;
    let control = Control::new(&program.image().manifest.resources)?;
    let live = Live::new(program);

    let mut workers = Vec::new();
    for _ in 0..2 {
        // Each worker has an instance and a state of its own, which shares the controller's tables.
        let instance = live.program().worker(control.worker())?;
        let worker = live.follow(instance)?;
        workers.push(thread::spawn(move || forward(worker)));
    }

    // Port 443 is allowed while packets run. Edits of one call become visible together.
    control.edit(|tables| tables.insert("allowed", &443u16.to_le_bytes(), &[]))?;
    // The workers end with the first batch in which they see this program.
    live.replace(load(&engine, 2)?)?;

    let ended = workers.into_iter().map(|worker| {
        let seen = worker.join().map_err(|_| "a worker gave up")?;
        Ok(seen?)
    });
    ended.collect()
}

fn load(engine: &Engine, port: u16) -> Result<Program, Box<dyn Error + Send + Sync>> {
    let text = source(port);
    let files = MemoryFiles::from([("guard.nfl", text.as_str())]);
    let unit = Compiler::new(Limits::EDGE)
        .build(&files, "guard.nfl")
        .finish()?;
    let images = unit.function("Guard")?.bind(&[])?.images()?;
    Ok(engine.load_unsigned(images[0].image.clone(), &Policy::ALL)?)
}

/// Runs batches until some packets left by the new port.
fn forward(mut worker: Worker) -> Result<Seen, nfl::Fault> {
    let mut seen = Seen::default();
    let mut buffers = vec![[0u8; BUFFER]; BATCH];
    let mut outcomes = Vec::with_capacity(BATCH);
    while seen.new == 0 {
        // A driver would hand over its own buffers here.
        for (n, buffer) in buffers.iter_mut().enumerate() {
            let port = if n % 2 == 0 { 443 } else { 22 };
            buffer[HEAD..HEAD + LEN].copy_from_slice(&segment(port));
        }
        let mut jobs: Vec<Job<'_>> = buffers
            .iter_mut()
            .filter_map(|buffer| Frame::new(buffer, HEAD, LEN))
            .map(|frame| Job {
                frame,
                context: Context::default(),
                carried: &mut [],
            })
            .collect();
        let instance = worker.current();
        instance.run_batch(Role::Ingress, &mut jobs, Budget::Proven, &mut outcomes);
        for outcome in outcomes.drain(..) {
            let verdict = outcome?.verdict;
            match (verdict.kind, verdict.operand) {
                (VerdictKind::Pass, _) => seen.passed += 1,
                (_, 1) => seen.old += 1,
                _ => seen.new += 1,
            }
        }
    }
    Ok(seen)
}

/// An IPv4 packet with the head of a TCP segment.
fn segment(port: u16) -> [u8; LEN] {
    let mut packet = [0; LEN];
    packet[..10].copy_from_slice(&[0x45, 0, 0, LEN as u8, 0, 0, 0x40, 0, 64, 6]);
    packet[12..20].copy_from_slice(&[10, 1, 7, 9, 10, 2, 0, 4]);
    packet[20..22].copy_from_slice(&[0xc0, 0]);
    packet[22..24].copy_from_slice(&port.to_be_bytes());
    packet[32] = 0x50;
    packet
}

#[cfg(test)]
mod tests {
    #[test]
    fn workers_see_the_edit_before_the_program_that_came_behind_it() {
        let seen = super::run().expect("both programs run");
        assert_eq!(seen.len(), 2);
        for seen in seen {
            // In the last batch every other segment went to the allowed port.
            assert_eq!(seen.new, super::BATCH as u64 / 2);
            assert!(seen.passed >= super::BATCH as u64 / 2);
        }
    }
}
