//! Findings as one SARIF 2.1.0 document, for services that collect the findings of many tools.
//!
//! In: findings and their sources, one after the other. Out: a log with one run, whose rules are the
//! rows of the table of codes that were met. Guaranteed: the document depends on the findings alone.

use super::Diagnostic;
use crate::source::SourceMap;
use crate::span::Span;
use nfl_abi::{Code, Severity};
use serde_json::{Value, json};

/// A document that is being written.
#[derive(Default, Debug)]
pub struct Sarif {
    rules: Vec<&'static Code>,
    results: Vec<Value>,
}

impl Sarif {
    /// Adds a finding.
    pub fn add(&mut self, diagnostic: &Diagnostic, sources: &SourceMap) {
        let known = self.rules.iter().position(|&code| code == diagnostic.code);
        let rule = known.unwrap_or_else(|| {
            self.rules.push(diagnostic.code);
            self.rules.len() - 1
        });
        let mut text = diagnostic.message.clone();
        for remark in diagnostic.notes.iter().chain(&diagnostic.helps) {
            text.push('\n');
            text.push_str(remark);
        }
        let mut result = json!({
            "ruleId": diagnostic.code.text,
            "ruleIndex": rule,
            "level": level(diagnostic.severity),
            "message": { "text": text },
        });
        if let Some((main, others)) = diagnostic.labels.split_first() {
            result["locations"] = json!([location(main.span, &main.text, sources)]);
            let others = others
                .iter()
                .map(|l| location(l.span, &l.text, sources))
                .collect::<Vec<_>>();
            if !others.is_empty() {
                result["relatedLocations"] = json!(others);
            }
        }
        let fixes: Vec<Value> = diagnostic
            .fixes
            .iter()
            .map(|f| fix(&f.title, &f.edits, sources))
            .collect();
        if !fixes.is_empty() {
            result["fixes"] = json!(fixes);
        }
        self.results.push(result);
    }

    /// The document.
    pub fn document(&self, version: &str) -> String {
        let rules: Vec<Value> = self.rules.iter().map(|code| rule(code)).collect();
        let log = json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": { "name": "nflc", "version": version, "rules": rules } },
                // Columns count characters.
                "columnKind": "unicodeCodePoints",
                "results": self.results,
            }],
        });
        format!("{log:#}\n")
    }
}

fn rule(code: &Code) -> Value {
    json!({
        "id": code.text,
        "shortDescription": { "text": code.title },
        "fullDescription": { "text": code.explanation },
        "defaultConfiguration": { "level": level(code.severity()) },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn region(span: Span, sources: &SourceMap) -> Value {
    let (line, column) = sources.line_col(span);
    let (end_line, end_column) = sources.end_line_col(span);
    json!({
        "startLine": line,
        "startColumn": column,
        "endLine": end_line,
        "endColumn": end_column,
    })
}

fn location(span: Span, text: &str, sources: &SourceMap) -> Value {
    let file = &sources.files[span.file].name;
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": file },
            "region": region(span, sources),
        },
    });
    if !text.is_empty() {
        location["message"] = json!({ "text": text });
    }
    location
}

fn fix(title: &str, edits: &[(Span, String)], sources: &SourceMap) -> Value {
    let changes: Vec<Value> = edits
        .iter()
        .map(|(span, text)| {
            json!({
                "artifactLocation": { "uri": sources.files[span.file].name },
                "replacements": [{
                    "deletedRegion": region(*span, sources),
                    "insertedContent": { "text": text },
                }],
            })
        })
        .collect();
    json!({ "description": { "text": title }, "artifactChanges": changes })
}
