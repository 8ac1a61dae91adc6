//! A node's services for generated modules: every answer follows from the seed, the arguments and the
//! calls before.
//!
//! In: a module and a seed. Out: answers, and a trace of the calls that leave one. Guaranteed: calls that
//! only answer may come in any order and number, since their answers follow from their arguments alone.

use std::collections::BTreeMap;

use nfl_abi::host::call::ARGS_MAX;
use nfl_abi::host::{Answer, Arg, Call, Host, Memory, Return};

use crate::func::Module;
use crate::passes::ONLY_ANSWER;
use crate::testing::Rng;

/// Where values of lookups begin; each has room for the longest.
const VALUES_BASE: u32 = 0x1000_0000;
const VALUE_ROOM: u32 = 0x1_0000;

/// A service, what it is called on, and the bytes of its arguments.
type Question = (u8, Option<u8>, Vec<u8>);

/// The services of a node.
#[derive(Clone, Debug)]
pub struct Services {
    calls: Vec<(Option<u8>, Option<Call>, u32)>,
    seed: u64,
    /// Values that lookups found, at addresses in order.
    values: Vec<Vec<u8>>,
    /// Addresses of values by what was asked for them.
    known: BTreeMap<(Option<u8>, Vec<u8>), u32>,
    /// Calls that left a trace, in order.
    pub trace: Vec<Question>,
}

impl Services {
    /// The services that a module imports.
    pub fn new(m: &Module, seed: u64) -> Services {
        let calls = m.imports.iter().map(|(_, import)| {
            let call = nfl_abi::host::call(import, &m.resources);
            (import.resource, call, u32::from(import.param))
        });
        Services {
            calls: calls.collect(),
            seed,
            values: Vec::new(),
            known: BTreeMap::new(),
            trace: Vec::new(),
        }
    }

    /// A number that follows from a question, and from what was traced where that counts.
    fn number(&self, question: &Question) -> Rng {
        let mut rng = Rng::new(self.seed ^ u64::from(question.0) << 32);
        let resource = question.1.map_or(0, u64::from);
        for part in question.2.iter().map(|&b| u64::from(b)).chain([resource]) {
            rng = Rng::new(rng.number() ^ part);
        }
        rng
    }

    fn value_address(&mut self, question: &Question, bytes: u16) -> u32 {
        let known = (question.1, question.2.clone());
        if let Some(&address) = self.known.get(&known) {
            return address;
        }
        let mut rng = self.number(question);
        let address = if rng.chance(40) {
            0
        } else {
            let value = (0..bytes).map(|_| rng.number() as u8);
            self.values.push(value.collect());
            VALUES_BASE + (self.values.len() as u32 - 1) * VALUE_ROOM
        };
        self.known.insert(known, address);
        address
    }
}

/// The bytes of a call's arguments; nothing where an address is none.
fn arguments(call: &Call, words: &[u32; ARGS_MAX], memory: &dyn Memory) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    let mut words = words.iter();
    for &arg in call.args() {
        let behind = match arg {
            Arg::Block(bytes) if call.by_address() => Some(bytes),
            Arg::Address(bytes) => Some(bytes),
            _ => None,
        };
        if let Some(bytes) = behind {
            let mut block = vec![0; usize::from(bytes)];
            if !memory.read(*words.next()?, &mut block) {
                return None;
            }
            all.extend(block);
            continue;
        }
        let bytes = match arg {
            Arg::Block(bytes) => usize::from(bytes),
            _ => 4,
        };
        let start = all.len();
        for _ in 0..bytes.div_ceil(4) {
            all.extend(words.next()?.to_le_bytes());
        }
        all.truncate(start + bytes);
    }
    Some(all)
}

impl Host for Services {
    fn call(&mut self, import: usize, args: [u32; ARGS_MAX], memory: &mut dyn Memory) -> Return {
        let Some(&(resource, Some(call), param)) = self.calls.get(import) else {
            return Return::Fault;
        };
        let Some(mut bytes) = arguments(&call, &args, memory) else {
            return Return::Fault;
        };
        let name = call.service.name;
        if matches!(name, "bytes.find" | "bytes.sum" | "packet.flow") {
            // They look at the packet.
            bytes.extend(memory.packet());
        }
        let mut question = (call.service.number, resource, bytes);
        let leaves_trace = !ONLY_ANSWER.contains(&name);
        if leaves_trace {
            self.trace.push(question.clone());
        }
        if leaves_trace || name == "register.get" {
            // What was done before may have changed the answer.
            let before = self.trace.iter().filter(|done| done.1 == resource);
            question.2.push(before.count() as u8);
        }
        let went = match name {
            "packet.push" => memory.push(param),
            "packet.append" => memory.append(param),
            "packet.pop" => memory.pop(args[0]),
            "packet.cut" => {
                memory.cut(args[0]);
                true
            }
            _ => true,
        };
        if !went {
            return Return::NoRoom;
        }
        let mut rng = self.number(&question);
        let below = |rng: &mut Rng, most: u32| (rng.number() % (u64::from(most) + 1)) as u32;
        match call.answer {
            // A position lies in the packet.
            Answer::Word(_) if name == "bytes.find" => {
                Return::Words(below(&mut rng, memory.packet().len() as u32), 0)
            }
            Answer::Nothing => Return::Words(0, 0),
            Answer::Word(most) => Return::Words(below(&mut rng, most), 0),
            Answer::Two(most, second) => {
                let first = below(&mut rng, most);
                Return::Words(first, below(&mut rng, second))
            }
            Answer::Value(bytes) => Return::Words(self.value_address(&question, bytes), 0),
        }
    }

    fn value(&self, address: u32) -> Option<&[u8]> {
        let inside = address.checked_sub(VALUES_BASE)?;
        let value = self.values.get((inside / VALUE_ROOM) as usize)?;
        value.get((inside % VALUE_ROOM) as usize..)
    }
}
