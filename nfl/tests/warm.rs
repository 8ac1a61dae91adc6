//! A compiler that has compiled before answers as a fresh one does.
//!
//! In: a project of two packages that is edited at random: comments and numbers, lines that go and lines that come twice, files
//! that come and go; and the examples with the standard library, where also names change. Out: the images and findings of
//! each file, and the tables that images are made from, which a warm compiler and a fresh one must agree on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::path::Path;

use nfl::{Compiler, DirFiles, Files, Limits, MemoryFiles, Style};
use nfl_ir::testing::Rng;

const EDITS: usize = 300;

/// How often an example is taken to be edited.
const ROUNDS: usize = 100;

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

/// What is written, as one number.
struct Sum(u64);

impl Write for Sum {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let step = |sum: u64, &byte: &u8| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        self.0 = text.as_bytes().iter().fold(self.0, step);
        Ok(())
    }
}

/// What a compiler finds out about a file before it makes code: the tables as one number, and the findings.
fn tables(compiler: &Compiler, files: &MemoryFiles, root: &str) -> (u64, String) {
    let (checked, found) = compiler.check(files, root);
    let mut sum = Sum(0xcbf2_9ce4_8422_2325);
    write!(sum, "{:?}", checked.tables).expect("a sum takes everything");
    let mut said = String::new();
    for finding in &found {
        said += &nfl::render(
            finding,
            &checked.program.sources,
            Style::Human { color: false },
        );
    }
    (sum.0, said)
}

/// What is wrong, each with its place, in any order.
fn lines(said: &str) -> BTreeSet<&str> {
    let heads = ["error[", "warning[", "--> "];
    let lines = said.lines().map(str::trim_start);
    lines
        .filter(|line| heads.iter().any(|head| line.starts_with(head)))
        .collect()
}

/// Files that say something of types with parameters, whose methods each program needs copies of.
const GENERIC: [(&str, &str); 2] = [
    (
        "acme/edge/Pair.nfl",
        "package acme.edge;\n\npublic record Pair<A>(A first, A second) {\n    \
         public boolean same() {\n        return first == second;\n    }\n}\n",
    ),
    (
        "acme/edge/Twins.nfl",
        "package acme.edge;\nimport nfl.net.*;\n\nfunction Twins() {\n    on originator(Packet pkt) {\n        \
         if (!(pkt instanceof Ipv4 ip)) return Pass;\n        var pair = Pair(ip.ttl, 7);\n        \
         return pair.same() ? Drop : Pass;\n    }\n}\n",
    ),
];

/// All sources below a directory, by their paths from it.
fn sources(base: &Path, dir: &str, found: &mut BTreeMap<String, String>) {
    let files = DirFiles::new(base);
    for path in files.list(dir) {
        let text = files.read(&path).expect("a file that is listed");
        found.insert(path, text);
    }
    let entries = std::fs::read_dir(base.join(dir)).expect("a directory");
    let mut inner: Vec<_> = entries.map(|entry| entry.expect("an entry")).collect();
    inner.sort_by_key(|entry| entry.file_name());
    for entry in inner.iter().filter(|entry| entry.path().is_dir()) {
        let name = entry.file_name().into_string().expect("a name in ASCII");
        let dir = match dir {
            "" => name,
            _ => format!("{dir}/{name}"),
        };
        sources(base, &dir, found);
    }
}

/// A text with one word of its replaced by one of another text.
fn renamed(text: &str, other: &str, rng: &mut Rng) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric();
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c| !is_word(c)).map(str::to_string);
        words
            .filter(|w| w.starts_with(|c: char| c.is_ascii_uppercase()))
            .collect()
    };
    let mut one = |text: &str| {
        let words = words(text);
        let at = rng.below(words.len().max(1) as u32) as usize;
        words.get(at).cloned().unwrap_or_default()
    };
    let (from, to) = (one(text), one(other));
    match from.is_empty() || to.is_empty() {
        true => text.to_string(),
        false => text.replace(&from, &to),
    }
}

#[test]
fn examples_are_checked_by_a_warm_compiler_as_by_a_fresh_one() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut project = BTreeMap::new();
    sources(&top.join("examples"), "", &mut project);
    sources(&top.join("stdlib"), "", &mut project);
    project.extend(GENERIC.map(|(path, text)| (path.to_string(), text.to_string())));
    let paths: Vec<String> = project.keys().cloned().collect();
    let mut rng = Rng::new(13);
    let warm = Compiler::new(Limits::EDGE);
    let mut sound = 0;
    for round in 0..ROUNDS {
        // Of the examples most have files beside them; of the library one in ten is enough.
        let root = loop {
            let path = &paths[rng.below(paths.len() as u32) as usize];
            if path.starts_with("acme/") || rng.below(10) == 0 {
                break path;
            }
        };
        let dir = root.rsplit_once('/').map_or("", |(dir, _)| dir);
        let near: Vec<&String> = paths.iter().filter(|path| path.starts_with(dir)).collect();
        let mut texts = project.clone();
        for edit in 0..5 {
            let other = near[rng.below(near.len() as u32) as usize];
            let path = if rng.below(2) == 0 { root } else { other };
            let text = texts.get(path).cloned().unwrap_or_default();
            match rng.below(6) {
                // The file comes back, if it was gone.
                _ if edit == 0 || text.is_empty() => {
                    drop(texts.insert(path.clone(), project[path].clone()))
                }
                0 if path != root => drop(texts.remove(path)),
                1..3 => drop(texts.insert(path.clone(), renamed(&text, &project[other], &mut rng))),
                _ => drop(texts.insert(path.clone(), edited(&text, &mut rng))),
            }
            let mut files = MemoryFiles::new();
            texts.iter().for_each(|(path, text)| files.add(path, text));
            let fresh = tables(&Compiler::new(Limits::EDGE), &files, root);
            // The second time the files beside it are kept, and the third what is known of them.
            for again in 0..3 {
                let found = tables(&warm, &files, root);
                assert_eq!(
                    found, fresh,
                    "round {round}, edit {edit}, {again}, of {root} in {path}"
                );
            }
            if root.starts_with("acme/") {
                // A file that adds to the library has all checked at once.
                files.add(format!("{dir}/At_once.nfl"), "package nfl.lang;\n");
                let at_once = tables(&Compiler::new(Limits::EDGE), &files, root);
                assert_eq!(
                    lines(&at_once.1),
                    lines(&fresh.1),
                    "round {round}, edit {edit}, of {root} in {path}"
                );
            }
            sound += usize::from(!fresh.1.contains("error"));
        }
    }
    assert!(sound > ROUNDS * 2 && sound < ROUNDS * 4, "{sound} sound");
}
