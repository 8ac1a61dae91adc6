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
    E831 "the byte verifier does not prove the image"
        "A node runs only what it proves on the bytes: every access in bounds, every loop with an end, every path to a verdict, the worst case within its limits. The message names the instruction and the rule. An image made by the compiler passes; one that was changed afterwards, or made by hand, may not.\n\nWrong:\n\n    lbu a2, 0(a3)    # nothing was put into a3\n\nRight:\n\n    lbu a2, 0(s0)    # s0 is the packet\n"
    E832 "the node's policy does not grant what the image asks for"
        "An image states its rights, its verdicts and its worst case, and a node loads it only when its policy grants them all.\n\nWrong:\n\n    an image that answers `Forward`, on a node that lets nobody forward\n\nRight:\n\n    uses Route    in the program, and `Route` in the node's policy\n"
    E841 "the policy does not grant a right"
        "An image lists the rights that its code uses, and a node grants rights by policy. This one asks for more than it is granted. Grant the right, or load an image that does without it.\n\nWrong:\n\n    uses Rewrite, Route    loaded where only Rewrite is granted\n\nRight:\n\n    uses Rewrite    loaded where Rewrite is granted\n"
    E842 "the policy does not allow a verdict"
        "An image lists the verdicts that may come out of it. A node that does not carry one out does not load the image.\n\nWrong:\n\n    return Punt(Reason.POLICY);    loaded where nobody takes punted packets\n\nRight:\n\n    return Drop(Reason.POLICY);\n"
    E843 "the worst case is above the policy's"
        "The bound of a handler in steps is proved, and it is above what this node allows for a packet. Raise the node's limit, or make the handler's longest path shorter.\n\nWrong:\n\n    while (more) limit 5000 { ... }    loaded where 2000 steps are allowed\n\nRight:\n\n    while (more) limit 50 { ... }\n"
    E844 "the machine does not offer a service"
        "The image calls a service that this machine does not have.\n\nWrong:\n\n    an image with tables on a machine without them\n\nRight:\n\n    the same image on a machine that has tables\n"
    E845 "the handler broke a rule of the machine"
        "A handler that breaks a rule while it runs has no verdict of its own: the packet is dropped with reason 255. Proved code can do so only by an answer that is no verdict or that its manifest does not list.\n\nWrong:\n\n    li a0, 9\n    ebreak\n\nRight:\n\n    li a0, 1\n    ebreak\n"
    E900 "the command line is not understood"
        "A subcommand, flag or value is unknown or missing. `nflc help SUBCOMMAND` lists what there is.\n\nWrong:\n\n    nflc run guard.nfl\n\nRight:\n\n    nflc run guard.nfl --on originator --pcap in.pcap\n"
    E901 "the file cannot be read"
        "The path is wrong, is a directory, or the system does not let you read it.\n\nWrong:\n\n    nflc check gaurd.nfl\n\nRight:\n\n    nflc check guard.nfl\n"
    E902 "the file cannot be written"
        "The directory does not exist or cannot be written, the disk is full, or a file that must not be replaced is there. Outputs are written beside their place and renamed, so nothing partial stays.\n\nWrong:\n\n    nflc build guard.nfl -o missing/guard.nfi\n\nRight:\n\n    mkdir -p out && nflc build guard.nfl --out-dir out\n"
    E903 "the target is unknown"
        "A target is an instruction set: `--target` and `--march` take its name. Some names are known and not available in this release yet.\n\nWrong:\n\n    nflc build guard.nfl --target rv64gc\n\nRight:\n\n    nflc build guard.nfl --target rv32imc\n"
    E904 "there is no such function"
        "The file has no function of this name, or has several and none was chosen.\n\nWrong:\n\n    nflc build two.nfl    # which holds Guard and Mark\n\nRight:\n\n    nflc build two.nfl --function Guard\n"
    E905 "there is no such handler"
        "The function has no handler of this role, or has several and none was chosen.\n\nWrong:\n\n    nflc run guard.nfl --on ingress --pcap in.pcap    # which has `on originator`\n\nRight:\n\n    nflc run guard.nfl --on originator --pcap in.pcap\n"
    E906 "a setting has not the form name=value"
        "`--set` takes the name of a parameter and its value as it would stand in the source.\n\nWrong:\n\n    nflc build guard.nfl --set port 443\n\nRight:\n\n    nflc build guard.nfl --set port=443\n"
    E907 "others may read the private key"
        "Whoever reads a private key can sign in your name. Files that group or others may read are refused.\n\nWrong:\n\n    -rw-r--r-- controller.pem\n\nRight:\n\n    chmod 600 controller.pem\n"
    E908 "there is no diagnostic of this code"
        "Codes are a letter and three digits, as messages show them in brackets.\n\nWrong:\n\n    nflc explain 503\n\nRight:\n\n    nflc explain E503\n"
    E909 "the place is taken"
        "A new project is made in a directory that does not exist yet, and a new key in a file that does not: neither replaces anything.\n\nWrong:\n\n    nflc new guard    # where guard is\n\nRight:\n\n    nflc new guard2\n"
    E910 "the file is not of a kind that this command takes"
        "Commands tell source files by the extension `.nfl`, and images and capsules by their first byte.\n\nWrong:\n\n    nflc disasm capture.pcap\n\nRight:\n\n    nflc disasm guard.nfl\n"
    E911 "one output is asked for and there are several"
        "A contract has an image for each party. `-o` names one file; `--party` chooses one image, `--out-dir` takes all.\n\nWrong:\n\n    nflc build contract.nfl -o out.nfi\n\nRight:\n\n    nflc build contract.nfl --party originator -o out.nfi\n"
    E920 "the capture cannot be read or written"
        "The operating system refused; the message says why. An output file that was being written is not left behind.\n\nWrong:\n\n    nflc run guard.nfl --pcap in.pcap --write /no/such/directory/out.pcap\n\nRight:\n\n    nflc run guard.nfl --pcap in.pcap --write out.pcap\n"
    E921 "the file is no capture"
        "Captures are pcap files, with micro- or nanoseconds and in either byte order, and pcapng files. Compressed ones have to be decompressed first.\n\nWrong:\n\n    nflc run guard.nfl --pcap trace.pcap.gz\n\nRight:\n\n    gunzip trace.pcap.gz\n    nflc run guard.nfl --pcap trace.pcap\n"
    E922 "the capture is damaged"
        "A record is against the format, or the file ends in the middle of one, as when a capture was interrupted. The frames before it were read.\n\nWrong:\n\n    head -c 1000 trace.pcap > cut.pcap\n\nRight:\n\n    editcap -c 10 trace.pcap cut.pcap\n"
    E923 "the frames have several link types"
        "A pcap file says once what its frames begin with. A pcapng file with interfaces of several kinds cannot be written as one.\n\nWrong:\n\n    --pcap both.pcapng --write out.pcap\n\nRight:\n\n    --pcap ethernet.pcapng --write out.pcap\n"
    E999 "an internal error"
        "The compiler broke one of its own rules. Nothing you wrote may cause this: please report it with the command line and the input.\n\nWrong:\n\n    any program after which this is printed\n\nRight:\n\n    the same program, once the defect is mended\n"
}
