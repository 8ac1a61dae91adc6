//! `@Budget`: what an image costs against what its function may cost.
//!
//! In: a budget and an image with the places of its instructions. Out: findings with the lines that
//! cost most.

use nfl_abi::codes;
use nfl_syntax::{Diagnostic, Diags, SourceMap};
use nfl_typeck::tables::Budget;
use std::collections::BTreeMap;

use crate::unit::Built;

/// How many lines of the source a finding lists.
const LINES: usize = 8;

/// Reports an image that is larger or slower than its function may be.
pub(crate) fn enforce(budget: Budget, built: &Built, sources: &SourceMap, diags: &mut Diags) {
    let image = &built.image;
    let manifest = &image.manifest;
    let parts = [&image.code, &image.constants, &manifest.carried];
    let bytes: usize = parts.iter().map(|part| part.len()).sum();
    if let Some(most) = budget.bytes.filter(|&most| bytes > most as usize) {
        let finding = Diagnostic::new(&codes::E701, budget.span)
            .message(format!(
                "{}: {bytes} bytes, and the budget is {most}",
                manifest.name
            ))
            .label(format!(
                "code {}, constants {}, `carried` {}",
                image.code.len(),
                image.constants.len(),
                manifest.carried.len()
            ));
        diags.push(finding.note(table(built, sources)));
    }
    for entry in &manifest.entries {
        if let Some(most) = budget.steps.filter(|&most| entry.steps > most) {
            let finding = Diagnostic::new(&codes::E704, budget.span)
                .message(format!(
                    "{}: `on {}` may take {} steps, and the budget is {most}",
                    manifest.name,
                    entry.role.text(),
                    entry.steps
                ))
                .label("counted with loops at their bounds and services at their price");
            diags.push(finding.note(table(built, sources)));
        }
    }
}

/// The lines of the source by the bytes of code that were made for them, the largest first.
fn table(built: &Built, sources: &SourceMap) -> String {
    let mut lines: BTreeMap<Option<(String, u32)>, u32> = BTreeMap::new();
    for place in &built.places {
        let line = place.span.map(|span| {
            let (line, _) = sources.line_col(span);
            (sources.files[span.file].name.clone(), line)
        });
        *lines.entry(line).or_default() += place.size;
    }
    let mut sorted: Vec<_> = lines.into_iter().collect();
    sorted.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let row = |(line, bytes): &(Option<(String, u32)>, u32)| match line {
        Some((file, line)) => format!("{bytes} bytes for {file}:{line}"),
        None => format!("{bytes} bytes for what has no line of its own"),
    };
    let rows: Vec<String> = sorted.iter().take(LINES).map(row).collect();
    rows.join("; ")
}
