//! Images for tests: a manifest that allows everything, and code from text.

use nfl_abi::image::{Claims, Entry, Image, Manifest, Right, Rights, TargetId, Verdict};
use nfl_abi::{Layer, Profile, Role, image::VerdictKind};

/// A resident image with one `ingress` handler, every right and every verdict.
pub(crate) fn image(code: Vec<u8>) -> Image {
    let rights = Right::ALL.iter().fold(Rights::NONE, |all, &r| all.with(r));
    Image {
        manifest: Manifest {
            name: "test".to_owned(),
            version: 1,
            profile: Profile::Resident,
            target: TargetId(0),
            entries: vec![Entry {
                role: Role::Ingress,
                layer: Layer::Network,
                pc: 0,
                need: 0,
                malformed: Verdict {
                    kind: VerdictKind::Drop,
                    operand: 1,
                },
                steps: 1000,
                period_ns: 0,
            }],
            imports: Vec::new(),
            resources: Vec::new(),
            verdicts: u8::MAX,
            rights,
            passes: 1,
            window: 0,
            carried: Vec::new(),
            late: Vec::new(),
            reasons: Vec::new(),
            claims: Claims::default(),
        },
        code,
        constants: Vec::new(),
        certificate: Vec::new(),
    }
}
