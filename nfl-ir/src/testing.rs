//! Generated modules, and inputs to run them on.
//!
//! In: a seed. Out: a module that the verifier proves, or what a node would give a handler. The same
//! seed always gives the same. Modules are built from the forms that lowering makes: field tests
//! with swaps and masks, length checks, merges, counted loops, local arrays, and verdicts anywhere.

mod calls;
pub mod host;
mod idioms;

use nfl_abi::image::{Right, Rights, Verdict, VerdictKind};
use nfl_abi::{Layer, Profile, Role};
use nfl_syntax::arena::{Id, IdVec};

use crate::entity::{Block, Slot, Value};
use crate::func::{BlockCall, Data, Function, InstData, Module, Region, SlotData, Term, WordInfo};
use crate::op::Op;

/// Bytes of the packet that every generated handler asks for first.
const NEED: u32 = 24;
const CARRIED_BYTES: u32 = 16;
const SLOT_BYTES: u32 = 16;
const DATA_BYTES: u32 = 20;

/// Numbers from a seed: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// From a seed.
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.0;
        let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u32) -> u32 {
        (self.number() % u64::from(n.max(1))) as u32
    }

    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u32) as usize]
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }
}

/// What a node gives a handler.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Input {
    /// The packet from the handler's layer on.
    pub packet: Vec<u8>,
    /// The words of the context.
    pub context: [u32; 8],
    /// The carried area.
    pub carried: Vec<u8>,
    /// Numbers of the late words.
    pub late: Vec<u32>,
}

/// An input for a module.
pub fn input(m: &Module, seed: u64) -> Input {
    let mut rng = Rng::new(seed ^ 0x1a7e);
    let late = m.late.iter().map(|(_, word)| {
        let span = u64::from(word.hi - word.lo) + 1;
        word.lo + (rng.number() % span) as u32
    });
    let late = late.collect();
    let mut context = [0; 8];
    for word in &mut context {
        let any = rng.number() as u32;
        *word = rng.one_of(&[0, 1, 7, any, any & 0xff]);
    }
    let carried = m.carried.iter().map(|_| rng.number() as u8 & 3).collect();
    Input {
        packet: packet(seed),
        context,
        carried,
        late,
    }
}

/// A packet: mostly small numbers, which tests look for, and all lengths.
pub fn packet(seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed ^ 0x9ac);
    let len = match rng.below(8) {
        0 => rng.below(NEED + 2),
        1 => 1000 + rng.below(600),
        _ => NEED + rng.below(70),
    };
    let byte = |_| match rng.below(3) {
        0 => rng.number() as u8,
        1 => rng.below(8) as u8,
        _ => rng.one_of(&[0x45, 0, 6, 17, 10, 1, 0x40]),
    };
    (0..len).map(byte).collect()
}

/// A module with one or two handlers that calls nobody.
pub fn module(seed: u64) -> Module {
    generate(seed, false, false)
}

/// The same with many of the forms that single passes look for.
pub fn module_of_idioms(seed: u64) -> Module {
    generate(seed, false, true)
}

/// A module with one or two handlers that call services.
pub fn calling_module(seed: u64) -> Module {
    generate(seed, true, false)
}

fn generate(seed: u64, calls: bool, idioms: bool) -> Module {
    let mut rng = Rng::new(seed);
    let capsule = rng.chance(30);
    let rights = [Right::Rewrite, Right::Route, Right::Clock];
    let more = [Right::Resize, Right::State];
    let more = more.into_iter().filter(|_| calls);
    let rights = rights.into_iter().chain(more);
    let rights = rights.fold(Rights::NONE, Rights::with);
    let late = [
        ("port", 16, 0, 0xffff),
        ("any", 32, 0, u32::MAX),
        ("few", 8, 2, 9),
    ];
    let mut words = IdVec::new();
    for (name, width, lo, hi) in late {
        words.push(WordInfo {
            name: name.to_string(),
            width,
            wire: false,
            lo,
            hi,
            default: Some(lo),
        });
    }
    let mut data = IdVec::new();
    data.push(Data {
        name: "TABLE".to_string(),
        bytes: (0..DATA_BYTES).map(|_| rng.below(20) as u8).collect(),
        align: 4,
    });
    let mut m = Module {
        name: "generated".to_string(),
        profile: if capsule {
            Profile::Capsule
        } else {
            Profile::Resident
        },
        rights,
        passes: 1,
        data,
        late: words,
        params: IdVec::new(),
        carried: vec![0; if capsule { CARRIED_BYTES as usize } else { 0 }],
        fields: IdVec::new(),
        reasons: Vec::new(),
        imports: IdVec::new(),
        resources: Vec::new(),
        formats: Vec::new(),
        functions: Vec::new(),
    };
    if calls {
        calls::import(&mut m);
    }
    let roles: &[Role] = match (capsule, rng.chance(30)) {
        (true, false) => &[Role::Originator],
        (true, true) => &[Role::Originator, Role::Transit],
        (false, false) => &[Role::Ingress],
        (false, true) => &[Role::Ingress, Role::Egress],
    };
    for &role in roles {
        let size = if capsule { 8 } else { 6 + rng.below(20) };
        let mut generator = Generator::new(rng.clone(), role, capsule);
        generator.calls = calls;
        generator.idioms = idioms;
        generator.may_move = calls;
        let f = generator.function(size);
        rng.number();
        m.functions.push(f);
    }
    m
}

struct Generator {
    rng: Rng,
    f: Function,
    capsule: bool,
    here: Block,
    /// Words that may be used here.
    words: Vec<Value>,
    /// Bytes of the packet known behind a variable place.
    places: Vec<(Value, u32)>,
    depth: u32,
    /// Whether services may be called.
    calls: bool,
    /// Whether forms of single passes are wanted.
    idioms: bool,
    /// Whether the packet may move here: within a loop that would make void what is known before it.
    may_move: bool,
    /// The local arrays for wide keys.
    wide: Vec<Slot>,
}

impl Generator {
    fn new(rng: Rng, role: Role, capsule: bool) -> Generator {
        let f = Function::new(role, Layer::Network);
        let here = f.entry;
        Generator {
            rng,
            f,
            capsule,
            here,
            words: Vec::new(),
            places: Vec::new(),
            depth: 0,
            calls: false,
            idioms: false,
            may_move: false,
            wide: Vec::new(),
        }
    }

    fn function(mut self, statements: u32) -> Function {
        let malformed = Verdict {
            kind: VerdictKind::Drop,
            operand: u32::from(!self.capsule),
        };
        self.f.malformed = Some(malformed);
        let slot = self.f.slots.push(SlotData {
            name: String::new(),
            bytes: SLOT_BYTES,
            padding: 0,
            align: 4,
        });
        let first = self.constant(1);
        let zero = self.constant(0);
        self.words.extend([first, zero]);
        for at in 0..SLOT_BYTES / 4 {
            self.store(Op::Store32, Region::Slot(slot), zero, None, at * 4);
        }
        let len = self.op(Op::Len, &[], 0);
        self.words.push(len);
        self.length_check(None, NEED);
        for _ in 0..statements {
            self.statement();
        }
        self.finish();
        let order = crate::cfg::Cfg::new(&self.f).order;
        self.f.layout = order;
        self.f
    }

    fn inst(&mut self, op: Op, args: &[Value], imm: u32, region: Option<Region>) -> Option<Value> {
        let data = InstData {
            op,
            args: args.to_vec(),
            imm,
            region,
            result: None,
            span: None,
        };
        self.f.append(self.here, data, op.natural_width())
    }

    fn op(&mut self, op: Op, args: &[Value], imm: u32) -> Value {
        self.inst(op, args, imm, None).expect("not a store")
    }

    fn constant(&mut self, number: u32) -> Value {
        self.op(Op::Const, &[], number)
    }

    fn with(&mut self, op: Op, v: Value, number: u32) -> Value {
        let number = self.constant(number);
        self.op(op, &[v, number], 0)
    }

    fn load(&mut self, op: Op, region: Region, index: Option<Value>, at: u32) -> Value {
        let args: Vec<Value> = index.into_iter().collect();
        self.inst(op, &args, at, Some(region)).expect("a load")
    }

    fn store(&mut self, op: Op, region: Region, v: Value, index: Option<Value>, at: u32) {
        let args: Vec<Value> = [v].into_iter().chain(index).collect();
        self.inst(op, &args, at, Some(region));
    }

    fn word(&mut self) -> Value {
        let at = self.rng.below(self.words.len() as u32) as usize;
        self.words[at]
    }

    fn block(&mut self) -> Block {
        let b = self.f.add_block();
        self.f.layout.push(b);
        b
    }

    fn call(block: Block, args: &[Value]) -> BlockCall {
        BlockCall {
            block,
            args: args.to_vec(),
        }
    }

    fn branch(&mut self, cond: Value, then: Block, otherwise: Block) {
        self.f.blocks[self.here].term = Term::Branch {
            cond,
            then: Generator::call(then, &[]),
            otherwise: Generator::call(otherwise, &[]),
        };
    }

    fn jump(&mut self, block: Block, args: &[Value]) {
        self.f.blocks[self.here].term = Term::Jump(Generator::call(block, args));
    }

    /// Ends the block with a verdict.
    fn finish(&mut self) {
        let word = self.word();
        let (kind, operand) = match self.rng.below(5) {
            0 => (VerdictKind::Forward, word),
            1 => (VerdictKind::Forward, self.words[0]),
            2 | 3 => (VerdictKind::Pass, self.words[1]),
            _ => (VerdictKind::Drop, self.words[1]),
        };
        let kind = self.constant(u32::from(kind.number()));
        self.f.blocks[self.here].term = Term::Finish { kind, operand };
    }

    /// What is made in `body` can be used in it only.
    fn scoped(&mut self, body: impl FnOnce(&mut Generator)) {
        let (words, places) = (self.words.len(), self.places.len());
        self.depth += 1;
        body(self);
        self.depth -= 1;
        self.words.truncate(words);
        self.places.truncate(places);
    }

    /// Shorter packets are malformed.
    fn length_check(&mut self, base: Option<Value>, bytes: u32) {
        let end = match base {
            Some(base) => self.with(Op::Add, base, bytes),
            None => self.constant(bytes),
        };
        let len = self.op(Op::Len, &[], 0);
        let short = self.op(Op::Ltu, &[len, end], 0);
        let (bad, good) = (self.block(), self.block());
        self.branch(short, bad, good);
        self.here = bad;
        let kind = self.constant(u32::from(VerdictKind::Drop.number()));
        let operand = self.constant(u32::from(!self.capsule));
        self.f.blocks[bad].term = Term::Finish { kind, operand };
        self.here = good;
    }

    fn statement(&mut self) {
        if self.calls && self.rng.chance(30) {
            return self.service();
        }
        if self.idioms && self.depth < 3 && self.rng.chance(40) {
            return self.idiom();
        }
        match self.rng.below(12) {
            0 | 1 => self.arithmetic(),
            2 | 3 => self.field(),
            4 => self.rewrite(),
            5 => self.memory(),
            6 => self.inputs(),
            7 if self.depth < 3 => self.choice(),
            8 if self.depth < 3 => self.field_test(),
            9 if self.depth < 2 => self.counted_loop(),
            10 if self.depth == 0 => self.variable_header(),
            _ => self.arithmetic(),
        }
    }

    fn arithmetic(&mut self) {
        const OPS: &[Op] = &[
            Op::Add,
            Op::Sub,
            Op::Mul,
            Op::Mulhu,
            Op::And,
            Op::Or,
            Op::Xor,
            Op::Shl,
            Op::Shr,
            Op::Sar,
            Op::Eq,
            Op::Ne,
            Op::Ltu,
            Op::Geu,
            Op::Lt,
            Op::Ge,
            Op::Divu,
            Op::Remu,
            Op::Div,
            Op::Rem,
            Op::Bswap16,
            Op::Bswap32,
        ];
        let op = self.rng.one_of(OPS);
        let a = self.word();
        let any = self.rng.number() as u32;
        let number = self
            .rng
            .one_of(&[0, 1, 2, 8, 15, 255, 256, 0xffff, 0xff00, any, !0]);
        let b = if self.rng.chance(50) {
            self.constant(number)
        } else {
            self.word()
        };
        let v = match op {
            Op::Bswap16 | Op::Bswap32 => self.op(op, &[a], 0),
            Op::Divu | Op::Remu | Op::Div | Op::Rem => {
                let divisor = self.with(Op::Or, b, 1);
                self.op(op, &[a, divisor], 0)
            }
            _ => self.op(op, &[a, b], 0),
        };
        self.words.push(v);
    }

    /// A field of a header as lowering reads it.
    fn read_field(&mut self) -> Value {
        let (op, swap, bits) = self.rng.one_of(&[
            (Op::Load8, None, 8),
            (Op::Load16, Some(Op::Bswap16), 16),
            (Op::Load32, Some(Op::Bswap32), 32),
        ]);
        let bytes = u32::from(op.spec().bytes);
        let place = self.places.last().copied().filter(|_| self.rng.chance(40));
        let mut v = match place {
            Some((base, len)) => {
                let at = self.rng.below(len + 1 - bytes);
                self.load(op, Region::Packet, Some(base), at)
            }
            None => {
                let at = self.rng.below(NEED + 1 - bytes);
                self.load(op, Region::Packet, None, at)
            }
        };
        if let Some(swap) = swap {
            v = self.op(swap, &[v], 0);
        }
        if self.rng.chance(50) {
            let by = self.rng.below(bits);
            v = self.with(Op::Shr, v, by);
            if self.rng.chance(70) {
                let width = 1 + self.rng.below(bits - by);
                v = self.with(Op::And, v, u32::MAX >> (32 - width));
            }
        } else if self.rng.chance(40) {
            let mask = self
                .rng
                .one_of(&[0xff, 0xff00, 0xffff_0000, 0xff00_0000, 0x1fff, 0xf0]);
            v = self.with(Op::And, v, mask);
        }
        v
    }

    fn field(&mut self) {
        let v = self.read_field();
        self.words.push(v);
    }

    fn field_condition(&mut self) -> Value {
        let v = self.read_field();
        if self.rng.chance(15) {
            let late = self.rng.below(3);
            let late = self.op(Op::Late, &[], late);
            return self.op(Op::Eq, &[v, late], 0);
        }
        let number = self
            .rng
            .one_of(&[0, 1, 4, 5, 6, 17, 0x45, 10, 0x0a01, 0x0a01_0000, 0x4000]);
        let op = self.rng.one_of(&[Op::Eq, Op::Eq, Op::Ne, Op::Ltu, Op::Geu]);
        self.with(op, v, number)
    }

    /// A test that ends the handler one way or the other.
    fn field_test(&mut self) {
        let mut cond = self.field_condition();
        if self.rng.chance(30) {
            let other = self.field_condition();
            let op = self.rng.one_of(&[Op::And, Op::Or]);
            cond = self.op(op, &[cond, other], 0);
        }
        if self.rng.chance(20) {
            cond = self.with(Op::Xor, cond, 1);
        }
        let (out, on) = (self.block(), self.block());
        if self.rng.chance(50) {
            self.branch(cond, on, out);
        } else {
            self.branch(cond, out, on);
        }
        self.here = out;
        self.scoped(|g| {
            if g.rng.chance(30) {
                g.statement();
            }
            g.finish();
        });
        self.here = on;
    }

    /// A store into the packet.
    fn rewrite(&mut self) {
        let op = self.rng.one_of(&[Op::Store8, Op::Store16, Op::Store32]);
        let bytes = u32::from(op.spec().bytes);
        let v = self.word();
        let place = self.places.last().copied().filter(|_| self.rng.chance(40));
        let (base, len) = match place {
            Some((base, len)) => (Some(base), len),
            None => (None, NEED),
        };
        let at = self.rng.below(len + 1 - bytes);
        self.store(op, Region::Packet, v, base, at);
    }

    /// A load or store of an array.
    fn memory(&mut self) {
        let slot = Region::Slot(Id::new(0));
        let (region, size) = match self.rng.below(4) {
            0 => (Region::Data(Id::new(0)), DATA_BYTES),
            1 if self.capsule => (Region::Carried, CARRIED_BYTES),
            _ => (slot, SLOT_BYTES),
        };
        let scale = self.rng.below(3);
        let (load, store) = [
            (Op::Load8, Op::Store8),
            (Op::Load16, Op::Store16),
            (Op::Load32, Op::Store32),
        ][scale as usize];
        let index = if self.rng.chance(50) {
            let v = self.word();
            // A power of two of elements, at most the array.
            let v = self.with(Op::And, v, (SLOT_BYTES >> scale) - 1);
            Some(self.with(Op::Shl, v, scale))
        } else {
            None
        };
        let room = if index.is_some() {
            size - SLOT_BYTES
        } else {
            size - 4
        };
        let at = self.rng.below(room / 4 + 1) * 4;
        if self.rng.chance(50) && !matches!(region, Region::Data(_)) {
            let v = self.word();
            self.store(store, region, v, index, at);
        } else {
            let v = self.load(load, region, index, at);
            self.words.push(v);
        }
    }

    fn inputs(&mut self) {
        let v = match self.rng.below(3) {
            0 => {
                let at = self.rng.below(8) * 4;
                self.op(Op::Context, &[], at)
            }
            1 => {
                let late = self.rng.below(3);
                self.op(Op::Late, &[], late)
            }
            _ => self.op(Op::Len, &[], 0),
        };
        self.words.push(v);
    }

    /// Two ways that meet again with a word.
    fn choice(&mut self) {
        let cond = if self.rng.chance(60) {
            self.field_condition()
        } else {
            self.word()
        };
        let (yes, no, meet) = (self.block(), self.block(), self.block());
        let both = self.f.add_param(meet, 32);
        self.branch(cond, yes, no);
        let truth = self.rng.chance(30);
        for (b, number) in [(yes, 1), (no, 0)] {
            self.here = b;
            self.scoped(|g| {
                for _ in 0..g.rng.below(3) {
                    g.statement();
                }
                if g.rng.chance(15) {
                    g.finish();
                } else {
                    let v = if truth { g.constant(number) } else { g.word() };
                    g.jump(meet, &[v]);
                }
            });
        }
        self.here = meet;
        self.words.push(both);
    }

    /// A loop that counts up or down a few rounds, with a sum.
    fn counted_loop(&mut self) {
        let rounds = 1 + self.rng.below(6);
        let pace = 1 + self.rng.below(3);
        let down = self.rng.chance(40);
        let byte = self.rng.chance(30);
        let (head, body, out) = (self.block(), self.block(), self.block());
        let i = self.f.add_param(head, if byte { 8 } else { 32 });
        let sum = self.f.add_param(head, 32);
        let start = self.constant(if down { rounds * pace } else { 0 });
        let seed = self.word();
        self.jump(head, &[start, seed]);
        self.here = head;
        let test = match (down, self.rng.chance(50)) {
            (true, true) => self.with(Op::Ne, i, 0),
            (true, false) => self.with(Op::Geu, i, pace),
            (false, true) => self.with(Op::Ltu, i, rounds * pace),
            (false, false) => {
                let end = self.constant(rounds * pace);
                let over = self.op(Op::Geu, &[i, end], 0);
                self.with(Op::Xor, over, 1)
            }
        };
        // A test for inequality is a bound only in steps of one.
        let test = if down && pace > 1 {
            self.with(Op::Geu, i, pace)
        } else {
            test
        };
        self.branch(test, body, out);
        self.here = body;
        let could_move = self.may_move;
        self.may_move = could_move && self.rng.chance(50);
        if self.may_move {
            self.places.clear();
        }
        self.scoped(|g| {
            g.words.extend([i, sum]);
            if g.may_move {
                // Where a round begins nothing is known of the packet.
                g.length_check(None, NEED);
            }
            for _ in 0..1 + g.rng.below(3) {
                g.statement();
            }
            let v = g.word();
            let sum = g.op(Op::Add, &[sum, v], 0);
            let op = if down { Op::Sub } else { Op::Add };
            let mut next = g.with(op, i, pace);
            if byte {
                next = g.with(Op::And, next, 0xff);
            }
            g.jump(head, &[next, sum]);
        });
        self.here = out;
        if self.may_move {
            self.length_check(None, NEED);
        }
        self.may_move = could_move;
        self.words.extend([i, sum]);
    }

    /// A header behind one with a length field, and another behind that.
    fn variable_header(&mut self) {
        let v = self.load(
            Op::Load8,
            Region::Packet,
            None,
            self.rng.clone().below(NEED),
        );
        let v = self.with(Op::And, v, 15);
        let base = self.with(Op::Shl, v, 2);
        if self.rng.chance(50) {
            self.length_check(Some(base), 0);
        }
        let bytes = 4 + self.rng.below(4) * 4;
        self.length_check(Some(base), bytes);
        self.words.push(base);
        self.places.push((base, bytes));
    }
}
