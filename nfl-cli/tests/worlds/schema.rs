//! As much of JSON Schema as the schemas of worlds use.
//!
//! In: a schema and a value. Out: what does not match, with its place. Guaranteed: a keyword that is not known
//! here is a finding, so that no schema passes by what it says.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value};

pub(super) fn check(schema: &Value, value: &Value) -> Vec<String> {
    let mut findings = Vec::new();
    against(schema, value, "", &mut findings);
    findings
}

fn against(schema: &Value, value: &Value, place: &str, findings: &mut Vec<String>) {
    let schema = schema.as_object().expect("a schema is an object");
    for (keyword, says) in schema {
        let good = match keyword.as_str() {
            "$schema" | "title" => true,
            "type" => match says {
                Value::Array(types) => types.iter().any(|ty| is_a(value, ty)),
                ty => is_a(value, ty),
            },
            "minimum" => number(value).is_none_or(|n| Some(n) >= number(says)),
            "maximum" => number(value).is_none_or(|n| Some(n) <= number(says)),
            "enum" => says.as_array().is_some_and(|all| all.contains(value)),
            "pattern" => value.as_str().is_none_or(|text| fits(text, says.as_str())),
            "format" => value.as_str().is_none_or(|text| match says.as_str() {
                Some("ipv4") => text.parse::<Ipv4Addr>().is_ok(),
                Some("ipv6") => text.parse::<Ipv6Addr>().is_ok(),
                _ => false,
            }),
            "anyOf" => says.as_array().is_some_and(|choices| {
                choices.iter().any(|choice| check(choice, value).is_empty())
            }),
            "required" => value.as_object().is_none_or(|object| {
                let names = says.as_array().into_iter().flatten();
                names
                    .filter_map(Value::as_str)
                    .all(|name| object.contains_key(name))
            }),
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    against(says, item, &format!("{place}[{n}]"), findings);
                }
                true
            }
            "properties" => {
                for (name, schema) in says.as_object().into_iter().flatten() {
                    if let Some(value) = value.get(name) {
                        against(schema, value, &format!("{place}.{name}"), findings);
                    }
                }
                true
            }
            "additionalProperties" => {
                others(schema, says, value, place, findings);
                true
            }
            _ => false,
        };
        if !good {
            findings.push(format!("{place}: {value} is not of {keyword} {says}"));
        }
    }
}

/// The properties that are not named.
fn others(
    schema: &Map<String, Value>,
    says: &Value,
    value: &Value,
    place: &str,
    findings: &mut Vec<String>,
) {
    let named = |name: &String| {
        schema
            .get("properties")
            .is_some_and(|p| p.get(name).is_some())
    };
    for (name, value) in value.as_object().into_iter().flatten() {
        if named(name) {
            continue;
        }
        match says {
            Value::Bool(false) => findings.push(format!("{place}: {name} is not known")),
            Value::Bool(true) => {}
            schema => against(schema, value, &format!("{place}.{name}"), findings),
        }
    }
}

fn is_a(value: &Value, ty: &Value) -> bool {
    match ty.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => false,
    }
}

fn number(value: &Value) -> Option<i128> {
    let signed = value.as_i64().map(i128::from);
    signed.or_else(|| value.as_u64().map(i128::from))
}

/// Whether a text has a pattern of those in use.
fn fits(text: &str, pattern: Option<&str>) -> bool {
    let unit = |units: &[&str]| {
        let fits = |unit: &&str| {
            let digits = text.strip_suffix(*unit).unwrap_or_default();
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
        };
        units.iter().any(fits)
    };
    match pattern {
        Some("^[0-9]+(ns|us|ms|s|min|h)$") => unit(&["ns", "us", "ms", "s", "min", "h"]),
        Some("^[0-9]+(B|kB|MB|GB|KiB|MiB|GiB)$") => {
            unit(&["B", "kB", "MB", "GB", "KiB", "MiB", "GiB"])
        }
        Some("^[0-9]+[kMGT]?bps$") => unit(&["bps", "kbps", "Mbps", "Gbps", "Tbps"]),
        Some("^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$") => {
            let bytes: Vec<&str> = text.split(':').collect();
            let hex = |byte: &&str| byte.len() == 2 && u8::from_str_radix(byte, 16).is_ok();
            bytes.len() == 6 && bytes.iter().all(hex)
        }
        Some("\\.\\.|/|&") => text.contains("..") || text.contains(['/', '&']),
        Some("^-?(0[xX][0-9a-fA-F_]+|0[bB][01_]+|[0-9_]+)$") => {
            let digits = text.trim_start_matches('-').trim_start_matches("0x");
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit())
        }
        _ => false,
    }
}
