//! What a node grants, what it loads, and what it hands to a handler.

use nfl_abi::image::{Image, Right, Rights, VerdictKind};
use nfl_abi::{Limits, Role};
use nfl_verify::{certify, prove};
use nfl_vm::{Budget, Context, Instance, LoadError, Loaded, Loader, Outcome, Packet, Policy, load};

mod common;

fn pass() -> Image {
    let mut image = common::image(nfl_isa::assemble("li a0, 1\nebreak\n").expect("code"));
    image.manifest.rights = Rights::NONE.with(Right::Rewrite).with(Right::Route);
    image.manifest.verdicts = 0b11_0111 & !(1 << VerdictKind::Multicast.number());
    image.certificate = certify(&image, &Limits::EDGE).expect("no loop");
    image
}

fn try_load(image: &Image, policy: &Policy) -> Result<Loaded, String> {
    let proven = prove(image, &Limits::EDGE).map_err(|refusal| refusal.to_string())?;
    load(proven, policy).map_err(|error| error.to_string())
}

#[test]
fn nothing_is_loaded_that_asks_for_more_than_is_granted() {
    let refusal = |policy: Policy| try_load(&pass(), &policy).err().unwrap_or_default();
    assert_eq!(refusal(Policy::ALL), "");
    let rights = Rights::NONE.with(Right::Clock);
    assert_eq!(
        refusal(Policy {
            rights,
            ..Policy::ALL
        }),
        "the policy does not grant `Rewrite`, `Route`"
    );
    assert_eq!(
        refusal(Policy {
            verdicts: 0b11,
            ..Policy::ALL
        }),
        "the policy does not allow the verdict `Forward`"
    );
    assert_eq!(
        refusal(Policy {
            steps_max: 1,
            ..Policy::ALL
        }),
        "the `ingress` handler may take 2 steps and the policy allows 1"
    );
    assert_eq!(
        refusal(Policy {
            steps_max: 2,
            ..Policy::ALL
        }),
        ""
    );
}

#[test]
fn a_loader_keeps_nothing_of_the_image_before() {
    let of = |text: &str| {
        let code = nfl_isa::assemble(text).expect("code");
        Image { code, ..pass() }
    };
    let long = "lbu a2, 24(gp)\naddi a2, a2, -69\nbnez a2, end\nli a0, 1\nend:\nadd a0, a0, zero\nebreak\n";
    let images = [
        pass(),
        of(long),
        of("lbu a2, 2000(s0)\nebreak\n"),
        of("li a0, 1\nebreak\n"),
        of("auipc a0, 1\nebreak\n"),
        pass(),
        of(long),
    ];
    let mut loader = Loader::default();
    let mut loaded = 0;
    for image in &images {
        let once = try_load(image, &Policy::ALL).map(|program| format!("{program:?}"));
        let program = loader.load(image.clone(), &Limits::EDGE, &Policy::ALL);
        loaded += usize::from(program.is_ok());
        let program = program.map(|program| format!("{program:?}"));
        assert_eq!(program.map_err(|error| error.to_string()), once);
    }
    assert_eq!(loaded, 5);
    let denied = loader.load(
        pass(),
        &Limits::EDGE,
        &Policy {
            verdicts: 0b11,
            ..Policy::ALL
        },
    );
    assert!(matches!(
        denied,
        Err(LoadError::Verdict(VerdictKind::Forward))
    ));
}

fn run(
    role: Role,
    packet_len: usize,
    carried_len: usize,
    budget: Budget,
) -> Result<Outcome, String> {
    let loaded = try_load(&pass(), &Policy::ALL)?;
    let mut packet = Packet::from(vec![0; packet_len]);
    let mut carried = vec![0; carried_len];
    let mut instance = loaded.instance();
    let result = instance.run(role, &mut packet, &Context::default(), &mut carried, budget);
    result.map_err(|fault| fault.to_string())
}

#[test]
fn a_handler_is_handed_what_it_takes() {
    let outcome = run(Role::Ingress, 65_535, 0, Budget::Proven).expect("a verdict");
    assert_eq!(
        (outcome.verdict.kind, outcome.steps),
        (VerdictKind::Pass, Some(2))
    );
    let fault = |role, packet, carried, budget| run(role, packet, carried, budget).err();
    assert_eq!(
        fault(Role::Egress, 0, 0, Budget::Proven).as_deref(),
        Some("the image has no `egress` handler")
    );
    assert_eq!(
        fault(Role::Ingress, 65_536, 0, Budget::Proven).as_deref(),
        Some("the packet has 65536 bytes and a handler takes at most 65535")
    );
    assert_eq!(
        fault(Role::Ingress, 0, 1, Budget::Proven).as_deref(),
        Some("the carried area has 1 bytes and the image wants 0")
    );
    assert_eq!(
        fault(Role::Ingress, 0, 0, Budget::Steps(1)).as_deref(),
        Some("at 0x0004: the budget of 1 steps is used up")
    );
}

#[test]
fn a_loaded_program_says_what_it_is() {
    let loaded = try_load(&pass(), &Policy::ALL).expect("loaded");
    assert_eq!(loaded.steps_max(Role::Ingress), Some(2));
    assert_eq!(loaded.steps_max(Role::Egress), None);
    assert_eq!(loaded.entry(Role::Ingress).map(|e| e.pc), Some(0));
    assert!(loaded.entry(Role::Egress).is_none());
    assert_eq!(Outcome::from_fault().verdict.operand, 255);
}

/// Threads share a program and each has an instance.
#[test]
fn threads_may_share_a_program() {
    fn shared<T: Send + Sync + Clone>() {}
    fn sent<T: Send>() {}
    shared::<Loaded>();
    sent::<Instance>();
}
