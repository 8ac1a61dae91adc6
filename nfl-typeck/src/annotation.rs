//! Annotations: what they may say, and where.
//!
//! In: every declaration. Out: budgets of functions and what is deprecated in the tables; reports of
//! annotations that do not exist, do not fit or say too much. Annotations never change what a program
//! computes.

use crate::check::{Checker, OwnerId, OwnerKind};
use crate::tables::{Budget, ConstId, EnumId, HeaderId};
use crate::ty::TyKind;
use nfl_abi::codes;
use nfl_syntax::arena::Id;
use nfl_syntax::ast::{Annotation, DeclId, DeclKind, ExprKind, Ident, Lit};
use nfl_syntax::{Diagnostic, Name, Span};

/// What an annotation takes.
#[derive(Clone, Copy)]
enum Takes {
    Nothing,
    /// Numbers by these names, each at most once.
    Numbers(&'static [&'static str]),
    /// Numbers without names, at least one.
    Numerals,
    /// One text.
    Text,
    /// One text or nothing.
    MaybeText,
}

/// Where an annotation stands.
#[derive(Clone, Copy)]
enum On {
    Anything,
    Functions,
    Methods,
    Headers,
}

/// Every annotation.
const ALL: &[(&str, Takes, On, &str)] = &[
    ("Test", Takes::Nothing, On::Methods, "@Test"),
    ("LittleEndian", Takes::Nothing, On::Headers, "@LittleEndian"),
    (
        "Budget",
        Takes::Numbers(&["bytes", "steps"]),
        On::Functions,
        "@Budget(bytes = 256, steps = 90)",
    ),
    ("Inline", Takes::Nothing, On::Methods, "@Inline"),
    ("Outline", Takes::Nothing, On::Methods, "@Outline"),
    (
        "Deprecated",
        Takes::MaybeText,
        On::Anything,
        "@Deprecated(\"use …\")",
    ),
    ("Since", Takes::Text, On::Anything, "@Since(\"1.2\")"),
    ("Rfc", Takes::Numerals, On::Anything, "@Rfc(791)"),
];

impl Checker<'_> {
    /// Checks the annotations of all declarations.
    pub(crate) fn check_annotations(&mut self) {
        let ast = self.ast;
        let nodes = self.group.nodes.iter();
        let decls: Vec<_> = nodes.flat_map(|nodes| nodes.decls.clone()).collect();
        for decl in decls.into_iter().map(DeclId::new) {
            let node = &ast.decls[decl];
            for (at, annotation) in node.annotations.iter().enumerate() {
                let before = &node.annotations[..at];
                let earlier = before.iter().find(|a| a.name.name == annotation.name.name);
                if let Some(earlier) = earlier {
                    self.twice(annotation.name, earlier.span);
                }
                self.check_annotation(decl, annotation);
            }
            if let DeclKind::Enum { consts, .. } = &node.kind {
                for annotation in consts.iter().flat_map(|c| &c.annotations) {
                    self.check_annotation(decl, annotation);
                }
            }
        }
        for owner in self.owner_ids() {
            if let OwnerKind::Function(f) = self.owners[owner].kind {
                self.t.functions[f].budget = self.budget(self.owners[owner].decl);
            }
        }
    }

    fn check_annotation(&mut self, decl: DeclId, annotation: &Annotation) {
        for arg in &annotation.args {
            let kind = match &self.ast.exprs[arg.value].kind {
                ExprKind::Lit(Lit::Int(_)) => TyKind::Unsigned(64),
                _ => TyKind::Text,
            };
            let ty = self.ty(kind);
            self.set_ty(arg.value, ty);
        }
        let text = self.text(annotation.name.name);
        let Some(&(_, takes, on, form)) = ALL.iter().find(|(name, ..)| *name == text) else {
            let near = crate::resolve::nearest(text, ALL.iter().map(|(name, ..)| *name));
            let mut finding = self
                .at(&codes::E238, annotation.name.span)
                .message(format!("there is no annotation `@{text}`"))
                .label("unknown");
            if let Some(near) = near {
                finding = Checker::meant(finding, annotation.name.span, near);
            }
            return self.report(finding);
        };
        let kind = &self.ast.decls[decl].kind;
        let place = match (on, kind) {
            (On::Anything, _)
            | (On::Functions, DeclKind::Function { .. } | DeclKind::Chain { .. })
            | (On::Methods, DeclKind::Method { .. })
            | (On::Headers, DeclKind::Header { .. } | DeclKind::Field { .. }) => None,
            (On::Functions, _) => Some("functions and chains"),
            (On::Methods, _) => Some("methods"),
            (On::Headers, _) => Some("headers and their fields"),
        };
        if let Some(place) = place {
            let finding = self
                .at(&codes::E238, annotation.span)
                .message(format!("`@{text}` stands on {place}"))
                .label("not on this declaration");
            return self.report(finding);
        }
        if !self.takes(takes, annotation) {
            let finding = self
                .at(&codes::E238, annotation.span)
                .message(format!("`@{text}` is written otherwise"))
                .label(format!("like `{form}`"));
            self.report(finding);
        }
    }

    /// Whether the arguments are what an annotation takes.
    fn takes(&self, takes: Takes, annotation: &Annotation) -> bool {
        let args = &annotation.args;
        let lit = |at: usize| match args.get(at).map(|a| &self.ast.exprs[a.value].kind) {
            Some(ExprKind::Lit(lit)) => Some(lit),
            _ => None,
        };
        let text = args.len() == 1
            && args[0].name.is_none()
            && matches!(lit(0), Some(Lit::Text(text)) if !text.is_empty());
        match takes {
            Takes::Nothing => args.is_empty(),
            Takes::Text => text,
            Takes::MaybeText => args.is_empty() || text,
            Takes::Numerals => {
                let number = |at| matches!(lit(at), Some(Lit::Int(_)));
                !args.is_empty() && (0..args.len()).all(|at| args[at].name.is_none() && number(at))
            }
            Takes::Numbers(names) => {
                let name = |ident: Ident| self.text(ident.name);
                let known = |at: usize| {
                    let own = args[at].name.map(name);
                    let before = args[..at].iter().filter_map(|a| a.name).map(name);
                    own.is_some_and(|own| names.contains(&own) && !before.clone().any(|b| b == own))
                };
                let number = |at| match lit(at) {
                    Some(Lit::Int(n)) => u32::try_from(*n).is_ok(),
                    _ => false,
                };
                !args.is_empty() && (0..args.len()).all(|at| known(at) && number(at))
            }
        }
    }

    /// `@Budget(bytes = 256, steps = 90)`
    fn budget(&self, decl: DeclId) -> Option<Budget> {
        let annotations = self.ast.decls[decl].annotations.iter();
        let annotation = annotations
            .rev()
            .find(|a| self.text(a.name.name) == "Budget")?;
        let number = |name: &str| {
            let mut args = annotation.args.iter();
            let arg = args.find(|a| a.name.is_some_and(|n| self.text(n.name) == name))?;
            match &self.ast.exprs[arg.value].kind {
                ExprKind::Lit(Lit::Int(n)) => u32::try_from(*n).ok(),
                _ => None,
            }
        };
        Some(Budget {
            span: annotation.span,
            bytes: number("bytes"),
            steps: number("steps"),
        })
    }

    /// Warns of a use of a declaration that is deprecated.
    pub(crate) fn warn_deprecated(&mut self, decl: DeclId, name: Ident, declared: Span) {
        let ast = self.ast;
        self.warn_annotated(&ast.decls[decl].annotations, name, declared);
    }

    /// Warns of a use of a type or function that is deprecated, unless it is its own.
    pub(crate) fn warn_deprecated_type(&mut self, owner: OwnerId, used: Span) {
        let mut around = self.body.owner;
        while let Some(outer) = around {
            if outer == owner {
                return;
            }
            around = self.owners[outer].parent;
        }
        let (decl, name) = (self.owners[owner].decl, self.owners[owner].name);
        let at = Ident { span: used, ..name };
        self.warn_deprecated(decl, at, name.span);
    }

    /// Warns of a use of a constant that is deprecated.
    pub(crate) fn warn_deprecated_const(&mut self, id: ConstId, used: Span) {
        let (name, span) = (self.t.consts[id].name, self.t.consts[id].span);
        self.warn_deprecated(self.const_info[id].decl, Ident { name, span: used }, span);
    }

    /// Warns of a use of an enum's constant that is deprecated.
    pub(crate) fn warn_deprecated_member(&mut self, id: EnumId, name: Name, used: Span) {
        let ast = self.ast;
        let DeclKind::Enum { consts, .. } = &ast.decls[self.t.enums[id].decl].kind else {
            return;
        };
        if let Some(node) = consts.iter().find(|c| c.name.name == name) {
            self.warn_annotated(
                &node.annotations,
                Ident { name, span: used },
                node.name.span,
            );
        }
    }

    /// Warns of a use of a header's field that is deprecated.
    pub(crate) fn warn_deprecated_field(&mut self, header: HeaderId, name: Ident) {
        let ast = self.ast;
        let DeclKind::Header { members, .. } = &ast.decls[self.t.headers[header].decl].kind else {
            return;
        };
        for &member in members {
            if let DeclKind::Field { vars, .. } = &ast.decls[member].kind
                && let Some(var) = vars.iter().find(|v| v.name.name == name.name)
            {
                self.warn_deprecated(member, name, var.name.span);
            }
        }
    }

    fn warn_annotated(&mut self, annotations: &[Annotation], name: Ident, declared: Span) {
        let mut annotations = annotations.iter();
        let Some(annotation) = annotations.find(|a| self.text(a.name.name) == "Deprecated") else {
            return;
        };
        let said = |w: &Diagnostic| {
            w.code == &codes::W250 && w.labels.first().map(|label| label.span) == Some(name.span)
        };
        if self.warnings.iter().any(said) {
            return;
        }
        let why = match annotation
            .args
            .first()
            .map(|a| &self.ast.exprs[a.value].kind)
        {
            Some(ExprKind::Lit(Lit::Text(text))) => String::from_utf8_lossy(text).into_owned(),
            _ => "used here".to_string(),
        };
        let finding = self
            .at(&codes::W250, name.span)
            .message(format!("`{}` is deprecated", self.text(name.name)))
            .label(why)
            .also(declared, "declared here");
        self.warnings.push(finding);
    }
}
