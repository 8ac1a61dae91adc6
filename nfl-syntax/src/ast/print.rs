//! A tree as text, for tests and for people who look into the compiler.
//!
//! In: a unit. Out: nested lists in parentheses; declarations, statements and arms each on a line of
//! their own, indented under what holds them; expressions, patterns and types inline.

use super::*;
use crate::name::Names;
use std::fmt::Write;

/// The text of one file's tree.
pub fn print(ast: &Ast, unit: &Unit, names: &Names) -> String {
    let out = String::new();
    let mut p = Printer {
        ast,
        names,
        out,
        indent: 0,
    };
    if !unit.package.is_empty() {
        p.line("(package ");
        p.path(&unit.package);
        p.put(")");
    }
    for import in &unit.imports {
        p.line("(import ");
        p.put(if import.is_static { "static " } else { "" });
        p.path(&import.path);
        p.put(if import.star { ".*)" } else { ")" });
    }
    for &d in &unit.decls {
        p.decl(d);
    }
    p.put("\n");
    p.out.trim_start().to_string()
}

struct Printer<'a> {
    ast: &'a Ast,
    names: &'a Names,
    out: String,
    indent: usize,
}

impl Printer<'_> {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Begins a new line.
    fn line(&mut self, text: &str) {
        let _ = write!(self.out, "\n{:1$}{text}", "", self.indent * 2);
    }

    fn ident(&mut self, i: Ident) {
        self.name(i.name);
    }

    /// A name that the parser made up is empty.
    fn name(&mut self, name: Name) {
        let text = self.names.text(name);
        self.out.push_str(if text.is_empty() { "?" } else { text });
    }

    fn path(&mut self, path: &[Ident]) {
        for (i, &part) in path.iter().enumerate() {
            self.put(if i == 0 { "" } else { "." });
            self.ident(part);
        }
    }

    /// ` (word items)`, nothing when there are none.
    fn listed<T: Copy>(&mut self, word: &str, items: &[T], print: fn(&mut Self, T)) {
        if items.is_empty() {
            return;
        }
        self.put(" (");
        self.put(word);
        for &item in items {
            self.put(" ");
            print(self, item);
        }
        self.put(")");
    }

    fn opt(&mut self, word: &str, e: Option<ExprId>) {
        self.listed(word, e.as_slice(), Self::expr);
    }

    fn inner(&mut self, print: impl FnOnce(&mut Self)) {
        self.indent += 1;
        print(self);
        self.indent -= 1;
        self.put(")");
    }

    fn annotations(&mut self, list: &[Annotation]) {
        for a in list {
            self.put(" (@");
            self.ident(a.name);
            self.args(&a.args);
            self.put(")");
        }
    }

    fn args(&mut self, args: &[Arg]) {
        for arg in args {
            self.put(" ");
            if let Some(name) = arg.name {
                self.ident(name);
                self.put("=");
            }
            self.expr(arg.value);
        }
    }

    fn exprs(&mut self, list: &[ExprId]) {
        for &e in list {
            self.put(" ");
            self.expr(e);
        }
    }

    // Declarations

    fn decl(&mut self, id: DeclId) {
        let decl = &self.ast.decls[id];
        self.line("(");
        self.put(decl_word(&decl.kind));
        self.annotations(&decl.annotations);
        self.modifiers(&decl.modifiers);
        self.decl_head(&decl.kind);
        self.inner(|p| p.decl_body(&decl.kind));
    }

    fn modifiers(&mut self, list: &[(Modifier, Span)]) {
        for (modifier, _) in list {
            let _ = write!(self.out, " {}", format!("{modifier:?}").to_lowercase());
        }
    }

    fn decl_head(&mut self, kind: &DeclKind) {
        self.put(" ");
        match kind {
            DeclKind::Function {
                name,
                params,
                uses,
                passes,
                implements,
                ..
            } => {
                self.ident(*name);
                self.signature(params, uses.as_ref());
                self.listed("passes", passes.as_slice(), Self::const_arg);
                self.listed("implements", implements, Self::ty);
            }
            DeclKind::Header {
                name,
                follows,
                implements,
                ..
            } => {
                self.ident(*name);
                self.follows(follows);
                self.listed("implements", implements, Self::ty);
            }
            DeclKind::Record {
                name,
                type_params,
                params,
                implements,
                ..
            } => {
                self.ident(*name);
                self.type_params(type_params);
                self.signature(params, None);
                self.listed("implements", implements, Self::ty);
            }
            DeclKind::Enum {
                name,
                implements,
                rep,
                ..
            } => {
                self.ident(*name);
                self.listed("implements", implements, Self::ty);
                self.listed("rep", rep.as_slice(), Self::ty);
            }
            DeclKind::Interface {
                name,
                type_params,
                extends,
                permits,
                ..
            } => {
                self.ident(*name);
                self.type_params(type_params);
                self.listed("extends", extends, Self::ty);
                self.listed("permits", permits, Self::ty);
            }
            DeclKind::Class {
                name, type_params, ..
            } => {
                self.ident(*name);
                self.type_params(type_params);
            }
            DeclKind::Chain {
                name,
                params,
                uses,
                passes,
                ..
            } => {
                self.ident(*name);
                self.signature(params, uses.as_ref());
                self.listed("passes", passes.as_slice(), Self::const_arg);
            }
            DeclKind::Graph { name, params, .. } => {
                self.ident(*name);
                self.signature(params, None);
            }
            _ => self.member_head(kind),
        }
    }

    fn member_head(&mut self, kind: &DeclKind) {
        match kind {
            DeclKind::Valid { cond } => self.expr(*cond),
            DeclKind::Before { follows } => self.follows(follows),
            DeclKind::Field { ty, vars } => {
                self.ty(*ty);
                self.declarators(vars);
            }
            DeclKind::Method {
                result,
                name,
                params,
                uses,
                body,
            } => {
                match result {
                    Some(ty) => self.ty(*ty),
                    None => self.put("void"),
                }
                self.put(" ");
                self.ident(*name);
                self.signature(params, uses.as_ref());
                self.put(if body.is_none() { " abstract" } else { "" });
            }
            DeclKind::Handler {
                role, params, uses, ..
            } => {
                self.ident(*role);
                self.signature(params, uses.as_ref());
            }
            DeclKind::Every { period, uses, .. } => {
                self.expr(*period);
                self.signature(&[], uses.as_ref());
            }
            _ => self.put("?"),
        }
    }

    fn decl_body(&mut self, kind: &DeclKind) {
        match kind {
            DeclKind::Enum {
                consts, members, ..
            } => {
                for c in consts {
                    self.line("(const");
                    self.annotations(&c.annotations);
                    self.put(" ");
                    self.ident(c.name);
                    self.exprs(c.value.as_slice());
                    self.put(")");
                }
                self.decls(members);
            }
            DeclKind::Function { members, .. }
            | DeclKind::Header { members, .. }
            | DeclKind::Record { members, .. }
            | DeclKind::Interface { members, .. }
            | DeclKind::Class { members, .. } => self.decls(members),
            DeclKind::Chain { stages, .. } => stages.iter().for_each(|s| self.stage("stage", s)),
            DeclKind::Graph { items, .. } => items.iter().for_each(|item| self.graph_item(item)),
            DeclKind::Method {
                body: Some(body), ..
            }
            | DeclKind::Handler { body, .. }
            | DeclKind::Every { body, .. } => self.stmts(body),
            _ => {}
        }
    }

    fn decls(&mut self, list: &[DeclId]) {
        list.iter().for_each(|&d| self.decl(d));
    }

    fn signature(&mut self, params: &[ParamId], uses: Option<&Uses>) {
        for &q in params {
            let param = &self.ast.params[q];
            self.put(" (param");
            self.annotations(&param.annotations);
            self.modifiers(&param.modifiers);
            self.put(" ");
            self.ty(param.ty);
            self.put(" ");
            self.ident(param.name);
            self.opt("in", param.range);
            self.opt("=", param.default);
            self.put(")");
        }
        self.listed("uses", uses.map_or(&[], |u| &u.names), Self::ty);
    }

    fn follows(&mut self, list: &[Follow]) {
        for follow in list {
            self.put(" (follows ");
            self.ty(follow.parent);
            self.opt("when", follow.when);
            self.put(")");
        }
    }

    fn type_params(&mut self, list: &[TypeParam]) {
        for t in list {
            self.put(" (type ");
            self.ident(t.name);
            self.listed("extends", t.bound.as_slice(), Self::ty);
            self.put(")");
        }
    }

    fn declarators(&mut self, vars: &[Declarator]) {
        for var in vars {
            self.put(" (");
            self.ident(var.name);
            self.exprs(var.init.as_slice());
            self.put(")");
        }
    }

    fn stage(&mut self, word: &str, stage: &Stage) {
        self.line("(");
        self.put(word);
        self.put(" ");
        self.ty(stage.ty);
        self.args(&stage.args);
        self.put(")");
    }

    fn graph_item(&mut self, item: &GraphItem) {
        match item {
            GraphItem::Error(_) => self.line("(error)"),
            GraphItem::Service {
                annotations,
                name,
                args,
                ..
            } => {
                self.line("(service");
                self.annotations(annotations);
                self.put(" ");
                self.ident(*name);
                self.args(args);
                self.put(")");
            }
            GraphItem::Connect {
                annotations,
                from,
                to,
                by,
                via,
                ..
            } => {
                self.line("(connect");
                self.annotations(annotations);
                self.put(" ");
                self.ident(*from);
                self.put(" ");
                self.ident(*to);
                self.inner(|p| {
                    p.stage("by", by);
                    via.iter().for_each(|s| p.stage("via", s));
                });
            }
        }
    }

    // Statements

    fn stmts(&mut self, list: &[StmtId]) {
        list.iter().for_each(|&s| self.stmt(s));
    }

    fn stmt(&mut self, id: StmtId) {
        let kind = &self.ast.stmts[id].kind;
        self.line("(");
        self.put(stmt_word(kind));
        match kind {
            StmtKind::Error | StmtKind::Empty | StmtKind::Break | StmtKind::Continue => {
                self.put(")");
            }
            StmtKind::Block(list) => self.inner(|p| p.stmts(list)),
            StmtKind::Local { is_final, ty, vars } => {
                self.put(if *is_final { " final " } else { " " });
                self.ty(*ty);
                self.declarators(vars);
                self.put(")");
            }
            StmtKind::Expr(e) | StmtKind::Switch(e) | StmtKind::Yield(e) => {
                self.put(" ");
                self.expr(*e);
                self.put(")");
            }
            StmtKind::Return(e) => {
                self.exprs(e.as_slice());
                self.put(")");
            }
            StmtKind::Assign { place, op, value } => {
                self.put(op.map_or("", BinOp::text));
                self.put("=");
                self.exprs(&[*place, *value]);
                self.put(")");
            }
            StmtKind::Step { place, up } => {
                self.put(if *up { "++ " } else { "-- " });
                self.expr(*place);
                self.put(")");
            }
            StmtKind::Assert { cond, why } => {
                self.exprs(&[*cond]);
                self.exprs(why.as_slice());
                self.put(")");
            }
            _ => self.nested_stmt(kind),
        }
    }

    /// Statements that hold others.
    fn nested_stmt(&mut self, kind: &StmtKind) {
        match kind {
            StmtKind::If {
                cond,
                then,
                otherwise,
            } => {
                self.exprs(&[*cond]);
                self.inner(|p| {
                    p.stmt(*then);
                    p.stmts(otherwise.as_slice());
                });
            }
            StmtKind::While { cond, limit, body } => {
                self.exprs(&[*cond]);
                self.limit(*limit);
                self.inner(|p| p.stmt(*body));
            }
            StmtKind::DoWhile { body, cond, limit } => {
                self.exprs(&[*cond]);
                self.limit(*limit);
                self.inner(|p| p.stmt(*body));
            }
            StmtKind::For {
                init,
                cond,
                step,
                limit,
                body,
            } => {
                self.opt("while", *cond);
                self.limit(*limit);
                self.inner(|p| {
                    p.stmts(init.as_slice());
                    p.stmts(step.as_slice());
                    p.stmt(*body);
                });
            }
            StmtKind::ForEach {
                ty,
                name,
                array,
                limit,
                body,
            } => {
                self.put(" ");
                self.ty(*ty);
                self.put(" ");
                self.ident(*name);
                self.exprs(&[*array]);
                self.limit(*limit);
                self.inner(|p| p.stmt(*body));
            }
            _ => self.put(")"),
        }
    }

    fn limit(&mut self, limit: Option<Limit>) {
        if let Some(limit) = limit {
            self.put(" (limit");
            self.exprs(&[limit.count]);
            self.exprs(limit.otherwise.as_slice());
            self.put(")");
        }
    }

    // Types and patterns

    fn ty(&mut self, id: TypeId) {
        match &self.ast.types[id].kind {
            TypeKind::Error => self.put("?"),
            TypeKind::Boolean => self.put("boolean"),
            TypeKind::Int => self.put("int"),
            TypeKind::Long => self.put("long"),
            TypeKind::Unsigned(bits) => {
                let _ = write!(self.out, "u{bits}");
            }
            TypeKind::Bits(n) => {
                self.put("bits<");
                self.const_arg(*n);
                self.put(">");
            }
            TypeKind::Named { path, args } => {
                self.path(path);
                for (i, arg) in args.iter().enumerate() {
                    self.put(if i == 0 { "<" } else { ", " });
                    match arg {
                        TypeArg::Type(t) => self.ty(*t),
                        TypeArg::Const(c) => self.const_arg(*c),
                    }
                }
                self.put(if args.is_empty() { "" } else { ">" });
            }
            TypeKind::Array { elem, len } => {
                self.ty(*elem);
                self.put("[");
                self.expr(*len);
                self.put("]");
            }
            TypeKind::Var => self.put("var"),
        }
    }

    fn const_arg(&mut self, c: ConstArg) {
        match c {
            ConstArg::Int(value, _) => {
                let _ = write!(self.out, "{value}");
            }
            ConstArg::Const(name) => self.ident(name),
        }
    }

    fn pat(&mut self, id: PatId) {
        match &self.ast.pats[id].kind {
            PatKind::Error => self.put("(error)"),
            PatKind::Any => self.put("_"),
            PatKind::Bind { ty, name } => {
                self.put("(bind ");
                self.ty(*ty);
                self.put(" ");
                self.ident(*name);
                self.put(")");
            }
            PatKind::Type { ty, name } => {
                self.put("(is ");
                self.ty(*ty);
                name.iter().for_each(|&n| self.spaced(n));
                self.put(")");
            }
            PatKind::Record { ty, args, name } => {
                self.put("(is ");
                self.ty(*ty);
                name.iter().for_each(|&n| self.spaced(n));
                self.put(" [");
                for (i, &arg) in args.iter().enumerate() {
                    self.put(if i == 0 { "" } else { " " });
                    self.pat(arg);
                }
                self.put("])");
            }
            PatKind::Optional(p) => {
                self.put("(optional ");
                self.pat(*p);
                self.put(")");
            }
            PatKind::Layers(list) => {
                self.put("(layers");
                for &p in list {
                    self.put(" ");
                    self.pat(p);
                }
                self.put(")");
            }
            PatKind::Const(e) => self.expr(*e),
            PatKind::Range(lo, hi) => {
                self.put("(..");
                self.exprs(&[*lo, *hi]);
                self.put(")");
            }
        }
    }

    fn spaced(&mut self, i: Ident) {
        self.put(" ");
        self.ident(i);
    }

    // Expressions

    fn expr(&mut self, id: ExprId) {
        match &self.ast.exprs[id].kind {
            ExprKind::Error => self.put("(error)"),
            ExprKind::Lit(lit) => self.lit(lit),
            ExprKind::Name(name) | ExprKind::Const(name) => self.name(*name),
            ExprKind::This => self.put("this"),
            ExprKind::Type(ty) => self.ty(*ty),
            kind => {
                self.put("(");
                self.compound(kind);
                self.put(")");
            }
        }
    }

    fn compound(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Call { name, args } => {
                self.put("call ");
                self.ident(*name);
                self.args(args);
            }
            ExprKind::Construct { ty, args } => {
                self.put("make ");
                self.ty(*ty);
                self.args(args);
            }
            ExprKind::StaticField { ty, name } => {
                self.put("static ");
                self.ty(*ty);
                self.spaced(*name);
            }
            ExprKind::StaticCall { ty, name, args } => {
                self.put("static-call ");
                self.ty(*ty);
                self.spaced(*name);
                self.args(args);
            }
            ExprKind::Field { base, name } => {
                self.put(".");
                self.exprs(&[*base]);
                self.spaced(*name);
            }
            ExprKind::MethodCall { base, name, args } => {
                self.put("method");
                self.exprs(&[*base]);
                self.spaced(*name);
                self.args(args);
            }
            ExprKind::Cast { ty, arg } => {
                self.put("cast ");
                self.ty(*ty);
                self.exprs(&[*arg]);
            }
            ExprKind::InstanceOf { value, pat } => {
                self.put("instanceof");
                self.exprs(&[*value]);
                self.put(" ");
                self.pat(*pat);
            }
            ExprKind::Switch { value, arms } => {
                self.put("switch");
                self.exprs(&[*value]);
                self.indent += 1;
                arms.iter().for_each(|arm| self.arm(arm));
                self.indent -= 1;
            }
            _ => self.operator(kind),
        }
    }

    /// Expressions that hold only expressions.
    fn operator(&mut self, kind: &ExprKind) {
        let (word, parts): (&str, &[ExprId]) = match kind {
            ExprKind::Index { base, index } => ("index", &[*base, *index]),
            ExprKind::Unary { op, arg } => (op.text(), &[*arg]),
            ExprKind::Binary { op, left, right } => (op.text(), &[*left, *right]),
            ExprKind::Cond {
                cond,
                then,
                otherwise,
            } => ("?", &[*cond, *then, *otherwise]),
            ExprKind::In { value, set } => ("in", &[*value, *set]),
            ExprKind::Range { lo, hi } => ("..", &[*lo, *hi]),
            ExprKind::Set(list) => ("set", list),
            ExprKind::List(list) => ("list", list),
            ExprKind::Paren(e) => ("paren", &[*e]),
            _ => ("?", &[]),
        };
        self.put(word);
        self.exprs(parts);
    }

    fn arm(&mut self, arm: &Arm) {
        self.line(if arm.pats.is_empty() {
            "(default"
        } else {
            "(case"
        });
        for &p in &arm.pats {
            self.put(" ");
            self.pat(p);
        }
        self.opt("when", arm.guard);
        self.inner(|p| p.stmt(arm.body));
    }

    fn lit(&mut self, lit: &Lit) {
        use std::net::{Ipv4Addr, Ipv6Addr};
        let _ = match lit {
            Lit::Int(n) => write!(self.out, "{n}"),
            Lit::Bool(b) => write!(self.out, "{b}"),
            Lit::Char(c) => write!(self.out, "'{}'", c.escape_ascii()),
            Lit::Text(t) => write!(self.out, "\"{}\"", t.escape_ascii()),
            Lit::Ip4(a) => write!(self.out, "{}", Ipv4Addr::from_bits(*a)),
            Lit::Ip6(a) => write!(self.out, "{}", Ipv6Addr::from_bits(*a)),
            Lit::Mac(a) => write!(self.out, "mac:{a:012x}"),
            Lit::Prefix4 { addr, len } => {
                write!(self.out, "{}/{len}", Ipv4Addr::from_bits(*addr))
            }
            Lit::Prefix6 { addr, len } => {
                write!(self.out, "{}/{len}", Ipv6Addr::from_bits(*addr))
            }
            Lit::Duration(ns) => write!(self.out, "{ns}ns"),
            Lit::Rate {
                per_second,
                packets,
            } => write!(
                self.out,
                "{per_second}{}",
                if *packets { "pps" } else { "bps" }
            ),
            Lit::Size(bytes) => write!(self.out, "{bytes}B"),
        };
    }
}

fn decl_word(kind: &DeclKind) -> &'static str {
    match kind {
        DeclKind::Error => "error",
        DeclKind::Function { .. } => "function",
        DeclKind::Header { .. } => "header",
        DeclKind::Valid { .. } => "valid",
        DeclKind::Before { .. } => "before",
        DeclKind::Record { .. } => "record",
        DeclKind::Enum { .. } => "enum",
        DeclKind::Interface { .. } => "interface",
        DeclKind::Class { .. } => "class",
        DeclKind::Chain { .. } => "chain",
        DeclKind::Graph { .. } => "graph",
        DeclKind::Field { .. } => "field",
        DeclKind::Method { .. } => "method",
        DeclKind::Handler { .. } => "on",
        DeclKind::Every { .. } => "every",
    }
}

fn stmt_word(kind: &StmtKind) -> &'static str {
    match kind {
        StmtKind::Error => "error",
        StmtKind::Empty => "empty",
        StmtKind::Block(_) => "block",
        StmtKind::Local { .. } => "local",
        StmtKind::Expr(_) => "do",
        StmtKind::Assign { .. } | StmtKind::Step { .. } => "",
        StmtKind::If { .. } => "if",
        StmtKind::While { .. } => "while",
        StmtKind::DoWhile { .. } => "do-while",
        StmtKind::For { .. } => "for",
        StmtKind::ForEach { .. } => "for-each",
        StmtKind::Switch(_) => "switch",
        StmtKind::Return(_) => "return",
        StmtKind::Break => "break",
        StmtKind::Continue => "continue",
        StmtKind::Yield(_) => "yield",
        StmtKind::Assert { .. } => "assert",
    }
}
