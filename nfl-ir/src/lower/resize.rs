//! Packets that change their size, and headers under construction.
//!
//! In: `push`, `pop`, `append`, `cut`, `mirror`, and the priority. Out: calls of services, then stores of
//! the new bytes. Guaranteed: values are computed before the packet moves; what is built has right
//! lengths and checksums, and the lengths and checksums around follow `append` and `cut`.

use super::number::Width;
use super::service::Arg;
use super::ssa::Place;
use super::{Local, Lower, Val, View, bits_of};
use crate::entity::Value;
use crate::func::Region;
use crate::op::Op;
use nfl_syntax::ast::ExprId;
use nfl_typeck::builtin::Intrinsic;
use nfl_typeck::tables::{Built, BuiltField, Derived, HeaderId};
use nfl_typeck::{TyKind, tables};

/// A header under construction with the words of its fields.
struct Made {
    header: HeaderId,
    /// Its first byte, from the stack's first on.
    offset: u32,
    fields: Vec<(u32, Vec<Value>)>,
}

/// Bytes behind the headers that have come, or that will go.
#[derive(Clone, Copy)]
struct Tail {
    start: Place,
    bytes: Value,
    came: bool,
    /// Their sum, where a checksum needs it.
    sum: Option<Value>,
}

/// Whether a field's checksum covers what lies behind its header.
fn covers_body(field: &tables::Field) -> bool {
    matches!(
        field.derived,
        Some(Derived::ChecksumOver | Derived::ChecksumWithPseudoHeader)
    )
}

impl Lower<'_, '_> {
    /// A builtin that resizes or copies the packet.
    pub(super) fn resize(&mut self, e: ExprId, which: Intrinsic) -> Val {
        let arg = self.ordered(e)[0];
        match which {
            Intrinsic::PacketPush => self.push(arg),
            Intrinsic::PacketPop => self.pop(arg),
            Intrinsic::PacketAppend => self.append(e, arg),
            Intrinsic::PacketCut => self.cut(e, arg),
            _ => {
                let port = self.words(arg);
                self.ask("packet.mirror", 0, None, vec![Arg::Word(port[0])]);
            }
        }
        Val::Unit
    }

    pub(super) fn set_priority(&mut self, priority: Value) {
        self.ask("packet.priority", 0, None, vec![Arg::Word(priority)]);
    }

    fn length(&mut self) -> Value {
        self.b.inst(Op::Len, &[], 0, None, 32)
    }

    /// The headers of a stack with the words of their fields, and its size in bytes.
    fn made(&mut self, arg: ExprId) -> (Vec<Made>, u32) {
        let sound = self.image.sound;
        let built: &[Built] = sound.tables().stacks[arg].as_deref().unwrap_or(&[]);
        let mut all = Vec::new();
        let mut offset = 0;
        for one in built {
            let header = &sound.tables().headers[one.header];
            let mut fields = Vec::new();
            for (field, value) in &one.fields {
                let ty = header.fields[*field as usize].ty;
                let words = match value {
                    BuiltField::Expr(e) => self.words_as(*e, ty),
                    BuiltField::Konst(konst) => {
                        let w = self.image.width(ty);
                        self.b.number(bits_of(konst), w)
                    }
                };
                fields.push((*field, words));
            }
            all.push(Made {
                header: one.header,
                offset,
                fields,
            });
            offset += header.fixed_bytes;
        }
        (all, offset)
    }

    fn push(&mut self, arg: ExprId) {
        let (made, bytes) = self.made(arg);
        self.ask("packet.push", bytes, None, Vec::new());
        self.write_stack(&made, Place::at(0));
    }

    fn pop(&mut self, arg: ExprId) {
        let Val::View(view) = self.expr(arg) else {
            return;
        };
        let end = self.b.var(32);
        self.each_member(&view, |lower, member| {
            lower.all_there(&view, member);
            let place = lower.end_of(member);
            let value = lower.place_value(place);
            lower.b.write(end, value);
        });
        let end = self.b.read(end);
        self.ask("packet.pop", 0, None, vec![Arg::Word(end)]);
    }

    fn append(&mut self, e: ExprId, arg: ExprId) {
        let ty = self.ty(arg);
        let bytes;
        let start;
        if self.image.sound.tables().types.kind(ty) == TyKind::Stack {
            let (made, size) = self.made(arg);
            bytes = size;
            self.ask("packet.append", bytes, None, Vec::new());
            start = self.appended(bytes);
            self.write_stack(&made, start);
        } else {
            let layout = self.image.hashed(&[ty]);
            let words = self.words_as(arg, ty);
            let packed = self.pack(&layout, &words);
            bytes = layout.size;
            self.ask("packet.append", bytes, None, Vec::new());
            start = self.appended(bytes);
            for (at, &word) in (0..).step_by(4).zip(&packed) {
                self.write_word(start.plus(at), word, (bytes - at).min(4));
            }
        }
        let bytes = self.b.constant(bytes);
        let tail = Tail {
            start,
            bytes,
            came: true,
            sum: None,
        };
        self.follow(e, tail);
    }

    /// Where the bytes begin that were appended.
    fn appended(&mut self, bytes: u32) -> Place {
        let length = self.length();
        Place {
            index: Some(self.b.op2c(Op::Sub, length, bytes, 32)),
            offset: 0,
        }
    }

    /// Writes the low bytes of a word, the lowest first.
    fn write_word(&mut self, place: Place, mut word: Value, bytes: u32) {
        let mut at = 0;
        while at < bytes {
            let step = [4, 2, 1]
                .into_iter()
                .find(|&n| n <= bytes - at)
                .unwrap_or(1);
            self.b.store(Region::Packet, step, place.plus(at), word);
            at += step;
            if at < bytes {
                word = self.b.op2c(Op::Shr, word, step * 8, 32);
            }
        }
    }

    /// Writes headers, of which all bytes are zero, from `start` on.
    fn write_stack(&mut self, made: &[Made], start: Place) {
        let mut views: Vec<View> = Vec::new();
        for one in made {
            let view = View {
                header: one.header,
                base: start.plus(one.offset),
                outer: views.clone().into(),
                one_of: None,
                within: false,
            };
            views.push(view);
        }
        self.write_constants(made, start);
        for (one, view) in made.iter().zip(&views) {
            for (field, words) in &one.fields {
                if words.iter().any(|&w| self.b.as_constant(w).is_none()) {
                    self.write_field(view, *field, words);
                }
            }
        }
        for view in &views {
            self.write_lengths(view);
        }
        // Inner checksums first: outer ones may cover them.
        for view in views.iter().rev() {
            self.write_checksums(view);
        }
    }

    /// Writes the bytes of fields that are constant, four at a time.
    fn write_constants(&mut self, made: &[Made], start: Place) {
        let headers = &self.image.sound.tables().headers;
        let size = |m: &Made| m.offset + headers[m.header].fixed_bytes;
        let mut bytes = vec![0u8; made.last().map_or(0, size) as usize];
        for one in made {
            for (field, words) in &one.fields {
                let numbers = words.iter().map(|&w| self.b.as_constant(w));
                if let Some(numbers) = numbers.collect::<Option<Vec<u32>>>() {
                    self.place_constant(one, *field, &numbers, &mut bytes);
                }
            }
        }
        for (at, chunk) in (0..).step_by(4).zip(bytes.chunks(4)) {
            let number = chunk.iter().rev().fold(0u32, |n, &b| n << 8 | u32::from(b));
            if number != 0 {
                let word = self.b.constant(number);
                self.write_word(start.plus(at), word, chunk.len() as u32);
            }
        }
    }

    /// Sets the bits of a constant field.
    fn place_constant(&self, one: &Made, field: u32, words: &[u32], bytes: &mut [u8]) {
        let (pieces, little) = self.field_bits(one.header, field);
        for ((start, bits), &word) in pieces.into_iter().zip(words) {
            for bit in 0..bits {
                // Bits are counted as they lie, the most significant of each byte first.
                let from = if little {
                    bit / 8 * 8 + 7 - bit % 8
                } else {
                    bits - 1 - bit
                };
                if word >> from & 1 == 1 {
                    let at = one.offset * 8 + start + bit;
                    bytes[(at / 8) as usize] |= 0x80 >> (at % 8);
                }
            }
        }
    }

    /// The length fields of a header that was built.
    fn write_lengths(&mut self, view: &View) {
        let header = &self.image.sound.tables().headers[view.header];
        for (index, field) in header.fields.iter().enumerate() {
            let before = match field.derived {
                Some(Derived::LengthFrom) => 0,
                Some(Derived::LengthAfter) => header.fixed_bytes,
                _ => continue,
            };
            let length = self.length();
            let from = self.place_value(view.base.plus(before));
            let rest = self.b.op2(Op::Sub, length, from, 32);
            let words = self
                .b
                .resize(vec![rest], Width::U32, self.image.width(field.ty));
            self.write_field(view, index as u32, &words);
        }
    }

    /// The checksum of a header that was built, whose field is zero.
    fn write_checksums(&mut self, view: &View) {
        let header = &self.image.sound.tables().headers[view.header];
        // A UDP checksum of zero means that there is none (RFC 768; for tunnels over IPv6 RFC 6935).
        let udp = self.is_udp(view.header);
        for field in header.fields.iter().filter(|f| !(udp && covers_body(f))) {
            let start = self.place_value(view.base);
            let bytes = match field.derived {
                Some(Derived::ChecksumOf) => self.b.constant(header.fixed_bytes),
                Some(Derived::ChecksumOver | Derived::ChecksumWithPseudoHeader) => {
                    let length = self.length();
                    self.b.op2(Op::Sub, length, start, 32)
                }
                _ => continue,
            };
            let mut sum = self.sum(start, bytes);
            if field.derived == Some(Derived::ChecksumWithPseudoHeader) {
                sum = self.with_pseudo_header(view, sum, bytes);
            }
            let checksum = self.b.op2c(Op::Xor, sum, 0xffff, 16);
            let place = view.base.plus(field.bit_offset / 8);
            self.b.store(Region::Packet, 2, place, checksum);
        }
    }

    fn is_udp(&self, header: HeaderId) -> bool {
        self.image.sound.tables().headers[header].qualified == "nfl.net.Udp"
    }

    /// The one's-complement sum of bytes, as they lie (RFC 1071).
    fn sum(&mut self, start: Value, bytes: Value) -> Value {
        let args = vec![Arg::Word(start), Arg::Word(bytes)];
        self.ask("bytes.sum", 0, None, args)
    }

    /// A sum with the carries brought around.
    fn fold(&mut self, mut sum: Value) -> Value {
        for _ in 0..2 {
            let low = self.b.op2c(Op::And, sum, 0xffff, 16);
            let high = self.b.op2c(Op::Shr, sum, 16, 16);
            sum = self.b.op2(Op::Add, low, high, 17);
        }
        self.b.op2c(Op::And, sum, 0xffff, 16)
    }

    /// Adds the pseudo-header: addresses, length and protocol of the nearest header around that has
    /// addresses (RFC 9293 section 3.1, RFC 8200 section 8.1).
    fn with_pseudo_header(&mut self, view: &View, own: Value, bytes: Value) -> Value {
        let tables = self.image.sound.tables();
        let is_address =
            |f: &tables::Field| matches!(tables.types.kind(f.ty), TyKind::Ip4 | TyKind::Ip6);
        let mut around = view.outer.iter().rev();
        let outer = around.find(|o| tables.headers[o.header].fields.iter().any(is_address));
        let Some(outer) = outer.cloned() else {
            return own;
        };
        let length = self.b.swap(bytes, 2);
        let mut all = self.b.op2(Op::Add, own, length, 32);
        for (index, field) in tables.headers[outer.header].fields.iter().enumerate() {
            let name = self.image.sound.program().names.text(field.name);
            if is_address(field) {
                let first = self.place_value(outer.base.plus(field.bit_offset / 8));
                let size = self.b.constant(field.bits / 8);
                let sum = self.sum(first, size);
                all = self.b.op2(Op::Add, all, sum, 32);
            } else if matches!(name, "protocol" | "next") {
                let protocol = self.load_field(&outer, index as u32)[0];
                let wire = self.b.op2c(Op::Shl, protocol, 8, 16);
                all = self.b.op2(Op::Add, all, wire, 32);
            }
        }
        self.fold(all)
    }

    fn cut(&mut self, e: ExprId, arg: ExprId) {
        let most = self.words(arg)[0];
        let length = self.length();
        let (shorter, end) = (self.b.block(), self.b.block());
        let less = self.b.compare(Op::Ltu, most, length);
        self.b.branch(less, shorter, end);
        self.b.enter(shorter);
        let gone = self.b.op2(Op::Sub, length, most, 32);
        let tail = Tail {
            start: Place {
                index: Some(most),
                offset: 0,
            },
            bytes: gone,
            came: false,
            sum: None,
        };
        self.follow(e, tail);
        self.ask("packet.cut", 0, None, vec![Arg::Word(most)]);
        self.b.jump(end);
        self.b.enter(end);
    }

    /// Moves the lengths and checksums of the headers around bytes that came or that will go.
    fn follow(&mut self, e: ExprId, mut tail: Tail) {
        let sound = self.image.sound;
        let mut views = Vec::new();
        for local in sound.tables().kept[e].iter().flatten() {
            if let Some(Local::Fixed(Val::View(view))) = self.locals.get(local) {
                views.push(view.clone());
            }
        }
        let headers = &sound.tables().headers;
        let summed = |v: &View| {
            let mut all = self.candidates(v).into_iter();
            all.any(|c| headers[c.view.header].fields.iter().any(covers_body))
        };
        if views.iter().any(summed) {
            let start = self.place_value(tail.start);
            // The service stops at the packet's end, and the price is that of the most bytes.
            let most = match self.b.as_constant(tail.bytes) {
                Some(_) => tail.bytes,
                None => self.b.constant(nfl_abi::map::PACKET_MAX),
            };
            tail.sum = Some(self.sum(start, most));
        }
        for view in &views {
            self.each_member(view, |lower, member| {
                lower.all_there(view, member);
                lower.follow_one(member, tail);
            });
        }
    }

    fn follow_one(&mut self, view: &View, tail: Tail) {
        let sound = self.image.sound;
        let fields = &sound.tables().headers[view.header].fields;
        for field in fields.iter().filter(|f| covers_body(f)) {
            if let Some(sum) = tail.sum {
                self.move_body_sum(view, field, tail, sum);
            }
        }
        for (index, field) in fields.iter().enumerate() {
            if let Some(Derived::LengthFrom | Derived::LengthAfter) = field.derived {
                let old = self.load_field(view, index as u32)[0];
                let op = if tail.came { Op::Add } else { Op::Sub };
                let new = self.b.op2(op, old, tail.bytes, 32);
                let words = self
                    .b
                    .resize(vec![new], Width::U32, self.image.width(field.ty));
                self.store_field(view, index as u32, None, &words);
            }
        }
    }

    /// Moves a checksum by the bytes behind it that came or will go, and by the pseudo-header's length.
    fn move_body_sum(&mut self, view: &View, field: &tables::Field, tail: Tail, sum: Value) {
        let at = field.bit_offset / 8;
        let place = view.base.plus(at);
        let old = self.b.load(Region::Packet, 2, place);
        let done = self.b.block();
        let optional = self.is_udp(view.header);
        if optional {
            let here = self.b.block();
            self.b.branch(old, here, done);
            self.b.enter(here);
        }
        let first = self.place_value(tail.start);
        let base = self.place_value(view.base);
        let distance = self.b.op2(Op::Sub, first, base, 32);
        let odd = self.b.op2c(Op::And, distance, 1, 1);
        let mut change = self.turned(sum, odd);
        if field.derived == Some(Derived::ChecksumWithPseudoHeader) {
            let length = self.b.swap(tail.bytes, 2);
            change = self.b.op2(Op::Add, change, length, 32);
            change = self.fold(change);
        }
        if !tail.came {
            change = self.b.op2c(Op::Xor, change, 0xffff, 16);
        }
        let sum = self.b.op2c(Op::Xor, old, 0xffff, 16);
        let sum = self.b.op2(Op::Add, sum, change, 32);
        let sum = self.fold(sum);
        let mut new = self.b.op2c(Op::Xor, sum, 0xffff, 16);
        if optional {
            let below = self.b.op2c(Op::Sub, new, 1, 32);
            let ones = self.b.op2c(Op::Shr, below, 16, 16);
            new = self.b.op2(Op::Or, new, ones, 16);
        }
        let covers = self.with_checksums_around(view, at);
        self.b.store(Region::Packet, 2, place, new);
        self.settle(covers);
        self.b.jump(done);
        self.b.enter(done);
    }
}
