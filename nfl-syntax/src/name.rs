//! Identifiers as numbers.

use std::collections::HashMap;

crate::entity! {
    /// An identifier; equal text, equal number.
    pub struct Name = "n";
}

/// All identifiers of a program.
#[derive(Clone, Default, Debug)]
pub struct Names {
    texts: crate::arena::IdVec<Name, String>,
    /// Only asked, never gone through, so its order does not matter; an ordered map is a tenth of parsing.
    numbers: HashMap<String, Name>,
}

impl Names {
    /// The number of this text.
    pub fn intern(&mut self, text: &str) -> Name {
        if let Some(&name) = self.numbers.get(text) {
            return name;
        }
        let name = self.texts.push(text.to_string());
        self.numbers.insert(text.to_string(), name);
        name
    }

    /// The number of this text, if anybody used it.
    pub fn find(&self, text: &str) -> Option<Name> {
        self.numbers.get(text).copied()
    }

    /// The text of this number.
    pub fn text(&self, name: Name) -> &str {
        &self.texts[name]
    }
}
