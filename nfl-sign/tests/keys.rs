//! Keys: the files OpenSSL writes and reads, weak points, and what is never shown.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{PRIVATE, claims, image, key};
use coset::{CoseSign1, TaggedCborSerializable};
use nfl_sign::{KeyError, PrivateKey, PublicKey, TrustStore, sign};

/// The public half of the common key, as OpenSSL writes it.
const PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
";

#[test]
fn pem_texts_are_byte_for_byte_those_of_openssl() {
    assert_eq!(key().to_pem().as_str(), PRIVATE);
    assert_eq!(key().public().to_pem(), PUBLIC);
    assert_eq!(&PublicKey::from_pem(PUBLIC).unwrap(), key().public());
}

#[test]
fn the_id_is_the_first_8_bytes_of_the_hash() {
    assert_eq!(key().public().kid().to_string(), "21fe31dfa154a261");
}

#[test]
fn version_2_is_read_when_its_halves_match() {
    use ed25519_dalek::pkcs8::{EncodePrivateKey, KeypairBytes, PublicKeyBytes};
    let pem_with = |public| {
        let seed = hex_bytes("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let pair = KeypairBytes {
            secret_key: seed,
            public_key: Some(PublicKeyBytes(public)),
        };
        pair.to_pkcs8_pem(Default::default()).unwrap()
    };
    let matching = pem_with(key().public().to_bytes());
    assert_eq!(
        PrivateKey::from_pem(&matching).unwrap().public(),
        key().public()
    );
    let other = pem_with(PrivateKey::generate().unwrap().public().to_bytes());
    let refused = PrivateKey::from_pem(&other).unwrap_err();
    assert!(matches!(refused, KeyError::NotAKey(_)));
}

#[test]
fn new_keys_differ_and_come_back_from_their_text() {
    let (a, b) = (
        PrivateKey::generate().unwrap(),
        PrivateKey::generate().unwrap(),
    );
    assert_ne!(a.public(), b.public());
    let again = PrivateKey::from_pem(&a.to_pem()).unwrap();
    assert_eq!(again.public(), a.public());
}

#[test]
fn a_private_key_shows_its_id_only() {
    assert_eq!(format!("{:?}", key()), "PrivateKey(21fe31dfa154a261)");
}

#[test]
fn other_texts_are_not_keys() {
    let x25519 = PUBLIC.replace("K2VwAyEA", "K2VuAyEA");
    let cut = PRIVATE.replace("MC4CAQAw", "MC4CAQ");
    for text in [
        "",
        "hello",
        PRIVATE,
        &x25519,
        &PUBLIC.replace("MCow", "MCox"),
    ] {
        let refused = PublicKey::from_pem(text).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "this is not an Ed25519 public key (SPKI PEM)"
        );
        assert_eq!(refused.code().text, "E804");
    }
    for text in ["", "hello", PUBLIC, &cut, &PRIVATE.replace("K2Vw", "K2Vu")] {
        let refused = PrivateKey::from_pem(text).unwrap_err();
        assert_eq!(refused.code().text, "E804");
    }
}

fn hex_bytes(hex: &str) -> [u8; 32] {
    std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
}

#[test]
fn points_of_small_order_are_weak() {
    let order_8 = [
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];
    let mut weak: Vec<[u8; 32]> = order_8.map(hex_bytes).into();
    // y = 0 with both signs has order 4, y = 1 order 1, y = -1 order 2.
    weak.push([0; 32]);
    weak.push(std::array::from_fn(|i| if i == 31 { 0x80 } else { 0 }));
    weak.push(std::array::from_fn(|i| u8::from(i == 0)));
    weak.push(std::array::from_fn(|i| match i {
        0 => 0xec,
        31 => 0x7f,
        _ => 0xff,
    }));
    for bytes in weak {
        let refused = PublicKey::from_bytes(&bytes).unwrap_err();
        assert_eq!(refused, KeyError::Weak, "{bytes:02x?}");
        assert_eq!(refused.code().text, "E805");
    }
}

#[test]
fn no_second_encoding_of_a_point_is_a_key() {
    // y and y + p stand for the same point; y + p fits 255 bits for y below 19.
    for (low, sign) in (0xed..=0xff).flat_map(|low| [(low, 0x7f), (low, 0xff)]) {
        let bytes = std::array::from_fn(|i| match i {
            0 => low,
            31 => sign,
            _ => 0xff,
        });
        assert!(
            PublicKey::from_bytes(&bytes).is_err(),
            "{low:02x} {sign:02x}"
        );
    }
}

#[test]
fn trusting_a_key_twice_changes_nothing() {
    let mut store = TrustStore::default();
    assert_eq!(store.add_key(key().public().clone()), Ok(()));
    assert_eq!(store.add_key(key().public().clone()), Ok(()));
}

/// Runs `openssl` in `folder`; nothing when this machine has none.
fn openssl(folder: &Path, arguments: &[&str]) -> Option<Output> {
    let ran = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output();
    if ran.is_err() {
        eprintln!("skipped: there is no `openssl` here");
    }
    let output = ran.ok()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "openssl {arguments:?}: {complaint}"
    );
    Some(output)
}

#[test]
fn openssl_writes_what_we_read() {
    let folder = tempfile::tempdir().unwrap();
    let Some(made) = openssl(folder.path(), &["genpkey", "-algorithm", "ed25519"]) else {
        return;
    };
    let text = String::from_utf8(made.stdout).unwrap();
    let ours = PrivateKey::from_pem(&text).unwrap();
    assert_eq!(ours.to_pem().as_str(), text);
    std::fs::write(folder.path().join("key.pem"), &text).unwrap();
    let public = openssl(folder.path(), &["pkey", "-in", "key.pem", "-pubout"]).unwrap();
    assert_eq!(ours.public().to_pem().as_bytes(), public.stdout);
}

#[test]
fn openssl_reads_what_we_write_and_verifies_what_we_sign() {
    let folder = tempfile::tempdir().unwrap();
    let private = PrivateKey::generate().unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    put("key.pem", private.to_pem().as_bytes());
    let Some(public) = openssl(folder.path(), &["pkey", "-in", "key.pem", "-pubout"]) else {
        return;
    };
    assert_eq!(public.stdout, private.public().to_pem().as_bytes());

    let capsule = sign(&image(), &claims(), &private).unwrap();
    // The message is put together by another COSE library.
    let cose = CoseSign1::from_tagged_slice(&capsule).unwrap();
    put("key.pub.pem", &public.stdout);
    put("message", &cose.tbs_data(b"NFL1"));
    put("signature", &cose.signature);
    let verify = "pkeyutl -verify -pubin -inkey key.pub.pem -rawin -in message -sigfile signature";
    let verify: Vec<&str> = verify.split(' ').collect();
    openssl(folder.path(), &verify).unwrap();
}
