//! Patterns over values: constants, intervals, records and their components, verdicts.
//!
//! In: a value and a pattern. Out: branches to "matches" and "does not match", and values for the
//! names. Guaranteed: a component is read only where its record is known to be there.

use super::{Lower, Val};
use crate::entity::{Block, Value};
use crate::op::Op;
use nfl_abi::image::VerdictKind;
use nfl_syntax::ast::PatId;
use nfl_typeck::tables::{Konst, PatInfo, RecordId};
use nfl_typeck::{Ty, TyKind};

impl Lower<'_, '_> {
    /// Branches on whether a value matches.
    pub(super) fn take(&mut self, pat: PatId, val: &Val, ty: Ty, yes: Block, no: Block) {
        let sound = self.image.sound;
        match &sound.tables().pats[pat] {
            PatInfo::Const(konst) => self.take_range(val, ty, konst, konst, yes, no),
            PatInfo::Range(lo, hi) => self.take_range(val, ty, lo, hi, yes, no),
            PatInfo::Bind(local) => {
                self.fix(*local, val);
                self.b.jump(yes);
            }
            PatInfo::Record {
                record,
                member,
                args,
                local,
            } => {
                if let Some(member) = *member {
                    let here = self.b.block();
                    self.ask_member(val, ty, member, here, no);
                    self.b.enter(here);
                    if !self.b.reachable() {
                        return;
                    }
                }
                if let Some(local) = *local {
                    let whole = self.member_value(val, *record, *member);
                    self.fix(local, &whole);
                }
                self.take_parts(val, *record, *member, args, yes, no);
            }
            PatInfo::Verdict { kind, arg } => {
                let words = self.flat(val, ty);
                let [found, operand] = words[..] else {
                    return self.b.jump(no);
                };
                let operand = arg.map(|arg| (arg, self.operand(*kind, operand)));
                let number = self.b.constant(u32::from(kind.number()));
                let same = self.b.compare(Op::Eq, found, number);
                let Some((arg, (operand, ty))) = operand else {
                    return self.b.branch(same, yes, no);
                };
                let here = self.b.block();
                self.b.branch(same, here, no);
                self.b.enter(here);
                if self.b.reachable() {
                    self.take(arg, &operand, ty, yes, no);
                }
            }
            _ => self.b.jump(yes),
        }
    }

    /// What a verdict of this kind says beside its kind.
    fn operand(&mut self, kind: VerdictKind, word: Value) -> (Val, Ty) {
        let (ty, bits) = match kind {
            VerdictKind::Drop | VerdictKind::Punt => (TyKind::Reason, 8),
            VerdictKind::Forward => (TyKind::Port, 16),
            VerdictKind::Multicast => (TyKind::Group, 16),
            _ => (TyKind::NodeId, 32),
        };
        let ty = self.image.sound.tables().types.find(ty);
        let word = self.cut_word(word, bits);
        (Val::Words(vec![word]), ty.unwrap_or_default())
    }

    fn take_parts(
        &mut self,
        val: &Val,
        record: RecordId,
        member: Option<u32>,
        args: &[PatId],
        yes: Block,
        no: Block,
    ) {
        let tables = self.image.sound.tables();
        for (index, &arg) in args.iter().enumerate() {
            if matches!(tables.pats[arg], PatInfo::Any) {
                continue;
            }
            let ty = tables.records[record].components[index].ty;
            let part = self.part(val, record, member, index);
            let next = self.b.block();
            self.take(arg, &part, ty, next, no);
            self.b.enter(next);
            if !self.b.reachable() {
                return;
            }
        }
        self.b.jump(yes);
    }

    /// Branches on which member of its sealed interface a value is.
    pub(super) fn ask_member(&mut self, val: &Val, ty: Ty, member: u32, yes: Block, no: Block) {
        let tables = self.image.sound.tables();
        let members = match tables.types.kind(ty) {
            TyKind::Sealed(id) => tables.sealed[id].members.len(),
            _ => 1,
        };
        match val {
            _ if members < 2 => self.b.jump(yes),
            Val::Found { address, .. } if member == 0 => self.b.branch(*address, yes, no),
            Val::Found { address, .. } => self.b.branch(*address, no, yes),
            Val::Words(words) if member == 0 => self.b.branch(words[0], no, yes),
            Val::Words(words) if members == 2 => self.b.branch(words[0], yes, no),
            Val::Words(words) => {
                let number = self.b.constant(member);
                let same = self.b.compare(Op::Eq, words[0], number);
                self.b.branch(same, yes, no);
            }
            _ => self.b.jump(no),
        }
    }

    /// The member that a sealed value is known to be, as a value of its own.
    pub(super) fn member_value(&mut self, val: &Val, record: RecordId, member: Option<u32>) -> Val {
        if member.is_none() {
            return val.clone();
        }
        let components = &self.image.sound.tables().records[record].components;
        let mut words = Vec::new();
        for (index, component) in components.iter().enumerate() {
            let part = self.part(val, record, member, index);
            words.extend(self.flat(&part, component.ty));
        }
        Val::Words(words)
    }

    fn take_range(&mut self, val: &Val, ty: Ty, lo: &Konst, hi: &Konst, yes: Block, no: Block) {
        let words = self.flat(val, ty);
        let plain = matches!(
            lo,
            Konst::Int(_)
                | Konst::Bool(_)
                | Konst::Ip6(_)
                | Konst::Prefix4 { .. }
                | Konst::Prefix6 { .. }
        ) && self.image.sound.tables().types.bits(ty).is_some();
        if plain {
            return self.matches_const(&words, ty, lo, hi, yes, no);
        }
        let constant = self.konst_words(lo, ty);
        let same = self.b.equal(&words, &constant);
        self.b.branch(same, yes, no);
    }
}
