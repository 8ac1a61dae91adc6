//! The machine agrees with the IR: what an image does to a packet is what the interpreter of the IR says.

use std::path::Path;

use nfl_abi::image::{Import, ResourceKind, Rights, VerdictKind};
use nfl_abi::{Image, Limits, Profile};
use nfl_codegen_rv::{EmitError, OptLevel, Options, emit};
use nfl_ir::{Module, interp, testing, text, verify};
use nfl_isa::Target;
use nfl_syntax::Diags;
use nfl_vm::{Budget, Context, Packet, Policy, Services, SharedState, State};

/// Numbers that look random and are the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as u32
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.next() % bound
    }
}

/// Runs packets through every handler of a module, on the machine and on the IR.
fn compare(module: &Module, image: &Image, packets: &[Vec<u8>], seed: u64) {
    let proven = nfl_verify::prove(image, &Limits::EDGE).expect("emitted images are proven");
    let policy = Policy {
        rights: Rights(u16::MAX),
        verdicts: u8::MAX,
        steps_max: u32::MAX,
    };
    let loaded = nfl_vm::load(proven, &policy).expect("the policy allows all");
    let mut state = State::default();
    let imports: Vec<Import> = module.imports.iter().map(|(_, &i)| i).collect();
    let bound = state.bind(&imports, &module.resources);
    let bound = bound.expect("the machine offers what modules call");
    fill(&mut state);
    let shared = SharedState::new(state.clone());
    let instance = loaded.instance_on(&shared);
    let mut instance = instance.expect("the image has the module's resources");
    let late: Vec<u32> = module
        .late
        .iter()
        .map(|(_, w)| w.default.unwrap_or(w.lo))
        .collect();
    let mut numbers = Numbers(seed | 1);
    for (index, f) in module.functions.iter().enumerate() {
        for bytes in packets {
            let context = Context {
                ingress_port: numbers.below(8),
                node_id: numbers.next(),
                queue_depth: numbers.below(100),
                network_offset: Some(14),
                clock_ns: 0,
                next_hop: numbers.next(),
                flow: numbers.next(),
            };
            let words = [
                context.ingress_port,
                context.node_id,
                context.queue_depth,
                14,
                0,
                0,
                context.next_hop,
                context.flow,
            ];
            let (mut packet, mut carried) = (bytes.clone(), module.carried.clone());
            let room = interp::Room {
                head: numbers.below(20),
                tail: numbers.below(20),
            };
            let mut services = Services::new(&bound, &mut state, f.layer, &context);
            let inputs = &mut interp::Inputs {
                context: &words,
                carried: &mut carried,
                late: &late,
                params: &[],
                host: &mut services,
                room,
            };
            let want = interp::run(module, index, &mut packet, inputs);
            let effects = services.into_effects();
            let want = outcome(module, want.expect("a verified module does not trap"));
            let mut real = Packet::from(bytes.clone()).with_room(room.head, room.tail);
            let mut area = module.carried.clone();
            let got = instance.run(f.role, &mut real, &context, &mut area, Budget::Proven);
            let got = got.unwrap_or_else(|fault| panic!("{fault}\n{}", text::module(module)));
            let done = got.effects;
            let got = (u32::from(got.verdict.kind.number()), got.verdict.operand);
            let is_same = got == want && real.bytes() == packet && area == carried;
            let is_same = is_same && effects == done && state == *instance.state_mut();
            assert!(
                is_same,
                "machine {got:?}, IR {want:?}, {bytes:02x?}\n{}",
                text::module(module)
            );
        }
    }
}

/// Puts something into the tables of a generated module, so that lookups find it.
fn fill(state: &mut State) {
    for resource in state.resources().to_vec() {
        let name = &resource.name;
        let value: Vec<u8> = (1..).take(resource.value_bytes.into()).collect();
        for key in 0..3 {
            let mut bytes = vec![0; resource.key_bytes.into()];
            bytes.iter_mut().take(1).for_each(|first| *first = key);
            let done = match resource.kind {
                ResourceKind::Lpm => state.insert_prefix(name, &bytes, key.into(), &value),
                ResourceKind::Table | ResourceKind::Set => state.insert(name, &bytes, &value),
                _ => Ok(()),
            };
            done.expect("the entry fits");
        }
    }
}

/// A verdict as the machine reports it: operands that have no meaning are zero.
fn outcome(module: &Module, (kind, operand): (u32, u32)) -> (u32, u32) {
    let number = u8::try_from(kind).expect("verified modules give verdicts");
    let has_operand = match VerdictKind::from_number(number).expect("the same") {
        VerdictKind::Drop => module.profile == Profile::Resident,
        VerdictKind::Pass | VerdictKind::Reply | VerdictKind::Recirculate => false,
        VerdictKind::Forward | VerdictKind::Multicast | VerdictKind::Steer | VerdictKind::Punt => {
            true
        }
    };
    (kind, if has_operand { operand } else { 0 })
}

fn check(module: Module, target: &'static Target, packets: &[Vec<u8>], seed: u64) {
    let shown = text::module(&module);
    let mut diags = Diags::default();
    let Some(verified) = verify(module, &Limits::EDGE, &mut diags) else {
        let findings: Vec<&String> = diags.iter().map(|d| &d.message).collect();
        panic!("seed {seed}: {findings:?}\n{shown}");
    };
    match emit(
        &verified,
        &Options {
            target,
            ..Options::default()
        },
    ) {
        Ok(emitted) => compare(verified.module(), &emitted.image, packets, seed),
        Err(EmitError::TooLarge { .. } | EmitError::TargetLacks { .. }) => {}
        Err(error) => panic!("seed {seed}: {error}\n{shown}"),
    }
}

fn packets(seed: u64, count: u64) -> Vec<Vec<u8>> {
    (0..count)
        .map(|n| testing::packet(seed.wrapping_mul(31).wrapping_add(n)))
        .collect()
}

#[test]
fn cases_agree() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    for entry in std::fs::read_dir(folder).expect("the folder of cases is there") {
        let path = entry.expect("the folder can be read").path();
        if path.extension().is_some_and(|e| e == "nir") {
            let source = std::fs::read_to_string(&path).expect("a case can be read");
            let module = text::parse(&source).expect("a case parses");
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let named = stem.and_then(|stem| stem.rsplit_once('.'));
            let target = named.and_then(|(_, target)| Target::find(target).ok());
            let target = target.unwrap_or(Target::DEFAULT);
            check(module, target, &packets(7, 40), 7);
        }
    }
}

/// `SEEDS=5000 cargo test --release` looks further.
fn seeds() -> u64 {
    let set = std::env::var("SEEDS").ok();
    set.and_then(|n| n.parse().ok()).unwrap_or(40)
}

#[test]
fn generated_modules_agree() {
    for seed in 0..seeds() {
        check(
            testing::module(seed),
            Target::DEFAULT,
            &packets(seed, 12),
            seed,
        );
    }
}

#[test]
fn optimised_modules_agree() {
    for seed in 0..seeds() {
        let mut module = testing::module(seed);
        nfl_ir::passes::run(&mut module);
        check(module, Target::DEFAULT, &packets(seed, 12), seed);
    }
}

#[test]
fn modules_that_call_agree() {
    for seed in 0..seeds() {
        let mut module = testing::calling_module(seed);
        nfl_ir::passes::run(&mut module);
        check(module, Target::DEFAULT, &packets(seed, 12), seed);
    }
}

#[test]
fn generated_modules_agree_without_multiplier() {
    let target = Target::find("rv32ic").expect("a known target");
    for seed in 0..seeds() / 2 {
        check(testing::module(seed), target, &packets(seed, 8), seed);
    }
}

#[test]
fn modules_agree_with_everything_new_cores_have() {
    let target = Target::find("rv32-full").expect("a known target");
    for seed in 0..seeds() {
        check(testing::module(seed), target, &packets(seed, 8), seed);
        let mut module = testing::calling_module(seed);
        nfl_ir::passes::run(&mut module);
        check(module, target, &packets(seed, 8), seed);
    }
}

/// What the search finds computes the same, is no larger, and is found again.
#[test]
fn searched_modules_agree() {
    let size = |image: &Image| image.code.len() + image.constants.len() + image.certificate.len();
    for seed in 0..seeds() / 10 {
        let mut module = testing::calling_module(seed);
        nfl_ir::passes::run(&mut module);
        let shown = text::module(&module);
        let verified = verify(module, &Limits::EDGE, &mut Diags::default());
        let verified = verified.unwrap_or_else(|| panic!("seed {seed}\n{shown}"));
        let at = |level| {
            let options = Options {
                level,
                ..Options::default()
            };
            emit(&verified, &options).ok()
        };
        let Some(usual) = at(OptLevel::S) else {
            continue;
        };
        let searched = at(OptLevel::Z).expect("what -Os makes, -Oz makes");
        assert!(
            size(&searched.image) <= size(&usual.image),
            "seed {seed}\n{shown}"
        );
        assert_eq!(at(OptLevel::Z).as_ref(), Some(&searched), "seed {seed}");
        let packets = packets(seed, 12);
        compare(verified.module(), &searched.image, &packets, seed);
    }
}
