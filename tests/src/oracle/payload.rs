//! Bytes and cursors.
//!
//! In: an operation on what lies behind a header. Out: its value; a cursor moves for all its names.
//! Guaranteed: what is read lies before the end, else the packet is malformed.

use std::cell::Cell;
use std::rc::Rc;

use nfl_syntax::ast::{Arg, ExprId};
use nfl_typeck::Konst;
use nfl_typeck::builtin::Intrinsic;
use nfl_typeck::tables::LayerStep;

use super::{Eval, Fronts, Run, Stop, Value, View, wrong};

/// The headers around what lies in a header or behind it.
fn around(view: &View) -> Fronts {
    let own = (view.header, view.base);
    Rc::new(view.fronts.iter().copied().chain([own]).collect())
}

impl Run<'_> {
    /// Where bytes begin and end.
    pub(super) fn bytes_of(&mut self, value: &Value) -> Eval<(usize, usize)> {
        match value {
            Value::Bytes(start, end, _) => Ok((*start, *end)),
            Value::Body(view) => {
                let start = self.end_of_header(view.header, view.base)?;
                Ok((start, self.body_end(view)?))
            }
            other => wrong(format!("{other:?} is no bytes")),
        }
    }

    /// A variable array of a header.
    pub(super) fn array(&mut self, view: &View, field: u32) -> Eval<Value> {
        let fields = &self.t.headers[view.header].fields;
        let arrays: Vec<u32> = (0..)
            .zip(fields)
            .filter(|(_, f)| f.len.is_some())
            .map(|(i, _)| i)
            .collect();
        if arrays.as_slice() != [field] {
            return wrong("a header with several arrays");
        }
        let start = view.base + self.t.headers[view.header].fixed_bytes as usize;
        Ok(Value::Bytes(
            start,
            self.end_of_header(view.header, view.base)?,
            around(view),
        ))
    }

    /// The headers around bytes or a cursor.
    fn fronts_of(value: &Value) -> Fronts {
        match value {
            Value::Bytes(_, _, fronts) | Value::Cursor(_, _, fronts) => fronts.clone(),
            Value::Body(view) => around(view),
            _ => Fronts::default(),
        }
    }

    /// A builtin of bytes or of a cursor; nothing for others.
    pub(super) fn payload(
        &mut self,
        which: Intrinsic,
        base: ExprId,
        args: &[Arg],
    ) -> Eval<Option<Value>> {
        use Intrinsic as I;
        let value = match which {
            I::BytesLength | I::BytesCursor | I::BytesStartsWith => {
                let value = self.eval(base)?;
                let (start, end) = self.bytes_of(&value)?;
                match which {
                    I::BytesLength => Value::Int((end - start) as i128),
                    I::BytesCursor => {
                        Value::Cursor(Rc::new(Cell::new(start)), end, Self::fronts_of(&value))
                    }
                    _ => {
                        let Some(Konst::Text(text)) = self.t.konst[args[0].value].clone() else {
                            return wrong("no text");
                        };
                        Value::Bool(self.packet[start..end].starts_with(&text))
                    }
                }
            }
            I::CursorU8 | I::CursorU16 | I::CursorU32 => {
                let bytes = match which {
                    I::CursorU8 => 1,
                    I::CursorU16 => 2,
                    _ => 4,
                };
                let (start, end) = self.ahead(base, bytes)?;
                let read = &self.packet[start..end];
                Value::Int(read.iter().fold(0, |n, &b| n << 8 | i128::from(b)))
            }
            I::CursorTake => {
                let bytes = self.number(args[0].value)?;
                let fronts = Self::fronts_of(&self.eval(base)?);
                let (start, end) = self.ahead(base, bytes as usize)?;
                Value::Bytes(start, end, fronts)
            }
            I::CursorMore => {
                let (place, end) = self.cursor(base)?;
                Value::Bool(place.get() < end)
            }
            I::CursorSkip => {
                let bytes = self.number(args[0].value)?;
                let (place, end) = self.cursor(base)?;
                place.set(end.min(place.get() + bytes as usize));
                Value::Void
            }
            _ => return Ok(None),
        };
        Ok(Some(value))
    }

    fn cursor(&mut self, e: ExprId) -> Eval<(Rc<Cell<usize>>, usize)> {
        match self.eval(e)? {
            Value::Cursor(place, end, _) => Ok((place, end)),
            other => wrong(format!("{other:?} is no cursor")),
        }
    }

    /// Moves a cursor over so many bytes, which must be there.
    fn ahead(&mut self, e: ExprId, bytes: usize) -> Eval<(usize, usize)> {
        let (place, end) = self.cursor(e)?;
        let start = place.get();
        if end - start < bytes {
            return Err(Stop::Malformed);
        }
        place.set(start + bytes);
        Ok((start, start + bytes))
    }

    /// `bytes[i]`
    pub(super) fn byte_at(&mut self, base: &Value, index: i128) -> Eval<Value> {
        let (start, end) = self.bytes_of(base)?;
        match usize::try_from(index).ok().filter(|i| *i < end - start) {
            Some(index) => Ok(Value::Int(i128::from(self.packet[start + index]))),
            None => Err(Stop::Malformed),
        }
    }

    /// The layout of the first header stands where a cursor is, or the packet is malformed.
    pub(super) fn stands(&self, place: usize, end: usize, first: &LayerStep) -> Eval<View> {
        if end < place + self.t.headers[first.header].fixed_bytes as usize {
            return Err(Stop::Malformed);
        }
        Ok(View {
            header: first.header,
            base: place,
            fronts: Rc::default(),
        })
    }
}
