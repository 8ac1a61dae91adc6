//! Capsules: their one byte form judged by an independent COSE library, and everything else refused.

mod common;

use common::{claims, image, key};
use coset::{
    CborSerializable, CoseSign1, CoseSign1Builder, Header, HeaderBuilder, TaggedCborSerializable,
    iana,
};
use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use nfl_abi::Image;
use nfl_abi::image::Claims;
use nfl_sign::{
    Policy, PrivateKey, PublicKey, SignError, Signer, TrustError, TrustStore, Trusted, sign,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const NOW: u64 = 1_500;

fn store() -> TrustStore {
    let mut store = TrustStore::default();
    store.add_key(key().public().clone()).unwrap();
    store
}

fn capsule() -> Vec<u8> {
    sign(&image(), &claims(), &key()).unwrap()
}

fn open(bytes: &[u8]) -> Result<Trusted, TrustError> {
    store().open(bytes, NOW)
}

fn signed_image() -> Image {
    let mut signed = image();
    signed.manifest.claims = claims();
    signed
}

fn protected() -> Header {
    HeaderBuilder::new()
        .algorithm(iana::Algorithm::EdDSA)
        .key_id(key().public().kid().0.to_vec())
        .build()
}

/// A capsule made by the other library: any headers and payload, signed by our key.
fn foreign(protected: Header, unprotected: Header, payload: Vec<u8>) -> CoseSign1 {
    CoseSign1Builder::new()
        .protected(protected)
        .unprotected(unprotected)
        .payload(payload)
        .create_signature(b"NFL1", |message| key().sign(message).unwrap().to_vec())
        .build()
}

fn refusal(bytes: &[u8]) -> String {
    match open(bytes) {
        Ok(_) => "accepted".into(),
        Err(error) => format!("{}: {error}", error.code().text),
    }
}

#[test]
fn what_is_signed_opens() {
    let trusted = open(&capsule()).unwrap();
    assert_eq!(trusted.image(), &signed_image());
    assert_eq!(trusted.claims(), &claims());
    assert_eq!(trusted.kid(), key().public().kid());
    assert_eq!(trusted.into_image(), signed_image());
}

#[test]
fn signing_is_deterministic_and_costs_85_bytes() {
    assert_eq!(capsule(), capsule());
    let payload = signed_image().to_bytes();
    // One more from 256 bytes up.
    assert!((24..256).contains(&payload.len()));
    assert_eq!(capsule().len() - payload.len(), 85);
}

#[test]
fn an_independent_library_reads_what_we_sign() {
    let cose = CoseSign1::from_tagged_slice(&capsule()).unwrap();
    assert_eq!(cose.protected.header, protected());
    assert!(cose.unprotected.is_empty());
    assert_eq!(
        cose.payload.as_deref(),
        Some(&signed_image().to_bytes()[..])
    );
    let point = VerifyingKey::from_bytes(&key().public().to_bytes()).unwrap();
    cose.verify_signature(b"NFL1", |signature, message| {
        point.verify(message, &Signature::from_slice(signature).unwrap())
    })
    .unwrap();
}

#[test]
fn we_read_what_an_independent_library_signs() {
    let cose = foreign(protected(), Header::default(), signed_image().to_bytes());
    assert_eq!(cose.to_tagged_vec().unwrap(), capsule());
}

/// The messages on which common COSE libraries are lenient.
#[test]
fn messages_outside_the_profile_are_refused() {
    let payload = || signed_image().to_bytes();
    let kid = || HeaderBuilder::new().key_id(key().public().kid().0.to_vec());
    let tagged = |protected, unprotected| {
        let cose = foreign(protected, unprotected, payload());
        refusal(&cose.to_tagged_vec().unwrap())
    };
    let plain = Header::default;
    let alg = |alg| HeaderBuilder::new().algorithm(alg);
    let shape = "E811: these bytes are not a capsule: ";
    let bad_alg = format!("{shape}the header does not say EdDSA and name a key (byte 3)");

    assert_eq!(
        tagged(kid().build(), alg(iana::Algorithm::EdDSA).build()),
        bad_alg
    );
    assert_eq!(
        tagged(kid().algorithm(iana::Algorithm::ES256).build(), plain()),
        bad_alg
    );
    assert_eq!(
        tagged(alg(iana::Algorithm::EdDSA).build(), plain()),
        bad_alg
    );
    assert_eq!(
        tagged(
            kid()
                .algorithm_label(coset::RegisteredLabelWithPrivate::PrivateUse(-19))
                .build(),
            plain()
        ),
        bad_alg,
        "Ed25519 by its new number"
    );
    let critical = Header {
        crit: vec![coset::RegisteredLabelWithPrivate::Text("future".into())],
        ..protected()
    };
    assert_eq!(
        tagged(critical, plain()),
        format!("{shape}a header field is unknown (byte 6)")
    );
    let twice = alg(iana::Algorithm::ES256).build();
    assert_eq!(
        tagged(protected(), twice),
        format!("{shape}there are unprotected header fields (byte 16)")
    );
    let short = Header {
        key_id: vec![1, 2, 3],
        ..protected()
    };
    assert_eq!(
        tagged(short, plain()),
        format!("{shape}the key id has not 8 bytes (byte 7)")
    );

    let cose = foreign(protected(), plain(), payload());
    assert_eq!(
        refusal(&cose.clone().to_vec().unwrap()),
        format!("{shape}a tag is due here (byte 0)")
    );
    let detached = CoseSign1 {
        payload: None,
        ..cose
    };
    assert_eq!(
        refusal(&detached.to_tagged_vec().unwrap()),
        format!("{shape}a byte string is due here (byte 17)")
    );
}

#[test]
fn a_signature_for_another_purpose_does_not_count() {
    let other = CoseSign1Builder::new()
        .protected(protected())
        .payload(signed_image().to_bytes())
        .create_signature(b"", |message| key().sign(message).unwrap().to_vec())
        .build();
    let kid = key().public().kid();
    assert_eq!(
        open(&other.to_tagged_vec().unwrap()),
        Err(TrustError::BadSignature(kid))
    );
}

#[test]
fn longer_lengths_are_refused() {
    let whole = capsule();
    let signature = whole.len() - 66;
    // Offset, what stands there, a longer form of the same.
    let heads: &[(usize, &[u8], &[u8])] = &[
        (0, &[0xd2], &[0xd8, 18]),
        (1, &[0x84], &[0x98, 4]),
        (1, &[0x84], &[0x9f]),
        (2, &[0x4d], &[0x58, 13]),
        (3, &[0xa2], &[0xb8, 2]),
        (4, &[0x01], &[0x18, 1]),
        (5, &[0x27], &[0x38, 7]),
        (7, &[0x48], &[0x58, 8]),
        (16, &[0xa0], &[0xb8, 0]),
        (16, &[0xa0], &[0xbf, 0xff]),
        (17, &[0x58], &[0x59, 0]),
        (signature, &[0x58, 64], &[0x59, 0, 64]),
        (signature, &[0x58, 64], &[0x5b, 0, 0, 0, 0, 0, 0, 0, 64]),
    ];
    for &(at, old, new) in heads {
        assert_eq!(&whole[at..at + old.len()], old, "at {at}");
        let edited = [&whole[..at], new, &whole[at + old.len()..]].concat();
        let refused = open(&edited);
        assert!(
            matches!(refused, Err(TrustError::NotACapsule { .. })),
            "{at}: {refused:?}"
        );
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let whole = capsule();
    let store = store();
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(store.open(&flipped, NOW).is_err(), "bit {bit}");
    }
}

#[test]
fn every_cut_and_every_added_byte_is_refused() {
    let whole = capsule();
    for len in 0..whole.len() {
        let cut = open(&whole[..len]);
        assert!(
            matches!(cut, Err(TrustError::NotACapsule { .. })),
            "{len}: {cut:?}"
        );
    }
    for byte in [0, 0xf6, 0xff] {
        let longer = [&whole[..], &[byte]].concat();
        assert!(refusal(&longer).contains("bytes follow after the end"));
    }
}

#[test]
fn a_scalar_beyond_the_group_order_is_refused() {
    // The same signature with S + L in the place of S: what lenient verifiers took for another.
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut edited = capsule();
    let scalar = edited.len() - 32;
    let mut carry = 0;
    for (byte, l) in edited[scalar..].iter_mut().zip(L) {
        let sum = u16::from(*byte) + u16::from(l) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert!(refusal(&edited).starts_with("E813"));
}

#[test]
fn a_trusted_signer_of_something_else_is_refused() {
    let long_form = {
        let mut payload = signed_image().to_bytes();
        assert_eq!(payload.remove(0), 0x84);
        payload.splice(0..0, [0x98, 4]);
        payload
    };
    for payload in [Vec::new(), b"hello".to_vec(), long_form] {
        let cose = foreign(protected(), Header::default(), payload);
        assert!(refusal(&cose.to_tagged_vec().unwrap()).starts_with("E801"));
    }
}

#[test]
fn strangers_and_forgers_are_told_apart() {
    let stranger = PrivateKey::generate().unwrap();
    let bytes = sign(&image(), &claims(), &stranger).unwrap();
    let kid = stranger.public().kid();
    assert_eq!(open(&bytes), Err(TrustError::UnknownKey(kid)));

    // A stranger who claims the trusted key's id.
    let forged = CoseSign1Builder::new()
        .protected(protected())
        .payload(signed_image().to_bytes())
        .create_signature(b"NFL1", |message| stranger.sign(message).unwrap().to_vec())
        .build();
    let refused = open(&forged.to_tagged_vec().unwrap());
    assert_eq!(refused, Err(TrustError::BadSignature(key().public().kid())));
}

#[test]
fn time_is_judged_with_a_minute_of_skew() {
    let bytes = capsule();
    let opens_at = |now_s| store().open(&bytes, now_s).map(drop);
    let late = |now_s| {
        Err(TrustError::Expired {
            end_s: 2_000,
            now_s,
        })
    };
    let early = |now_s| {
        Err(TrustError::NotYetValid {
            start_s: 1_000,
            now_s,
        })
    };
    assert_eq!(opens_at(0), early(0));
    assert_eq!(opens_at(939), early(939));
    assert_eq!(opens_at(940), Ok(()));
    assert_eq!(opens_at(2_059), Ok(()));
    assert_eq!(opens_at(2_060), late(2_060));
    assert_eq!(opens_at(u64::MAX), late(u64::MAX));
}

#[test]
fn audiences_must_agree() {
    let opens = |meant: Option<&str>, ours: Option<&str>| {
        let claims = Claims {
            audience: meant.map(str::to_owned),
            ..Claims::default()
        };
        let mut store = TrustStore::new(Policy {
            audience: ours.map(str::to_owned),
            ..Policy::default()
        });
        store.add_key(key().public().clone()).unwrap();
        let bytes = sign(&image(), &claims, &key()).unwrap();
        match store.open(&bytes, NOW) {
            Ok(_) => "accepted".into(),
            Err(error) => format!("{}: {error}", error.code().text),
        }
    };
    assert_eq!(opens(None, None), "accepted");
    assert_eq!(opens(Some("edge"), Some("edge")), "accepted");
    assert_eq!(
        opens(Some("lab"), Some("edge")),
        "E816: the capsule is for the group `lab` and this node is in the group `edge`"
    );
    assert_eq!(
        opens(Some("lab"), None),
        "E816: the capsule is for the group `lab` and this node is in no group"
    );
    assert_eq!(
        opens(None, Some("edge")),
        "E816: the capsule is for no group and this node is in the group `edge`"
    );
}

#[test]
fn claims_that_leave_no_time_are_not_signed() {
    let never = Claims {
        expires: Some(1_000),
        not_before: Some(1_000),
        ..Claims::default()
    };
    assert_eq!(sign(&image(), &never, &key()), Err(SignError::Claims));
}

#[test]
fn an_image_that_no_node_could_read_is_not_signed() {
    let mut wrong = image();
    wrong.manifest.late[0].width = 33;
    let refused = sign(&wrong, &claims(), &key()).unwrap_err();
    assert_eq!(refused.code().text, "E801");
}

/// A device that answers with the signature of another key.
struct Mistaken {
    named: PublicKey,
    used: PrivateKey,
}

impl Signer for Mistaken {
    fn public(&self) -> &PublicKey {
        &self.named
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        self.used.sign(message)
    }
}

#[test]
fn a_wrong_signature_is_not_handed_out() {
    let signer = Mistaken {
        named: key().public().clone(),
        used: PrivateKey::generate().unwrap(),
    };
    assert_eq!(sign(&image(), &claims(), &signer), Err(SignError::Signer));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(u64::from_le_bytes(*b"NFL-COSE")),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_image_under_any_name_opens_again(
        name in ".{0,20}",
        code in proptest::collection::vec(any::<u8>(), 0..400),
        issuer in proptest::option::of(".{0,12}"),
        expires in proptest::option::of(NOW + 1..)
    ) {
        let claims = Claims { issuer, expires, ..Claims::default() };
        let mut signed = image();
        signed.manifest.name = name;
        signed.code = code;
        let bytes = sign(&signed, &claims, &key()).unwrap();
        signed.manifest.claims = claims;
        prop_assert_eq!(open(&bytes).unwrap().into_image(), signed);
    }

    #[test]
    fn edited_capsules_are_refused(
        at in any::<prop::sample::Index>(), byte in any::<u8>(), edit in 0..3
    ) {
        let whole = capsule();
        let mut edited = whole.clone();
        let at = at.index(edited.len());
        match edit {
            0 => edited[at] = byte,
            1 => edited.insert(at, byte),
            _ => drop(edited.remove(at)),
        }
        prop_assert_eq!(open(&edited).is_ok(), edited == whole);
    }

    #[test]
    fn no_bytes_make_it_panic(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(open(&noise).is_err());
        // The same behind a good beginning.
        let head = [&capsule()[..18], &noise].concat();
        prop_assert!(open(&head).is_err());
    }
}
