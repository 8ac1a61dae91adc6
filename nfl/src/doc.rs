//! What source files declare, and what their comments say about it.
//!
//! In: the text of a file. Out: its declarations as readers see them: a head, a comment, members.
//! Guaranteed: any text is read as far as it can be; bodies and tests are left out.

use nfl_syntax::ast::{Ast, Decl, DeclId, DeclKind, Follow, Ident, Modifier, TypeKind};
use nfl_syntax::{Diags, Names, SourceMap, Span, docs_before};

/// The declarations of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Documentation {
    /// Its package; empty when it names none.
    pub package: String,
    /// What it declares, in order.
    pub items: Vec<Item>,
}

/// What sort of declaration it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum ItemKind {
    /// `function`
    Function,
    /// `chain`
    Chain,
    /// `graph`
    Graph,
    /// `header`
    Header,
    /// `record`
    Record,
    /// `enum`
    Enum,
    /// `interface`
    Interface,
    /// `class`
    Class,
    /// A field, constant, method or handler.
    Member,
}

/// A declaration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// Its name.
    pub name: String,
    /// Its head as the source has it, on one line.
    pub head: String,
    /// What stands before it, as Markdown.
    pub comment: String,
    /// Whether other packages see it.
    pub public: bool,
    /// What it declares itself; private members are left out.
    pub members: Vec<Item>,
    /// For a header: which headers it follows, and when.
    pub follows: Vec<(String, String)>,
    /// For a header: which headers come behind it by its own `before`.
    pub before: Vec<(String, String)>,
}

/// What a file declares.
pub fn document(name: &str, text: &str) -> Documentation {
    let (mut sources, mut ast) = (SourceMap::default(), Ast::default());
    let (mut names, mut diags) = (Names::default(), Diags::default());
    let file = sources.add(name, text);
    let unit = nfl_syntax::parse(file, &mut sources, &mut ast, &mut names, &mut diags);
    let reader = Reader {
        ast: &ast,
        names: &names,
        sources: &sources,
    };
    let unit = &ast.units[unit];
    Documentation {
        package: reader.path(&unit.package),
        items: reader.items(&unit.decls, false),
    }
}

struct Reader<'a> {
    ast: &'a Ast,
    names: &'a Names,
    sources: &'a SourceMap,
}

impl Reader<'_> {
    fn path(&self, path: &[Ident]) -> String {
        let words: Vec<&str> = path.iter().map(|w| self.names.text(w.name)).collect();
        words.join(".")
    }

    fn items(&self, decls: &[DeclId], all_public: bool) -> Vec<Item> {
        let decls = decls.iter().map(|&id| &self.ast.decls[id]);
        decls
            .filter_map(|decl| self.item(decl, all_public))
            .collect()
    }

    fn item(&self, decl: &Decl, all_public: bool) -> Option<Item> {
        let has = |modifier| decl.modifiers.iter().any(|&(m, _)| m == modifier);
        let is_test = |a: &nfl_syntax::ast::Annotation| self.names.text(a.name.name) == "Test";
        if has(Modifier::Private) || decl.annotations.iter().any(is_test) {
            return None;
        }
        let (kind, name, members) = self.shape(decl)?;
        // What a header, an enum or an interface declares is seen wherever it is.
        let open = matches!(
            kind,
            ItemKind::Header | ItemKind::Enum | ItemKind::Interface
        );
        let mut item = Item {
            kind,
            name,
            head: self.head(decl.span),
            comment: self.comment(decl.span),
            public: all_public || has(Modifier::Public),
            members: self.items(members, open),
            follows: Vec::new(),
            before: Vec::new(),
        };
        match &decl.kind {
            DeclKind::Header { follows, .. } => {
                item.follows = self.edges(follows);
                for &member in members {
                    if let DeclKind::Before { follows } = &self.ast.decls[member].kind {
                        item.before.extend(self.edges(follows));
                    }
                }
            }
            DeclKind::Enum { consts, .. } => {
                let constant = |name: &Ident, span: Span| Item {
                    kind: ItemKind::Member,
                    name: self.names.text(name.name).to_string(),
                    head: one_line(self.sources.text(span)),
                    comment: self.comment(span),
                    public: true,
                    members: Vec::new(),
                    follows: Vec::new(),
                    before: Vec::new(),
                };
                let consts = consts.iter().map(|c| constant(&c.name, c.name.span));
                item.members.splice(0..0, consts);
            }
            _ => {}
        }
        Some(item)
    }

    /// What it is, its name, and what stands in it.
    fn shape<'d>(&self, decl: &'d Decl) -> Option<(ItemKind, String, &'d [DeclId])> {
        let text = |name: &Ident| self.names.text(name.name).to_string();
        Some(match &decl.kind {
            DeclKind::Function { name, members, .. } => (ItemKind::Function, text(name), members),
            DeclKind::Header { name, members, .. } => (ItemKind::Header, text(name), members),
            DeclKind::Record { name, members, .. } => (ItemKind::Record, text(name), members),
            DeclKind::Enum { name, members, .. } => (ItemKind::Enum, text(name), members),
            DeclKind::Interface { name, members, .. } => (ItemKind::Interface, text(name), members),
            DeclKind::Class { name, members, .. } => (ItemKind::Class, text(name), members),
            DeclKind::Chain { name, .. } => (ItemKind::Chain, text(name), &[]),
            DeclKind::Graph { name, .. } => (ItemKind::Graph, text(name), &[]),
            DeclKind::Field { vars, .. } => {
                let names: Vec<String> = vars.iter().map(|v| text(&v.name)).collect();
                (ItemKind::Member, names.join(", "), &[])
            }
            DeclKind::Method { name, .. } => (ItemKind::Member, text(name), &[]),
            DeclKind::Handler { role, .. } => (ItemKind::Member, format!("on {}", text(role)), &[]),
            DeclKind::Every { .. } => (ItemKind::Member, "on every".to_string(), &[]),
            DeclKind::Valid { .. } => (ItemKind::Member, "valid".to_string(), &[]),
            DeclKind::Before { .. } | DeclKind::Error => return None,
        })
    }

    fn edges(&self, follows: &[Follow]) -> Vec<(String, String)> {
        let parent = |follow: &Follow| match &self.ast.types[follow.parent].kind {
            TypeKind::Named { path, .. } => path.last().map(|n| self.names.text(n.name)),
            _ => None,
        };
        let when = |follow: &Follow| {
            let cond = follow.when.map(|e| self.ast.exprs[e].span);
            cond.map_or(String::new(), |span| one_line(self.sources.text(span)))
        };
        let edges = follows.iter();
        edges
            .filter_map(|f| Some((parent(f)?.to_string(), when(f))))
            .collect()
    }

    /// The comment before a declaration, without the stars at the beginnings of its lines.
    fn comment(&self, span: Span) -> String {
        let mut lines = Vec::new();
        for piece in docs_before(self.sources, span) {
            for line in piece.lines() {
                let line = line.trim_start_matches([' ', '\t']);
                let line = line.strip_prefix('*').unwrap_or(line);
                lines.push(line.strip_prefix(' ').unwrap_or(line).trim_end());
            }
        }
        lines.join("\n").trim().to_string()
    }

    /// The text up to the body.
    fn head(&self, span: Span) -> String {
        let mut head = String::new();
        let mut before = "";
        for token in span.start..span.end {
            let text = self.sources.text(Span {
                start: token,
                end: token + 1,
                ..span
            });
            // Braces behind these hold values.
            let is_list = matches!(before, "in" | "=" | "," | "(" | "{");
            if text == ";" || (text == "{" && !is_list) {
                break;
            }
            if text.starts_with("//") || text.starts_with("/*") {
                continue;
            }
            head.push_str(text);
            if !text.trim().is_empty() {
                before = text;
            }
        }
        one_line(&head)
    }
}

/// A text with one blank for each run of white space.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
