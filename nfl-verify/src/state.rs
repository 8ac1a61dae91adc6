//! What is known about the machine at one point of the code.
//!
//! In: the facts of the points before. Out: for each register and word of scratch what kind of
//! value it holds, as a symbol plus a constant, and for each symbol its range and its distance
//! from the packet's end. Copies share a symbol, so a comparison teaches something about all of
//! them. Guaranteed: joining and refining never lose a machine state that can occur.

use alloc::vec::Vec;
use core::fmt;

use nfl_abi::map;
use nfl_isa::Reg;

use crate::lesson;
use crate::refusal::{Place, Range, Region};

/// A name for a mathematical integer that does not change during a run. It indexes `State::facts`.
pub(crate) type Sym = u16;

/// The symbol that is 0, so that constants are terms.
pub(crate) const ZERO: Sym = 0;
/// The symbol that is the packet's length; it changes where a service moves the packet.
pub(crate) const LEN: Sym = 1;
/// Symbols below this one have their names always.
pub(crate) const FIRST: Sym = 2;

/// "Nothing is known about the distance": below every distance that can matter.
const FAR: i64 = -(1 << 40);
/// Offsets of addresses stay within this, so that sums of two never leave `i64`.
pub(crate) const OFFSET_MAX: i64 = 1 << 33;
/// Largest number in a register.
pub(crate) const WORD_MAX: i64 = u32::MAX as i64;
/// Largest number in a register that is not negative as a signed number.
pub(crate) const SIGNED_MAX: i64 = i32::MAX as i64;

/// Registers, then words of scratch.
pub(crate) const REGS: usize = 32;
pub(crate) const WORDS: usize = map::SCRATCH_BYTES as usize / 4;

/// Symbols that a state may gather, beside those that it held when unused ones were last thrown out, before that is done
/// again. So the work of throwing out is spread evenly over the symbols that are made.
const GATHERED_MAX: usize = 64;

/// The mark of a state that has nothing in common with others.
pub(crate) const UNMARKED: u32 = 0;

/// With more changes than this, a state is marked anew before it goes two ways.
const CHANGES_MAX: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    /// Never written, or a different thing on every way here.
    Uninit,
    /// A word of scratch of which the bytes in the mask `k` are parts of unknown numbers.
    Bytes,
    /// A number: `sym + k`, in `0..=WORD_MAX`.
    Number,
    /// An address: `sym + k` bytes from the start of the region.
    Packet,
    Scratch,
    Context,
    Carried,
    /// An address: `sym + k` bytes from the start of a value of so many bytes.
    Value(u16),
    /// What a lookup answered: `sym + k` is 1 when it is the address of a value of so many bytes,
    /// and 0 when it is 0.
    Answer(u16),
}

impl Kind {
    pub(crate) fn region(self) -> Option<Region> {
        match self {
            Kind::Packet => Some(Region::Packet),
            Kind::Scratch => Some(Region::Scratch),
            Kind::Context => Some(Region::Context),
            Kind::Carried => Some(Region::Carried),
            Kind::Value(_) | Kind::Answer(_) => Some(Region::Value),
            Kind::Uninit | Kind::Bytes | Kind::Number => None,
        }
    }

    pub(crate) fn has_term(self) -> bool {
        !matches!(self, Kind::Uninit | Kind::Bytes)
    }

    /// A number for each kind, with the bytes of the value above it.
    const fn bits(self) -> u64 {
        match self {
            Kind::Uninit => 0,
            Kind::Bytes => 1,
            Kind::Number => 2,
            Kind::Packet => 3,
            Kind::Scratch => 4,
            Kind::Context => 5,
            Kind::Carried => 6,
            Kind::Value(bytes) => 7 | (bytes as u64) << 16,
            Kind::Answer(bytes) => 8 | (bytes as u64) << 16,
        }
    }

    const fn of_bits(bits: u64) -> Kind {
        match bits as u16 {
            0 => Kind::Uninit,
            1 => Kind::Bytes,
            2 => Kind::Number,
            3 => Kind::Packet,
            4 => Kind::Scratch,
            5 => Kind::Context,
            6 => Kind::Carried,
            7 => Kind::Value((bits >> 16) as u16),
            _ => Kind::Answer((bits >> 16) as u16),
        }
    }
}

/// What one register or word of scratch holds. Two machine words, so that it stays in registers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) k: i64,
    /// The symbol in the lowest bits, then the kind.
    rest: u64,
}

/// All four bytes of a word.
pub(crate) const ALL_BYTES: i64 = 0b1111;

impl Value {
    pub(crate) const UNINIT: Value = Value::new(Kind::Uninit, ZERO, 0);

    pub(crate) const fn new(kind: Kind, sym: Sym, k: i64) -> Value {
        let rest = kind.bits() << Sym::BITS | sym as u64;
        Value { k, rest }
    }

    pub(crate) const fn constant(k: i64) -> Value {
        Value::new(Kind::Number, ZERO, k)
    }

    pub(crate) const fn bytes(mask: i64) -> Value {
        match mask {
            0 => Value::UNINIT,
            _ => Value::new(Kind::Bytes, ZERO, mask),
        }
    }

    const fn start_of(kind: Kind) -> Value {
        Value::new(kind, ZERO, 0)
    }

    pub(crate) const fn kind(self) -> Kind {
        Kind::of_bits(self.rest >> Sym::BITS)
    }

    pub(crate) const fn sym(self) -> Sym {
        self.rest as Sym
    }

    /// The same term, of another kind.
    pub(crate) fn of(self, kind: Kind) -> Value {
        Value::new(kind, self.sym(), self.k)
    }

    /// So much further.
    pub(crate) fn moved(self, by: i64) -> Value {
        let k = self.k + by;
        Value { k, ..self }
    }

    /// Has another symbol from now on.
    pub(crate) fn rename(&mut self, sym: Sym) {
        *self = Value::new(self.kind(), sym, self.k);
    }

    /// Whether it is a symbol plus a constant.
    pub(crate) fn has_term(self) -> bool {
        (self.rest >> Sym::BITS) as u16 > 1
    }

    pub(crate) fn is_number(self) -> bool {
        self.rest >> Sym::BITS == Kind::Number.bits()
    }

    /// Whether both are of one kind.
    pub(crate) fn is_like(self, other: Value) -> bool {
        self.rest >> Sym::BITS == other.rest >> Sym::BITS
    }

    /// Whether the terms are the same, whatever they are terms of.
    pub(crate) fn has_term_of(self, other: Value) -> bool {
        (self.sym(), self.k) == (other.sym(), other.k)
    }

    /// Which bytes of a word that holds this are parts of numbers.
    pub(crate) fn number_bytes(self) -> i64 {
        match self.kind() {
            Kind::Number => ALL_BYTES,
            Kind::Bytes => self.k,
            _ => 0,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {} + {}", self.kind(), self.sym(), self.k)
    }
}

/// The packet's length.
const LENGTH: Value = Value::new(Kind::Number, LEN, 0);

/// What is known about a symbol: `lo <= v <= hi`, `v + slack <= length of the packet`, and `v` is a
/// multiple of `stride`; only 0 is a multiple of 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fact {
    pub(crate) lo: i64,
    pub(crate) hi: i64,
    pub(crate) slack: i64,
    pub(crate) stride: i64,
}

impl Fact {
    const NOTHING: Fact = Fact {
        lo: FAR,
        hi: -FAR,
        slack: FAR,
        stride: 1,
    };

    /// With bounds that are multiples of the stride; `None` when there is none between them.
    fn rounded(self) -> Option<Fact> {
        if self.stride <= 1 {
            return (self.lo <= self.hi).then_some(self);
        }
        let lo = self.lo + (-self.lo).rem_euclid(self.stride);
        let hi = self.hi - self.hi.rem_euclid(self.stride);
        (lo <= hi).then_some(Fact { lo, hi, ..self })
    }
}

/// The greatest number that divides both. Every number divides 0.
pub(crate) fn common_stride(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.abs(), b.abs());
    if a == b || a == 1 {
        return a;
    }
    if b == 1 {
        return b;
    }
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// Registers, then the words of scratch up to the last one written.
    pub(crate) values: Vec<Value>,
    pub(crate) facts: Vec<Fact>,
    /// States with one mark were one when they got it, unless it is `UNMARKED`.
    pub(crate) mark: u32,
    /// The symbols below had names then.
    pub(crate) first_new: Sym,
    /// Places that have been written since, one bit each. Symbols that are new are held by them alone.
    pub(crate) written: u128,
    /// Symbols, not new and not the packet's length, about which something has been learned since.
    pub(crate) learned: Vec<Sym>,
    /// With more facts than this, unused symbols are thrown out.
    crowd: usize,
    /// No run comes here if the claims of loops say all that there is. The prover never believes that.
    pub(crate) void: bool,
}

/// What registers hold when a handler starts.
const START: [(Reg, Value); 10] = [
    (Reg::ZERO, Value::constant(0)),
    (Reg::SP, Value::start_of(Kind::Scratch)),
    (Reg::GP, Value::start_of(Kind::Context)),
    (Reg::TP, Value::start_of(Kind::Carried)),
    (Reg::S0, Value::start_of(Kind::Packet)),
    (Reg::S1, LENGTH),
    (Reg::A0, Value::constant(0)),
    (Reg::A1, Value::constant(0)),
    (Reg::A4, Value::start_of(Kind::Carried)),
    (Reg::A5, Value::start_of(Kind::Context)),
];

/// Memory for throwing out symbols, used again each time.
#[derive(Default)]
pub(crate) struct Space {
    names: Vec<Sym>,
    facts: Vec<Fact>,
}

impl State {
    /// What holds when a handler starts that is called for packets of `len` bytes only.
    #[cfg(test)]
    pub(crate) fn entry(len: Range) -> State {
        let mut state = State::default();
        state.start(len);
        state
    }

    /// Forgets everything but what holds when a handler starts that is called for packets of `len` bytes only.
    pub(crate) fn start(&mut self, len: Range) {
        self.values.clear();
        self.values.reserve(REGS + WORDS);
        self.values.resize(REGS, Value::UNINIT);
        for (reg, value) in START {
            if let Some(slot) = self.values.get_mut(reg.index()) {
                *slot = value;
            }
        }
        self.facts.clear();
        self.facts.reserve(GATHERED_MAX / 2);
        self.facts.push(Fact {
            lo: 0,
            hi: 0,
            slack: FAR,
            stride: 0,
        });
        self.facts.push(Fact {
            lo: len.0,
            hi: len.1,
            slack: 0,
            stride: 1,
        });
        self.mark = UNMARKED;
        self.first_new = FIRST;
        self.written = 0;
        self.learned.clear();
        self.crowd = GATHERED_MAX;
        self.void = false;
    }

    /// Begins to note what changes, unless that has been begun and little has changed.
    pub(crate) fn mark(&mut self, marks: &mut u32) {
        let changes = self.written.count_ones() as usize + self.learned.len();
        if self.mark == UNMARKED || changes > CHANGES_MAX {
            self.mark_anew(marks);
        }
    }

    /// Begins to note what changes from here on.
    pub(crate) fn mark_anew(&mut self, marks: &mut u32) {
        *marks += 1;
        self.mark = *marks;
        self.first_new = self.symbols();
        self.written = 0;
        self.learned.clear();
    }

    /// Has nothing in common with other states any more.
    pub(crate) fn unmark(&mut self) {
        self.mark = UNMARKED;
    }

    /// The mark, if all values are those that it had when it got it.
    pub(crate) fn clean_mark(&self) -> u32 {
        if self.written == 0 {
            self.mark
        } else {
            UNMARKED
        }
    }

    /// Whether both were one once, and what they have in common is known.
    pub(crate) fn is_near(&self, other: &State) -> bool {
        self.mark != UNMARKED && self.mark == other.mark
    }

    pub(crate) fn reg(&self, reg: Reg) -> Value {
        self.get(Place(reg.0))
    }

    pub(crate) fn set_reg(&mut self, reg: Reg, value: Value) {
        self.written |= 1 << (reg.0 & 31);
        if reg != Reg::ZERO
            && let Some(slot) = self.values.get_mut(reg.index())
        {
            *slot = value;
        }
    }

    /// What a register or word of scratch holds.
    pub(crate) fn get(&self, place: Place) -> Value {
        *self
            .values
            .get(usize::from(place.0))
            .unwrap_or(&Value::UNINIT)
    }

    pub(crate) fn set(&mut self, place: Place, value: Value) {
        self.written |= 1 << (place.0 & 127);
        let at = usize::from(place.0);
        if at >= self.values.len() {
            if value.kind() == Kind::Uninit || at >= REGS + WORDS {
                return;
            }
            self.values.resize(at + 1, Value::UNINIT);
        }
        if let Some(slot) = self.values.get_mut(at) {
            *slot = value;
        }
    }

    /// The words of scratch up to the last one written.
    pub(crate) fn words_mut(&mut self) -> &mut [Value] {
        self.unmark();
        self.values.get_mut(REGS..).unwrap_or_default()
    }

    pub(crate) fn fact(&self, sym: Sym) -> Fact {
        *self.facts.get(usize::from(sym)).unwrap_or(&Fact::NOTHING)
    }

    #[inline]
    pub(crate) fn update(&mut self, sym: Sym, fact: Fact) {
        if (FIRST..self.first_new).contains(&sym) && self.mark != UNMARKED {
            self.note_learned(sym);
        }
        if let Some(slot) = self.facts.get_mut(usize::from(sym)) {
            *slot = fact;
        }
    }

    fn note_learned(&mut self, sym: Sym) {
        if !self.learned.contains(&sym) {
            self.learned.push(sym);
        }
    }

    /// The lengths the packet can have.
    pub(crate) fn length(&self) -> Range {
        let fact = self.fact(LEN);
        (fact.lo, fact.hi)
    }

    /// The packet lies elsewhere from now on, and has one of these lengths. Numbers that were its
    /// length are numbers like others.
    pub(crate) fn move_packet(&mut self, len: Range) {
        self.unmark();
        let old = self.fresh(self.length());
        for value in &mut self.values {
            if value.kind() == Kind::Packet {
                *value = Value::UNINIT;
            } else if value.sym() == LEN {
                value.rename(old);
            }
        }
        for fact in &mut self.facts {
            fact.slack = FAR;
        }
        let (lo, hi) = len;
        self.update(
            LEN,
            Fact {
                lo,
                hi,
                slack: 0,
                stride: 1,
            },
        );
        for (reg, value) in [(Reg::S0, Value::start_of(Kind::Packet)), (Reg::S1, LENGTH)] {
            self.set_reg(reg, value);
        }
    }

    /// The smallest length the packet can have.
    pub(crate) fn len_lo(&self) -> i64 {
        self.fact(LEN).lo
    }

    /// The largest known `s` with `sym + s <= length`.
    pub(crate) fn slack(&self, sym: Sym) -> i64 {
        let fact = self.fact(sym);
        fact.slack.max(self.len_lo() - fact.hi)
    }

    /// Where a number, or an address within its region, can lie.
    pub(crate) fn range(&self, value: Value) -> Range {
        let fact = self.fact(value.sym());
        (fact.lo + value.k, fact.hi + value.k)
    }

    /// A symbol about which no more than its range is known.
    pub(crate) fn fresh(&mut self, (lo, hi): Range) -> Sym {
        let sym = self.symbols();
        self.facts.push(Fact {
            lo,
            hi,
            slack: FAR,
            stride: 1,
        });
        sym
    }

    /// What is known of a symbol, when the distance from the packet's end that its range says counts too.
    pub(crate) fn told(&self, sym: Sym) -> Fact {
        Fact {
            slack: self.slack(sym),
            ..self.fact(sym)
        }
    }

    /// A symbol of which another state knows this.
    pub(crate) fn adopt(&mut self, fact: Fact) -> Sym {
        let sym = self.symbols();
        self.facts.push(fact);
        sym
    }

    /// How many symbols there are, which is the name of the next one.
    pub(crate) fn symbols(&self) -> Sym {
        self.facts.len() as Sym
    }

    /// Some value of a kind that has a term, in a range.
    pub(crate) fn some(&mut self, kind: Kind, range: Range) -> Value {
        if range.0 == range.1 {
            return Value::new(kind, ZERO, range.0);
        }
        Value::new(kind, self.fresh(range), 0)
    }

    /// Records `sym + slack <= length`, which the caller has proved.
    pub(crate) fn note_slack(&mut self, sym: Sym, slack: i64) {
        let fact = self.fact(sym);
        if sym >= FIRST && slack > fact.slack {
            self.update(sym, Fact { slack, ..fact });
            self.note_len(fact.lo + slack);
        }
    }

    /// Records that `sym` is a multiple of `stride`, which the caller has proved.
    pub(crate) fn note_stride(&mut self, sym: Sym, stride: i64) {
        if sym < FIRST || !(2..=WORD_MAX).contains(&stride) {
            return;
        }
        if let Some(fact) = (Fact {
            stride,
            ..self.fact(sym)
        })
        .rounded()
        {
            self.update(sym, fact);
        }
    }

    /// What divides the value, as far as is known.
    pub(crate) fn stride(&self, value: Value) -> i64 {
        common_stride(self.fact(value.sym()).stride, value.k)
    }

    /// What divides the distances of all values that this can have from the lowest.
    pub(crate) fn spacing(&self, value: Value) -> i64 {
        let fact = self.fact(value.sym());
        if fact.lo == fact.hi {
            0
        } else {
            common_stride(fact.stride, fact.lo)
        }
    }

    /// Whether the value differs from `from` by a multiple of `stride` for certain.
    pub(crate) fn is_spaced(&self, value: Value, from: i64, stride: i64) -> bool {
        let fact = self.fact(value.sym());
        if fact.lo == fact.hi {
            return (fact.lo + value.k - from) % stride == 0;
        }
        common_stride(fact.stride, value.k - from) % stride == 0
    }

    fn note_len(&mut self, lo: i64) {
        let len = self.fact(LEN);
        if lo > len.lo && lo <= len.hi {
            self.update(LEN, Fact { lo, ..len });
        }
    }

    /// Learns `a + by <= b` for two numbers, or two addresses of one region. A comparison that
    /// cannot come out this way teaches nothing: what follows it is checked all the same, so that
    /// no instruction escapes the sweep.
    pub(crate) fn learn_at_most(&mut self, a: Value, by: i64, b: Value) {
        // sa + gap <= sb
        let gap = a.k + by - b.k;
        if a.sym() == b.sym() {
            return;
        }
        let (fa, fb) = (self.fact(a.sym()), self.fact(b.sym()));
        let slack = self.slack(a.sym()).max(self.slack(b.sym()) + gap);
        let (below, above) = lesson::at_most((fa.lo, fa.hi), gap, (fb.lo, fb.hi));
        let low = Fact { hi: below.1, ..fa }.rounded();
        let high = Fact { lo: above.0, ..fb }.rounded();
        let (Some(low), Some(high)) = (low, high) else {
            return;
        };
        if a.sym() != LEN && low.lo + slack > self.fact(LEN).hi {
            return;
        }
        match a.sym() {
            ZERO => self.note_len(slack),
            LEN => self.update(LEN, low),
            _ => {
                self.update(a.sym(), Fact { slack, ..low });
                self.note_len(low.lo + slack);
            }
        }
        match b.sym() {
            ZERO => {}
            LEN => self.note_len(high.lo),
            _ => {
                self.update(b.sym(), high);
                self.note_len(high.lo + high.slack);
            }
        }
    }

    /// Learns that a number or address differs from the constant `c`.
    pub(crate) fn learn_not(&mut self, value: Value, c: i64) {
        let fact = self.fact(value.sym());
        let (lo, hi) = lesson::without((fact.lo, fact.hi), c - value.k);
        if let Some(fact) = (Fact { lo, hi, ..fact }).rounded()
            && value.sym() != ZERO
        {
            self.update(value.sym(), fact);
        }
    }

    /// Throws out symbols from `floor` up that nothing holds. Those below keep their names: the
    /// loops around this point know them.
    pub(crate) fn compact(&mut self, floor: Sym, space: &mut Space) {
        self.unmark();
        let floor = usize::from(floor).min(self.facts.len());
        let Space { names, facts } = space;
        names.clear();
        names.resize(self.facts.len() - floor, 0);
        facts.clear();
        for value in &mut self.values {
            let Some(old) = usize::from(value.sym()).checked_sub(floor) else {
                continue;
            };
            let (Some(name), Some(&fact)) =
                (names.get_mut(old), self.facts.get(usize::from(value.sym())))
            else {
                continue;
            };
            if *name == 0 {
                *name = (floor + facts.len()) as Sym;
                facts.push(fact);
            }
            value.rename(*name);
        }
        self.facts.truncate(floor);
        self.facts.extend_from_slice(facts);
        self.crowd = self.facts.len() + GATHERED_MAX;
    }

    /// Compacts when enough has gathered to be worth it.
    pub(crate) fn tidy(&mut self, floor: Sym, space: &mut Space) {
        if self.facts.len() > self.crowd {
            self.compact(floor, space);
        }
    }

    /// Takes over another state, in the memory this one has.
    pub(crate) fn copy_from(&mut self, other: &State) {
        self.values.clone_from(&other.values);
        self.facts.clear();
        // Room for the symbols that are made behind this point.
        self.facts.reserve(other.facts.len() + GATHERED_MAX / 2);
        self.facts.extend_from_slice(&other.facts);
        self.mark = other.mark;
        self.first_new = other.first_new;
        self.written = other.written;
        self.learned.clone_from(&other.learned);
        self.crowd = other.crowd;
        self.void = other.void;
    }
}
