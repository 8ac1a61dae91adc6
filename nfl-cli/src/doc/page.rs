//! Pages as HTML: one for each package, and one that lists them. No scripts, the style within.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use nfl::{Item, ItemKind};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

use super::{Cost, Package, Packages, graph};

/// The page that lists the packages.
pub(super) const INDEX: &str = "index.html";

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}\
a{color:#0a58ca;text-decoration:none}a:hover{text-decoration:underline}\
h1,h2,h3{line-height:1.2}h2{margin-top:2.5rem;border-bottom:1px solid #d0d7de}\
pre,code{font:14px/1.45 ui-monospace,monospace;background:#f6f8fa}\
pre{padding:.7rem 1rem;overflow-x:auto;white-space:pre-wrap}code{padding:.1rem .25rem}pre code{padding:0}\
.head{font-weight:600}.member{margin-left:1.5rem}.kind{color:#57606a;font-weight:400}\
table{border-collapse:collapse;margin:.7rem 0}td,th{border:1px solid #d0d7de;padding:.2rem .7rem;text-align:right}\
td:first-child,th:first-child,td:nth-child(2),th:nth-child(2){text-align:left}\
.graph{max-width:100%;height:auto}.graph path{fill:none;stroke:#57606a}.graph marker path{fill:#57606a}\
.graph .back{stroke-dasharray:4 3}.graph rect{fill:#f6f8fa;stroke:#57606a}.graph text{text-anchor:middle;font-size:14px}";

/// Where each type is described: its page and anchor. Of two types of one name, the first package has it.
type Addresses = BTreeMap<String, String>;

/// The name and the text of each page.
pub(super) fn pages(packages: &Packages) -> Vec<(String, String)> {
    let mut addresses = Addresses::new();
    for (name, package) in packages {
        for item in shown(package) {
            let address = format!("{}#{}", file(name), item.name);
            addresses.entry(item.name.clone()).or_insert(address);
        }
    }
    let mut pages = vec![(INDEX.to_string(), index(packages))];
    for (name, package) in packages {
        pages.push((file(name), page(name, package, &addresses)));
    }
    pages
}

/// The declarations that readers outside see; all of a package that shows none.
fn shown(package: &Package) -> Vec<&Item> {
    let mut items: Vec<&Item> = package.items.iter().filter(|item| item.public).collect();
    if items.is_empty() {
        items = package.items.iter().collect();
    }
    items.sort_by_key(|item| (item.kind, item.name.as_str()));
    items
}

fn file(package: &str) -> String {
    match package {
        "" => "unnamed.html".to_string(),
        name => format!("{name}.html"),
    }
}

/// How a package without a name is called.
fn title(package: &str) -> &str {
    match package {
        "" => "without a package",
        name => name,
    }
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escape(title)
    )
}

fn index(packages: &Packages) -> String {
    let mut body = "<h1>Packages</h1>\n".to_string();
    for (name, package) in packages {
        let _ = writeln!(
            body,
            "<h2><a href=\"{}\">{}</a></h2>\n<ul>",
            escape(&file(name)),
            escape(title(name))
        );
        for item in shown(package) {
            let first = item.comment.lines().take_while(|line| !line.is_empty());
            let first = markdown(&first.collect::<Vec<_>>().join("\n"));
            let first = first
                .trim()
                .trim_start_matches("<p>")
                .trim_end_matches("</p>");
            let _ = writeln!(
                body,
                "<li><span class=\"kind\">{}</span> <a href=\"{}#{}\">{}</a>{}{first}</li>",
                word(item.kind),
                escape(&file(name)),
                escape(&item.name),
                escape(&item.name),
                if first.is_empty() { "" } else { ": " },
            );
        }
        body.push_str("</ul>\n");
    }
    document("Packages", &body)
}

fn page(name: &str, package: &Package, addresses: &Addresses) -> String {
    let mut body = format!(
        "<p><a href=\"{INDEX}\">Packages</a></p>\n<h1><span class=\"kind\">package</span> {}</h1>\n",
        escape(title(name))
    );
    let items = shown(package);
    let link = |name: &str| addresses.get(name).cloned();
    if let Some(picture) = graph::svg(&edges(&items), &link) {
        let _ = write!(body, "<h2>Parse graph</h2>\n{picture}");
    }
    for item in items {
        let anchor = escape(&item.name);
        let _ = write!(
            body,
            "<h2 id=\"{anchor}\"><span class=\"kind\">{}</span> {anchor}</h2>\n<pre>{}</pre>\n{}",
            word(item.kind),
            code(&item.head, addresses),
            markdown(&item.comment)
        );
        if let Some(cost) = package.costs.get(&item.name) {
            body.push_str(&costs(cost));
        }
        members(item, &item.name, addresses, &mut body);
    }
    document(title(name), &body)
}

fn members(item: &Item, path: &str, addresses: &Addresses, body: &mut String) {
    if item.members.is_empty() {
        return;
    }
    body.push_str("<div class=\"member\">\n");
    let mut known = BTreeSet::new();
    for member in &item.members {
        let path = format!("{path}.{}", member.name.replace([' ', ','], "-"));
        // Methods of one name share a place.
        let anchor = match known.insert(path.clone()) {
            true => format!(" id=\"{}\"", escape(&path)),
            false => String::new(),
        };
        let _ = write!(
            body,
            "<pre{anchor}>{}</pre>\n{}",
            code(&member.head, addresses),
            markdown(&member.comment)
        );
        members(member, &path, addresses, body);
    }
    body.push_str("</div>\n");
}

/// Bytes and steps of each handler.
fn costs(cost: &Cost) -> String {
    let rows = match cost {
        Cost::Unknown(why) => return format!("<p>{}</p>\n", escape(why)),
        Cost::Rows(rows) => rows,
    };
    let mut table = "<table>\n<tr><th>image</th><th>handler</th><th>image bytes</th>\
                     <th>code bytes</th><th>steps at most</th></tr>\n"
        .to_string();
    for row in rows {
        let _ = writeln!(
            table,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            row.party, row.role, row.image_bytes, row.code_bytes, row.steps
        );
    }
    table.push_str("</table>\n");
    table
}

fn word(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Function => "function",
        ItemKind::Chain => "chain",
        ItemKind::Graph => "graph",
        ItemKind::Header => "header",
        ItemKind::Record => "record",
        ItemKind::Enum => "enum",
        ItemKind::Interface => "interface",
        ItemKind::Class => "class",
        _ => "member",
    }
}

/// The edges of the parse graph that the headers declare.
fn edges(items: &[&Item]) -> BTreeSet<graph::Edge> {
    let mut edges = BTreeSet::new();
    for item in items {
        for (parent, when) in &item.follows {
            edges.insert((parent.clone(), item.name.clone(), when.clone()));
        }
        for (child, when) in &item.before {
            edges.insert((item.name.clone(), child.clone(), when.clone()));
        }
    }
    edges
}

/// Source text, with links to the types it names.
fn code(text: &str, addresses: &Addresses) -> String {
    let mut html = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if end == 0 {
            let end = rest.find(is_word).unwrap_or(rest.len());
            html.push_str(&escape(&rest[..end]));
            rest = &rest[end..];
            continue;
        }
        let (word, behind) = rest.split_at(end);
        match addresses.get(word) {
            Some(address) => {
                let _ = write!(html, "<a href=\"{}\">{}</a>", escape(address), escape(word));
            }
            None => html.push_str(&escape(word)),
        }
        rest = behind;
    }
    html
}

/// A comment. HTML in it is text, and so are links to anything but the web, for a comment cannot
/// know what lies beside the pages.
fn markdown(text: &str) -> String {
    let mut links = Vec::new();
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::Start(Tag::Link { ref dest_url, .. }) => {
            links.push(is_web(dest_url));
            is_web(dest_url).then_some(event)
        }
        Event::End(TagEnd::Link) => links.pop().unwrap_or(false).then_some(event),
        event => Some(event),
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

fn is_web(address: &str) -> bool {
    address.starts_with("https://") || address.starts_with("http://")
}

/// A text within HTML.
pub(super) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            c => html.push(c),
        }
    }
    html
}
