//! One program in every form: its source, its modules before and after the passes, and its code.
//!
//! In: a checked function, or the seed of a generated one. Out: what was run, and maybe lines for an
//! engine that is not ours. Guaranteed: all forms gave the same verdict, packet and `carried` bytes, or
//! the first difference is told.

use nfl_abi::{Entry, Image, Layer, Limits, Role};
use nfl_codegen_rv::{EmitError, Options};
use nfl_syntax::Diags;
use nfl_typeck::bind::bind;
use nfl_typeck::tables::FunctionId;
use nfl_vm::Context;
use serde_json::json;

use crate::agree::{After, Engines, context_words};
use crate::generate;
use crate::oracle::Oracle;
use crate::packet::digits;
use crate::pipeline::{Checking, Stages, check_text};

/// Packets for each handler of a generated program.
pub const EACH: u64 = 16;

/// A function in both forms: as source and as images.
#[derive(Debug)]
pub struct Both<'c> {
    oracle: Oracle<'c>,
    /// Its images.
    pub stages: &'c [Stages],
}

impl Both<'_> {
    /// The image that has a handler for a role.
    ///
    /// # Errors
    ///
    /// A sentence when there is none.
    pub fn image(&self, role: Role) -> Result<&Stages, String> {
        let has = |s: &&Stages| s.image.manifest.entries.iter().any(|e| e.role == role);
        let stages = self.stages.iter().find(has);
        stages.ok_or(format!("no image has `{}`", role.text()))
    }

    /// Runs one packet through everything.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn run(
        &self,
        engines: &mut Engines<'_>,
        stages: &Stages,
        role: Role,
        bytes: &[u8],
        context: &Context,
        carried: &[u8],
    ) -> Result<After, String> {
        let after = engines.run(role, bytes, context, carried)?;
        // The interpreter of the source has no services.
        if !stages.lowered.imports.is_empty() {
            return Ok(after);
        }
        let answer = self.oracle.run(role, bytes, context, carried)?;
        self.oracle
            .compare(&answer, &stages.image.manifest, &after)?;
        Ok(after)
    }
}

/// Checks, binds and compiles; then hands both forms over.
///
/// # Errors
///
/// What the compiler says, or `then`.
pub fn with_both<T>(
    checking: &Checking,
    function: FunctionId,
    sets: &[(String, String)],
    then: impl FnOnce(&Both<'_>) -> Result<T, String>,
) -> Result<T, String> {
    let stages = checking.stages(function, sets)?;
    let mut diags = Diags::default();
    let bindings = bind(&checking.checked, function, sets, &mut diags);
    let bindings = bindings.ok_or("the parameters have no values")?;
    let sound = checking.checked.sound().ok_or("there are errors")?;
    then(&Both {
        oracle: Oracle::new(sound, function, &bindings),
        stages: &stages,
    })
}

/// What one generated program was good for.
#[derive(Clone, Default, Debug)]
pub struct Tried {
    /// Whether it is too large for an image or takes too many steps; then nothing was run.
    pub too_much: bool,
    /// Packets that went through all engines.
    pub packets: u64,
    /// Those of them that also went through code that was made without any pass.
    pub unoptimised: u64,
    /// The images and runs as lines for another engine (the form of `vectors`).
    pub lines: String,
}

/// What else is wanted of a generated program.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Lines for another engine.
    pub lines: bool,
    /// Code that was made without any pass. It is large, and to make it takes most of the time.
    pub unoptimised: bool,
}

/// One generated program on its packets.
///
/// # Errors
///
/// The first difference, or what the compiler says; a panic is a sentence, too.
pub fn tried(seed: u64, wanted: Wanted) -> Result<Tried, String> {
    let run = std::panic::catch_unwind(|| generated(seed, wanted));
    run.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or(panic.downcast_ref::<&str>().map(|s| s.to_string()));
        Err(format!("the compiler panics: {}", text.unwrap_or_default()))
    })
}

/// Words of refusals that are about size.
const TOO_MUCH: &[&str] = &[
    "too large",
    "steps of a run",
    "the image: ",
    "the manifest: ",
];

fn generated(seed: u64, wanted: Wanted) -> Result<Tried, String> {
    let program = generate::program(seed);
    let checking = check_text("generated.nfl", &program.text);
    let function = checking.function(Some("Generated"))?;
    let done = with_both(&checking, function, &[], |both| {
        let mut done = Tried::default();
        for stages in both.stages {
            let plain = match wanted.unoptimised {
                true => unoptimised(stages)?,
                false => None,
            };
            let forms = (stages, plain.as_ref());
            for entry in &stages.image.manifest.entries {
                over(&program, seed, both, forms, entry, wanted.lines, &mut done)?;
            }
        }
        Ok(done)
    });
    match done {
        // That is no difference.
        Err(e) if TOO_MUCH.iter().any(|word| e.contains(word)) => Ok(Tried {
            too_much: true,
            ..Tried::default()
        }),
        done => done,
    }
}

/// One handler on its packets.
fn over(
    program: &generate::Program,
    seed: u64,
    both: &Both<'_>,
    (stages, plain): (&Stages, Option<&Stages>),
    entry: &Entry,
    lines: bool,
    done: &mut Tried,
) -> Result<(), String> {
    let mut engines = Engines::new(stages)?;
    let mut others = plain.map(Engines::new).transpose()?;
    let manifest = &stages.image.manifest;
    let lines = lines && manifest.imports.is_empty() && entry.role != Role::Every;
    // An engine holds one image at a time, so the lines of one come after those of the other.
    let (mut first, mut second) = (String::new(), String::new());
    if lines {
        first = head(&manifest.name, &stages.image, entry);
        let same = |e: &&Entry| e.role == entry.role;
        let other = plain.and_then(|p| Some((p, p.image.manifest.entries.iter().find(same)?)));
        second = other.map_or(second, |(plain, entry)| {
            head(
                &format!("{} without passes", manifest.name),
                &plain.image,
                entry,
            )
        });
    }
    let mut carried = manifest.carried.clone();
    for number in 0..EACH {
        let bytes = generate::packet(program, seed * EACH + number);
        let context = Context {
            ingress_port: number as u32 * 77 % 65_536,
            node_id: (seed as u32).wrapping_mul(2_654_435_761),
            queue_depth: number as u32,
            network_offset: (entry.layer == Layer::Network).then_some(0),
            ..Context::default()
        };
        let role = entry.role;
        let told = |e: String| {
            let (role, shown) = (role.text(), digits(&bytes));
            let carried = digits(&carried);
            format!("on {role} packet {number} {shown} carried {carried}: {e}")
        };
        let after = both.run(&mut engines, stages, role, &bytes, &context, &carried);
        let after = after.map_err(told)?;
        let of = || format!("seed {seed} packet {number}");
        if let Some(others) = &mut others {
            let plain = others.run(role, &bytes, &context, &carried);
            let plain = plain.map_err(told)?;
            same(&plain, &after).map_err(told)?;
            done.unoptimised += 1;
            if lines {
                second += &line(&bytes, of(), &context, &carried, &plain);
            }
        }
        if lines {
            first += &line(&bytes, of(), &context, &carried, &after);
        }
        carried = after.carried;
        done.packets += 1;
    }
    done.lines += &first;
    done.lines += &second;
    Ok(())
}

/// The same function without any pass of the optimiser; `None` where that is too large for an image, or
/// cannot be proved as it is, which is what some passes are for.
fn unoptimised(stages: &Stages) -> Result<Option<Stages>, String> {
    let mut diags = Diags::default();
    let lowered = stages.lowered.clone();
    let Some(verified) = nfl_ir::verify::verify(lowered, &Limits::EDGE, &mut diags) else {
        return Ok(None);
    };
    let emitted = match nfl_codegen_rv::emit(&verified, &Options::default()) {
        Ok(emitted) => emitted,
        Err(EmitError::TooLarge { .. }) => return Ok(None),
        Err(error) => return Err(format!("without passes: {error}")),
    };
    Ok(Some(Stages {
        lowered: stages.lowered.clone(),
        optimised: verified.module().clone(),
        image: emitted.image,
        lines: emitted.lines,
    }))
}

fn same(plain: &After, optimised: &After) -> Result<(), String> {
    let outcome = |after: &After| (after.outcome.verdict, after.outcome.effects.clone());
    let all = |after: &After| (outcome(after), after.packet.clone(), after.carried.clone());
    if all(plain) == all(optimised) {
        return Ok(());
    }
    Err(format!(
        "without passes {:x?}, with them {:x?}",
        all(plain),
        all(optimised)
    ))
}

/// An image's line for another engine, under a name.
pub fn head(name: &str, image: &Image, entry: &Entry) -> String {
    let head = json!({
        "image": name,
        "on": entry.role.text(),
        "code": digits(&image.code),
        "constants": digits(&image.constants),
        "pc": entry.pc,
        "need": entry.need,
        "malformed": [entry.malformed.kind.number(), entry.malformed.operand],
        "window": image.manifest.window,
    });
    format!("{head}\n")
}

/// A run's line: what it was given, and what the machine made of it.
pub fn line(bytes: &[u8], of: String, context: &Context, carried: &[u8], after: &After) -> String {
    let verdict = after.outcome.verdict;
    let run = json!({
        "packet": digits(bytes),
        "of": of,
        "context": context_words(context, false),
        "carried": digits(carried),
        "verdict": [verdict.kind.number(), verdict.operand],
        "packet after": digits(&after.packet),
        "carried after": digits(&after.carried),
        "steps": after.outcome.steps,
    });
    format!("{run}\n")
}
