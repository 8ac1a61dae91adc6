//! Stores as bytes: what [`State::export`](crate::State::export) writes of each, and how it comes back.
//!
//! Guaranteed: `restore` into an empty store of the same shape makes an equal one. It answers `None` when
//! bytes are wrong and `Some(false)` when they are more than the store holds.

use super::meter::Bucket;
use super::{Aged, Count, Filled, Meter, Now, Part, Rates, Slots, Store, TernaryRule};
use crate::state::Input;

fn put32(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&(number as u32).to_le_bytes());
}

impl Store {
    /// Writes the contents.
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        match self {
            Store::Filled(filled) => filled.save(out),
            Store::Exact(table) => table.save(out),
            Store::KeyedCounters(counters) => counters.table().save(out),
            Store::Slots(slots) => slots.save(out),
            Store::Registers(registers) => {
                put32(out, registers.entries().count());
                for (index, value) in registers.entries() {
                    out.extend_from_slice(&index.to_le_bytes());
                    out.extend_from_slice(value);
                }
            }
            Store::Counters(counters) => {
                put32(out, counters.entries().count());
                for (index, count) in counters.entries() {
                    out.extend_from_slice(&index.to_le_bytes());
                    out.extend_from_slice(&count.to_bytes());
                }
            }
            Store::Meter(meter) => meter.save(out),
            Store::Report => {}
        }
    }

    /// Reads contents into an empty store.
    pub(crate) fn restore(&mut self, input: &mut Input<'_>, clock_ns: u64) -> Option<bool> {
        match self {
            Store::Filled(_) => self.filled_mut()?.restore(input),
            Store::Exact(table) => table.restore(input, clock_ns),
            Store::KeyedCounters(counters) => counters.table_mut().restore(input, clock_ns),
            Store::Slots(slots) => slots.restore(input, clock_ns),
            Store::Registers(registers) => {
                for _ in 0..input.u32()? {
                    let index = input.u32()?;
                    let value = input.take(registers.bytes())?;
                    if index >= registers.len() {
                        return Some(false);
                    }
                    registers.set(index, value);
                }
                Some(true)
            }
            Store::Counters(counters) => {
                for _ in 0..input.u32()? {
                    let index = input.u32()?;
                    let count = Count::from_bytes(input.take(16)?);
                    if index >= counters.len() {
                        return Some(false);
                    }
                    counters.set(index, count);
                }
                Some(true)
            }
            Store::Meter(meter) => meter.restore(input, clock_ns),
            Store::Report => Some(true),
        }
    }
}

/// Nothing else happens while entries come back.
fn at(ns: u64) -> Now {
    Now { ns, run: 0 }
}

impl Filled {
    fn save(&self, out: &mut Vec<u8>) {
        match self {
            Filled::Exact(table) => table.save(out),
            Filled::Lpm(lpm) => {
                let entries = lpm.entries();
                put32(out, entries.len());
                for (address, bits, value) in entries {
                    out.extend_from_slice(address);
                    out.extend_from_slice(&bits.to_le_bytes());
                    out.extend_from_slice(value);
                }
            }
            Filled::Ternary(ternary) => {
                put32(out, ternary.rules().len());
                for rule in ternary.rules() {
                    out.extend_from_slice(&rule.priority.to_le_bytes());
                    put32(out, rule.parts.len());
                    for part in &rule.parts {
                        out.extend_from_slice(&part.offset.to_le_bytes());
                        out.extend_from_slice(&[part.bytes, u8::from(part.big_endian)]);
                        out.extend_from_slice(&part.lo.to_le_bytes());
                        out.extend_from_slice(&part.hi.to_le_bytes());
                    }
                    put32(out, rule.value.len());
                    out.extend_from_slice(&rule.value);
                }
            }
            Filled::Ring(ring) => {
                put32(out, ring.members().count());
                for member in ring.members() {
                    put32(out, member.len());
                    out.extend_from_slice(member);
                }
            }
        }
    }

    fn restore(&mut self, input: &mut Input<'_>) -> Option<bool> {
        match self {
            Filled::Exact(table) => return table.restore(input, u64::MAX),
            Filled::Lpm(lpm) => {
                let (address_bytes, value_bytes) = lpm.shape();
                for _ in 0..input.u32()? {
                    let address = input.take(address_bytes)?;
                    let bits = input.u16()?;
                    let value = input.take(value_bytes)?;
                    if usize::from(bits) > address_bytes * 8 {
                        return None;
                    }
                    if !lpm.insert(address, bits, value, at(0)) {
                        return Some(false);
                    }
                }
            }
            Filled::Ternary(ternary) => {
                for _ in 0..input.u32()? {
                    let rule = rule(input)?;
                    if !ternary.takes(&rule) {
                        return None;
                    }
                    if !ternary.insert(rule) {
                        return Some(false);
                    }
                }
            }
            Filled::Ring(ring) => {
                for _ in 0..input.u32()? {
                    let bytes = usize::try_from(input.u32()?).ok()?;
                    let member = input.take(bytes)?;
                    if bytes != ring.member_bytes() {
                        return None;
                    }
                    if !ring.insert(member) {
                        return Some(false);
                    }
                }
            }
        }
        Some(true)
    }
}

fn rule(input: &mut Input<'_>) -> Option<TernaryRule> {
    let priority = input.u32()?;
    let mut parts = Vec::new();
    for _ in 0..input.u32()? {
        parts.push(Part {
            offset: input.u16()?,
            bytes: input.u8()?,
            big_endian: match input.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            },
            lo: input.u128()?,
            hi: input.u128()?,
        });
    }
    let value_bytes = usize::try_from(input.u32()?).ok()?;
    Some(TernaryRule {
        priority,
        parts,
        value: input.take(value_bytes)?.to_vec(),
    })
}

/// A time of last use, which lies between the one before and the clock.
fn used(input: &mut Input<'_>, before: &mut u64, clock_ns: u64) -> Option<u64> {
    let used_ns = input.u64()?;
    let follows = (*before..=clock_ns).contains(&used_ns);
    *before = used_ns;
    follows.then_some(used_ns)
}

impl Aged {
    fn save(&self, out: &mut Vec<u8>) {
        put32(out, self.len() as usize);
        for cell in self.cells() {
            let (key, used_ns) = self.used(cell);
            out.extend_from_slice(&used_ns.to_le_bytes());
            out.extend_from_slice(key);
            out.extend_from_slice(self.value(cell));
        }
    }

    fn restore(&mut self, input: &mut Input<'_>, clock_ns: u64) -> Option<bool> {
        let (key_bytes, value_bytes) = self.shape();
        let mut before = 0;
        for _ in 0..input.u32()? {
            let used_ns = used(input, &mut before, clock_ns)?;
            let key = input.take(key_bytes)?;
            let value = input.take(value_bytes)?;
            if self.seek(key, 0).is_some() {
                return None;
            }
            if self.is_full() {
                return Some(false);
            }
            self.put(key, value, at(used_ns));
        }
        Some(true)
    }
}

impl Slots {
    fn save(&self, out: &mut Vec<u8>) {
        put32(out, self.fresh() as usize);
        put32(out, self.taken().count());
        for (slot, used_ns, value) in self.taken() {
            out.extend_from_slice(&slot.to_le_bytes());
            out.extend_from_slice(&used_ns.to_le_bytes());
            out.extend_from_slice(value);
        }
    }

    fn restore(&mut self, input: &mut Input<'_>, clock_ns: u64) -> Option<bool> {
        let fresh = input.u32()?;
        let mut taken = Vec::new();
        let mut before = 0;
        for _ in 0..input.u32()? {
            let slot = input.u32()?;
            let used_ns = used(input, &mut before, clock_ns)?;
            taken.push((slot, used_ns, input.take(self.value_bytes())?));
        }
        self.put_back(fresh, &taken)
    }
}

impl Meter {
    fn save(&self, out: &mut Vec<u8>) {
        let rates = self.rates();
        out.push(u8::from(rates.is_some()));
        if let Some(rates) = rates {
            out.extend_from_slice(&rates.committed_bps.to_le_bytes());
            out.extend_from_slice(&rates.committed_burst.to_le_bytes());
            out.extend_from_slice(&rates.peak_bps.to_le_bytes());
            out.extend_from_slice(&rates.peak_burst.to_le_bytes());
        }
        put32(out, self.charged().count());
        for (key, bucket) in self.charged() {
            out.extend_from_slice(key);
            out.extend_from_slice(&bucket.committed.to_le_bytes());
            out.extend_from_slice(&bucket.peak.to_le_bytes());
            out.extend_from_slice(&bucket.filled_ns.to_le_bytes());
        }
    }

    fn restore(&mut self, input: &mut Input<'_>, clock_ns: u64) -> Option<bool> {
        let rates = match input.u8()? {
            0 => None,
            1 => Some(Rates {
                committed_bps: input.u64()?,
                committed_burst: input.u32()?,
                peak_bps: input.u64()?,
                peak_burst: input.u32()?,
            }),
            _ => return None,
        };
        self.set_rates(rates);
        let mut before = 0;
        for _ in 0..input.u32()? {
            let key = input.take(self.key_bytes())?;
            let (committed, peak) = (input.u128()?, input.u128()?);
            let filled_ns = used(input, &mut before, clock_ns)?;
            let bucket = Bucket {
                committed,
                peak,
                filled_ns,
            };
            if !self.put_back(key, bucket)? {
                return Some(false);
            }
        }
        Some(true)
    }
}
