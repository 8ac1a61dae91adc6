//! Values as the source would spell them, and what a failing assertion says.

use nfl_abi::codes;
use nfl_syntax::ast::{BinOp, ExprId, ExprKind, UnOp};
use nfl_typeck::tables::RecordId;
use nfl_typeck::ty::{Ty, TyKind};
use nfl_vm::FlowTuple;
use std::cmp::Reverse;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::report::{Failure, Part};
use crate::run::Run;
use crate::value::{Operand, Value};

impl Run<'_> {
    /// The failure of an assertion, with the values that were noted on the way.
    pub(crate) fn broken(
        &mut self,
        cond: ExprId,
        why: Option<String>,
        trace: &[(ExprId, Value)],
    ) -> Failure {
        let span = self.ast.exprs[cond].span;
        let mut failure = Failure::new(&codes::E920, codes::E920.title, span);
        failure.why = why;
        let source = self.sound.program();
        // As the source reads: from the left to the right, and the whole before its parts.
        let place = |e: ExprId| {
            let span = self.ast.exprs[e].span;
            (span.start, Reverse(span.end))
        };
        let mut noted: Vec<&(ExprId, Value)> = trace.iter().collect();
        noted.retain(|(e, _)| self.is_worth_showing(*e));
        noted.sort_by_key(|(e, _)| place(*e));
        for (e, value) in noted {
            let text = source.sources.text(self.ast.exprs[*e].span);
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let packet = match value {
                Value::Packet(packet) => Some((text.clone(), packet)),
                Value::Outcome(outcome) => Some((format!("{text}.packet"), &outcome.packet)),
                Value::Mirror(mirror) => Some((format!("{text}.packet"), &mirror.packet)),
                _ => None,
            };
            if let Some((name, packet)) = packet {
                if !failure.packets.iter().any(|(n, _)| *n == name)
                    && let Ok((bytes, layer)) = self.bytes(packet)
                {
                    let tree = self.tree(&bytes, layer);
                    failure.packets.push((name, tree));
                }
                continue;
            }
            if failure.parts.iter().any(|part| part.source == text) {
                continue;
            }
            let value = self.show(value, self.t.expr_ty[*e]);
            failure.parts.push(Part {
                source: text,
                value,
            });
        }
        failure
    }

    /// Whether an expression is more than a literal, a name for one, or a connective.
    fn is_worth_showing(&self, e: ExprId) -> bool {
        let kind = &self.ast.exprs[e].kind;
        let literal = matches!(
            kind,
            ExprKind::Lit(_)
                | ExprKind::Const(_)
                | ExprKind::Paren(_)
                | ExprKind::Type(_)
                | ExprKind::StaticField { .. }
        );
        let connective = matches!(
            kind,
            ExprKind::Binary {
                op: BinOp::And | BinOp::Or,
                ..
            } | ExprKind::Unary { op: UnOp::Not, .. }
        );
        let built = matches!(kind, ExprKind::Construct { .. }) && self.t.konst[e].is_some();
        let quiet = matches!(
            self.t.types.kind(self.t.expr_ty[e]),
            TyKind::Instance(_) | TyKind::Resource(_) | TyKind::View(_)
        );
        !(literal || connective || built || quiet)
    }

    /// A value of a type as the source would spell it.
    pub(crate) fn show(&self, value: &Value, ty: Ty) -> String {
        let names = &self.sound.program().names;
        match value {
            Value::Void => "nothing".to_string(),
            Value::Bool(b) => b.to_string(),
            Value::Int(n) => self.show_int(*n, ty),
            Value::Ip6(n) => Ipv6Addr::from(*n).to_string(),
            Value::Prefix4(a, len) => format!("{}/{len}", Ipv4Addr::from(*a)),
            Value::Prefix6(a, len) => format!("{}/{len}", Ipv6Addr::from(*a)),
            Value::Text(text) => format!("\"{}\"", text.escape_ascii()),
            Value::Array(items) => {
                let elem = match self.t.types.kind(ty) {
                    TyKind::Array(elem, _) => elem,
                    _ => Ty::default(),
                };
                let items: Vec<String> = items.iter().map(|i| self.show(i, elem)).collect();
                format!("{{{}}}", items.join(", "))
            }
            Value::Reason(id) => self.t.reasons[*id].name.clone(),
            Value::Verdict(kind, operand) => match operand {
                Operand::None => kind.text().to_string(),
                Operand::Number(n) => {
                    let of = match kind {
                        nfl_abi::image::VerdictKind::Forward => "Port",
                        nfl_abi::image::VerdictKind::Multicast => "Group",
                        _ => "NodeId",
                    };
                    format!("{}({of}({n}))", kind.text())
                }
                Operand::Reason(Some(reason)) => format!("{}({reason})", kind.text()),
                Operand::Reason(None) => kind.text().to_string(),
            },
            Value::Layer(layer) => layer.text().to_string(),
            Value::Word => "?".to_string(),
            Value::Packet(packet) => match &packet.content {
                crate::value::Content::Bytes(bytes, _) => {
                    format!("a packet of {} bytes", bytes.len())
                }
                crate::value::Content::Parts(parts) => format!("a packet of {} parts", parts.len()),
            },
            Value::View(view) | Value::Body(view) => {
                names.text(self.t.headers[view.header].name).to_string()
            }
            Value::Instance { at, .. } => {
                let function = self.instances[*at].function;
                names.text(self.t.functions[function].name).to_string()
            }
            Value::Outcome(_) => "an outcome".to_string(),
            Value::Mirrors(outcome) => match outcome.mirrors.len() {
                1 => "1 mirrored packet".to_string(),
                n => format!("{n} mirrored packets"),
            },
            Value::Mirror(_) => "a mirrored packet".to_string(),
            Value::Record(id, items) => self.show_record(*id, items),
            Value::Resource(named) => names.text(self.t.resources[named.id].name).to_string(),
            Value::Rule(_) => "a rule".to_string(),
            Value::Bytes(slice) => {
                let bytes = slice.packet.get(slice.start..slice.end).unwrap_or(&[]);
                format!("\"{}\"", bytes.escape_ascii())
            }
            Value::Cursor(cursor) => format!("a cursor at byte {}", cursor.at.get()),
            Value::Flow(flow) => self.show_flow(flow),
        }
    }

    fn show_record(&self, id: RecordId, items: &[Value]) -> String {
        let record = &self.t.records[id];
        let name = self.sound.program().names.text(record.name);
        if items.is_empty() {
            return name.to_string();
        }
        let components = record.components.iter();
        let items = components.zip(items).map(|(c, item)| self.show(item, c.ty));
        format!("{name}({})", items.collect::<Vec<_>>().join(", "))
    }

    fn show_flow(&self, flow: &FlowTuple) -> String {
        let address = |bytes: &[u8]| match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes))
        {
            (Ok(four), _) => Ipv4Addr::from(four).to_string(),
            (_, Ok(sixteen)) => format!("[{}]", Ipv6Addr::from(sixteen)),
            _ => "?".to_string(),
        };
        format!(
            "{}:{} -> {}:{} protocol {}",
            address(flow.source()),
            flow.source_port,
            address(flow.destination()),
            flow.destination_port,
            flow.protocol
        )
    }

    fn show_int(&self, n: i128, ty: Ty) -> String {
        match self.t.types.kind(ty) {
            TyKind::Ip4 => Ipv4Addr::from(n as u32).to_string(),
            TyKind::Mac => {
                let bytes = (n as u64).to_be_bytes();
                let bytes: Vec<String> = bytes[2..].iter().map(|b| format!("{b:02x}")).collect();
                bytes.join(":")
            }
            TyKind::Port => format!("Port({n})"),
            TyKind::Group => format!("Group({n})"),
            TyKind::NodeId => format!("NodeId({n})"),
            TyKind::Size => format!("{n}B"),
            TyKind::Rate => format!("{n}bps"),
            TyKind::Duration | TyKind::Instant => show_time(n),
            TyKind::Enum(id, _) => {
                let consts = self.t.enums[id].consts.iter();
                let name = consts.clone().find(|(_, number)| *number == n);
                match name {
                    Some((name, _)) => self.sound.program().names.text(*name).to_string(),
                    None => n.to_string(),
                }
            }
            _ => n.to_string(),
        }
    }
}

/// A length of time in the largest unit that gives a whole number.
fn show_time(ns: i128) -> String {
    const UNITS: &[(i128, &str)] = &[
        (3_600_000_000_000, "h"),
        (60_000_000_000, "min"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
    ];
    let unit = UNITS.iter().find(|(n, _)| ns != 0 && ns % n == 0);
    match unit {
        Some((n, unit)) => format!("{}{unit}", ns / n),
        None => format!("{ns}ns"),
    }
}
