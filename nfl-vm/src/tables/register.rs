//! Values that packets read and write in place, one or an array of them.
//!
//! In: indices and bytes. Out: bytes. Guaranteed: all bytes are zero at first; an index behind the
//! end reads as zero and writes nothing.

use super::pages::Pages;

/// The widest register that is added to, in bytes.
const NUMBER_BYTES: usize = 8;

/// Registers of one width.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Registers {
    bytes: u16,
    pages: Pages,
}

impl Registers {
    pub(crate) fn new(bytes: u16, len: u32) -> Registers {
        Registers {
            bytes,
            pages: Pages::new(bytes.into(), len),
        }
    }

    /// Bytes of each.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.into()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u32 {
        self.pages.len()
    }

    /// Takes all memory now.
    pub(crate) fn reserve(&mut self) {
        self.pages.reserve();
    }

    /// The bytes of one.
    pub(crate) fn get(&self, index: u32) -> Vec<u8> {
        let written = self.pages.get(index).filter(|_| index < self.len());
        written.map_or_else(|| vec![0; self.bytes.into()], <[u8]>::to_vec)
    }

    /// The number in one, of at most eight bytes.
    #[inline]
    pub(crate) fn number(&self, index: u32) -> u64 {
        let written = self.pages.get(index).filter(|_| index < self.len());
        written.map_or(0, number)
    }

    /// Replaces the bytes of one.
    #[inline]
    pub(crate) fn set(&mut self, index: u32, value: &[u8]) {
        if let Some(bytes) = self.pages.get_mut(index) {
            bytes.copy_from_slice(value);
        }
    }

    /// Adds a little-endian number of at most eight bytes, wrapping at the register's width; answers the
    /// sum.
    #[inline]
    pub(crate) fn add(&mut self, index: u32, value: &[u8]) -> u64 {
        let Some(bytes) = self.pages.get_mut(index) else {
            return 0;
        };
        let sum = number(bytes).wrapping_add(number(value));
        for (byte, sum) in bytes.iter_mut().zip(sum.to_le_bytes()) {
            *byte = sum;
        }
        number(bytes)
    }

    /// All zero again.
    pub(crate) fn clear(&mut self) {
        self.pages.clear();
    }

    /// Those that are not zero, in the order of their indices.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.pages.entries()
    }
}

#[inline]
fn number(bytes: &[u8]) -> u64 {
    match *bytes {
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]).into(),
        _ => {
            let bytes = bytes.iter().take(NUMBER_BYTES).rev();
            bytes.fold(0, |number, &byte| number << 8 | u64::from(byte))
        }
    }
}
