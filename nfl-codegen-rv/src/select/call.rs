//! Calls of services.
//!
//! In: a call of the IR. Out: its arguments in `a0` to `a5`, the call, and copies of its answers. Guaranteed: nothing but
//! `a0`, `a1` and `ra` is taken for changed, and what lies behind `s0` is never found by an older base.

use nfl_ir::{ImportId, InstData, Op as IrOp, Region, Value};
use nfl_isa::Op;
use nfl_syntax::arena::Id;

use super::Select;
use crate::mir::{A0, A1, ARGUMENTS, Code, SP, VReg, ZERO};

impl Select<'_> {
    /// Finds the blocks before whose end a call may have changed the registers of the verdict, or the packet's length.
    pub(super) fn find_calls(&mut self) {
        let calls = self.input.calls;
        self.called = self.behind(|_| true);
        self.moved = self.behind(|import| calls.resizes(import));
    }

    /// For each block whether such a call may stand before its end.
    fn behind(&self, is_such: impl Fn(ImportId) -> bool) -> Vec<bool> {
        let has_call = |&b| {
            let mut insts = self.f.blocks[b].insts.iter().map(|&i| &self.f.insts[i]);
            insts.any(|i| i.op == IrOp::Call && is_such(ImportId::new(i.imm as usize)))
        };
        let mut called: Vec<bool> = self.blocks.iter().map(has_call).collect();
        let mut work: Vec<usize> = (0..called.len()).filter(|&at| called[at]).collect();
        while let Some(at) = work.pop() {
            for call in self.f.blocks[self.blocks[at]].term.targets() {
                let to = self.number[call.block];
                if !called[to] {
                    called[to] = true;
                    work.push(to);
                }
            }
        }
        called
    }

    /// Makes a call with everything around it.
    pub(super) fn call(&mut self, at: usize, inst: &InstData) {
        let import = ImportId::new(inst.imm as usize);
        if self.input.calls.resizes(import) {
            self.passed += 1;
        }
        let (constants, others): (Vec<_>, Vec<_>) = ARGUMENTS
            .iter()
            .zip(&inst.args)
            .partition(|&(_, &arg)| self.is_made_in_place(arg));
        // Words leave their registers before constants fill others.
        for (&reg, &arg) in others.into_iter().chain(constants) {
            self.argument(VReg::fixed(reg), arg);
        }
        let args = inst.args.len().min(ARGUMENTS.len()) as u8;
        self.pending.push(Code::Call { import, args });
        if let Some(rd) = inst.result.and_then(|v| self.regs[v]) {
            self.copy(rd, A0);
        }
        for second in self.seconds(at, inst) {
            self.copy(second, A1);
        }
    }

    /// The registers that want the second answer of a call.
    fn seconds(&self, at: usize, call: &InstData) -> Vec<VReg> {
        let insts = self.f.blocks[self.blocks[at]].insts.iter();
        let insts = insts.map(|&i| &self.f.insts[i]);
        let seconds = insts
            .filter(|inst| inst.op == IrOp::Second && inst.args.first().copied() == call.result);
        seconds
            .filter_map(|inst| inst.result.and_then(|v| self.regs[v]))
            .collect()
    }

    /// Whether an argument needs no register but its own.
    fn is_made_in_place(&self, v: Value) -> bool {
        self.def(v)
            .is_some_and(|def| matches!(def.op, IrOp::Const | IrOp::Address))
    }

    fn argument(&mut self, rd: VReg, v: Value) {
        match self.def(v) {
            Some(def) if def.op == IrOp::Const => {
                self.pending.push(Code::Li { rd, value: def.imm });
            }
            Some(def) if def.op == IrOp::Address => self.address_of(rd, def),
            _ => {
                let rs = self.reg(v);
                self.copy(rd, rs);
            }
        }
    }

    /// Puts the address of a local array or of constants into a register.
    pub(super) fn address_of(&mut self, rd: VReg, inst: &InstData) {
        match inst.region {
            Some(Region::Slot(slot)) => {
                let at = self.input.scratch.slot(slot).wrapping_add(inst.imm);
                self.i(Op::Addi, rd, SP, at.cast_signed());
            }
            Some(Region::Data(id)) => {
                let value = self.input.constants.array(id).wrapping_add(inst.imm);
                self.pending.push(Code::Li { rd, value });
            }
            // Services read nothing else, and a verified module asks for nothing else.
            _ => self.copy(rd, ZERO),
        }
    }
}
