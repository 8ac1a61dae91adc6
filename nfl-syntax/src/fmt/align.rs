//! Columns: the names of plain header fields, and comments at the ends of lines.
//!
//! In: lines without their line breaks. Out: the text. Guaranteed: aligning aligned lines changes
//! nothing.

/// A line of the result.
#[derive(Clone, Default, Debug)]
pub(super) struct Line {
    /// A blank line stands before it.
    pub(super) blank: bool,
    /// What stands on it, with its indentation.
    pub(super) code: String,
    /// A comment at its end.
    pub(super) comment: Option<Trailing>,
    /// For a plain field: the header, and the byte at which the name begins.
    pub(super) field: Option<(usize, usize)>,
    /// What stands on it goes over several lines.
    pub(super) tall: bool,
}

/// A comment at the end of a line.
#[derive(Clone, Debug)]
pub(super) struct Trailing {
    pub(super) text: String,
    /// How many blanks stood before it.
    pub(super) gap: usize,
    /// The column in which it stood.
    pub(super) column: usize,
}

/// The least distance of a comment from what it is about.
const GAP_COLUMNS: usize = 1;

/// The text of the lines.
pub(super) fn text(mut lines: Vec<Line>) -> String {
    align_fields(&mut lines);
    align_comments(&mut lines);
    let mut text = String::new();
    for line in &lines {
        if line.blank {
            text.push('\n');
        }
        text.push_str(&line.code);
        if let Some(comment) = &line.comment {
            if !line.code.is_empty() {
                text.extend(std::iter::repeat_n(' ', comment.gap));
            }
            text.push_str(&comment.text);
        }
        text.push('\n');
    }
    text
}

/// Puts the names of the plain fields of a header in one column, up to a blank line.
fn align_fields(lines: &mut [Line]) {
    let mut start = 0;
    while start < lines.len() {
        let same_group = |line: &&Line| !line.blank;
        let end = start + 1 + lines[start + 1..].iter().take_while(same_group).count();
        let headers: std::collections::BTreeSet<usize> = lines[start..end]
            .iter()
            .filter_map(|line| line.field.map(|(header, _)| header))
            .collect();
        for header in headers {
            let of_header = |line: &Line| line.field.filter(|&(h, _)| h == header);
            let fields = lines[start..end].iter().filter_map(of_header);
            let column = fields.map(|(_, at)| at).max().unwrap_or(0);
            for line in &mut lines[start..end] {
                if let Some((_, at)) = of_header(line) {
                    line.code.insert_str(at, &" ".repeat(column - at));
                }
            }
        }
        start = end;
    }
}

/// Comments that stood below each other still do.
fn align_comments(lines: &mut [Line]) {
    let mut start = 0;
    while start < lines.len() {
        let column = |line: &Line| line.comment.as_ref().map(|c| c.column);
        let own = column(&lines[start]);
        let below = |line: &&Line| !line.blank && own.is_some() && column(line) == own;
        let end = start + 1 + lines[start + 1..].iter().take_while(below).count();
        let group = &mut lines[start..end];
        start = end;
        if own.is_none() || group.iter().any(|line| line.tall) {
            continue;
        }
        let width = |line: &Line| line.code.chars().count();
        let gaps = group
            .iter()
            .filter_map(|line| Some(line.comment.as_ref()?.gap));
        let least = gaps.min().unwrap_or(0).max(GAP_COLUMNS);
        let column = group.iter().map(width).max().unwrap_or(0) + least;
        for line in group {
            let gap = column - width(line);
            if let Some(comment) = &mut line.comment {
                comment.gap = gap;
            }
        }
    }
    // A comment behind the end of a comment of several lines keeps its distance.
    for comment in lines.iter_mut().filter_map(|line| line.comment.as_mut()) {
        comment.gap = comment.gap.max(GAP_COLUMNS);
    }
}
