//! Programs of several files.

use nfl_syntax::Diags;
use nfl_typeck::Program;
use nfl_typeck::program::Files;
use shared::{CASES, Disk, LIBRARY, check};

mod shared;

/// One file whose text is given.
struct One<'a>(&'a str);

impl Files for One<'_> {
    fn read(&self, path: &str) -> Option<String> {
        (path == "test.nfl").then(|| self.0.to_string())
    }

    fn list(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

fn path(of: &str) -> String {
    format!("{CASES}/../packages/{of}")
}

#[test]
fn a_file_brings_its_package_and_what_it_imports() {
    let (checked, diags) = check(&path("acme/edge/Filter.nfl"));
    let said = |diags: &Diags| -> Vec<String> { diags.iter().map(|d| d.message.clone()).collect() };
    // The package that imports this one back does so for nothing, which is said where that is checked.
    assert!(said(&diags).is_empty());
    let (_, back) = check(&path("acme/common/Numbers.nfl"));
    assert_eq!(said(&back), ["this import is not used"]);
    let root = path("");
    let files: Vec<&str> = checked
        .program
        .sources
        .files
        .iter()
        .filter_map(|(_, file)| file.name.strip_prefix(root.as_str()))
        .collect();
    assert_eq!(
        files,
        [
            "acme/edge/Filter.nfl",
            "acme/edge/Reasons.nfl",
            "acme/common/Numbers.nfl",
            "acme/common/Probe.nfl"
        ]
    );
    let qualified: Vec<&str> = checked
        .tables
        .functions
        .iter()
        .map(|(_, f)| f.qualified.as_str())
        .collect();
    assert_eq!(qualified, ["acme.edge.Filter"]);
}

#[test]
fn of_the_library_what_is_imported_is_parsed() {
    let nodes = |imports: &str| {
        let source =
            format!("{imports}function F() {{ on originator(Packet pkt) {{ return Pass; }} }}");
        let mut diags = Diags::default();
        let program = Program::load("test.nfl", &One(&source), &LIBRARY, &mut diags);
        assert!(diags.iter().next().is_none(), "{imports}");
        program.ast.decls.len()
    };
    let (none, table, net) = (
        nodes(""),
        nodes("import nfl.table.*;\n"),
        nodes("import nfl.net.*;\n"),
    );
    assert!(none < table && table < net);
    let both = nodes("import nfl.net.Udp;\nimport nfl.table.*;\n");
    assert_eq!(both - none, (table - none) + (net - none));
}

#[test]
fn a_name_from_two_packages_is_said() {
    let (_, diags) = check(&path("acme/doubt/Doubt.nfl"));
    let said: Vec<&str> = diags.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(
        said,
        ["`Probe` is imported from `acme.common` and from `acme.lab`"]
    );
}

#[test]
fn a_header_is_seen_by_files_that_do_not_name_it() {
    // Behind a checksum that covers addresses, another file of the package may not change them.
    let (_, diags) = check(&path("acme/ways/Extra.nfl"));
    let codes: Vec<&str> = diags.iter().map(|d| d.code.text).collect();
    assert_eq!(codes, ["E406"]);
}

#[test]
fn a_missing_file_is_said() {
    let mut diags = Diags::default();
    let program = Program::load(&path("none.nfl"), &Disk, &LIBRARY, &mut diags);
    let checked = nfl_typeck::check(program, &mut diags);
    assert!(checked.sound().is_none());
    let codes: Vec<&str> = diags.iter().map(|d| d.code.text).collect();
    assert_eq!(codes, ["E901"]);
}
