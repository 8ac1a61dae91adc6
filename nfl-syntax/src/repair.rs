//! Small edits that might repair a mistake, the likeliest first.
//!
//! In: the tokens and the one that was refused. Out: edits with what to say if one of them works.
//! Whether it works is judged by `recover.rs`.

use crate::brackets::Braces;
use crate::diag::Diagnostic;
use crate::expected;
use crate::recover::Refusal;
use crate::source::SourceMap;
use crate::span::{FileId, Span};
use crate::stream::{Item, camel, shouted};
use crate::token::Token;
use nfl_abi::{Code, codes};

/// A change of one token.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    /// Puts a token without text before this one.
    Insert(usize, Token),
    /// Takes the token for another.
    Replace(usize, Token),
    /// Takes the token out.
    Delete(usize),
}

impl Change {
    /// The index of the token.
    pub(crate) fn at(self) -> usize {
        match self {
            Change::Insert(at, _) | Change::Replace(at, _) | Change::Delete(at) => at,
        }
    }

    /// By how many tokens there are more.
    pub(crate) fn growth(self) -> isize {
        match self {
            Change::Insert(..) => 1,
            Change::Replace(..) => 0,
            Change::Delete(_) => -1,
        }
    }
}

/// Changes that belong together, by ascending index, and what to say.
pub(crate) struct Edit {
    pub(crate) changes: Vec<Change>,
    pub(crate) said: Diagnostic,
}

impl Edit {
    /// Whether it does nothing but close brackets.
    pub(crate) fn closes(&self) -> bool {
        let closer = |change: &Change| {
            matches!(
                change,
                Change::Insert(
                    _,
                    Token::BraceClose | Token::ParenClose | Token::BracketClose | Token::TypeClose
                )
            )
        };
        let semicolon = |change: &Change| matches!(change, Change::Insert(_, Token::Semi));
        self.changes.iter().any(closer) && self.changes.iter().all(|c| closer(c) || semicolon(c))
    }

    /// Changes the tokens, of which the first has the index `from`.
    pub(crate) fn apply(&self, items: &mut Vec<Item>, from: usize) {
        for change in self.changes.iter().rev() {
            let at = change.at() - from;
            match *change {
                Change::Insert(_, token) => {
                    let behind = at.checked_sub(1).map(|i| items[i].2);
                    let place = behind.or(items.get(at).map(|item| item.0)).unwrap_or(0);
                    items.insert(at, (place, token, place));
                }
                Change::Replace(_, token) => items[at].1 = token,
                Change::Delete(_) => drop(items.remove(at)),
            }
        }
    }
}

/// Looks for edits around a refused token.
pub(crate) struct Repairer<'a> {
    pub(crate) file: FileId,
    pub(crate) sources: &'a SourceMap,
    pub(crate) items: &'a [Item],
    /// The first token of the declaration.
    pub(crate) from: usize,
    pub(crate) refusal: &'a Refusal,
}

impl Repairer<'_> {
    /// All edits worth trying.
    pub(crate) fn edits(&self) -> Vec<Edit> {
        let mut edits = Vec::new();
        if self.at() == self.items.len() && !self.open().is_empty() {
            self.unclosed(&mut edits);
            return edits;
        }
        self.habits(&mut edits);
        self.cases(&mut edits);
        if self.first_on_line(self.at()) || self.is(self.at(), Token::BraceClose) {
            self.missing(Token::Semi, &mut edits);
        }
        for token in [
            Token::ParenClose,
            Token::BracketClose,
            Token::TypeClose,
            Token::Semi,
        ] {
            self.missing(token, &mut edits);
        }
        if self.is(self.before(1), Token::Comma) {
            self.delete(self.before(1), &mut edits);
        }
        for token in [
            Token::BraceOpen,
            Token::Comma,
            Token::Lower,
            Token::Upper,
            Token::Const,
            Token::Arrow,
            Token::Assign,
            Token::ParenOpen,
            Token::Colon,
            Token::Case,
        ] {
            self.missing(token, &mut edits);
        }
        self.missing_braces(&mut edits);
        self.delete(self.at(), &mut edits);
        if self.is(self.before(1), Token::BraceClose) {
            self.delete(self.before(1), &mut edits);
        }
        edits
    }

    fn at(&self) -> usize {
        self.refusal.at
    }

    /// The index of a token before the refused one, or one that there is not.
    fn before(&self, n: usize) -> usize {
        self.at().checked_sub(n).unwrap_or(usize::MAX)
    }

    fn token(&self, at: usize) -> Option<Token> {
        self.items.get(at).map(|item| item.1)
    }

    fn is(&self, at: usize, token: Token) -> bool {
        self.token(at) == Some(token)
    }

    fn could_be(&self, token: Token) -> bool {
        self.refusal.expected.contains(&token)
    }

    /// The token; for the end of the file, a place behind the last one.
    fn span(&self, at: usize) -> Span {
        let end = self.items.last().map_or(0, |item| item.2);
        let (start, _, end) = self
            .items
            .get(at)
            .copied()
            .unwrap_or((end, Token::Hole, end));
        let file = self.file;
        Span { file, start, end }
    }

    /// The place behind the token before this one.
    fn gap(&self, at: usize) -> Span {
        let before = at.checked_sub(1).map_or(0, |i| self.items[i].2);
        Span {
            file: self.file,
            start: before,
            end: before,
        }
    }

    /// What inserting these tokens writes: closing marks behind the token before, others right
    /// before the next one, and braces with a blank between them and what they hold.
    fn written(&self, changes: &[Change]) -> Vec<(Span, String)> {
        let inserts = changes.iter().filter_map(|&change| match change {
            Change::Insert(at, token) => Some((at, token)),
            _ => None,
        });
        let written = inserts.map(|(at, token)| match token {
            Token::BraceOpen => (self.front(at), "{ ".to_string()),
            Token::BraceClose => (self.gap(at), " }".to_string()),
            Token::ParenOpen | Token::Colon | Token::Case | Token::Arrow | Token::Assign => {
                let blank = if token == Token::ParenOpen { "" } else { " " };
                let text = token.text().unwrap_or_default();
                (self.front(at), format!("{text}{blank}"))
            }
            _ => (self.gap(at), token.text().unwrap_or_default().to_string()),
        });
        written.collect()
    }

    /// The place right before a token.
    fn front(&self, at: usize) -> Span {
        let Span { file, start, .. } = self.span(at);
        Span {
            file,
            start,
            end: start,
        }
    }

    fn text(&self, at: usize) -> &str {
        self.sources.text(self.span(at))
    }

    /// Where a token begins, and where its line does.
    fn bytes(&self, at: usize) -> (usize, usize) {
        let lines = &self.sources.files[self.file].lines;
        let byte = self.sources.bytes(self.span(at)).start;
        let line = lines.partition_point(|&start| start as usize <= byte);
        (byte, lines[line.max(1) - 1] as usize)
    }

    fn first_on_line(&self, at: usize) -> bool {
        at == 0 || at >= self.items.len() || self.bytes(at).1 != self.bytes(at - 1).1
    }

    /// The first token of a token's line.
    fn line_start(&self, at: usize) -> usize {
        let (_, line) = self.bytes(at);
        let starts = &self.sources.files[self.file].starts;
        let before = |item: &Item| (starts[item.0 as usize] as usize) < line;
        self.items.partition_point(before).clamp(self.from, at)
    }

    /// How far a token stands from the left.
    fn column(&self, at: usize) -> usize {
        let (byte, line) = self.bytes(at);
        byte - line
    }

    /// The brackets that are open before the refused token.
    fn open(&self) -> Vec<usize> {
        Braces::open_at(self.items, self.from, self.at())
    }

    fn say(&self, code: &'static Code, at: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, self.span(at)).message(message)
    }

    /// A token cannot stand where it does.
    pub(crate) fn unexpected(&self, at: usize) -> Diagnostic {
        let expected = format!("expected {}", expected::describe(&self.refusal.expected));
        let text = self.text(at);
        match self.token(at) {
            None => Diagnostic::new(&codes::E100, self.gap(at))
                .message("the file ends too early")
                .label(expected),
            Some(Token::BraceClose | Token::ParenClose | Token::BracketClose)
                if !self.closes_something(at) =>
            {
                self.say(&codes::E109, at, format!("`{text}` closes nothing"))
                    .label("there is no open bracket of this kind")
            }
            Some(_) if at != self.at() => {
                self.say(&codes::E100, at, format!("`{text}` cannot stand here"))
            }
            Some(_) => {
                let said = self
                    .say(&codes::E100, at, format!("`{text}` cannot stand here"))
                    .label(expected);
                if self.could_be(Token::PlusEq) && self.could_be(Token::Semi) {
                    said.help("a statement is a call, an assignment or a declaration")
                } else {
                    said
                }
            }
        }
    }

    fn closes_something(&self, at: usize) -> bool {
        let opener = match self.token(at) {
            Some(Token::BraceClose) => Token::BraceOpen,
            Some(Token::ParenClose) => Token::ParenOpen,
            _ => Token::BracketOpen,
        };
        let open = self.open();
        open.iter().any(|&o| self.is(o, opener))
    }

    fn delete(&self, at: usize, edits: &mut Vec<Edit>) {
        if at >= self.items.len() || self.is(at, Token::Hole) {
            return;
        }
        let said = if at < self.at() && self.is(at, Token::BraceClose) {
            self.say(&codes::E109, at, "this `}` closes too much")
                .label("what follows it belongs into the braces")
        } else {
            self.unexpected(at)
        };
        edits.push(Edit {
            changes: vec![Change::Delete(at)],
            said,
        });
    }

    /// A token that could stand before the refused one.
    fn missing(&self, token: Token, edits: &mut Vec<Edit>) {
        if !self.could_be(token) {
            return;
        }
        let what = match token {
            Token::Lower if self.could_be(Token::Number) => "an expression".to_string(),
            Token::Upper if self.could_be(Token::U8) => "a type".to_string(),
            _ => token.describe(),
        };
        let said = Diagnostic::new(&codes::E102, self.gap(self.at()))
            .message(format!("{what} is missing here"));
        let changes = vec![Change::Insert(self.at(), token)];
        let said = match token.text() {
            Some(text) => said.fix(format!("add `{text}`"), self.written(&changes)),
            None => said,
        };
        let opener = match token {
            Token::ParenClose => Some(Token::ParenOpen),
            Token::BracketClose => Some(Token::BracketOpen),
            Token::TypeClose => Some(Token::TypeOpen),
            _ => None,
        };
        let open = self.open();
        let opener = opener.and_then(|o| open.iter().rev().find(|&&i| self.is(i, o)));
        edits.push(Edit {
            changes,
            said: match opener {
                Some(&o) => {
                    let mut said = said.also(self.span(o), "it would close this");
                    said.code = &codes::E109;
                    said
                }
                None => said,
            },
        });
    }

    /// Names whose case says something else than what is meant.
    fn cases(&self, edits: &mut Vec<Edit>) {
        let (bad, prev) = (self.at(), self.before(1));
        match self.token(bad) {
            Some(Token::Upper | Token::Const)
                if self.could_be(Token::Lower) && !self.could_be(Token::Number) =>
            {
                edits.push(self.as_variable(bad));
            }
            Some(Token::Const) if self.could_be(Token::Upper) => edits.push(self.as_type(bad)),
            Some(Token::Lower) if self.could_be(Token::Upper) && !self.could_be(Token::Number) => {
                edits.push(self.as_type(bad));
            }
            Some(Token::Lower | Token::Upper)
                if self.could_be(Token::Const) && !self.could_be(Token::Number) =>
            {
                edits.push(self.as_constant(bad));
            }
            _ => {}
        }
        let begins = self.first_on_line(prev.min(self.items.len()))
            || matches!(
                self.token(self.before(2)),
                Some(
                    Token::BraceOpen | Token::Semi | Token::ParenOpen | Token::Comma | Token::Final
                )
            );
        let named = matches!(self.token(prev), Some(Token::Lower | Token::Const));
        let on_one_line = bad < self.items.len() && !self.first_on_line(bad);
        if named && begins && on_one_line && matches!(self.token(bad), Some(Token::Lower)) {
            edits.push(self.as_type(prev));
        }
    }

    fn as_type(&self, at: usize) -> Edit {
        let (name, place) = (self.text(at), self.span(at));
        let said = if self.is(at, Token::Const) {
            let plain = self.say(&codes::E104, at, "a type that looks like a constant");
            shouted(plain, name, &[place], "")
        } else {
            let (head, tail) = name.split_at(name.len().min(1));
            let renamed = format!("{}{tail}", head.to_ascii_uppercase());
            let message = format!("`{name}` reads as a variable here");
            self.say(&codes::E103, at, message)
                .label("a type begins with a capital")
                .fix(format!("rename to `{renamed}`"), [(place, renamed)])
        };
        Edit {
            changes: vec![Change::Replace(at, Token::Upper)],
            said,
        }
    }

    fn as_constant(&self, at: usize) -> Edit {
        let name = self.text(at);
        let renamed = name.to_ascii_uppercase();
        Edit {
            changes: vec![Change::Replace(at, Token::Const)],
            said: self
                .say(
                    &codes::E100,
                    at,
                    format!("`{name}` is no name of a constant"),
                )
                .label("a constant has two or more capitals and no small letter")
                .fix(format!("rename to `{renamed}`"), [(self.span(at), renamed)]),
        }
    }

    fn as_variable(&self, at: usize) -> Edit {
        let name = self.text(at);
        let (shape, plain) = if self.is(at, Token::Const) {
            ("a constant", camel(name))
        } else {
            ("a type", name.to_string())
        };
        let (head, tail) = plain.split_at(plain.len().min(1));
        let renamed = format!("{}{tail}", head.to_ascii_lowercase());
        let said = self
            .say(&codes::E118, at, format!("`{name}` reads as {shape} here"))
            .label("a variable begins with a small letter")
            .fix(format!("rename to `{renamed}`"), [(self.span(at), renamed)]);
        Edit {
            changes: vec![Change::Replace(at, Token::Lower)],
            said,
        }
    }

    /// Habits from other languages.
    fn habits(&self, edits: &mut Vec<Edit>) {
        let bad = self.at();
        match self.token(bad) {
            Some(Token::Else) => edits.extend(self.else_without_braces()),
            Some(Token::Assign)
                if self.could_be(Token::Arrow) && self.is(bad + 1, Token::Greater) =>
            {
                let said = self.arrow(bad);
                let changes = vec![Change::Replace(bad, Token::Arrow), Change::Delete(bad + 1)];
                edits.push(Edit { changes, said });
            }
            Some(Token::Colon) if self.could_be(Token::Arrow) => {
                let said = self.arrow(bad);
                let changes = vec![Change::Replace(bad, Token::Arrow)];
                edits.push(Edit { changes, said });
            }
            Some(Token::Assign) if self.could_be(Token::EqEq) => {
                let said = self
                    .say(
                        &codes::E100,
                        bad,
                        "an assignment is a statement, not a value",
                    )
                    .fix(
                        "to compare, write `==`",
                        [(self.span(bad), "==".to_string())],
                    );
                let changes = vec![Change::Replace(bad, Token::EqEq)];
                edits.push(Edit { changes, said });
            }
            Some(Token::EqEq) if self.could_be(Token::Assign) => {
                let said = self
                    .say(&codes::E100, bad, "a comparison cannot stand here")
                    .fix("to assign, write `=`", [(self.span(bad), "=".to_string())]);
                let changes = vec![Change::Replace(bad, Token::Assign)];
                edits.push(Edit { changes, said });
            }
            _ => {}
        }
        edits.extend(self.cast_to_type());
        edits.extend(self.loop_without_braces());
        edits.extend(self.unfinished_call());
        let asks = [Token::If, Token::While, Token::Switch];
        let asked = self
            .token(self.before(1))
            .is_some_and(|t| asks.contains(&t));
        if asked && self.could_be(Token::ParenOpen) {
            let line = (bad..self.items.len()).take_while(|&i| i == bad || !self.first_on_line(i));
            let brace = line.into_iter().find(|&i| self.is(i, Token::BraceOpen));
            edits.extend(brace.filter(|&b| b > bad).map(|brace| {
                let changes = vec![
                    Change::Insert(bad, Token::ParenOpen),
                    Change::Insert(brace, Token::ParenClose),
                ];
                let title = format!("`{} (...)`", self.text(self.before(1)));
                let said = Diagnostic::new(&codes::E102, self.span(bad).to(self.span(brace - 1)))
                    .message("parentheses are missing here")
                    .fix(title, self.written(&changes));
                Edit { changes, said }
            }));
        }
    }

    fn arrow(&self, at: usize) -> Diagnostic {
        let is_fat = self.is(at + 1, Token::Greater);
        let written = if is_fat { "=>" } else { ":" };
        let written_at = match is_fat {
            true => self.span(at).to(self.span(at + 1)),
            false => self.span(at),
        };
        self.say(
            &codes::E100,
            at,
            format!("`->` is written here, not `{written}`"),
        )
        .fix("write `->`", [(written_at, "->".to_string())])
    }

    /// `(Ip4) x`
    fn cast_to_type(&self) -> Option<Edit> {
        let (open, close) = (self.before(3), self.before(1));
        let is_cast = self.is(open, Token::ParenOpen)
            && self.is(self.before(2), Token::Upper)
            && self.is(close, Token::ParenClose);
        let name = self.text(self.before(2));
        is_cast.then(|| Edit {
            changes: (open..=close).map(Change::Delete).collect(),
            said: Diagnostic::new(&codes::E100, self.span(open).to(self.span(close)))
                .message("only the number types can be cast to")
                .help(format!("`{name}(...)` makes a value of this type")),
        })
    }

    /// `while (a) b();`
    fn loop_without_braces(&self) -> Option<Edit> {
        let at = self.at();
        if !self.could_be(Token::BraceOpen) || self.first_on_line(at) {
            return None;
        }
        let word = self.token(self.statement_start(at));
        if !matches!(word, Some(Token::While | Token::For | Token::If)) {
            return None;
        }
        let end = (at..self.items.len()).find(|&i| self.is(i, Token::Semi))?;
        let changes = vec![
            Change::Insert(at, Token::BraceOpen),
            Change::Insert(end + 1, Token::BraceClose),
        ];
        let said = Diagnostic::new(&codes::E102, self.span(at).to(self.span(end)))
            .message("braces are missing here")
            .label("this body stands in braces")
            .fix("put braces around it", self.written(&changes));
        Some(Edit { changes, said })
    }

    /// A statement that ends with its line in the middle of a list of arguments.
    fn unfinished_call(&self) -> Option<Edit> {
        let at = self.at();
        let open = self.open();
        let inner = open.rsplit(|&o| self.is(o, Token::BraceOpen)).next()?;
        let ends = self.first_on_line(at) || self.is(at, Token::BraceClose);
        if inner.is_empty() || !ends {
            return None;
        }
        let closers = inner.iter().rev().map(|&o| self.closer(o));
        let mut changes: Vec<Change> = closers.map(|t| Change::Insert(at, t)).collect();
        changes.push(Change::Insert(at, Token::Semi));
        let opener = inner[0];
        let said = self.never_closed(opener, at);
        Some(Edit { changes, said })
    }

    /// What closes an open bracket.
    fn closer(&self, open: usize) -> Token {
        match self.items[open].1 {
            Token::ParenOpen => Token::ParenClose,
            Token::BracketOpen => Token::BracketClose,
            Token::TypeOpen => Token::TypeClose,
            _ => Token::BraceClose,
        }
    }

    /// `if (a) b; else c;`, for which braces are put around b and c.
    fn else_without_braces(&self) -> Option<Edit> {
        let at = self.at();
        let said = self
            .say(&codes::E117, at, codes::E117.title)
            .label("the body before it is one simple statement");
        let begin = self.statement_start(at.checked_sub(1)?);
        let cond = (begin..at).find(|&i| self.is(i, Token::If))? + 1;
        let mut changes = vec![
            Change::Insert(self.close_of(cond)? + 1, Token::BraceOpen),
            Change::Insert(at, Token::BraceClose),
        ];
        if !matches!(self.token(at + 1), Some(Token::BraceOpen | Token::If)) {
            let end = (at..self.items.len()).find(|&i| self.is(i, Token::Semi))?;
            changes.push(Change::Insert(at + 1, Token::BraceOpen));
            changes.push(Change::Insert(end + 1, Token::BraceClose));
        }
        let said = said.fix("if (a) { ... } else { ... }", self.written(&changes));
        Some(Edit { changes, said })
    }

    /// The token behind the last semicolon or brace before a token.
    fn statement_start(&self, at: usize) -> usize {
        let ends = |&i: &usize| {
            matches!(
                self.token(i),
                Some(Token::Semi | Token::BraceOpen | Token::BraceClose)
            )
        };
        let last = (self.from..at).rev().find(ends);
        last.map_or(self.from, |i| i + 1)
    }

    /// The partner of an open parenthesis.
    fn close_of(&self, open: usize) -> Option<usize> {
        let mut depth = 0_u32;
        for i in open..self.items.len() {
            match self.items[i].1 {
                Token::ParenOpen => depth += 1,
                Token::ParenClose => depth = depth.checked_sub(1)?,
                _ => {}
            }
            if depth == 0 {
                return Some(i);
            }
        }
        None
    }

    /// One or more closing braces before the refused token or its line.
    fn missing_braces(&self, edits: &mut Vec<Edit>) {
        let open = self.open();
        let late = self.misindented().filter(|&(_, place)| place <= self.at());
        edits.extend(late.map(|(opener, place)| self.close_at(opener, place)));
        let braces: Vec<usize> = open
            .into_iter()
            .filter(|&o| self.is(o, Token::BraceOpen))
            .collect();
        for place in [self.at(), self.line_start(self.at())] {
            for count in 1..=braces.len().min(4) {
                let opener = braces[braces.len() - count];
                edits.push(Edit {
                    changes: vec![Change::Insert(place, Token::BraceClose); count],
                    said: self.never_closed(opener, place),
                });
            }
        }
    }

    fn close_at(&self, opener: usize, place: usize) -> Edit {
        Edit {
            changes: vec![Change::Insert(place, Token::BraceClose)],
            said: self.never_closed(opener, place),
        }
    }

    fn never_closed(&self, opener: usize, place: usize) -> Diagnostic {
        let closer = self.closer(opener).describe();
        let message = format!("this `{}` is never closed", self.text(opener));
        self.say(&codes::E109, opener, message).also(
            self.gap(place),
            format!("{closer} is missing here at the latest"),
        )
    }

    /// The file ends inside brackets.
    fn unclosed(&self, edits: &mut Vec<Edit>) {
        if let Some((opener, place)) = self.misindented() {
            edits.push(self.close_at(opener, place));
        }
        let (open, end) = (self.open(), self.items.len());
        let is_brace = |&&o: &&usize| !self.is(o, Token::BraceOpen);
        let inner = open.iter().rev().take_while(is_brace).count();
        let (outer, inner) = open.split_at(open.len() - inner);
        let operand = self.could_be(Token::Lower).then_some(Token::Lower);
        for (operand, semicolon) in [
            (None, None),
            (None, Some(Token::Semi)),
            (operand, None),
            (operand, Some(Token::Semi)),
        ] {
            let tokens = operand
                .into_iter()
                .chain(inner.iter().rev().map(|&o| self.closer(o)))
                .chain(semicolon)
                .chain(outer.iter().rev().map(|&o| self.closer(o)));
            edits.push(Edit {
                changes: tokens.map(|t| Change::Insert(end, t)).collect(),
                said: self.never_closed(open[open.len() - 1], end),
            });
        }
    }

    /// A brace that, by the indentation of the lines behind it, is closed too late, and the token
    /// before which it should have been.
    fn misindented(&self) -> Option<(usize, usize)> {
        let mut open: Vec<(usize, usize)> = Vec::new();
        for i in self.from..self.items.len() {
            let closes = self.is(i, Token::BraceClose);
            if self.first_on_line(i)
                && let Some(&(opener, indent)) = open.last()
            {
                let column = self.column(i);
                if column < indent || (column == indent && !closes) {
                    return Some((opener, i));
                }
            }
            match self.token(i) {
                Some(Token::BraceOpen) => {
                    open.push((i, self.column(self.line_start(self.statement_start(i)))))
                }
                Some(Token::BraceClose) => drop(open.pop()),
                _ => {}
            }
        }
        None
    }
}
