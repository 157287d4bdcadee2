//! Secrets that are worth nothing, and where they turn up. Never shows one: a finding names the place.

use crate::evidence::Exchange;
use crate::observe::LogLine;
use crate::run::scene::{Scene, breach};
use crate::verdict::Check;
use regex::{Regex, RegexBuilder};
use serde_json::json;
use std::collections::BTreeSet;

/// Forms of real credentials, one after the other: what comes first, how many characters follow, and of which alphabet. A scrubber that knows
/// secrets by their looks knows some of these. Evidence: the documentation of OpenAI, Anthropic, GitHub, Slack, AWS and Cloudflare Access.
const FORMS: [(&str, usize, &str); 7] = [
    ("", 40, ALPHANUMERIC),
    ("sk-proj-", 48, ALPHANUMERIC),
    (
        "sk-ant-api03-",
        40,
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    ),
    ("ghp_", 36, ALPHANUMERIC),
    ("xoxb-", 34, "0123456789-abcdefABCDEF"),
    ("AKIA", 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    ("", 64, "0123456789abcdef"),
];
const ALPHANUMERIC: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// So many characters in a row of a secret give it away; the last four of a key may be shown to tell keys apart.
const TELLING_LEN: usize = 16;

/// A fresh secret, known to the scenario and to the whole run from now on.
pub(super) fn fresh(s: &mut Scene) -> String {
    let (begin, len, alphabet) = FORMS[own(s).len() % FORMS.len()];
    let alphabet: Vec<char> = alphabet.chars().collect();
    let any = || alphabet[fastrand::usize(..alphabet.len())];
    let rest = std::iter::repeat_with(any).take(len);
    let secret: String = begin.chars().chain(rest).collect();
    remember(s, &secret);
    secret
}

/// Remembers a secret for the scenario and for the whole run.
pub(super) fn remember(s: &mut Scene, secret: &str) {
    s.run.remember_secret(secret);
    let own = s.notes.entry("secrets".to_owned()).or_insert(json!([]));
    if let Some(list) = own.as_array_mut() {
        list.push(json!(secret));
    }
}

/// The secrets of the scenario.
pub(in crate::steps) fn own(s: &Scene) -> Vec<String> {
    s.notes
        .get("secrets")
        .and_then(|list| serde_json::from_value(list.clone()).ok())
        .unwrap_or_default()
}

/// Finds secrets, whole or a telling part of them, in any letter case.
pub(in crate::steps) struct Detector(Option<Regex>);

impl Detector {
    /// For these secrets. Of a JSON Web Token the signature is the secret: its other parts stand in many tokens.
    pub(in crate::steps) fn of(secrets: &[String]) -> Self {
        let parts: BTreeSet<String> = secrets.iter().flat_map(|secret| telling(secret)).collect();
        if parts.is_empty() {
            return Self(None);
        }
        let any = parts
            .iter()
            .map(|part| regex::escape(part))
            .collect::<Vec<_>>()
            .join("|");
        Self(
            RegexBuilder::new(&any)
                .size_limit(256 * 1024 * 1024)
                .build()
                .ok(),
        )
    }

    fn finds(&self, text: &str) -> bool {
        self.0.as_ref().is_some_and(|parts| parts.is_match(text))
    }

    /// Asserts that no line holds a secret.
    pub(super) fn check_lines(&self, s: &mut Scene, lines: &[LogLine]) -> Check {
        for line in lines {
            if self.finds(&line.text) {
                let event = line.field("event").unwrap_or_default();
                return Err(breach(
                    "no secret in the log",
                    format!("one in line {}, event `{event}`", line.number),
                ));
            }
        }
        s.checks += 1;
        Ok(())
    }

    /// Where an answer holds a secret, if it does: in its headers or in its body.
    pub(in crate::steps) fn place_in(&self, answer: &Exchange) -> Option<String> {
        let mut headers = answer.headers.iter();
        let header = headers.find(|(_, value)| self.finds(value));
        let header = header.map(|(name, _)| format!("header `{name}`"));
        header.or_else(|| self.finds(&answer.text()).then(|| "body".to_owned()))
    }

    /// Asserts that no answer holds a secret. One in an error is what ERR-004 is about, and a redirect may lead on with what was asked.
    pub(super) fn check_answers<'a>(
        &self,
        s: &mut Scene,
        answers: impl Iterator<Item = &'a Exchange>,
    ) -> Check {
        for answer in answers.filter(|answer| !(300..400).contains(&answer.status)) {
            if let Some(place) = self.place_in(answer) {
                let seen = one_in(&place, answer);
                let found = breach("no secret in an answer", seen);
                let is_error = answer.status >= 400;
                let stop = if is_error {
                    found.or_unmet("ERR-004")
                } else {
                    found
                };
                return Err(stop);
            }
        }
        s.checks += 1;
        Ok(())
    }
}

/// Where a secret was seen, without it.
pub(in crate::steps) fn one_in(place: &str, answer: &Exchange) -> String {
    let route = answer.request.path.split('?').next().unwrap_or_default();
    let (status, method) = (answer.status, &answer.request.method);
    format!("one in the {place} of the answer with status {status} to {method} {route}")
}

fn telling(secret: &str) -> Vec<String> {
    let secret = match secret.split('.').collect::<Vec<_>>()[..] {
        [header, _claims, signature] if header.starts_with("eyJ") && !signature.is_empty() => {
            signature
        }
        [header, _claims, _none] if header.starts_with("eyJ") => return Vec::new(),
        _ => secret,
    };
    if secret.len() < TELLING_LEN || !secret.is_ascii() {
        return Vec::new();
    }
    vec![
        secret[..TELLING_LEN].to_owned(),
        secret[secret.len() - TELLING_LEN..].to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(secret: &str, text: &str) -> bool {
        Detector::of(&[secret.to_owned()]).finds(text)
    }

    #[test]
    fn a_secret_is_found_whole_and_cut() {
        let secret = "abcdefghijklmnopqrstuvwxyz0123456789ABCD";
        assert!(finds(secret, &format!("token={secret}&x")));
        assert!(finds(secret, "Bearer abcdefghijklmnop..."));
        assert!(finds(secret, "...stuvwxyz0123456789ABCD"));
        assert!(!finds(secret, "...ABCD"));
        assert!(!finds(secret, "nothing of it"));
    }

    #[test]
    fn of_a_token_the_signature_is_the_secret() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWc";
        assert!(finds(token, &format!("jwt {token}")));
        assert!(!finds(
            token,
            "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.[redacted]"
        ));
    }

    #[test]
    fn without_secrets_nothing_is_found() {
        assert!(!Detector::of(&[]).finds("anything"));
        assert!(!Detector::of(&["short".to_owned()]).finds("short"));
    }
}
