//! Payloads: bodies, variable arrays and cursors.
//!
//! In: operations on bytes of a packet. Out: what they read. Guaranteed: nothing behind the end of the
//! body is read; what would be malformed in a handler stops a test.

use std::cell::Cell;
use std::rc::Rc;

use nfl_syntax::ast::{Arg, ExprId};
use nfl_typeck::Intrinsic;
use nfl_typeck::tables::HeaderId;
use nfl_typeck::ty::TyKind;

use crate::run::{Eval, Run, stop};
use crate::value::{Value, View};

/// Bytes of a packet.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Slice {
    pub(crate) packet: Rc<Vec<u8>>,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A place in a packet that moves; copies move together.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Cursor {
    pub(crate) packet: Rc<Vec<u8>>,
    pub(crate) at: Rc<Cell<usize>>,
    pub(crate) end: usize,
}

impl Slice {
    fn bytes(&self) -> &[u8] {
        self.packet.get(self.start..self.end).unwrap_or(&[])
    }

    fn cursor(&self, at: usize) -> Value {
        Value::Cursor(Cursor {
            packet: self.packet.clone(),
            at: Rc::new(Cell::new(at)),
            end: self.end,
        })
    }
}

impl Cursor {
    /// The next bytes as a number, most significant first.
    fn read(&self, bytes: usize) -> Eval<Value> {
        let at = self.at.get();
        let next = at.checked_add(bytes).filter(|&next| next <= self.end);
        let Some((next, place)) = next.and_then(|n| Some((n, self.packet.get(at..n)?))) else {
            return stop("the cursor runs off the end");
        };
        self.at.set(next);
        let number = place.iter().fold(0, |n, &b| n << 8 | i128::from(b));
        Ok(Value::Int(number))
    }
}

impl Run<'_> {
    /// Whether an expression is some bytes of a packet, or a place in them.
    pub(crate) fn is_payload(&self, e: ExprId) -> bool {
        let kind = self.t.types.kind(self.t.expr_ty[e]);
        matches!(kind, TyKind::Body(_) | TyKind::Bytes | TyKind::Cursor)
    }

    /// Whether a field is a variable array.
    pub(crate) fn has_length(&self, header: HeaderId, field: u32) -> bool {
        let fields = &self.t.headers[header].fields;
        fields.get(field as usize).is_some_and(|f| f.len.is_some())
    }

    /// The bytes that a value stands for: those behind a header, or some of them.
    pub(crate) fn slice(&mut self, value: &Value) -> Eval<Slice> {
        match value {
            Value::Bytes(slice) => Ok(slice.clone()),
            Value::Body(view) => {
                let start = self.end_of_header(&view.packet, view.header, view.base)?;
                let mut around: Vec<(HeaderId, usize)> = view.fronts.to_vec();
                around.push((view.header, view.base));
                let end = self.body_end(&view.packet, &around);
                if start > end {
                    return stop("the packet is malformed: it is shorter than it claims");
                }
                Ok(Slice {
                    packet: view.packet.clone(),
                    start,
                    end,
                })
            }
            _ => stop("these are no bytes of a packet"),
        }
    }

    /// A variable array of a header.
    pub(crate) fn variable_field(&mut self, view: &View) -> Eval<Value> {
        let fixed = self.t.headers[view.header].fixed_bytes as usize;
        let start = view.base + fixed;
        let end = self.end_of_header(&view.packet, view.header, view.base)?;
        if end > view.packet.len() {
            return stop("the packet is malformed: it is shorter than it claims");
        }
        Ok(Value::Bytes(Slice {
            packet: view.packet.clone(),
            start,
            end,
        }))
    }

    /// `body[i]`
    pub(crate) fn byte(&mut self, value: &Value, index: i128) -> Eval<Value> {
        let slice = self.slice(value)?;
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        match slice.bytes().get(at) {
            Some(&byte) => Ok(Value::Int(i128::from(byte))),
            None => stop("the index lies behind the end of the bytes"),
        }
    }

    /// An operation on bytes or a cursor.
    pub(crate) fn payload(
        &mut self,
        e: ExprId,
        which: Intrinsic,
        of: &Value,
        args: &[Arg],
    ) -> Eval<Value> {
        let values = self.arguments(e, args)?;
        if let Value::Cursor(cursor) = of {
            return move_on(which, cursor, &values);
        }
        let slice = self.slice(of)?;
        match (which, values.as_slice()) {
            (Intrinsic::BytesLength, _) => Ok(Value::Int(slice.bytes().len() as i128)),
            (Intrinsic::BytesCursor, _) => Ok(slice.cursor(slice.start)),
            (Intrinsic::BytesStartsWith, [Value::Text(text)]) => {
                Ok(Value::Bool(slice.bytes().starts_with(text)))
            }
            (Intrinsic::BytesFind, [Value::Text(text), Value::Int(within)]) => {
                let within = usize::try_from(*within).unwrap_or(usize::MAX);
                let bytes = slice.bytes();
                let searched = &bytes[..bytes.len().min(within)];
                let mut windows = searched.windows(text.len().max(1));
                let found = windows.position(|window| window == text.as_slice());
                let place = found.map(|at| slice.cursor(slice.start + at + text.len()));
                self.hit(place, self.t.expr_ty[e])
            }
            _ => stop("this operation on bytes is not known to tests"),
        }
    }
}

fn move_on(which: Intrinsic, cursor: &Cursor, values: &[Value]) -> Eval<Value> {
    let left = cursor.end.saturating_sub(cursor.at.get());
    let count = match values.first() {
        Some(Value::Int(n)) => usize::try_from(*n).unwrap_or(usize::MAX),
        _ => 0,
    };
    match which {
        Intrinsic::CursorU8 => cursor.read(1),
        Intrinsic::CursorU16 => cursor.read(2),
        Intrinsic::CursorU32 => cursor.read(4),
        Intrinsic::CursorMore => Ok(Value::Bool(left > 0)),
        Intrinsic::CursorSkip => {
            cursor.at.set(cursor.at.get() + count.min(left));
            Ok(Value::Void)
        }
        Intrinsic::CursorTake if count <= left => {
            let start = cursor.at.get();
            cursor.at.set(start + count);
            Ok(Value::Bytes(Slice {
                packet: cursor.packet.clone(),
                start,
                end: start + count,
            }))
        }
        Intrinsic::CursorTake => stop("the cursor runs off the end"),
        _ => stop("this operation on a cursor is not known to tests"),
    }
}
