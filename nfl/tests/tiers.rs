//! Programs are interpreted until they are hot, and compiled once.

use nfl::{
    Budget, Compiler, Context, Engine, HOT_AFTER, Image, Instance, Limits, MemoryFiles, Outcome,
    Packet, Policy, Role,
};

/// Runs within which a thread that compiles must have had its turn.
const TURNS: u32 = 20_000_000;

fn image(port: u16) -> Image {
    let source = format!(
        "package t;\nimport nfl.net.*;\nfunction F() {{\n on originator(Packet pkt) {{\n  \
         if (pkt instanceof Ipv4 ip / Tcp tcp && tcp.dport == {port}) return Pass;\n  \
         return Drop;\n }}\n}}\n"
    );
    let files = MemoryFiles::from([("f.nfl", source.as_str())]);
    let unit = Compiler::new(Limits::EDGE).build(&files, "f.nfl").finish();
    let unit = unit.expect("it compiles");
    let function = unit.function("F").expect("it is there");
    let images = function.bind(&[]).and_then(|bound| bound.images());
    images.expect("it is proved").remove(0).image
}

fn run(instance: &mut Instance) -> Outcome {
    let mut packet = Packet::from(vec![0x45; 40]);
    let mut carried = instance.loaded().image().manifest.carried.clone();
    let role = Role::Originator;
    let context = Context::default();
    let ran = instance.run(role, &mut packet, &context, &mut carried, Budget::Proven);
    ran.expect("a verdict")
}

#[test]
fn a_hot_program_is_compiled_once_for_all_who_have_it() {
    let Ok(engine) = Engine::tiered() else {
        // This host has no host code.
        return;
    };
    let load = |port| engine.load_unsigned(image(port), &Policy::ALL);
    let program = load(443).expect("it is proved");
    let same = load(443).expect("it is known");
    let other = load(80).expect("it is proved");
    let (mut instance, mut again) = (program.instance(), same.instance());
    let interpreted = run(&mut instance);
    assert!(interpreted.steps.is_some());
    // Instances tell of their runs now and then; both together make the program hot.
    for _ in 0..HOT_AFTER / 2 + 64 {
        assert_eq!(run(&mut instance), interpreted);
        assert_eq!(run(&mut again), interpreted);
    }
    assert!(!program.is_compiled(), "nobody compiled it");
    assert_eq!(engine.compile_hot(), 1);
    assert_eq!(engine.compile_hot(), 0);
    assert!(program.is_compiled() && same.is_compiled() && !other.is_compiled());
    let native = run(&mut again);
    assert_eq!(native.steps, None);
    assert_eq!(native.verdict, interpreted.verdict);
}

#[test]
fn a_program_that_is_gone_is_not_compiled() {
    let Ok(engine) = Engine::tiered() else {
        return;
    };
    let program = engine.load_unsigned(image(443), &Policy::ALL);
    let mut instance = program.expect("it is proved").instance();
    for _ in 0..HOT_AFTER + 64 {
        run(&mut instance);
    }
    drop(instance);
    assert_eq!(engine.compile_hot(), 0);
}

#[test]
fn a_thread_compiles_what_becomes_hot() {
    let Ok(engine) = Engine::tiered() else {
        return;
    };
    let compiler = engine.spawn_compiler().expect("the system gives a thread");
    let program = engine.load_unsigned(image(443), &Policy::ALL);
    let program = program.expect("it is proved");
    let mut instance = program.instance();
    let verdict = run(&mut instance).verdict;
    let mut turns = 0;
    while !program.is_compiled() {
        assert!(turns < TURNS, "the program stays cold");
        assert_eq!(run(&mut instance).verdict, verdict);
        std::thread::yield_now();
        turns += 1;
    }
    assert_eq!(run(&mut instance).verdict, verdict);
    drop(compiler);
}

#[test]
fn a_program_that_is_warmed_up_is_compiled_before_it_runs() {
    let Ok(engine) = Engine::tiered() else {
        return;
    };
    let load = |port| engine.load_unsigned(image(port), &Policy::ALL);
    let program = load(443).expect("it is proved");
    let other = load(80).expect("it is proved");
    assert!(!Engine::interp().warm_up(&program) && !program.is_compiled());
    assert!(engine.warm_up(&program) && engine.warm_up(&program));
    assert!(program.is_compiled() && !other.is_compiled());
    let native = run(&mut program.instance());
    assert_eq!(native.steps, None);
    assert_eq!(native.verdict, run(&mut other.instance()).verdict);
    assert_eq!(engine.compile_hot(), 0);
}
