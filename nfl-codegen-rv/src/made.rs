//! What ways and tries have in common is done once.
//!
//! In: a module, a way and an attempt. Out: the module with the attempt's guards, and the code of its handlers before registers are
//! chosen, and then with registers. Guaranteed: what would come out if each were made anew; equal code is one [`Selected`].
//!
//! The idea: ways and tries differ in little. Most choices make no difference in a handler where there is nothing to choose,
//! and most of what a try learns concerns one handler.

use std::cell::OnceCell;
use std::rc::Rc;

use nfl_ir::Module;
use nfl_ir::verify::Verified;
use nfl_isa::Reg;

use crate::guard::Guards;
use crate::mir::{Func, VReg};
use crate::noise::Noise;
use crate::regalloc;
use crate::rotate::{self, Rotate};
use crate::scratch::{Full, Scratch};
use crate::select::Care;
use crate::{Attempt, EmitError, Options, Parts, Way, reform, select, share, sink};

/// All that was made of a module.
pub(crate) struct Made<'a> {
    pub(crate) verified: &'a Verified,
    pub(crate) options: &'a Options,
    sources: Vec<Source>,
    /// No two are equal.
    selected: Vec<Rc<Selected>>,
}

/// A module with guards.
pub(crate) struct Source {
    pub(crate) module: Module,
    pub(crate) parts: Parts,
    guards: Guards,
    bodies: Vec<Body>,
}

/// The code of a handler before its loops turn around, and the choices that led to it.
struct Body {
    handler: usize,
    care: Care,
    share_bytes: u32,
    /// Nothing where both lead to the same.
    sink: Option<bool>,
    windows: Option<bool>,
    code: Func<VReg>,
    scratch: Scratch,
    turned: Vec<(Rotate, Rc<Selected>)>,
}

/// The code of a handler before registers are chosen.
pub(crate) struct Selected {
    pub(crate) code: Func<VReg>,
    pub(crate) scratch: Scratch,
    allocated: OnceCell<Result<Func<Reg>, Full>>,
}

impl Selected {
    /// The code with registers, as they are chosen without noise.
    pub(crate) fn allocated(&self) -> Result<Func<Reg>, Full> {
        let allocate = || self.allocate(&Noise::default());
        self.allocated.get_or_init(allocate).clone()
    }

    /// The code with registers.
    pub(crate) fn allocate(&self, noise: &Noise) -> Result<Func<Reg>, Full> {
        regalloc::allocate(self.code.clone(), &mut self.scratch.clone(), noise)
    }
}

impl<'a> Made<'a> {
    pub(crate) fn new(verified: &'a Verified, options: &'a Options) -> Made<'a> {
        Made {
            verified,
            options,
            sources: Vec::new(),
            selected: Vec::new(),
        }
    }

    /// The module with the guards of an attempt, and the code of all its handlers.
    pub(crate) fn select(
        &mut self,
        way: Way,
        attempt: &mut Attempt,
    ) -> Result<(&Source, Vec<Rc<Selected>>), EmitError> {
        let at = self.source(attempt)?;
        let source = &mut self.sources[at];
        source.parts.lay = attempt.lay;
        source.parts.window = attempt.window;
        let mut all = Vec::with_capacity(source.module.functions.len());
        for n in 0..source.module.functions.len() {
            let body = source.body(n, way, attempt.care_of(n))?;
            all.push(body.turned(way.rotate, &mut self.selected));
        }
        Ok((&self.sources[at], all))
    }

    /// The module that was made last.
    pub(crate) fn into_source(mut self) -> Option<Source> {
        self.sources.pop()
    }

    /// Finds or makes the module with the guards of an attempt.
    fn source(&mut self, attempt: &mut Attempt) -> Result<usize, EmitError> {
        let sources = &self.sources;
        if let Some(at) = sources
            .iter()
            .position(|s| s.guards.are_where(&attempt.guards))
        {
            attempt.guards.clone_from(&sources[at].guards);
            return Ok(at);
        }
        let bounds = self.verified.bounds();
        let module = attempt.guards.apply(self.verified.module(), bounds);
        let parts = Parts::new(&module, self.options)?;
        self.sources.push(Source {
            module,
            parts,
            guards: attempt.guards.clone(),
            bodies: Vec::new(),
        });
        Ok(self.sources.len() - 1)
    }
}

impl Source {
    fn body(&mut self, n: usize, way: Way, care: Care) -> Result<&mut Body, EmitError> {
        let known = self.bodies.iter().position(|body| {
            (body.handler, body.care, body.share_bytes) == (n, care, way.share_bytes)
                && body.sink.is_none_or(|sink| sink == way.sink)
                && body.windows.is_none_or(|windows| windows == way.windows)
        });
        let at = match known {
            Some(at) => at,
            None => {
                let body = self.make(n, way, care)?;
                self.bodies.push(body);
                self.bodies.len() - 1
            }
        };
        Ok(&mut self.bodies[at])
    }

    fn make(&self, n: usize, way: Way, care: Care) -> Result<Body, EmitError> {
        let parts = &self.parts;
        let mut function = self.module.functions[n].clone();
        let scratch = Scratch::new(&function).map_err(crate::no_scratch)?;
        let resizes = parts.calls.resize(&function);
        let sinks = way.sink && sink::sink(&mut function, resizes);
        if care < Care::Widths {
            reform::reform(&mut function);
        }
        let input = select::Input {
            handler: n,
            function: &function,
            calls: &parts.calls,
            constants: &parts.constants,
            scratch: &scratch,
            isa: parts.isa,
            care,
            windows: way.windows,
        };
        let selected = select::select(input).map_err(|lacks| EmitError::TargetLacks {
            op: lacks.op,
            target: parts.isa.name,
            span: lacks.span,
        })?;
        let select::Selected {
            mut code,
            has_window,
        } = selected;
        share::constants(&mut code, way.share_bytes);
        if !resizes {
            share::bases(&mut code);
        }
        Ok(Body {
            handler: n,
            care,
            share_bytes: way.share_bytes,
            sink: (sinks || !way.sink).then_some(way.sink),
            windows: (has_window || !way.windows).then_some(way.windows),
            code,
            scratch,
            turned: Vec::new(),
        })
    }
}

impl Body {
    /// The code with its loops turned around.
    fn turned(&mut self, which: Rotate, all: &mut Vec<Rc<Selected>>) -> Rc<Selected> {
        if let Some((_, selected)) = self.turned.iter().find(|(done, _)| *done == which) {
            return Rc::clone(selected);
        }
        let mut code = self.code.clone();
        rotate::rotate(&mut code, which);
        let is_same = |other: &&Rc<Selected>| other.code == code && other.scratch == self.scratch;
        let selected = match all.iter().find(is_same) {
            Some(known) => Rc::clone(known),
            None => {
                let scratch = self.scratch.clone();
                let new = Rc::new(Selected {
                    code,
                    scratch,
                    allocated: OnceCell::new(),
                });
                all.push(Rc::clone(&new));
                new
            }
        };
        self.turned.push((which, Rc::clone(&selected)));
        selected
    }
}
