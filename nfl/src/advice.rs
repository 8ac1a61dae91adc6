//! Corrections for what was found behind the syntax tree.
//!
//! In: findings of the intermediate form, which knows places and no source text. Out: the same with
//! the corrections that the text allows. Guaranteed: the finding itself stays as it is.

use nfl_abi::codes;
use nfl_syntax::ast::StmtKind;
use nfl_syntax::{Diagnostic, Span};
use nfl_typeck::program::Program;

/// How often a loop is suggested to run at most.
const ROUNDS: u32 = 16;

/// Adds what the source says to a finding.
pub(crate) fn complete(finding: Diagnostic, program: &Program) -> Diagnostic {
    if finding.code == &codes::E501 || finding.code == &codes::E502 {
        return limit(finding, program);
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
