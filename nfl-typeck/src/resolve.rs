//! Names of types, and what imports make visible.
//!
//! In: the declarations of all files. Out: owners by package, and for each file what its plain
//! names mean. Guaranteed: a name means one thing in a file; own declarations come before imports.

use crate::check::{Checker, Owner, OwnerId, OwnerKind, Package, UnitScope, Visibility};
use crate::program::{LANGUAGE, Program, imported_package, is_builtin_package};
use crate::tables::{EnumDef, FunctionDef, Header};
use crate::ty::{Ty, TyKind};
use nfl_abi::codes;
use nfl_abi::image::{ResourceKind, Rights};
use nfl_syntax::ast::{DeclId, DeclKind, Ident, Import, Modifier};
use nfl_syntax::{Name, Span};
use std::sync::Arc;

/// Names that the language has and this release does not.
const LATER: &[&str] = &["Hash", "Outcome", "Payload", "Topology", "Any"];

/// What a plain type name means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TypeName {
    /// A declaration of the program.
    Owner(OwnerId),
    /// A builtin type.
    Builtin(TyKind),
    /// A type parameter, or what it stands for.
    Param(Ty),
    /// A name of the language that this release does not have.
    Later,
    /// A declaration that was refused.
    Refused,
    /// Nothing.
    Unknown,
}

/// The builtin type of this name.
pub(crate) fn builtin_type(name: &str) -> Option<TyKind> {
    Some(match name {
        "Ip4" => TyKind::Ip4,
        "Ip6" => TyKind::Ip6,
        "Mac" => TyKind::Mac,
        "Prefix4" => TyKind::Prefix4,
        "Prefix6" => TyKind::Prefix6,
        "Port" => TyKind::Port,
        "Group" => TyKind::Group,
        "NodeId" => TyKind::NodeId,
        "Duration" => TyKind::Duration,
        "Instant" => TyKind::Instant,
        "Rate" => TyKind::Rate,
        "Size" => TyKind::Size,
        "Reason" => TyKind::Reason,
        "Verdict" => TyKind::Verdict,
        "Packet" => TyKind::Packet,
        "Bytes" => TyKind::Bytes,
        "Cursor" => TyKind::Cursor,
        "FlowKey" => TyKind::FlowKey,
        "String" => TyKind::Text,
        _ => return None,
    })
}

impl Checker<'_> {
    /// Finds the types that the files declare.
    pub(crate) fn collect_types(&mut self) {
        let ast = self.ast;
        for at in self.group.units.clone() {
            let unit = &ast.units[at];
            let path = Program::path(self.names, &unit.package);
            let package = match self.packages.iter().position(|p| p.path == path) {
                Some(at) => at,
                None => {
                    self.packages.push(Arc::new(Package {
                        path,
                        ..Package::default()
                    }));
                    self.packages.len() - 1
                }
            };
            let index = self.units.len();
            self.units.push(Arc::new(UnitScope {
                file: unit.span.file,
                package,
                types: Default::default(),
                doubtful: Default::default(),
                consts: Default::default(),
                methods: Default::default(),
            }));
            for &decl in &unit.decls {
                self.collect_type(index, package, None, decl);
            }
        }
    }

    fn collect_type(&mut self, unit: usize, package: usize, parent: Option<OwnerId>, decl: DeclId) {
        let node = &self.ast.decls[decl];
        let has = |modifier| node.modifiers.iter().any(|(m, _)| *m == modifier);
        let (public, private) = (has(Modifier::Public), has(Modifier::Private));
        let Some(name) = node.kind.name() else {
            return;
        };
        let refused = match (&node.kind, parent) {
            (DeclKind::Function { .. } | DeclKind::Header { .. }, Some(_)) => {
                Some("functions and headers inside a declaration are")
            }
            _ => None,
        };
        let qualified = self.qualified(package, parent, name.name);
        let kind = match &node.kind {
            _ if refused.is_some() => OwnerKind::Refused,
            DeclKind::Function { .. } | DeclKind::Chain { .. } | DeclKind::Graph { .. } => {
                OwnerKind::Function(self.t.functions.push(FunctionDef {
                    name: name.name,
                    qualified,
                    decl,
                    params: Vec::new(),
                    carried: Vec::new(),
                    resources: Vec::new(),
                    handlers: Vec::new(),
                    malformed: None,
                    exhausted: None,
                    uses: Rights::NONE,
                    passes: 1,
                    budget: None,
                    stages: Vec::new(),
                }))
            }
            DeclKind::Header { .. } => OwnerKind::Header(self.t.headers.push(Header {
                name: name.name,
                qualified,
                decl,
                fields: Vec::new(),
                fixed_bytes: 0,
                edges: Vec::new(),
                valid: Vec::new(),
                placing: 0,
                shape: 0,
                little_endian: false,
            })),
            DeclKind::Enum { .. } => OwnerKind::Enum(self.t.enums.push(EnumDef {
                name: name.name,
                qualified,
                decl,
                consts: Vec::new(),
            })),
            DeclKind::Record { name, .. } => match self.resource_kind(package, name.name) {
                Some(kind) if parent.is_none() => OwnerKind::Resource(kind),
                _ => OwnerKind::Record,
            },
            DeclKind::Interface { .. } => OwnerKind::Interface,
            DeclKind::Class { .. } => OwnerKind::Class,
            _ => OwnerKind::Refused,
        };
        match refused {
            Some(what) => self.refuse(what, name.span),
            None if parent.is_some() => {
                let good = &[Modifier::Public, Modifier::Private, Modifier::Static];
                self.bad_modifiers(decl, good);
            }
            None => self.bad_modifiers(decl, &[Modifier::Public, Modifier::Private]),
        }
        let owner = self.owners.push(Owner {
            kind,
            unit,
            package,
            name,
            public,
            decl,
            parent,
            private,
            types: Default::default(),
            consts: Default::default(),
            methods: Default::default(),
            refused: Default::default(),
        });
        self.owner_by_decl.set(decl, Some(owner));
        if refused.is_none() {
            self.enter_type(package, parent, name, owner);
            for &member in self.members_of(owner) {
                self.collect_type(unit, package, Some(owner), member);
            }
        } else if let Some(parent) = parent {
            self.owners[parent].refused.insert(name.name);
        } else {
            let types = &mut Arc::make_mut(&mut self.packages[package]).types;
            types.entry(name.name).or_insert(owner);
        }
    }

    fn enter_type(&mut self, package: usize, parent: Option<OwnerId>, name: Ident, owner: OwnerId) {
        let text = self.text(name.name);
        let types = match parent {
            Some(parent) => &self.owners[parent].types,
            None => &self.packages[package].types,
        };
        if builtin_type(text).is_some() || nfl_abi::image::VerdictKind::from_text(text).is_some() {
            let finding = self
                .at(&codes::E202, name.span)
                .message(format!("`{text}` is a type of the language"))
                .label("choose another name");
            self.report(finding);
        } else if let Some(&earlier) = types.get(&name.name) {
            let earlier = self.owners[earlier].name.span;
            let place = if parent.is_some() {
                "here"
            } else {
                "in this package"
            };
            let finding = self
                .at(&codes::E202, name.span)
                .message(format!("`{text}` is declared twice {place}"))
                .label("and here again")
                .also(earlier, "declared here");
            self.report(finding);
        } else {
            let types = match parent {
                Some(parent) => &mut self.owners[parent].types,
                None => &mut Arc::make_mut(&mut self.packages[package]).types,
            };
            types.insert(name.name, owner);
        }
    }

    /// What the record of this name is, if the library declares it as a resource.
    fn resource_kind(&self, package: usize, name: Name) -> Option<ResourceKind> {
        crate::resource::kind_of(&self.qualified(package, None, name))
    }

    fn qualified(&self, package: usize, parent: Option<OwnerId>, name: Name) -> String {
        let mut words = vec![self.text(name)];
        let mut around = parent;
        while let Some(owner) = around {
            words.push(self.text(self.owners[owner].name.name));
            around = self.owners[owner].parent;
        }
        let path = &self.packages[package].path;
        if !path.is_empty() {
            words.push(path);
        }
        words.reverse();
        words.join(".")
    }

    /// The qualified name of an owner.
    pub(crate) fn qualified_owner(&self, owner: OwnerId) -> String {
        let o = &self.owners[owner];
        self.qualified(o.package, o.parent, o.name.name)
    }

    /// Reports modifiers that a declaration cannot have.
    pub(crate) fn bad_modifiers(&mut self, decl: DeclId, good: &[Modifier]) {
        for &(modifier, span) in &self.ast.decls[decl].modifiers {
            if modifier == Modifier::Sealed {
                continue;
            }
            if !good.contains(&modifier) {
                let word = format!("{modifier:?}").to_lowercase();
                let finding = self
                    .at(&codes::E231, span)
                    .message(format!("`{word}` does not fit here"))
                    .label("not on this declaration");
                self.report(finding);
            }
        }
    }

    /// Finds what the type imports of each file name.
    pub(crate) fn import_types(&mut self) {
        for (index, unit) in self.group_units() {
            let own = self.units[index].package;
            // Named imports come before stars, and the package's own types before both.
            self.import_language(index);
            for star in [true, false] {
                for import in unit.imports.iter().filter(|i| !i.is_static) {
                    if import.star == star {
                        self.import_type(index, own, import);
                    }
                }
            }
            let types = self.packages[own].types.clone();
            let scope = Arc::make_mut(&mut self.units[index]);
            scope.doubtful.retain(|name, _| !types.contains_key(name));
            scope.types.extend(types);
        }
    }

    /// Every file sees what `nfl.lang` declares.
    fn import_language(&mut self, unit: usize) {
        let Some(lang) = self.packages.iter().find(|p| p.path == LANGUAGE) else {
            return;
        };
        let types = lang.types.iter().filter(|(_, o)| self.owners[**o].public);
        let types: Vec<_> = types.map(|(n, o)| (*n, *o)).collect();
        Arc::make_mut(&mut self.units[unit]).types.extend(types);
    }

    fn import_type(&mut self, unit: usize, own: usize, import: &Import) {
        let Some(path) = imported_package(import, self.names) else {
            let finding = self
                .at(&codes::E206, import.span)
                .label("a package, a dot and a type are needed");
            return self.report(finding);
        };
        let package = self.packages.iter().position(|p| p.path == path);
        let last = import.path.last().copied();
        match (package, import.star, last) {
            (Some(package), true, _) => {
                let types = self.packages[package].types.clone();
                let seen = types
                    .into_iter()
                    .filter(|(_, o)| package == own || self.owners[*o].public);
                let seen: Vec<_> = seen.collect();
                let language = self.packages.iter().position(|p| p.path == LANGUAGE);
                let scope = Arc::make_mut(&mut self.units[unit]);
                for (name, owner) in seen {
                    let known = scope.types.insert(name, owner);
                    // What is imported by a word of the program goes before what every file sees.
                    match known.filter(|&o| Some(self.owners[o].package) != language) {
                        Some(other) if other != owner => {
                            scope.doubtful.insert(name, [other, owner]);
                        }
                        _ => {}
                    }
                }
            }
            (Some(package), false, Some(last)) => {
                match self.packages[package].types.get(&last.name).copied() {
                    Some(owner) => {
                        self.visible_type(owner, own, last.span);
                        let scope = Arc::make_mut(&mut self.units[unit]);
                        scope.types.insert(last.name, owner);
                        scope.doubtful.remove(&last.name);
                    }
                    None if is_builtin_package(&path) && self.is_language_type(last.name) => {}
                    None => {
                        let finding = self
                            .at(&codes::E206, last.span)
                            .message(format!(
                                "there is no `{}` in `{path}`",
                                self.text(last.name)
                            ))
                            .label("not declared there");
                        self.report(finding);
                    }
                }
            }
            // A package that is nowhere was reported when the files were loaded.
            _ => {}
        }
    }

    fn is_language_type(&self, name: Name) -> bool {
        let text = self.text(name);
        builtin_type(text).is_some()
            || LATER.contains(&text)
            || nfl_abi::image::VerdictKind::from_text(text).is_some()
            || matches!(text, "Checksum" | "Length")
    }

    /// Reports a type of another package that is not `public`.
    fn visible_type(&mut self, owner: OwnerId, from: usize, span: Span) {
        let o = &self.owners[owner];
        if !o.public && o.package != from {
            let (name, declared) = (self.text(o.name.name), o.name.span);
            let finding = self
                .at(&codes::E209, span)
                .message(format!("`{name}` is visible in its own package only"))
                .label("used from another package")
                .also(declared, "not declared `public`");
            self.report(finding);
        }
    }

    /// Finds what the static imports of each file name.
    pub(crate) fn import_members(&mut self) {
        for (index, unit) in self.group_units() {
            for import in unit.imports.iter().filter(|i| i.is_static) {
                self.import_member(index, import);
            }
        }
    }

    fn import_member(&mut self, unit: usize, import: &Import) {
        let types = if import.star { 1 } else { 2 };
        let class = import.path.len().checked_sub(types).map(|i| import.path[i]);
        let owner = imported_package(import, self.names)
            .zip(class)
            .and_then(|(path, class)| {
                let package = self.packages.iter().find(|p| p.path == path)?;
                package.types.get(&class.name).copied()
            });
        let Some(owner) = owner else {
            // When the whole package is missing, that was said when the files were loaded.
            let path = imported_package(import, self.names);
            if path.is_none_or(|path| self.packages.iter().any(|p| p.path == path)) {
                let finding = self
                    .at(&codes::E206, import.span)
                    .message("there is no such class to import from")
                    .label("a static import names a class and its members");
                self.report(finding);
            }
            return;
        };
        let own = self.units[unit].package;
        if self.owners[owner].package != own {
            self.visible_type(owner, own, import.span);
        }
        let (consts, methods) = {
            let o = &self.owners[owner];
            (o.consts.clone(), o.methods.clone())
        };
        let foreign = self.owners[owner].package != own;
        let seen = |v: Visibility| match v {
            Visibility::Public => true,
            Visibility::Package => !foreign,
            Visibility::Private => false,
        };
        let wanted = (!import.star)
            .then(|| import.path.last().map(|i| i.name))
            .flatten();
        let mut found = wanted.is_none();
        for (name, id) in consts {
            if seen(self.const_info[id].visibility) && wanted.is_none_or(|w| w == name) {
                Arc::make_mut(&mut self.units[unit]).consts.insert(name, id);
                found = true;
            }
        }
        for (name, id) in methods {
            let info = &self.method_info[id];
            if info.is_static && seen(info.visibility) && wanted.is_none_or(|w| w == name) {
                Arc::make_mut(&mut self.units[unit])
                    .methods
                    .insert(name, id);
                found = true;
            }
        }
        if let (false, Some(last)) = (found, import.path.last()) {
            let finding = self
                .at(&codes::E206, last.span)
                .message(format!("there is no `{}` to import", self.text(last.name)))
                .label("not a visible static member");
            self.report(finding);
        }
    }

    /// What a plain type name means in the present file.
    pub(crate) fn type_name(&self, name: Name) -> TypeName {
        let text = self.text(name);
        if let Some(kind) = builtin_type(text) {
            return TypeName::Builtin(kind);
        }
        let params = &self.body.type_args;
        if let Some(&(_, ty)) = params.iter().find(|(param, _)| *param == name) {
            return TypeName::Param(ty);
        }
        let mut around = self.body.owner;
        while let Some(owner) = around {
            if let Some(&nested) = self.owners[owner].types.get(&name) {
                return TypeName::Owner(nested);
            }
            around = self.owners[owner].parent;
        }
        if let Some(&owner) = self
            .units
            .get(self.body.unit)
            .and_then(|u| u.types.get(&name))
        {
            return TypeName::Owner(owner);
        }
        let refused = |owner: OwnerId| self.owners[owner].refused.contains(&name);
        if self.body.owner.is_some_and(refused) {
            return TypeName::Refused;
        }
        if LATER.contains(&text) {
            return TypeName::Later;
        }
        TypeName::Unknown
    }

    /// Reports an unknown type name, with what may have been meant.
    pub(crate) fn unknown_type(&mut self, name: Ident) {
        let text = self.text(name.name);
        let types = self.units[self.body.unit].types.keys();
        let near = nearest(text, types.map(|&n| self.text(n)));
        let elsewhere = self
            .owners
            .iter()
            .find(|(_, o)| o.name.name == name.name && o.public);
        let mut finding = self
            .at(&codes::E201, name.span)
            .message(format!("there is no type `{text}` here"))
            .label("unknown");
        if let Some((_, owner)) = elsewhere {
            let path = &self.packages[owner.package].path;
            finding = self.import(finding, &format!("{path}.{text}"));
        } else if let Some(near) = near {
            finding = Checker::meant(finding, name.span, near);
        } else if let Some(package) = home(text) {
            finding = self.import(finding, &format!("{package}.{text}"));
        }
        self.report(finding);
    }
}

/// The package of the library that declares a type of this name.
fn home(name: &str) -> Option<&'static str> {
    Some(match name {
        "Eth" | "Vlan" | "Arp" | "Ipv4" | "Ipv6" | "Tcp" | "Udp" | "Icmp" | "Icmpv6" | "Sctp"
        | "Gre" | "Vxlan" | "Dns" => "nfl.net",
        "Table" | "LpmTable" | "TernaryTable" | "Set" | "RingSet" | "Counter" | "Counters"
        | "Meter" | "Register" => "nfl.table",
        "FlowTable" | "FlowSet" | "FlowState" | "SlotTable" => "nfl.flow",
        "Tags" | "Topic" => "nfl.path",
        "Clock" => "nfl.time",
        "Hash" | "NameHash" => "nfl.text",
        _ => return None,
    })
}

/// The name among these that looks most like `text`, if one does.
pub(crate) fn nearest<'n>(text: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    const LONGEST: usize = 40;
    let most = (text.len() / 3).max(1);
    names
        .filter(|name| text.len() <= LONGEST && name.len() <= LONGEST)
        .map(|name| (distance(text, name), name))
        .filter(|(d, _)| *d <= most && *d < text.len())
        .min_by_key(|(d, _)| *d)
        .map(|(_, name)| name)
}

/// How many letters must be inserted, deleted or replaced to come from one word to the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
