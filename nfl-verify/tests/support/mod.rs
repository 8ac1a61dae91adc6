//! Images from assembler text.
//!
//! In: text in which lines that begin with `.` and one of the names below describe the manifest, and
//! all others are assembler. Out: an image. Unless told otherwise it is a capsule with one entry
//! `originator` at 0 that needs nothing, all rights, all verdicts, and no certificate.
//!
//! `.entry ROLE PC NEED`, `.carried BYTES`, `.window BYTES`, `.rights NAME…`, `.verdicts MASK`,
//! `.constants HEX`, `.late OFFSET WIDTH LO HI [wire]`, `.target NAME`, `.steps N`,
//! `.malformed VERDICT`, `.certificate HEX`, `.import SERVICE PARAM [RESOURCE]`,
//! `.resource KIND KEY VALUE CAPACITY [flow]`, `.resident`, `.raw HEX` (more code). A service is named or numbered, and
//! `_` in a kind stands for a blank; the label `slotK` stands for slot `K` of the call vector, up to slot 3.
//!
//! `.safe`, `.unsafe`, `.wrong` and `.packet HEX` say something about the image and change nothing in it.

use nfl_abi::image::{
    Claims, Entry, Import, LateSlot, Layer, Manifest, Profile, Resource, ResourceKind, Right,
    Rights, Role, TargetId, Verdict, VerdictKind,
};
use nfl_abi::{Image, Limits, host, map};
use nfl_isa::Target;

/// The image that a text describes, with a certificate proposed for it unless the text has one.
pub(crate) fn certified(text: &str) -> Result<Image, String> {
    let mut image = image(text);
    if image.certificate.is_empty() {
        image.certificate =
            nfl_verify::certify(&image, &Limits::EDGE).map_err(|e| e.to_string())?;
    }
    Ok(image)
}

pub(crate) fn image(text: &str) -> Image {
    let mut image = blank();
    let mut source = String::new();
    let mut raw = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.split_first() {
            Some((&".raw", rest)) => raw.extend(hex(&rest.concat())),
            Some((name, rest)) if describe(&mut image, name, rest) => {}
            _ => source.push_str(line),
        }
        source.push('\n');
    }
    // Jumps are relative, so the vector may stand before the code while that is assembled.
    let slots: usize = 4;
    let vector: String = (0..slots)
        .rev()
        .map(|k| format!("slot{k}: .word 0\n .word 0\n"))
        .collect();
    image.code =
        nfl_isa::assemble(&format!("{vector}{source}")).unwrap_or_else(|e| panic!("{e}\n{source}"));
    image.code.drain(..slots * map::SLOT_BYTES as usize);
    image.code.extend(raw);
    if image.manifest.entries.is_empty() {
        image.manifest.entries.push(entry(Role::Originator, 0, 0));
    }
    image
}

fn blank() -> Image {
    let manifest = Manifest {
        name: "test.Case.originator".into(),
        version: 1,
        profile: Profile::Capsule,
        target: TargetId(0),
        entries: Vec::new(),
        imports: Vec::new(),
        resources: Vec::new(),
        verdicts: 0xff,
        rights: Right::ALL
            .iter()
            .fold(Rights::NONE, |rights, &right| rights.with(right)),
        passes: 1,
        window: 0,
        carried: Vec::new(),
        late: Vec::new(),
        reasons: Vec::new(),
        claims: Claims::default(),
    };
    Image {
        manifest,
        code: Vec::new(),
        constants: Vec::new(),
        certificate: Vec::new(),
    }
}

fn entry(role: Role, pc: u32, need: u16) -> Entry {
    let malformed = Verdict {
        kind: VerdictKind::Drop,
        operand: 1,
    };
    let period_ns = if role == Role::Every { 1_000_000 } else { 0 };
    Entry {
        role,
        layer: Layer::Network,
        pc,
        need,
        malformed,
        steps: u32::MAX,
        period_ns,
    }
}

/// Reads one line about the manifest; false when it is assembler.
fn describe(image: &mut Image, name: &str, rest: &[&str]) -> bool {
    let number = |at: usize| -> u64 {
        let word = rest
            .get(at)
            .unwrap_or_else(|| panic!("{name} takes more words"));
        match word.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).expect("hex digits"),
            None => word.parse().expect("a number"),
        }
    };
    let manifest = &mut image.manifest;
    match name {
        ".entry" => {
            let role = Role::from_text(rest[0]).expect("a role");
            manifest
                .entries
                .push(entry(role, number(1) as u32, number(2) as u16));
        }
        ".carried" => manifest.carried = vec![0; number(0) as usize],
        ".window" => manifest.window = number(0) as u8,
        ".rights" => {
            let rights = rest
                .iter()
                .map(|name| Right::from_text(name).expect("a right"));
            manifest.rights = rights.fold(Rights::NONE, Rights::with);
        }
        ".verdicts" => manifest.verdicts = number(0) as u8,
        ".malformed" => {
            let kind = VerdictKind::from_text(rest[0]).expect("a verdict");
            let verdict = Verdict { kind, operand: 0 };
            manifest
                .entries
                .iter_mut()
                .for_each(|entry| entry.malformed = verdict);
        }
        ".constants" => image.constants = hex(&rest.concat()),
        ".late" => manifest.late.push(LateSlot {
            name: format!("p{}", manifest.late.len()),
            offset: number(0) as u16,
            width: number(1) as u8,
            wire: rest.get(4) == Some(&"wire"),
            lo: number(2) as u32,
            hi: number(3) as u32,
        }),
        ".target" => manifest.target = TargetId(Target::find(rest[0]).map_or(99, |t| t.id)),
        ".steps" => manifest
            .entries
            .iter_mut()
            .for_each(|entry| entry.steps = number(0) as u32),
        ".certificate" => image.certificate = hex(&rest.concat()),
        ".import" => manifest.imports.push(Import {
            service: match host::call::service(rest[0]) {
                Some(service) => service.number,
                None => number(0) as u8,
            },
            param: number(1) as u16,
            resource: rest.get(2).map(|_| number(2) as u8),
        }),
        ".resource" => {
            let kind = rest[0].replace('_', " ");
            manifest.resources.push(Resource {
                name: format!("r{}", manifest.resources.len()),
                kind: ResourceKind::from_text(&kind).expect("a kind of resource"),
                key_bytes: number(1) as u16,
                value_bytes: number(2) as u16,
                capacity: number(3) as u32,
                idle_ns: 0,
                first: 0,
                flow_key: rest.get(4) == Some(&"flow"),
                layout: 0,
            });
        }
        ".resident" => manifest.profile = Profile::Resident,
        // What is said about the image, and packets to run it on.
        ".safe" | ".unsafe" | ".wrong" | ".packet" => {}
        _ => return false,
    }
    true
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).expect("ascii digits");
        u8::from_str_radix(pair, 16).expect("two hex digits")
    };
    digits.chunks(2).map(byte).collect()
}
