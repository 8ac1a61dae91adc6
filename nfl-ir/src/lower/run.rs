//! Runs of assignments to fields: each checksum moves once, behind the last.
//!
//! In: statements. Out: how many from the first on only assign fields of matched headers. Guaranteed: nothing in a
//! run reads a checksum or anything that may lie where one does, and nothing in it leaves it.

use super::{Local, Lower, Val, View};
use nfl_syntax::ast::{BinOp, ExprId, ExprKind, StmtId, StmtKind};
use nfl_typeck::TyKind;
use nfl_typeck::tables::{LocalId, Res};

impl Lower<'_, '_> {
    /// How many statements form a run; one alone is none.
    pub(super) fn run_length(&self, stmts: &[StmtId]) -> usize {
        let mut views: Vec<View> = Vec::new();
        let stmt = |id: StmtId| &self.image.sound.program().ast.stmts[id].kind;
        let all = stmts.iter().take_while(|&&id| {
            let (place, value) = match stmt(id) {
                StmtKind::Assign { place, value, .. } => (*place, Some(*value)),
                StmtKind::Step { place, .. } => (*place, None),
                _ => return false,
            };
            let mut own = Vec::new();
            if !self.is_field(place, &mut own) || !value.is_none_or(|e| self.is_plain(e, &mut own))
            {
                return false;
            }
            own.extend(self.transport_of(place));
            let known = own.iter().all(|a| {
                let mut others = views.iter().chain(&own);
                others.all(|b| apart(a, b))
            });
            views.extend(own);
            known
        });
        all.count()
    }

    /// The header whose pseudo-header holds the address that is assigned.
    pub(super) fn transport_of(&self, place: ExprId) -> Option<View> {
        let local = self.image.sound.tables().transport[place]?;
        self.view_of(local)
    }

    fn view_of(&self, local: LocalId) -> Option<View> {
        match self.locals.get(&local) {
            Some(Local::Fixed(Val::View(view))) => Some(view.clone()),
            _ => None,
        }
    }

    /// Whether an expression is a field of a matched header that the program keeps itself.
    fn is_field(&self, e: ExprId, views: &mut Vec<View>) -> bool {
        let (sound, tables) = (self.image.sound, self.image.sound.tables());
        let (ExprKind::Field { base, .. }, Res::Field { header, field }) =
            (&sound.program().ast.exprs[e].kind, tables.expr_res[e])
        else {
            return false;
        };
        let Res::Local(local) = tables.expr_res[*base] else {
            return false;
        };
        let number = tables.types.bits(self.ty(e)).is_some();
        let derived = tables.headers[header].fields[field as usize].derived;
        let view = self.view_of(local);
        let plain = number && derived.is_none() && view.is_some();
        views.extend(view);
        plain
    }

    /// Whether an expression is made of numbers that are there, and of fields.
    fn is_plain(&self, e: ExprId, views: &mut Vec<View>) -> bool {
        let tables = self.image.sound.tables();
        if self.konst(e).is_some() {
            return true;
        }
        match &self.image.sound.program().ast.exprs[e].kind {
            ExprKind::Lit(_) => true,
            ExprKind::Name(_) => match tables.expr_res[e] {
                Res::Local(local) => self.holds_numbers(local),
                Res::Template(_) => true,
                _ => false,
            },
            ExprKind::Field { base, .. } => match tables.expr_res[e] {
                Res::Field { .. } => self.is_field(e, views),
                // A component of a record that the program has.
                _ => match tables.expr_res[*base] {
                    Res::Local(local) => self.holds_numbers(local),
                    _ => false,
                },
            },
            ExprKind::Paren(inner) => self.is_plain(*inner, views),
            ExprKind::Cast { arg, .. } | ExprKind::Unary { arg, .. } => self.is_plain(*arg, views),
            ExprKind::Binary { op, left, right } => {
                let arithmetic = !matches!(op, BinOp::And | BinOp::Or);
                arithmetic && self.is_plain(*left, views) && self.is_plain(*right, views)
            }
            _ => false,
        }
    }

    /// Whether a variable is a number, or a record of them, and no part of the packet.
    fn holds_numbers(&self, local: LocalId) -> bool {
        let tables = self.image.sound.tables();
        let kind = tables.types.kind(tables.locals[local].ty);
        tables.types.bits(tables.locals[local].ty).is_some() || matches!(kind, TyKind::Record(_))
    }
}

/// Whether two views are one, or one lies behind or around the other: then no field of one lies where the other
/// has its checksum.
fn apart(a: &View, b: &View) -> bool {
    let same = |x: &View, y: &View| x.base == y.base && x.header == y.header;
    same(a, b) || a.outer.iter().any(|o| same(o, b)) || b.outer.iter().any(|o| same(o, a))
}
