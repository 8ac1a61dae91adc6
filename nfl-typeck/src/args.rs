//! Arguments by position and by name.
//!
//! In: parameters and the arguments of a call or constructor. Out: one expression for each parameter,
//! in the parameters' order, defaults filled in, noted in `Tables.args`.

use crate::check::Checker;
use crate::ty::Ty;
use nfl_abi::codes;
use nfl_syntax::Name;
use nfl_syntax::ast::{Arg, ExprId};

/// A parameter, as far as arguments are concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: Name,
    pub(crate) ty: Ty,
    pub(crate) default: Option<ExprId>,
}

impl Checker<'_> {
    /// Checks arguments against parameters; nothing after a report. `what` is called or made.
    pub(crate) fn order_args(
        &mut self,
        e: ExprId,
        what: &str,
        params: &[Parameter],
        args: &[Arg],
    ) -> Option<Vec<ExprId>> {
        let errors = self.diags.iter().len();
        let places = self.place_args(what, params, args);
        let mut given: Vec<Option<ExprId>> = vec![None; params.len()];
        for (arg, place) in args.iter().zip(&places) {
            match *place {
                Some(at) => {
                    given[at] = Some(arg.value);
                    self.initial(arg.value, params[at].ty);
                }
                None if self.is_flexible(arg.value) => {}
                None => {
                    self.expr(arg.value, None);
                }
            }
        }
        let complete = places.iter().all(Option::is_some);
        let mut ordered = Vec::with_capacity(params.len());
        let mut missing = Vec::new();
        for (param, given) in params.iter().zip(given) {
            match given.or(param.default) {
                Some(value) => ordered.push(value),
                None => missing.push(self.text(param.name)),
            }
        }
        if !missing.is_empty() && complete {
            let takes = match params.len() {
                1 => "1 argument".to_string(),
                n => format!("{n} arguments"),
            };
            let finding = self
                .at(&codes::E213, self.span(e))
                .message(format!("`{what}` takes {takes}, not {}", args.len()))
                .label(format!("missing: {}", missing.join(", ")));
            self.report(finding);
        }
        if self.diags.iter().len() > errors {
            return None;
        }
        self.t.args.set(e, Some(ordered.clone()));
        Some(ordered)
    }

    /// The parameter of each argument; nothing for those without one, after a report.
    fn place_args(&mut self, what: &str, params: &[Parameter], args: &[Arg]) -> Vec<Option<usize>> {
        let mut taken = vec![false; params.len()];
        let mut named = false;
        let mut places = Vec::with_capacity(args.len());
        let mut too_many = false;
        for (index, arg) in args.iter().enumerate() {
            let place = match arg.name {
                Some(name) => {
                    named = true;
                    let at = params.iter().position(|p| p.name == name.name);
                    if at.is_none() {
                        let all: Vec<&str> = params.iter().map(|p| self.text(p.name)).collect();
                        let near =
                            crate::resolve::nearest(self.text(name.name), all.iter().copied());
                        let mut finding = self
                            .at(&codes::E213, name.span)
                            .message(format!(
                                "`{what}` has no parameter `{}`",
                                self.text(name.name)
                            ))
                            .label("no such parameter");
                        if let Some(near) = near {
                            finding = finding.help(format!("did you mean `{near}`?"));
                        }
                        self.report(finding);
                    }
                    at
                }
                None if named => {
                    let finding = self
                        .at(&codes::E213, self.span(arg.value))
                        .message("an argument by position stands behind one by name")
                        .label("which parameter is this?");
                    self.report(finding);
                    None
                }
                None if index < params.len() => Some(index),
                None => {
                    too_many = true;
                    None
                }
            };
            let twice = place.is_some_and(|at| std::mem::replace(&mut taken[at], true));
            if let (true, Some(at)) = (twice, place) {
                let finding = self
                    .at(&codes::E213, self.span(arg.value))
                    .message(format!("`{}` is given twice", self.text(params[at].name)))
                    .label("it already has a value");
                self.report(finding);
            }
            places.push(place.filter(|_| !twice));
        }
        if let (true, Some(extra)) = (too_many, args.get(params.len())) {
            let finding = self
                .at(&codes::E213, self.span(extra.value))
                .message(format!(
                    "`{what}` takes {} argument{}, not {}",
                    params.len(),
                    if params.len() == 1 { "" } else { "s" },
                    args.len()
                ))
                .label("one too many");
            self.report(finding);
        }
        places
    }
}
