//! The services that packets ask most, without a way round.
//!
//! In: calls whose arguments are one block of bytes, or one number. Out: calls of functions here, which go to the tables by the
//! address of the block. Guaranteed: they answer what [`serve`](super::call) would; none of them can fail, and a panic
//! in one answers 0 and makes the run a fault when it ends.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{InstBuilder, Value};
use nfl_abi::hash::crc32c;
use nfl_abi::host::{Answer, Arg, Call};
use nfl_abi::map;
use nfl_isa::Reg;
use nfl_verify::{Holds, Region};

use super::Unsupported;
use super::call::{Frame, REFUSED, Run};
use super::facts::Line;
use super::translate::Translator;

/// A function that takes the bytes of a block.
type OnBlock = extern "C" fn(*mut c_void, u32, *const u8, u32) -> u64;
/// A function that takes a number.
type OnNumber = extern "C" fn(*mut c_void, u32, u32) -> u64;

/// How a service is reached.
enum Way {
    Block(OnBlock, u16),
    Number(OnNumber),
}

/// The way to a service, if there is a direct one.
fn way(call: &Call) -> Option<Way> {
    Some(match (call.service.name, call.args(), call.answer) {
        (
            "table.get" | "lpm.get" | "ternary.match" | "flow.get",
            &[Arg::Block(bytes)],
            Answer::Value(_),
        ) => Way::Block(find, bytes),
        ("set.contains" | "flow.get", &[Arg::Block(bytes)], Answer::Word(1)) => {
            Way::Block(has, bytes)
        }
        ("hash.crc32c", &[Arg::Block(bytes)], _) => Way::Block(hash, bytes),
        ("counter.count", &[Arg::Block(bytes)], _) => Way::Block(count_key, bytes),
        ("counter.count", &[Arg::Word], _) => Way::Number(count),
        ("register.get", &[Arg::Word], _) => Way::Number(register),
        _ => return None,
    })
}

/// What a function here is called for: it answers 0 when it panics.
fn within(frame: *mut c_void, answer: impl FnOnce(&mut Run<'_, '_>, u32) -> u64) -> u64 {
    let frame: *mut Frame<'_, '_> = frame.cast();
    // SAFETY: host code hands on the frame it was called with, which is not borrowed while it runs, and whose run lives as long.
    let (frame, run) = unsafe { (&mut *frame, &mut *(*frame).run) };
    let len = frame.len;
    let answer = catch_unwind(AssertUnwindSafe(|| answer(run, len)));
    answer.unwrap_or_else(|_| {
        frame.status = REFUSED;
        0
    })
}

/// The bytes of a block.
///
/// # Safety
///
/// The block is one that host code hands to a function here.
unsafe fn block<'b>(at: *const u8, bytes: u32) -> &'b [u8] {
    // SAFETY: the proof says of the block of a call that it lies inside scratch or constants, and is written; or its words
    // are in the frame. Nobody writes it before the function returns.
    unsafe { std::slice::from_raw_parts(at, bytes as usize) }
}

extern "C" fn find(frame: *mut c_void, slot: u32, key: *const u8, bytes: u32) -> u64 {
    // SAFETY: host code calls this with a block.
    let key = unsafe { block(key, bytes) };
    within(frame, |run, _| {
        let value = run.services.lookup(slot as usize, key);
        value.map_or(0, |value| value.as_ptr().expose_provenance() as u64)
    })
}

extern "C" fn has(frame: *mut c_void, slot: u32, key: *const u8, bytes: u32) -> u64 {
    // SAFETY: host code calls this with a block.
    let key = unsafe { block(key, bytes) };
    within(frame, |run, _| run.services.has(slot as usize, key).into())
}

extern "C" fn hash(_: *mut c_void, _: u32, key: *const u8, bytes: u32) -> u64 {
    // SAFETY: host code calls this with a block.
    let key = unsafe { block(key, bytes) };
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("sse4.2") {
        // SAFETY: the processor has the instruction.
        return u64::from(unsafe { crc32c_by_instruction(key) });
    }
    u64::from(crc32c(key))
}

/// The same sum by the instruction that the processor has for it.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn crc32c_by_instruction(bytes: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u64};
    let (words, rest) = bytes.as_chunks();
    let crc = words.iter().fold(u64::from(u32::MAX), |crc, &word| {
        _mm_crc32_u64(crc, u64::from_le_bytes(word))
    });
    !rest
        .iter()
        .fold(crc as u32, |crc, &byte| _mm_crc32_u8(crc, byte))
}

extern "C" fn count_key(frame: *mut c_void, slot: u32, key: *const u8, bytes: u32) -> u64 {
    // SAFETY: host code calls this with a block.
    let key = unsafe { block(key, bytes) };
    within(frame, |run, len| {
        run.services.count_key(slot as usize, key, len);
        0
    })
}

extern "C" fn count(frame: *mut c_void, slot: u32, index: u32) -> u64 {
    within(frame, |run, len| {
        run.services.count(slot as usize, index, len);
        0
    })
}

extern "C" fn register(frame: *mut c_void, slot: u32, index: u32) -> u64 {
    within(frame, |run, _| run.services.register(slot as usize, index))
}

impl Translator<'_, '_> {
    /// Translates a call that has a direct way; answers what the service answers.
    pub(super) fn direct(
        &mut self,
        line: &Line,
        slot: usize,
        call: &Call,
    ) -> Result<Option<Value>, Unsupported> {
        let Some(way) = way(call) else {
            return Ok(None);
        };
        let slot = self.b.ins().iconst(I32, slot as i64);
        Ok(Some(match way {
            Way::Block(function, bytes) => {
                let key = self.block_at(line, call)?;
                let bytes = self.b.ins().iconst(I32, i64::from(bytes));
                let signature = self.signature(&[I64, I32, I64, I32]);
                self.call_host(
                    signature,
                    function as usize,
                    &[self.frame, slot, key, bytes],
                )
            }
            Way::Number(function) => {
                let holds = self.facts.words[&line.pc][0];
                let number = self.number(line, Reg::A0, holds)?;
                let signature = self.signature(&[I64, I32, I32]);
                self.call_host(signature, function as usize, &[self.frame, slot, number])
            }
        }))
    }

    /// Where the bytes of the only block of a call lie.
    fn block_at(&mut self, line: &Line, call: &Call) -> Result<Value, Unsupported> {
        if !call.by_address() {
            self.arguments(line, call)?;
            return Ok(self.b.ins().iadd_imm_s(self.frame, i64::from(Frame::ARGS)));
        }
        match self.facts.words[&line.pc][0] {
            holds @ Holds::Address(Region::Scratch, _) => self.address(line, Reg::A0, holds),
            holds => {
                let start = self.start(Region::Constants);
                let number = self.number(line, Reg::A0, holds)?;
                let number = self.b.ins().uextend(I64, number);
                let place = self.b.ins().iadd(start, number);
                Ok(self
                    .b
                    .ins()
                    .iadd_imm_s(place, -i64::from(map::CONSTANTS_BASE)))
            }
        }
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn the_instruction_sums_as_the_table_does() {
        let bytes: Vec<u8> = (0..100).map(|n: u8| n.wrapping_mul(37) ^ 0x5a).collect();
        for len in 0..bytes.len() {
            let bytes = &bytes[..len];
            let sum = hash(std::ptr::null_mut(), 0, bytes.as_ptr(), len as u32);
            assert_eq!(sum, u64::from(crc32c(bytes)), "{len} bytes");
        }
    }
}
