//! Images as ELF files, for disassemblers and debuggers.
//!
//! In: an image with the source of each instruction. Out: a 32-bit little-endian RISC-V executable file (System V ABI,
//! RISC-V ELF psABI) with code and constants at the addresses they have on a node, a symbol for each handler, late word and
//! host call, and DWARF line tables. Guaranteed: the bytes depend on the image and its sources alone. No node loads such a file.

mod dwarf;

use std::collections::BTreeMap;

use nfl::abi::map::{CODE_BASE, CONSTANTS_BASE, SLOT_BYTES};
use nfl::isa::Target;
use nfl::{Built, Image, SourceMap};
use object::build::elf::{
    AttributeScope, AttributesSection, AttributesSubsection, AttributesSubsubsection, Builder,
    SectionData, SectionId,
};
use object::{Endianness, elf};

use crate::imports;

/// The stack is aligned to this many bytes: `Tag_RISCV_stack_align`. Scratch memory is aligned to words.
const STACK_ALIGN: u8 = 4;
/// `Tag_RISCV_stack_align` and `Tag_RISCV_arch` of the psABI, which the library does not name.
const TAG_STACK_ALIGN: u8 = 4;
const TAG_ARCH: u8 = 5;

/// A handler's code: from its entry to the next one's. What handlers share belongs to the one it stands behind.
struct Handler {
    name: String,
    /// Where it starts, from the first byte of the code.
    entry: u32,
    /// Where its code ends.
    end: u32,
}

/// The handlers of an image in the order of their entries. Of several timers, those behind the first have numbers.
fn handlers(image: &Image) -> Vec<Handler> {
    let mut seen = BTreeMap::new();
    let mut handlers: Vec<Handler> = Vec::new();
    for entry in &image.manifest.entries {
        let count: &mut u32 = seen.entry(entry.role.text()).or_default();
        *count += 1;
        let name = match *count {
            1 => entry.role.text().to_string(),
            n => format!("{}.{n}", entry.role.text()),
        };
        handlers.push(Handler {
            name,
            entry: entry.pc,
            end: image.code.len() as u32,
        });
    }
    handlers.sort_by_key(|h| h.entry);
    for at in 1..handlers.len() {
        handlers[at - 1].end = handlers[at].entry;
    }
    handlers
}

/// The ELF file of an image.
pub(crate) fn file(built: &Built, sources: &SourceMap) -> Vec<u8> {
    let image = &built.image;
    let handlers = handlers(image);
    let mut elf = Builder::new(Endianness::Little, false);
    elf.header.e_type = elf::ET_EXEC;
    elf.header.e_machine = elf::EM_RISCV;
    elf.header.e_flags = elf::EF_RISCV_RVC;
    elf.header.e_entry = u64::from(CODE_BASE + handlers.first().map_or(0, |h| h.entry));
    elf.header.e_phoff = elf.file_header_size();

    let has_constants = !image.constants.is_empty();
    let headers = if has_constants { 2 } else { 1 };
    let mut offset = elf.header.e_phoff + headers * PROGRAM_HEADER_BYTES;
    let constants = has_constants.then(|| {
        let flags = elf::SHF_ALLOC;
        let (name, base, bytes) = (".rodata", CONSTANTS_BASE, &image.constants);
        load(&mut elf, name, base, bytes, flags, &mut offset)
    });
    let flags = elf::SHF_ALLOC | elf::SHF_EXECINSTR;
    let (base, bytes) = (CODE_BASE, &image.code);
    let text = load(&mut elf, ".text", base, bytes, flags, &mut offset);

    for (name, bytes) in dwarf::sections(built, sources, &handlers) {
        let section = elf.sections.add();
        section.name = name.into();
        section.sh_type = elf::SHT_PROGBITS;
        section.sh_addralign = 1;
        if name == ".debug_str" {
            section.sh_flags = elf::SHF_MERGE | elf::SHF_STRINGS;
            section.sh_entsize = 1;
        }
        section.data = SectionData::Data(bytes.into());
    }
    attributes(&mut elf, image);
    symbols(&mut elf, image, &handlers, text, constants);
    tables(&mut elf);
    let mut bytes = Vec::new();
    elf.write(&mut bytes)
        .expect("the sections follow one another, and are smaller than a machine's memory");
    bytes
}

/// Bytes of a program header in a 32-bit file.
const PROGRAM_HEADER_BYTES: u64 = 32;
/// Where sections stand in the file is aligned to this.
const ALIGN: u64 = 4;

/// Adds a section that lies in the machine's memory, and the segment that loads it.
fn load<'a>(
    elf: &mut Builder<'a>,
    name: &'static str,
    base: u32,
    bytes: &'a [u8],
    flags: elf::SectionFlags,
    offset: &mut u64,
) -> SectionId {
    let section = elf.sections.add();
    section.name = name.into();
    section.sh_type = elf::SHT_PROGBITS;
    section.sh_flags = flags;
    section.sh_addr = u64::from(base);
    section.sh_offset = *offset;
    section.sh_size = bytes.len() as u64;
    section.sh_addralign = ALIGN;
    section.data = SectionData::Data(bytes.into());
    let segment = elf.segments.add();
    segment.p_type = elf::PT_LOAD;
    segment.p_flags = section.p_flags();
    segment.p_align = ALIGN;
    segment.append_section_range(section);
    segment.sections.push(section.id());
    *offset = (*offset + section.sh_size).next_multiple_of(ALIGN);
    section.id()
}

/// Names the instruction set, by which tools choose how to disassemble.
fn attributes(elf: &mut Builder<'_>, image: &Image) {
    let arch = Target::by_id(image.manifest.target.0).map_or_else(String::new, arch);
    let mut data = vec![TAG_STACK_ALIGN, STACK_ALIGN, TAG_ARCH];
    data.extend(arch.bytes().chain([0]));
    let mut subsection = AttributesSubsection::new("riscv".into());
    subsection.subsubsections.push(AttributesSubsubsection {
        scope: AttributeScope::File,
        data: data.into(),
    });
    let section = elf.sections.add();
    section.name = ".riscv.attributes".into();
    section.sh_type = elf::SHT_RISCV_ATTRIBUTES;
    section.sh_addralign = 1;
    section.data = SectionData::Attributes(AttributesSection {
        subsections: vec![subsection],
    });
}

/// The instruction set with the versions of its parts, as `Tag_RISCV_arch` spells it: `rv32i2p0_m2p0_c2p0`.
fn arch(target: &Target) -> String {
    // What is not named by its instruction set is the one without a multiplier.
    let name = target.name.strip_prefix("rv32").unwrap_or("ic");
    let (letters, longer) = name.split_once('_').unwrap_or((name, ""));
    let letters = letters.chars().map(|letter| format!("{letter}2p0"));
    let longer = longer.split('_').filter(|name| !name.is_empty());
    let parts = letters.chain(longer.map(|name| format!("{name}1p0")));
    format!("rv32{}", parts.collect::<Vec<_>>().join("_"))
}

/// Adds the symbols: host calls, late words, handlers.
fn symbols(
    elf: &mut Builder<'_>,
    image: &Image,
    handlers: &[Handler],
    text: SectionId,
    constants: Option<SectionId>,
) {
    for (slot, import) in (1u32..).zip(&image.manifest.imports) {
        let symbol = elf.symbols.add();
        let name = imports::import(&image.manifest, import).replace(' ', ".");
        symbol.name = name.into_bytes().into();
        symbol.st_shndx = elf::SHN_ABS;
        symbol.st_value = u64::from(CODE_BASE - slot * SLOT_BYTES);
        symbol.set_st_info(elf::STB_LOCAL, elf::STT_NOTYPE);
    }
    for late in &image.manifest.late {
        let symbol = elf.symbols.add();
        symbol.name = late.name.clone().into_bytes().into();
        symbol.section = constants;
        symbol.st_value = u64::from(CONSTANTS_BASE) + u64::from(late.offset);
        symbol.st_size = 4;
        symbol.set_st_info(elf::STB_LOCAL, elf::STT_OBJECT);
    }
    for handler in handlers {
        let symbol = elf.symbols.add();
        symbol.name = handler.name.clone().into_bytes().into();
        symbol.section = Some(text);
        symbol.st_value = u64::from(CODE_BASE + handler.entry);
        symbol.st_size = u64::from(handler.end - handler.entry);
        symbol.set_st_info(elf::STB_GLOBAL, elf::STT_FUNC);
    }
}

/// Adds the tables that every such file has.
fn tables(elf: &mut Builder<'_>) {
    let strings = elf.sections.add();
    strings.name = ".strtab".into();
    strings.sh_type = elf::SHT_STRTAB;
    strings.sh_addralign = 1;
    strings.data = SectionData::String;
    let strings = strings.id();
    let symbols = elf.sections.add();
    symbols.name = ".symtab".into();
    symbols.sh_type = elf::SHT_SYMTAB;
    symbols.sh_link_section = Some(strings);
    symbols.sh_addralign = ALIGN;
    symbols.data = SectionData::Symbol;
    let names = elf.sections.add();
    names.name = ".shstrtab".into();
    names.sh_type = elf::SHT_STRTAB;
    names.sh_addralign = 1;
    names.data = SectionData::SectionString;
}
