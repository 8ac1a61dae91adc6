//! Headers of generated programs: those of the library, and random ones.

use super::{T, WIDTHS, Writer};

/// A field.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) ty: T,
    /// Something depends on it: assigning it ends what stands behind.
    pub(super) shape: bool,
    pub(super) derived: bool,
}

/// A header.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
    /// Methods without parameters that answer a boolean.
    pub(super) methods: Vec<String>,
}

pub(super) const ETH: usize = 0;
pub(super) const VLAN: usize = 1;
pub(super) const IPV4: usize = 2;
pub(super) const IPV6: usize = 3;
pub(super) const TCP: usize = 4;
pub(super) const UDP: usize = 5;
pub(super) const ICMP: usize = 6;
/// The first of the program's own headers.
pub(super) const OWN: usize = 7;

/// The headers of the library. In a field's word `!` says shape, `=` derived.
pub(super) fn library() -> Vec<Header> {
    let rows: [(&str, &str, &str); OWN] = [
        ("Eth", "dst:m src:m type!16", ""),
        ("Vlan", "priority:3 dropEligible:b id:12 type!16", ""),
        (
            "Ipv4",
            "version!4 ihl!4 dscp:6 ecn:2 length=16 id:16 evil:b dontFragment:b moreFragments:b fragment!13 ttl:8 protocol!8 checksum=16 src:4 dst:4",
            "isFragment",
        ),
        (
            "Ipv6",
            "version!4 dscp:6 ecn:2 flow:20 length=16 next!8 hops:8 src:6 dst:6",
            "",
        ),
        (
            "Tcp",
            "sport:16 dport:16 seqNo:32 ackNo:32 offset!4 reserved:4 cwr:b ece:b urg:b ack:b psh:b rst:b syn:b fin:b window:16 checksum=16 urgent:16",
            "isOpening",
        ),
        ("Udp", "sport:16 dport!16 length=16 checksum=16", ""),
        ("Icmp", "type:8 code:8 checksum=16 rest:32", "isEcho"),
    ];
    rows.iter()
        .map(|(name, fields, methods)| Header {
            name: name.to_string(),
            fields: fields.split(' ').map(field).collect(),
            methods: methods.split_whitespace().map(String::from).collect(),
        })
        .collect()
}

fn field(word: &str) -> Field {
    let at = word.find([':', '!', '=']).unwrap_or(word.len() - 1);
    let (name, rest) = word.split_at(at);
    let address = matches!(name, "src" | "dst");
    let ty = match &rest[1..] {
        "m" => T::Mac,
        "b" => T::Bool,
        "4" if address => T::Ip4,
        "6" if address => T::Ip6,
        width => T::U(width.parse().unwrap_or(8)),
    };
    Field {
        name: name.to_string(),
        ty,
        shape: rest.starts_with('!'),
        derived: rest.starts_with('='),
    }
}

fn bits(ty: T) -> u32 {
    match ty {
        T::Bool => 1,
        T::U(n) | T::S(n) => n,
        T::Ip4 => 32,
        T::Ip6 => 128,
        T::Mac => 48,
    }
}

impl Writer {
    /// Declares headers; answers the bytes of the one for the link layer, if there is one.
    pub(super) fn own_headers(&mut self, link: bool) -> Option<usize> {
        if link {
            let bytes = self.random_header("Data", "Packet when layer == LINK", 4);
            if self.dice.one_in(2) {
                self.random_header("Next", "Data when first == 1", 2);
            }
            return Some(bytes);
        }
        if self.dice.one_in(2) {
            self.random_header("Probe", "Udp when dport == 7000", 2);
            if self.dice.one_in(2) {
                let on = self.dice.below(3);
                self.random_header("Inner", &format!("Probe when first in {{{on}, 9}}"), 2);
            }
        }
        None
    }

    /// The header that a program declares for the link layer.
    pub(super) fn first_own(&self) -> usize {
        OWN
    }

    /// Declares a header of random fields, the first of which is a byte named `first`.
    fn random_header(&mut self, name: &str, follows: &str, least: usize) -> usize {
        let little = self.dice.one_in(8);
        let mut fields = vec![("first".to_string(), T::U(8), false)];
        let mut width = 8;
        for _ in 0..least + self.dice.below(6) {
            let ty = match self.dice.below(10) {
                0 => T::Bool,
                1 => T::Ip4,
                2 => T::Ip6,
                3 => T::Mac,
                4 => T::S(32),
                5 => T::S(64),
                _ if little => T::U(self.dice.pick(&[8, 16, 32, 64])),
                _ => T::U(self.dice.pick(WIDTHS)),
            };
            if little && ty == T::Bool {
                continue;
            }
            let name = self.fresh("f");
            width += bits(ty);
            fields.push((name, ty, false));
        }
        if width % 8 != 0 {
            let name = self.fresh("f");
            let pad = 8 - width % 8;
            width += pad;
            fields.push((name, T::U(pad), false));
        }
        let summed = !little && self.dice.one_in(3);
        let sum = self.dice.pick(&["of", "over"]);
        let valid = self.dice.one_in(3);
        if little {
            self.line("@LittleEndian");
        }
        self.open(&format!("header {name} follows {follows}"));
        for (name, ty, _) in &fields {
            self.line(&format!("{} {name};", ty.text()));
        }
        if summed {
            self.line(&format!("derived u16 sum = Checksum.{sum}(this);"));
            width += 16;
        }
        let part = self.dice.below(8);
        match part {
            0 => self.line("u8[first * 2] rest;"),
            1 => self.line("u8[first * 4 - 4] rest;"),
            _ => {}
        }
        if part == 1 {
            self.line("valid when first >= 1;");
        }
        if valid {
            let most = self.dice.pick(&[1, 2, 100, 200]);
            self.line(&format!("valid when first <= {most};"));
        }
        self.close();
        self.out.push('\n');
        let mut all: Vec<Field> = fields
            .into_iter()
            .map(|(name, ty, _)| Field {
                shape: name == "first",
                name,
                ty,
                derived: false,
            })
            .collect();
        if summed {
            all.push(Field {
                name: "sum".into(),
                ty: T::U(16),
                shape: false,
                derived: true,
            });
        }
        self.headers.push(Header {
            name: name.to_string(),
            fields: all,
            methods: Vec::new(),
        });
        width as usize / 8
    }

    /// The headers of a pattern on the packet, some of them in brackets.
    pub(super) fn chain(&mut self) -> Vec<(usize, bool)> {
        let own = self.headers.len() > OWN;
        let deeper = self.headers.len() > OWN + 1;
        if own && self.headers[OWN].name == "Data" {
            let mut chain = vec![(OWN, false)];
            if deeper && self.dice.one_in(2) {
                chain.push((OWN + 1, false));
            }
            return chain;
        }
        let mut chain = Vec::new();
        if self.link {
            chain.push((ETH, false));
            match self.dice.below(6) {
                0 => return chain,
                1 => chain.push((VLAN, false)),
                2 => chain.push((VLAN, true)),
                3 => chain.extend([(VLAN, true), (VLAN, true)]),
                _ => {}
            }
            if chain.len() == 2 && !chain[1].1 && self.dice.one_in(3) {
                return chain;
            }
        }
        let ip = self.dice.pick(&[IPV4, IPV4, IPV6]);
        chain.push((ip, false));
        if self.dice.one_in(6) {
            chain.push((self.dice.pick(&[IPV4, IPV6]), false));
        }
        let last = chain[chain.len() - 1].0;
        match self.dice.below(6) {
            0 => {}
            1 if last == IPV4 => chain.push((ICMP, false)),
            1..=3 => chain.push((TCP, false)),
            _ => {
                chain.push((UDP, false));
                if own && self.dice.one_in(2) {
                    chain.push((OWN, false));
                    // The verifier loses the length behind brackets and two variable parts.
                    let plain = chain.iter().all(|&(_, optional)| !optional);
                    if deeper && plain && self.dice.one_in(2) {
                        chain.push((OWN + 1, false));
                    }
                }
            }
        }
        chain
    }
}
