//! The table of host services: number, name, price and right.
//!
//! A price in steps is `base + per * units / div`, where the units are the proved upper bound of
//! the argument that the row names. The verifier charges it, the machine counts it, and the
//! reference page prints it.

pub mod call;

pub use call::{Answer, Arg, Call, Host, Memory, NoHost, Return, call};

use crate::image::Right;

/// What the variable part of a price counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Nothing: the price is the base.
    None,
    /// Words of key and value.
    Words,
    /// Bytes of a region or of a resize.
    Bytes,
    /// Rules of a ternary table.
    Rules,
}

/// One service a node offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Service {
    /// The number that images import it by; never reused.
    pub number: u8,
    /// Its name in messages and manifests.
    pub name: &'static str,
    /// Fixed part of the price, in steps.
    pub base: u16,
    /// Steps for `div` units.
    pub per: u16,
    /// Units that cost `per` steps.
    pub div: u16,
    /// What a unit is.
    pub unit: Unit,
    /// The right an image needs to import it.
    pub right: Option<Right>,
}

const fn row(
    number: u8,
    name: &'static str,
    base: u16,
    price: (u16, u16, Unit),
    right: Option<Right>,
) -> Service {
    Service {
        number,
        name,
        base,
        per: price.0,
        div: price.1,
        unit: price.2,
        right,
    }
}

const FIXED: (u16, u16, Unit) = (0, 1, Unit::None);
const WORDS: (u16, u16, Unit) = (1, 1, Unit::Words);
const TWO_WORDS: (u16, u16, Unit) = (2, 1, Unit::Words);
const BYTES: (u16, u16, Unit) = (1, 1, Unit::Bytes);
const MOVED: (u16, u16, Unit) = (1, 4, Unit::Bytes);
const RULES: (u16, u16, Unit) = (1, 64, Unit::Rules);
const STATE: Option<Right> = Some(Right::State);
const RESIZE: Option<Right> = Some(Right::Resize);

/// Every service, in the order of its number.
pub const SERVICES: &[Service] = &[
    row(1, "table.get", 12, WORDS, None),
    row(2, "lpm.get", 16, FIXED, None),
    row(3, "ternary.match", 24, RULES, None),
    row(4, "set.contains", 12, WORDS, None),
    row(5, "ring.pick", 12, FIXED, None),
    row(6, "flow.get", 16, WORDS, None),
    row(7, "flow.put", 16, WORDS, STATE),
    row(8, "flow.remove", 16, WORDS, STATE),
    row(9, "flow.touch", 16, WORDS, STATE),
    row(10, "slot.get", 12, FIXED, None),
    row(11, "slot.take", 20, FIXED, STATE),
    row(12, "register.get", 4, FIXED, None),
    row(13, "register.set", 4, FIXED, STATE),
    row(14, "register.add", 4, FIXED, STATE),
    row(15, "counter.count", 14, FIXED, None),
    row(16, "meter.charge", 20, FIXED, STATE),
    row(17, "packet.push", 16, MOVED, RESIZE),
    row(18, "packet.pop", 16, FIXED, RESIZE),
    row(19, "packet.append", 16, MOVED, RESIZE),
    row(20, "packet.cut", 16, FIXED, RESIZE),
    row(21, "packet.mirror", 16, FIXED, Some(Right::Replicate)),
    row(22, "packet.flow", 20, FIXED, None),
    row(23, "hash.crc32c", 4, WORDS, None),
    row(24, "hash.siphash", 30, TWO_WORDS, None),
    row(25, "bytes.find", 8, BYTES, None),
    row(26, "bytes.sum", 8, BYTES, None),
    row(27, "random", 4, FIXED, Some(Right::Random)),
    row(28, "report", 16, FIXED, Some(Right::Report)),
    row(29, "log", 16, FIXED, Some(Right::Report)),
    row(30, "tag.lookup", 12, FIXED, None),
    row(31, "topic.join", 12, FIXED, STATE),
    row(32, "topic.members", 12, FIXED, None),
    row(33, "packet.priority", 4, FIXED, Some(Right::Rewrite)),
    row(34, "flow.reverse", 8, FIXED, None),
    row(35, "slot.touch", 12, FIXED, STATE),
    row(36, "slot.remove", 12, FIXED, STATE),
    row(37, "flow.hash", 16, FIXED, None),
];

impl Service {
    /// The service with this number.
    pub fn by_number(number: u8) -> Option<&'static Service> {
        SERVICES.get(usize::from(number).checked_sub(1)?)
    }
}

// `by_number` indexes, so the numbers must be 1, 2, 3, … without a gap.
const _: () = {
    let mut i = 0;
    while i < SERVICES.len() {
        assert!(SERVICES[i].number as usize == i + 1);
        assert!(SERVICES[i].div > 0);
        i += 1;
    }
};
