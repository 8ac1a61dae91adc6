//! Members by consistent hash: rendezvous hashing (Thaler and Ravishankar, 1998).
//!
//! In: members as bytes, and words to choose by. Out: the member with the greatest weight for the
//! word. Guaranteed: the choice depends on the set of members and the word alone; removing a member
//! moves only the words that had chosen it, and adding one moves only words to it.

use std::collections::BTreeSet;

use nfl_abi::hash::siphash24;

/// A set of members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ring {
    capacity: u32,
    members: BTreeSet<Vec<u8>>,
}

impl Ring {
    pub(crate) fn new(capacity: u32) -> Ring {
        Ring {
            capacity,
            members: BTreeSet::new(),
        }
    }

    /// The member for a word, if there is any.
    pub(crate) fn pick(&self, word: u32) -> Option<&[u8]> {
        let weight = |member: &&Vec<u8>| siphash24([u64::from(word), 0], member);
        self.members.iter().max_by_key(weight).map(Vec::as_slice)
    }

    /// Adds a member; answers whether there was room.
    pub(crate) fn insert(&mut self, member: &[u8]) -> bool {
        let known = self.members.contains(member);
        if !known && self.members.len() >= self.capacity as usize {
            return false;
        }
        self.members.insert(member.to_vec());
        true
    }

    /// Removes a member; answers whether there was one.
    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        self.members.remove(member)
    }

    /// Whether this is a member.
    pub(crate) fn contains(&self, member: &[u8]) -> bool {
        self.members.contains(member)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.members.clear();
    }

    /// The members in the order of their bytes.
    pub(crate) fn members(&self) -> impl Iterator<Item = &[u8]> {
        self.members.iter().map(Vec::as_slice)
    }
}
