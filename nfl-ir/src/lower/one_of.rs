//! Views of one of several headers.
//!
//! In: a view and what to do with it. Out: code for each header that it may be. Guaranteed: where the
//! header is known, nothing is asked.

use super::{Chosen, Lower, View};
use crate::entity::{Block, Value};
use crate::op::Op;
use nfl_syntax::ast::ExprId;
use nfl_typeck::TyKind;
use nfl_typeck::tables::{HeaderId, LayerStep};
use std::rc::Rc;

/// A header that a view may be, and the word and number that say so.
pub(super) struct Candidate {
    pub(super) view: View,
    pub(super) when: Option<(Value, u32)>,
}

impl Lower<'_, '_> {
    /// The headers that may stand where a step is.
    pub(super) fn step_headers(&self, step: &LayerStep) -> Vec<HeaderId> {
        match step.one_of {
            Some(id) => self.image.sound.tables().one_of[id].members.clone(),
            None => vec![step.header],
        }
    }

    /// The headers that a view may be.
    pub(super) fn candidates(&self, view: &View) -> Vec<Candidate> {
        let Some(Chosen { id, tag, .. }) = view.one_of else {
            return vec![Candidate {
                view: view.clone(),
                when: None,
            }];
        };
        let members = &self.image.sound.tables().one_of[id].members;
        let each = members.iter().zip(0..).map(|(&header, number)| Candidate {
            view: View {
                header,
                base: view.base,
                outer: Rc::clone(&view.outer),
                one_of: None,
                within: view.within,
            },
            when: Some((tag, number)),
        });
        each.collect()
    }

    /// Does something for the header that a view is, and goes on behind.
    pub(super) fn each_member(&mut self, view: &View, mut act: impl FnMut(&mut Self, &View)) {
        let candidates = self.candidates(view);
        let end = self.b.block();
        let last = candidates.len().saturating_sub(1);
        for (i, candidate) in candidates.iter().enumerate() {
            let next = self.b.block();
            if let Some((tag, number)) = candidate.when
                && i < last
            {
                let here = self.b.block();
                self.is_member(tag, number, here, next);
                self.b.enter(here);
            }
            act(self, &candidate.view);
            self.b.jump(end);
            self.b.enter(next);
        }
        self.b.enter(end);
    }

    /// Asks for the fixed part of a member of `view`. Its pattern has done so, but what is known of the
    /// length since is what all members have.
    pub(super) fn all_there(&mut self, view: &View, member: &View) {
        let fixed = self.image.sound.tables().headers[member.header].fixed_bytes;
        if fixed > self.fixed_bytes(view) {
            self.require(member.base.plus(fixed));
        }
    }

    /// Branches on whether a view is this member of its interface.
    pub(super) fn is_member(&mut self, tag: Value, number: u32, yes: Block, no: Block) {
        let number = self.b.constant(number);
        let same = self.b.compare(Op::Eq, tag, number);
        self.b.branch(same, yes, no);
    }

    /// The number of a field in the header of `view`, where the interface's first member has it as
    /// `field`.
    pub(super) fn field_in(&self, view: &View, base: ExprId, field: u32) -> u32 {
        let tables = self.image.sound.tables();
        let TyKind::OneOf(id) = tables.types.kind(self.ty(base)) else {
            return field;
        };
        let def = &tables.one_of[id];
        let member = def.members.iter().position(|&h| h == view.header);
        let row = def
            .fields
            .iter()
            .find(|(_, numbers)| numbers.first() == Some(&field));
        let number = row
            .zip(member)
            .and_then(|((_, numbers), at)| numbers.get(at));
        number.copied().unwrap_or(field)
    }

    /// The fields of a layer that the program uses, of this header if it may be one of several.
    pub(super) fn fields_used(&self, step: &LayerStep, header: HeaderId) -> u64 {
        let tables = self.image.sound.tables();
        let used = tables.locals[step.local].fields_used;
        let Some(id) = step.one_of else {
            return used;
        };
        let def = &tables.one_of[id];
        let member = def.members.iter().position(|&h| h == header).unwrap_or(0);
        let numbers = def
            .fields
            .iter()
            .enumerate()
            .filter(|(at, _)| used >> at & 1 == 1);
        numbers.fold(0, |all, (_, (_, numbers))| all | 1 << numbers[member])
    }
}
