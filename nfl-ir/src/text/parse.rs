//! Text to a module.
//!
//! One line is one thing, so the parser goes line by line; words and blocks may be used before the
//! line that defines them.

use std::collections::BTreeMap;
use std::fmt;

use nfl_abi::image::{Import, Resource, ResourceKind, Right, Rights, Verdict, VerdictKind};
use nfl_abi::{Layer, Profile, Role, host};
use nfl_syntax::arena::{Id, IdVec};

use crate::entity::{Block, Value};
use crate::func::{
    BlockCall, CarriedField, Data, Function, InstData, Module, Origin, Region, SlotData, Term,
    ValueData, WordInfo,
};
use crate::op::{Fmt, Op};

/// The text is not a module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TextError {
    /// The line, from 1 up.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for TextError {}

/// Reads a module. It is not verified.
pub fn parse(text: &str) -> Result<Module, TextError> {
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let line = Line::new(at + 1, code);
        if !line.words.is_empty() {
            lines.push(line);
        }
    }
    let mut lines = lines.into_iter();
    let Some(mut head) = lines.next() else {
        return Err(TextError {
            line: 1,
            what: "a module is due here".into(),
        });
    };
    let mut module = module_head(&mut head)?;
    while let Some(mut line) = lines.next() {
        if line.peek() == "on" {
            let f = function_head(&mut line)?;
            let mut body = Vec::new();
            loop {
                match lines.next() {
                    None => return line.fail("the handler has no end"),
                    Some(end) if end.peek() == "}" => break,
                    Some(line) => body.push(line),
                }
            }
            module.functions.push(Body::read(f, body)?);
        } else {
            module_line(&mut module, &mut line)?;
        }
        line.end()?;
    }
    Ok(module)
}

/// The tokens of a line.
struct Line<'a> {
    number: usize,
    words: Vec<&'a str>,
    at: usize,
}

impl<'a> Line<'a> {
    fn new(number: usize, text: &'a str) -> Line<'a> {
        let mut words = Vec::new();
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let mark = |c: char| "()[]{},:+=".contains(c);
            let len = if mark(first) {
                first.len_utf8()
            } else {
                rest.find(|c: char| mark(c) || c.is_whitespace())
                    .unwrap_or(rest.len())
            };
            let (word, tail) = rest.split_at(len);
            words.push(word);
            rest = tail.trim_start();
        }
        Line {
            number,
            words,
            at: 0,
        }
    }

    fn fail<T>(&self, what: impl Into<String>) -> Result<T, TextError> {
        Err(TextError {
            line: self.number,
            what: what.into(),
        })
    }

    fn peek(&self) -> &'a str {
        self.words.get(self.at).copied().unwrap_or_default()
    }

    fn next(&mut self) -> &'a str {
        let word = self.peek();
        self.at += 1;
        word
    }

    /// Takes the next word when it is this one.
    fn take(&mut self, word: &str) -> bool {
        let found = self.peek() == word;
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str) -> Result<(), TextError> {
        if self.take(word) {
            return Ok(());
        }
        self.fail(format!("`{word}` is due before `{}`", self.peek()))
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, TextError> {
        let word = self.next();
        word.parse()
            .or_else(|_| self.fail(format!("`{word}` is no number that fits here")))
    }

    /// The next word by a table of words.
    fn one_of<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Result<T, TextError> {
        let word = self.next();
        find(word).map_or_else(|| self.fail(format!("`{word}` is unknown")), Ok)
    }

    /// A number behind a prefix: `v12`.
    fn id<I: Id>(&mut self, prefix: &str) -> Result<I, TextError> {
        let word = self.next();
        let digits = word.strip_prefix(prefix).and_then(|d| d.parse().ok());
        // Ids index vectors; nothing in text is that long.
        match digits.filter(|&n: &u32| n < u32::MAX) {
            Some(n) => Ok(I::new(n as usize)),
            None => self.fail(format!("`{prefix}` with a number is due before `{word}`")),
        }
    }

    fn hex(&mut self) -> Result<Vec<u8>, TextError> {
        let mut bytes = Vec::new();
        while !self.peek().is_empty() {
            let word = self.next();
            match u8::from_str_radix(word, 16) {
                Ok(byte) => bytes.push(byte),
                Err(_) => return self.fail(format!("`{word}` is no byte")),
            }
        }
        Ok(bytes)
    }

    fn end(&self) -> Result<(), TextError> {
        if self.peek().is_empty() {
            return Ok(());
        }
        self.fail(format!("`{}` is too much", self.peek()))
    }
}

fn module_head(line: &mut Line) -> Result<Module, TextError> {
    line.expect("module")?;
    let name = line.next().to_string();
    let profile = line.one_of(Profile::from_text)?;
    line.expect("rights")?;
    line.expect("[")?;
    let mut rights = Rights::NONE;
    while !line.take("]") {
        rights = rights.with(line.one_of(Right::from_text)?);
        line.take(",");
    }
    line.expect("passes")?;
    let passes = line.number()?;
    line.end()?;
    Ok(Module {
        name,
        profile,
        rights,
        passes,
        data: IdVec::new(),
        late: IdVec::new(),
        params: IdVec::new(),
        carried: Vec::new(),
        fields: IdVec::new(),
        reasons: Vec::new(),
        imports: IdVec::new(),
        resources: Vec::new(),
        formats: Vec::new(),
        functions: Vec::new(),
    })
}

fn module_line(m: &mut Module, line: &mut Line) -> Result<(), TextError> {
    let word = line.next();
    if word == "carried" {
        m.carried = line.hex()?;
    } else if word == "reason" {
        m.reasons.push(line.next().to_string());
    } else if word.starts_with("late") {
        let info = word_info(line)?;
        m.late.push(info);
    } else if word.starts_with("param") {
        let info = word_info(line)?;
        m.params.push(info);
    } else if word.starts_with("field") {
        let name = line.next().to_string();
        line.expect("at")?;
        let offset = line.number()?;
        line.expect(":")?;
        let bytes = line.number()?;
        line.expect("bytes")?;
        let field = CarriedField {
            name,
            offset,
            bytes,
        };
        m.fields.push(field);
    } else if word.starts_with("data") {
        let name = line.next().to_string();
        line.expect("align")?;
        let align = line.number()?;
        line.expect(":")?;
        let bytes = line.hex()?;
        m.data.push(Data { name, bytes, align });
    } else if word.starts_with("import") {
        let import = import(line)?;
        m.imports.push(import);
    } else if word.starts_with("resource") {
        m.resources.push(resource(line)?);
    } else if word.starts_with("format") {
        let bytes = line.hex()?;
        match String::from_utf8(bytes) {
            Ok(text) => m.formats.push(text),
            Err(_) => return line.fail("these bytes are no text"),
        }
    } else {
        return line.fail(format!("`{word}` begins nothing"));
    }
    Ok(())
}

fn import(line: &mut Line) -> Result<Import, TextError> {
    let service = line.one_of(|word| {
        let named = host::call::service(word).map(|service| service.number);
        named.or_else(|| word.parse().ok())
    })?;
    let param = if line.take("of") { line.number()? } else { 0 };
    let resource = if line.take("on") {
        Some(line.number()?)
    } else {
        None
    };
    Ok(Import {
        service,
        param,
        resource,
    })
}

fn resource(line: &mut Line) -> Result<Resource, TextError> {
    let name = line.next().to_string();
    let kind = line.one_of(|word| ResourceKind::from_text(&word.replace('-', " ")))?;
    line.expect("key")?;
    let key_bytes = line.number()?;
    line.expect("value")?;
    let value_bytes = line.number()?;
    line.expect("capacity")?;
    let capacity = line.number()?;
    line.expect("layout")?;
    let layout = line.one_of(|word| u32::from_str_radix(word, 16).ok())?;
    let idle_ns = if line.take("idle") { line.number()? } else { 0 };
    let first = if line.take("first") {
        line.number()?
    } else {
        0
    };
    Ok(Resource {
        name,
        kind,
        key_bytes,
        value_bytes,
        capacity,
        idle_ns,
        first,
        flow_key: line.take("flow"),
        layout,
    })
}

fn word_info(line: &mut Line) -> Result<WordInfo, TextError> {
    let name = line.next().to_string();
    line.expect(":")?;
    let width = width(line)?;
    let wire = line.take("wire");
    line.expect("in")?;
    let range = line.next();
    let bounds = range.split_once("..");
    let bounds = bounds.and_then(|(lo, hi)| Some((lo.parse().ok()?, hi.parse().ok()?)));
    let Some((lo, hi)) = bounds else {
        return line.fail(format!("`{range}` is no range"));
    };
    let default = if line.take("=") {
        Some(line.number()?)
    } else {
        None
    };
    Ok(WordInfo {
        name,
        width,
        wire,
        lo,
        hi,
        default,
    })
}

fn width(line: &mut Line) -> Result<u8, TextError> {
    match line.number()? {
        width @ 1..=32 => Ok(width),
        width => line.fail(format!("{width} is no width")),
    }
}

fn function_head(line: &mut Line) -> Result<Function, TextError> {
    line.expect("on")?;
    let role = line.one_of(Role::from_text)?;
    let layer = line.one_of(Layer::from_text)?;
    let mut f = Function::new(role, layer);
    f.layout.clear();
    f.blocks = IdVec::new();
    while !line.take("{") {
        if line.take("period") {
            f.period_ns = line.number()?;
        } else if line.take("need") {
            f.need = line.number()?;
        } else {
            line.expect("malformed")?;
            let kind = line.one_of(VerdictKind::from_text)?;
            let operand = line.number()?;
            f.malformed = Some(Verdict { kind, operand });
        }
    }
    Ok(f)
}

/// A handler that is being read.
struct Body {
    f: Function,
    /// Blocks and words by their numbers in the text.
    blocks: BTreeMap<Block, Block>,
    values: BTreeMap<Value, Value>,
}

impl Body {
    fn read(f: Function, lines: Vec<Line>) -> Result<Function, TextError> {
        let mut body = Body {
            f,
            blocks: BTreeMap::new(),
            values: BTreeMap::new(),
        };
        let mut pending = Vec::new();
        for mut line in lines {
            if line.peek().starts_with("slot") {
                body.slot(&mut line)?;
            } else if line.peek().starts_with('b') && line.words.last() == Some(&":") {
                body.block(&mut line)?;
            } else {
                let Some(&here) = body.f.layout.last() else {
                    return line.fail("a block is due here");
                };
                let result = body.result(&mut line)?;
                pending.push((here, result, line));
                continue;
            }
            line.end()?;
        }
        let mut ended = None;
        for (here, result, mut line) in pending {
            if ended == Some(here) {
                return line.fail("the block has ended");
            }
            if body.statement(here, result, &mut line)? {
                ended = Some(here);
            }
            line.end()?;
        }
        match body.f.layout.first() {
            Some(&entry) => body.f.entry = entry,
            None => {
                return Err(TextError {
                    line: 0,
                    what: "a handler has no block".into(),
                });
            }
        }
        Ok(body.f)
    }

    fn slot(&mut self, line: &mut Line) -> Result<(), TextError> {
        line.next();
        let mut name = String::new();
        if line.peek() != ":" {
            name = line.next().to_string();
        }
        line.expect(":")?;
        let bytes = line.number()?;
        line.expect("align")?;
        let align = line.number()?;
        let padding = if line.take("padding") {
            line.number()?
        } else {
            0
        };
        self.f.slots.push(SlotData {
            name,
            bytes,
            padding,
            align,
        });
        Ok(())
    }

    fn block(&mut self, line: &mut Line) -> Result<(), TextError> {
        let label: Block = line.id("b")?;
        let b = self.f.add_block();
        self.f.layout.push(b);
        if self.blocks.insert(label, b).is_some() {
            return line.fail(format!("{label} stands twice"));
        }
        if line.take("(") {
            while !line.take(")") {
                let name: Value = line.id("v")?;
                line.expect(":")?;
                let width = width(line)?;
                let v = self.f.add_param(b, width);
                self.define(name, v, line)?;
                line.take(",");
            }
        }
        line.expect(":")
    }

    fn define(&mut self, name: Value, v: Value, line: &Line) -> Result<(), TextError> {
        if self.values.insert(name, v).is_some() {
            return line.fail(format!("{name} stands twice"));
        }
        Ok(())
    }

    /// The result on the left of a line, with its width where one is given.
    fn result(&mut self, line: &mut Line) -> Result<Option<(Value, Option<u8>)>, TextError> {
        if !line.peek().starts_with('v') {
            return Ok(None);
        }
        let name: Value = line.id("v")?;
        let width = if line.take(":") {
            Some(width(line)?)
        } else {
            None
        };
        line.expect("=")?;
        // The origin is known when the instruction is.
        let v = self.f.values.push(ValueData {
            origin: Origin::Param(Block::new(0), 0),
            width: 32,
        });
        self.define(name, v, line)?;
        Ok(Some((v, width)))
    }

    fn value(&self, line: &mut Line) -> Result<Value, TextError> {
        let name: Value = line.id("v")?;
        match self.values.get(&name) {
            Some(&v) => Ok(v),
            None => line.fail(format!("{name} is nowhere defined")),
        }
    }

    fn call(&self, line: &mut Line) -> Result<BlockCall, TextError> {
        let label: Block = line.id("b")?;
        let Some(&block) = self.blocks.get(&label) else {
            return line.fail(format!("{label} is nowhere"));
        };
        let mut args = Vec::new();
        if line.take("(") {
            while !line.take(")") {
                args.push(self.value(line)?);
                line.take(",");
            }
        }
        Ok(BlockCall { block, args })
    }

    /// Reads an instruction or an end; whether it is an end.
    fn statement(
        &mut self,
        here: Block,
        result: Option<(Value, Option<u8>)>,
        line: &mut Line,
    ) -> Result<bool, TextError> {
        let term = match line.peek() {
            "jump" => {
                line.next();
                Term::Jump(self.call(line)?)
            }
            "branch" => {
                line.next();
                let cond = self.value(line)?;
                line.expect(",")?;
                let then = self.call(line)?;
                line.expect(",")?;
                let otherwise = self.call(line)?;
                Term::Branch {
                    cond,
                    then,
                    otherwise,
                }
            }
            "finish" => {
                line.next();
                let kind = self.value(line)?;
                line.expect(",")?;
                let operand = self.value(line)?;
                Term::Finish { kind, operand }
            }
            _ => {
                self.inst(here, result, line)?;
                return Ok(false);
            }
        };
        if result.is_some() {
            return line.fail("an end has no result");
        }
        self.f.blocks[here].term = term;
        Ok(true)
    }

    fn inst(
        &mut self,
        here: Block,
        result: Option<(Value, Option<u8>)>,
        line: &mut Line,
    ) -> Result<(), TextError> {
        let word = line.next();
        let (name, region) = word.split_once('.').unwrap_or((word, ""));
        let Some(op) = Op::from_text(name) else {
            return line.fail(format!("`{name}` is no operation"));
        };
        if op.has_result() != result.is_some() {
            return line.fail(format!("`{name}` has another number of results"));
        }
        let region = self.region(op, region, line)?;
        let (args, imm) = self.operands(op, line)?;
        let inst = self.f.insts.push(InstData {
            op,
            args,
            imm,
            region,
            result: result.map(|(v, _)| v),
            span: None,
        });
        if let Some((v, width)) = result {
            self.f.values[v] = ValueData {
                origin: Origin::Inst(inst),
                width: width.unwrap_or(op.natural_width()),
            };
        }
        self.f.blocks[here].insts.push(inst);
        Ok(())
    }

    fn region(&self, op: Op, word: &str, line: &Line) -> Result<Option<Region>, TextError> {
        let memory = matches!(op.spec().fmt, Fmt::Load | Fmt::Store | Fmt::Place);
        let number = |prefix: &str| -> Option<usize> { word.strip_prefix(prefix)?.parse().ok() };
        let region = match word {
            "" => None,
            "packet" => Some(Region::Packet),
            "carried" => Some(Region::Carried),
            "value" => Some(Region::Value),
            _ => number("data")
                .map(|n| Region::Data(Id::new(n)))
                .or_else(|| Some(Region::Field(Id::new(number("field")?))))
                .or_else(|| Some(Region::Slot(Id::new(number("slot")?)))),
        };
        if region.is_some() != memory {
            return line.fail(format!("`{}` with region `{word}`", op.spec().text));
        }
        Ok(region)
    }

    fn operands(&self, op: Op, line: &mut Line) -> Result<(Vec<Value>, u32), TextError> {
        let mut args = Vec::new();
        match op.spec().fmt {
            Fmt::Nullary => return Ok((args, 0)),
            Fmt::Imm | Fmt::Late | Fmt::Param => return Ok((args, line.number()?)),
            Fmt::Unary => {
                args.push(self.value(line)?);
                return Ok((args, 0));
            }
            Fmt::Binary => {
                args.push(self.value(line)?);
                line.expect(",")?;
                args.push(self.value(line)?);
                return Ok((args, 0));
            }
            Fmt::Place => return Ok((args, line.number()?)),
            Fmt::Call => {
                let import = line.number()?;
                while line.peek() == "," {
                    line.expect(",")?;
                    args.push(self.value(line)?);
                }
                return Ok((args, import));
            }
            Fmt::Load => {}
            Fmt::Store => {
                args.push(self.value(line)?);
                line.expect(",")?;
            }
        }
        while line.peek().starts_with('v') {
            args.push(self.value(line)?);
            line.expect("+")?;
        }
        Ok((args, line.number()?))
    }
}
