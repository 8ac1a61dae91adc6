//! What is known about an image once it is proved.
//!
//! In: the results of the sweep. Out: the image, with the bound and the memory of each entry and
//! the loops. Guaranteed: only `prove` makes a [`Proven`].

use alloc::vec::Vec;
use core::fmt;

use nfl_abi::image::Image;
use nfl_isa::Reg;

use crate::refusal::{Place, Range, Region};

/// Kinds of memory that code touches, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Touches(u16);

impl Touches {
    /// None at all.
    pub const NONE: Touches = Touches(0);
    /// Bytes of the packet are read.
    pub const PACKET_READ: Touches = Touches(1);
    /// Bytes of the packet are written.
    pub const PACKET_WRITE: Touches = Touches(1 << 1);
    /// Bytes of the `carried` area are read.
    pub const CARRIED_READ: Touches = Touches(1 << 2);
    /// Bytes of the `carried` area are written.
    pub const CARRIED_WRITE: Touches = Touches(1 << 3);
    /// Constants are read.
    pub const CONSTANTS: Touches = Touches(1 << 4);
    /// The context is read.
    pub const CONTEXT: Touches = Touches(1 << 5);
    /// Scratch is used.
    pub const SCRATCH: Touches = Touches(1 << 6);
    /// Services are called.
    pub const SERVICES: Touches = Touches(1 << 7);
    /// Values that lookups found are read.
    pub const VALUES: Touches = Touches(1 << 8);

    const NAMES: [(Touches, &'static str); 9] = [
        (Touches::PACKET_READ, "packet read"),
        (Touches::PACKET_WRITE, "packet write"),
        (Touches::CARRIED_READ, "carried read"),
        (Touches::CARRIED_WRITE, "carried write"),
        (Touches::CONSTANTS, "constants"),
        (Touches::CONTEXT, "context"),
        (Touches::SCRATCH, "scratch"),
        (Touches::SERVICES, "services"),
        (Touches::VALUES, "values"),
    ];

    /// What either touches.
    #[must_use]
    pub fn union(self, other: Touches) -> Touches {
        Touches(self.0 | other.0)
    }

    /// Whether all of `other` is touched.
    pub fn has(self, other: Touches) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for Touches {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Touches::NAMES.iter().filter(|(one, _)| self.has(*one));
        let Some((_, first)) = names.next() else {
            return write!(out, "nothing");
        };
        write!(out, "{first}")?;
        names.try_for_each(|(_, name)| write!(out, ", {name}"))
    }
}

/// A loop, with the bound that its measure gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoopBound {
    /// Offset in the code of the first instruction, where the loop is entered.
    pub head: u32,
    /// Offset of the first byte behind the loop.
    pub end: u32,
    /// How often control passes the head, at most, each time the loop is entered.
    pub trips: u32,
    /// What bounds it.
    pub measure: Measure,
}

/// What moves in every round of a loop, towards an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Measure {
    /// The register or word of scratch that holds it.
    pub place: Place,
    /// The region that it is an address of; `None` for a number.
    pub region: Option<Region>,
    /// What it can be at the head: the number, or bytes from the start of the region.
    pub range: Range,
    /// By how much it moves in a round, at least; the sign is the direction.
    pub step: i64,
}

/// A subroutine of the image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubroutineBound {
    /// Offset in the code of the first instruction, where it is called.
    pub entry: u32,
    /// Offset of the first byte behind its return.
    pub end: u32,
    /// The register that holds where it was called from.
    pub link: Reg,
    /// Steps from its first instruction to its return, that included, at most.
    pub steps: u32,
}

/// What is proved about one entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EntryBound {
    /// Steps of a run, at most.
    pub steps: u32,
    /// Bytes of the instructions that a run can reach.
    pub code_bytes: u32,
    /// The memory a run can touch.
    pub touches: Touches,
}

/// An image that cannot fault or run longer than its bounds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proven {
    image: Image,
    facts: Facts,
}

/// What is proved of an image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Facts {
    pub(crate) entries: Vec<EntryBound>,
    pub(crate) loops: Vec<LoopBound>,
    pub(crate) subroutines: Vec<SubroutineBound>,
}

impl Proven {
    pub(crate) fn new(image: Image, facts: Facts) -> Proven {
        Proven { image, facts }
    }

    /// The image.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The image, when the proof is no longer needed.
    pub fn into_image(self) -> Image {
        self.image
    }

    /// Steps of a run from the entry with this index in the manifest, at most; 0 when there is no
    /// such entry.
    pub fn steps(&self, entry: usize) -> u32 {
        self.facts.entries.get(entry).map_or(0, |e| e.steps)
    }

    /// What is proved about each entry, in the manifest's order.
    pub fn entries(&self) -> &[EntryBound] {
        &self.facts.entries
    }

    /// The subroutines in the order of their addresses.
    pub fn subroutines(&self) -> &[SubroutineBound] {
        &self.facts.subroutines
    }

    /// The loops in the order of their heads.
    pub fn loops(&self) -> &[LoopBound] {
        &self.facts.loops
    }
}
