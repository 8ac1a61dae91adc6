//! Methods, inlined where they are called.
//!
//! In: a call and what it resolves to. Out: its value. Guaranteed: arguments are evaluated before
//! the body, once each, from left to right.

use super::value::Memory;
use super::{Exits, Local, Lower, Out, Val};
use crate::op::Op;
use nfl_syntax::ast::{DeclKind, ExprId, StmtId, StmtKind};
use nfl_typeck::tables::{DispatchId, MethodId};
use nfl_typeck::{Ty, TyKind};

impl<'a> Lower<'_, 'a> {
    /// A method of the program.
    pub(super) fn call(&mut self, e: ExprId, method: MethodId) -> Val {
        let sound = self.image.sound;
        let def = &sound.tables().methods[method];
        let this = match (def.this, self.receiver(e)) {
            (Some(_), Some(base)) => match self.expr(base) {
                Val::View(view) => Some(view),
                _ => None,
            },
            (Some(_), None) => self.this.clone(),
            _ => None,
        };
        let receiver = def.receiver.map(|_| self.receiver_value(e));
        let args = self.argument_values(e, method);
        self.inline(method, this, receiver, args)
    }

    /// `this` of a callee: what stands before the dot, else the caller's own.
    fn receiver_value(&mut self, e: ExprId) -> Val {
        match self.receiver(e) {
            Some(base) => self.expr(base),
            None => match self.own.and_then(|own| self.locals.get(&own).cloned()) {
                Some(Local::Fixed(val)) => val,
                _ => Val::Unit,
            },
        }
    }

    /// The arguments of a call as variables of the callee.
    fn argument_values(&mut self, e: ExprId, method: MethodId) -> Vec<Local> {
        let sound = self.image.sound;
        let def = &sound.tables().methods[method];
        let params = &def.params;
        let args = self.args(e);
        let mut locals = Vec::with_capacity(params.len());
        for (at, (&param, &arg)) in params.iter().zip(&args).enumerate() {
            let ty = sound.tables().locals[param].ty;
            let written = self.image.written.contains(&param);
            self.reads_like(param, arg);
            locals.push(match self.kind(ty) {
                TyKind::Array(..) => self.array_argument(arg, ty, written),
                TyKind::Bytes => Local::Fixed(Val::Words(self.bytes_of(arg).to_vec())),
                // A view of one header stays one where any of several may be given.
                TyKind::View(_) | TyKind::OneOf(_) => Local::Fixed(self.expr(arg)),
                // A callee moves the cursor of its caller.
                TyKind::Cursor => Local::Vars(self.cursor(arg).to_vec()),
                _ if written || !self.is_same(arg, ty) => {
                    let vars = self.vars(ty);
                    if vars.is_empty() {
                        Local::Fixed(self.expr(arg))
                    } else {
                        self.assign_vars(&vars, arg, ty);
                        Local::Vars(vars)
                    }
                }
                _ => Local::Fixed(self.expr(arg)),
            });
            if let (Some(&Some(range)), None, Some(local)) =
                (def.ranges.get(at), self.konst(arg), locals.last())
            {
                let local = local.clone();
                self.in_range(&local, arg, ty, range);
            }
        }
        locals
    }

    /// Asks for the proof that an argument lies in the range of its parameter, which the callee relies on.
    fn in_range(&mut self, local: &Local, arg: ExprId, ty: Ty, (lo, hi): (i128, i128)) {
        let w = self.image.width(ty);
        let words = match local {
            Local::Vars(vars) => vars.iter().map(|&var| self.b.read(var)).collect(),
            Local::Fixed(val) => self.flat(val, ty),
        };
        let (low, high) = (self.b.number(lo as u128, w), self.b.number(hi as u128, w));
        let span = self.b.span;
        self.b.span = Some(self.image.sound.program().ast.exprs[arg].span);
        let one_word = w.words() == 1 && !w.signed;
        if one_word {
            // In the form of a comparison with a constant, which the verifier remembers best.
            if lo > 0 {
                let holds = self.b.compare(Op::Geu, words[0], low[0]);
                self.b.assert(holds);
            }
            if let Ok(end) = u32::try_from(hi + 1) {
                let end = self.b.constant(end);
                let holds = self.b.compare(Op::Ltu, words[0], end);
                self.b.assert(holds);
            }
        } else {
            for (a, b) in [(&words, &low), (&high, &words)] {
                let less = self.b.less(a, b, w);
                let holds = self.b.not(less);
                self.b.assert(holds);
            }
        }
        self.b.span = span;
    }

    /// Whether an argument needs no conversion.
    fn is_same(&self, arg: ExprId, ty: Ty) -> bool {
        self.ty(arg) == ty
    }

    /// An array is given as it lies, unless the callee writes to it or it lies where others write.
    fn array_argument(&mut self, arg: ExprId, ty: Ty, written: bool) -> Local {
        match self.expr(arg) {
            Val::Memory(memory) if !written && !is_shared(&memory) => {
                Local::Fixed(Val::Memory(memory))
            }
            val => {
                let words = self.flat(&val, ty);
                let memory = self.scratch(ty, "");
                self.store(&memory, &words);
                Local::Fixed(Val::Memory(memory))
            }
        }
    }

    /// A call of a method that each member of a sealed interface has for itself.
    pub(super) fn dispatch(&mut self, e: ExprId, dispatch: DispatchId) -> Val {
        let tables = self.image.sound.tables();
        let methods = &tables.dispatches[dispatch];
        let val = self.receiver_value(e);
        let ty = match (self.receiver(e), self.own) {
            (Some(base), _) => self.ty(base),
            (None, Some(own)) => tables.locals[own].ty,
            _ => return Val::Unit,
        };
        let TyKind::Sealed(sealed) = self.kind(ty) else {
            return Val::Unit;
        };
        let Some(&first) = methods.first() else {
            return Val::Unit;
        };
        let args = self.argument_values(e, first);
        let result = tables.methods[first].result.unwrap_or_default();
        let vars = self.vars(result);
        let end = self.b.block();
        for (at, &method) in methods.iter().enumerate() {
            let (here, next) = (self.b.block(), self.b.block());
            if at + 1 == methods.len() {
                self.b.jump(here);
            } else {
                self.ask_member(&val, ty, at as u32, here, next);
            }
            self.b.enter(here);
            if self.b.reachable() {
                let record = tables.sealed[sealed].members[at];
                let own = self.member_value(&val, record, Some(at as u32));
                let given = self.inline(method, None, Some(own), args.clone());
                let words = self.flat(&given, result);
                self.write_vars(&vars, words);
                self.b.jump(end);
            }
            self.b.enter(next);
        }
        self.b.enter(end);
        self.read_vars(&vars, result)
    }

    /// The body of a method, here.
    fn inline(
        &mut self,
        method: MethodId,
        this: Option<super::View>,
        receiver: Option<Val>,
        args: Vec<Local>,
    ) -> Val {
        let sound = self.image.sound;
        let def = &sound.tables().methods[method];
        self.locals.extend(def.params.iter().copied().zip(args));
        if let (Some(local), Some(val)) = (def.receiver, receiver) {
            self.fix(local, &val);
        }
        let DeclKind::Method {
            body: Some(body), ..
        } = &sound.program().ast.decls[def.decl].kind
        else {
            return Val::Unit;
        };
        let ty = def.result.unwrap_or_default();
        let saved = (
            std::mem::take(&mut self.exits),
            std::mem::replace(&mut self.this, this),
            std::mem::replace(&mut self.own, def.receiver),
        );
        let val = match single_return(sound, body) {
            // The value is where it is asked for, with nothing to merge.
            Some(value) if self.ty(value) == ty => {
                self.b.span = Some(sound.program().ast.exprs[value].span);
                self.expr(value)
            }
            _ => {
                let end = self.b.block();
                let out = Out {
                    vars: self.vars(ty),
                    ty,
                    end,
                };
                self.exits = Exits {
                    result: Some(out.clone()),
                    ..Exits::default()
                };
                self.stmts(body);
                self.b.jump(end);
                self.b.enter(end);
                self.read_vars(&out.vars, ty)
            }
        };
        (self.exits, self.this, self.own) = saved;
        val
    }
}

/// The value of a body that does nothing but return it.
fn single_return(sound: nfl_typeck::Sound<'_>, body: &[StmtId]) -> Option<ExprId> {
    match body {
        [only] => match sound.program().ast.stmts[*only].kind {
            StmtKind::Return(value) => value,
            _ => None,
        },
        _ => None,
    }
}

/// Whether an array lies in memory that more than one variable names.
fn is_shared(memory: &Memory) -> bool {
    use crate::func::Region;
    matches!(memory.region, Region::Carried | Region::Field(_))
}
