//! Constants and methods.
//!
//! In: the members of functions, classes and headers. Out: rows of constants with their values and
//! of methods with their signatures and effects. Both are settled on demand, each once.

use crate::check::{
    Body, Checker, ConstInfo, Gives, MethodInfo, NESTING_MAX, Naming, OwnerId, OwnerKind, Progress,
    Summary, Visibility,
};
use crate::resolve::nearest;
use crate::tables::{ConstDef, ConstId, Konst, Method, MethodId, ReasonDef};
use crate::ty::{Len, Ty, TyKind};
use nfl_abi::codes;
use nfl_abi::image::Rights;
use nfl_syntax::arena::Id;
use nfl_syntax::ast::{
    DeclId, DeclKind, Declarator, ExprId, ExprKind, Ident, Lit, Modifier, TypeId, TypeKind,
};
use nfl_syntax::{Name, Span};

impl<'a> Checker<'a> {
    /// Finds the constants and methods of all owners.
    pub(crate) fn collect_members(&mut self) {
        for owner in self.owner_ids() {
            for &member in self.members_of(owner) {
                self.collect_member(owner, member);
            }
        }
    }

    /// The members of an owner.
    pub(crate) fn members_of(&self, owner: OwnerId) -> &'a [DeclId] {
        let o = &self.owners[owner];
        match (&self.ast.decls[o.decl].kind, o.kind) {
            (_, OwnerKind::Refused | OwnerKind::Resource(_) | OwnerKind::OneOf(_)) => &[],
            (
                DeclKind::Function { members, .. }
                | DeclKind::Header { members, .. }
                | DeclKind::Record { members, .. }
                | DeclKind::Enum { members, .. }
                | DeclKind::Interface { members, .. }
                | DeclKind::Class { members, .. },
                _,
            ) => members,
            _ => &[],
        }
    }

    /// Whether a declaration has this modifier.
    pub(crate) fn has(&self, decl: DeclId, modifier: Modifier) -> bool {
        let modifiers = &self.ast.decls[decl].modifiers;
        modifiers.iter().any(|(m, _)| *m == modifier)
    }

    pub(crate) fn visibility(&self, decl: DeclId) -> Visibility {
        if self.has(decl, Modifier::Public) {
            Visibility::Public
        } else if self.has(decl, Modifier::Private) {
            Visibility::Private
        } else {
            Visibility::Package
        }
    }

    /// Whether a method is a test; tests are not part of an image.
    pub(crate) fn is_test(&self, decl: DeclId) -> bool {
        let annotations = &self.ast.decls[decl].annotations;
        annotations.iter().any(|a| self.text(a.name.name) == "Test")
    }

    fn collect_member(&mut self, owner: OwnerId, member: DeclId) {
        let ast = self.ast;
        let node = &ast.decls[member];
        match &node.kind {
            DeclKind::Field { ty, vars } if self.has(member, Modifier::Static) => {
                self.collect_consts(owner, member, *ty, vars);
            }
            DeclKind::Field { vars, .. }
                if !matches!(
                    self.owners[owner].kind,
                    OwnerKind::Header(_) | OwnerKind::Function(_) | OwnerKind::OneOf(_)
                ) =>
            {
                if let Some(var) = vars.first() {
                    let why = match self.owners[owner].kind {
                        OwnerKind::Class => {
                            "a class has no instances, so its fields are `static final`"
                        }
                        _ => "what a record holds stands in its parentheses",
                    };
                    let finding = self
                        .at(&codes::E231, var.name.span)
                        .message(format!("`{}` is not a constant", self.text(var.name.name)))
                        .label(why);
                    self.report(finding);
                }
            }
            DeclKind::Method { name, .. } if !self.is_test(member) => {
                self.collect_method(owner, member, *name);
            }
            DeclKind::Handler { role, .. }
                if !matches!(self.owners[owner].kind, OwnerKind::Function(_)) =>
            {
                let finding = self
                    .at(&codes::E230, role.span)
                    .message("only a function has handlers")
                    .label("not here");
                self.report(finding);
            }
            DeclKind::Every { .. }
                if !matches!(self.owners[owner].kind, OwnerKind::Function(_)) =>
            {
                let finding = self
                    .at(&codes::E230, node.span)
                    .message("only a function has handlers")
                    .label("not here");
                self.report(finding);
            }
            _ => {}
        }
    }

    fn collect_consts(&mut self, owner: OwnerId, member: DeclId, ty: TypeId, vars: &[Declarator]) {
        use Modifier::{Final, Private, Public, Static};
        self.bad_modifiers(member, &[Public, Private, Static, Final]);
        if !self.has(member, Final) {
            let span = self.ast.decls[member].span;
            let name = vars.first().map_or(span, |v| v.name.span);
            let finding = self
                .at(&codes::E231, name)
                .message("a `static` field is `final`")
                .label("this would be memory that nobody owns")
                .help("static final …");
            self.report(finding);
        }
        for var in vars {
            self.member_twice(owner, var.name);
            let id = self.t.consts.push(ConstDef {
                name: var.name.name,
                span: var.name.span,
                ty: Ty::default(),
                value: None,
            });
            self.const_info.push(ConstInfo {
                owner,
                decl: member,
                visibility: self.visibility(member),
                ty,
                init: var.init,
                progress: Progress::New,
            });
            self.owners[owner].consts.entry(var.name.name).or_insert(id);
        }
    }

    fn collect_method(&mut self, owner: OwnerId, member: DeclId, name: Ident) {
        use Modifier::{Private, Public, Static};
        self.bad_modifiers(member, &[Public, Private, Static]);
        let is_static = self.has(member, Static);
        let kind = self.owners[owner].kind;
        if !is_static && !self.type_params(owner).is_empty() {
            // It has a row for each list of type arguments; see `generic.rs`.
            return;
        }
        if kind == OwnerKind::Class && !is_static {
            let finding = self
                .at(&codes::E231, name.span)
                .message(format!("`{}` must be `static`", self.text(name.name)))
                .label("a class has no instances");
            self.report(finding);
        }
        self.member_twice(owner, name);
        let this = match kind {
            OwnerKind::Header(h) if !is_static => Some(h),
            _ => None,
        };
        let id = self.t.methods.push(Method {
            name: name.name,
            decl: member,
            this,
            receiver: None,
            params: Vec::new(),
            ranges: Vec::new(),
            result: None,
            effects: Rights::NONE,
        });
        self.method_info.push(MethodInfo {
            owner,
            visibility: self.visibility(member),
            is_static: is_static || kind == OwnerKind::Class,
            generic: None,
            declared: false,
            progress: Progress::New,
            summary: Summary::default(),
        });
        self.owners[owner].methods.entry(name.name).or_insert(id);
    }

    fn member_twice(&mut self, owner: OwnerId, name: Ident) {
        let o = &self.owners[owner];
        let earlier = o
            .consts
            .get(&name.name)
            .map(|&c| self.t.consts[c].span)
            .or_else(|| {
                let method = o.methods.get(&name.name)?;
                match &self.ast.decls[self.t.methods[*method].decl].kind {
                    DeclKind::Method { name, .. } => Some(name.span),
                    _ => None,
                }
            });
        if let Some(earlier) = earlier {
            self.twice(name, earlier);
        }
    }

    /// Reports a second declaration of a name.
    pub(crate) fn twice(&mut self, name: Ident, earlier: Span) {
        let finding = self
            .at(&codes::E202, name.span)
            .message(format!("`{}` is declared twice", self.text(name.name)))
            .label("and here again")
            .also(earlier, "declared here");
        self.report(finding);
    }

    /// Gives all methods their signatures.
    pub(crate) fn declare_methods(&mut self) {
        for id in (self.before.methods..self.t.methods.len()).map(MethodId::new) {
            self.declare_once(id);
        }
    }

    /// Gives a method its signature, if it has none yet.
    pub(crate) fn declare_once(&mut self, id: MethodId) {
        if std::mem::replace(&mut self.method_info[id].declared, true) {
            return;
        }
        let body = self.method_body(id);
        self.within(body, |c| c.declare_method(id));
    }

    fn declare_method(&mut self, id: MethodId) {
        let ast = self.ast;
        let DeclKind::Method { result, params, .. } = &ast.decls[self.t.methods[id].decl].kind
        else {
            return;
        };
        self.declare_receiver(id);
        for &param in params {
            let p = &ast.params[param];
            let ty = self.resolve(p.ty);
            for &(modifier, span) in &p.modifiers {
                if modifier == Modifier::Late {
                    let finding = self
                        .at(&codes::E231, span)
                        .message("`late` does not fit here")
                        .label("only the parameters of a function are filled in late");
                    self.report(finding);
                }
            }
            self.body.fields_only = true;
            let within = p
                .range
                .map_or(Vec::new(), |range| self.within_of(range, ty));
            let range = Self::hull(&within);
            if let Some(default) = p.default {
                self.constant(default, ty);
            }
            self.body.fields_only = false;
            let local = self.new_local(Some(p.name.name), p.name.span, ty);
            self.t.methods[id].params.push(local);
            self.t.methods[id].ranges.push(range);
        }
        if let Some(result) = result {
            let ty = self.resolve(*result);
            let span = ast.types[*result].span;
            let ty = self.valued(ty, span, "the result of a method");
            self.t.methods[id].result = Some(ty);
        }
    }

    /// `this` of a method of a record, enum or interface.
    fn declare_receiver(&mut self, id: MethodId) {
        let owner = self.method_info[id].owner;
        if self.method_info[id].is_static {
            return;
        }
        let span = self.owners[owner].name.span;
        let generic = self.method_info[id].generic.as_ref().map(|(ty, _)| *ty);
        let ty = match self.owners[owner].kind {
            _ if generic.is_some() => generic.unwrap_or_default(),
            OwnerKind::Enum(id) => self.enum_type(id),
            OwnerKind::Record => self.instance(owner, Vec::new(), span),
            OwnerKind::Interface if self.is_sealed(owner) => self.instance(owner, Vec::new(), span),
            _ => return,
        };
        let this = self.new_local(None, span, ty);
        self.t.methods[id].receiver = Some(this);
    }

    /// The type if its kind fits the place, else the error type after a report.
    pub(crate) fn only(
        &mut self,
        ty: Ty,
        span: Span,
        place: &str,
        good: impl Fn(TyKind) -> bool,
    ) -> Ty {
        let kind = self.kind(ty);
        if kind == TyKind::Error || good(kind) {
            return ty;
        }
        let finding = self
            .at(&codes::E226, span)
            .message(format!("{} cannot be {place}", self.show(ty)))
            .label("not in this place");
        self.report(finding);
        Ty::default()
    }

    /// Computes all constants.
    pub(crate) fn settle_consts(&mut self) {
        for id in (self.before.consts..self.t.consts.len()).map(ConstId::new) {
            let span = self.t.consts[id].span;
            self.settle_const(id, span);
        }
    }

    /// The value of a constant, computed now if it was not yet.
    pub(crate) fn const_value(&mut self, id: ConstId, from: Span) -> Option<Konst> {
        self.settle_const(id, from);
        self.t.consts[id].value.clone()
    }

    /// Makes a constant's type and value known.
    pub(crate) fn settle_const(&mut self, id: ConstId, from: Span) {
        match self.const_info[id].progress {
            Progress::Done => {}
            Progress::Running => {
                let finding = self
                    .at(&codes::E223, from)
                    .message(format!(
                        "`{}` needs its own value",
                        self.text(self.t.consts[id].name)
                    ))
                    .label("used here on the way to its value")
                    .also(self.t.consts[id].span, "declared here");
                self.report(finding);
            }
            Progress::New if self.waiting > NESTING_MAX => self.too_deep(from),
            Progress::New => {
                self.const_info[id].progress = Progress::Running;
                let body = self.body_of(self.const_info[id].owner);
                let body = Body {
                    fields_only: true,
                    ..body
                };
                self.within(body, |c| c.compute_const(id));
                self.const_info[id].progress = Progress::Done;
            }
        }
    }

    /// Reports that something waits for something that waits, and so on.
    pub(crate) fn too_deep(&mut self, from: Span) {
        let finding = self
            .at(&codes::E225, from)
            .label(format!("more than {NESTING_MAX} within each other"));
        self.report(finding);
    }

    fn compute_const(&mut self, id: ConstId) {
        let info = self.const_info[id].clone();
        let ty = self.resolve(info.ty);
        let span = self.ast.types[info.ty].span;
        let ty = self.only(ty, span, "a constant", |k| {
            !matches!(
                k,
                TyKind::View(_)
                    | TyKind::OneOf(_)
                    | TyKind::Packet
                    | TyKind::Verdict
                    | TyKind::Text
                    | TyKind::Sealed(_)
            ) && !matches!(k, TyKind::Array(_, Len::Template(_)))
        });
        self.t.consts[id].ty = ty;
        let Some(init) = info.init else {
            let name = self.t.consts[id].name;
            let finding = self
                .at(&codes::E222, self.t.consts[id].span)
                .message(format!("the constant `{}` has no value", self.text(name)))
                .label("a value is missing");
            return self.report(finding);
        };
        self.t.consts[id].value = match self.kind(ty) {
            TyKind::Error => {
                // Its own mistakes are still worth a word, but not that its type is unknown.
                None
            }
            TyKind::Reason => self.own_reason(id, init),
            _ => self.constant(init, ty),
        };
    }

    /// `Reason("text")` behind the declaration of a reason.
    fn own_reason(&mut self, id: ConstId, init: ExprId) -> Option<Konst> {
        let ast = self.ast;
        let reason_ty = self.t.consts[id].ty;
        if let ExprKind::Construct { ty, args } = &ast.exprs[self.bare(init)].kind
            && let TypeKind::Named { path, .. } = &ast.types[*ty].kind
            && let [name] = path.as_slice()
            && self.text(name.name) == "Reason"
        {
            self.set_ty(init, reason_ty);
            if let [arg] = args.as_slice()
                && let ExprKind::Lit(Lit::Text(text)) = &ast.exprs[arg.value].kind
            {
                let text_ty = self.ty(TyKind::Text);
                self.set_ty(arg.value, text_ty);
                self.set_konst(arg.value, Some(Konst::Text(text.clone())));
                let reason = self.t.reasons.push(ReasonDef {
                    name: self.text(self.t.consts[id].name).to_string(),
                    text: String::from_utf8_lossy(text).into_owned(),
                });
                return Some(Konst::Reason(reason));
            }
            let finding = self
                .at(&codes::E213, self.span(init))
                .message("a reason is made of one text")
                .label("like `Reason(\"not in the plan\")`");
            self.report(finding);
            return None;
        }
        self.constant(init, reason_ty)
    }

    /// An initialiser that must be constant.
    pub(crate) fn constant(&mut self, init: ExprId, ty: Ty) -> Option<Konst> {
        let errors = self.diags.iter().len();
        self.initial(init, ty);
        let value = self.t.konst[init].clone();
        if value.is_none() && self.diags.iter().len() == errors {
            self.not_constant(init);
        }
        value
    }

    /// The value of a variable, constant or carried field of this type: an expression or a list.
    pub(crate) fn initial(&mut self, init: ExprId, ty: Ty) {
        let ast = self.ast;
        match (self.kind(ty), &ast.exprs[init].kind) {
            (TyKind::Array(elem, len), ExprKind::List(items)) => {
                self.set_ty(init, ty);
                let span = self.span(init);
                match len {
                    Len::Known(n) if items.len() as u64 == u64::from(n) => {}
                    Len::Known(n) => {
                        let finding = self
                            .at(&codes::E227, span)
                            .message(format!("{} values for {n} elements", items.len()))
                            .label(format!("this is a {}", self.show(ty)));
                        self.report(finding);
                    }
                    Len::Template(_) => {
                        let finding = self
                            .at(&codes::E227, span)
                            .message("the number of elements depends on a parameter")
                            .label("so they cannot be listed; without a value they are zero");
                        self.report(finding);
                    }
                }
                let mut values = Vec::with_capacity(items.len());
                for &item in items {
                    self.coerce(item, elem);
                    values.extend(self.t.konst[item].clone());
                }
                let whole = (values.len() == items.len()).then_some(Konst::Array(values));
                self.set_konst(init, whole);
            }
            (TyKind::Error, ExprKind::List(_)) => {}
            (_, ExprKind::List(_)) => {
                let finding = self
                    .at(&codes::E210, self.span(init))
                    .message(format!(
                        "a list of values where {} is needed",
                        self.show(ty)
                    ))
                    .label("not an array");
                self.report(finding);
            }
            _ => {
                self.coerce(init, ty);
            }
        }
    }

    /// The constant of this name that is visible here; reports when there is none.
    pub(crate) fn find_const(&mut self, name: Name, span: Span) -> Option<ConstId> {
        if let Some(id) = self.look_up_const(name) {
            return Some(id);
        }
        let text = self.text(name);
        let own = self.body.owner.map(|o| &self.owners[o].consts);
        let all = own
            .into_iter()
            .chain(self.units.get(self.body.unit).map(|u| &u.consts))
            .flat_map(|names| names.keys().map(|&n| self.text(n)));
        let near = nearest(text, all);
        let mut finding = self
            .at(&codes::E201, span)
            .message(format!("there is no constant `{text}` here"))
            .label("unknown");
        if let Some(near) = near {
            finding = Checker::meant(finding, span, near);
        }
        self.report(finding);
        None
    }

    /// The constant of this name that is visible here.
    pub(crate) fn look_up_const(&self, name: Name) -> Option<ConstId> {
        let mut around = self.body.owner;
        while let Some(owner) = around {
            if let Some(&id) = self.owners[owner].consts.get(&name) {
                return Some(id);
            }
            around = self.owners[owner].parent;
        }
        self.units.get(self.body.unit)?.consts.get(&name).copied()
    }

    /// Checks all methods.
    pub(crate) fn check_methods(&mut self) {
        let mut next = self.before.methods;
        // Checking a method may bring methods of generic types.
        while next < self.t.methods.len() {
            let id = MethodId::new(next);
            if let DeclKind::Method { name, .. } = &self.ast.decls[self.t.methods[id].decl].kind {
                self.settle_method(id, name.span);
            }
            next += 1;
        }
    }

    /// Makes known what a method does. Answers whether it is.
    pub(crate) fn settle_method(&mut self, id: MethodId, from: Span) -> bool {
        match self.method_info[id].progress {
            Progress::Done => true,
            Progress::Running => {
                let finding = self
                    .at(&codes::E224, from)
                    .message(format!(
                        "`{}` calls itself",
                        self.text(self.t.methods[id].name)
                    ))
                    .label("and so it would never end");
                self.report(finding);
                false
            }
            Progress::New if self.waiting > NESTING_MAX => {
                self.too_deep(from);
                false
            }
            Progress::New => {
                self.method_info[id].progress = Progress::Running;
                let body = self.method_body(id);
                let summary = self.within(body, |c| c.check_method(id));
                self.t.methods[id].effects = self.t.methods[id].effects.union(summary.rights());
                self.method_info[id].summary = summary;
                self.method_info[id].progress = Progress::Done;
                true
            }
        }
    }

    fn check_method(&mut self, id: MethodId) -> Summary {
        let ast = self.ast;
        let method = self.t.methods[id].clone();
        let DeclKind::Method {
            name,
            params,
            uses,
            body,
            ..
        } = &ast.decls[method.decl].kind
        else {
            return Summary::default();
        };
        if let Some(this) = method.this {
            self.body.naming = Naming::Own(this);
        }
        self.body.this = method.receiver;
        self.body.gives = match method.result {
            Some(ty) => Gives::Value(ty),
            None => Gives::Void,
        };
        for (&param, &node) in method.params.iter().zip(params) {
            if ast.params[node]
                .modifiers
                .iter()
                .any(|(m, _)| *m == Modifier::Final)
            {
                self.body.finals.insert(param);
                self.body.state.assigned.insert(param);
            }
            let local = &self.t.locals[param];
            let ident = Ident {
                name: local.name.unwrap_or(name.name),
                span: local.span,
            };
            let ty = local.ty;
            self.declare(ident, param);
            if let TyKind::View(_) | TyKind::OneOf(_) = self.kind(ty) {
                self.body.views.insert(param, Default::default());
            }
        }
        let Some(body) = body else {
            let owner = self.method_info[id].owner;
            if self.native(id).is_some() || self.owners[owner].kind == OwnerKind::Interface {
                let rights = uses.as_ref().map_or(Rights::NONE, |uses| self.listed(uses));
                self.t.methods[id].effects = rights;
                return Summary::default();
            }
            let finding = self
                .at(&codes::E231, name.span)
                .message(format!("`{}` has no body", self.text(name.name)))
                .label("only the methods of an interface have none");
            self.report(finding);
            return Summary::default();
        };
        self.body_block(body, name.span);
        let public = self.method_info[id].visibility == Visibility::Public;
        let rights = self.check_uses(*name, uses.as_ref(), public);
        self.t.methods[id].effects = rights;
        std::mem::take(&mut self.body.summary)
    }
}
