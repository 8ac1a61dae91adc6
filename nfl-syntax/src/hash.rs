//! A fast hash of texts.
//!
//! In: bytes. Out: a number for tables that are only asked, never gone through. Guaranteed: nobody who chooses the texts of
//! a program can know which of them collide, since each table begins at a random number.

use std::hash::{BuildHasher, Hasher, RandomState};

/// What a table begins at.
#[derive(Clone, Copy, Debug)]
pub struct Seed(u64);

impl Default for Seed {
    fn default() -> Seed {
        Seed(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for Seed {
    type Hasher = Folded;
    fn build_hasher(&self) -> Folded {
        Folded(self.0)
    }
}

/// Both halves of a product, for each word of eight bytes.
pub struct Folded(u64);

impl Folded {
    fn add(&mut self, word: u64) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let product = u128::from(self.0 ^ word) * u128::from(ODD);
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
}

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for &word in words {
            self.add(u64::from_le_bytes(word));
        }
        let rest = rest.iter().rev();
        self.add(rest.fold(bytes.len() as u64, |word, &byte| {
            word << 8 | u64::from(byte)
        }));
    }

    fn write_u8(&mut self, n: u8) {
        self.add(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.add(n.into());
    }

    fn write_u64(&mut self, n: u64) {
        self.add(n);
    }

    fn write_usize(&mut self, n: usize) {
        self.add(n as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
