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
    E201 "this name is not known here"
        "Nothing of this name is declared where it is used: no variable, parameter, constant, method, type or header. It may be misspelt, declared in a block that has ended, or in a package that is not imported.\n\nWrong:\n\n    if (ip.src in client) return Pass;\n\nRight:\n\n    if (ip.src in clients) return Pass;\n"
    E202 "this name is declared twice"
        "Two declarations of one name would leave it open which one is meant, so a local may not shadow another, and types, members, parameters and roles have one declaration each.\n\nWrong:\n\n    u8 n = 0;\n    u16 n = 1;\n\nRight:\n\n    u8 n = 0;\n    u16 m = 1;\n"
    E203 "the value does not always fit"
        "Widening is implicit because it keeps every value. Narrowing and changes of sign may lose some, so they take a cast, which keeps the low bits.\n\nWrong:\n\n    u8 low = tcp.dport;\n\nRight:\n\n    u8 low = (u8) tcp.dport;\n"
    E204 "this number is out of the range of its type"
        "A constant is computed in unbounded integers and must then fit into the type that its context gives it.\n\nWrong:\n\n    u8 n = 300;\n\nRight:\n\n    u16 n = 300;\n"
    E205 "nothing gives this number a type"
        "A number takes its type from its context. `var` has none to give, and NFL does not guess an `int`.\n\nWrong:\n\n    var x = 0;\n\nRight:\n\n    u32 x = 0;\n"
    E206 "there is no such package or type to import"
        "An import names a package of the standard library, a directory of the program, or a type in one of them. A static import names a class.\n\nWrong:\n\n    import nfl.nett.*;\n\nRight:\n\n    import nfl.net.*;\n"
    E207 "these two types do not go together"
        "An operator takes two numbers of which one type holds all values of the other, or two values of one type. `int` and `u32` hold values that the other lacks, and addresses are compared but not calculated with.\n\nWrong:\n\n    u32 sum = unsigned + signed;        // u32 + int\n\nRight:\n\n    u32 sum = unsigned + (u32) signed;\n"
    E208 "these quantities have different dimensions"
        "Sizes, rates, durations and instants are checked by dimension: only like can be added to like or compared with like, but two instants may be subtracted and an instant moved by a duration.\n\nWrong:\n\n    Size room = burst + rate;\n\nRight:\n\n    Size room = burst + more;\n"
    E209 "this is not visible here"
        "A `private` member is visible in the declaration that holds it; without a word it is visible in its package; `public` makes it visible everywhere.\n\nWrong:\n\n    private static final u16 HTTP = 80;     // in another class\n\nRight:\n\n    public static final u16 HTTP = 80;\n"
    E210 "this has another type than the context asks for"
        "A value is used where another type is needed. Named types are made with their constructor: `Port(3)`, `Ip4(x)`.\n\nWrong:\n\n    Port out = 3;\n\nRight:\n\n    Port out = Port(3);\n"
    E212 "`in` takes a prefix, a range or a set"
        "Behind `in` stands what the value may belong to: a prefix for addresses, a range `1..5`, or a set `{1, 3..5}`, each over the type of the value.\n\nWrong:\n\n    if (tcp.dport in 80) return Pass;\n\nRight:\n\n    if (tcp.dport in {80}) return Pass;\n"
    E213 "the arguments do not match the parameters"
        "Each parameter takes one argument, in order.\n\nWrong:\n\n    return Forward();\n\nRight:\n\n    return Forward(Port(1));\n"
    E214 "this range is empty"
        "A range holds both of its ends, and the lower end comes first.\n\nWrong:\n\n    if (tcp.dport in 8099..8000) return Pass;\n\nRight:\n\n    if (tcp.dport in 8000..8099) return Pass;\n"
    E215 "this cannot be assigned"
        "Variables, elements of arrays, `carried` memory and header fields are places. Parameters of a function, constants, bindings of patterns and results are not.\n\nWrong:\n\n    ip = other;\n\nRight:\n\n    ip.ttl = 64;\n"
    E216 "this variable may not have a value yet"
        "A variable is used only after it was assigned on every path that leads here. A loop is assumed to run zero times.\n\nWrong:\n\n    u8 n;\n    if (ip.ttl > 3) n = 1;\n    return n == 1 ? Pass : Drop;\n\nRight:\n\n    u8 n = 0;\n    if (ip.ttl > 3) n = 1;\n    return n == 1 ? Pass : Drop;\n"
    E217 "this `final` variable may already have its value"
        "A `final` variable is assigned once.\n\nWrong:\n\n    final u8 n = 1;\n    n = 2;\n\nRight:\n\n    u8 n = 1;\n    n = 2;\n"
    E218 "not every path returns"
        "Every path of a handler ends in a verdict, and every path of a method with a result in a value. There is no implicit one.\n\nWrong:\n\n    on transit(Packet pkt) {\n        if (pkt instanceof Ipv4) return Pass;\n    }\n\nRight:\n\n    on transit(Packet pkt) {\n        if (pkt instanceof Ipv4) return Pass;\n        return Drop;\n    }\n"
    E219 "this statement is never reached"
        "The statement before it never ends normally, so this one can only be a mistake.\n\nWrong:\n\n    return Pass;\n    n = 1;\n\nRight:\n\n    n = 1;\n    return Pass;\n"
    E220 "this is not a statement"
        "Only a call may stand alone; any other value would be lost. A verdict is returned.\n\nWrong:\n\n    Drop(POLICY);\n\nRight:\n\n    return Drop(POLICY);\n"
    E221 "this jump has nowhere to go"
        "`break` and `continue` belong into a loop, `yield` into a block of a `switch` that gives a value. A `switch` that gives a value cannot be left by `return`, `break` or `continue`, and `break` does not leave a `switch`.\n\nWrong:\n\n    if (ip.ttl == 0) break;\n\nRight:\n\n    if (ip.ttl == 0) return Drop;\n"
    E222 "this value must be known when the program is compiled"
        "Constants, lengths, defaults and ranges are computed by the compiler from literals and other constants.\n\nWrong:\n\n    static final u32 NOW = pkt.queue;\n\nRight:\n\n    static final u32 DEEP = 64;\n"
    E223 "these constants depend on each other in a circle"
        "The value of a constant may use other constants, but not itself through them.\n\nWrong:\n\n    static final u8 FIRST = SECOND;\n    static final u8 SECOND = FIRST;\n\nRight:\n\n    static final u8 FIRST = 1;\n    static final u8 SECOND = FIRST;\n"
    E224 "this method calls itself"
        "There is no recursion, directly or through others: every program has a bounded number of steps and no stack to grow. A bounded loop takes its place.\n\nWrong:\n\n    private u8 count(u8 n) { return n == 0 ? 0 : count(n - 1); }\n\nRight:\n\n    private u8 count(u8 n) { return n; }\n"
    E225 "calls are nested too deeply"
        "Methods are built into the place that calls them, and the compiler follows a limited number of calls within calls, and of constants that use constants.\n\nWrong:\n\n    a chain of a hundred methods, each calling the next\n\nRight:\n\n    a few methods, or a loop\n"
    E226 "this type cannot stand here"
        "Not every type fits every place: a header holds numbers, booleans and addresses, a parameter has a value that a controller can write down, and views of packets are neither stored nor returned.\n\nWrong:\n\n    header Odd { Verdict v; }\n\nRight:\n\n    header Odd { u8 v; }\n"
    E227 "the length of an array does not fit"
        "An array has at least one and at most 65,535 elements, and its list of values as many as it has.\n\nWrong:\n\n    static final u16[3] WEB = {80, 443};\n\nRight:\n\n    static final u16[2] WEB = {80, 443};\n"
    E228 "this shift moves every bit out"
        "Shift counts are taken modulo 32 or 64, so a constant count that is not below the width of the value is a mistake.\n\nWrong:\n\n    u8 top = ip.ttl << 8;\n\nRight:\n\n    u16 top = (u16) ip.ttl << 8;\n"
    E229 "there is no member of this name"
        "The value has a type, and that type has no field or method of this name.\n\nWrong:\n\n    if (ip.tll == 0) return Drop;\n\nRight:\n\n    if (ip.ttl == 0) return Drop;\n"
    E230 "this is not a handler"
        "The roles are `originator`, `responder`, `transit`, `arrival`, `ingress`, `egress`, `malformed` and `exhausted`, each with one parameter of type `Packet`, and `every` with a duration.\n\nWrong:\n\n    on receive(Packet pkt) { return Pass; }\n\nRight:\n\n    on ingress(Packet pkt) { return Pass; }\n"
    E231 "this modifier does not fit"
        "Each modifier belongs to some declarations: `carried` to fields of a function, `derived` to fields of a header, `late` to parameters. Constants are `static final`, and the methods of a class are `static`.\n\nWrong:\n\n    class Serial { u8 next(u8 n) { return n + 1; } }\n\nRight:\n\n    class Serial { static u8 next(u8 n) { return n + 1; } }\n"
    E233 "a header is a whole number of bytes"
        "The fields of fixed size must fill whole bytes, since what follows begins at a byte.\n\nWrong:\n\n    header Odd { bits<3> a; u8 b; }\n\nRight:\n\n    header Odd { bits<3> a; bits<5> rest; u8 b; }\n"
    E234 "this field cannot be placed in the header"
        "Fields of fixed size come first, arrays behind them, at most 64 fields in all. The elements of an array are whole bytes.\n\nWrong:\n\n    header Odd { u8[4] first; u8 n; }\n\nRight:\n\n    header Odd { u8 n; u8[4] rest; }\n"
    E235 "the compiler does not know how to keep this field"
        "A `derived` field is an unsigned number and says what it holds: `Length.from(this)`, `Length.after(this)`, `Checksum.of(this)`, `Checksum.withPseudoHeader(this)` or `Checksum.over(this)`.\n\nWrong:\n\n    derived u16 length = 20;\n\nRight:\n\n    derived u16 length = Length.from(this);\n"
    E236 "this cannot be computed from header fields"
        "Conditions and lengths of a header are made of fields, constants and operators. A length uses fields that come before the array, and a look-ahead with `this.` the fixed fields of the new header.\n\nWrong:\n\n    valid when check(version);\n\nRight:\n\n    valid when version == 4;\n"
    E237 "the limit of a loop is a constant or a parameter"
        "The number of rounds must be known before the packet comes: a constant, or a parameter with a range.\n\nWrong:\n\n    while (n > 0) limit ip.ttl { n -= 1; }\n\nRight:\n\n    while (n > 0) limit 8 { n -= 1; }\n"
    E280 "the function has no parameter of this name"
        "A value was given for a parameter that the function does not declare. The name is the one in the source.\n\nWrong:\n\n    nflc build fw.nfl --set prot=80\n\nRight:\n\n    nflc build fw.nfl --set port=80\n"
    E281 "the value lies outside the range of the parameter"
        "A parameter takes the values of its type that its `in` range holds, and its default is one of them.\n\nWrong:\n\n    function Hops(u8 most in 1..16 = 20) { … }\n\nRight:\n\n    function Hops(u8 most in 1..16 = 8) { … }\n"
    E282 "this parameter has no value"
        "A parameter without a default must be given a value before there is code.\n\nWrong:\n\n    nflc build segment.nfl\n\nRight:\n\n    nflc build segment.nfl --set clients=10.1.0.0/16 --set servers=10.2.0.0/16\n"
    E283 "this text is not a value of the parameter's type"
        "Values are written as in the source: `80`, `0x50`, `true`, `10.0.0.1`, `10.0.0.0/8`, `2001:db8::/32`, `02:00:5e:10:00:01`, `10ms`, `1Mbps`, `64KiB`.\n\nWrong:\n\n    nflc build fw.nfl --set clients=10.1\n\nRight:\n\n    nflc build fw.nfl --set clients=10.1.0.0/16\n"
    E284 "this parameter is given a value twice"
        "Two values for one parameter leave it open which one is meant.\n\nWrong:\n\n    nflc build fw.nfl --set port=80 --set port=443\n\nRight:\n\n    nflc build fw.nfl --set port=443\n"
    E290 "this is not supported in this release"
        "The language has this construct, and this release of the compiler does not build it yet. The message names it.\n\nWrong:\n\n    record Pair(u8 left, u8 right);\n\nRight:\n\n    private u8 left(u16 pair) { return (u8) (pair >> 8); }\n"
    E301 "this switch does not cover every value"
        "Every value of the type must find an arm. Name those that are missing, or say what happens to all others with `default`.\n\nWrong:\n\n    switch (ip.ttl) { case 0 -> return Drop; }\n\nRight:\n\n    switch (ip.ttl) { case 0 -> return Drop; default -> return Pass; }\n"
    E302 "this arm is never taken"
        "The arms before it cover all its values. An arm with a guard covers nothing.\n\nWrong:\n\n    switch (tcp.dport) { case 0..1023 -> return Pass; case 80 -> return Drop; default -> return Pass; }\n\nRight:\n\n    switch (tcp.dport) { case 80 -> return Drop; case 0..1023 -> return Pass; default -> return Pass; }\n"
    E303 "this pattern does not fit the value"
        "Packets and the bodies of headers are matched with headers; numbers, addresses and booleans with constants, ranges and prefixes of their type.\n\nWrong:\n\n    if (ip.ttl instanceof Tcp) return Pass;\n\nRight:\n\n    if (ip.body instanceof Tcp) return Pass;\n"
    E304 "a name cannot be bound here"
        "What is matched in brackets may be absent, and of several patterns only one matches, so a name in them might stand for nothing.\n\nWrong:\n\n    pkt instanceof Eth / [Vlan tag] / Ipv4 ip\n\nRight:\n\n    pkt instanceof Eth / [Vlan] / Ipv4 ip\n"
    E305 "these layers never meet"
        "A header follows another only where its declaration (`follows`) or the other's (`before`) says so.\n\nWrong:\n\n    pkt instanceof Eth / Tcp tcp\n\nRight:\n\n    pkt instanceof Eth / Ipv4 / Tcp tcp\n"
    E306 "these patterns begin at different layers"
        "A handler runs at the link layer if its patterns begin with a header like `Eth`, and else at the network layer. It cannot be both.\n\nWrong:\n\n    if (pkt instanceof Eth) return Pass;\n    if (pkt instanceof Ipv4) return Pass;\n\nRight:\n\n    if (pkt instanceof Eth) return Pass;\n    if (pkt instanceof Eth / Ipv4) return Pass;\n"
    E403 "this view is over"
        "The view was found by a field that has been assigned since, so nobody knows what lies there now. Take values out before the assignment, or match again before any store.\n\nWrong:\n\n    ip.protocol = 17;\n    return tcp.dport == 80 ? Pass : Drop;\n\nRight:\n\n    u16 port = tcp.dport;\n    ip.protocol = 17;\n    return port == 80 ? Pass : Drop;\n"
    E404 "match before you write"
        "After the first store to the packet nothing may turn out malformed, so that a malformed packet has never been half rewritten. Matching the same headers again is fine.\n\nWrong:\n\n    ip.ttl -= 1;\n    if (pkt instanceof Ipv4 / Tcp) return Pass;\n\nRight:\n\n    if (pkt instanceof Ipv4 / Tcp) return Pass;\n    ip.ttl -= 1;\n"
    E405 "a derived field keeps itself"
        "The compiler computes this field from the rest of the packet whenever that changes.\n\nWrong:\n\n    ip.checksum = 0;\n\nRight:\n\n    ip.ttl = 64;                // the checksum follows by itself\n"
    E406 "the checksum behind this address is not known"
        "TCP and UDP checksums cover the addresses of the IP header. To keep them right the transport must be matched in the same pattern as the header that is changed.\n\nWrong:\n\n    if (pkt instanceof Ipv4 ip) { ip.src = outside; }\n\nRight:\n\n    if (pkt instanceof Ipv4 ip / Tcp) { ip.src = outside; }\n"
    E407 "`on malformed` and `on exhausted` only answer"
        "These handlers run when a packet is broken or a limit was reached. They match nothing and store nothing.\n\nWrong:\n\n    on malformed(Packet pkt) { return pkt instanceof Ipv4 ? Pass : Drop; }\n\nRight:\n\n    on malformed(Packet pkt) { return Drop(MALFORMED); }\n"
    E601 "more authority is used than declared"
        "`uses` lists what a function does beyond reading and `Pass` or `Drop`. Public functions and methods must state it; inside it is inferred.\n\nWrong:\n\n    public function Marker() {\n        on transit(Packet pkt) { if (pkt instanceof Ipv4 ip) ip.dscp = 46; return Pass; }\n    }\n\nRight:\n\n    public function Marker() uses Rewrite {\n        on transit(Packet pkt) { if (pkt instanceof Ipv4 ip) ip.dscp = 46; return Pass; }\n    }\n"
    E602 "`Recirculate` needs `passes`"
        "A packet may run through a function a fixed number of times, which `passes N` behind `uses` states; one pass leaves nothing to recirculate.\n\nWrong:\n\n    function Again() uses Route { … return Recirculate; … }\n\nRight:\n\n    function Again() uses Route passes 2 { … return Recirculate; … }\n"
    E603 "there is no such capability"
        "The capabilities are `Rewrite`, `Resize`, `Route`, `Replicate`, `Control`, `State`, `Clock`, `Random` and `Report`.\n\nWrong:\n\n    function Marker() uses Write { … }\n\nRight:\n\n    function Marker() uses Rewrite { … }\n"
    E604 "where does this field live?"
        "A function has no memory of its own between packets. Memory travels with the packet (`carried`), lives on the node in a resource, or is a constant.\n\nWrong:\n\n    u32 count = 0;\n\nRight:\n\n    carried u32 count = 0;\n"
    E605 "there is no `carried` memory on a node"
        "`carried` memory travels in the packets of a contract. The handlers `ingress`, `egress` and `every` live on the node and see the packets of everybody.\n\nWrong:\n\n    on ingress(Packet pkt) { seen += 1; return Pass; }      // carried u8 seen\n\nRight:\n\n    on transit(Packet pkt) { seen += 1; return Pass; }\n"
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
    E820 "the file is no capture"
        "Captures are pcap files, with micro- or nanoseconds and in either byte order, and pcapng files. Compressed ones have to be decompressed first.\n\nWrong:\n\n    nflc run guard.nfl --pcap trace.pcap.gz\n\nRight:\n\n    gunzip trace.pcap.gz\n    nflc run guard.nfl --pcap trace.pcap\n"
    E821 "the capture is damaged"
        "A record is against the format, or the file ends in the middle of one, as when a capture was interrupted. The frames before it were read.\n\nWrong:\n\n    head -c 1000 trace.pcap > cut.pcap\n\nRight:\n\n    editcap -c 10 trace.pcap cut.pcap\n"
    E822 "the frames have several link types"
        "A pcap file says once what its frames begin with. A pcapng file with interfaces of several kinds cannot be written as one.\n\nWrong:\n\n    --pcap both.pcapng --write out.pcap\n\nRight:\n\n    --pcap ethernet.pcapng --write out.pcap\n"
    E831 "the byte verifier does not prove the image"
        "A node runs only what it proves on the bytes: every access in bounds, every loop with an end, every path to a verdict, the worst case within its limits. The message names the instruction and the rule. An image made by the compiler passes; one that was changed afterwards, or made by hand, may not.\n\nWrong:\n\n    lbu a2, 0(a3)    # nothing was put into a3\n\nRight:\n\n    lbu a2, 0(s0)    # s0 is the packet\n"
    E832 "the node's policy does not grant what the image asks for"
        "An image states its rights, its verdicts and its worst case, and a node loads it only when its policy grants them all.\n\nWrong:\n\n    an image that answers `Forward`, on a node that lets nobody forward\n\nRight:\n\n    uses Route    in the program, and `Route` in the node's policy\n"
    E833 "the handler broke a rule of the machine"
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
    E999 "an internal error"
        "The compiler broke one of its own rules. Nothing you wrote may cause this: please report it with the command line and the input.\n\nWrong:\n\n    any program after which this is printed\n\nRight:\n\n    the same program, once the defect is mended\n"
    W601 "more authority is declared than used"
        "Whoever signs reads `uses`; what is not used should not be asked for.\n\nWrong:\n\n    public function Filter() uses Rewrite { on transit(Packet pkt) { return Drop; } }\n\nRight:\n\n    public function Filter() { on transit(Packet pkt) { return Drop; } }\n"
}
