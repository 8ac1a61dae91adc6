//! Our own engines' side of the protocol.
//!
//! In: lines with requests. Out: lines with replies. Guaranteed: one reply for each line, and no panic on any.

use std::collections::BTreeMap;

use nfl_abi::Image;
use nfl_isa::TARGETS;
use nfl_vm::{Budget, Loaded, Policy};

use super::VERSION;
use super::node::{self, NodeError};
use super::vector::{Answered, Hello, Program, Reply, Request, Vector};
use crate::Engine;

/// One of our engines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EngineKind {
    /// The interpreter that checks every rule, on whatever it is given.
    Checked,
    /// The interpreter for proved images.
    Interp,
    /// Host code for proved images. What it cannot compile it skips.
    #[cfg(feature = "jit")]
    Jit,
}

impl EngineKind {
    /// All of them.
    pub const ALL: &'static [EngineKind] = &[
        EngineKind::Checked,
        EngineKind::Interp,
        #[cfg(feature = "jit")]
        EngineKind::Jit,
    ];

    /// Its name.
    pub fn text(self) -> &'static str {
        match self {
            EngineKind::Checked => "checked",
            EngineKind::Interp => "interp",
            #[cfg(feature = "jit")]
            EngineKind::Jit => "jit",
        }
    }
}

/// A program that an engine took.
#[derive(Debug)]
enum Taken {
    /// To be checked while it runs.
    Checked(Box<Image>),
    Proved(Loaded),
}

/// A conversation with one of our engines.
#[derive(Debug)]
pub struct Session {
    kind: EngineKind,
    programs: BTreeMap<String, Taken>,
    #[cfg(feature = "jit")]
    jit: Result<nfl_vm::Jit, nfl_vm::Unsupported>,
}

impl Session {
    /// With an engine of this kind.
    pub fn new(kind: EngineKind) -> Session {
        Session {
            kind,
            programs: BTreeMap::new(),
            #[cfg(feature = "jit")]
            jit: nfl_vm::Jit::new(),
        }
    }

    /// The reply to a line, as a line without its end.
    ///
    /// # Errors
    ///
    /// What is wrong with the line.
    pub fn reply(&mut self, line: &str) -> Result<String, serde_json::Error> {
        let reply = match serde_json::from_str(line)? {
            Request::Hello(_) => Reply::Hello(self.hello()),
            Request::Program(program) => self.take(&program),
            Request::Vector(vector) => self.run(&vector, false),
            Request::Trace(vector) => self.run(&vector, true),
        };
        serde_json::to_string(&reply)
    }

    fn hello(&self) -> Hello {
        Hello {
            conformance: VERSION,
            engine: format!("nflc {}", self.kind.text()),
            version: env!("CARGO_PKG_VERSION").to_string(),
            targets: TARGETS.iter().map(|target| target.name.into()).collect(),
            faults: true,
            trace: self.kind == EngineKind::Checked,
        }
    }

    fn take(&mut self, program: &Program) -> Reply {
        let image = match program.image() {
            Ok(image) => image,
            Err(error) => return Reply::Refused(error.to_string()),
        };
        let taken = match self.kind {
            EngineKind::Checked => Taken::Checked(Box::new(image)),
            _ => match Engine::interp().load_unsigned(image, &Policy::ALL) {
                Ok(loaded) => Taken::Proved(loaded),
                Err(error) => return Reply::Refused(error.to_string()),
            },
        };
        #[cfg(feature = "jit")]
        if let (EngineKind::Jit, Taken::Proved(loaded)) = (self.kind, &taken) {
            let compiled = match &self.jit {
                Ok(jit) => jit.compile(loaded),
                Err(why) => Err(why.clone()),
            };
            if let Err(why) = compiled {
                return Reply::Skipped(why.to_string());
            }
        }
        self.programs.insert(program.name.clone(), taken);
        Reply::Ready {}
    }

    fn run(&self, vector: &Vector, traced: bool) -> Reply {
        let answered = match self.programs.get(&vector.program) {
            Some(Taken::Checked(image)) if traced => node::trace(image, vector),
            Some(Taken::Checked(image)) => node::answer(image, vector),
            Some(Taken::Proved(loaded)) => proved(loaded, vector),
            None => return Reply::Skipped(format!("there is no program `{}`", vector.program)),
        };
        match answered {
            Ok(answered) => Reply::Answered(answered),
            Err(error) => Reply::Skipped(error.to_string()),
        }
    }
}

/// Runs a vector as a node does.
fn proved(loaded: &Loaded, vector: &Vector) -> Result<Answered, NodeError> {
    let mut instance = loaded.instance();
    let mut answered = Answered::default();
    for run in &vector.runs {
        for put in &run.world {
            node::store(&mut instance.state_mut(), put)?;
        }
        let mut packet = node::packet(run);
        let mut carried = run.carried.0.clone();
        let context = node::context(run);
        let result = instance.run_entry(
            vector.entry,
            &mut packet,
            &context,
            &mut carried,
            Budget::Proven,
        );
        let mut result = result;
        let effects = match &mut result {
            Ok(outcome) => std::mem::take(&mut outcome.effects),
            Err(_) => nfl_vm::Effects::default(),
        };
        let mut answer = node::answer_of(result, &packet, &carried, effects);
        if let Some(told) = &mut answer.told {
            node::heard(told, &mut instance.state_mut());
        }
        answered.runs.push(answer);
    }
    answered.state = Some(node::kept(&instance.state_mut())?);
    Ok(answered)
}
