//! Cells of one size that stay where they are.
//!
//! In: cells that are taken and freed, each time with the number of the run that does it. Out: their
//! bytes. Guaranteed: a cell that is freed is not taken again in the same run, so that values found
//! before still stand there; cells never move; none is made while cells that were reserved are left.

use super::index::NONE;

/// Bytes of cells that are made together.
const CHUNK_BYTES: usize = 1 << 16;

/// Cells beyond the capacity that are reserved for what one run replaces.
const SPARE: usize = 64;

/// A place in the bytes of the cells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    chunk: usize,
    byte: usize,
}

impl At {
    /// The place so many bytes behind.
    #[inline(always)]
    pub(crate) fn further(self, bytes: usize) -> At {
        At {
            byte: self.byte + bytes,
            ..self
        }
    }
}

/// Cells, by number.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    cell_bytes: usize,
    /// The logarithm of the cells in a chunk, and their number less one.
    shift: u32,
    mask: u32,
    chunks: Vec<Box<[u8]>>,
    /// Cells that were ever taken.
    fresh: u32,
    /// Free cells, the one freed first at the head.
    next: Vec<u32>,
    head: u32,
    tail: u32,
    /// The first cell that was freed in the last run that freed one, and that run.
    held: u32,
    run: u64,
}

impl Records {
    pub(crate) fn new(cell_bytes: usize, capacity: u32) -> Records {
        // Keys and values without bytes take none.
        let cells = (CHUNK_BYTES / cell_bytes.max(1)).clamp(1, capacity as usize + 1);
        let cells = cells.next_power_of_two();
        Records {
            cell_bytes,
            shift: cells.trailing_zeros(),
            mask: cells as u32 - 1,
            chunks: Vec::new(),
            fresh: 0,
            next: Vec::new(),
            head: NONE,
            tail: NONE,
            held: NONE,
            run: 0,
        }
    }

    /// Makes cells for a table of this capacity, and some more for what a run replaces; answers how
    /// many.
    pub(crate) fn reserve(&mut self, capacity: u32) -> usize {
        let cells = capacity as usize + SPARE;
        self.next.reserve(cells.saturating_sub(self.next.len()));
        while self.chunks.len() << self.shift < cells {
            self.grow();
        }
        cells
    }

    /// The bytes of a cell.
    #[inline]
    pub(crate) fn get(&self, cell: u32) -> &[u8] {
        let at = self.within(cell);
        &self.chunks[cell as usize >> self.shift][at..at + self.cell_bytes]
    }

    /// Where a cell begins.
    #[inline(always)]
    pub(crate) fn place(&self, cell: u32) -> At {
        At {
            chunk: (cell >> self.shift) as usize,
            byte: self.within(cell),
        }
    }

    /// The bytes from a place on, with those of other cells behind them; nothing where no cell was ever taken.
    #[inline(always)]
    pub(crate) fn at(&self, at: At) -> Option<&[u8]> {
        self.chunks.get(at.chunk)?.get(at.byte..)
    }

    /// Where each chunk of cells begins.
    #[cfg(feature = "jit")]
    pub(crate) fn chunks(&self) -> impl Iterator<Item = *const u8> {
        self.chunks.iter().map(|chunk| chunk.as_ptr())
    }

    /// How far to the right the number of its chunk stands in that of a cell, the bits of the others, and the bytes of a cell.
    #[cfg(feature = "jit")]
    pub(crate) fn layout(&self) -> (u32, u32, usize) {
        (self.shift, self.mask, self.cell_bytes)
    }

    /// The same, to be written.
    #[inline(always)]
    pub(crate) fn at_mut(&mut self, at: At) -> Option<&mut [u8]> {
        self.chunks.get_mut(at.chunk)?.get_mut(at.byte..)
    }

    /// The bytes of a cell, to be written.
    #[inline]
    pub(crate) fn get_mut(&mut self, cell: u32) -> &mut [u8] {
        let at = self.within(cell);
        &mut self.chunks[cell as usize >> self.shift][at..at + self.cell_bytes]
    }

    /// A cell that nobody reads in this run.
    pub(crate) fn take(&mut self, run: u64) -> u32 {
        let cell = self.head;
        if cell != NONE && (cell != self.held || self.run != run) {
            self.head = self.next[cell as usize];
            if self.head == NONE {
                self.tail = NONE;
            }
            if self.held == cell {
                self.held = NONE;
            }
            return cell;
        }
        let cell = self.fresh;
        if cell as usize >> self.shift >= self.chunks.len() {
            self.grow();
        }
        self.fresh += 1;
        self.next.push(NONE);
        cell
    }

    /// Gives a cell back.
    pub(crate) fn free(&mut self, cell: u32, run: u64) {
        self.next[cell as usize] = NONE;
        match self.tail {
            NONE => self.head = cell,
            tail => self.next[tail as usize] = cell,
        }
        self.tail = cell;
        if self.run != run || self.held == NONE {
            self.run = run;
            self.held = cell;
        }
    }

    #[inline(always)]
    fn within(&self, cell: u32) -> usize {
        (cell & self.mask) as usize * self.cell_bytes
    }

    fn grow(&mut self) {
        let bytes = self.cell_bytes << self.shift;
        self.chunks.push(vec![0; bytes].into_boxed_slice());
    }
}
