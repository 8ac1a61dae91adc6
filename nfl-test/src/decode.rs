//! A packet as a tree: its headers with their fields, and the rest in hexadecimal.

use std::fmt::Write as _;
use std::rc::Rc;

use nfl_abi::Layer;

use crate::run::Run;
use crate::wire;

/// Bytes in one row of a dump.
const ROW: usize = 16;
/// Bytes of a payload that are shown.
const SHOWN_MAX: usize = 256;

impl Run<'_> {
    /// The lines of a packet's tree.
    pub(crate) fn tree(&mut self, bytes: &Rc<Vec<u8>>, layer: Layer) -> Vec<String> {
        let (headers, end) = self.parse(bytes, layer);
        let mut lines = Vec::new();
        for (header, base) in headers {
            let rows = &self.t.headers[header].fields;
            let mut line = self.header_name(header).to_string();
            let mut behind = Vec::new();
            for (index, field) in rows.iter().enumerate() {
                let name = self.sound.program().names.text(field.name);
                if field.len.is_some() {
                    behind.push(name);
                    continue;
                }
                let Some(value) = wire::load(self.t, bytes, header, base, index as u32) else {
                    continue;
                };
                let text = self.show(&value, field.ty);
                // Zero flags and fields say nothing.
                if !matches!(text.as_str(), "0" | "false") {
                    let _ = write!(line, " {name}={text}");
                }
            }
            let fixed = base + self.t.headers[header].fixed_bytes as usize;
            lines.push(line);
            let until = self.end_of_header(bytes, header, base).unwrap_or(fixed);
            if until > fixed
                && let Some(name) = behind.first()
            {
                lines.push(format!("  {name}:"));
                lines.extend(dump(&bytes[fixed..until.min(bytes.len())], fixed));
            }
        }
        if end < bytes.len() {
            let rest = bytes.len() - end;
            lines.push(format!("{rest} byte{}", if rest == 1 { "" } else { "s" }));
            lines.extend(dump(&bytes[end..], end));
        }
        lines
    }
}

/// Bytes in rows, with their offset in the packet and as text.
fn dump(bytes: &[u8], offset: usize) -> Vec<String> {
    let shown = &bytes[..bytes.len().min(SHOWN_MAX)];
    let mut lines = Vec::new();
    for (at, row) in shown.chunks(ROW).enumerate() {
        let hex: Vec<String> = row.iter().map(|b| format!("{b:02x}")).collect();
        let text: String = row
            .iter()
            .map(|&b| {
                if (0x20..0x7f).contains(&b) {
                    b as char
                } else {
                    '.'
                }
            })
            .collect();
        let width = ROW * 3 - 1;
        lines.push(format!(
            "  {:04x}  {:width$}  {text}",
            offset + at * ROW,
            hex.join(" ")
        ));
    }
    if bytes.len() > shown.len() {
        lines.push(format!("  … {} more", bytes.len() - shown.len()));
    }
    lines
}
