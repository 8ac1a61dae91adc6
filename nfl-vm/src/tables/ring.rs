//! Members by consistent hash: rendezvous hashing (Thaler and Ravishankar, 1998) into places.
//!
//! In: members as bytes, and words to choose by. Out: the member with the greatest weight for the
//! word's place. Guaranteed: the choice depends on the capacity, the set of members and the word alone;
//! removing a member moves only the words that had chosen it, and adding one moves only words to it; a
//! choice reads one place, whatever the number of members.

use nfl_abi::hash::siphash24;

use super::index::NONE;

/// Places for each member at full capacity: enough for shares to differ by a tenth.
const PLACES_EACH: usize = 128;

/// Places at least and at most.
const PLACES_MIN: usize = 1 << 10;
const PLACES_MAX: usize = 1 << 20;

/// A set of members, and the winner of each place.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    capacity: u32,
    member_bytes: usize,
    /// The members in the order of their bytes, with their hashes.
    members: Vec<(Vec<u8>, u64)>,
    /// The member of each place; none while there is no member.
    places: Vec<u32>,
}

impl Ring {
    pub(crate) fn new(capacity: u32, member_bytes: usize) -> Ring {
        Ring {
            capacity,
            member_bytes,
            members: Vec::new(),
            places: Vec::new(),
        }
    }

    /// The member for a word, if there is any.
    #[inline]
    pub(crate) fn find(&self, word: u32) -> Option<u32> {
        // Fibonacci hashing: the upper half of the product spreads words that are near each other.
        let spread = u64::from(word).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let at = (spread * self.places.len() as u64) >> 32;
        self.places.get(at as usize).copied()
    }

    /// How many bytes each member has.
    pub(crate) fn member_bytes(&self) -> usize {
        self.member_bytes
    }

    /// The bytes of a member.
    #[inline]
    pub(crate) fn value(&self, member: u32) -> &[u8] {
        self.members
            .get(member as usize)
            .map_or(&[], |(member, _)| member)
    }

    /// Adds a member; answers whether there was room.
    pub(crate) fn insert(&mut self, member: &[u8]) -> bool {
        let Err(at) = self.position(member) else {
            return true;
        };
        if self.members.len() >= self.capacity as usize {
            return false;
        }
        if self.places.is_empty() {
            let each = (self.capacity as usize).saturating_mul(PLACES_EACH);
            self.places = vec![NONE; each.clamp(PLACES_MIN, PLACES_MAX).next_power_of_two()];
        }
        self.members
            .insert(at, (member.to_vec(), siphash24([0; 2], member)));
        for place in 0..self.places.len() {
            let was = match self.places[place] {
                was if was != NONE && was as usize >= at => was + 1,
                was => was,
            };
            self.places[place] = match was {
                NONE => at as u32,
                was => self.heavier(place, was, at as u32),
            };
        }
        true
    }

    /// Removes a member; answers whether there was one.
    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        let Ok(at) = self.position(member) else {
            return false;
        };
        self.members.remove(at);
        if self.members.is_empty() {
            self.places.clear();
        }
        for place in 0..self.places.len() {
            let was = self.places[place] as usize;
            self.places[place] = if was == at {
                let others = 1..self.members.len() as u32;
                others.fold(0, |best, other| self.heavier(place, best, other))
            } else {
                (was - usize::from(was > at)) as u32
            };
        }
        true
    }

    /// Whether this is a member.
    pub(crate) fn contains(&self, member: &[u8]) -> bool {
        self.position(member).is_ok()
    }

    /// The members in the order of their bytes.
    pub(crate) fn members(&self) -> impl Iterator<Item = &[u8]> {
        self.members.iter().map(|(member, _)| &member[..])
    }

    fn position(&self, member: &[u8]) -> Result<usize, usize> {
        self.members
            .binary_search_by(|(other, _)| other[..].cmp(member))
    }

    /// The member with the greater weight for a place; of equal ones that with the greater bytes.
    fn heavier(&self, place: usize, a: u32, b: u32) -> u32 {
        let weight = |at: u32| (mixed(self.members[at as usize].1, place as u64), at);
        weight(a).max(weight(b)).1
    }
}

/// The finisher of SplitMix64 (Steele, Lea and Flood, 2014) over a member's hash and a place.
fn mixed(member: u64, place: u64) -> u64 {
    let mut z = member ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// Equal rings have the same members.
impl PartialEq for Ring {
    fn eq(&self, other: &Ring) -> bool {
        self.capacity == other.capacity && self.members == other.members
    }
}

impl Eq for Ring {}
