//! What checking found out, keyed by the numbers of the tree's nodes.
//!
//! In: nothing; the checker fills it. Out: what lowering and the editor read. Guaranteed for a
//! `Sound` program: every expression has a type, every name and call a resolution, every pattern
//! its meaning.

use crate::builtin::Intrinsic;
use crate::test::{TestDef, TestOp};
use crate::ty::{Len, Ty, Types};
use nfl_abi::image::{ResourceKind, Rights, VerdictKind};
use nfl_abi::{Layer, Role};
use nfl_syntax::arena::{SharedMap, SharedVec};
use nfl_syntax::ast::{DeclId, ExprId, PatId, StmtId};
use nfl_syntax::{Name, Names, Span};

nfl_syntax::entity! {
    /// A header declaration.
    pub struct HeaderId = "header";
    /// A record with its type arguments.
    pub struct RecordId = "record";
    /// An enum.
    pub struct EnumId = "enum";
    /// A sealed interface of records with its type arguments.
    pub struct SealedId = "sealed";
    /// A sealed interface of headers.
    pub struct OneOfId = "oneof";
    /// A resource of a function.
    pub struct ResourceId = "resource";
    /// A `function` or `chain` declaration, or a connection of a graph.
    pub struct FunctionId = "function";
    /// A `graph` declaration.
    pub struct GraphId = "graph";
    /// A method of a function, class or header.
    pub struct MethodId = "method";
    /// A named constant.
    pub struct ConstId = "const";
    /// A local variable, parameter of a method or handler, or pattern binding.
    pub struct LocalId = "local";
    /// A parameter of a function's header.
    pub struct TemplateId = "template";
    /// A `carried` field.
    pub struct CarriedId = "carried";
    /// A drop or punt reason; the standard ones come first, in the order of `nfl_abi::image::REASONS`.
    pub struct ReasonId = "reason";
    /// A method of a sealed interface.
    pub struct DispatchId = "dispatch";
}

/// Results of checking.
#[derive(Clone, Default, Debug)]
pub struct Tables {
    /// All types.
    pub types: Types,
    /// The type of each expression; a literal's is the one its context asks for.
    pub expr_ty: SharedMap<ExprId, Ty>,
    /// What a name, field, constructor or call means.
    pub expr_res: SharedMap<ExprId, Res>,
    /// For a place that is an address field: the view whose pseudo-header holds it, if there is one.
    pub transport: SharedMap<ExprId, Option<LocalId>>,
    /// The value of each expression that is constant whatever the parameters are.
    pub konst: SharedMap<ExprId, Option<Konst>>,
    /// The arguments of a call or constructor in the order of its parameters, defaults filled in,
    /// wherever they may be named or left out.
    pub args: SharedMap<ExprId, Option<Vec<ExprId>>>,
    /// The headers under construction that are the argument of `push` or `append`.
    pub stacks: SharedMap<ExprId, Option<Vec<Built>>>,
    /// The views whose lengths move with a call of `append` or `cut`.
    pub kept: SharedMap<ExprId, Option<Vec<LocalId>>>,
    /// The layer at which a pattern behind a resize begins.
    pub pat_layer: SharedMap<PatId, Option<Layer>>,
    /// What each pattern means.
    pub pats: SharedMap<PatId, PatInfo>,
    /// The variables that a `Local` (in order), `ForEach` (one) statement declares.
    pub stmt_locals: SharedMap<StmtId, Vec<LocalId>>,
    /// Headers of all files.
    pub headers: SharedVec<HeaderId, Header>,
    /// Records, one row for each set of type arguments.
    pub records: SharedVec<RecordId, RecordDef>,
    /// Enums of all files.
    pub enums: SharedVec<EnumId, EnumDef>,
    /// Sealed interfaces of records, one row for each set of type arguments.
    pub sealed: SharedVec<SealedId, SealedDef>,
    /// Sealed interfaces of headers.
    pub one_of: SharedVec<OneOfId, OneOfDef>,
    /// Resources of all functions.
    pub resources: SharedVec<ResourceId, ResourceDef>,
    /// Functions of all files.
    pub functions: SharedVec<FunctionId, FunctionDef>,
    /// Graphs of all files.
    pub graphs: SharedVec<GraphId, GraphDef>,
    /// Methods of all files.
    pub methods: SharedVec<MethodId, Method>,
    /// Constants of all files.
    pub consts: SharedVec<ConstId, ConstDef>,
    /// Variables of all bodies.
    pub locals: SharedVec<LocalId, Local>,
    /// Parameters of all functions.
    pub templates: SharedVec<TemplateId, Template>,
    /// Memory that travels with packets, of all functions.
    pub carried: SharedVec<CarriedId, Carried>,
    /// Reasons of all files.
    pub reasons: SharedVec<ReasonId, ReasonDef>,
    /// The tests of the root file, in the order of the source.
    pub tests: Vec<TestDef>,
    /// Methods of sealed interfaces that are called: the method of each member, in their order.
    pub dispatches: SharedVec<DispatchId, Vec<MethodId>>,
}

impl Tables {
    /// Shares all rows that there are: copies have them too, and take no time.
    pub(crate) fn share(&mut self) {
        let Tables {
            types,
            expr_ty,
            expr_res,
            transport,
            konst,
            args,
            stacks,
            kept,
            pat_layer,
            pats,
            stmt_locals,
            headers,
            records,
            enums,
            sealed,
            one_of,
            resources,
            functions,
            graphs,
            methods,
            consts,
            locals,
            templates,
            carried,
            reasons,
            tests: _,
            dispatches,
        } = self;
        types.share();
        expr_ty.share();
        expr_res.share();
        transport.share();
        konst.share();
        args.share();
        stacks.share();
        kept.share();
        pat_layer.share();
        pats.share();
        stmt_locals.share();
        headers.share();
        records.share();
        enums.share();
        sealed.share();
        one_of.share();
        resources.share();
        functions.share();
        graphs.share();
        methods.share();
        consts.share();
        locals.share();
        templates.share();
        carried.share();
        reasons.share();
        dispatches.share();
    }
}

/// What an expression names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Res {
    /// Nothing: an operator or literal, or an error that was reported.
    #[default]
    None,
    /// A variable or view.
    Local(LocalId),
    /// A parameter of the function.
    Template(TemplateId),
    /// A constant.
    Const(ConstId),
    /// A `carried` field of the function.
    Carried(CarriedId),
    /// A resource of the function.
    Resource(ResourceId),
    /// A field of the view that `base` evaluates to: `ip.ttl`.
    Field { header: HeaderId, field: u32 },
    /// In `valid`, a field's length or a header's method: a field of this header. In `follows`: `this.field`.
    OwnField { header: HeaderId, field: u32 },
    /// In `follows`: a plain name, a field of the previous header. In `before`: of this header, which is the previous one.
    ParentField { header: HeaderId, field: u32 },
    /// In `follows Packet`: `layer`; its two values are constants of type `Layer`.
    Layer,
    /// `LINK` or `NETWORK`.
    LayerConst(Layer),
    /// A call of a method: `helper(x)`, `Serial.before(a, b)`, `ip.isFragment()` (the receiver is `base`).
    Method(MethodId),
    /// A builtin: see `builtin.rs`. Receivers are the `base` of the expression.
    Intrinsic(Intrinsic),
    /// A header under construction.
    Built(HeaderId),
    /// A verdict: `Pass`, `Drop(POLICY)`.
    Verdict(VerdictKind),
    /// A reason as a value.
    Reason(ReasonId),
    /// `Ip4(x)`, `Port(3)`: the one argument as another type, zero-extended or cut; `Ip6(high, low)`.
    Convert,
    /// What only tests may say.
    Test(TestOp),
    /// A constant of an enum; its number is its constant value.
    EnumConst(EnumId),
    /// `Duration.MAX`, `u8.MIN`: its number is its constant value.
    Limit,
    /// A record made of `Tables.args`.
    Record(RecordId),
    /// A component of the record that `base` evaluates to: `hop.port`.
    Component(u32),
    /// In a method of a record: a component of `this`.
    OwnComponent { this: LocalId, index: u32 },
    /// A call of a method that each member of a sealed interface has for itself; the receiver is `base`.
    Dispatch(DispatchId),
}

/// A value known at compile time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Konst {
    /// A truth value.
    Bool(bool),
    /// A number, quantity, port, group, node, IPv4 or MAC address.
    Int(i128),
    /// An IPv6 address.
    Ip6(u128),
    /// An IPv4 prefix; the bits behind `len` are zero.
    Prefix4 { addr: u32, len: u8 },
    /// An IPv6 prefix; the bits behind `len` are zero.
    Prefix6 { addr: u128, len: u8 },
    /// The elements of an array.
    Array(Vec<Konst>),
    /// A text.
    Text(Vec<u8>),
    /// A reason.
    Reason(ReasonId),
    /// A record and its components.
    Record(RecordId, Vec<Konst>),
}

/// A header under construction.
#[derive(Clone, Debug)]
pub struct Built {
    /// The header.
    pub header: HeaderId,
    /// Where it is written.
    pub span: Span,
    /// The fields that are not zero, in order, without those that the compiler keeps.
    pub fields: Vec<(u32, BuiltField)>,
}

/// The value of a field under construction.
#[derive(Clone, Debug)]
pub enum BuiltField {
    /// As written.
    Expr(ExprId),
    /// By default, or because of what follows.
    Konst(Konst),
}

/// What a pattern means.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum PatInfo {
    /// Nothing, or an error that was reported.
    #[default]
    None,
    /// Matches everything: `_`.
    Any,
    /// Matches everything and gives it a name.
    Bind(LocalId),
    /// Layers from the outside in; matched against `pkt`, or against `view.body` when the value is one.
    Layers(Vec<LayerStep>),
    /// A constant of a `switch` over numbers, addresses or booleans; a prefix stands for its interval.
    Const(Konst),
    /// An interval, both ends included.
    Range(Konst, Konst),
    /// A record: `Hit(var x)`, `Miss`. Matched against a value of its type, or of a sealed interface.
    Record {
        /// The record.
        record: RecordId,
        /// Its place among the members, when the value is of a sealed interface.
        member: Option<u32>,
        /// Patterns of the components; none when nothing is asked of them.
        args: Vec<PatId>,
        /// The whole value's name.
        local: Option<LocalId>,
    },
    /// What becomes of a packet: `Drop`, `Forward(var port)`.
    Verdict {
        /// Which.
        kind: VerdictKind,
        /// The pattern of its reason, port, group or node; none when nothing is asked of it.
        arg: Option<PatId>,
    },
}

/// One layer of a pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LayerStep {
    /// The header; of several, the first.
    pub header: HeaderId,
    /// Where any header of a sealed interface may stand.
    pub one_of: Option<OneOfId>,
    /// In brackets: may be absent.
    pub optional: bool,
    /// The view it binds. A layer without a name has a local too, so that its uses can be noted.
    pub local: LocalId,
    /// Where it is written.
    pub span: Span,
}

/// A header: layout and place in the parse graph.
#[derive(Clone, Debug)]
pub struct Header {
    /// Its name.
    pub name: Name,
    /// With its package.
    pub qualified: String,
    /// Its declaration.
    pub decl: DeclId,
    /// Fields in order: the fixed part, then variable arrays.
    pub fields: Vec<Field>,
    /// Size of the fixed part in bytes.
    pub fixed_bytes: u32,
    /// Where it may stand, from `follows` here and `before` elsewhere.
    pub edges: Vec<Edge>,
    /// The conjuncts of `valid when`.
    pub valid: Vec<Conjunct>,
    /// Fields on which a length of a variable field depends, one bit each.
    pub placing: u64,
    /// Fields that a length, `valid` or an edge to this header depends on; one bit each.
    pub shape: u64,
    /// Whether numbers are little-endian on the wire.
    pub little_endian: bool,
}

/// A field of a header.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: Name,
    /// Where it is declared.
    pub span: Span,
    /// Its type: numbers, boolean, addresses; for variable arrays the type of an element.
    pub ty: Ty,
    /// Bits from the start of the header; for variable arrays the end of the fixed part.
    pub bit_offset: u32,
    /// Its width in bits; 0 for variable arrays.
    pub bits: u32,
    /// For a variable array: how many elements, over `OwnField`s, in u32.
    pub len: Option<ExprId>,
    /// How the compiler keeps it.
    pub derived: Option<Derived>,
    /// Whether its number is little-endian on the wire, if it is whole bytes.
    pub little_endian: bool,
    /// For builders.
    pub default: Option<ExprId>,
}

/// What a `derived` field is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Derived {
    /// `Length.from(this)`: bytes from this header's start to the end of what it carries.
    LengthFrom,
    /// `Length.after(this)`: bytes behind this header's fixed part.
    LengthAfter,
    /// `Checksum.of(this)`: over the header.
    ChecksumOf,
    /// `Checksum.withPseudoHeader(this)`: over the pseudo-header, header and body.
    ChecksumWithPseudoHeader,
    /// `Checksum.over(this)`: over header and body.
    ChecksumOver,
}

/// One way to stand behind another header.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The header before; `None` for the packet itself.
    pub parent: Option<HeaderId>,
    /// The condition, over `ParentField`, `OwnField` (look-ahead) and `Layer`.
    pub when: Option<ExprId>,
    /// For edges from the packet: the layer that its condition names, if it names one.
    pub layer: Option<Layer>,
    /// Fields of the header before that its condition mentions, one bit each.
    pub asks: u64,
    /// Where it is declared.
    pub span: Span,
}

/// A conjunct of `valid when`.
#[derive(Clone, Copy, Debug)]
pub struct Conjunct {
    /// The condition, over `OwnField`s.
    pub cond: ExprId,
    /// The fields it mentions, one bit each.
    pub fields: u64,
}

/// A record with its type arguments.
#[derive(Clone, Debug)]
pub struct RecordDef {
    /// Its name.
    pub name: Name,
    /// With its package.
    pub qualified: String,
    /// Its declaration.
    pub decl: DeclId,
    /// Its type arguments.
    pub args: Vec<Ty>,
    /// Its components in order.
    pub components: Vec<Component>,
}

/// A component of a record.
#[derive(Clone, Debug)]
pub struct Component {
    /// Its name.
    pub name: Name,
    /// Where it is declared.
    pub span: Span,
    /// Its type.
    pub ty: Ty,
    /// `= …`
    pub default: Option<ExprId>,
    /// Whether its bytes lie most significant first in memory, which numbers do whose uses all agree on it.
    pub wire: bool,
}

/// An enum.
#[derive(Clone, Debug)]
pub struct EnumDef {
    /// Its name.
    pub name: Name,
    /// With its package.
    pub qualified: String,
    /// Its declaration.
    pub decl: DeclId,
    /// The constants and their numbers, in the order of the source.
    pub consts: Vec<(Name, i128)>,
}

/// A sealed interface of records with its type arguments.
#[derive(Clone, Debug)]
pub struct SealedDef {
    /// Its name.
    pub name: Name,
    /// With its package.
    pub qualified: String,
    /// Its declaration.
    pub decl: DeclId,
    /// Its type arguments.
    pub args: Vec<Ty>,
    /// Its members in the order of `permits`; a value's tag is the place of its member.
    pub members: Vec<RecordId>,
}

/// A sealed interface of headers.
#[derive(Clone, Debug)]
pub struct OneOfDef {
    /// Its name.
    pub name: Name,
    /// Its declaration.
    pub decl: DeclId,
    /// Its members in the order of `permits`.
    pub members: Vec<HeaderId>,
    /// Fields that all members have at the same place: the field's number in each member.
    pub fields: Vec<(Name, Vec<u32>)>,
}

/// A resource: state on the node that a function names.
#[derive(Clone, Debug)]
pub struct ResourceDef {
    /// Its name.
    pub name: Name,
    /// Where it is declared.
    pub span: Span,
    /// With function and package: `acme.edge.Nat44.ports`.
    pub qualified: String,
    /// What it is.
    pub kind: ResourceKind,
    /// The type of its keys.
    pub key: Option<Ty>,
    /// The type of its values.
    pub value: Option<Ty>,
    /// How many entries it holds: a constant or a parameter; none where the kind has no capacity.
    pub capacity: Option<ExprId>,
    /// After how long unused entries are gone: a constant or a parameter.
    pub idle: Option<ExprId>,
    /// For slots: the range of their numbers, an [`ExprKind::Range`](nfl_syntax::ast::ExprKind::Range).
    pub slots: Option<ExprId>,
    /// For arrays of registers and counters: how many.
    pub count: Option<Len>,
}

/// A `function`.
#[derive(Clone, Debug)]
pub struct FunctionDef {
    /// Its name.
    pub name: Name,
    /// With its package: `acme.edge.Segment`.
    pub qualified: String,
    /// Its declaration.
    pub decl: DeclId,
    /// Its parameters in order.
    pub params: Vec<TemplateId>,
    /// Its `carried` fields in order.
    pub carried: Vec<CarriedId>,
    /// Its resources in order.
    pub resources: Vec<ResourceId>,
    /// Its handlers that run on packets or timers, in the order of their roles.
    pub handlers: Vec<Handler>,
    /// `on malformed`.
    pub malformed: Option<Tail>,
    /// `on exhausted`.
    pub exhausted: Option<Tail>,
    /// What `uses` says, or what was inferred.
    pub uses: Rights,
    /// `passes N`, else 1.
    pub passes: u8,
    /// `@Budget(…)`
    pub budget: Option<Budget>,
    /// For a chain: its stages in order, those of inner chains in their place. Empty for a function.
    pub stages: Vec<StageDef>,
}

/// A stage of a chain: a function with its parameters.
#[derive(Clone, Debug)]
pub struct StageDef {
    /// The function; no chain.
    pub function: FunctionId,
    /// Its name, with a number behind it from the second stage of that function on.
    pub name: String,
    /// What each of its parameters is.
    pub args: Vec<(TemplateId, StageArg)>,
    /// Where it is written.
    pub span: Span,
}

/// What a parameter of a stage is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StageArg {
    /// A value that is known.
    Value(Konst),
    /// A parameter of the chain.
    Param(TemplateId),
}

/// A graph: services, and what connects them.
#[derive(Clone, Debug)]
pub struct GraphDef {
    /// Its name.
    pub name: Name,
    /// With its package.
    pub qualified: String,
    /// Its declaration.
    pub decl: DeclId,
    /// Its parameters in order, then those that whoever deploys it fills in: `Web.prefix`.
    pub params: Vec<TemplateId>,
    /// Its services in order.
    pub services: Vec<ServiceDef>,
    /// What is connected; what is not stands nowhere.
    pub connections: Vec<Connection>,
}

/// A service of a graph.
#[derive(Clone, Debug)]
pub struct ServiceDef {
    /// Its name.
    pub name: Name,
    /// Who it is: the identity that a program is bound to.
    pub identity: String,
    /// Where it is declared.
    pub span: Span,
}

/// One `connect` of a graph.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Who may open flows; `None` for `Any`.
    pub from: Option<u32>,
    /// To whom; `None` for `Any`.
    pub to: Option<u32>,
    /// The contract with the services in between, as a chain.
    pub contract: FunctionId,
    /// Where it is written.
    pub span: Span,
}

/// What a function may cost, by `@Budget`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Where it is written.
    pub span: Span,
    /// Code, constants and `carried` memory of one image.
    pub bytes: Option<u32>,
    /// The worst case of one handler.
    pub steps: Option<u32>,
}

/// A handler that a node calls.
#[derive(Clone, Debug)]
pub struct Handler {
    /// When it runs.
    pub role: Role,
    /// Where the packet begins.
    pub layer: Layer,
    /// Its declaration, with the body.
    pub decl: DeclId,
    /// The packet, for all but timers.
    pub packet: Option<LocalId>,
    /// For timers of a chain: the number of the stage.
    pub stage: u32,
    /// For timers, in nanoseconds; 0 where a parameter says it.
    pub period_ns: u64,
    /// The parameter that says the period of a timer.
    pub period: Option<TemplateId>,
    /// What it does to the network, methods included.
    pub effects: Rights,
}

/// `on malformed` or `on exhausted`.
#[derive(Clone, Debug)]
pub struct Tail {
    /// Its declaration, with the body.
    pub decl: DeclId,
    /// The packet.
    pub packet: Option<LocalId>,
    /// What it does to the network.
    pub effects: Rights,
}

/// A method; methods are inlined where they are called.
#[derive(Clone, Debug)]
pub struct Method {
    /// Its name.
    pub name: Name,
    /// Its declaration, with the body.
    pub decl: DeclId,
    /// For a method of a header: the header of its `this`.
    pub this: Option<HeaderId>,
    /// For a method of a record, enum or sealed interface: its `this`.
    pub receiver: Option<LocalId>,
    /// Its parameters in order.
    pub params: Vec<LocalId>,
    /// `in` of each parameter: the smallest and the largest value.
    pub ranges: Vec<Option<(i128, i128)>>,
    /// Its result; `None` for `void`.
    pub result: Option<Ty>,
    /// What it does to the network.
    pub effects: Rights,
}

/// A named constant.
#[derive(Clone, Debug)]
pub struct ConstDef {
    /// Its name.
    pub name: Name,
    /// Where it is declared.
    pub span: Span,
    /// Its type.
    pub ty: Ty,
    /// Its value; `None` after an error.
    pub value: Option<Konst>,
}

/// A variable, parameter or binding.
#[derive(Clone, Debug)]
pub struct Local {
    /// Its name; `None` for a layer without one.
    pub name: Option<Name>,
    /// Where it is declared.
    pub span: Span,
    /// Its type; a header type for views.
    pub ty: Ty,
    /// For views: the fields that expressions in its scope use, one bit each, methods of the header included.
    /// For one of several headers: fields of its interface.
    pub fields_used: u64,
    /// For views: whether something behind its fixed part is used (a variable array, `body`, a further layer).
    pub behind_used: bool,
}

/// A parameter of a function.
#[derive(Clone, Debug)]
pub struct Template {
    /// Its name; for what a graph knows of a service later, the service's.
    pub name: Name,
    /// What is known of a service later: `prefix` in `Web.prefix`.
    pub member: Option<Name>,
    /// Where it is declared.
    pub span: Span,
    /// Its type.
    pub ty: Ty,
    /// Filled in after compilation.
    pub late: bool,
    /// `in`: the smallest and the largest value, both included.
    pub range: Option<(i128, i128)>,
    /// The parts of what stands behind `in`; empty without it.
    pub within: Vec<Within>,
    /// `=`
    pub default: Option<Konst>,
}

impl Template {
    /// The name as it is set: `port`, `Web.prefix`.
    pub fn text(&self, names: &Names) -> String {
        let name = names.text(self.name);
        match self.member {
            Some(member) => format!("{name}.{}", names.text(member)),
            None => name.to_string(),
        }
    }
}

/// A part of what the values of a parameter lie in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Within {
    /// Numbers and addresses from the first to the second, both included.
    Range(i128, i128),
    /// Addresses and prefixes under a prefix; for IPv4 the length has 96 added.
    Under {
        /// The network.
        addr: u128,
        /// How many bits are fixed, of 128.
        len: u8,
    },
}

/// A `carried` field.
#[derive(Clone, Debug)]
pub struct Carried {
    /// Its name.
    pub name: Name,
    /// Where it is declared.
    pub span: Span,
    /// Its type: a number, boolean, address or an array of them.
    pub ty: Ty,
    /// What it holds when a flow's packet starts; zeros when `None`.
    pub init: Option<Initial>,
}

/// What memory that travels with a packet holds at first.
#[derive(Clone, PartialEq, Debug)]
pub enum Initial {
    /// This value.
    Known(Konst),
    /// The value of a parameter.
    Parameter(TemplateId),
}

/// A reason for dropping or punting.
#[derive(Clone, Debug)]
pub struct ReasonDef {
    /// The constant's name: `POLICY`.
    pub name: String,
    /// The text for people.
    pub text: String,
}
