//! Programs and packets from seeds.
//!
//! In: a seed. Out: the text of a right program of the language, and packets for it, among them
//! broken ones. Guaranteed: a seed always gives the same text; the text keeps every rule that the
//! checker and the verifier know, so that a refusal is a finding.

mod expr;
mod header;
mod packets;
mod stmt;

use std::fmt::Write as _;

pub use packets::packet;

/// Numbers from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed ^ 0x6e66_6c63)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.0;
        let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.any() % n.max(1) as u64) as usize
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    pub fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }
}

/// Types of values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum T {
    Bool,
    /// Unsigned, with its width.
    U(u32),
    /// Signed, with its width.
    S(u32),
    Ip4,
    Ip6,
    Mac,
}

/// Widths that numbers have.
const WIDTHS: &[u32] = &[
    8, 16, 32, 64, 8, 16, 32, 64, 1, 2, 3, 4, 5, 7, 12, 13, 20, 24, 31, 33, 40, 48, 63,
];

impl T {
    fn text(self) -> String {
        match self {
            T::Bool => "boolean".into(),
            T::U(n @ (8 | 16 | 32 | 64)) => format!("u{n}"),
            T::U(n) => format!("bits<{n}>"),
            T::S(32) => "int".into(),
            T::S(_) => "long".into(),
            T::Ip4 => "Ip4".into(),
            T::Ip6 => "Ip6".into(),
            T::Mac => "Mac".into(),
        }
    }

    fn is_number(self) -> bool {
        matches!(self, T::U(_) | T::S(_))
    }
}

/// Something with a value that has a name.
#[derive(Clone, Debug)]
struct Var {
    name: String,
    ty: T,
    /// Elements, for arrays; always a power of two.
    len: Option<u32>,
    assignable: bool,
}

impl Var {
    /// Whether the checker knows its value.
    fn is_constant(&self) -> bool {
        self.name.starts_with('K')
    }
}

/// A header that is matched.
#[derive(Clone, Debug)]
struct Seen {
    name: String,
    header: usize,
    /// Where it stands in its pattern.
    depth: usize,
    /// Whether its addresses may be assigned.
    addresses: bool,
}

/// A method that may be called.
#[derive(Clone, Debug)]
struct Method {
    name: String,
    params: Vec<T>,
    /// A view that is its first parameter.
    view: Option<usize>,
    result: Option<T>,
    stores: bool,
}

/// A program that is being written.
struct Writer {
    dice: Dice,
    headers: Vec<header::Header>,
    vars: Vec<Var>,
    views: Vec<Seen>,
    methods: Vec<Method>,
    prefixes4: Vec<String>,
    prefixes6: Vec<String>,
    names: u32,
    out: String,
    indent: usize,
    link: bool,
    /// Whether patterns may stand here.
    may_match: bool,
    may_store: bool,
    may_reshape: bool,
    loops: usize,
    /// Whether `break` may stand here.
    may_break: bool,
    /// What `return` gives; `None` in handlers, which give verdicts.
    result: Option<Option<T>>,
    has_packet: bool,
    /// Statements left.
    budget: usize,
}

/// What a seed gives.
#[derive(Clone, Debug)]
pub struct Program {
    /// The source.
    pub text: String,
    /// Whether its handlers run at the link layer.
    pub link: bool,
    /// Bytes of the header that the program declares for the link layer, if it does.
    pub own_bytes: Option<usize>,
}

/// The program of a seed.
pub fn program(seed: u64) -> Program {
    let mut dice = Dice::new(seed);
    let own = dice.one_in(3);
    let link = own || dice.one_in(3);
    let capsule = dice.one_in(3);
    let mut w = Writer {
        headers: header::library(),
        dice,
        vars: Vec::new(),
        views: Vec::new(),
        methods: Vec::new(),
        prefixes4: Vec::new(),
        prefixes6: Vec::new(),
        names: 0,
        out: String::from("import nfl.net.*;\n\n"),
        indent: 0,
        link,
        may_match: false,
        may_store: false,
        may_reshape: false,
        loops: 0,
        may_break: false,
        result: None,
        has_packet: false,
        budget: 0,
    };
    let own_bytes = w.own_headers(own);
    w.function(capsule, own);
    Program {
        text: w.out,
        link,
        own_bytes,
    }
}

impl Writer {
    fn fresh(&mut self, stem: &str) -> String {
        self.names += 1;
        format!("{stem}{}", self.names)
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{}{text}", "    ".repeat(self.indent));
    }

    fn open(&mut self, text: &str) {
        self.line(&format!("{text} {{"));
        self.indent += 1;
    }

    fn close(&mut self) {
        self.indent -= 1;
        self.line("}");
    }

    fn any_type(&mut self) -> T {
        match self.dice.below(14) {
            0 => T::Bool,
            1 => T::Ip4,
            2 => T::Ip6,
            3 => T::Mac,
            _ => self.number_type(),
        }
    }

    fn number_type(&mut self) -> T {
        match self.dice.below(8) {
            0 => T::S(32),
            1 => T::S(64),
            _ => T::U(self.dice.pick(WIDTHS)),
        }
    }

    fn function(&mut self, capsule: bool, own: bool) {
        let params = self.parameters();
        self.open(&format!("function Generated({params}) passes 2"));
        self.line("static final Reason OWN = Reason(\"one of its own\");");
        for _ in 0..self.dice.below(3) {
            self.constant();
        }
        if capsule {
            for _ in 0..1 + self.dice.below(4) {
                self.carried();
            }
        }
        self.out.push('\n');
        for _ in 0..self.dice.below(4) {
            self.method();
        }
        let roles: &[&str] = if capsule {
            &["originator", "responder", "transit", "arrival"]
        } else {
            &["ingress", "egress"]
        };
        let first = self.dice.below(roles.len());
        let many = 1 + usize::from(self.dice.one_in(4));
        for at in 0..many {
            self.handler(roles[(first + at) % roles.len()], own);
        }
        if self.dice.one_in(4) {
            let verdict = self
                .dice
                .pick(&["Drop(OWN)", "Pass", "Punt(MALFORMED)", "Reply"]);
            self.line(&format!("on malformed(Packet pkt) {{ return {verdict}; }}"));
        }
        if self.dice.one_in(4) {
            let verdict = self.dice.pick(&["Drop(OWN)", "Pass", "Forward(Port(77))"]);
            self.line(&format!("on exhausted(Packet pkt) {{ return {verdict}; }}"));
        }
        self.close();
    }

    fn parameters(&mut self) -> String {
        let mut params = Vec::new();
        for _ in 0..self.dice.below(4) {
            let name = self.fresh("p");
            match self.dice.below(8) {
                0 => {
                    let prefix = self.prefix4();
                    params.push(format!("Prefix4 {name} = {prefix}"));
                    self.prefixes4.push(name);
                }
                1 => {
                    let prefix = self.prefix6();
                    params.push(format!("Prefix6 {name} = {prefix}"));
                    self.prefixes6.push(name);
                }
                2 => {
                    let default = self.literal(T::Ip4);
                    params.push(format!("late Ip4 {name} = {default}"));
                    self.var(name, T::Ip4, None, false);
                }
                3 | 4 => {
                    let width = self.dice.pick(&[8, 16, 32, 12, 1, 20]);
                    let default = self.literal(T::U(width));
                    params.push(format!("late {} {name} = {default}", T::U(width).text()));
                    self.var(name, T::U(width), None, false);
                }
                5 => {
                    params.push(format!("late u8 {name} in 1..9 = 4"));
                    self.var(name, T::U(8), None, false);
                }
                _ => {
                    let ty = self.any_type();
                    let default = self.literal(ty);
                    params.push(format!("{} {name} = {default}", ty.text()));
                    self.var(name, ty, None, false);
                }
            }
        }
        params.join(", ")
    }

    fn var(&mut self, name: String, ty: T, len: Option<u32>, assignable: bool) {
        self.vars.push(Var {
            name,
            ty,
            len,
            assignable,
        });
    }

    fn list(&mut self, ty: T, len: u32) -> String {
        let items: Vec<String> = (0..len).map(|_| self.literal(ty)).collect();
        format!("{{{}}}", items.join(", "))
    }

    fn constant(&mut self) {
        self.names += 1;
        let name = format!("K{}", self.names);
        if self.dice.one_in(2) {
            let ty = self.number_type();
            let len = self.dice.pick(&[2, 4, 8]);
            let list = self.list(ty, len);
            self.line(&format!(
                "static final {}[{len}] {name} = {list};",
                ty.text()
            ));
            self.var(name, ty, Some(len), false);
        } else {
            let ty = self.any_type();
            let value = self.literal(ty);
            self.line(&format!("static final {} {name} = {value};", ty.text()));
            self.var(name, ty, None, false);
        }
    }

    fn carried(&mut self) {
        let name = self.fresh("c");
        let ty = self.any_type();
        if self.dice.one_in(3) && ty != T::Ip6 {
            let len = self.dice.pick(&[2, 4]);
            self.line(&format!("carried {}[{len}] {name};", ty.text()));
            self.var(name, ty, Some(len), true);
        } else {
            let value = self.literal(ty);
            self.line(&format!("carried {} {name} = {value};", ty.text()));
            self.var(name, ty, None, true);
        }
    }

    /// A body: what is declared in it is forgotten behind it.
    fn scope(&mut self, body: impl FnOnce(&mut Self) -> bool) -> bool {
        let (vars, views) = (self.vars.len(), self.views.clone());
        let ends = body(self);
        self.vars.truncate(vars);
        let now = std::mem::take(&mut self.views);
        self.views = views;
        // A view that is over inside is over behind.
        let still = |v: &Seen| now.iter().find(|n| n.name == v.name).cloned();
        self.views.retain_mut(|v| match still(v) {
            Some(now) => {
                v.addresses &= now.addresses;
                true
            }
            None => false,
        });
        ends
    }

    fn method(&mut self) {
        let name = self.fresh("m");
        let result = if self.dice.one_in(5) {
            None
        } else {
            Some(self.any_type())
        };
        let params: Vec<T> = (0..self.dice.below(3)).map(|_| self.any_type()).collect();
        let view = self
            .dice
            .one_in(3)
            .then(|| self.dice.below(self.headers.len()));
        let stores = view.is_some() && self.dice.one_in(3);
        let mut written = Vec::new();
        let vars = self.vars.len();
        if let Some(header) = view {
            let param = self.fresh("h");
            written.push(format!("{} {param}", self.headers[header].name));
            self.views = vec![Seen {
                name: param,
                header,
                depth: 0,
                addresses: false,
            }];
        }
        for &ty in &params {
            let param = self.fresh("a");
            written.push(format!("{} {param}", ty.text()));
            self.var(param, ty, None, true);
        }
        let answer = result.map_or("void".into(), T::text);
        self.open(&format!("private {answer} {name}({})", written.join(", ")));
        self.result = Some(result);
        self.may_store = stores;
        self.may_match = false;
        self.may_reshape = false;
        self.budget = 1 + self.dice.below(5);
        let ends = self.scope(|w| w.block(2));
        if let (false, Some(ty)) = (ends, result) {
            let value = self.value(ty, 2);
            self.line(&format!("return {value};"));
        }
        self.close();
        self.result = None;
        self.vars.truncate(vars);
        self.views.clear();
        self.methods.push(Method {
            name,
            params,
            view,
            result,
            stores,
        });
    }

    fn handler(&mut self, role: &str, own: bool) {
        self.open(&format!("on {role}(Packet pkt)"));
        self.has_packet = true;
        self.may_match = true;
        self.may_store = true;
        self.may_reshape = true;
        self.views.clear();
        self.budget = 4 + self.dice.below(14);
        let first = if own { Some(self.first_own()) } else { None };
        let ends = self.scope(|w| {
            if let Some(header) = first {
                let name = w.fresh("v");
                let pattern = format!("pkt instanceof {} {name}", w.headers[header].name);
                let verdict = w.verdict(0);
                w.line(&format!("if (!({pattern})) return {verdict};"));
                w.see(name, header, 0, false);
            } else if !w.dice.one_in(4) {
                w.must_match();
            }
            let ends = w.block(4);
            if !ends {
                let verdict = w.verdict(2);
                w.line(&format!("return {verdict};"));
            }
            ends
        });
        let _ = ends;
        self.has_packet = false;
        self.close();
    }

    fn see(&mut self, name: String, header: usize, depth: usize, addresses: bool) {
        self.views.push(Seen {
            name,
            header,
            depth,
            addresses,
        });
    }
}
