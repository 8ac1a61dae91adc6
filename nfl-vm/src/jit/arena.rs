//! Memory for host code: what can be written cannot be executed, and the other way round.
//!
//! In: bytes of position-independent host code. Out: where they may be called. Guaranteed: no page is
//! ever writable and executable through one address; code stays where it is until its [`Code`] is
//! dropped, and its room is used again then; many programs share a page.
//!
//! Each chunk is a file in memory that is mapped twice, once to be written and once to be executed, so code is
//! added while other code of the same page runs. Untouched pages of a chunk take no memory.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{Mmap, MmapMut, MmapOptions};

/// Host code of all programs of one compiler.
#[derive(Debug, Default)]
pub(super) struct Arena {
    chunks: Mutex<Vec<Chunk>>,
}

#[derive(Debug)]
struct Chunk {
    writable: MmapMut,
    executable: Arc<Mmap>,
    /// Free bytes: where they begin, and how many they are. No two of them touch.
    free: BTreeMap<usize, usize>,
}

/// Host code of one program; its room is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Code {
    arena: Arc<Arena>,
    chunk: usize,
    at: usize,
    len: usize,
    executable: Arc<Mmap>,
}

const CHUNK_BYTES: usize = 16 << 20;

/// Bytes of a page of memory, or of a part of one.
const PAGE_BYTES: usize = 4096;

/// Functions begin on lines of the instruction cache's fetch window.
const ALIGNMENT: usize = 32;

impl Arena {
    /// Copies code to where it can be called.
    pub(super) fn add(self: &Arc<Self>, code: &[u8]) -> io::Result<Code> {
        let len = code.len().next_multiple_of(ALIGNMENT);
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        let room = chunks
            .iter_mut()
            .enumerate()
            .find_map(|(n, chunk)| Some((n, chunk.take(len)?)));
        let (chunk, at) = match room {
            Some(room) => room,
            None => {
                let mut chunk = Chunk::new(CHUNK_BYTES.max(len))?;
                let at = chunk.take(len).unwrap_or(0);
                chunks.push(chunk);
                (chunks.len() - 1, at)
            }
        };
        let of = &mut chunks[chunk];
        of.writable[at..at + code.len()].copy_from_slice(code);
        Ok(Code {
            arena: Arc::clone(self),
            chunk,
            at,
            len,
            executable: Arc::clone(&of.executable),
        })
    }

    /// Bytes that programs have taken.
    #[cfg(test)]
    fn taken(&self) -> usize {
        let chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        let free = |chunk: &Chunk| chunk.free.values().sum::<usize>();
        chunks
            .iter()
            .map(|chunk| chunk.writable.len() - free(chunk))
            .sum()
    }
}

impl Chunk {
    fn new(bytes: usize) -> io::Result<Chunk> {
        let file = rustix::fs::memfd_create("nfl-code", rustix::fs::MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&file, bytes as u64)?;
        let mut options = MmapOptions::new();
        options.len(bytes);
        // SAFETY: nobody else knows the file, so it stays as long as it is, and its bytes change through this mapping alone.
        let writable = unsafe { options.map_mut(&file) }?;
        // SAFETY: as above; what is executed is not written before its `Code` is dropped.
        let executable = unsafe { options.map_exec(&file) }?;
        Ok(Chunk {
            writable,
            executable: Arc::new(executable),
            free: BTreeMap::from([(0, bytes)]),
        })
    }

    /// The first room that is large enough.
    fn take(&mut self, len: usize) -> Option<usize> {
        let (&at, &room) = self.free.iter().find(|&(_, &room)| room >= len)?;
        self.free.remove(&at);
        if room > len {
            self.free.insert(at + len, room - len);
        }
        Some(at)
    }

    /// Gives room back, and joins it with the room around it.
    fn give(&mut self, mut at: usize, mut len: usize) {
        if let Some(behind) = self.free.remove(&(at + len)) {
            len += behind;
        }
        if let Some((&before, &room)) = self.free.range(..at).next_back()
            && before + room == at
        {
            self.free.remove(&before);
            (at, len) = (before, room + len);
        }
        self.free.insert(at, len);
    }
}

impl Code {
    /// The address of the byte `offset` bytes from the first.
    pub(super) fn address(&self, offset: usize) -> *const u8 {
        let code = &self.executable[self.at..self.at + self.len];
        code[offset..].as_ptr()
    }

    /// Reads each page, so that no call has to wait until it is there.
    pub(super) fn touch(&self) {
        let code = &self.executable[self.at..self.at + self.len];
        for byte in code.iter().step_by(PAGE_BYTES).chain(code.last()) {
            black_box(*byte);
        }
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        let mut chunks = self
            .arena
            .chunks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        chunks[self.chunk].give(self.at, self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_used_again() {
        let arena = Arc::new(Arena::default());
        let codes: Vec<Code> = (0..1000)
            .map(|n| arena.add(&vec![0xc3; n % 100 + 1]).unwrap())
            .collect();
        let taken = arena.taken();
        let (even, odd): (Vec<_>, Vec<_>) =
            codes.into_iter().enumerate().partition(|(n, _)| n % 2 == 0);
        drop(even);
        assert!(arena.taken() < taken);
        let again: Vec<Code> = (0..500).map(|_| arena.add(&[0xc3]).unwrap()).collect();
        assert!(arena.taken() <= taken);
        drop((odd, again));
        assert_eq!(arena.taken(), 0);
        let chunks = arena.chunks.lock().unwrap();
        assert_eq!(chunks.len(), 1);
        assert_eq!(chunks[0].free.len(), 1, "all room is one again");
    }

    #[test]
    fn code_is_where_it_was_put() {
        let arena = Arc::new(Arena::default());
        let first = arena.add(&[1, 2, 3]).unwrap();
        let second = arena.add(&[4, 5, 6]).unwrap();
        assert_eq!(second.executable[second.at..second.at + 3], [4, 5, 6]);
        drop(first);
        let third = arena.add(&[7]).unwrap();
        assert_eq!(third.at, 0);
        assert_eq!(second.executable[second.at..second.at + 3], [4, 5, 6]);
        assert_eq!(
            second.address(1),
            second.executable[second.at + 1..].as_ptr()
        );
    }
}
