//! Expressions: values as words.
//!
//! In: an expression of a sound program. Out: its words, in the type that is asked for. Guaranteed:
//! evaluated once, left to right.

use super::number::Width;
use super::ssa::Place;
use super::value::Memory;
use super::{Local, Lower, Val, bits_of};
use crate::entity::Value;
use crate::func::Region;
use crate::op::Op;
use nfl_abi::image::VerdictKind;
use nfl_syntax::ast::{BinOp, ExprId, ExprKind, TypeId, UnOp};
use nfl_typeck::tables::{Konst, Res, TemplateId};
use nfl_typeck::{Ty, TyKind};

impl Lower<'_, '_> {
    pub(super) fn ty(&self, e: ExprId) -> Ty {
        self.image.sound.tables().expr_ty[e]
    }

    pub(super) fn kind(&self, ty: Ty) -> TyKind {
        self.image.sound.tables().types.kind(ty)
    }

    /// The words of a value in its own type.
    pub(super) fn words(&mut self, e: ExprId) -> Vec<Value> {
        let ty = self.ty(e);
        let val = self.expr(e);
        match val {
            Val::Words(words) => words,
            Val::Unit => self.b.number(
                0,
                Width {
                    bits: 128,
                    signed: false,
                },
            ),
            other => self.flat(&other, ty),
        }
    }

    /// An expression of a header's layout: all of it in 32 bits.
    pub(super) fn u32_of(&mut self, e: ExprId) -> Value {
        if let Some(konst) = self.konst(e) {
            return self.b.constant(bits_of(&konst) as u32);
        }
        match &self.image.sound.program().ast.exprs[e].kind {
            ExprKind::Paren(inner) => self.u32_of(*inner),
            ExprKind::Binary {
                op: op @ (BinOp::Add | BinOp::Sub | BinOp::Mul),
                left,
                right,
            } => {
                let (a, b) = (self.u32_of(*left), self.u32_of(*right));
                let op = match op {
                    BinOp::Add => Op::Add,
                    BinOp::Sub => Op::Sub,
                    _ => Op::Mul,
                };
                self.b.op2(op, a, b, 32)
            }
            _ => {
                let from = self.image.width(self.ty(e));
                let words = self.words(e);
                self.b.resize(words, from, Width::U32)[0]
            }
        }
    }

    /// The value of an expression, which may stay in memory.
    pub(super) fn lazy(&mut self, e: ExprId) -> Val {
        if let Some(konst) = self.konst(e)
            && let Some(val) = self.konst_val(&konst, self.ty(e))
        {
            return val;
        }
        let sound = self.image.sound;
        let node = &sound.program().ast.exprs[e];
        let span = self.b.span;
        if !self.in_header {
            self.b.span = Some(node.span);
        }
        let val = match &node.kind {
            ExprKind::Paren(inner) => self.lazy(*inner),
            ExprKind::Unary { op: UnOp::Not, arg } => {
                let words = self.words(*arg);
                Val::Words(vec![self.b.not(words[0])])
            }
            ExprKind::Unary { op, arg } => {
                let ty = self.ty(e);
                let w = self.image.width(ty);
                let words = self.words_as(*arg, ty);
                Val::Words(if *op == UnOp::Neg {
                    self.b.negate(&words, w)
                } else {
                    self.b.complement(&words, w)
                })
            }
            ExprKind::Cast { ty, arg } => self.cast(e, *ty, *arg),
            ExprKind::Binary { op, left, right } => self.binary(e, *op, *left, *right),
            ExprKind::Cond {
                cond,
                then,
                otherwise,
            } => self.choose(e, *cond, *then, *otherwise),
            ExprKind::InstanceOf { .. } | ExprKind::In { .. } => self.cond_value(e),
            ExprKind::Index { base, index }
                if matches!(
                    self.kind(self.ty(*base)),
                    TyKind::Body(_) | TyKind::BodyOfOne(_) | TyKind::Bytes
                ) =>
            {
                self.byte_at(*base, *index)
            }
            ExprKind::Index { base, index } => self.element(*base, *index),
            ExprKind::Field { base, .. }
                if matches!(
                    self.kind(self.ty(e)),
                    TyKind::Body(_) | TyKind::BodyOfOne(_)
                ) =>
            {
                match self.expr(*base) {
                    Val::View(view) => Val::Body(view),
                    other => other,
                }
            }
            ExprKind::Switch { value, arms } => self.switch(*value, arms, Some(self.ty(e))),
            _ => self.named(e),
        };
        self.b.span = span;
        val
    }

    /// A constant that needs no memory.
    fn konst_val(&mut self, konst: &Konst, ty: Ty) -> Option<Val> {
        match konst {
            Konst::Reason(reason) => {
                let number = self.image.reason(*reason);
                Some(Val::Words(vec![self.b.constant(number)]))
            }
            Konst::Bool(_) | Konst::Int(_) | Konst::Ip6(_) => {
                self.image.sound.tables().types.bits(ty)?;
                let w = self.image.width(ty);
                Some(Val::Words(self.b.number(bits_of(konst), w)))
            }
            Konst::Record(..) | Konst::Prefix4 { .. } | Konst::Prefix6 { .. } => {
                Some(Val::Words(self.konst_words(konst, ty)))
            }
            Konst::Array(_) | Konst::Text(_) => None,
        }
    }

    fn cast(&mut self, e: ExprId, _written: TypeId, arg: ExprId) -> Val {
        let (from, to) = (self.image.width(self.ty(arg)), self.image.width(self.ty(e)));
        let words = self.words(arg);
        Val::Words(self.b.resize(words, from, to))
    }

    fn binary(&mut self, e: ExprId, op: BinOp, left: ExprId, right: ExprId) -> Val {
        match op {
            BinOp::And | BinOp::Or => return self.cond_value(e),
            BinOp::Eq | BinOp::Ne | BinOp::Lt | BinOp::Le | BinOp::Gt | BinOp::Ge => {
                return Val::Words(vec![self.comparison(op, left, right)]);
            }
            _ => {}
        }
        let ty = self.ty(e);
        let (x, y) = (self.ty(left), self.ty(right));
        if self.is_scaling(op, x, y) {
            let (a, b) = (self.words(left), self.words(right));
            return Val::Words(self.scaled(op, (x, &a), (y, &b), ty));
        }
        let a = self.words_as(left, ty);
        if matches!(op, BinOp::Shl | BinOp::Shr | BinOp::Ushr) {
            let count = self.words(right)[0];
            return Val::Words(self.shift(op, &a, count, ty));
        }
        let b = self.words_as(right, ty);
        Val::Words(self.arithmetic(op, &a, &b, ty))
    }

    /// Whether this is a product or quotient of quantities, which have other types than their result.
    fn is_scaling(&self, op: BinOp, x: Ty, y: Ty) -> bool {
        let quantity = |ty| {
            matches!(
                self.kind(ty),
                TyKind::Size | TyKind::Rate | TyKind::Duration | TyKind::Instant
            )
        };
        matches!(op, BinOp::Mul | BinOp::Div | BinOp::Rem) && (quantity(x) || quantity(y))
    }

    fn shift(&mut self, op: BinOp, a: &[Value], count: Value, ty: Ty) -> Vec<Value> {
        let w = self.image.width(ty);
        match op {
            BinOp::Shl => self.b.shift_left(a, count, w),
            BinOp::Shr => self.b.shift_right(a, count, w, w.signed),
            _ => self.b.shift_right(a, count, w, false),
        }
    }

    fn arithmetic(&mut self, op: BinOp, a: &[Value], b: &[Value], ty: Ty) -> Vec<Value> {
        let w = self.image.width(ty);
        // Quantities saturate whatever the operator's spelling.
        let saturates = matches!(
            self.kind(ty),
            TyKind::Size | TyKind::Rate | TyKind::Duration | TyKind::Instant
        );
        match op {
            BinOp::Add | BinOp::SatAdd if saturates => self.b.saturating_add(a, b, w),
            BinOp::Sub | BinOp::SatSub if saturates => self.b.saturating_sub(a, b, w),
            BinOp::Add => self.b.add(a, b, w),
            BinOp::Sub => self.b.sub(a, b, w),
            BinOp::Mul => self.b.mul(a, b, w),
            BinOp::Div => self.b.divide(a, b, w, false),
            BinOp::Rem => self.b.divide(a, b, w, true),
            BinOp::SatAdd => self.b.saturating_add(a, b, w),
            BinOp::SatSub => self.b.saturating_sub(a, b, w),
            BinOp::BitAnd => self.b.bitwise(Op::And, a, b, w),
            BinOp::BitOr => self.b.bitwise(Op::Or, a, b, w),
            BinOp::BitXor => self.b.bitwise(Op::Xor, a, b, w),
            _ => unreachable!("conditions and shifts are lowered elsewhere"),
        }
    }

    /// The result of a compound assignment: `old op value` in the type of the place.
    pub(super) fn combine(
        &mut self,
        op: BinOp,
        old: &[Value],
        value: ExprId,
        ty: Ty,
    ) -> Vec<Value> {
        if matches!(op, BinOp::Shl | BinOp::Shr | BinOp::Ushr) {
            let count = self.words(value)[0];
            return self.shift(op, old, count, ty);
        }
        let own = self.ty(value);
        if self.is_scaling(op, ty, own) {
            let words = self.words(value);
            return self.scaled(op, (ty, old), (own, &words), ty);
        }
        let value = self.words_as(value, ty);
        self.arithmetic(op, old, &value, ty)
    }

    /// One more or one less.
    pub(super) fn step(&mut self, old: &[Value], up: bool, ty: Ty) -> Vec<Value> {
        let w = self.image.width(ty);
        let one = self.b.number(1, w);
        if up {
            self.b.add(old, &one, w)
        } else {
            self.b.sub(old, &one, w)
        }
    }

    fn choose(&mut self, e: ExprId, cond: ExprId, then: ExprId, otherwise: ExprId) -> Val {
        let ty = self.ty(e);
        let vars = self.vars(ty);
        let (yes, no, join) = (self.b.block(), self.b.block(), self.b.block());
        self.cond(cond, yes, no);
        for (block, value) in [(yes, then), (no, otherwise)] {
            self.b.enter(block);
            if self.b.reachable() {
                self.assign_vars(&vars, value, ty);
                self.b.jump(join);
            }
        }
        self.b.enter(join);
        self.read_vars(&vars, ty)
    }

    /// Variables for a value of this type.
    pub(super) fn vars(&mut self, ty: Ty) -> Vec<super::Var> {
        let shape = self.image.shape(ty);
        shape.into_iter().map(|bits| self.b.var(bits)).collect()
    }

    /// Writes the value of an expression, in type `ty`, to variables.
    pub(super) fn assign_vars(&mut self, vars: &[super::Var], value: ExprId, ty: Ty) {
        if let TyKind::Void | TyKind::Error = self.kind(ty) {
            return;
        }
        let words = self.words_as(value, ty);
        self.write_vars(vars, words);
    }

    pub(super) fn read_vars(&mut self, vars: &[super::Var], ty: Ty) -> Val {
        let words: Vec<Value> = vars.iter().map(|&v| self.b.read(v)).collect();
        self.as_val(words, ty)
    }

    /// Names, fields, calls: whatever the checker resolved.
    fn named(&mut self, e: ExprId) -> Val {
        let tables = self.image.sound.tables();
        match tables.expr_res[e] {
            Res::Local(local) => match self.locals.get(&local).cloned() {
                Some(Local::Fixed(val)) => val,
                Some(Local::Vars(vars)) => self.read_vars(&vars, tables.locals[local].ty),
                None => Val::Unit,
            },
            Res::Template(template) => self.template(template),
            Res::Const(id) => self.constant(id),
            Res::Carried(id) => self.carried(id),
            Res::Field { field, .. } => self.view_field(e, field),
            Res::OwnField { field, .. } => {
                let view = self.this.clone().expect("inside a header's declaration");
                Val::Words(self.load_field(&view, field))
            }
            Res::ParentField { field, .. } => {
                let view = self.parent.clone().expect("inside an edge's condition");
                Val::Words(self.load_field(&view, field))
            }
            Res::Layer => {
                let number = u32::from(self.layer.number());
                Val::Words(vec![self.b.constant(number)])
            }
            Res::LayerConst(layer) => Val::Words(vec![self.b.constant(u32::from(layer.number()))]),
            Res::Method(method) => self.call(e, method),
            // Operations on a resource name it by its number.
            Res::Resource(_) => Val::Unit,
            Res::Intrinsic(intrinsic) => self.intrinsic(e, intrinsic),
            Res::Verdict(kind) => self.verdict(e, kind),
            Res::Reason(reason) => {
                let number = self.image.reason(reason);
                Val::Words(vec![self.b.constant(number)])
            }
            Res::Convert if self.kind(self.ty(e)) == TyKind::Ip6 => {
                let [high, low] = self.args(e)[..] else {
                    return Val::Unit;
                };
                let half = Width {
                    bits: 64,
                    signed: false,
                };
                let mut words = Vec::new();
                for arg in [low, high] {
                    let from = self.image.width(self.ty(arg));
                    let given = self.words(arg);
                    words.extend(self.b.resize(given, from, half));
                }
                Val::Words(words)
            }
            Res::Convert => {
                let arg = self.args(e)[0];
                let (from, to) = (self.image.width(self.ty(arg)), self.image.width(self.ty(e)));
                let words = self.words(arg);
                Val::Words(self.b.resize(words, from, to))
            }
            Res::Record(_) => {
                let TyKind::Record(record) = self.kind(self.ty(e)) else {
                    return Val::Unit;
                };
                let mut words = Vec::new();
                for (index, arg) in self.args(e).into_iter().enumerate() {
                    let ty = tables.records[record].components[index].ty;
                    words.extend(self.words_as(arg, ty));
                }
                Val::Words(words)
            }
            Res::Component(index) => match self.receiver(e) {
                Some(base) => self.component(base, index),
                None => Val::Unit,
            },
            Res::OwnComponent { this, index } => {
                let val = match self.locals.get(&this).cloned() {
                    Some(Local::Fixed(val)) => val,
                    _ => Val::Unit,
                };
                match self.kind(tables.locals[this].ty) {
                    TyKind::Record(record) => self.part(&val, record, None, index as usize),
                    _ => Val::Unit,
                }
            }
            Res::Dispatch(dispatch) => self.dispatch(e, dispatch),
            Res::None | Res::Built(_) | Res::EnumConst(_) | Res::Limit | Res::Test(_) => Val::Unit,
        }
    }

    /// `Drop(POLICY)`, `Forward(port)`, `Pass`.
    fn verdict(&mut self, e: ExprId, kind: VerdictKind) -> Val {
        let operand = match self.args(e).first() {
            Some(&arg) => {
                let words = self.words(arg);
                words[0]
            }
            None => self.b.constant(0),
        };
        let kind = self.b.constant(u32::from(kind.number()));
        Val::Verdict { kind, operand }
    }

    /// A field of a view, or what lies behind it.
    fn view_field(&mut self, e: ExprId, field: u32) -> Val {
        let ExprKind::Field { base, .. } = self.image.sound.program().ast.exprs[e].kind else {
            unreachable!("a field has a base");
        };
        match self.expr(base) {
            Val::View(view) => {
                let field = self.field_in(&view, base, field);
                if self.kind(self.ty(e)) == TyKind::Bytes {
                    return self.array_bytes(&view, field);
                }
                Val::Words(self.load_field(&view, field))
            }
            _ => Val::Unit,
        }
    }

    fn template(&mut self, template: TemplateId) -> Val {
        let late = self.image.is_late(template);
        let template = self.image.param(template);
        let late = late || self.image.is_late(template);
        let tables = self.image.sound.tables();
        let def = &tables.templates[template];
        let shape = self.image.shape(def.ty);
        let words: Vec<Value> = match self.image.bindings.values[template].clone() {
            _ if late => (0..shape.len())
                .map(|at| self.late_word(template, at, shape[at]))
                .collect(),
            Some(konst) => self.konst_words(&konst, def.ty),
            None => (0..shape.len())
                .map(|at| self.open_param(template, at, shape[at]))
                .collect(),
        };
        if words.len() > 1 && def.range.is_some_and(|(lo, hi)| lo > 0 || hi < 0) {
            self.b.note_not_zero(&words);
        }
        self.as_val(words, def.ty)
    }

    /// A word of a parameter that is filled in late.
    fn late_word(&mut self, template: TemplateId, at: usize, bits: u8) -> Value {
        let late = match self.image.late.get(&(template, at)) {
            Some(&late) => late,
            None => {
                let info = self.image.word_info(template, at, bits);
                let late = self.image.module.late.push(info);
                self.image.late.insert((template, at), late);
                late
            }
        };
        let number = nfl_syntax::arena::Id::index(late) as u32;
        self.b.inst(Op::Late, &[], number, None, bits)
    }

    /// A word of a parameter that nobody has bound.
    pub(super) fn open_param(&mut self, template: TemplateId, word: usize, bits: u8) -> Value {
        let param = match self.image.params.get(&(template, word)) {
            Some(&param) => param,
            None => {
                let info = self.image.word_info(template, word, bits);
                let param = self.image.module.params.push(info);
                self.image.params.insert((template, word), param);
                param
            }
        };
        let number = nfl_syntax::arena::Id::index(param) as u32;
        self.b.inst(Op::Param, &[], number, None, bits)
    }

    fn constant(&mut self, id: nfl_typeck::tables::ConstId) -> Val {
        let tables = self.image.sound.tables();
        let def = &tables.consts[id];
        if let TyKind::Array(..) = self.kind(def.ty) {
            let region = Region::Data(self.image.data(id));
            return Val::Memory(Memory::new(region, Place::at(0), def.ty));
        }
        let Some(value) = def.value.clone() else {
            return Val::Unit;
        };
        self.konst_val(&value, def.ty).unwrap_or(Val::Unit)
    }

    fn carried(&mut self, id: nfl_typeck::tables::CarriedId) -> Val {
        let ty = self.image.sound.tables().carried[id].ty;
        let place = (self.image.stage, id);
        Val::Memory(match self.image.fields.get(&place) {
            Some(&field) => Memory::new(Region::Field(field), Place::at(0), ty),
            None => {
                let offset = self.image.carried.get(&place).copied().unwrap_or(0);
                Memory::new(Region::Carried, Place::at(offset), ty)
            }
        })
    }
}
