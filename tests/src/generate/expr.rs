//! Expressions of generated programs.
//!
//! Guaranteed: an expression has exactly the type that was asked for, unless it is a literal, which
//! takes it.

use super::{T, Writer};

impl Writer {
    /// A literal of a type.
    pub(super) fn literal(&mut self, ty: T) -> String {
        match ty {
            T::Bool => self.dice.pick(&["true", "false"]).into(),
            T::U(n) => {
                let max = if n == 64 { u64::MAX } else { (1 << n) - 1 };
                let n = match self.dice.below(8) {
                    0 => 0,
                    1 => 1,
                    2 => max,
                    3 => max - 1,
                    4 => max / 2,
                    5 => max / 2 + 1,
                    6 => self.dice.any() & 0xff,
                    _ => self.dice.any(),
                } & max;
                if self.dice.one_in(3) {
                    format!("{n:#x}")
                } else {
                    n.to_string()
                }
            }
            T::S(n) => {
                let max = (1i64 << (n - 2)) - 1 + (1i64 << (n - 2));
                let n = match self.dice.below(6) {
                    0 => 0,
                    1 => 1,
                    2 => max,
                    3 => -max,
                    4 => (self.dice.any() % 300) as i64 - 150,
                    _ => (self.dice.any() >> 1) as i64 & max,
                };
                if n < 0 {
                    format!("(-{})", n.unsigned_abs())
                } else {
                    n.to_string()
                }
            }
            T::Ip4 => {
                let a = self.dice.pick(&[10, 10, 192, 0, 255, 172]);
                let b = self.dice.pick(&[0, 1, 2, 168, 255]);
                let d = self.dice.pick(&[0, 1, 9, 255]);
                format!("{a}.{b}.0.{d}")
            }
            T::Ip6 => self
                .dice
                .pick(&[
                    "::",
                    "::1",
                    "2001:db8::1",
                    "2001:db8::2",
                    "ff02::fb",
                    "ffff::ffff",
                ])
                .into(),
            T::Mac => {
                let a = self.dice.pick(&["02", "00", "ff", "01"]);
                let b = self.dice.pick(&["01", "02", "ff", "5e"]);
                format!("{a}:00:{b}:00:00:{b}")
            }
        }
    }

    pub(super) fn prefix4(&mut self) -> String {
        self.dice
            .pick(&[
                "0.0.0.0/0",
                "10.0.0.0/8",
                "10.0.0.0/13",
                "10.1.0.0/16",
                "10.2.0.0/15",
                "192.168.0.0/21",
                "10.1.0.0/24",
                "10.1.0.1/32",
                "128.0.0.0/1",
            ])
            .into()
    }

    pub(super) fn prefix6(&mut self) -> String {
        self.dice
            .pick(&[
                "::/0",
                "2001:db8::/32",
                "2001:db8::/37",
                "2001:db8::1/128",
                "2001:db8::/127",
                "ff00::/8",
                "2001:db8::/64",
            ])
            .into()
    }

    /// Something of the type that has a name: a variable, a field, an element.
    pub(super) fn named(&mut self, ty: T) -> Option<String> {
        let mut all = Vec::new();
        // Operators over constants are computed by the checker, and then must fit.
        let varies = |v: &&super::Var| v.ty == ty && !(v.is_constant() && v.len.is_none());
        for var in self.vars.iter().filter(varies) {
            all.push((var.name.clone(), var.len));
        }
        for view in &self.views {
            for field in self.headers[view.header].fields.iter() {
                // What a checksum holds before the end of a handler is nobody's business.
                if field.ty == ty && (!field.derived || field.name == "length") {
                    all.push((format!("{}.{}", view.name, field.name), None));
                }
            }
        }
        if all.is_empty() {
            return None;
        }
        let (name, len) = self.dice.pick(&all);
        Some(match len {
            None => name,
            Some(_) if name.starts_with('K') => {
                // Any index but a constant one.
                format!("{name}[(u8) node.id & 1]")
            }
            Some(len) => {
                let index = self.index(len);
                format!("{name}[{index}]")
            }
        })
    }

    /// An index into an array of a power of two.
    pub(super) fn index(&mut self, len: u32) -> String {
        let ty = self.dice.pick(&[T::U(8), T::U(32), T::U(16)]);
        let scalars = |v: &&super::Var| v.ty == ty && v.len.is_none() && !v.is_constant();
        let names: Vec<String> = self
            .vars
            .iter()
            .filter(scalars)
            .map(|v| v.name.clone())
            .collect();
        if names.is_empty() || self.dice.one_in(4) {
            return self.dice.below(len as usize).to_string();
        }
        let name = self.dice.pick(&names);
        format!("{name} & {}", len - 1)
    }

    /// An expression that is no literal, of a number type.
    fn solid(&mut self, ty: T, depth: usize) -> String {
        if depth > 0 && self.dice.one_in(3) {
            return self.compound(ty, depth);
        }
        match self.named(ty) {
            Some(name) => name,
            None => self.cast(ty, depth.saturating_sub(1)),
        }
    }

    /// `(ty) something`
    fn cast(&mut self, ty: T, depth: usize) -> String {
        let mut from: Vec<T> = self
            .vars
            .iter()
            .filter(|v| v.ty != T::Ip6 && !v.is_constant())
            .map(|v| v.ty)
            .collect();
        for view in &self.views {
            let fields = self.headers[view.header].fields.iter();
            from.extend(fields.filter(|f| !f.derived).map(|f| f.ty));
        }
        from.retain(|&t| t != T::Ip6);
        let of_packet = self.has_packet && self.dice.one_in(6);
        if of_packet || from.is_empty() {
            let what = if self.has_packet {
                self.dice
                    .pick(&["pkt.size", "pkt.port", "pkt.queue", "node.id"])
            } else {
                "node.id"
            };
            return format!("(({}) {what})", ty.text());
        }
        let from = self.dice.pick(&from);
        let inner = if depth > 0 && from.is_number() && self.dice.one_in(2) {
            self.compound(from, depth)
        } else {
            self.named(from).unwrap_or_else(|| "node.id".into())
        };
        format!("(({}) {inner})", ty.text())
    }

    /// Any expression of a type.
    pub(super) fn value(&mut self, ty: T, depth: usize) -> String {
        match ty {
            T::Bool => self.truth(depth),
            T::U(_) | T::S(_) => match self.dice.below(8) {
                0 => self.constant_of(ty),
                1..=4 if depth > 0 => self.compound(ty, depth),
                _ => self.solid(ty, depth),
            },
            T::Ip4 if self.dice.one_in(5) => {
                let n = self.solid(T::U(32), depth.saturating_sub(1));
                format!("Ip4({n})")
            }
            T::Mac if self.dice.one_in(5) => {
                let n = self.solid(T::U(64), depth.saturating_sub(1));
                format!("Mac({n})")
            }
            _ if depth > 0 && self.dice.one_in(5) => {
                let (c, a, b) = (
                    self.truth(depth - 1),
                    self.value(ty, depth - 1),
                    self.value(ty, depth - 1),
                );
                format!("({c} ? {a} : {b})")
            }
            _ => match self.dice.one_in(3) {
                true => self.constant_of(ty),
                false => self.named(ty).unwrap_or_else(|| self.literal(ty)),
            },
        }
    }

    /// A literal or a named constant.
    fn constant_of(&mut self, ty: T) -> String {
        let named = |v: &&super::Var| v.ty == ty && v.len.is_none() && v.is_constant();
        let names: Vec<String> = self
            .vars
            .iter()
            .filter(named)
            .map(|v| v.name.clone())
            .collect();
        if names.is_empty() || self.dice.one_in(2) {
            return self.literal(ty);
        }
        self.dice.pick(&names)
    }

    /// An operator over numbers.
    fn compound(&mut self, ty: T, depth: usize) -> String {
        let d = depth.saturating_sub(1);
        match self.dice.below(15) {
            0..=5 => {
                let op = self
                    .dice
                    .pick(&["+", "-", "*", "&", "|", "^", "|+|", "|-|"]);
                let a = self.solid(ty, d);
                let b = self.value(ty, d);
                if self.dice.one_in(5) && !b.starts_with(|c: char| c.is_ascii_digit()) {
                    return format!("({b} {op} {a})");
                }
                format!("({a} {op} {b})")
            }
            6 if matches!(ty, T::U(n) | T::S(n) if n <= 32) => {
                let op = self.dice.pick(&["/", "%"]);
                let a = self.solid(ty, d);
                self.division(ty, &a, op)
            }
            7 | 8 => {
                let op = self.dice.pick(&["<<", ">>", ">>>"]);
                let a = self.solid(ty, d);
                let width = match ty {
                    T::U(n) | T::S(n) => n,
                    _ => 32,
                };
                let by = if self.dice.one_in(2) {
                    self.dice.below(width as usize).to_string()
                } else {
                    let by = T::U(self.dice.pick(&[8, 16, 32]));
                    self.solid(by, 0)
                };
                format!("({a} {op} {by})")
            }
            9 => {
                let op = self.dice.pick(&["~", "-"]);
                let a = self.solid(ty, d);
                format!("({op}{a})")
            }
            10 => {
                let (c, a, b) = (self.truth(d), self.solid(ty, d), self.solid(ty, d));
                format!("({c} ? {a} : {b})")
            }
            11 => self.cast(ty, depth),
            12 => {
                let f = self.dice.pick(&["min", "max"]);
                let (a, b) = (self.solid(ty, d), self.value(ty, d));
                format!("{f}({a}, {b})")
            }
            13 => self.call(Some(ty), d).unwrap_or_else(|| self.solid(ty, d)),
            _ => {
                // A narrower operand is widened.
                let T::U(n) = ty else {
                    return self.solid(ty, d);
                };
                let narrow: Vec<T> = self
                    .vars
                    .iter()
                    .filter(|v| v.len.is_none() && !v.is_constant())
                    .map(|v| v.ty)
                    .filter(|t| matches!(t, T::U(m) if *m < n))
                    .collect();
                if narrow.is_empty() {
                    return self.solid(ty, d);
                }
                let narrow = self.dice.pick(&narrow);
                let (a, b) = (self.solid(ty, d), self.solid(narrow, 0));
                let op = self.dice.pick(&["+", "-", "*", "^"]);
                format!("({a} {op} {b})")
            }
        }
    }

    /// A division by what is not zero.
    fn division(&mut self, ty: T, a: &str, op: &str) -> String {
        let names: Vec<String> = self
            .vars
            .iter()
            .filter(|v| {
                v.ty == ty
                    && v.len.is_none()
                    && !v.is_constant()
                    && !v.assignable
                    && matches!(ty, T::U(n) if n <= 32)
            })
            .map(|v| v.name.clone())
            .collect();
        if !names.is_empty() && self.dice.one_in(2) {
            let by = self.dice.pick(&names);
            let other = self.solid(ty, 0);
            return format!("({by} != 0 ? {a} {op} {by} : {other})");
        }
        let mut by = self.literal(ty);
        while matches!(by.as_str(), "0" | "0x0") {
            by = match ty {
                T::U(1) => "1".into(),
                _ => self.literal(ty),
            };
        }
        format!("({a} {op} {by})")
    }

    /// A call of a method with this result.
    pub(super) fn call(&mut self, result: Option<T>, depth: usize) -> Option<String> {
        let good: Vec<super::Method> = self
            .methods
            .iter()
            .filter(|m| m.result == result && !m.stores && self.loops < 2)
            .filter(|m| {
                m.view
                    .is_none_or(|h| self.views.iter().any(|v| v.header == h))
            })
            .cloned()
            .collect();
        if good.is_empty() {
            return None;
        }
        let m = self.dice.pick(&good);
        Some(self.call_of(&m, depth))
    }

    pub(super) fn call_of(&mut self, m: &super::Method, depth: usize) -> String {
        let mut args = Vec::new();
        if let Some(header) = m.view {
            let views: Vec<String> = self
                .views
                .iter()
                .filter(|v| v.header == header)
                .map(|v| v.name.clone())
                .collect();
            args.push(self.dice.pick(&views));
        }
        for &ty in &m.params {
            args.push(self.value(ty, depth));
        }
        format!("{}({})", m.name, args.join(", "))
    }

    /// A condition.
    pub(super) fn truth(&mut self, depth: usize) -> String {
        let d = depth.saturating_sub(1);
        match self.dice.below(12) {
            0 if depth > 0 => format!("!{}", self.paren_truth(d)),
            1 | 2 if depth > 0 => {
                let op = self.dice.pick(&["&&", "||"]);
                let (a, b) = (self.paren_truth(d), self.paren_truth(d));
                format!("({a} {op} {b})")
            }
            3 => self.membership(d),
            4 => self.address_test(d),
            5 => match self.named(T::Bool) {
                Some(name) => name,
                None => self.comparison(d),
            },
            6 => self.method_test().unwrap_or_else(|| self.comparison(d)),
            7 if self.may_match && self.has_packet && self.dice.one_in(3) => {
                let pattern = self.pattern_text(&mut Vec::new());
                format!("({pattern})")
            }
            _ => self.comparison(d),
        }
    }

    fn paren_truth(&mut self, depth: usize) -> String {
        let text = self.truth(depth);
        format!("({text})")
    }

    fn comparison(&mut self, depth: usize) -> String {
        let ty = self.number_type();
        let op = self.dice.pick(&["==", "!=", "<", "<=", ">", ">="]);
        let (a, b) = (self.solid(ty, depth), self.value(ty, depth));
        format!("({a} {op} {b})")
    }

    fn membership(&mut self, depth: usize) -> String {
        let ty = T::U(self.dice.pick(&[8, 16, 32, 64, 12, 5]));
        let a = self.solid(ty, depth);
        let T::U(width) = ty else { return a };
        let max: u64 = if width >= 32 {
            100_000
        } else {
            (1 << width) - 1
        };
        let lo = self.dice.any() % max;
        let hi = lo + self.dice.any() % (max - lo + 1);
        if self.dice.one_in(2) {
            return format!("({a} in {lo}..{hi})");
        }
        let c = self.dice.any() % max;
        format!("({a} in {{{c}, {lo}..{hi}, 1}})")
    }

    fn address_test(&mut self, depth: usize) -> String {
        let ty = self.dice.pick(&[T::Ip4, T::Ip4, T::Ip6, T::Mac]);
        let Some(a) = self.named(ty) else {
            return self.comparison(depth);
        };
        let four = self.prefixes4.clone();
        let six = self.prefixes6.clone();
        let prefix = match ty {
            T::Ip4 if !four.is_empty() && self.dice.one_in(2) => self.dice.pick(&four),
            T::Ip6 if !six.is_empty() && self.dice.one_in(2) => self.dice.pick(&six),
            T::Ip4 => self.prefix4(),
            T::Ip6 => self.prefix6(),
            _ => return format!("{a}.{}()", self.dice.pick(&["isMulticast", "isLocal"])),
        };
        let one = self.literal(ty);
        match self.dice.below(5) {
            0 => format!("({a} == {one})"),
            1 => format!("({a} < {one})"),
            2 => format!("({a} in {{{one}, {prefix}}})"),
            _ => format!("({a} in {prefix})"),
        }
    }

    fn method_test(&mut self) -> Option<String> {
        let mut all = Vec::new();
        for view in &self.views {
            for method in &self.headers[view.header].methods {
                all.push(format!("{}.{method}()", view.name));
            }
        }
        (!all.is_empty()).then(|| self.dice.pick(&all))
    }
}
