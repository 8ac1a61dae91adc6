//! Conditions: straight to the two places they lead to, without a truth value in between.
//!
//! In: a boolean expression and two blocks. Out: branches. Guaranteed: operands are evaluated in
//! the language's order and only as far as the outcome needs; what a pattern binds is set on the
//! way to the block for "true".

use super::number::Width;
use super::{Lower, Val};
use crate::entity::{Block, Value};
use crate::op::Op;
use nfl_syntax::ast::{BinOp, ExprId, ExprKind, UnOp};
use nfl_typeck::tables::Konst;
use nfl_typeck::{Ty, TyKind};

impl Lower<'_, '_> {
    /// Branches on an expression. Both blocks are entered by the caller.
    pub(super) fn cond(&mut self, e: ExprId, yes: Block, no: Block) {
        if let Some(Konst::Bool(b)) = self.konst(e) {
            return self.b.jump(if b { yes } else { no });
        }
        let sound = self.image.sound;
        match &sound.program().ast.exprs[e].kind {
            ExprKind::Paren(inner) => self.cond(*inner, yes, no),
            ExprKind::Unary { op: UnOp::Not, arg } => self.cond(*arg, no, yes),
            ExprKind::Binary {
                op: BinOp::And,
                left,
                right,
            } => {
                let middle = self.b.block();
                self.cond(*left, middle, no);
                self.b.enter(middle);
                if self.b.reachable() {
                    self.cond(*right, yes, no);
                }
            }
            ExprKind::Binary {
                op: BinOp::Or,
                left,
                right,
            } => {
                let middle = self.b.block();
                self.cond(*left, yes, middle);
                self.b.enter(middle);
                if self.b.reachable() {
                    self.cond(*right, yes, no);
                }
            }
            ExprKind::InstanceOf { value, pat } => self.instance_of(*value, *pat, yes, no),
            ExprKind::In { value, set } => {
                let ty = self.ty(*value);
                let words = self.words(*value);
                self.within(&words, ty, *set, yes, no);
            }
            _ => {
                let words = self.words(e);
                self.b.branch(words[0], yes, no);
            }
        }
    }

    /// A comparison of numbers, addresses or booleans as a truth value.
    pub(super) fn comparison(&mut self, op: BinOp, left: ExprId, right: ExprId) -> Value {
        let (l, r) = (self.ty(left), self.ty(right));
        let types = &self.image.sound.tables().types;
        let ty = types.wider(l, r).unwrap_or(l);
        let (a, b) = (self.words_as(left, ty), self.words_as(right, ty));
        if op == BinOp::Eq {
            return self.b.equal(&a, &b);
        }
        if op == BinOp::Ne {
            return self.b.unequal(&a, &b);
        }
        let w = self.image.width(ty);
        match op {
            BinOp::Lt => self.b.less(&a, &b, w),
            BinOp::Gt => self.b.less(&b, &a, w),
            BinOp::Ge => {
                let less = self.b.less(&a, &b, w);
                self.b.not(less)
            }
            _ => {
                let less = self.b.less(&b, &a, w);
                self.b.not(less)
            }
        }
    }

    /// Branches on whether a value lies in a set.
    fn within(&mut self, x: &[Value], ty: Ty, set: ExprId, yes: Block, no: Block) {
        let sound = self.image.sound;
        match &sound.program().ast.exprs[set].kind {
            ExprKind::Paren(inner) => self.within(x, ty, *inner, yes, no),
            ExprKind::Set(elements) => {
                for &element in elements {
                    let next = self.b.block();
                    self.within(x, ty, element, yes, next);
                    self.b.enter(next);
                    if !self.b.reachable() {
                        return;
                    }
                }
                self.b.jump(no);
            }
            ExprKind::Range { lo, hi } => {
                let (lo, hi) = (self.words_as(*lo, ty), self.words_as(*hi, ty));
                self.between(x, &lo, &hi, self.image.width(ty), yes, no);
            }
            _ if let TyKind::Resource(id) =
                sound.tables().types.kind(sound.tables().expr_ty[set]) =>
            {
                let found = self.in_resource(x, id);
                self.b.branch(found, yes, no);
            }
            _ => match self.prefix(set) {
                Some((addr, mask)) => self.under_prefix(x, &addr, &mask, yes, no),
                None => {
                    let other = self.words_as(set, ty);
                    let same = self.b.equal(x, &other);
                    self.b.branch(same, yes, no);
                }
            },
        }
    }

    /// Branches on `lo <= x <= hi`.
    fn between(
        &mut self,
        x: &[Value],
        lo: &[Value],
        hi: &[Value],
        w: Width,
        yes: Block,
        no: Block,
    ) {
        let above = self.b.block();
        let too_low = self.b.less(x, lo, w);
        self.b.branch(too_low, no, above);
        self.b.enter(above);
        let too_high = self.b.less(hi, x, w);
        self.b.branch(too_high, no, yes);
    }

    /// Branches on whether the masked address is the prefix's, word by word from the top.
    fn under_prefix(&mut self, x: &[Value], addr: &[Value], mask: &[Value], yes: Block, no: Block) {
        for i in (0..x.len()).rev() {
            if self.b.as_constant(mask[i]) == Some(0) {
                continue;
            }
            let network = self.b.op2(Op::And, x[i], mask[i], 32);
            let same = self.b.compare(Op::Eq, network, addr[i]);
            let next = self.b.block();
            self.b.branch(same, next, no);
            self.b.enter(next);
        }
        self.b.jump(yes);
    }

    /// Address and mask of an expression that is a prefix.
    fn prefix(&mut self, e: ExprId) -> Option<(Vec<Value>, Vec<Value>)> {
        let tables = self.image.sound.tables();
        let v6 = match tables.types.kind(self.ty(e)) {
            TyKind::Prefix4 => false,
            TyKind::Prefix6 => true,
            _ => return None,
        };
        let bits = if v6 { 128 } else { 32 };
        let w = Width {
            bits,
            signed: false,
        };
        let words = self.words(e);
        let (addr, mask) = words.split_at(w.words().min(words.len()));
        Some((addr.to_vec(), mask.to_vec()))
    }

    /// Branches on whether a number matches a constant or an interval of a `switch`.
    pub(super) fn matches_const(
        &mut self,
        x: &[Value],
        ty: Ty,
        lo: &Konst,
        hi: &Konst,
        yes: Block,
        no: Block,
    ) {
        if let Konst::Prefix4 { .. } | Konst::Prefix6 { .. } = lo {
            let (addr, len, bits) = match lo {
                Konst::Prefix4 { addr, len } => (u128::from(*addr), *len, 32),
                Konst::Prefix6 { addr, len } => (*addr, *len, 128),
                _ => unreachable!("only prefixes come here"),
            };
            let w = Width {
                bits,
                signed: false,
            };
            let all = u128::MAX >> (128 - bits);
            let mask = if len == 0 {
                0
            } else {
                all << (bits - u32::from(len)) & all
            };
            let (addr, mask) = (self.b.number(addr, w), self.b.number(mask, w));
            return self.under_prefix(x, &addr, &mask, yes, no);
        }
        let w = self.image.width(ty);
        let (a, b) = (
            self.b.number(super::bits_of(lo), w),
            self.b.number(super::bits_of(hi), w),
        );
        if lo == hi {
            let same = self.b.equal(x, &a);
            self.b.branch(same, yes, no);
        } else {
            self.between(x, &a, &b, w, yes, no);
        }
    }

    /// `assert c;`: an obligation for each part of a conjunction, and no code.
    pub(super) fn assertion(&mut self, e: ExprId) {
        let sound = self.image.sound;
        match &sound.program().ast.exprs[e].kind {
            ExprKind::Paren(inner) => self.assertion(*inner),
            ExprKind::Binary {
                op: BinOp::And,
                left,
                right,
            } => {
                self.assertion(*left);
                self.assertion(*right);
            }
            ExprKind::In { value, set } if self.konst(e).is_none() => {
                let ExprKind::Range { lo, hi } = sound.program().ast.exprs[*set].kind else {
                    return self.assert_flow(e);
                };
                let ty = self.ty(*value);
                let w = self.image.width(ty);
                let x = self.words(*value);
                let (lo, hi) = (self.words_as(lo, ty), self.words_as(hi, ty));
                for (a, b) in [(&x, &lo), (&hi, &x)] {
                    let less = self.b.less(a, b, w);
                    let good = self.b.not(less);
                    self.b.assert(good);
                }
            }
            ExprKind::InstanceOf { .. } | ExprKind::In { .. } if self.konst(e).is_none() => {
                self.assert_flow(e);
            }
            _ => {
                let words = self.words(e);
                self.b.assert(words[0]);
            }
        }
    }

    /// An assertion that is control flow: the way to "false" must be closed.
    fn assert_flow(&mut self, e: ExprId) {
        let (yes, no) = (self.b.block(), self.b.block());
        self.cond(e, yes, no);
        self.b.enter(no);
        if self.b.reachable() {
            let zero = self.b.constant(0);
            self.b.assert(zero);
            self.b.finish(zero, zero);
        }
        self.b.enter(yes);
    }

    /// A truth value from a condition that needs control flow.
    pub(super) fn cond_value(&mut self, e: ExprId) -> Val {
        let (yes, no, join) = (self.b.block(), self.b.block(), self.b.block());
        let var = self.b.var(1);
        self.cond(e, yes, no);
        for (block, number) in [(yes, 1), (no, 0)] {
            self.b.enter(block);
            let value = self.b.constant(number);
            self.b.write(var, value);
            self.b.jump(join);
        }
        self.b.enter(join);
        Val::Words(vec![self.b.read(var)])
    }
}
