//! The report as a chart.
//!
//! In: the rows. Out: SVG: a bar for each side of each function, on a logarithmic scale, with the spread as a line.

use std::fmt::Write as _;

use crate::SIX;
use crate::compare::{NATIVE, Row};
use crate::measure::Samples;
use crate::ours::{INTERPRETER, JIT};

const LEFT: f64 = 150.0;
const WIDTH: f64 = 620.0;
const BAR: f64 = 13.0;
const GAP: f64 = 20.0;
const TOP: f64 = 40.0;
/// The scale, in nanoseconds.
const LEAST: f64 = 0.5;
const MOST: f64 = 20_000.0;

/// The chart.
pub(crate) fn svg(rows: &[Row]) -> String {
    let mut body = String::new();
    let mut y = TOP;
    for row in rows {
        let _ = writeln!(
            body,
            r#"<text x="4" y="{:.1}" class="name">{}</text>"#,
            y + 10.0,
            row.name
        );
        for cell in &row.cells {
            let samples = if SIX.contains(&row.name) {
                &cell.net
            } else {
                &cell.gross
            };
            bar(&mut body, y, cell.side, samples);
            y += BAR;
        }
        y += GAP;
    }
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0} {y:.0}\" font-family=\"sans-serif\" font-size=\"10\">\n\
         <style>.name {{ font-weight: bold; font-size: 12px }} .axis {{ stroke: #ddd }}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"4\" y=\"14\" class=\"name\">Nanoseconds per packet, logarithmic (functions without the call, kernels with it)</text>\n",
        LEFT + WIDTH + 120.0
    );
    let mut tick = 1.0;
    while tick < MOST {
        let x = place(tick);
        let _ = writeln!(
            out,
            r##"<line x1="{x:.1}" x2="{x:.1}" y1="{:.0}" y2="{y:.0}" class="axis"/><text x="{x:.1}" y="30" text-anchor="middle">{tick}</text>"##,
            TOP - 6.0
        );
        tick *= 10.0;
    }
    out + &body + "</svg>\n"
}

fn place(ns: f64) -> f64 {
    let part = (ns.max(LEAST) / LEAST).ln() / (MOST / LEAST).ln();
    LEFT + part.min(1.0) * WIDTH
}

fn colour(side: &str) -> &'static str {
    match side {
        NATIVE => "#555555",
        JIT => "#0072b2",
        INTERPRETER => "#56b4e9",
        _ => "#e69f00",
    }
}

fn bar(out: &mut String, y: f64, side: &str, samples: &Samples) {
    let end = place(samples.median());
    let middle = y + BAR / 2.0;
    let _ = writeln!(
        out,
        r#"<rect x="{LEFT}" y="{y:.1}" width="{:.1}" height="{:.1}" fill="{}"/><line x1="{:.1}" x2="{:.1}" y1="{middle:.1}" y2="{middle:.1}" stroke="black"/><text x="{:.1}" y="{:.1}">{side} {:.1}</text>"#,
        end - LEFT,
        BAR - 2.0,
        colour(side),
        place(samples.least()),
        place(samples.most()),
        end.max(place(samples.most())) + 4.0,
        y + 9.0,
        samples.median()
    );
}
