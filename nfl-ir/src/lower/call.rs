//! Calls: methods, inlined where they are called, and builtins.
//!
//! In: a call and what it resolves to. Out: its value. Guaranteed: arguments are evaluated before
//! the body, once each.

use super::number::Width;
use super::{Exits, Local, Lower, Out, Val};
use crate::op::Op;
use nfl_abi::map::context;
use nfl_syntax::ast::{DeclKind, ExprId, ExprKind};
use nfl_typeck::builtin::Intrinsic;
use nfl_typeck::tables::MethodId;

impl Lower<'_, '_> {
    /// The arguments as written; the checker has put named ones in order where it allows them.
    pub(super) fn args(&self, e: ExprId) -> Vec<ExprId> {
        match &self.image.sound.program().ast.exprs[e].kind {
            ExprKind::Call { args, .. }
            | ExprKind::Construct { args, .. }
            | ExprKind::StaticCall { args, .. }
            | ExprKind::MethodCall { args, .. } => args.iter().map(|a| a.value).collect(),
            _ => Vec::new(),
        }
    }

    fn receiver(&self, e: ExprId) -> Option<ExprId> {
        match self.image.sound.program().ast.exprs[e].kind {
            ExprKind::Field { base, .. } | ExprKind::MethodCall { base, .. } => Some(base),
            _ => None,
        }
    }

    /// A method of the program.
    pub(super) fn call(&mut self, e: ExprId, method: MethodId) -> Val {
        let sound = self.image.sound;
        let def = &sound.tables().methods[method];
        let this = match (def.this, self.receiver(e)) {
            (Some(_), Some(base)) => match self.expr(base) {
                Val::View(view) => Some(view),
                _ => None,
            },
            (Some(_), None) => self.this.clone(),
            _ => None,
        };
        let args = self.args(e);
        let mut locals = Vec::new();
        for (&param, &arg) in def.params.iter().zip(&args) {
            let ty = sound.tables().locals[param].ty;
            let local = match self.image.sound.tables().types.bits(ty) {
                Some(_) => {
                    let vars = self.vars(ty);
                    self.assign_vars(&vars, arg, ty);
                    Local::Vars(vars)
                }
                None => match self.expr(arg) {
                    Val::Verdict { kind, operand } => {
                        let vars = self.vars(ty);
                        self.b.write(vars[0], kind);
                        self.b.write(vars[1], operand);
                        Local::Vars(vars)
                    }
                    other => Local::Fixed(other),
                },
            };
            locals.push((param, local));
        }
        self.locals.extend(locals);
        let DeclKind::Method {
            body: Some(body), ..
        } = &sound.program().ast.decls[def.decl].kind
        else {
            return Val::Unit;
        };
        let end = self.b.block();
        let ty = def.result.unwrap_or_default();
        let out = Out {
            vars: self.vars(ty),
            ty,
            end,
        };
        let exits = Exits {
            result: Some(out.clone()),
            ..Exits::default()
        };
        let saved = (
            std::mem::replace(&mut self.exits, exits),
            std::mem::replace(&mut self.this, this),
        );
        self.stmts(body);
        self.b.jump(end);
        (self.exits, self.this) = saved;
        self.b.enter(end);
        self.read_vars(&out.vars, ty)
    }

    /// A builtin: one arm for each row of the table.
    pub(super) fn intrinsic(&mut self, e: ExprId, intrinsic: Intrinsic) -> Val {
        let words = match intrinsic {
            Intrinsic::Min | Intrinsic::Max => return self.min_max(e, intrinsic == Intrinsic::Min),
            Intrinsic::PacketSize => vec![self.packet_size()],
            Intrinsic::PacketPort => {
                let word = self
                    .b
                    .inst(Op::Context, &[], context::INGRESS_PORT, None, 32);
                vec![self.b.op2c(Op::And, word, 0xffff, 16)]
            }
            Intrinsic::PacketQueue => {
                vec![
                    self.b
                        .inst(Op::Context, &[], context::QUEUE_DEPTH, None, 32),
                ]
            }
            Intrinsic::NodeIdent => vec![self.b.inst(Op::Context, &[], context::NODE_ID, None, 32)],
            Intrinsic::MacIsMulticast => self.mac_bit(e, 0),
            Intrinsic::MacIsLocal => self.mac_bit(e, 1),
            Intrinsic::Ip6High => self.base_words(e)[2..].to_vec(),
            Intrinsic::Ip6Low => self.base_words(e)[..2].to_vec(),
            Intrinsic::ArrayLength => {
                let count = match self.receiver(e).map(|base| self.expr(base)) {
                    Some(Val::Array { count, .. }) => count,
                    _ => 0,
                };
                vec![self.b.constant(count)]
            }
            _ => return self.service(e, intrinsic),
        };
        Val::Words(words)
    }

    fn base_words(&mut self, e: ExprId) -> Vec<crate::entity::Value> {
        match self.receiver(e) {
            Some(base) => self.words(base),
            None => self.b.number(
                0,
                Width {
                    bits: 128,
                    signed: false,
                },
            ),
        }
    }

    /// A bit of an Ethernet address's first byte, which is the top byte of the number.
    fn mac_bit(&mut self, e: ExprId, bit: u32) -> Vec<crate::entity::Value> {
        let high = self.base_words(e)[1];
        let bit = self.b.op2c(Op::Shr, high, 8 + bit, 16);
        vec![self.b.op2c(Op::And, bit, 1, 1)]
    }

    fn min_max(&mut self, e: ExprId, min: bool) -> Val {
        let ty = self.ty(e);
        let w = self.image.width(ty);
        let args = self.args(e);
        let (a, b) = (self.words_as(args[0], ty), self.words_as(args[1], ty));
        let less = self.b.less(&a, &b, w);
        let vars = self.vars(ty);
        let (first, second, join) = (self.b.block(), self.b.block(), self.b.block());
        let (when_less, when_not) = if min { (&a, &b) } else { (&b, &a) };
        self.b.branch(less, first, second);
        for (block, words) in [(first, when_less), (second, when_not)] {
            self.b.enter(block);
            for (&var, &word) in vars.iter().zip(words) {
                self.b.write(var, word);
            }
            self.b.jump(join);
        }
        self.b.enter(join);
        self.read_vars(&vars, ty)
    }
}
