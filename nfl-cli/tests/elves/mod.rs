//! ELF files, read back by other libraries: the same bytes as the image's, and the same places as the map's.

use std::collections::BTreeMap;
use std::fs;

use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use nfl::Image;
use nfl::abi::map::{CODE_BASE, CONSTANTS_BASE};
use object::read::elf::{ElfFile32, FileHeader};
use object::{Endianness, Object, ObjectSection, ObjectSymbol, SymbolKind, elf};

use crate::place::Place;

type Elf<'a> = ElfFile32<'a, Endianness>;

const ALL: &str = "image,map,elf";

fn section<'a>(elf: &Elf<'a>, name: &str) -> (u64, &'a [u8]) {
    let section = elf.section_by_name(name);
    section.map_or((0, &[]), |section| {
        (
            section.address(),
            section.data().expect("the file holds it"),
        )
    })
}

fn lines<'a>(elf: &Elf<'a>) -> Context<EndianSlice<'a, LittleEndian>> {
    let load = |id: SectionId| {
        let (_, bytes) = section(elf, id.name());
        Ok::<_, addr2line::gimli::Error>(EndianSlice::new(bytes, LittleEndian))
    };
    let dwarf = Dwarf::load(load).expect("nothing here fails");
    Context::from_dwarf(dwarf).expect("the sections can be read")
}

/// Compares the three files of an image, and answers how many instructions have a place.
fn compare(place: &Place, stem: &str) -> usize {
    let bytes = place.read(&format!("{stem}.elf"));
    let elf = Elf::parse(bytes.as_slice()).expect("an ELF file of 32 bits");
    let image = Image::from_bytes(&place.read(&format!("{stem}.nfi"))).expect("an image");
    let header = elf.elf_header();
    let little = Endianness::Little;
    assert_eq!(header.e_machine(little), elf::EM_RISCV);
    assert_eq!(header.e_flags(little), elf::EF_RISCV_RVC);
    let base = u64::from(CODE_BASE);
    assert_eq!(section(&elf, ".text"), (base, image.code.as_slice()));
    let (at, constants) = section(&elf, ".rodata");
    assert_eq!(constants, image.constants);
    assert_eq!(
        at,
        if constants.is_empty() {
            0
        } else {
            u64::from(CONSTANTS_BASE)
        }
    );

    let symbols: BTreeMap<&str, (u64, SymbolKind)> = elf
        .symbols()
        .map(|symbol| {
            (
                symbol.name().expect("a name"),
                (symbol.address(), symbol.kind()),
            )
        })
        .collect();
    for entry in &image.manifest.entries {
        let at = base + u64::from(entry.pc);
        assert_eq!(
            symbols.get(entry.role.text()),
            Some(&(at, SymbolKind::Text)),
            "{symbols:?}"
        );
    }
    for late in &image.manifest.late {
        let at = u64::from(CONSTANTS_BASE) + u64::from(late.offset);
        assert_eq!(
            symbols.get(late.name.as_str()),
            Some(&(at, SymbolKind::Data)),
            "{symbols:?}"
        );
    }

    let map = String::from_utf8(place.read(&format!("{stem}.map"))).expect("text");
    let context = lines(&elf);
    let (mut placed, mut end) = (0, 0);
    for line in map.lines().filter(|line| !line.starts_with('#')) {
        let [pc, size, at] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let pc = u64::from_str_radix(pc, 16).expect("a number");
        assert_eq!(pc, end, "{line}: instructions stand behind one another");
        end = pc + size.parse::<u64>().expect("a number");
        let found = context
            .find_location(base + pc)
            .expect("the table can be read");
        let found = found.and_then(|found| {
            let file = found.file?.trim_start_matches("./");
            Some(format!(
                "{file}:{}:{}",
                found.line.filter(|&n| n > 0)?,
                found.column?
            ))
        });
        assert_eq!(found.as_deref().unwrap_or("-"), at, "{line}");
        placed += usize::from(at != "-");
        assert!(
            context
                .find_dwarf_and_unit(base + pc)
                .skip_all_loads()
                .is_some(),
            "{line}"
        );
    }
    assert_eq!(end, image.code.len() as u64);
    placed
}

#[test]
fn elf_files_have_the_places_of_the_map() {
    let place = Place::furnished();
    place.ok(&["build", "contract.nfl", "--emit", ALL]);
    place.ok(&["build", "mark.nfl", "--emit", ALL]);
    for stem in ["Segment.originator", "Segment.responder", "Mark.resident"] {
        assert!(compare(&place, stem) > 10, "{stem}");
    }
    let first = place.read("Mark.resident.elf");
    fs::create_dir(place.path("inner")).expect("a directory");
    place.write("inner/mark.nfl", place.read("mark.nfl"));
    place
        .within("inner")
        .ok(&["build", "mark.nfl", "--emit", "elf"]);
    assert_eq!(
        place.read("inner/Mark.resident.elf"),
        first,
        "where it is made is no matter"
    );
}

const WATCH_SYMBOLS: &[&str] = &[
    "every",
    "every.2",
    "ingress",
    "register.add.rounds",
    "register.get.rounds",
];

#[test]
fn timers_calls_and_constants_have_symbols() {
    let place = Place::new();
    let text = "package acme;

import nfl.net.*;
import nfl.table.*;

public function Watch() uses State, Clock {

    Register<u32> rounds;
    static final u32[4] STEPS = {70001, 80020, 90300, 104000};

    on ingress(Packet pkt) {
        if (!(pkt instanceof Ipv4 ip)) return Pass;
        return STEPS[ip.ttl & 3] == rounds.get() ? Pass : Drop;
    }

    on every 1s { rounds.add(1); }

    on every 5s { rounds.add(7); }
}
";
    place.write("watch.nfl", text);
    place.ok(&["build", "watch.nfl", "--emit", ALL]);
    let bytes = place.read("Watch.resident.elf");
    let elf = Elf::parse(bytes.as_slice()).expect("an ELF file of 32 bits");
    let mut names: Vec<&str> = elf.symbols().map(|s| s.name().expect("a name")).collect();
    names.sort_unstable();
    assert_eq!(names, WATCH_SYMBOLS);
    let calls = elf.symbols().take(2).map(|symbol| symbol.address());
    let vector = u64::from(CODE_BASE);
    assert_eq!(calls.collect::<Vec<_>>(), [vector - 8, vector - 16]);
    let (at, constants) = section(&elf, ".rodata");
    assert_eq!((at, constants.len()), (u64::from(CONSTANTS_BASE), 16));
}
