//! What a program tells while it runs: log lines, reports and counters.
//!
//! In: a node's state after each packet, and the texts of the program's log lines. Out: lines for
//! people, and fields of the JSON report. Guaranteed: a line whose text is not known, as in an image
//! without its source, shows its words.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use nfl::abi::image::ResourceKind;
use nfl::{Logged, Reported, State};
use serde::Serialize;

/// What was told since the last packet.
#[derive(Default)]
pub(crate) struct Told {
    /// Log lines.
    pub(crate) log: Vec<String>,
    /// Reports.
    pub(crate) reports: Vec<Report>,
}

/// A report in the JSON report.
#[derive(Serialize)]
pub(crate) struct Report {
    record: String,
    bytes: String,
}

impl Told {
    /// Takes from a state what was told.
    pub(crate) fn take(state: &mut State, formats: &[String]) -> Told {
        let log = state.take_logs();
        let report = |Reported { record, bytes }: Reported| Report {
            record,
            bytes: super::hex(&bytes),
        };
        Told {
            log: log.iter().map(|line| text(line, formats)).collect(),
            reports: state.take_reports().into_iter().map(report).collect(),
        }
    }
}

/// A log line with its words in their places.
fn text(line: &Logged, formats: &[String]) -> String {
    let Some(format) = formats.get(usize::from(line.format)) else {
        return format!("log {} {:x?}", line.format, line.words);
    };
    let (mut out, mut rest) = (String::new(), format.as_str());
    let mut words = line.words.iter().copied();
    while let Some((before, (kind, behind))) = rest
        .split_once('{')
        .and_then(|(before, place)| Some((before, place.split_once('}')?)))
    {
        out.push_str(before);
        out.push_str(&number(kind, &mut words));
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// A number of a kind that layouts name, from its words, the least significant first.
fn number(kind: &str, words: &mut impl Iterator<Item = u32>) -> String {
    let bits = match kind {
        "bool" => 1,
        "ip4" | "flow" => 32,
        "ip6" => 128,
        "mac" => 48,
        _ => kind.trim_start_matches(['u', 'i']).parse().unwrap_or(32),
    };
    let words: Vec<u32> = words.take(u32::div_ceil(bits, 32) as usize).collect();
    let join = |number: u128, &word: &u32| number << 32 | u128::from(word);
    let value = words.iter().rev().fold(0, join);
    match kind {
        "bool" => (value != 0).to_string(),
        "ip4" => Ipv4Addr::from_bits(value as u32).to_string(),
        "ip6" => Ipv6Addr::from_bits(value).to_string(),
        "mac" => {
            let bytes = value.to_be_bytes();
            let parts: Vec<String> = bytes[10..].iter().map(|b| format!("{b:02x}")).collect();
            parts.join(":")
        }
        _ if kind.starts_with('i') => {
            let unused = 128 - bits.clamp(1, 128);
            ((value << unused) as i128 >> unused).to_string()
        }
        _ => value.to_string(),
    }
}

/// The counters that counted something.
pub(crate) fn counters(state: &State) -> String {
    let mut out = String::new();
    for resource in state.resources() {
        let keyed = match resource.kind {
            ResourceKind::Counter => resource.capacity > 1,
            ResourceKind::Counters => true,
            _ => continue,
        };
        for (key, count) in state.counters(&resource.name).unwrap_or_default() {
            let key = match (keyed, resource.kind) {
                (false, _) => String::new(),
                (true, ResourceKind::Counters) => format!("[{}]", super::hex(&key)),
                (true, _) => format!("[{}]", number("u32", &mut key_word(&key).into_iter())),
            };
            let (name, packets, bytes) = (&resource.name, count.packets, count.bytes);
            let _ = writeln!(out, "count  {name}{key}: {packets} packets, {bytes} bytes");
        }
    }
    out
}

fn key_word(key: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(*key.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::text;
    use nfl::Logged;

    fn line(format: &str, words: &[u32]) -> String {
        let line = Logged {
            format: 0,
            words: words.to_vec(),
        };
        text(&line, &[format.to_string()])
    }

    #[test]
    fn words_stand_in_their_places() {
        assert_eq!(
            line("ttl {u8} from {ip4}!", &[9, 0x0a00_0001]),
            "ttl 9 from 10.0.0.1!"
        );
        assert_eq!(
            line("{u64} {i32} {bool}", &[1, 1, u32::MAX, 1]),
            "4294967297 -1 true"
        );
        assert_eq!(line("{mac}", &[0x1000_0001, 0x0200]), "02:00:10:00:00:01");
        assert_eq!(line("{ip6}", &[1, 0, 0, 0x2001_0db8]), "2001:db8::1");
        assert_eq!(line("no place", &[]), "no place");
        assert_eq!(line("{", &[]), "{");
    }

    #[test]
    fn a_line_without_its_text_shows_its_words() {
        let line = Logged {
            format: 3,
            words: vec![7, 255],
        };
        assert_eq!(text(&line, &[]), "log 3 [7, ff]");
    }
}
