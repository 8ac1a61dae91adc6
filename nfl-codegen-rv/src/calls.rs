//! The services that a module imports.
//!
//! In: a module. Out: the shape of each import, and what calls of it do. Guaranteed: nothing of an import that makes no
//! sense is believed; the node's verifier refuses it.

use nfl_abi::host::{self, Call};
use nfl_ir::func::{Function, Module};
use nfl_ir::{ImportId, Op};
use nfl_syntax::arena::Id;

/// The shapes of the imports, by their numbers.
pub(crate) struct Calls {
    shapes: Vec<Option<Call>>,
}

impl Calls {
    /// Looks up the imports of a module.
    pub(crate) fn new(module: &Module) -> Calls {
        let imports = module.imports.iter();
        let shapes = imports.map(|(_, import)| host::call(import, &module.resources));
        Calls {
            shapes: shapes.collect(),
        }
    }

    /// The shape of an import.
    pub(crate) fn shape(&self, import: ImportId) -> Option<&Call> {
        self.shapes.get(import.index())?.as_ref()
    }

    /// Whether an import moves the packet.
    pub(crate) fn resizes(&self, import: ImportId) -> bool {
        self.shape(import).is_some_and(|call| call.resizes)
    }

    /// Whether a handler moves the packet.
    pub(crate) fn resize(&self, f: &Function) -> bool {
        let insts = f.layout.iter().flat_map(|&b| &f.blocks[b].insts);
        let mut calls = insts.map(|&i| &f.insts[i]).filter(|i| i.op == Op::Call);
        calls.any(|inst| self.resizes(ImportId::new(inst.imm as usize)))
    }
}
