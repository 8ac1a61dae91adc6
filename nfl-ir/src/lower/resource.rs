//! Resources of an image: what the manifest says of the state that its code names.
//!
//! In: a resource of the checker. Out: its row in the module, once for each image that uses it.

use super::layout::Layout;
use super::{ImageState, bits_of};
use nfl_abi::hash::crc32c;
use nfl_abi::image::{Resource, ResourceKind};
use nfl_syntax::ast::{ExprId, ExprKind};
use nfl_typeck::tables::{RecordId, Res, ResourceId, TemplateId};
use nfl_typeck::ty::Len;
use nfl_typeck::{Konst, TyKind};

/// What a resource holds when nobody says how much.
const CAPACITY: u32 = 1024;

impl ImageState<'_> {
    /// The place of a resource in the module.
    pub(super) fn resource(&mut self, id: ResourceId) -> u8 {
        let place = (self.stage, id);
        if let Some(&at) = self.resources.get(&place) {
            return at;
        }
        let row = self.resource_row(id);
        let at = self.add_resource(row);
        self.resources.insert(place, at);
        at
    }

    /// The bytes of a key or value in the manifest.
    fn size_of(&mut self, layout: &Layout) -> u16 {
        self.largest = self.largest.max(layout.size);
        u16::try_from(layout.size).unwrap_or(u16::MAX)
    }

    fn add_resource(&mut self, row: Resource) -> u8 {
        let all = &mut self.module.resources;
        all.push(row);
        // One that has no number makes the whole image fail.
        u8::try_from(all.len() - 1).unwrap_or(u8::MAX)
    }

    /// The key and the value of a resource.
    pub(super) fn resource_layouts(&self, id: ResourceId) -> (Layout, Layout) {
        let def = &self.sound.tables().resources[id];
        let of = |ty: Option<nfl_typeck::Ty>| ty.map(|ty| self.layout(ty)).unwrap_or_default();
        (of(def.key), of(def.value))
    }

    /// A resource's name within the image; in a chain two stages may have resources of one name.
    fn resource_name(&self, own: &str) -> String {
        match self.whole.stages.get(self.stage as usize) {
            Some(stage) => format!("{}.{own}", stage.name),
            None => own.to_string(),
        }
    }

    fn resource_row(&mut self, id: ResourceId) -> Resource {
        let tables = self.sound.tables();
        let def = &tables.resources[id];
        let (key, value) = self.resource_layouts(id);
        let flow_key = def
            .key
            .is_some_and(|ty| tables.types.kind(ty) == TyKind::FlowKey);
        let (first, capacity) = match (def.kind, def.slots) {
            (ResourceKind::Slots, Some(range)) => self.slot_numbers(range),
            (ResourceKind::Register | ResourceKind::Counter, _) => {
                (0, def.count.map_or(1, |len| self.count(len)))
            }
            _ => (
                0,
                def.capacity
                    .map_or(1, |e| self.size(e, u64::from(CAPACITY)) as u32),
            ),
        };
        Resource {
            name: self.resource_name(self.sound.program().names.text(def.name)),
            kind: def.kind,
            key_bytes: self.size_of(&key),
            value_bytes: self.size_of(&value),
            capacity: capacity.max(1),
            idle_ns: def.idle.map_or(0, |e| self.size(e, 0)),
            first,
            flow_key,
            layout: crc32c(layout_text(&key, &value).as_bytes()),
        }
    }

    /// The resource through which records of a type are reported.
    pub(super) fn report_resource(&mut self, record: RecordId, value: &Layout) -> u8 {
        let name = self.sound.tables().records[record].name;
        let name = self.sound.program().names.text(name).to_string();
        let layout = crc32c(layout_text(&Layout::default(), value).as_bytes());
        let row = Resource {
            name,
            kind: ResourceKind::Report,
            key_bytes: 0,
            value_bytes: self.size_of(value),
            capacity: 1,
            idle_ns: 0,
            first: 0,
            flow_key: false,
            layout,
        };
        match self.module.resources.iter().position(|r| *r == row) {
            Some(at) => u8::try_from(at).unwrap_or(u8::MAX),
            None => self.add_resource(row),
        }
    }

    /// How many elements `[n]` says.
    pub(super) fn count(&self, len: Len) -> u32 {
        match len {
            Len::Known(n) => n,
            Len::Template(t) => self.bound(t, 1) as u32,
        }
    }

    /// A size: a constant or a parameter; an open one is as large as it may become, or has its default.
    fn size(&self, e: ExprId, otherwise: u64) -> u64 {
        let tables = self.sound.tables();
        if let Some(konst) = &tables.konst[e] {
            return bits_of(konst) as u64;
        }
        let mut e = e;
        while let ExprKind::Paren(inner) = self.sound.program().ast.exprs[e].kind {
            e = inner;
        }
        match tables.expr_res[e] {
            Res::Template(t) => self.bound(t, otherwise),
            _ => otherwise,
        }
    }

    /// The value of a parameter; an open one is as large as it may become, or has its default.
    pub(super) fn bound(&self, template: TemplateId, otherwise: u64) -> u64 {
        let def = &self.sound.tables().templates[template];
        let largest = def.range.map(|(_, hi)| Konst::Int(hi));
        let value = self.bindings.values[self.param(template)].clone();
        match value.or(largest).or_else(|| def.default.clone()) {
            Some(konst) => bits_of(&konst) as u64,
            None => otherwise,
        }
    }

    fn slot_numbers(&self, range: ExprId) -> (u32, u32) {
        let ExprKind::Range { lo, hi } = self.sound.program().ast.exprs[range].kind else {
            return (0, CAPACITY);
        };
        let (lo, hi) = (self.size(lo, 0), self.size(hi, 0));
        (lo as u32, hi.saturating_sub(lo) as u32 + 1)
    }
}

/// The text whose CRC-32C is in the manifest.
pub(super) fn layout_text(key: &Layout, value: &Layout) -> String {
    format!("{} -> {}", key.text, value.text)
}
