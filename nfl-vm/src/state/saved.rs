//! States as bytes, to outlive a restart.
//!
//! In: a state; bytes that another node, or an attacker, may have written. Out: bytes; the state with what
//! they hold. Guaranteed: a state that takes back what it gave is as it was, but for what was told to the
//! controller; bytes that are wrong change nothing; nothing grows beyond the capacities that are declared
//! here, nor in proportion to anything but the bytes.
//!
//! The form: `NFLS`, the version, the clock and the random numbers' state, then each resource with its
//! declaration and its entries, and CRC-32C over all of it. Numbers are little-endian. Entries that
//! age stand in the order of their last use, which is the order in which they are put back.

use nfl_abi::hash::crc32c;
use nfl_abi::image::Resource;

use super::{State, StateError};
use crate::tables::Store;

const MAGIC: &[u8; 4] = b"NFLS";
const VERSION: u8 = 1;

/// Bytes that are read from the front.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    /// The next so many bytes.
    pub(crate) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(bytes)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk().copied()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }
}

/// What makes entries of two resources mean the same. The capacity and the idle time may change.
fn shape(resource: &Resource) -> Vec<u8> {
    let mut out = vec![resource.kind.number(), u8::from(resource.flow_key)];
    out.extend_from_slice(&resource.key_bytes.to_le_bytes());
    out.extend_from_slice(&resource.value_bytes.to_le_bytes());
    out.extend_from_slice(&resource.first.to_le_bytes());
    out.extend_from_slice(&resource.layout.to_le_bytes());
    out
}

const SHAPE_BYTES: usize = 14;

impl State {
    /// The contents of all resources, the clock and the state of the random numbers, as bytes. Reports
    /// and log lines that nobody took are not among them.
    pub fn export(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(VERSION);
        out.extend_from_slice(&self.clock_ns.to_le_bytes());
        out.extend_from_slice(&self.random.to_le_bytes());
        for (resource, store) in self.declared.iter().zip(self.stores.iter()) {
            // A name of a manifest has at most so many bytes.
            let name = resource.name.as_bytes();
            out.extend_from_slice(&(name.len() as u32).to_le_bytes());
            out.extend_from_slice(name);
            out.extend_from_slice(&shape(resource));
            let length_at = out.len();
            out.extend_from_slice(&[0; 8]);
            store.save(&mut out);
            let length = (out.len() - length_at - 8) as u64;
            out[length_at..length_at + 8].copy_from_slice(&length.to_le_bytes());
        }
        out.extend_from_slice(&crc32c(&out).to_le_bytes());
        out
    }

    /// Replaces the contents of the resources that were exported by what they were, and the clock
    /// and the random numbers; answers the names of those that are not declared here, whose contents are
    /// left out. Tables that a controller publishes stay as they are.
    ///
    /// # Errors
    ///
    /// [`StateError::Saved`] when the bytes are no export, [`StateError::Differs`] when a name means
    /// something else here, [`StateError::Full`] when its capacity here is too small. Then nothing is
    /// changed.
    pub fn import(&mut self, bytes: &[u8]) -> Result<Vec<String>, StateError> {
        let (content, sum) = bytes.split_last_chunk().ok_or(StateError::Saved(0))?;
        if crc32c(content) != u32::from_le_bytes(*sum) {
            return Err(StateError::Saved(content.len()));
        }
        let mut input = Input {
            bytes: content,
            at: 0,
        };
        let (clock_ns, random) = head(&mut input).ok_or(StateError::Saved(0))?;
        let (mut restored, mut unknown) = (Vec::new(), Vec::new());
        while input.at < content.len() {
            let at = input.at;
            let (name, is, body) = one(&mut input).ok_or(StateError::Saved(at))?;
            let Some(&place) = self.by_name.get(&name) else {
                unknown.push(name);
                continue;
            };
            let resource = &self.declared[place];
            if shape(resource) != is {
                return Err(StateError::Differs(name));
            }
            let mut store = Store::new(resource);
            let mut body = Input { bytes: body, at: 0 };
            match store.restore(&mut body, clock_ns) {
                Some(true) if body.at == body.bytes.len() => restored.push((place, store)),
                Some(false) => {
                    let capacity = resource.capacity;
                    return Err(StateError::Full { name, capacity });
                }
                _ => return Err(StateError::Saved(at)),
            }
        }
        for (place, store) in restored {
            if !matches!(store, Store::Filled(_)) || self.run.reader.is_none() {
                self.stores[place] = store;
            }
        }
        (self.clock_ns, self.random) = (clock_ns, random);
        self.run.unsettle();
        Ok(unknown)
    }
}

fn head(input: &mut Input<'_>) -> Option<(u64, u64)> {
    let known = input.take(MAGIC.len())? == MAGIC && input.u8()? == VERSION;
    known.then_some(())?;
    Some((input.u64()?, input.u64()?))
}

fn one<'a>(input: &mut Input<'a>) -> Option<(String, &'a [u8], &'a [u8])> {
    let name_bytes = usize::try_from(input.u32()?).ok()?;
    let name = std::str::from_utf8(input.take(name_bytes)?).ok()?;
    let is = input.take(SHAPE_BYTES)?;
    let body_bytes = usize::try_from(input.u64()?).ok()?;
    Some((name.to_string(), is, input.take(body_bytes)?))
}
