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
    E101 "there is no `new` in NFL"
        "Values have no identity, so nothing is allocated: a record or a header is made by calling its name.\n\nWrong:\n\n    var host = new Endpoint(ip.src, l4.sport);\n\nRight:\n\n    var host = Endpoint(ip.src, l4.sport);\n"
    E102 "something is missing here"
        "A token that has to stand here does not. The parser goes on as if it did.\n\nWrong:\n\n    return Pass\n\nRight:\n\n    return Pass;\n"
    E103 "a type begins with a capital"
        "The case of a name says what it is: `Port` is a type, `port` a variable, `MAX_PORT` a constant. That is how the parser tells them apart.\n\nWrong:\n\n    endpoint host = Endpoint(a, 80);\n\nRight:\n\n    Endpoint host = Endpoint(a, 80);\n"
    E104 "a type is not written in capitals"
        "Two or more capitals without a lower-case letter are a constant. A type has a lower-case letter, or is one capital.\n\nWrong:\n\n    function ACL(u32 rules = 1024) { }\n\nRight:\n\n    function Acl(u32 rules = 1024) { }\n"
    E105 "there is no `null` in NFL"
        "What may be absent has a type that says so, such as `Lookup`, whose `Hit` and `Miss` are matched.\n\nWrong:\n\n    if (fib.get(ip.dst) == null) return Drop(NO_ROUTE);\n\nRight:\n\n    if (!(fib.get(ip.dst) instanceof Hit(NextHop hop))) return Drop(NO_ROUTE);\n"
    E106 "there is no such number type in NFL"
        "Numbers on the wire have a width and no sign: `u8`, `u16`, `u32`, `u64` and `bits<N>`. For computing there are `int` and `long`. There are no fractions.\n\nWrong:\n\n    byte ttl = 64;\n\nRight:\n\n    u8 ttl = 64;\n"
    E107 "there are no exceptions in NFL"
        "Nothing fails at run time. What could fail is a verdict, a `Lookup` to be matched, or a compile error.\n\nWrong:\n\n    if (ip.ttl == 0) throw Expired();\n\nRight:\n\n    if (ip.ttl == 0) return Drop(TTL_EXPIRED);\n"
    E108 "this word of Java has no meaning in NFL"
        "The word is reserved so that no program changes its meaning for somebody who knows Java. The message says what to write instead.\n\nWrong:\n\n    volatile u32 seen = 0;\n\nRight:\n\n    u32 seen = 0;\n"
    E109 "this bracket has no partner"
        "Each `(`, `[` and `{` is closed by its own kind. The indentation shows which one is probably meant.\n\nWrong:\n\n    on ingress(Packet pkt) { if (pkt.port == Port(1)) { return Pass; }\n\nRight:\n\n    on ingress(Packet pkt) { if (pkt.port == Port(1)) { return Pass; } }\n"
    E110 "this character is not part of NFL"
        "Outside of texts and comments a program is ASCII: letters, digits, `_` and the operators.\n\nWrong:\n\n    u8 a = b # c;\n\nRight:\n\n    u8 a = b ^ c;\n"
    E111 "this is not a number"
        "Numbers are decimal, `0x` hexadecimal or `0b` binary, with `_` between digits, and may have a unit: `10ms`, `64KiB`, `10Mbps`. There are no fractions and no octal numbers.\n\nWrong:\n\n    u16 port = 0080;\n\nRight:\n\n    u16 port = 80;\n"
    E112 "this prefix has bits set after its length"
        "`10.1.2.3/8` could mean the network or the host, so it means neither.\n\nWrong:\n\n    if (ip.dst in 10.1.2.3/8) return Drop;\n\nRight:\n\n    if (ip.dst in 10.0.0.0/8) return Drop;\n"
    E113 "this is not an address"
        "An IPv4 address has four numbers up to 255, an IPv6 address eight groups of which one run of zeros may be `::`. A prefix has a length of at most 32 or 128.\n\nWrong:\n\n    Ip4 here = 10.0.0.256;\n\nRight:\n\n    Ip4 here = 10.0.0.255;\n"
    E114 "this text is broken"
        "A text in double quotes or a character in single quotes ends on its line. Escapes are \\n \\r \\t \\0 \\\\ \\' \\\" and \\x1f.\n\nWrong:\n\n    u8 first = 'GET';\n\nRight:\n\n    u8 first = 'G';\n"
    E115 "this comment does not end"
        "A comment that begins with `/*` ends with `*/`. Comments do not nest.\n\nWrong:\n\n    /* the rest of the file\n\nRight:\n\n    /* a remark */\n"
    E116 "this is nested too deeply"
        "The tree of a program is at most 256 levels deep. Each bracket, block, operator and member access in a chain is a level, so a chain of several hundred operators has to be cut in two; a set in braces is one level however long it is.\n\nWrong:\n\n    if (port == 1 || port == 2 || /* 300 more */ port == 302) return Pass;\n\nRight:\n\n    if (port in 1..302) return Pass;\n"
    E117 "`else` needs braces before it"
        "A body without braces is for one simple statement without `else`.\n\nWrong:\n\n    if (a) return Pass; else return Drop;\n\nRight:\n\n    if (a) { return Pass; } else { return Drop; }\n"
    E118 "a variable does not begin with a capital"
        "The case of a name says what it is: `port` is a variable, `Port` a type, `MAX_PORT` a constant.\n\nWrong:\n\n    u16 Port = 80;\n\nRight:\n\n    u16 port = 80;\n"
    E119 "this file is too long"
        "A source file has at most 16 MiB, and its mistakes are reported up to the fiftieth.\n\nWrong:\n\n    a file of 17 MiB\n\nRight:\n\n    two files of 9 MiB\n"
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
