//! What a generated sequence must have left: exactly the rows that are due, and each tenant's record. Never writes.

use super::model::DueRow;
use super::play::Play;
use super::stage::Held;
use crate::observe::Row;
use crate::oracle::usage::{self, Expected, Tokens};
use crate::run::scene::{breach, late, misshapen};
use crate::steps::operating::{QUIET, tenant_row, usage_rows};
use crate::subject::manifest::Timestamps;
use crate::verdict::Stop;
use crate::wait::{self, Look};
use std::time::Duration;

/// How much later than usual a row may come that D1 takes at the last of four tries: pauses of 100, 200 and 400 ms, and time to spare.
const LATER: Duration = Duration::from_secs(3);

fn counts(rows: &[Row]) -> Vec<Option<Tokens>> {
    let mut list: Vec<_> = rows.iter().map(usage::tokens).collect();
    list.sort_unstable();
    list
}

fn due(rows: &[DueRow]) -> Vec<Option<Tokens>> {
    let mut list: Vec<_> = rows.iter().map(|row| Some(row.tokens)).collect();
    list.sort_unstable();
    list
}

fn words(counts: &[Option<Tokens>]) -> String {
    let words: Vec<String> = counts
        .iter()
        .map(|count| {
            count.map_or("no counts".to_owned(), |(input, output)| {
                format!("{input}/{output}")
            })
        })
        .collect();
    if words.is_empty() {
        "no row".to_owned()
    } else {
        words.join(", ")
    }
}

impl Play<'_> {
    /// Waits until a tenant has exactly the rows that are due.
    pub(super) async fn rows_are_there(&mut self, place: usize) -> Held {
        let d1 = self.cast.scene.d1().await?;
        let tenant = &self.model.tenants[place];
        let (wanted, id) = (due(&tenant.rows), tenant.id.clone());
        let later = if self.armed { LATER } else { Duration::ZERO };
        let deadline = self.cast.scene.run.target.limits().usage_visible + later;
        let sql = "SELECT tokens_in, tokens_out FROM usage WHERE tenant_id = ?1";
        let seen = wait::until::<_, Stop, _, _>(deadline, || async {
            let seen = counts(&d1.query(sql, &[serde_json::json!(id)]).await?);
            // Rows do not go away: one too many is one too many at once.
            Ok(if seen == wanted || seen.len() > wanted.len() {
                Look::Done(seen)
            } else {
                Look::NotYet(words(&seen))
            })
        })
        .await?;
        let slug = self.slug(self.model.tenants[place].slug);
        let expected = format!(
            "usage rows of tenant `{slug}` with tokens {}",
            words(&wanted)
        );
        let check = match seen {
            Ok(seen) if seen == wanted => Ok(()),
            Ok(seen) => Err(breach(expected, words(&seen))),
            Err(timed_out) => Err(late(expected, timed_out)),
        };
        self.cast.scene.checks += usize::from(check.is_ok());
        self.cast.about(&["USG-001", "USG-002", "USG-010"], check)
    }

    /// Holds all that is left against the model.
    pub(super) async fn finish(&mut self) -> Held {
        for place in self.living() {
            self.mend(place);
            self.rows_are_there(place).await?;
        }
        if self.chats > 0 {
            // A second row for the same answer comes a little later than the first.
            wait::quiet(QUIET).await;
        }
        for place in 0..self.model.tenants.len() {
            self.rows_are_right(place).await?;
            self.record_is_right(place).await?;
        }
        Ok(())
    }

    async fn rows_are_right(&mut self, place: usize) -> Held {
        let tenant = self.model.tenants[place].clone();
        let rows = usage_rows(&mut self.cast.scene, &tenant.id).await?;
        let (wanted, seen) = (due(&tenant.rows), counts(&rows));
        let check = self.cast.scene.expect(
            wanted == seen,
            format!(
                "usage rows of tenant `{}` with tokens {}, and no other",
                self.slug(tenant.slug),
                words(&wanted)
            ),
            || words(&seen),
        );
        let criteria = if tenant.alive {
            ["USG-001", "USG-012"]
        } else {
            ["SCH-003", "ISO-003"]
        };
        self.cast.about(&criteria, check)?;
        let as_text = self.cast.scene.run.target.limits().timestamps == Timestamps::Text;
        for row in rows {
            let Some(own) = tenant
                .rows
                .iter()
                .find(|own| usage::tokens(&row) == Some(own.tokens))
            else {
                continue;
            };
            let expected = Expected {
                tenant_id: &tenant.id,
                model: &own.model,
                tokens: own.tokens,
                sent_at_ms: own.sent_at_ms,
                measured_ms: own.measured_ms,
            };
            let judged = usage::judge(&row, &expected);
            let check = match judged {
                Err(why) if as_text && why.starts_with("created_at") => {
                    Err(misshapen("created_at as epoch milliseconds", why))
                }
                Err(why) => Err(breach(
                    "a usage row that says of its answer what it must",
                    why,
                )),
                Ok(()) => Ok(()),
            };
            self.cast.scene.checks += usize::from(check.is_ok());
            self.cast.about(&["USG-001", "USG-011"], check)?;
        }
        Ok(())
    }

    async fn record_is_right(&mut self, place: usize) -> Held {
        let tenant = self.model.tenants[place].clone();
        let row = tenant_row(&mut self.cast.scene, &tenant.id).await?;
        let stored = row
            .as_ref()
            .and_then(|row| row.get("sandbox_id")?.as_str())
            .map(str::to_owned);
        let wanted = tenant.alive.then(|| tenant.sandbox_id.clone());
        let check = self
            .cast
            .scene
            .expect_eq("sandbox id in the record:", &wanted, &stored);
        self.cast.about(
            if tenant.alive {
                &["ID-004"]
            } else {
                &["RES-015"]
            },
            check,
        )?;
        let path = self.tenant_path(&tenant.id);
        let answer = self.operate("GET", path, None).await?;
        if tenant.alive {
            let check = self.cast.scene.expect_status(&answer, 200);
            self.cast.about(&["RES-015"], check)?;
            self.shows(place, &answer)
        } else {
            self.refused(&answer, 404, "TENANT_NOT_FOUND", "RES-015")
        }
    }
}
