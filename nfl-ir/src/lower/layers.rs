//! `switch` over packets, bodies and views of one of several headers.
//!
//! In: a value with layers and the arms. Out: tests arm by arm, each behind the one before it.
//! Guaranteed: the value is evaluated once; what two arms ask alike is computed alike, so that later
//! passes share it.

use super::{Lower, Out, Val};
use nfl_syntax::ast::{Arm, ExprId};
use nfl_typeck::tables::PatInfo;
use nfl_typeck::{Ty, TyKind};

impl Lower<'_, '_> {
    /// Whether values of this type are matched with layers.
    pub(super) fn has_layers(&self, ty: Ty) -> bool {
        matches!(
            self.image.sound.tables().types.kind(ty),
            TyKind::Packet | TyKind::Body(_) | TyKind::OneOf(_)
        )
    }

    /// `switch` over a value with layers. With `result`, its value.
    pub(super) fn switch_layers(&mut self, value: ExprId, arms: &[Arm], result: Option<Ty>) -> Val {
        let sound = self.image.sound;
        let value = self.expr(value);
        let start = self.start_of(&value);
        let end = self.b.block();
        let out = result.map(|ty| Out {
            vars: self.vars(ty),
            ty,
            end,
        });
        // Whatever its place, `default` is for what no other arm takes.
        let named = arms.iter().filter(|a| !a.pats.is_empty());
        for arm in named.chain(arms.iter().filter(|a| a.pats.is_empty())) {
            if !self.b.reachable() {
                break;
            }
            self.b.span = Some(arm.span);
            let (body, next) = (self.b.block(), self.b.block());
            let matched = match arm.guard {
                Some(_) => self.b.block(),
                None => body,
            };
            if arm.pats.is_empty() {
                self.b.jump(matched);
            }
            for &pat in &arm.pats {
                let other = self.b.block();
                match &sound.tables().pats[pat] {
                    PatInfo::Layers(_) => {
                        self.match_layers(&value, start.clone(), pat, matched, other);
                    }
                    _ => self.b.jump(matched),
                }
                self.b.enter(other);
            }
            self.b.jump(next);
            if let Some(guard) = arm.guard {
                self.b.enter(matched);
                if self.b.reachable() {
                    self.cond(guard, body, next);
                }
            }
            self.b.enter(body);
            if self.b.reachable() {
                self.arm_body(arm, out.as_ref(), end);
            }
            self.b.enter(next);
        }
        // Every member of an interface has an arm, so nobody comes here.
        self.b.jump(self.malformed);
        self.b.enter(end);
        match out {
            Some(out) => self.read_vars(&out.vars, out.ty),
            None => Val::Unit,
        }
    }
}
