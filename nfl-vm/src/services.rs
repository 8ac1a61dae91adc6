//! The services of a node, over its state.
//!
//! In: the imports of one image, a [`State`], and the packet of one run. Out: answers, as the table
//! of services in the contract says. Guaranteed: every call with arguments that the byte verifier
//! accepts has an answer, and the same calls on equal states have the same. So an index behind the
//! end, an unknown flow and a region behind the packet's end are answered, not faulted: with zero,
//! with a miss, and with what lies before the end. A value that a lookup finds stays the same, where it
//! stands, until the run is over. No call asks for memory, but for what packets tell and mirror.

use std::mem;

use nfl_abi::Layer;
use nfl_abi::hash::{crc32c, siphash32};
use nfl_abi::host::call::ARGS_MAX;
use nfl_abi::host::{self, Arg, Call, Host, Memory, Return};
use nfl_abi::image::{Import, Resource};

use crate::flow::{FLOW_KEY_BYTES, FlowKey, FlowTuple, Flows, flow_of, network_offset};
#[cfg(feature = "jit")]
use crate::jit::Roots;
use crate::outcome::{Done, Effects, Mirror};
use crate::packet::Context;
use crate::state::State;
#[cfg(feature = "jit")]
use crate::tables::{Aged, KeyedCounters, Now, Sought};
use crate::tables::{Filled, Store};

/// The imports of an image, with the places of its resources in one state.
#[derive(Clone, Debug)]
pub struct Bound {
    slots: Vec<Slot>,
    /// The places of the resources alone, for those who need nothing else: [`NOWHERE`] where there is none.
    #[cfg(feature = "jit")]
    places: Vec<u32>,
    #[cfg(feature = "jit")]
    roots: Roots,
}

/// No place in a state.
#[cfg(feature = "jit")]
const NOWHERE: u32 = u32::MAX;

impl Bound {
    /// Imports, with the places of the image's resources in a state.
    pub(crate) fn new(mut slots: Vec<Slot>, stores: &[usize]) -> Bound {
        for slot in &mut slots {
            let store = slot.resource.and_then(|at| stores.get(usize::from(at)));
            slot.store = store.copied();
        }
        Bound {
            #[cfg(feature = "jit")]
            places: slots.iter().map(Slot::place).collect(),
            #[cfg(feature = "jit")]
            roots: Roots::new(slots.len()),
            slots,
        }
    }

    /// Finds where lookups begin, unless nothing of that has changed since the run before.
    #[cfg(feature = "jit")]
    pub(crate) fn follow(&mut self, state: &State) {
        self.roots.follow(&self.places, &state.stores);
    }

    /// Whether nothing of that has changed since it was found.
    #[cfg(feature = "jit")]
    #[inline(always)]
    pub(crate) fn follows(&self, state: &State) -> bool {
        self.roots.are_of(&state.stores)
    }
}

/// One import.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    call: Call,
    op: Op,
    by_address: bool,
    /// Whether entries have no values.
    bare: bool,
    param: u16,
    resource: Option<u8>,
    /// The place of its resource in the state.
    store: Option<usize>,
    flow_key: bool,
}

impl Slot {
    /// An import, if it makes sense and this machine offers its service.
    pub(crate) fn new(import: &Import, resources: &[Resource]) -> Option<Slot> {
        let resource = import.resource.map(usize::from);
        let resource = resource.and_then(|at| resources.get(at));
        let call = host::call(import, resources)?;
        Some(Slot {
            op: Op::of(call.service.name)?,
            by_address: call.by_address(),
            bare: !matches!(call.answer, host::Answer::Value(_)),
            param: import.param,
            resource: import.resource,
            store: None,
            flow_key: resource.is_some_and(|resource| resource.flow_key),
            call,
        })
    }

    #[cfg(feature = "jit")]
    fn place(&self) -> u32 {
        let place = self.store.and_then(|at| u32::try_from(at).ok());
        place.unwrap_or(NOWHERE)
    }
}

/// What a service does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    Get,
    Contains,
    Pick,
    Put,
    Remove,
    Touch,
    SlotGet,
    SlotTake,
    SlotTouch,
    SlotRemove,
    RegisterGet,
    RegisterSet,
    RegisterAdd,
    Count,
    Charge,
    Push,
    Pop,
    Append,
    Cut,
    Mirror,
    Flow,
    Crc,
    Sip,
    Find,
    Sum,
    Random,
    Report,
    Log,
    Tag,
    Join,
    Members,
    Priority,
    Reverse,
    FlowHash,
}

impl Op {
    fn of(service: &str) -> Option<Op> {
        Some(match service {
            "table.get" | "lpm.get" | "ternary.match" | "flow.get" => Op::Get,
            "set.contains" => Op::Contains,
            "ring.pick" => Op::Pick,
            "flow.put" => Op::Put,
            "flow.remove" => Op::Remove,
            "flow.touch" => Op::Touch,
            "slot.get" => Op::SlotGet,
            "slot.take" => Op::SlotTake,
            "slot.touch" => Op::SlotTouch,
            "slot.remove" => Op::SlotRemove,
            "register.get" => Op::RegisterGet,
            "register.set" => Op::RegisterSet,
            "register.add" => Op::RegisterAdd,
            "counter.count" => Op::Count,
            "meter.charge" => Op::Charge,
            "packet.push" => Op::Push,
            "packet.pop" => Op::Pop,
            "packet.append" => Op::Append,
            "packet.cut" => Op::Cut,
            "packet.mirror" => Op::Mirror,
            "packet.flow" => Op::Flow,
            "hash.crc32c" => Op::Crc,
            "hash.siphash" => Op::Sip,
            "bytes.find" => Op::Find,
            "bytes.sum" => Op::Sum,
            "random" => Op::Random,
            "report" => Op::Report,
            "log" => Op::Log,
            "tag.lookup" => Op::Tag,
            "topic.join" => Op::Join,
            "topic.members" => Op::Members,
            "packet.priority" => Op::Priority,
            "flow.reverse" => Op::Reverse,
            "flow.hash" => Op::FlowHash,
            _ => return None,
        })
    }
}

/// Memory that runs use one after another, so that none has to ask for it.
#[derive(Debug, Default)]
pub(crate) struct RunMemory {
    flows: Flows,
    found: Vec<Found>,
    mirrors: Vec<Mirror>,
    given: Given,
}

impl RunMemory {
    /// Forgets the run before.
    pub(crate) fn clear(&mut self) {
        self.flows.clear();
        self.found.clear();
        self.mirrors.clear();
    }
}

/// A value that a lookup found: in which store, and where there.
#[derive(Clone, Copy, Debug)]
struct Found {
    store: usize,
    at: u32,
}

/// Where the packet of a run begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Begins {
    /// Where it began when the run began: with the header of the handler's layer.
    There,
    /// With its IP header.
    Network,
    /// Unknown since the handler put something in front.
    Anywhere,
}

/// The services for one run.
#[derive(Debug)]
pub struct Services<'a> {
    bound: &'a Bound,
    state: &'a mut State,
    layer: Layer,
    context: &'a Context,
    begins: Begins,
    priority: Option<u32>,
}

/// The largest value has 65,535 bytes, so each has 16 bits of addresses for itself.
const VALUE_SHIFT: u32 = 16;

impl<'a> Services<'a> {
    /// The services for a run of an image that was bound to this state. The state's clock goes on
    /// to the context's.
    #[inline(always)]
    pub fn new(
        bound: &'a Bound,
        state: &'a mut State,
        layer: Layer,
        context: &'a Context,
    ) -> Services<'a> {
        state.begin(context.clock_ns);
        Services::begun(bound, state, layer, context)
    }

    /// The same for a run that has begun.
    #[inline(always)]
    pub(crate) fn begun(
        bound: &'a Bound,
        state: &'a mut State,
        layer: Layer,
        context: &'a Context,
    ) -> Services<'a> {
        Services {
            bound,
            state,
            layer,
            context,
            begins: Begins::There,
            priority: None,
        }
    }

    /// Whether the run did anything with the packet beside changing its bytes.
    #[cfg(feature = "jit")]
    #[inline]
    pub(crate) fn has_effects(&self) -> bool {
        self.priority.is_some() || !self.state.run.memory.mirrors.is_empty()
    }

    /// What the run did with the packet beside changing its bytes.
    pub fn into_effects(mut self) -> Effects {
        self.take_effects()
    }

    /// The same; it did nothing from now on.
    pub(crate) fn take_effects(&mut self) -> Effects {
        Effects::new(Done {
            mirrors: mem::take(&mut self.state.run.memory.mirrors),
            priority: self.priority.take(),
        })
    }

    /// What a lookup through this import finds under a key: `table.get`, `lpm.get`, `ternary.match` and
    /// `flow.get`, for engines that have the key at hand. A flow is four bytes, its handle. The value
    /// stays where it is until the run is over.
    pub fn lookup(&mut self, import: usize, key: &[u8]) -> Option<&[u8]> {
        let slot = self.bound.slots.get(import)?;
        let Found { store, at } = self.find(slot, slot.store?, key)?;
        Some(self.state.stores[store].value(at))
    }

    /// Where lookups begin that host code asks for.
    #[cfg(feature = "jit")]
    #[inline(always)]
    pub(crate) fn roots(&self) -> &Roots {
        &self.bound.roots
    }

    /// A table of exact keys that packets fill, and the time.
    #[cfg(feature = "jit")]
    #[inline(always)]
    pub(crate) fn aged(&mut self, import: usize) -> Option<(&mut Aged, Now)> {
        let now = self.state.now();
        match self.store_mut(import)? {
            Store::Exact(table) => Some((table, now)),
            _ => None,
        }
    }

    /// The counters by key at a place.
    #[cfg(feature = "jit")]
    #[inline(always)]
    pub(crate) fn counters(&mut self, place: u32) -> Option<&mut KeyedCounters> {
        match self.state.stores.in_run(place as usize)? {
            Store::KeyedCounters(counters) => Some(counters),
            _ => None,
        }
    }

    /// Counts a packet of so many bytes there by a key that was counted before; answers whether it was.
    #[cfg(feature = "jit")]
    #[inline(always)]
    pub(crate) fn count_known(&mut self, place: u32, key: impl Sought, bytes: u32) -> bool {
        let now = self.state.now();
        let counters = self.counters(place);
        counters.is_some_and(|counters| counters.count_known(key, bytes, now))
    }

    /// Whether a set, or a flow table without values, has a key.
    #[cfg(feature = "jit")]
    pub(crate) fn has(&mut self, import: usize, key: &[u8]) -> bool {
        let bound = self.bound;
        let Some((slot, store)) = bound
            .slots
            .get(import)
            .and_then(|slot| Some((slot, slot.store?)))
        else {
            return false;
        };
        self.find(slot, store, key).is_some()
    }

    /// Counts a packet of so many bytes by an index. A manifest may have keys without bytes; all are the same.
    #[cfg(feature = "jit")]
    pub(crate) fn count(&mut self, import: usize, index: u32, bytes: u32) {
        let now = self.state.now();
        match self.store_mut(import) {
            Some(Store::Counters(counters)) => counters.count(index, bytes),
            Some(Store::KeyedCounters(counters)) => counters.count(&[], bytes, now),
            _ => {}
        }
    }

    /// The same by a key. A manifest may have one where nothing is kept by keys; then the first counter counts.
    #[cfg(feature = "jit")]
    pub(crate) fn count_key(&mut self, import: usize, key: &[u8], bytes: u32) {
        let now = self.state.now();
        let by_flow = self
            .bound
            .slots
            .get(import)
            .is_some_and(|slot| slot.flow_key);
        let tuple = match by_flow {
            true => self.state.run.memory.flows.tuple(le_word(key)),
            false => None,
        };
        let tuple = tuple.map_or([0; FLOW_KEY_BYTES], FlowTuple::key);
        match self.store_mut(import) {
            Some(Store::KeyedCounters(counters)) => {
                counters.count(if by_flow { &tuple } else { key }, bytes, now);
            }
            Some(Store::Counters(counters)) => counters.count(0, bytes),
            _ => {}
        }
    }

    /// The number in a register of at most eight bytes.
    #[cfg(feature = "jit")]
    pub(crate) fn register(&mut self, import: usize, index: u32) -> u64 {
        match self.store(import) {
            Some(Store::Registers(registers)) => registers.number(index),
            _ => 0,
        }
    }

    #[cfg(feature = "jit")]
    #[inline(always)]
    fn store(&self, import: usize) -> Option<&Store> {
        let &place = self.bound.places.get(import)?;
        self.state.stores.get(place as usize)
    }

    #[cfg(feature = "jit")]
    #[inline(always)]
    fn store_mut(&mut self, import: usize) -> Option<&mut Store> {
        let &place = self.bound.places.get(import)?;
        self.state.stores.in_run(place as usize)
    }

    #[inline]
    fn find(&mut self, slot: &Slot, store: usize, key: &[u8]) -> Option<Found> {
        let now = self.state.now();
        let tuple;
        let key = match slot.flow_key {
            true => {
                tuple = self.state.run.memory.flows.tuple(le_word(key))?.key();
                &tuple[..]
            }
            false => key,
        };
        let at = match self.state.stores.in_run(store)? {
            Store::Exact(table) => table.find(key, now),
            Store::Filled(filled) => match &**filled {
                Filled::Exact(table) => table.seek(key, now.ns),
                Filled::Lpm(lpm) => lpm.find(key),
                // The parts of a rule lie in the tuple itself.
                Filled::Ternary(ternary) if slot.flow_key => ternary.find(flow_of(key)),
                Filled::Ternary(ternary) => ternary.find(key),
                Filled::Ring(_) => None,
            },
            _ => None,
        };
        Some(Found { store, at: at? })
    }

    fn answer(&mut self, import: usize, args: [u32; ARGS_MAX], memory: &mut dyn Memory) -> Return {
        let Some(slot) = self.bound.slots.get(import) else {
            return Return::Fault;
        };
        self.state.run.pending = true;
        let mut given = mem::take(&mut self.state.run.memory.given);
        let answer = match (given.read(slot, args, memory), slot.store) {
            (None, _) => Return::Fault,
            (Some(()), Some(store)) => {
                let bytes = memory.packet().len() as u32;
                self.on_resource(slot, store, &given, bytes)
            }
            (Some(()), None) => self
                .on_packet(slot, &given, memory)
                .unwrap_or_else(|| self.on_words(slot, &given)),
        };
        self.state.run.memory.given = given;
        answer
    }

    /// Services that work on a resource.
    fn on_resource(&mut self, slot: &Slot, at: usize, given: &Given, packet_bytes: u32) -> Return {
        let [block, second] = &given.blocks;
        match slot.op {
            Op::Contains => return one(self.find(slot, at, block).is_some().into()),
            Op::Tag => {
                let port = self.find(slot, at, block);
                return port.map_or(Return::Words(0, 0), |Found { store, at }| {
                    Return::Words(1, le_word(self.state.stores[store].value(at)))
                });
            }
            Op::Get if slot.bare => return one(self.find(slot, at, block).is_some().into()),
            Op::Get => {
                let found = self.find(slot, at, block);
                return self.found(found);
            }
            Op::Report => {
                self.state.report(at, block);
                return nothing();
            }
            _ => {}
        }
        let now = self.state.now();
        let word = given.words[0];
        let mut tuple: FlowKey = [0; FLOW_KEY_BYTES];
        let (key, known) = match slot.flow_key {
            true => {
                let of = self.state.run.memory.flows.tuple(le_word(block));
                tuple = of.map_or(tuple, FlowTuple::key);
                (&tuple[..], of.is_some())
            }
            false => (&block[..], true),
        };
        let Some(store) = self.state.stores.in_run(at) else {
            return Return::Fault;
        };
        match (slot.op, store) {
            (Op::Count, Store::Counters(counters)) => {
                counters.count(word, packet_bytes);
                nothing()
            }
            (Op::Count, Store::KeyedCounters(counters)) => {
                counters.count(key, packet_bytes, now);
                nothing()
            }
            (Op::Charge, Store::Meter(meter)) => one(meter.charge(key, word, now) as u32),
            (_, Store::Exact(_)) if !known => one(0),
            (Op::Join, Store::Exact(ports)) => {
                let port = self.context.ingress_port as u16;
                one(ports.put(&port.to_le_bytes(), &[], now).into())
            }
            (Op::Members, Store::Exact(_)) => one(topic_group(at)),
            (Op::Put, Store::Exact(table)) => one(table.put(key, second, now).into()),
            (Op::Remove, Store::Exact(table)) => one(table.remove(key, now).into()),
            (Op::Touch, Store::Exact(table)) => one(table.touch(key, now).into()),
            (Op::Pick, Store::Filled(filled)) => {
                let found = filled.pick(word).map(|member| Found {
                    store: at,
                    at: member,
                });
                self.found(found)
            }
            (Op::SlotGet, Store::Slots(slots)) => {
                let cell = slots.find(word, now);
                let found = cell.map(|cell| Found {
                    store: at,
                    at: cell,
                });
                self.found(found)
            }
            (Op::SlotTake, Store::Slots(slots)) => match slots.take(block, now) {
                Some(slot) => Return::Words(1, slot),
                None => Return::Words(0, 0),
            },
            (Op::SlotTouch, Store::Slots(slots)) => one(slots.touch(word, now).into()),
            (Op::SlotRemove, Store::Slots(slots)) => one(slots.remove(word, now).into()),
            (Op::RegisterGet, Store::Registers(registers)) => two(registers.number(word)),
            (Op::RegisterSet, Store::Registers(registers)) => {
                registers.set(word, block);
                nothing()
            }
            (Op::RegisterAdd, Store::Registers(registers)) => two(registers.add(word, block)),
            _ => Return::Fault,
        }
    }

    /// Services that read or change the packet; nothing for others.
    fn on_packet(&mut self, slot: &Slot, given: &Given, memory: &mut dyn Memory) -> Option<Return> {
        let [first, second, _] = given.words;
        let param = u32::from(slot.param);
        let room = |there| if there { nothing() } else { Return::NoRoom };
        Some(match slot.op {
            Op::Push => {
                let done = memory.push(param);
                self.pushed(param);
                room(done)
            }
            Op::Pop => {
                let network = self.network_at(memory.packet());
                let done = memory.pop(first);
                self.begins = match network {
                    Some(at) if at as u64 == u64::from(first) => Begins::Network,
                    _ if first == 0 => self.begins,
                    _ => Begins::Anywhere,
                };
                room(done)
            }
            Op::Append => room(memory.append(param)),
            Op::Cut => {
                memory.cut(first);
                nothing()
            }
            Op::Mirror => {
                let packet = memory.packet().to_vec();
                let mirror = Mirror {
                    port: first,
                    packet,
                };
                self.state.run.memory.mirrors.push(mirror);
                nothing()
            }
            Op::Flow => {
                let packet = memory.packet();
                let at = self.network_at(packet);
                let packet = at.and_then(|at| packet.get(at..)).unwrap_or(&[]);
                one(self.state.run.memory.flows.handle(FlowTuple::of(packet)))
            }
            Op::Find => {
                let pattern = &given.blocks[0];
                let region = region(memory.packet(), first, second);
                let found = match pattern.len() {
                    0 => Some(0),
                    len => region.windows(len).position(|window| window == pattern),
                };
                let behind = |at: usize| first + (at + pattern.len()) as u32;
                one(found.map_or(0, behind))
            }
            Op::Sum => one(ones_complement_sum(region(memory.packet(), first, second))),
            _ => return None,
        })
    }

    /// Services that need nothing but their arguments.
    fn on_words(&mut self, slot: &Slot, given: &Given) -> Return {
        let [first, second, _] = given.words;
        let block = &given.blocks[0];
        match slot.op {
            Op::Priority => {
                self.priority = Some(first);
                nothing()
            }
            Op::Reverse => match self.state.run.memory.flows.tuple(first).copied() {
                Some(tuple) => one(self.state.run.memory.flows.handle(tuple.reversed())),
                None => one(0),
            },
            Op::FlowHash => {
                let tuple = self.state.run.memory.flows.tuple(first);
                one(tuple.map_or(crc32c(&[]), |tuple| crc32c(flow_of(&tuple.key()))))
            }
            Op::Crc => one(crc32c(block)),
            Op::Sip => {
                let key = u64::from(first) | u64::from(second) << 32;
                one(siphash32(key, block))
            }
            Op::Random => one(self.state.random()),
            Op::Log => {
                let (words, _) = block.as_chunks();
                let words = words.iter().map(|&word| u32::from_le_bytes(word));
                self.state.log(slot.param as u8, words.collect());
                nothing()
            }
            _ => Return::Fault,
        }
    }

    /// Keeps for the rest of the run where a value stands; answers its address, or 0.
    #[inline]
    fn found(&mut self, found: Option<Found>) -> Return {
        let Some(found) = found else {
            return one(0);
        };
        let known = &mut self.state.run.memory.found;
        known.push(found);
        match u32::try_from(known.len()) {
            Ok(number) if number <= u32::MAX >> VALUE_SHIFT => one(number << VALUE_SHIFT),
            _ => Return::Fault,
        }
    }

    fn pushed(&mut self, bytes: u32) {
        // A network handler puts network headers in front; what a link handler puts there is
        // asked when it is asked for, since its bytes are written later.
        if bytes > 0 && !self.begins_with_network() {
            self.begins = Begins::Anywhere;
        }
    }

    /// The offset of the IP header.
    fn network_at(&self, packet: &[u8]) -> Option<usize> {
        match self.begins {
            _ if self.begins_with_network() => Some(0),
            Begins::There => self.context.network_offset.map(usize::from),
            _ => network_offset(packet),
        }
    }

    fn begins_with_network(&self) -> bool {
        match self.begins {
            Begins::There => self.layer == Layer::Network,
            begins => begins == Begins::Network,
        }
    }
}

impl Host for Services<'_> {
    fn call(&mut self, import: usize, args: [u32; ARGS_MAX], memory: &mut dyn Memory) -> Return {
        self.answer(import, args, memory)
    }

    fn value(&self, address: u32) -> Option<&[u8]> {
        let number = (address >> VALUE_SHIFT).checked_sub(1)?;
        let &Found { store, at } = self.state.run.memory.found.get(number as usize)?;
        let value = self.state.stores.get(store)?.value(at);
        value.get((address & u32::MAX >> VALUE_SHIFT) as usize..)
    }
}

/// The arguments of a call: its words in order, and its blocks in order.
#[derive(Debug, Default)]
struct Given {
    words: [u32; 3],
    blocks: [Vec<u8>; 2],
}

impl Given {
    fn read(&mut self, slot: &Slot, args: [u32; ARGS_MAX], memory: &dyn Memory) -> Option<()> {
        self.words = [0; 3];
        let mut words = self.words.iter_mut();
        let mut blocks = self.blocks.iter_mut();
        let mut registers = args.into_iter();
        for &arg in slot.call.args() {
            match arg {
                Arg::Word => *words.next()? = registers.next()?,
                Arg::Block(bytes) if !slot.by_address => {
                    let block = blocks.next()?;
                    block.clear();
                    for word in registers.by_ref().take(usize::from(bytes).div_ceil(4)) {
                        block.extend_from_slice(&word.to_le_bytes());
                    }
                    block.truncate(bytes.into());
                }
                Arg::Block(bytes) | Arg::Address(bytes) => {
                    let block = blocks.next()?;
                    block.clear();
                    block.resize(bytes.into(), 0);
                    if !memory.read(registers.next()?, block) {
                        return None;
                    }
                }
            }
        }
        // What a call before had given is no argument of this one.
        blocks.for_each(Vec::clear);
        Some(())
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

fn two(number: u64) -> Return {
    Return::Words(number as u32, (number >> 32) as u32)
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
