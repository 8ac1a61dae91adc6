//! What a world is written in: the values that JSON and TOML have in common.

/// A value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Datum {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Datum>),
    /// Values by name, in the order in which they are written.
    Map(Vec<(String, Datum)>),
}

impl Datum {
    /// A map with these names.
    pub(super) fn map<const N: usize>(entries: [(&str, Datum); N]) -> Datum {
        let entries = entries.into_iter();
        Datum::Map(entries.map(|(name, it)| (name.to_string(), it)).collect())
    }

    /// A text.
    pub(super) fn text(text: impl Into<String>) -> Datum {
        Datum::Text(text.into())
    }

    /// What stands under a name, if this is a map that has it.
    pub fn get(&self, name: &str) -> Option<&Datum> {
        match self {
            Datum::Map(entries) => entries.iter().find(|(n, _)| n == name).map(|(_, it)| it),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub(super) fn what(&self) -> String {
        match self {
            Datum::Bool(it) => format!("`{it}`"),
            Datum::Int(n) => format!("the number {n}"),
            Datum::Text(text) => format!("`{text}`"),
            Datum::List(_) => "a list".to_string(),
            Datum::Map(_) => "a table".to_string(),
        }
    }
}

impl From<bool> for Datum {
    fn from(it: bool) -> Datum {
        Datum::Bool(it)
    }
}

macro_rules! from_numbers {
    ($($number:ty)*) => { $(
        impl From<$number> for Datum {
            fn from(n: $number) -> Datum {
                Datum::Int(i128::from(n))
            }
        }
    )* };
}

from_numbers! { u8 u16 u32 u64 i128 }

/// Texts.
impl Datum {
    /// As the top of a TOML file: one line for each value, each entry of a list on a line of its own.
    pub fn to_toml_file(&self) -> String {
        let Datum::Map(entries) = self else {
            return self.to_toml();
        };
        let (tables, plain): (Vec<_>, Vec<_>) = entries
            .iter()
            .partition(|(_, it)| matches!(it, Datum::Map(_)));
        let mut out = String::new();
        for (name, datum) in plain {
            datum.toml_line(name, &mut out);
        }
        for (name, datum) in tables {
            let Datum::Map(entries) = datum else { continue };
            out.push_str(if out.is_empty() { "" } else { "\n" });
            out.push_str(&format!("[{}]\n", Datum::key(name)));
            for (name, datum) in entries {
                datum.toml_line(name, &mut out);
            }
        }
        out
    }

    fn toml_line(&self, name: &str, out: &mut String) {
        out.push_str(&Datum::key(name));
        out.push_str(" = ");
        match self {
            Datum::List(items) if items.iter().any(|it| !matches!(it, Datum::Int(_))) => {
                out.push_str("[\n");
                for item in items {
                    out.push_str(&format!("    {},\n", item.to_toml()));
                }
                out.push(']');
            }
            other => out.push_str(&other.to_toml()),
        }
        out.push('\n');
    }

    /// As a value in TOML, on one line.
    pub fn to_toml(&self) -> String {
        match self {
            Datum::Bool(it) => it.to_string(),
            // TOML has numbers of 64 bits with a sign; larger ones are read from texts too.
            Datum::Int(n) => match i64::try_from(*n) {
                Ok(n) => n.to_string(),
                Err(_) => quoted(&n.to_string()),
            },
            Datum::Text(text) => quoted(text),
            Datum::List(items) => {
                let items: Vec<String> = items.iter().map(Datum::to_toml).collect();
                format!("[{}]", items.join(", "))
            }
            Datum::Map(entries) if entries.is_empty() => "{}".to_string(),
            Datum::Map(entries) => {
                let entries = entries.iter();
                let entries =
                    entries.map(|(k, it)| format!("{} = {}", Datum::key(k), it.to_toml()));
                format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// A name in TOML.
    pub(super) fn key(name: &str) -> String {
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        match !name.is_empty() && name.chars().all(bare) {
            true => name.to_string(),
            false => quoted(name),
        }
    }

    /// As JSON, with entries on lines of their own.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.json(0, &mut out);
        out.push('\n');
        out
    }

    fn json(&self, depth: usize, out: &mut String) {
        let line = |depth: usize| format!("\n{}", "  ".repeat(depth));
        match self {
            Datum::Bool(it) => out.push_str(&it.to_string()),
            Datum::Int(n) => out.push_str(&n.to_string()),
            Datum::Text(text) => out.push_str(&quoted(text)),
            Datum::List(items) => {
                out.push('[');
                for (n, item) in items.iter().enumerate() {
                    out.push_str(if n == 0 { "" } else { "," });
                    out.push_str(&line(depth + 1));
                    item.json(depth + 1, out);
                }
                out.push_str(&if items.is_empty() {
                    String::new()
                } else {
                    line(depth)
                });
                out.push(']');
            }
            Datum::Map(entries) => {
                out.push('{');
                for (n, (name, item)) in entries.iter().enumerate() {
                    out.push_str(if n == 0 { "" } else { "," });
                    out.push_str(&line(depth + 1));
                    out.push_str(&format!("{}: ", quoted(name)));
                    item.json(depth + 1, out);
                }
                out.push_str(&if entries.is_empty() {
                    String::new()
                } else {
                    line(depth)
                });
                out.push('}');
            }
        }
    }
}

/// A text in quotes, as JSON and TOML have it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 || u32::from(c) == 0x7f => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
