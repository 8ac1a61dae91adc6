//! How a service is called: where its arguments lie, what it answers, what it costs.
//!
//! In: an import and the resources of its image. Out: its [`Call`]. The compiler lays out arguments by
//! it, the byte verifier checks them by it, and the machine reads them by it.
//!
//! Arguments stand in `a0` to `a5`, one after another. A *block* of bytes (a key, a value, a record) is
//! packed into words, least significant byte first; when all blocks of a call and its plain words
//! fit into six registers they travel there, else each block is a scratch or constant address in one
//! register. Numbers of a block are little-endian, addresses in wire order (see the layout).

use super::{SERVICES, Service, Unit};
use crate::image::{Import, Resource, ResourceKind};

/// Registers for arguments: `a0` to `a5`.
pub const ARGS_MAX: usize = 6;

/// The largest number of a slot, a port and a group: each has 16 bits.
const SLOT_MAX: u32 = 0xffff;
const PORT_MAX: u32 = 0xffff;
const GROUP_MAX: u32 = 0xffff;

/// One argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arg {
    /// A plain number.
    Word,
    /// So many bytes: packed into registers, or behind an address, as [`Call::by_address`] says.
    Block(u16),
    /// So many bytes, always behind an address.
    Address(u16),
}

/// What a service answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Nothing: `a0` is undefined afterwards.
    Nothing,
    /// A number in `a0`, at most this.
    Word(u32),
    /// Numbers in `a0` and `a1`, each at most this.
    Two(u32, u32),
    /// The address of so many read-only bytes, or 0.
    Value(u16),
}

/// The shape of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// The service.
    pub service: &'static Service,
    /// Its arguments; those behind `len` mean nothing.
    args: [Arg; 3],
    len: u8,
    /// What it answers.
    pub answer: Answer,
    /// Its price in steps where no argument matters: base, and units known from the import.
    base: u32,
    /// The register whose proved upper bound is the number of units, for prices by argument.
    pub unit_register: Option<u8>,
    /// Whether it moves the packet: afterwards nothing is known of `s0` and `s1`.
    pub resizes: bool,
}

impl Call {
    /// The arguments in order.
    pub fn args(&self) -> &[Arg] {
        self.args.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Whether its blocks are addresses.
    pub fn by_address(&self) -> bool {
        let words = self.args().iter().map(|arg| match *arg {
            Arg::Block(bytes) => usize::from(bytes).div_ceil(4),
            Arg::Word | Arg::Address(_) => 1,
        });
        words.sum::<usize>() > ARGS_MAX
    }

    /// Its price in steps when the word in [`Call::unit_register`] is at most `most`.
    /// The jump to the slot is an instruction like any other: it costs one step besides.
    pub fn price(&self, most: u32) -> u32 {
        if self.unit_register.is_none() {
            return self.base;
        }
        let per = u64::from(most) * u64::from(self.service.per) / u64::from(self.service.div);
        let price = u64::from(self.base).saturating_add(per);
        u32::try_from(price).unwrap_or(u32::MAX)
    }

    /// For each register of the arguments, from `a0` on, whether it holds an address.
    pub fn operands(&self) -> impl Iterator<Item = bool> {
        let by_address = self.by_address();
        self.args().iter().flat_map(move |arg| {
            let (registers, is_address) = match *arg {
                Arg::Word => (1, false),
                Arg::Block(bytes) if !by_address => (usize::from(bytes).div_ceil(4), false),
                Arg::Block(_) | Arg::Address(_) => (1, true),
            };
            core::iter::repeat_n(is_address, registers)
        })
    }

    /// How many registers the arguments take.
    pub fn registers(&self) -> usize {
        self.operands().count()
    }
}

/// The shape of a call through this import; nothing when the import makes no sense.
pub fn call(import: &Import, resources: &[Resource]) -> Option<Call> {
    let service = Service::by_number(import.service)?;
    let resource = match import.resource {
        Some(at) => Some(resources.get(usize::from(at))?),
        None => None,
    };
    if resource
        .map(|r| r.kind)
        .is_some_and(|kind| !takes(service, kind))
    {
        return None;
    }
    if resource.is_none() && needs_resource(service) {
        return None;
    }
    let key = resource.map_or(0, |r| r.key_bytes);
    let value = resource.map_or(0, |r| r.value_bytes);
    let many = resource.is_some_and(|r| r.capacity > 1);
    let param = import.param;
    let found = |answer| {
        if value > 0 {
            Answer::Value(value)
        } else {
            answer
        }
    };
    let wide = |bytes: u16| match bytes {
        0..=4 => Answer::Word(u32::MAX),
        _ => Answer::Two(u32::MAX, u32::MAX),
    };
    let (args, answer): (&[Arg], Answer) = match service.name {
        "table.get" | "lpm.get" | "ternary.match" => (&[Arg::Block(key)], found(Answer::Nothing)),
        "set.contains" => (&[Arg::Block(key)], Answer::Word(1)),
        "ring.pick" => (&[Arg::Word], found(Answer::Nothing)),
        "flow.get" => (&[Arg::Block(key)], found(Answer::Word(1))),
        "flow.put" => (&[Arg::Block(key), Arg::Block(value)], Answer::Word(1)),
        "flow.remove" | "flow.touch" => (&[Arg::Block(key)], Answer::Word(1)),
        "slot.get" => (&[Arg::Word], found(Answer::Nothing)),
        "slot.take" => (&[Arg::Block(value)], Answer::Two(1, SLOT_MAX)),
        "slot.touch" | "slot.remove" => (&[Arg::Word], Answer::Word(1)),
        "register.get" if many => (&[Arg::Word], wide(value)),
        "register.get" => (&[], wide(value)),
        "register.set" if many => (&[Arg::Word, Arg::Block(value)], Answer::Nothing),
        "register.set" => (&[Arg::Block(value)], Answer::Nothing),
        "register.add" if many => (&[Arg::Word, Arg::Block(value)], wide(value)),
        "register.add" => (&[Arg::Block(value)], wide(value)),
        "counter.count" if key > 0 => (&[Arg::Block(key)], Answer::Nothing),
        "counter.count" if many => (&[Arg::Word], Answer::Nothing),
        "counter.count" => (&[], Answer::Nothing),
        "meter.charge" => (&[Arg::Block(key), Arg::Word], Answer::Word(2)),
        "packet.push" | "packet.append" => (&[], Answer::Nothing),
        "packet.pop" | "packet.cut" | "packet.mirror" | "packet.priority" => {
            (&[Arg::Word], Answer::Nothing)
        }
        "packet.flow" => (&[], Answer::Word(u32::MAX)),
        "flow.reverse" | "flow.hash" => (&[Arg::Word], Answer::Word(u32::MAX)),
        "hash.crc32c" => (&[Arg::Block(param)], Answer::Word(u32::MAX)),
        "hash.siphash" => (
            &[Arg::Word, Arg::Word, Arg::Block(param)],
            Answer::Word(u32::MAX),
        ),
        "bytes.find" => (
            &[Arg::Word, Arg::Word, Arg::Address(param)],
            Answer::Word(crate::map::PACKET_MAX),
        ),
        "bytes.sum" => (&[Arg::Word, Arg::Word], Answer::Word(0xffff)),
        "random" => (&[], Answer::Word(u32::MAX)),
        "tag.lookup" => (&[Arg::Block(key)], Answer::Two(1, PORT_MAX)),
        "topic.join" => (&[], Answer::Word(1)),
        "topic.members" => (&[], Answer::Word(GROUP_MAX)),
        "report" => (&[Arg::Block(value)], Answer::Nothing),
        // The low byte is the format's number, the high byte the words of its arguments.
        "log" => (&[Arg::Block((param >> 8) * 4)], Answer::Nothing),
        _ => return None,
    };
    let mut all = [Arg::Word; 3];
    all.iter_mut().zip(args).for_each(|(to, &arg)| *to = arg);
    let by_argument = matches!(service.name, "bytes.find" | "bytes.sum");
    let units = match service.unit {
        Unit::None => 0,
        Unit::Words if resource.is_some() => {
            u32::from(key).div_ceil(4) + u32::from(value).div_ceil(4)
        }
        Unit::Words => u32::from(param).div_ceil(4),
        Unit::Bytes if by_argument => 0,
        Unit::Bytes => u32::from(param),
        Unit::Rules => resource.map_or(0, |r| r.capacity),
    };
    let per = u64::from(units) * u64::from(service.per) / u64::from(service.div);
    let price = u64::from(service.base).saturating_add(per);
    Some(Call {
        service,
        args: all,
        len: u8::try_from(args.len()).ok()?,
        answer,
        base: u32::try_from(price).unwrap_or(u32::MAX),
        unit_register: by_argument.then_some(1),
        resizes: matches!(
            service.name,
            "packet.push" | "packet.pop" | "packet.append" | "packet.cut"
        ),
    })
}

fn needs_resource(service: &Service) -> bool {
    use ResourceKind as K;
    [
        K::Table,
        K::Lpm,
        K::Ternary,
        K::Set,
        K::Ring,
        K::FlowTable,
        K::Slots,
        K::Register,
        K::Counter,
        K::Meter,
        K::Report,
        K::Tags,
        K::Topic,
    ]
    .into_iter()
    .any(|kind| takes(service, kind))
}

/// Whether a service works on resources of this kind.
pub fn takes(service: &Service, kind: ResourceKind) -> bool {
    use ResourceKind as K;
    match service.name {
        "table.get" => kind == K::Table,
        "lpm.get" => kind == K::Lpm,
        "ternary.match" => kind == K::Ternary,
        "set.contains" => kind == K::Set,
        "ring.pick" => kind == K::Ring,
        "flow.get" | "flow.put" | "flow.remove" | "flow.touch" => {
            matches!(kind, K::FlowTable | K::FlowSet | K::FlowState)
        }
        "slot.get" | "slot.take" | "slot.touch" | "slot.remove" => kind == K::Slots,
        "register.get" | "register.set" | "register.add" => kind == K::Register,
        "counter.count" => matches!(kind, K::Counter | K::Counters),
        "meter.charge" => kind == K::Meter,
        "report" => kind == K::Report,
        "tag.lookup" => kind == K::Tags,
        "topic.join" | "topic.members" => kind == K::Topic,
        _ => false,
    }
}

/// The service of this name.
pub fn service(name: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|s| s.name == name)
}

/// What a service may touch beside its resource.
pub trait Memory {
    /// The packet from the handler's layer on.
    fn packet(&self) -> &[u8];
    /// The same, to be written.
    fn packet_mut(&mut self) -> &mut [u8];
    /// So many zero bytes in front of the packet; answers whether there was room.
    fn push(&mut self, bytes: u32) -> bool;
    /// Removes so many bytes in front; answers whether there were as many.
    fn pop(&mut self, bytes: u32) -> bool;
    /// So many zero bytes behind the packet; answers whether there was room.
    fn append(&mut self, bytes: u32) -> bool;
    /// Keeps the first so many bytes; a longer packet is cut, a shorter one stays.
    fn cut(&mut self, bytes: u32);
    /// Copies bytes from a scratch or constant address; answers whether all are readable.
    fn read(&self, address: u32, into: &mut [u8]) -> bool;
}

/// How a call ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Return {
    /// The words for `a0` and `a1`.
    Words(u32, u32),
    /// A resizing service found no room: the run ends with `Drop(NO_ROOM)`.
    NoRoom,
    /// The call makes no sense: the run ends with a fault.
    Fault,
}

/// A node's services, bound to the imports of one image.
pub trait Host {
    /// Calls import number `import` with the words of `a0` to `a5`.
    fn call(&mut self, import: usize, args: [u32; ARGS_MAX], memory: &mut dyn Memory) -> Return;
    /// The bytes from an address that a lookup of this run answered to the end of that value.
    fn value(&self, address: u32) -> Option<&[u8]>;
}

/// A node without services: every call is a fault.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoHost;

impl Host for NoHost {
    fn call(&mut self, _: usize, _: [u32; ARGS_MAX], _: &mut dyn Memory) -> Return {
        Return::Fault
    }

    fn value(&self, _: u32) -> Option<&[u8]> {
        None
    }
}
