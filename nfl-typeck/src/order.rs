//! The order of bytes in which the components of records lie.
//!
//! In: a checked program. Out: which components lie in wire order wherever a record is in memory. A number of 16
//! or 32 bits does where it comes from a packet and goes to a packet: where records are made, it is a field of a
//! header as it lies, or a constant; where it is read, a field is assigned or compared with it. Then nobody
//! swaps bytes. One other use, and it lies as the processor has it. What tests do counts for nothing.

use crate::tables::{Component, PatInfo, RecordId, Res, Tables};
use crate::ty::TyKind;
use nfl_syntax::Span;
use nfl_syntax::arena::Id;
use nfl_syntax::ast::{Ast, BinOp, ExprId, ExprKind, Nodes, PatId, StmtId, StmtKind};
use std::collections::BTreeMap;

/// What the uses of a component say.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Votes {
    wire: bool,
    number: bool,
}

/// What they say of all components.
pub(crate) type AllVotes = BTreeMap<(RecordId, u32), Votes>;

/// Adds what these nodes say.
pub(crate) fn vote_all(ast: &Ast, t: &Tables, nodes: &[Nodes], votes: &mut AllVotes) {
    let tests: Vec<Span> = t
        .tests
        .iter()
        .map(|test| ast.decls[test.decl].span)
        .collect();
    let inside = |span: Span| {
        let mut all = tests.iter();
        all.any(|g| g.file == span.file && g.start <= span.start && span.end <= g.end)
    };
    let meets = fields_met(ast, t, nodes);
    for e in exprs_of(nodes) {
        let expr = &ast.exprs[e];
        if inside(expr.span) {
            continue;
        }
        match t.expr_res[e] {
            Res::Record(id) => made(ast, t, (id, e), votes),
            Res::Component(index) => {
                let ExprKind::Field { base, .. } = expr.kind else {
                    continue;
                };
                if let TyKind::Record(id) = t.types.kind(t.expr_ty[base]) {
                    let bits = t.types.bits(t.expr_ty[e]);
                    let wire = bits.is_some() && meets.get(&e).copied() == bits;
                    vote(votes, (id, index), wire);
                }
            }
            Res::OwnComponent { this, index } => {
                if let TyKind::Record(id) = t.types.kind(t.locals[this].ty) {
                    vote(votes, (id, index), false);
                }
            }
            _ => {}
        }
    }
    let pats = nodes.iter().flat_map(|nodes| nodes.pats.clone());
    for p in pats.map(PatId::new) {
        let pat = &ast.pats[p];
        if let (PatInfo::Record { record, args, .. }, false) = (&t.pats[p], inside(pat.span)) {
            for (&arg, index) in args.iter().zip(0..) {
                if !matches!(t.pats[arg], PatInfo::Any | PatInfo::Const(_)) {
                    vote(votes, (*record, index), false);
                }
            }
        }
    }
}

/// Notes in the tables what the votes come to.
pub(crate) fn settle(t: &mut Tables, votes: &AllVotes) {
    for (&(id, index), votes) in votes {
        let wire = votes.wire && !votes.number;
        let is_other = |component: &Component| component.wire != wire;
        if t.records[id]
            .components
            .get(index as usize)
            .is_some_and(is_other)
        {
            t.records[id].components[index as usize].wire = wire;
        }
    }
}

fn exprs_of(nodes: &[Nodes]) -> impl Iterator<Item = ExprId> {
    let exprs = nodes.iter().flat_map(|nodes| nodes.exprs.clone());
    exprs.map(ExprId::new)
}

fn vote(votes: &mut AllVotes, component: (RecordId, u32), wire: bool) {
    let votes = votes.entry(component).or_default();
    votes.wire |= wire;
    votes.number |= !wire;
}

/// Where a record is made of its components.
fn made(ast: &Ast, t: &Tables, (id, e): (RecordId, ExprId), votes: &mut AllVotes) {
    let args = t.args[e].iter().flatten();
    for ((&arg, component), index) in args.zip(&t.records[id].components).zip(0..) {
        let bits = t.types.bits(component.ty);
        if t.konst[arg].is_none() {
            let wire = bits.is_some() && field_bits(ast, t, arg) == bits;
            vote(votes, (id, index), wire);
        }
    }
}

/// For each expression that is assigned to a field, or compared with one: how many bits that has.
fn fields_met(ast: &Ast, t: &Tables, nodes: &[Nodes]) -> BTreeMap<ExprId, u32> {
    let mut meets = BTreeMap::new();
    let mut meet = |field: ExprId, other: ExprId| {
        if let Some(bits) = field_bits(ast, t, field) {
            meets.insert(inner(ast, other), bits);
        }
    };
    let stmts = nodes.iter().flat_map(|nodes| nodes.stmts.clone());
    for s in stmts.map(StmtId::new) {
        if let StmtKind::Assign {
            place,
            op: None,
            value,
        } = ast.stmts[s].kind
        {
            meet(place, value);
        }
    }
    for e in exprs_of(nodes) {
        if let ExprKind::Binary {
            op: BinOp::Eq | BinOp::Ne,
            left,
            right,
        } = ast.exprs[e].kind
        {
            meet(left, right);
            meet(right, left);
        }
    }
    meets
}

/// The bits of a field that lies in wire order as a half-word or a word.
fn field_bits(ast: &Ast, t: &Tables, e: ExprId) -> Option<u32> {
    let Res::Field { header, field } = t.expr_res[inner(ast, e)] else {
        return None;
    };
    let field = t.headers[header].fields.get(field as usize)?;
    let number = matches!(t.types.kind(field.ty), TyKind::Unsigned(16 | 32));
    let whole = field.bit_offset.is_multiple_of(8) && field.len.is_none();
    (number && whole && !field.little_endian).then_some(field.bits)
}

fn inner(ast: &Ast, mut e: ExprId) -> ExprId {
    while let ExprKind::Paren(inside) = ast.exprs[e].kind {
        e = inside;
    }
    e
}
