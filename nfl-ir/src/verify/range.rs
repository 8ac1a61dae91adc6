//! Intervals of numbers, and what each operation makes of them.
//!
//! In: the intervals of an operation's operands. Out: an interval that holds every result.
//! Arithmetic wraps, so an interval is given only where either no result wraps or all of them do.

use crate::op::Op;

/// All numbers from `lo` to `hi`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// Smallest number.
    pub lo: u32,
    /// Largest number; not below `lo`.
    pub hi: u32,
}

impl Default for Range {
    fn default() -> Range {
        Range::FULL
    }
}

impl Range {
    /// Every word.
    pub const FULL: Range = Range {
        lo: 0,
        hi: u32::MAX,
    };
    /// What a comparison gives.
    pub const BOOL: Range = Range { lo: 0, hi: 1 };

    /// The numbers from `lo` to `hi`.
    pub fn new(lo: u32, hi: u32) -> Range {
        debug_assert!(lo <= hi);
        Range { lo, hi }
    }

    /// One number.
    pub fn exactly(n: u32) -> Range {
        Range { lo: n, hi: n }
    }

    /// The numbers below `2^width`.
    pub fn of_width(width: u8) -> Range {
        Range::new(0, u32::MAX >> (32 - u32::from(width.clamp(1, 32))))
    }

    /// The number, where there is only one.
    pub fn single(self) -> Option<u32> {
        (self.lo == self.hi).then_some(self.lo)
    }

    /// Bits that the largest number takes, at least 1.
    pub fn width(self) -> u8 {
        (32 - self.hi.leading_zeros()).max(1) as u8
    }

    /// Whether every number of `other` is in `self`.
    pub fn holds(self, other: Range) -> bool {
        self.lo <= other.lo && other.hi <= self.hi
    }

    /// The smallest interval around both.
    #[must_use]
    pub fn hull(self, other: Range) -> Range {
        Range::new(self.lo.min(other.lo), self.hi.max(other.hi))
    }

    /// The numbers in both, if there are any.
    pub fn meet(self, other: Range) -> Option<Range> {
        let (lo, hi) = (self.lo.max(other.lo), self.hi.min(other.hi));
        (lo <= hi).then_some(Range { lo, hi })
    }

    /// From wide arithmetic; everything when some results wrap and some do not.
    fn wrapped(lo: i64, hi: i64) -> Range {
        if lo >> 32 == hi >> 32 {
            Range::new(lo as u32, hi as u32)
        } else {
            Range::FULL
        }
    }

    fn wide(self) -> (i64, i64) {
        (i64::from(self.lo), i64::from(self.hi))
    }
}

/// All numbers with as many bits as the wider one has.
fn same_bits(a: Range, b: Range) -> u32 {
    Range::of_width(a.width().max(b.width())).hi
}

/// The results of an operation on numbers; everything for the others. Unary ones ignore `b`.
pub fn eval(op: Op, a: Range, b: Range) -> Range {
    if let (Some(x), Some(y)) = (a.single(), b.single())
        && let Some(n) = op.eval(x, y)
    {
        return Range::exactly(n);
    }
    if let (Op::Bswap16 | Op::Bswap32, Some(x)) = (op, a.single())
        && let Some(n) = op.eval(x, 0)
    {
        return Range::exactly(n);
    }
    let ((al, ah), (bl, bh)) = (a.wide(), b.wide());
    match op {
        Op::Add => Range::wrapped(al + bl, ah + bh),
        Op::Sub => Range::wrapped(al - bh, ah - bl),
        Op::Mul => match u32::try_from(u64::from(a.hi) * u64::from(b.hi)) {
            Ok(hi) => Range::new(a.lo * b.lo, hi),
            Err(_) => Range::FULL,
        },
        Op::Mulhu => Range::new(
            ((u64::from(a.lo) * u64::from(b.lo)) >> 32) as u32,
            ((u64::from(a.hi) * u64::from(b.hi)) >> 32) as u32,
        ),
        Op::Divu if b.lo > 0 => Range::new(a.lo / b.hi, a.hi / b.lo),
        Op::Remu if b.lo > 0 && a.hi < b.lo => a,
        Op::Remu if b.lo > 0 => Range::new(0, a.hi.min(b.hi - 1)),
        Op::Div if nonnegative(a) && nonnegative(b) => eval(Op::Divu, a, b),
        Op::Rem if nonnegative(a) && nonnegative(b) => eval(Op::Remu, a, b),
        Op::And => low_bits(a, b).unwrap_or(Range::new(0, a.hi.min(b.hi))),
        Op::Or => Range::new(a.lo.max(b.lo), same_bits(a, b)),
        Op::Xor => Range::new(0, same_bits(a, b)),
        Op::Shl | Op::Shr | Op::Sar => shift(op, a, b),
        Op::Eq | Op::Ne | Op::Ltu | Op::Geu | Op::Lt | Op::Ge => compare(op, a, b),
        // A swap of something is something.
        Op::Bswap16 => Range::new(u32::from(a.lo > 0 && a.hi <= 0xffff), 0xffff),
        Op::Bswap32 => Range::new(u32::from(a.lo > 0), u32::MAX),
        _ => Range::of_width(op.natural_width()),
    }
}

/// The lowest bits of numbers that all have the same bits above these.
fn low_bits(a: Range, mask: Range) -> Option<Range> {
    let mask = mask
        .single()
        .filter(|mask| mask & mask.wrapping_add(1) == 0)?;
    (a.lo & !mask == a.hi & !mask).then(|| Range::new(a.lo & mask, a.hi & mask))
}

fn nonnegative(a: Range) -> bool {
    a.hi <= i32::MAX as u32
}

fn shift(op: Op, a: Range, by: Range) -> Range {
    if by.hi > 31 {
        return Range::FULL;
    }
    match op {
        Op::Shl if a.hi <= u32::MAX >> by.hi => Range::new(a.lo << by.lo, a.hi << by.hi),
        Op::Shl => Range::FULL,
        Op::Sar if !nonnegative(a) => Range::FULL,
        _ => Range::new(a.lo >> by.hi, a.hi >> by.lo),
    }
}

fn compare(op: Op, a: Range, b: Range) -> Range {
    let flip = |r: Range| Range::new(1 - r.hi, 1 - r.lo);
    match op {
        Op::Eq if a.meet(b).is_none() => Range::exactly(0),
        Op::Ltu if a.hi < b.lo => Range::exactly(1),
        Op::Ltu if a.lo >= b.hi => Range::exactly(0),
        Op::Lt if nonnegative(a) && nonnegative(b) => compare(Op::Ltu, a, b),
        Op::Ne => flip(compare(Op::Eq, a, b)),
        Op::Geu => flip(compare(Op::Ltu, a, b)),
        Op::Ge => flip(compare(Op::Lt, a, b)),
        _ => Range::BOOL,
    }
}
