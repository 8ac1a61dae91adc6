//! The operands of one statement, taken from left to right.
//!
//! In: the text behind the mnemonic. Out: registers, numbers, addresses and jump targets, or what was expected.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::Parsed;
use crate::Reg;

/// Where a jump goes.
pub(super) enum Place {
    Label(String),
    Displacement(i32),
}

pub(super) struct Operands<'a> {
    /// What is left; `None` after the last operand.
    rest: Option<&'a str>,
}

impl<'a> Operands<'a> {
    pub(super) fn new(text: &'a str) -> Operands<'a> {
        let text = text.trim();
        Operands {
            rest: (!text.is_empty()).then_some(text),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_none()
    }

    pub(super) fn len(&self) -> usize {
        self.rest.map_or(0, |rest| rest.split(',').count())
    }

    fn next(&mut self, expected: &str) -> Parsed<&'a str> {
        let rest = self.rest.ok_or_else(|| format!("expected {expected}"))?;
        let (first, rest) = match rest.split_once(',') {
            Some((first, rest)) => (first, Some(rest)),
            None => (rest, None),
        };
        self.rest = rest;
        Ok(first.trim())
    }

    pub(super) fn end(&self) -> Parsed<()> {
        match self.rest {
            None => Ok(()),
            Some(rest) => Err(format!("unexpected `{}`", rest.trim())),
        }
    }

    pub(super) fn reg(&mut self) -> Parsed<Reg> {
        let text = self.next("a register")?;
        Reg::parse(text).ok_or_else(|| format!("`{text}` is not a register"))
    }

    /// The source of a form with `all` operands, when the text names it besides the destination.
    pub(super) fn repeated(&mut self, all: usize) -> Parsed<Option<Reg>> {
        if self.len() + 1 == all {
            self.reg().map(Some)
        } else {
            Ok(None)
        }
    }

    /// A number of 32 bits, signed or not.
    pub(super) fn word(&mut self) -> Parsed<i32> {
        number(self.next("a number")?)
    }

    pub(super) fn half(&mut self) -> Parsed<u16> {
        let text = self.next("a number")?;
        let value = number(text)?;
        let wide = (-0x8000..0x1_0000).contains(&value);
        wide.then_some(value as u16)
            .ok_or_else(|| format!("`{text}` does not fit in 16 bits"))
    }

    /// The upper 20 bits of a value, as `lui` writes them, perhaps repeating their sign.
    pub(super) fn upper(&mut self) -> Parsed<i32> {
        let text = self.next("a number")?;
        let value = number(text)?;
        let wide = (-0x8_0000..0x10_0000).contains(&value);
        wide.then_some(value << 12)
            .ok_or_else(|| format!("`{text}` does not fit in 20 bits"))
    }

    /// `imm(reg)`, or `(reg)`.
    pub(super) fn memory(&mut self) -> Parsed<(i32, Reg)> {
        let text = self.next("an address")?;
        let parts = text
            .strip_suffix(')')
            .and_then(|inner| inner.split_once('('));
        let (offset, base) =
            parts.ok_or_else(|| format!("`{text}` is not an address like `4(s0)`"))?;
        let offset = match offset.trim() {
            "" => 0,
            offset => number(offset)?,
        };
        let base = base.trim();
        let base = Reg::parse(base).ok_or_else(|| format!("`{base}` is not a register"))?;
        Ok((offset, base))
    }

    pub(super) fn place(&mut self) -> Parsed<Place> {
        let text = self.next("a target")?;
        if is_name(text) {
            return Ok(Place::Label(text.to_owned()));
        }
        let displacement = match text.strip_prefix('.') {
            Some("") => 0,
            Some(signed) if signed.starts_with(['+', '-']) => number(signed)?,
            Some(_) => return Err(format!("`{text}` is not a target")),
            None => number(text)?,
        };
        Ok(Place::Displacement(displacement))
    }
}

/// True for what may name a label.
pub(super) fn is_name(text: &str) -> bool {
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    first && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A decimal, `0x` or `0b` number of 32 bits; what only fits unsigned wraps.
fn number(text: &str) -> Parsed<i32> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = if let Some(hex) = digits.strip_prefix("0x") {
        (16, hex)
    } else if let Some(binary) = digits.strip_prefix("0b") {
        (2, binary)
    } else {
        (10, digits)
    };
    let magnitude = digits
        .starts_with(|c: char| c.is_digit(radix))
        .then_some(digits);
    let magnitude = magnitude.and_then(|digits| u32::from_str_radix(digits, radix).ok());
    let value = magnitude.map(|value| {
        if negative {
            -i64::from(value)
        } else {
            i64::from(value)
        }
    });
    match value {
        Some(value) if value >= i64::from(i32::MIN) => Ok(value as i32),
        _ => Err(format!("`{text}` is not a number of 32 bits")),
    }
}
