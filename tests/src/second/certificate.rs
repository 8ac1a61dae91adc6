//! Section 4: the certificate's bytes, and the shape of its loops.
//!
//! In: bytes. Out: loops with their claims. Guaranteed: the bytes have the one form, loops are nested, and each has a
//! measure with a range.

use std::collections::BTreeMap;

use nfl_abi::limits::ImageLimits;

use super::code::Code;
use super::state::{Kind, Place};
use super::{FAR, Int, M, require};

/// A loop as the certificate describes it.
pub(super) struct Loop {
    pub(super) head: Int,
    pub(super) end: Int,
    pub(super) measure: Place,
    pub(super) step: Int,
    pub(super) claims: BTreeMap<Place, Claim>,
}

/// A subroutine as the certificate describes it.
pub(super) struct Subroutine {
    pub(super) entry: Int,
    pub(super) end: Int,
    /// The register that holds where it was called from.
    pub(super) link: u8,
    /// Bytes of the packet at every call.
    pub(super) need: Int,
    pub(super) claims: BTreeMap<Place, Claim>,
}

/// What holds at a loop's head of one place.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// A word of scratch that holds some number.
    Bytes,
    /// A word of scratch that holds nothing that may be read.
    Nothing,
    Range(Range),
}

/// A claim of a kind and a range.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) kind: Kind,
    pub(super) lo: Int,
    pub(super) hi: Int,
    pub(super) stride: Int,
    pub(super) slack: Option<Int>,
}

impl Range {
    fn only(kind: Kind, at: Int) -> Range {
        Range {
            kind,
            lo: at,
            hi: at,
            stride: 1,
            slack: None,
        }
    }

    /// What the claim's symbol is less than the claimed value.
    pub(super) fn base(&self) -> Int {
        if self.stride >= 2 { self.lo } else { 0 }
    }
}

impl Loop {
    /// The claim about the measure.
    pub(super) fn range(&self) -> Option<&Range> {
        match self.claims.get(&self.measure) {
            Some(Claim::Range(range)) => Some(range),
            _ => None,
        }
    }

    /// Rounds of the loop at most.
    pub(super) fn trips(&self) -> Int {
        let rounds = |range: &Range| (range.hi - range.lo) / self.step.abs() + 1;
        self.range().map_or(M, rounds)
    }
}

/// Bytes that are not read yet.
struct Bytes<'b> {
    rest: &'b [u8],
}

impl Bytes<'_> {
    fn byte(&mut self) -> Result<u8, String> {
        let (&first, rest) = self.rest.split_first().ok_or("a short certificate")?;
        self.rest = rest;
        Ok(first)
    }

    fn unsigned(&mut self) -> Result<Int, String> {
        let mut number = 0;
        for place in 0..9 {
            let byte = self.byte()?;
            number += Int::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                require(place == 0 || byte != 0, "a number of needless length")?;
                return Ok(number);
            }
        }
        Err("a long number".into())
    }

    fn signed(&mut self) -> Result<Int, String> {
        let number = self.unsigned()?;
        Ok(if number % 2 == 0 {
            number / 2
        } else {
            -(number + 1) / 2
        })
    }

    /// What is behind `lo`: the end of the range, and the stride.
    fn width(&mut self, lo: Int) -> Result<(Int, Int), String> {
        let number = self.unsigned()?;
        let steps = number / 2;
        if number % 2 == 0 {
            return Ok((lo + steps, 1));
        }
        let stride = self.unsigned()?;
        require((2..=M).contains(&stride), "a stride out of range")?;
        Ok((lo + steps * stride, stride))
    }

    fn claim(&mut self, form: Int) -> Result<Claim, String> {
        let kind = match form {
            0..=2 => Kind::Number,
            3 | 4 => Kind::Packet,
            5 => Kind::Scratch,
            _ => Kind::Carried,
        };
        let (mut lo, mut hi, mut stride, mut slack) = (0, M, 1, None);
        if form > 0 {
            lo = if kind == Kind::Number {
                self.unsigned()?
            } else {
                self.signed()?
            };
            (hi, stride) = self.width(lo)?;
            let whole = form == 1 && (lo, hi, stride) == (0, M, 1);
            require(!whole, "a range where none is needed")?;
        }
        if form == 2 || form == 4 {
            let distance = self.signed()?;
            require(distance.abs() <= FAR, "a slack out of range")?;
            slack = Some(distance);
        }
        let room = if kind == Kind::Number {
            0..=M
        } else {
            -FAR..=FAR
        };
        require(
            room.contains(&lo) && room.contains(&hi),
            "a range out of range",
        )?;
        Ok(Claim::Range(Range {
            kind,
            lo,
            hi,
            stride,
            slack,
        }))
    }

    fn subroutines(&mut self) -> Result<Vec<Subroutine>, String> {
        let count = self.unsigned()?;
        require(count > 0, "a version that is not needed")?;
        let mut all: Vec<Subroutine> = Vec::new();
        for _ in 0..count {
            let before = all.last().map_or(0, |one| one.end);
            let entry = before + 2 * self.unsigned()?;
            let len = self.unsigned()?;
            require(len > 0, "an empty subroutine")?;
            let end = entry + 2 * len;
            require(end <= M, "a subroutine behind all addresses")?;
            let link = self.byte()?;
            require(link == 1 || link == 5, "another link")?;
            let need = self.unsigned()?;
            require(need <= 65_535, "a length that no packet has")?;
            let claims = self.claims(true)?;
            let of_link = claims.contains_key(&Place::Register(link));
            require(!of_link, "a claim about a link")?;
            all.push(Subroutine {
                entry,
                end,
                link,
                need,
                claims,
            });
        }
        Ok(all)
    }

    /// The groups; those of a subroutine may say where in the context a register leads.
    fn claims(&mut self, of_subroutine: bool) -> Result<BTreeMap<Place, Claim>, String> {
        let mut claims = BTreeMap::new();
        let mut free = 0;
        let mut last = None;
        for _ in 0..self.unsigned()? {
            let number = self.unsigned()?;
            let (skip, form) = (number / 8, number % 8);
            let first = free + skip;
            let place = Place::numbered(first).ok_or("a claim about no place")?;
            require(place.may_change(), "a claim about what never changes")?;
            if form < 7 {
                claims.insert(place, self.claim(form)?);
                (free, last) = (first + 1, None);
                continue;
            }
            if let (true, Place::Register(_)) = (of_subroutine, place) {
                let at = self.unsigned()?;
                require(at <= FAR, "a place far from the context")?;
                claims.insert(place, Claim::Range(Range::only(Kind::Context, at)));
                (free, last) = (first + 1, None);
                continue;
            }
            let number = self.unsigned()?;
            let (count, bytes) = (number / 2 + 1, number % 2);
            free = first + count;
            require(first >= 32 && free <= 96, "claims about no words")?;
            require(
                skip > 0 || last != Some(bytes),
                "two groups where one will do",
            )?;
            last = Some(bytes);
            let claim = if bytes == 1 {
                Claim::Bytes
            } else {
                Claim::Nothing
            };
            for place in (first..free).filter_map(Place::numbered) {
                claims.insert(place, claim.clone());
            }
        }
        Ok(claims)
    }
}

/// The loops and the subroutines of a certificate, in the order of their addresses.
pub(super) fn read(
    bytes: &[u8],
    limits: &ImageLimits,
) -> Result<(Vec<Loop>, Vec<Subroutine>), String> {
    let most = Int::from(limits.certificate_bytes);
    require(bytes.len() as Int <= most, "a long certificate")?;
    let mut bytes = Bytes { rest: bytes };
    let version = bytes.byte()?;
    require(version == 1 || version == 2, "another version")?;
    let mut loops: Vec<Loop> = Vec::new();
    for _ in 0..bytes.unsigned()? {
        let from = bytes.unsigned()?;
        require(from > 0 || loops.is_empty(), "one head twice")?;
        let head = loops.last().map_or(0, |one| one.head) + 2 * from;
        let len = bytes.unsigned()?;
        require(len > 0, "an empty loop")?;
        let end = head + 2 * len;
        require(end <= M, "a loop behind all addresses")?;
        let measure = Place::numbered(bytes.byte()?.into()).ok_or("a measure of no place")?;
        let step = bytes.signed()?;
        require(step != 0 && step.abs() <= M, "a step out of range")?;
        let claims = bytes.claims(false)?;
        loops.push(Loop {
            head,
            end,
            measure,
            step,
            claims,
        });
    }
    let own = match version {
        1 => Vec::new(),
        _ => bytes.subroutines()?,
    };
    require(bytes.rest.is_empty(), "bytes behind the last claim")?;
    Ok((loops, own))
}

/// Whether the loops fit the code and each other.
pub(super) fn shape(loops: &[Loop], code: &Code, limits: &ImageLimits) -> Result<(), String> {
    let behind = code.last_key_value().map_or(0, |(_, line)| line.next);
    for (at, one) in loops.iter().enumerate() {
        require(code.contains_key(&one.head), "a head within an instruction")?;
        let ends = code.contains_key(&one.end) || one.end == behind;
        require(ends, "an end within an instruction")?;
        let around: Vec<&Loop> = loops[..at]
            .iter()
            .filter(|other| other.end > one.head)
            .collect();
        let within = around.last().is_none_or(|other| one.end <= other.end);
        require(within, "loops that cross")?;
        require(
            around.len() < usize::from(limits.loop_depth),
            "loops too deep",
        )?;
        require(one.range().is_some(), "a measure without a range")?;
        let most = Int::from(limits.loop_trips);
        require(one.trips() <= most, "too many rounds")?;
    }
    Ok(())
}
