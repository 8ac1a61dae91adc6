//! rbpf: an interpreter that checks each access, and a JIT that checks none.

use rbpf::EbpfVmRaw;

use crate::frames::Frames;
use crate::{End, Sandbox};

/// A function on rbpf.
pub(crate) struct Rbpf {
    vm: EbpfVmRaw<'static>,
    jit: bool,
    frames: Frames,
}

impl Rbpf {
    pub(crate) fn new(code: &[u8], jit: bool, packets: &[Vec<u8>]) -> Result<Rbpf, String> {
        // The machine borrows its program; the harness makes few and keeps them all.
        let code: &'static [u8] = Box::leak(code.into());
        let mut vm = EbpfVmRaw::new(Some(code)).map_err(|e| e.to_string())?;
        if jit {
            vm.jit_compile().map_err(|e| e.to_string())?;
        }
        Ok(Rbpf {
            vm,
            jit,
            frames: Frames::new(packets),
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

impl Sandbox for Rbpf {
    fn restore(&mut self) {
        self.frames.restore();
    }

    fn pass(&mut self) -> u32 {
        let Rbpf { vm, jit, frames } = self;
        frames.each(|packet| run(vm, *jit, packet))
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
