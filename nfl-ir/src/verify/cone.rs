//! What the interval of a word depends on.
//!
//! In: words as they are visited. Out: for each its cone, the words that it is made from in the end. Guaranteed: where facts
//! say nothing of any of these, they say nothing of the word beyond what is known of it wherever it is. Many questions are
//! of that kind, and are answered without asking for the operands again.

use nfl_syntax::arena::IdMap;

use crate::entity::Value;
use crate::func::InstData;
use crate::op::Op;
use crate::verify::facts::Facts;
use crate::verify::sorted::bit;

/// Words, as bits of their numbers; all of them for a word that has not been visited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cone(u128);

/// The bit of what depends on the packet's length, of which facts always say something.
const LENGTH: u128 = 1 << 127;

impl Default for Cone {
    fn default() -> Cone {
        Cone(u128::MAX)
    }
}

impl Cone {
    /// That of words which depend on one another and on nothing else.
    pub(super) fn of(words: &[Value]) -> Cone {
        Cone(words.iter().fold(0, |all, &v| all | bit(v)))
    }

    /// That of the word an instruction makes, by those of its operands; `is_fixed` says which of them are one number, of which
    /// there is nothing to learn.
    pub(super) fn of_result(
        inst: &InstData,
        v: Value,
        cones: &IdMap<Value, Cone>,
        is_fixed: impl Fn(Value) -> bool,
    ) -> Cone {
        if inst.op == Op::Len {
            return Cone(bit(v) | LENGTH);
        }
        let from = inst.args.iter().filter(|&&arg| !is_fixed(arg));
        Cone(from.fold(bit(v), |all, &arg| all | cones[arg].0))
    }

    /// Whether facts may say something of one of these words.
    #[inline]
    pub(super) fn meets(self, facts: &Facts) -> bool {
        let said = facts.ranges.seen() | facts.signed.seen() | facts.ordered;
        self.0 & (said | LENGTH) != 0
    }
}
