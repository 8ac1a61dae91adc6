//! Times: the clock's, and how people read them.

use std::time::{SystemTime, UNIX_EPOCH};

use nfl::abi::codes;

use crate::failure::Failure;

/// The time in seconds since 1970, as told or as the clock says.
pub(crate) fn now(told: Option<u64>) -> Result<u64, Failure> {
    match told {
        Some(now_s) => Ok(now_s),
        None => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map(|since| since.as_secs())
            .map_err(|_| Failure::usage(&codes::E900, "the clock is before 1970; use --now")),
    }
}

/// `2026-11-20 10:26:11 UTC (1795170371)`, by the Gregorian calendar.
pub(crate) fn show(time_s: u64) -> String {
    let (days, second) = (time_s / 86_400, time_s % 86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    // Years begin in March here, so that a leap day is the last of its year.
    let since_march = days + 719_468;
    let (era, day) = (since_march / 146_097, since_march % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = year + era * 400 + u64::from(month >= 10);
    let month = if month < 10 { month + 3 } else { month - 9 };
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC ({time_s})")
}

#[cfg(test)]
mod tests {
    use super::show;

    #[test]
    fn days_of_the_calendar() {
        for (time_s, text) in [
            (0, "1970-01-01 00:00:00 UTC (0)"),
            (951_782_399, "2000-02-28 23:59:59 UTC (951782399)"),
            (951_782_400, "2000-02-29 00:00:00 UTC (951782400)"),
            (951_868_800, "2000-03-01 00:00:00 UTC (951868800)"),
            (1_795_170_371, "2026-11-20 10:26:11 UTC (1795170371)"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC (4107542400)"),
        ] {
            assert_eq!(show(time_s), text);
        }
    }
}
