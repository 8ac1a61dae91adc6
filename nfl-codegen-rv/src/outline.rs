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
use nfl_isa::{Inst, Op, Reg};
use nfl_syntax::Span;

use crate::Emitted;

/// The longest sequence that is looked for, in instructions.
const SEQUENCE_MAX: usize = 24;
/// Code of more instructions is left as it is.
const INSTS_MAX: usize = 2000;
/// Sequences that are tried.
const TRIES_MAX: usize = 24;

const CALL_BYTES: u32 = 2;
const FAR_CALL_BYTES: u32 = 4;
const RETURN_BYTES: u32 = 2;
/// Calls of two bytes reach so far.
const NEAR_BYTES: usize = 2000;

/// Makes subroutines as long as that saves bytes. `prove` answers the image with its certificate and bounds.
pub(crate) fn outline(mut best: Emitted, prove: &dyn Fn(&Image) -> Option<Image>) -> Emitted {
    let Some(mut listing) = Listing::of(&best) else {
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
        let proven = made.and_then(|(image, lines)| Some((prove(&image)?, lines)));
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

/// Where control goes from an instruction, other than on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    On,
    /// To an instruction.
    Item(usize),
    /// To a slot of the call vector, at an offset from the code's first byte.
    Slot(i32),
}

#[derive(Clone, Copy)]
struct Item {
    inst: Inst,
    to: To,
    span: Option<Span>,
}

impl Item {
    /// What makes two instructions equal wherever they stand; none for those that do not simply go on.
    fn key(&self) -> Option<u64> {
        match self.to {
            To::Slot(slot) => Some(1 << 32 | u64::from(slot.cast_unsigned())),
            To::On if !matches!(self.inst.op, Op::Ebreak | Op::Jalr) => {
                nfl_isa::encode(&self.inst).ok().map(u64::from)
            }
            _ => None,
        }
    }

    /// Bytes of one that goes on; those of a call while the vector is near.
    fn bytes(&self) -> u32 {
        match self.to {
            To::Slot(_) => CALL_BYTES,
            _ => nfl_isa::size(&self.inst),
        }
    }

    fn reads(&self, reg: Reg) -> bool {
        self.inst.read().contains(&Some(reg))
    }

    fn writes(&self, reg: Reg) -> bool {
        self.inst.written() == Some(reg)
    }
}

/// The code of an image as a list.
#[derive(Clone)]
struct Listing {
    items: Vec<Item>,
    /// The items in the order of addresses.
    order: Vec<usize>,
    /// Of these the first ones belong to subroutines.
    own: usize,
    entries: Vec<usize>,
}

/// A sequence that stands in several places.
struct Found {
    keys: Vec<u64>,
    /// Where it stands in the order.
    at: Vec<usize>,
    link: Reg,
}

impl Listing {
    fn of(emitted: &Emitted) -> Option<Listing> {
        let code = &emitted.image.code;
        let lines = &emitted.lines;
        if lines.len() > INSTS_MAX {
            return None;
        }
        let place = |pc: u32| lines.binary_search_by_key(&pc, |line| line.0).ok();
        let item = |&(pc, _, span): &(u32, u32, Option<Span>)| {
            let (inst, _) = nfl_isa::decode(code.get(pc as usize..)?).ok()?;
            let to = pc.cast_signed() + inst.imm;
            let to = match inst.op {
                Op::Jal if to < 0 => To::Slot(to),
                Op::Jal | Op::Beq | Op::Bne | Op::Blt | Op::Bge | Op::Bltu | Op::Bgeu => {
                    To::Item(place(to.cast_unsigned())?)
                }
                _ => To::On,
            };
            Some(Item { inst, to, span })
        };
        let items: Vec<Item> = lines.iter().map(item).collect::<Option<_>>()?;
        let entries = emitted.image.manifest.entries.iter();
        Some(Listing {
            order: (0..items.len()).collect(),
            own: 0,
            entries: entries
                .map(|entry| place(entry.pc))
                .collect::<Option<_>>()?,
            items,
        })
    }

    /// The sequence that saves most.
    fn find(&self, refused: &BTreeSet<Vec<u64>>) -> Option<Found> {
        let handlers = &self.order[self.own..];
        let mut targets: BTreeSet<usize> = self.entries.iter().copied().collect();
        targets.extend(self.items.iter().filter_map(|item| match item.to {
            To::Item(to) => Some(to),
            _ => None,
        }));
        let keys: Vec<Option<u64>> = handlers.iter().map(|&id| self.items[id].key()).collect();
        let live = [Reg::RA, Reg::T0].map(|reg| self.live(reg));
        let bytes: u32 = handlers.iter().map(|&id| self.items[id].bytes()).sum();
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
    fn judge(
        &self,
        at: &[usize],
        len: usize,
        live: &[Vec<bool>; 2],
        call: u32,
    ) -> Option<(u32, Found)> {
        let first = self.own + at.first()?;
        let body = self.order.get(first..first + len)?;
        let body: Vec<&Item> = body.iter().map(|&id| &self.items[id]).collect();
        let calls = body.iter().any(|item| matches!(item.to, To::Slot(_)));
        // A service writes `ra`.
        let (link, live, call) = match calls {
            true => (Reg::T0, &live[1], FAR_CALL_BYTES),
            false => (Reg::RA, &live[0], call),
        };
        if body
            .iter()
            .any(|item| item.reads(link) || item.writes(link))
        {
            return None;
        }
        let at = apart(at, len, |end| !live[self.own + end]);
        let size: u32 = body.iter().map(|item| item.bytes()).sum();
        let count = at.len() as u32;
        let saved = (count * size).checked_sub(size + RETURN_BYTES + count * call)?;
        let keys = body.iter().filter_map(|item| item.key()).collect();
        let at = at.iter().map(|at| at + self.own).collect();
        Some((saved, Found { keys, at, link }))
    }

    /// For each place in the order whether some way from there reads a register before it is written.
    fn live(&self, reg: Reg) -> Vec<bool> {
        let mut places = vec![0; self.items.len()];
        for (at, &id) in self.order.iter().enumerate() {
            places[id] = at;
        }
        let mut live = vec![false; self.order.len() + 1];
        loop {
            let mut changed = false;
            for (at, &id) in self.order.iter().enumerate().rev() {
                let item = &self.items[id];
                let on = live[at + 1];
                let behind = match (item.to, item.inst.op) {
                    (To::Item(to), Op::Jal) if item.inst.rd == Reg::ZERO => live[places[to]],
                    // To the other side of a branch, or to a subroutine and back.
                    (To::Item(to), _) => on || live[places[to]],
                    (_, Op::Ebreak | Op::Jalr) => false,
                    _ => on,
                };
                let now = item.reads(reg) || (behind && !item.writes(reg));
                changed |= now != live[at];
                live[at] = now;
            }
            if !changed {
                return live;
            }
        }
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

    /// The image with this code, without certificate and bounds; none when a branch does not reach.
    fn encode(&self, like: &Image) -> Option<(Image, Lines)> {
        let mut offsets = vec![0u32; self.items.len()];
        let mut sizes = vec![2u32; self.items.len()];
        let inst = |id: usize, offsets: &[u32]| {
            let item = &self.items[id];
            let to = match item.to {
                To::On => return item.inst,
                To::Item(to) => offsets[to].cast_signed(),
                To::Slot(to) => to,
            };
            Inst {
                imm: to - offsets[id].cast_signed(),
                ..item.inst
            }
        };
        // Sizes only grow, so that ends.
        loop {
            let mut pc = 0;
            for &id in &self.order {
                offsets[id] = pc;
                pc += sizes[id];
            }
            let mut grown = false;
            for &id in &self.order {
                let size = nfl_isa::size(&inst(id, &offsets)).max(sizes[id]);
                grown |= size > sizes[id];
                sizes[id] = size;
            }
            if !grown {
                break;
            }
        }
        let (mut code, mut lines) = (Vec::new(), Lines::new());
        for &id in &self.order {
            let inst = inst(id, &offsets);
            lines.push((offsets[id], sizes[id], self.items[id].span));
            match nfl_isa::compress(&inst).filter(|_| sizes[id] == 2) {
                Some(half) => code.extend(half.to_le_bytes()),
                None => code.extend(nfl_isa::encode(&inst).ok()?.to_le_bytes()),
            }
        }
        let mut image = Image {
            code,
            certificate: Vec::new(),
            ..like.clone()
        };
        for (entry, &id) in image.manifest.entries.iter_mut().zip(&self.entries) {
            entry.pc = offsets[id];
        }
        Some((image, lines))
    }
}

type Lines = Vec<(u32, u32, Option<Span>)>;

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
