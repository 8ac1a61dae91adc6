//! The programs in the book and the README compile, and what the book shows of our output is what is put out.
//!
//! In: blocks of the Markdown files that are marked as `nfl`, and figures on some pages. Guaranteed: a block without a
//! function or header of its own is taken as the body of a handler; blocks that are marked
//! `nfl wrong E123` have exactly that finding.

use std::collections::BTreeSet;
use std::fs;

use nfl::conform;
use nfl::{Compiler, Limits, MemoryFiles, Style, render};
use nfl_abi::ABI_VERSION;
use nfl_abi::codes::CODES;
use nfl_abi::hash::crc32c;
use nfl_tests::pipeline::{check_text, render_all};
use nfl_tests::root;

/// Every Markdown file of the book, with the README.
fn pages() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for dir in ["docs/src", "docs/src/reference"] {
        let entries = fs::read_dir(root().join(dir)).expect("the book has pages");
        let entries =
            entries.map(|entry| entry.expect("a directory can be read to its end").path());
        paths.extend(entries.filter(|path| path.is_file()));
    }
    paths.extend([root().join("README.md"), root().join("examples/README.md")]);
    paths.sort();
    let read = |path: std::path::PathBuf| {
        let text = fs::read_to_string(&path).expect("pages are text");
        (path.display().to_string(), text)
    };
    paths.into_iter().map(read).collect()
}

/// Blocks of a page whose mark begins with `nfl`: line, mark and text.
fn blocks(text: &str) -> Vec<(usize, &str, String)> {
    let mut blocks: Vec<(usize, &str, String)> = Vec::new();
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(mark) if !open => {
                open = true;
                blocks.push((number + 1, mark, String::new()));
            }
            Some(_) => open = false,
            None if open => {
                let (_, _, block) = blocks.last_mut().expect("a block is open");
                block.push_str(line);
                block.push('\n');
            }
            None => {}
        }
    }
    blocks.retain(|(_, mark, _)| mark.starts_with("nfl"));
    blocks
}

/// A whole file out of a block: one that declares something is given imports where it has none, one
/// of members is put into a function, and one of statements into a handler.
fn whole(block: &str) -> String {
    const IMPORTS: &str = "import nfl.flow.*;\nimport nfl.net.*;\nimport nfl.table.*;\nimport nfl.text.*;\nimport nfl.time.*;\n";
    let begins = |words: &[&str]| {
        let line = |line: &str| {
            let line = line
                .trim_start_matches("public ")
                .trim_start_matches("sealed ");
            words.iter().any(|word| line.starts_with(word))
        };
        block.lines().any(line)
    };
    let declares = [
        "function ",
        "header ",
        "class ",
        "package ",
        "record ",
        "enum ",
        "interface ",
        "chain ",
        "graph ",
    ];
    if begins(&declares) {
        let imports = if begins(&["import ", "package "]) {
            ""
        } else {
            IMPORTS
        };
        return format!("{imports}{block}");
    }
    const USES: &str = "uses Rewrite, Route, Control";
    if begins(&["on ", "private ", "static "]) {
        return format!("{IMPORTS}function Block() {USES} {{\n{block}}}\n");
    }
    format!("{IMPORTS}function Block() {USES} {{ on ingress(Packet pkt) {{\n{block}}} }}\n")
}

#[test]
fn programs_in_the_book_compile() {
    let mut seen = 0;
    let mut failed = Vec::new();
    for (path, text) in pages() {
        for (line, mark, block) in blocks(&text) {
            seen += 1;
            let source = whole(&block);
            let (checked, diagnostics) = check_text("block.nfl", &source).verify_unbound();
            let wanted: BTreeSet<&str> = mark.split_whitespace().skip(2).collect();
            // Warnings that nothing asks for are no matter here.
            let found: BTreeSet<&str> = diagnostics
                .iter()
                .map(|d| d.code.text)
                .filter(|c| !c.starts_with('W') || wanted.contains(c))
                .collect();
            if found != wanted {
                let shown = render_all(&checked, &diagnostics);
                failed.push(format!("{path}:{line}: wants {wanted:?}\n{shown}"));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(seen > 10, "the book has programs");
}

#[test]
fn the_program_of_the_introduction_is_as_small_as_it_says() {
    let page = page("docs/src/introduction.md");
    let (_, _, program) = &blocks(&page)[0];
    let checking = check_text("block.nfl", &whole(program));
    let sets = [
        ("clients", "10.1.0.0/16"),
        ("servers", "10.2.0.0/16"),
        ("port", "5432"),
    ];
    let sets = sets.map(|(name, value)| (name.to_string(), value.to_string()));
    let stages = checking
        .function(None)
        .and_then(|f| checking.stages(f, &sets));
    let image = &stages.expect("it can be compiled")[0].image;
    let (code, constants) = (image.code.len(), image.constants.len());
    let says = format!("is {code} bytes of RISC-V code and {constants} bytes of constants");
    assert!(words(&page).contains(&says), "the program {says}");
}

#[test]
fn the_finding_in_the_book_is_what_the_compiler_says() {
    let source = fs::read_to_string(root().join("examples/acme/paths/Trace.nfl"));
    let source = source.expect("it is an example");
    let tested = "        if (used < 8) {\n            nodes[used] = (u32) node.id;\n            used += 1;\n        }\n";
    assert!(source.contains(tested));
    let untested = "        nodes[used] = (u32) node.id;\n        used += 1;\n";
    let source = source.replace(tested, untested);
    let files = MemoryFiles::from([("Trace.nfl", source.as_str())]);
    let build = Compiler::new(Limits::EDGE).build(&files, "Trace.nfl");
    let style = Style::Human { color: false };
    let said = build.diagnostics.iter();
    let said: String = said.map(|d| render(d, build.sources(), style)).collect();
    let page = page("docs/src/command-line.md");
    assert!(page.contains(&format!("```text\n{said}```\n")), "{said}");
}

#[test]
fn the_vectors_are_those_that_the_book_tells() {
    let suite = conform::all();
    let (many, crc) = (suite.vectors.len(), crc32c(suite.to_text().as_bytes()));
    let says = format!("vectors  {many} of version 1, machine {ABI_VERSION}, CRC-32C {crc:08x}\n");
    assert!(page("docs/src/conformance.md").contains(&says), "{says}");
}

/// A page of the book.
fn page(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("the book has this page")
}

/// A text on one line.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<&str>>().join(" ")
}

#[test]
fn the_book_lists_every_page() {
    let summary = page("docs/src/SUMMARY.md");
    for (path, _) in pages() {
        let name = path.rsplit('/').next().unwrap_or_default();
        let listed = summary.contains(&format!("({name})"))
            || summary.contains(&format!("(reference/{name})"));
        assert!(
            listed || ["SUMMARY.md", "README.md"].contains(&name),
            "{name} is not in the summary"
        );
    }
}

#[test]
fn the_book_lists_every_diagnostic_code() {
    let page = page("docs/src/diagnostics.md");
    let rows = CODES
        .iter()
        .map(|code| format!("| {} | {} |", code.text, code.title));
    let missing: Vec<String> = rows.filter(|row| !page.contains(row)).collect();
    assert!(
        missing.is_empty(),
        "docs/src/diagnostics.md lacks these rows:\n{}",
        missing.join("\n")
    );
}
