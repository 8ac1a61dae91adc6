//! Writes the byte verifier's rules about ranges, and the compiler's table of rewrites, down for a solver.
//!
//! In: the rules as they stand in the verifier, and the table. Out: scripts of SMT-LIB on standard output, at 32 bits: one for each way
//! through each rule, which has no model when the rule is sound. Before each stands a line `; check` with the rule; a line `; goal`
//! parts what is assumed from what is denied, so that one can see that something is assumed at all. The machine's operations are
//! written from the instruction set's text; samples of what the verifier computes for single words hold them to it.

#[path = "../../../nfl-verify/src/lesson.rs"]
mod lesson;
#[path = "../../../nfl-verify/src/number.rs"]
mod number;
#[expect(
    dead_code,
    reason = "what divides a result is tried on all words of few bits"
)]
#[path = "../../../nfl-verify/src/range.rs"]
mod range;
#[path = "rules/rewrites.rs"]
mod rewrites;
#[path = "../../../nfl-codegen-rv/src/rewrite/table.rs"]
mod table;
#[path = "rules/term.rs"]
mod term;

use std::io::{BufWriter, Write};

use nfl_ir::testing::Rng;
use nfl_isa::Op;

use lesson::{Lesson, Side, at_most, lessons, without};
use number::Number;
use range::Span;
use term::{Term, Theory, Way, ways};

/// Single words on which each operation is compared.
const SAMPLES: usize = 4000;

/// Operations, the theory in which their rules are easy, and what the machine makes of the words `x` and `y`; `sx` and `sy` are
/// the words as signed numbers, where integers are used.
const OPS: &[(Op, Theory, &str)] = &[
    (Op::Add, Theory::Integers, "(+ x y)"),
    (Op::Sub, Theory::Integers, "(- x y)"),
    (
        Op::Slt,
        Theory::Words,
        "(ite (bvslt x y) #x00000001 #x00000000)",
    ),
    (
        Op::Sltu,
        Theory::Words,
        "(ite (bvult x y) #x00000001 #x00000000)",
    ),
    (Op::Xor, Theory::Words, "(bvxor x y)"),
    (Op::Or, Theory::Words, "(bvor x y)"),
    (Op::And, Theory::Words, "(bvand x y)"),
    (Op::Sll, Theory::Words, "(bvshl x (bvand y #x0000001f))"),
    (Op::Srl, Theory::Words, "(bvlshr x (bvand y #x0000001f))"),
    (Op::Sra, Theory::Words, "(bvashr x (bvand y #x0000001f))"),
    (Op::Mul, Theory::Integers, "(* x y)"),
    (Op::Mulh, Theory::Integers, "(div (* sx sy) 4294967296)"),
    (Op::Mulhsu, Theory::Integers, "(div (* sx y) 4294967296)"),
    (Op::Mulhu, Theory::Integers, "(div (* x y) 4294967296)"),
    (
        Op::Div,
        Theory::Integers,
        "(ite (= y 0) (- 1) (ite (>= sx 0) (div sx sy) (- (div (- sx) sy))))",
    ),
    (Op::Divu, Theory::Integers, "(ite (= y 0) (- 1) (div x y))"),
    (
        Op::Rem,
        Theory::Integers,
        "(ite (= y 0) sx (ite (>= sx 0) (mod sx sy) (- (mod (- sx) sy))))",
    ),
    (Op::Remu, Theory::Integers, "(ite (= y 0) x (mod x y))"),
    (Op::Andn, Theory::Words, "(bvand x (bvnot y))"),
    (Op::Orn, Theory::Words, "(bvor x (bvnot y))"),
    (Op::Xnor, Theory::Words, "(bvnot (bvxor x y))"),
    (Op::Min, Theory::Words, "(ite (bvslt x y) x y)"),
    (Op::Minu, Theory::Words, "(ite (bvult x y) x y)"),
    (Op::Max, Theory::Words, "(ite (bvslt x y) y x)"),
    (Op::Maxu, Theory::Words, "(ite (bvult x y) y x)"),
    (
        Op::Rol,
        Theory::Words,
        "(bvor (bvshl x (bvand y #x0000001f)) (bvlshr x (bvsub #x00000020 (bvand y #x0000001f))))",
    ),
    (
        Op::Ror,
        Theory::Words,
        "(bvor (bvlshr x (bvand y #x0000001f)) (bvshl x (bvsub #x00000020 (bvand y #x0000001f))))",
    ),
    (Op::Clz, Theory::Words, "(leading x)"),
    (Op::Ctz, Theory::Words, "(trailing x)"),
    (Op::Cpop, Theory::Words, "(ones x)"),
    (
        Op::Bclr,
        Theory::Words,
        "(bvand x (bvnot (bvshl #x00000001 (bvand y #x0000001f))))",
    ),
    (
        Op::Bext,
        Theory::Words,
        "(bvand (bvlshr x (bvand y #x0000001f)) #x00000001)",
    ),
    (
        Op::Binv,
        Theory::Words,
        "(bvxor x (bvshl #x00000001 (bvand y #x0000001f)))",
    ),
    (
        Op::Bset,
        Theory::Words,
        "(bvor x (bvshl #x00000001 (bvand y #x0000001f)))",
    ),
];

const BRANCHES: &[(Op, &str)] = &[
    (Op::Beq, "(= x y)"),
    (Op::Bne, "(not (= x y))"),
    (Op::Blt, "(< (signed x) (signed y))"),
    (Op::Bge, "(>= (signed x) (signed y))"),
    (Op::Bltu, "(< x y)"),
    (Op::Bgeu, "(>= x y)"),
];

const SIGNED: &str =
    "(define-fun signed ((n Int)) Int (ite (>= n 2147483648) (- n 4294967296) n))\n";

/// How many ones a word has, and how many zeros stand before the first one from above and from below, bit by bit.
fn counts() -> String {
    let bit = |n: u32| format!("((_ extract {n} {n}) x)");
    let zeros = |name: &str, bits: [u32; 32]| {
        let tests = bits.iter().enumerate();
        let tests: String = tests
            .map(|(count, n)| format!("(ite (= {} #b1) #x{count:08x} ", bit(*n)))
            .collect();
        let close = ")".repeat(bits.len());
        format!("(define-fun {name} ((x (_ BitVec 32))) (_ BitVec 32) {tests}#x00000020{close})\n")
    };
    let ones: Vec<String> = (0..32)
        .map(|n| format!("((_ zero_extend 31) {})", bit(n)))
        .collect();
    format!(
        "(define-fun ones ((x (_ BitVec 32))) (_ BitVec 32) (bvadd {}))\n{}{}",
        ones.join(" "),
        zeros("leading", std::array::from_fn(|n| 31 - n as u32)),
        zeros("trailing", std::array::from_fn(|n| n as u32)),
    )
}

/// What the machine computes, as a function of two numbers that are words.
fn machine(theory: Theory, text: &str) -> String {
    match theory {
        Theory::Words => {
            counts()
                + &format!(
                    "(define-fun machine ((a (_ BitVec 64)) (b (_ BitVec 64))) (_ BitVec 64)\n  \
             (let ((x ((_ extract 31 0) a)) (y ((_ extract 31 0) b))) ((_ zero_extend 32) {text})))\n"
                )
        }
        Theory::Integers => format!(
            "{SIGNED}(define-fun machine ((x Int) (y Int)) Int\n  \
             (let ((sx (signed x)) (sy (signed y))) (mod {text} 4294967296)))\n"
        ),
    }
}

/// Ranges of words, and a word in each.
fn assumed(theory: Theory) -> String {
    let sort = theory.sort();
    let names = ["al", "ah", "bl", "bh", "x", "y"];
    let mut text: String = names
        .iter()
        .map(|name| format!("(declare-const {name} {sort})\n"))
        .collect();
    let at_most = theory.name("<=");
    let (zero, last) = (theory.number(0), theory.number(i64::last()));
    for [lo, word, hi] in [["al", "x", "ah"], ["bl", "y", "bh"]] {
        let chain = [&zero, lo, word, hi, &last];
        for pair in chain.windows(2) {
            text += &format!("(assert ({at_most} {} {}))\n", pair[0], pair[1]);
        }
    }
    text
}

fn given() -> [Span<Term>; 2] {
    [("al", "ah"), ("bl", "bh")].map(|(lo, hi)| (Term::given(lo), Term::given(hi)))
}

/// Whether a number lies in a range, as text.
fn inside(theory: Theory, word: &str, (lo, hi): Span<Term>) -> String {
    let at_most = theory.name("<=");
    format!(
        "({at_most} {} {word}) ({at_most} {word} {})",
        lo.name(),
        hi.name()
    )
}

/// One script: on this way, what is assumed gives the goal.
fn check<T>(
    out: &mut impl Write,
    name: &str,
    head: &str,
    way: &Way<T>,
    goal: &str,
) -> std::io::Result<()> {
    writeln!(out, "; check {name}")?;
    out.write_all(head.as_bytes())?;
    for term in &way.terms {
        writeln!(out, "{term}")?;
    }
    for condition in &way.conditions {
        writeln!(out, "(assert {condition})")?;
    }
    writeln!(out, "; goal\n(assert (not (and {goal})))")
}

fn operations(out: &mut impl Write) -> std::io::Result<()> {
    for &(op, theory, text) in OPS {
        let name = op.spec().text;
        let head = machine(theory, text) + &assumed(theory);
        for way in ways(theory, || {
            let [a, b] = given();
            let range = range::apply(op, a, b);
            let word = (Term::of(0), Term::last());
            (range, word)
        }) {
            let (range, word) = way.result;
            let goal = [
                inside(theory, "(machine x y)", range),
                inside(theory, &range.0.name(), word),
                inside(theory, &range.1.name(), word),
            ];
            check(out, name, &head, &way, &goal.join(" "))?;
        }
        for way in ways(theory, || range::lowers(op, given()[1])) {
            if way.result {
                let goal = format!("({} (machine x y) x)", theory.name("<="));
                check(out, &format!("{name} lowers"), &head, &way, &goal)?;
            }
        }
        samples(out, op, theory, &machine(theory, text))?;
    }
    let (op, theory, text) = OPS[6];
    let head = machine(theory, text) + &assumed(theory);
    for way in ways(theory, || {
        let [a, b] = given();
        range::is_kept(a, b)
    }) {
        if way.result {
            let name = format!("{} keeps", op.spec().text);
            check(out, &name, &head, &way, "(= (machine x y) x)")?;
        }
    }
    Ok(())
}

/// What the verifier computes for single words.
fn samples(out: &mut impl Write, op: Op, theory: Theory, head: &str) -> std::io::Result<()> {
    let mut rng = Rng::new(1);
    let mut word = || -> i64 {
        let near = (1u64 << rng.below(33)).wrapping_add(u64::from(rng.below(5))) as u32;
        let any = rng.number() as u32;
        [near.wrapping_sub(2), any, any & 63][rng.below(3) as usize].into()
    };
    writeln!(out, "; check {} of single words", op.spec().text)?;
    out.write_all(head.as_bytes())?;
    writeln!(out, "; goal\n(assert (not (and")?;
    for _ in 0..SAMPLES {
        let (a, b) = (word(), word());
        let Some(result) = i64::word(op, a, b) else {
            continue;
        };
        let [a, b, result] = [a, b, result].map(|n| theory.number(n));
        writeln!(out, "(= (machine {a} {b}) {result})")?;
    }
    writeln!(out, ")))")
}

fn branches(out: &mut impl Write) -> std::io::Result<()> {
    let theory = Theory::Integers;
    for &(op, holds) in BRANCHES {
        for taken in [true, false] {
            let head = format!("{SIGNED}{}(assert (= {taken} {holds}))\n", assumed(theory));
            for way in ways(theory, || {
                let [a, b] = given();
                lessons(op, taken, a, b)
            }) {
                let side = |side: Side<Term>| match side {
                    Side::First => "x".to_string(),
                    Side::Second => "y".to_string(),
                    Side::Constant(n) => n.name(),
                };
                let goal = way.result.map(|lesson| match lesson {
                    Lesson::Nothing => "true".to_string(),
                    Lesson::AtMost(less, by, more) => {
                        format!("(<= (+ {} {}) {})", side(less), by.name(), side(more))
                    }
                    Lesson::Not(one, c) => format!("(not (= {} {}))", side(one), c.name()),
                });
                let way_out = if taken { "taken" } else { "not taken" };
                let name = format!("{} {way_out}", op.spec().text);
                check(out, &name, &head, &way, &goal.join(" "))?;
            }
        }
    }
    let head = assumed(theory) + "(declare-const by Int)\n(assert (<= (+ x by) y))\n";
    for way in ways(theory, || {
        let [a, b] = given();
        at_most(a, Term::given("by"), b)
    }) {
        let (a, b) = way.result;
        let goal = inside(theory, "x", a) + " " + &inside(theory, "y", b);
        check(out, "at most", &head, &way, &goal)?;
    }
    let head = assumed(theory) + "(declare-const c Int)\n(assert (not (= x c)))\n";
    for way in ways(theory, || without(given()[0], Term::given("c"))) {
        check(out, "not", &head, &way, &inside(theory, "x", way.result))?;
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    operations(&mut out)?;
    branches(&mut out)?;
    rewrites::rewrites(&mut out)?;
    out.flush()
}
