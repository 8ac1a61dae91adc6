//! Statements of a test.
//!
//! In: a test. Out: whether it went well, or its first failure. Guaranteed: every run ends, after at
//! most [`STEPS_MAX`] steps.

use std::rc::Rc;

use nfl_abi::{Layer, codes};
use nfl_syntax::Span;
use nfl_syntax::arena::IdMap;
use nfl_syntax::ast::{Arm, Ast, BinOp, DeclKind, ExprId, ExprKind, Limit, StmtId, StmtKind};
use nfl_typeck::tables::{HeaderId, LocalId, Res};
use nfl_typeck::test::TestDef;
use nfl_typeck::ty::{Len, Ty, TyKind};
use nfl_typeck::{Konst, Sound, Tables};

use crate::node::Images;
use crate::number;
use crate::report::Failure;
use crate::value::{Value, constant};
use crate::world::Instance;

/// Statements, rounds and expressions of a run.
const STEPS_MAX: u32 = 10_000_000;

/// Why evaluation does not go on.
pub(crate) enum Stop {
    /// The test has failed.
    Failed(Box<Failure>),
    /// Something has no result; the place is filled in on the way out.
    Sentence(String),
    /// A `limit` with `else`: this is what the method answers.
    Limit(Value),
}

pub(crate) type Eval<T> = Result<T, Stop>;

/// Something has no result.
pub(crate) fn stop<T>(what: impl Into<String>) -> Eval<T> {
    Err(Stop::Sentence(what.into()))
}

/// Bytes, and a header in them.
pub(crate) type Place = (Rc<Vec<u8>>, HeaderId, usize);

/// How a statement ends.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Flow {
    Next,
    Break,
    Continue,
    Return(Value),
    Yield(Value),
}

/// A run of a test.
pub(crate) struct Run<'a> {
    pub(crate) ast: &'a Ast,
    pub(crate) t: &'a Tables,
    pub(crate) sound: Sound<'a>,
    pub(crate) images: &'a Images<'a>,
    pub(crate) locals: IdMap<LocalId, Option<Value>>,
    /// The receiver of the method that runs, and its type.
    pub(crate) this: Value,
    pub(crate) this_ty: Ty,
    /// What `OwnField` means: a header that is looked at or whose method runs.
    pub(crate) own: Option<Place>,
    /// What `ParentField` means.
    pub(crate) parent: Option<Place>,
    /// At which layer the packet at hand begins.
    pub(crate) layer: Layer,
    /// Whether numbers are those of a layout, which have 32 bits.
    pub(crate) layout: bool,
    pub(crate) instances: Vec<Instance>,
    pub(crate) clock_ns: u64,
    /// Whether values of expressions are noted, for the report of a failing assertion.
    pub(crate) tracing: bool,
    pub(crate) trace: Vec<(ExprId, Value)>,
    steps: u32,
}

/// Runs a test.
pub(crate) fn run(
    sound: Sound<'_>,
    test: &TestDef,
    images: &Images<'_>,
) -> Result<(), Box<Failure>> {
    let mut run = Run {
        ast: &sound.program().ast,
        t: sound.tables(),
        sound,
        images,
        locals: IdMap::new(),
        this: Value::Void,
        this_ty: Ty::default(),
        own: None,
        parent: None,
        layer: Layer::Network,
        layout: false,
        instances: Vec::new(),
        clock_ns: 0,
        tracing: false,
        trace: Vec::new(),
        steps: 0,
    };
    let DeclKind::Method {
        body: Some(body), ..
    } = &run.ast.decls[test.decl].kind
    else {
        return Ok(());
    };
    match run.block(body) {
        Ok(_) | Err(Stop::Limit(_)) => Ok(()),
        Err(Stop::Failed(failure)) => Err(failure),
        Err(Stop::Sentence(text)) => Err(Box::new(Failure::new(&codes::E921, text, test.span))),
    }
}

impl Run<'_> {
    /// Counts a step; a test that takes too many has failed.
    pub(crate) fn step(&mut self) -> Eval<()> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return stop(format!("the test takes more than {STEPS_MAX} steps"));
        }
        Ok(())
    }

    /// Gives a sentence the place it is about, if it has none yet.
    pub(crate) fn placed<T>(&self, result: Eval<T>, span: Span) -> Eval<T> {
        result.map_err(|why| match why {
            Stop::Sentence(text) => Stop::Failed(Box::new(Failure::new(&codes::E921, text, span))),
            other => other,
        })
    }

    pub(crate) fn block(&mut self, stmts: &[StmtId]) -> Eval<Flow> {
        for &stmt in stmts {
            match self.stmt(stmt)? {
                Flow::Next => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    pub(crate) fn stmt(&mut self, stmt: StmtId) -> Eval<Flow> {
        let span = self.ast.stmts[stmt].span;
        let flow = self.step().and_then(|()| self.statement(stmt));
        self.placed(flow, span)
    }

    fn statement(&mut self, stmt: StmtId) -> Eval<Flow> {
        let ast = self.ast;
        match &ast.stmts[stmt].kind {
            StmtKind::Error | StmtKind::Empty => {}
            StmtKind::Block(stmts) => return self.block(stmts),
            StmtKind::Local { vars, .. } => {
                let locals = self.t.stmt_locals[stmt].clone();
                for (var, local) in vars.iter().zip(locals) {
                    let ty = self.t.locals[local].ty;
                    let value = match var.init {
                        Some(init) => Some(self.initial(init)?),
                        None => self.zeroed(ty),
                    };
                    self.locals.set(local, value);
                }
            }
            StmtKind::Expr(e) => {
                self.eval(*e)?;
            }
            StmtKind::Assign { place, op, value } => self.assign(*place, *op, *value)?,
            StmtKind::Step { place, up } => {
                let ty = self.t.expr_ty[*place];
                let op = if *up { BinOp::Add } else { BinOp::Sub };
                let n = self.number(*place)?;
                let n = self.arithmetic(op, n, 1, ty)?;
                self.write(*place, Value::Int(n))?;
            }
            StmtKind::If {
                cond,
                then,
                otherwise,
            } => {
                if self.truth(*cond)? {
                    return self.stmt(*then);
                }
                if let Some(otherwise) = otherwise {
                    return self.stmt(*otherwise);
                }
            }
            StmtKind::Switch(e) => {
                if let ExprKind::Switch { value, arms } = &ast.exprs[*e].kind {
                    return self.switch(*value, arms, false);
                }
            }
            StmtKind::Return(value) => {
                let value = value.map(|e| self.eval(e)).transpose()?;
                return Ok(Flow::Return(value.unwrap_or(Value::Void)));
            }
            StmtKind::Break => return Ok(Flow::Break),
            StmtKind::Continue => return Ok(Flow::Continue),
            StmtKind::Yield(e) => return Ok(Flow::Yield(self.eval(*e)?)),
            StmtKind::Assert { cond, why } => self.assert(*cond, *why)?,
            _ => return self.repeat(stmt),
        }
        Ok(Flow::Next)
    }

    /// `assert cond : why;`
    fn assert(&mut self, cond: ExprId, why: Option<ExprId>) -> Eval<()> {
        let outer = std::mem::replace(&mut self.tracing, true);
        let before = std::mem::take(&mut self.trace);
        let holds = self.truth(cond);
        self.tracing = outer;
        let trace = std::mem::replace(&mut self.trace, before);
        if holds? {
            return Ok(());
        }
        let why = match why.map(|why| &self.ast.exprs[why].kind) {
            Some(ExprKind::Lit(nfl_syntax::ast::Lit::Text(text))) => {
                Some(String::from_utf8_lossy(text).into_owned())
            }
            _ => None,
        };
        let failure = self.broken(cond, why, &trace);
        Err(Stop::Failed(Box::new(failure)))
    }

    /// An initial value: an expression or a list.
    pub(crate) fn initial(&mut self, e: ExprId) -> Eval<Value> {
        let ast = self.ast;
        match &ast.exprs[e].kind {
            ExprKind::List(items) => {
                let values = items.iter().map(|&item| self.initial(item));
                Ok(Value::Array(values.collect::<Eval<Vec<Value>>>()?))
            }
            _ => self.eval(e),
        }
    }

    /// What a variable holds that is declared without a value.
    fn zeroed(&self, ty: Ty) -> Option<Value> {
        let TyKind::Array(elem, Len::Known(count)) = self.t.types.kind(ty) else {
            return None;
        };
        let zero = match self.t.types.kind(elem) {
            TyKind::Bool => Value::Bool(false),
            TyKind::Ip6 => Value::Ip6(0),
            TyKind::Array(..) => self.zeroed(elem)?,
            _ => Value::Int(0),
        };
        Some(Value::Array(vec![zero; count as usize]))
    }

    fn assign(&mut self, place: ExprId, op: Option<BinOp>, value: ExprId) -> Eval<()> {
        let value = match op {
            None => self.initial(value)?,
            Some(op) => {
                let ty = self.t.expr_ty[place];
                let (a, b) = (self.number(place)?, self.number(value)?);
                Value::Int(match op {
                    BinOp::Shl | BinOp::Shr | BinOp::Ushr => {
                        number::shift(&self.t.types, op, a, b, ty)
                    }
                    _ => self.arithmetic(op, a, b, ty)?,
                })
            }
        };
        self.write(place, value)
    }

    fn write(&mut self, place: ExprId, value: Value) -> Eval<()> {
        let place = self.bare(place);
        let (base, index) = match self.ast.exprs[place].kind {
            ExprKind::Index { base, index } => (self.bare(base), Some(index)),
            _ => (place, None),
        };
        let Res::Local(local) = self.t.expr_res[base] else {
            return stop("only variables are assigned in a test");
        };
        let Some(index) = index else {
            self.locals.set(local, Some(value));
            return Ok(());
        };
        let at = usize::try_from(self.number(index)?).unwrap_or(usize::MAX);
        match &mut self.locals[local] {
            Some(Value::Array(items)) if at < items.len() => {
                items[at] = value;
                Ok(())
            }
            _ => stop("the index lies outside of the array"),
        }
    }

    /// An expression without its parentheses.
    pub(crate) fn bare(&self, mut e: ExprId) -> ExprId {
        while let ExprKind::Paren(inner) = self.ast.exprs[e].kind {
            e = inner;
        }
        e
    }

    /// All loops.
    fn repeat(&mut self, stmt: StmtId) -> Eval<Flow> {
        let ast = self.ast;
        match &ast.stmts[stmt].kind {
            StmtKind::While { cond, limit, body } => {
                self.rounds(Some(*cond), None, limit.as_ref(), *body, true)
            }
            StmtKind::For {
                init,
                cond,
                step,
                limit,
                body,
            } => {
                if let Some(init) = init {
                    self.stmt(*init)?;
                }
                self.rounds(*cond, *step, limit.as_ref(), *body, true)
            }
            StmtKind::DoWhile { body, cond, limit } => {
                self.rounds(Some(*cond), None, limit.as_ref(), *body, false)
            }
            StmtKind::ForEach { array, body, .. } => {
                let local = self.t.stmt_locals[stmt].first().copied();
                let (Some(local), Value::Array(items)) = (local, self.eval(*array)?) else {
                    return stop("a loop like this walks an array");
                };
                for item in items {
                    self.step()?;
                    self.locals.set(local, Some(item));
                    match self.stmt(*body)? {
                        Flow::Next | Flow::Continue => {}
                        Flow::Break => break,
                        other => return Ok(other),
                    }
                }
                Ok(Flow::Next)
            }
            _ => stop("this statement is not known to tests"),
        }
    }

    fn rounds(
        &mut self,
        cond: Option<ExprId>,
        step: Option<StmtId>,
        limit: Option<&Limit>,
        body: StmtId,
        asks_first: bool,
    ) -> Eval<Flow> {
        let mut left = limit.map(|l| self.number(l.count)).transpose()?;
        let mut asks = asks_first;
        loop {
            self.step()?;
            if asks {
                if let Some(cond) = cond
                    && !self.truth(cond)?
                {
                    return Ok(Flow::Next);
                }
                match &mut left {
                    Some(0) => match limit.and_then(|l| l.otherwise) {
                        Some(otherwise) => return Err(Stop::Limit(self.eval(otherwise)?)),
                        None => return stop("the limit of the loop is reached"),
                    },
                    Some(left) => *left -= 1,
                    None => {}
                }
            }
            asks = true;
            match self.stmt(body)? {
                Flow::Next | Flow::Continue => {}
                Flow::Break => return Ok(Flow::Next),
                other => return Ok(other),
            }
            if let Some(step) = step {
                self.stmt(step)?;
            }
        }
    }

    pub(crate) fn switch(&mut self, value: ExprId, arms: &[Arm], gives: bool) -> Eval<Flow> {
        let ast = self.ast;
        let value = self.eval(value)?;
        for arm in arms {
            let mut taken = arm.pats.is_empty();
            for &pat in &arm.pats {
                taken = taken || self.takes(pat, &value)?;
            }
            if !taken {
                continue;
            }
            if let Some(guard) = arm.guard
                && !self.truth(guard)?
            {
                continue;
            }
            return match (&ast.stmts[arm.body].kind, gives) {
                (StmtKind::Expr(e), true) => Ok(Flow::Yield(self.eval(*e)?)),
                _ => self.stmt(arm.body),
            };
        }
        stop("no arm of the `switch` takes the value")
    }

    /// The value of a parameter of an instance; a test itself has none.
    pub(crate) fn konst_of(&self, konst: Option<&Konst>) -> Eval<Value> {
        match konst {
            Some(konst) => Ok(constant(konst)),
            None => stop("this has no value outside of an instance"),
        }
    }
}
