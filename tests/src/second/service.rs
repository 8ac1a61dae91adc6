//! Section 11: services, their arguments, answers and prices, and what a call leaves.
//!
//! In: imports. Out: the shape of each one's calls. In: a call and the state before it. Out: its price.

use nfl_abi::Image;
use nfl_abi::image::{Import, Manifest, Resource, ResourceKind, Right};
use nfl_abi::map::reg;

use super::memory::written;
use super::state::{Fact, Kind, Place, State, Term};
use super::{Int, M, refuse, require};

/// The longest packet.
const LONGEST: Int = 65_535;

/// An argument.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arg {
    Word,
    /// So many bytes in registers.
    Block(Int),
    /// The address of so many bytes.
    At(Int),
}

/// What a service answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Nothing,
    Word(Int),
    Two(Int, Int),
    Found(Int),
}

/// How a service changes the packet's length.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moves {
    Longer(Int),
    /// By what `a0` says.
    Pop,
    /// To what `a0` says.
    Cut,
}

/// The shape of a call.
pub(super) struct Call {
    args: Vec<Arg>,
    answer: Answer,
    price: Int,
    /// `a1` is a number of bytes that cost a step each.
    pays_bytes: bool,
    moves: Option<Moves>,
    right: Option<Right>,
    /// What `a0` says is a place in the packet.
    finds_place: bool,
}

impl Call {
    pub(super) fn resizes(&self) -> bool {
        self.moves.is_some()
    }
}

/// The calls of all imports in their order.
pub(super) fn calls(manifest: &Manifest) -> Result<Vec<Call>, String> {
    let mut calls = Vec::new();
    for import in &manifest.imports {
        let resource = match import.resource {
            None => None,
            Some(at) => {
                let resource = manifest.resources.get(usize::from(at));
                Some(resource.ok_or("an import of no resource")?)
            }
        };
        let kinds = kinds(import.service);
        let fits = match resource {
            None => kinds.is_empty(),
            Some(resource) => kinds.contains(&resource.kind),
        };
        require(fits, "a service on a resource of another kind")?;
        let call = call(import, resource).ok_or("an import of no service")?;
        let granted = call.right.is_none_or(|right| manifest.rights.has(right));
        require(granted, "a service without its right")?;
        calls.push(call);
    }
    Ok(calls)
}

/// The kinds of resources that a service works on.
fn kinds(service: u8) -> &'static [ResourceKind] {
    use ResourceKind as K;
    match service {
        1 => &[K::Table],
        2 => &[K::Lpm],
        3 => &[K::Ternary],
        4 => &[K::Set],
        5 => &[K::Ring],
        6..=9 => &[K::FlowTable, K::FlowSet, K::FlowState],
        10 | 11 | 35 | 36 => &[K::Slots],
        12..=14 => &[K::Register],
        15 => &[K::Counter, K::Counters],
        16 => &[K::Meter],
        28 => &[K::Report],
        30 => &[K::Tags],
        31 | 32 => &[K::Topic],
        _ => &[],
    }
}

fn words(bytes: Int) -> Int {
    (bytes + 3) / 4
}

fn call(import: &Import, resource: Option<&Resource>) -> Option<Call> {
    let key = resource.map_or(0, |r| Int::from(r.key_bytes));
    let value = resource.map_or(0, |r| Int::from(r.value_bytes));
    let capacity = resource.map_or(0, |r| Int::from(r.capacity));
    let param = Int::from(import.param);
    let index: &[Arg] = if capacity > 1 { &[Arg::Word] } else { &[] };
    let key_block = [Arg::Block(key)];
    let found = |otherwise| {
        if value > 0 {
            Answer::Found(value)
        } else {
            otherwise
        }
    };
    let wide = if value <= 4 {
        Answer::Word(M)
    } else {
        Answer::Two(M, M)
    };
    let indexed_value = || [index, &[Arg::Block(value)]].concat();
    let per_word = words(key) + words(value);
    let (args, answer, price) = match import.service {
        1 => (key_block.to_vec(), found(Answer::Nothing), 12 + per_word),
        2 => (key_block.to_vec(), found(Answer::Nothing), 16),
        3 => (
            key_block.to_vec(),
            found(Answer::Nothing),
            24 + capacity / 64,
        ),
        4 => (key_block.to_vec(), Answer::Word(1), 12 + per_word),
        5 | 10 => (vec![Arg::Word], found(Answer::Nothing), 12),
        6 => (key_block.to_vec(), found(Answer::Word(1)), 16 + per_word),
        7 => (
            vec![Arg::Block(key), Arg::Block(value)],
            Answer::Word(1),
            16 + per_word,
        ),
        8 | 9 => (key_block.to_vec(), Answer::Word(1), 16 + per_word),
        11 => (vec![Arg::Block(value)], Answer::Two(1, LONGEST), 20),
        12 => (index.to_vec(), wide, 4),
        13 => (indexed_value(), Answer::Nothing, 4),
        14 => (indexed_value(), wide, 4),
        15 if key > 0 => (key_block.to_vec(), Answer::Nothing, 14),
        15 => (index.to_vec(), Answer::Nothing, 14),
        16 => (vec![Arg::Block(key), Arg::Word], Answer::Word(2), 20),
        17 | 19 => (vec![], Answer::Nothing, 16 + param / 4),
        18 | 20 | 21 => (vec![Arg::Word], Answer::Nothing, 16),
        22 => (vec![], Answer::Word(M), 20),
        23 => (vec![Arg::Block(param)], Answer::Word(M), 4 + words(param)),
        24 => (
            vec![Arg::Word, Arg::Word, Arg::Block(param)],
            Answer::Word(M),
            30 + 2 * words(param),
        ),
        25 => (
            vec![Arg::Word, Arg::Word, Arg::At(param)],
            Answer::Word(LONGEST),
            8,
        ),
        26 => (vec![Arg::Word, Arg::Word], Answer::Word(LONGEST), 8),
        27 => (vec![], Answer::Word(M), 4),
        28 => (vec![Arg::Block(value)], Answer::Nothing, 16),
        29 => (vec![Arg::Block(param / 256 * 4)], Answer::Nothing, 16),
        30 => (key_block.to_vec(), Answer::Two(1, LONGEST), 12),
        31 => (vec![], Answer::Word(1), 12),
        32 => (vec![], Answer::Word(LONGEST), 12),
        33 => (vec![Arg::Word], Answer::Nothing, 4),
        34 => (vec![Arg::Word], Answer::Word(M), 8),
        37 => (vec![Arg::Word], Answer::Word(M), 16),
        35 | 36 => (vec![Arg::Word], Answer::Word(1), 12),
        _ => return None,
    };
    Some(Call {
        args: in_registers(args),
        answer,
        price,
        pays_bytes: matches!(import.service, 25 | 26),
        moves: match import.service {
            17 | 19 => Some(Moves::Longer(param)),
            18 => Some(Moves::Pop),
            20 => Some(Moves::Cut),
            _ => None,
        },
        right: match import.service {
            7..=9 | 11 | 13 | 14 | 16 | 31 | 35 | 36 => Some(Right::State),
            17..=20 => Some(Right::Resize),
            21 => Some(Right::Replicate),
            27 => Some(Right::Random),
            28 | 29 => Some(Right::Report),
            33 => Some(Right::Rewrite),
            _ => None,
        },
        finds_place: import.service == 25,
    })
}

/// Blocks become addresses when the arguments do not fit into six registers.
fn in_registers(args: Vec<Arg>) -> Vec<Arg> {
    let sizes = args.iter().map(|arg| match *arg {
        Arg::Block(bytes) => words(bytes),
        Arg::Word | Arg::At(_) => 1,
    });
    if sizes.sum::<Int>() <= 6 {
        return args;
    }
    let by_address = |arg| match arg {
        Arg::Block(bytes) => Arg::At(bytes),
        arg => arg,
    };
    args.into_iter().map(by_address).collect()
}

/// Checks a call's arguments, and changes the state to what the call leaves; gives back its price.
pub(super) fn pass(state: &mut State, image: &Image, call: &Call) -> Result<Int, String> {
    let mut register = reg::A0;
    for &arg in &call.args {
        let count = match arg {
            Arg::Block(bytes) => words(bytes),
            Arg::Word | Arg::At(_) => 1,
        };
        for _ in 0..count {
            let term = state.read(register)?;
            match arg {
                Arg::At(bytes) => block(state, image, term, bytes)?,
                _ => require(term.is_number(), "an address where a number goes")?,
            }
            register += 1;
        }
    }
    let mut price = call.price;
    if call.pays_bytes {
        let (_, most) = state.range(state.read(reg::A1)?);
        price += most;
    }
    if let Some(moves) = call.moves {
        let (lo, hi) = length(state, moves)?;
        state.move_packet(lo.clamp(0, LONGEST), hi.clamp(0, LONGEST));
    }
    for register in [reg::RA, reg::A0, reg::A1] {
        state.holds.remove(&Place::Register(register));
    }
    answer(state, call);
    Ok(price.min(M))
}

/// Whether an address is one of bytes that a service may read.
fn block(state: &State, image: &Image, p: Term, bytes: Int) -> Result<(), String> {
    let (lo, hi) = state.range(p);
    match p.kind {
        Kind::Scratch => {
            let inside = lo >= 0 && hi + bytes <= 256;
            require(inside, "a block outside scratch")?;
            written(state, lo, hi + bytes)
        }
        Kind::Number => {
            let end = hi + bytes - 0x400;
            let inside = lo >= 0x400 && hi < 0x800 && end <= image.constants.len() as Int;
            require(inside, "a block outside the constants")
        }
        _ => refuse("a block that a service may not read"),
    }
}

/// The packet's length after it moved.
fn length(state: &State, moves: Moves) -> Result<(Int, Int), String> {
    let Fact { lo, hi, .. } = state.len();
    Ok(match moves {
        Moves::Longer(by) => (lo + by, hi + by),
        Moves::Pop => (lo - state.range(state.read(reg::A0)?).1, hi),
        Moves::Cut => (lo.min(state.range(state.read(reg::A0)?).0), hi),
    })
}

fn answer(state: &mut State, call: &Call) {
    match call.answer {
        Answer::Nothing => {}
        Answer::Word(most) => {
            let word = state.some(Kind::Number, (0, most));
            if call.finds_place {
                state.note_slack(word.symbol, 0);
            }
            state.write(reg::A0, word);
        }
        Answer::Two(most, second) => {
            let word = state.some(Kind::Number, (0, most));
            state.write(reg::A0, word);
            let word = state.some(Kind::Number, (0, second));
            state.write(reg::A1, word);
        }
        Answer::Found(bytes) => {
            let word = state.some(Kind::Answer(bytes), (0, 1));
            state.write(reg::A0, word);
        }
    }
}
