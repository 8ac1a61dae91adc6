//! Where an answer differs from what is expected.
//!
//! In: two answers. Out: the first difference. Guaranteed: what the engine leaves out is not compared, but for the verdict
//! and the bytes; where the run has no verdict, `Drop` with the reason of a fault is as good as saying which.

use std::fmt;

use nfl_abi::image::{REASON_FAULT, VerdictKind};

use super::vector::{Answer, Answered, Hex, Stop};

/// A difference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The run, counted from 0; none when it is about what is left after all of them.
    pub run: Option<usize>,
    /// What differs, as a sentence.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.run {
            Some(run) => write!(f, "run {run}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// The first difference of an engine's answer.
pub fn difference(expected: &Answered, got: &Answered) -> Option<Difference> {
    for (run, answer) in expected.runs.iter().enumerate() {
        let what = match got.runs.get(run) {
            Some(got) => of_run(answer, got),
            None => Some("the engine has no answer".to_string()),
        };
        if let Some(what) = what {
            let run = Some(run);
            return Some(Difference { run, what });
        }
    }
    let whole = |what| Some(Difference { run: None, what });
    if got.runs.len() > expected.runs.len() {
        return whole(format!(
            "{} runs are answered, and there are {}",
            got.runs.len(),
            expected.runs.len()
        ));
    }
    let (Some(expected), Some(got)) = (&expected.state, &got.state) else {
        return None;
    };
    for kept in expected {
        let found = got.iter().find(|other| other.resource == kept.resource);
        if found != Some(kept) {
            return whole(format!(
                "the state of `{}` is {}, not {}",
                kept.resource,
                shown(&found),
                shown(&Some(kept))
            ));
        }
    }
    None
}

fn shown(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn of_run(expected: &Answer, got: &Answer) -> Option<String> {
    if let Some(stop) = &expected.fault {
        return of_fault(stop, got);
    }
    if let Some(stop) = &got.fault {
        let at = stop.pc.map_or(String::new(), |pc| format!(" at {pc:#06x}"));
        return Some(format!("the engine stops with `{}`{at}", stop.kind));
    }
    let Some(must) = expected.verdict else {
        return Some("the vector expects nothing".to_string());
    };
    let Some(is) = got.verdict else {
        return Some("the engine has no verdict".to_string());
    };
    if is[0] != must[0] || takes_operand(must[0]) && is[1] != must[1] {
        return Some(format!(
            "the verdict is {}, not {}",
            verdict(is),
            verdict(must)
        ));
    }
    for (name, must, is) in [
        ("packet", &expected.packet, &got.packet),
        ("`carried` area", &expected.carried, &got.carried),
    ] {
        if let Some(what) = must
            .as_ref()
            .and_then(|must| bytes(name, must, is.as_ref()))
        {
            return Some(what);
        }
    }
    if let (Some(must), Some(is)) = (&expected.calls, &got.calls)
        && must != is
    {
        let at = must.iter().zip(is).position(|(must, is)| must != is);
        let at = at.unwrap_or(must.len().min(is.len()));
        return Some(format!(
            "call {at} is {}, not {}",
            shown(&is.get(at)),
            shown(&must.get(at))
        ));
    }
    if let (Some(must), Some(is)) = (&expected.told, &got.told)
        && must != is
    {
        return Some(format!("it did {} beside, not {}", shown(is), shown(must)));
    }
    match (expected.steps, got.steps) {
        (Some(must), Some(is)) if must != is => Some(format!("it took {is} steps, not {must}")),
        _ => None,
    }
}

fn of_fault(expected: &Stop, got: &Answer) -> Option<String> {
    let dropped: [u32; 2] = [VerdictKind::Drop.number().into(), REASON_FAULT.into()];
    match (&got.fault, got.verdict) {
        (Some(stop), _) if !stop.kind.is_empty() && stop.kind != expected.kind => Some(format!(
            "the engine stops with `{}`, not `{}`",
            stop.kind, expected.kind
        )),
        (Some(Stop { pc: Some(is), .. }), _) if expected.pc.is_some_and(|must| must != *is) => {
            let must = expected.pc.unwrap_or(0);
            Some(format!("the engine stops at {is:#06x}, not {must:#06x}"))
        }
        (Some(_), _) => None,
        (None, Some(verdict)) if verdict == dropped => None,
        (None, is) => Some(format!(
            "the verdict is {}, and the run breaks a rule (`{}`)",
            is.map_or("missing".to_string(), verdict),
            expected.kind
        )),
    }
}

fn takes_operand(kind: u32) -> bool {
    let kind = u8::try_from(kind).ok().and_then(VerdictKind::from_number);
    !matches!(
        kind,
        Some(VerdictKind::Pass | VerdictKind::Reply | VerdictKind::Recirculate)
    )
}

fn verdict([kind, operand]: [u32; 2]) -> String {
    let known = u8::try_from(kind).ok().and_then(VerdictKind::from_number);
    match known {
        Some(known) if takes_operand(kind) => format!("{}({operand})", known.text()),
        Some(known) => known.text().to_string(),
        None => format!("{kind} ({operand})"),
    }
}

fn bytes(name: &str, Hex(must): &Hex, is: Option<&Hex>) -> Option<String> {
    let Some(Hex(is)) = is else {
        return Some(format!("the engine says nothing of the {name}"));
    };
    if is == must {
        return None;
    }
    let at = must.iter().zip(is).position(|(must, is)| must != is);
    Some(match at {
        Some(at) => format!(
            "byte {at} of the {name} is {:02x}, not {:02x}",
            is[at], must[at]
        ),
        None => format!("the {name} has {} bytes, not {}", is.len(), must.len()),
    })
}
