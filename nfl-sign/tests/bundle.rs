//! Bundles: what is signed is what is opened, and nothing else is.

mod common;

use common::{claims, image, key};

use nfl_sign::{Bundle, BundledProgram, Policy, PrivateKey, TrustError, TrustStore, sign};

fn bundle() -> Bundle {
    let capsule = sign(&image(), &claims(), &key()).unwrap();
    let program = |from: &str, to: &str| BundledProgram {
        from: from.into(),
        to: to.into(),
        capsule: capsule.clone(),
    };
    Bundle {
        name: "acme.Shop".into(),
        services: vec![("Web".into(), "web.shop.internal".into())],
        programs: vec![program("", "Web"), program("Web", "Cart")],
    }
}

fn store(key: &PrivateKey) -> TrustStore {
    let mut store = TrustStore::new(Policy::default());
    store.add_key(key.public().clone()).unwrap();
    store
}

#[test]
fn what_is_signed_is_what_is_opened() {
    let bytes = bundle().sign(&key()).unwrap();
    assert_eq!(store(&key()).open_bundle(&bytes), Ok(bundle()));
    assert_eq!(Bundle::peek(&bytes), Ok(bundle()));
}

#[test]
fn every_changed_byte_is_noticed() {
    let bytes = bundle().sign(&key()).unwrap();
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1;
        assert!(store(&key()).open_bundle(&other).is_err(), "byte {at}");
        assert!(
            store(&key()).open_bundle(&bytes[..at]).is_err(),
            "{at} bytes"
        );
    }
}

#[test]
fn a_bundle_is_no_capsule_and_a_capsule_no_bundle() {
    let store = store(&key());
    let capsule = sign(&image(), &claims(), &key()).unwrap();
    assert!(matches!(
        store.open_bundle(&capsule),
        Err(TrustError::BadSignature(_))
    ));
    let bytes = bundle().sign(&key()).unwrap();
    assert!(matches!(
        store.open(&bytes, 0),
        Err(TrustError::BadSignature(_))
    ));
}

#[test]
fn unknown_keys_are_not_trusted() {
    let bytes = bundle().sign(&key()).unwrap();
    let nobody = TrustStore::new(Policy::default());
    assert!(matches!(
        nobody.open_bundle(&bytes),
        Err(TrustError::UnknownKey(_))
    ));
}
