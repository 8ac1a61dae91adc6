//! Payloads: `Bytes` and `Cursor`, each two words: where it stands, and the end that bounds it.
//!
//! In: operations on bodies, variable arrays and cursors. Out: comparisons with the end, and loads
//! behind them. Guaranteed: the end lies within the packet, and nothing is read behind it: what is
//! read must be there, else the packet is malformed.

use super::service::Arg;
use super::ssa::{Place, Var};
use super::{Local, Lower, Val, View};
use crate::entity::{Block, Value};
use crate::func::{Data, Region};
use crate::op::Op;
use nfl_syntax::ast::{ExprId, ExprKind, PatId};
use nfl_typeck::TyKind;
use nfl_typeck::builtin::Intrinsic;
use nfl_typeck::tables::{Konst, LocalId, PatInfo, Res};
use std::rc::Rc;

/// The views around what bytes or a cursor read.
#[derive(Clone, Default)]
pub(super) struct Around {
    views: Rc<[View]>,
    /// Whether it lies in a variable array of the innermost one, and not behind it.
    within: bool,
}

fn at(place: Value) -> Place {
    Place {
        index: Some(place),
        offset: 0,
    }
}

impl Lower<'_, '_> {
    /// A builtin of bytes or of a cursor.
    pub(super) fn payload(&mut self, e: ExprId, which: Intrinsic) -> Val {
        let Some(base) = self.receiver(e) else {
            return Val::Unit;
        };
        let words = match which {
            Intrinsic::BytesLength => {
                let [start, end] = self.bytes_of(base);
                vec![self.b.op2(Op::Sub, end, start, 32)]
            }
            Intrinsic::BytesCursor => self.bytes_of(base).to_vec(),
            Intrinsic::BytesStartsWith => {
                let bytes = self.bytes_of(base);
                vec![self.starts_with(bytes, e)]
            }
            Intrinsic::BytesFind => {
                let bytes = self.bytes_of(base);
                self.find(bytes, e)
            }
            Intrinsic::CursorU8 => vec![self.read_number(base, 1)],
            Intrinsic::CursorU16 => vec![self.read_number(base, 2)],
            Intrinsic::CursorU32 => vec![self.read_number(base, 4)],
            Intrinsic::CursorMore => {
                let [place, end] = self.cursor(base);
                let (place, end) = (self.b.read(place), self.b.read(end));
                vec![self.b.compare(Op::Ltu, place, end)]
            }
            Intrinsic::CursorSkip => {
                self.skip(base, e);
                return Val::Unit;
            }
            _ => self.take_bytes(base, e),
        };
        Val::Words(words)
    }

    /// The first byte of bytes and the one behind the last.
    pub(super) fn bytes_of(&mut self, e: ExprId) -> [Value; 2] {
        match self.expr(e) {
            Val::Body(view) if view.one_of.is_some() => {
                let vars = [self.b.var(32), self.b.var(32)];
                self.each_member(&view, |lower, member| {
                    lower.all_there(&view, member);
                    let body = lower.body_bytes(member);
                    for (var, word) in vars.into_iter().zip(body) {
                        lower.b.write(var, word);
                    }
                });
                vars.map(|var| self.b.read(var))
            }
            Val::Body(view) => self.body_bytes(&view),
            Val::Words(words) if words.len() == 2 => [words[0], words[1]],
            _ => [self.b.constant(0); 2],
        }
    }

    /// The first byte of the body of a header that is known, and the one behind the last.
    fn body_bytes(&mut self, view: &View) -> [Value; 2] {
        let end = self.check_length_fields(view);
        let start = self.end_of(view);
        let start = self.place_value(start);
        let end = match end {
            Some(end) => end,
            None => self.b.inst(Op::Len, &[], 0, None, 32),
        };
        self.malformed_if_less(end, start);
        [start, end]
    }

    /// A variable array of a header.
    pub(super) fn array_bytes(&mut self, view: &View, field: u32) -> Val {
        let ends = self.ends_of(view);
        let sound = self.image.sound;
        let fields = &sound.tables().headers[view.header].fields;
        let arrays = fields.iter().zip(0..).filter(|(f, _)| f.len.is_some());
        let number = arrays
            .map(|(_, i)| i)
            .position(|i: u32| i == field)
            .unwrap_or(0);
        let words = [ends[number], ends[number + 1]].map(|place| self.place_value(place));
        Val::Words(words.to_vec())
    }

    /// The variables of the cursor that an expression names, which callees move as well; of a new one for
    /// other expressions.
    pub(super) fn cursor(&mut self, e: ExprId) -> [Var; 2] {
        let sound = self.image.sound;
        let mut bare = e;
        while let ExprKind::Paren(inner) = sound.program().ast.exprs[bare].kind {
            bare = inner;
        }
        if let Res::Local(local) = sound.tables().expr_res[bare]
            && let Some(Local::Vars(vars)) = self.locals.get(&local)
            && let [place, end] = vars[..]
        {
            return [place, end];
        }
        let words = self.bytes_of(e);
        words.map(|word| {
            let var = self.b.var(32);
            self.b.write(var, word);
            var
        })
    }

    /// Malformed unless so many bytes lie before `end`; answers the place behind them.
    fn there(&mut self, place: Value, end: Value, bytes: u32) -> Value {
        let ok = self.b.block();
        let some = self.b.compare(Op::Ltu, place, end);
        self.b.branch(some, ok, self.malformed);
        self.b.enter(ok);
        let behind = self.b.op2c(Op::Add, place, bytes, 32);
        if bytes > 1 {
            self.malformed_if_less(end, behind);
        }
        behind
    }

    fn read_number(&mut self, e: ExprId, bytes: u32) -> Value {
        let [place_var, end] = self.cursor(e);
        let (place, end) = (self.b.read(place_var), self.b.read(end));
        let behind = self.there(place, end, bytes);
        let raw = self.b.load(Region::Packet, bytes, at(place));
        self.b.write(place_var, behind);
        self.b.swap(raw, bytes)
    }

    /// Moves a cursor, to the end at most.
    fn skip(&mut self, cursor: ExprId, e: ExprId) {
        let [place_var, end_var] = self.cursor(cursor);
        let by = self.u32_of(self.ordered(e)[0]);
        let (place, end) = (self.b.read(place_var), self.b.read(end_var));
        let rest = self.b.op2(Op::Sub, end, place, 32);
        let (beyond, within, done) = (self.b.block(), self.b.block(), self.b.block());
        let less = self.b.compare(Op::Ltu, rest, by);
        self.b.branch(less, beyond, within);
        self.b.enter(beyond);
        self.b.write(place_var, end);
        self.b.jump(done);
        self.b.enter(within);
        let moved = self.b.op2(Op::Add, place, by, 32);
        self.b.write(place_var, moved);
        self.b.jump(done);
        self.b.enter(done);
    }

    /// So many bytes from a cursor on, which moves behind them.
    fn take_bytes(&mut self, cursor: ExprId, e: ExprId) -> Vec<Value> {
        let [place_var, end_var] = self.cursor(cursor);
        let by = self.u32_of(self.ordered(e)[0]);
        let (place, end) = (self.b.read(place_var), self.b.read(end_var));
        let rest = self.b.op2(Op::Sub, end, place, 32);
        self.malformed_if_less(rest, by);
        let behind = self.b.op2(Op::Add, place, by, 32);
        // Follows from the comparison before, in a form that proves the end to lie in the packet.
        self.malformed_if_less(end, behind);
        self.b.write(place_var, behind);
        vec![place, behind]
    }

    /// `body[i]`: what is read must be there.
    pub(super) fn byte_at(&mut self, base: ExprId, index: ExprId) -> Val {
        let [start, end] = self.bytes_of(base);
        let wide = self.may_be_wide(index);
        let index = self.u32_of(index);
        let length = self.b.op2(Op::Sub, end, start, 32);
        let ok = self.b.block();
        let inside = self.b.compare(Op::Ltu, index, length);
        self.b.branch(inside, ok, self.malformed);
        self.b.enter(ok);
        let place = self.b.op2(Op::Add, start, index, 32);
        // Both follow from the comparison before, in a form that proves the place to lie in the packet.
        if wide {
            self.there(place, end, 1);
        }
        self.require(at(place).plus(1));
        Val::Words(vec![self.b.load(Region::Packet, 1, at(place))])
    }

    /// Whether an index may be more than a packet has bytes, for all that its type says.
    fn may_be_wide(&self, index: ExprId) -> bool {
        let kind = &self.image.sound.program().ast.exprs[index].kind;
        let wide = match kind {
            ExprKind::Paren(inner) => return self.may_be_wide(*inner),
            // Computed in 32 bits, whatever the width of its operands.
            ExprKind::Binary { .. } => true,
            _ => self.image.width(self.ty(index)).bits > 16,
        };
        wide && self.konst(index).is_none()
    }

    /// The text that is the first argument.
    fn text(&self, e: ExprId) -> Vec<u8> {
        match self.konst(self.ordered(e)[0]) {
            Some(Konst::Text(text)) => text,
            _ => Vec::new(),
        }
    }

    fn starts_with(&mut self, [start, end]: [Value; 2], e: ExprId) -> Value {
        let text = self.text(e);
        let result = self.b.var(1);
        let (no, done) = (self.b.block(), self.b.block());
        let some = self.b.compare(Op::Ltu, start, end);
        let next = self.b.block();
        self.b.branch(some, next, no);
        self.b.enter(next);
        let behind = self.b.op2c(Op::Add, start, text.len() as u32, 32);
        let short = self.b.compare(Op::Ltu, end, behind);
        let next = self.b.block();
        self.b.branch(short, no, next);
        self.b.enter(next);
        let mut offset = 0u32;
        let mut rest = &text[..];
        while !rest.is_empty() {
            let take = [4, 2, 1]
                .into_iter()
                .find(|&n| n <= rest.len())
                .unwrap_or(1);
            let (now, later) = rest.split_at(take);
            let number = now.iter().rev().fold(0u32, |n, &b| n << 8 | u32::from(b));
            let raw = self
                .b
                .load(Region::Packet, take as u32, at(start).plus(offset));
            let number = self.b.constant(number);
            let same = self.b.compare(Op::Eq, raw, number);
            let next = self.b.block();
            self.b.branch(same, next, no);
            self.b.enter(next);
            offset += take as u32;
            rest = later;
        }
        let one = self.b.constant(1);
        self.b.write(result, one);
        self.b.jump(done);
        self.b.enter(no);
        let zero = self.b.constant(0);
        self.b.write(result, zero);
        self.b.jump(done);
        self.b.enter(done);
        self.b.read(result)
    }

    /// The words of a `Lookup<Cursor>`: 0 and the cursor behind the text, or 1.
    fn find(&mut self, [start, end]: [Value; 2], e: ExprId) -> Vec<Value> {
        let text = self.text(e);
        let within = self.u32_of(self.ordered(e)[1]);
        let address = self.text_address(&text);
        let args = vec![Arg::Word(start), Arg::Word(within), Arg::Word(address)];
        let found = self.ask("bytes.find", text.len() as u32, None, args);
        // 0 says that there is none; the service looks further than the body, which counts as none.
        let before = self.b.op2c(Op::Sub, found, 1, 32);
        let missed = self.b.compare(Op::Geu, before, end);
        vec![missed, found, end]
    }

    /// The address of a text among the constants, where equal ones lie once.
    fn text_address(&mut self, text: &[u8]) -> Value {
        let data = &mut self.image.module.data;
        let known = data.iter().find(|(_, d)| d.bytes == text).map(|(id, _)| id);
        let id = known.unwrap_or_else(|| {
            let name = format!("text{}", data.len());
            data.push(Data {
                name,
                bytes: text.to_vec(),
                align: 1,
            })
        });
        self.b.inst(Op::Address, &[], 0, Some(Region::Data(id)), 32)
    }

    /// The views around what bytes or a cursor read. Makes no code.
    pub(super) fn views_around(&mut self, e: ExprId) -> Around {
        let with = |view: View, within: bool| Around {
            views: view.outer.iter().cloned().chain([view.clone()]).collect(),
            within,
        };
        let sound = self.image.sound;
        match sound.program().ast.exprs[e].kind {
            ExprKind::Paren(inner) => self.views_around(inner),
            ExprKind::MethodCall { base, .. } => self.views_around(base),
            ExprKind::Field { base, .. } => match self.kind(self.ty(base)) {
                TyKind::View(_) | TyKind::OneOf(_) => match self.expr(base) {
                    // What is named by a field is an array of the header; what is not is its body.
                    Val::View(view) => with(
                        view,
                        matches!(sound.tables().expr_res[e], Res::Field { .. }),
                    ),
                    _ => Around::default(),
                },
                _ => Around::default(),
            },
            _ => match sound.tables().expr_res[e] {
                Res::Local(local) => match self.locals.get(&local) {
                    Some(Local::Fixed(Val::Body(view))) => with(view.clone(), false),
                    _ => self.around.get(&local).cloned().unwrap_or_default(),
                },
                _ => Around::default(),
            },
        }
    }

    /// A variable reads what the expression does, if it reads a payload.
    pub(super) fn reads_like(&mut self, local: LocalId, e: ExprId) {
        let ty = self.image.sound.tables().locals[local].ty;
        if matches!(self.kind(ty), TyKind::Bytes | TyKind::Cursor) {
            let around = self.views_around(e);
            self.around.insert(local, around);
        }
    }

    /// The cursors that a pattern binds read what the value does.
    pub(super) fn binds_read_like(&mut self, pat: PatId, value: ExprId) {
        match &self.image.sound.tables().pats[pat] {
            PatInfo::Bind(local) => self.reads_like(*local, value),
            PatInfo::Record { args, .. } => {
                for &arg in args {
                    self.binds_read_like(arg, value);
                }
            }
            _ => {}
        }
    }

    /// Branches to `yes`: the layers stand where a cursor is, or the packet is malformed.
    pub(super) fn match_cursor(&mut self, value: ExprId, pat: PatId, yes: Block, no: Block) {
        let sound = self.image.sound;
        let PatInfo::Layers(steps) = &sound.tables().pats[pat] else {
            return;
        };
        let Some(first) = steps.first() else { return };
        let [place, end] = self.bytes_of(value);
        let fixed = sound.tables().headers[first.header].fixed_bytes;
        self.b.span = Some(first.span);
        self.there(place, end, fixed);
        let around = self.views_around(value);
        let view = View {
            header: first.header,
            base: at(place),
            outer: around.views,
            one_of: None,
            within: around.within,
        };
        self.layers_behind(steps, view, yes, no);
    }
}
