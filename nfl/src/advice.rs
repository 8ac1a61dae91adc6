//! Corrections for what was found behind the syntax tree.
//!
//! In: findings of the intermediate form, which knows places and no source text. Out: the same with
//! the corrections that the text allows. Guaranteed: the finding itself stays as it is.

use nfl_syntax::ast::{BinOp, ExprId, ExprKind, StmtKind};
use nfl_syntax::{Diagnostic, Span};
use nfl_typeck::program::Program;

/// How often a loop is suggested to run at most.
const ROUNDS: u32 = 16;

/// Adds what the source says to a finding.
pub(crate) fn complete(finding: Diagnostic, program: &Program) -> Diagnostic {
    match finding.code.text {
        "E501" | "E502" => limit(finding, program),
        "E503" | "E505" => named(finding, program),
        _ => finding,
    }
}

/// The same in terms of the index or the divisor that the source has at this place.
fn named(mut finding: Diagnostic, program: &Program) -> Diagnostic {
    let Some(place) = finding.labels.first().map(|label| label.span) else {
        return finding;
    };
    let exprs = &program.ast.exprs;
    let text = |e: ExprId| program.sources.text(exprs[e].span);
    let here = exprs.iter().filter(|(_, expr)| expr.span == place);
    for (e, expr) in here {
        let (said, word, short) = match &expr.kind {
            ExprKind::Index { index, .. } => ("out of bounds", "index", text(*index)),
            ExprKind::Binary {
                op: BinOp::Div | BinOp::Rem,
                right,
                ..
            } => ("zero", "count", text(*right)),
            _ => continue,
        };
        let whole = if word == "index" { text(e) } else { short };
        if whole.contains('\n') {
            return finding;
        }
        finding.message = format!("`{whole}` may be {said}");
        let named = short.chars().all(|c| c.is_ascii_alphanumeric());
        for help in &mut finding.helps {
            if named {
                *help = help.replace("u32 count in ", &format!("u32 {short} in "));
            }
            *help = help.replace(&format!("if ({word} "), &format!("if ({short} "));
        }
        return finding;
    }
    finding
}

/// `limit 16` behind the condition of a loop that has none.
fn limit(finding: Diagnostic, program: &Program) -> Diagnostic {
    let Some(label) = finding.labels.first() else {
        return finding;
    };
    let loops = program.ast.stmts.iter();
    let mut loops = loops.filter(|(_, stmt)| stmt.span == label.span);
    let place = loops.find_map(|(_, stmt)| {
        let (limit, place) = match &stmt.kind {
            StmtKind::While { limit, body, .. }
            | StmtKind::For { limit, body, .. }
            | StmtKind::ForEach { limit, body, .. } => (limit, program.ast.stmts[*body].span.start),
            // Before the semicolon.
            StmtKind::DoWhile { limit, .. } => (limit, stmt.span.end - 1),
            _ => return None,
        };
        limit.is_none().then_some(place)
    });
    let Some(start) = place else {
        return finding;
    };
    let place = Span {
        start,
        end: start,
        ..label.span
    };
    let head = program.sources.text(Span {
        end: start,
        ..label.span
    });
    let head = head.lines().last().unwrap_or_default().trim();
    let text = match program.sources.text(Span {
        start,
        end: start + 1,
        ..label.span
    }) {
        "{" => format!("limit {ROUNDS} "),
        _ => format!(" limit {ROUNDS}"),
    };
    finding.fix(format!("{head} limit {ROUNDS} {{"), [(place, text)])
}
