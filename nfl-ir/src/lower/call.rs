//! Builtins.
//!
//! In: a call of what is not written in NFL. Out: its value. Guaranteed: arguments are evaluated
//! once each.

use super::number::Width;
use super::{Lower, Val};
use crate::op::Op;
use nfl_abi::map::context;
use nfl_syntax::ast::{ExprId, ExprKind};
use nfl_typeck::builtin::Intrinsic;

impl Lower<'_, '_> {
    /// The arguments as written; the checker has put named ones in order where it allows them.
    pub(super) fn args(&self, e: ExprId) -> Vec<ExprId> {
        if let Some(args) = &self.image.sound.tables().args[e] {
            return args.clone();
        }
        match &self.image.sound.program().ast.exprs[e].kind {
            ExprKind::Call { args, .. }
            | ExprKind::Construct { args, .. }
            | ExprKind::StaticCall { args, .. }
            | ExprKind::MethodCall { args, .. } => args.iter().map(|a| a.value).collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn receiver(&self, e: ExprId) -> Option<ExprId> {
        match self.image.sound.program().ast.exprs[e].kind {
            ExprKind::Field { base, .. } | ExprKind::MethodCall { base, .. } => Some(base),
            _ => None,
        }
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
            Intrinsic::PacketNextHop => {
                vec![self.b.inst(Op::Context, &[], context::NEXT_HOP, None, 32)]
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
            Intrinsic::LookupIsHit | Intrinsic::LookupOrElse => {
                let Some(base) = self.receiver(e) else {
                    return Val::Unit;
                };
                if intrinsic == Intrinsic::LookupOrElse {
                    return self.or_else(e, base);
                }
                let val = self.expr(base);
                vec![self.is_hit(&val)]
            }
            Intrinsic::ArrayLength => {
                let count = match self.receiver(e) {
                    Some(base) => self.image.elements(self.ty(base)).1,
                    None => 0,
                };
                vec![self.b.constant(count)]
            }
            Intrinsic::PacketPush
            | Intrinsic::PacketPop
            | Intrinsic::PacketAppend
            | Intrinsic::PacketCut
            | Intrinsic::PacketMirror => return self.resize(e, intrinsic),
            Intrinsic::BytesLength
            | Intrinsic::BytesStartsWith
            | Intrinsic::BytesFind
            | Intrinsic::BytesCursor
            | Intrinsic::CursorU8
            | Intrinsic::CursorU16
            | Intrinsic::CursorU32
            | Intrinsic::CursorSkip
            | Intrinsic::CursorMore
            | Intrinsic::CursorTake => return self.payload(e, intrinsic),
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
