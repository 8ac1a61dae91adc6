//! Expressions.
//!
//! In: an expression. Out: its value; calls do what they do. Guaranteed: operands are evaluated from
//! the left to the right, and what is not asked for is not evaluated.

use nfl_abi::image::VerdictKind;
use nfl_syntax::arena::Id;
use nfl_syntax::ast::{Arg, BinOp, DeclKind, ExprId, ExprKind, Lit, StmtKind, UnOp};
use nfl_typeck::tables::{LocalId, MethodId, Res};
use nfl_typeck::ty::TyKind;
use nfl_typeck::{Intrinsic, Konst};

use super::exec::Flow;
use super::number::in_prefix;
use super::{Eval, Operand, Run, Stop, Value, wrong};

/// The value of a constant.
pub(super) fn constant(konst: &Konst) -> Eval<Value> {
    Ok(match konst {
        Konst::Bool(b) => Value::Bool(*b),
        Konst::Int(n) => Value::Int(*n),
        Konst::Ip6(n) => Value::Ip6(*n),
        Konst::Prefix4 { addr, len } => Value::Prefix4(*addr, *len),
        Konst::Prefix6 { addr, len } => Value::Prefix6(*addr, *len),
        Konst::Array(items) => {
            Value::Array(items.iter().map(constant).collect::<Eval<Vec<Value>>>()?)
        }
        Konst::Reason(id) => Value::Reason(*id),
        Konst::Record(id, parts) => {
            let parts = parts.iter().map(constant).collect::<Eval<Vec<Value>>>()?;
            Value::Record(*id, parts)
        }
        Konst::Text(_) => return wrong("a text is no value"),
    })
}

impl Run<'_> {
    /// The value of an expression.
    pub(super) fn eval(&mut self, e: ExprId) -> Eval<Value> {
        if let Some(konst) = &self.t.konst[e] {
            let konst = constant(konst)?;
            return self.second_opinion(e, konst);
        }
        self.compute(e)
    }

    /// What the checker computed, computed again. Expressions of literals alone are computed in
    /// unbounded integers, and there is nothing to cut.
    fn second_opinion(&mut self, e: ExprId, konst: Value) -> Eval<Value> {
        let worth = matches!(
            self.ast.exprs[e].kind,
            ExprKind::Cast { .. } | ExprKind::Construct { .. } | ExprKind::Call { .. }
        );
        let worth = worth || (self.has_names(e) && !self.layout);
        if !worth {
            return Ok(konst);
        }
        let again = self.compute(e)?;
        if again != konst {
            return wrong(format!("the checker says {konst:?}, and it is {again:?}"));
        }
        Ok(konst)
    }

    /// Whether an operator stands over something else than literals.
    fn has_names(&self, e: ExprId) -> bool {
        match &self.ast.exprs[e].kind {
            ExprKind::Paren(a) | ExprKind::Unary { arg: a, .. } => self.has_names(*a),
            ExprKind::Binary { left, right, .. } => self.has_names(*left) || self.has_names(*right),
            ExprKind::Lit(_) => false,
            _ => true,
        }
    }

    pub(super) fn truth(&mut self, e: ExprId) -> Eval<bool> {
        match self.eval(e)? {
            Value::Bool(b) => Ok(b),
            other => wrong(format!("{other:?} is a condition")),
        }
    }

    pub(super) fn number(&mut self, e: ExprId) -> Eval<i128> {
        match self.eval(e)? {
            Value::Int(n) => Ok(n),
            other => wrong(format!("{other:?} is a number")),
        }
    }

    fn compute(&mut self, e: ExprId) -> Eval<Value> {
        let ast = self.ast;
        let ty = self.t.expr_ty[e];
        match &ast.exprs[e].kind {
            ExprKind::Paren(inner) => self.eval(*inner),
            ExprKind::Lit(lit) => self.literal(lit),
            ExprKind::Name(_)
            | ExprKind::Const(_)
            | ExprKind::StaticField { .. }
            | ExprKind::This => self.named(e),
            ExprKind::Type(_) => self.construct(e, &[]),
            ExprKind::Construct { args, .. } => self.construct(e, args),
            ExprKind::Call { args, .. } | ExprKind::StaticCall { args, .. } => {
                self.call(e, None, args)
            }
            ExprKind::MethodCall { base, args, .. } => self.call(e, Some(*base), args),
            ExprKind::Field { base, .. } => self.field(e, *base),
            ExprKind::Index { base, index }
                if matches!(
                    self.t.types.kind(self.t.expr_ty[*base]),
                    TyKind::Body(_) | TyKind::Bytes
                ) =>
            {
                let value = self.eval(*base)?;
                let index = self.number(*index)?;
                self.byte_at(&value, index)
            }
            ExprKind::Index { .. } => {
                let place = self.place(e)?;
                self.read(&place)
            }
            ExprKind::Unary { op: UnOp::Not, arg } => Ok(Value::Bool(!self.truth(*arg)?)),
            ExprKind::Unary { op, arg } => {
                let n = self.number(*arg)?;
                let n = if *op == UnOp::Neg { -n } else { -1 - n };
                Ok(Value::Int(self.wrap(n, ty)))
            }
            ExprKind::Cast { arg, .. } => {
                let value = self.eval(*arg)?;
                self.convert(value, ty)
            }
            ExprKind::Binary { op, left, right } => self.binary(e, *op, *left, *right),
            ExprKind::Cond {
                cond,
                then,
                otherwise,
            } => {
                let chosen = if self.truth(*cond)? { then } else { otherwise };
                self.eval(*chosen)
            }
            ExprKind::InstanceOf { value, pat } => self.instance_of(*value, *pat),
            ExprKind::In { value, set } => {
                let value = self.eval(*value)?;
                Ok(Value::Bool(self.is_in(&value, *set)?))
            }
            ExprKind::Switch { value, arms } => match self.switch(*value, arms, true)? {
                Flow::Yield(value) => Ok(value),
                other => wrong(format!("a switch gives {other:?}")),
            },
            other => wrong(format!("{other:?} is evaluated")),
        }
    }

    fn literal(&self, lit: &Lit) -> Eval<Value> {
        Ok(match lit {
            Lit::Int(n) => Value::Int(*n as i128),
            Lit::Bool(b) => Value::Bool(*b),
            Lit::Char(c) => Value::Int(i128::from(*c)),
            Lit::Ip4(n) => Value::Int(i128::from(*n)),
            Lit::Ip6(n) => Value::Ip6(*n),
            Lit::Mac(n) | Lit::Duration(n) | Lit::Size(n) => Value::Int(i128::from(*n)),
            Lit::Rate { per_second, .. } => Value::Int(i128::from(*per_second)),
            Lit::Prefix4 { addr, len } => Value::Prefix4(*addr, *len),
            Lit::Prefix6 { addr, len } => Value::Prefix6(*addr, *len),
            Lit::Text(_) => return wrong("a text is evaluated"),
        })
    }

    /// A value as a number of another type.
    fn convert(&self, value: Value, ty: nfl_typeck::Ty) -> Eval<Value> {
        match value {
            Value::Int(n) => Ok(Value::Int(self.wrap(n, ty))),
            Value::Bool(b) => Ok(Value::Int(i128::from(b))),
            other => wrong(format!("{other:?} becomes a number")),
        }
    }

    fn named(&mut self, e: ExprId) -> Eval<Value> {
        match self.t.expr_res[e] {
            Res::Local(local) => self.local(local),
            Res::Template(id) => match &self.bindings.values[id] {
                Some(konst) => constant(konst),
                None => wrong("a parameter has no value"),
            },
            Res::Const(id) => match &self.t.consts[id].value {
                Some(konst) => constant(konst),
                None => wrong("a constant has no value"),
            },
            Res::Carried(id) => self.recall(id, 0),
            Res::OwnField { field, .. } => self.looked_at(self.own, field),
            Res::ParentField { field, .. } => self.looked_at(self.parent, field),
            Res::Layer => Ok(Value::Layer(self.layer)),
            Res::LayerConst(layer) => Ok(Value::Layer(layer)),
            Res::Reason(id) => Ok(Value::Reason(id)),
            Res::OwnComponent { this, index } => {
                let this = self.local(this)?;
                component(this, index)
            }
            Res::EnumConst(_) | Res::Limit => match &self.t.konst[e] {
                Some(konst) => constant(konst),
                None => wrong("a constant has no value"),
            },
            Res::None => Ok(Value::Node),
            other => wrong(format!("{other:?} is evaluated")),
        }
    }

    fn looked_at(
        &self,
        header: Option<(nfl_typeck::tables::HeaderId, usize)>,
        field: u32,
    ) -> Eval<Value> {
        match header {
            Some((header, base)) => self.load(header, base, field),
            None => wrong("a field of no header"),
        }
    }

    pub(super) fn local(&self, local: LocalId) -> Eval<Value> {
        match &self.locals[local] {
            Some(value) => Ok(value.clone()),
            None => wrong("a variable is read before it is assigned"),
        }
    }

    fn field(&mut self, e: ExprId, base: ExprId) -> Eval<Value> {
        match self.t.expr_res[e] {
            Res::Field { field, .. } => match self.eval(base)? {
                Value::View(view) => {
                    let field = self.field_in(&view, base, field);
                    if self.t.types.kind(self.t.expr_ty[e]) == TyKind::Bytes {
                        return self.array(&view, field);
                    }
                    self.load(view.header, view.base, field)
                }
                other => wrong(format!("a field of {other:?}")),
            },
            Res::Intrinsic(which) => self.property(which, base),
            Res::Component(index) => {
                let value = self.eval(base)?;
                component(value, index)
            }
            Res::None => match self.eval(base)? {
                Value::View(view) => {
                    self.body_end(&view)?;
                    Ok(Value::Body(view))
                }
                other => wrong(format!("the body of {other:?}")),
            },
            _ => self.named(e),
        }
    }

    fn property(&mut self, which: Intrinsic, base: ExprId) -> Eval<Value> {
        if let Some(value) = self.payload(which, base, &[])? {
            return Ok(value);
        }
        let number = |n: u32| Ok(Value::Int(i128::from(n)));
        match which {
            Intrinsic::PacketSize => number(self.packet.len() as u32),
            Intrinsic::PacketPort => number(self.context.ingress_port),
            Intrinsic::PacketQueue => number(self.context.queue_depth),
            Intrinsic::QueueDepth => number(self.context.queue_depth.min(0xffff)),
            Intrinsic::NodeIdent => number(self.context.node_id),
            Intrinsic::PacketNextHop => number(self.context.next_hop),
            Intrinsic::ArrayLength => {
                let (_, count) = self.elements(self.t.expr_ty[base]);
                number(count as u32)
            }
            _ => match (which, self.eval(base)?) {
                (Intrinsic::MacIsMulticast, Value::Int(mac)) => Ok(Value::Bool(mac >> 40 & 1 == 1)),
                (Intrinsic::MacIsLocal, Value::Int(mac)) => Ok(Value::Bool(mac >> 41 & 1 == 1)),
                (Intrinsic::Ip6High, Value::Ip6(a)) => Ok(Value::Int((a >> 64) as i128)),
                (Intrinsic::Ip6Low, Value::Ip6(a)) => Ok(Value::Int(i128::from(a as u64))),
                other => wrong(format!("{other:?}")),
            },
        }
    }

    /// Verdicts and numbers as values of named types.
    fn construct(&mut self, e: ExprId, args: &[Arg]) -> Eval<Value> {
        match self.t.expr_res[e] {
            Res::Verdict(kind) => {
                let operand = match args {
                    [] if matches!(kind, VerdictKind::Drop | VerdictKind::Punt) => {
                        Operand::Reason(Id::new(0))
                    }
                    [] => Operand::Number(0),
                    [arg, ..] => match self.eval(arg.value)? {
                        Value::Reason(id) => Operand::Reason(id),
                        Value::Int(n) => Operand::Number(n as u32),
                        other => return wrong(format!("a verdict with {other:?}")),
                    },
                };
                Ok(Value::Verdict(kind, operand))
            }
            Res::Convert => {
                let value = self.eval(args[0].value)?;
                let ty = self.t.expr_ty[e];
                self.convert(value, ty)
            }
            Res::Record(_) => {
                let TyKind::Record(id) = self.t.types.kind(self.t.expr_ty[e]) else {
                    return wrong("a record of another type");
                };
                let mut parts = Vec::new();
                for arg in self.ordered(e, args) {
                    parts.push(self.given(arg)?);
                }
                Ok(Value::Record(id, parts))
            }
            other => wrong(format!("{other:?} is constructed")),
        }
    }

    fn binary(&mut self, e: ExprId, op: BinOp, left: ExprId, right: ExprId) -> Eval<Value> {
        match op {
            BinOp::And => return Ok(Value::Bool(self.truth(left)? && self.truth(right)?)),
            BinOp::Or => return Ok(Value::Bool(self.truth(left)? || self.truth(right)?)),
            _ => {}
        }
        let (a, b) = (self.eval(left)?, self.eval(right)?);
        match (op, &a, &b) {
            (BinOp::Shl | BinOp::Shr | BinOp::Ushr, Value::Int(x), Value::Int(y)) => {
                let ty = self.t.expr_ty[left];
                self.shift(op, *x, *y, ty).map(Value::Int)
            }
            (BinOp::Eq | BinOp::Ne | BinOp::Lt | BinOp::Le | BinOp::Gt | BinOp::Ge, ..) => {
                self.compare(op, &a, &b).map(Value::Bool)
            }
            (BinOp::Mul | BinOp::Div | BinOp::Rem, Value::Int(x), Value::Int(y))
                if self.is_quantity(left) || self.is_quantity(right) =>
            {
                self.scale(op, (left, *x), (right, *y), e).map(Value::Int)
            }
            (_, Value::Int(x), Value::Int(y)) => {
                let ty = self.t.expr_ty[e];
                self.arithmetic(op, *x, *y, ty).map(Value::Int)
            }
            _ => wrong(format!("{a:?} {op:?} {b:?}")),
        }
    }

    fn is_in(&mut self, value: &Value, set: ExprId) -> Eval<bool> {
        let ast = self.ast;
        match &ast.exprs[set].kind {
            ExprKind::Paren(inner) => self.is_in(value, *inner),
            ExprKind::Set(items) => {
                for &item in items {
                    if self.is_in(value, item)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            ExprKind::Range { lo, hi } => {
                let (lo, hi) = (self.eval(*lo)?, self.eval(*hi)?);
                Ok(self.compare(BinOp::Le, &lo, value)? && self.compare(BinOp::Le, value, &hi)?)
            }
            _ => {
                let one = self.eval(set)?;
                self.matches(value, &one)
            }
        }
    }

    /// Whether a value is another one, or begins with a prefix.
    pub(super) fn matches(&self, value: &Value, one: &Value) -> Eval<bool> {
        match (value, one) {
            (Value::Int(a), Value::Prefix4(p, len)) => {
                Ok(in_prefix(*a as u128, u128::from(*p), *len, 32))
            }
            (Value::Ip6(a), Value::Prefix6(p, len)) => Ok(in_prefix(*a, *p, *len, 128)),
            _ => self.compare(BinOp::Eq, value, one),
        }
    }

    fn call(&mut self, e: ExprId, base: Option<ExprId>, args: &[Arg]) -> Eval<Value> {
        if let (Res::Intrinsic(which), Some(base)) = (self.t.expr_res[e], base)
            && let Some(value) = self.payload(which, base, args)?
        {
            return Ok(value);
        }
        match self.t.expr_res[e] {
            Res::Method(id) => self.invoke(e, id, base, args),
            Res::Dispatch(dispatch) => {
                let this = match base {
                    Some(base) => self.eval(base)?,
                    None => match self.this {
                        Some(this) => self.local(this)?,
                        None => return wrong("a method of nothing"),
                    },
                };
                let Value::Record(id, _) = this else {
                    return wrong(format!("a method of {this:?}"));
                };
                // The member's own method is the one whose `this` is of the member's type.
                let methods = self.t.dispatches[dispatch].clone();
                let own = methods.into_iter().find(|&m| {
                    let receiver = self.t.methods[m].receiver;
                    receiver.is_some_and(|r| {
                        self.t.types.kind(self.t.locals[r].ty) == TyKind::Record(id)
                    })
                });
                match own {
                    Some(own) => self.invoke_on(e, own, Some(this), args),
                    None => wrong("a member without the method"),
                }
            }
            Res::Intrinsic(Intrinsic::LookupIsHit) => match base.map(|base| self.eval(base)) {
                Some(Ok(Value::Record(_, parts))) => Ok(Value::Bool(!parts.is_empty())),
                other => wrong(format!("{other:?} is no answer")),
            },
            Res::Intrinsic(Intrinsic::LookupOrElse) => {
                let found = match base.map(|base| self.eval(base)) {
                    Some(Ok(Value::Record(_, parts))) => parts.into_iter().next(),
                    other => return wrong(format!("{other:?} is no answer")),
                };
                let other = self.eval(args[0].value)?;
                Ok(found.unwrap_or(other))
            }
            Res::Intrinsic(which @ (Intrinsic::Min | Intrinsic::Max)) => {
                let (a, b) = (self.number(args[0].value)?, self.number(args[1].value)?);
                Ok(Value::Int(if which == Intrinsic::Min {
                    a.min(b)
                } else {
                    a.max(b)
                }))
            }
            Res::Intrinsic(Intrinsic::Swap | Intrinsic::Exchange) => {
                let (first, second) = (self.place(args[0].value)?, self.place(args[1].value)?);
                let (a, b) = (self.read(&first)?, self.read(&second)?);
                self.write(&first, b)?;
                self.write(&second, a)?;
                Ok(Value::Void)
            }
            Res::Intrinsic(Intrinsic::ClockNow) => {
                Ok(Value::Int(i128::from(self.context.clock_ns)))
            }
            Res::Intrinsic(Intrinsic::ClockNanos) => {
                Ok(Value::Int(i128::from(self.context.clock_ns as u32)))
            }
            Res::Intrinsic(Intrinsic::ClockMinutes) => {
                let minutes = self.context.clock_ns / 60_000_000_000;
                Ok(Value::Int(i128::from(minutes as u32)))
            }
            Res::Intrinsic(which) => match base {
                Some(base) => self.property(which, base),
                None => wrong(format!("{which:?} without a receiver")),
            },
            other => wrong(format!("{other:?} is called")),
        }
    }

    /// The arguments in the order of the parameters, defaults filled in.
    fn ordered(&self, e: ExprId, args: &[Arg]) -> Vec<ExprId> {
        match &self.t.args[e] {
            Some(ordered) => ordered.clone(),
            None => args.iter().map(|arg| arg.value).collect(),
        }
    }

    /// An argument, which may be a list of elements.
    fn given(&mut self, e: ExprId) -> Eval<Value> {
        let ast = self.ast;
        if let ExprKind::List(items) = &ast.exprs[e].kind {
            let items = items.iter().map(|&item| self.given(item));
            return Ok(Value::Array(items.collect::<Eval<Vec<Value>>>()?));
        }
        self.eval(e)
    }

    fn is_quantity(&self, e: ExprId) -> bool {
        matches!(
            self.t.types.kind(self.t.expr_ty[e]),
            TyKind::Size | TyKind::Rate | TyKind::Duration | TyKind::Instant
        )
    }

    /// A product or quotient of quantities, exact and then cut at the ends of its type.
    fn scale(
        &self,
        op: BinOp,
        (left, a): (ExprId, i128),
        (right, b): (ExprId, i128),
        e: ExprId,
    ) -> Eval<i128> {
        let kind = |e: ExprId| self.t.types.kind(self.t.expr_ty[e]);
        let (lo, hi) = self.range(self.t.expr_ty[e]);
        let (a, b) = (a as u128, b as u128);
        if op != BinOp::Mul && b == 0 {
            return wrong("a divisor is zero");
        }
        let exact = match (op, kind(left), kind(right)) {
            (BinOp::Mul, TyKind::Rate, TyKind::Duration)
            | (BinOp::Mul, TyKind::Duration, TyKind::Rate) => a.saturating_mul(b) / 8_000_000_000,
            (BinOp::Div, TyKind::Size, TyKind::Rate | TyKind::Duration) => a * 8_000_000_000 / b,
            (BinOp::Mul, ..) => a.saturating_mul(b),
            (BinOp::Div, ..) => a / b,
            _ => a % b,
        };
        Ok(i128::try_from(exact).unwrap_or(i128::MAX).clamp(lo, hi))
    }

    fn invoke(
        &mut self,
        e: ExprId,
        id: MethodId,
        base: Option<ExprId>,
        args: &[Arg],
    ) -> Eval<Value> {
        let this = match (self.t.methods[id].receiver, base, self.this) {
            (None, ..) => None,
            (Some(_), Some(base), _) => Some(self.eval(base)?),
            (Some(_), None, Some(this)) => Some(self.local(this)?),
            _ => return wrong("a method of nothing"),
        };
        if this.is_some() {
            return self.invoke_on(e, id, this, args);
        }
        let ast = self.ast;

        let own = match base {
            Some(base) if !matches!(ast.exprs[base].kind, ExprKind::This) => {
                match self.eval(base)? {
                    Value::View(view) => Some((view.header, view.base)),
                    other => return wrong(format!("a method of {other:?}")),
                }
            }
            _ => self.own,
        };
        let outer = std::mem::replace(&mut self.own, own);
        let result = self.invoke_on(e, id, None, args);
        self.own = outer;
        result
    }

    fn invoke_on(
        &mut self,
        e: ExprId,
        id: MethodId,
        this: Option<Value>,
        args: &[Arg],
    ) -> Eval<Value> {
        let (ast, t) = (self.ast, self.t);
        let mut values = Vec::new();
        for arg in self.ordered(e, args) {
            values.push(self.given(arg)?);
        }
        if let (Some(local), Some(this)) = (t.methods[id].receiver, this) {
            self.locals.set(local, Some(this));
        }
        for (&param, value) in t.methods[id].params.iter().zip(values) {
            self.locals.set(param, Some(value));
        }
        let DeclKind::Method {
            body: Some(body), ..
        } = &ast.decls[t.methods[id].decl].kind
        else {
            return wrong("a method without a body");
        };
        let outer = std::mem::replace(&mut self.this, t.methods[id].receiver);
        let flow = self.block(body);
        self.this = outer;
        match flow {
            Ok(Flow::Return(value)) | Err(Stop::Limit(value)) => Ok(value),
            Ok(Flow::Next) => Ok(Value::Void),
            Ok(other) => wrong(format!("a method ends in {other:?}")),
            Err(stop) => Err(stop),
        }
    }

    /// The value of an arm's body in a `switch` that gives a value.
    pub(super) fn arm_value(&mut self, body: nfl_syntax::ast::StmtId) -> Eval<Flow> {
        let ast = self.ast;
        match &ast.stmts[body].kind {
            StmtKind::Expr(e) => Ok(Flow::Yield(self.eval(*e)?)),
            _ => self.stmt(body),
        }
    }

    /// Whether a type's values are views.
    pub(super) fn is_zeroed(&self, ty: nfl_typeck::Ty) -> bool {
        matches!(self.t.types.kind(ty), TyKind::Array(..))
    }
}

/// A component of a record.
fn component(value: Value, index: u32) -> Eval<Value> {
    match value {
        Value::Record(_, parts) => match parts.into_iter().nth(index as usize) {
            Some(part) => Ok(part),
            None => wrong("a record without this component"),
        },
        other => wrong(format!("a component of {other:?}")),
    }
}
