//! Section 2 but for imports: what a manifest must say.
//!
//! In: an image and limits. Out: whether its manifest is one that a node takes.

use std::collections::BTreeSet;

use nfl_abi::Image;
use nfl_abi::image::{Manifest, Profile, Right, Role, VerdictKind};
use nfl_abi::limits::ImageLimits;

use super::{Int, require};

pub(super) fn check(image: &Image, limits: &ImageLimits) -> Result<(), String> {
    let manifest = &image.manifest;
    require(manifest.imports.len() <= 256, "too many imports")?;
    require(manifest.resources.len() <= 255, "too many resources")?;
    let within = |len: usize, most: u32| len as Int <= Int::from(most);
    let manifest_len = manifest.len_without_claims();
    require(
        within(manifest_len, limits.manifest_bytes),
        "a long manifest",
    )?;
    let carried = manifest.carried.len();
    require(within(carried, limits.carried_bytes), "a large area")?;
    let constants = image.constants.len();
    require(constants <= 1024, "many constants")?;
    let content = image.code.len() + constants + carried;
    require(within(content, limits.content_bytes), "a large image")?;
    entries(manifest)?;
    verdicts(manifest)?;
    require(manifest.window <= 128, "a wide window")?;
    for resource in &manifest.resources {
        let fits = !resource.flow_key || resource.key_bytes == 4;
        require(fits, "flow handles of another size")?;
    }
    late(image)?;
    require(manifest.target.0 <= 3, "no such target")?;
    let is_small = image.code.len() <= 2044 && constants + carried <= 124;
    require(
        manifest.target.0 != 3 || is_small,
        "more than the target has room for",
    )
}

fn entries(manifest: &Manifest) -> Result<(), String> {
    require(!manifest.entries.is_empty(), "no entry")?;
    let mut roles = BTreeSet::new();
    for entry in &manifest.entries {
        let profile = match entry.role {
            Role::Originator | Role::Responder | Role::Transit | Role::Arrival => Profile::Capsule,
            Role::Ingress | Role::Egress | Role::Every => Profile::Resident,
        };
        require(profile == manifest.profile, "a role of the other profile")?;
        match entry.role {
            Role::Every => require(entry.need == 0, "a timer with a need")?,
            role => require(roles.insert(role), "one role twice")?,
        }
    }
    Ok(())
}

fn verdicts(manifest: &Manifest) -> Result<(), String> {
    let masked = |kind: VerdictKind| manifest.verdicts >> kind.number() & 1 == 1;
    for &kind in VerdictKind::ALL {
        let right = match kind {
            VerdictKind::Drop | VerdictKind::Pass => None,
            VerdictKind::Forward
            | VerdictKind::Steer
            | VerdictKind::Reply
            | VerdictKind::Recirculate => Some(Right::Route),
            VerdictKind::Multicast => Some(Right::Replicate),
            VerdictKind::Punt => Some(Right::Control),
        };
        let granted = right.is_none_or(|right| manifest.rights.has(right));
        require(!masked(kind) || granted, "a verdict without its right")?;
    }
    for entry in manifest.entries.iter().filter(|entry| entry.need > 0) {
        let kind = entry.malformed.kind;
        let allowed = kind == VerdictKind::Drop || masked(kind);
        require(allowed, "a verdict for short packets that is not allowed")?;
    }
    Ok(())
}

fn late(image: &Image) -> Result<(), String> {
    let words = image.constants.len() as Int / 4;
    let mut taken = BTreeSet::new();
    for slot in &image.manifest.late {
        require((1..=32).contains(&slot.width), "a late word's width")?;
        let (offset, largest) = (Int::from(slot.offset), (1 << slot.width) - 1);
        require(offset % 4 == 0, "a late word off its place")?;
        require(offset / 4 < words, "a late word outside the constants")?;
        require(taken.insert(offset), "two late words in one place")?;
        let (lo, hi) = (Int::from(slot.lo), Int::from(slot.hi));
        require(lo <= hi && hi <= largest, "a late word's range")?;
        let bytes = image.constants.iter().skip(offset as usize).take(4);
        let n = match (slot.wire, slot.width) {
            (true, 17..) => bytes.fold(0, |n, &byte| n << 8 | Int::from(byte)),
            (true, 9..) => {
                let bytes: Vec<Int> = bytes.map(|&byte| byte.into()).collect();
                require(bytes[2..] == [0, 0], "a late word beyond its width")?;
                bytes[0] << 8 | bytes[1]
            }
            _ => bytes.rev().fold(0, |n, &byte| n << 8 | Int::from(byte)),
        };
        require(lo <= n && n <= hi, "a late word out of its range")?;
    }
    Ok(())
}
