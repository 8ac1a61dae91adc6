//! Subroutines for what code says more than once.
//!
//! In: a proven image. Out: the image with fewer bytes, proven too, or the same. Guaranteed: the same instructions are executed
//! in the same order, with calls and returns between them.
//!
//! The idea: straight code that stands in several places, with the same registers, becomes a subroutine in front of the handlers. A
//! call is two bytes where its link is `ra`, four where that is `t0`, because the body calls services. The sequence that saves most
//! goes first; what the prover does not accept, or what saves nothing in the end, stays as it was. For images that travel, the
//! bytes that the certificate grows by count against it.

use std::collections::{BTreeMap, BTreeSet};

use nfl_abi::{Image, Profile};
use nfl_isa::{Inst, Op, Reg, Target};

use crate::Emitted;
use crate::listing::{CALL_BYTES, Item, Listing, To};

/// The longest sequence that is looked for, in instructions.
const SEQUENCE_MAX: usize = 24;
/// Code of more instructions is left as it is.
const INSTS_MAX: usize = 2000;
/// Sequences that are tried.
const TRIES_MAX: usize = 24;

const FAR_CALL_BYTES: u32 = 4;
const RETURN_BYTES: u32 = 2;
/// Calls of two bytes reach so far.
const NEAR_BYTES: usize = 2000;

/// Makes subroutines as long as that saves bytes. `prove` answers the image with its certificate and bounds.
pub(crate) fn outline(
    mut best: Emitted,
    isa: &'static Target,
    prove: &mut dyn FnMut(Image) -> Option<Image>,
) -> Emitted {
    if best.lines.len() > INSTS_MAX {
        return best;
    }
    let Some(mut listing) = Listing::of(&best, isa) else {
        return best;
    };
    let mut refused = BTreeSet::new();
    for _ in 0..TRIES_MAX {
        let Some(found) = listing.find(&refused) else {
            break;
        };
        let mut next = listing.clone();
        next.extract(&found);
        let made = next.encode(&best.image);
        let proven = made.and_then(|(image, lines)| Some((prove(image)?, lines)));
        match proven {
            Some((image, lines)) if weight(&image) < weight(&best.image) => {
                best = Emitted { image, lines };
                listing = next;
            }
            _ => {
                refused.insert(found.keys);
            }
        }
    }
    best
}

/// The bytes that count: of what stays on a node those of the code, of what travels those of the certificate too.
fn weight(image: &Image) -> usize {
    let certificate = match image.manifest.profile {
        Profile::Capsule => image.certificate.len(),
        Profile::Resident => 0,
    };
    image.code.len() + certificate
}

/// A sequence that stands in several places.
struct Found {
    keys: Vec<u64>,
    /// Where it stands in the order.
    at: Vec<usize>,
    link: Reg,
}

impl Listing {
    /// The sequence that saves most.
    fn find(&self, refused: &BTreeSet<Vec<u64>>) -> Option<Found> {
        let handlers = &self.order[self.own..];
        let targets = self.targets();
        let keys: Vec<Option<u64>> = handlers.iter().map(|&id| self.items[id].key()).collect();
        let live = self.live();
        let bytes: u32 = handlers.iter().map(|&id| self.bytes(id)).sum();
        let call = match bytes as usize {
            0..NEAR_BYTES => CALL_BYTES,
            _ => FAR_CALL_BYTES,
        };
        let mut best: Option<(u32, Found)> = None;
        // Sequences that are equal so far, by where they begin; longer ones are among those.
        let mut groups: Vec<Vec<usize>> = vec![(0..keys.len()).collect()];
        for len in 1..=SEQUENCE_MAX {
            let mut finer: BTreeMap<(usize, u64), Vec<usize>> = BTreeMap::new();
            for (group, places) in groups.iter().enumerate() {
                for &at in places {
                    let last = at + len - 1;
                    // Others may go to the first instruction alone.
                    let is_entered =
                        len > 1 && handlers.get(last).is_some_and(|id| targets.contains(id));
                    if let Some(&Some(key)) = keys.get(last).filter(|_| !is_entered) {
                        finer.entry((group, key)).or_default().push(at);
                    }
                }
            }
            groups = finer.into_values().filter(|at| at.len() > 1).collect();
            for at in &groups {
                let found = self.judge(at, len, &live, call);
                let found = found.filter(|(saved, found)| {
                    *saved > best.as_ref().map_or(0, |best| best.0)
                        && !refused.contains(&found.keys)
                });
                best = found.or(best);
            }
        }
        best.map(|(_, found)| found)
    }

    /// What it saves to make a subroutine of a sequence that begins at these places among the handlers.
    fn judge(&self, at: &[usize], len: usize, live: &[u32], call: u32) -> Option<(u32, Found)> {
        let first = self.own + at.first()?;
        let body = self.order.get(first..first + len)?;
        let size: u32 = body.iter().map(|&id| self.bytes(id)).sum();
        let body: Vec<&Item> = body.iter().map(|&id| &self.items[id]).collect();
        let calls = body.iter().any(|item| matches!(item.to, To::Slot(_)));
        // A service writes `ra`.
        let (link, call) = match calls {
            true => (Reg::T0, FAR_CALL_BYTES),
            false => (Reg::RA, call),
        };
        if body
            .iter()
            .any(|item| item.reads(link) || item.writes(link))
        {
            return None;
        }
        let at = apart(at, len, |end| live[self.own + end] >> link.index() & 1 == 0);
        let count = at.len() as u32;
        let saved = (count * size).checked_sub(size + RETURN_BYTES + count * call)?;
        let keys = body.iter().filter_map(|item| item.key()).collect();
        let at = at.iter().map(|at| at + self.own).collect();
        Some((saved, Found { keys, at, link }))
    }

    /// Makes a sequence a subroutine behind the others.
    fn extract(&mut self, found: &Found) {
        let len = found.keys.len();
        let Some(&first) = found.at.first() else {
            return;
        };
        let body: Vec<Item> = self.order[first..first + len]
            .iter()
            .map(|&id| self.items[id])
            .collect();
        let from = self.items.len();
        self.items.extend(body);
        self.items.push(Item {
            inst: Inst::i(Op::Jalr, Reg::ZERO, found.link, 0),
            to: To::On,
            span: None,
        });
        for &at in found.at.iter().rev() {
            let id = self.order[at];
            // Who goes to the first instruction goes to the call.
            self.items[id] = Item {
                inst: Inst::u(Op::Jal, found.link, 0),
                to: To::Item(from),
                span: self.items[id].span,
            };
            self.order.drain(at + 1..at + len);
        }
        let own = from..self.items.len();
        let end = self.own + own.len();
        self.order.splice(self.own..self.own, own);
        self.own = end;
    }
}

/// The places that do not overlap and behind which control may go on.
fn apart(at: &[usize], len: usize, is_free: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    for &at in at {
        if chosen.last().is_none_or(|last| last + len <= at) && is_free(at + len) {
            chosen.push(at);
        }
    }
    chosen
}
