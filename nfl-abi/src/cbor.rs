//! The part of CBOR (RFC 8949) that images and capsules are written in, in its deterministic form.
//!
//! In: values, or foreign bytes. Out: bytes, or values. Guaranteed: the reader accepts only what the
//! writer writes, so definite lengths in their shortest form (RFC 8949 section 4.2.1); it never
//! panics, never recurses, and borrows instead of allocating. Map keys ascend by their encoded
//! bytes, which [`Map`] and [`Reader::field`] both hold their users to.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use alloc::vec::Vec;

/// Major types, in the top three bits of an initial byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Major {
    Unsigned = 0,
    Negative = 1,
    Bytes = 2,
    Text = 3,
    Array = 4,
    Map = 5,
    Tag = 6,
}

impl Major {
    /// The top three bits of an initial byte of this type.
    fn bits(self) -> u8 {
        (self as u8) << 5
    }

    fn mismatch(self) -> &'static str {
        match self {
            Major::Unsigned => "an unsigned number is due here",
            Major::Negative => "a negative number is due here",
            Major::Bytes => "a byte string is due here",
            Major::Text => "a text string is due here",
            Major::Array => "an array is due here",
            Major::Map => "a map is due here",
            Major::Tag => "a tag is due here",
        }
    }
}

const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;

/// Room that maps start with: most of them need no more.
const MAP_BYTES: usize = 256;

/// What takes the bytes that are written.
pub trait Sink: Default {
    /// One that has room for a map.
    fn for_map() -> Self;

    /// Takes these bytes.
    fn take(&mut self, bytes: &[u8]);

    /// Takes what another one has taken.
    fn append(&mut self, other: &Self);
}

impl Sink for Vec<u8> {
    fn for_map() -> Vec<u8> {
        Vec::with_capacity(MAP_BYTES)
    }

    fn take(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn append(&mut self, other: &Vec<u8>) {
        self.extend_from_slice(other);
    }
}

/// How many bytes were written, and no more of them.
#[derive(Clone, Copy, Default, Debug)]
pub struct Length(pub usize);

impl Sink for Length {
    fn for_map() -> Length {
        Length::default()
    }

    fn take(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len());
    }

    fn append(&mut self, other: &Length) {
        self.0 = self.0.saturating_add(other.0);
    }
}

/// Writes values one after the other.
#[derive(Clone, Default, Debug)]
pub struct Writer<S = Vec<u8>> {
    sink: S,
}

impl Writer {
    /// Nothing written yet.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.sink
    }
}

impl<S: Sink> Writer<S> {
    /// What has taken all that was written.
    pub fn into_sink(self) -> S {
        self.sink
    }

    /// The initial byte and the shortest argument.
    fn head(&mut self, major: Major, argument: u64) {
        let bits = major.bits();
        let wide = argument.to_be_bytes();
        let (info, width) = match argument {
            0..24 => (wide[7], 0),
            24..0x100 => (24, 1),
            0x100..0x1_0000 => (25, 2),
            0x1_0000..0x1_0000_0000 => (26, 4),
            _ => (27, 8),
        };
        self.sink.take(&[bits | info]);
        let skipped = wide.len().saturating_sub(width);
        self.sink.take(wide.get(skipped..).unwrap_or_default());
    }

    /// A number that is not negative.
    pub fn uint(&mut self, n: impl Into<u64>) {
        self.head(Major::Unsigned, n.into());
    }

    /// A number of either sign.
    pub fn int(&mut self, n: i64) {
        match u64::try_from(n) {
            Ok(n) => self.head(Major::Unsigned, n),
            // -1 - n is the complement, and that of a negative number is not negative.
            Err(_) => self.head(Major::Negative, (!n).unsigned_abs()),
        }
    }

    /// A byte string.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.head(Major::Bytes, bytes.len() as u64);
        self.sink.take(bytes);
    }

    /// A text string.
    pub fn text(&mut self, text: &str) {
        self.head(Major::Text, text.len() as u64);
        self.sink.take(text.as_bytes());
    }

    /// `false` or `true`.
    pub fn bool(&mut self, b: bool) {
        self.sink.take(&[if b { TRUE } else { FALSE }]);
    }

    /// The head of an array; its `len` elements follow.
    pub fn array(&mut self, len: usize) {
        self.head(Major::Array, len as u64);
    }

    /// A tag; the value it marks follows.
    pub fn tag(&mut self, tag: u64) {
        self.head(Major::Tag, tag);
    }

    /// A map, whole.
    pub fn map(&mut self, map: Map<S>) {
        self.head(Major::Map, map.len);
        self.sink.append(&map.body.sink);
    }
}

/// The fields of a map with integer keys, put down in their order.
#[derive(Clone, Default, Debug)]
pub struct Map<S = Vec<u8>> {
    body: Writer<S>,
    len: u64,
    last: Option<u64>,
}

impl Map {
    /// No field yet.
    pub fn new() -> Map {
        Map::to_sink()
    }
}

impl<S: Sink> Map<S> {
    /// No field yet, for a writer that has such a sink.
    pub fn to_sink() -> Map<S> {
        let body = Writer { sink: S::for_map() };
        Map {
            body,
            len: 0,
            last: None,
        }
    }

    /// Starts the field with this key; its one value follows. Keys must ascend: 0, 1, 2, … and
    /// then -1, -2, … .
    pub fn field(&mut self, key: i64) -> &mut Writer<S> {
        let rank = rank(key);
        assert!(
            self.last < Some(rank),
            "fields are put down in ascending order"
        );
        self.last = Some(rank);
        self.len = self.len.saturating_add(1);
        self.body.int(key);
        &mut self.body
    }
}

/// Orders keys as their encoded bytes are ordered. Keys of one byte only: all keys of one byte of
/// major type 0 stand before those of major type 1, and longer keys would fall in between.
fn rank(key: i64) -> u64 {
    debug_assert!((-24..24).contains(&key), "keys take one byte");
    let nonnegative = u64::try_from(key);
    nonnegative.unwrap_or_else(|_| (!key).unsigned_abs().saturating_add(24))
}

/// The bytes are not the deterministic form of what was due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// What is wrong.
    pub what: &'static str,
    /// Offset of the first byte that is.
    pub at: usize,
}

/// Reads values one after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    /// What is still unread.
    rest: &'a [u8],
    /// Offset of the first unread byte in the outermost input.
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the first of these bytes.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes, at: 0 }
    }

    /// Offset of the next byte, counted from the first byte of the outermost input.
    pub fn at(&self) -> usize {
        self.at
    }

    /// A refusal of the byte at `at`.
    pub fn refuse<T>(at: usize, what: &'static str) -> Result<T, Malformed> {
        Err(Malformed { what, at })
    }

    /// The next `len` bytes.
    fn take(&mut self, len: u64) -> Result<&'a [u8], Malformed> {
        let split = usize::try_from(len).map(|len| self.rest.split_at_checked(len));
        let Ok(Some((taken, rest))) = split else {
            let end = self.at.saturating_add(self.rest.len());
            return Reader::refuse(end, "the bytes end too early");
        };
        self.rest = rest;
        self.at = self.at.saturating_add(taken.len());
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let taken = self.take(1)?;
        Ok(taken.first().copied().unwrap_or_default())
    }

    /// The argument of an initial byte of type `major`.
    fn head(&mut self, major: Major) -> Result<u64, Malformed> {
        let at = self.at;
        let initial = self.byte()?;
        if initial & 0xe0 != major.bits() {
            return Reader::refuse(at, major.mismatch());
        }
        let info = initial & 0x1f;
        let width = match info {
            0..24 => return Ok(u64::from(info)),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return Reader::refuse(at, "a length is open or reserved"),
        };
        let argument = self
            .take(width)?
            .iter()
            .fold(0, |n: u64, &b| n << 8 | u64::from(b));
        let shortest = match width {
            1 => argument >= 24,
            2 => argument > u64::from(u8::MAX),
            4 => argument > u64::from(u16::MAX),
            _ => argument > u64::from(u32::MAX),
        };
        if !shortest {
            return Reader::refuse(at, "a number is not in its shortest form");
        }
        Ok(argument)
    }

    /// A number that is not negative.
    pub fn uint(&mut self) -> Result<u64, Malformed> {
        self.head(Major::Unsigned)
    }

    /// A number that is not negative and fits `T`.
    pub fn number<T: TryFrom<u64>>(&mut self) -> Result<T, Malformed> {
        let at = self.at;
        let n = self.uint()?;
        T::try_from(n).or(Reader::refuse(at, "a number is too large"))
    }

    /// A number of either sign.
    pub fn int(&mut self) -> Result<i64, Malformed> {
        let at = self.at;
        let negative = self.rest.first().map(|b| b & 0xe0) == Some(Major::Negative.bits());
        let argument = self.head(if negative {
            Major::Negative
        } else {
            Major::Unsigned
        })?;
        let n = i64::try_from(argument).or(Reader::refuse(at, "a number is too large"))?;
        Ok(if negative { !n } else { n })
    }

    /// A byte string.
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.head(Major::Bytes)?;
        self.take(len)
    }

    /// A byte string that holds values itself: a reader of those.
    pub fn nested(&mut self) -> Result<Reader<'a>, Malformed> {
        let rest = self.bytes()?;
        let at = self.at.saturating_sub(rest.len());
        Ok(Reader { rest, at })
    }

    /// A text string.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let len = self.head(Major::Text)?;
        let at = self.at;
        let bytes = self.take(len)?;
        core::str::from_utf8(bytes).or(Reader::refuse(at, "a text is not UTF-8"))
    }

    /// `false` or `true`.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        let at = self.at;
        match self.byte()? {
            FALSE => Ok(false),
            TRUE => Ok(true),
            _ => Reader::refuse(at, "`false` or `true` is due here"),
        }
    }

    /// Whether an array comes next.
    pub fn is_array(&self) -> bool {
        self.rest.first().map(|b| b & 0xe0) == Some(Major::Array.bits())
    }

    /// The head of an array: how many elements follow. The count is a claim; each element takes a
    /// byte or more, so reading them fails in time.
    pub fn array(&mut self) -> Result<u64, Malformed> {
        self.head(Major::Array)
    }

    /// The head of an array that must have `len` elements.
    pub fn array_of(&mut self, len: u64) -> Result<(), Malformed> {
        let at = self.at;
        if self.array()? != len {
            return Reader::refuse(at, "an array has another number of elements");
        }
        Ok(())
    }

    /// A tag.
    pub fn tag(&mut self) -> Result<u64, Malformed> {
        self.head(Major::Tag)
    }

    /// The head of a map with integer keys.
    pub fn map(&mut self) -> Result<Fields, Malformed> {
        Ok(Fields {
            left: self.head(Major::Map)?,
            last: None,
        })
    }

    /// The next key of a map, or nothing when it was the last.
    pub fn field(&mut self, fields: &mut Fields) -> Result<Option<i64>, Malformed> {
        let Some(left) = fields.left.checked_sub(1) else {
            return Ok(None);
        };
        let at = self.at;
        let key = self.int()?;
        if !(-24..24).contains(&key) {
            return Reader::refuse(at, "a key is unknown");
        }
        let rank = rank(key);
        if fields.last >= Some(rank) {
            return Reader::refuse(at, "keys do not ascend");
        }
        fields.left = left;
        fields.last = Some(rank);
        Ok(Some(key))
    }

    /// Nothing may follow.
    pub fn end(&self) -> Result<(), Malformed> {
        if !self.rest.is_empty() {
            return Reader::refuse(self.at, "bytes follow after the end");
        }
        Ok(())
    }
}

/// How far a map is read.
#[derive(Clone, Debug)]
pub struct Fields {
    left: u64,
    last: Option<u64>,
}
