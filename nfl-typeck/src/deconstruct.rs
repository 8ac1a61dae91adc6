//! Patterns over values: constants, ranges, records and their components, verdicts.
//!
//! In: a pattern and the type of the value it is matched against. Out: its meaning in the tables, and
//! the names it binds. Guaranteed: a pattern in the tables fits its value.

use crate::check::{Checker, OwnerKind};
use crate::expr::{article, is_number, is_quantity};
use crate::flow::Cond;
use crate::konst;
use crate::tables::{LocalId, PatInfo, RecordId};
use crate::ty::{Ty, TyKind};
use crate::types::FoundType;
use nfl_abi::codes;
use nfl_abi::image::VerdictKind;
use nfl_syntax::ast::{BinOp, ExprId, Ident, PatId, PatKind, TypeId, TypeKind};
use nfl_syntax::{Name, Span};

/// The type of what a verdict of this kind says beside its kind.
pub(crate) fn operand_of(kind: VerdictKind) -> Option<TyKind> {
    match kind {
        VerdictKind::Drop | VerdictKind::Punt => Some(TyKind::Reason),
        VerdictKind::Forward => Some(TyKind::Port),
        VerdictKind::Multicast => Some(TyKind::Group),
        VerdictKind::Steer => Some(TyKind::NodeId),
        VerdictKind::Pass | VerdictKind::Reply | VerdictKind::Recirculate => None,
    }
}

/// Names that a pattern binds, in order.
pub(crate) type Binds = Vec<(Name, LocalId)>;

impl Checker<'_> {
    /// Whether there is a `switch` over values of a type.
    pub(crate) fn is_switched(&self, ty: Ty) -> bool {
        let kind = self.kind(ty);
        is_number(kind)
            || is_quantity(kind)
            || self.is_taken_apart(ty)
            || matches!(
                kind,
                TyKind::Bool
                    | TyKind::Ip4
                    | TyKind::Ip6
                    | TyKind::Mac
                    | TyKind::Port
                    | TyKind::Group
                    | TyKind::NodeId
                    | TyKind::Enum(..)
            )
    }

    /// Whether values of a type have parts that patterns name.
    pub(crate) fn is_taken_apart(&self, ty: Ty) -> bool {
        matches!(
            self.kind(ty),
            TyKind::Record(_) | TyKind::Sealed(_) | TyKind::Verdict
        )
    }

    /// `value instanceof pattern` for a value with parts.
    pub(crate) fn instance_of_value(&mut self, value: ExprId, ty: Ty, pat: PatId) -> Cond {
        let mut binds = Vec::new();
        let good = self.value_pattern(pat, ty, false, &mut binds);
        if !good {
            self.bind_nothing(pat);
            self.body.unknown_flow = true;
            return self.nothing_bound();
        }
        let shape = self.shape(pat, ty);
        if self.always(&shape, ty) {
            let finding = self
                .at(&codes::E307, self.ast.pats[pat].span)
                .message(format!("every {} matches this", self.show(ty)))
                .label("always true")
                .also(self.span(value), self.show(ty));
            self.report(finding);
        }
        let no = std::mem::take(&mut self.body.state);
        let mut yes = no.clone();
        yes.assigned.extend(binds.iter().map(|(_, local)| *local));
        Cond {
            yes,
            no,
            binds_yes: binds,
            binds_no: Vec::new(),
        }
    }

    /// Checks a pattern against a type. Answers whether it fits.
    pub(crate) fn value_pattern(
        &mut self,
        pat: PatId,
        ty: Ty,
        one_of_several: bool,
        binds: &mut Binds,
    ) -> bool {
        let errors = self.diags.iter().len();
        let info = self.value_pattern_info(pat, ty, one_of_several, binds);
        self.t.pats.set(pat, info);
        self.diags.iter().len() == errors
    }

    fn value_pattern_info(
        &mut self,
        pat: PatId,
        ty: Ty,
        one_of_several: bool,
        binds: &mut Binds,
    ) -> PatInfo {
        let ast = self.ast;
        let span = ast.pats[pat].span;
        match &ast.pats[pat].kind {
            PatKind::Error => PatInfo::None,
            PatKind::Any => PatInfo::Any,
            PatKind::Bind { ty: written, name } => {
                let node = &ast.types[*written];
                if !matches!(node.kind, TypeKind::Var) {
                    let resolved = self.resolve(*written);
                    if resolved != ty
                        && self.kind(resolved) != TyKind::Error
                        && self.kind(ty) != TyKind::Error
                    {
                        self.other_type(node.span, ty, &self.show(resolved));
                    }
                }
                PatInfo::Bind(self.bind_value(*name, ty, one_of_several, binds))
            }
            PatKind::Const(e) => self.const_pattern(*e, ty),
            PatKind::Range(lo, hi) => self.range_pattern(span, *lo, *hi, ty),
            PatKind::Type { ty: written, name } => {
                self.type_pattern(*written, None, *name, ty, one_of_several, binds)
            }
            PatKind::Record {
                ty: written,
                args,
                name,
            } => self.type_pattern(*written, Some(args), *name, ty, one_of_several, binds),
            PatKind::Optional(_) | PatKind::Layers(_) => {
                let finding = self
                    .at(&codes::E303, span)
                    .message(format!(
                        "{} is no header or record",
                        article(&self.show(ty))
                    ))
                    .label("layers are matched in packets");
                self.report(finding);
                PatInfo::None
            }
        }
    }

    fn other_type(&mut self, span: Span, ty: Ty, found: &str) {
        let finding = self
            .at(&codes::E303, span)
            .message(format!("the value is {}", article(&self.show(ty))))
            .label(format!("this is {found}"));
        self.report(finding);
    }

    fn bind_value(
        &mut self,
        name: Ident,
        ty: Ty,
        one_of_several: bool,
        binds: &mut Binds,
    ) -> LocalId {
        if one_of_several {
            let finding = self
                .at(&codes::E304, name.span)
                .message(format!(
                    "`{}` might stand for nothing",
                    self.text(name.name)
                ))
                .label("only one of several patterns matches");
            self.report(finding);
        }
        let local = self.new_local(Some(name.name), name.span, ty);
        self.body.finals.insert(local);
        self.bind(name, local, None, binds);
        local
    }

    /// `Miss`, `Hit(…)`, `NextHop hop`.
    fn type_pattern(
        &mut self,
        written: TypeId,
        args: Option<&[PatId]>,
        name: Option<Ident>,
        ty: Ty,
        one_of_several: bool,
        binds: &mut Binds,
    ) -> PatInfo {
        let ast = self.ast;
        let span = ast.types[written].span;
        let TypeKind::Named { path, .. } = &ast.types[written].kind else {
            return PatInfo::None;
        };
        if self.kind(ty) == TyKind::Verdict
            && let Some(kind) = self.verdict_kind(written)
        {
            return self.verdict_pattern(kind, args, name, (span, one_of_several), binds);
        }
        let Some(found) = self.find_type(path, span) else {
            return PatInfo::None;
        };
        if self.kind(ty) == TyKind::Error {
            return PatInfo::None;
        }
        let owner = match found {
            FoundType::Ty(found) => {
                if let (Some(number), Some([arg])) = (self.number_inside(found), args)
                    && found == ty
                    && name.is_none()
                {
                    self.value_pattern(*arg, number, one_of_several, binds);
                    return self.t.pats[*arg].clone();
                }
                return self.whole(found, span, args, name, ty, one_of_several, binds);
            }
            FoundType::Owner(owner) => owner,
        };
        let decl = self.owners[owner].decl;
        let record = match self.kind(ty) {
            TyKind::Record(id) if self.t.records[id].decl == decl => Some((id, None)),
            TyKind::Report => {
                let named = self.resolve(written);
                match self.kind(named) {
                    TyKind::Record(id) => Some((id, None)),
                    _ => None,
                }
            }
            TyKind::Sealed(id) => {
                let members = self.t.sealed[id].members.clone();
                let at = members.iter().position(|&m| self.t.records[m].decl == decl);
                at.map(|at| (members[at], Some(at as u32)))
            }
            _ => None,
        };
        let Some((record, member)) = record else {
            let same = match self.kind(ty) {
                TyKind::Sealed(id) => self.t.sealed[id].decl == decl,
                TyKind::Enum(id, _) => self.t.enums[id].decl == decl,
                _ => false,
            };
            if same {
                return self.whole(ty, span, args, name, ty, one_of_several, binds);
            }
            let text = self.text(self.owners[owner].name.name).to_string();
            match self.owners[owner].kind {
                OwnerKind::Header(_) => {
                    let finding = self
                        .at(&codes::E303, span)
                        .message(format!("{} is no packet", article(&self.show(ty))))
                        .label("a header is found in a packet");
                    self.report(finding);
                }
                _ => self.other_type(span, ty, &text),
            }
            for &arg in args.unwrap_or_default() {
                self.bind_nothing(arg);
            }
            return PatInfo::None;
        };
        let parts = self.parts(record, args, span, one_of_several, binds);
        let own = self.ty(TyKind::Record(record));
        let local = name.map(|name| self.bind_value(name, own, one_of_several, binds));
        PatInfo::Record {
            record,
            member,
            args: parts,
            local,
        }
    }

    /// `Pass`, `Drop(POLICY)`, `Forward(var port)`.
    fn verdict_pattern(
        &mut self,
        kind: VerdictKind,
        args: Option<&[PatId]>,
        name: Option<Ident>,
        (span, one_of_several): (Span, bool),
        binds: &mut Binds,
    ) -> PatInfo {
        let args = args.unwrap_or_default();
        let operand = operand_of(kind).map(|kind| self.ty(kind));
        if args.len() > usize::from(operand.is_some()) {
            let finding = self
                .at(&codes::E303, span)
                .message(format!(
                    "`{}` has {}, not {}",
                    kind.text(),
                    match operand {
                        Some(_) => "1 component",
                        None => "no component",
                    },
                    args.len()
                ))
                .label("each component has a pattern");
            self.report(finding);
        }
        for (at, &arg) in args.iter().enumerate() {
            let ty = operand.filter(|_| at == 0).unwrap_or_default();
            self.value_pattern(arg, ty, one_of_several, binds);
        }
        if let Some(name) = name {
            let verdict = self.ty(TyKind::Verdict);
            let finding = self
                .at(&codes::E303, name.span)
                .message(format!("`{}` is no type of its own", kind.text()))
                .label("name the whole value before the `switch`");
            self.report(finding);
            self.bind_value(name, verdict, one_of_several, binds);
        }
        PatInfo::Verdict {
            kind,
            arg: args.first().copied(),
        }
    }

    /// Patterns of a record's components.
    fn parts(
        &mut self,
        record: RecordId,
        args: Option<&[PatId]>,
        span: Span,
        one_of_several: bool,
        binds: &mut Binds,
    ) -> Vec<PatId> {
        let Some(args) = args else {
            return Vec::new();
        };
        let types: Vec<Ty> = self.t.records[record]
            .components
            .iter()
            .map(|c| c.ty)
            .collect();
        if types.len() != args.len() {
            let own = self.ty(TyKind::Record(record));
            let finding = self
                .at(&codes::E303, span)
                .message(format!(
                    "`{}` has {} component{}, not {}",
                    self.show(own),
                    types.len(),
                    if types.len() == 1 { "" } else { "s" },
                    args.len()
                ))
                .label("each component has a pattern");
            self.report(finding);
        }
        for (index, &arg) in args.iter().enumerate() {
            let ty = types.get(index).copied().unwrap_or_default();
            self.value_pattern(arg, ty, one_of_several, binds);
        }
        args.to_vec()
    }

    /// The number that `Port(n)` and its like are made of.
    fn number_inside(&mut self, ty: Ty) -> Option<Ty> {
        let bits = match self.kind(ty) {
            TyKind::Port | TyKind::Group => 16,
            TyKind::NodeId => 32,
            _ => return None,
        };
        Some(self.ty(TyKind::Unsigned(bits)))
    }

    /// A pattern that names the type of the value itself.
    #[expect(
        clippy::too_many_arguments,
        reason = "one pattern with everything around it"
    )]
    fn whole(
        &mut self,
        found: Ty,
        span: Span,
        args: Option<&[PatId]>,
        name: Option<Ident>,
        ty: Ty,
        one_of_several: bool,
        binds: &mut Binds,
    ) -> PatInfo {
        if found != ty || args.is_some() {
            self.other_type(span, ty, &self.show(found));
            return PatInfo::None;
        }
        match name {
            Some(name) => PatInfo::Bind(self.bind_value(name, ty, one_of_several, binds)),
            None => PatInfo::Any,
        }
    }

    fn range_pattern(&mut self, span: Span, lo: ExprId, hi: ExprId, ty: Ty) -> PatInfo {
        let (a, b) = (self.constant(lo, ty), self.constant(hi, ty));
        let (Some(a), Some(b)) = (a, b) else {
            return PatInfo::None;
        };
        if konst::compare(BinOp::Gt, &a, &b) == Some(true) {
            let (lo, hi) = (self.source(lo), self.source(hi));
            let finding = self
                .at(&codes::E214, span)
                .label(format!("{lo} is above {hi}"));
            self.report(finding);
            return PatInfo::None;
        }
        PatInfo::Range(a, b)
    }

    fn const_pattern(&mut self, e: ExprId, ty: Ty) -> PatInfo {
        let errors = self.diags.iter().len();
        let found = self.expr(e, Some(ty));
        let prefix = matches!(
            (self.kind(found), self.kind(ty)),
            (TyKind::Prefix4, TyKind::Ip4) | (TyKind::Prefix6, TyKind::Ip6)
        );
        if !prefix {
            self.fit(e, found, ty);
        }
        let reported = self.diags.iter().len() > errors;
        match self.t.konst[e].clone() {
            Some(value) if !reported => PatInfo::Const(value),
            None if !reported => {
                self.not_constant(e);
                PatInfo::None
            }
            _ => PatInfo::None,
        }
    }
}
