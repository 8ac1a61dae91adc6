//! What a debugger asks: which source line an instruction comes from, and which handler it belongs to.
//!
//! In: an image with the source of each instruction, and its handlers. Out: DWARF 4 sections, with one unit for the image and
//! a subprogram for each handler. Guaranteed: each instruction has the place that `--emit=map` shows, and line 0 where it
//! shows none. Version 4 is what the oldest tools in use read. Files are named as on the command line, and the directory
//! of the compilation is `.`, so that the bytes do not depend on where the compiler ran.

use std::collections::BTreeMap;

use gimli::write::{
    Address, AttributeValue, DwarfUnit, EndianVec, LineProgram, LineString, Sections,
};
use gimli::{Encoding, Format, LineEncoding, LittleEndian};
use nfl::abi::map::CODE_BASE;
use nfl::{Built, Party, SourceMap};

use super::Handler;

/// The instructions are 2 or 4 bytes long; rows of the line table advance by the smaller.
const INSTRUCTION_BYTES_MIN: u8 = 2;

/// The sections that are not empty, in the order in which the standard lists them.
pub(super) fn sections(
    built: &Built,
    sources: &SourceMap,
    handlers: &[Handler],
) -> Vec<(&'static str, Vec<u8>)> {
    let encoding = Encoding {
        format: Format::Dwarf32,
        version: 4,
        address_size: 4,
    };
    let mut dwarf = DwarfUnit::new(encoding);
    let code_bytes = built.image.code.len() as u64;
    let root = sources.root().map_or("image", |file| file.name.as_str());
    dwarf.unit.line_program = lines(built, sources, encoding, root);

    let name = Party::function(&built.image.manifest);
    let unit = dwarf.unit.root();
    let attributes = [
        (
            gimli::DW_AT_producer,
            concat!("nflc ", env!("CARGO_PKG_VERSION")),
        ),
        (gimli::DW_AT_name, root),
        (gimli::DW_AT_comp_dir, "."),
    ];
    for (attribute, text) in attributes {
        let text = AttributeValue::StringRef(dwarf.strings.add(text));
        dwarf.unit.get_mut(unit).set(attribute, text);
    }
    // The standard has no number for the language, and leaves these to whoever needs one.
    let language = AttributeValue::Language(gimli::DW_LANG_lo_user);
    dwarf
        .unit
        .get_mut(unit)
        .set(gimli::DW_AT_language, language);
    range(&mut dwarf, unit, 0, code_bytes);

    for handler in handlers {
        let id = dwarf.unit.add(unit, gimli::DW_TAG_subprogram);
        let full = format!("{name}.{}", handler.name);
        let short = AttributeValue::StringRef(dwarf.strings.add(handler.name.as_bytes()));
        let full = AttributeValue::StringRef(dwarf.strings.add(full));
        let entry = dwarf.unit.get_mut(id);
        entry.set(gimli::DW_AT_name, short);
        entry.set(gimli::DW_AT_description, full);
        entry.set(gimli::DW_AT_external, AttributeValue::Flag(true));
        let size = u64::from(handler.end - handler.entry);
        range(&mut dwarf, id, handler.entry, size);
    }
    let mut sections = Sections::new(EndianVec::new(LittleEndian));
    dwarf
        .write(&mut sections)
        .expect("a unit with constant addresses refers to nothing else");
    let mut written = Vec::new();
    sections
        .for_each_mut(|id, bytes| {
            if !bytes.slice().is_empty() {
                written.push((id.name(), bytes.take()));
            }
            Ok::<(), gimli::write::Error>(())
        })
        .expect("nothing here fails");
    written
}

/// Says where the code of a unit or a subprogram lies.
fn range(dwarf: &mut DwarfUnit, id: gimli::write::UnitEntryId, start: u32, bytes: u64) {
    let low = Address::Constant(u64::from(CODE_BASE + start));
    let entry = dwarf.unit.get_mut(id);
    entry.set(gimli::DW_AT_low_pc, AttributeValue::Address(low));
    entry.set(gimli::DW_AT_high_pc, AttributeValue::Udata(bytes));
}

/// The line table: a row for each instruction.
fn lines(built: &Built, sources: &SourceMap, encoding: Encoding, root: &str) -> LineProgram {
    let text = |text: &str| LineString::String(text.as_bytes().to_vec());
    let line_encoding = LineEncoding {
        minimum_instruction_length: INSTRUCTION_BYTES_MIN,
        ..LineEncoding::default()
    };
    let mut program = LineProgram::new(encoding, line_encoding, text("."), None, text(root), None);
    let directory = program.default_directory();
    let mut files = BTreeMap::new();
    let base = Address::Constant(u64::from(CODE_BASE));
    program.begin_sequence(Some(base));
    for place in &built.places {
        let row = program.row();
        row.address_offset = u64::from(place.pc);
        (row.line, row.column) = (0, 0);
        if let Some(span) = place.span {
            let (line, column) = sources.line_col(span);
            (row.line, row.column) = (u64::from(line), u64::from(column));
            let file = *files.entry(span.file).or_insert_with(|| {
                program.add_file(text(&sources.files[span.file].name), directory, None)
            });
            program.row().file = file;
        }
        program.generate_row();
    }
    program.end_sequence(built.image.code.len() as u64);
    program
}
