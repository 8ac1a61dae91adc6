//! Instructions that do nothing.
//!
//! In: a function that is built. Out: the same without instructions whose results nobody uses. Guaranteed: what stores, calls,
//! branches or may trap stays.
//!
//! Bytes that were loaded one by one and became one load leave their loads behind, and the code generator keeps every load.

use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Function, Inst, MemFlagsData, Value};

/// Takes them out.
pub(super) fn remove(func: &mut Function) {
    let blocks = func.layout.blocks();
    let all: Vec<Inst> = blocks
        .flat_map(|block| func.layout.block_insts(block))
        .collect();
    let mut uses: SecondaryMap<Value, u32> = SecondaryMap::new();
    for &inst in &all {
        for value in func.dfg.inst_values(inst) {
            uses[func.dfg.resolve_aliases(value)] += 1;
        }
    }
    // Backwards, so that who used a result is gone before.
    for &inst in all.iter().rev() {
        let results = func.dfg.inst_results(inst);
        let is_used = results.iter().any(|&result| uses[result] > 0);
        if is_used || !may_go(func, inst) {
            continue;
        }
        for value in func.dfg.inst_values(inst) {
            uses[func.dfg.resolve_aliases(value)] -= 1;
        }
        func.layout.remove_inst(inst);
    }
}

/// Whether an instruction does nothing but compute its results.
fn may_go(func: &Function, inst: Inst) -> bool {
    let data = &func.dfg.insts[inst];
    let opcode = data.opcode();
    let acts = opcode.is_call()
        || opcode.is_branch()
        || opcode.is_terminator()
        || opcode.can_trap()
        || opcode.can_store()
        || opcode.other_side_effects();
    let is_safe = |flags: MemFlagsData| flags.notrap();
    !acts && (!opcode.can_load() || data.memflags_data(&func.dfg).is_some_and(is_safe))
}

#[cfg(test)]
mod tests {
    use cranelift_codegen::ir::types::{I32, I64};
    use cranelift_codegen::ir::{AbiParam, InstBuilder, Opcode, Signature, UserFuncName};
    use cranelift_codegen::isa::CallConv;
    use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

    use super::*;

    #[test]
    fn what_only_the_dead_use_is_dead_and_what_acts_stays() {
        let Ok(isa) = crate::jit::isa() else {
            // Other hosts interpret.
            return;
        };
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params.push(AbiParam::new(I64));
        signature.returns.push(AbiParam::new(I32));
        let mut func = Function::with_name_signature(UserFuncName::default(), signature);
        let mut builders = FunctionBuilderContext::new();
        let mut b = FunctionBuilder::new(&mut func, &mut builders);
        let block = b.create_block();
        b.append_block_params_for_function_params(block);
        b.switch_to_block(block);
        let at = b.block_params(block)[0];
        let safe = MemFlagsData::new().with_notrap();
        let used = b.ins().load(I32, safe, at, 0);
        let low = b.ins().load(I32, safe, at, 4);
        let high = b.ins().load(I32, safe, at, 8);
        b.ins().bor(low, high);
        b.ins().load(I32, MemFlagsData::new(), at, 12);
        b.ins().udiv(used, used);
        b.ins().store(safe, used, at, 16);
        b.ins().return_(&[used]);
        b.seal_all_blocks();
        b.finalize(isa.frontend_config());
        remove(&mut func);
        let left = func.layout.block_insts(block);
        let left: Vec<Opcode> = left.map(|inst| func.dfg.insts[inst].opcode()).collect();
        let expected = [
            Opcode::Load,
            Opcode::Load,
            Opcode::Udiv,
            Opcode::Store,
            Opcode::Return,
        ];
        assert_eq!(left, expected);
    }
}
