//! The services of a node, over its state.
//!
//! In: the imports of one image, a [`State`], and the packet of one run. Out: answers, as the table
//! of services in the contract says. Guaranteed: every call with arguments that the byte verifier
//! accepts has an answer, and the same calls on equal states have the same. So an index behind the
//! end, an unknown flow and a region behind the packet's end are answered, not faulted: with zero,
//! with a miss, and with what lies before the end. A value is copied when a lookup finds it, and
//! stays the same until the run is over.

use nfl_abi::Layer;
use nfl_abi::hash::{crc32c, siphash32};
use nfl_abi::host::call::ARGS_MAX;
use nfl_abi::host::{self, Arg, Call, Host, Memory, Return};
use nfl_abi::image::{Import, Resource};

use crate::flow::{FlowTuple, Flows, network_offset};
use crate::outcome::{Effects, Mirror};
use crate::packet::Context;
use crate::state::State;
use crate::tables::Store;

/// The imports of an image, with the places of its resources in one state.
#[derive(Clone, Debug)]
pub struct Bound {
    pub(crate) slots: Vec<Slot>,
    pub(crate) stores: Vec<usize>,
}

/// One import.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    call: Call,
    param: u16,
    resource: Option<u8>,
    flow_key: bool,
}

impl Slot {
    /// An import, if it makes sense and this machine offers its service.
    pub(crate) fn new(import: &Import, resources: &[Resource]) -> Option<Slot> {
        let resource = import.resource.map(usize::from);
        let resource = resource.and_then(|at| resources.get(at));
        Some(Slot {
            call: host::call(import, resources)?,
            param: import.param,
            resource: import.resource,
            flow_key: resource.is_some_and(|resource| resource.flow_key),
        })
    }
}

/// Where the packet of a run begins.
#[derive(Clone, Copy, Debug)]
enum Begins {
    /// With its IP header.
    Network,
    /// With an Ethernet header; the IP header is at this offset.
    Link(Option<usize>),
    /// Unknown since the handler put something in front.
    Anywhere,
}

/// The services for one run.
#[derive(Debug)]
pub struct Services<'a> {
    bound: &'a Bound,
    state: &'a mut State,
    begins: Begins,
    /// The port on which the packet came in.
    port: u16,
    flows: Flows,
    values: Vec<Vec<u8>>,
    effects: Effects,
}

/// The largest value has 65,535 bytes, so each has 16 bits of addresses for itself.
const VALUE_SHIFT: u32 = 16;

impl<'a> Services<'a> {
    /// The services for a run of an image that was bound to this state. The state's clock goes on
    /// to the context's.
    pub fn new(
        bound: &'a Bound,
        state: &'a mut State,
        layer: Layer,
        context: &Context,
    ) -> Services<'a> {
        state.set_clock(context.clock_ns);
        Services {
            bound,
            state,
            begins: match layer {
                Layer::Network => Begins::Network,
                Layer::Link => Begins::Link(context.network_offset.map(usize::from)),
            },
            port: context.ingress_port as u16,
            flows: Flows::default(),
            values: Vec::new(),
            effects: Effects::default(),
        }
    }

    /// What the run did with the packet beside changing its bytes.
    pub fn into_effects(self) -> Effects {
        self.effects
    }

    fn answer(&mut self, import: usize, args: [u32; ARGS_MAX], memory: &mut dyn Memory) -> Return {
        let bound = self.bound;
        let Some(slot) = bound.slots.get(import) else {
            return Return::Fault;
        };
        let Some(given) = Given::read(&slot.call, args, memory) else {
            return Return::Fault;
        };
        let at = slot
            .resource
            .and_then(|at| bound.stores.get(usize::from(at)));
        match at {
            Some(&at) => {
                let bytes = memory.packet().len() as u32;
                self.on_resource(slot, at, &given, bytes)
            }
            None => self
                .on_packet(slot, &given, memory)
                .unwrap_or_else(|| self.on_words(slot, &given)),
        }
    }

    /// Services that work on a resource.
    fn on_resource(&mut self, slot: &Slot, at: usize, given: &Given, packet_bytes: u32) -> Return {
        let now_ns = self.state.clock_ns();
        let word = given.words[0];
        let [block, second] = &given.blocks;
        let tuple;
        let (key, known) = match slot.flow_key {
            true => {
                tuple = self.flows.tuple(le_word(block)).map(FlowTuple::to_bytes);
                (tuple.as_deref().unwrap_or(&[]), tuple.is_some())
            }
            false => (&block[..], true),
        };
        match slot.call.service.name {
            "meter.charge" => return one(self.state.charge(at, key, word) as u32),
            "report" => {
                self.state.report(at, block.clone());
                return nothing();
            }
            _ => {}
        }
        let port = self.port.to_le_bytes();
        let store = &mut self.state.stores[at];
        match (slot.call.service.name, store) {
            ("counter.count", Store::Counters(counters)) => {
                counters.count(word, packet_bytes);
                nothing()
            }
            ("counter.count", Store::KeyedCounters(counters)) => {
                counters.count(key, packet_bytes, now_ns);
                nothing()
            }
            (_, Store::Exact(_)) if !known => one(0),
            ("set.contains", Store::Exact(table)) => one(table.get(key, now_ns).is_some().into()),
            ("flow.get", Store::Exact(table)) if slot.is_bare() => {
                one(table.get(key, now_ns).is_some().into())
            }
            ("table.get" | "flow.get", Store::Exact(table)) => {
                let found = table.get(key, now_ns).map(<[u8]>::to_vec);
                self.found(found)
            }
            ("tag.lookup", Store::Exact(table)) => match table.get(key, now_ns) {
                Some(port) => Return::Words(1, le_word(port)),
                None => Return::Words(0, 0),
            },
            ("topic.join", Store::Exact(ports)) => one(ports.put(&port, &[], now_ns).into()),
            ("topic.members", Store::Exact(_)) => one(topic_group(at)),
            ("flow.put", Store::Exact(table)) => one(table.put(key, second, now_ns).into()),
            ("flow.remove", Store::Exact(table)) => one(table.remove(key, now_ns).into()),
            ("flow.touch", Store::Exact(table)) => one(table.touch(key, now_ns).into()),
            ("lpm.get", Store::Lpm(lpm)) => {
                let found = lpm.get(key).map(<[u8]>::to_vec);
                self.found(found)
            }
            ("ternary.match", Store::Ternary(ternary)) => {
                let found = ternary.get(key).map(<[u8]>::to_vec);
                self.found(found)
            }
            ("ring.pick", Store::Ring(ring)) => {
                let found = ring.pick(word).map(<[u8]>::to_vec);
                self.found(found)
            }
            ("slot.get", Store::Slots(slots)) => {
                let found = slots.get(word, now_ns).map(<[u8]>::to_vec);
                self.found(found)
            }
            ("slot.take", Store::Slots(slots)) => match slots.take(block, now_ns) {
                Some(slot) => Return::Words(1, slot),
                None => Return::Words(0, 0),
            },
            ("slot.touch", Store::Slots(slots)) => one(slots.touch(word, now_ns).into()),
            ("slot.remove", Store::Slots(slots)) => one(slots.remove(word, now_ns).into()),
            ("register.get", Store::Registers(registers)) => two(&registers.get(word)),
            ("register.set", Store::Registers(registers)) => {
                registers.set(word, block);
                nothing()
            }
            ("register.add", Store::Registers(registers)) => two(&registers.add(word, block)),
            _ => Return::Fault,
        }
    }

    /// Services that read or change the packet; nothing for others.
    fn on_packet(&mut self, slot: &Slot, given: &Given, memory: &mut dyn Memory) -> Option<Return> {
        let [first, second, _] = given.words;
        let param = u32::from(slot.param);
        let room = |there| if there { nothing() } else { Return::NoRoom };
        Some(match slot.call.service.name {
            "packet.push" => {
                let done = memory.push(param);
                self.pushed(param);
                room(done)
            }
            "packet.pop" => {
                let network = self.network_at(memory.packet());
                let done = memory.pop(first);
                self.begins = match network {
                    Some(at) if at as u64 == u64::from(first) => Begins::Network,
                    _ if first == 0 => self.begins,
                    _ => Begins::Anywhere,
                };
                room(done)
            }
            "packet.append" => room(memory.append(param)),
            "packet.cut" => {
                memory.cut(first);
                nothing()
            }
            "packet.mirror" => {
                let packet = memory.packet().to_vec();
                let mirror = Mirror {
                    port: first,
                    packet,
                };
                self.effects.mirrors.push(mirror);
                nothing()
            }
            "packet.flow" => {
                let packet = memory.packet();
                let at = self.network_at(packet);
                let packet = at.and_then(|at| packet.get(at..)).unwrap_or(&[]);
                one(self.flows.handle(FlowTuple::of(packet)))
            }
            "bytes.find" => {
                let pattern = &given.blocks[0];
                let region = region(memory.packet(), first, second);
                let found = match pattern.len() {
                    0 => Some(0),
                    len => region.windows(len).position(|window| window == pattern),
                };
                let behind = |at: usize| first + (at + pattern.len()) as u32;
                one(found.map_or(0, behind))
            }
            "bytes.sum" => one(ones_complement_sum(region(memory.packet(), first, second))),
            _ => return None,
        })
    }

    /// Services that need nothing but their arguments.
    fn on_words(&mut self, slot: &Slot, given: &Given) -> Return {
        let [first, second, _] = given.words;
        let block = &given.blocks[0];
        match slot.call.service.name {
            "packet.priority" => {
                self.effects.priority = Some(first);
                nothing()
            }
            "flow.reverse" => match self.flows.tuple(first).cloned() {
                Some(tuple) => one(self.flows.handle(tuple.reversed())),
                None => one(0),
            },
            "flow.hash" => {
                let tuple = self.flows.tuple(first);
                one(crc32c(&tuple.map(FlowTuple::to_bytes).unwrap_or_default()))
            }
            "hash.crc32c" => one(crc32c(block)),
            "hash.siphash" => {
                let key = u64::from(first) | u64::from(second) << 32;
                one(siphash32(key, block))
            }
            "random" => one(self.state.random()),
            "log" => {
                let (words, _) = block.as_chunks();
                let words = words.iter().map(|&word| u32::from_le_bytes(word));
                self.state.log(slot.param as u8, words.collect());
                nothing()
            }
            _ => Return::Fault,
        }
    }

    /// Keeps a value for the rest of the run; answers its address, or 0.
    fn found(&mut self, value: Option<Vec<u8>>) -> Return {
        let Some(value) = value else {
            return one(0);
        };
        self.values.push(value);
        match u32::try_from(self.values.len()) {
            Ok(number) if number <= u32::MAX >> VALUE_SHIFT => one(number << VALUE_SHIFT),
            _ => Return::Fault,
        }
    }

    fn pushed(&mut self, bytes: u32) {
        // A network handler puts network headers in front; what a link handler puts there is
        // asked when it is asked for, since its bytes are written later.
        if bytes > 0 && !matches!(self.begins, Begins::Network) {
            self.begins = Begins::Anywhere;
        }
    }

    /// The offset of the IP header.
    fn network_at(&self, packet: &[u8]) -> Option<usize> {
        match self.begins {
            Begins::Network => Some(0),
            Begins::Link(at) => at,
            Begins::Anywhere => network_offset(packet),
        }
    }
}

impl Slot {
    /// Whether entries have no values.
    fn is_bare(&self) -> bool {
        !matches!(self.call.answer, host::Answer::Value(_))
    }
}

impl Host for Services<'_> {
    fn call(&mut self, import: usize, args: [u32; ARGS_MAX], memory: &mut dyn Memory) -> Return {
        self.answer(import, args, memory)
    }

    fn value(&self, address: u32) -> Option<&[u8]> {
        let number = (address >> VALUE_SHIFT).checked_sub(1)?;
        let value = self.values.get(number as usize)?;
        value.get((address & u32::MAX >> VALUE_SHIFT) as usize..)
    }
}

/// The arguments of a call: its words in order, and its blocks in order.
struct Given {
    words: [u32; 3],
    blocks: [Vec<u8>; 2],
}

impl Given {
    fn read(call: &Call, args: [u32; ARGS_MAX], memory: &dyn Memory) -> Option<Given> {
        let mut registers = args.into_iter();
        let (mut words, mut blocks) = (Vec::new(), Vec::new());
        for &arg in call.args() {
            match arg {
                Arg::Word => words.push(registers.next()?),
                Arg::Block(bytes) if !call.by_address() => {
                    let many = usize::from(bytes).div_ceil(4);
                    let packed = registers.by_ref().take(many).flat_map(u32::to_le_bytes);
                    let mut block: Vec<u8> = packed.collect();
                    block.truncate(bytes.into());
                    blocks.push(block);
                }
                Arg::Block(bytes) | Arg::Address(bytes) => {
                    let mut block = vec![0; bytes.into()];
                    if !memory.read(registers.next()?, &mut block) {
                        return None;
                    }
                    blocks.push(block);
                }
            }
        }
        let mut given = Given {
            words: [0; 3],
            blocks: [Vec::new(), Vec::new()],
        };
        given
            .words
            .iter_mut()
            .zip(words)
            .for_each(|(to, w)| *to = w);
        given
            .blocks
            .iter_mut()
            .zip(blocks)
            .for_each(|(to, b)| *to = b);
        Some(given)
    }
}

/// The first number of the groups that topics have. The controller numbers its own groups below.
const TOPIC_GROUPS: u32 = 0x8000;

/// The group of a topic, by its place among the resources of the node.
pub(crate) fn topic_group(at: usize) -> u32 {
    TOPIC_GROUPS | at as u32 & (TOPIC_GROUPS - 1)
}

fn nothing() -> Return {
    Return::Words(0, 0)
}

fn one(word: u32) -> Return {
    Return::Words(word, 0)
}

/// A number of at most eight little-endian bytes.
fn two(bytes: &[u8]) -> Return {
    Return::Words(le_word(bytes), le_word(bytes.get(4..).unwrap_or(&[])))
}

fn le_word(bytes: &[u8]) -> u32 {
    let bytes = bytes.iter().take(4).rev();
    bytes.fold(0, |word, &byte| word << 8 | u32::from(byte))
}

/// At most `len` bytes of the packet from `start` on.
fn region(packet: &[u8], start: u32, len: u32) -> &[u8] {
    let rest = packet.get(start as usize..).unwrap_or(&[]);
    rest.get(..len as usize).unwrap_or(rest)
}

/// RFC 1071, over words in the byte order in which they lie: the first byte of a word is the low
/// one, and a last single byte has a zero behind it.
fn ones_complement_sum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2).map(le_word);
    words.fold(0, |sum, word| {
        let sum = sum + word;
        (sum & 0xffff) + (sum >> 16)
    })
}
