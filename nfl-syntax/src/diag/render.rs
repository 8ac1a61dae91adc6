//! Findings as text: the only place that does it.
//!
//! In: a finding and the sources. Out: lines for people, one line for editors, or one JSON object.
//! Guaranteed: any span of the source map renders; each form ends with a line break.

use super::{Diagnostic, Fix};
use crate::source::SourceMap;
use crate::span::{FileId, Span};
use ariadne::{Cache, CharSet, Color, Config, IndexType, Report, ReportKind, Source};
use nfl_abi::Severity;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

/// Which form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// With the source, for people.
    Human {
        /// With colours and line-drawing characters; otherwise plain ASCII.
        color: bool,
    },
    /// `file:line:col: error[E203]: message`
    Short,
    /// One object per line.
    Json,
}

/// The text of a finding.
pub fn render(diagnostic: &Diagnostic, sources: &SourceMap, style: Style) -> String {
    match style {
        Style::Human { color } => human(diagnostic, sources, color),
        Style::Short => short(diagnostic, sources) + "\n",
        Style::Json => json(diagnostic, sources).to_string() + "\n",
    }
}

/// `error[E203]`
fn kind(diagnostic: &Diagnostic) -> String {
    format!("{}[{}]", severity(diagnostic), diagnostic.code.text)
}

fn severity(diagnostic: &Diagnostic) -> &'static str {
    match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn short(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let place = diagnostic.labels.first().map_or(String::new(), |label| {
        let (line, column) = sources.line_col(label.span);
        let name = &sources.files[label.span.file].name;
        format!("{name}:{line}:{column}: ")
    });
    format!("{place}{}: {}", kind(diagnostic), diagnostic.message)
}

fn json(diagnostic: &Diagnostic, sources: &SourceMap) -> Value {
    let place = |span: Span| {
        let (line, column) = sources.line_col(span);
        let bytes = sources.bytes(span);
        json!({
            "file": sources.files[span.file].name,
            "line": line,
            "column": column,
            "byte_start": bytes.start,
            "byte_end": bytes.end,
        })
    };
    let labels: Vec<Value> = diagnostic
        .labels
        .iter()
        .map(|label| {
            let mut value = place(label.span);
            value["text"] = json!(label.text);
            value
        })
        .collect();
    let mut value = diagnostic
        .labels
        .first()
        .map_or_else(|| json!({}), |label| place(label.span));
    value["code"] = json!(diagnostic.code.text);
    value["severity"] = json!(severity(diagnostic));
    value["message"] = json!(diagnostic.message);
    value["labels"] = json!(labels);
    value["notes"] = json!(diagnostic.notes);
    let edit = |(span, text): &(Span, String)| {
        let mut value = place(*span);
        value["text"] = json!(text);
        value
    };
    let fix = |fix: &Fix| {
        let edits: Vec<Value> = fix.edits.iter().map(edit).collect();
        json!({ "title": fix.title, "edits": edits })
    };
    value["fixes"] = diagnostic.fixes.iter().map(fix).collect();
    value["helps"] = json!(diagnostic.helps);
    value
}

fn human(diagnostic: &Diagnostic, sources: &SourceMap, color: bool) -> String {
    let kind = kind(diagnostic);
    let kind = match diagnostic.severity {
        _ if !color => kind,
        Severity::Error => format!("\x1b[1;31m{kind}\x1b[0m"),
        Severity::Warning => format!("\x1b[1;33m{kind}\x1b[0m"),
    };
    let mut text = format!("{kind}: {}\n", diagnostic.message);
    text.push_str(&excerpt(diagnostic, sources, color).unwrap_or_default());
    let notes = diagnostic.notes.iter().map(|note| ("note", note));
    let fixes = diagnostic.fixes.iter().map(|fix| ("fix", &fix.title));
    let helps = diagnostic.helps.iter().map(|help| ("help", help));
    for (word, remark) in notes.chain(fixes).chain(helps) {
        let mut lines = remark.lines();
        let _ = writeln!(text, "  = {word}: {}", lines.next().unwrap_or_default());
        for line in lines {
            let _ = writeln!(text, "    {:width$}  {line}", "", width = word.len());
        }
    }
    text
}

/// The marked source lines.
fn excerpt(diagnostic: &Diagnostic, sources: &SourceMap, color: bool) -> Option<String> {
    let (tone, charset) = match diagnostic.severity {
        _ if !color => (Color::Primary, CharSet::Ascii),
        Severity::Error => (Color::Red, CharSet::Unicode),
        Severity::Warning => (Color::Yellow, CharSet::Unicode),
    };
    let place = |span: Span| (span.file, bytes(sources, span));
    let main = diagnostic.labels.first()?;
    let config = Config::default()
        .with_color(color)
        .with_char_set(charset)
        .with_index_type(IndexType::Byte);
    let mut report = Report::build(ReportKind::Error, place(main.span)).with_config(config);
    for (i, label) in diagnostic.labels.iter().enumerate() {
        let tone = if i == 0 { tone } else { Color::Blue };
        let shown = ariadne::Label::new(place(label.span)).with_color(tone);
        // ariadne marks nothing without a text.
        report = report.with_label(shown.with_message(match label.text.as_str() {
            "" => "here",
            text => text,
        }));
    }
    let mut out = Vec::new();
    report.finish().write(Files::new(sources), &mut out).ok()?;
    // The first line is ariadne's title; ours stands above.
    let lines = String::from_utf8_lossy(&out);
    let lines = lines.lines().skip(1);
    Some(
        lines
            .map(|line| line.trim_end().to_string() + "\n")
            .collect(),
    )
}

/// The bytes of a span on character boundaries; ariadne panics inside a character.
fn bytes(sources: &SourceMap, span: Span) -> Range<usize> {
    let text = &sources.files[span.file].text;
    let bytes = sources.bytes(span);
    let start = text.floor_char_boundary(bytes.start);
    start..text.ceil_char_boundary(bytes.end).max(start)
}

/// The files as ariadne wants them, read when they are needed.
struct Files<'s> {
    sources: &'s SourceMap,
    read: BTreeMap<FileId, Source<&'s str>>,
}

impl<'s> Files<'s> {
    fn new(sources: &'s SourceMap) -> Files<'s> {
        let read = BTreeMap::new();
        Files { sources, read }
    }
}

impl<'s> Cache<FileId> for Files<'s> {
    type Storage = &'s str;

    fn fetch(&mut self, id: &FileId) -> Result<&Source<&'s str>, impl std::fmt::Debug> {
        let sources = self.sources;
        let read = &mut self.read;
        Ok::<_, std::fmt::Error>(
            read.entry(*id)
                .or_insert_with(|| Source::from(sources.files[*id].text.as_str())),
        )
    }

    fn display<'a>(&self, id: &'a FileId) -> Option<impl std::fmt::Display + 'a> {
        Some(self.sources.files[*id].name.clone())
    }
}
