//! The table of diagnostic codes of all stages: number, severity, title and explanation.
//!
//! `E1` syntax, `E2` names and types, `E3` patterns, `E4` packets, `E5` bounds, `E6` capabilities
//! and state, `E7` budget, `E8` images, trust and load, `E9` files and settings, `W` warnings. A number is never reused.

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// There is no output.
    Error,
    /// There is output, and probably a mistake.
    Warning,
}

/// One row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Code {
    /// The code as it is printed: `E501`.
    pub text: &'static str,
    /// What it says, in one sentence without a full stop.
    pub title: &'static str,
    /// For `nflc explain`: what it means and what to do, with a wrong and a right program.
    pub explanation: &'static str,
}

impl Code {
    /// Errors begin with `E`, warnings with `W`.
    pub fn severity(&self) -> Severity {
        if self.text.starts_with('W') {
            Severity::Warning
        } else {
            Severity::Error
        }
    }

    /// The row with this text.
    pub fn find(text: &str) -> Option<&'static Code> {
        CODES
            .iter()
            .find(|c| c.text.eq_ignore_ascii_case(text))
            .copied()
    }
}

macro_rules! codes {
    ($($name:ident $title:literal $explanation:literal)*) => {
        $(#[doc = $title]
        pub static $name: Code = Code { text: stringify!($name), title: $title, explanation: $explanation };)*

        /// Every code, in the order of its number.
        pub static CODES: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    E100 "this is not NFL here"
        "The parser met a token that cannot stand in this place. The message lists what could.\n\nWrong:\n\n    return Pass\n\nRight:\n\n    return Pass;\n"
    E801 "the bytes are not an image"
        "An image has exactly one byte form: four CBOR byte strings, deterministic encoding (RFC 8949 section 4.2), no default written out, nothing after the end. The message says which byte breaks it. The file was cut, changed, or is something else.\n\nWrong:\n\n    nflc size capture.pcap\n\nRight:\n\n    nflc size guard.nfi\n"
    E802 "the image has no late parameter of this name"
        "Only parameters declared `late` stay open after compilation; all others are fixed. The name is the one in the source.\n\nWrong:\n\n    function Guard(limit: UInt<16>) ...    bound later: limt = 9\n\nRight:\n\n    function Guard(late limit: UInt<16>) ...    bound later: limit = 9\n"
    E803 "the value lies outside the range of a late parameter"
        "The compiler proved the program for the values that the parameter's type and range allow, so no other value may be bound.\n\nWrong:\n\n    late limit: UInt<16>    bound later: limit = 70000\n\nRight:\n\n    late limit: UInt<16>    bound later: limit = 7000\n"
    E804 "this is not an Ed25519 key"
        "Private keys are unencrypted PKCS#8 PEM, public keys SPKI PEM, both for Ed25519, as OpenSSL writes them. Keys of another algorithm, encrypted keys and a private key in the place of a public one are refused.\n\nWrong:\n\n    openssl genpkey -algorithm rsa -out key.pem\n\nRight:\n\n    openssl genpkey -algorithm ed25519 -out key.pem\n"
    E805 "the key is weak"
        "The public key is a point of small order or is not encoded in its one canonical form, so that a signature under it proves nothing. No honest tool makes such a key.\n\nWrong:\n\n    a public key of 32 zero bytes\n\nRight:\n\n    openssl pkey -in key.pem -pubout -out key.pub.pem\n"
    E806 "two keys have the same id"
        "A capsule names its key by the first 8 bytes of the SHA-256 of the public key. A store holds one key for each id, and another key claims one that is taken.\n\nWrong:\n\n    two trusted keys with one id\n\nRight:\n\n    each trusted key with an id of its own; make one of them anew\n"
    E807 "the system gives no random numbers"
        "A new key is drawn from the operating system's random numbers, and it refused to give any. No key was made.\n\nWrong:\n\n    a key made in a sandbox without `getrandom`\n\nRight:\n\n    openssl genpkey -algorithm ed25519 -out key.pem    on another machine\n"
    E808 "the signer failed"
        "The signer gave no signature, or one that does not verify under its own public key. Nothing was written.\n\nWrong:\n\n    a signer with the public key of another\n\nRight:\n\n    a signer that holds the private key of the public key it names\n"
    E809 "the claims leave no time to run"
        "The capsule would be void before it becomes valid.\n\nWrong:\n\n    not before 2000, expires 1000\n\nRight:\n\n    not before 1000, expires 2000\n"
    E811 "the bytes are not a capsule"
        "A capsule has exactly one byte form: COSE_Sign1 (RFC 9052) with tag 18, the protected header {1: -8, 4: key id}, no unprotected header, the image and a signature of 64 bytes, in deterministic encoding with nothing after the end. The message says which byte breaks it.\n\nWrong:\n\n    an image that nobody signed\n\nRight:\n\n    the same image, signed\n"
    E812 "the capsule is signed with an unknown key"
        "The capsule names a key that the store does not hold. Trust the signer's public key, or have the capsule signed by somebody who is trusted.\n\nWrong:\n\n    signed with a.pem, opened with only b.pub.pem trusted\n\nRight:\n\n    signed with a.pem, opened with a.pub.pem trusted\n"
    E813 "the signature does not match"
        "The capsule names a trusted key, but the signature is not that key's over these bytes: they were changed after signing, or the signature is forged.\n\nWrong:\n\n    a signed capsule with one byte changed\n\nRight:\n\n    the capsule as it was signed\n"
    E814 "the capsule has expired"
        "The time lies after the end of the capsule's validity, with 60 s allowed for the clock. Sign the image again, or set the clock.\n\nWrong:\n\n    expires at 1000, opened at 2000\n\nRight:\n\n    expires at 3000, opened at 2000\n"
    E815 "the capsule is not valid yet"
        "The time lies before the beginning of the capsule's validity, with 60 s allowed for the clock. Wait, or set the clock.\n\nWrong:\n\n    not before 2000, opened at 1000\n\nRight:\n\n    not before 500, opened at 1000\n"
    E816 "the capsule is for other nodes"
        "A capsule names the group of nodes that may run it, and this node is not in it. A node without a group runs only capsules that name none.\n\nWrong:\n\n    audience `lab`, opened by a node of `edge`\n\nRight:\n\n    audience `edge`, opened by a node of `edge`\n"
}
