//! Calls of services in generated modules.
//!
//! The forms are those that lowering makes: a lookup whose value is read where it was found, keys in
//! registers and in local arrays, counters, and a packet that moves, after which its length is
//! checked anew.

use nfl_abi::image::{Import, Resource, ResourceKind};
use nfl_syntax::arena::Id;

use crate::entity::Value;
use crate::func::{Module, Region, SlotData};
use crate::op::Op;
use crate::testing::{Generator, NEED};

/// Bytes of the keys that do not fit into registers.
const WIDE: u16 = 28;

/// Local arrays for them in a handler.
const WIDE_SLOTS: usize = 4;

/// Imports in order: service, parameter, resource.
const IMPORTS: &[(&str, u16, Option<u8>)] = &[
    ("table.get", 0, Some(0)),
    ("lpm.get", 0, Some(1)),
    ("set.contains", 0, Some(2)),
    ("hash.crc32c", 8, None),
    ("packet.push", 4, None),
    ("packet.pop", 0, None),
    ("packet.append", 8, None),
    ("packet.cut", 0, None),
    ("register.add", 0, Some(3)),
    ("register.get", 0, Some(3)),
    ("counter.count", 0, Some(4)),
    ("table.get", 0, Some(5)),
    ("packet.flow", 0, None),
    ("flow.put", 0, Some(6)),
    ("flow.get", 0, Some(6)),
    ("slot.take", 0, Some(7)),
    ("hash.crc32c", WIDE, None),
    ("bytes.find", 4, None),
    ("flow.reverse", 0, None),
];

/// Kind, bytes of keys and values, entries.
const RESOURCES: &[(ResourceKind, u16, u16, u32)] = &[
    (ResourceKind::Table, 4, 8, 16),
    (ResourceKind::Lpm, 4, 4, 16),
    (ResourceKind::Set, 6, 0, 16),
    (ResourceKind::Register, 0, 4, 1),
    (ResourceKind::Counter, 0, 0, 1),
    (ResourceKind::Table, WIDE, 12, 16),
    (ResourceKind::FlowTable, 4, 8, 16),
    (ResourceKind::Slots, 0, 4, 16),
];

/// Adds them to a module.
pub(super) fn import(m: &mut Module) {
    for &(name, param, resource) in IMPORTS {
        let service = nfl_abi::host::call::service(name);
        m.imports.push(Import {
            service: service.map_or(0, |s| s.number),
            param,
            resource,
        });
    }
    for (at, &(kind, key_bytes, value_bytes, capacity)) in RESOURCES.iter().enumerate() {
        m.resources.push(Resource {
            name: format!("state{at}"),
            kind,
            key_bytes,
            value_bytes,
            capacity,
            idle_ns: 0,
            first: 0,
            flow_key: kind == ResourceKind::FlowTable,
            layout: 0,
        });
    }
}

impl Generator {
    fn ask(&mut self, name: &str, resource: Option<u8>, args: &[Value]) -> Value {
        let at = IMPORTS
            .iter()
            .position(|i| i.0 == name && i.2 == resource)
            .expect("the table has the service");
        self.op(Op::Call, args, at as u32)
    }

    /// A call, and maybe what follows from its answer.
    pub(super) fn service(&mut self) {
        let (a, b) = (self.word(), self.word());
        match self.rng.below(14) {
            0 => self.lookup(&[("table.get", 0, 8)]),
            1 => self.lookup(&[("lpm.get", 1, 4)]),
            2 => self.lookup(&[("table.get", 0, 8), ("lpm.get", 1, 4)]),
            3 => self.lookup(&[("flow.get", 6, 8)]),
            4 => {
                let v = self.ask("set.contains", Some(2), &[a, b]);
                self.words.push(v);
            }
            5 => {
                let v = self.ask("hash.crc32c", None, &[a, b]);
                self.words.push(v);
            }
            6 => {
                let v = self.ask("register.add", Some(3), &[a]);
                self.words.push(v);
            }
            7 => {
                let v = self.ask("register.get", Some(3), &[]);
                self.words.push(v);
            }
            8 => {
                self.ask("counter.count", Some(4), &[]);
            }
            9 => self.wide_key(),
            10 => self.flow(),
            11 => {
                let v = self.ask("slot.take", Some(7), &[a]);
                let slot = self.op(Op::Second, &[v], 0);
                self.words.extend([v, slot]);
            }
            12 => self.find(),
            _ if self.may_move => self.resize(),
            _ => {}
        }
    }

    /// Looks up in one of some tables, and reads the value where there is one.
    fn lookup(&mut self, tables: &[(&str, u8, u32)]) {
        let (hit, miss, meet) = (self.block(), self.block(), self.block());
        let least = tables.iter().map(|t| t.2).min().unwrap_or(0);
        let key = self.word();
        let address = match *tables {
            [(name, resource, _), (other, other_resource, _)] => {
                let cond = self.word();
                let (yes, no, both) = (self.block(), self.block(), self.block());
                let address = self.f.add_param(both, 32);
                self.branch(cond, yes, no);
                self.here = yes;
                let v = self.ask(name, Some(resource), &[key]);
                self.jump(both, &[v]);
                self.here = no;
                let v = if self.rng.chance(20) {
                    self.constant(0)
                } else {
                    self.ask(other, Some(other_resource), &[key])
                };
                self.jump(both, &[v]);
                self.here = both;
                address
            }
            [(name, resource, _), ..] => self.ask(name, Some(resource), &[key]),
            [] => return,
        };
        let cond = match self.rng.below(3) {
            0 => address,
            1 => self.with(Op::Ne, address, 0),
            _ => {
                let none = self.with(Op::Eq, address, 0);
                self.with(Op::Xor, none, 1)
            }
        };
        let out = self.f.add_param(meet, 32);
        self.branch(cond, hit, miss);
        self.here = hit;
        self.scoped(|g| {
            for _ in 0..1 + g.rng.below(2) {
                let v = g.read_value(address, least);
                g.words.push(v);
            }
            let v = g.word();
            g.jump(meet, &[v]);
        });
        self.here = miss;
        let v = self.word();
        self.jump(meet, &[v]);
        self.here = meet;
        self.words.push(out);
    }

    fn read_value(&mut self, address: Value, bytes: u32) -> Value {
        if self.rng.chance(30) {
            let index = self.word();
            let index = self.with(Op::And, index, bytes - 1);
            let args = [address, index];
            return self
                .inst(Op::Load8, &args, 0, Some(Region::Value))
                .expect("a load");
        }
        let op = self.rng.one_of(&[Op::Load8, Op::Load16, Op::Load32]);
        let at = self.rng.below(bytes + 1 - u32::from(op.spec().bytes));
        let v = self.inst(op, &[address], at, Some(Region::Value));
        v.expect("a load")
    }

    /// A key that does not fit into registers.
    fn wide_key(&mut self) {
        let slot = match self.wide.first() {
            Some(&slot) if self.rng.chance(50) || self.wide.len() == WIDE_SLOTS => slot,
            _ => self.f.slots.push(SlotData {
                name: "key".to_string(),
                bytes: WIDE.into(),
                padding: 0,
                align: 4,
            }),
        };
        self.wide.push(slot);
        let words = u32::from(WIDE) / 4;
        for at in 0..words {
            let v = self.word();
            self.store(Op::Store32, Region::Slot(slot), v, None, at * 4);
        }
        let region = Some(Region::Slot(slot));
        let place = self.inst(Op::Address, &[], 0, region).expect("a place");
        if self.rng.chance(50) {
            let at = IMPORTS.iter().position(|i| i.1 == WIDE);
            let hash = self.op(Op::Call, &[place], at.unwrap_or(0) as u32);
            self.words.push(hash);
            return;
        }
        let address = self.ask("table.get", Some(5), &[place]);
        let found = self.with(Op::Ne, address, 0);
        self.words.push(found);
    }

    fn flow(&mut self) {
        let mut flow = self.ask("packet.flow", None, &[]);
        if self.rng.chance(40) {
            flow = self.ask("flow.reverse", None, &[flow]);
        }
        if self.rng.chance(60) {
            let (a, b) = (self.word(), self.word());
            let put = self.ask("flow.put", Some(6), &[flow, a, b]);
            self.words.push(put);
        }
        self.words.push(flow);
    }

    /// A search for constants in the first bytes.
    fn find(&mut self) {
        let region = Some(Region::Data(Id::new(0)));
        let pattern = self.inst(Op::Address, &[], 4, region).expect("a place");
        let from = self.constant(0);
        let bytes = self.constant(NEED);
        let v = self.ask("bytes.find", None, &[from, bytes, pattern]);
        self.words.push(v);
    }

    /// The packet moves, and what is read afterwards must be there.
    fn resize(&mut self) {
        let bytes = self.rng.below(9);
        match self.rng.below(4) {
            0 => {
                self.ask("packet.push", None, &[]);
            }
            1 => {
                self.ask("packet.append", None, &[]);
            }
            2 => {
                let bytes = self.constant(bytes);
                self.ask("packet.pop", None, &[bytes]);
            }
            _ => {
                let v = self.word();
                let most = self.with(Op::And, v, 127);
                self.ask("packet.cut", None, &[most]);
            }
        }
        self.places.clear();
        self.length_check(None, NEED);
    }
}
