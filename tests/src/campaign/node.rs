//! A node that answers whatever the contract lets it answer.
//!
//! In: the imports of an image and a seed. Out: the services for one run. Guaranteed: answers are of the shape that the
//! contract gives them, and nothing else about them can be relied on.

use nfl_abi::Image;
use nfl_abi::host::call::ARGS_MAX;
use nfl_abi::host::{self, Answer, Call, Host, Memory, Return};
use nfl_ir::testing::Rng;

/// What lookups find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tables {
    /// Nothing.
    Empty,
    /// Always something.
    Filled,
    /// Now and then something.
    Mixed,
}

/// The services of one run.
pub struct Node {
    imports: Vec<(Call, u16)>,
    rng: Rng,
    tables: Tables,
    /// What lookups have found.
    values: Vec<Vec<u8>>,
}

/// Each value has so many bits of addresses for itself.
const VALUE_SHIFT: u32 = 16;

impl Node {
    /// A node for the imports of an image.
    pub fn new(image: &Image, seed: u64, tables: Tables) -> Node {
        let manifest = &image.manifest;
        let imports = manifest.imports.iter().filter_map(|import| {
            let call = host::call(import, &manifest.resources)?;
            Some((call, import.param))
        });
        Node {
            imports: imports.collect(),
            rng: Rng::new(seed),
            tables,
            values: Vec::new(),
        }
    }

    /// A number at a border, or any up to a bound.
    fn number(&mut self, most: u32) -> u32 {
        let number = self.rng.number();
        match self.rng.below(4) {
            0 => 0,
            1 => most,
            2 => 8.min(most),
            _ => (number % (u64::from(most) + 1)) as u32,
        }
    }

    fn lookup(&mut self, bytes: u16) -> u32 {
        let empty = match self.tables {
            Tables::Empty => true,
            Tables::Filled => false,
            Tables::Mixed => self.rng.below(3) == 0,
        };
        if empty {
            return 0;
        }
        let style = self.rng.below(3);
        let value = (0..bytes).map(|_| match style {
            0 => self.rng.number() as u8,
            1 => 0xff,
            _ => self.rng.below(9) as u8,
        });
        self.values.push(value.collect());
        (self.values.len() as u32) << VALUE_SHIFT
    }
}

impl Host for Node {
    fn call(&mut self, import: usize, args: [u32; ARGS_MAX], memory: &mut dyn Memory) -> Return {
        let Some(&(call, param)) = self.imports.get(import) else {
            return Return::Fault;
        };
        let there = match call.service.name {
            "packet.push" => memory.push(param.into()),
            "packet.append" => memory.append(param.into()),
            "packet.pop" => memory.pop(args[0]),
            "packet.cut" => {
                memory.cut(args[0]);
                true
            }
            "bytes.find" => {
                let len = memory.packet().len() as u32;
                return Return::Words(self.number(len), self.number(u32::MAX));
            }
            _ => true,
        };
        if !there {
            return Return::NoRoom;
        }
        let first = match call.answer {
            Answer::Nothing => self.number(u32::MAX),
            Answer::Word(most) | Answer::Two(most, _) => self.number(most),
            Answer::Value(bytes) => self.lookup(bytes),
        };
        let second = match call.answer {
            Answer::Two(_, most) => most,
            _ => u32::MAX,
        };
        Return::Words(first, self.number(second))
    }

    fn value(&self, address: u32) -> Option<&[u8]> {
        let number = (address >> VALUE_SHIFT).checked_sub(1)?;
        let value = self.values.get(number as usize)?;
        value.get((address & u32::MAX >> VALUE_SHIFT) as usize..)
    }
}
