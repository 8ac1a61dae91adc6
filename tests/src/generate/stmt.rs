//! Statements of generated programs.
//!
//! Guaranteed: packets are matched before they are written, loops have bounds, and nothing follows a
//! statement that always leaves.

use super::header::{ETH, ICMP, IPV4, IPV6, OWN, TCP, UDP, VLAN};
use super::{Seen, T, Writer};

impl Writer {
    /// Some statements; answers whether the last one always returns.
    pub(super) fn block(&mut self, depth: usize) -> bool {
        let many = 1 + self.dice.below(6);
        for _ in 0..many {
            if self.budget == 0 {
                break;
            }
            self.budget -= 1;
            if self.statement(depth) {
                return true;
            }
        }
        false
    }

    /// One statement; answers whether it always leaves.
    fn statement(&mut self, depth: usize) -> bool {
        match self.dice.below(24) {
            0..=3 => self.declaration(),
            4..=6 => self.assignment(),
            7 | 8 if depth > 0 => return self.branch(depth - 1),
            9 if depth > 0 && self.loops < 2 => self.counted(depth - 1),
            10 if depth > 0 && self.loops < 2 => self.limited(depth - 1),
            11 if depth > 0 && self.loops < 2 => self.each(depth - 1),
            12 if depth > 0 => self.selection(depth - 1),
            13 => self.array(),
            14 => self.leave_early(),
            15 => self.void_call(),
            16 | 17 if self.may_match && self.has_packet => return self.matching(depth),
            18..=22 if self.may_store => self.store(),
            _ => self.assignment(),
        }
        false
    }

    fn declaration(&mut self) {
        let ty = self.any_type();
        let value = self.value(ty, 3);
        let name = self.fresh("x");
        let last = self.dice.one_in(6);
        let word = if last { "final " } else { "" };
        self.line(&format!("{word}{} {name} = {value};", ty.text()));
        self.var(name, ty, None, !last);
    }

    fn array(&mut self) {
        let ty = self.any_type();
        if ty == T::Ip6 {
            return self.declaration();
        }
        let len = self.dice.pick(&[2, 4, 8]);
        let name = self.fresh("x");
        if self.dice.one_in(2) {
            self.line(&format!("{}[{len}] {name};", ty.text()));
        } else {
            let items: Vec<String> = (0..len).map(|_| self.value(ty, 1)).collect();
            let items = items.join(", ");
            self.line(&format!("{}[{len}] {name} = {{{items}}};", ty.text()));
        }
        self.var(name, ty, Some(len), true);
    }

    fn assignment(&mut self) {
        let places: Vec<super::Var> = self.vars.iter().filter(|v| v.assignable).cloned().collect();
        if places.is_empty() {
            return self.declaration();
        }
        let var = self.dice.pick(&places);
        let place = match var.len {
            None => var.name,
            Some(len) => {
                let index = self.index(len);
                format!("{}[{index}]", var.name)
            }
        };
        let text = self.assign(&place, var.ty);
        self.line(&text);
    }

    /// An assignment of any form to a place.
    fn assign(&mut self, place: &str, ty: T) -> String {
        if ty.is_number() {
            match self.dice.below(6) {
                0 => return format!("{place}{};", self.dice.pick(&["++", "--"])),
                1 | 2 => {
                    let op = self.dice.pick(&["+", "-", "*", "&", "|", "^"]);
                    let value = self.value(ty, 2);
                    return format!("{place} {op}= {value};");
                }
                3 => {
                    let (T::U(width) | T::S(width)) = ty else {
                        return String::new();
                    };
                    let op = self.dice.pick(&["<<", ">>", ">>>"]);
                    let by = self.dice.below(width as usize);
                    return format!("{place} {op}= {by};");
                }
                _ => {}
            }
        }
        let value = self.value(ty, 3);
        format!("{place} = {value};")
    }

    fn store(&mut self) {
        let mut places = Vec::new();
        for view in &self.views {
            for field in &self.headers[view.header].fields {
                let address = matches!(field.ty, T::Ip4 | T::Ip6) && view.header < OWN;
                let good = !field.derived
                    && (!address || view.addresses)
                    && (!field.shape || self.may_reshape);
                if good {
                    places.push((view.clone(), field.clone()));
                }
            }
        }
        if places.is_empty() {
            return self.assignment();
        }
        let (view, field) = self.dice.pick(&places);
        if field.shape && !self.dice.one_in(6) {
            return self.assignment();
        }
        let place = format!("{}.{}", view.name, field.name);
        let text = self.assign(&place, field.ty);
        self.line(&text);
        self.may_match = false;
        if field.shape {
            // What stood behind is over.
            self.views.retain(|v| v.name == view.name);
            for view in &mut self.views {
                view.addresses = false;
            }
        }
    }

    fn void_call(&mut self) {
        let good: Vec<super::Method> = self
            .methods
            .iter()
            .filter(|m| (!m.stores || self.may_store) && self.loops < 2)
            .filter(|m| {
                m.view
                    .is_none_or(|h| self.views.iter().any(|v| v.header == h))
            })
            .cloned()
            .collect();
        if good.is_empty() {
            return self.assignment();
        }
        let m = self.dice.pick(&good);
        let call = self.call_of(&m, 1);
        self.line(&format!("{call};"));
        if m.stores {
            self.may_match = false;
        }
    }

    /// `return` with what is to be given.
    fn give(&mut self) -> String {
        match self.result {
            None => format!("return {};", self.verdict(1)),
            Some(None) => "return;".into(),
            Some(Some(ty)) => format!("return {};", self.value(ty, 2)),
        }
    }

    /// A jump under a condition.
    fn leave_early(&mut self) {
        let cond = self.truth(2);
        let jump = match self.dice.below(4) {
            0 if self.may_break => "break;".into(),
            1 | 2 if self.loops > 0 => "continue;".into(),
            _ => self.give(),
        };
        self.line(&format!("if ({cond}) {{ {jump} }}"));
    }

    fn branch(&mut self, depth: usize) -> bool {
        let cond = self.truth(3);
        self.open(&format!("if ({cond})"));
        let first = self.scope(|w| w.block(depth));
        self.indent -= 1;
        if self.dice.one_in(2) {
            self.line("}");
            return false;
        }
        self.line("} else {");
        self.indent += 1;
        let second = self.scope(|w| w.block(depth));
        self.close();
        first && second
    }

    /// Runs `body` as the body of a loop that `head` opens.
    fn looping(&mut self, head: impl FnOnce(&mut Self) -> String, depth: usize) -> String {
        let before = (
            self.may_match,
            self.may_store,
            self.may_reshape,
            self.may_break,
        );
        // What is written in one round is not matched in the next.
        if self.may_match && self.dice.one_in(2) {
            self.may_store = false;
        } else {
            self.may_match = false;
        }
        let may_match = self.may_match;
        self.may_reshape = false;
        self.may_break = true;
        let head = head(self);
        self.loops += 1;
        self.open(&head);
        self.scope(|w| {
            let ends = w.block(depth);
            w.budget = w.budget.saturating_sub(1);
            ends
        });
        self.loops -= 1;
        (self.may_store, self.may_reshape, self.may_break) = (before.1, before.2, before.3);
        // Only what may have been written forbids matching behind the loop.
        self.may_match = before.0 && may_match;
        self.indent -= 1;
        head
    }

    fn counted(&mut self, depth: usize) {
        let ty = T::U(self.dice.pick(&[8, 8, 16, 32]));
        let name = self.fresh("i");
        let most = 1 + self.dice.below(if self.loops == 0 { 6 } else { 3 });
        let text = ty.text();
        let head = match self.dice.below(4) {
            0 => format!("for ({text} {name} = {most}; {name} > 0; {name}--)"),
            1 => format!(
                "for ({text} {name} = 0; {name} < {}; {name} += 2)",
                most * 2
            ),
            2 => format!("for ({text} {name} = 0; {name} <= {most}; {name}++)"),
            _ => format!("for ({text} {name} = 0; {name} < {most}; {name}++)"),
        };
        let vars = self.vars.len();
        self.var(name, ty, None, false);
        self.looping(|_| head, depth);
        self.line("}");
        self.vars.truncate(vars);
    }

    fn limited(&mut self, depth: usize) {
        let limit = 1 + self.dice.below(5);
        let otherwise = match (self.dice.one_in(2), self.result) {
            (true, None) => format!(" else {}", self.verdict(0)),
            (true, Some(Some(ty))) => format!(" else {}", self.value(ty, 1)),
            _ => String::new(),
        };
        if self.dice.one_in(3) {
            self.looping(|_| "do".into(), depth);
            let matches = std::mem::replace(&mut self.may_match, false);
            let cond = self.truth(2);
            self.may_match = matches;
            self.line(&format!("}} while ({cond}) limit {limit}{otherwise};"));
        } else {
            self.looping(
                |w| {
                    let cond = w.truth(2);
                    format!("while ({cond}) limit {limit}{otherwise}")
                },
                depth,
            );
            self.line("}");
        }
    }

    fn each(&mut self, depth: usize) {
        let arrays: Vec<super::Var> = self
            .vars
            .iter()
            .filter(|v| v.len.is_some())
            .cloned()
            .collect();
        if arrays.is_empty() {
            return self.array();
        }
        let array = self.dice.pick(&arrays);
        let name = self.fresh("x");
        let ty = if self.dice.one_in(2) {
            "var".into()
        } else {
            array.ty.text()
        };
        let vars = self.vars.len();
        self.var(name.clone(), array.ty, None, true);
        let head = format!("for ({ty} {name} : {})", array.name);
        self.looping(|_| head, depth);
        self.line("}");
        self.vars.truncate(vars);
    }

    /// Patterns of the arms of a `switch`, distinct, without the default.
    fn arms(&mut self, ty: T) -> Vec<String> {
        match ty {
            T::Ip4 => vec!["10.1.0.0/16".into(), "10.0.0.0/8, 192.168.0.0/24".into()],
            T::Ip6 => vec!["2001:db8::1".into(), "2001:db8::/32".into()],
            T::Mac => vec!["02:00:01:00:00:01".into()],
            T::Bool => vec!["true".into()],
            _ => {
                let a = self.dice.below(3);
                let b = a + 1 + self.dice.below(3);
                let c = b + self.dice.below(4);
                if self.dice.one_in(2) {
                    vec![a.to_string(), format!("{b}..{c}")]
                } else {
                    vec![format!("{a}, {b}"), format!("{}..{}", c + 1, c + 4)]
                }
            }
        }
    }

    /// Types over which a `switch` may stand.
    fn switched(&mut self) -> (String, T) {
        let ty = self.dice.pick(&[
            T::U(8),
            T::U(16),
            T::U(32),
            T::U(12),
            T::S(32),
            T::U(64),
            T::Ip4,
            T::Ip6,
            T::Bool,
        ]);
        match self.named(ty) {
            Some(name) => (name, ty),
            None => {
                let value = self.value(T::U(8), 0);
                if value.starts_with(|c: char| c.is_ascii_digit()) {
                    return ("((u8) node.id)".into(), T::U(8));
                }
                (value, T::U(8))
            }
        }
    }

    fn selection(&mut self, depth: usize) {
        let (value, ty) = self.switched();
        if self.dice.one_in(2) {
            let result = self.number_type();
            let name = self.fresh("x");
            let arms: Vec<String> = self.arms(ty);
            self.open(&format!("{} {name} = switch ({value})", result.text()));
            for arm in arms {
                let guard = if self.dice.one_in(3) {
                    format!(" when {}", self.truth(1))
                } else {
                    String::new()
                };
                let given = self.value(result, 2);
                if self.dice.one_in(3) {
                    let inner = self.fresh("x");
                    let text = result.text();
                    self.line(&format!(
                        "case {arm}{guard} -> {{ {text} {inner} = {given}; yield {inner}; }}"
                    ));
                } else {
                    self.line(&format!("case {arm}{guard} -> {given};"));
                }
            }
            let given = self.value(result, 2);
            self.line(&format!("default -> {given};"));
            self.indent -= 1;
            self.line("};");
            self.var(name, result, None, true);
            return;
        }
        let arms = self.arms(ty);
        let breaks = std::mem::replace(&mut self.may_break, false);
        self.open(&format!("switch ({value})"));
        for arm in arms {
            let guard = if self.dice.one_in(3) {
                format!(" when {}", self.truth(1))
            } else {
                String::new()
            };
            self.open(&format!("case {arm}{guard} ->"));
            self.scope(|w| w.block(depth));
            self.close();
        }
        // An arm at least goes on, so that what follows is in reach.
        self.open("default ->");
        self.close();
        self.close();
        self.may_break = breaks;
    }

    /// A verdict.
    pub(super) fn verdict(&mut self, depth: usize) -> String {
        match self.dice.below(10) {
            0 | 1 => "Pass".into(),
            2 => "Drop".into(),
            3 => {
                let reason = self
                    .dice
                    .pick(&["OWN", "RATE", "NO_ROUTE", "OFF_PATH", "HOP_LIMIT"]);
                format!("Drop({reason})")
            }
            4 => self
                .dice
                .pick(&["Reply", "Recirculate", "Punt(OWN)"])
                .into(),
            5 | 6 => {
                let n = self.value(T::U(32), depth);
                if n.starts_with(|c: char| c.is_ascii_digit()) {
                    return "Steer(NodeId(7))".into();
                }
                format!("Steer(NodeId({n}))")
            }
            7 => {
                let n = self.value(T::U(16), depth);
                let kind = self.dice.pick(&["Forward(Port", "Multicast(Group"]);
                format!("{kind}({n}))")
            }
            _ if depth > 0 => {
                let cond = self.truth(depth);
                let (a, b) = (self.verdict(depth - 1), self.verdict(depth - 1));
                format!("({cond} ? {a} : {b})")
            }
            _ => "Pass".into(),
        }
    }

    /// A pattern on the packet or a body; the views it binds go to `seen`.
    pub(super) fn pattern_text(&mut self, seen: &mut Vec<Seen>) -> String {
        let bodies: Vec<Seen> = self
            .views
            .iter()
            .filter(|v| !self.nexts(v.header).is_empty())
            .cloned()
            .collect();
        if !bodies.is_empty() && self.dice.one_in(3) {
            let view = self.dice.pick(&bodies);
            let nexts = self.nexts(view.header);
            let next = self.dice.pick(&nexts);
            let name = self.fresh("v");
            seen.push(Seen {
                name: name.clone(),
                header: next,
                depth: view.depth + 1,
                addresses: false,
            });
            let header = &self.headers[next].name;
            return format!("{}.body instanceof {header} {name}", view.name);
        }
        let chain = self.chain();
        let mut parts = Vec::new();
        for (at, &(header, optional)) in chain.iter().enumerate() {
            let text = self.headers[header].name.clone();
            if optional {
                parts.push(format!("[{text}]"));
            } else if self.dice.one_in(3) {
                parts.push(text);
            } else {
                let name = self.fresh("v");
                parts.push(format!("{text} {name}"));
                let transport = |&(h, _): &(usize, bool)| h == TCP || h == UDP;
                seen.push(Seen {
                    name,
                    header,
                    depth: at,
                    addresses: chain[at..].iter().any(transport),
                });
            }
        }
        format!("pkt instanceof {}", parts.join(" / "))
    }

    /// Headers that may follow one.
    fn nexts(&self, header: usize) -> Vec<usize> {
        let own = |name: &str| {
            let found = self.headers.iter().position(|h| h.name == name);
            found.into_iter().collect::<Vec<usize>>()
        };
        match header {
            ETH => vec![VLAN, IPV4, IPV6],
            VLAN => vec![IPV4, IPV6],
            IPV4 => vec![TCP, UDP, ICMP, TCP, UDP],
            IPV6 => vec![TCP, UDP],
            UDP => own("Probe"),
            _ => match self.headers[header].name.as_str() {
                "Probe" => own("Inner"),
                "Data" => own("Next"),
                _ => Vec::new(),
            },
        }
    }

    /// Leaves unless the packet is of a certain kind.
    pub(super) fn must_match(&mut self) {
        let mut seen = Vec::new();
        let pattern = self.pattern_text(&mut seen);
        let verdict = self.verdict(0);
        self.line(&format!("if (!({pattern})) return {verdict};"));
        self.bind(seen);
    }

    fn matching(&mut self, depth: usize) -> bool {
        let mut seen = Vec::new();
        let pattern = self.pattern_text(&mut seen);
        if self.dice.one_in(2) || depth == 0 {
            let give = self.give();
            self.line(&format!("if (!({pattern})) {{ {give} }}"));
            self.bind(seen);
            return false;
        }
        let vars = self.vars.len();
        let and = if self.dice.one_in(2) {
            let before = self.views.clone();
            self.bind(seen.clone());
            let cond = self.truth(2);
            self.views = before;
            format!(" && {cond}")
        } else {
            String::new()
        };
        self.vars.truncate(vars);
        self.open(&format!("if ({pattern}{and})"));
        self.scope(|w| {
            w.bind(seen);
            w.block(depth - 1)
        });
        self.close();
        false
    }

    fn bind(&mut self, seen: Vec<Seen>) {
        self.views.extend(seen);
    }
}
