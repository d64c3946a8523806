//! What is left of a call's time.
//!
//! The caller and the runtime both watch the deadline; repoint does not. It needs to know it twice: to give up waiting
//! for a runtime while somebody still listens, and to tell the runtime the truth when a question came before.
//!
//! Source: "gRPC over HTTP2": `grpc-timeout` is up to eight digits and a unit.

use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The time the caller gave; `None` without a limit, or with one that can't be read and is the runtime's to refuse.
pub fn given(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount.saturating_mul(3600)),
        "M" => Duration::from_secs(amount.saturating_mul(60)),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// Takes `spent` off the time the caller gave.
pub fn spend(headers: &mut HeaderMap, spent: Duration) {
    if let Some(given) = given(headers) {
        headers.insert(TIMEOUT, written(given.saturating_sub(spent)));
    }
}

/// The finest unit that holds it, so that as little as possible is lost.
fn written(left: Duration) -> HeaderValue {
    let fits = |amount: u128| amount < 100_000_000;
    let text = if fits(left.as_micros()) {
        format!("{}u", left.as_micros())
    } else if fits(left.as_millis()) {
        format!("{}m", left.as_millis())
    } else {
        format!("{}S", left.as_secs().min(99_999_999))
    };
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("0n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(TIMEOUT, value.parse().unwrap())])
    }

    #[test]
    fn every_unit_is_read_and_nonsense_is_no_limit() {
        for (value, expected) in [
            ("2H", Some(Duration::from_secs(7200))),
            ("3M", Some(Duration::from_secs(180))),
            ("120S", Some(Duration::from_secs(120))),
            ("1999997u", Some(Duration::from_micros(1_999_997))),
            ("99999999m", Some(Duration::from_millis(99_999_999))),
            ("5n", Some(Duration::from_nanos(5))),
            ("", None),
            ("S", None),
            ("123456789S", None),
            ("-1S", None),
            ("1s", None),
        ] {
            assert_eq!(given(&headers(value)), expected, "{value}");
        }
        assert_eq!(given(&HeaderMap::new()), None);
    }

    #[test]
    fn time_spent_is_taken_off_in_a_unit_that_holds_the_rest() {
        for (value, left) in [("2S", "1500000u"), ("1H", "3599500m"), ("90000H", "99999999S"), ("100m", "0u")] {
            let mut headers = headers(value);
            spend(&mut headers, Duration::from_millis(500));
            assert_eq!(headers[TIMEOUT], left, "{value}");
        }
        let mut none = HeaderMap::new();
        spend(&mut none, Duration::from_millis(500));
        assert!(none.is_empty());
    }
}
