//! From when to when.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The records that a report is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// From this moment on; `None` from the first record on.
    pub(super) from: Option<Timestamp>,
    /// To this moment.
    pub(super) until: Timestamp,
    /// Whether records after it are left out. Where nobody said so, those of nodes whose clock is fast are in it.
    pub(super) is_closed: bool,
}

/// What is no moment.
#[derive(Debug, thiserror::Error)]
#[error(
    "`--{option} {said}` is neither a time ago (`12h`, `7d`), nor a day (`2023-03-20`), nor a moment (`2023-03-20T12:00:00Z`)"
)]
pub(super) struct NoMoment {
    option: &'static str,
    said: String,
}

// === impl Window ===

impl Window {
    /// As the options say, as of `now`.
    ///
    /// # Errors
    ///
    /// When one of them is no moment.
    pub(super) fn new(since: Option<&str>, until: Option<&str>, now: Timestamp) -> Result<Self, NoMoment> {
        let read =
            |option, said: &str, as_of| moment(said, as_of).ok_or_else(|| NoMoment { option, said: said.to_owned() });
        let end = until.map(|said| read("until", said, now)).transpose()?;
        let until = end.unwrap_or(now);
        let from = since.map(|said| read("since", said, until)).transpose()?;
        Ok(Self { from, until, is_closed: end.is_some() })
    }

    /// The last `days`.
    pub(super) fn of_days(self, days: u16) -> Self {
        let from = self.until.checked_sub(SignedDuration::from_hours(i64::from(days).saturating_mul(24)));
        Self { from: Some(from.unwrap_or(Timestamp::MIN)), ..self }
    }

    /// Whether a record of that time is one of them.
    pub(super) fn holds(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= time) && (!self.is_closed || time <= self.until)
    }
}

fn moment(said: &str, as_of: Timestamp) -> Option<Timestamp> {
    if let Ok(day) = said.parse::<Date>()
        && said.len() == "2023-03-20".len()
    {
        return TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok();
    }
    let unit = said.chars().next_back()?;
    let minutes = match unit {
        'm' => 1,
        'h' => 60,
        'd' => 24 * 60,
        'w' => 7 * 24 * 60,
        _ => return said.parse().ok(),
    };
    let number: i64 =
        said.strip_suffix(unit).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
    as_of.checked_sub(SignedDuration::from_mins(number.checked_mul(minutes)?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_said_in_three_ways() {
        let now: Timestamp = "2023-03-20T12:00:00Z".parse().unwrap();
        for (said, expected) in [
            ("7d", "2023-03-13T12:00:00Z"),
            ("90m", "2023-03-20T10:30:00Z"),
            ("2w", "2023-03-06T12:00:00Z"),
            ("2023-03-01", "2023-03-01T00:00:00Z"),
            ("2023-03-01T01:00:00+01:00", "2023-03-01T00:00:00Z"),
        ] {
            assert_eq!(moment(said, now), expected.parse().ok(), "{said}");
        }
        for said in ["", "d", "-7d", "+7d", "7", "7 d", "yesterday", "9223372036854775807d", "2023-02-30", "é"] {
            assert_eq!(moment(said, now), None, "{said}");
        }
    }

    #[test]
    fn a_time_ago_is_before_the_end_that_was_said() {
        let now: Timestamp = "2023-03-20T12:00:00Z".parse().unwrap();
        let window = Window::new(Some("1d"), Some("2023-03-10"), now).unwrap();
        assert_eq!(window.from, "2023-03-09T00:00:00Z".parse().ok());
        assert!(!window.holds(now));
        assert!(Window::new(None, None, now).unwrap().holds("2030-01-01T00:00:00Z".parse().unwrap()));
    }
}
