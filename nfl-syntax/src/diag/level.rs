//! Which warnings are said, and which stop the compiler.
//!
//! In: what the user asked for. A wish about one code goes before a wish about all warnings, and a
//! later wish before an earlier one. Out: findings at the level that is wanted. Guaranteed: errors
//! are never allowed away.

use super::Diagnostic;
use nfl_abi::{Code, Severity};

/// What becomes of a warning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// It is not said.
    Allow,
    /// It is said.
    Warn,
    /// It is an error.
    Deny,
}

/// The word for all warnings.
pub const ALL: &str = "warnings";

/// What is wanted of which warnings.
#[derive(Clone, Default, Debug)]
pub struct Levels {
    /// Each wish; `None` is about all warnings.
    wishes: Vec<(Option<&'static Code>, Level)>,
}

impl Levels {
    /// Adds a wish about a code of a warning, or about all `warnings`.
    ///
    /// # Errors
    ///
    /// What is wrong with the name: no code, or that of an error.
    pub fn set(&mut self, name: &str, level: Level) -> Result<(), String> {
        if name == ALL {
            self.wishes.push((None, level));
            return Ok(());
        }
        let code = Code::find(name).ok_or_else(|| format!("there is no diagnostic `{name}`"))?;
        if code.severity() == Severity::Error && level != Level::Deny {
            return Err(format!("`{}` is an error and stays one", code.text));
        }
        self.wishes.push((Some(code), level));
        Ok(())
    }

    /// Adds a wish that all others go before.
    ///
    /// # Errors
    ///
    /// As [`Levels::set`].
    pub fn set_default(&mut self, name: &str, level: Level) -> Result<(), String> {
        self.set(name, level)?;
        self.wishes.rotate_right(1);
        Ok(())
    }

    /// The findings that are said, at their levels.
    pub fn apply(&self, findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let level = |d: &Diagnostic| {
            let last = |about: Option<&Code>| {
                let wishes = self.wishes.iter().rev();
                wishes.copied().find(|&(code, _)| code == about)
            };
            let wish = last(Some(d.code)).or_else(|| last(None));
            wish.map_or(Level::Warn, |(_, level)| level)
        };
        let judged = findings.into_iter().filter_map(|mut d| {
            if d.code.severity() == Severity::Error {
                return Some(d);
            }
            match level(&d) {
                Level::Allow => return None,
                Level::Warn => d.severity = Severity::Warning,
                Level::Deny => d.severity = Severity::Error,
            }
            Some(d)
        });
        judged.collect()
    }
}
