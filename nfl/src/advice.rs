//! Corrections for what was found behind the syntax tree.
//!
//! In: findings of the intermediate form, which knows places and no statements. Out: the same with
//! the corrections that the text allows. Guaranteed: the finding itself stays as it is; a test that is
//! proposed before a statement was tried, and with it the file has fewer errors.

use std::collections::BTreeMap;

use nfl_abi::Severity;
use nfl_syntax::ast::{BinOp, DeclKind, ExprId, ExprKind, StmtKind};
use nfl_syntax::diag::fix;
use nfl_syntax::{Diagnostic, SourceMap, Span};
use nfl_typeck::Files;
use nfl_typeck::program::Program;

/// How often a loop is suggested to run at most.
const ROUNDS: u32 = 16;

/// How many proposals are tried for a file; the others are advice.
const TRIALS: usize = 8;

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

/// Files of which some have other texts.
struct Changed<'f> {
    files: &'f dyn Files,
    texts: BTreeMap<String, String>,
}

impl Files for Changed<'_> {
    fn read(&self, path: &str) -> Option<String> {
        let text = self.texts.get(path).cloned();
        text.or_else(|| self.files.read(path))
    }

    fn list(&self, dir: &str) -> Vec<String> {
        self.files.list(dir)
    }
}

/// Gives proposals that have no place yet a place before the statement they are about, where that was tried
/// with `errors_with`, which answers the errors that are left. Others become advice.
pub(crate) fn place(
    findings: &mut [Diagnostic],
    program: &Program,
    files: &dyn Files,
    errors_with: impl Fn(&dyn Files) -> Vec<Diagnostic>,
) {
    let errors = findings.iter();
    let errors = errors.filter(|d| d.severity == Severity::Error).count();
    let mut trials = 0;
    for finding in findings.iter_mut() {
        let Some(at) = finding.fixes.iter().position(|fix| fix.edits.is_empty()) else {
            continue;
        };
        let proposal = finding.fixes.remove(at);
        trials += 1;
        let edit = edit(finding, &proposal.title, program).filter(|_| trials <= TRIALS);
        let tried = edit.map(|edit| {
            let alone = Diagnostic::bare(finding.code, "").fix(proposal.title.clone(), [edit]);
            let texts = texts_with(&alone, &program.sources);
            let left = errors_with(&Changed { files, texts });
            let is_better = left.len() < errors && left.iter().all(is_of_proof);
            (alone, is_better)
        });
        match tried {
            Some((alone, true)) => finding.fixes.extend(alone.fixes),
            _ => {
                let advice = format!("check it before: {}", proposal.title);
                finding.helps.insert(0, advice);
            }
        }
    }
}

fn is_of_proof(d: &Diagnostic) -> bool {
    d.code.text.starts_with("E5")
}

fn texts_with(alone: &Diagnostic, sources: &SourceMap) -> BTreeMap<String, String> {
    let texts = fix::apply([alone], sources).texts.into_iter();
    texts
        .map(|(file, text)| (sources.files[file].name.clone(), text))
        .collect()
}

/// The test before the innermost statement around a finding.
fn edit(finding: &Diagnostic, test: &str, program: &Program) -> Option<(Span, String)> {
    let at = finding.labels.first()?.span;
    let Program { ast, sources, .. } = program;
    let inside =
        |outer: Span| outer.file == at.file && outer.start <= at.start && at.end <= outer.end;
    let around = ast.stmts.iter();
    let around =
        around.filter(|(_, stmt)| inside(stmt.span) && !matches!(stmt.kind, StmtKind::Block(_)));
    let (id, stmt) = around.min_by_key(|(_, stmt)| stmt.span.end - stmt.span.start)?;
    let blocks = ast.stmts.iter().filter_map(|(_, outer)| match &outer.kind {
        StmtKind::Block(stmts) => Some(stmts),
        _ => None,
    });
    let bodies = ast.decls.iter().filter_map(|(_, decl)| match &decl.kind {
        DeclKind::Method { body, .. } => body.as_ref(),
        DeclKind::Handler { body, .. } | DeclKind::Every { body, .. } => Some(body),
        _ => None,
    });
    if !blocks.chain(bodies).any(|stmts| stmts.contains(&id)) {
        let text = format!("{{ {test} {} }}", sources.text(stmt.span));
        return Some((stmt.span, text));
    }
    let text = &sources.files[at.file].text;
    let before = text.get(..sources.bytes(stmt.span).start)?;
    let line = before.rsplit('\n').next().unwrap_or_default();
    let blanks = line.len() - line.trim_start().len();
    let place = Span {
        end: stmt.span.start,
        ..stmt.span
    };
    Some((place, format!("{test}\n{}", &line[..blanks])))
}

/// `limit 16` behind the condition of a loop that has none.
fn limit(finding: Diagnostic, program: &Program) -> Diagnostic {
    let Some(label) = finding.labels.first() else {
        return finding;
    };
    let loops = program.ast.stmts.iter();
    // A loop may be named by its first part.
    let first = |stmt: &StmtKind| match stmt {
        StmtKind::For { init, .. } => init.map(|init| program.ast.stmts[init].span),
        _ => None,
    };
    let mut loops =
        loops.filter(|(_, stmt)| stmt.span == label.span || first(&stmt.kind) == Some(label.span));
    let place = loops.find_map(|(_, stmt)| {
        let (limit, place) = match &stmt.kind {
            StmtKind::While { limit, body, .. }
            | StmtKind::For { limit, body, .. }
            | StmtKind::ForEach { limit, body, .. } => (limit, program.ast.stmts[*body].span.start),
            // Before the semicolon.
            StmtKind::DoWhile { limit, .. } => (limit, stmt.span.end - 1),
            _ => return None,
        };
        limit.is_none().then_some((place, stmt.span))
    });
    let Some((start, whole)) = place else {
        return finding;
    };
    let place = Span {
        start,
        end: start,
        ..label.span
    };
    let head = program.sources.text(Span {
        end: start,
        ..whole
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
