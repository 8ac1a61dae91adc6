//! The parse graph of headers as a picture.
//!
//! In: which header follows which. Out: an SVG. Each header stands one layer below the lowest of
//! those it follows; edges that would go up or within a layer, such as those of tunnels, are drawn
//! dashed at the side and do not count for layers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::page::escape;

const CELL_WIDTH: usize = 120;
const CELL_HEIGHT: usize = 72;
const BOX_WIDTH: usize = 96;
const BOX_HEIGHT: usize = 28;

/// An edge: the header before, the header behind, and when.
pub(super) type Edge = (String, String, String);

/// The picture; nothing when there are no edges. `link` gives the address of a header's text.
pub(super) fn svg(edges: &BTreeSet<Edge>, link: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    if edges.is_empty() {
        return None;
    }
    let layers = layers(edges);
    let places = places(&layers);
    let columns = layers.iter().map(Vec::len).max().unwrap_or(1);
    let (width, height) = (columns * CELL_WIDTH + 40, layers.len() * CELL_HEIGHT + 8);
    let mut svg = format!(
        "<svg class=\"graph\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"parse graph\">\n<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" \
         refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n"
    );
    for (parent, child, when) in edges {
        let (from, to) = (places[parent], places[child]);
        let title = format!("{child} follows {parent}");
        let title = match when.is_empty() {
            true => title,
            false => format!("{title} when {when}"),
        };
        let path = path(from, to);
        let dashed = if to.1 > from.1 { "" } else { " class=\"back\"" };
        let _ = writeln!(
            svg,
            "<path d=\"{path}\"{dashed} marker-end=\"url(#tip)\"><title>{}</title></path>",
            escape(&title)
        );
    }
    for (name, &(x, y)) in &places {
        let shape = format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"4\"/>\
             <text x=\"{}\" y=\"{}\">{}</text>",
            x + BOX_WIDTH / 2,
            y + BOX_HEIGHT / 2 + 5,
            escape(name)
        );
        let _ = match link(name) {
            Some(address) => writeln!(svg, "<a href=\"{}\">{shape}</a>", escape(&address)),
            None => writeln!(svg, "{shape}"),
        };
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// The headers of each layer, by name.
fn layers(edges: &BTreeSet<Edge>) -> Vec<Vec<String>> {
    let mut behind: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut starts: BTreeSet<&str> = BTreeSet::new();
    for (parent, child, _) in edges {
        behind.entry(parent).or_default().insert(child);
        starts.insert(parent);
    }
    for (parent, child, _) in edges.iter().filter(|(parent, child, _)| parent != child) {
        // The packet itself is where everything begins, whatever leads back.
        if parent != START {
            starts.remove(child.as_str());
        }
    }
    if behind.contains_key(START) {
        starts = BTreeSet::from([START]);
    }
    // Edges that lead back to where a walk in depth comes from do not count.
    let mut walk = Walk {
        behind: &behind,
        open: BTreeSet::new(),
        done: Vec::new(),
        seen: BTreeSet::new(),
        forward: Vec::new(),
    };
    let all: Vec<&str> = behind.keys().copied().collect();
    for name in starts.into_iter().chain(all) {
        walk.visit(name);
    }
    let mut layer: BTreeMap<&str, usize> = BTreeMap::new();
    for name in walk.done.iter().rev() {
        let own = *layer.entry(name).or_insert(0);
        for (_, child) in walk.forward.iter().filter(|(parent, _)| parent == name) {
            let below = layer.entry(child).or_insert(0);
            *below = (*below).max(own + 1);
        }
    }
    let count = layer.values().max().map_or(0, |most| most + 1);
    let mut layers = vec![Vec::new(); count];
    for (name, at) in layer {
        layers[at].push(name.to_string());
    }
    layers
}

/// What stands for the packet in `follows`.
const START: &str = "Packet";

/// A walk in depth.
struct Walk<'e> {
    behind: &'e BTreeMap<&'e str, BTreeSet<&'e str>>,
    open: BTreeSet<&'e str>,
    seen: BTreeSet<&'e str>,
    /// Headers, each behind all that it leads to.
    done: Vec<&'e str>,
    /// Edges that lead on.
    forward: Vec<(&'e str, &'e str)>,
}

impl<'e> Walk<'e> {
    fn visit(&mut self, name: &'e str) {
        if !self.seen.insert(name) {
            return;
        }
        self.open.insert(name);
        for &child in self.behind.get(name).into_iter().flatten() {
            if !self.open.contains(child) {
                self.forward.push((name, child));
                self.visit(child);
            }
        }
        self.open.remove(name);
        self.done.push(name);
    }
}

/// The upper left corner of each box.
fn places(layers: &[Vec<String>]) -> BTreeMap<String, (usize, usize)> {
    let columns = layers.iter().map(Vec::len).max().unwrap_or(1);
    let mut places = BTreeMap::new();
    for (row, names) in layers.iter().enumerate() {
        let left = (columns - names.len()) * CELL_WIDTH / 2;
        for (column, name) in names.iter().enumerate() {
            let x = left + column * CELL_WIDTH + (CELL_WIDTH - BOX_WIDTH) / 2;
            places.insert(name.clone(), (x, row * CELL_HEIGHT + 4));
        }
    }
    places
}

/// A line from the lower edge of one box to the upper edge of the other, or around the side.
fn path((x1, y1): (usize, usize), (x2, y2): (usize, usize)) -> String {
    if y2 > y1 {
        let (x1, y1) = (x1 + BOX_WIDTH / 2, y1 + BOX_HEIGHT);
        let x2 = x2 + BOX_WIDTH / 2;
        let middle = y1.midpoint(y2);
        return format!("M{x1} {y1}C{x1} {middle} {x2} {middle} {x2} {y2}");
    }
    let (x1, x2) = (x1 + BOX_WIDTH, x2 + BOX_WIDTH);
    let side = x1.max(x2) + 22;
    let (low, high) = (y1 + BOX_HEIGHT - 8, y2 + 8);
    format!("M{x1} {low}C{side} {low} {side} {high} {x2} {high}")
}
