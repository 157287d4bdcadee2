//! What a refusal for too many requests must say about coming back. Never knows when the window really frees a place.

use crate::evidence::Exchange;

/// The seconds that a refusal states, if it states them as the contract demands:
/// one `Retry-After` of whole seconds from 1 to the period, equal to `details.retry_after_seconds`.
///
/// # Errors
/// What is wrong with it, for a finding.
pub fn stated(refusal: &Exchange, period_seconds: u64) -> Result<u64, String> {
    let headers = refusal.header_all("retry-after");
    let [header] = headers[..] else {
        return Err(format!("{} Retry-After headers", headers.len()));
    };
    let seconds = whole_seconds(header)
        .ok_or_else(|| format!("Retry-After `{header}`, which is no whole number of seconds"))?;
    if !(1..=period_seconds).contains(&seconds) {
        return Err(format!("Retry-After {seconds}"));
    }
    let detail = refusal.at("/error/details/retry_after_seconds");
    if detail.as_ref().and_then(serde_json::Value::as_u64) == Some(seconds) {
        Ok(seconds)
    } else {
        let detail = detail.map_or("nothing".to_owned(), |value| value.to_string());
        Err(format!(
            "Retry-After {seconds}, but {detail} in details.retry_after_seconds"
        ))
    }
}

/// A header's value as whole seconds: digits and nothing else.
#[must_use]
pub fn whole_seconds(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::SentRequest;
    use std::time::Duration;

    fn refusal(headers: &[&str], detail: &str) -> Exchange {
        Exchange {
            number: 1,
            request: SentRequest {
                method: "GET".into(),
                base: "http://127.0.0.1".into(),
                path: "/".into(),
                host: "h".into(),
                headers: Vec::new(),
                body: String::new(),
                body_len: 0,
                whole: None,
            },
            status: 429,
            headers: headers
                .iter()
                .map(|value| ("retry-after".to_owned(), (*value).to_owned()))
                .collect(),
            body: format!(r#"{{"error":{{"details":{{"retry_after_seconds":{detail}}}}}}}"#).into(),
            body_len: 0,
            sent_at: crate::clock::now(),
            sent_at_ms: 0,
            connected_after: None,
            head_after: Duration::ZERO,
            done_after: Duration::ZERO,
            reading: None,
            told_later: None,
        }
    }

    #[test]
    fn whole_seconds_within_the_period_are_taken() {
        for seconds in [1, 30, 60] {
            let text = seconds.to_string();
            assert_eq!(stated(&refusal(&[&text], &text), 60), Ok(seconds));
        }
    }

    #[test]
    fn anything_else_is_told() {
        for (headers, detail) in [
            (&[][..], "5"),
            (&["5", "5"], "5"),
            (&["0"], "0"),
            (&["61"], "61"),
            (&["1.5"], "1.5"),
            (&["+5"], "5"),
            (&["-1"], "-1"),
            (&["Sun, 22 Nov 2026 09:00:00 GMT"], "5"),
            (&["5"], "4"),
            (&["5"], "\"5\""),
            (&["5"], "null"),
        ] {
            assert!(
                stated(&refusal(headers, detail), 60).is_err(),
                "{headers:?} {detail}"
            );
        }
    }
}
