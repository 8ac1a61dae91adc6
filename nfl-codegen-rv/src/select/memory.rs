//! Loads, stores and the addresses they use.
//!
//! In: a load or store of the IR. Out: one instruction off a base register, after at most one addition for each variable
//! that some address adds to a region. Guaranteed: the address is the IR's modulo 2^32, so what is in bounds there is
//! in bounds here.

use std::collections::{BTreeMap, BTreeSet};

use nfl_ir::func::Origin;
use nfl_ir::{Block as IrBlock, Effect, InstData, Op as IrOp, Region, Value};
use nfl_isa::{Fx, Inst, Op, Reg};

use super::value::{fits6, fits12};
use super::{Base, Early, Select, Start, Sum};
use crate::mir::{Code, PACKET, SP, VReg, ZERO};
use crate::scratch::touches_memory;

/// A region, a constant offset and maybe a variable.
#[derive(Clone, Copy)]
struct Address {
    region: Region,
    offset: u32,
    index: Option<Value>,
    /// The address of the value that it lies in, for [`Region::Value`].
    found: Option<Value>,
}

/// A load or a store in a block, so many bytes from what it adds up.
struct Access {
    at: usize,
    op: Op,
    offset: i32,
}

/// Bytes of the instruction that makes a register for a window.
const WINDOW_BYTES: u32 = 4;

/// Largest and smallest immediate of a load or store.
const REACH: std::ops::RangeInclusive<i32> = -2048..=2047;

impl<'a> Select<'a> {
    /// Finds every sum of a base and a variable, the window into the packet, and the block that dominates their users.
    pub(super) fn find_sums(&mut self) {
        let insts = || self.blocks.iter().flat_map(|&b| &self.f.blocks[b].insts);
        let swaps = insts().map(|&i| &self.f.insts[i]).filter(|inst| {
            let is_swap = matches!(inst.op, IrOp::Bswap16 | IrOp::Bswap32);
            is_swap && !self.input.isa.allows(Op::Rev8)
        });
        let swapped: BTreeSet<Value> = swaps.flat_map(|inst| inst.args.iter().copied()).collect();
        let mut accesses: BTreeMap<(Base, Option<Value>), Vec<Access>> = BTreeMap::new();
        for at in 0..self.blocks.len() {
            for &i in &self.f.blocks[self.blocks[at]].insts {
                let inst = &self.f.insts[i];
                let stays = inst.region != Some(Region::Packet) || !self.moved[at];
                if !touches_memory(inst.op) || !stays {
                    continue;
                }
                let address = self.address(inst);
                if let Some(base) = base_of(address.region) {
                    // A number with its most significant byte first is loaded byte by byte.
                    let op = match inst.result {
                        Some(v) if swapped.contains(&v) => Op::Lbu,
                        _ => access_op(inst.op),
                    };
                    let offset = address.offset.cast_signed();
                    let list = accesses.entry((base, address.index)).or_default();
                    list.push(Access { at, op, offset });
                }
            }
        }
        for ((base, index), mut list) in accesses {
            let bias = match index {
                Some(_) => self.bias(&list, 0),
                None if base == Base::Packet && self.input.windows => {
                    let bias = self.bias(&list, WINDOW_BYTES);
                    list.retain(|access| self.gains(access, bias));
                    bias
                }
                None => 0,
            };
            if index.is_none() && bias == 0 {
                continue;
            }
            let homes = list.iter().map(|access| access.at);
            let home = homes.reduce(|a, b| self.graph.common_dominator(a, b));
            let sum = Sum {
                home: home.unwrap_or(0),
                bias,
                reg: None,
            };
            self.sums.insert((base, index), sum);
        }
    }

    /// How far from an address a register for some accesses to it stands best, when so many bytes are paid for having one at
    /// all: those that do not gain by it need not use it then.
    fn bias(&self, list: &[Access], paid: u32) -> i32 {
        let bytes = |bias: i32| -> Option<u32> {
            let move_bytes = match bias {
                0 => 0,
                _ if paid > 0 => paid,
                _ if fits6(bias) => 2,
                _ => 4,
            };
            let sizes = list.iter().map(|access| {
                let size = self.access_bytes(access, bias)?;
                let stays = if paid > 0 { 4 } else { size };
                Some(size.min(stays))
            });
            sizes.sum::<Option<u32>>().map(|sum| sum + move_bytes)
        };
        let offsets = list.iter().map(|access| access.offset);
        let choices = offsets.flat_map(|offset| (0..4).map(move |by| offset.wrapping_sub(by)));
        let choices = choices.filter(|&bias| fits12(bias));
        let choices = std::iter::once(0).chain(choices);
        let sized = choices.filter_map(|bias| Some((bytes(bias)?, bias)));
        // The first of the best, and none at all where none is better.
        sized
            .min_by_key(|&(bytes, _)| bytes)
            .map_or(0, |(_, bias)| bias)
    }

    /// The size of an access through a compact register that stands so far from its address.
    fn access_bytes(&self, access: &Access, bias: i32) -> Option<u32> {
        let imm = access.offset.wrapping_sub(bias);
        REACH.contains(&imm).then(|| {
            let inst = match access.op.spec().effects {
                Fx::WRITE => Inst::s(access.op, Reg::A2, Reg::A3, imm),
                _ => Inst::i(access.op, Reg::A2, Reg::A3, imm),
            };
            self.input.isa.size(&inst)
        })
    }

    /// Whether an access gains by a window, and stands where that is made. What an access becomes may differ from what was
    /// expected when the window's place was found.
    fn serves(&self, window: &Sum, access: &Access) -> bool {
        let is_made = self.graph.common_dominator(window.home, self.current) == window.home;
        is_made && self.gains(access, window.bias)
    }

    fn gains(&self, access: &Access, bias: i32) -> bool {
        self.access_bytes(access, bias) < self.access_bytes(access, 0)
    }

    /// Puts the sums that belong to a block at its end; a use further up moves them there.
    pub(super) fn place_sums(&mut self, at: usize) {
        let here = self
            .sums
            .iter()
            .filter(|(_, sum)| sum.home == at && sum.reg.is_some());
        let here: Vec<(Base, Option<Value>)> = here.map(|(&key, _)| key).collect();
        for (base, v) in here {
            if let Some(v) = v {
                self.reg(v);
            }
            self.early.insert(Early::Sum(base, v), self.reversed.len());
        }
    }

    /// The register of a base.
    pub(super) fn base(&mut self, base: Base) -> VReg {
        match base {
            Base::Packet => PACKET,
            Base::Carried => self.carried(),
            Base::Scratch => SP,
        }
    }

    pub(super) fn store(&mut self, inst: &InstData) {
        if let Some(word) = self.swapped_by(inst) {
            return self.store_swapped(word, inst);
        }
        let op = access_op(inst.op);
        let value = self.reg(inst.args[0]);
        let address = self.address(inst);
        let (rs1, imm) = self.place(op, address);
        self.pending.push(Code::Inst(Inst {
            op,
            rd: ZERO,
            rs1,
            rs2: value,
            imm,
        }));
    }

    /// The word whose swap is stored and of use to nobody else.
    fn swapped_by(&self, inst: &InstData) -> Option<Value> {
        let swap = match inst.op {
            IrOp::Store16 => IrOp::Bswap16,
            IrOp::Store32 => IrOp::Bswap32,
            _ => return None,
        };
        let stored = inst.args[0];
        let def = self.def(stored).filter(|def| def.op == swap)?;
        let alone = self.dies(stored) && !self.input.isa.allows(Op::Rev8);
        alone.then(|| def.args[0])
    }

    /// Stores a word most significant byte first, from its lowest byte on: that takes less than to swap it before.
    fn store_swapped(&mut self, word: Value, inst: &InstData) {
        let bytes = u32::from(inst.op.spec().bytes);
        let address = self.address(inst);
        let mut rest = self.reg(word);
        for byte in (0..bytes).rev() {
            let at = Address {
                offset: address.offset.wrapping_add(byte),
                ..address
            };
            let (rs1, imm) = self.place(Op::Sb, at);
            self.pending.push(Code::Inst(Inst {
                op: Op::Sb,
                rd: ZERO,
                rs1,
                rs2: rest,
                imm,
            }));
            if byte > 0 {
                let next = self.out.fresh();
                self.i(Op::Srli, next, rest, 8);
                rest = next;
            }
        }
    }

    pub(super) fn load(&mut self, rd: VReg, inst: &InstData) {
        let op = access_op(inst.op);
        let address = self.address(inst);
        let (rs1, imm) = self.place(op, address);
        self.i(op, rd, rs1, imm);
    }

    /// Loads the bytes of a number that lies with its most significant byte first.
    pub(super) fn load_swapped(&mut self, rd: VReg, inst: &InstData) {
        let bytes = u32::from(inst.op.spec().bytes);
        let address = self.address(inst);
        let mut sum: Option<VReg> = None;
        for byte in 0..bytes {
            let (rs1, imm) = self.place(
                Op::Lbu,
                Address {
                    offset: address.offset.wrapping_add(byte),
                    ..address
                },
            );
            let last = byte + 1 == bytes;
            let part = self.out.fresh();
            self.i(Op::Lbu, part, rs1, imm);
            if !last {
                self.i(Op::Slli, part, part, (8 * (bytes - 1 - byte)).cast_signed());
            }
            sum = Some(match sum {
                None => part,
                Some(so_far) => {
                    let to = if last { rd } else { so_far };
                    self.r(Op::Or, to, so_far, part);
                    to
                }
            });
        }
    }

    /// The load whose swapped bytes `user` is, when nothing else needs it and no store stands between.
    pub(super) fn absorbed_load(&self, v: Value, user: Value) -> Option<&'a InstData> {
        let load = self.def(v)?;
        if !matches!(load.op, IrOp::Load16 | IrOp::Load32) || !self.dies(v) {
            return None;
        }
        let (block, from) = self.place_of(v)?;
        let (user_block, to) = self.place_of(user)?;
        let between = self.f.blocks[block].insts.get(from..to)?;
        let is_quiet = between.iter().all(|&i| {
            let effect = self.f.insts[i].op.spec().effect;
            matches!(effect, Effect::Pure | Effect::Read)
        });
        (block == user_block && is_quiet).then_some(load)
    }

    fn place_of(&self, v: Value) -> Option<(IrBlock, usize)> {
        match self.f.values[v].origin {
            Origin::Inst(i) => self.places[i],
            Origin::Param(..) => None,
        }
    }

    /// The address of a load or store, with additions of constants in its offset.
    fn address(&self, inst: &InstData) -> Address {
        let region = inst.region.expect("loads and stores name a region");
        let found = inst.args.first().filter(|_| region == Region::Value);
        let index = if inst.op.has_result() && found.is_none() {
            inst.args.first()
        } else {
            inst.args.get(1)
        };
        let mut offset = inst.imm;
        let mut index = index.copied();
        while let Some(v) = index {
            if let Some(c) = self.constant_of(v) {
                offset = offset.wrapping_add(c);
                index = None;
                break;
            }
            let Some(def) = self.def(v).filter(|def| def.op == IrOp::Add) else {
                break;
            };
            let (a, b) = (def.args[0], def.args[1]);
            match (self.constant_of(a), self.constant_of(b)) {
                (_, Some(c)) => {
                    offset = offset.wrapping_add(c);
                    index = Some(a);
                }
                (Some(c), None) => {
                    offset = offset.wrapping_add(c);
                    index = Some(b);
                }
                (None, None) => break,
            }
        }
        let offset = match region {
            Region::Packet | Region::Carried | Region::Value => offset,
            Region::Field(id) => offset.wrapping_add(self.input.constants.field(id)),
            Region::Data(id) => offset.wrapping_add(self.input.constants.array(id)),
            Region::Slot(slot) => offset.wrapping_add(self.input.scratch.slot(slot)),
        };
        Address {
            region,
            offset,
            index,
            found: found.copied(),
        }
    }

    /// A base register and an immediate for an address.
    fn place(&mut self, op: Op, address: Address) -> (VReg, i32) {
        let mut offset = address.offset.cast_signed();
        let base = match (base_of(address.region), address.index) {
            (_, Some(v)) if self.moved[self.current] && address.region == Region::Packet => {
                self.near(Start::Packet, v)
            }
            // A window from before the call lies elsewhere now.
            (Some(base), None) if self.moved[self.current] && base == Base::Packet => {
                self.base(base)
            }
            (None, index) if let Some(found) = address.found => match index {
                Some(v) => self.near(Start::Found(found), v),
                None => self.reg(found),
            },
            (None, None) => ZERO,
            // Constants lie at small absolute addresses, so that the index alone is the base.
            (None, Some(v)) => self.reg(v),
            (Some(base), index) => {
                let access = Access { at: 0, op, offset };
                let sum = self.sums.get(&(base, index));
                let sum = sum.filter(|sum| index.is_some() || self.serves(sum, &access));
                match sum.map(|sum| sum.bias) {
                    Some(bias) => {
                        offset = offset.wrapping_sub(bias);
                        self.sum(base, index)
                    }
                    None => self.base(base),
                }
            }
        };
        if REACH.contains(&offset) {
            return (base, offset);
        }
        let low = (offset << 20) >> 20;
        let high = self.constant(offset.wrapping_sub(low).cast_unsigned());
        if base == ZERO {
            return (high, low);
        }
        let sum = self.out.fresh();
        self.r(Op::Add, sum, base, high);
        (sum, low)
    }

    /// The register of a start.
    pub(super) fn start(&mut self, start: Start) -> VReg {
        match start {
            Start::Packet => PACKET,
            Start::Found(v) => self.reg(v),
        }
    }

    /// The sum of a start and a variable, made before its first use behind the last call that moves the packet.
    fn near(&mut self, start: Start, v: Value) -> VReg {
        self.reg(v);
        self.start(start);
        let key = (self.passed, start, v);
        self.wanted.push(Early::Near(self.passed, start, v));
        let known = self.near.get(&key).copied();
        let reg = known.unwrap_or_else(|| self.out.fresh());
        self.near.insert(key, reg);
        reg
    }

    fn sum(&mut self, base: Base, v: Option<Value>) -> VReg {
        let known = self.sums[&(base, v)].reg;
        let reg = known.unwrap_or_else(|| self.out.fresh());
        let sum = self
            .sums
            .get_mut(&(base, v))
            .expect("every sum was found before");
        sum.reg = Some(reg);
        // In its home block it stands before its first use; other users find it there.
        if sum.home == self.current {
            if let Some(v) = v {
                self.reg(v);
            }
            self.wanted.push(Early::Sum(base, v));
        }
        reg
    }
}

/// The instruction of a load or a store.
fn access_op(op: IrOp) -> Op {
    match op {
        IrOp::Load8 => Op::Lbu,
        IrOp::Load16 => Op::Lhu,
        IrOp::Store8 => Op::Sb,
        IrOp::Store16 => Op::Sh,
        IrOp::Store32 => Op::Sw,
        _ => Op::Lw,
    }
}

/// The base that a variable must be added to; constants have none.
fn base_of(region: Region) -> Option<Base> {
    match region {
        Region::Packet => Some(Base::Packet),
        Region::Carried | Region::Field(_) => Some(Base::Carried),
        Region::Slot(_) => Some(Base::Scratch),
        Region::Data(_) | Region::Value => None,
    }
}
