//! Whose image it is: a contract has one for each party, a resident function has one.

use nfl_abi::{Manifest, Profile};

/// Whose image it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Party {
    /// It travels in the packets of the party that opens the flow.
    Originator,
    /// It travels in the packets of the party that answers.
    Responder,
    /// It travels in the packets of either: a contract with handlers for the way only.
    Both,
    /// It lives on the node.
    Resident,
}

impl Party {
    /// All of them.
    pub const ALL: &'static [Party] = &[
        Party::Originator,
        Party::Responder,
        Party::Both,
        Party::Resident,
    ];

    /// The word in file names and messages.
    pub fn text(self) -> &'static str {
        match self {
            Party::Originator => "originator",
            Party::Responder => "responder",
            Party::Both => "both",
            Party::Resident => "resident",
        }
    }

    /// The party of an image: capsules carry it at the end of their name.
    pub fn of(manifest: &Manifest) -> Party {
        match manifest.profile {
            Profile::Resident => Party::Resident,
            Profile::Capsule if manifest.name.ends_with(".responder") => Party::Responder,
            Profile::Capsule if manifest.name.ends_with(".originator") => Party::Originator,
            Profile::Capsule => Party::Both,
        }
    }

    /// The simple name of an image's function: `Segment` for `acme.contracts.Segment.originator`.
    pub fn function(manifest: &Manifest) -> &str {
        let name = manifest.name.as_str();
        let name = match manifest.profile {
            Profile::Resident => name,
            Profile::Capsule => name
                .strip_suffix(".originator")
                .or_else(|| name.strip_suffix(".responder"))
                .unwrap_or(name),
        };
        name.rsplit('.').next().unwrap_or(name)
    }
}
