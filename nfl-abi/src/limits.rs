//! Every bound by name: what a platform allows an image to be.
//!
//! The compiler checks against them when it builds, the byte verifier when it proves, the loader
//! when it loads.

/// Bounds of one profile on one platform.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImageLimits {
    /// The worst case of an entry, in steps.
    pub steps: u32,
    /// Code, constants and `carried` together, in bytes; a resident image has no `carried`.
    pub content_bytes: u32,
    /// The certificate, in bytes.
    pub certificate_bytes: u32,
    /// The manifest without claims, in bytes.
    pub manifest_bytes: u32,
    /// The `carried` area, in bytes.
    pub carried_bytes: u32,
    /// Loops within loops.
    pub loop_depth: u8,
    /// Rounds of one loop.
    pub loop_trips: u32,
    /// Forward branch targets that the byte verifier keeps open at once.
    pub pending_joins: u16,
}

/// The bounds of a platform.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// For images that travel in packets.
    pub capsule: ImageLimits,
    /// For images that live on a node.
    pub resident: ImageLimits,
}

impl Limits {
    /// An edge node: the default bounds of the contract.
    pub const EDGE: Limits = Limits {
        capsule: ImageLimits {
            steps: 2_000,
            content_bytes: 768,
            certificate_bytes: 128,
            manifest_bytes: 128,
            carried_bytes: 128,
            loop_depth: 4,
            loop_trips: 65_536,
            pending_joins: 32,
        },
        resident: ImageLimits {
            steps: 100_000,
            content_bytes: 60 * 1024,
            certificate_bytes: 4 * 1024,
            manifest_bytes: 4 * 1024,
            carried_bytes: 0,
            loop_depth: 4,
            loop_trips: 65_536,
            pending_joins: 256,
        },
    };

    /// The bounds for a profile.
    pub fn of(&self, profile: crate::Profile) -> &ImageLimits {
        match profile {
            crate::Profile::Capsule => &self.capsule,
            crate::Profile::Resident => &self.resident,
        }
    }
}

const _: () = {
    let l = Limits::EDGE;
    assert!(l.capsule.steps <= l.resident.steps);
    assert!(l.capsule.content_bytes <= l.resident.content_bytes);
    assert!(l.capsule.carried_bytes <= l.capsule.content_bytes);
    assert!(l.capsule.pending_joins <= l.resident.pending_joins);
};
