//! What each instruction of an image is, and where it comes from.
//!
//! In: an image, and what the compiler knows of it. Out: for an offset in the code its text, and its source line if there
//! is one source line that it was made for.

use std::collections::BTreeMap;

use nfl::abi::map::CODE_BASE;
use nfl::isa::{Op, disassemble};
use nfl::{Image, Place, SourceMap};

use crate::imports;

/// A line of source.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct SourceLine {
    pub(crate) file: String,
    /// From 1.
    pub(crate) line: u32,
    /// Without the blanks around it.
    pub(crate) text: String,
}

impl std::fmt::Display for SourceLine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SourceLine { file, line, text } = self;
        write!(out, "{file}:{line} | {text}")
    }
}

/// What stands at an offset in the code.
struct Here {
    text: String,
    /// Its source line, by its place among `lines`.
    line: Option<usize>,
}

/// All instructions of an image.
pub(crate) struct Places {
    here: BTreeMap<u32, Here>,
    lines: Vec<SourceLine>,
    has_source: bool,
}

impl Places {
    pub(super) fn new(image: &Image, source: Option<(&SourceMap, &[Place])>) -> Places {
        let mut lines: Vec<SourceLine> = Vec::new();
        let mut known = BTreeMap::new();
        let (sources, spans) = source.map_or((None, &[][..]), |(s, places)| (Some(s), places));
        let mut here = BTreeMap::new();
        for line in disassemble(&image.code, CODE_BASE) {
            let pc = line.pc - CODE_BASE;
            let linked = line.inst.as_ref().ok().filter(|inst| inst.op == Op::Jal);
            let target = linked.map(|inst| line.pc.wrapping_add_signed(inst.imm));
            let called = target.and_then(|at| imports::called(&image.manifest, at));
            let text = match (&line.inst, called) {
                (Ok(inst), Some(name)) => format!("{inst}  # {name}"),
                (Ok(inst), None) => inst.to_string(),
                (Err(why), _) => format!("<{why}>"),
            };
            let span = spans.iter().find(|place| place.pc == pc);
            let span = span.and_then(|place| place.span);
            let place = span.zip(sources).map(|(span, sources)| {
                let (line, _) = sources.line_col(span);
                *known.entry((span.file, line)).or_insert_with(|| {
                    let file = &sources.files[span.file];
                    let text = file.text.lines().nth(line as usize - 1);
                    lines.push(SourceLine {
                        file: file.name.clone(),
                        line,
                        text: text.unwrap_or_default().trim().to_string(),
                    });
                    lines.len() - 1
                })
            });
            here.insert(pc, Here { text, line: place });
        }
        Places {
            here,
            lines,
            has_source: sources.is_some(),
        }
    }

    /// Whether the source is known.
    pub(crate) fn has_source(&self) -> bool {
        self.has_source
    }

    /// The instruction at an offset; in a call, with the name of the service.
    pub(crate) fn text(&self, pc: u32) -> &str {
        self.here.get(&pc).map_or("", |here| &here.text)
    }

    /// The source line of the instruction at an offset.
    pub(crate) fn line(&self, pc: u32) -> Option<&SourceLine> {
        self.lines.get(self.here.get(&pc)?.line?)
    }
}
