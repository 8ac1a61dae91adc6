//! Services, as host code calls them.
//!
//! In: a call of a service and what its arguments hold. Out: host code that puts the arguments into the frame and calls
//! [`serve`], which asks the run's [`Services`]. Guaranteed: a service sees what it would see from the interpreter; a panic of a
//! service ends the run with a fault and never unwinds into host code.

use std::ffi::c_void;
use std::mem::{MaybeUninit, offset_of};
use std::panic::{AssertUnwindSafe, catch_unwind};

use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{AbiParam, InstBuilder, SigRef, Signature, Type, Value};
use cranelift_codegen::isa::CallConv;
use nfl_abi::host::call::ARGS_MAX;
use nfl_abi::host::{Answer, Call, Host, Memory, Return};
use nfl_abi::image::Right;
use nfl_abi::map;
use nfl_isa::Reg;
use nfl_verify::{Holds, Region};

use super::facts::Line;
use super::run::Place;
use super::translate::{FRAME, Translator};
use super::{Entry, Unsupported};
use crate::load::Loaded;
use crate::memory::{self, SCRATCH_BASE};
use crate::packet::{self, Context, View};
use crate::services::Services;

/// What a run and its host code share, and what services work on.
#[repr(C)]
pub(super) struct Frame<'a, 'p> {
    /// The packet's first byte, and behind its last one zeros up to the window.
    packet: *mut u8,
    carried: *mut u8,
    pub(super) len: u32,
    /// The instruction that finished the run, where the verdict may be a fault.
    pub(super) pc: u32,
    /// How a service has ended the run, [`GOING`] while none has; and whether one did more than change the packet's bytes, 1 then.
    pub(super) told: [u32; 2],
    pub(super) services: Services<'a>,
    held: Held<'a, 'p>,
    pub(super) loaded: &'a Loaded,
    /// The context as code reads it.
    bytes: MaybeUninit<ContextBytes>,
    /// The words of a call, as far as it has arguments.
    args: [MaybeUninit<u32>; ARGS_MAX],
    scratch: MaybeUninit<[u8; map::SCRATCH_BYTES as usize]>,
}

pub(super) type ContextBytes = [u8; map::CONTEXT_BYTES as usize];

/// A context as the machine lays it out for a program.
pub(super) fn context_bytes(loaded: &Loaded, context: &Context) -> ContextBytes {
    let manifest = &loaded.image().manifest;
    context.to_bytes(manifest.rights.has(Right::Clock))
}

/// What services have told that only worked on the packet's bytes and on tables.
pub(super) const NOTHING_TOLD: [u32; 2] = [GOING, 0];
/// No service has ended the run.
pub(super) const GOING: u32 = 0;
/// A service found no room.
pub(super) const NO_ROOM: u32 = 1;
/// A service refused its arguments.
pub(super) const REFUSED: u32 = 2;

impl Frame<'_, '_> {
    const PACKET: i32 = offset_of!(Frame<'_, '_>, packet) as i32;
    const LEN: i32 = offset_of!(Frame<'_, '_>, len) as i32;
    const STATUS: i32 = offset_of!(Frame<'_, '_>, told) as i32;
    pub(super) const ARGS: i32 = offset_of!(Frame<'_, '_>, args) as i32;
    pub(super) const CARRIED: i32 = offset_of!(Frame<'_, '_>, carried) as i32;
    pub(super) const PC: i32 = offset_of!(Frame<'_, '_>, pc) as i32;
    pub(super) const SCRATCH: i32 = offset_of!(Frame<'_, '_>, scratch) as i32;
}

/// The packet of a run.
pub(super) enum Held<'a, 'p> {
    /// One that no service moves; its buffer reaches to the window.
    Still(&'a mut packet::Frame<'p>),
    Moving(&'a mut View<'p>),
}

impl Held<'_, '_> {
    pub(super) fn start(&mut self) -> Place {
        match self {
            Held::Still(frame) => frame.start(),
            Held::Moving(view) => (view.start(), view.len()),
        }
    }
}

impl<'a, 'p> Frame<'a, 'p> {
    /// The frame of a run; it stays where it is once host code is [called](Frame::call).
    #[inline(always)]
    pub(super) fn new(
        loaded: &'a Loaded,
        services: Services<'a>,
        (held, (packet, len)): (Held<'a, 'p>, Place),
        carried: *mut u8,
    ) -> Frame<'a, 'p> {
        let bytes = match &held {
            Held::Still(_) => MaybeUninit::uninit(),
            // Services that move the packet write there.
            Held::Moving(_) => MaybeUninit::zeroed(),
        };
        Frame {
            packet,
            carried,
            len: len as u32,
            pc: 0,
            told: NOTHING_TOLD,
            services,
            held,
            loaded,
            bytes,
            args: [MaybeUninit::uninit(); ARGS_MAX],
            scratch: MaybeUninit::uninit(),
        }
    }

    /// Calls a function that reads this context.
    #[inline(always)]
    pub(super) fn call(&mut self, function: Entry, context: *const u8) -> u64 {
        let (packet, len) = (self.packet, self.len as usize);
        let roots = self.services.roots().start();
        function((&raw mut *self).cast(), packet, len, roots, context)
    }

    /// The same for a function that reads the context as the machine lays it out.
    #[inline(always)]
    pub(super) fn call_with_bytes(&mut self, function: Entry, context: &Context) -> u64 {
        self.bytes.write(context_bytes(self.loaded, context));
        let context = self.bytes.as_ptr().cast();
        self.call(function, context)
    }

    /// What a run without services reads of a frame.
    #[inline(always)]
    pub(super) fn alone(frame: &mut MaybeUninit<Self>, carried: *mut u8) {
        // SAFETY: the field lies inside the frame, which may be written.
        unsafe { (&raw mut (*frame.as_mut_ptr()).carried).write(carried) }
    }

    /// The verdict that is not allowed and left a run undecided that no service has ended, and which instruction said so.
    ///
    /// # Safety
    ///
    /// Host code was called with this frame and answered that.
    pub(super) unsafe fn said(frame: *const Self) -> (u32, u32) {
        // SAFETY: the fields lie inside the frame, and host code writes them before it answers so.
        unsafe {
            let verdict = (&raw const (*frame).args).cast::<u32>();
            (verdict.read(), (&raw const (*frame).pc).read())
        }
    }
}

/// What a service sees of memory.
struct Seen<'r, 'p> {
    packet: &'r mut View<'p>,
    context: &'r mut ContextBytes,
    constants: &'r [u8],
    scratch: *const u8,
}

impl Memory for Seen<'_, '_> {
    fn packet(&self) -> &[u8] {
        self.packet.bytes()
    }

    fn packet_mut(&mut self) -> &mut [u8] {
        self.packet.bytes_mut()
    }

    fn push(&mut self, bytes: u32) -> bool {
        memory::push(self.packet, self.context, bytes)
    }

    fn pop(&mut self, bytes: u32) -> bool {
        memory::pop(self.packet, self.context, bytes)
    }

    fn append(&mut self, bytes: u32) -> bool {
        self.packet.append(bytes)
    }

    fn cut(&mut self, bytes: u32) {
        self.packet.cut(bytes);
    }

    fn read(&self, address: u32, into: &mut [u8]) -> bool {
        if let Some(start) = address.checked_sub(SCRATCH_BASE) {
            let end = u64::from(start) + into.len() as u64;
            if end > u64::from(map::SCRATCH_BYTES) {
                return false;
            }
            // SAFETY: the bytes lie inside the scratch of the frame, and the proof says of each argument that they are written.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    self.scratch.add(start as usize),
                    into.as_mut_ptr(),
                    into.len(),
                );
            }
            return true;
        }
        let Some(start) = address.checked_sub(map::CONSTANTS_BASE) else {
            return false;
        };
        let rest = self.constants.get(start as usize..);
        let Some(bytes) = rest.and_then(|rest| rest.get(..into.len())) else {
            return false;
        };
        into.copy_from_slice(bytes);
        true
    }
}

/// Calls a service for host code; answers the words of `a0` and `a1`, or the host address of a value.
extern "C" fn serve(frame: *mut c_void, slot: u32, pc: u32) -> u64 {
    // SAFETY: host code hands on the frame it was called with, which is not borrowed while it runs.
    let frame: &mut Frame<'_, '_> = unsafe { &mut *frame.cast() };
    let answer = catch_unwind(AssertUnwindSafe(|| answer(frame, slot as usize)));
    match answer.unwrap_or(Err(REFUSED)) {
        Ok(words) => words,
        Err(status) => {
            (frame.told[0], frame.pc) = (status, pc);
            0
        }
    }
}

fn answer(frame: &mut Frame<'_, '_>, slot: usize) -> Result<u64, u32> {
    let Frame {
        args,
        services,
        held,
        loaded,
        bytes,
        scratch,
        told: [_, has_effects],
        ..
    } = frame;
    let native = loaded.native().get().ok_or(REFUSED)?;
    let call = native.calls.get(slot).ok_or(REFUSED)?;
    let mut words = [0; ARGS_MAX];
    for ((word, arg), _) in words.iter_mut().zip(&*args).zip(call.operands()) {
        // SAFETY: host code has written the words of the call.
        *word = unsafe { arg.assume_init() };
    }
    let mut ask = |packet: &mut View<'_>, context: &mut ContextBytes| {
        let mut seen = Seen {
            packet,
            context,
            constants: &loaded.image().constants,
            scratch: scratch.as_ptr().cast(),
        };
        services.call(slot, words, &mut seen)
    };
    let answer = match held {
        // SAFETY: the frame of a packet that moves was made with these bytes.
        Held::Moving(view) => ask(view, unsafe { bytes.assume_init_mut() }),
        // The buffer is long enough, so nothing moves there, and no service writes what the code reads of the context.
        Held::Still(still) => ask(
            &mut still.view(native.window as u32, &mut Vec::new()),
            &mut [0; map::CONTEXT_BYTES as usize],
        ),
    };
    *has_effects = services.has_effects().into();
    let (first, second) = match answer {
        Return::Words(first, second) => (first, second),
        Return::NoRoom if call.resizes => return Err(NO_ROOM),
        Return::NoRoom | Return::Fault => return Err(REFUSED),
    };
    if call.resizes {
        let (packet, len) = held.start();
        (frame.packet, frame.len) = (packet, len as u32);
    }
    match call.answer {
        Answer::Nothing => Ok(0),
        Answer::Word(most) if first <= most => Ok(first.into()),
        Answer::Two(most, other) if first <= most && second <= other => {
            Ok(u64::from(first) | u64::from(second) << 32)
        }
        Answer::Value(_) if first == 0 => Ok(0),
        Answer::Value(bytes) => match services.value(first) {
            Some(value) if value.len() >= usize::from(bytes) => {
                Ok(value.as_ptr().expose_provenance() as u64)
            }
            _ => Err(REFUSED),
        },
        Answer::Word(_) | Answer::Two(..) => Err(REFUSED),
    }
}

impl Translator<'_, '_> {
    /// Translates a call of a service.
    pub(super) fn call(&mut self, line: &Line, slot: usize) -> Result<(), Unsupported> {
        self.bytes.forget_loads();
        self.stores.forget();
        let call = *self.calls.get(slot).ok_or(Unsupported::Fact(line.pc))?;
        if let Some(answer) = self.direct(line, slot, &call)? {
            self.answered(&call, answer);
            return Ok(());
        }
        self.arguments(line, &call)?;
        let answer = self.ask(line, slot);
        let status = self.b.ins().load(I32, FRAME, self.frame, Frame::STATUS);
        let goes_on = self.b.create_block();
        let stopped = self.stopped();
        self.b.ins().brif(status, stopped, &[], goes_on, &[]);
        self.b.switch_to_block(goes_on);
        self.b.seal_block(goes_on);
        self.answered(&call, answer);
        if call.resizes {
            let packet = self.b.ins().load(I64, FRAME, self.frame, Frame::PACKET);
            let len = self.b.ins().uload32(FRAME, self.frame, Frame::LEN);
            self.packet_is(packet, len);
        }
        Ok(())
    }

    /// Puts an answer where code finds it.
    fn answered(&mut self, call: &Call, answer: Value) {
        match call.answer {
            Answer::Nothing => {}
            Answer::Word(_) => {
                let low = self.b.ins().ireduce(I32, answer);
                self.set_number(Reg::A0, low);
            }
            Answer::Two(..) => {
                let low = self.b.ins().ireduce(I32, answer);
                let high = self.b.ins().ushr_imm_u(answer, 32);
                let high = self.b.ins().ireduce(I32, high);
                self.set_number(Reg::A0, low);
                self.set_number(Reg::A1, high);
            }
            Answer::Value(_) => self.set(Reg::A0, answer),
        }
    }

    /// Puts the words of a call into the frame.
    pub(super) fn arguments(&mut self, line: &Line, call: &Call) -> Result<(), Unsupported> {
        let holds = self.facts.words[&line.pc];
        for (at, is_address) in call.operands().enumerate() {
            let holds = *holds.get(at).ok_or(Unsupported::Fact(line.pc))?;
            let reg = Reg(map::reg::A0 + at as u8);
            let word = match holds {
                Holds::Address(Region::Scratch, _) if is_address => {
                    self.scratch_word(line, reg, holds)?
                }
                _ => self.number(line, reg, holds)?,
            };
            self.b
                .ins()
                .store(FRAME, word, self.frame, Frame::ARGS + at as i32 * 4);
        }
        Ok(())
    }

    /// An address of scratch as services see it.
    fn scratch_word(&mut self, line: &Line, reg: Reg, holds: Holds) -> Result<Value, Unsupported> {
        let address = self.address(line, reg, holds)?;
        let start = self.start(Region::Scratch);
        let offset = self.b.ins().isub(address, start);
        let offset = self.b.ins().ireduce(I32, offset);
        Ok(self.b.ins().iadd_imm_u(offset, i64::from(SCRATCH_BASE)))
    }

    fn ask(&mut self, line: &Line, slot: usize) -> Value {
        let signature = self.signature(&[I64, I32, I32]);
        let serve: extern "C" fn(*mut c_void, u32, u32) -> u64 = serve;
        let slot = self.b.ins().iconst(I32, slot as i64);
        let pc = self.b.ins().iconst(I32, i64::from(line.pc));
        self.call_host(signature, serve as usize, &[self.frame, slot, pc])
    }

    /// Calls a function of this program.
    pub(super) fn call_host(
        &mut self,
        signature: SigRef,
        function: usize,
        args: &[Value],
    ) -> Value {
        let function = self.b.ins().iconst(I64, function as i64);
        let called = self.b.ins().call_indirect(signature, function, args);
        self.b.inst_results(called)[0]
    }

    pub(super) fn signature(&mut self, params: &[Type]) -> SigRef {
        let mut signature = Signature::new(CallConv::SystemV);
        signature
            .params
            .extend(params.iter().map(|&ty| AbiParam::new(ty)));
        signature.returns.push(AbiParam::new(I64));
        self.b.import_signature(signature)
    }
}
