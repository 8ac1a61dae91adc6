//! Statements.
//!
//! In: a body. Out: its variables in the tables, and what is known behind each statement.
//! Guaranteed of a body without reports: variables have values where they are read, every path of a
//! body with a result returns, and no statement is out of reach.

use crate::check::{Checker, Gives};
use crate::expr::{article, is_number, is_quantity};
use crate::flow::{LoopFrame, State};
use crate::tables::{Konst, Local, LocalId, Res};
use crate::ty::{Ty, TyKind};
use nfl_abi::codes;
use nfl_syntax::arena::Id;
use nfl_syntax::ast::{
    BinOp, Declarator, ExprId, ExprKind, Ident, Limit, StmtId, StmtKind, TypeId, TypeKind,
};
use nfl_syntax::{Name, Span};

impl Checker<'_> {
    /// The whole body of a method or handler.
    pub(crate) fn body_block(&mut self, stmts: &[StmtId], name: Span) {
        let completes = self.block(stmts);
        if completes && matches!(self.body.gives, Gives::Value(_)) && !self.body.unknown_flow {
            let finding = self
                .at(&codes::E218, name)
                .label("the end can be reached without an answer");
            self.report(finding);
        }
    }

    /// Statements in order; answers whether the end can be reached.
    pub(crate) fn block(&mut self, stmts: &[StmtId]) -> bool {
        let scope = self.body.scope.len();
        let mut completes = true;
        let mut told = false;
        for &stmt in stmts {
            if !completes && !told && !self.body.unknown_flow {
                told = true;
                let finding = self
                    .at(&codes::E219, self.ast.stmts[stmt].span)
                    .label("nothing leads here");
                self.report(finding);
            }
            let went_on = self.stmt(stmt);
            completes &= went_on;
        }
        self.body.scope.truncate(scope);
        completes
    }

    /// One statement; answers whether its end can be reached.
    pub(crate) fn stmt(&mut self, stmt: StmtId) -> bool {
        let ast = self.ast;
        let span = ast.stmts[stmt].span;
        if self.body.test && self.test_stmt(stmt) {
            return true;
        }
        match &ast.stmts[stmt].kind {
            StmtKind::Error => {
                self.body.unknown_flow = true;
                true
            }
            StmtKind::Empty => true,
            StmtKind::Block(stmts) => self.block(stmts),
            StmtKind::Local { is_final, ty, vars } => {
                self.local(stmt, *is_final, *ty, vars);
                true
            }
            StmtKind::Expr(e) => {
                self.call_statement(*e);
                true
            }
            StmtKind::Assign { place, op, value } => {
                self.assign(*place, *op, *value);
                true
            }
            StmtKind::Step { place, .. } => {
                self.step(*place);
                true
            }
            StmtKind::If {
                cond,
                then,
                otherwise,
            } => self.if_statement(*cond, *then, *otherwise),
            StmtKind::While { cond, limit, body } => {
                self.limit(limit.as_ref());
                self.loop_statement(Some(*cond), None, *body)
            }
            StmtKind::DoWhile { body, cond, limit } => {
                self.limit(limit.as_ref());
                self.do_statement(*body, *cond)
            }
            StmtKind::For {
                init,
                cond,
                step,
                limit,
                body,
            } => {
                let scope = self.body.scope.len();
                if let Some(init) = init {
                    self.stmt(*init);
                }
                self.limit(limit.as_ref());
                let completes = self.loop_statement(*cond, *step, *body);
                self.body.scope.truncate(scope);
                completes
            }
            StmtKind::ForEach {
                ty,
                name,
                array,
                limit,
                body,
            } => {
                self.limit(limit.as_ref());
                self.for_each(stmt, *ty, *name, *array, *body);
                true
            }
            StmtKind::Switch(e) => self.switch_statement(*e),
            StmtKind::Return(value) => self.return_statement(span, *value),
            StmtKind::Break | StmtKind::Continue => {
                let leave = matches!(ast.stmts[stmt].kind, StmtKind::Break);
                self.jump(span, leave);
                false
            }
            StmtKind::Yield(value) => {
                self.yield_statement(span, *value);
                false
            }
            StmtKind::Assert { cond, why } => {
                self.assertion(*cond, *why);
                true
            }
        }
    }

    /// Whether a value is made by the name of this type.
    fn makes(&self, value: ExprId, ty: TypeId) -> bool {
        let ExprKind::Construct { ty: made, .. } = self.ast.exprs[value].kind else {
            return false;
        };
        let path = |ty: TypeId| match &self.ast.types[ty].kind {
            TypeKind::Named { path, .. } => Some(path.iter().map(|part| part.name)),
            _ => None,
        };
        match (path(made), path(ty)) {
            (Some(made), Some(written)) => made.eq(written),
            _ => false,
        }
    }

    fn local(&mut self, stmt: StmtId, is_final: bool, ty: TypeId, vars: &[Declarator]) {
        let node = &self.ast.types[ty];
        let inferred = matches!(node.kind, TypeKind::Var);
        let broken = matches!(node.kind, TypeKind::Error);
        let type_span = node.span;
        let written = self.resolve(ty);
        let written = if inferred || broken {
            written
        } else {
            self.storable(written, type_span)
        };
        if let (true, [_, second, ..]) = (inferred, vars) {
            let finding = self
                .at(&codes::E205, second.name.span)
                .message("one `var` declares one variable")
                .label("write a declaration of its own");
            self.report(finding);
        }
        let mut locals = Vec::new();
        for var in vars {
            let ty = match (inferred, var.init) {
                (true, Some(init)) => {
                    let ty = self.expr(init, None);
                    self.storable(ty, self.span(init))
                }
                (true, None) => {
                    let finding = self
                        .at(&codes::E205, var.name.span)
                        .message("`var` needs a value to take its type from")
                        .label("no value")
                        .help(format!("u32 {};", self.text(var.name.name)));
                    self.report(finding);
                    Ty::default()
                }
                // `Foo x = Foo(…)` without such a type is one mistake.
                (false, Some(init))
                    if self.kind(written) == TyKind::Error && self.makes(init, ty) =>
                {
                    written
                }
                (false, Some(init)) => {
                    self.initial(init, written);
                    written
                }
                (false, None) => written,
            };
            let local = self.new_local(Some(var.name.name), var.name.span, ty);
            self.declare(var.name, local);
            self.other_name(local, var);
            locals.push(local);
            // An array without a value is all zeros.
            let zeroed = matches!(self.kind(ty), TyKind::Array(..) | TyKind::Error);
            if var.init.is_none() && !zeroed {
                self.body.state.unassigned.insert(local);
            }
            if is_final {
                self.body.finals.insert(local);
                if var.init.is_some() || zeroed {
                    self.body.state.assigned.insert(local);
                }
            }
        }
        self.t.stmt_locals.set(stmt, locals);
    }

    /// A variable for a view is another name of the view that it is given.
    fn other_name(&mut self, local: LocalId, var: &Declarator) {
        if self.headers_of(self.t.locals[local].ty).is_empty() {
            return;
        }
        match var.init.and_then(|init| self.view_local(init)) {
            Some(view) => {
                let info = self.body.views.get(&view).cloned().unwrap_or_default();
                self.body.views.insert(local, info);
                self.body.aliases.insert(local, view);
            }
            None => {
                let finding = self
                    .at(&codes::E226, var.name.span)
                    .message("a variable for a view needs a view to stand for")
                    .label("another name for a header that was matched");
                self.report(finding);
            }
        }
    }

    /// A type of which there may be variables, else the error type after a report.
    fn storable(&mut self, ty: Ty, span: Span) -> Ty {
        let kind = self.kind(ty);
        let payload = matches!(kind, TyKind::Bytes | TyKind::Cursor);
        if self.is_value(ty) || payload || (self.body.test && kind != TyKind::Void) {
            return ty;
        }
        match kind {
            TyKind::Body(_) | TyKind::BodyOfOne(_) => {
                self.may_be_malformed(span, None);
                return self.ty(TyKind::Bytes);
            }
            TyKind::View(_) | TyKind::OneOf(_) => return ty,
            _ => {
                let finding = self
                    .at(&codes::E226, span)
                    .message(format!("{} is not the type of a variable", self.show(ty)))
                    .label("cannot be stored");
                self.report(finding);
            }
        }
        Ty::default()
    }

    fn call_statement(&mut self, e: ExprId) {
        match self.ast.exprs[self.bare(e)].kind {
            ExprKind::Call { .. } | ExprKind::StaticCall { .. } | ExprKind::MethodCall { .. } => {
                self.expr(e, None);
            }
            ExprKind::Error => {
                self.body.unknown_flow = true;
            }
            ExprKind::Construct { ty, .. } | ExprKind::Type(ty) => {
                let title = format!("return {};", self.source(e));
                let finding = self
                    .at(&codes::E220, self.span(e))
                    .message("a value alone does nothing")
                    .label("the value is lost");
                let answers =
                    matches!(self.body.gives, Gives::Value(ty) if self.kind(ty) == TyKind::Verdict);
                // What stands behind it would never be reached.
                let sure = answers && self.verdict_kind(ty).is_some() && self.is_last(self.span(e));
                let finding = match sure {
                    true => finding.fix(title, [(self.front(self.span(e)), "return ".to_string())]),
                    false => finding.help(title),
                };
                self.report(finding);
            }
            _ => {
                let finding = self
                    .at(&codes::E220, self.span(e))
                    .message("a value alone does nothing")
                    .label("only a call may stand alone");
                self.report(finding);
            }
        }
    }

    /// The type of a place that is to be assigned, if it may be.
    pub(crate) fn place(&mut self, place: ExprId, read: bool) -> Option<Ty> {
        let bare = self.bare(place);
        match self.ast.exprs[bare].kind {
            ExprKind::Name(name) => self.named_place(place, name, read),
            ExprKind::Index { base, .. } => {
                let ty = self.expr(place, None);
                let good = matches!(
                    self.t.expr_res[self.bare(base)],
                    Res::Local(_) | Res::Carried(_)
                );
                if self.kind(ty) == TyKind::Error {
                    return None;
                }
                if !good || self.is_bytes(self.t.expr_ty[base]) {
                    self.no_place(place);
                    return None;
                }
                Some(ty)
            }
            ExprKind::Field { .. } => self.store_type(place, read),
            ExprKind::Error => None,
            _ => {
                self.no_place(place);
                None
            }
        }
    }

    fn named_place(&mut self, place: ExprId, name: Name, read: bool) -> Option<Ty> {
        let Some(local) = self.in_scope(name) else {
            let ty = self.expr(place, None);
            if self.kind(ty) == TyKind::Error {
                return None;
            }
            return match self.t.expr_res[self.bare(place)] {
                Res::Carried(_) => Some(ty),
                _ => {
                    self.no_place(place);
                    None
                }
            };
        };
        let ty = self.t.locals[local].ty;
        let bare = self.bare(place);
        self.set_res(bare, Res::Local(local));
        self.set_ty(bare, ty);
        self.set_ty(place, ty);
        let span = self.span(place);
        if read {
            self.use_local(local, span);
        }
        match self.kind(ty) {
            TyKind::Error => None,
            // What stands for a place in the packet stands for that place as long as it is good.
            TyKind::View(_)
            | TyKind::OneOf(_)
            | TyKind::Packet
            | TyKind::Bytes
            | TyKind::Cursor => {
                self.no_place(place);
                None
            }
            _ => {
                self.assign_final(local, span);
                Some(ty)
            }
        }
    }

    /// A `final` variable is assigned once, and not in a loop around which it lives.
    fn assign_final(&mut self, local: LocalId, span: Span) {
        if !self.body.finals.contains(&local) {
            return;
        }
        let outer = |frame: &LoopFrame| local.index() < frame.locals_before;
        let again = self.body.loops.iter().any(outer);
        if self.body.state.assigned.contains(&local) || again {
            let Local {
                name,
                span: declared,
                ..
            } = self.t.locals[local];
            let name = name.map_or("_", |n| self.text(n));
            let finding = self
                .at(&codes::E217, span)
                .message(format!(
                    "`{name}` is `final` and may already have its value"
                ))
                .label("assigned here")
                .also(declared, "declared `final` here");
            self.report(finding);
        }
    }

    fn assign(&mut self, place: ExprId, op: Option<BinOp>, value: ExprId) {
        let target = self.place(place, op.is_some());
        match (target, op) {
            (Some(ty), None) => {
                self.coerce(value, ty);
            }
            (Some(ty), Some(op)) => self.compound(place, ty, op, value),
            (None, _) => {
                // What is wrong with the place was said; the value may be wrong by itself.
                if !self.is_flexible(value) {
                    self.expr(value, None);
                }
            }
        }
        self.commit_store(place);
        if let Res::Local(local) = self.t.expr_res[self.bare(place)] {
            self.body.state.unassigned.remove(&local);
            if self.body.finals.contains(&local) {
                self.body.state.assigned.insert(local);
            }
        }
    }

    /// `place op= value` narrows nothing.
    fn compound(&mut self, place: ExprId, ty: Ty, op: BinOp, value: ExprId) {
        if matches!(op, BinOp::Shl | BinOp::Shr | BinOp::Ushr) {
            let word = self.ty(TyKind::Unsigned(32));
            let by = self.expr(value, Some(word));
            let (x, y) = (self.kind(ty), self.kind(by));
            let width = self.t.types.bits(ty).unwrap_or(64);
            if !is_number(x) {
                self.mismatch(place, ty, word);
            } else if !matches!(y, TyKind::Unsigned(_) | TyKind::Error) {
                self.mismatch(value, by, word);
            } else if let Some(Konst::Int(n)) = self.t.konst[value]
                && n >= i128::from(width)
            {
                let finding = self
                    .at(&codes::E228, self.span(value))
                    .label(format!("at most {}", width - 1));
                self.report(finding);
            }
            return;
        }
        let scales = matches!(op, BinOp::Mul | BinOp::Div | BinOp::Rem);
        let hint = if scales && is_quantity(self.kind(ty)) {
            self.ty(TyKind::Unsigned(64))
        } else {
            ty
        };
        let by = self.expr(value, Some(hint));
        let result = self.arithmetic_type(op, place, ty, value, by);
        if self.kind(result) != TyKind::Error && !self.t.types.fits(result, ty) {
            self.mismatch(value, result, ty);
        }
    }

    fn step(&mut self, place: ExprId) {
        if let Some(ty) = self.place(place, true)
            && !is_number(self.kind(ty))
        {
            let finding = self
                .at(&codes::E207, self.span(place))
                .message(format!("{} cannot be counted up or down", self.show(ty)))
                .label("not a number");
            self.report(finding);
        }
        self.commit_store(place);
    }

    fn if_statement(&mut self, cond: ExprId, then: StmtId, otherwise: Option<StmtId>) -> bool {
        let asked = self.cond(cond);
        let scope = self.body.scope.len();
        self.body.state = asked.yes;
        self.body.scope.extend(asked.binds_yes.iter().copied());
        let then_completes = self.stmt(then);
        self.body.scope.truncate(scope);
        let then_state = std::mem::replace(&mut self.body.state, asked.no);
        self.body.scope.extend(asked.binds_no.iter().copied());
        let else_completes = otherwise.is_none_or(|stmt| self.stmt(stmt));
        self.body.scope.truncate(scope);
        let else_state = std::mem::take(&mut self.body.state);
        self.body.state = then_state.join(else_state);
        if !then_completes && else_completes {
            self.body.scope.extend(asked.binds_no);
        } else if then_completes && !else_completes {
            self.body.scope.extend(asked.binds_yes);
        }
        then_completes || else_completes
    }

    /// `limit count else value`
    fn limit(&mut self, limit: Option<&Limit>) {
        let Some(limit) = limit else { return };
        let word = self.ty(TyKind::Unsigned(32));
        let found = self.coerce(limit.count, word);
        let known = self.t.konst[limit.count].is_some()
            || matches!(self.t.expr_res[self.bare(limit.count)], Res::Template(_));
        if !known && self.kind(found) != TyKind::Error {
            let finding = self
                .at(&codes::E237, self.span(limit.count))
                .label("not known before the packet comes");
            self.report(finding);
        }
        let Some(otherwise) = limit.otherwise else {
            return;
        };
        match self.body.gives {
            Gives::Value(ty) => {
                self.coerce(otherwise, ty);
            }
            Gives::Void | Gives::Nowhere => {
                let finding = self
                    .at(&codes::E210, self.span(otherwise))
                    .message("nothing is returned here")
                    .label("so there is no value to return at the limit");
                self.report(finding);
            }
        }
    }

    fn enter_loop(&mut self) {
        self.body.loops.push(LoopFrame {
            locals_before: self.t.locals.len(),
            ..LoopFrame::default()
        });
    }

    /// Leaves a loop; `back` is what is known where it begins anew.
    fn leave_loop(&mut self, entry: &State, back: &State) -> LoopFrame {
        let frame = self.body.loops.pop().unwrap_or_default();
        if back.vacuous {
            return frame;
        }
        if let (Some(store), None) = (back.stored, entry.stored) {
            for (span, chain) in &frame.matches {
                let proven = chain.as_ref().is_some_and(|c| back.proven.contains(c));
                if !proven {
                    self.late_match(*span, store);
                }
            }
        }
        let mut told = Vec::new();
        for &(local, span) in &frame.view_uses {
            if let Some(&ended) = back.ended.get(&local)
                && !entry.ended.contains_key(&local)
                && !told.contains(&local)
            {
                told.push(local);
                self.over(local, span, ended);
            }
        }
        frame
    }

    /// `while (cond) body`, and `for` with its step.
    fn loop_statement(&mut self, cond: Option<ExprId>, step: Option<StmtId>, body: StmtId) -> bool {
        let entry = self.body.state.clone();
        self.enter_loop();
        let asked = match cond {
            Some(cond) => self.cond(cond),
            None => {
                let state = std::mem::take(&mut self.body.state);
                crate::flow::Cond {
                    no: state.unreachable(),
                    yes: state,
                    ..Default::default()
                }
            }
        };
        let forever = cond.is_none_or(|c| self.t.konst[c] == Some(Konst::Bool(true)));
        let scope = self.body.scope.len();
        self.body.state = asked.yes;
        self.body.scope.extend(asked.binds_yes);
        self.stmt(body);
        self.join_continues();
        if let Some(step) = step {
            self.stmt(step);
        }
        self.body.scope.truncate(scope);
        let back = std::mem::take(&mut self.body.state);
        let frame = self.leave_loop(&entry, &back);
        let left = !frame.breaks.is_empty();
        let end = asked.no.in_any_round(&entry, &back);
        self.body.state = frame.end(end, &entry, &back);
        if !left {
            self.body.scope.extend(asked.binds_no);
        }
        left || !forever
    }

    /// Joins the states at `continue` into the present one.
    fn join_continues(&mut self) {
        let Some(frame) = self.body.loops.last_mut() else {
            return;
        };
        let continues = std::mem::take(&mut frame.continues);
        let state = std::mem::take(&mut self.body.state);
        self.body.state = continues.into_iter().fold(state, State::join);
    }

    fn do_statement(&mut self, body: StmtId, cond: ExprId) -> bool {
        let entry = self.body.state.clone();
        self.enter_loop();
        let completes = self.stmt(body);
        let continues = self
            .body
            .loops
            .last()
            .is_some_and(|f| !f.continues.is_empty());
        self.join_continues();
        let asked = self.cond(cond);
        let forever = self.t.konst[cond] == Some(Konst::Bool(true));
        let frame = self.leave_loop(&entry, &asked.yes);
        let left = !frame.breaks.is_empty();
        self.body.state = frame.end(asked.no, &entry, &asked.yes);
        if !left {
            self.body.scope.extend(asked.binds_no);
        }
        left || ((completes || continues) && !forever)
    }

    fn for_each(&mut self, stmt: StmtId, ty: TypeId, name: Ident, array: ExprId, body: StmtId) {
        let found = self.expr(array, None);
        let elem = match self.elements(found) {
            Some((elem, _)) => elem,
            None => {
                if self.kind(found) != TyKind::Error {
                    let finding = self
                        .at(&codes::E210, self.span(array))
                        .message("a loop like this walks an array")
                        .label(format!("this is {}", self.show(found)));
                    self.report(finding);
                }
                Ty::default()
            }
        };
        let node = &self.ast.types[ty];
        let inferred = matches!(node.kind, TypeKind::Var);
        let written = if inferred { elem } else { self.resolve(ty) };
        if !self.t.types.fits(elem, written) {
            let finding = self
                .at(&codes::E203, self.ast.types[ty].span)
                .message(format!(
                    "{} does not always fit into {}",
                    article(&self.show(elem)),
                    article(&self.show(written))
                ))
                .label(format!("the elements are {}", self.show(elem)))
                .also(self.span(array), "this array");
            self.report(finding);
        }
        let scope = self.body.scope.len();
        let entry = self.body.state.clone();
        self.enter_loop();
        let local = self.new_local(Some(name.name), name.span, written);
        self.declare(name, local);
        self.t.stmt_locals.set(stmt, vec![local]);
        self.stmt(body);
        self.join_continues();
        self.body.scope.truncate(scope);
        let back = std::mem::take(&mut self.body.state);
        let frame = self.leave_loop(&entry, &back);
        // The array may be walked to its end from any round, or not be entered at all.
        let end = entry.clone().join(back.clone());
        self.body.state = frame.end(end, &entry, &back);
    }

    fn return_statement(&mut self, span: Span, value: Option<ExprId>) -> bool {
        if self.body.barriers.iter().any(|b| b.gives_value) {
            let finding = self
                .at(&codes::E221, span)
                .message("a `switch` that gives a value cannot be left by `return`")
                .label("give the value with `yield`");
            self.report(finding);
        }
        match (self.body.gives, value) {
            (Gives::Value(ty), Some(value)) => {
                self.coerce(value, ty);
            }
            (Gives::Value(ty), None) => {
                let finding = self
                    .at(&codes::E210, span)
                    .message(format!("{} is needed here", self.show(ty)))
                    .label("this returns nothing");
                self.report(finding);
            }
            (Gives::Void | Gives::Nowhere, Some(value)) => {
                let finding = self
                    .at(&codes::E210, self.span(value))
                    .message("nothing is returned here")
                    .label("there is nobody to take this value");
                self.report(finding);
            }
            (Gives::Void | Gives::Nowhere, None) => {}
        }
        self.body.state = self.body.state.unreachable();
        false
    }

    fn jump(&mut self, span: Span, leave: bool) {
        let depth = self.body.loops.len();
        let inside = |b: &crate::switch::Barrier| b.loops == depth;
        let barriers = &self.body.barriers;
        let problem = if depth == 0 {
            Some("there is no loop around this")
        } else if barriers.iter().any(|b| inside(b) && b.gives_value) {
            Some("a `switch` that gives a value cannot be left like this")
        } else if leave && barriers.iter().any(inside) {
            Some("in Java this would leave the `switch`, which does not go on by itself here")
        } else {
            None
        };
        if let Some(problem) = problem {
            let finding = self.at(&codes::E221, span).label(problem);
            self.report(finding);
        }
        let state = self.body.state.clone();
        self.body.state = state.unreachable();
        if let Some(frame) = self.body.loops.last_mut() {
            if leave {
                frame.breaks.push(state);
            } else {
                frame.continues.push(state);
            }
        }
    }
}
