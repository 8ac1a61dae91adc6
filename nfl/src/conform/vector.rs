//! Vectors and answers as they stand in lines of JSON.
//!
//! Guaranteed: what is written is read back equal. Bytes are hexadecimal digits. A field that an engine leaves out of its
//! answer is not compared.

use std::fmt;

use nfl_abi::host::{self, Arg, Service};
use nfl_abi::{Image, ImageError};
use nfl_isa::Target;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes, written as hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Hex(pub Vec<u8>);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<&[u8]> for Hex {
    fn from(bytes: &[u8]) -> Hex {
        Hex(bytes.to_vec())
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

struct HexVisitor;

impl Visitor<'_> for HexVisitor {
    type Value = Hex;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an even number of hexadecimal digits")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Hex, E> {
        let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
        let (pairs, rest) = text.as_bytes().as_chunks();
        let pairs = pairs
            .iter()
            .map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?));
        let bytes = pairs.collect::<Option<Vec<u8>>>();
        match bytes {
            Some(bytes) if rest.is_empty() => Ok(Hex(bytes)),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
        }
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Hex, D::Error> {
        from.deserialize_str(HexVisitor)
    }
}

/// What a vector is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Each instruction of each target, with operands at the borders.
    Instructions,
    /// What a node promises a handler: memory, registers, verdicts, lengths.
    Contract,
    /// Each service, hit and missed.
    Services,
    /// Code that breaks a rule: a node refuses it, or drops the packet.
    Faults,
    /// Whole functions over packets.
    Programs,
}

impl Group {
    /// All of them, in the order of reports.
    pub const ALL: &'static [Group] = &[
        Group::Instructions,
        Group::Contract,
        Group::Services,
        Group::Faults,
        Group::Programs,
    ];

    /// Its name in lines and reports.
    pub fn text(self) -> &'static str {
        match self {
            Group::Instructions => "instructions",
            Group::Contract => "contract",
            Group::Services => "services",
            Group::Faults => "faults",
            Group::Programs => "programs",
        }
    }
}

/// An image, whole and taken apart.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Program {
    /// What vectors call it.
    pub name: String,
    /// The image in its one byte form.
    pub image: Hex,
    /// `capsule` or `resident`. The verdict `Drop` of a capsule has the operand 0.
    pub profile: String,
    /// Its instruction set, as `--target` takes it.
    pub target: String,
    /// Whether the byte verifier accepts it. A node does not run what it refuses.
    pub proved: bool,
    /// Instructions, from the first address of code up.
    pub code: Hex,
    /// Constants, from the first address of constants up.
    pub constants: Hex,
    /// Bytes from the packet's start that are always readable.
    pub window: u8,
    /// Bit `n` is set when verdict number `n` may be the outcome.
    pub verdicts: u8,
    /// Its rights by name.
    pub rights: Vec<String>,
    /// Where it may be entered.
    pub entries: Vec<EntryLine>,
    /// Services it calls, by slot.
    pub imports: Vec<ImportLine>,
}

/// One way into a program.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EntryLine {
    /// When it runs.
    pub on: String,
    /// Offset of its first instruction in the code, in bytes.
    pub pc: u32,
    /// Shorter packets get the malformed verdict.
    pub need: u16,
    /// That verdict, as number and operand.
    pub malformed: [u32; 2],
    /// The steps that no run exceeds.
    pub steps: u32,
}

/// A service behind a slot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ImportLine {
    /// Its number.
    pub number: u8,
    /// Its name.
    pub service: String,
    /// The constant it takes.
    pub param: u16,
    /// The resource it works on, by name.
    pub resource: Option<String>,
    /// Its arguments, in `a0` and up.
    pub arguments: Vec<ArgumentLine>,
}

/// An argument of a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArgumentLine {
    /// A number in one register.
    Word {},
    /// So many bytes, packed into registers, least significant byte first.
    Packed(u16),
    /// So many bytes behind the address in one register.
    Address(u16),
}

impl Program {
    /// An image under a name.
    pub fn new(name: impl Into<String>, image: &Image, proved: bool) -> Program {
        let manifest = &image.manifest;
        let target = Target::by_id(manifest.target.0).unwrap_or(Target::DEFAULT);
        Program {
            name: name.into(),
            image: Hex(image.to_bytes()),
            profile: manifest.profile.text().to_string(),
            target: target.name.to_string(),
            proved,
            code: Hex(image.code.clone()),
            constants: Hex(image.constants.clone()),
            window: manifest.window,
            verdicts: manifest.verdicts,
            rights: manifest
                .rights
                .iter()
                .map(|right| right.text().into())
                .collect(),
            entries: manifest
                .entries
                .iter()
                .map(|entry| EntryLine {
                    on: entry.role.text().to_string(),
                    pc: entry.pc,
                    need: entry.need,
                    malformed: [
                        entry.malformed.kind.number().into(),
                        entry.malformed.operand,
                    ],
                    steps: entry.steps,
                })
                .collect(),
            imports: manifest
                .imports
                .iter()
                .map(|import| ImportLine {
                    number: import.service,
                    service: Service::by_number(import.service)
                        .map_or(String::new(), |service| service.name.to_string()),
                    param: import.param,
                    resource: import
                        .resource
                        .and_then(|at| manifest.resources.get(usize::from(at)))
                        .map(|resource| resource.name.clone()),
                    arguments: host::call(import, &manifest.resources)
                        .map_or(Vec::new(), |call| arguments(&call)),
                })
                .collect(),
        }
    }

    /// The image.
    ///
    /// # Errors
    ///
    /// When its bytes are none.
    pub fn image(&self) -> Result<Image, ImageError> {
        Image::from_bytes(&self.image.0)
    }
}

fn arguments(call: &host::Call) -> Vec<ArgumentLine> {
    let by_address = call.by_address();
    let arguments = call.args().iter().map(|&arg| match arg {
        Arg::Word => ArgumentLine::Word {},
        Arg::Block(bytes) if !by_address => ArgumentLine::Packed(bytes),
        Arg::Block(bytes) | Arg::Address(bytes) => ArgumentLine::Address(bytes),
    });
    arguments.collect()
}

/// A program, and runs of one of its entries on one state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Vector {
    /// Its name: group, then what it is about.
    pub name: String,
    /// What it is about.
    pub group: Group,
    /// The name of its program.
    pub program: String,
    /// The entry, by its place in the program.
    pub entry: usize,
    /// The runs, in order.
    pub runs: Vec<Run>,
    /// What is to come out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Answered>,
}

/// What one run is given.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// What the controller stores before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub world: Vec<Put>,
    /// The packet from the handler's layer on.
    pub packet: Hex,
    /// Bytes that it may grow by, in front and behind.
    pub room: [u32; 2],
    /// The words of the context, as code reads them.
    pub context: [u32; 8],
    /// The node's clock in nanoseconds, which code sees with the right `Clock` alone.
    pub clock_ns: u64,
    /// What the packet brings along.
    pub carried: Hex,
    /// What the services answer, in the order of the calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<CallAnswer>,
}

/// Something that a controller stores. Keys and values are the bytes that the resource's layout says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Put {
    /// A key with its value: tables, sets, rings, tags, topics.
    Entry {
        /// The resource.
        resource: String,
        /// The key.
        key: Hex,
        /// The value.
        value: Hex,
    },
    /// A prefix with its value.
    Prefix {
        /// The resource.
        resource: String,
        /// The address.
        address: Hex,
        /// How many of its bits count.
        bits: u16,
        /// The value.
        value: Hex,
    },
    /// A rule of a ternary table.
    Rule {
        /// The resource.
        resource: String,
        /// The lower one goes first.
        priority: u32,
        /// What a key must fit, each part.
        parts: Vec<PartLine>,
        /// The value.
        value: Hex,
    },
    /// A register.
    Register {
        /// The resource.
        resource: String,
        /// Its place.
        index: u32,
        /// Its bytes.
        value: Hex,
    },
    /// The rates of a meter: committed bits per second and burst in bytes, then the peak's.
    Rates {
        /// The resource.
        resource: String,
        /// The committed rate, in bits a second.
        committed_bps: u64,
        /// Its burst, in bytes.
        committed_burst: u32,
        /// The peak rate, in bits a second.
        peak_bps: u64,
        /// Its burst, in bytes.
        peak_burst: u32,
    },
    /// The seed of random numbers.
    Seed(u64),
}

/// A part of a ternary rule: a number in the key, and the interval it must lie in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartLine {
    /// Where it begins in the key.
    pub offset: u16,
    /// How many bytes it has.
    pub bytes: u8,
    /// Whether the most significant one is first.
    pub big_endian: bool,
    /// The smallest number that fits, most significant byte first.
    pub lo: Hex,
    /// The largest.
    pub hi: Hex,
}

/// What a service answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CallAnswer {
    /// The slot that is called.
    pub slot: usize,
    /// The words for `a0` and `a1`. When there is a value, `a0` becomes its address instead.
    pub words: [u32; 2],
    /// What the call costs in steps, beside the jump.
    pub price: u32,
    /// The bytes of the value that a lookup finds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Hex>,
    /// The packet afterwards, where the service moves it; its length is the new `s1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet: Option<Hex>,
    /// The word 12 of the context afterwards, where the service moves the packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<u32>,
    /// Whether the run ends here because the packet has no room to grow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_room: bool,
}

/// A call of a service as the engine saw it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Call {
    /// The slot.
    pub slot: usize,
    /// The arguments that are numbers, in order.
    pub words: Vec<u32>,
    /// The arguments that are blocks of bytes, in order.
    pub blocks: Vec<Hex>,
}

/// What came of the runs of a vector.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Answered {
    /// What came of each.
    pub runs: Vec<Answer>,
    /// What the resources that packets write hold afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Vec<Kept>>,
}

/// What came of one run: a verdict, or why there is none.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The verdict as number and operand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<[u32; 2]>,
    /// The rule that was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Stop>,
    /// The packet afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet: Option<Hex>,
    /// The `carried` area afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried: Option<Hex>,
    /// Instructions that ran, with the prices of services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
    /// The calls of services, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Vec<Call>>,
    /// What it did beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    /// The offsets in the code of the instructions that ran, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcs: Option<Vec<u32>>,
}

/// Why a run has no verdict.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stop {
    /// The rule, by its name.
    pub kind: String,
    /// Where, as an offset in the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pc: Option<u32>,
}

/// What a run did beside its verdict and its bytes.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Told {
    /// Copies that were sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<Mirrored>,
    /// The priority that was set last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// Records that were reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<Report>,
    /// Log lines: the number of the text, then its words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<(u8, Vec<u32>)>,
}

/// A copy of the packet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mirrored {
    /// The port it leaves by.
    pub port: u32,
    /// Its bytes.
    pub packet: Hex,
}

/// A record for the controller.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Its name.
    pub record: String,
    /// Its bytes.
    pub bytes: Hex,
}

/// What a resource holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// The resource.
    pub resource: String,
    /// Keys and values, by key. Slots and registers are keyed by four little-endian bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<(Hex, Hex)>,
    /// Counters by key or index that counted something.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<Count>,
}

/// A counter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Count {
    /// Its key, or its index as four little-endian bytes.
    pub key: Hex,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What an engine says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// The version of the protocol that it speaks.
    pub conformance: u32,
    /// Its name.
    pub engine: String,
    /// Its version.
    pub version: String,
    /// The targets it runs; vectors for others are skipped.
    pub targets: Vec<String>,
    /// Whether it refuses or stops code that breaks a rule. Without, the vectors for faults are skipped.
    #[serde(default)]
    pub faults: bool,
    /// Whether it can answer with the instructions that ran.
    #[serde(default)]
    pub trace: bool,
}

/// What the driver asks, one on a line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// What it is; the number is the version of the protocol.
    Hello(u32),
    /// To take a program.
    Program(Box<Program>),
    /// To run a vector of a program that it took. Nothing is expected in it.
    Vector(Box<Vector>),
    /// The same, and to answer with the instructions that ran.
    Trace(Box<Vector>),
}

/// What an engine answers, one on a line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// What it is.
    Hello(Hello),
    /// It took the program.
    Ready {},
    /// It does not run such a program: why the proof or the policy says no.
    Refused(String),
    /// It cannot try: why.
    Skipped(String),
    /// What came of the runs.
    Answered(Answered),
}
