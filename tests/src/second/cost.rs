//! Section 10: the longest way through the code.
//!
//! In: code, loops, and the price of each call. Out: *W* of each entry, within what it promises and the platform allows.

use std::collections::BTreeMap;

use nfl_abi::Image;
use nfl_abi::limits::ImageLimits;

use super::certificate::Loop;
use super::code::{Code, Goes};
use super::{Int, require};

/// Where a way ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// At an `ebreak`.
    Finish,
    /// Back at the head of the loop there.
    Back(Int),
}

/// The longest way to each end to which there is one.
type Ways = BTreeMap<End, Int>;

pub(super) fn bounds(
    image: &Image,
    limits: &ImageLimits,
    code: &Code,
    loops: &[Loop],
    prices: &BTreeMap<Int, Int>,
) -> Result<Vec<u32>, String> {
    let ways = all_ways(code, loops, prices);
    let mut bounds = Vec::new();
    for entry in &image.manifest.entries {
        let steps = ways[&Int::from(entry.pc)].get(&End::Finish);
        let &steps = steps.ok_or("no way leads to an end")?;
        require(steps <= Int::from(limits.steps), "more steps than allowed")?;
        require(steps <= Int::from(entry.steps), "more steps than promised")?;
        bounds.push(u32::try_from(steps).map_err(|error| error.to_string())?);
    }
    Ok(bounds)
}

fn all_ways(code: &Code, loops: &[Loop], prices: &BTreeMap<Int, Int>) -> BTreeMap<Int, Ways> {
    let mut all: BTreeMap<Int, Ways> = BTreeMap::new();
    for (&pc, line) in code.iter().rev() {
        let mut ways = Ways::new();
        if line.goes == Goes::End {
            ways.insert(End::Finish, 1);
        }
        for target in line.targets() {
            if target <= pc {
                lengthen(&mut ways, End::Back(target), 1);
                continue;
            }
            for (&end, &steps) in &all[&target] {
                lengthen(&mut ways, end, steps + 1);
            }
        }
        let price = prices.get(&pc).copied().unwrap_or(0);
        ways.values_mut().for_each(|steps| *steps += price);
        if let Some(one) = loops.iter().find(|one| one.head == pc)
            && let Some(round) = ways.remove(&End::Back(pc))
        {
            let rounds = (one.trips() - 1) * round;
            ways.values_mut().for_each(|steps| *steps += rounds);
        }
        all.insert(pc, ways);
    }
    all
}

/// The longer of the way that is known and this one.
fn lengthen(ways: &mut Ways, end: End, steps: Int) {
    let known = ways.entry(end).or_insert(steps);
    *known = steps.max(*known);
}
