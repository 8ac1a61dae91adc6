//! What a data plane does with instances: batches, chains, and programs that are replaced while packets run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nfl_abi::image::{
    Entry, Image, Import, Resource, ResourceKind, Right, Rights, Verdict, VerdictKind,
};
use nfl_abi::{Layer, Limits, Profile, Role, host, map};
use nfl_verify::{certify, prove};
use nfl_vm::{
    Budget, Chain, ChainError, Context, Fault, Frame, Instance, Job, Live, Loaded, Packet, Policy,
    ReplaceError, load,
};

mod common;

fn register(name: &str, value_bytes: u16) -> Resource {
    Resource {
        name: name.to_owned(),
        kind: ResourceKind::Register,
        key_bytes: 0,
        value_bytes,
        capacity: 1,
        idle_ns: 0,
        first: 0,
        flow_key: false,
        layout: 0,
    }
}

/// An image whose only import is `register.add` on its only resource.
fn counting(code: &str, resource: Resource) -> Image {
    let code = nfl_isa::assemble(&format!("slot0:\n  .word 0\n  .word 0\n{code}")).expect("code");
    let mut image = common::image(code[map::SLOT_BYTES as usize..].to_vec());
    image.manifest.imports = vec![Import {
        service: host::call::service("register.add")
            .expect("a service")
            .number,
        resource: Some(0),
        param: 0,
    }];
    image.manifest.resources = vec![resource];
    image
}

/// Counts packets in a register, and forwards to `port`.
fn forward(port: u32) -> Image {
    let code = format!("li a0, 1\njal ra, slot0\nli a1, {port}\nli a0, 2\nebreak\n");
    counting(&code, register("seen", 4))
}

/// A capsule whose packets carry so many bytes.
fn capsule(carried: usize) -> Image {
    let mut image = common::image(nfl_isa::assemble("li a0, 1\nebreak\n").expect("code"));
    image.manifest.profile = Profile::Capsule;
    image.manifest.carried = vec![0; carried];
    image.manifest.entries[0].role = Role::Transit;
    image.manifest.entries[0].steps = Limits::EDGE.capsule.steps;
    image
}

fn loaded(mut image: Image) -> Loaded {
    image.certificate = certify(&image, &Limits::EDGE).expect("no loop");
    let proven = prove(&image, &Limits::EDGE).expect("it is proved");
    load(proven, &Policy::ALL).expect("all is granted")
}

fn seen(instance: &mut Instance) -> u32 {
    let state = instance.state_mut();
    let bytes = state.register("seen", 0).expect("the images have it");
    u32::from_le_bytes(bytes.try_into().expect("four bytes"))
}

#[test]
fn a_batch_is_its_packets_one_after_another() {
    // Forwards to the count so far, plus the packet's first byte, and writes that to the packet.
    let code = "li a0, 1\njal ra, slot0\nlbu a1, 0(s0)\nadd a1, a1, a0\nli a0, 2\n\
                beq s1, zero, end\nsb a1, 0(s0)\nend:\nebreak\n";
    let program = || {
        let mut image = counting(code, register("seen", 4));
        image.manifest.window = 1;
        loaded(image).instance()
    };
    let (mut alone, mut batch) = (program(), program());
    let packets: Vec<Vec<u8>> = (0..40).map(|n| vec![n; usize::from(n) % 3]).collect();
    let context = Context::default();
    let mut one_by_one = Vec::new();
    let mut expected = Vec::new();
    for bytes in &packets {
        let mut packet = Packet::from(&bytes[..]);
        let ran = alone.run(
            Role::Ingress,
            &mut packet,
            &context,
            &mut [],
            Budget::Proven,
        );
        one_by_one.push(ran);
        expected.push(packet.bytes().to_vec());
    }
    let mut buffers = packets.clone();
    let mut none = vec![[0u8; 0]; packets.len()];
    let mut jobs: Vec<Job<'_>> = buffers
        .iter_mut()
        .zip(&mut none)
        .map(|(buffer, carried)| Job {
            frame: {
                let len = buffer.len();
                Frame::new(buffer, 0, len).expect("all of the buffer")
            },
            context,
            carried,
        })
        .collect();
    let mut outcomes = vec![Err(Fault::NoSuchEntry(7))];
    batch.run_batch(Role::Ingress, &mut jobs, Budget::Proven, &mut outcomes);
    assert_eq!(outcomes, one_by_one);
    assert_eq!(buffers, expected);
    assert_eq!(seen(&mut batch), 40);
}

#[test]
fn a_program_is_replaced_by_one_that_fits() {
    let mut instance = loaded(forward(1)).instance();
    let port = |instance: &mut Instance| {
        let (mut packet, context) = (Packet::default(), Context::default());
        let ran = instance.run(
            Role::Ingress,
            &mut packet,
            &context,
            &mut [],
            Budget::Proven,
        );
        ran.expect("a verdict").verdict.operand
    };
    assert_eq!(port(&mut instance), 1);
    let old = instance
        .replace(&loaded(forward(2)))
        .expect("only the port differs");
    assert_eq!(old.image(), loaded(forward(1)).image());
    assert_eq!((port(&mut instance), seen(&mut instance)), (2, 2));

    let refused = |image: Image| {
        let mut instance = loaded(forward(2)).instance();
        let error = instance.replace(&loaded(image)).err();
        assert_eq!(port(&mut instance), 2);
        error
    };
    let resource = |name: &str| Some(ReplaceError::Resource(name.to_owned()));
    let code = "li a0, 0\nli a1, 1\njal ra, slot0\nli a1, 0\nli a0, 1\nebreak\n";
    let wider = Resource {
        capacity: 2,
        ..register("seen", 4)
    };
    assert_eq!(refused(counting(code, wider)), resource("seen"));
    assert_eq!(
        refused(common::image(
            nfl_isa::assemble("li a0, 1\nebreak\n").expect("code")
        )),
        resource("seen")
    );
    let mut other = forward(3);
    other.manifest.resources.push(register("more", 4));
    assert_eq!(refused(other), resource("more"));
    let mut capsules = [0, 4].map(|carried| loaded(capsule(carried)).instance());
    let other = capsules[1].loaded().clone();
    assert_eq!(
        capsules[0].replace(&other).err(),
        Some(ReplaceError::Carried { is: 0, other: 4 })
    );
    let mut other = forward(3);
    other.manifest.entries[0].layer = Layer::Link;
    assert_eq!(refused(other), Some(ReplaceError::Role(Role::Ingress)));
    let mut other = forward(3);
    other.manifest.entries[0].role = Role::Egress;
    assert_eq!(refused(other), Some(ReplaceError::Role(Role::Ingress)));
}

const REPLACEMENTS: u32 = 1000;

#[test]
fn a_thousand_replacements_lose_no_packet() {
    let live = Live::new(loaded(forward(0)));
    let mut worker = live
        .follow(live.program().instance())
        .expect("it runs this program");
    // The newest program that a packet met.
    let met = Arc::new(AtomicU32::new(0));
    let meets = Arc::clone(&met);
    let traffic = thread::spawn(move || {
        let (mut packets, mut last, mut changes) = (0u32, 0, 0);
        while last < REPLACEMENTS {
            let mut buffer = [0x45; 64];
            let mut frame = Frame::new(&mut buffer, 0, 64).expect("all of the buffer");
            let context = Context::default();
            let outcome = worker.current().run_frame(
                Role::Ingress,
                &mut frame,
                &context,
                &mut [],
                Budget::Proven,
            );
            let verdict = outcome.expect("a verdict").verdict;
            assert_eq!(verdict.kind, VerdictKind::Forward);
            assert!(verdict.operand >= last, "an older program came back");
            changes += u32::from(verdict.operand > last);
            last = verdict.operand;
            meets.store(last, Ordering::Relaxed);
            packets += 1;
            if packets.is_multiple_of(16) {
                thread::yield_now();
            }
        }
        assert_eq!(seen(worker.current()), packets);
        changes
    });
    for port in 1..=REPLACEMENTS {
        live.replace(loaded(forward(port)))
            .expect("only the port differs");
        // However late the other thread comes, it meets the first of them before there are more.
        while met.load(Ordering::Relaxed) == 0 && !traffic.is_finished() {
            thread::yield_now();
        }
        if port % 8 == 0 {
            thread::yield_now();
        }
    }
    let changes = traffic.join().expect("every packet had its verdict");
    assert!(changes > 1, "the worker saw {changes} programs");
    let other = live.replace(loaded(capsule(0)));
    assert_eq!(other, Err(ReplaceError::Resource("seen".to_owned())));
    assert_eq!(
        live.program().image(),
        loaded(forward(REPLACEMENTS)).image()
    );
}

/// A stage at a layer for a role.
fn stage(role: Role, layer: Layer, code: &str) -> Instance {
    let mut image = common::image(nfl_isa::assemble(code).expect("code"));
    image.manifest.rights = Rights::NONE.with(Right::Rewrite).with(Right::Route);
    image.manifest.verdicts = 0b111;
    image.manifest.entries[0] = Entry {
        role,
        layer,
        ..image.manifest.entries[0]
    };
    image.manifest.entries[0].need = 1;
    image.manifest.entries[0].malformed = Verdict {
        kind: VerdictKind::Pass,
        operand: 0,
    };
    loaded(image).instance()
}

/// Adds one to the first byte, and passes.
const MARK: &str = "lbu a2, 0(s0)\naddi a2, a2, 1\nsb a2, 0(s0)\nli a0, 1\nebreak\n";
/// Forwards to the port in the first byte.
const SEND: &str = "lbu a1, 0(s0)\nli a0, 2\nebreak\n";

#[test]
fn stages_run_until_one_decides() {
    let network = |code| stage(Role::Ingress, Layer::Network, code);
    let context = Context::default();
    let run = |stages: Vec<Instance>, bytes: &[u8]| {
        let mut chain = Chain::new(stages).expect("a chain");
        let mut buffer = bytes.to_vec();
        let len = buffer.len();
        let mut frame = Frame::new(&mut buffer, 0, len).expect("all of the buffer");
        let ended = chain.run_frame(Role::Ingress, &mut frame, &context, &mut []);
        let ended = ended.expect("a verdict");
        let verdict = ended.outcome.verdict;
        let steps = ended.outcome.steps;
        (ended.stage, verdict.kind, verdict.operand, steps, buffer)
    };
    assert_eq!(
        run(vec![network(MARK), network(SEND), network(MARK)], &[7]),
        (1, VerdictKind::Forward, 8, Some(8), vec![8])
    );
    assert_eq!(
        run(vec![network(MARK), network(MARK)], &[7]),
        (1, VerdictKind::Pass, 0, Some(10), vec![9])
    );
    // A stage whose malformed verdict is `Pass` hands the packet on.
    assert_eq!(
        run(vec![network(SEND), network(MARK)], &[]),
        (1, VerdictKind::Pass, 0, Some(0), vec![])
    );
}

#[test]
fn a_stage_behind_a_link_header_sees_ip_alone() {
    let link = || stage(Role::Ingress, Layer::Link, MARK);
    let inner = || stage(Role::Ingress, Layer::Network, SEND);
    let mut chain = Chain::new(vec![link(), inner()]).expect("a chain");
    assert_eq!(chain.layer(Role::Ingress), Some(Layer::Link));
    let mut run = |network_offset| {
        let mut buffer = [1, 2, 3, 4];
        let context = Context {
            network_offset,
            ..Context::default()
        };
        let ended = chain.run_frame(Role::Ingress, &mut whole(&mut buffer), &context, &mut []);
        let ended = ended.expect("a verdict");
        (ended.stage, ended.outcome.verdict.operand, buffer)
    };
    assert_eq!(run(Some(2)), (1, 3, [2, 2, 3, 4]));
    // Not IP, or cut off before it.
    assert_eq!(run(None), (0, 0, [2, 2, 3, 4]));
    assert_eq!(run(Some(5)), (0, 0, [2, 2, 3, 4]));
}

/// A packet that is all of its buffer.
fn whole(buffer: &mut [u8; 4]) -> Frame<'_> {
    Frame::new(buffer, 0, 4).expect("all of the buffer")
}

#[test]
fn a_batch_through_a_chain_is_its_packets_one_after_another() {
    let chain = || {
        let stages = vec![
            stage(Role::Ingress, Layer::Link, MARK),
            stage(Role::Ingress, Layer::Network, SEND),
        ];
        Chain::new(stages).expect("a chain")
    };
    let offsets = [Some(2), None, Some(5), Some(3)];
    let contexts = offsets.map(|network_offset| Context {
        network_offset,
        ..Context::default()
    });
    let (mut alone, mut together) = ([[1, 2, 3, 4]; 4], [[1, 2, 3, 4]; 4]);
    let mut one_by_one = chain();
    // The last packet comes with a byte that no stage carries.
    let (mut none, mut byte) = ([[0u8; 0]; 3], [0u8; 1]);
    let mut carried: Vec<&mut [u8]> = none.iter_mut().map(|none| &mut none[..]).collect();
    carried.push(&mut byte);
    let mut expected = Vec::new();
    for ((buffer, context), carried) in alone.iter_mut().zip(&contexts).zip(&mut carried) {
        expected.push(one_by_one.run_frame(Role::Ingress, &mut whole(buffer), context, carried));
    }
    let mut jobs: Vec<Job<'_>> = together
        .iter_mut()
        .zip(contexts)
        .zip(carried)
        .map(|((buffer, context), carried)| Job {
            frame: whole(buffer),
            context,
            carried,
        })
        .collect();
    let mut decided = vec![Err(Fault::NoSuchEntry(7))];
    chain().run_batch(Role::Ingress, &mut jobs, &mut decided);
    drop(jobs);
    assert!(decided[3].is_err() && decided[..3].iter().all(Result::is_ok));
    assert_eq!(decided, expected);
    assert_eq!(together, alone);
}

#[test]
fn what_makes_no_chain_is_refused() {
    assert_eq!(Chain::new(Vec::new()).err(), Some(ChainError::Empty));
    let apart = vec![
        stage(Role::Ingress, Layer::Network, MARK),
        stage(Role::Egress, Layer::Network, MARK),
    ];
    assert_eq!(Chain::new(apart).err(), Some(ChainError::NoRole));
    let mut resizing = common::image(nfl_isa::assemble("li a0, 1\nebreak\n").expect("code"));
    resizing.manifest.rights = Rights::NONE.with(Right::Resize);
    resizing.manifest.verdicts = 0b11;
    let behind = vec![
        stage(Role::Ingress, Layer::Link, MARK),
        loaded(resizing).instance(),
    ];
    assert_eq!(Chain::new(behind).err(), Some(ChainError::Resizes(1)));
    let mut chain = Chain::new(vec![stage(Role::Ingress, Layer::Network, MARK)]).expect("a chain");
    let mut frame = Frame::new(&mut [], 0, 0).expect("an empty buffer");
    let context = Context::default();
    assert_eq!(
        chain
            .run_frame(Role::Egress, &mut frame, &context, &mut [])
            .err(),
        Some(Fault::NoEntry(Role::Egress))
    );
    assert_eq!(
        chain
            .run_frame(Role::Ingress, &mut frame, &context, &mut [0])
            .err(),
        Some(Fault::CarriedSize { is: 1, must: 0 })
    );
}
