//! Packets from headers: defaults, what one header says of the next, lengths, checksums.
//!
//! In: parts from the outside in. Out: bytes, and the layer at which they begin. Guaranteed: a field
//! that was given a value keeps it, even where that makes the packet wrong; every other field is what
//! an honest sender would write. Nothing is padded.

use std::rc::Rc;

use nfl_abi::Layer;
use nfl_syntax::ast::{BinOp, ExprId, ExprKind};
use nfl_typeck::tables::{Derived, HeaderId, Res};
use nfl_typeck::ty::TyKind;

use crate::run::{Eval, Run, stop};
use crate::value::{Content, Packet, Part, Value, constant};
use crate::wire;

/// The longest packet that a test may build, in bytes.
const BYTES_MAX: usize = 65_535;

/// A header on its way to bytes.
struct Draft {
    header: HeaderId,
    given: Vec<u32>,
    bytes: Vec<u8>,
}

impl Run<'_> {
    /// The bytes of a packet and the layer at which they begin.
    pub(crate) fn bytes(&mut self, packet: &Packet) -> Eval<(Rc<Vec<u8>>, Layer)> {
        match &packet.content {
            Content::Bytes(bytes, layer) => Ok((bytes.clone(), *layer)),
            Content::Parts(parts) => {
                let (bytes, layer) = self.build(parts)?;
                Ok((Rc::new(bytes), layer))
            }
        }
    }

    fn build(&mut self, parts: &[Part]) -> Eval<(Vec<u8>, Layer)> {
        let mut drafts: Vec<Draft> = Vec::new();
        let mut payload = Vec::new();
        for part in parts {
            match part {
                Part::Header(header, fields) if payload.is_empty() => {
                    let draft = self.draft(*header, fields)?;
                    drafts.push(draft);
                }
                Part::Header(header, _) => {
                    let name = self.header_name(*header);
                    return stop(format!("{name} cannot stand behind a payload"));
                }
                Part::Bytes(bytes) => payload.extend_from_slice(bytes),
            }
        }
        let layer = self.first_layer(&drafts)?;
        for at in 1..drafts.len() {
            self.join(&mut drafts, at)?;
        }
        let bytes = self.lay_out(&drafts, &payload)?;
        Ok((bytes, layer))
    }

    /// The layer at which a packet begins that begins with these headers.
    fn first_layer(&self, drafts: &[Draft]) -> Eval<Layer> {
        let Some(first) = drafts.first() else {
            return stop("a packet begins with a header");
        };
        let edges = self.t.headers[first.header].edges.iter();
        let mut layers = edges.filter(|e| e.parent.is_none()).map(|e| e.layer);
        match layers.next() {
            Some(layer) => Ok(layer.unwrap_or(Layer::Network)),
            None => {
                let name = self.header_name(first.header);
                stop(format!("no packet begins with {name}"))
            }
        }
    }

    /// A header alone: given values, defaults, zeros.
    fn draft(&mut self, header: HeaderId, fields: &[(u32, Value)]) -> Eval<Draft> {
        let t = self.t;
        let fixed = t.headers[header].fixed_bytes as usize;
        let mut draft = Draft {
            header,
            given: fields.iter().map(|(field, _)| *field).collect(),
            bytes: vec![0; fixed],
        };
        for (index, field) in t.headers[header].fields.iter().enumerate() {
            let index = index as u32;
            let given = fields.iter().find(|(f, _)| *f == index).map(|(_, v)| v);
            let value = match (given, field.default) {
                (Some(value), _) => value.clone(),
                (None, Some(default)) => match &t.konst[default] {
                    Some(konst) => constant(konst),
                    None => self.about(None, None, |run| run.eval(default))?,
                },
                (None, None) => continue,
            };
            if let (None, Some(bits)) = (field.len, wire::bits_of(&value)) {
                wire::store(t, &mut draft.bytes, header, 0, index, bits);
            }
        }
        let text = fields.iter().find_map(|(field, value)| match value {
            Value::Text(text) if t.headers[header].fields[*field as usize].len.is_some() => {
                Some(text.clone())
            }
            _ => None,
        });
        match text {
            Some(text) => self.fit_text(&mut draft, &text)?,
            None => {
                let packet = Rc::new(draft.bytes.clone());
                let end = self.end_of_header(&packet, header, 0)?;
                if end > BYTES_MAX {
                    return stop("a header is longer than any packet");
                }
                draft.bytes.resize(end.max(fixed), 0);
            }
        }
        Ok(draft)
    }

    /// Gives the field that places a variable array the value with which the array holds this text.
    fn fit_text(&mut self, draft: &mut Draft, text: &[u8]) -> Eval<()> {
        let t = self.t;
        let row = &t.headers[draft.header];
        let fits = |run: &mut Self, draft: &Draft| -> Eval<bool> {
            let end = run.end_of_header(&Rc::new(draft.bytes.clone()), draft.header, 0)?;
            Ok(end == row.fixed_bytes as usize + text.len())
        };
        let open = (0..row.fields.len() as u32)
            .find(|field| row.placing >> field & 1 == 1 && !draft.given.contains(field));
        let mut good = fits(self, draft)?;
        if let Some(field) = open.filter(|_| !good) {
            let bits = row.fields[field as usize].bits.min(16);
            for value in 0..1u128 << bits {
                wire::store(t, &mut draft.bytes, draft.header, 0, field, value);
                good = fits(self, draft)?;
                if good {
                    break;
                }
            }
        }
        if !good {
            let name = self.header_name(draft.header);
            return stop(format!(
                "{name} has no room for exactly {} bytes",
                text.len()
            ));
        }
        draft.bytes.extend_from_slice(text);
        Ok(())
    }

    /// Makes the header in front announce the one at `at`, unless it does already or was told otherwise.
    fn join(&mut self, drafts: &mut [Draft], at: usize) -> Eval<()> {
        let (parent, child) = (drafts[at - 1].header, drafts[at].header);
        let edges = self.t.headers[child].edges.clone();
        let mut edges = edges.iter().filter(|e| e.parent == Some(parent)).peekable();
        if edges.peek().is_none() {
            let (p, c) = (self.header_name(parent), self.header_name(child));
            return stop(format!("{c} never comes right after {p}"));
        }
        let base = drafts[at - 1].bytes.len();
        let both = Rc::new([drafts[at - 1].bytes.clone(), drafts[at].bytes.clone()].concat());
        if self.follows(&both, Some((parent, 0)), child, base)? {
            return Ok(());
        }
        for edge in edges {
            let Some(when) = edge.when else { continue };
            if let Some((field, value)) = self.equation(when) {
                if !drafts[at - 1].given.contains(&field) {
                    let bytes = &mut drafts[at - 1].bytes;
                    wire::store(self.t, bytes, parent, 0, field, value);
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// The first equation of a condition over the header in front: a field and its value.
    fn equation(&mut self, e: ExprId) -> Option<(u32, u128)> {
        let ast = self.ast;
        match &ast.exprs[e].kind {
            ExprKind::Paren(inner) => self.equation(*inner),
            ExprKind::Binary {
                op: BinOp::And | BinOp::Or,
                left,
                right,
            } => self.equation(*left).or_else(|| self.equation(*right)),
            ExprKind::Binary {
                op: BinOp::Eq,
                left,
                right,
            } => self
                .equal(*left, *right)
                .or_else(|| self.equal(*right, *left)),
            ExprKind::In { value, set } => match &ast.exprs[*set].kind {
                ExprKind::Set(items) => items.first().and_then(|&item| self.equal(*value, item)),
                ExprKind::Range { lo, .. } => self.equal(*value, *lo),
                _ => None,
            },
            // A flag alone must be set.
            _ => match (self.t.expr_res[e], self.t.types.kind(self.t.expr_ty[e])) {
                (Res::ParentField { field, .. }, TyKind::Bool) => Some((field, 1)),
                _ => None,
            },
        }
    }

    fn equal(&mut self, field: ExprId, value: ExprId) -> Option<(u32, u128)> {
        let Res::ParentField { field, .. } = self.t.expr_res[field] else {
            return None;
        };
        let value = match self.ast.exprs[value].kind {
            ExprKind::Range { lo, .. } => lo,
            _ => value,
        };
        let konst = self.t.konst[value].as_ref()?;
        Some((field, wire::bits_of(&constant(konst))?))
    }

    /// All bytes, with lengths from the outside in and checksums from the inside out.
    fn lay_out(&mut self, drafts: &[Draft], payload: &[u8]) -> Eval<Vec<u8>> {
        let t = self.t;
        let mut bytes = Vec::new();
        let mut bases = Vec::new();
        for draft in drafts {
            bases.push(bytes.len());
            bytes.extend_from_slice(&draft.bytes);
        }
        bytes.extend_from_slice(payload);
        if bytes.len() > BYTES_MAX {
            return stop("the packet is longer than 65535 bytes");
        }
        let total = bytes.len();
        for (draft, &base) in drafts.iter().zip(&bases) {
            let fixed = t.headers[draft.header].fixed_bytes as usize;
            for (index, field) in t.headers[draft.header].fields.iter().enumerate() {
                let index = index as u32;
                let length = match field.derived {
                    Some(Derived::LengthFrom) => total - base,
                    Some(Derived::LengthAfter) => total - base - fixed,
                    _ => continue,
                };
                if !draft.given.contains(&index) {
                    wire::store(t, &mut bytes, draft.header, base, index, length as u128);
                }
            }
        }
        let places: Vec<(HeaderId, usize)> = drafts.iter().map(|d| d.header).zip(bases).collect();
        for (at, draft) in drafts.iter().enumerate().rev() {
            for (index, field) in t.headers[draft.header].fields.iter().enumerate() {
                let index = index as u32;
                let kept = field.derived.is_some_and(is_checksum);
                if kept && !draft.given.contains(&index) {
                    let base = places[at].1;
                    wire::store(t, &mut bytes, draft.header, base, index, 0);
                    let packet = Rc::new(bytes.clone());
                    let sum = self.covered(&packet, &places[..=at], index)?;
                    let sum = self.as_stored(draft.header, !sum);
                    wire::store(t, &mut bytes, draft.header, base, index, u128::from(sum));
                }
            }
        }
        Ok(bytes)
    }

    /// A checksum as it is stored: a UDP checksum of zero would mean that there is none (RFC 768).
    fn as_stored(&self, header: HeaderId, sum: u16) -> u16 {
        if sum == 0 && self.header_name(header) == "Udp" {
            0xffff
        } else {
            sum
        }
    }

    /// The sum over what a checksum field of the last of these headers covers, the field itself included.
    pub(crate) fn covered(
        &mut self,
        packet: &Rc<Vec<u8>>,
        places: &[(HeaderId, usize)],
        field: u32,
    ) -> Eval<u16> {
        let t = self.t;
        let Some((&(header, base), around)) = places.split_last() else {
            return stop("a checksum needs a header");
        };
        let end = self.end_of_header(packet, header, base)?.min(packet.len());
        let until = self.body_end(packet, places).max(end);
        Ok(match t.headers[header].fields[field as usize].derived {
            Some(Derived::ChecksumOf) => wire::sum(&[&packet[base..end]]),
            Some(Derived::ChecksumWithPseudoHeader) => {
                let pseudo = self.pseudo_header(packet, around, header, until - base);
                wire::sum(&[&pseudo, &packet[base..until]])
            }
            _ => wire::sum(&[&packet[base..until]]),
        })
    }

    /// The addresses of the nearest header that has some, the protocol and the length. Since only the
    /// sum counts, the order does not.
    fn pseudo_header(
        &mut self,
        packet: &Rc<Vec<u8>>,
        around: &[(HeaderId, usize)],
        header: HeaderId,
        length: usize,
    ) -> Vec<u8> {
        let t = self.t;
        let is_address = |ty| matches!(t.types.kind(ty), TyKind::Ip4 | TyKind::Ip6);
        let nearest = around.iter().rev().find(|(h, _)| {
            let fields = &t.headers[*h].fields;
            fields.iter().any(|f| is_address(f.ty))
        });
        let Some(&(ip, base)) = nearest else {
            return Vec::new();
        };
        let mut pseudo = Vec::new();
        for field in t.headers[ip].fields.iter().filter(|f| is_address(f.ty)) {
            let at = base + (field.bit_offset / 8) as usize;
            pseudo.extend_from_slice(&packet[at..at + (field.bits / 8) as usize]);
        }
        let edges = t.headers[header].edges.clone();
        let number = edges
            .iter()
            .filter(|e| e.parent == Some(ip))
            .find_map(|e| e.when.and_then(|when| self.equation(when)))
            .map_or(0, |(_, number)| number);
        pseudo.extend_from_slice(&(length as u32).to_be_bytes());
        pseudo.extend_from_slice(&(number as u32).to_be_bytes());
        pseudo
    }

    /// The name of a header.
    pub(crate) fn header_name(&self, header: HeaderId) -> &str {
        let name = self.t.headers[header].name;
        self.sound.program().names.text(name)
    }

    /// Whether every checksum of a packet fits what it covers.
    pub(crate) fn checksums_are_good(&mut self, packet: &Packet) -> Eval<bool> {
        let (bytes, layer) = self.bytes(packet)?;
        let (places, _) = self.parse(&bytes, layer);
        for at in 0..places.len() {
            let (header, base) = places[at];
            for (index, field) in self.t.headers[header].fields.iter().enumerate() {
                if !field.derived.is_some_and(is_checksum) {
                    continue;
                }
                let index = index as u32;
                let stored = wire::load(self.t, &bytes, header, base, index);
                let absent = stored == Some(Value::Int(0)) && self.header_name(header) == "Udp";
                if !absent && self.covered(&bytes, &places[..=at], index)? != 0xffff {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

fn is_checksum(derived: Derived) -> bool {
    !matches!(derived, Derived::LengthFrom | Derived::LengthAfter)
}
