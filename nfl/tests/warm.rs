//! A compiler that has compiled before answers as a fresh one does.
//!
//! In: a project of two packages that is edited at random: comments and numbers, lines that go and lines that come twice, files
//! that come and go. Out: the images and findings of each file, which a warm compiler and a fresh one must agree on.

use std::collections::BTreeMap;

use nfl::{Compiler, Limits, MemoryFiles, Style};
use nfl_ir::testing::Rng;

const EDITS: usize = 300;

/// Files of a project; each uses something of another.
const PROJECT: [(&str, &str); 5] = [
    (
        "acme/edge/Filter.nfl",
        "package acme.edge;\nimport nfl.net.*;\nimport acme.core.*;\n\nfunction Filter(u8 most = 7) {\n    \
         on originator(Packet pkt) {\n        if (!(pkt instanceof Ipv4 ip)) return Drop(Why.ODD);\n        \
         if (ip.ttl > most + 3) return Drop(Why.ODD);\n        return Numbers.isLow(ip.ttl) ? Pass : Drop;\n    }\n}\n",
    ),
    (
        "acme/edge/Ports.nfl",
        "package acme.edge;\nimport nfl.net.*;\nimport static acme.core.Numbers.*;\n\nfunction Ports() {\n    \
         on originator(Packet pkt) {\n        if (pkt instanceof Ipv4 / Tcp tcp && tcp.dport == LAST) return Pass;\n        \
         return Drop;\n    }\n}\n",
    ),
    (
        "acme/edge/Why.nfl",
        "package acme.edge;\n\nclass Why {\n    static final Reason ODD = Reason(\"odd\");\n}\n",
    ),
    (
        "acme/core/Numbers.nfl",
        "package acme.core;\n\npublic class Numbers {\n    public static final u16 LAST = 443;\n\n    \
         public static boolean isLow(u8 n) {\n        return n < 64;\n    }\n}\n",
    ),
    (
        "acme/core/Probe.nfl",
        "package acme.core;\nimport nfl.net.*;\nimport nfl.table.*;\n\npublic header Probe follows Udp when dport == 9000 {\n    \
         u16 id;\n}\n\nfunction See() {\n    Counter seen;\n\n    on originator(Packet pkt) {\n        \
         if (pkt instanceof Ipv4 / Udp / Probe p && p.id == 1) return Pass;\n        seen.count(pkt);\n        \
         return Drop;\n    }\n}\n",
    ),
];

/// One of the project's files.
fn any_path(rng: &mut Rng) -> &'static str {
    PROJECT[rng.below(PROJECT.len() as u32) as usize].0
}

/// A text with one edit.
fn edited(text: &str, rng: &mut Rng) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    let at = rng.below(lines.len() as u32) as usize;
    match rng.below(8) {
        0..4 => lines.push(format!("// {}", rng.below(100))),
        4 if !lines.is_empty() => drop(lines.remove(at)),
        5 if !lines.is_empty() => lines.insert(at, lines[at].clone()),
        _ => {
            let digit = char::from(b'0' + rng.below(10) as u8);
            for line in lines.iter_mut().skip(at).take(1) {
                *line = line.replace(|c: char| c.is_ascii_digit(), &digit.to_string());
            }
        }
    }
    lines.join("\n")
}

/// What a compiler makes of a file: findings as people read them, and the bytes of images.
fn answer(compiler: &Compiler, files: &MemoryFiles, root: &str) -> (String, Vec<Vec<u8>>) {
    let build = compiler.build(files, root);
    let mut said = String::new();
    for finding in &build.diagnostics {
        said += &nfl::render(finding, build.sources(), Style::Human { color: false });
    }
    let mut bytes = Vec::new();
    if let Ok(unit) = build.finish() {
        for function in unit.functions() {
            let bound = function.bind(&[]).expect("all parameters have defaults");
            match bound.images() {
                Ok(images) => bytes.extend(images.iter().map(|built| built.image.to_bytes())),
                Err(error) => said += &error.to_string(),
            }
        }
    }
    (said, bytes)
}

#[test]
fn a_warm_compiler_answers_as_a_fresh_one() {
    let mut rng = Rng::new(1);
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    let warm = Compiler::new(Limits::EDGE);
    let mut root = PROJECT[0].0;
    let (mut sound, mut unsound) = (0, 0);
    for edit in 0..EDITS {
        // Files are edited for a while, and then the project is as it was at first.
        if edit % 6 == 0 {
            texts = PROJECT.map(|(path, text)| (path, text.to_string())).into();
            root = any_path(&mut rng);
        }
        // Most edits are of the file that is compiled.
        let path = match rng.below(4) {
            0 => any_path(&mut rng),
            _ => root,
        };
        match texts.get(path) {
            Some(_) if path != root && rng.below(4) == 0 => drop(texts.remove(path)),
            Some(text) => drop(texts.insert(path, edited(text, &mut rng))),
            None => {}
        }
        let mut files = MemoryFiles::new();
        texts.iter().for_each(|(path, text)| files.add(*path, text));
        let fresh = answer(&Compiler::new(Limits::EDGE), &files, root);
        assert_eq!(
            answer(&warm, &files, root),
            fresh,
            "edit {edit} of {root}: {texts:#?}"
        );
        match fresh.0.contains("error") {
            false => sound += 1,
            true => unsound += 1,
        }
    }
    assert!(
        sound > EDITS / 4 && unsound > EDITS / 8,
        "{sound} sound, {unsound} not"
    );
}

#[test]
fn a_head_that_is_broken_is_read_as_the_parser_reads_it() {
    let broken = [
        "package acme.edge\nimport acme.core.*;\n",
        "package acme.function;\nimport acme.core.*;\n",
        "import acme.core.*;\npackage acme.edge;\n",
        "package acme.edge;\nimport acme.core.*\n",
        "package acme.edge;\nimport class acme.core.*;\n",
        "package acme.edge;\nimport acme..core.*;\n",
        "package acme.edge; @ import acme.core.*;\n",
        "",
    ];
    for head in broken {
        let rest = "function F() { on originator(Packet pkt) { return Pass; } }\n";
        let mut files = MemoryFiles::from(PROJECT);
        files.add("acme/edge/F.nfl", format!("{head}{rest}"));
        let warm = Compiler::new(Limits::EDGE);
        let first = answer(&warm, &files, "acme/edge/F.nfl");
        for _ in 0..3 {
            assert_eq!(answer(&warm, &files, "acme/edge/F.nfl"), first, "{head}");
        }
    }
}
