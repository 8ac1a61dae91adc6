//! The values of literals.
//!
//! In: a token's kind and text. Out: a [`Lit`], or what is wrong with it. Guaranteed: no text panics.

use crate::ast::Lit;
use crate::token::Token;
use nfl_abi::{Code, codes};
use std::net::{Ipv4Addr, Ipv6Addr};

/// What is wrong with a literal.
#[derive(Debug)]
pub(crate) struct Flaw {
    pub(crate) code: &'static Code,
    pub(crate) message: String,
    pub(crate) label: String,
    pub(crate) helps: Vec<String>,
    /// Texts that may have been meant, each with a remark.
    pub(crate) meant: Vec<(String, &'static str)>,
}

impl Flaw {
    fn new(code: &'static Code, message: impl Into<String>, label: impl Into<String>) -> Flaw {
        Flaw {
            code,
            message: message.into(),
            label: label.into(),
            helps: Vec::new(),
            meant: Vec::new(),
        }
    }

    fn help(mut self, text: impl Into<String>) -> Flaw {
        self.helps.push(text.into());
        self
    }

    fn or(mut self, text: impl Into<String>, remark: &'static str) -> Flaw {
        self.meant.push((text.into(), remark));
        self
    }

    fn number(label: impl Into<String>) -> Flaw {
        Flaw::new(&codes::E111, codes::E111.title, label)
    }

    fn address(label: impl Into<String>) -> Flaw {
        Flaw::new(&codes::E113, codes::E113.title, label)
    }

    fn text(label: impl Into<String>) -> Flaw {
        Flaw::new(&codes::E114, codes::E114.title, label)
    }
}

/// The value of a token of class `Literal`.
pub(crate) fn value(token: Token, text: &str) -> Result<Lit, Flaw> {
    match token {
        Token::Number => number(text).map(Lit::Int),
        Token::Duration => duration(text),
        Token::Rate => rate(text),
        Token::Size => size(text),
        Token::Ip4 => ip4(text).map(|a| Lit::Ip4(a.to_bits())),
        Token::Ip6 => ip6(text).map(|a| Lit::Ip6(a.to_bits())),
        Token::Prefix4 => prefix4(text),
        Token::Prefix6 => prefix6(text),
        Token::Mac => Ok(Lit::Mac(text.split(':').fold(0, |mac, pair| {
            mac << 8 | u64::from_str_radix(pair, 16).unwrap_or(0)
        }))),
        Token::Char => character(text),
        Token::Text => bytes(inner(text)).map(Lit::Text),
        Token::OpenText => Err(Flaw::new(
            &codes::E114,
            "this text does not end on its line",
            "the closing quote is missing",
        )),
        _ => Err(broken_number(text)),
    }
}

/// What a number-like token that is nothing was meant to be.
fn broken_number(text: &str) -> Flaw {
    let groups = text.split('.').count();
    if groups > 2 {
        return Flaw::address(format!(
            "an IPv4 address has four numbers, this has {groups}"
        ));
    }
    if groups == 2 {
        return Flaw::number("there are no fractions in NFL");
    }
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_');
    if unit.starts_with(['x', 'X', 'b', 'B']) && text.starts_with('0') {
        return Flaw::number("these are not digits of this base");
    }
    Flaw::number(format!("`{unit}` is no unit"))
        .help("durations: ns us ms s min h; sizes: B kB MB GB KiB MiB GiB; rates: bps kbps Mbps Gbps Tbps, and with pps")
}

fn number(text: &str) -> Result<u128, Flaw> {
    let (radix, digits) = match text.get(..2) {
        Some("0x" | "0X") => (16, &text[2..]),
        Some("0b" | "0B") => (2, &text[2..]),
        _ => (10, text),
    };
    if digits.starts_with('_') || digits.ends_with('_') {
        return Err(Flaw::number("`_` stands between digits only"));
    }
    let digits: String = digits.chars().filter(|&c| c != '_').collect();
    if radix == 10 && digits.len() > 1 && digits.starts_with('0') {
        let plain = digits.trim_start_matches('0');
        let plain = if plain.is_empty() { "0" } else { plain };
        return Err(Flaw::new(
            &codes::E111,
            "a number does not begin with 0",
            "in Java this is octal",
        )
        .or(plain, "the same digits, in base ten"));
    }
    u128::from_str_radix(&digits, radix).map_err(|_| Flaw::number("it does not fit into 128 bits"))
}

/// Digits and unit of a quantity.
fn quantity(text: &str) -> (Option<u64>, &str) {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    (text[..text.len() - unit.len()].parse().ok(), unit)
}

fn duration(text: &str) -> Result<Lit, Flaw> {
    let (count, unit) = quantity(text);
    let nanoseconds = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "min" => 60_000_000_000,
        _ => 3_600_000_000_000,
    };
    count
        .and_then(|n| n.checked_mul(nanoseconds))
        .map(Lit::Duration)
        .ok_or_else(|| Flaw::number("a duration is at most 2^64 nanoseconds, about 584 years"))
}

fn rate(text: &str) -> Result<Lit, Flaw> {
    let (count, unit) = quantity(text);
    let factor = match unit.chars().next() {
        Some('k') => 1_000,
        Some('M') => 1_000_000,
        Some('G') => 1_000_000_000,
        Some('T') => 1_000_000_000_000,
        _ => 1,
    };
    count
        .and_then(|n| n.checked_mul(factor))
        .map(|per_second| Lit::Rate {
            per_second,
            packets: unit.ends_with("pps"),
        })
        .ok_or_else(|| Flaw::number("a rate is less than 2^64 per second"))
}

fn size(text: &str) -> Result<Lit, Flaw> {
    let (count, unit) = quantity(text);
    let bytes = match unit {
        "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => 1 << 30,
    };
    count
        .and_then(|n| n.checked_mul(bytes))
        .map(Lit::Size)
        .ok_or_else(|| Flaw::number("a size is less than 2^64 bytes"))
}

fn ip4(text: &str) -> Result<Ipv4Addr, Flaw> {
    text.parse().map_err(|_| {
        match text
            .split('.')
            .find(|n| n.parse().map_or(true, |n: u32| n > 255))
        {
            Some(big) => Flaw::address(format!("{big} is more than 255")),
            None => Flaw::address("the numbers of an address do not begin with 0"),
        }
    })
}

fn ip6(text: &str) -> Result<Ipv6Addr, Flaw> {
    text.parse().map_err(|_| {
        Flaw::address("an IPv6 address has eight groups, of which one run of zeros may be `::`")
    })
}

fn length(text: &str, max: u8) -> Result<u8, Flaw> {
    text.parse()
        .ok()
        .filter(|&n| n <= max)
        .ok_or_else(|| Flaw::address(format!("the length is at most {max}")))
}

fn host_bits(network: String, host: String, last: &str) -> Flaw {
    Flaw::new(&codes::E112, codes::E112.title, last)
        .or(network, "the network")
        .or(host, "the one host")
}

fn prefix4(text: &str) -> Result<Lit, Flaw> {
    let (addr, len) = text.split_once('/').unwrap_or((text, ""));
    let (addr, len) = (ip4(addr)?.to_bits(), length(len, 32)?);
    let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
    if addr & !mask == 0 {
        return Ok(Lit::Prefix4 { addr, len });
    }
    Err(host_bits(
        format!("{}/{len}", Ipv4Addr::from_bits(addr & mask)),
        Ipv4Addr::from_bits(addr).to_string(),
        &format!(
            "the last {} bits are {}",
            32 - len,
            // Whole numbers of the network are left out.
            Ipv4Addr::from_bits(addr & !mask).octets()[usize::from(len / 8)..]
                .iter()
                .map(u8::to_string)
                .collect::<Vec<_>>()
                .join(".")
        ),
    ))
}

fn prefix6(text: &str) -> Result<Lit, Flaw> {
    let (addr, len) = text.split_once('/').unwrap_or((text, ""));
    let (addr, len) = (ip6(addr)?.to_bits(), length(len, 128)?);
    let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
    if addr & !mask == 0 {
        return Ok(Lit::Prefix6 { addr, len });
    }
    Err(host_bits(
        format!("{}/{len}", Ipv6Addr::from_bits(addr & mask)),
        Ipv6Addr::from_bits(addr).to_string(),
        &format!(
            "the last {} bits are {}",
            128 - len,
            Ipv6Addr::from_bits(addr & !mask)
        ),
    ))
}

/// The text between its quotes.
fn inner(text: &str) -> &str {
    text.get(1..text.len() - 1).unwrap_or("")
}

fn character(text: &str) -> Result<Lit, Flaw> {
    match bytes(inner(text))?.as_slice() {
        [byte] => Ok(Lit::Char(*byte)),
        [] => Err(Flaw::text("there is nothing between the quotes")),
        more => Err(
            Flaw::text(format!("a character is one byte, this is {}", more.len()))
                .help("several bytes stand in double quotes"),
        ),
    }
}

/// Bytes of a text after its escapes.
fn bytes(text: &str) -> Result<Vec<u8>, Flaw> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let escape = rest.chars().next().unwrap_or('\\');
        rest = &rest[escape.len_utf8().min(rest.len())..];
        bytes.push(match escape {
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            '0' => 0,
            '\\' | '\'' | '"' => escape as u8,
            'x' => {
                let byte = rest.get(..2).filter(|d| !d.starts_with('+'));
                let byte = byte.and_then(|d| u8::from_str_radix(d, 16).ok());
                rest = rest.get(2..).unwrap_or("");
                byte.ok_or_else(|| Flaw::text("`\\x` needs two hexadecimal digits"))?
            }
            other => {
                return Err(Flaw::text(format!("`\\{other}` is no escape"))
                    .help("escapes are \\n \\r \\t \\0 \\\\ \\' \\\" and \\x1f"));
            }
        });
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}
