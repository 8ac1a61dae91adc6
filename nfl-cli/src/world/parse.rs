//! World files as values: TOML and JSON by one visitor.
//!
//! Guaranteed: names keep their order, and a name that is there twice is an error in both.

use std::fmt;

use nfl::world::Datum;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A value of either format.
struct Value(Datum);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        from.deserialize_any(Values).map(Value)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Datum;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a whole number, a text, `true` or `false`, a list or a table")
    }

    fn visit_bool<E: Error>(self, it: bool) -> Result<Datum, E> {
        Ok(Datum::Bool(it))
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Datum, E> {
        Ok(Datum::Int(n.into()))
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<Datum, E> {
        Ok(Datum::Int(n.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Datum, E> {
        Ok(Datum::Text(text.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Datum, A::Error> {
        let mut items = Vec::new();
        while let Some(Value(item)) = from.next_element()? {
            items.push(item);
        }
        Ok(Datum::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Datum, A::Error> {
        let mut entries: Vec<(String, Datum)> = Vec::new();
        while let Some(name) = from.next_key::<String>()? {
            if entries.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom(format!("`{name}` is there twice")));
            }
            let Value(datum) = from.next_value()?;
            entries.push((name, datum));
        }
        Ok(Datum::Map(entries))
    }
}

/// Reads JSON.
pub(super) fn json(text: &str) -> Result<Datum, String> {
    let value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Value(datum) = value;
    Ok(datum)
}

/// Reads TOML.
pub(super) fn toml(text: &str) -> Result<Datum, String> {
    let value = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| {
            let before = text.get(..span.start).unwrap_or_default();
            before.matches('\n').count() + 1
        });
        let message = error.message().lines().next().unwrap_or_default();
        match line {
            Some(line) => format!("{message} at line {line}"),
            None => message.to_string(),
        }
    })?;
    let Value(datum) = value;
    Ok(datum)
}
