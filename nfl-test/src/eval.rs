//! Expressions of a test.
//!
//! In: an expression. Out: its value; calls do what they do. Guaranteed: operands are evaluated from
//! the left to the right, and what is not asked for is not evaluated.

use std::rc::Rc;

use nfl_abi::image::VerdictKind;
use nfl_syntax::ast::{Arg, BinOp, DeclKind, ExprId, ExprKind, Lit, UnOp};
use nfl_typeck::Intrinsic;
use nfl_typeck::tables::{MethodId, Res};
use nfl_typeck::ty::{Ty, TyKind};

use crate::number::{self, in_prefix};
use crate::run::{Eval, Flow, Run, Stop, stop};
use crate::value::{Operand, Value, constant};
use crate::wire;

impl Run<'_> {
    /// The value of an expression.
    pub(crate) fn eval(&mut self, e: ExprId) -> Eval<Value> {
        let span = self.ast.exprs[e].span;
        let value = match &self.t.konst[e] {
            Some(konst) => Ok(constant(konst)),
            None => self.step().and_then(|()| self.compute(e)),
        };
        let value = self.placed(value, span)?;
        if self.tracing {
            self.trace.push((e, value.clone()));
        }
        Ok(value)
    }

    pub(crate) fn truth(&mut self, e: ExprId) -> Eval<bool> {
        match self.eval(e)? {
            Value::Bool(b) => Ok(b),
            _ => stop("a condition is true or false"),
        }
    }

    pub(crate) fn number(&mut self, e: ExprId) -> Eval<i128> {
        match self.eval(e)? {
            Value::Int(n) => Ok(n),
            _ => stop("a number is needed here"),
        }
    }

    fn compute(&mut self, e: ExprId) -> Eval<Value> {
        let ast = self.ast;
        let ty = self.t.expr_ty[e];
        if let Res::Test(op) = self.t.expr_res[e] {
            return self.test_op(e, op);
        }
        match &ast.exprs[e].kind {
            ExprKind::Paren(inner) => self.eval(*inner),
            ExprKind::Lit(lit) => Ok(literal(lit)),
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
            ExprKind::Index { base, index } => {
                let at = |n: i128| usize::try_from(n).unwrap_or(usize::MAX);
                if self.is_payload(*base) {
                    let bytes = self.eval(*base)?;
                    let index = self.number(*index)?;
                    return self.byte(&bytes, index);
                }
                match (self.eval(*base)?, self.number(*index)?) {
                    (Value::Array(items), n) if at(n) < items.len() => Ok(items[at(n)].clone()),
                    _ => stop("the index lies outside of the array"),
                }
            }
            ExprKind::Unary { op: UnOp::Not, arg } => Ok(Value::Bool(!self.truth(*arg)?)),
            ExprKind::Unary { op, arg } => {
                let n = self.number(*arg)?;
                let n = if *op == UnOp::Neg { -n } else { -1 - n };
                Ok(Value::Int(number::wrap(&self.t.types, n, ty)))
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
            ExprKind::InstanceOf { value, pat } => {
                let value = self.eval(*value)?;
                Ok(Value::Bool(self.takes(*pat, &value)?))
            }
            ExprKind::In { value, set } => {
                let value = self.eval(*value)?;
                Ok(Value::Bool(self.is_in(&value, *set)?))
            }
            ExprKind::Switch { value, arms } => match self.switch(*value, arms, true)? {
                Flow::Yield(value) => Ok(value),
                _ => stop("the `switch` gives no value"),
            },
            _ => stop("this expression is not known to tests"),
        }
    }

    /// A value as a number of another type.
    fn convert(&self, value: Value, ty: Ty) -> Eval<Value> {
        match value {
            Value::Int(n) => Ok(Value::Int(number::wrap(&self.t.types, n, ty))),
            Value::Bool(b) => Ok(Value::Int(i128::from(b))),
            _ => stop("this is no number"),
        }
    }

    fn named(&mut self, e: ExprId) -> Eval<Value> {
        match self.t.expr_res[e] {
            Res::Local(local) => match &self.locals[local] {
                Some(value) => Ok(value.clone()),
                None => stop("the variable has no value yet"),
            },
            Res::Const(id) => self.konst_of(self.t.consts[id].value.as_ref()),
            Res::OwnField { field, .. } => looked_at(self, self.own.clone(), field),
            Res::ParentField { field, .. } => looked_at(self, self.parent.clone(), field),
            Res::Layer => Ok(Value::Layer(self.layer)),
            Res::LayerConst(layer) => Ok(Value::Layer(layer)),
            Res::Reason(id) => Ok(Value::Reason(id)),
            Res::OwnComponent { this, index } => match &self.locals[this] {
                Some(Value::Record(_, items)) => component(items, index),
                _ => stop("this is no record"),
            },
            Res::Template(_) | Res::Carried(_) => self.konst_of(None),
            _ => Ok(Value::Word),
        }
    }

    fn field(&mut self, e: ExprId, base: ExprId) -> Eval<Value> {
        match self.t.expr_res[e] {
            // Of several headers, `header` is one that has the field at the same place.
            Res::Field { header, field } => match self.eval(base)? {
                Value::View(view) if self.has_length(header, field) => self.variable_field(&view),
                Value::View(view) => {
                    match wire::load(self.t, &view.packet, header, view.base, field) {
                        Some(value) => Ok(value),
                        None => stop("the field lies behind the end of the packet"),
                    }
                }
                _ => stop("only a view has fields"),
            },
            Res::OwnField { .. } | Res::ParentField { .. } => self.named(e),
            Res::Component(index) => match self.eval(base)? {
                Value::Record(_, items) => component(&items, index),
                _ => stop("only a record has components"),
            },
            Res::Intrinsic(which) if self.is_payload(base) => {
                let of = self.eval(base)?;
                self.payload(e, which, &of, &[])
            }
            Res::Intrinsic(which) => self.property(which, base),
            Res::None => match self.eval(base)? {
                Value::View(view) => Ok(Value::Body(view)),
                _ => stop("this member is not known to tests"),
            },
            _ => self.named(e),
        }
    }

    fn property(&mut self, which: Intrinsic, base: ExprId) -> Eval<Value> {
        match (which, self.eval(base)?) {
            (Intrinsic::PacketSize, Value::Packet(packet)) => {
                let (bytes, _) = self.bytes(&packet)?;
                Ok(Value::Int(bytes.len() as i128))
            }
            (Intrinsic::PacketPort, Value::Packet(packet)) => {
                Ok(Value::Int(i128::from(packet.port)))
            }
            (Intrinsic::PacketFlow, Value::Packet(packet)) => self.flow(&packet),
            (Intrinsic::FlowReverse, Value::Flow(flow)) => Ok(Value::Flow(flow.reversed())),
            (Intrinsic::ArrayLength, Value::Array(items)) => Ok(Value::Int(items.len() as i128)),
            (Intrinsic::MacIsMulticast, Value::Int(mac)) => Ok(Value::Bool(mac >> 40 & 1 == 1)),
            (Intrinsic::MacIsLocal, Value::Int(mac)) => Ok(Value::Bool(mac >> 41 & 1 == 1)),
            (Intrinsic::Ip6High, Value::Ip6(a)) => Ok(Value::Int((a >> 64) as i128)),
            (Intrinsic::Ip6Low, Value::Ip6(a)) => Ok(Value::Int(i128::from(a as u64))),
            _ => stop("this member is not known to tests"),
        }
    }

    /// Verdicts and numbers as values of named types.
    fn construct(&mut self, e: ExprId, args: &[Arg]) -> Eval<Value> {
        match self.t.expr_res[e] {
            Res::Verdict(kind) => {
                let operand = match (args, kind) {
                    ([], VerdictKind::Drop | VerdictKind::Punt) => {
                        Operand::Reason(Some("POLICY".to_string()))
                    }
                    ([], _) => Operand::None,
                    ([arg, ..], _) => match self.eval(arg.value)? {
                        Value::Reason(id) => Operand::Reason(Some(self.t.reasons[id].name.clone())),
                        Value::Int(n) => Operand::Number(n as u32),
                        _ => return stop("this is no operand of a verdict"),
                    },
                };
                Ok(Value::Verdict(kind, operand))
            }
            Res::Record(id) => Ok(Value::Record(id, self.arguments(e, args)?)),
            Res::Convert => {
                if let [high, low] = args {
                    return match (self.eval(high.value)?, self.eval(low.value)?) {
                        (Value::Int(high), Value::Int(low)) => {
                            Ok(Value::Ip6((high as u128) << 64 | low as u128))
                        }
                        _ => stop("an address is made of two numbers"),
                    };
                }
                let Some(arg) = args.first() else {
                    return stop("a value is needed here");
                };
                let value = self.eval(arg.value)?;
                self.convert(value, self.t.expr_ty[e])
            }
            _ => stop("this constructor is not known to tests"),
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
                Ok(Value::Int(number::shift(&self.t.types, op, *x, *y, ty)))
            }
            (BinOp::Eq | BinOp::Ne | BinOp::Lt | BinOp::Le | BinOp::Gt | BinOp::Ge, ..) => {
                self.compare(op, &a, &b).map(Value::Bool)
            }
            (_, Value::Int(x), Value::Int(y)) => {
                let ty = self.t.expr_ty[e];
                self.quantities(op, (left, *x), (right, *y), ty)
                    .map(Value::Int)
            }
            _ => stop("these values have no such operator"),
        }
    }

    /// Arithmetic, with the units of quantities: a rate is bits per second, a duration nanoseconds,
    /// a size bytes.
    fn quantities(
        &mut self,
        op: BinOp,
        (left, x): (ExprId, i128),
        (right, y): (ExprId, i128),
        ty: Ty,
    ) -> Eval<i128> {
        const BIT_NS_PER_BYTE: i128 = 8 * 1_000_000_000;
        let kind = |e: ExprId| self.t.types.kind(self.t.expr_ty[e]);
        let (_, hi) = number::range(&self.t.types, ty);
        match (op, kind(left), kind(right)) {
            (BinOp::Mul, TyKind::Rate, TyKind::Duration)
            | (BinOp::Mul, TyKind::Duration, TyKind::Rate) => {
                Ok((x.saturating_mul(y) / BIT_NS_PER_BYTE).min(hi))
            }
            (BinOp::Div, TyKind::Size, TyKind::Rate) if y > 0 => {
                Ok((x.saturating_mul(BIT_NS_PER_BYTE) / y).min(hi))
            }
            _ => self.arithmetic(op, x, y, ty),
        }
    }

    /// `a op b`; layout arithmetic has 32 bits.
    pub(crate) fn arithmetic(&self, op: BinOp, a: i128, b: i128, ty: Ty) -> Eval<i128> {
        if self.layout {
            let exact = match op {
                BinOp::Add => a + b,
                BinOp::Sub => a - b,
                BinOp::Mul => a.wrapping_mul(b),
                BinOp::Div | BinOp::Rem if b == 0 => return stop("the divisor is zero"),
                BinOp::Div => a / b,
                BinOp::Rem => a % b,
                BinOp::BitAnd => a & b,
                BinOp::BitOr => a | b,
                BinOp::BitXor => a ^ b,
                _ => a,
            };
            return Ok(exact.rem_euclid(1 << 32));
        }
        number::arithmetic(&self.t.types, op, a, b, ty).map_err(Stop::Sentence)
    }

    pub(crate) fn compare(&self, op: BinOp, a: &Value, b: &Value) -> Eval<bool> {
        number::compare(op, a, b).map_err(Stop::Sentence)
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
    pub(crate) fn matches(&self, value: &Value, one: &Value) -> Eval<bool> {
        match (value, one) {
            (Value::Int(a), Value::Prefix4(p, len)) => {
                Ok(in_prefix(*a as u128, u128::from(*p), *len, 32))
            }
            (Value::Ip6(a), Value::Prefix6(p, len)) => Ok(in_prefix(*a, *p, *len, 128)),
            _ => Ok(value == one),
        }
    }

    fn call(&mut self, e: ExprId, base: Option<ExprId>, args: &[Arg]) -> Eval<Value> {
        match self.t.expr_res[e] {
            Res::Method(id) => self.invoke(e, id, base, args),
            Res::Dispatch(id) => {
                let receiver = match base {
                    Some(base) => (self.eval(base)?, self.t.expr_ty[base]),
                    None => (self.this.clone(), self.this_ty),
                };
                let member = match (&receiver.0, self.t.types.kind(receiver.1)) {
                    (Value::Record(record, _), TyKind::Sealed(sealed)) => {
                        let members = &self.t.sealed[sealed].members;
                        members.iter().position(|m| m == record)
                    }
                    _ => None,
                };
                let method = member.and_then(|at| self.t.dispatches[id].get(at)).copied();
                match method {
                    Some(method) => {
                        let values = self.arguments(e, args)?;
                        self.enter(method, Some(receiver), values)
                    }
                    None => stop("no member of the interface has this method"),
                }
            }
            Res::Intrinsic(which @ (Intrinsic::Min | Intrinsic::Max)) => {
                let [a, b] = args else {
                    return stop("two values are compared");
                };
                let (a, b) = (self.number(a.value)?, self.number(b.value)?);
                let least = which == Intrinsic::Min;
                Ok(Value::Int(if least { a.min(b) } else { a.max(b) }))
            }
            Res::Intrinsic(which) => match base {
                Some(base) => match self.t.types.kind(self.t.expr_ty[base]) {
                    TyKind::Body(_) | TyKind::Bytes | TyKind::Cursor => {
                        let of = self.eval(base)?;
                        self.payload(e, which, &of, args)
                    }
                    TyKind::Resource(_) => match self.eval(base)? {
                        Value::Resource(named) => self.operation(e, which, named, args),
                        _ => stop("this has no value outside of an instance"),
                    },
                    _ => match which {
                        Intrinsic::LookupIsHit | Intrinsic::LookupOrElse => {
                            self.looked_up(e, which, base, args)
                        }
                        _ => self.property(which, base),
                    },
                },
                None => stop("this function is not known to tests"),
            },
            _ => stop("this call is not known to tests"),
        }
    }

    /// `isHit()` and `orElse(other)`
    fn looked_up(
        &mut self,
        e: ExprId,
        which: Intrinsic,
        base: ExprId,
        args: &[Arg],
    ) -> Eval<Value> {
        let Value::Record(_, mut found) = self.eval(base)? else {
            return stop("a `Lookup` is a `Hit` or a `Miss`");
        };
        if which == Intrinsic::LookupIsHit {
            return Ok(Value::Bool(!found.is_empty()));
        }
        let other = self.arguments(e, args)?;
        match found.pop().or_else(|| other.into_iter().next()) {
            Some(value) => Ok(value),
            None => stop("a value is needed here"),
        }
    }

    /// The arguments of a call in the order of its parameters.
    pub(crate) fn arguments(&mut self, e: ExprId, args: &[Arg]) -> Eval<Vec<Value>> {
        let ordered = match &self.t.args[e] {
            Some(ordered) => ordered.clone(),
            None => args.iter().map(|arg| arg.value).collect(),
        };
        ordered.into_iter().map(|arg| self.initial(arg)).collect()
    }

    /// A method of the program, evaluated as its source says.
    fn invoke(
        &mut self,
        e: ExprId,
        id: MethodId,
        base: Option<ExprId>,
        args: &[Arg],
    ) -> Eval<Value> {
        let receiver = match base {
            Some(base) if !matches!(self.ast.exprs[base].kind, ExprKind::This) => {
                Some((self.eval(base)?, self.t.expr_ty[base]))
            }
            _ => None,
        };
        let values = self.arguments(e, args)?;
        self.enter(id, receiver, values)
    }

    /// Runs a method; without a receiver it works on the same `this` as its caller.
    fn enter(
        &mut self,
        id: MethodId,
        receiver: Option<(Value, Ty)>,
        values: Vec<Value>,
    ) -> Eval<Value> {
        let (ast, t) = (self.ast, self.t);
        let own = match &receiver {
            Some((Value::View(view), _)) => Some((view.packet.clone(), view.header, view.base)),
            _ => self.own.clone(),
        };
        let (this, this_ty) = receiver.unwrap_or((self.this.clone(), self.this_ty));
        if let Some(local) = t.methods[id].receiver {
            self.locals.set(local, Some(this.clone()));
        }
        for (&param, value) in t.methods[id].params.iter().zip(values) {
            self.locals.set(param, Some(value));
        }
        let DeclKind::Method {
            body: Some(body), ..
        } = &ast.decls[t.methods[id].decl].kind
        else {
            return stop("the method has no body");
        };
        let outer = (
            std::mem::replace(&mut self.own, own),
            std::mem::replace(&mut self.this, this),
            std::mem::replace(&mut self.this_ty, this_ty),
            std::mem::replace(&mut self.tracing, false),
        );
        let flow = self.block(body);
        (self.own, self.this, self.this_ty, self.tracing) = outer;
        match flow {
            Ok(Flow::Return(value)) | Err(Stop::Limit(value)) => Ok(value),
            Ok(_) => Ok(Value::Void),
            Err(stop) => Err(stop),
        }
    }
}

/// A component of a record.
fn component(items: &[Value], index: u32) -> Eval<Value> {
    match items.get(index as usize) {
        Some(item) => Ok(item.clone()),
        None => stop("the record has no such component"),
    }
}

fn literal(lit: &Lit) -> Value {
    match lit {
        Lit::Int(n) => Value::Int(i128::try_from(*n).unwrap_or(i128::MAX)),
        Lit::Bool(b) => Value::Bool(*b),
        Lit::Char(c) => Value::Int(i128::from(*c)),
        Lit::Ip4(n) => Value::Int(i128::from(*n)),
        Lit::Ip6(n) => Value::Ip6(*n),
        Lit::Mac(n) | Lit::Duration(n) | Lit::Size(n) => Value::Int(i128::from(*n)),
        Lit::Rate { per_second, .. } => Value::Int(i128::from(*per_second)),
        Lit::Prefix4 { addr, len } => Value::Prefix4(*addr, *len),
        Lit::Prefix6 { addr, len } => Value::Prefix6(*addr, *len),
        Lit::Text(text) => Value::Text(text.clone()),
    }
}

/// A field of the header at hand; what lies behind the packet reads as zero.
fn looked_at(run: &Run<'_>, place: Option<crate::run::Place>, field: u32) -> Eval<Value> {
    let Some((packet, header, base)) = place else {
        return stop("a field of no header");
    };
    let value = wire::load(run.t, &packet, header, base, field);
    let ty = run.t.headers[header].fields[field as usize].ty;
    Ok(value.unwrap_or_else(|| wire::value(run.t, 0, ty)))
}

/// A reference to a packet.
pub(crate) fn packet(packet: crate::value::Packet) -> Value {
    Value::Packet(Rc::new(packet))
}
