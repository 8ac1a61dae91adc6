//! A small assembler, for tests and for reading machine code back.
//!
//! In: text, one statement a line or several between `;`: labels `name:`, instructions with ABI or `x` register names, the usual
//! pseudo-instructions, `.half` and `.word`, comments after `#` or `//`. Out: bytes. A mnemonic with `c.` is the 16-bit
//! form, any other the 32-bit form, so sizes are known from the text alone. A branch takes a label, `.+8` or a bare
//! displacement. Guaranteed: an operand that does not fit is an error, never another instruction.

mod operand;

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::form::Syntax;
use crate::{FORMS, Fmt, Form, Inst, Op, Reg, encode};
use operand::{Operands, Place};

/// Why text is no program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AsmError {
    /// Counted from 1.
    pub line: u32,
    pub message: String,
}

impl fmt::Display for AsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl core::error::Error for AsmError {}

type Parsed<T> = Result<T, String>;

/// A statement that takes room.
enum Item {
    /// The 16-bit form of this row, or the 32-bit form; with a label, the immediate is still to come.
    Inst {
        inst: Inst,
        form: Option<&'static Form>,
        label: Option<String>,
    },
    Half(u16),
    Word(u32),
}

impl Item {
    fn word(inst: Inst) -> Item {
        Item::Inst {
            inst,
            form: None,
            label: None,
        }
    }

    fn jump(inst: Inst, form: Option<&'static Form>, place: Place) -> Item {
        match place {
            Place::Displacement(imm) => Item::Inst {
                inst: Inst { imm, ..inst },
                form,
                label: None,
            },
            Place::Label(label) => Item::Inst {
                inst,
                form,
                label: Some(label),
            },
        }
    }

    fn size(&self) -> u32 {
        match self {
            Item::Inst { form: Some(_), .. } | Item::Half(_) => 2,
            Item::Inst { form: None, .. } | Item::Word(_) => 4,
        }
    }
}

/// The bytes of a program.
pub fn assemble(text: &str) -> Result<Vec<u8>, AsmError> {
    let mut labels: BTreeMap<&str, u32> = BTreeMap::new();
    let mut items: Vec<(u32, Item)> = Vec::new();
    let mut pc = 0_u32;
    for (line, source) in (1..).zip(text.lines()) {
        let fail = |message| AsmError { line, message };
        for source in strip_comment(source).split(';') {
            let mut rest = source.trim();
            while let Some((label, after)) = split_label(rest) {
                if labels.insert(label, pc).is_some() {
                    return Err(fail(format!("label `{label}` is defined twice")));
                }
                rest = after.trim_start();
            }
            if rest.is_empty() {
                continue;
            }
            for item in statement(rest).map_err(fail)? {
                pc = pc.wrapping_add(item.size());
                items.push((line, item));
            }
        }
    }

    let mut bytes = Vec::new();
    for (line, item) in items {
        let emitted = emit(item, &labels, &mut bytes);
        emitted.map_err(|message| AsmError { line, message })?;
    }
    Ok(bytes)
}

fn strip_comment(line: &str) -> &str {
    let end = line.find('#').into_iter().chain(line.find("//")).min();
    end.map_or(line, |end| &line[..end])
}

/// `name: rest`
fn split_label(text: &str) -> Option<(&str, &str)> {
    let (label, rest) = text.split_once(':')?;
    let label = label.trim_end();
    operand::is_name(label).then_some((label, rest))
}

fn emit(item: Item, labels: &BTreeMap<&str, u32>, bytes: &mut Vec<u8>) -> Parsed<()> {
    match item {
        Item::Half(half) => bytes.extend(half.to_le_bytes()),
        Item::Word(word) => bytes.extend(word.to_le_bytes()),
        Item::Inst {
            mut inst,
            form,
            label,
        } => {
            if let Some(label) = label {
                let target = labels
                    .get(label.as_str())
                    .ok_or(format!("no label `{label}`"))?;
                let here =
                    u32::try_from(bytes.len()).map_err(|_| "the program is too long".to_owned())?;
                inst.imm = target.wrapping_sub(here).cast_signed();
            }
            match form {
                None => bytes.extend(encode(&inst).map_err(|why| why.to_string())?.to_le_bytes()),
                Some(form) => {
                    let half = form.pack(&inst);
                    let half =
                        half.ok_or_else(|| format!("`{}` has no form of `{inst}`", form.text))?;
                    bytes.extend(half.to_le_bytes());
                }
            }
        }
    }
    Ok(())
}

fn statement(text: &str) -> Parsed<Vec<Item>> {
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let mut operands = Operands::new(rest);
    let items = if name.starts_with('.') {
        directive(name, &mut operands)?
    } else if let Some(form) = FORMS.iter().find(|form| form.text == name) {
        Vec::from([compact(form, &mut operands)?])
    } else if let Some(op) = Op::parse(name) {
        Vec::from([base(op, &mut operands)?])
    } else {
        pseudo(name, &mut operands)?
    };
    operands.end()?;
    Ok(items)
}

fn directive(name: &str, operands: &mut Operands<'_>) -> Parsed<Vec<Item>> {
    let mut items = Vec::new();
    loop {
        items.push(match name {
            ".half" => Item::Half(operands.half()?),
            ".word" => Item::Word(operands.word()?.cast_unsigned()),
            _ => return Err(format!("unknown directive `{name}`")),
        });
        if operands.is_empty() {
            return Ok(items);
        }
    }
}

fn base(op: Op, operands: &mut Operands<'_>) -> Parsed<Item> {
    Ok(match op.spec().fmt {
        Fmt::R => Item::word(Inst::r(
            op,
            operands.reg()?,
            operands.reg()?,
            operands.reg()?,
        )),
        Fmt::Unary => Item::word(Inst::i(op, operands.reg()?, operands.reg()?, 0)),
        Fmt::I | Fmt::Shift => Item::word(Inst::i(
            op,
            operands.reg()?,
            operands.reg()?,
            operands.word()?,
        )),
        // `jal target` and `jalr rs1` link in `ra`.
        Fmt::Load if op == Op::Jalr && operands.len() == 1 => {
            Item::word(Inst::i(op, Reg::RA, operands.reg()?, 0))
        }
        Fmt::Load => {
            let rd = operands.reg()?;
            let (imm, rs1) = operands.memory()?;
            Item::word(Inst::i(op, rd, rs1, imm))
        }
        Fmt::S => {
            let rs2 = operands.reg()?;
            let (imm, rs1) = operands.memory()?;
            Item::word(Inst::s(op, rs2, rs1, imm))
        }
        Fmt::B => {
            let inst = Inst::b(op, operands.reg()?, operands.reg()?, 0);
            Item::jump(inst, None, operands.place()?)
        }
        Fmt::U => Item::word(Inst::u(op, operands.reg()?, operands.upper()?)),
        Fmt::J if operands.len() == 1 => {
            Item::jump(Inst::u(op, Reg::RA, 0), None, operands.place()?)
        }
        Fmt::J => Item::jump(Inst::u(op, operands.reg()?, 0), None, operands.place()?),
        Fmt::Bare => Item::word(Inst::bare(op)),
    })
}

fn compact(form: &'static Form, operands: &mut Operands<'_>) -> Parsed<Item> {
    let mut inst = Inst::bare(form.op);
    inst.rd = form.rd.fixed();
    inst.rs1 = form.rs1.fixed();
    let mut repeated = None;
    match form.syntax {
        Syntax::Bare => {}
        Syntax::RdImm => {
            inst.rd = operands.reg()?;
            repeated = operands.repeated(3)?;
            inst.imm = operands.word()?;
        }
        Syntax::Rd => {
            inst.rd = operands.reg()?;
            inst.imm = form.imm.fixed();
        }
        Syntax::RdUpper => {
            inst.rd = operands.reg()?;
            inst.imm = operands.upper()?;
        }
        Syntax::RdSpImm => {
            inst.rd = operands.reg()?;
            inst.rs1 = operands.reg()?;
            inst.imm = operands.word()?;
        }
        Syntax::RdRs2 => {
            inst.rd = operands.reg()?;
            repeated = operands.repeated(3)?;
            inst.rs2 = operands.reg()?;
        }
        Syntax::Load => {
            inst.rd = operands.reg()?;
            (inst.imm, inst.rs1) = operands.memory()?;
        }
        Syntax::Store => {
            inst.rs2 = operands.reg()?;
            (inst.imm, inst.rs1) = operands.memory()?;
        }
        Syntax::Rs1Target => {
            inst.rs1 = operands.reg()?;
            return Ok(Item::jump(inst, Some(form), operands.place()?));
        }
        Syntax::Target => return Ok(Item::jump(inst, Some(form), operands.place()?)),
        Syntax::Rs1 => inst.rs1 = operands.reg()?,
    }
    // A form that computes from its destination need not name it twice: `c.add a0, a1` is `c.add a0, a0, a1`.
    if form.rs1 == form.rd {
        inst.rs1 = inst.rd;
    }
    inst.rs1 = repeated.unwrap_or(inst.rs1);
    Ok(Item::Inst {
        inst,
        form: Some(form),
        label: None,
    })
}

fn pseudo(name: &str, operands: &mut Operands<'_>) -> Parsed<Vec<Item>> {
    let zero = Reg::ZERO;
    let item = match name {
        "li" => return Ok(li(operands.reg()?, operands.word()?)),
        "nop" => Item::word(Inst::NOP),
        "ret" => Item::word(Inst::i(Op::Jalr, zero, Reg::RA, 0)),
        "jr" => Item::word(Inst::i(Op::Jalr, zero, operands.reg()?, 0)),
        "j" => Item::jump(Inst::u(Op::Jal, zero, 0), None, operands.place()?),
        "mv" => Item::word(Inst::i(Op::Addi, operands.reg()?, operands.reg()?, 0)),
        "not" => Item::word(Inst::i(Op::Xori, operands.reg()?, operands.reg()?, -1)),
        "neg" => Item::word(Inst::r(Op::Sub, operands.reg()?, zero, operands.reg()?)),
        "zext.b" => Item::word(Inst::i(Op::Andi, operands.reg()?, operands.reg()?, 255)),
        "seqz" => Item::word(Inst::i(Op::Sltiu, operands.reg()?, operands.reg()?, 1)),
        "snez" => Item::word(Inst::r(Op::Sltu, operands.reg()?, zero, operands.reg()?)),
        "sltz" => Item::word(Inst::r(Op::Slt, operands.reg()?, operands.reg()?, zero)),
        "sgtz" => Item::word(Inst::r(Op::Slt, operands.reg()?, zero, operands.reg()?)),
        "beqz" | "bnez" | "bltz" | "bgez" | "bgtz" | "blez" => {
            let reg = operands.reg()?;
            let inst = match name {
                "beqz" => Inst::b(Op::Beq, reg, zero, 0),
                "bnez" => Inst::b(Op::Bne, reg, zero, 0),
                "bltz" => Inst::b(Op::Blt, reg, zero, 0),
                "bgez" => Inst::b(Op::Bge, reg, zero, 0),
                "bgtz" => Inst::b(Op::Blt, zero, reg, 0),
                _ => Inst::b(Op::Bge, zero, reg, 0),
            };
            Item::jump(inst, None, operands.place()?)
        }
        _ => return Err(format!("unknown instruction `{name}`")),
    };
    Ok(Vec::from([item]))
}

/// A constant: the low twelve bits are signed, so the upper part makes up for a borrow.
fn li(rd: Reg, value: i32) -> Vec<Item> {
    let low = value << 20 >> 20;
    let high = value.wrapping_sub(low);
    if high == 0 {
        return Vec::from([Item::word(Inst::i(Op::Addi, rd, Reg::ZERO, low))]);
    }
    let mut items = Vec::from([Item::word(Inst::u(Op::Lui, rd, high))]);
    if low != 0 {
        items.push(Item::word(Inst::i(Op::Addi, rd, rd, low)));
    }
    items
}
