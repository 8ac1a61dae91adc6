//! Decides by one test what several tests of the same byte decide.
//!
//! Blocks that do nothing but test one byte, and lead to two places in all, are a function from 256
//! numbers to a truth value. That is one comparison where the numbers lie together (an IP version and
//! the least header length behind it), a mask where they have bits in common, and else a bit of a word
//! where only five bits in a row matter (flags that make no sense together).

use crate::cfg::Cfg;
use crate::entity::{Block, Inst, Value};
use crate::func::{BlockCall, Function, InstData, Module, Term};
use crate::op::{Effect, Op};

use super::need;
use super::round::Store;

/// Numbers of a byte.
const NUMBERS: u32 = 256;
/// Operations behind each other that are looked through.
const DEPTH_MAX: u32 = 12;
/// Blocks that become one test, at most.
const BLOCKS_MAX: usize = 64;
/// Bytes that a test and its branch take, about.
const TEST: u32 = 6;

/// Decides whatever becomes smaller by it, in one of the functions.
pub(super) fn decide(m: &mut Module, at: usize, store: &mut Store) {
    let mut tried = Vec::new();
    while decide_one(m, at, &mut tried, store) {}
}

/// One place, if there is one; a change with which something can no longer be proved is taken back.
fn decide_one(m: &mut Module, at: usize, tried: &mut Vec<Block>, store: &mut Store) -> bool {
    let cfg = Cfg::new(&m.functions[at]);
    let mut trial = need::Trial::default();
    for &root in &cfg.order {
        if tried.contains(&root) {
            continue;
        }
        let Some(found) = found(&m.functions[at], &cfg, root) else {
            continue;
        };
        tried.push(root);
        let before = m.functions[at].clone();
        apply(&mut m.functions[at], root, found);
        if trial.is_proved(m, at, store) {
            return true;
        }
        m.functions[at] = before;
    }
    false
}

fn apply(f: &mut Function, root: Block, found: Found) {
    // What the tests computed, others may use: best behind the test, where more is known of the byte.
    let mut moved = Vec::new();
    for &b in &found.inner {
        moved.append(&mut f.blocks[b].insts);
    }
    let (constants, others): (Vec<Inst>, Vec<Inst>) = moved
        .into_iter()
        .partition(|&inst| f.insts[inst].op == Op::Const);
    f.blocks[root].insts.extend(constants);
    match found.behind {
        Some(b) => {
            f.blocks[b].insts.splice(0..0, others);
        }
        None => f.blocks[root].insts.extend(others),
    }
    let cond = emit(f, root, &found.test);
    f.blocks[root].term = Term::Branch {
        cond,
        then: found.then,
        otherwise: found.otherwise,
    };
    super::blocks::prune(f);
}

/// Tests that become one.
struct Found {
    test: Test,
    /// The blocks that go.
    inner: Vec<Block>,
    then: BlockCall,
    otherwise: BlockCall,
    /// The one of the two places in which everything stands that uses what the tests computed.
    behind: Option<Block>,
}

/// A truth value of a byte.
struct Test {
    byte: Value,
    form: Form,
}

enum Form {
    /// It lies between these numbers, both included.
    Within(u32, u32),
    /// Its bits under the mask are these.
    Bits { mask: u32, bits: u32 },
    /// The bit of the table at its five bits from this one on.
    Table { table: u32, shift: u32 },
}

impl Form {
    /// Bytes of code, about.
    fn size(&self) -> u32 {
        let constant = |n: u32| match n as i32 {
            -32..=31 => 2,
            -2048..=2047 => 4,
            _ if n & 0xfff == 0 => 4,
            _ => 8,
        };
        match *self {
            Form::Within(lo, hi) if lo == hi => 2 + constant(lo),
            Form::Within(0, _) | Form::Within(_, 255) => 6,
            Form::Within(lo, _) => 6 + constant(lo),
            Form::Bits { bits: 0, .. } => 6,
            Form::Bits { bits, .. } => 6 + constant(bits),
            Form::Table { table, shift } => constant(table) + 8 + if shift == 0 { 0 } else { 4 },
        }
    }
}

/// What the tests from a block on come to, and where it leads, if that is smaller than the tests.
fn found(f: &Function, cfg: &Cfg, root: Block) -> Option<Found> {
    let Term::Branch { cond, .. } = f.blocks[root].term else {
        return None;
    };
    let byte = source(f, cond, 0)?;
    if f.values[byte].width > 8 {
        return None;
    }
    let inner = region(f, cfg, root, byte);
    if inner.is_empty() {
        return None;
    }
    let (yes, no) = exits(f, cfg, root, &inner)?;
    let mut truth = Vec::new();
    for number in 0..NUMBERS {
        truth.push(walk(f, root, &inner, byte, number)? == yes);
    }
    let opposite: Vec<bool> = truth.iter().map(|t| !t).collect();
    let best = [(truth, false), (opposite, true)]
        .into_iter()
        .flat_map(|(truth, turned)| forms(&truth).into_iter().map(move |form| (form, turned)))
        .min_by_key(|(form, _)| form.size())?;
    let (form, turned) = best;
    let tests = inner
        .iter()
        .filter(|&&b| matches!(f.blocks[b].term, Term::Branch { .. }));
    if form.size() >= TEST * (1 + tests.count() as u32) {
        return None;
    }
    let (then, otherwise) = if turned { (no, yes) } else { (yes, no) };
    let behind = [then.block, otherwise.block]
        .into_iter()
        .find(|&b| holds_uses(f, cfg, root, &inner, b));
    Some(Found {
        test: Test { byte, form },
        inner,
        then,
        otherwise,
        behind,
    })
}

/// The one word that is not a constant from which an expression is made.
fn source(f: &Function, v: Value, depth: u32) -> Option<Value> {
    let Some(def) = f.def(v).filter(|def| is_plain(def)) else {
        return Some(v);
    };
    let mut words = def.args.iter().filter(|&&arg| f.constant(arg).is_none());
    let first = words.next()?;
    let of = source(f, *first, depth + 1).filter(|_| depth < DEPTH_MAX)?;
    let same = |&arg: &Value| source(f, arg, depth + 1) == Some(of);
    words.all(same).then_some(of)
}

/// Whether an instruction computes a number from numbers.
fn is_plain(def: &InstData) -> bool {
    let spec = def.op.spec();
    // A quotient has a divisor to be proved.
    let divides = matches!(def.op, Op::Divu | Op::Remu | Op::Div | Op::Rem);
    spec.effect == Effect::Pure && !divides && !def.args.is_empty() && def.op.eval(1, 1).is_some()
}

/// The blocks behind a block that only test the byte, and that nothing else leads to.
fn region(f: &Function, cfg: &Cfg, root: Block, byte: Value) -> Vec<Block> {
    let mut inner: Vec<Block> = Vec::new();
    loop {
        let from = std::iter::once(&root).chain(&inner);
        let next = from
            .flat_map(|&b| f.blocks[b].term.targets())
            .map(|call| call.block)
            .find(|&b| {
                let known = |pred: Block| pred == root || inner.contains(&pred);
                b != root
                    && !inner.contains(&b)
                    && cfg.loop_at(b).is_none()
                    && cfg.preds(b).iter().all(|&(pred, _)| known(pred))
                    && only_tests(f, b, byte)
            });
        match next {
            Some(b) if inner.len() < BLOCKS_MAX => inner.push(b),
            _ => return inner,
        }
    }
}

fn only_tests(f: &Function, b: Block, byte: Value) -> bool {
    let block = &f.blocks[b];
    let mut insts = block.insts.iter().map(|&i| &f.insts[i]);
    let plain = insts.all(|def| def.op == Op::Const || is_plain(def));
    let tests = match &block.term {
        // With words to hand over it is a place of its own.
        Term::Jump(call) => call.args.is_empty(),
        Term::Branch { cond, .. } => {
            f.constant(*cond).is_some() || source(f, *cond, 0) == Some(byte)
        }
        Term::Finish { .. } => false,
    };
    plain && tests && block.params.is_empty()
}

/// The two places to which the blocks lead.
fn exits(f: &Function, cfg: &Cfg, root: Block, inner: &[Block]) -> Option<(BlockCall, BlockCall)> {
    let mut places: Vec<BlockCall> = Vec::new();
    for &b in std::iter::once(&root).chain(inner) {
        for call in f.blocks[b].term.targets() {
            if inner.contains(&call.block) || places.contains(call) {
                continue;
            }
            if cfg.is_back_edge(b, call.block) {
                return None;
            }
            places.push(call.clone());
        }
    }
    let [yes, no] = <[BlockCall; 2]>::try_from(places).ok()?;
    (yes.block != no.block).then_some((yes, no))
}

/// Whether a place is reached from the tests alone, and all uses of what they computed stand behind it.
fn holds_uses(f: &Function, cfg: &Cfg, root: Block, inner: &[Block], place: Block) -> bool {
    let made = |v: Value| {
        f.constant(v).is_none()
            && inner.iter().any(|&b| {
                let mut insts = f.blocks[b].insts.iter();
                insts.any(|&i| f.insts[i].result == Some(v))
            })
    };
    let mut preds = cfg.preds(place).iter();
    let mut outside = cfg.order.iter().filter(|b| !inner.contains(b));
    preds.all(|&(pred, _)| pred == root || inner.contains(&pred))
        && outside.all(|&b| {
            let args = f.blocks[b].insts.iter().flat_map(|&i| &f.insts[i].args);
            let mut args = args.copied().chain(f.blocks[b].term.uses());
            (b != root && cfg.dominates(place, b)) || !args.any(made)
        })
        && inner.iter().all(|&b| {
            let mut handed = f.blocks[b].term.targets().flat_map(|call| &call.args);
            !handed.any(|&v| made(v))
        })
}

/// Where the tests lead when the byte is this number.
fn walk(f: &Function, root: Block, inner: &[Block], byte: Value, number: u32) -> Option<BlockCall> {
    let mut at = root;
    for _ in 0..=BLOCKS_MAX + 1 {
        let call = match &f.blocks[at].term {
            Term::Jump(call) => call,
            Term::Branch {
                cond,
                then,
                otherwise,
            } => match eval(f, *cond, byte, number, 0)? {
                0 => otherwise,
                _ => then,
            },
            Term::Finish { .. } => return None,
        };
        if !inner.contains(&call.block) {
            return Some(call.clone());
        }
        at = call.block;
    }
    None
}

fn eval(f: &Function, v: Value, byte: Value, number: u32, depth: u32) -> Option<u32> {
    if v == byte {
        return Some(number);
    }
    let def = f.def(v).filter(|_| depth <= DEPTH_MAX + 1)?;
    if def.op == Op::Const {
        return Some(def.imm);
    }
    let arg = |at: usize| match def.args.get(at) {
        Some(&arg) => eval(f, arg, byte, number, depth + 1),
        None => Some(0),
    };
    def.op.eval(arg(0)?, arg(1)?)
}

/// The forms that say this of each number.
fn forms(truth: &[bool]) -> Vec<Form> {
    let numbers: Vec<u32> = (0..NUMBERS).filter(|&n| truth[n as usize]).collect();
    let (Some(&lo), Some(&hi)) = (numbers.first(), numbers.last()) else {
        return Vec::new();
    };
    let mut forms = Vec::new();
    let many = numbers.len() as u32;
    if hi - lo + 1 == many {
        forms.push(Form::Within(lo, hi));
    }
    let free = numbers.iter().fold(0, |free, n| free | (n ^ lo));
    if many == 1 << free.count_ones() {
        let mask = !free & (NUMBERS - 1);
        forms.push(Form::Bits {
            mask,
            bits: lo & mask,
        });
    }
    for shift in 0..=3 {
        let place = |n: u32| n >> shift & 31;
        let table = numbers.iter().fold(0u32, |table, &n| table | 1 << place(n));
        if (0..NUMBERS).all(|n| truth[n as usize] == (table >> place(n) & 1 != 0)) {
            forms.push(Form::Table { table, shift });
        }
    }
    forms
}

/// The test as a condition at the end of a block.
fn emit(f: &mut Function, b: Block, test: &Test) -> Value {
    let byte = test.byte;
    let mut with = |op: Op, x: Value, number: u32| {
        let number = f.compute(b, Op::Const, &[], number);
        f.compute(b, op, &[x, number], 0)
    };
    match test.form {
        Form::Within(lo, hi) => super::within(f, b, byte, (lo, hi), NUMBERS - 1),
        Form::Bits { mask, bits } => {
            let masked = with(Op::And, byte, mask);
            with(Op::Eq, masked, bits)
        }
        Form::Table { table, shift } => {
            let place = if shift == 0 {
                byte
            } else {
                with(Op::Shr, byte, shift)
            };
            // A shift takes its amount modulo 32, so the bits above do not matter.
            let table = f.compute(b, Op::Const, &[], table);
            let bit = f.compute(b, Op::Shr, &[table, place], 0);
            let one = f.compute(b, Op::Const, &[], 1);
            f.compute(b, Op::And, &[bit, one], 0)
        }
    }
}
