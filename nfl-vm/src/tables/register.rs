//! Values that packets read and write in place, one or an array of them.
//!
//! In: indices and bytes. Out: bytes. Guaranteed: all bytes are zero at first; an index behind the
//! end reads as zero and writes nothing.

use std::collections::BTreeMap;

/// Registers of one width; those that are zero take no memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Registers {
    bytes: u16,
    len: u32,
    written: BTreeMap<u32, Vec<u8>>,
}

impl Registers {
    pub(crate) fn new(bytes: u16, len: u32) -> Registers {
        Registers {
            bytes,
            len: len.max(1),
            written: BTreeMap::new(),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// The bytes of one.
    pub(crate) fn get(&self, index: u32) -> Vec<u8> {
        let written = self.written.get(&index).cloned();
        written.unwrap_or_else(|| vec![0; usize::from(self.bytes)])
    }

    /// Replaces the bytes of one.
    pub(crate) fn set(&mut self, index: u32, value: &[u8]) {
        if index >= self.len {
            return;
        }
        if value.iter().all(|&byte| byte == 0) {
            self.written.remove(&index);
        } else {
            self.written.insert(index, value.to_vec());
        }
    }

    /// Adds little-endian numbers, wrapping at the register's width; answers the sum.
    pub(crate) fn add(&mut self, index: u32, value: &[u8]) -> Vec<u8> {
        let mut sum = self.get(index);
        let mut carry = 0;
        for (byte, &more) in sum.iter_mut().zip(value) {
            let wide = u16::from(*byte) + u16::from(more) + carry;
            *byte = wide as u8;
            carry = wide >> 8;
        }
        if index >= self.len {
            return self.get(index);
        }
        self.set(index, &sum);
        sum
    }

    /// All zero again.
    pub(crate) fn clear(&mut self) {
        self.written.clear();
    }

    /// Those that are not zero, in the order of their indices.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.written
            .iter()
            .map(|(&index, value)| (index, &value[..]))
    }
}
