//! Statements: control flow and assignments.
//!
//! In: statements of a sound program. Out: blocks. Guaranteed: nothing is lowered behind a jump, and
//! every loop is entered at its head only.

use super::ssa::Place;
use super::value::Memory;
use super::{Local, Lower, Out, Val};
use crate::entity::{Block, Value};
use crate::func::{Region, SlotData};
use crate::op::Op;
use nfl_syntax::ast::{Arm, AssignOp, Declarator, ExprId, ExprKind, Limit, StmtId, StmtKind};
use nfl_typeck::builtin::Intrinsic;
use nfl_typeck::tables::{LocalId, Res};
use nfl_typeck::{Sound, Ty, TyKind};
use std::collections::BTreeSet;

/// The counter of a `limit`, and what happens beyond it.
struct Counter {
    rest: super::Var,
    otherwise: Option<ExprId>,
}

impl Lower<'_, '_> {
    pub(super) fn stmts(&mut self, stmts: &[StmtId]) {
        let mut rest = stmts;
        while let (Some(&stmt), true) = (rest.first(), self.b.reachable()) {
            let run = self.run_length(rest);
            if run < 2 {
                self.stmt(stmt);
                rest = &rest[1..];
                continue;
            }
            self.open_run();
            for &stmt in &rest[..run] {
                self.stmt(stmt);
            }
            self.close_run();
            rest = &rest[run..];
        }
    }

    fn stmt(&mut self, id: StmtId) {
        let sound = self.image.sound;
        let stmt = &sound.program().ast.stmts[id];
        self.b.span = Some(stmt.span);
        match &stmt.kind {
            StmtKind::Error | StmtKind::Empty => {}
            StmtKind::Assert { cond, .. } => self.assertion(*cond),
            StmtKind::Block(stmts) => self.stmts(stmts),
            StmtKind::Local { vars, .. } => self.declare(id, vars),
            StmtKind::Expr(e) => {
                self.expr(*e);
            }
            StmtKind::Assign { place, op, value } => self.assign(*place, *op, *value),
            StmtKind::Step { place, up } => {
                self.update(*place, |lower, old, ty| lower.step(old, *up, ty))
            }
            StmtKind::If {
                cond,
                then,
                otherwise,
            } => self.if_else(*cond, *then, *otherwise),
            StmtKind::While { cond, limit, body } => {
                self.while_loop(Some(*cond), limit.as_ref(), *body, None)
            }
            StmtKind::DoWhile { body, cond, limit } => self.do_while(*body, *cond, limit.as_ref()),
            StmtKind::For {
                init,
                cond,
                step,
                limit,
                body,
            } => {
                if let Some(init) = init {
                    self.stmt(*init);
                }
                self.while_loop(*cond, limit.as_ref(), *body, *step);
            }
            StmtKind::ForEach {
                array, body, limit, ..
            } => self.for_each(id, *array, limit.as_ref(), *body),
            StmtKind::Switch(e) => {
                if let ExprKind::Switch { value, arms } = &sound.program().ast.exprs[*e].kind {
                    self.switch(*value, arms, None);
                }
            }
            StmtKind::Return(value) => self.return_value(*value),
            StmtKind::Break => {
                if let Some(&(exit, _)) = self.exits.loops.last() {
                    self.b.jump(exit);
                }
            }
            StmtKind::Continue => {
                if let Some(&(_, next)) = self.exits.loops.last() {
                    self.b.jump(next);
                }
            }
            StmtKind::Yield(e) => self.yield_value(*e),
        }
    }

    fn declare(&mut self, id: StmtId, vars: &[Declarator]) {
        let tables = self.image.sound.tables();
        for (&local, declarator) in tables.stmt_locals[id].iter().zip(vars) {
            let ty = tables.locals[local].ty;
            if let Some(init) = declarator.init {
                self.reads_like(local, init);
            }
            match tables.types.kind(ty) {
                TyKind::Array(..) => self.declare_array(local, ty, declarator.init),
                TyKind::View(_) | TyKind::OneOf(_) | TyKind::Packet | TyKind::Node => {
                    if let Some(init) = declarator.init {
                        let val = self.expr(init);
                        self.locals.insert(local, Local::Fixed(val));
                    }
                }
                TyKind::Bytes => {
                    if let Some(init) = declarator.init {
                        let words = self.bytes_of(init).to_vec();
                        self.fix(local, &Val::Words(words));
                    }
                }
                // Two names of one cursor move together.
                TyKind::Cursor => {
                    if let Some(init) = declarator.init {
                        let vars = self.cursor(init).to_vec();
                        self.locals.insert(local, Local::Vars(vars));
                    }
                }
                _ => self.declare_value(local, ty, declarator.init),
            }
        }
    }

    /// A variable that is never assigned is its value; others are words.
    fn declare_value(&mut self, local: LocalId, ty: Ty, init: Option<ExprId>) {
        if let Some(init) = init
            && !self.image.written.contains(&local)
            && self.ty(init) == ty
            && self.konst(init).is_none()
        {
            let val = self.expr(init);
            return self.fix(local, &val);
        }
        let vars = self.vars(ty);
        if let Some(init) = init {
            self.assign_vars(&vars, init, ty);
        }
        self.locals.insert(local, Local::Vars(vars));
    }

    /// Scratch memory for an array. Whole words, so that each byte of a word is written when one is.
    pub(super) fn scratch(&mut self, ty: Ty, name: &str) -> Memory {
        let (elem, count) = self.image.elements(ty);
        let elements = self.image.stride(elem) * count;
        let bytes = elements.next_multiple_of(4);
        let slot = self.b.f.slots.push(SlotData {
            name: name.to_string(),
            bytes,
            padding: (bytes - elements) as u8,
            align: 4,
        });
        Memory::new(Region::Slot(slot), Place::at(0), ty)
    }

    /// A local array: scratch memory, zero where nothing is given.
    fn declare_array(&mut self, local: LocalId, ty: Ty, init: Option<ExprId>) {
        let (elem, count) = self.image.elements(ty);
        let stride = self.image.stride(elem);
        let sound = self.image.sound;
        let name = sound.tables().locals[local].name;
        let name = name.map_or("", |name| sound.program().names.text(name));
        let given: &[ExprId] = match init.map(|e| &sound.program().ast.exprs[e].kind) {
            Some(ExprKind::List(items)) => items,
            None => &[],
            Some(_) => {
                // Another array: its elements are copied.
                let words = init.map_or_else(Vec::new, |init| self.words(init));
                let memory = self.scratch(ty, name);
                self.store(&memory, &words);
                self.locals.insert(local, Local::Fixed(Val::Memory(memory)));
                return;
            }
        };
        let memory = self.scratch(ty, name);
        let bytes = (stride * count).next_multiple_of(4);
        let whole = self.image.is_packed(elem);
        let zero = self.b.constant(0);
        // The word that ends in padding is cleared before its elements are stored.
        let padded = bytes > stride * count;
        let end = if padded { bytes - 4 } else { bytes };
        if !whole {
            self.clear(&memory, 0, bytes, 4, zero);
        } else if padded {
            self.b.store(memory.region, 4, Place::at(end), zero);
        }
        for (i, &item) in given.iter().enumerate().take(count as usize) {
            let words = self.words_as(item, elem);
            let place = Memory {
                place: Place::at(stride * i as u32),
                ty: elem,
                ..memory
            };
            self.store(&place, &words);
        }
        if whole {
            let at = stride * (given.len() as u32).min(count);
            self.clear(&memory, at, end, stride, zero);
        }
        self.locals.insert(local, Local::Fixed(Val::Memory(memory)));
    }

    /// Zeros from `at` to `end`.
    fn clear(&mut self, memory: &Memory, mut at: u32, end: u32, stride: u32, zero: Value) {
        while at < end {
            let step = match at {
                _ if at.is_multiple_of(4) => 4,
                _ if at.is_multiple_of(2) => 2,
                _ => 1,
            };
            let step = step
                .min(stride.max(1))
                .max(if at.is_multiple_of(4) { 4 } else { 1 });
            self.b.store(memory.region, step, Place::at(at), zero);
            at += step;
        }
    }

    fn assign(&mut self, place: ExprId, op: AssignOp, value: ExprId) {
        match op {
            Some(op) => self.update(place, |lower, old, ty| lower.combine(op, old, value, ty)),
            None => {
                let ty = self.ty(place);
                match self.image.sound.tables().expr_res[place] {
                    Res::Local(local) => match self.locals.get(&local).cloned() {
                        Some(Local::Vars(vars)) => self.assign_vars(&vars, value, ty),
                        Some(Local::Fixed(Val::Memory(memory))) => {
                            let words = self.words_as(value, ty);
                            self.store(&memory, &words);
                        }
                        _ => {}
                    },
                    _ => self.write_place(place, |lower, _| lower.words_as(value, ty), false),
                }
            }
        }
    }

    /// Changes a place by its old value.
    pub(super) fn update(
        &mut self,
        place: ExprId,
        new: impl FnOnce(&mut Self, &[Value], Ty) -> Vec<Value>,
    ) {
        let ty = self.ty(place);
        if let Res::Local(local) = self.image.sound.tables().expr_res[place] {
            if let Some(Local::Vars(vars)) = self.locals.get(&local).cloned() {
                let old: Vec<Value> = vars.iter().map(|&v| self.b.read(v)).collect();
                let words = new(self, &old, ty);
                for (&var, word) in vars.iter().zip(words) {
                    self.b.write(var, word);
                }
            }
            return;
        }
        self.write_place(place, |lower, old| new(lower, old, ty), true);
    }

    /// Writes a field, a `carried` field or an element. `new` gets the old value when it asks for it.
    fn write_place(
        &mut self,
        place: ExprId,
        new: impl FnOnce(&mut Self, &[Value]) -> Vec<Value>,
        reads: bool,
    ) {
        let sound = self.image.sound;
        let node = &sound.program().ast.exprs[place];
        match (&node.kind, sound.tables().expr_res[place]) {
            (ExprKind::Paren(inner), _) => return self.write_place(*inner, new, reads),
            (ExprKind::Field { base, .. }, Res::Field { field, .. }) => {
                let Val::View(view) = self.expr(*base) else {
                    return;
                };
                let field = self.field_in(&view, *base, field);
                let old = if reads {
                    self.load_field(&view, field)
                } else {
                    Vec::new()
                };
                let words = new(self, &old);
                self.b.span = Some(node.span);
                let transport = self.transport_of(place);
                return self.store_field(&view, field, transport, &words);
            }
            (_, Res::Intrinsic(Intrinsic::PacketPriority)) => {
                let words = new(self, &[]);
                self.b.span = Some(node.span);
                self.set_priority(words[0]);
                return;
            }
            _ => {}
        }
        let Val::Memory(memory) = self.lazy(place) else {
            return;
        };
        let old = if reads {
            self.load(&memory)
        } else {
            Vec::new()
        };
        let words = new(self, &old);
        self.b.span = Some(node.span);
        self.store(&memory, &words);
    }

    fn if_else(&mut self, cond: ExprId, then: StmtId, otherwise: Option<StmtId>) {
        let (yes, no, end) = (self.b.block(), self.b.block(), self.b.block());
        self.cond(cond, yes, no);
        self.b.enter(yes);
        if self.b.reachable() {
            self.stmt(then);
        }
        self.b.jump(end);
        self.b.enter(no);
        if let (Some(otherwise), true) = (otherwise, self.b.reachable()) {
            self.stmt(otherwise);
        }
        self.b.jump(end);
        self.b.enter(end);
    }

    /// `while` and `for`: the condition is asked first, then the limit.
    fn while_loop(
        &mut self,
        cond: Option<ExprId>,
        limit: Option<&Limit>,
        body: StmtId,
        step: Option<StmtId>,
    ) {
        let counter = self.counter(limit);
        let (head, inside, next, exit) = (
            self.b.block(),
            self.b.block(),
            self.b.block(),
            self.b.block(),
        );
        self.b.jump(head);
        self.b.open(head);
        match cond {
            Some(cond) => self.cond(cond, inside, exit),
            None => self.b.jump(inside),
        }
        self.b.enter(inside);
        self.count(counter);
        self.exits.loops.push((exit, next));
        if self.b.reachable() {
            self.stmt(body);
        }
        self.exits.loops.pop();
        self.b.jump(next);
        self.b.enter(next);
        if let (Some(step), true) = (step, self.b.reachable()) {
            self.stmt(step);
        }
        self.b.jump(head);
        self.b.seal(head);
        self.b.enter(exit);
    }

    fn do_while(&mut self, body: StmtId, cond: ExprId, limit: Option<&Limit>) {
        let counter = self.counter(limit);
        let (head, asked, again, exit) = (
            self.b.block(),
            self.b.block(),
            self.b.block(),
            self.b.block(),
        );
        self.b.jump(head);
        self.b.open(head);
        self.exits.loops.push((exit, asked));
        self.stmt(body);
        self.exits.loops.pop();
        self.b.jump(asked);
        self.b.enter(asked);
        if self.b.reachable() {
            self.cond(cond, again, exit);
        }
        self.b.enter(again);
        self.count(counter);
        self.b.jump(head);
        self.b.seal(head);
        self.b.enter(exit);
    }

    fn for_each(&mut self, id: StmtId, array: ExprId, limit: Option<&Limit>, body: StmtId) {
        let whole = self.ty(array);
        let (elem, count) = self.image.elements(whole);
        let memory = match self.expr(array) {
            Val::Memory(memory) => memory,
            other => {
                let words = self.flat(&other, whole);
                let memory = self.scratch(whole, "");
                self.store(&memory, &words);
                memory
            }
        };
        let tables = self.image.sound.tables();
        let local = tables.stmt_locals[id][0];
        let counter = self.counter(limit);
        let index = self.b.var(32);
        let zero = self.b.constant(0);
        self.b.write(index, zero);
        let (head, inside, next, exit) = (
            self.b.block(),
            self.b.block(),
            self.b.block(),
            self.b.block(),
        );
        self.b.jump(head);
        self.b.open(head);
        let i = self.b.read(index);
        let end = self.b.constant(count);
        let more = self.b.compare(Op::Ltu, i, end);
        self.b.branch(more, inside, exit);
        self.b.enter(inside);
        self.count(counter);
        let stride = self.image.stride(elem);
        let inner = Place {
            index: Some(self.b.scale(i, stride)),
            offset: 0,
        };
        let place = self.b.places(memory.place, inner);
        let words = self.load(&Memory {
            place,
            ty: elem,
            ..memory
        });
        let ty = tables.locals[local].ty;
        let words = self.convert(words, elem, ty);
        let vars = self.vars(ty);
        self.write_vars(&vars, words);
        self.locals.insert(local, Local::Vars(vars));
        self.exits.loops.push((exit, next));
        if self.b.reachable() {
            self.stmt(body);
        }
        self.exits.loops.pop();
        self.b.jump(next);
        self.b.enter(next);
        let i = self.b.read(index);
        let i = self.b.op2c(Op::Add, i, 1, 32);
        self.b.write(index, i);
        self.b.jump(head);
        self.b.seal(head);
        self.b.enter(exit);
    }

    fn counter(&mut self, limit: Option<&Limit>) -> Option<Counter> {
        let limit = limit?;
        let rounds = self.u32_of(limit.count);
        let rest = self.b.var(32);
        self.b.write(rest, rounds);
        Some(Counter {
            rest,
            otherwise: limit.otherwise,
        })
    }

    /// One more round: one less is left, or the limit is reached.
    fn count(&mut self, counter: Option<Counter>) {
        let (Some(counter), true) = (counter, self.b.reachable()) else {
            return;
        };
        let rest = self.b.read(counter.rest);
        let (go_on, reached) = (self.b.block(), self.b.block());
        self.b.branch(rest, go_on, reached);
        self.b.enter(reached);
        match counter.otherwise {
            Some(value) => self.return_value(Some(value)),
            None => self.b.jump(self.exhausted),
        }
        self.b.enter(go_on);
        let rest = self.b.op2c(Op::Sub, rest, 1, 32);
        self.b.write(counter.rest, rest);
    }

    fn return_value(&mut self, value: Option<ExprId>) {
        if let Some(out) = self.exits.result.clone() {
            if let Some(value) = value {
                self.assign_vars(&out.vars, value, out.ty);
            }
            return self.b.jump(out.end);
        }
        match value.map(|e| self.expr(e)) {
            Some(Val::Verdict { kind, operand }) => self.answer(kind, operand),
            _ => {
                let zero = self.b.constant(0);
                self.answer(zero, zero);
            }
        }
    }

    fn yield_value(&mut self, e: ExprId) {
        if let Some(out) = self.exits.yields.last().cloned() {
            self.assign_vars(&out.vars, e, out.ty);
            self.b.jump(out.end);
        }
    }

    /// `switch` over numbers, addresses and booleans. With `result`, its value.
    pub(super) fn switch(&mut self, value: ExprId, arms: &[Arm], result: Option<Ty>) -> Val {
        let subject_ty = self.ty(value);
        if self.has_layers(subject_ty) {
            return self.switch_layers(value, arms, result);
        }
        let subject = self.expr(value);
        let end = self.b.block();
        let out = result.map(|ty| Out {
            vars: self.vars(ty),
            ty,
            end,
        });
        // Whatever its place, `default` is for what no other arm takes.
        let order: Vec<&Arm> = arms
            .iter()
            .filter(|a| !a.pats.is_empty())
            .chain(arms.iter().filter(|a| a.pats.is_empty()))
            .collect();
        for (i, &arm) in order.iter().enumerate() {
            if !self.b.reachable() {
                break;
            }
            let (body, next) = (self.b.block(), self.b.block());
            self.b.span = Some(arm.span);
            // Where every value is covered, what is left belongs to the last arm.
            let last = i + 1 == arms.len() && arm.guard.is_none();
            self.arm_test(
                arm,
                &subject,
                subject_ty,
                body,
                if last { body } else { next },
            );
            self.b.enter(body);
            if self.b.reachable() {
                self.arm_body(arm, out.as_ref(), end);
            }
            self.b.enter(next);
        }
        self.b.jump(end);
        self.b.enter(end);
        match out {
            Some(out) => self.read_vars(&out.vars, out.ty),
            None => Val::Unit,
        }
    }

    fn arm_test(&mut self, arm: &Arm, subject: &Val, ty: Ty, body: Block, next: Block) {
        let matched = if arm.guard.is_some() {
            self.b.block()
        } else {
            body
        };
        if arm.pats.is_empty() {
            self.b.jump(matched);
        }
        for &pat in &arm.pats {
            let other = self.b.block();
            self.take(pat, subject, ty, matched, other);
            self.b.enter(other);
            if !self.b.reachable() {
                break;
            }
        }
        self.b.jump(next);
        if let Some(guard) = arm.guard {
            self.b.enter(matched);
            if self.b.reachable() {
                self.cond(guard, body, next);
            }
        }
    }

    pub(super) fn arm_body(&mut self, arm: &Arm, out: Option<&Out>, end: Block) {
        let sound = self.image.sound;
        match (&sound.program().ast.stmts[arm.body].kind, out) {
            (StmtKind::Expr(e), Some(out)) => self.assign_vars(&out.vars, *e, out.ty),
            (_, Some(out)) => {
                self.exits.yields.push(out.clone());
                self.stmt(arm.body);
                self.exits.yields.pop();
            }
            (_, None) => self.stmt(arm.body),
        }
        self.b.jump(end);
    }
}

/// Variables that are assigned somewhere, or whose elements are.
pub(super) fn written(sound: Sound<'_>) -> BTreeSet<LocalId> {
    let (ast, tables) = (&sound.program().ast, sound.tables());
    let mut written = BTreeSet::new();
    for (_, stmt) in ast.stmts.iter() {
        let (StmtKind::Assign { place, .. } | StmtKind::Step { place, .. }) = stmt.kind else {
            continue;
        };
        let mut at = place;
        loop {
            match ast.exprs[at].kind {
                ExprKind::Paren(inner) => at = inner,
                ExprKind::Index { base, .. } => at = base,
                _ => break,
            }
        }
        if let Res::Local(local) = tables.expr_res[at] {
            written.insert(local);
        }
    }
    written
}
