//! First match by priority over intervals of the parts of a key.
//!
//! In: rules and keys. Out: the value of the first rule that a key fits. Guaranteed: higher
//! priorities come first, rules of one priority in the order of their insertion; never more rules
//! than the capacity.

use std::cmp::Reverse;

use super::rules::Classifier;

/// A number within a key, and the interval it must lie in. A prefix is an interval too, and a value
/// that does not matter one part less.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// Its first byte in the key.
    pub offset: u16,
    /// Its size in bytes, at most 16.
    pub bytes: u8,
    /// Whether its most significant byte comes first, as in addresses.
    pub big_endian: bool,
    /// Smallest value that fits.
    pub lo: u128,
    /// Largest value that fits.
    pub hi: u128,
}

/// One rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TernaryRule {
    /// Rules of higher priority are asked first.
    pub priority: u32,
    /// What must hold, all of it.
    pub parts: Vec<Part>,
    /// The value of keys that fit.
    pub value: Vec<u8>,
}

/// Rules below which asking one after another is as fast.
const FEW: usize = 8;

/// The largest part, in bytes.
const PART_MAX: u8 = 16;

impl Part {
    fn fits(&self, key: &[u8]) -> bool {
        let number = self.number(key);
        number.is_some_and(|number| (self.lo..=self.hi).contains(&number))
    }

    /// The number in a key, if that is long enough.
    pub(super) fn number(&self, key: &[u8]) -> Option<u128> {
        let start = usize::from(self.offset);
        let bytes = key.get(start..start + usize::from(self.bytes))?;
        let join = |number: u128, &byte: &u8| number << 8 | u128::from(byte);
        Some(if self.big_endian {
            bytes.iter().fold(0, join)
        } else {
            bytes.iter().rev().fold(0, join)
        })
    }
}

/// Rules in the order in which they are asked.
#[derive(Clone, Debug)]
pub(crate) struct Ternary {
    capacity: u32,
    key_bytes: usize,
    value_bytes: usize,
    rules: Vec<TernaryRule>,
    /// The rules by the parts of keys, since nothing was edited.
    classifier: Option<Classifier>,
}

impl Ternary {
    pub(crate) fn new(capacity: u32, key_bytes: usize, value_bytes: usize) -> Ternary {
        Ternary {
            capacity,
            key_bytes,
            value_bytes,
            rules: Vec::new(),
            classifier: None,
        }
    }

    /// The first rule that fits.
    pub(crate) fn find(&self, key: &[u8]) -> Option<u32> {
        if let Some(classifier) = &self.classifier
            && classifier.covers(key)
        {
            return classifier.first(key);
        }
        let fits = |rule: &TernaryRule| rule.parts.iter().all(|part| part.fits(key));
        let first = self.rules.iter().position(fits);
        first.map(|at| at as u32)
    }

    /// Whether a rule has parts that lie within keys, and a value of the right size.
    pub(crate) fn takes(&self, rule: &TernaryRule) -> bool {
        let within = |part: &Part| {
            let end = usize::from(part.offset) + usize::from(part.bytes);
            part.bytes <= PART_MAX && end <= self.key_bytes
        };
        rule.value.len() == self.value_bytes && rule.parts.iter().all(within)
    }

    /// The value of a rule.
    pub(crate) fn value(&self, rule: u32) -> &[u8] {
        self.rules
            .get(rule as usize)
            .map_or(&[], |rule| &rule.value)
    }

    /// The value of the first rule that fits.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.find(key).map(|rule| self.value(rule))
    }

    /// Whether lookups are prepared, or need not be.
    pub(crate) fn is_settled(&self) -> bool {
        self.classifier.is_some() || self.rules.len() < FEW
    }

    /// Prepares lookups after edits.
    pub(crate) fn settle(&mut self) {
        if !self.is_settled() {
            self.classifier = Classifier::new(&self.rules);
        }
    }

    /// Adds a rule behind those of its priority; answers whether there was room.
    pub(crate) fn insert(&mut self, rule: TernaryRule) -> bool {
        if self.rules.len() >= self.capacity as usize {
            return false;
        }
        let before = |other: &TernaryRule| Reverse(other.priority) <= Reverse(rule.priority);
        self.classifier = None;
        let at = self.rules.partition_point(before);
        self.rules.insert(at, rule);
        true
    }

    /// Removes the rules of a priority with these parts; answers whether there was one.
    pub(crate) fn remove(&mut self, priority: u32, parts: &[Part]) -> bool {
        self.classifier = None;
        let held = self.rules.len();
        self.rules
            .retain(|rule| rule.priority != priority || rule.parts != parts);
        self.rules.len() < held
    }

    /// The rules in the order in which they are asked.
    pub(crate) fn rules(&self) -> &[TernaryRule] {
        &self.rules
    }
}

/// Equal tables have the same rules.
impl PartialEq for Ternary {
    fn eq(&self, other: &Ternary) -> bool {
        (self.capacity, &self.rules) == (other.capacity, &other.rules)
    }
}

impl Eq for Ternary {}
