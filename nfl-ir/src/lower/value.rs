//! Values as words, and values that stay in memory until they are read.
//!
//! In: values of any type. Out: their words: a number has one to four, a record those of its
//! components one after another, a sealed value the place of its member and then the components'
//! words. What lies in memory that cannot change, and the answer of a table, stay where they are and
//! are read component by component; they become words where two paths meet.

use super::number::Width;
use super::ssa::Place;
use super::{Local, Lower, Val, bits_of};
use crate::entity::Value;
use crate::func::{Region, SlotData};
use crate::op::Op;
use nfl_syntax::ast::ExprId;
use nfl_typeck::tables::{Konst, LocalId, RecordId};
use nfl_typeck::{Ty, TyKind};

/// A value in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub(super) region: Region,
    /// In [`Region::Value`]: what the lookup answered.
    pub(super) address: Option<Value>,
    pub(super) place: Place,
    /// The type of what lies there.
    pub(super) ty: Ty,
    /// A component that lies in wire order, though its type does not say so.
    pub(super) wire: bool,
}

impl Memory {
    pub(super) fn new(region: Region, place: Place, ty: Ty) -> Memory {
        Memory {
            region,
            address: None,
            place,
            ty,
            wire: false,
        }
    }

    /// Whether it reads the same as long as it is there.
    fn is_fixed(&self) -> bool {
        matches!(self.region, Region::Data(_) | Region::Value)
    }
}

impl super::ImageState<'_> {
    /// The widths of a value's words in bits.
    pub(super) fn shape(&self, ty: Ty) -> Vec<u8> {
        let tables = self.sound.tables();
        match tables.types.kind(ty) {
            TyKind::Verdict => vec![3, 32],
            TyKind::Reason => vec![8],
            TyKind::FlowKey => vec![32],
            TyKind::Prefix4 | TyKind::Bytes | TyKind::Cursor => vec![32; 2],
            TyKind::Prefix6 => vec![32; 8],
            TyKind::Void | TyKind::Error => Vec::new(),
            TyKind::Record(id) => self.record_shape(id),
            TyKind::Sealed(id) => {
                let members = &tables.sealed[id].members;
                let last = members.len().saturating_sub(1) as u32;
                let tag = (32 - last.leading_zeros()).max(1) as u8;
                let mut shape = vec![tag];
                for &member in members {
                    for (i, bits) in self.record_shape(member).into_iter().enumerate() {
                        match shape.get_mut(i + 1) {
                            Some(known) => *known = bits.max(*known),
                            None => shape.push(bits),
                        }
                    }
                }
                shape
            }
            TyKind::Array(..) => {
                let (elem, count) = self.elements(ty);
                self.shape(elem).repeat(count as usize)
            }
            _ => {
                let w = self.width(ty);
                (0..w.words()).map(|i| w.word_bits(i)).collect()
            }
        }
    }

    fn record_shape(&self, id: RecordId) -> Vec<u8> {
        let components = &self.sound.tables().records[id].components;
        components.iter().flat_map(|c| self.shape(c.ty)).collect()
    }

    /// The place of a record among the members of a sealed interface.
    fn member_of(&self, record: RecordId, sealed: nfl_typeck::tables::SealedId) -> u32 {
        let members = &self.sound.tables().sealed[sealed].members;
        let at = members.iter().position(|&m| m == record);
        at.unwrap_or(0) as u32
    }
}

impl Lower<'_, '_> {
    /// The words of an expression in a type that its own fits into.
    pub(super) fn words_as(&mut self, e: ExprId, ty: Ty) -> Vec<Value> {
        if let Some(konst) = self.konst(e) {
            let own = self.ty(e);
            return match konst {
                Konst::Int(_) | Konst::Bool(_) => {
                    let to = self.image.width(ty);
                    self.b.number(bits_of(&konst), to)
                }
                _ => {
                    let words = self.konst_words(&konst, own);
                    self.convert(words, own, ty)
                }
            };
        }
        let own = self.ty(e);
        let val = self.expr(e);
        let words = self.flat(&val, own);
        self.convert(words, own, ty)
    }

    /// The words of a constant of this type.
    pub(super) fn konst_words(&mut self, konst: &Konst, ty: Ty) -> Vec<Value> {
        let tables = self.image.sound.tables();
        match konst {
            Konst::Reason(reason) => {
                let number = self.image.reason(*reason);
                vec![self.b.constant(number)]
            }
            Konst::Record(id, values) => {
                let components = &tables.records[*id].components;
                let mut words = Vec::new();
                for (component, value) in components.iter().zip(values) {
                    words.extend(self.konst_words(value, component.ty));
                }
                match tables.types.kind(ty) {
                    TyKind::Sealed(sealed) => {
                        let member = self.image.member_of(*id, sealed);
                        self.wrap(member, words, ty)
                    }
                    _ => words,
                }
            }
            Konst::Array(items) => {
                let (elem, count) = self.image.elements(ty);
                let mut words = Vec::new();
                for item in items.iter().take(count as usize) {
                    words.extend(self.konst_words(item, elem));
                }
                words
            }
            Konst::Prefix4 { .. } | Konst::Prefix6 { .. } => {
                let mut numbers = Vec::new();
                self.image.numbers_of(konst, ty, &mut numbers);
                let bits = match konst {
                    Konst::Prefix4 { .. } => 32,
                    _ => 128,
                };
                let w = Width {
                    bits,
                    signed: false,
                };
                let mut words = Vec::new();
                for number in numbers {
                    words.extend(self.b.number(number, w));
                }
                words
            }
            _ => {
                let w = self.image.width(ty);
                self.b.number(bits_of(konst), w)
            }
        }
    }

    /// Words of one type as words of another that it fits into.
    pub(super) fn convert(&mut self, words: Vec<Value>, from: Ty, to: Ty) -> Vec<Value> {
        let types = &self.image.sound.tables().types;
        if from == to {
            return words;
        }
        match (types.kind(from), types.kind(to)) {
            (TyKind::Record(record), TyKind::Sealed(sealed)) => {
                let member = self.image.member_of(record, sealed);
                self.wrap(member, words, to)
            }
            _ if types.bits(from).is_some() && types.bits(to).is_some() => {
                let (from, to) = (self.image.width(from), self.image.width(to));
                self.b.resize(words, from, to)
            }
            _ => words,
        }
    }

    /// A member's words as a sealed value; what the member does not need is zero.
    fn wrap(&mut self, member: u32, words: Vec<Value>, to: Ty) -> Vec<Value> {
        let count = self.image.shape(to).len();
        let mut all = vec![self.b.constant(member)];
        all.extend(words);
        while all.len() < count {
            all.push(self.b.constant(0));
        }
        all
    }

    /// The words of a value.
    pub(super) fn flat(&mut self, val: &Val, ty: Ty) -> Vec<Value> {
        match val {
            Val::Words(words) => words.clone(),
            Val::Verdict { kind, operand } => vec![*kind, *operand],
            Val::Memory(memory) => self.load(memory),
            Val::Found { address, value } => self.found_words(*address, *value, ty),
            // Only behind a jump, where nothing is used.
            _ => {
                let shape = self.image.shape(ty);
                shape.iter().map(|_| self.b.constant(0)).collect()
            }
        }
    }

    /// The words of a table's answer: two paths that meet.
    fn found_words(&mut self, address: Value, value: Ty, ty: Ty) -> Vec<Value> {
        let shape = self.image.shape(ty);
        let vars: Vec<super::Var> = shape.iter().map(|&bits| self.b.var(bits)).collect();
        let (hit, miss, join) = (self.b.block(), self.b.block(), self.b.block());
        self.b.branch(address, hit, miss);
        self.b.enter(hit);
        let words = self.load(&found(address, value));
        let words = self.wrap(0, words, ty);
        for (&var, word) in vars.iter().zip(words) {
            self.b.write(var, word);
        }
        self.b.jump(join);
        self.b.enter(miss);
        let words = self.wrap(1, Vec::new(), ty);
        for (&var, word) in vars.iter().zip(words) {
            self.b.write(var, word);
        }
        self.b.jump(join);
        self.b.enter(join);
        vars.iter().map(|&var| self.b.read(var)).collect()
    }

    /// Reads everything that lies at a place.
    pub(super) fn load(&mut self, memory: &Memory) -> Vec<Value> {
        let layout = self.image.layout_at(memory);
        let mut words = Vec::new();
        for scalar in layout.scalars {
            for at in 0..scalar.bits.div_ceil(32) {
                let bytes = (scalar.bytes - 4 * at).min(4);
                let from = if scalar.wire {
                    scalar.bytes - 4 * at - bytes
                } else {
                    4 * at
                };
                let place = memory.place.plus(scalar.offset + from);
                let word = self
                    .b
                    .load_from(memory.region, memory.address, bytes, place);
                let bits = (scalar.bits - 32 * at).min(32);
                let word = if scalar.wire {
                    self.b.swap(word, bytes)
                } else {
                    word
                };
                // Bits above its width, which a packet's sender may have set, do not count.
                words.push(if bits < bytes * 8 {
                    let mask = u32::MAX >> (32 - bits);
                    self.b.op2c(Op::And, word, mask, bits as u8)
                } else {
                    word
                });
            }
        }
        words
    }

    /// Writes everything that lies at a place.
    pub(super) fn store(&mut self, memory: &Memory, words: &[Value]) {
        let layout = self.image.layout_at(memory);
        let mut words = words.iter();
        for scalar in layout.scalars {
            for at in 0..scalar.bits.div_ceil(32) {
                let Some(&word) = words.next() else { return };
                let bytes = (scalar.bytes - 4 * at).min(4);
                let from = if scalar.wire {
                    scalar.bytes - 4 * at - bytes
                } else {
                    4 * at
                };
                let word = if scalar.wire {
                    self.b.swap(word, bytes)
                } else {
                    word
                };
                let place = memory.place.plus(scalar.offset + from);
                self.b.store(memory.region, bytes, place, word);
            }
        }
    }

    /// A component of a record that is a member of a sealed interface, or stands for itself.
    pub(super) fn part(
        &mut self,
        val: &Val,
        record: RecordId,
        member: Option<u32>,
        index: usize,
    ) -> Val {
        let tables = self.image.sound.tables();
        let components = &tables.records[record].components;
        let ty = components[index].ty;
        match val {
            Val::Memory(memory) => {
                let offset = self.image.offset_of(record, index);
                Val::Memory(Memory {
                    place: memory.place.plus(offset),
                    ty,
                    wire: components[index].wire,
                    ..*memory
                })
            }
            Val::Found { address, value } => Val::Memory(found(*address, *value)),
            Val::Words(words) => {
                let before: usize = components[..index]
                    .iter()
                    .map(|c| self.image.shape(c.ty).len())
                    .sum();
                let shape = self.image.shape(ty);
                let start = before + usize::from(member.is_some());
                let own = words.get(start..start + shape.len()).unwrap_or_default();
                let own: Vec<Value> = own
                    .iter()
                    .zip(&shape)
                    .map(|(&word, &bits)| self.cut_word(word, bits))
                    .collect();
                self.as_val(own, ty)
            }
            _ => Val::Unit,
        }
    }

    /// A word that another member may have made wider than this one needs.
    pub(super) fn cut_word(&mut self, word: Value, bits: u8) -> Value {
        if self.b.f.values[word].width <= bits {
            return word;
        }
        self.b
            .op2c(Op::And, word, u32::MAX >> (32 - u32::from(bits)), bits)
    }

    /// Words as a value of this type.
    pub(super) fn as_val(&mut self, words: Vec<Value>, ty: Ty) -> Val {
        let types = &self.image.sound.tables().types;
        match (types.kind(ty), &words[..]) {
            (TyKind::Verdict, &[kind, operand]) => Val::Verdict { kind, operand },
            (TyKind::Void | TyKind::Error, _) => Val::Unit,
            _ => Val::Words(words),
        }
    }

    /// A component of the record that `base` evaluates to.
    pub(super) fn component(&mut self, base: ExprId, index: u32) -> Val {
        let ty = self.ty(base);
        let TyKind::Record(record) = self.image.sound.tables().types.kind(ty) else {
            return Val::Unit;
        };
        let val = self.lazy(base);
        self.part(&val, record, None, index as usize)
    }

    /// An element of the array that `base` evaluates to.
    pub(super) fn element(&mut self, base: ExprId, index: ExprId) -> Val {
        let ty = self.ty(base);
        let (elem, count) = self.image.elements(ty);
        match self.lazy(base) {
            Val::Memory(memory) => {
                let place = self.element_place(elem, index);
                let sum = self.b.places(memory.place, place);
                Val::Memory(Memory {
                    place: sum,
                    ty: elem,
                    ..memory
                })
            }
            Val::Words(words) => {
                let each = self.image.shape(elem).len();
                if let Some(konst) = self.konst(index) {
                    let at = bits_of(&konst) as usize * each;
                    let own = words.get(at..at + each).unwrap_or_default().to_vec();
                    return self.as_val(own, elem);
                }
                // A variable index needs memory.
                let memory = self.spill(&words, ty, count);
                let place = self.element_place(elem, index);
                let sum = self.b.places(memory.place, place);
                Val::Memory(Memory {
                    place: sum,
                    ty: elem,
                    ..memory
                })
            }
            _ => Val::Unit,
        }
    }

    /// Words of an array in scratch memory.
    fn spill(&mut self, words: &[Value], ty: Ty, count: u32) -> Memory {
        let (elem, _) = self.image.elements(ty);
        let elements = self.image.stride(elem) * count;
        let bytes = elements.next_multiple_of(4);
        let slot = self.b.f.slots.push(SlotData {
            name: String::new(),
            bytes,
            padding: (bytes - elements) as u8,
            align: 4,
        });
        let memory = Memory::new(Region::Slot(slot), Place::at(0), ty);
        self.store(&memory, words);
        memory
    }

    /// The bytes from the start of an array to an element.
    pub(super) fn element_place(&mut self, elem: Ty, index: ExprId) -> Place {
        let stride = self.image.stride(elem);
        if let Some(konst) = self.konst(index) {
            let bytes = (bits_of(&konst) as u32).saturating_mul(stride);
            return Place::at(bytes);
        }
        let words = self.words(index);
        Place {
            index: Some(self.b.scale(words[0], stride)),
            offset: 0,
        }
    }

    /// The value of an expression; what lies in memory that may change is read now.
    pub(super) fn expr(&mut self, e: ExprId) -> Val {
        let val = self.lazy(e);
        match &val {
            Val::Memory(memory) if !memory.is_fixed() && !self.is_array(memory.ty) => {
                let words = self.load(memory);
                self.as_val(words, memory.ty)
            }
            Val::Memory(memory) if memory.is_fixed() && self.is_number(memory.ty) => {
                let words = self.load(memory);
                self.as_val(words, memory.ty)
            }
            _ => val,
        }
    }

    fn is_array(&self, ty: Ty) -> bool {
        matches!(self.image.sound.tables().types.kind(ty), TyKind::Array(..))
    }

    fn is_number(&self, ty: Ty) -> bool {
        self.image.sound.tables().types.bits(ty).is_some()
    }

    /// Gives a variable that is never written again its value.
    pub(super) fn fix(&mut self, local: LocalId, val: &Val) {
        let val = match val {
            Val::Memory(memory) if self.is_number(memory.ty) => {
                let words = self.load(memory);
                self.as_val(words, memory.ty)
            }
            other => other.clone(),
        };
        let ty = self.image.sound.tables().locals[local].ty;
        if let (TyKind::Cursor, Val::Words(words)) =
            (self.image.sound.tables().types.kind(ty), &val)
        {
            // Reading moves it.
            let vars = self.vars(ty);
            self.write_vars(&vars, words.clone());
            self.locals.insert(local, Local::Vars(vars));
            return;
        }
        self.locals.insert(local, Local::Fixed(val));
    }

    /// `orElse` of an answer.
    pub(super) fn or_else(&mut self, e: ExprId, base: ExprId) -> Val {
        let sound = self.image.sound;
        let ty = self.ty(e);
        let val = self.expr(base);
        let hit = self.is_hit(&val);
        let other = sound.tables().args[e]
            .as_ref()
            .and_then(|a| a.first().copied());
        // The other value is an argument, so it is evaluated whether or not it is needed.
        let other = other.map_or_else(Vec::new, |other| self.words_as(other, ty));
        let vars = self.vars(ty);
        let (found, missing, join) = (self.b.block(), self.b.block(), self.b.block());
        self.b.branch(hit, found, missing);
        self.b.enter(found);
        let words = match &val {
            Val::Found { address, value } => {
                let memory = self::found(*address, *value);
                self.load(&memory)
            }
            Val::Words(words) => {
                let shape = self.image.shape(ty);
                let own: Vec<Value> = words[1..].iter().copied().take(shape.len()).collect();
                own.into_iter()
                    .zip(shape)
                    .map(|(word, bits)| self.cut_word(word, bits))
                    .collect()
            }
            _ => Vec::new(),
        };
        self.write_vars(&vars, words);
        self.b.jump(join);
        self.b.enter(missing);
        self.write_vars(&vars, other);
        self.b.jump(join);
        self.b.enter(join);
        self.read_vars(&vars, ty)
    }

    /// Whether an answer holds a value.
    pub(super) fn is_hit(&mut self, val: &Val) -> Value {
        let zero = self.b.constant(0);
        match val {
            Val::Found { address, .. } => self.b.compare(Op::Ne, *address, zero),
            Val::Words(words) => self.b.compare(Op::Eq, words[0], zero),
            _ => zero,
        }
    }

    pub(super) fn write_vars(&mut self, vars: &[super::Var], words: Vec<Value>) {
        for (&var, word) in vars.iter().zip(words) {
            self.b.write(var, word);
        }
    }
}

/// The value at the address that a lookup answered.
pub(super) fn found(address: Value, ty: Ty) -> Memory {
    Memory {
        region: Region::Value,
        address: Some(address),
        place: Place::at(0),
        ty,
        wire: false,
    }
}
