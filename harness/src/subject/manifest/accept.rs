//! Deviations that somebody answers for, with a reason. Never accepts that a promise is broken: only that it is kept in another form.

use crate::said::said;
use schemars::JsonSchema;
use serde::Deserialize;

/// One accepted deviation.
///
/// With `status` or `code`: a refusal in that form is accepted where the contract has another.
/// With neither: findings of shape are accepted, such as another error envelope. A breach never is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// Id of the criterion, such as `ACC-001`; a `*` at its end stands for the rest.
    pub criterion: String,
    /// Statuses of a refusal, 300 to 499, that are accepted in place of the contract's.
    #[serde(default)]
    pub status: Vec<u16>,
    /// Error codes of a refusal, as the target sends them, that are accepted in place of the contract's.
    #[serde(default)]
    pub code: Vec<String>,
    /// Why this is so; stands in every report.
    pub reason: String,
    /// Last day on which it is accepted, as `2027-03-31`; without it, until somebody takes it out.
    pub until: Option<String>,
}

impl Accept {
    /// Whether it is about a criterion.
    #[must_use]
    pub fn is_about(&self, criterion: &str) -> bool {
        match self.criterion.strip_suffix('*') {
            Some(start) => criterion.starts_with(start),
            None => self.criterion == criterion,
        }
    }

    /// Whether it is about the form of findings, not of refusals.
    #[must_use]
    pub fn is_of_shape(&self) -> bool {
        self.status.is_empty() && self.code.is_empty()
    }

    /// Whether it accepts a refusal of this status and code.
    #[must_use]
    pub fn accepts_refusal(&self, status: u16, code: &str) -> bool {
        let status_fits = self.status.is_empty() || self.status.contains(&status);
        let code_fits = self.code.is_empty() || self.code.iter().any(|own| own == code);
        // What is answered with 2xx is not refused, and a crash refuses nothing.
        (300..500).contains(&status) && !self.is_of_shape() && status_fits && code_fits
    }

    /// Whether its last day is over; `today` as `2027-03-31`, which sorts as dates do.
    #[must_use]
    pub fn is_over(&self, today: &str) -> bool {
        self.until.as_deref().is_some_and(|until| until < today)
    }

    /// For reports: what is accepted.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut words = vec![self.criterion.clone()];
        if !self.status.is_empty() {
            words.push(format!("status {}", said(&self.status)));
        }
        if !self.code.is_empty() {
            words.push(format!("code {}", said(&self.code)));
        }
        words.join(" ")
    }

    /// What types cannot say; `None` if it can be used.
    #[must_use]
    pub fn flaw(&self, known: impl Fn(&str) -> bool) -> Option<String> {
        let place = format!("[[accept]] for `{}`", self.criterion);
        if self.criterion.trim_end_matches('*').is_empty() || !known(&self.criterion) {
            return Some(format!("{place}: there is no such criterion"));
        }
        if self.reason.trim().is_empty() {
            return Some(format!(
                "{place}: `reason` is empty; say why this is accepted"
            ));
        }
        if let Some(status) = self
            .status
            .iter()
            .find(|status| !(300..500).contains(*status))
        {
            return Some(format!(
                "{place}: status {status} is no refusal; only 300 to 499 can be accepted"
            ));
        }
        let until = self.until.as_deref()?;
        let day = time::format_description::parse_borrowed::<2>("[year]-[month]-[day]");
        let is_day = day.is_ok_and(|day| time::Date::parse(until, &day).is_ok());
        (!is_day).then(|| format!("{place}: `until` is no day such as 2027-03-31"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept() -> Accept {
        Accept {
            criterion: "ACC-*".to_owned(),
            status: vec![401, 302],
            reason: "the edge redirects".to_owned(),
            ..Accept::default()
        }
    }

    fn flaw(change: impl FnOnce(&mut Accept)) -> String {
        let mut entry = accept();
        change(&mut entry);
        entry.flaw(|id| id.starts_with("ACC-")).unwrap_or_default()
    }

    #[test]
    fn a_refusal_in_the_declared_form_is_accepted_and_an_opened_door_never() {
        let entry = accept();
        assert!(entry.is_about("ACC-009") && !entry.is_about("RES-001"));
        assert!(entry.accepts_refusal(401, "") && entry.accepts_refusal(302, "X"));
        for status in [200, 204, 403, 404, 500] {
            assert!(!entry.accepts_refusal(status, ""), "{status}");
        }
        let by_code = Accept {
            code: vec!["denied".to_owned()],
            status: Vec::new(),
            ..accept()
        };
        assert!(by_code.accepts_refusal(403, "denied") && !by_code.accepts_refusal(403, "gone"));
        assert!(!by_code.accepts_refusal(200, "denied"));
    }

    #[test]
    fn an_entry_that_hides_something_cannot_be_written() {
        assert_eq!(flaw(|_| {}), "");
        assert!(flaw(|entry| entry.reason = " ".to_owned()).contains("reason"));
        assert!(flaw(|entry| entry.status = vec![200]).contains("no refusal"));
        assert!(flaw(|entry| entry.status = vec![503]).contains("no refusal"));
        assert!(flaw(|entry| entry.criterion = "XYZ-001".to_owned()).contains("no such"));
        assert!(flaw(|entry| entry.criterion = "*".to_owned()).contains("no such"));
        assert!(flaw(|entry| entry.until = Some("soon".to_owned())).contains("until"));
        assert_eq!(
            flaw(|entry| entry.until = Some("2027-03-31".to_owned())),
            ""
        );
    }

    #[test]
    fn the_last_day_still_counts() {
        let entry = Accept {
            until: Some("2027-03-31".to_owned()),
            ..accept()
        };
        assert!(!entry.is_over("2027-03-31") && entry.is_over("2027-04-01"));
        assert!(!accept().is_over("2999-01-01"));
    }
}
