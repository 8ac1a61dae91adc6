//! The services that packets ask most, without a way round.
//!
//! In: calls whose arguments are one block of bytes, or one number. Out: calls of functions here, which go to the tables by the
//! address of the block or, where it has at most sixteen bytes, with the bytes themselves in registers: memory that was just
//! written in words is slow to read in larger ones. What [`keys`](super::keys) and [`prefixes`](super::prefixes) find by
//! themselves is called for only where that takes longer. Guaranteed: they answer what [`serve`](super::call) would; none of them can
//! fail, and a panic in one answers 0 and makes the run a fault when it ends.

use std::ffi::c_void;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use nfl_abi::hash::crc32c;
use nfl_abi::host::{Answer, Arg, Call};
use nfl_abi::image::{Resource, ResourceKind};
use nfl_abi::map;
use nfl_isa::Reg;
use nfl_verify::{Holds, Region};

use super::Unsupported;
use super::call::{Frame, REFUSED};
use super::facts::Line;
use super::roots::Root;
use super::translate::Translator;
use crate::tables::{Aged, Lpm, Sought, Words};

/// A function that takes the bytes of a block.
type OnBlock = extern "C" fn(*mut c_void, u32, *const u8, u32) -> u64;
/// A function that takes a number.
type OnNumber = extern "C" fn(*mut c_void, u32, u32) -> u64;
/// A function that takes at most eight bytes, the first one lowest.
type OnWord = extern "C" fn(*mut c_void, u32, u64) -> u64;
/// A function that takes at most sixteen.
type OnWords = extern "C" fn(*mut c_void, u32, u64, u64) -> u64;

/// The same for what begins at a root.
type OnWordAt = extern "C" fn(*mut c_void, *const Root, u64) -> u64;
/// The same for sixteen bytes.
type OnWordsAt = extern "C" fn(*mut c_void, *const Root, u64, u64) -> u64;

/// How a service is reached.
enum Way {
    Block(OnBlock, u16),
    Number(OnNumber),
    /// The number of bytes decides which.
    Words(OnWord, OnWords, u16),
    /// The same, of what begins at a root.
    Rooted(OnWordAt, OnWordsAt, u16),
    /// Host code looks itself, and asks the function where that takes longer.
    Prefix(OnWordAt),
    /// The same for keys; whether more is asked than if there is one.
    Key(OnWordAt, OnWordsAt, u16, bool),
}

/// Bytes of a word, and of two.
const WORD: u16 = 8;
const WORDS: u16 = 2 * WORD;

/// The way to a service, if there is a direct one.
fn way(call: &Call, resource: Option<&Resource>) -> Option<Way> {
    let (kind, by_flow) = resource.map_or((None, false), |r| (Some(r.kind), r.flow_key));
    let in_words = |bytes| bytes > 0 && bytes <= WORDS && !by_flow;
    Some(match (call.service.name, call.args(), call.answer) {
        (
            "table.get" | "lpm.get" | "ternary.match" | "flow.get",
            &[Arg::Block(bytes)],
            Answer::Value(_),
        ) => match kind {
            Some(ResourceKind::Table) if in_words(bytes) => {
                Way::Key(find_one, find_two, bytes, true)
            }
            Some(ResourceKind::FlowTable) if in_words(bytes) => {
                Way::Words(find_aged_one, find_aged_two, bytes)
            }
            Some(ResourceKind::Lpm) if bytes == 4 => Way::Prefix(route),
            _ => Way::Block(find, bytes),
        },
        ("set.contains" | "flow.get", &[Arg::Block(bytes)], Answer::Word(1)) => match kind {
            Some(ResourceKind::Set) if in_words(bytes) => {
                Way::Key(find_one, find_two, bytes, false)
            }
            Some(ResourceKind::FlowSet) if in_words(bytes) => {
                Way::Words(has_aged_one, has_aged_two, bytes)
            }
            _ => Way::Block(has, bytes),
        },
        ("hash.crc32c", &[Arg::Block(bytes)], _) => Way::Block(hash, bytes),
        ("counter.count", &[Arg::Block(bytes)], _) => match in_words(bytes) {
            true => Way::Rooted(count_one, count_two, bytes),
            false => Way::Block(count_key, bytes),
        },
        ("counter.count", &[Arg::Word], _) => Way::Number(count),
        ("register.get", &[Arg::Word], _) => Way::Number(register),
        _ => return None,
    })
}

/// What a function here is called for: it answers 0 when it panics.
#[inline(always)]
fn within(frame: *mut c_void, answer: impl FnOnce(&mut Frame<'_, '_>) -> u64) -> u64 {
    // SAFETY: host code hands on the frame it was called with, which is not borrowed while it runs.
    let frame: &mut Frame<'_, '_> = unsafe { &mut *frame.cast() };
    let answer = catch_unwind(AssertUnwindSafe(|| answer(frame)));
    answer.unwrap_or_else(|_| {
        frame.told[0] = REFUSED;
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
    within(frame, |frame| {
        found(frame.services.lookup(slot as usize, key))
    })
}

/// Functions that take the words of a key in registers, and hand them on as one key.
macro_rules! on_words {
    ($($one:ident $two:ident: $all:ident of $of:ty;)*) => {
        $(
            extern "C" fn $one(frame: *mut c_void, of: $of, key: u64) -> u64 {
                $all(frame, of, Words([key]))
            }

            extern "C" fn $two(frame: *mut c_void, of: $of, first: u64, second: u64) -> u64 {
                $all(frame, of, Words([first, second]))
            }
        )*
    };
}

on_words! {
    find_one find_two: find_words of *const Root;
    find_aged_one find_aged_two: find_aged of u32;
    has_aged_one has_aged_two: has_aged of u32;
    count_one count_two: count_words of *const Root;
}

/// What a function here answers, which does at once what nearly always is enough, and the whole in `fully`.
#[inline(always)]
fn at_once(
    frame: *mut c_void,
    glance: impl FnOnce(&mut Frame<'_, '_>) -> Option<u64>,
    fully: impl FnOnce() -> u64,
) -> u64 {
    let mut seen = true;
    let answer = within(frame, |frame| {
        let answer = glance(frame);
        seen = answer.is_some();
        answer.unwrap_or(0)
    });
    if seen { answer } else { fully() }
}

/// The table of exact keys that a lookup begins at.
///
/// # Safety
///
/// Host code hands this on, and the answer is gone when it goes on.
#[inline(always)]
unsafe fn exact<'t>(root: *const Root) -> Option<&'t Aged> {
    // SAFETY: there is a root for each import, host code was called with the first, and nothing edits the stores during a run,
    // since its services have them alone.
    unsafe { (*root).exact() }
}

/// The prefixes that a lookup begins at.
///
/// # Safety
///
/// As of [`exact`].
#[inline(always)]
unsafe fn prefixes<'t>(root: *const Root) -> Option<&'t Lpm> {
    // SAFETY: as above.
    unsafe { (*root).lpm() }
}

#[inline(always)]
fn find_words(frame: *mut c_void, root: *const Root, key: impl Sought) -> u64 {
    within(frame, |_| {
        // SAFETY: host code calls this with a root.
        let table = unsafe { exact(root) };
        found(table.and_then(|table| table.lookup(key)))
    })
}

#[inline(always)]
fn find_aged(frame: *mut c_void, slot: u32, key: impl Sought) -> u64 {
    within(frame, |frame| {
        found(frame.services.aged(slot as usize).and_then(|(table, now)| {
            let cell = table.find(key, now)?;
            Some(table.value(cell))
        }))
    })
}

extern "C" fn route(frame: *mut c_void, root: *const Root, address: u64) -> u64 {
    within(frame, |_| {
        // SAFETY: host code calls this with a root.
        let routes = unsafe { prefixes(root) };
        found(routes.and_then(|routes| routes.get(&(address as u32).to_le_bytes())))
    })
}

/// The address of a value, or 0.
#[inline(always)]
fn found(value: Option<&[u8]>) -> u64 {
    value.map_or(0, |value| value.as_ptr().expose_provenance() as u64)
}

#[inline(always)]
fn has_aged(frame: *mut c_void, slot: u32, key: impl Sought) -> u64 {
    within(frame, |frame| {
        let table = frame.services.aged(slot as usize);
        let cell = table.and_then(|(table, now)| table.find(key, now));
        cell.is_some().into()
    })
}

extern "C" fn has(frame: *mut c_void, slot: u32, key: *const u8, bytes: u32) -> u64 {
    // SAFETY: host code calls this with a block.
    let key = unsafe { block(key, bytes) };
    within(frame, |frame| frame.services.has(slot as usize, key).into())
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
    within(frame, |frame| {
        frame.services.count_key(slot as usize, key, frame.len);
        0
    })
}

/// The place of the counters by key that a call begins at.
///
/// # Safety
///
/// Host code hands this on.
#[inline(always)]
unsafe fn counters(root: *const Root) -> Option<u32> {
    // SAFETY: there is a root for each import, and host code was called with the first.
    unsafe { (*root).counters() }
}

#[inline(always)]
fn count_words<const N: usize>(frame: *mut c_void, root: *const Root, key: Words<N>) -> u64 {
    let glance = |frame: &mut Frame<'_, '_>| {
        // SAFETY: host code calls this with a root.
        let place = unsafe { counters(root) }?;
        let counters = frame.services.counters(place)?;
        counters.glance(key, frame.len).then_some(0)
    };
    at_once(frame, glance, || count_fully(frame, root, key))
}

#[inline(never)]
fn count_fully<const N: usize>(frame: *mut c_void, root: *const Root, key: Words<N>) -> u64 {
    within(frame, |frame| {
        // SAFETY: host code calls this with a root.
        let place = unsafe { counters(root) };
        if !place.is_some_and(|place| frame.services.count_known(place, key, frame.len)) {
            count_new(frame, root, &key.0.map(u64::to_le_bytes));
        }
        0
    })
}

#[cold]
fn count_new(frame: &mut Frame<'_, '_>, root: *const Root, words: &[[u8; 8]]) {
    let import = frame.services.roots().import(root);
    let native = frame.loaded.native().get();
    let call = native.and_then(|native| native.calls.get(import));
    if let Some(&[Arg::Block(bytes)]) = call.map(Call::args)
        && let Some(key) = words.as_flattened().get(..bytes.into())
    {
        frame.services.count_key(import, key, frame.len);
    }
}

extern "C" fn count(frame: *mut c_void, slot: u32, index: u32) -> u64 {
    within(frame, |frame| {
        frame.services.count(slot as usize, index, frame.len);
        0
    })
}

extern "C" fn register(frame: *mut c_void, slot: u32, index: u32) -> u64 {
    within(frame, |frame| frame.services.register(slot as usize, index))
}

impl Translator<'_, '_> {
    /// Translates a call that has a direct way; answers what the service answers.
    pub(super) fn direct(
        &mut self,
        line: &Line,
        slot: usize,
        call: &Call,
    ) -> Result<Option<Value>, Unsupported> {
        let manifest = &self.image.manifest;
        let resource = manifest
            .imports
            .get(slot)
            .and_then(|import| import.resource);
        let resource = resource.and_then(|at| manifest.resources.get(usize::from(at)));
        let Some(way) = way(call, resource) else {
            return Ok(None);
        };
        let of = match way {
            Way::Rooted(..) | Way::Prefix(_) | Way::Key(..) => {
                let before = (slot * size_of::<Root>()) as i64;
                (I64, self.b.ins().iadd_imm_s(self.roots, before))
            }
            _ => (I32, self.b.ins().iconst(I32, slot as i64)),
        };
        Ok(Some(match way {
            Way::Block(function, bytes) => {
                let key = self.block_at(line, call)?;
                let bytes = self.b.ins().iconst(I32, i64::from(bytes));
                self.ask_at(function as usize, &[of, (I64, key), (I32, bytes)])
            }
            Way::Words(one, two, bytes) => {
                self.ask_words(line, (one as usize, two as usize), of, bytes)?
            }
            Way::Rooted(one, two, bytes) => {
                self.ask_words(line, (one as usize, two as usize), of, bytes)?
            }
            Way::Prefix(function) => {
                let address = self.word(line, 4, 0)?;
                self.prefix(of.1, address, function as usize)
            }
            Way::Key(one, two, bytes, has_value) => {
                let value = match bytes <= WORD {
                    true => {
                        let words = [self.word(line, bytes, 0)?];
                        self.key(of.1, &words, one as usize)
                    }
                    false => {
                        let words = [self.word(line, WORD, 0)?, self.word(line, bytes - WORD, 2)?];
                        self.key(of.1, &words, two as usize)
                    }
                };
                match has_value {
                    true => value,
                    false => {
                        let is = self.b.ins().icmp_imm_u(IntCC::NotEqual, value, 0);
                        self.b.ins().uextend(I64, is)
                    }
                }
            }
            Way::Number(function) => {
                let holds = self.facts.words[&line.pc][0];
                let number = self.number(line, Reg::A0, holds)?;
                self.ask_at(function as usize, &[of, (I32, number)])
            }
        }))
    }

    /// Calls the function for a key of so many bytes in one word, or the one for two.
    fn ask_words(
        &mut self,
        line: &Line,
        (one, two): (usize, usize),
        of: (Type, Value),
        bytes: u16,
    ) -> Result<Value, Unsupported> {
        let first = (I64, self.word(line, bytes.min(WORD), 0)?);
        if bytes <= WORD {
            return Ok(self.ask_at(one, &[of, first]));
        }
        let second = (I64, self.word(line, bytes - WORD, 2)?);
        Ok(self.ask_at(two, &[of, first, second]))
    }

    /// Calls a function here with the frame and these arguments.
    pub(super) fn ask_at(&mut self, function: usize, args: &[(Type, Value)]) -> Value {
        let (types, values): (Vec<Type>, Vec<Value>) = iter::once((I64, self.frame))
            .chain(args.iter().copied())
            .unzip();
        let signature = self.signature(&types);
        self.call_host(signature, function, &values)
    }

    /// So many bytes of a block in registers, from this argument on, with zeros above.
    fn word(&mut self, line: &Line, bytes: u16, from: usize) -> Result<Value, Unsupported> {
        let mut word = self.b.ins().iconst(I64, 0);
        for half in 0..usize::from(bytes.div_ceil(4)) {
            let at = from + half;
            let holds = *self.facts.words[&line.pc]
                .get(at)
                .ok_or(Unsupported::Fact(line.pc))?;
            let mut number = self.wide_number(line, Reg(map::reg::A0 + at as u8), holds)?;
            let rest = bytes - 4 * half as u16;
            if rest < 4 {
                number = self.b.ins().band_imm_u(number, (1 << (8 * rest)) - 1);
            }
            word = match half {
                0 => number,
                _ => {
                    let above = self.b.ins().ishl_imm_u(number, 32);
                    self.b.ins().bor(word, above)
                }
            };
        }
        Ok(word)
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
                let number = self.wide_number(line, Reg::A0, holds)?;
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
