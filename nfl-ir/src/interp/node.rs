//! A node on which nothing happened yet: its tables are empty, its registers are 0, its meters are full.
//!
//! In: a module. Out: the answers of its services. Guaranteed: a real node may give every answer that is given
//! here; where an answer follows from what this node does not keep, the call is refused.

use std::collections::{BTreeMap, BTreeSet};

use nfl_abi::hash::{crc32c, siphash32};
use nfl_abi::host::call::ARGS_MAX;
use nfl_abi::host::{Answer, Arg, Call, Host, Memory, Return};

use crate::func::Module;

/// The services of such a node.
#[derive(Clone, Debug)]
pub struct EmptyNode {
    calls: Vec<Option<Bound>>,
    /// The resources that were changed: it is no longer known what lookups in them find.
    changed: BTreeSet<Option<u8>>,
    /// Registers that are not 0, by resource and index.
    registers: BTreeMap<(Option<u8>, u32), u64>,
}

/// A service as it is imported.
#[derive(Clone, Debug)]
struct Bound {
    call: Call,
    param: u32,
    resource: Option<u8>,
}

impl EmptyNode {
    /// The services that a module imports.
    pub fn new(m: &Module) -> EmptyNode {
        let calls = m.imports.iter().map(|(_, import)| {
            let call = nfl_abi::host::call(import, &m.resources)?;
            Some(Bound {
                call,
                param: import.param.into(),
                resource: import.resource,
            })
        });
        EmptyNode {
            calls: calls.collect(),
            changed: BTreeSet::new(),
            registers: BTreeMap::new(),
        }
    }
}

impl Host for EmptyNode {
    fn call(&mut self, import: usize, args: [u32; ARGS_MAX], memory: &mut dyn Memory) -> Return {
        let Some(Some(bound)) = self.calls.get(import) else {
            return Return::Fault;
        };
        let Bound {
            call,
            param,
            resource,
        } = bound;
        let fresh = !self.changed.contains(resource);
        let room = |there| match there {
            true => Return::Words(0, 0),
            false => Return::NoRoom,
        };
        let known = |word: Option<u32>| word.map_or(Return::Fault, |word| Return::Words(word, 0));
        match call.service.name {
            "packet.push" => room(memory.push(*param)),
            "packet.append" => room(memory.append(*param)),
            "packet.pop" => room(memory.pop(args[0])),
            "packet.cut" => {
                memory.cut(args[0]);
                room(true)
            }
            "hash.crc32c" => known(block(call, &args, memory).map(|bytes| crc32c(&bytes))),
            "hash.siphash" => {
                let key = u64::from(args[0]) | u64::from(args[1]) << 32;
                known(block(call, &args, memory).map(|bytes| siphash32(key, &bytes)))
            }
            "packet.mirror" | "packet.priority" | "report" | "log" | "random" => room(true),
            "table.get" | "lpm.get" | "ternary.match" | "ring.pick" | "set.contains"
            | "flow.get" | "flow.remove" | "flow.touch" | "slot.get" | "slot.touch"
            | "slot.remove" | "meter.charge" | "tag.lookup"
                if fresh =>
            {
                Return::Words(0, 0)
            }
            "register.get" | "register.set" | "register.add" => {
                let index = match call.args().first() {
                    Some(Arg::Word) => args[0],
                    _ => 0,
                };
                let given = match call.service.name {
                    "register.get" => Some(Vec::new()),
                    _ => block(call, &args, memory),
                };
                let Some(given) = given else {
                    return Return::Fault;
                };
                let register = self.registers.entry((*resource, index)).or_insert(0);
                let number = given
                    .iter()
                    .rev()
                    .fold(0, |n, &byte| n << 8 | u64::from(byte));
                let bits = 8 * given.len().clamp(1, 8) as u32;
                match call.service.name {
                    "register.set" => *register = number,
                    "register.add" => {
                        *register = register.wrapping_add(number) & u64::MAX >> (64 - bits);
                    }
                    _ => {}
                }
                Return::Words(*register as u32, (*register >> 32) as u32)
            }
            "flow.put" | "slot.take" | "topic.join" if fresh => {
                self.changed.insert(*resource);
                Return::Words(1, 0)
            }
            _ if call.answer == Answer::Nothing => {
                self.changed.insert(*resource);
                Return::Words(0, 0)
            }
            _ => Return::Fault,
        }
    }

    fn value(&self, _: u32) -> Option<&[u8]> {
        None
    }
}

/// The block of a call's arguments, which is the last of them.
fn block(call: &Call, args: &[u32; ARGS_MAX], memory: &dyn Memory) -> Option<Vec<u8>> {
    let words = call.args().iter().filter(|arg| **arg == Arg::Word).count();
    let (Arg::Block(bytes) | Arg::Address(bytes)) = *call.args().last()? else {
        return None;
    };
    let len = usize::from(bytes);
    if call.by_address() {
        let mut block = vec![0; len];
        let there = memory.read(*args.get(words)?, &mut block);
        return there.then_some(block);
    }
    let packed = args.iter().skip(words).flat_map(|word| word.to_le_bytes());
    Some(packed.take(len).collect())
}
