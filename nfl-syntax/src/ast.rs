//! The syntax tree: nodes in numbered arenas, one set of arenas for all files of a program.
//!
//! Names are as written; nothing is resolved. Broken parts are `Error` nodes, so there is always a
//! tree. Literals hold their value; what type they have is for the checker.

pub(crate) mod build;
pub mod print;
pub mod walk;

pub use build::DEPTH_MAX;

use crate::arena::SharedVec;
use crate::name::Name;
use crate::span::Span;
use std::ops::Range;
use std::sync::Arc;

crate::entity! {
    /// An expression.
    pub struct ExprId = "e";
    /// A statement.
    pub struct StmtId = "s";
    /// A pattern.
    pub struct PatId = "p";
    /// A written type.
    pub struct TypeId = "t";
    /// A declaration: of a file, or a member of another declaration.
    pub struct DeclId = "d";
    /// A parameter of a function, record or method.
    pub struct ParamId = "q";
}

/// A name with its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ident {
    /// The text.
    pub name: Name,
    /// Its token.
    pub span: Span,
}

/// All nodes of a program.
#[derive(Clone, Default, Debug)]
pub struct Ast {
    /// One for each parsed file, in the order of parsing. Programs that have a file with the same text may share it.
    pub units: Vec<Arc<Unit>>,
    /// Expressions.
    pub exprs: SharedVec<ExprId, Expr>,
    /// Statements.
    pub stmts: SharedVec<StmtId, Stmt>,
    /// Patterns.
    pub pats: SharedVec<PatId, Pat>,
    /// Types.
    pub types: SharedVec<TypeId, TypeNode>,
    /// Declarations.
    pub decls: SharedVec<DeclId, Decl>,
    /// Parameters.
    pub params: SharedVec<ParamId, Param>,
}

impl Ast {
    /// All nodes from these numbers on.
    pub(crate) fn nodes_from(&self, first: &Nodes) -> Nodes {
        Nodes {
            decls: first.decls.end..self.decls.len(),
            exprs: first.exprs.end..self.exprs.len(),
            stmts: first.stmts.end..self.stmts.len(),
            pats: first.pats.end..self.pats.len(),
        }
    }

    /// Shares all nodes that there are: copies of the tree have them too, and take no time.
    pub fn share(&mut self) {
        self.exprs.share();
        self.stmts.share();
        self.pats.share();
        self.types.share();
        self.decls.share();
        self.params.share();
    }
}

/// One file.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The whole file.
    pub span: Span,
    /// `package a.b;`, empty when left out.
    pub package: Vec<Ident>,
    /// Imports in order.
    pub imports: Vec<Import>,
    /// Declarations in order.
    pub decls: Vec<DeclId>,
    /// The numbers of its nodes.
    pub nodes: Nodes,
}

/// The numbers of the nodes of a file, of which none lies between them that is another file's.
#[derive(Clone, Default, Debug)]
pub struct Nodes {
    /// Those of its declarations.
    pub decls: Range<usize>,
    /// Those of its expressions.
    pub exprs: Range<usize>,
    /// Those of its statements.
    pub stmts: Range<usize>,
    /// Those of its patterns.
    pub pats: Range<usize>,
}

/// `import static a.b.*;`
#[derive(Clone, Debug)]
pub struct Import {
    /// The statement.
    pub span: Span,
    /// Constants and methods instead of types.
    pub is_static: bool,
    /// The qualified name, without the star.
    pub path: Vec<Ident>,
    /// Everything in it.
    pub star: bool,
}

/// A declaration with what stands before it.
#[derive(Clone, Debug)]
pub struct Decl {
    /// From the first modifier to the last token.
    pub span: Span,
    /// Annotations in order.
    pub annotations: Vec<Annotation>,
    /// Modifiers in order.
    pub modifiers: Vec<(Modifier, Span)>,
    /// What is declared.
    pub kind: DeclKind,
}

/// `@Budget(bytes = 256)`
#[derive(Clone, Debug)]
pub struct Annotation {
    /// With its arguments.
    pub span: Span,
    /// The name behind the `@`.
    pub name: Ident,
    /// The arguments, empty when there are no parentheses.
    pub args: Vec<Arg>,
}

/// A word before a declaration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Modifier {
    /// Visible everywhere.
    Public,
    /// Visible in the enclosing declaration.
    Private,
    /// Of the type, not of a value.
    Static,
    /// Assigned once.
    Final,
    /// Its implementations are all named.
    Sealed,
    /// Travels with the packet.
    Carried,
    /// Kept by the compiler.
    Derived,
    /// Filled in after signing.
    Late,
}

/// What a declaration declares.
#[derive(Clone, Debug)]
pub enum DeclKind {
    /// A place where the parser lost the thread.
    Error,
    /// `function Name(params) uses … passes n implements … { … }`
    Function {
        name: Ident,
        params: Vec<ParamId>,
        uses: Option<Uses>,
        passes: Option<ConstArg>,
        implements: Vec<TypeId>,
        members: Vec<DeclId>,
    },
    /// `header Name follows … { … }`
    Header {
        name: Ident,
        follows: Vec<Follow>,
        implements: Vec<TypeId>,
        members: Vec<DeclId>,
    },
    /// `valid when e;` in a header.
    Valid { cond: ExprId },
    /// `before A when e, …;` in a header.
    Before { follows: Vec<Follow> },
    /// `record Name<T>(params) implements … { … }`
    Record {
        name: Ident,
        type_params: Vec<TypeParam>,
        params: Vec<ParamId>,
        implements: Vec<TypeId>,
        members: Vec<DeclId>,
    },
    /// `enum Name : u8 { A, B = 2; … }`
    Enum {
        name: Ident,
        implements: Vec<TypeId>,
        rep: Option<TypeId>,
        consts: Vec<EnumConst>,
        members: Vec<DeclId>,
    },
    /// `interface Name<T> extends … permits … { … }`
    Interface {
        name: Ident,
        type_params: Vec<TypeParam>,
        extends: Vec<TypeId>,
        permits: Vec<TypeId>,
        members: Vec<DeclId>,
    },
    /// `class Name { … }`
    Class {
        name: Ident,
        type_params: Vec<TypeParam>,
        members: Vec<DeclId>,
    },
    /// `chain Name(params) uses … = A() -> B();`
    Chain {
        name: Ident,
        params: Vec<ParamId>,
        uses: Option<Uses>,
        passes: Option<ConstArg>,
        stages: Vec<Stage>,
    },
    /// `graph Name(params) { … }`
    Graph {
        name: Ident,
        params: Vec<ParamId>,
        items: Vec<GraphItem>,
    },
    /// `T a = 1, B;`: fields, constants, resources, header fields.
    Field { ty: TypeId, vars: Vec<Declarator> },
    /// `T name(params) uses … { … }`; no result for `void`, no body for an interface's method.
    Method {
        result: Option<TypeId>,
        name: Ident,
        params: Vec<ParamId>,
        uses: Option<Uses>,
        body: Option<Vec<StmtId>>,
    },
    /// `on role(params) uses … { … }`
    Handler {
        role: Ident,
        params: Vec<ParamId>,
        uses: Option<Uses>,
        body: Vec<StmtId>,
    },
    /// `on every 10ms uses … { … }`; the period is a literal or a parameter's name.
    Every {
        period: ExprId,
        uses: Option<Uses>,
        body: Vec<StmtId>,
    },
}

impl DeclKind {
    /// The name of what may stand in a file by itself: a function, chain, graph or type.
    pub fn name(&self) -> Option<Ident> {
        match self {
            DeclKind::Function { name, .. }
            | DeclKind::Chain { name, .. }
            | DeclKind::Graph { name, .. }
            | DeclKind::Header { name, .. }
            | DeclKind::Record { name, .. }
            | DeclKind::Enum { name, .. }
            | DeclKind::Interface { name, .. }
            | DeclKind::Class { name, .. } => Some(*name),
            _ => None,
        }
    }
}

/// `uses A, B`
#[derive(Clone, Debug)]
pub struct Uses {
    /// From the word to the last name.
    pub span: Span,
    /// The capabilities.
    pub names: Vec<TypeId>,
}

/// The parent of a header, and when it follows it.
#[derive(Clone, Debug)]
pub struct Follow {
    /// The whole edge.
    pub span: Span,
    /// A [`TypeKind::Named`] without arguments.
    pub parent: TypeId,
    /// `when …`
    pub when: Option<ExprId>,
}

/// `K extends Hashable<K>`
#[derive(Clone, Debug)]
pub struct TypeParam {
    /// The parameter.
    pub name: Ident,
    /// Its bound.
    pub bound: Option<TypeId>,
}

/// `A = 1` in an enum.
#[derive(Clone, Debug)]
pub struct EnumConst {
    /// Annotations in order.
    pub annotations: Vec<Annotation>,
    /// The constant.
    pub name: Ident,
    /// Its number.
    pub value: Option<ExprId>,
}

/// `A(x)` in a chain or behind `by`.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The whole stage.
    pub span: Span,
    /// The function.
    pub ty: TypeId,
    /// Its arguments.
    pub args: Vec<Arg>,
}

/// One line of a graph.
#[derive(Clone, Debug)]
pub enum GraphItem {
    /// A line the parser could not read.
    Error(Span),
    /// `service Web("web.internal");`
    Service {
        span: Span,
        annotations: Vec<Annotation>,
        name: Ident,
        args: Vec<Arg>,
    },
    /// `connect Web -> Cart by Segment(…) via Ids;`
    Connect {
        span: Span,
        annotations: Vec<Annotation>,
        from: Ident,
        to: Ident,
        by: Stage,
        via: Vec<Stage>,
    },
}

/// `used = 0` in a field.
#[derive(Clone, Debug)]
pub struct Declarator {
    /// The name.
    pub name: Ident,
    /// Its value.
    pub init: Option<ExprId>,
}

/// `late u16 port in 1..65535 = 443`
#[derive(Clone, Debug)]
pub struct Param {
    /// The whole parameter.
    pub span: Span,
    /// Annotations in order.
    pub annotations: Vec<Annotation>,
    /// `final` and `late`.
    pub modifiers: Vec<(Modifier, Span)>,
    /// Its type.
    pub ty: TypeId,
    /// Its name.
    pub name: Ident,
    /// `in …`: a [`ExprKind::Range`], [`ExprKind::Set`] or any expression.
    pub range: Option<ExprId>,
    /// `= …`
    pub default: Option<ExprId>,
}

/// `4` or `MAX` as the argument of a type or of `passes`.
#[derive(Clone, Copy, Debug)]
pub enum ConstArg {
    /// A number.
    Int(u128, Span),
    /// A constant.
    Const(Ident),
}

/// A written type.
#[derive(Clone, Debug)]
pub struct TypeNode {
    /// Its tokens.
    pub span: Span,
    /// What it says.
    pub kind: TypeKind,
}

/// What a written type says.
#[derive(Clone, Debug)]
pub enum TypeKind {
    /// A place where the parser lost the thread.
    Error,
    /// `boolean`
    Boolean,
    /// `int`
    Int,
    /// `long`
    Long,
    /// `u8`, `u16`, `u32`, `u64`: the width in bits.
    Unsigned(u8),
    /// `bits<N>`
    Bits(ConstArg),
    /// `A.B<C, 4>`
    Named {
        path: Vec<Ident>,
        args: Vec<TypeArg>,
    },
    /// `T[n]`
    Array { elem: TypeId, len: ExprId },
    /// `var`, for locals and patterns.
    Var,
}

/// An argument of a generic type.
#[derive(Clone, Copy, Debug)]
pub enum TypeArg {
    /// A type.
    Type(TypeId),
    /// A number.
    Const(ConstArg),
}

/// A statement.
#[derive(Clone, Debug)]
pub struct Stmt {
    /// Its tokens.
    pub span: Span,
    /// What it does.
    pub kind: StmtKind,
}

/// What a statement does.
#[derive(Clone, Debug)]
pub enum StmtKind {
    /// A place where the parser lost the thread.
    Error,
    /// `;`
    Empty,
    /// `{ … }`
    Block(Vec<StmtId>),
    /// `final T a = 1, b;`
    Local {
        is_final: bool,
        ty: TypeId,
        vars: Vec<Declarator>,
    },
    /// A call for its effect; the checker refuses other expressions.
    Expr(ExprId),
    /// `place op= value`
    Assign {
        place: ExprId,
        op: AssignOp,
        value: ExprId,
    },
    /// `place++` and `place--`
    Step { place: ExprId, up: bool },
    /// `if (cond) then else otherwise`; `else if` is an `If` statement in `otherwise`.
    If {
        cond: ExprId,
        then: StmtId,
        otherwise: Option<StmtId>,
    },
    /// `while (cond) limit … { … }`
    While {
        cond: ExprId,
        limit: Option<Limit>,
        body: StmtId,
    },
    /// `do { … } while (cond) limit …;`
    DoWhile {
        body: StmtId,
        cond: ExprId,
        limit: Option<Limit>,
    },
    /// `for (init; cond; step) limit … { … }`; init is a `Local` or `Assign`, step an `Assign`, `Step` or `Expr`.
    For {
        init: Option<StmtId>,
        cond: Option<ExprId>,
        step: Option<StmtId>,
        limit: Option<Limit>,
        body: StmtId,
    },
    /// `for (T x : array) limit … { … }`
    ForEach {
        ty: TypeId,
        name: Ident,
        array: ExprId,
        limit: Option<Limit>,
        body: StmtId,
    },
    /// A `switch` whose value is not used: an [`ExprKind::Switch`].
    Switch(ExprId),
    /// `return e;`
    Return(Option<ExprId>),
    /// `break;`
    Break,
    /// `continue;`
    Continue,
    /// `yield e;`
    Yield(ExprId),
    /// `assert c : why;`
    Assert { cond: ExprId, why: Option<ExprId> },
}

/// `limit n else e`
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The clause.
    pub span: Span,
    /// How many rounds.
    pub count: ExprId,
    /// What the method or handler returns beyond.
    pub otherwise: Option<ExprId>,
}

/// `=`, or the operator of a compound assignment.
pub type AssignOp = Option<BinOp>;

/// A pattern.
#[derive(Clone, Debug)]
pub struct Pat {
    /// Its tokens.
    pub span: Span,
    /// What it matches.
    pub kind: PatKind,
}

/// What a pattern matches.
#[derive(Clone, Debug)]
pub enum PatKind {
    /// A place where the parser lost the thread.
    Error,
    /// `_`
    Any,
    /// `var x`, `u16 x`: a type (maybe [`TypeKind::Var`]) and a name.
    Bind { ty: TypeId, name: Ident },
    /// `Tcp`, `Tcp tcp`, `Nested.Type t`
    Type { ty: TypeId, name: Option<Ident> },
    /// `Hit(var x)`, `Square(_) q`
    Record {
        ty: TypeId,
        args: Vec<PatId>,
        name: Option<Ident>,
    },
    /// `[Vlan]`
    Optional(PatId),
    /// `A / B / C`, at least two layers.
    Layers(Vec<PatId>),
    /// `80`, `-1`, `10.0.0.0/8`, `PERMIT`, `Action.DENY`, `true`
    Const(ExprId),
    /// `1024..65535`
    Range(ExprId, ExprId),
}

/// One arm of a `switch`.
#[derive(Clone, Debug)]
pub struct Arm {
    /// From `case` to the end of the body.
    pub span: Span,
    /// The patterns; none for `default`.
    pub pats: Vec<PatId>,
    /// `when …`
    pub guard: Option<ExprId>,
    /// What to do: an `Expr`, `Assign`, jump or `Block`. In an expression switch an `Expr` is the value.
    pub body: StmtId,
}

/// An argument of a call, constructor or annotation.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// `name =`
    pub name: Option<Ident>,
    /// The value; [`ExprKind::Range`] and [`ExprKind::List`] may stand here.
    pub value: ExprId,
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// Its tokens.
    pub span: Span,
    /// What it says.
    pub kind: ExprKind,
}

/// What an expression says.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A place where the parser lost the thread.
    Error,
    /// A literal with its value.
    Lit(Lit),
    /// A lower-case name.
    Name(Name),
    /// An upper-case constant.
    Const(Name),
    /// `this`
    This,
    /// `Pass`: a type as a value, without arguments in parentheses.
    Type(TypeId),
    /// `max(a, b)`: a method of the function or a builtin.
    Call { name: Ident, args: Vec<Arg> },
    /// `Drop(POLICY)`, `Ipv4(src = x)`
    Construct { ty: TypeId, args: Vec<Arg> },
    /// `Color.RED`, `Segment.prefix`: a member of a named type.
    StaticField { ty: TypeId, name: Ident },
    /// `Hash.of(x)`
    StaticCall {
        ty: TypeId,
        name: Ident,
        args: Vec<Arg>,
    },
    /// `a.b`; also `c.u8` before a call.
    Field { base: ExprId, name: Ident },
    /// `a.b(c)`
    MethodCall {
        base: ExprId,
        name: Ident,
        args: Vec<Arg>,
    },
    /// `a[i]`
    Index { base: ExprId, index: ExprId },
    /// `-a`, `~a`, `!a`
    Unary { op: UnOp, arg: ExprId },
    /// `(u8) a`
    Cast { ty: TypeId, arg: ExprId },
    /// `a + b`, `a / b` (also header construction), `a && b`
    Binary {
        op: BinOp,
        left: ExprId,
        right: ExprId,
    },
    /// `a ? b : c`
    Cond {
        cond: ExprId,
        then: ExprId,
        otherwise: ExprId,
    },
    /// `a instanceof P`
    InstanceOf { value: ExprId, pat: PatId },
    /// `a in S`; the set is any expression, a `Range` or a `Set`.
    In { value: ExprId, set: ExprId },
    /// `1..5`, where ranges may stand.
    Range { lo: ExprId, hi: ExprId },
    /// `{80, 443, 8000..8099}` behind `in`.
    Set(Vec<ExprId>),
    /// `{1, 2, 3}` as an initialiser.
    List(Vec<ExprId>),
    /// `switch (a) { … }`
    Switch { value: ExprId, arms: Vec<Arm> },
    /// `(a)`, kept for exact text.
    Paren(ExprId),
}

/// The value of a literal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lit {
    /// `80`, `0x50`
    Int(u128),
    /// `true`, `false`
    Bool(bool),
    /// `'G'`
    Char(u8),
    /// `"GET "`, after escapes
    Text(Vec<u8>),
    /// `10.0.0.1`
    Ip4(u32),
    /// `2001:db8::1`
    Ip6(u128),
    /// `02:00:5e:10:00:01`
    Mac(u64),
    /// `10.0.0.0/8`; host bits are zero.
    Prefix4 { addr: u32, len: u8 },
    /// `2001:db8::/32`; host bits are zero.
    Prefix6 { addr: u128, len: u8 },
    /// `10ms`, in nanoseconds
    Duration(u64),
    /// `10Mbps` in bits per second, `1kpps` in packets per second
    Rate { per_second: u64, packets: bool },
    /// `64KiB`, in bytes
    Size(u64),
}

/// An operator before its operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnOp {
    /// `-`
    Neg,
    /// `~`
    BitNot,
    /// `!`
    Not,
}

/// An operator between its operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BinOp {
    /// `||`
    Or,
    /// `&&`
    And,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `|`
    BitOr,
    /// `^`
    BitXor,
    /// `&`
    BitAnd,
    /// `<<`
    Shl,
    /// `>>`
    Shr,
    /// `>>>`
    Ushr,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `|+|`
    SatAdd,
    /// `|-|`
    SatSub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Rem,
}

impl UnOp {
    /// As written.
    pub const fn text(self) -> &'static str {
        match self {
            UnOp::Neg => "-",
            UnOp::BitNot => "~",
            UnOp::Not => "!",
        }
    }
}

impl BinOp {
    /// As written.
    pub const fn text(self) -> &'static str {
        match self {
            BinOp::Or => "||",
            BinOp::And => "&&",
            BinOp::Eq => "==",
            BinOp::Ne => "!=",
            BinOp::Lt => "<",
            BinOp::Le => "<=",
            BinOp::Gt => ">",
            BinOp::Ge => ">=",
            BinOp::BitOr => "|",
            BinOp::BitXor => "^",
            BinOp::BitAnd => "&",
            BinOp::Shl => "<<",
            BinOp::Shr => ">>",
            BinOp::Ushr => ">>>",
            BinOp::Add => "+",
            BinOp::Sub => "-",
            BinOp::SatAdd => "|+|",
            BinOp::SatSub => "|-|",
            BinOp::Mul => "*",
            BinOp::Div => "/",
            BinOp::Rem => "%",
        }
    }
}
