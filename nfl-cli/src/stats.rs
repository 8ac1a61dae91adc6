//! What became of the packets of a run, counted.

use std::collections::BTreeMap;

use nfl::abi::image::{OWN_REASONS, REASON_FAULT, REASONS};
use nfl::{Entry, Image, Outcome, Profile, VerdictKind, abi::Manifest};

use crate::artifact;
use crate::table::Table;

/// Counts of a run.
#[derive(Default)]
pub(crate) struct Stats {
    verdicts: BTreeMap<(VerdictKind, Option<String>), u64>,
    skipped: u64,
    /// How many packets took so many steps.
    steps: BTreeMap<u32, u64>,
}

impl Stats {
    /// A packet that the handler was run for.
    pub(crate) fn count(&mut self, outcome: &Outcome, reason: Option<&str>) {
        let kind = outcome.verdict.kind;
        let key = (kind, reason.map(str::to_string));
        *self.verdicts.entry(key).or_default() += 1;
        if let Some(steps) = outcome.steps {
            *self.steps.entry(steps).or_default() += 1;
        }
    }

    /// A packet that the handler was not run for.
    pub(crate) fn skip(&mut self) {
        self.skipped += 1;
    }

    fn run(&self) -> u64 {
        self.verdicts.values().sum()
    }

    /// The lower median.
    fn median(&self) -> u32 {
        let counted: u64 = self.steps.values().sum();
        let middle = counted.saturating_sub(1) / 2;
        let mut seen = 0;
        let mut counts = self.steps.iter();
        let found = counts.find(|(_, count)| {
            seen += **count;
            seen > middle
        });
        found.map_or(0, |(steps, _)| *steps)
    }

    /// The report for people.
    pub(crate) fn report(&self, image: &Image, entry: &Entry, steps_max: u32) -> String {
        let packets = self.run() + self.skipped;
        let mut table = Table::new(&["verdict", "packets", "share"]);
        let share = |n: u64| match packets {
            0 => "-".to_string(),
            _ => format!("{:.1} %", n as f64 * 100.0 / packets as f64),
        };
        for ((kind, reason), &count) in &self.verdicts {
            let reason = reason
                .as_deref()
                .map_or(String::new(), |r| format!("({r})"));
            let verdict = format!("{}{reason}", kind.text());
            table.row([verdict, count.to_string(), share(count)]);
        }
        if self.skipped > 0 {
            let skipped = self.skipped;
            table.row(["Skip".to_string(), skipped.to_string(), share(skipped)]);
        }
        let head = format!(
            "{}, on {}: {packets} packets",
            artifact::title(image),
            entry.role.text()
        );
        let steps = match (self.steps.first_key_value(), self.steps.last_key_value()) {
            (Some((min, _)), Some((max, _))) => format!(
                "steps  min {min}, median {}, max {max}; proved at most {steps_max}",
                self.median()
            ),
            _ if self.run() > 0 => format!("steps  not counted; proved at most {steps_max}"),
            _ => format!("steps  no packet was run; proved at most {steps_max}"),
        };
        let bytes = format!(
            "bytes  {} of code, {} of constants, {} in all",
            image.code.len(),
            image.constants.len(),
            image.to_bytes().len()
        );
        format!("{head}\n\n{table}\n{steps}\n{bytes}\n")
    }
}

/// The reason of a verdict, where the image keeps reasons.
pub(crate) fn reason(manifest: &Manifest, outcome: &Outcome) -> Option<String> {
    let named = matches!(outcome.verdict.kind, VerdictKind::Drop | VerdictKind::Punt);
    (named && manifest.profile == Profile::Resident)
        .then(|| reason_name(manifest, outcome.verdict.operand))
}

/// The constant's name of a reason.
pub(crate) fn reason_name(manifest: &Manifest, number: u32) -> String {
    let own = u32::from(OWN_REASONS);
    let standard = REASONS.get(number as usize).map(|name| name.to_string());
    let own = number
        .checked_sub(own)
        .and_then(|n| manifest.reasons.get(n as usize).cloned());
    match standard.or(own) {
        Some(name) => name,
        None if number == u32::from(REASON_FAULT) => "FAULT".to_string(),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::Stats;
    use nfl::{Outcome, Verdict, VerdictKind};

    #[test]
    fn the_median_is_the_lower_of_two() {
        let mut stats = Stats::default();
        assert_eq!(stats.median(), 0);
        let verdict = Verdict {
            kind: VerdictKind::Pass,
            operand: 0,
        };
        for (steps, median) in [(9, 9), (3, 3), (5, 5), (5, 5), (1, 5), (1, 3)] {
            let outcome = Outcome {
                verdict,
                steps: Some(steps),
                ..Outcome::from_fault()
            };
            stats.count(&outcome, None);
            assert_eq!(stats.median(), median);
        }
    }
}
