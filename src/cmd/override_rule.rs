//! `repoint override`: something in the place of what a rule says, for a while.

use super::service::{Unanswered, address, ask};
use super::{Failure, print};
use crate::args::{Instead, Override};
use crate::daemon::admin::{Granted, Wish};
use crate::daemon::intervention::LONGEST;
use crate::exit::Exit;
use crate::output::Plain;
use crate::proxy::overrides;
use crate::runtime::Address;
use http::Method;
use jiff::{SignedDuration, Span, SpanRelativeTo};
use std::time::Duration;

/// The time makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("--for {said}: expected a time such as 2h or 30m, up to {} days", LONGEST.as_secs() / (24 * 60 * 60))]
struct NoTime {
    said: String,
}

/// Has it put there, or ended.
///
/// # Errors
///
/// When the service does not do it.
pub fn run(options: &Override) -> Result<(), Failure> {
    let seconds = match &options.time {
        Some(time) => length(time).ok_or_else(|| Failure::new(Exit::Usage, NoTime { said: time.clone() }))?.as_secs(),
        None => 0,
    };
    let instead = options.instead.map(|instead| match instead {
        Instead::Original => overrides::Instead::Original,
        Instead::Observe => overrides::Instead::Observe,
    });
    let wish = Wish { rule: options.rule.clone(), instead, seconds };
    let address = address(&options.service)?;
    let granted = grant(&address, &wish).map_err(|error| Failure::new(Exit::Failed, error))?;
    let rule = Plain(&options.rule);
    match granted.until.zip(instead) {
        Some((until, instead)) => {
            print(&format!("rule {rule}: {} until {until:.0} (repoint override {rule} --end)\n", instead.as_str()))
        }
        None => print(&format!("rule {rule} holds again\n")),
    }
}

fn grant(address: &Address, wish: &Wish) -> Result<Granted, Unanswered> {
    let answered = ask(address, Method::POST, "/override", serde_json::to_vec(wish)?)?;
    Ok(serde_json::from_str(&answered)?)
}

/// A time as people write it, at least a second long.
fn length(written: &str) -> Option<Duration> {
    let in_days = || written.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let length = written.parse::<SignedDuration>().or_else(|_no_hours| in_days()).ok()?;
    let length = Duration::try_from(length).ok()?;
    (Duration::from_secs(1)..=LONGEST).contains(&length).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_people_write_it() {
        for (written, expected) in [
            ("2h", Some(7200)),
            ("90s", Some(90)),
            ("1h 30m", Some(5400)),
            ("7d", Some(604_800)),
            ("8d", None),
            ("0s", None),
            ("-2h", None),
            ("2", None),
            ("soon", None),
        ] {
            assert_eq!(length(written).map(|length| length.as_secs()), expected, "{written}");
        }
    }
}
