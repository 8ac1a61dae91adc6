//! Where each three bytes of an address lead, each in a place of its own.
//!
//! In: places, and what they lead to. Out: the same again. Guaranteed: a place leads to nothing until it is set; what was never
//! set takes no memory, but for what lies on a page with what was.
//!
//! The array asks for large pages where the host has them: its places are read by chance, and with small pages most of such a
//! read is finding the page.

use std::ops::{Deref, DerefMut};

#[cfg(feature = "jit")]
use memmap2::MmapMut;

/// Bytes of the addresses that choose a place.
pub(super) const BYTES: usize = 3;

const PLACES: usize = 1 << (8 * BYTES);

/// Bytes of a place.
const EACH: usize = size_of::<u32>();

/// Bytes that a copy leaves out where all of them are zero.
const PAGE_BYTES: usize = 4096;

/// The array.
#[derive(Debug)]
pub(super) struct Flat(Memory);

/// Zeros, to be written.
#[derive(Debug)]
enum Memory {
    #[cfg(feature = "jit")]
    Mapped(MmapMut),
    Heap(Box<[u8]>),
}

impl Flat {
    pub(super) fn new() -> Flat {
        Flat(Memory::zeros(PLACES * EACH))
    }

    /// Where three bytes lead, the first of them highest.
    #[inline(always)]
    pub(super) fn get(&self, at: usize) -> u32 {
        let (places, _) = self.0.as_chunks();
        u32::from_ne_bytes(places[at])
    }

    pub(super) fn set(&mut self, at: usize, next: u32) {
        // What is only read takes no memory.
        if self.get(at) != next {
            let (places, _) = self.0.as_chunks_mut();
            places[at] = next.to_ne_bytes();
        }
    }

    /// Where it begins: a word for each place.
    #[cfg(feature = "jit")]
    pub(super) fn as_ptr(&self) -> *const u32 {
        self.0.as_ptr().cast()
    }
}

impl Clone for Flat {
    fn clone(&self) -> Flat {
        let mut copy = Flat::new();
        let pages = self.0.chunks(PAGE_BYTES);
        for (from, to) in pages.zip(copy.0.chunks_mut(PAGE_BYTES)) {
            if from.iter().any(|&byte| byte != 0) {
                to.copy_from_slice(from);
            }
        }
        copy
    }
}

impl Memory {
    fn zeros(bytes: usize) -> Memory {
        #[cfg(feature = "jit")]
        if let Ok(memory) = MmapMut::map_anon(bytes) {
            // Where there are no large pages it works as well.
            #[cfg(target_os = "linux")]
            memory.advise(memmap2::Advice::HugePage).unwrap_or_default();
            return Memory::Mapped(memory);
        }
        Memory::Heap(vec![0; bytes].into_boxed_slice())
    }
}

impl Deref for Memory {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        match self {
            #[cfg(feature = "jit")]
            Memory::Mapped(memory) => memory,
            Memory::Heap(memory) => memory,
        }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            #[cfg(feature = "jit")]
            Memory::Mapped(memory) => memory,
            Memory::Heap(memory) => memory,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::trie::NOTHING;
    use super::*;

    #[test]
    fn a_copy_has_all_places_and_memory_of_its_own() {
        let mut flat = Flat::new();
        let set = [
            (0, 1),
            (1023, 2),
            (1024, 3),
            (0x0a_0b0c, 1 << 31),
            (PLACES - 1, u32::MAX),
        ];
        for (at, next) in set {
            flat.set(at, next);
        }
        let copy = flat.clone();
        flat.set(0, NOTHING);
        assert_eq!((flat.get(0), flat.get(1023)), (NOTHING, 2));
        let found = (0..PLACES).map(|at| (at, copy.get(at)));
        let found: Vec<(usize, u32)> = found.filter(|&(_, next)| next != NOTHING).collect();
        assert_eq!(found, set);
    }
}
