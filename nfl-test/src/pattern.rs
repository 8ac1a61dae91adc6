//! Layer patterns, bodies, and the parse graph.
//!
//! In: bytes and a pattern. Out: whether it matches, with its views. Guaranteed: for each layer the
//! tests come in the order of the language: the edge of the parse graph, what the header in front
//! still owes (`valid`, its full length), the layer's own length.

use std::rc::Rc;

use nfl_abi::Layer;
use nfl_syntax::ast::{BinOp, PatId};
use nfl_typeck::Konst;
use nfl_typeck::tables::{Derived, HeaderId, LayerStep, LocalId, PatInfo};

use crate::run::{Eval, Place, Run, stop};
use crate::value::{Operand, Value, View, constant};
use crate::wire;

/// The header in front of a layer.
#[derive(Clone)]
struct Front {
    view: View,
    /// Its variable, if the header belongs to this pattern and still owes its tests.
    owes: Option<LocalId>,
}

impl Run<'_> {
    /// Whether a pattern takes a value, which it may give names.
    pub(crate) fn takes(&mut self, pat: PatId, value: &Value) -> Eval<bool> {
        let info = self.t.pats[pat].clone();
        let (packet, front, steps) = match (&info, value) {
            (PatInfo::Any, _) => return Ok(true),
            (PatInfo::Bind(local), _) => {
                self.locals.set(*local, Some(value.clone()));
                return Ok(true);
            }
            (PatInfo::Const(one), _) => return self.matches(value, &constant(one)),
            (PatInfo::Range(lo, hi), _) => {
                let (lo, hi) = (constant(lo), constant(hi));
                return Ok(
                    self.compare(BinOp::Le, &lo, value)? && self.compare(BinOp::Le, value, &hi)?
                );
            }
            (PatInfo::Layers(steps), Value::Packet(packet)) => {
                let (bytes, layer) = self.bytes(packet)?;
                self.layer = layer;
                (bytes, None, steps.as_slice())
            }
            (PatInfo::Layers(steps), Value::Body(view)) => {
                let front = Front {
                    view: view.clone(),
                    owes: None,
                };
                (view.packet.clone(), Some(front), steps.as_slice())
            }
            // A layout that a cursor stands at: nothing leads there, and the cursor stays.
            (PatInfo::Layers(steps), Value::Cursor(cursor)) => {
                let Some(step) = steps.first() else {
                    return Ok(true);
                };
                let (at, fixed) = (cursor.at.get(), self.t.headers[step.header].fixed_bytes);
                if at + fixed as usize > cursor.end {
                    return stop("the packet is malformed: it is shorter than it claims");
                }
                let view = View {
                    packet: cursor.packet.clone(),
                    header: step.header,
                    base: at,
                    fronts: Rc::new(Vec::new()),
                };
                self.locals.set(step.local, Some(Value::View(view)));
                return Ok(true);
            }
            // One of several headers turns out to be this one.
            (PatInfo::Layers(steps), Value::View(view)) => {
                let Some((first, rest)) = steps.split_first() else {
                    return Ok(true);
                };
                if first.header != view.header {
                    return Ok(false);
                }
                self.locals.set(first.local, Some(value.clone()));
                let front = Front {
                    view: view.clone(),
                    owes: None,
                };
                (view.packet.clone(), Some(front), rest)
            }
            (
                PatInfo::Record {
                    record,
                    args,
                    local,
                    ..
                },
                Value::Record(of, items),
            ) => {
                if record != of {
                    return Ok(false);
                }
                for (&arg, item) in args.iter().zip(items) {
                    if !self.takes(arg, item)? {
                        return Ok(false);
                    }
                }
                if let Some(local) = local {
                    self.locals.set(*local, Some(value.clone()));
                }
                return Ok(true);
            }
            (PatInfo::Verdict { kind, arg }, Value::Verdict(found, operand)) => {
                return Ok(kind == found && self.takes_operand(*arg, operand)?);
            }
            _ => return stop("this pattern is not known to tests"),
        };
        let Some(views) = self.layers(&packet, front, steps)? else {
            return Ok(false);
        };
        for (local, view) in views {
            self.locals.set(local, Some(Value::View(view)));
        }
        Ok(true)
    }

    /// Whether a pattern takes what a verdict says. A `Drop` without a reason is one with each.
    fn takes_operand(&mut self, arg: Option<PatId>, operand: &Operand) -> Eval<bool> {
        let Some(arg) = arg else {
            return Ok(true);
        };
        match operand {
            Operand::None => Ok(true),
            Operand::Number(n) => self.takes(arg, &Value::Int(i128::from(*n))),
            Operand::Reason(None) => Ok(true),
            Operand::Reason(Some(name)) => match &self.t.pats[arg] {
                PatInfo::Const(Konst::Reason(id)) => Ok(self.t.reasons[*id].name == *name),
                _ => {
                    let mut reasons = self.t.reasons.iter();
                    match reasons.find(|(_, reason)| reason.name == *name) {
                        Some((id, _)) => self.takes(arg, &Value::Reason(id)),
                        None => stop(format!("there is no reason `{name}`")),
                    }
                }
            },
        }
    }

    /// The views of the layers from here on, outermost last.
    fn layers(
        &mut self,
        packet: &Rc<Vec<u8>>,
        front: Option<Front>,
        steps: &[LayerStep],
    ) -> Eval<Option<Vec<(LocalId, View)>>> {
        let Some((step, rest)) = steps.split_first() else {
            if let Some(front) = &front {
                self.settle(front)?;
            }
            return Ok(Some(Vec::new()));
        };
        let base = match &front {
            Some(f) => self.end_of_header(packet, f.view.header, f.view.base)?,
            None => 0,
        };
        let parent = front.as_ref().map(|f| (f.view.header, f.view.base));
        let candidates = match step.one_of {
            Some(id) => self.t.one_of[id].members.clone(),
            None => vec![step.header],
        };
        let mut header = None;
        for candidate in candidates {
            if header.is_none() && self.follows(packet, parent, candidate, base)? {
                header = Some(candidate);
            }
        }
        let Some(header) = header else {
            return if step.optional {
                self.layers(packet, front, rest)
            } else {
                Ok(None)
            };
        };
        if let Some(front) = &front {
            self.settle(front)?;
        }
        let fixed = self.t.headers[header].fixed_bytes as usize;
        if packet.len() < base + fixed {
            return stop("the packet is malformed: it is shorter than it claims");
        }
        let mut fronts = front
            .as_ref()
            .map_or_else(Vec::new, |f| f.view.fronts.to_vec());
        fronts.extend(parent);
        let view = View {
            packet: packet.clone(),
            header,
            base,
            fronts: Rc::new(fronts),
        };
        let next = Front {
            view: view.clone(),
            owes: Some(step.local),
        };
        let found = self.layers(packet, Some(next), rest)?;
        Ok(found.map(|mut views| {
            views.push((step.local, view));
            views
        }))
    }

    /// Whether an edge leads from `parent` to `header`, which would begin at `base`.
    pub(crate) fn follows(
        &mut self,
        packet: &Rc<Vec<u8>>,
        parent: Option<(HeaderId, usize)>,
        header: HeaderId,
        base: usize,
    ) -> Eval<bool> {
        let edges = self.t.headers[header].edges.clone();
        for edge in edges.iter().filter(|e| e.parent == parent.map(|(h, _)| h)) {
            let Some(when) = edge.when else {
                return Ok(true);
            };
            let own = Some((packet.clone(), header, base));
            let parent = parent.map(|(h, at)| (packet.clone(), h, at));
            if self.about(own, parent, |run| run.truth(when))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Evaluates something about a header and the one in front of it.
    pub(crate) fn about<T>(
        &mut self,
        own: Option<Place>,
        parent: Option<Place>,
        eval: impl FnOnce(&mut Self) -> Eval<T>,
    ) -> Eval<T> {
        let outer = (
            std::mem::replace(&mut self.own, own),
            std::mem::replace(&mut self.parent, parent),
        );
        let tracing = std::mem::replace(&mut self.tracing, false);
        let value = eval(self);
        self.tracing = tracing;
        (self.own, self.parent) = outer;
        value
    }

    /// Whether the conjuncts of `valid when` over these fields hold.
    pub(crate) fn valid(
        &mut self,
        packet: &Rc<Vec<u8>>,
        (header, base): (HeaderId, usize),
        used: u64,
    ) -> Eval<bool> {
        let valid = self.t.headers[header].valid.clone();
        for conjunct in valid.iter().filter(|c| c.fields & used != 0) {
            let own = Some((packet.clone(), header, base));
            if !self.about(own, None, |run| run.truth(conjunct.cond))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The tests that a header owes once it is known what follows it.
    fn settle(&mut self, front: &Front) -> Eval<()> {
        let Some(local) = front.owes else {
            return Ok(());
        };
        let place = (front.view.header, front.view.base);
        let info = &self.t.locals[local];
        let (mut used, behind) = (info.fields_used, info.behind_used);
        if behind {
            used |= self.t.headers[place.0].placing;
        }
        let packet = &front.view.packet;
        if !self.valid(packet, place, used)? {
            return stop("the packet is malformed: a header is not valid");
        }
        if behind && packet.len() < self.end_of_header(packet, place.0, place.1)? {
            return stop("the packet is malformed: it is shorter than it claims");
        }
        Ok(())
    }

    /// Where a header ends, variable fields included. Layout arithmetic has 32 bits.
    pub(crate) fn end_of_header(
        &mut self,
        packet: &Rc<Vec<u8>>,
        header: HeaderId,
        base: usize,
    ) -> Eval<usize> {
        let t = self.t;
        let mut end = base + t.headers[header].fixed_bytes as usize;
        for field in &t.headers[header].fields {
            let Some(len) = field.len else { continue };
            let outer = std::mem::replace(&mut self.layout, true);
            let own = Some((packet.clone(), header, base));
            let count = self.about(own, None, |run| run.number(len));
            self.layout = outer;
            let bytes = t.types.bits(field.ty).unwrap_or(8).div_ceil(8);
            end += usize::try_from(count?).unwrap_or(0) * bytes as usize;
        }
        Ok(end)
    }

    /// Where the body of a header ends: at the nearest end of the headers around it, or at the end of
    /// the packet. A length that claims more than is there, or less than its own header, counts for
    /// nothing.
    pub(crate) fn body_end(&mut self, packet: &Rc<Vec<u8>>, around: &[(HeaderId, usize)]) -> usize {
        let mut end = packet.len();
        for &(header, base) in around {
            let fixed = self.t.headers[header].fixed_bytes as usize;
            for (index, field) in self.t.headers[header].fields.iter().enumerate() {
                let from = match field.derived {
                    Some(Derived::LengthFrom) => base,
                    Some(Derived::LengthAfter) => base + fixed,
                    _ => continue,
                };
                if let Some(Value::Int(claim)) =
                    wire::load(self.t, packet, header, base, index as u32)
                {
                    let claimed = from + usize::try_from(claim).unwrap_or(0);
                    if claimed <= end && claimed >= base + fixed {
                        end = claimed;
                    }
                }
            }
        }
        end
    }

    /// The headers of a packet as the parse graph reads it, with their places, and where the last ends.
    pub(crate) fn parse(
        &mut self,
        packet: &Rc<Vec<u8>>,
        layer: Layer,
    ) -> (Vec<(HeaderId, usize)>, usize) {
        const LAYERS_MAX: usize = 32;
        let outer = std::mem::replace(&mut self.layer, layer);
        let mut found: Vec<(HeaderId, usize)> = Vec::new();
        let mut base = 0;
        while found.len() < LAYERS_MAX {
            let next = self.t.headers.ids().find(|&header| {
                let fixed = self.t.headers[header].fixed_bytes as usize;
                packet.len() >= base + fixed
                    && self
                        .follows(packet, found.last().copied(), header, base)
                        .unwrap_or(false)
                    && self
                        .valid(packet, (header, base), u64::MAX)
                        .unwrap_or(false)
            });
            let Some(header) = next else { break };
            let end = self.end_of_header(packet, header, base);
            let Some(end) = end.ok().filter(|&end| end <= packet.len()) else {
                break;
            };
            found.push((header, base));
            base = end;
        }
        self.layer = outer;
        (found, base)
    }
}
