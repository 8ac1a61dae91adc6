//! The certificate: claims about loops and subroutines, and their one byte form.
//!
//! In: bytes, or claims. Out: the other. Guaranteed: what is read is exactly what would be
//! written; nothing in it is believed, and memory is bounded by the number of bytes.
//!
//! The form is a version, the number of loops, and for each loop in the order of heads: half-words
//! from the head before, half-words to its end, the place of its measure, the measure's step, the
//! number of claims and the claims in the order of places. A claim is one number, places skipped
//! times eight plus form, and what the form needs. Numbers are LEB128, signed ones in zigzag. Subroutines, if there are any,
//! follow in the same way, with their links and the packet's length in place of a measure.

use alloc::vec::Vec;

use nfl_abi::map;
use nfl_isa::Reg;

use crate::refusal::{Place, Reason};
use crate::state::{Kind, OFFSET_MAX, REGS, WORD_MAX, WORDS};

const VERSION: u8 = 1;
/// The version with subroutines.
const WITH_SUBROUTINES: u8 = 2;

/// What a certificate says about one loop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LoopClaim {
    pub(crate) head: u32,
    pub(crate) end: u32,
    /// What moves in every round.
    pub(crate) measure: Place,
    /// By how much it moves, at least; the sign is the direction.
    pub(crate) step: i64,
    /// What holds whenever control is at the head, for places that change in the loop.
    pub(crate) claims: Vec<Claim>,
}

/// What a certificate says about one subroutine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SubClaim {
    pub(crate) entry: u32,
    pub(crate) end: u32,
    /// The register that holds where it was called from.
    pub(crate) link: Reg,
    /// The packet has so many bytes at every call.
    pub(crate) need: i64,
    /// What holds at every call, of places that the body reads.
    pub(crate) claims: Vec<Claim>,
}

/// All that a certificate says.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Claims {
    pub(crate) loops: Vec<LoopClaim>,
    pub(crate) subroutines: Vec<SubClaim>,
}

/// What a place holds at a loop's head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Claim {
    pub(crate) place: Place,
    /// `Bytes` stands for a word of scratch that holds some number, `Uninit` for one that
    /// changes and holds nothing useful.
    pub(crate) kind: Kind,
    pub(crate) lo: i64,
    pub(crate) hi: i64,
    /// What divides the distance from `lo`; 0 when `lo` is the only value.
    pub(crate) stride: i64,
    /// `value + slack <= length of the packet`, where that is claimed.
    pub(crate) slack: Option<i64>,
}

/// Forms of a claim, by number.
const ANY_NUMBER: u64 = 0;
const NUMBER: u64 = 1;
const NUMBER_SLACK: u64 = 2;
const PACKET: u64 = 3;
const PACKET_SLACK: u64 = 4;
const SCRATCH: u64 = 5;
const CARRIED: u64 = 6;
const RUN: u64 = 7;

/// Most certificates are no longer.
const MOST_BYTES: usize = 64;

/// The bytes of claims; `None` when a claim is of a kind that has no form.
pub(crate) fn write(claims: &Claims) -> Option<Vec<u8>> {
    let Claims { loops, subroutines } = claims;
    let version = if subroutines.is_empty() {
        VERSION
    } else {
        WITH_SUBROUTINES
    };
    let mut out = Vec::with_capacity(MOST_BYTES);
    out.push(version);
    unsigned(&mut out, loops.len() as u64);
    let mut before = 0;
    for one in loops {
        unsigned(&mut out, u64::from(one.head.checked_sub(before)? / 2));
        unsigned(&mut out, u64::from(one.end.checked_sub(one.head)? / 2));
        out.push(one.measure.0);
        signed(&mut out, one.step);
        write_claims(&mut out, &one.claims)?;
        before = one.head;
    }
    if version == VERSION {
        return Some(out);
    }
    unsigned(&mut out, subroutines.len() as u64);
    let mut before = 0;
    for one in subroutines {
        unsigned(&mut out, u64::from(one.entry.checked_sub(before)? / 2));
        unsigned(&mut out, u64::from(one.end.checked_sub(one.entry)? / 2));
        out.push(one.link.0);
        unsigned(&mut out, one.need.cast_unsigned());
        write_claims(&mut out, &one.claims)?;
        before = one.end;
    }
    Some(out)
}

/// How many claims from `at` on are one run: words behind one another of which the same is said.
fn run(claims: &[Claim], at: usize) -> usize {
    let rest = claims.get(at..).unwrap_or(&[]);
    let follows = |pair: &[Claim]| match pair {
        [a, b] => a.kind == b.kind && i32::from(a.place.0) + 1 == i32::from(b.place.0),
        _ => false,
    };
    1 + rest.windows(2).take_while(|pair| follows(pair)).count()
}

fn write_claims(out: &mut Vec<u8>, claims: &[Claim]) -> Option<()> {
    unsigned(out, groups(claims).count() as u64);
    let mut next = 0;
    for (claim, count) in groups(claims) {
        let form = form(claim)?;
        unsigned(
            out,
            (u64::from(claim.place.0).checked_sub(next)?) * 8 + form,
        );
        next = u64::from(claim.place.0) + count as u64;
        match form {
            ANY_NUMBER => {}
            RUN if claim.kind == Kind::Context => unsigned(out, claim.lo.cast_unsigned()),
            RUN => unsigned(
                out,
                (count as u64 - 1) * 2 + u64::from(claim.kind == Kind::Bytes),
            ),
            _ => {
                if claim.kind == Kind::Number {
                    unsigned(out, claim.lo.cast_unsigned());
                } else {
                    signed(out, claim.lo);
                }
                let width = claim.hi.checked_sub(claim.lo)?.cast_unsigned();
                if claim.stride > 1 {
                    unsigned(out, width / claim.stride.cast_unsigned() * 2 + 1);
                    unsigned(out, claim.stride.cast_unsigned());
                } else {
                    unsigned(out, width * 2);
                }
                if let Some(slack) = claim.slack {
                    signed(out, slack);
                }
            }
        }
    }
    Some(())
}

/// The claims, with how many places each of them is about.
fn groups(claims: &[Claim]) -> impl Iterator<Item = (&Claim, usize)> {
    let mut at = 0;
    core::iter::from_fn(move || {
        let claim = claims.get(at)?;
        let count = match claim.kind {
            Kind::Bytes | Kind::Uninit => run(claims, at),
            _ => 1,
        };
        at += count;
        Some((claim, count))
    })
}

fn form(claim: &Claim) -> Option<u64> {
    Some(match (claim.kind, claim.slack) {
        (Kind::Number, None) if (claim.lo, claim.hi, claim.stride) == (0, WORD_MAX, 1) => {
            ANY_NUMBER
        }
        (Kind::Number, None) => NUMBER,
        (Kind::Number, Some(_)) => NUMBER_SLACK,
        (Kind::Packet, None) => PACKET,
        (Kind::Packet, Some(_)) => PACKET_SLACK,
        (Kind::Scratch, None) => SCRATCH,
        (Kind::Carried, None) => CARRIED,
        (Kind::Bytes | Kind::Uninit | Kind::Context, None) => RUN,
        _ => return None,
    })
}

fn unsigned(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn signed(out: &mut Vec<u8>, n: i64) {
    unsigned(out, ((n << 1) ^ (n >> 63)).cast_unsigned());
}

/// The claims in a certificate.
pub(crate) fn read(bytes: &[u8]) -> Result<Claims, Reason> {
    let mut input = Input { bytes };
    let version = input.byte()?;
    if version != VERSION && version != WITH_SUBROUTINES {
        return Err(Reason::Certificate("unknown version"));
    }
    let count = input.unsigned()?;
    let mut loops: Vec<LoopClaim> = Vec::new();
    for _ in 0..count {
        let before = loops.last().map_or(0, |one| one.head);
        let head = input.address(before)?;
        let end = input.address(head)?;
        if end == head || (head == before && !loops.is_empty()) {
            return Err(Reason::Certificate(
                "heads that do not rise, or an empty loop",
            ));
        }
        let measure = Place(input.byte()?);
        if usize::from(measure.0) >= REGS + WORDS {
            return Err(Reason::Certificate("a measure in no place"));
        }
        let step = input.signed()?;
        if step == 0 || step.abs() > WORD_MAX {
            return Err(Reason::Certificate("a step out of range"));
        }
        let claims = input.claims(Of::Loop)?;
        loops.push(LoopClaim {
            head,
            end,
            measure,
            step,
            claims,
        });
    }
    let subroutines = match version {
        WITH_SUBROUTINES => input.subroutines()?,
        _ => Vec::new(),
    };
    if !input.bytes.is_empty() {
        return Err(Reason::Certificate("bytes behind the last claim"));
    }
    let claims = Claims { loops, subroutines };
    if write(&claims).as_deref() != Some(bytes) {
        return Err(Reason::Certificate("not the shortest form"));
    }
    Ok(claims)
}

/// What claims are about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Loop,
    Subroutine,
}

struct Input<'a> {
    bytes: &'a [u8],
}

impl Input<'_> {
    fn byte(&mut self) -> Result<u8, Reason> {
        let (&first, rest) = self
            .bytes
            .split_first()
            .ok_or(Reason::Certificate("cut short"))?;
        self.bytes = rest;
        Ok(first)
    }

    /// At most nine bytes of seven bits, so that every number fits `i64`.
    fn unsigned(&mut self) -> Result<u64, Reason> {
        let mut n = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(Reason::Certificate("a number too long"))
    }

    fn signed(&mut self) -> Result<i64, Reason> {
        let n = self.unsigned()?.cast_signed();
        Ok((n >> 1) ^ -(n & 1))
    }

    fn address(&mut self, from: u32) -> Result<u32, Reason> {
        let apart = self
            .unsigned()?
            .checked_mul(2)
            .and_then(|n| u32::try_from(n).ok());
        apart
            .and_then(|apart| from.checked_add(apart))
            .ok_or(Reason::Certificate("an address out of range"))
    }

    fn subroutines(&mut self) -> Result<Vec<SubClaim>, Reason> {
        let count = self.unsigned()?;
        let mut subroutines: Vec<SubClaim> = Vec::new();
        for _ in 0..count {
            let before = subroutines.last().map_or(0, |one| one.end);
            let entry = self.address(before)?;
            let end = self.address(entry)?;
            let link = Reg(self.byte()?);
            if end == entry || !matches!(link, Reg::RA | Reg::T0) {
                return Err(Reason::Certificate(
                    "an empty subroutine, or one that links through another register",
                ));
            }
            let need = self.unsigned()?.cast_signed();
            if need > map::PACKET_MAX.into() {
                return Err(Reason::Certificate("a length that no packet has"));
            }
            let claims = self.claims(Of::Subroutine)?;
            if claims.iter().any(|claim| claim.place.0 == link.0) {
                return Err(Reason::Certificate("a claim about a link"));
            }
            subroutines.push(SubClaim {
                entry,
                end,
                link,
                need,
                claims,
            });
        }
        Ok(subroutines)
    }

    fn claims(&mut self, of: Of) -> Result<Vec<Claim>, Reason> {
        let groups = self.unsigned()?;
        let mut claims: Vec<Claim> = Vec::new();
        let mut next = 0u64;
        for _ in 0..groups {
            let head = self.unsigned()?;
            let place = next + head / 8;
            let count = if of == Of::Subroutine && head % 8 == RUN && place < REGS as u64 {
                self.context(&mut claims, place)?
            } else {
                self.group(&mut claims, place, head % 8)?
            };
            next = place + count;
        }
        Ok(claims)
    }

    /// A register that holds an address in the context.
    fn context(&mut self, claims: &mut Vec<Claim>, at: u64) -> Result<u64, Reason> {
        let k = self.unsigned()?.cast_signed();
        changing(at)?;
        if k > OFFSET_MAX {
            return Err(Reason::Certificate("a range out of range"));
        }
        claims.push(Claim {
            kind: Kind::Context,
            lo: k,
            hi: k,
            ..Claim::nothing(Place(at as u8))
        });
        Ok(1)
    }

    /// One claim, or a run of them; gives back how many.
    fn group(&mut self, claims: &mut Vec<Claim>, at: u64, form: u64) -> Result<u64, Reason> {
        let (kind, count) = match form {
            RUN => {
                let run = self.unsigned()?;
                (
                    if run & 1 == 1 {
                        Kind::Bytes
                    } else {
                        Kind::Uninit
                    },
                    run / 2 + 1,
                )
            }
            PACKET | PACKET_SLACK => (Kind::Packet, 1),
            SCRATCH => (Kind::Scratch, 1),
            CARRIED => (Kind::Carried, 1),
            _ => (Kind::Number, 1),
        };
        let last = at
            .checked_add(count)
            .ok_or(Reason::Certificate("a claim about no place"))?;
        if last > (REGS + WORDS) as u64 || (form == RUN && at < REGS as u64) {
            return Err(Reason::Certificate("a claim about no place"));
        }
        let (lo, hi, stride) = self.range(form)?;
        changing(at)?;
        let slack = match form {
            NUMBER_SLACK | PACKET_SLACK => Some(self.signed()?),
            _ => None,
        };
        let bound = if kind == Kind::Number {
            0..=WORD_MAX
        } else {
            -OFFSET_MAX..=OFFSET_MAX
        };
        if !bound.contains(&lo)
            || !bound.contains(&hi)
            || stride > WORD_MAX
            || slack.is_some_and(|s| s.abs() > OFFSET_MAX)
        {
            return Err(Reason::Certificate("a range out of range"));
        }
        let place = |at: u64| Place(at as u8);
        claims.extend((at..last).map(|at| Claim {
            place: place(at),
            kind,
            lo,
            hi,
            stride,
            slack,
        }));
        Ok(count)
    }

    /// Lowest and highest value, and what divides the distances.
    fn range(&mut self, form: u64) -> Result<(i64, i64, i64), Reason> {
        let lo = match form {
            ANY_NUMBER => return Ok((0, WORD_MAX, 1)),
            RUN => return Ok((0, 0, 0)),
            NUMBER | NUMBER_SLACK => self.unsigned()?.cast_signed(),
            _ => self.signed()?,
        };
        let width = self.unsigned()?.cast_signed();
        let stride = match width & 1 {
            0 => i64::from(width > 0),
            _ => self.unsigned()?.cast_signed(),
        };
        let width = (width >> 1).checked_mul(stride.max(1));
        let hi = width.and_then(|width| lo.checked_add(width));
        hi.map(|hi| (lo, hi, stride))
            .ok_or(Reason::Certificate("a range out of range"))
    }
}

/// Refuses claims about what is known everywhere.
fn changing(place: u64) -> Result<(), Reason> {
    if [0, 2, 8, 9].contains(&place) {
        return Err(Reason::Certificate(
            "a claim about a register that never changes",
        ));
    }
    Ok(())
}

impl LoopClaim {
    /// What is claimed of the measure.
    pub(crate) fn measured(&self) -> Option<&Claim> {
        let is_measure = |claim: &&Claim| claim.place == self.measure && claim.kind.has_term();
        self.claims.iter().find(is_measure)
    }
}

impl Claim {
    /// That a place changes and holds nothing useful.
    pub(crate) const fn nothing(place: Place) -> Claim {
        Claim {
            place,
            kind: Kind::Uninit,
            lo: 0,
            hi: 0,
            stride: 0,
            slack: None,
        }
    }

    /// The constant in the term of a place of which only the claim is known: its symbol is a
    /// multiple of the stride.
    pub(crate) fn base(&self) -> i64 {
        if self.stride > 1 { self.lo } else { 0 }
    }
}
