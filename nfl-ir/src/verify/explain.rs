//! What to say about obligations that are not met.
//!
//! In: an instruction, what is known before it, and the source where there is one. Out: a finding with the
//! inequality that is not proved and the numbers that its sides may be, the branch behind which it was known
//! (`lost.rs`), and what to type. A correction is proposed without a place: this form knows no statements.

use nfl_abi::codes::{E503, E504, E505, E507};
use nfl_syntax::{Diagnostic, SourceMap, Span};

use crate::entity::{Block, Inst, Value};
use crate::func::{InstData, Module, Origin, Region};
use crate::op::{Fmt, Op};
use crate::verify::facts::Facts;
use crate::verify::flow::Analysis;
use crate::verify::judge::{element_index, holds, size_of};
use crate::verify::lost;
use crate::verify::obligation::{self, Obligation};
use crate::verify::range::Range;

/// Longest text that is taken for a name.
const TERM_MAX: usize = 40;

/// The source of a module.
#[derive(Clone, Debug)]
pub struct Scene<'s> {
    /// The texts.
    pub sources: &'s SourceMap,
    /// What `nflc check` takes to find the function: its file, and its name where there are several. Without
    /// it no packets are looked for.
    pub arguments: Option<String>,
}

/// A finding about an instruction, at its place when it has one.
pub(super) fn finding(code: &'static nfl_abi::Code, span: Option<Span>) -> Diagnostic {
    match span {
        Some(span) => Diagnostic::new(code, span),
        None => Diagnostic::bare(code, code.title),
    }
}

/// Adds to the main label, or as a note where there is no place.
pub(super) fn remark(d: Diagnostic, text: String) -> Diagnostic {
    if d.labels.is_empty() {
        d.note(text)
    } else {
        d.label(text)
    }
}

/// One side of an inequality.
struct Side {
    /// How the source calls it, if it has a name there.
    term: Option<String>,
    range: Range,
}

impl Side {
    /// Its name, or its number.
    fn shown(&self) -> String {
        match (&self.term, self.range.single()) {
            (_, Some(n)) => n.to_string(),
            (Some(term), _) => term.clone(),
            _ => spread(self.range),
        }
    }

    /// What it may be, where that says more than its name.
    fn spelled(&self) -> Option<String> {
        let term = self.term.as_ref()?;
        let varies = self.range.single().is_none();
        varies.then(|| format!("`{term}` is {}", spread(self.range)))
    }
}

fn spread(range: Range) -> String {
    match range.single() {
        Some(n) => n.to_string(),
        None => format!("{}..{}", range.lo, range.hi),
    }
}

/// Explains what could not be proved.
pub(super) struct Explain<'a> {
    pub(super) m: &'a Module,
    pub(super) a: &'a Analysis<'a>,
    pub(super) scene: Option<&'a Scene<'a>>,
}

impl Explain<'_> {
    /// What is wrong with an instruction; nothing when it has what it needs.
    pub(super) fn judge(&self, b: Block, facts: &Facts, id: Inst) -> Option<Diagnostic> {
        let inst = &self.a.f.insts[id];
        let what = obligation::of(inst)?;
        if holds(self.m, self.a, facts, what) {
            return None;
        }
        let d = match what {
            Obligation::Divisor(v) => self.zero_divisor(facts, inst, v),
            Obligation::Assertion(v) => self.false_assertion(facts, inst, v),
            Obligation::Inside(v) => self.index_outside(facts, inst, v),
            Obligation::Access {
                address: Some(_), ..
            } => nothing_found(inst.span),
            Obligation::Access {
                region: Region::Packet,
                ..
            } => self.behind_packet(facts, inst, what),
            Obligation::Access { .. } => self.out_of_bounds(facts, inst, what),
        };
        Some(match lost::branch(self.m, self.a, b, id, what) {
            Some((span, text)) if !d.labels.is_empty() => d.also(span, text),
            Some((_, text)) => d.note(text),
            None => d,
        })
    }

    fn side(&self, facts: &Facts, v: Value, within: Option<Span>) -> Side {
        Side {
            term: self.term(v, within),
            range: self.a.known().range(facts, v),
        }
    }

    /// How the source calls a word: the text that it was made of, where that is a name or stands within
    /// the place that is complained about.
    fn term(&self, v: Value, within: Option<Span>) -> Option<String> {
        let span = self.a.f.def(v).filter(|d| d.op != Op::Const)?.span?;
        let text = self.scene?.sources.text(span).trim();
        let is_name = text
            .chars()
            .all(|c| c.is_alphanumeric() || "_.".contains(c));
        let inside = within.is_some_and(|w| {
            w.file == span.file && w.start <= span.start && span.end <= w.end && w != span
        });
        let is_short =
            !text.is_empty() && text.len() <= TERM_MAX && !text.contains(['\n', ';', '=']);
        let text = match is_name {
            true => text.to_string(),
            false => format!("({text})"),
        };
        (is_short && (is_name || inside)).then_some(text)
    }

    /// The text of a place.
    fn text(&self, span: Option<Span>) -> Option<&str> {
        Some(self.scene?.sources.text(span?))
    }

    fn zero_divisor(&self, facts: &Facts, inst: &InstData, v: Value) -> Diagnostic {
        let mut side = self.side(facts, v, inst.span);
        side.term = side.term.or_else(|| right_side(self.text(inst.span)?));
        let text = match &side.term {
            Some(term) => format!(
                "`{term} != 0` is not proved: it is {} here",
                spread(side.range)
            ),
            None => format!("the divisor may be zero: {} here", spread(side.range)),
        };
        let d = remark(finding(&E505, inst.span), text);
        match side.term.filter(|_| side.range.hi > 0) {
            Some(term) => propose(d, &format!("{term} == 0")),
            None => d.help("check it before: if (count == 0) return Pass;"),
        }
        .help("or ask for it where it comes from: u32 count in 1..65535")
    }

    /// What is asserted, with the ranges of both sides.
    fn false_assertion(&self, facts: &Facts, inst: &InstData, cond: Value) -> Diagnostic {
        let d = finding(&E507, inst.span);
        let comparison = self.a.f.def(cond).filter(|d| d.op.inverse().is_some());
        let sides = comparison.map(|d| (d.op, d.args.as_slice()));
        let Some((op, &[x, y])) = sides else {
            let d = remark(d, "the condition may be false".to_string());
            return d.help("compare it before, and answer where it is false");
        };
        let (mut x, mut y) = (
            self.side(facts, x, inst.span),
            self.side(facts, y, inst.span),
        );
        // What is handed to a method is the place itself.
        let whole = self.text(inst.span).map(str::trim);
        let whole = whole.filter(|t| !t.starts_with("assert") && t.len() <= TERM_MAX);
        for side in [&mut x, &mut y] {
            if side.range.single().is_none() && side.term.is_none() {
                side.term = whole.map(str::to_string);
            }
        }
        let sign = match op {
            Op::Eq => "==",
            Op::Ne => "!=",
            Op::Ltu | Op::Lt => "<",
            _ => ">=",
        };
        let spelled: Vec<String> = [&x, &y].into_iter().filter_map(Side::spelled).collect();
        let claim = format!("{} {sign} {}", x.shown(), y.shown());
        let text = match spelled.is_empty() {
            true => format!("{claim} is not proved"),
            false => format!("`{claim}` is not proved: {} here", spelled.join(" and ")),
        };
        let d = remark(d, text);
        let named = |side: &Side| side.term.is_some() || side.range.single().is_some();
        if named(&x) && named(&y) && !spelled.is_empty() {
            let other = match sign {
                "==" => "!=",
                "!=" => "==",
                "<" => ">=",
                _ => "<",
            };
            return propose(d, &format!("{} {other} {}", x.shown(), y.shown()));
        }
        d.help("compare it before, and answer where it is false")
    }

    /// An index of state, with the comparison that should hold.
    fn index_outside(&self, facts: &Facts, inst: &InstData, cond: Value) -> Diagnostic {
        let comparison = self.a.f.def(cond).filter(|d| d.op == Op::Ltu);
        let Some(&[index, count]) = comparison.map(|d| d.args.as_slice()) else {
            let text = "there are not so many elements".to_string();
            return remark(finding(&E503, inst.span), text);
        };
        let count = self.a.known().range(facts, count).lo;
        self.index_of(facts, inst, index, count.into(), "there are")
    }

    /// An index that may be as large as the number of elements.
    fn index_of(
        &self,
        facts: &Facts,
        inst: &InstData,
        index: Value,
        count: i64,
        whose: &str,
    ) -> Diagnostic {
        let mut side = self.side(facts, index, inst.span);
        side.term = side.term.or_else(|| in_brackets(self.text(inst.span)?));
        let plural = if count == 1 { "" } else { "s" };
        let there = format!("{whose} {count} element{plural}");
        let text = match &side.term {
            Some(term) => format!(
                "`{term} < {count}` is not proved: it is {} here, and {there}",
                spread(side.range)
            ),
            None => format!("the index may be {}, and {there}", spread(side.range)),
        };
        let mut d = remark(finding(&E503, inst.span), text);
        let loaded = self.a.f.def(index).filter(|d| d.op.spec().fmt == Fmt::Load);
        if let Some(Region::Carried | Region::Field(_) | Region::Packet) =
            loaded.and_then(|d| d.region)
        {
            d = d.note("the index travels in the packet, so anyone may have set it");
        }
        if self.counts_rounds(index) {
            return d.help(format!("let the loop end before {count}"));
        }
        match side.term.filter(|_| i64::from(side.range.lo) < count) {
            Some(term) => propose(d, &format!("{term} >= {count}"))
                .help("or ask for its range where it comes from"),
            None => d.help(format!(
                "check it before: if (index < {count}) {{ … }}, or ask for its range where it comes from"
            )),
        }
    }

    /// Whether a word is the counter of a loop.
    fn counts_rounds(&self, v: Value) -> bool {
        match self.a.f.values[v].origin {
            Origin::Param(b, _) => self.a.cfg.loop_at(b).is_some(),
            Origin::Inst(_) => false,
        }
    }

    fn behind_packet(&self, facts: &Facts, inst: &InstData, what: Obligation) -> Diagnostic {
        let Obligation::Access {
            index,
            offset,
            bytes,
            ..
        } = what
        else {
            return finding(&E504, inst.span);
        };
        let does = what.deed();
        let len = spread(facts.len);
        let text = match index.map(|v| self.side(facts, v, inst.span)) {
            None => format!(
                "{does} at {offset}: `{offset} + {bytes} <= pkt.size` is not proved, the packet has {len} bytes here"
            ),
            Some(side) => format!(
                "{does} at {} behind a place that is {}: it is not proved that they lie in the packet, which has {len} bytes here",
                offset as i32,
                spread(side.range)
            ),
        };
        let d = remark(finding(&E504, inst.span), text);
        d.help("match a header that reaches this far, or compare with pkt.size first")
    }

    fn out_of_bounds(&self, facts: &Facts, inst: &InstData, what: Obligation) -> Diagnostic {
        let Obligation::Access {
            region,
            index,
            offset,
            ..
        } = what
        else {
            return finding(&E503, inst.span);
        };
        let (m, f) = (self.m, self.a.f);
        let name = match region {
            Region::Data(id) => format!("`{}`", m.data[id].name),
            Region::Field(id) => format!("`{}`", m.fields[id].name),
            Region::Carried => "the carried memory".to_string(),
            Region::Slot(id) if !f.slots[id].name.is_empty() => format!("`{}`", f.slots[id].name),
            Region::Slot(_) => "the array".to_string(),
            Region::Packet => "the packet".to_string(),
            Region::Value => "the value".to_string(),
        };
        let size = size_of(m, f, region);
        let Some(index) = index else {
            let text = format!("this is at byte {offset}, and {name} has {size} bytes");
            return remark(finding(&E503, inst.span), text);
        };
        let (element, bytes) = element_index(f, index);
        let count = size / i64::from(bytes);
        self.index_of(facts, inst, element, count, &format!("{name} has"))
    }
}

/// Proposes to end where this is true. Whoever knows statements finds the place.
fn propose(d: Diagnostic, condition: &str) -> Diagnostic {
    d.fix(format!("if ({condition}) return Drop;"), [])
}

fn nothing_found(span: Option<Span>) -> Diagnostic {
    let text = "a lookup may have found nothing, or a smaller value".to_string();
    remark(finding(&E503, span), text)
        .help("ask first: if (table.get(key) instanceof Hit(var v)) { … }")
}

/// What stands in the only brackets of a text.
fn in_brackets(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    let (inside, behind) = rest.split_once(']')?;
    let inside = inside.trim();
    let is_one = !inside.contains('[') && !behind.contains('[') && inside.len() <= TERM_MAX;
    let is_name = inside
        .chars()
        .all(|c| c.is_alphanumeric() || "_.".contains(c));
    let text = match is_name {
        true => inside.to_string(),
        false => format!("({inside})"),
    };
    (is_one && !inside.is_empty()).then_some(text)
}

/// What stands behind the only division of a text.
fn right_side(text: &str) -> Option<String> {
    let mut parts = text.split(['/', '%']);
    let (Some(_), Some(right), None) = (parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let right = right.trim_start_matches('=').trim();
    let is_name = !right.is_empty()
        && right
            .chars()
            .all(|c| c.is_alphanumeric() || "_.".contains(c));
    is_name.then(|| right.to_string())
}
