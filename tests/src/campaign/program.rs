//! Generated code near the border of what the verifier accepts.
//!
//! In: a seed. Out: an image that is accepted, or nothing. Code is put together from the forms in
//! which programs check and use offsets, with constants that are sometimes off by one, and from
//! any instructions; what is refused is replaced until the rest is accepted.

mod bits;
mod own;

use nfl_abi::Limits;
use nfl_abi::image::{
    Claims, Entry, Image, Import, LateSlot, Layer, Manifest, Profile, Resource, ResourceKind,
    Right, Rights, Role, TargetId, Verdict, VerdictKind,
};
use nfl_abi::{host, map};
use nfl_ir::testing::Rng;
use nfl_isa::{Fmt, Inst, Op, Reg, encode};
use nfl_verify::{certify, prove};

/// Registers that code may write, with a few that hold something when a handler starts.
const WRITABLE: &[u8] = &[10, 11, 12, 13, 14, 15, 5, 6, 7];
const ANY: &[u8] = &[0, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 5, 6, 7];
const IMMEDIATES: &[i32] = &[
    -2048, -256, -8, -4, -2, -1, 0, 1, 2, 3, 4, 7, 8, 12, 14, 15, 16, 20, 31, 32, 40, 60, 63, 64,
    127, 128, 252, 255, 2047,
];
const LOADS: &[Op] = &[Op::Lb, Op::Lbu, Op::Lh, Op::Lhu, Op::Lw];
const STORES: &[Op] = &[Op::Sb, Op::Sh, Op::Sw];
const BRANCHES: &[Op] = &[Op::Beq, Op::Bne, Op::Blt, Op::Bge, Op::Bltu, Op::Bgeu];
const ON_NUMBERS: &[Op] = &[
    Op::And,
    Op::Or,
    Op::Xor,
    Op::Sll,
    Op::Srl,
    Op::Sra,
    Op::Slt,
    Op::Sltu,
    Op::Mul,
    Op::Mulh,
    Op::Mulhu,
    Op::Mulhsu,
    Op::Div,
    Op::Divu,
    Op::Rem,
    Op::Remu,
];

/// One of these.
pub fn pick<T: Copy>(rng: &mut Rng, list: &[T]) -> T {
    list[rng.below(list.len() as u32) as usize]
}

/// Attempts to repair one program.
const REPAIRS: usize = 60;

/// An accepted image, if this seed leads to one.
pub fn image(rng: &mut Rng, limits: &Limits) -> Option<Image> {
    repaired(rng, limits, &mut 0)
}

/// The same, and counts what the verifier was asked about.
pub fn repaired(rng: &mut Rng, limits: &Limits, asked: &mut u64) -> Option<Image> {
    let mut image = blank(rng);
    let full = rng.below(4) == 0;
    if full {
        image.manifest.target = TargetId(bits::target().id);
    }
    let (mut code, start) = Writer::new(rng, full).program();
    for entry in &mut image.manifest.entries {
        entry.pc = start;
    }
    for _ in 0..REPAIRS {
        *asked += 1;
        image.code = bytes(&code);
        image.certificate.clear();
        let refusal = match certify(&image, limits) {
            Err(refusal) => refusal,
            Ok(certificate) => {
                image.certificate = certificate;
                match prove(&image, limits) {
                    Ok(_) if full && rng.below(2) == 0 => {
                        *asked += 1;
                        return Some(bits::shortened(image, limits));
                    }
                    Ok(_) => return Some(image),
                    Err(refusal) => refusal,
                }
            }
        };
        let at = refusal.pc? as usize / 4;
        let line = code
            .get_mut(at)
            .filter(|inst| !matches!(inst.op, Op::Ebreak | Op::Jalr))?;
        *line = match rng.below(4) {
            0 => Inst::r(
                pick(rng, ON_NUMBERS),
                register(rng),
                operand(rng),
                operand(rng),
            ),
            1 => Inst::i(Op::Lbu, register(rng), Reg::S0, pick(rng, IMMEDIATES)),
            _ => Inst::i(Op::Addi, register(rng), Reg::ZERO, pick(rng, IMMEDIATES)),
        };
    }
    None
}

/// The manifest of an image with one entry at its start, which may do anything and uses nothing.
pub fn manifest(name: &str, profile: Profile, role: Role, need: u16) -> Manifest {
    let malformed = Verdict {
        kind: VerdictKind::Drop,
        operand: 1,
    };
    let entry = Entry {
        role,
        layer: Layer::Network,
        pc: 0,
        need,
        malformed,
        steps: u32::MAX,
        period_ns: 0,
    };
    let all = |rights: Rights, &right: &Right| rights.with(right);
    Manifest {
        name: name.into(),
        version: 1,
        profile,
        target: TargetId(0),
        entries: vec![entry],
        imports: Vec::new(),
        resources: Vec::new(),
        verdicts: 0xff,
        rights: Right::ALL.iter().fold(Rights::NONE, all),
        passes: 1,
        window: 0,
        carried: Vec::new(),
        late: Vec::new(),
        reasons: Vec::new(),
        claims: Claims::default(),
    }
}

fn blank(rng: &mut Rng) -> Image {
    let need = pick(rng, &[0, 0, 1, 20, 34]);
    let window = pick(rng, &[0, 20, 64, 128]);
    let carried = pick(rng, &[0, 8, 20, 64]);
    let late = |offset: u16, width, wire, lo, hi| LateSlot {
        name: format!("late{offset}"),
        offset,
        width,
        wire,
        lo,
        hi,
    };
    let manifest = Manifest {
        imports: IMPORTS.iter().map(import).collect(),
        resources: RESOURCES.iter().map(resource).collect(),
        window,
        carried: vec![7; carried],
        late: vec![late(0, 8, false, 4, 40), late(4, 16, true, 0, 0x0fff)],
        ..manifest(
            "test.Generated.transit",
            Profile::Capsule,
            Role::Transit,
            need,
        )
    };
    Image {
        manifest,
        code: Vec::new(),
        constants: vec![9, 0, 0, 0, 1, 2, 0, 0, 0xff, 0x80, 0, 0, 5, 6, 7, 8],
        certificate: Vec::new(),
    }
}

/// Kind, bytes of a key, bytes of a value.
const RESOURCES: &[(ResourceKind, u16, u16)] = &[
    (ResourceKind::Table, 4, VALUE_BYTES as u16),
    (ResourceKind::FlowTable, 20, 8),
    (ResourceKind::Register, 0, 4),
    (ResourceKind::Slots, 0, 4),
];
const VALUE_BYTES: i32 = 12;

/// Service, what it takes, and the resource.
const IMPORTS: &[(&str, u16, Option<u8>)] = &[
    ("table.get", 0, Some(0)),
    ("flow.put", 0, Some(1)),
    ("flow.get", 0, Some(1)),
    ("register.add", 0, Some(2)),
    ("slot.take", 0, Some(3)),
    ("packet.push", 8, None),
    ("packet.pop", 0, None),
    ("packet.append", 4, None),
    ("packet.cut", 0, None),
    ("bytes.find", 2, None),
    ("bytes.sum", 0, None),
];

fn resource(&(kind, key_bytes, value_bytes): &(ResourceKind, u16, u16)) -> Resource {
    Resource {
        name: String::new(),
        kind,
        key_bytes,
        value_bytes,
        capacity: 9,
        idle_ns: 0,
        first: 0,
        flow_key: false,
        layout: 0,
    }
}

fn import(&(name, param, resource): &(&str, u16, Option<u8>)) -> Import {
    let service = host::call::service(name).expect("a service of the contract");
    Import {
        service: service.number,
        param,
        resource,
    }
}

fn bytes(code: &[Inst]) -> Vec<u8> {
    let word = |inst| encode(inst).unwrap_or(0x1337);
    code.iter()
        .flat_map(|inst| word(inst).to_le_bytes())
        .collect()
}

fn register(rng: &mut Rng) -> Reg {
    Reg(pick(rng, WRITABLE))
}

fn operand(rng: &mut Rng) -> Reg {
    Reg(pick(rng, ANY))
}

/// An open loop: its head, its counter and how it ends.
struct Open {
    head: usize,
    counter: Reg,
    step: i32,
    limit: Reg,
}

struct Writer<'r> {
    rng: &'r mut Rng,
    code: Vec<Inst>,
    /// Whether Zba, Zbb and Zbs may be used.
    full: bool,
    open: Vec<Open>,
    /// Branches that leave for the end.
    exits: Vec<usize>,
    /// Branches that skip forward by so many instructions, as far as there are any.
    skips: Vec<(usize, usize)>,
    /// Subroutines: where they begin, and their links.
    own: Vec<(usize, Reg)>,
}

impl<'r> Writer<'r> {
    fn new(rng: &'r mut Rng, full: bool) -> Writer<'r> {
        Writer {
            rng,
            code: Vec::new(),
            full,
            open: Vec::new(),
            exits: Vec::new(),
            skips: Vec::new(),
            own: Vec::new(),
        }
    }

    /// The code, and the address of its entry.
    fn program(mut self) -> (Vec<Inst>, u32) {
        if self.chance(3) {
            for _ in 0..=self.rng.below(2) {
                self.subroutine();
            }
        }
        let start = self.code.len();
        let length = start + 6 + self.rng.below(40) as usize;
        if self.chance(3) {
            self.fill_scratch();
        }
        while self.code.len() < length {
            match self.rng.below(28) {
                0 | 1 if self.open.len() < 3 => self.open_loop(),
                2 | 3 => self.close_loop(),
                4..=6 => self.number(),
                7..=9 => self.shape(),
                10 | 11 => self.checked_access(),
                12 => self.by_pointers(),
                13 => self.spill(),
                14 => self.length_check(),
                15 => self.skip(),
                16 => self.word_by_index(),
                17 => self.by_moves(),
                18 => self.perhaps_store(),
                19..=21 => self.call(),
                22..=24 => self.call_own(),
                _ => self.any(),
            }
        }
        // Each is called at least once.
        for at in 0..self.own.len() {
            self.call_this(at);
        }
        while !self.open.is_empty() {
            self.close_loop();
        }
        let end = self.code.len();
        for reg in [Reg::A0, Reg::A1] {
            self.code.push(Inst::i(Op::Addi, reg, Reg::ZERO, 1));
        }
        self.code.push(Inst::bare(Op::Ebreak));
        let exits = self.exits.iter().map(|&at| (at, end));
        let skips = self.skips.iter().map(|&(at, by)| (at, (at + by).min(end)));
        for (at, target) in exits.chain(skips).collect::<Vec<_>>() {
            self.code[at].imm = 4 * (target - at) as i32;
        }
        (self.code, 4 * start as u32)
    }

    fn put(&mut self, inst: Inst) {
        self.code.push(inst);
    }

    fn register(&mut self) -> Reg {
        register(self.rng)
    }

    fn operand(&mut self) -> Reg {
        operand(self.rng)
    }

    fn immediate(&mut self) -> i32 {
        pick(self.rng, IMMEDIATES)
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.rng.below(one_in) == 0
    }

    /// A call, with arguments that may be right, and often a look at its answer.
    fn call(&mut self) {
        let slot = self.rng.below(IMPORTS.len() as u32) as usize;
        let name = IMPORTS[slot].0;
        for at in 0..6 {
            let rd = Reg(map::reg::A0 + at);
            let by_address = match name {
                "flow.put" => at < 2,
                "bytes.find" => at == 2,
                _ => false,
            };
            match self.rng.below(6) {
                0 => {}
                1 => self.put(Inst::i(Op::Lbu, rd, Reg::GP, 0)),
                2 if by_address => self.put(Inst::i(Op::Addi, rd, Reg::SP, 0)),
                _ if by_address => self.put(Inst::i(Op::Addi, rd, Reg::ZERO, 0x400)),
                3 => {
                    let rs = self.operand();
                    self.put(Inst::i(Op::Addi, rd, rs, 0));
                }
                _ => {
                    let imm = pick(self.rng, &[0, 1, 2, 4, 8, 20]);
                    self.put(Inst::i(Op::Addi, rd, Reg::ZERO, imm));
                }
            }
        }
        let vector = (slot as i32 + 1) * map::SLOT_BYTES as i32;
        let here = 4 * self.code.len() as i32;
        self.put(Inst::u(Op::Jal, Reg::RA, -vector - here));
        match name {
            "table.get" | "flow.get" => self.look(),
            _ if self.chance(2) => {
                let imm = pick(self.rng, &[0, 4, 8, 12]);
                self.access(Reg::S0, 4, imm);
            }
            _ => {}
        }
    }

    /// Uses the answer of a lookup.
    fn look(&mut self) {
        let copy = self.register();
        self.put(Inst::i(Op::Addi, copy, Reg::A0, 0));
        let tested = pick(self.rng, &[copy, Reg::A0]);
        match self.rng.below(6) {
            0 => {}
            1 => {
                let flag = self.register();
                self.put(Inst::r(Op::Sltu, flag, Reg::ZERO, tested));
                self.exit(&[Op::Beq], flag, Reg::ZERO);
            }
            2 => self.exit(&[Op::Bne], tested, Reg::ZERO),
            _ => self.exit(&[Op::Beq], tested, Reg::ZERO),
        }
        let pointer = pick(self.rng, &[copy, Reg::A0]);
        if self.chance(2) {
            let index = self.register();
            self.small(index);
            self.put(Inst::r(Op::Add, index, index, pointer));
            self.access(index, 4, 0);
        } else {
            let at = self.about(VALUE_BYTES - 4);
            self.access(pointer, 4, at);
        }
    }

    /// A number, now and then one more or one less.
    fn about(&mut self, number: i32) -> i32 {
        match self.rng.below(10) {
            0 => number - 1,
            1 => number + 1,
            _ => number,
        }
    }

    /// A register that a loop counts in, or any.
    fn index(&mut self) -> Reg {
        let counters: Vec<Reg> = self.open.iter().map(|open| open.counter).collect();
        if counters.is_empty() || self.chance(3) {
            self.operand()
        } else {
            pick(self.rng, &counters)
        }
    }

    fn number(&mut self) {
        let rd = self.register();
        let imm = pick(self.rng, &[0, 1, 4, 8, 12, 16]);
        let base = pick(
            self.rng,
            &[Reg::S0, Reg::S0, Reg::GP, Reg::TP, Reg::ZERO, Reg::SP],
        );
        let imm = if base == Reg::ZERO { 0x400 + imm } else { imm };
        let op = pick(self.rng, LOADS);
        self.put(Inst::i(op, rd, base, imm));
    }

    /// Makes a number smaller, larger, or something else.
    fn shape(&mut self) {
        if self.full && self.chance(2) {
            return self.bits();
        }
        let (rd, rs) = (self.register(), self.index());
        let other = self.operand();
        let inst = match self.rng.below(8) {
            0 | 1 => Inst::i(
                Op::Andi,
                rd,
                rs,
                pick(self.rng, &[1, 3, 7, 12, 15, 31, 60, 63, 127, -4]),
            ),
            2 => Inst::i(
                pick(self.rng, &[Op::Slli, Op::Srli, Op::Srai]),
                rd,
                rs,
                pick(self.rng, &[1, 2, 3, 24, 31]),
            ),
            3 => Inst::r(pick(self.rng, ON_NUMBERS), rd, rs, other),
            4 => Inst::r(
                pick(self.rng, &[Op::Divu, Op::Remu, Op::Mul]),
                rd,
                rs,
                other,
            ),
            5 => Inst::r(Op::Sub, rd, pick(self.rng, &[Reg::S1, rs]), other),
            6 => Inst::r(Op::Add, rd, rs, other),
            _ => Inst::i(Op::Addi, rd, rs, self.immediate()),
        };
        self.put(inst);
    }

    /// Leaves for the end on one of these comparisons.
    fn exit(&mut self, ops: &[Op], a: Reg, b: Reg) {
        let op = pick(self.rng, ops);
        self.exits.push(self.code.len());
        self.put(Inst::b(op, a, b, 4));
    }

    /// Checks an offset against the length in one of several forms, and uses it.
    fn checked_access(&mut self) {
        let (offset, size) = (self.index(), pick(self.rng, &[1, 2, 4]));
        let (helper, other) = (self.register(), self.register());
        let (room, displacement) = (self.about(size), pick(self.rng, &[0, 0, 0, 1, 4, -1]));
        match self.rng.below(4) {
            0 => {
                self.put(Inst::i(Op::Addi, helper, offset, room + displacement));
                self.exit(&[Op::Bltu], Reg::S1, helper);
            }
            1 => {
                self.put(Inst::r(Op::Sub, helper, Reg::S1, offset));
                self.put(Inst::i(Op::Addi, other, Reg::ZERO, room + displacement));
                self.exit(&[Op::Bltu], Reg::S1, offset);
                self.exit(&[Op::Bltu, Op::Blt], helper, other);
            }
            2 => self.exit(&[Op::Bgeu], offset, Reg::S1),
            _ => {
                self.put(Inst::i(Op::Addi, helper, Reg::S1, -room));
                self.exit(&[Op::Blt, Op::Bltu], helper, offset);
            }
        }
        let base = pick(self.rng, &[Reg::S0, Reg::S0, Reg::S0, Reg::SP, Reg::TP]);
        let pointer = self.register();
        let subtract = if self.chance(8) { Op::Sub } else { Op::Add };
        self.put(Inst::r(subtract, pointer, base, offset));
        self.access(pointer, size, displacement);
    }

    fn access(&mut self, pointer: Reg, size: i32, displacement: i32) {
        let by_size = |ops: &'static [Op]| -> &'static [Op] {
            let of = |op: &Op| match op {
                Op::Lb | Op::Lbu | Op::Sb => 1,
                Op::Lh | Op::Lhu | Op::Sh => 2,
                _ => 4,
            };
            let from = ops.iter().position(|op| of(op) == size).unwrap_or(0);
            let to = ops.iter().rposition(|op| of(op) == size).unwrap_or(0);
            &ops[from..=to]
        };
        let imm = self.about(displacement);
        if self.chance(3) {
            let value = self.operand();
            let op = pick(self.rng, by_size(STORES));
            self.put(Inst::s(op, value, pointer, imm));
        } else {
            let rd = self.register();
            let op = pick(self.rng, by_size(LOADS));
            self.put(Inst::i(op, rd, pointer, imm));
        }
    }

    /// A pointer, compared with another one.
    fn by_pointers(&mut self) {
        let (pointer, end, offset) = (self.register(), self.register(), self.index());
        let size = pick(self.rng, &[1, 2, 4]);
        let room = self.about(size);
        self.put(Inst::r(Op::Add, pointer, Reg::S0, offset));
        self.put(Inst::r(Op::Add, end, Reg::S0, Reg::S1));
        match self.rng.below(3) {
            0 => self.exit(&[Op::Bgeu], pointer, end),
            1 => {
                self.put(Inst::i(Op::Addi, end, end, -room));
                self.exit(&[Op::Bltu], end, pointer);
            }
            _ => {
                let rest = self.register();
                self.put(Inst::r(Op::Sub, rest, end, pointer));
                self.put(Inst::i(Op::Addi, end, Reg::ZERO, room));
                self.exit(&[Op::Bltu, Op::Blt], rest, end);
            }
        }
        self.access(pointer, size, 0);
    }

    /// A small number that only the run knows, not always from 0.
    fn small(&mut self, rd: Reg) {
        let (base, mask) = (
            pick(self.rng, &[Reg::GP, Reg::TP]),
            pick(self.rng, &[1, 3, 7, 12]),
        );
        self.put(Inst::i(Op::Lbu, rd, base, 0));
        self.put(Inst::i(Op::Andi, rd, rd, mask));
        if self.chance(2) {
            let from = pick(self.rng, &[1, 2, 4, 8, -1, -8]);
            self.put(Inst::i(Op::Addi, rd, rd, from));
        }
        // Some of these shift out everything.
        if self.chance(6) {
            let amount = pick(self.rng, &[1, 2, 29, 31]);
            self.put(Inst::i(Op::Slli, rd, rd, amount));
        }
    }

    /// An offset or a pointer that is near the start or the end of a packet, and then moved.
    fn by_moves(&mut self) {
        let (place, by, helper) = (Reg::A0, Reg::A1, Reg(7));
        let len = pick(self.rng, &[1, 4, 8, 16, 24]);
        self.put(Inst::i(Op::Addi, helper, Reg::ZERO, len));
        self.exit(&[Op::Bltu], Reg::S1, helper);
        let is_number = self.chance(3);
        match self.rng.below(3) {
            0 if is_number => self.put(Inst::i(Op::Addi, place, Reg::S1, 0)),
            0 => self.put(Inst::r(Op::Add, place, Reg::S0, Reg::S1)),
            _ => {
                self.small(place);
                self.exit(&[Op::Bgeu], place, Reg::S1);
                if !is_number {
                    self.put(Inst::r(Op::Add, place, place, Reg::S0));
                }
            }
        }
        for _ in 0..=self.rng.below(2) {
            self.small(by);
            let op = pick(self.rng, &[Op::Add, Op::Sub]);
            self.put(Inst::r(op, place, place, by));
        }
        if is_number {
            self.put(Inst::r(Op::Add, place, Reg::S0, place));
        }
        let (size, near) = (
            pick(self.rng, &[1, 2, 4]),
            pick(self.rng, &[0, 1, 4, -1, -4]),
        );
        self.access(place, size, near);
    }

    /// The first words of scratch, each with something else.
    fn fill_scratch(&mut self) {
        for word in 0..5 {
            let value = pick(self.rng, &[Reg::ZERO, Reg::S1, Reg::S0, Reg::SP, Reg::S1]);
            self.put(Inst::s(Op::Sw, value, Reg::SP, 4 * word));
        }
    }

    /// A store that is not always reached, and a load of what it wrote.
    fn perhaps_store(&mut self) {
        let (a, value, rd) = (self.index(), self.operand(), self.register());
        let at = 4 * self.rng.below(8) as i32;
        self.skips.push((self.code.len(), 2));
        self.put(Inst::b(Op::Beq, a, Reg::ZERO, 8));
        let op = pick(self.rng, STORES);
        self.put(Inst::s(op, value, Reg::SP, at));
        let op = pick(self.rng, LOADS);
        self.put(Inst::i(op, rd, Reg::SP, at));
    }

    /// To or from one of the first words of scratch; which one, only the run knows.
    fn word_by_index(&mut self) {
        let (index, helper, pointer) = (self.index(), self.register(), self.register());
        let (mask, value) = (pick(self.rng, &[1, 3, 4, 12]), self.operand());
        self.put(Inst::i(Op::Andi, helper, index, mask));
        self.put(Inst::r(Op::Add, pointer, Reg::SP, helper));
        let size = if mask < 4 { 1 } else { 4 };
        let narrow = if size == 1 { Op::Sb } else { Op::Sw };
        if self.chance(3) {
            let rd = self.register();
            self.put(Inst::i(Op::Lw, rd, pointer, 0));
        } else {
            self.put(Inst::s(narrow, value, pointer, 0));
        }
    }

    /// To scratch and back, not always in one piece.
    fn spill(&mut self) {
        let (value, back) = (self.operand(), self.register());
        let at = 4 * self.rng.below(5) as i32;
        self.put(Inst::s(Op::Sw, value, Reg::SP, at));
        if self.chance(3) {
            let (op, number) = (pick(self.rng, STORES), self.operand());
            let near = at + self.rng.below(6) as i32;
            self.put(Inst::s(op, number, Reg::SP, near));
        }
        let op = if self.chance(4) {
            pick(self.rng, LOADS)
        } else {
            Op::Lw
        };
        self.put(Inst::i(op, back, Reg::SP, at));
    }

    fn length_check(&mut self) {
        let (helper, rd) = (self.register(), self.register());
        let len = pick(self.rng, &[1, 4, 20, 40, 63]);
        let size = pick(self.rng, &[1, 2, 4]);
        let checked = self.about(len);
        self.put(Inst::i(Op::Addi, helper, Reg::ZERO, checked));
        self.exit(&[Op::Bltu, Op::Blt], Reg::S1, helper);
        let op = if size == 1 { Op::Lbu } else { Op::Lw };
        self.put(Inst::i(op, rd, Reg::S0, len - size));
        if self.chance(2) {
            let value = self.operand();
            let op = pick(self.rng, STORES);
            self.put(Inst::s(op, value, Reg::S0, (len - size).max(0)));
        }
    }

    fn skip(&mut self) {
        let (a, b) = (self.index(), self.operand());
        let by = 1 + self.rng.below(7) as usize;
        self.skips.push((self.code.len(), by));
        let op = pick(self.rng, BRANCHES);
        self.put(Inst::b(op, a, b, 4));
    }

    fn open_loop(&mut self) {
        let counter = Reg([12, 13, 5][self.open.len()]);
        let limit = Reg([14, 15, 6][self.open.len()]);
        let step = pick(self.rng, &[1, 1, 2, 4, 8, -1, -1, -2, -4]);
        let trips = 1 + self.rng.below(9) as i32;
        let base = match self.rng.below(8) {
            0 => Reg::SP,
            1 => Reg::S0,
            _ => Reg::ZERO,
        };
        let (from, to) = if step > 0 {
            (0, trips * step)
        } else {
            (trips * -step, 0)
        };
        self.put(Inst::i(Op::Addi, counter, base, from));
        if self.chance(4) {
            self.put(Inst::i(Op::Lbu, limit, Reg::GP, 0));
            self.put(Inst::i(Op::Andi, limit, limit, 15));
        } else {
            self.put(Inst::i(Op::Addi, limit, base, to));
        }
        self.open.push(Open {
            head: self.code.len(),
            counter,
            step,
            limit,
        });
        if step > 0 && self.chance(3) {
            self.exit(&[Op::Bgeu], counter, limit);
        }
    }

    fn close_loop(&mut self) {
        let Some(Open {
            head,
            counter,
            step,
            limit,
        }) = self.open.pop()
        else {
            return;
        };
        self.put(Inst::i(Op::Addi, counter, counter, step));
        // A round may also end early, and continue.
        if self.chance(4) {
            let (a, at) = (self.operand(), self.code.len());
            self.put(Inst::b(
                Op::Beq,
                a,
                Reg::ZERO,
                4 * (head as i32 - at as i32),
            ));
        }
        let (a, b) = if step > 0 {
            (counter, limit)
        } else {
            (limit, counter)
        };
        let op = pick(self.rng, &[Op::Bltu, Op::Bltu, Op::Bne, Op::Blt]);
        let at = self.code.len();
        self.put(Inst::b(op, a, b, 4 * (head as i32 - at as i32)));
    }

    /// Any instruction on any registers.
    fn any(&mut self) {
        let (rd, a, b, imm) = (
            self.register(),
            self.operand(),
            self.operand(),
            self.immediate(),
        );
        let inst = match self.rng.below(8) {
            0 | 1 => Inst::i(Op::Addi, rd, a, imm),
            2 => Inst::i(
                pick(
                    self.rng,
                    &[Op::Andi, Op::Ori, Op::Xori, Op::Slti, Op::Sltiu],
                ),
                rd,
                a,
                imm,
            ),
            3 => Inst::r(pick(self.rng, &[Op::Add, Op::Sub]), rd, a, b),
            4 => Inst::r(pick(self.rng, ON_NUMBERS), rd, a, b),
            5 => Inst::u(
                Op::Lui,
                rd,
                pick(self.rng, &[0x1000, 0x7fff_f000, i32::MIN, -0x1000]),
            ),
            6 => Inst::i(pick(self.rng, LOADS), rd, a, imm),
            _ => Inst::s(pick(self.rng, STORES), b, a, imm),
        };
        self.put(inst);
    }
}

/// Whether an instruction goes elsewhere than to the next one.
pub fn is_branch(inst: &Inst) -> bool {
    matches!(inst.op.spec().fmt, Fmt::B)
}
