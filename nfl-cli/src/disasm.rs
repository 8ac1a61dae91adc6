//! `nflc disasm`: instructions, their bytes, and the source they were made for.

use std::fmt::Write;
use std::path::PathBuf;

use nfl::abi::map::{CODE_BASE, CONSTANTS_BASE};
use nfl::isa::{Op, disassemble};
use nfl::{Built, Entry, Image, LateSlot, SourceMap, Span};

use crate::artifact::{self, Artifact};
use crate::failure::Failure;
use crate::imports;
use crate::shell::Shell;
use crate::source::Choice;

/// Print instructions with their bytes and source lines
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  nflc disasm guard.nfl --set port=443\n  nflc disasm Guard.originator.nfi\n  nflc disasm guard.nfc"
)]
pub(crate) struct Args {
    /// Source file, image or capsule
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    choice: Choice,
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<(), Failure> {
    let artifact = Artifact::read(&args.file, &args.choice, shell)?;
    for (n, (image, built)) in artifact.images().into_iter().enumerate() {
        if n > 0 {
            shell.line("")?;
        }
        let known = match (built, &artifact) {
            (Some(built), Artifact::Source(compiled)) => Some((built, compiled.unit.sources())),
            _ => None,
        };
        shell.print(listing(image, known))?;
    }
    Ok(())
}

/// The code and constants of an image, with source lines where the compiler knows them.
pub(crate) fn listing(image: &Image, known: Option<(&Built, &SourceMap)>) -> String {
    let mut text = format!(
        "# {}: {} bytes of code, {} of constants\n",
        artifact::title(image),
        image.code.len(),
        image.constants.len()
    );
    let mut shown = None;
    for line in disassemble(&image.code, CODE_BASE) {
        let offset = line.pc - CODE_BASE;
        for entry in image.manifest.entries.iter().filter(|e| e.pc == offset) {
            let _ = writeln!(text, "\n{}", head(entry));
            shown = None;
        }
        if let Some((built, sources)) = known {
            let span = built.places.iter().find(|p| p.pc == offset);
            let place = span
                .and_then(|p| p.span)
                .map(|span| source_line(sources, span));
            if let Some(place) = place
                && shown.as_ref() != Some(&place)
            {
                let _ = writeln!(text, "  {place}");
                shown = Some(place);
            }
        }
        let linked = line.inst.as_ref().ok().filter(|inst| inst.op == Op::Jal);
        let target = linked.map(|inst| line.pc.wrapping_add_signed(inst.imm));
        let called = target.and_then(|at| imports::called(&image.manifest, at));
        let called = called.map_or(String::new(), |name| format!("  # {name}"));
        let _ = writeln!(text, "{line}{called}");
    }
    text + &constants(image)
}

/// `originator:  # from the NETWORK header, packets of 20 bytes or more, at most 31 steps`
fn head(entry: &Entry) -> String {
    let need = match entry.need {
        0 => String::new(),
        need => format!("packets of {need} bytes or more, "),
    };
    format!(
        "{}:  # from the {} header, {need}at most {} steps",
        entry.role.text(),
        entry.layer.text(),
        entry.steps
    )
}

/// `guard.nfl:7 | return Pass;`
fn source_line(sources: &SourceMap, span: Span) -> String {
    let (line, _) = sources.line_col(span);
    let file = &sources.files[span.file];
    let text = file.text.lines().nth(line as usize - 1).unwrap_or_default();
    format!("{}:{line} | {}", file.name, text.trim())
}

/// The constants, words of late parameters by name and the rest in rows of 16 bytes.
fn constants(image: &Image) -> String {
    let mut text = String::new();
    if image.constants.is_empty() {
        return text;
    }
    let _ = writeln!(text, "\nconstants:");
    let mut at = 0;
    while at < image.constants.len() {
        let late = image.manifest.late.iter();
        let slot = late.clone().find(|slot| usize::from(slot.offset) == at);
        let next = late
            .map(|slot| usize::from(slot.offset))
            .filter(|&offset| offset > at)
            .min()
            .unwrap_or(image.constants.len());
        let size = if slot.is_some() { 4 } else { 16 };
        let end = (at + size).min(next).min(image.constants.len());
        let bytes: Vec<String> = image.constants[at..end]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = slot.map_or(String::new(), |LateSlot { name, .. }| format!("  {name}"));
        let address = CONSTANTS_BASE as usize + at;
        let _ = writeln!(text, "{address:6x}:  {}{name}", bytes.join(" "));
        at = end;
    }
    text
}
