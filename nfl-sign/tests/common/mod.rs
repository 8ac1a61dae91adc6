//! What the tests of this crate share: one image, one key, its claims.

use nfl_abi::image::{Claims, Right, Rights, TargetId, Verdict, VerdictKind};
use nfl_abi::{Entry, Image, LateSlot, Layer, Manifest, Profile, Role};
use nfl_sign::PrivateKey;

/// The first test key of RFC 8032 section 7.1, as OpenSSL writes it.
pub(crate) const PRIVATE: &str = "\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";

pub(crate) fn key() -> PrivateKey {
    PrivateKey::from_pem(PRIVATE).unwrap()
}

pub(crate) fn image() -> Image {
    Image {
        manifest: Manifest {
            name: "lab::Guard.originator".into(),
            version: 3,
            profile: Profile::Capsule,
            target: TargetId(1),
            entries: vec![Entry {
                role: Role::Originator,
                layer: Layer::Network,
                pc: 0,
                need: 20,
                malformed: Verdict {
                    kind: VerdictKind::Drop,
                    operand: 1,
                },
                steps: 2,
                period_ns: 0,
            }],
            imports: Vec::new(),
            resources: Vec::new(),
            verdicts: 0b11,
            rights: Rights::NONE.with(Right::Rewrite),
            passes: 1,
            window: 0,
            carried: vec![0; 4],
            late: vec![LateSlot {
                name: "port".into(),
                offset: 0,
                width: 16,
                wire: true,
                lo: 0,
                hi: 0xffff,
            }],
            reasons: Vec::new(),
            claims: Claims::default(),
        },
        code: vec![0x05, 0x45, 0x02, 0x90],
        constants: vec![0; 4],
        certificate: vec![0],
    }
}

pub(crate) fn claims() -> Claims {
    Claims {
        issuer: Some("controller".into()),
        audience: None,
        expires: Some(2_000),
        not_before: Some(1_000),
    }
}
