//! What the tables say of headers, handlers and views stands in `tables.txt`, written anew with `BLESS=1`.

use nfl_syntax::Names;
use nfl_typeck::tables::{Header, HeaderId, Tables};
use nfl_typeck::{Checked, TyKind};
use shared::{CASES, check};
use std::fmt::Write;

mod shared;

/// The names of the fields of a set.
fn fields(set: u64, header: &Header, names: &Names) -> String {
    let list: Vec<&str> = header
        .fields
        .iter()
        .enumerate()
        .filter(|(i, _)| set >> i & 1 == 1)
        .map(|(_, f)| names.text(f.name))
        .collect();
    list.join(" ")
}

fn header(h: &Header, checked: &Checked, out: &mut String) {
    let (tables, names) = (&checked.tables, &checked.program.names);
    let text = |e| {
        let span = checked.program.ast.exprs[e].span;
        checked.program.sources.text(span)
    };
    let name = |id: HeaderId| names.text(tables.headers[id].name);
    let _ = writeln!(out, "header {} {} bytes", h.qualified, h.fixed_bytes);
    for f in &h.fields {
        let ty = tables
            .types
            .show(f.ty, names, &|id| tables.headers[id].name);
        let _ = write!(out, "  {:>3} {} {ty}", f.bit_offset, names.text(f.name));
        if let Some(len) = f.len {
            let _ = write!(out, "[{}]", text(len));
        }
        if let Some(derived) = f.derived {
            let _ = write!(out, " {derived:?}");
        }
        if let Some(value) = f.default.and_then(|e| tables.konst[e].clone()) {
            let _ = write!(out, " = {value:?}");
        }
        out.push('\n');
    }
    for edge in &h.edges {
        let _ = writeln!(
            out,
            "  behind {} when {}{}",
            edge.parent.map_or("Packet", name),
            edge.when.map_or("always", text),
            edge.layer
                .map_or(String::new(), |l| format!(" at {}", l.text()))
        );
    }
    for conjunct in &h.valid {
        let used = fields(conjunct.fields, h, names);
        let _ = writeln!(out, "  valid {} over {used}", text(conjunct.cond));
    }
    let _ = writeln!(
        out,
        "  placing [{}] shape [{}]",
        fields(h.placing, h, names),
        fields(h.shape, h, names)
    );
}

fn functions(tables: &Tables, names: &Names, out: &mut String) {
    for (_, f) in tables.functions.iter() {
        let rights: Vec<&str> = f.uses.iter().map(|r| r.text()).collect();
        let _ = writeln!(out, "function {} uses [{}]", f.qualified, rights.join(" "));
        for h in &f.handlers {
            let _ = writeln!(out, "  on {} at {}", h.role.text(), h.layer.text());
        }
    }
    for (_, l) in tables.locals.iter() {
        if let TyKind::View(h) = tables.types.kind(l.ty) {
            let header = &tables.headers[h];
            let _ = writeln!(
                out,
                "  view {} {} uses [{}]{}",
                names.text(header.name),
                l.name.map_or("_", |n| names.text(n)),
                fields(l.fields_used, header, names),
                if l.behind_used { " and behind" } else { "" }
            );
        }
    }
}

#[test]
fn tables_say_what_stands_beside() {
    let mut out = String::new();
    let (checked, _) = check(&format!("{CASES}/ok-headers.nfl"));
    for (_, h) in checked.tables.headers.iter() {
        header(h, &checked, &mut out);
    }
    for case in [
        "segment",
        "headers",
        "flow-scoping",
        "methods",
        "inner-view",
        "resident",
    ] {
        let (checked, _) = check(&format!("{CASES}/ok-{case}.nfl"));
        let _ = writeln!(out, "\n{case}");
        functions(&checked.tables, &checked.program.names, &mut out);
    }
    let beside = format!("{CASES}/../tables.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&beside, &out).expect("the expectation can be written");
    }
    let expected = std::fs::read_to_string(&beside).unwrap_or_default();
    assert_eq!(out, expected);
}
