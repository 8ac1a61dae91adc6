//! rbpf: an interpreter that checks each access, and a JIT that checks none.

use std::hint::black_box;

use rbpf::EbpfVmRaw;

use crate::measure::{End, Side};
use crate::native::Frames;
use crate::traffic::Traffic;

/// A function on rbpf.
pub(crate) struct Rbpf {
    vm: EbpfVmRaw<'static>,
    jit: bool,
    frames: Frames,
}

impl Rbpf {
    pub(crate) fn new(code: &[u8], jit: bool, traffic: &Traffic) -> Result<Rbpf, String> {
        // The machine borrows its program; the harness makes few and keeps them all.
        let code: &'static [u8] = Box::leak(code.into());
        let mut vm = EbpfVmRaw::new(Some(code)).map_err(|e| e.to_string())?;
        if jit {
            vm.jit_compile().map_err(|e| e.to_string())?;
        }
        Ok(Rbpf {
            vm,
            jit,
            frames: Frames::new(&traffic.packets),
        })
    }
}

fn run(vm: &EbpfVmRaw<'_>, jit: bool, packet: &mut [u8]) -> u32 {
    let answer = if jit {
        // SAFETY: the code was compiled by clang from C that stays within the packet, as the native side's.
        unsafe { vm.execute_program_jit(packet) }
    } else {
        vm.execute_program(packet)
    };
    answer.expect("it does not fault") as u32
}

impl Side for Rbpf {
    fn packets(&self) -> usize {
        self.frames.len()
    }

    fn restore(&mut self) {
        self.frames.restore();
    }

    fn pass(&mut self) {
        let Rbpf { vm, jit, frames } = self;
        black_box(frames.each(|packet| run(vm, *jit, packet)));
    }

    fn ends(&mut self) -> Vec<End> {
        let Rbpf { vm, jit, frames } = self;
        frames.ends(|packet| (run(vm, *jit, packet), 0))
    }
}

/// From bytes to the first answer.
pub(crate) fn cold(code: &[u8], jit: bool, packet: &mut [u8]) -> u32 {
    let mut vm = EbpfVmRaw::new(Some(code)).expect("rbpf accepts it");
    if jit {
        vm.jit_compile().expect("rbpf compiles it");
    }
    run(&vm, jit, packet)
}
