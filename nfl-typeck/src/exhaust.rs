//! Which values a list of patterns takes, and which it leaves.
//!
//! In: patterns as shapes. Out: values that none of them takes, or the pattern that takes what
//! another one asks for. The idea is Maranget's ("Warnings for pattern matching", 2007): a matrix of
//! patterns is split by the constructors of its first column until no column is left. Constructors
//! are the members of a sealed interface, the kinds of verdicts, the one form of a record, and for numbers, addresses and
//! enums the intervals between the ends of all intervals in the column.

use crate::check::Checker;
use crate::deconstruct::operand_of;
use crate::konst;
use crate::tables::{Konst, PatInfo, RecordId};
use crate::ty::{Ty, TyKind};
use nfl_abi::image::VerdictKind;
use nfl_syntax::Span;
use nfl_syntax::ast::PatId;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What a pattern takes.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// Everything.
    Any,
    /// The values from one place of the type's order to another, both included.
    Interval(u128, u128),
    /// One member of a sealed interface (0 for a record), with its components.
    Member(usize, Vec<Shape>),
    /// Something, but nobody knows what: it counts as nothing taken.
    Something,
}

/// A pattern of an arm without a guard.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) shape: Shape,
    pub(crate) span: Span,
    /// A pattern in error: what it was meant to take is not known.
    pub(crate) broken: bool,
}

/// A value that is left, as people write it.
type Left = Vec<String>;

/// How many values that are left are told.
const TOLD: usize = 4;

/// How many splits are tried before a `switch` counts as complete; lowering gives what is left to its
/// last arm, so nothing is undefined.
const SPLITS_MAX: u32 = 20_000;

/// The highest bit, which moves signed numbers into the order of unsigned ones.
const SIGN: u128 = 1 << 127;

/// A value's place in the order of its type.
fn key(value: &Konst) -> Option<u128> {
    match value {
        Konst::Bool(b) => Some(u128::from(*b) ^ SIGN),
        Konst::Int(n) => Some((*n as u128) ^ SIGN),
        Konst::Ip6(a) => Some(*a),
        _ => None,
    }
}

/// The interval that a constant of a pattern stands for.
fn interval(value: &Konst) -> Option<(u128, u128)> {
    match *value {
        Konst::Prefix4 { addr, len } => {
            let host = u32::MAX.checked_shr(u32::from(len)).unwrap_or(0);
            Some((u128::from(addr) ^ SIGN, u128::from(addr | host) ^ SIGN))
        }
        Konst::Prefix6 { addr, len } => {
            let host = u128::MAX.checked_shr(u32::from(len)).unwrap_or(0);
            Some((addr, addr | host))
        }
        ref other => key(other).map(|k| (k, k)),
    }
}

impl Checker<'_> {
    /// What a pattern over values takes.
    pub(crate) fn shape(&self, pat: PatId, ty: Ty) -> Shape {
        match &self.t.pats[pat] {
            PatInfo::Any | PatInfo::Bind(_) => Shape::Any,
            PatInfo::Const(value) => self.const_shape(value, ty),
            PatInfo::Range(lo, hi) => match (key(lo), key(hi)) {
                (Some(lo), Some(hi)) => Shape::Interval(lo, hi),
                _ => Shape::Something,
            },
            // Another record may have been reported.
            PatInfo::Record { .. } if self.kind(ty) == TyKind::Report => Shape::Something,
            PatInfo::Record {
                record,
                member,
                args,
                ..
            } => {
                let components = &self.t.records[*record].components;
                let parts = components.iter().enumerate().map(|(i, c)| {
                    let arg = args.get(i);
                    arg.map_or(Shape::Any, |&arg| self.shape(arg, c.ty))
                });
                Shape::Member(member.unwrap_or(0) as usize, parts.collect())
            }
            PatInfo::Verdict { kind, arg } => {
                let parts = self.verdict_types(*kind).into_iter();
                let parts = parts.map(|ty| arg.map_or(Shape::Any, |arg| self.shape(arg, ty)));
                Shape::Member(usize::from(kind.number()), parts.collect())
            }
            _ => Shape::Something,
        }
    }

    fn const_shape(&self, value: &Konst, ty: Ty) -> Shape {
        if let (Konst::Record(id, values), TyKind::Record(_)) = (value, self.kind(ty)) {
            let components = self.t.records[*id].components.iter();
            let parts = components
                .zip(values)
                .map(|(c, v)| self.const_shape(v, c.ty));
            return Shape::Member(0, parts.collect());
        }
        if matches!(self.kind(ty), TyKind::Prefix4 | TyKind::Prefix6) {
            return Shape::Something;
        }
        interval(value).map_or(Shape::Something, |(lo, hi)| Shape::Interval(lo, hi))
    }

    /// Whether a pattern takes every value of a type.
    pub(crate) fn always(&self, shape: &Shape, ty: Ty) -> bool {
        let mut splits = 0;
        let rows = [vec![shape.clone()]];
        self.left(&rows, &[ty], &[Shape::Any], &mut splits)
            .is_none()
    }

    /// The pattern of `rows` that takes everything that a further one asks for; of several intervals
    /// that do so together the one that takes the first value.
    pub(crate) fn taker(&self, shape: &Shape, ty: Ty, rows: &[&Row]) -> Option<Span> {
        let mut splits = 0;
        let query = [shape.clone()];
        let all: Vec<Vec<Shape>> = rows.iter().map(|row| vec![row.shape.clone()]).collect();
        if all.is_empty() || self.left(&all, &[ty], &query, &mut splits).is_some() {
            return None;
        }
        if splits > SPLITS_MAX {
            return None;
        }
        let takes = |row: &&&Row, asked: &[Shape]| {
            let one = [vec![row.shape.clone()]];
            self.left(&one, &[ty], asked, &mut 0).is_none()
        };
        let alone = rows.iter().find(|row| takes(row, &query));
        let first = alone.or_else(|| {
            let Shape::Interval(lo, _) = *shape else {
                return None;
            };
            rows.iter()
                .find(|row| takes(row, &[Shape::Interval(lo, lo)]))
        });
        first.or(rows.last()).map(|row| row.span)
    }

    /// Values that no pattern takes, as people write them; a few of them.
    pub(crate) fn missing(&self, ty: Ty, rows: &[Row]) -> Vec<String> {
        let mut all: Vec<Vec<Shape>> = rows.iter().map(|row| vec![row.shape.clone()]).collect();
        let mut texts = Vec::new();
        let whole = self.split(ty);
        let queries = if whole.is_empty() {
            vec![Shape::Any]
        } else {
            whole
        };
        for query in queries {
            while texts.len() < TOLD {
                let found = self.left(&all, &[ty], std::slice::from_ref(&query), &mut 0);
                let Some((text, shape)) = found else { break };
                texts.extend(text);
                all.push(shape);
                if !self.is_taken_apart(ty) && !matches!(self.kind(ty), TyKind::Enum(..)) {
                    return texts;
                }
            }
        }
        texts
    }

    /// The constructors of a type, if they are few enough to be named one by one: those without
    /// components first, as people ask for the plain case first.
    fn split(&self, ty: Ty) -> Vec<Shape> {
        let lengths: Vec<usize> = match self.kind(ty) {
            TyKind::Sealed(id) => {
                let members = self.t.sealed[id].members.iter();
                members
                    .map(|&m| self.t.records[m].components.len())
                    .collect()
            }
            TyKind::Verdict => {
                let kinds = VerdictKind::ALL.iter();
                kinds.map(|&kind| self.verdict_types(kind).len()).collect()
            }
            _ => return Vec::new(),
        };
        let lengths = lengths.into_iter().enumerate();
        let mut all: Vec<(usize, usize)> = lengths.map(|(at, len)| (len, at)).collect();
        all.sort_by_key(|&(len, at)| (len > 0, at));
        all.into_iter()
            .map(|(len, at)| Shape::Member(at, vec![Shape::Any; len]))
            .collect()
    }

    /// The intervals that the values of a type fill, in its order; none for types without an order.
    fn domain(&self, ty: Ty) -> Vec<(u128, u128)> {
        match self.kind(ty) {
            TyKind::Ip6 => vec![(0, u128::MAX)],
            TyKind::Enum(id, _) => {
                let consts = self.t.enums[id].consts.iter();
                let mut all: Vec<u128> = consts.map(|(_, n)| (*n as u128) ^ SIGN).collect();
                all.sort_unstable();
                all.into_iter().map(|n| (n, n)).collect()
            }
            _ => konst::range(&self.t.types, ty)
                .map(|(lo, hi)| (lo as u128 ^ SIGN, hi as u128 ^ SIGN))
                .into_iter()
                .collect(),
        }
    }

    /// Values that the query takes and no row does: one text and one shape for each column.
    fn left(
        &self,
        rows: &[Vec<Shape>],
        types: &[Ty],
        query: &[Shape],
        splits: &mut u32,
    ) -> Option<(Left, Vec<Shape>)> {
        *splits += 1;
        if *splits > SPLITS_MAX {
            return None;
        }
        let (Some((&ty, types)), Some((head, query))) = (types.split_first(), query.split_first())
        else {
            return rows.is_empty().then(Default::default);
        };
        let members: Option<Vec<Vec<Ty>>> = match self.kind(ty) {
            TyKind::Sealed(id) => {
                let all = self.t.sealed[id].members.iter();
                Some(all.map(|&m| self.component_types(m)).collect())
            }
            TyKind::Record(id) => Some(vec![self.component_types(id)]),
            TyKind::Verdict => {
                let kinds = VerdictKind::ALL.iter();
                Some(kinds.map(|&kind| self.verdict_types(kind)).collect())
            }
            _ => None,
        };
        let plain = |row: &Vec<Shape>| matches!(row[0], Shape::Any | Shape::Something);
        if rows.iter().all(plain) && matches!(head, Shape::Any | Shape::Something) {
            let rest: Vec<Vec<Shape>> = rows
                .iter()
                .filter(|row| matches!(row[0], Shape::Any))
                .map(|row| row[1..].to_vec())
                .collect();
            let (mut texts, mut shapes) = self.left(&rest, types, query, splits)?;
            texts.insert(0, "_".to_string());
            shapes.insert(0, Shape::Any);
            return Some((texts, shapes));
        }
        match members {
            Some(members) => self.left_members(rows, ty, &members, types, head, query, splits),
            None => self.left_intervals(rows, ty, types, head, query, splits),
        }
    }

    /// The type of what a verdict of this kind says, if it says anything.
    fn verdict_types(&self, kind: VerdictKind) -> Vec<Ty> {
        let operand = operand_of(kind).map(|kind| self.t.types.find(kind).unwrap_or_default());
        operand.into_iter().collect()
    }

    fn component_types(&self, record: RecordId) -> Vec<Ty> {
        let components = &self.t.records[record].components;
        components.iter().map(|c| c.ty).collect()
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one recursive walk")]
    fn left_members(
        &self,
        rows: &[Vec<Shape>],
        ty: Ty,
        members: &[Vec<Ty>],
        types: &[Ty],
        head: &Shape,
        query: &[Shape],
        splits: &mut u32,
    ) -> Option<(Left, Vec<Shape>)> {
        for (at, parts) in members.iter().enumerate() {
            let asked = match head {
                Shape::Member(member, parts) if *member == at => parts.clone(),
                Shape::Member(..) => continue,
                _ => vec![Shape::Any; parts.len()],
            };
            let inner: Vec<Vec<Shape>> = rows
                .iter()
                .filter_map(|row| {
                    let mut own = match &row[0] {
                        Shape::Member(member, shapes) if *member == at => shapes.clone(),
                        Shape::Any => vec![Shape::Any; parts.len()],
                        _ => return None,
                    };
                    own.extend_from_slice(&row[1..]);
                    Some(own)
                })
                .collect();
            let all: Vec<Ty> = parts.iter().chain(types).copied().collect();
            let whole: Vec<Shape> = asked.iter().chain(query).cloned().collect();
            if let Some((mut texts, mut shapes)) = self.left(&inner, &all, &whole, splits) {
                let rest = texts.split_off(parts.len());
                let rest_shapes = shapes.split_off(parts.len());
                let mut left = vec![self.member_text(ty, at, &texts)];
                left.extend(rest);
                let mut found = vec![Shape::Member(at, shapes)];
                found.extend(rest_shapes);
                return Some((left, found));
            }
        }
        None
    }

    fn member_text(&self, ty: Ty, at: usize, parts: &[String]) -> String {
        let record = |id: RecordId| self.text(self.t.records[id].name);
        let name = match self.kind(ty) {
            TyKind::Sealed(id) => record(self.t.sealed[id].members[at]),
            TyKind::Record(id) => record(id),
            TyKind::Verdict => VerdictKind::ALL[at].text(),
            _ => "_",
        };
        if parts.is_empty() {
            name.to_string()
        } else {
            format!("{name}({})", parts.join(", "))
        }
    }

    fn left_intervals(
        &self,
        rows: &[Vec<Shape>],
        ty: Ty,
        types: &[Ty],
        head: &Shape,
        query: &[Shape],
        splits: &mut u32,
    ) -> Option<(Left, Vec<Shape>)> {
        let domain = match *head {
            Shape::Interval(lo, hi) => vec![(lo, hi)],
            _ => self.domain(ty),
        };
        for (first, last) in domain {
            let mut lo = first;
            loop {
                // Up to `hi` every row takes all or nothing.
                let hi = rows
                    .iter()
                    .filter_map(|row| match row[0] {
                        Shape::Interval(a, _) if a > lo => Some(a - 1),
                        Shape::Interval(a, b) if a <= lo && b >= lo => Some(b),
                        _ => None,
                    })
                    .fold(last, u128::min);
                let inner: Vec<Vec<Shape>> = rows
                    .iter()
                    .filter(|row| match row[0] {
                        Shape::Any => true,
                        Shape::Interval(a, b) => a <= lo && hi <= b,
                        _ => false,
                    })
                    .map(|row| row[1..].to_vec())
                    .collect();
                if let Some((mut texts, mut shapes)) = self.left(&inner, types, query, splits) {
                    texts.insert(0, self.place_text(ty, lo));
                    shapes.insert(0, Shape::Interval(lo, hi));
                    return Some((texts, shapes));
                }
                if hi >= last {
                    break;
                }
                lo = hi + 1;
            }
        }
        None
    }

    /// The value at a place of a type's order, as people write it.
    fn place_text(&self, ty: Ty, place: u128) -> String {
        let number = place ^ SIGN;
        match self.kind(ty) {
            TyKind::Ip6 => Ipv6Addr::from(place).to_string(),
            TyKind::Ip4 => Ipv4Addr::from(number as u32).to_string(),
            TyKind::Bool => (number != 0).to_string(),
            TyKind::Port => format!("Port({number})"),
            TyKind::Group => format!("Group({number})"),
            TyKind::NodeId => format!("NodeId({number})"),
            TyKind::Mac => {
                let bytes = (number as u64).to_be_bytes();
                let pairs: Vec<String> = bytes[2..].iter().map(|b| format!("{b:02x}")).collect();
                pairs.join(":")
            }
            TyKind::Enum(id, _) => {
                let mut consts = self.t.enums[id].consts.iter();
                let found = consts.find(|(_, n)| *n == number as i128);
                found.map_or("_".to_string(), |(name, _)| self.text(*name).to_string())
            }
            _ => (number as i128).to_string(),
        }
    }
}
