//! Identifiers as numbers.

use crate::hash::Seed;
use std::collections::HashMap;
use std::sync::Arc;

crate::entity! {
    /// An identifier; equal text, equal number.
    pub struct Name = "n";
}

/// All identifiers of a program.
#[derive(Clone, Default, Debug)]
pub struct Names {
    texts: crate::arena::SharedVec<Name, Arc<str>>,
    /// Only asked, never gone through, so its order does not matter; an ordered map is a tenth of parsing.
    numbers: HashMap<Arc<str>, Name, Seed>,
    /// The same for those that are shared.
    first: Arc<HashMap<Arc<str>, Name, Seed>>,
}

impl Names {
    /// The number of this text.
    pub fn intern(&mut self, text: &str) -> Name {
        if let Some(name) = self.find(text) {
            return name;
        }
        let text: Arc<str> = text.into();
        let name = self.texts.push(text.clone());
        self.numbers.insert(text, name);
        name
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The number of this text, if anybody used it.
    pub fn find(&self, text: &str) -> Option<Name> {
        let own = self.numbers.get(text);
        own.or_else(|| self.first.get(text)).copied()
    }

    /// Shares all identifiers that there are: copies have them too, and take no time.
    pub fn share(&mut self) {
        self.texts.share();
        let mut all = Arc::unwrap_or_clone(std::mem::take(&mut self.first));
        match all.is_empty() {
            true => all = std::mem::take(&mut self.numbers),
            false => all.extend(std::mem::take(&mut self.numbers)),
        }
        self.first = Arc::new(all);
    }

    /// The text of this number.
    pub fn text(&self, name: Name) -> &str {
        &self.texts[name]
    }
}
