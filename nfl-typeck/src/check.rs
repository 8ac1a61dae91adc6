//! The checker's state and the order of its passes.
//!
//! In: a parsed program. Out: its [`Tables`]. The idea: declarations are collected first, so that
//! every name can be looked up; then constants, headers, methods and handlers are checked, each
//! once and on demand, so that what a body uses is known before the body itself. All passes are made over one group
//! of files after the other, as [`group`](crate::group) says; what is known when a group is checked is [`Known`], which
//! nothing of a later group changes but in a copy.

use crate::flow::{LoopFrame, State};
use crate::group::{Group, groups};
use crate::order::AllVotes;
use crate::program::Program;
use crate::tables::{
    ConstId, EnumId, FunctionId, HeaderId, Konst, Local, LocalId, MethodId, OneOfId, ReasonDef,
    Res, Tables,
};
use crate::ty::{Ty, TyKind};
use nfl_abi::image::{REASONS, Right, Rights};
use nfl_abi::{Code, Layer};
use nfl_syntax::arena::{Id, SharedMap, SharedVec};
use nfl_syntax::ast::{Ast, DeclId, ExprId, Ident, TypeId, Unit};
use nfl_syntax::{Diagnostic, Diags, FileId, Name, Names, Span};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

nfl_syntax::entity! {
    /// A declaration that has members: function, class or header; or one this release refuses.
    pub(crate) struct OwnerId = "owner";
}

/// What an owner is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OwnerKind {
    /// A header.
    Header(HeaderId),
    /// A function.
    Function(FunctionId),
    /// A record, with any type arguments.
    Record,
    /// An enum.
    Enum(EnumId),
    /// An interface, with any type arguments.
    Interface,
    /// A class.
    Class,
    /// A sealed interface of headers.
    OneOf(OneOfId),
    /// A kind of resource.
    Resource(nfl_abi::image::ResourceKind),
    /// A declaration that was refused.
    Refused,
}

/// A declaration that has members.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) kind: OwnerKind,
    pub(crate) unit: usize,
    pub(crate) package: usize,
    pub(crate) name: Ident,
    pub(crate) public: bool,
    pub(crate) decl: DeclId,
    /// The declaration around it.
    pub(crate) parent: Option<OwnerId>,
    /// Whether it is declared `private`.
    pub(crate) private: bool,
    /// Declarations in it.
    pub(crate) types: BTreeMap<Name, OwnerId>,
    pub(crate) consts: BTreeMap<Name, ConstId>,
    pub(crate) methods: BTreeMap<Name, MethodId>,
    /// Members that were refused, so that their uses are no second mistake.
    pub(crate) refused: BTreeSet<Name>,
}

/// All types of one package.
#[derive(Clone, Default, Debug)]
pub(crate) struct Package {
    pub(crate) path: String,
    pub(crate) types: BTreeMap<Name, OwnerId>,
}

/// What the imports of a file make visible.
#[derive(Clone, Debug)]
pub(crate) struct UnitScope {
    pub(crate) file: FileId,
    pub(crate) package: usize,
    pub(crate) types: BTreeMap<Name, OwnerId>,
    /// Types that two packages bring, of which neither is named.
    pub(crate) doubtful: BTreeMap<Name, [OwnerId; 2]>,
    pub(crate) consts: BTreeMap<Name, ConstId>,
    pub(crate) methods: BTreeMap<Name, MethodId>,
}

/// Who may name a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Visibility {
    Public,
    Package,
    Private,
}

/// How far the checking of something on demand has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Progress {
    #[default]
    New,
    Running,
    Done,
}

/// A constant beside its row in the tables.
#[derive(Clone, Debug)]
pub(crate) struct ConstInfo {
    pub(crate) owner: OwnerId,
    pub(crate) decl: DeclId,
    pub(crate) visibility: Visibility,
    pub(crate) ty: TypeId,
    pub(crate) init: Option<ExprId>,
    pub(crate) progress: Progress,
}

/// A method beside its row in the tables.
#[derive(Clone, Debug)]
pub(crate) struct MethodInfo {
    pub(crate) owner: OwnerId,
    pub(crate) visibility: Visibility,
    pub(crate) is_static: bool,
    /// For a method of a generic type: the type, and what its parameters stand for.
    pub(crate) generic: Option<(Ty, Vec<Ty>)>,
    /// Whether its signature is known.
    pub(crate) declared: bool,
    pub(crate) progress: Progress,
    pub(crate) summary: Summary,
}

/// What a body does, as far as its callers must know.
#[derive(Clone, Default, Debug)]
pub(crate) struct Summary {
    /// What it does to the network, with the place and the deed for each right.
    pub(crate) acts: BTreeMap<Right, (Span, String)>,
    /// Fields of `this` that it uses.
    pub(crate) own_fields: u64,
    /// The layer at which its patterns begin.
    pub(crate) layer: Option<(Layer, Span)>,
    /// A pattern that may find the packet malformed.
    pub(crate) matches: Option<Span>,
    /// Fields of headers that it assigns, one bit each.
    pub(crate) reshapes: BTreeMap<HeaderId, u64>,
    /// A resize of the packet.
    pub(crate) resizes: Option<Span>,
    /// A use of `carried` memory.
    pub(crate) carried: Option<Span>,
    /// A `Recirculate`.
    pub(crate) recirculates: Option<Span>,
    /// How many calls are nested in it.
    pub(crate) depth: u32,
}

impl Summary {
    /// The rights that its acts need.
    pub(crate) fn rights(&self) -> Rights {
        self.acts
            .keys()
            .fold(Rights::NONE, |rights, &right| rights.with(right))
    }
}

/// What `return` gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Gives {
    /// Nothing can be returned here: constants, conditions of headers.
    #[default]
    Nowhere,
    /// No value.
    Void,
    /// A value.
    Value(Ty),
}

/// What plain names mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Naming {
    /// Variables and what the owner declares.
    #[default]
    Body,
    /// Fields of this header: `valid`, lengths, its methods.
    Own(HeaderId),
    /// The condition of an edge: fields of `parent`, and `this.` the new header.
    Edge {
        parent: Option<HeaderId>,
        child: Option<HeaderId>,
    },
}

/// Where a view lies.
#[derive(Clone, Default, Debug)]
pub(crate) struct ViewInfo {
    /// The headers from the packet to this one; `None` where that is not known (parameters).
    pub(crate) chain: Option<Vec<crate::flow::Layered>>,
    /// The views in front of it.
    pub(crate) fronts: Vec<LocalId>,
    /// It may be absent.
    pub(crate) optional: bool,
}

/// The body that is being checked.
#[derive(Clone, Default, Debug)]
pub(crate) struct Body {
    pub(crate) unit: usize,
    pub(crate) owner: Option<OwnerId>,
    /// What the type parameters of the owner stand for.
    pub(crate) type_args: Vec<(Name, Ty)>,
    /// `this`, in methods of records, enums and sealed interfaces.
    pub(crate) this: Option<LocalId>,
    pub(crate) naming: Naming,
    pub(crate) gives: Gives,
    pub(crate) scope: Vec<(Name, LocalId)>,
    pub(crate) state: State,
    pub(crate) summary: Summary,
    pub(crate) loops: Vec<LoopFrame>,
    pub(crate) yields: Vec<crate::switch::Yielding>,
    pub(crate) views: BTreeMap<LocalId, ViewInfo>,
    /// Variables that are other names of views.
    pub(crate) aliases: BTreeMap<LocalId, LocalId>,
    /// The headers that each resize so far put in front.
    pub(crate) resizes: Vec<Vec<HeaderId>>,
    /// The member that is looked at next is a place to assign, and not read.
    pub(crate) assigned: bool,
    /// The member that is being read, and of which variable.
    pub(crate) member: Option<(LocalId, Name)>,
    /// Variables declared `final`.
    pub(crate) finals: BTreeSet<LocalId>,
    /// Inside an operand of `==`: a verdict there is not an answer.
    pub(crate) comparing: u32,
    /// Whether the body may only answer, and its role: `malformed`, `exhausted`.
    pub(crate) only_answers: Option<&'static str>,
    /// Whether this is the body of a test.
    pub(crate) test: bool,
    /// Whether only what can be computed from fields and constants is allowed.
    pub(crate) fields_only: bool,
    /// Something in it could not be judged, so nothing is said of paths.
    pub(crate) unknown_flow: bool,
    /// The `switch`es around the present point.
    pub(crate) barriers: Vec<crate::switch::Barrier>,
    /// Lookups so far: the resource, the source text of the key, and the place.
    pub(crate) reads: Vec<(crate::tables::ResourceId, String, Span)>,
    /// The stores at hand change no sum of the packet.
    pub(crate) keeps_sums: bool,
    /// Names that a pattern in error binds.
    pub(crate) unknown_binds: Vec<(Name, LocalId)>,
}

/// A generic declaration and type arguments as they are written.
pub(crate) type Wanted = (DeclId, Vec<String>);

/// What is known of the groups that are checked.
#[derive(Clone, Default, Debug)]
pub(crate) struct Known {
    t: Tables,
    diags: Diags,
    packages: Vec<Arc<Package>>,
    units: Vec<Arc<UnitScope>>,
    owners: SharedVec<OwnerId, Owner>,
    owner_by_decl: SharedMap<DeclId, Option<OwnerId>>,
    const_info: SharedVec<ConstId, ConstInfo>,
    method_info: SharedVec<MethodId, MethodInfo>,
    generic_methods: BTreeMap<(Ty, Name), MethodId>,
    wanted: Vec<Wanted>,
    chain_progress: BTreeMap<FunctionId, Progress>,
    warnings: Vec<Diagnostic>,
    votes: AllVotes,
}

impl Known {
    /// Of no group: the reasons that every program has.
    fn new() -> Known {
        let mut known = Known::default();
        for name in REASONS {
            known.t.reasons.push(ReasonDef {
                name: (*name).to_string(),
                text: name.to_lowercase().replace('_', " "),
            });
        }
        known
    }

    /// Shares everything that is large: copies have it too, and take no time.
    fn share(&mut self) {
        self.t.share();
        self.owners.share();
        self.owner_by_decl.share();
        self.const_info.share();
        self.method_info.share();
    }
}

/// How many rows there were before the present group.
#[derive(Clone, Copy)]
pub(crate) struct Before {
    pub(crate) units: usize,
    pub(crate) owners: usize,
    pub(crate) consts: usize,
    pub(crate) methods: usize,
}

/// Everything the passes share.
pub(crate) struct Checker<'a> {
    pub(crate) ast: &'a Ast,
    pub(crate) names: &'a Names,
    pub(crate) program: &'a Program,
    /// The files that are checked now.
    pub(crate) group: &'a Group<'a>,
    pub(crate) before: Before,
    pub(crate) t: Tables,
    pub(crate) diags: Diags,
    pub(crate) packages: Vec<Arc<Package>>,
    /// The files of all groups so far, in the order of their checking.
    pub(crate) units: Vec<Arc<UnitScope>>,
    pub(crate) owners: SharedVec<OwnerId, Owner>,
    pub(crate) owner_by_decl: SharedMap<DeclId, Option<OwnerId>>,
    pub(crate) const_info: SharedVec<ConstId, ConstInfo>,
    pub(crate) method_info: SharedVec<MethodId, MethodInfo>,
    /// Methods of generic types, by the type with its arguments.
    pub(crate) generic_methods: BTreeMap<(Ty, Name), MethodId>,
    /// Generic declarations that need nodes for further type arguments.
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) body: Body,
    /// Bodies that wait for the present one.
    pub(crate) waiting: u32,
    /// How far the chains are.
    pub(crate) chain_progress: BTreeMap<FunctionId, Progress>,
    /// Warnings, which are only worth saying of a program without errors.
    pub(crate) warnings: Vec<Diagnostic>,
    /// What the uses of records say of the order of their bytes.
    votes: AllVotes,
}

/// How many bodies and constants may wait for each other.
pub(crate) const NESTING_MAX: u32 = 24;

/// Checking recurses over the tree, and over calls; the parser bounds the one, [`NESTING_MAX`] the other.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Checks a program on a stack that is deep enough for the deepest tree, or on the present one where
/// the system has no threads.
pub(crate) fn run(program: &Program, diags: &mut Diags) -> (Tables, Vec<Wanted>) {
    let check = || check_groups(program);
    let known = std::thread::scope(|scope| {
        let deep = std::thread::Builder::new()
            .name("check".to_string())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, check);
        match deep.map(|thread| thread.join()) {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => check(),
        }
    });
    let mut found = known.diags.into_vec();
    // The root file comes first for whoever reads, and the library last.
    found.sort_by_key(|finding| {
        let file = finding.labels.first().map(|label| label.span.file);
        file.map(|file| (program.sources.is_shared(file), file))
    });
    for finding in found {
        diags.push(finding);
    }
    (known.t, known.wanted)
}

/// Checks one group after the other, from the last on that is known.
fn check_groups(program: &Program) -> Known {
    let (last, groups) = groups(program);
    let mut files = Vec::new();
    let mut known = Known::new();
    for group in &groups {
        let units = group.units.iter().map(|&unit| &program.ast.units[unit]);
        files.extend(units.map(|unit| unit.span.file));
        if let Some(kept) = group.kept.and_then(|kept| kept.get(&files)) {
            known = (*kept).clone();
            continue;
        }
        let mut checker = Checker::new(program, group, known);
        checker.check();
        known = checker.known();
        // Copies have nodes that other programs have not.
        let is_alone = known.wanted.is_empty() && program.copies.is_empty();
        if let Some(kept) = group.kept.filter(|_| is_alone) {
            known.share();
            kept.set(files.clone(), Arc::new(known.clone()));
        }
    }
    let mut checker = Checker::new(program, &last, known);
    checker.check();
    checker.finish();
    checker.known()
}

impl<'a> Checker<'a> {
    fn new(program: &'a Program, group: &'a Group<'a>, known: Known) -> Checker<'a> {
        Checker {
            ast: &program.ast,
            names: &program.names,
            program,
            group,
            before: Before {
                units: known.units.len(),
                owners: known.owners.len(),
                consts: known.t.consts.len(),
                methods: known.t.methods.len(),
            },
            t: known.t,
            diags: known.diags,
            packages: known.packages,
            units: known.units,
            owners: known.owners,
            owner_by_decl: known.owner_by_decl,
            const_info: known.const_info,
            method_info: known.method_info,
            generic_methods: known.generic_methods,
            wanted: known.wanted,
            body: Body::default(),
            waiting: 0,
            chain_progress: known.chain_progress,
            warnings: known.warnings,
            votes: known.votes,
        }
    }

    fn known(self) -> Known {
        Known {
            t: self.t,
            diags: self.diags,
            packages: self.packages,
            units: self.units,
            owners: self.owners,
            owner_by_decl: self.owner_by_decl,
            const_info: self.const_info,
            method_info: self.method_info,
            generic_methods: self.generic_methods,
            wanted: self.wanted,
            chain_progress: self.chain_progress,
            warnings: self.warnings,
            votes: self.votes,
        }
    }

    /// Checks the present group.
    fn check(&mut self) {
        self.collect_types();
        self.import_types();
        self.find_one_ofs();
        self.collect_members();
        self.import_members();
        self.declare_types();
        self.lay_out_headers();
        self.lay_out_one_ofs();
        self.declare_resource_kinds();
        self.declare_functions();
        self.declare_methods();
        self.check_bounds();
        self.check_implementations();
        self.settle_consts();
        self.settle_headers();
        self.check_methods();
        self.check_functions();
        self.check_authority();
        self.check_chains();
        self.check_annotations();
        self.check_tests();
        if !self.diags.has_errors() {
            crate::order::vote_all(self.ast, &self.t, &self.group.nodes, &mut self.votes);
        }
    }

    /// Settles what all groups have a say in, and warns. Warnings of other files than the root are said when those are checked.
    fn finish(&mut self) {
        if self.diags.has_errors() {
            return;
        }
        crate::order::settle(&mut self.t, &self.votes);
        self.warn_unused();
        self.warn_pointless();
        self.warn_fragments();
        let root = self.program.root();
        let mut warnings = std::mem::take(&mut self.warnings);
        let file = |w: &Diagnostic| w.labels.first().map(|label| label.span.file);
        warnings.retain(|w| file(w).is_none() || file(w) == root);
        warnings.sort_by_key(|w| w.labels.first().map(|label| label.span));
        for warning in warnings {
            self.report(warning);
        }
    }

    /// Reports a finding.
    pub(crate) fn report(&mut self, finding: Diagnostic) {
        self.diags.push(finding);
    }

    /// A finding at a place.
    pub(crate) fn at(&self, code: &'static Code, span: Span) -> Diagnostic {
        Diagnostic::new(code, span)
    }

    /// Notes a finding with the name that was probably meant in the place of another.
    pub(crate) fn meant(finding: Diagnostic, span: Span, near: &str) -> Diagnostic {
        finding.fix(
            format!("did you mean `{near}`?"),
            [(span, near.to_string())],
        )
    }

    /// Refuses a construct that this release does not have.
    pub(crate) fn refuse(&mut self, what: &str, span: Span) {
        let finding = Diagnostic::new(&nfl_abi::codes::E290, span)
            .message(format!("{what} not supported in this release"))
            .label("here");
        self.report(finding);
    }

    /// The text of a name.
    pub(crate) fn text(&self, name: Name) -> &'a str {
        self.names.text(name)
    }

    /// The type of this kind.
    pub(crate) fn ty(&mut self, kind: TyKind) -> Ty {
        self.t.types.intern(kind)
    }

    /// `boolean`.
    pub(crate) fn boolean(&mut self) -> Ty {
        self.ty(TyKind::Bool)
    }

    /// What a type is.
    pub(crate) fn kind(&self, ty: Ty) -> TyKind {
        self.t.types.kind(ty)
    }

    /// A type as it is written.
    pub(crate) fn show(&self, ty: Ty) -> String {
        if let TyKind::OneOf(id) = self.kind(ty) {
            return self.text(self.t.one_of[id].name).to_string();
        }
        if let TyKind::BodyOfOne(id) = self.kind(ty) {
            return format!("{}.body", self.text(self.t.one_of[id].name));
        }
        let headers = &self.t.headers;
        self.t
            .types
            .show(ty, self.names, &|header| headers[header].name)
    }

    /// The tokens of an expression.
    pub(crate) fn span(&self, e: ExprId) -> Span {
        self.ast.exprs[e].span
    }

    /// The source text of an expression, for messages.
    pub(crate) fn source(&self, e: ExprId) -> &'a str {
        self.program.sources.text(self.ast.exprs[e].span)
    }

    /// Notes an expression's type and answers it.
    pub(crate) fn set_ty(&mut self, e: ExprId, ty: Ty) -> Ty {
        self.t.expr_ty.set(e, ty);
        ty
    }

    /// Notes what an expression names.
    pub(crate) fn set_res(&mut self, e: ExprId, res: Res) {
        self.t.expr_res.set(e, res);
    }

    /// Notes an expression's value.
    pub(crate) fn set_konst(&mut self, e: ExprId, value: Option<Konst>) {
        self.t.konst.set(e, value);
    }

    /// A new variable, not yet in scope.
    pub(crate) fn new_local(&mut self, name: Option<Name>, span: Span, ty: Ty) -> LocalId {
        self.t.locals.push(Local {
            name,
            span,
            ty,
            fields_used: 0,
            behind_used: false,
        })
    }

    /// Brings a variable into scope; a second one of the same name is refused.
    pub(crate) fn declare(&mut self, name: Ident, local: LocalId) {
        if let Some(earlier) = self.in_scope(name.name) {
            let earlier = self.t.locals[earlier].span;
            let finding = self
                .at(&nfl_abi::codes::E202, name.span)
                .message(format!("`{}` is declared twice", self.text(name.name)))
                .label("this would hide the other one")
                .also(earlier, "declared here first");
            self.report(finding);
        }
        self.body.scope.push((name.name, local));
    }

    /// The variable of this name.
    pub(crate) fn in_scope(&self, name: Name) -> Option<LocalId> {
        let scope = self.body.scope.iter().rev();
        scope.copied().find(|(n, _)| *n == name).map(|(_, l)| l)
    }

    /// Sets the present body aside and runs a pass in another.
    pub(crate) fn within<R>(&mut self, body: Body, pass: impl FnOnce(&mut Self) -> R) -> R {
        let outer = std::mem::replace(&mut self.body, body);
        self.waiting += 1;
        let result = pass(self);
        self.waiting -= 1;
        self.body = outer;
        result
    }

    /// A body of this owner.
    pub(crate) fn body_of(&self, owner: OwnerId) -> Body {
        Body {
            unit: self.owners[owner].unit,
            owner: Some(owner),
            ..Body::default()
        }
    }

    /// The function around the present body.
    pub(crate) fn function(&self) -> Option<FunctionId> {
        match self.owners[self.body.owner?].kind {
            OwnerKind::Function(f) => Some(f),
            _ => None,
        }
    }

    /// Notes that the present body does something that needs a right.
    pub(crate) fn act(&mut self, right: Right, span: Span, deed: impl Into<String>) {
        self.body
            .summary
            .acts
            .entry(right)
            .or_insert_with(|| (span, deed.into()));
    }

    /// The owners of the present group, to walk while they are being changed.
    pub(crate) fn owner_ids(&self) -> Vec<OwnerId> {
        let all = self.before.owners..self.owners.len();
        all.map(OwnerId::new).collect()
    }

    /// The files of the present group, with their numbers among all.
    pub(crate) fn group_units(&self) -> impl Iterator<Item = (usize, &'a Unit)> + use<'a> {
        let (ast, group) = (self.ast, self.group);
        let units = group.units.iter().map(|&unit| &*ast.units[unit]);
        (self.before.units..).zip(units)
    }

    /// Whether an owner is declared in the root file.
    pub(crate) fn is_of_root(&self, owner: OwnerId) -> bool {
        Some(self.ast.decls[self.owners[owner].decl].span.file) == self.program.root()
    }
}
