//! Values for the parameters of a function.
//!
//! In: a checked program, a function and texts by name. Out: [`Bindings`], one value for each
//! parameter. Guaranteed: a value has its parameter's type and lies in its range.

use crate::Checked;
use crate::konst;
use crate::tables::{FunctionId, Konst, Tables, TemplateId};
use crate::ty::{Len, Ty, TyKind};
use nfl_abi::codes;
use nfl_syntax::arena::IdMap;
use nfl_syntax::ast::{Ast, ExprKind, Lit, StmtKind, UnOp};
use nfl_syntax::{Diagnostic, Diags, Names, SourceMap};

/// The values of a function's parameters.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    /// By parameter; `None` where it stays open.
    pub values: IdMap<TemplateId, Option<Konst>>,
}

impl Bindings {
    /// All parameters open. Lengths of arrays, which cannot stay open, have their default, or are as
    /// large as their range allows.
    pub fn unbound(checked: &Checked, function: FunctionId) -> Bindings {
        let tables = &checked.tables;
        let mut bindings = Bindings::default();
        let mut kinds = Vec::new();
        kinds.extend(tables.carried.iter().map(|(_, c)| tables.types.kind(c.ty)));
        kinds.extend(tables.locals.iter().map(|(_, l)| tables.types.kind(l.ty)));
        let is_length = |template| {
            let it = |k: &TyKind| matches!(k, TyKind::Array(_, Len::Template(t)) if *t == template);
            kinds.iter().any(it)
        };
        for &id in &tables.functions[function].params {
            let template = &tables.templates[id];
            let largest = || {
                let range = template
                    .range
                    .or_else(|| konst::range(&tables.types, template.ty));
                range.map(|(_, hi)| Konst::Int(hi))
            };
            let value = match &template.default {
                Some(default) if is_length(id) => Some(default.clone()),
                None if is_length(id) => largest(),
                _ => None,
            };
            bindings.values.set(id, value);
        }
        bindings
    }
}

/// Reads a value of a type, as it would stand in the source.
pub fn parse_value(text: &str, ty: Ty, tables: &Tables) -> Result<Konst, String> {
    if let TyKind::Array(elem, Len::Known(count)) = tables.types.kind(ty) {
        return array(text, elem, count, tables);
    }
    if tables.types.bits(ty).is_none()
        && !matches!(tables.types.kind(ty), TyKind::Prefix4 | TyKind::Prefix6)
    {
        return Err(format!(
            "`{text}` cannot be read: the type has no values to write"
        ));
    }
    let names = Names::default();
    let wanted = tables
        .types
        .show(ty, &names, &|header| tables.headers[header].name);
    let wrong = || format!("`{text}` is not a {wanted}");
    let lit = literal(text.trim()).map_err(|why| match why {
        Some(why) => format!("{}: {why}", wrong()),
        None => wrong(),
    })?;
    let kind = tables.types.kind(ty);
    let value = match (lit, kind) {
        (Literal::Int(n), TyKind::Unsigned(_) | TyKind::Signed(_))
        | (Literal::Int(n), TyKind::Port | TyKind::Group | TyKind::NodeId) => Konst::Int(n),
        (Literal::Lit(lit), _) => match (lit, kind) {
            (Lit::Bool(b), TyKind::Bool) => Konst::Bool(b),
            (Lit::Char(c), TyKind::Unsigned(_)) => Konst::Int(i128::from(c)),
            (Lit::Ip4(a), TyKind::Ip4) => Konst::Int(i128::from(a)),
            (Lit::Ip4(addr), TyKind::Prefix4) => Konst::Prefix4 { addr, len: 32 },
            (Lit::Ip6(a), TyKind::Ip6) => Konst::Ip6(a),
            (Lit::Ip6(addr), TyKind::Prefix6) => Konst::Prefix6 { addr, len: 128 },
            (Lit::Mac(a), TyKind::Mac) => Konst::Int(i128::from(a)),
            (Lit::Prefix4 { addr, len }, TyKind::Prefix4) => Konst::Prefix4 { addr, len },
            (Lit::Prefix6 { addr, len }, TyKind::Prefix6) => Konst::Prefix6 { addr, len },
            (Lit::Duration(n), TyKind::Duration | TyKind::Instant)
            | (Lit::Size(n), TyKind::Size) => Konst::Int(i128::from(n)),
            (Lit::Rate { per_second, .. }, TyKind::Rate) => Konst::Int(i128::from(per_second)),
            _ => return Err(wrong()),
        },
        _ => return Err(wrong()),
    };
    if let (Konst::Int(n), Some((lo, hi))) = (&value, konst::range(&tables.types, ty))
        && !(lo..=hi).contains(n)
    {
        return Err(format!("{n} is not a {wanted}, which holds {lo}..{hi}"));
    }
    Ok(value)
}

/// A literal, read by the parser of the language so that there is one reading of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Literal {
    /// A number, with its sign.
    Int(i128),
    /// Anything else.
    Lit(Lit),
}

/// The literal, or what the scanner has to say of it.
///
/// # Errors
///
/// What is wrong within the literal, if the text is one at all.
pub fn literal(text: &str) -> Result<Literal, Option<String>> {
    if text.contains([';', '{', '}', '\n']) {
        return Err(None);
    }
    let mut sources = SourceMap::default();
    let (mut ast, mut names, mut diags) = (Ast::default(), Names::default(), Diags::default());
    let wrapped = format!("class Value {{ static void get() {{ return {text}; }} }}");
    let file = sources.add("value", wrapped);
    nfl_syntax::parse(file, &mut sources, &mut ast, &mut names, &mut diags);
    if let Some(first) = diags.iter().next() {
        let of_a_literal = (110..116).any(|n| first.code.text == format!("E{n}"));
        return Err(of_a_literal.then(|| first.message.clone()));
    }
    let mut returns = ast.stmts.iter().filter_map(|(_, s)| match s.kind {
        StmtKind::Return(Some(e)) => Some(e),
        _ => None,
    });
    let e = returns
        .next()
        .filter(|_| returns.next().is_none())
        .ok_or(None)?;
    let (negative, e) = match ast.exprs[e].kind {
        ExprKind::Unary { op: UnOp::Neg, arg } => (true, arg),
        _ => (false, e),
    };
    match &ast.exprs[e].kind {
        ExprKind::Lit(Lit::Int(n)) => {
            let n = i128::try_from(*n).map_err(|_| None)?;
            Ok(Literal::Int(if negative { -n } else { n }))
        }
        ExprKind::Lit(lit) if !negative => Ok(Literal::Lit(lit.clone())),
        _ => Err(None),
    }
}

/// Gives a function's parameters their values: those that are set, and defaults for the others.
pub fn bind(
    checked: &Checked,
    function: FunctionId,
    sets: &[(String, String)],
    diags: &mut Diags,
) -> Option<Bindings> {
    let tables = &checked.tables;
    let names = &checked.program.names;
    let params = &tables.functions[function].params;
    let mut bindings = Bindings::default();
    let mut good = true;
    for (at, (name, text)) in sets.iter().enumerate() {
        let id = params
            .iter()
            .copied()
            .find(|&id| tables.templates[id].text(names) == *name);
        let finding = match id {
            None => Some(unknown(checked, function, name)),
            Some(id) if sets[..at].iter().any(|(n, _)| n == name) => Some(
                Diagnostic::new(&codes::E284, tables.templates[id].span)
                    .message(format!("`{name}` is given a value twice"))
                    .label("declared here"),
            ),
            Some(id) => match value_of(tables, id, text) {
                Ok(value) => {
                    bindings.values.set(id, Some(value));
                    None
                }
                Err((code, problem)) => Some(
                    Diagnostic::new(code, tables.templates[id].span)
                        .message(format!("for `{name}`: {problem}"))
                        .label("declared here"),
                ),
            },
        };
        if let Some(finding) = finding {
            good = false;
            diags.push(finding);
        }
    }
    for &id in params {
        let template = &tables.templates[id];
        let name = template.text(names);
        if bindings.values[id].is_some() || sets.iter().any(|(n, _)| *n == name) {
            continue;
        }
        if let Some(default) = &template.default {
            bindings.values.set(id, Some(default.clone()));
            continue;
        }
        good = false;
        diags.push(
            Diagnostic::new(&codes::E282, template.span)
                .message(format!("`{name}` has no value"))
                .label("no default")
                .help(format!("--set {name}=…")),
        );
    }
    good.then_some(bindings)
}

fn unknown(checked: &Checked, function: FunctionId, name: &str) -> Diagnostic {
    let tables = &checked.tables;
    let names = &checked.program.names;
    let f = &tables.functions[function];
    let all: Vec<String> = f
        .params
        .iter()
        .map(|&id| tables.templates[id].text(names))
        .collect();
    let message = format!("`{}` has no parameter `{name}`", names.text(f.name));
    let finding = Diagnostic::bare(&codes::E280, message);
    if all.is_empty() {
        finding.note("it has no parameters at all")
    } else {
        finding.note(format!("its parameters are {}", all.join(", ")))
    }
}

fn value_of(
    tables: &Tables,
    id: TemplateId,
    text: &str,
) -> Result<Konst, (&'static nfl_abi::Code, String)> {
    let template = &tables.templates[id];
    let value =
        parse_value(text, template.ty, tables).map_err(|problem| (&codes::E283, problem))?;
    match template.outside(&value, &tables.types) {
        Some(outside) => Err((
            &codes::E281,
            format!("`{text}` lies outside of its range {outside}"),
        )),
        None => Ok(value),
    }
}

/// `{1, 2, 3}` as an array of so many elements.
fn array(text: &str, elem: Ty, count: u32, tables: &Tables) -> Result<Konst, String> {
    let inner = text
        .trim()
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .ok_or_else(|| format!("`{text}` is not a list like {{1, 2}}"))?;
    let items: Vec<Konst> = inner
        .split(',')
        .map(|item| parse_value(item.trim(), elem, tables))
        .collect::<Result<_, _>>()?;
    if items.len() as u64 != u64::from(count) {
        return Err(format!("{} values for {count} elements", items.len()));
    }
    Ok(Konst::Array(items))
}
