//! Longest prefix match over addresses of one length.
//!
//! In: prefixes with values, and addresses in wire order. Out: the value of the longest prefix that
//! an address begins with. Guaranteed: host bits do not matter; never more prefixes than the
//! capacity.

use std::collections::BTreeMap;

/// Prefixes by length, and within a length by their bits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Lpm {
    capacity: u32,
    by_length: BTreeMap<u16, BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Lpm {
    pub(crate) fn new(capacity: u32) -> Lpm {
        Lpm {
            capacity,
            by_length: BTreeMap::new(),
        }
    }

    /// The value of the longest prefix.
    pub(crate) fn get(&self, address: &[u8]) -> Option<&[u8]> {
        let longest_first = self.by_length.iter().rev();
        let mut found = longest_first.filter_map(|(&bits, of)| of.get(&masked(address, bits)));
        found.next().map(Vec::as_slice)
    }

    /// Stores a prefix or replaces its value; answers whether there was room.
    pub(crate) fn insert(&mut self, address: &[u8], bits: u16, value: &[u8]) -> bool {
        let key = masked(address, bits);
        let of_length = self.by_length.get(&bits);
        let known = of_length.is_some_and(|of| of.contains_key(&key));
        let held: usize = self.by_length.values().map(BTreeMap::len).sum();
        if !known && held >= self.capacity as usize {
            return false;
        }
        let of_length = self.by_length.entry(bits).or_default();
        of_length.insert(key, value.to_vec());
        true
    }

    /// Removes a prefix; answers whether there was one.
    pub(crate) fn remove(&mut self, address: &[u8], bits: u16) -> bool {
        let Some(of_length) = self.by_length.get_mut(&bits) else {
            return false;
        };
        let removed = of_length.remove(&masked(address, bits)).is_some();
        if of_length.is_empty() {
            self.by_length.remove(&bits);
        }
        removed
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.by_length.clear();
    }

    /// Prefixes, shortest first, with their lengths in bits and their values.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], u16, &[u8])> {
        self.by_length.iter().flat_map(|(&bits, of)| {
            let of_length = of.iter();
            of_length.map(move |(key, value)| (&key[..], bits, &value[..]))
        })
    }
}

/// The address with all bits behind the first `bits` cleared.
fn masked(address: &[u8], bits: u16) -> Vec<u8> {
    let bits = usize::from(bits);
    let byte = |(n, &byte): (usize, &u8)| match bits.saturating_sub(n * 8) {
        0 => 0,
        kept @ 1..=7 => byte & !(0xff >> kept),
        _ => byte,
    };
    address.iter().enumerate().map(byte).collect()
}
