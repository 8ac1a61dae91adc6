//! Statements and places.
//!
//! In: a statement. Out: how it ends. Guaranteed: loops run round by round, and every run ends.

use nfl_syntax::ast::{Arm, BinOp, ExprId, ExprKind, Limit, StmtId, StmtKind};
use nfl_typeck::tables::{CarriedId, LocalId, PatInfo, Res};
use nfl_typeck::ty::TyKind;

use super::eval::constant;
use super::{Eval, Operand, Run, STEPS_MAX, Stop, Value, View, wrong};

/// How a statement ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
    Return(Value),
    Yield(Value),
}

/// Something that can be read and assigned.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Local(LocalId),
    Element(LocalId, usize),
    Fixed(Vec<Value>, usize),
    Carried(CarriedId, usize),
    Field(View, u32),
}

/// Rounds of a loop.
struct Rounds {
    left: Option<i128>,
}

impl Run<'_> {
    fn step(&mut self) -> Eval<()> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return wrong("the run does not end");
        }
        Ok(())
    }

    pub(super) fn block(&mut self, stmts: &[StmtId]) -> Eval<Flow> {
        for &stmt in stmts {
            match self.stmt(stmt)? {
                Flow::Next => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    pub(super) fn stmt(&mut self, stmt: StmtId) -> Eval<Flow> {
        self.step()?;
        let ast = self.ast;
        match &ast.stmts[stmt].kind {
            StmtKind::Empty => {}
            StmtKind::Block(stmts) => return self.block(stmts),
            StmtKind::Local { vars, .. } => {
                let locals = self.t.stmt_locals[stmt].clone();
                for (var, local) in vars.iter().zip(locals) {
                    self.declare(local, var.init)?;
                }
            }
            StmtKind::Expr(e) => {
                self.eval(*e)?;
            }
            StmtKind::Assign { place, op, value } => self.assign(*place, *op, *value)?,
            StmtKind::Step { place, up } => {
                let ty = self.t.expr_ty[*place];
                let place = self.place(*place)?;
                let op = if *up { BinOp::Add } else { BinOp::Sub };
                match self.read(&place)? {
                    Value::Int(n) => {
                        let n = self.arithmetic(op, n, 1, ty)?;
                        self.write(&place, Value::Int(n))?;
                    }
                    other => return wrong(format!("{other:?} is counted")),
                }
            }
            StmtKind::If {
                cond,
                then,
                otherwise,
            } => {
                if self.truth(*cond)? {
                    return self.stmt(*then);
                }
                if let Some(otherwise) = otherwise {
                    return self.stmt(*otherwise);
                }
            }
            StmtKind::Switch(e) => {
                if let ExprKind::Switch { value, arms } = &ast.exprs[*e].kind {
                    return self.switch(*value, arms, false);
                }
            }
            StmtKind::Return(value) => {
                let value = value.map(|e| self.eval(e)).transpose()?;
                return Ok(Flow::Return(value.unwrap_or(Value::Void)));
            }
            StmtKind::Break => return Ok(Flow::Break),
            StmtKind::Continue => return Ok(Flow::Continue),
            StmtKind::Yield(e) => return Ok(Flow::Yield(self.eval(*e)?)),
            StmtKind::Error | StmtKind::Assert { .. } => return wrong("no statement"),
            _ => return self.repeat(stmt),
        }
        Ok(Flow::Next)
    }

    fn declare(&mut self, local: LocalId, init: Option<ExprId>) -> Eval<()> {
        let ty = self.t.locals[local].ty;
        let value = match init.map(|e| (e, &self.ast.exprs[e].kind)) {
            Some((_, ExprKind::List(items))) => {
                let mut values = Vec::new();
                for &item in items {
                    values.push(self.eval(item)?);
                }
                Some(Value::Array(values))
            }
            Some((e, _)) => Some(self.eval(e)?),
            None if self.is_zeroed(ty) => {
                let (elem, count) = self.elements(ty);
                let zero = match self.t.types.kind(elem) {
                    TyKind::Bool => Value::Bool(false),
                    TyKind::Ip6 => Value::Ip6(0),
                    _ => Value::Int(0),
                };
                Some(Value::Array(vec![zero; count]))
            }
            None => None,
        };
        self.locals.set(local, value);
        Ok(())
    }

    fn assign(&mut self, place: ExprId, op: Option<BinOp>, value: ExprId) -> Eval<()> {
        let ty = self.t.expr_ty[place];
        let place = self.place(place)?;
        let result = match op {
            None => self.eval(value)?,
            Some(op) => {
                let old = self.read(&place)?;
                let by = self.eval(value)?;
                let (Value::Int(old), Value::Int(by)) = (&old, &by) else {
                    return wrong(format!("{old:?} {op:?}= {by:?}"));
                };
                Value::Int(match op {
                    BinOp::Shl | BinOp::Shr | BinOp::Ushr => self.shift(op, *old, *by, ty)?,
                    _ => self.arithmetic(op, *old, *by, ty)?,
                })
            }
        };
        self.write(&place, result)
    }

    pub(super) fn place(&mut self, e: ExprId) -> Eval<Place> {
        let ast = self.ast;
        match &ast.exprs[e].kind {
            ExprKind::Paren(inner) => self.place(*inner),
            ExprKind::Index { base, index } => {
                let mut base = *base;
                while let ExprKind::Paren(inner) = ast.exprs[base].kind {
                    base = inner;
                }
                let index = self.number(*index)?;
                let Ok(index) = usize::try_from(index) else {
                    return wrong("a negative index");
                };
                match self.t.expr_res[base] {
                    Res::Local(local) => Ok(Place::Element(local, index)),
                    Res::Carried(id) => Ok(Place::Carried(id, index)),
                    _ => match self.eval(base)? {
                        Value::Array(items) => Ok(Place::Fixed(items, index)),
                        other => wrong(format!("an element of {other:?}")),
                    },
                }
            }
            ExprKind::Field { base, .. } => match (self.t.expr_res[e], self.eval(*base)?) {
                (Res::Field { field, .. }, Value::View(view)) => {
                    let field = self.field_in(&view, *base, field);
                    Ok(Place::Field(view, field))
                }
                other => wrong(format!("{other:?} is a place")),
            },
            _ => match self.t.expr_res[e] {
                Res::Local(local) => Ok(Place::Local(local)),
                Res::Carried(id) => Ok(Place::Carried(id, 0)),
                other => wrong(format!("{other:?} is a place")),
            },
        }
    }

    pub(super) fn read(&mut self, place: &Place) -> Eval<Value> {
        let element = |items: &[Value], index: usize| match items.get(index) {
            Some(value) => Ok(value.clone()),
            None => wrong("an index lies outside of an array"),
        };
        match place {
            Place::Local(local) => self.local(*local),
            Place::Element(local, index) => match &self.locals[*local] {
                Some(Value::Array(items)) => element(items, *index),
                other => wrong(format!("an element of {other:?}")),
            },
            Place::Fixed(items, index) => element(items, *index),
            Place::Carried(id, index) => self.recall(*id, *index),
            Place::Field(view, field) => self.load(view.header, view.base, *field),
        }
    }

    pub(super) fn write(&mut self, place: &Place, value: Value) -> Eval<()> {
        match place {
            Place::Local(local) => self.locals.set(*local, Some(value)),
            Place::Element(local, index) => match &mut self.locals[*local] {
                Some(Value::Array(items)) if *index < items.len() => items[*index] = value,
                _ => return wrong("an index lies outside of an array"),
            },
            Place::Fixed(..) => return wrong("a constant is assigned"),
            Place::Carried(id, index) => self.remember(*id, *index, &value)?,
            Place::Field(view, field) => self.store(view, *field, &value)?,
        }
        Ok(())
    }

    /// All loops.
    fn repeat(&mut self, stmt: StmtId) -> Eval<Flow> {
        let ast = self.ast;
        match &ast.stmts[stmt].kind {
            StmtKind::While { cond, limit, body } => {
                self.rounds(Some(*cond), None, limit.as_ref(), *body)
            }
            StmtKind::For {
                init,
                cond,
                step,
                limit,
                body,
            } => {
                if let Some(init) = init {
                    self.stmt(*init)?;
                }
                self.rounds(*cond, *step, limit.as_ref(), *body)
            }
            StmtKind::DoWhile { body, cond, limit } => {
                // As often as in `while` may the condition be true; the first round does not ask.
                let mut rounds = self.limit(limit.as_ref())?;
                loop {
                    self.step()?;
                    match self.stmt(*body)? {
                        Flow::Next | Flow::Continue => {}
                        Flow::Break => return Ok(Flow::Next),
                        other => return Ok(other),
                    }
                    if !self.truth(*cond)? {
                        return Ok(Flow::Next);
                    }
                    self.round(&mut rounds, limit.as_ref())?;
                }
            }
            StmtKind::ForEach {
                array, limit, body, ..
            } => {
                let local = self.t.stmt_locals[stmt].first().copied();
                let Some(local) = local else {
                    return wrong("a loop without its variable");
                };
                self.each(local, *array, limit.as_ref(), *body)
            }
            other => wrong(format!("{other:?} is no loop")),
        }
    }

    fn rounds(
        &mut self,
        cond: Option<ExprId>,
        step: Option<StmtId>,
        limit: Option<&Limit>,
        body: StmtId,
    ) -> Eval<Flow> {
        let mut rounds = self.limit(limit)?;
        loop {
            if let Some(cond) = cond
                && !self.truth(cond)?
            {
                return Ok(Flow::Next);
            }
            self.round(&mut rounds, limit)?;
            match self.stmt(body)? {
                Flow::Next | Flow::Continue => {}
                Flow::Break => return Ok(Flow::Next),
                other => return Ok(other),
            }
            if let Some(step) = step {
                self.stmt(step)?;
            }
        }
    }

    fn each(
        &mut self,
        local: LocalId,
        array: ExprId,
        limit: Option<&Limit>,
        body: StmtId,
    ) -> Eval<Flow> {
        let ast = self.ast;
        let mut array = array;
        while let ExprKind::Paren(inner) = ast.exprs[array].kind {
            array = inner;
        }
        let (_, count) = self.elements(self.t.expr_ty[array]);
        let mut rounds = self.limit(limit)?;
        for index in 0..count {
            self.round(&mut rounds, limit)?;
            let place = match self.t.expr_res[array] {
                Res::Local(of) => Place::Element(of, index),
                Res::Carried(id) => Place::Carried(id, index),
                _ => match self.eval(array)? {
                    Value::Array(items) => Place::Fixed(items, index),
                    other => return wrong(format!("an element of {other:?}")),
                },
            };
            let value = self.read(&place)?;
            self.locals.set(local, Some(value));
            match self.stmt(body)? {
                Flow::Next | Flow::Continue => {}
                Flow::Break => break,
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    fn limit(&mut self, limit: Option<&Limit>) -> Eval<Rounds> {
        let left = limit.map(|l| self.number(l.count)).transpose()?;
        Ok(Rounds { left })
    }

    /// One more round, if there may be one.
    fn round(&mut self, rounds: &mut Rounds, limit: Option<&Limit>) -> Eval<()> {
        self.step()?;
        let Some(left) = &mut rounds.left else {
            return Ok(());
        };
        if *left > 0 {
            *left -= 1;
            return Ok(());
        }
        match limit.and_then(|l| l.otherwise) {
            Some(otherwise) => {
                let value = self.eval(otherwise)?;
                Err(Stop::Limit(value))
            }
            None => Err(Stop::Exhausted),
        }
    }

    pub(super) fn switch(&mut self, value: ExprId, arms: &[Arm], gives: bool) -> Eval<Flow> {
        let value = self.eval(value)?;
        for arm in arms {
            let mut taken = arm.pats.is_empty();
            for &pat in &arm.pats {
                taken = taken || self.takes(&self.t.pats[pat].clone(), &value)?;
            }
            if !taken {
                continue;
            }
            if let Some(guard) = arm.guard
                && !self.truth(guard)?
            {
                continue;
            }
            return if gives {
                self.arm_value(arm.body)
            } else {
                self.stmt(arm.body)
            };
        }
        wrong(format!("no arm takes {value:?}"))
    }

    pub(super) fn takes(&mut self, pat: &PatInfo, value: &Value) -> Eval<bool> {
        match pat {
            PatInfo::Any => Ok(true),
            PatInfo::Bind(local) => {
                self.locals.set(*local, Some(value.clone()));
                Ok(true)
            }
            PatInfo::Const(one) => {
                let one = constant(one)?;
                self.matches(value, &one)
            }
            PatInfo::Range(lo, hi) => {
                let (lo, hi) = (constant(lo)?, constant(hi)?);
                Ok(self.compare(BinOp::Le, &lo, value)? && self.compare(BinOp::Le, value, &hi)?)
            }
            PatInfo::Layers(steps) => self.has_layers(value, steps),
            PatInfo::Record {
                record,
                args,
                local,
                ..
            } => {
                let Value::Record(id, parts) = value else {
                    return wrong(format!("{value:?} is taken apart"));
                };
                if id != record {
                    return Ok(false);
                }
                if let Some(local) = local {
                    self.locals.set(*local, Some(value.clone()));
                }
                for (&arg, part) in args.iter().zip(parts) {
                    if !self.takes(&self.t.pats[arg].clone(), part)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            PatInfo::Verdict { kind, arg } => {
                let Value::Verdict(found, operand) = value else {
                    return wrong(format!("{value:?} is a verdict"));
                };
                let operand = match *operand {
                    Operand::Reason(id) => Value::Reason(id),
                    Operand::Number(n) => Value::Int(i128::from(n)),
                };
                Ok(kind == found
                    && match arg {
                        Some(arg) => self.takes(&self.t.pats[*arg].clone(), &operand)?,
                        None => true,
                    })
            }
            PatInfo::None => wrong("no pattern of a value"),
        }
    }
}
