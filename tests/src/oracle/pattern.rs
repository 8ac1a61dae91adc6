//! Layer patterns and bodies.
//!
//! In: a packet or the body of a header, and a pattern. Out: whether it matches, with its views.
//! Guaranteed: for each layer the tests come in the order of the language: the edge of the parse
//! graph, what the header in front still owes (`valid`, its full length), the layer's own length.

use std::rc::Rc;

use nfl_syntax::ast::{ExprId, PatId};
use nfl_typeck::TyKind;
use nfl_typeck::tables::{Derived, HeaderId, LayerStep, LocalId};

use super::{Eval, Run, Stop, Value, View, wrong};

/// The header in front of a layer.
#[derive(Clone)]
struct Front {
    view: View,
    /// Its layer, if the header belongs to this pattern and still owes its tests.
    owes: Option<LayerStep>,
}

impl Run<'_> {
    pub(super) fn instance_of(&mut self, value: ExprId, pat: PatId) -> Eval<Value> {
        let value = self.eval(value)?;
        let pat = self.t.pats[pat].clone();
        Ok(Value::Bool(self.takes(&pat, &value)?))
    }

    /// Whether a value matches these layers; binds their names.
    pub(super) fn has_layers(&mut self, value: &Value, steps: &[LayerStep]) -> Eval<bool> {
        let front = match value {
            Value::Packet => None,
            Value::Body(view) => Some(Front {
                view: view.clone(),
                owes: None,
            }),
            Value::View(view) => return self.is_one(view.clone(), steps),
            Value::Cursor(place, end, fronts) => {
                let mut view = self.stands(place.get(), *end, &steps[0])?;
                view.fronts = fronts.clone();
                return self.is_one(view, steps);
            }
            other => return wrong(format!("{other:?} is matched")),
        };
        let Some(views) = self.layers(front, steps)? else {
            return Ok(false);
        };
        self.bind(views);
        Ok(true)
    }

    /// A view of one of several headers is the one that the pattern begins with.
    fn is_one(&mut self, view: View, steps: &[LayerStep]) -> Eval<bool> {
        let Some((first, rest)) = steps.split_first() else {
            return wrong("no layer");
        };
        if view.header != first.header {
            return Ok(false);
        }
        let front = Front {
            view: view.clone(),
            owes: Some(*first),
        };
        let Some(mut views) = self.layers(Some(front), rest)? else {
            return Ok(false);
        };
        views.push((first.local, view));
        self.bind(views);
        Ok(true)
    }

    fn bind(&mut self, views: Vec<(LocalId, View)>) {
        for (local, view) in views {
            let fields = &self.t.headers[view.header].fields;
            let pseudo = Some(Derived::ChecksumWithPseudoHeader);
            let known = |t: &View| (t.header, t.base) == (view.header, view.base);
            if fields.iter().any(|f| f.derived == pseudo) && !self.transports.iter().any(known) {
                self.transports.push(view.clone());
            }
            self.locals.set(local, Some(Value::View(view)));
        }
    }

    /// The number of a field in a view's own header, where an interface's first member has it as `field`.
    pub(super) fn field_in(&self, view: &View, base: ExprId, field: u32) -> u32 {
        let TyKind::OneOf(id) = self.t.types.kind(self.t.expr_ty[base]) else {
            return field;
        };
        let def = &self.t.one_of[id];
        let member = def.members.iter().position(|&h| h == view.header);
        let row = def.fields.iter().find(|(_, numbers)| numbers[0] == field);
        row.zip(member)
            .map_or(field, |((_, numbers), at)| numbers[at])
    }

    /// The fields of a header that the program uses through a layer.
    fn fields_used(&self, step: &LayerStep, header: HeaderId) -> u64 {
        let used = self.t.locals[step.local].fields_used;
        let Some(id) = step.one_of else {
            return used;
        };
        let def = &self.t.one_of[id];
        let member = def.members.iter().position(|&h| h == header).unwrap_or(0);
        let rows = def.fields.iter().enumerate();
        let rows = rows.filter(|(at, _)| used >> at & 1 == 1);
        rows.fold(0, |all, (_, (_, numbers))| all | 1 << numbers[member])
    }

    /// The views of the layers from here on, outermost last.
    fn layers(
        &mut self,
        front: Option<Front>,
        steps: &[LayerStep],
    ) -> Eval<Option<Vec<(LocalId, View)>>> {
        let Some((step, rest)) = steps.split_first() else {
            if let Some(front) = &front {
                self.settle_front(front)?;
            }
            return Ok(Some(Vec::new()));
        };
        let base = front
            .as_ref()
            .map(|f| self.end_of_header(f.view.header, f.view.base))
            .transpose()?
            .unwrap_or(0);
        let parent = front.as_ref().map(|f| (f.view.header, f.view.base));
        let headers = match step.one_of {
            Some(id) => self.t.one_of[id].members.clone(),
            None => vec![step.header],
        };
        let mut next = None;
        for header in headers {
            if next.is_none() && self.follows(parent, header, base)? {
                next = Some(header);
            }
        }
        let Some(header) = next else {
            return if step.optional {
                self.layers(front, rest)
            } else {
                Ok(None)
            };
        };
        if let Some(front) = &front {
            self.settle_front(front)?;
        }
        let fixed = self.t.headers[header].fixed_bytes as usize;
        if self.packet.len() < base + fixed {
            return Err(Stop::Malformed);
        }
        let fronts = match &front {
            None => Vec::new(),
            Some(f) => {
                let mut fronts = f.view.fronts.to_vec();
                fronts.push((f.view.header, f.view.base));
                fronts
            }
        };
        let view = View {
            header,
            base,
            fronts: Rc::new(fronts),
        };
        let next = Front {
            view: view.clone(),
            owes: Some(*step),
        };
        let found = self.layers(Some(next), rest)?;
        Ok(found.map(|mut views| {
            views.push((step.local, view));
            views
        }))
    }

    /// Whether an edge leads from `parent` to `header`, which would begin at `base`.
    fn follows(
        &mut self,
        parent: Option<(HeaderId, usize)>,
        header: HeaderId,
        base: usize,
    ) -> Eval<bool> {
        let edges = self.t.headers[header].edges.clone();
        for edge in edges.iter().filter(|e| e.parent == parent.map(|(h, _)| h)) {
            let Some(when) = edge.when else {
                return Ok(true);
            };
            if self.of_headers(Some((header, base)), parent, |run| run.truth(when))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Evaluates something about a header and the one in front of it.
    fn of_headers<T>(
        &mut self,
        own: Option<(HeaderId, usize)>,
        parent: Option<(HeaderId, usize)>,
        eval: impl FnOnce(&mut Self) -> Eval<T>,
    ) -> Eval<T> {
        let outer = (self.own, self.parent);
        (self.own, self.parent) = (own, parent);
        let value = eval(self);
        (self.own, self.parent) = outer;
        value
    }

    /// The tests that a header owes once it is known what follows it.
    fn settle_front(&mut self, front: &Front) -> Eval<()> {
        let Some(step) = front.owes else {
            return Ok(());
        };
        let t = self.t;
        let header = &t.headers[front.view.header];
        let place = (front.view.header, front.view.base);
        let info = &t.locals[step.local];
        let mut used = self.fields_used(&step, front.view.header);
        if info.behind_used {
            used |= header.placing;
        }
        for conjunct in header.valid.iter().filter(|c| c.fields & used != 0) {
            if !self.of_headers(Some(place), None, |run| run.truth(conjunct.cond))? {
                return Err(Stop::Malformed);
            }
        }
        if info.behind_used && self.packet.len() < self.end_of_header(place.0, place.1)? {
            return Err(Stop::Malformed);
        }
        Ok(())
    }

    /// Where a header ends, variable fields included. Layout arithmetic has 32 bits.
    pub(super) fn end_of_header(&mut self, header: HeaderId, base: usize) -> Eval<usize> {
        let t = self.t;
        let mut end = base + t.headers[header].fixed_bytes as usize;
        for field in &t.headers[header].fields {
            let Some(len) = field.len else { continue };
            let outer = std::mem::replace(&mut self.layout, true);
            let count = self.of_headers(Some((header, base)), None, |run| run.number(len));
            self.layout = outer;
            let bytes = t.types.bits(field.ty).unwrap_or(8).div_ceil(8);
            end += usize::try_from(count?).unwrap_or(usize::MAX >> 8) * bytes as usize;
        }
        Ok(end)
    }

    /// Where the body of a header ends: at the nearest end of the headers around it. A length field
    /// that claims more than is there, or less than its own header, is malformed.
    pub(super) fn body_end(&mut self, view: &View) -> Eval<usize> {
        let mut end = self.packet.len();
        let mut around = view.fronts.to_vec();
        around.push((view.header, view.base));
        for (header, base) in around {
            let fields = self.t.headers[header].fields.clone();
            for (index, field) in fields.iter().enumerate() {
                let from = match field.derived {
                    Some(Derived::LengthFrom) => base,
                    Some(Derived::LengthAfter) => {
                        base + self.t.headers[header].fixed_bytes as usize
                    }
                    _ => continue,
                };
                let Value::Int(claim) = self.load(header, base, index as u32)? else {
                    return wrong("a length is a number");
                };
                let claimed = from + claim as usize;
                if claimed > end || claimed < self.end_of_header(header, base)? {
                    return Err(Stop::Malformed);
                }
                end = claimed;
            }
        }
        Ok(end)
    }
}
