//! What a manifest must satisfy before its code is looked at.
//!
//! In: an image and the platform's limits. Out: nothing, or why not. Guaranteed: sizes are within
//! limits, entries are of the profile, and late parameters are words among the constants.

use nfl_abi::image::{Image, LateSlot, RESOURCES_MAX, Resource, Role, VerdictKind};
use nfl_abi::{ImageLimits, map};
use nfl_isa::Target;

use crate::refusal::{Range, Reason};

pub(crate) fn check(image: &Image, limits: &ImageLimits) -> Result<(), Reason> {
    sizes(image, limits)?;
    entries(image)?;
    verdicts(image)?;
    let manifest = &image.manifest;
    if u32::from(manifest.window) > map::WINDOW_MAX {
        return Err(Reason::Window(manifest.window));
    }
    let broken = |one: &Resource| one.flow_key && one.key_bytes != FLOW_KEY_BYTES;
    if let Some(index) = manifest.resources.iter().position(broken) {
        return Err(Reason::Resource(index));
    }
    late(image)
}

/// Bytes of a flow's handle.
const FLOW_KEY_BYTES: u16 = 4;

/// Every late parameter has a word of its own: what is known about a word is the range of one. The word there is of that range
/// already, so that binding changes nothing that is known.
fn late(image: &Image) -> Result<(), Reason> {
    let mut taken = alloc::vec![false; image.constants.len() / 4];
    for (index, slot) in image.manifest.late.iter().enumerate() {
        let word = taken.get_mut(usize::from(slot.offset) / 4);
        match word.filter(|taken| !**taken && is_word(slot)) {
            Some(word) => *word = true,
            None => return Err(Reason::LateSlot(index)),
        }
        let at = usize::from(slot.offset);
        let bytes = image.constants.get(at..).and_then(<[u8]>::first_chunk);
        if !bytes.is_some_and(|&bytes| slot.holds(u32::from_le_bytes(bytes))) {
            return Err(Reason::LateWord(index));
        }
    }
    Ok(())
}

fn sizes(image: &Image, limits: &ImageLimits) -> Result<(), Reason> {
    let content = image.content_len();
    let parts = [
        (
            "the manifest",
            image.manifest.len_without_claims(),
            limits.manifest_bytes,
        ),
        (
            "the carried area",
            image.manifest.carried.len(),
            limits.carried_bytes,
        ),
        ("the constants", image.constants.len(), map::CONSTANTS_BYTES),
        ("the image", content, limits.content_bytes),
    ];
    let counts = [
        ("imports", image.manifest.imports.len(), map::VECTOR_SLOTS),
        ("resources", image.manifest.resources.len(), RESOURCES_MAX),
    ];
    let over = counts
        .into_iter()
        .find(|&(_, count, limit)| count > limit as usize);
    if let Some((what, count, limit)) = over {
        return Err(Reason::TooMany {
            what,
            count,
            limit: limit as usize,
        });
    }
    fits(parts)
}

/// What the target's engines have room for.
pub(crate) fn room(image: &Image, target: &Target) -> Result<(), Reason> {
    let Some(room) = target.room else {
        return Ok(());
    };
    let data = image.constants.len() + image.manifest.carried.len();
    fits([
        ("the code", image.code.len(), room.code_bytes),
        ("constants and the carried area", data, room.data_bytes),
    ])
}

fn fits<const N: usize>(parts: [(&'static str, usize, u32); N]) -> Result<(), Reason> {
    match parts
        .into_iter()
        .find(|&(_, bytes, limit)| bytes > limit as usize)
    {
        Some((what, bytes, limit)) => Err(Reason::TooLarge {
            what,
            bytes,
            limit: limit as usize,
        }),
        None => Ok(()),
    }
}

fn entries(image: &Image) -> Result<(), Reason> {
    let entries = &image.manifest.entries;
    if entries.is_empty() {
        return Err(Reason::NoEntry);
    }
    for (index, entry) in entries.iter().enumerate() {
        if entry.role.profile() != image.manifest.profile {
            return Err(Reason::ForeignRole(entry.role));
        }
        let before = entries.get(..index).unwrap_or(&[]);
        if entry.role != Role::Every && before.iter().any(|other| other.role == entry.role) {
            return Err(Reason::DoubleRole(entry.role));
        }
        if entry.role == Role::Every && entry.need > 0 {
            return Err(Reason::TimerNeeds(entry.need));
        }
    }
    Ok(())
}

fn verdicts(image: &Image) -> Result<(), Reason> {
    let manifest = &image.manifest;
    let allows = |kind: VerdictKind| manifest.verdicts >> kind.number() & 1 != 0;
    for &kind in VerdictKind::ALL {
        if let Some(right) = kind.right()
            && allows(kind)
            && !manifest.rights.has(right)
        {
            return Err(Reason::VerdictRight(kind, right));
        }
    }
    // The node drops on its own account too, so `Drop` needs no bit.
    let kinds = manifest
        .entries
        .iter()
        .filter(|entry| entry.need > 0)
        .map(|entry| entry.malformed.kind);
    match kinds
        .into_iter()
        .find(|&kind| kind != VerdictKind::Drop && !allows(kind))
    {
        Some(kind) => Err(Reason::MalformedVerdict(kind)),
        None => Ok(()),
    }
}

fn is_word(slot: &LateSlot) -> bool {
    let width = (1..=32).contains(&slot.width);
    width && slot.offset.is_multiple_of(4) && slot.lo <= slot.hi && slot.hi <= slot.largest()
}

/// How long the packets are that an entry is called for.
pub(crate) fn packet_length(role: Role, need: u16) -> Range {
    match role {
        Role::Every => (0, 0),
        _ => (need.into(), map::PACKET_MAX.into()),
    }
}
