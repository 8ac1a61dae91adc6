//! The children of a node, in the order of the source.

use super::{DeclId, ExprId, ParamId, PatId, StmtId, TypeId};

/// A node of any sort.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Node {
    /// An expression.
    Expr(ExprId),
    /// A statement.
    Stmt(StmtId),
    /// A pattern.
    Pat(PatId),
    /// A written type.
    Type(TypeId),
    /// A declaration.
    Decl(DeclId),
    /// A parameter.
    Param(ParamId),
}

/// Visiting the children of each sort of node.
pub mod children {
    use super::Node::{self, Decl as D, Expr as E, Param as Q, Pat as P, Stmt as S, Type as T};
    use crate::ast::*;

    /// What is called for each child.
    pub type Visit<'f> = dyn FnMut(Node) + 'f;

    /// The children of an expression.
    pub fn of_expr(kind: &ExprKind, f: &mut Visit<'_>) {
        match kind {
            ExprKind::Error
            | ExprKind::Lit(_)
            | ExprKind::Name(_)
            | ExprKind::Const(_)
            | ExprKind::This => {}
            ExprKind::Type(ty) | ExprKind::StaticField { ty, .. } => f(T(*ty)),
            ExprKind::Call { args: list, .. } => args(list, f),
            ExprKind::Construct { ty, args: list }
            | ExprKind::StaticCall { ty, args: list, .. } => {
                f(T(*ty));
                args(list, f);
            }
            ExprKind::Field { base, .. } => f(E(*base)),
            ExprKind::MethodCall {
                base, args: list, ..
            } => {
                f(E(*base));
                args(list, f);
            }
            ExprKind::Index { base: a, index: b }
            | ExprKind::Binary {
                left: a, right: b, ..
            }
            | ExprKind::In { value: a, set: b }
            | ExprKind::Range { lo: a, hi: b } => {
                f(E(*a));
                f(E(*b));
            }
            ExprKind::Unary { arg, .. } | ExprKind::Paren(arg) => f(E(*arg)),
            ExprKind::Cast { ty, arg } => {
                f(T(*ty));
                f(E(*arg));
            }
            ExprKind::Cond {
                cond,
                then,
                otherwise,
            } => [cond, then, otherwise].into_iter().for_each(|e| f(E(*e))),
            ExprKind::InstanceOf { value, pat } => {
                f(E(*value));
                f(P(*pat));
            }
            ExprKind::Set(list) | ExprKind::List(list) => list.iter().for_each(|e| f(E(*e))),
            ExprKind::Switch { value, arms } => {
                f(E(*value));
                for arm in arms {
                    arm.pats.iter().for_each(|p| f(P(*p)));
                    arm.guard.iter().for_each(|e| f(E(*e)));
                    f(S(arm.body));
                }
            }
        }
    }

    /// The children of a statement.
    pub fn of_stmt(kind: &StmtKind, f: &mut Visit<'_>) {
        match kind {
            StmtKind::Error | StmtKind::Empty | StmtKind::Break | StmtKind::Continue => {}
            StmtKind::Block(list) => stmts(list, f),
            StmtKind::Local { ty, vars, .. } => {
                f(T(*ty));
                declarators(vars, f);
            }
            StmtKind::Expr(e)
            | StmtKind::Step { place: e, .. }
            | StmtKind::Switch(e)
            | StmtKind::Yield(e) => f(E(*e)),
            StmtKind::Return(e) => e.iter().for_each(|e| f(E(*e))),
            StmtKind::Assign { place, value, .. } => {
                f(E(*place));
                f(E(*value));
            }
            StmtKind::If {
                cond,
                then,
                otherwise,
            } => {
                f(E(*cond));
                f(S(*then));
                otherwise.iter().for_each(|s| f(S(*s)));
            }
            StmtKind::While { cond, limit, body } => {
                f(E(*cond));
                limits(*limit, f);
                f(S(*body));
            }
            StmtKind::DoWhile { body, cond, limit } => {
                f(S(*body));
                f(E(*cond));
                limits(*limit, f);
            }
            StmtKind::For {
                init,
                cond,
                step,
                limit,
                body,
            } => {
                init.iter().for_each(|s| f(S(*s)));
                cond.iter().for_each(|e| f(E(*e)));
                step.iter().for_each(|s| f(S(*s)));
                limits(*limit, f);
                f(S(*body));
            }
            StmtKind::ForEach {
                ty,
                array,
                limit,
                body,
                ..
            } => {
                f(T(*ty));
                f(E(*array));
                limits(*limit, f);
                f(S(*body));
            }
            StmtKind::Assert { cond, why } => {
                f(E(*cond));
                why.iter().for_each(|e| f(E(*e)));
            }
        }
    }

    /// The children of a pattern.
    pub fn of_pat(kind: &PatKind, f: &mut Visit<'_>) {
        match kind {
            PatKind::Error | PatKind::Any => {}
            PatKind::Bind { ty, .. } | PatKind::Type { ty, .. } => f(T(*ty)),
            PatKind::Record { ty, args, .. } => {
                f(T(*ty));
                args.iter().for_each(|p| f(P(*p)));
            }
            PatKind::Optional(p) => f(P(*p)),
            PatKind::Layers(list) => list.iter().for_each(|p| f(P(*p))),
            PatKind::Const(e) => f(E(*e)),
            PatKind::Range(lo, hi) => {
                f(E(*lo));
                f(E(*hi));
            }
        }
    }

    /// The children of a written type.
    pub fn of_type(kind: &TypeKind, f: &mut Visit<'_>) {
        match kind {
            TypeKind::Named { args, .. } => {
                for arg in args {
                    if let TypeArg::Type(ty) = arg {
                        f(T(*ty));
                    }
                }
            }
            TypeKind::Array { elem, len } => {
                f(T(*elem));
                f(E(*len));
            }
            TypeKind::Error
            | TypeKind::Boolean
            | TypeKind::Int
            | TypeKind::Long
            | TypeKind::Unsigned(_)
            | TypeKind::Bits(_)
            | TypeKind::Var => {}
        }
    }

    /// The children of a parameter.
    pub fn of_param(param: &Param, f: &mut Visit<'_>) {
        annotations(&param.annotations, f);
        f(T(param.ty));
        param.range.iter().for_each(|e| f(E(*e)));
        param.default.iter().for_each(|e| f(E(*e)));
    }

    /// The children of a declaration.
    pub fn of_decl(decl: &Decl, f: &mut Visit<'_>) {
        annotations(&decl.annotations, f);
        match &decl.kind {
            DeclKind::Error => {}
            DeclKind::Valid { cond } => f(E(*cond)),
            DeclKind::Before { follows: list } => follows(list, f),
            DeclKind::Field { ty, vars } => {
                f(T(*ty));
                declarators(vars, f);
            }
            DeclKind::Method {
                result,
                params: list,
                uses: u,
                body,
                ..
            } => {
                result.iter().for_each(|t| f(T(*t)));
                params(list, f);
                uses(u.as_ref(), f);
                stmts(body.as_deref().unwrap_or_default(), f);
            }
            DeclKind::Handler {
                params: list,
                uses: u,
                body,
                ..
            } => {
                params(list, f);
                uses(u.as_ref(), f);
                stmts(body, f);
            }
            DeclKind::Every {
                period,
                uses: u,
                body,
            } => {
                f(E(*period));
                uses(u.as_ref(), f);
                stmts(body, f);
            }
            _ => of_type_decl(&decl.kind, f),
        }
    }

    /// Declarations that have members, stages or lines.
    fn of_type_decl(kind: &DeclKind, f: &mut Visit<'_>) {
        match kind {
            DeclKind::Function {
                params: list,
                uses: u,
                implements,
                members: m,
                ..
            } => {
                params(list, f);
                uses(u.as_ref(), f);
                types(implements, f);
                members(m, f);
            }
            DeclKind::Header {
                follows: list,
                implements,
                members: m,
                ..
            } => {
                follows(list, f);
                types(implements, f);
                members(m, f);
            }
            DeclKind::Record {
                type_params: t,
                params: list,
                implements,
                members: m,
                ..
            } => {
                type_params(t, f);
                params(list, f);
                types(implements, f);
                members(m, f);
            }
            DeclKind::Enum {
                implements,
                rep,
                consts,
                members: m,
                ..
            } => {
                types(implements, f);
                rep.iter().for_each(|t| f(T(*t)));
                for c in consts {
                    annotations(&c.annotations, f);
                    c.value.iter().for_each(|e| f(E(*e)));
                }
                members(m, f);
            }
            DeclKind::Interface {
                type_params: t,
                extends,
                permits,
                members: m,
                ..
            } => {
                type_params(t, f);
                types(extends, f);
                types(permits, f);
                members(m, f);
            }
            DeclKind::Class {
                type_params: t,
                members: m,
                ..
            } => {
                type_params(t, f);
                members(m, f);
            }
            DeclKind::Chain {
                params: list,
                uses: u,
                stages: s,
                ..
            } => {
                params(list, f);
                uses(u.as_ref(), f);
                stages(s, f);
            }
            DeclKind::Graph {
                params: list,
                items,
                ..
            } => {
                params(list, f);
                items.iter().for_each(|item| of_graph_item(item, f));
            }
            _ => {}
        }
    }

    fn of_graph_item(item: &GraphItem, f: &mut Visit<'_>) {
        match item {
            GraphItem::Error(_) => {}
            GraphItem::Service {
                annotations: a,
                args: list,
                ..
            } => {
                annotations(a, f);
                args(list, f);
            }
            GraphItem::Connect {
                annotations: a,
                by,
                via,
                ..
            } => {
                annotations(a, f);
                stages(std::slice::from_ref(by), f);
                stages(via, f);
            }
        }
    }

    fn annotations(list: &[Annotation], f: &mut Visit<'_>) {
        list.iter().for_each(|a| args(&a.args, f));
    }

    fn args(list: &[Arg], f: &mut Visit<'_>) {
        list.iter().for_each(|a| f(E(a.value)));
    }

    fn declarators(list: &[Declarator], f: &mut Visit<'_>) {
        list.iter().filter_map(|d| d.init).for_each(|e| f(E(e)));
    }

    fn follows(list: &[Follow], f: &mut Visit<'_>) {
        for follow in list {
            f(T(follow.parent));
            follow.when.iter().for_each(|e| f(E(*e)));
        }
    }

    fn limits(limit: Option<Limit>, f: &mut Visit<'_>) {
        if let Some(limit) = limit {
            f(E(limit.count));
            limit.otherwise.iter().for_each(|e| f(E(*e)));
        }
    }

    fn members(list: &[DeclId], f: &mut Visit<'_>) {
        list.iter().for_each(|d| f(D(*d)));
    }

    fn params(list: &[ParamId], f: &mut Visit<'_>) {
        list.iter().for_each(|q| f(Q(*q)));
    }

    fn stages(list: &[Stage], f: &mut Visit<'_>) {
        for stage in list {
            f(T(stage.ty));
            args(&stage.args, f);
        }
    }

    fn stmts(list: &[StmtId], f: &mut Visit<'_>) {
        list.iter().for_each(|s| f(S(*s)));
    }

    fn type_params(list: &[TypeParam], f: &mut Visit<'_>) {
        list.iter().filter_map(|t| t.bound).for_each(|t| f(T(t)));
    }

    fn types(list: &[TypeId], f: &mut Visit<'_>) {
        list.iter().for_each(|t| f(T(*t)));
    }

    fn uses(uses: Option<&Uses>, f: &mut Visit<'_>) {
        types(uses.map_or(&[], |u| &u.names), f);
    }
}
