//! PAT-006: sessions that end, to the instant. Never waits: the time is a parameter of the declared statements.

use super::populated::Row;
use super::settled::{Given, Settled};
use super::{Aspect, Broken, Outcome, Tally, plans};
use crate::catalog::Name;
use crate::claims::Session;
use crate::subject::Subject;
use crate::text::written;
use rusqlite::types::Value;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-006",
        sentence: "an ended session is never served, at the very instant neither",
        judge: never_served,
    },
    Aspect {
        criterion: "PAT-006",
        sentence: "activity extends live sessions only",
        judge: extends_live_only,
    },
    Aspect {
        criterion: "PAT-006",
        sentence: "purging removes ended sessions only, and by an index",
        judge: purges_by_index,
    },
];

const KEY: &str = "[[data.session]]";
/// When the session of the checks ends, in seconds after their moment.
const END: i64 = 600;

/// A session in a world of its own that ends at [`END`].
struct Case<'s> {
    settled: Settled<'s>,
    claim: &'s Session,
    row: Row,
    ends: Name,
}

impl<'s> Case<'s> {
    fn new(subject: &'s Subject, claim: &'s Session) -> Result<Self, Outcome> {
        let settled = Settled::new(subject)?;
        let table = settled.table(&claim.table, "[[data.session]] table")?;
        let row = settled.first(table, 0)?;
        let ends = Name::new(&claim.expires);
        // Whatever else says when a session began or was last seen lies before its end.
        settled
            .set(&row, &[(&ends, settled.time(END))])
            .map_err(|refused| {
                Settled::unmet(
                    format!("the end of a session cannot be set: {}", refused.message),
                    "[[data.session]] expires",
                )
            })?;
        Ok(Self {
            settled,
            claim,
            row,
            ends,
        })
    }

    fn values(&self, roles: &[String], now: i64, until: i64) -> Result<Vec<Value>, Outcome> {
        let id = self
            .row
            .key
            .last()
            .map_or(Value::Null, |(_, value)| value.clone());
        let given = Given::from([
            ("id", id),
            ("now", self.settled.time(now)),
            ("until", self.settled.time(until)),
        ]);
        self.settled.parameters(roles, 0, &given, KEY)
    }

    /// Whether the session is served at a time, and the statement that asks.
    fn is_served(&self, now: i64) -> Result<(bool, String), Outcome> {
        let values = self.values(&self.claim.valid_parameters, now, now)?;
        let seen = self
            .settled
            .world()
            .run(&self.claim.valid, &values)
            .map_err(|refused| {
                Settled::unmet(
                    format!("the statement fails: {}", refused.message),
                    "[[data.session]] valid",
                )
            })?;
        Ok((!seen.rows.is_empty(), written(&self.claim.valid, &values)))
    }

    fn touch(&self, now: i64, until: i64) -> Result<String, Outcome> {
        let sql = self.claim.touch.as_deref().unwrap_or_default();
        let values = self.values(&self.claim.touch_parameters, now, until)?;
        self.settled.world().run(sql, &values).map_err(|refused| {
            Settled::unmet(
                format!("the statement fails: {}", refused.message),
                "[[data.session]] touch",
            )
        })?;
        Ok(written(sql, &values))
    }

    /// A session that is served while it lives is what an absence is held against.
    fn control(&self) -> Result<(), Outcome> {
        let (is_served, asked) = self.is_served(END - 1)?;
        if is_served {
            Ok(())
        } else {
            Err(Settled::unmet(
                format!("a live session is not served either: {asked}"),
                "[[data.session]] valid",
            ))
        }
    }

    fn broken(&self, expected: &str, saw: String, repeat: Vec<String>) -> Broken {
        Broken {
            object: format!("table {}", self.claim.table),
            expected: expected.to_owned(),
            saw,
            repeat,
        }
    }
}

/// Judges each declared table of sessions.
fn each<'s>(
    subject: &'s Subject,
    saw: &str,
    judge: impl Fn(Case<'s>) -> Result<Vec<Broken>, Outcome>,
    applies: impl Fn(&Session) -> bool,
) -> Outcome {
    let claims: Vec<&Session> = subject
        .claims
        .session
        .iter()
        .filter(|claim| applies(claim))
        .collect();
    if claims.is_empty() {
        let none = if subject.claims.session.is_empty() {
            "no table of sessions is declared"
        } else {
            "no table of sessions with this statement is declared"
        };
        return Outcome::undeclared(none, KEY);
    }
    let mut tally = Tally::default();
    for claim in &claims {
        tally.add(Case::new(subject, claim).and_then(&judge));
    }
    tally.outcome("table", saw)
}

fn never_served(subject: &Subject) -> Outcome {
    let judge = |case: Case<'_>| {
        case.control()?;
        let mut broken = Vec::new();
        for (now, when) in [
            (END, "at the instant of its end"),
            (END + 1, "a second after its end"),
        ] {
            let (is_served, asked) = case.is_served(now)?;
            if is_served {
                broken.push(case.broken(
                    "no row for a session that has ended",
                    format!("it is served {when}"),
                    vec![asked],
                ));
            }
        }
        Ok(broken)
    };
    each(
        subject,
        "served a second before its end, at its end and after it not",
        judge,
        |_| true,
    )
}

fn extends_live_only(subject: &Subject) -> Outcome {
    let judge = |case: Case<'_>| {
        case.control()?;
        // A live one first: activity must be able to extend at all.
        let live = case.touch(END - 1, END + 1_000)?;
        if !case.is_served(END + 1)?.0 {
            return Ok(vec![case.broken(
                "activity of a live session moves its end",
                "its end stays".to_owned(),
                vec![live],
            )]);
        }
        let reset = case
            .settled
            .set(&case.row, &[(&case.ends, case.settled.time(END))]);
        reset.map_err(|refused| Settled::unmet(refused.message, KEY))?;
        let mut broken = Vec::new();
        for now in [END, END + 1] {
            let touched = case.touch(now, END + 1_000)?;
            if case.is_served(END + 2)?.0 {
                broken.push(case.broken(
                    "a session that has ended stays ended",
                    "activity brought it back to life".to_owned(),
                    vec![touched],
                ));
                break;
            }
        }
        Ok(broken)
    };
    each(
        subject,
        "a live one is extended, an ended one is not",
        judge,
        |claim| claim.touch.is_some(),
    )
}

fn purges_by_index(subject: &Subject) -> Outcome {
    let judge = |case: Case<'_>| {
        let sql = case.claim.purge.as_deref().unwrap_or_default();
        let mut broken = Vec::new();
        let purge = |now: i64| -> Result<String, Outcome> {
            let values = case.values(&case.claim.purge_parameters, now, now)?;
            case.settled.world().run(sql, &values).map_err(|refused| {
                Settled::unmet(
                    format!("the statement fails: {}", refused.message),
                    "[[data.session]] purge",
                )
            })?;
            Ok(written(sql, &values))
        };
        let is_there = || -> Result<bool, Outcome> {
            let sql = format!(
                "SELECT 1 FROM {} WHERE {}",
                case.row.table.quoted(),
                case.row.found()
            );
            case.settled
                .world()
                .run(&sql, &[])
                .map(|seen| !seen.rows.is_empty())
                .map_err(|refused| Settled::unmet(refused.message, KEY))
        };
        let early = purge(END - 1)?;
        if is_there()? {
            let late = purge(END + 1)?;
            if is_there()? {
                broken.push(case.broken(
                    "an ended session goes",
                    "purging left it".to_owned(),
                    vec![late],
                ));
            }
        } else {
            broken.push(case.broken(
                "a live session stays",
                "purging removed it".to_owned(),
                vec![early],
            ));
        }
        let scans = plans::scans(subject, sql).unwrap_or_default();
        if !scans.is_empty() {
            let repeat = vec![format!("EXPLAIN QUERY PLAN {};", sql.trim_end_matches(';'))];
            broken.push(case.broken("purging searches by an index", scans.join("; "), repeat));
        }
        Ok(broken)
    };
    each(
        subject,
        "purging removed the ended one by an index and left the live one",
        judge,
        |claim| claim.purge.is_some(),
    )
}
