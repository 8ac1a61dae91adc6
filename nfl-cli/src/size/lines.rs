//! The bytes of each source line.
//!
//! In: images that were just made of source. Out: for each image its lines, the largest first, then those further up.
//! Guaranteed: the bytes of an image's lines add up to its code. Instructions that come from no one place are a line of their own.

use std::collections::BTreeMap;
use std::fmt::Write;

use nfl::{Built, Party, SourceMap};
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;

/// What is made of a source line in an image.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) function: String,
    pub(super) party: String,
    pub(super) target: String,
    /// The file, and nothing for code that comes from no one place.
    pub(super) file: Option<String>,
    /// From 1.
    pub(super) line: Option<u32>,
    /// The text, without the blanks around it.
    pub(super) text: Option<String>,
    pub(super) bytes: u64,
    pub(super) instructions: u64,
}

/// The lines of all images that the compiler knows the source of.
pub(super) fn of(artifacts: &[Artifact]) -> Vec<Line> {
    let mut lines = Vec::new();
    for artifact in artifacts {
        let Artifact::Source(compiled) = artifact else {
            continue;
        };
        for built in &compiled.images {
            lines.extend(of_image(built, compiled.unit.sources()));
        }
    }
    lines
}

fn of_image(built: &Built, sources: &SourceMap) -> Vec<Line> {
    let mut costs: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for place in &built.places {
        let at = place.span;
        let at = at.map(|span| (span.file, sources.line_col(span).0));
        let (bytes, instructions) = costs.entry(at).or_default();
        *bytes += u64::from(place.size);
        *instructions += 1;
    }
    let line = |(at, (bytes, instructions)): (Option<(_, u32)>, _)| {
        let file = at.map(|(file, _)| &sources.files[file]);
        let number = at.map(|(_, line)| line);
        let text = file.zip(number).map(|(file, line)| {
            let text = file.text.lines().nth(line as usize - 1);
            text.unwrap_or_default().trim().to_string()
        });
        Line {
            function: Party::function(&built.image.manifest).to_string(),
            party: built.party.text().to_string(),
            target: super::target(&built.image).to_string(),
            file: file.map(|file| file.name.clone()),
            line: number,
            text,
            bytes,
            instructions,
        }
    };
    let mut lines: Vec<Line> = costs.into_iter().map(line).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.bytes));
    lines
}

impl Line {
    /// `guard.nfl:7 | return Pass;`, and `-` for code that comes from no one place.
    pub(super) fn place(&self) -> String {
        match (&self.file, self.line, &self.text) {
            (Some(file), Some(line), Some(text)) => format!("{file}:{line} | {text}"),
            _ => "-".to_string(),
        }
    }

    /// The lines under a head for each image.
    pub(super) fn listing(lines: &[Line]) -> String {
        let image = |line: &Line| [&line.function, &line.party, &line.target].map(String::clone);
        let mut text = String::new();
        for group in lines.chunk_by(|a, b| image(a) == image(b)) {
            let [function, party, _] = image(&group[0]);
            let code: u64 = group.iter().map(|line| line.bytes).sum();
            let blank = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{blank}{function}.{party}: {code} bytes of code");
            let _ = writeln!(text, "{:>6} {:>6}  line", "bytes", "insts");
            for line in group {
                let Line {
                    bytes,
                    instructions,
                    ..
                } = line;
                let _ = writeln!(text, "{bytes:>6} {instructions:>6}  {}", line.place());
            }
        }
        text
    }
}
