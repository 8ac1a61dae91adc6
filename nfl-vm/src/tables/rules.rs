//! Which rules a key fits, by its parts: a set of rules for each interval of each part.
//!
//! In: rules in the order in which they are asked. Out: the first that a key fits. Guaranteed: the same as
//! asking one after another; a lookup searches each part's intervals by halves, and reads for each 4,096 rules
//! one word of each part, and one more for each 64 rules that all parts may fit.
//!
//! The idea is the bit vectors of Lakshman and Stiliadis (1998), with the summaries that Baboescu and
//! Varghese (2001) put over them: the ends of all rules cut the numbers of a part into intervals, and
//! within one interval the same rules fit.

use super::ternary::{Part, TernaryRule};

/// Rules at most: the sets take memory by the square of the rules.
const RULES_MAX: usize = 1 << 14;

/// Parts of a key at most.
const PLACES_MAX: usize = 8;

const WORD: usize = 64;

/// A number of the key, and the rules that its values fit.
#[derive(Clone, Debug)]
struct Dimension {
    /// Where the number is; its bounds mean nothing.
    part: Part,
    /// The first number of each interval.
    starts: Vec<u128>,
    /// For each interval a set of rules, and one of the words in it that are not zero.
    sets: Vec<u64>,
}

/// Rules by the parts of keys.
#[derive(Clone, Debug)]
pub(super) struct Classifier {
    dimensions: Vec<Dimension>,
    /// Words of a set, and of its summary.
    words: usize,
    summary: usize,
    rules: usize,
    /// The bytes of a key that are looked at.
    key_bytes: usize,
}

impl Dimension {
    /// The interval that the number of a key lies in.
    fn interval(&self, key: &[u8]) -> usize {
        let number = self.part.number(key).unwrap_or(0);
        // The first interval begins with 0.
        self.starts.partition_point(|&start| start <= number) - 1
    }
}

impl Classifier {
    /// The classifier of these rules; nothing when they are too many.
    pub(super) fn new(rules: &[TernaryRule]) -> Option<Classifier> {
        if rules.len() > RULES_MAX {
            return None;
        }
        let place = |part: &Part| (part.offset, part.bytes, part.big_endian);
        let mut places: Vec<Part> = rules
            .iter()
            .flat_map(|rule| rule.parts.iter().copied())
            .collect();
        places.sort_by_key(place);
        places.dedup_by_key(|part| place(part));
        if places.len() > PLACES_MAX {
            return None;
        }
        let words = rules.len().div_ceil(WORD);
        let summary = words.div_ceil(WORD);
        let end = |part: &Part| usize::from(part.offset) + usize::from(part.bytes);
        let key_bytes = places.iter().map(end).max().unwrap_or(0);
        let dimension = |part: Part| {
            let mut starts = vec![0];
            let of = |rule: &TernaryRule| -> Vec<Part> {
                let same = rule
                    .parts
                    .iter()
                    .filter(|other| place(other) == place(&part));
                same.copied().collect()
            };
            for part in rules.iter().flat_map(of) {
                starts.push(part.lo);
                starts.extend(part.hi.checked_add(1));
            }
            starts.sort_unstable();
            starts.dedup();
            // Rules come and go at the starts of intervals.
            let mut changes: Vec<(usize, usize)> = Vec::new();
            for (rule, all) in rules.iter().enumerate() {
                let parts = of(all);
                let lo = parts.iter().map(|part| part.lo).max().unwrap_or(0);
                let hi = parts.iter().map(|part| part.hi).min().unwrap_or(u128::MAX);
                let first = starts.partition_point(|&start| start < lo);
                let behind = starts.partition_point(|&start| start <= hi);
                if first < behind {
                    changes.push((first, rule));
                    changes.push((behind, rule));
                }
            }
            changes.sort_unstable();
            let mut changes = changes.into_iter().peekable();
            let mut set = vec![0u64; words];
            let mut sets = Vec::with_capacity(starts.len() * (words + summary));
            for interval in 0..starts.len() {
                while let Some((_, rule)) = changes.next_if(|&(at, _)| at == interval) {
                    set[rule / WORD] ^= 1 << (rule % WORD);
                }
                sets.extend_from_slice(&set);
                sets.extend(set.chunks(WORD).map(|words| {
                    let bits = words.iter().enumerate();
                    bits.fold(0, |bits, (n, &word)| bits | u64::from(word != 0) << n)
                }));
            }
            Dimension { part, starts, sets }
        };
        Some(Classifier {
            dimensions: places.into_iter().map(dimension).collect(),
            words,
            summary,
            rules: rules.len(),
            key_bytes,
        })
    }

    /// Whether a key is long enough for all parts.
    pub(super) fn covers(&self, key: &[u8]) -> bool {
        key.len() >= self.key_bytes
    }

    /// The first rule that a key of all parts fits.
    pub(super) fn first(&self, key: &[u8]) -> Option<u32> {
        if self.dimensions.is_empty() {
            return (self.rules > 0).then_some(0);
        }
        let mut at = [0usize; PLACES_MAX];
        let each = self.words + self.summary;
        let dimensions = &self.dimensions[..];
        for (at, dimension) in at.iter_mut().zip(dimensions) {
            *at = dimension.interval(key) * each;
        }
        let sets = || dimensions.iter().zip(at);
        for n in 0..self.summary {
            let all = |bits: u64, (dimension, at): (&Dimension, usize)| {
                bits & dimension.sets[at + self.words + n]
            };
            let mut some = sets().fold(u64::MAX, all);
            while some != 0 {
                let word = n * WORD + some.trailing_zeros() as usize;
                let all = |bits: u64, (dimension, at): (&Dimension, usize)| {
                    bits & dimension.sets[at + word]
                };
                let fit = sets().fold(u64::MAX, all);
                if fit != 0 {
                    return Some((word * WORD) as u32 + fit.trailing_zeros());
                }
                some &= some - 1;
            }
        }
        None
    }
}
