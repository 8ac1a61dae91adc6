//! Runs of handlers that may not be proved: what a counter-example does.
//!
//! In: a program without type errors, and what a run takes. Out: the verdict, or a finding that says what
//! failed and where. Guaranteed: the run is that of the intermediate form after the passes, in which
//! everything that would have to be proved is tested; the node's tables are empty.

use std::fmt;

use nfl_abi::Role;
use nfl_abi::codes::{self, Code};
use nfl_abi::image::VerdictKind;
use nfl_ir::replay::{Input, Replayed as Ended, replay};
use nfl_ir::{Function, Module};
use nfl_syntax::{Diagnostic, Diags};
use nfl_typeck::bind::Bindings;

use crate::compiler::{Build, root_functions};

/// What a run takes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Replay {
    /// The function; may be left out where the file has one.
    pub function: Option<String>,
    /// The handler; may be left out where the function has one.
    pub role: Option<Role>,
    /// The packet from the handler's layer on.
    pub packet: Vec<u8>,
    /// The memory that travels with it; as the function says if left out.
    pub carried: Option<Vec<u8>>,
    /// Words of the context: byte offset and number.
    pub context: Vec<(u32, u32)>,
    /// Numbers of parameters; the others have their defaults, or the smallest number they may have.
    pub set: Vec<(String, u32)>,
}

/// How a run ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Replayed {
    /// With a verdict: its kind, and its operand.
    Verdict(VerdictKind, u32),
    /// Something that must hold does not: the finding says what, and where.
    Fault(Diagnostic),
    /// It cannot be told: a service answers what an empty node does not know.
    Unknown,
}

/// Why there is no run.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReplayError {
    /// The program has errors that are no matter of proof.
    Unsound,
    /// There is no such function, or several; these there are.
    Function(Vec<String>),
    /// There is no such handler, or several; these there are.
    Handler(Vec<Role>),
    /// There is no parameter of this name that may be this number.
    Parameter(String),
    /// There is no word of the context at this offset.
    Context(u32),
    /// The `carried` memory has another size, in bytes.
    Carried(usize),
}

impl ReplayError {
    /// Its row in the table of diagnostic codes.
    pub fn code(&self) -> &'static Code {
        match self {
            ReplayError::Unsound => &codes::E910,
            ReplayError::Function(_) => &codes::E904,
            ReplayError::Handler(_) => &codes::E905,
            _ => &codes::E906,
        }
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Unsound => write!(out, "the file has errors, so nothing in it can be run"),
            ReplayError::Function(have) => {
                write!(out, "which function? the file has: {}", have.join(", "))
            }
            ReplayError::Handler(have) => {
                let have: Vec<&str> = have.iter().map(|role| role.text()).collect();
                write!(out, "which handler? the function has: {}", have.join(", "))
            }
            ReplayError::Parameter(name) => {
                write!(out, "no parameter `{name}` may have this number")
            }
            ReplayError::Context(at) => write!(out, "the context has no word at {at}"),
            ReplayError::Carried(bytes) => {
                write!(
                    out,
                    "the `carried` memory of the function has {bytes} bytes"
                )
            }
        }
    }
}

impl std::error::Error for ReplayError {}

impl Build {
    /// Runs a handler on a packet, proved or not, and says what fails.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] when there is no such handler, or not with this input.
    pub fn replay(&self, wanted: &Replay) -> Result<Replayed, ReplayError> {
        let modules = self.modules(wanted)?;
        let handlers = || modules.iter().flat_map(|m| m.functions.iter());
        let fits = |f: &Function| wanted.role.is_none_or(|role| f.role == role);
        let mut roles: Vec<Role> = handlers().map(|f| f.role).collect();
        roles.dedup();
        let mut chosen: Vec<Role> = handlers().filter(|f| fits(f)).map(|f| f.role).collect();
        chosen.dedup();
        let &[role] = chosen.as_slice() else {
            return Err(ReplayError::Handler(roles));
        };
        // Handlers that two images share are the same in both.
        let found = modules.iter().find_map(|m| {
            let at = m.functions.iter().position(|f| f.role == role)?;
            Some((m, at))
        });
        let (m, at) = found.ok_or(ReplayError::Handler(roles))?;
        let input = input(m, at, wanted)?;
        let limits = self.compiler.limits.of(m.profile);
        Ok(match replay(m, at, &input, limits) {
            Ended::Verdict(kind, operand) => {
                let kind = u8::try_from(kind).ok().and_then(VerdictKind::from_number);
                kind.map_or(Replayed::Unknown, |kind| Replayed::Verdict(kind, operand))
            }
            Ended::Fault(fault) => Replayed::Fault(match fault.span {
                Some(span) => Diagnostic::new(fault.code, span).label(fault.text),
                None => Diagnostic::bare(fault.code, fault.text),
            }),
            Ended::Unknown => Replayed::Unknown,
        })
    }

    /// The modules of the chosen function, with its parameters open.
    fn modules(&self, wanted: &Replay) -> Result<Vec<Module>, ReplayError> {
        let checked = &self.checked;
        let sound = checked.sound().ok_or(ReplayError::Unsound)?;
        let functions = root_functions(checked);
        let name = |id| checked.tables.functions[id].qualified.as_str();
        let fits = |name: &str| match wanted.function.as_deref() {
            None => true,
            Some(want) => name == want || name.strip_suffix(want).is_some_and(|p| p.ends_with('.')),
        };
        let mut chosen = functions.iter().copied().filter(|&id| fits(name(id)));
        let (Some(function), None) = (chosen.next(), chosen.next()) else {
            let have = functions.iter().map(|&id| name(id).to_string());
            return Err(ReplayError::Function(have.collect()));
        };
        let unbound = Bindings::unbound(checked, function);
        // What lowering finds was said when the file was built.
        let mut said = Diags::default();
        let mut modules = nfl_ir::lower::lower(sound, function, &unbound, &mut said);
        if said.has_errors() {
            return Err(ReplayError::Unsound);
        }
        for module in &mut modules {
            nfl_ir::passes::run(module);
        }
        Ok(modules)
    }
}

fn input(m: &Module, at: usize, wanted: &Replay) -> Result<Input, ReplayError> {
    let mut input = Input::new(m, &m.functions[at]);
    input.packet.clone_from(&wanted.packet);
    if let Some(carried) = &wanted.carried {
        if carried.len() != m.carried.len() {
            return Err(ReplayError::Carried(m.carried.len()));
        }
        input.carried.clone_from(carried);
    }
    for &(at, number) in &wanted.context {
        let word = usize::try_from(at).ok().filter(|at| at.is_multiple_of(4));
        let word = word.and_then(|at| input.context.get_mut(at / 4));
        *word.ok_or(ReplayError::Context(at))? = number;
    }
    for (name, number) in &wanted.set {
        if !input.set(m, name, *number) {
            return Err(ReplayError::Parameter(name.clone()));
        }
    }
    Ok(input)
}
