//! The functions of `examples/`, with values for their parameters.
//!
//! Guaranteed: every function of every example file is there; a test compares the list with the
//! directory.

use std::fs;
use std::path::Path;

use crate::pipeline::{Checking, Stages, Texts, check_files};
use crate::root;

/// A function of an example.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// Its file, below `examples`.
    pub path: &'static str,
    /// Its name.
    pub function: &'static str,
    /// Values for parameters.
    pub sets: &'static [(&'static str, &'static str)],
}

const fn example(
    path: &'static str,
    function: &'static str,
    sets: &'static [(&'static str, &'static str)],
) -> Example {
    Example {
        path,
        function,
        sets,
    }
}

/// All of them.
pub const EXAMPLES: &[Example] = &[
    example(
        "acme/contracts/Segment.nfl",
        "Segment",
        &[
            ("clients", "10.1.0.0/16"),
            ("servers", "10.2.0.0/16"),
            ("port", "5432"),
        ],
    ),
    // Parameters that fit the traffic of the captures better.
    example(
        "acme/contracts/Segment.nfl",
        "Segment",
        &[
            ("clients", "0.0.0.0/0"),
            ("servers", "0.0.0.0/0"),
            ("port", "80"),
        ],
    ),
    example(
        "acme/access/Canary.nfl",
        "Canary",
        &[
            ("service", "208.80.152.118"),
            ("port", "80"),
            ("stable", "1"),
            ("canary", "2"),
        ],
    ),
    example(
        "acme/access/HeavyHitter.nfl",
        "HeavyHitter",
        &[("most", "5")],
    ),
    example(
        "acme/access/Nat64.nfl",
        "Nat64",
        &[("outside", "198.51.100.9"), ("servers", "::/0")],
    ),
    example(
        "acme/access/StatefulFirewall.nfl",
        "StatefulFirewall",
        &[("inside", "141.142.0.0/16")],
    ),
    example("acme/content/NearestReplica.nfl", "NearestReplica", &[]),
    example("acme/core/Router.nfl", "Router", &[]),
    example("acme/edge/AclFirewall.nfl", "AclFirewall", &[]),
    example(
        "acme/edge/LoadBalancer.nfl",
        "LoadBalancer",
        &[
            ("vip", "208.80.152.118"),
            ("port", "80"),
            ("self", "10.0.0.1"),
        ],
    ),
    example(
        "acme/edge/Nat44.nfl",
        "Nat44",
        &[("inside", "0.0.0.0/0"), ("outside", "198.51.100.9")],
    ),
    example("acme/edge/Ipv6Guard.nfl", "Ipv6Guard", &[]),
    example("acme/edge/Policer.nfl", "Policer", &[]),
    example(
        "acme/edge/SynGuard.nfl",
        "SynGuard",
        &[
            ("servers", "0.0.0.0/0"),
            ("secret", "7"),
            ("threshold", "1"),
        ],
    ),
    example("acme/edge/HopLimit.nfl", "HopLimit", &[]),
    example(
        "acme/edge/Marker.nfl",
        "Marker",
        &[("voice", "192.168.0.0/16")],
    ),
    example("acme/edge/Services.nfl", "Services", &[]),
    example("acme/iot/Reading.nfl", "Readings", &[]),
    example("acme/l7/DnsAmplification.nfl", "DnsAmplification", &[]),
    example("acme/l7/DnsFilter.nfl", "DnsFilter", &[]),
    example("acme/l7/HttpRouter.nfl", "HostRouter", &[("fallback", "1")]),
    example("acme/lan/LearningBridge.nfl", "LearningBridge", &[]),
    example("acme/lan/Responders.nfl", "ArpResponder", &[]),
    example(
        "acme/lan/Responders.nfl",
        "PingResponder",
        &[("self", "208.80.152.118")],
    ),
    example("acme/lan/Voice.nfl", "Voice", &[]),
    example(
        "acme/media/Multicaster.nfl",
        "Multicaster",
        &[("groups", "224.0.0.0/4")],
    ),
    example("acme/paths/Hops.nfl", "Hops", &[("most", "3")]),
    example("acme/paths/PinnedPath.nfl", "Edge", &[]),
    example(
        "acme/paths/PinnedPath.nfl",
        "Guarded",
        &[
            ("clients", "0.0.0.0/0"),
            ("servers", "0.0.0.0/0"),
            ("port", "80"),
            ("path", "{1, 2, 3, 4}"),
            ("length", "2"),
        ],
    ),
    example(
        "acme/paths/PinnedPath.nfl",
        "PinnedPath",
        &[("path", "{1, 2, 3, 4}"), ("length", "3")],
    ),
    example("acme/paths/Rendezvous.nfl", "Publish", &[]),
    example("acme/paths/Rendezvous.nfl", "Subscribe", &[]),
    example("acme/paths/Services.nfl", "Audit", &[("level", "3")]),
    example("acme/paths/Services.nfl", "Ids", &[]),
    example("acme/paths/Services.nfl", "PublicEdge", &[("port", "80")]),
    example("acme/paths/Services.nfl", "Scrub", &[("scrubber", "3")]),
    example("acme/paths/SourceRoute.nfl", "SourceRoute", &[]),
    example(
        "acme/paths/Tagged.nfl",
        "PublishTagged",
        &[("wanted", "{1, 2, 3, 70000, 5, 6, 7, 8}"), ("most", "3")],
    ),
    example("acme/paths/Tagged.nfl", "SubscribeTagged", &[]),
    example("acme/paths/Trace.nfl", "Trace", &[]),
    example("acme/telemetry/PathTrace.nfl", "PathTrace", &[]),
    example("acme/tour/Tour.nfl", "Hops", &[]),
    example("acme/tour/Tour.nfl", "Tour", &[]),
    example("acme/tunnels/MssClamp.nfl", "MssClamp", &[("most", "600")]),
    example(
        "acme/tunnels/GreEnd.nfl",
        "GreEnd",
        &[("self", "172.27.1.66")],
    ),
    example(
        "acme/tunnels/VxlanGateway.nfl",
        "VxlanGateway",
        &[("self", "192.168.56.12"), ("vni", "123")],
    ),
];

/// Every file of the examples, by its path below `examples`.
pub fn texts() -> Texts {
    fn walk(dir: &Path, prefix: &str, into: &mut Texts) {
        for entry in fs::read_dir(dir).expect("there is a directory of examples") {
            let entry = entry.expect("a directory can be read to its end");
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{name}/"), into);
            } else if name.ends_with(".nfl") {
                let text = fs::read_to_string(entry.path()).expect("examples can be read");
                into.0.insert(name, text);
            }
        }
    }
    let mut into = Texts::default();
    walk(&root().join("examples"), "", &mut into);
    into
}

impl Example {
    /// The program it is part of.
    pub fn check(&self) -> Checking {
        check_files(&texts(), self.path)
    }

    /// Its values for parameters, as binding takes them.
    pub fn settings(&self) -> Vec<(String, String)> {
        let sets = self.sets.iter();
        sets.map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    }

    /// Its images.
    ///
    /// # Errors
    ///
    /// What the compiler says.
    pub fn stages(&self) -> Result<Vec<Stages>, String> {
        let checking = self.check();
        let function = checking.function(Some(self.function))?;
        checking.stages(function, &self.settings())
    }
}
