//! The compiler's table of rewrites as scripts for the solver.
//!
//! In: the table. Out: for each row, and for each way in which some of its registers are one, a script that has no model when both
//! sides leave the same words, for all words in the registers and all immediates that the row allows.

use std::io::Write;

use nfl_isa::{Fmt, Op};

use super::OPS;
use super::table::{Imm, Last, REWRITES, Rewrite, Step, VARS, Var, When};

/// For each variable the number of the register that it is.
type Names = [usize; VARS];

/// What stands in each register, as text.
type Words = [String; VARS];

pub(super) fn rewrites(out: &mut impl Write) -> std::io::Result<()> {
    for row in REWRITES {
        for names in aliases(row) {
            script(out, row, &names)?;
        }
    }
    Ok(())
}

fn used(row: &Rewrite) -> Vec<Var> {
    let steps = row.from.iter().chain(row.to);
    let mut vars: Vec<Var> = steps
        .flat_map(|&Step(_, rd, a, last)| match last {
            Last::Reg(b) => [rd, a, b],
            Last::Imm(_) => [rd, a, a],
        })
        .filter(|&var| var != Var::Zero)
        .collect();
    vars.sort();
    vars.dedup();
    vars
}

/// All ways to give the variables of a row registers, up to names: each has one that an earlier one has, or the next.
fn aliases(row: &Rewrite) -> Vec<Names> {
    let mut all = vec![([0; VARS], 0)];
    for var in used(row) {
        let more = all.iter().flat_map(|&(names, count)| {
            (0..=count).map(move |name| {
                let mut names: Names = names;
                names[var as usize] = name;
                (names, count.max(name + 1))
            })
        });
        all = more.collect();
    }
    let is_apart = |names: &Names| {
        let mut pairs = row.apart.iter();
        pairs.all(|&(a, b)| names[a as usize] != names[b as usize])
    };
    let all = all.into_iter().map(|(names, _)| names);
    all.filter(is_apart).collect()
}

fn imm(imm: Imm) -> String {
    match imm {
        Imm::Is(n) => format!("#x{:08x}", n.cast_unsigned()),
        Imm::I => "i".to_string(),
        Imm::J => "j".to_string(),
        Imm::Ones => "(bvsub (bvshl #x00000001 k) #x00000001)".to_string(),
        Imm::Sum => "(bvadd i j)".to_string(),
        Imm::Rest => "(bvsub #x00000020 i)".to_string(),
        Imm::Above => "(bvsub #x00000020 k)".to_string(),
        Imm::Beyond => "(bvsub (bvsub #x00000020 i) k)".to_string(),
    }
}

/// What an operation makes of `x` and `y`, as the instruction set says.
fn meaning(op: Op) -> &'static str {
    let op = match op {
        Op::Add | Op::Addi => return "(bvadd x y)",
        Op::Sub => return "(bvsub x y)",
        Op::Andi => Op::And,
        Op::Ori => Op::Or,
        Op::Xori => Op::Xor,
        Op::Slli => Op::Sll,
        Op::Srli => Op::Srl,
        Op::Srai => Op::Sra,
        Op::Slti => Op::Slt,
        Op::Sltiu => Op::Sltu,
        op => op,
    };
    let row = OPS.iter().find(|row| row.0 == op);
    row.expect("an operation on words").2
}

/// The words after these steps.
fn after(steps: &[Step], names: &Names, before: &Words) -> Words {
    let mut words = before.clone();
    for &Step(op, rd, a, last) in steps {
        let word = |var: Var| match var {
            Var::Zero => "#x00000000".to_string(),
            var => words[names[var as usize]].clone(),
        };
        let last = match last {
            Last::Reg(b) => word(b),
            Last::Imm(n) => imm(n),
        };
        let text = format!("(let ((x {}) (y {last})) {})", word(a), meaning(op));
        words[names[rd as usize]] = text;
    }
    words
}

fn script(out: &mut impl Write, row: &Rewrite, names: &Names) -> std::io::Result<()> {
    writeln!(out, "; check rewrite: {}", row.name)?;
    for name in 0..VARS {
        writeln!(out, "(declare-const r{name} (_ BitVec 32))")?;
    }
    for name in ["i", "j", "k"] {
        writeln!(out, "(declare-const {name} (_ BitVec 32))")?;
    }
    for &Step(op, _, _, last) in row.from.iter().chain(row.to) {
        let Last::Imm(n) = last else { continue };
        let (n, fmt) = (imm(n), op.spec().fmt);
        // What an instruction takes; amounts of nothing are not looked for.
        let (lo, hi) = match fmt {
            Fmt::Shift => ("#x00000001", "#x0000001f"),
            _ => ("#xfffff800", "#x000007ff"),
        };
        writeln!(out, "(assert (and (bvsle {lo} {n}) (bvsle {n} {hi})))")?;
    }
    writeln!(
        out,
        "(assert (and (bvule #x00000001 k) (bvule k #x0000000b)))"
    )?;
    match row.when {
        When::Always => {}
        When::Opposite => writeln!(out, "(assert (= (bvadd i j) #x00000000))")?,
        When::Covering => writeln!(out, "(assert (= (bvor i j) #xffffffff))")?,
    }
    let before: Words = std::array::from_fn(|name| format!("r{name}"));
    let (from, to) = (
        after(row.from, names, &before),
        after(row.to, names, &before),
    );
    // A register that is written is kept, unless all that write it are said to die.
    let written = row.from.iter().chain(row.to).map(|step| step.1);
    let kept = written.filter(|var| !row.dies.contains(var));
    let mut kept: Vec<usize> = kept.map(|var| names[var as usize]).collect();
    kept.sort_unstable();
    kept.dedup();
    let equal = kept
        .iter()
        .map(|&name| format!("(= {} {})", from[name], to[name]));
    let equal: Vec<String> = equal.collect();
    writeln!(out, "; goal\n(assert (not (and {})))", equal.join(" "))
}
