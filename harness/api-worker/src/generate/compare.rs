//! Rows, sums, views, counts and entries against the model, when a sequence is over. Never compares one answer of the target with another.

use super::model::Row;
use super::operation::{MODELS, USERS};
use super::play::{Halt, Play, broken};
use crate::call::Call;
use crate::database::Database;
use crate::oracle::dates::DAY;
use crate::oracle::dates::date;
use crate::oracle::sums::BY_USER;
use crate::oracle::sums::Usage;
use crate::outcome::Stop;
use crate::scripts::trial::told_row;
use rusqlite::types::Value as Sql;
use serde_json::{Value, json};

/// Actions whose entries the model counts: whether a job changed anything, or a rule, depends on others, too.
const COUNTED: [&str; 5] = [
    "key.create",
    "key.rotate",
    "key.revoke",
    "price.create",
    "preference.set",
];

impl Play<'_> {
    /// Everything that is left, once the sequence is over.
    pub(super) async fn compare(&mut self) -> Result<(), Halt> {
        self.all_rows_are().await?;
        self.sums_are().await?;
        self.keys_are().await?;
        self.entries_are().await?;
        if let Ok(database) = self.scene.subject.own_database() {
            self.windows_are(&database).await?;
            self.view_is(&database).await?;
        }
        self.messages_are().await
    }

    /// That the usage rows are those of the model.
    pub(super) async fn all_rows_are(&mut self) -> Result<(), Halt> {
        for (user, name) in USERS.iter().enumerate() {
            let rows = self.scene.usage(&self.scene.user(name)).await?;
            self.rows_are(user, &rows)?;
        }
        Ok(())
    }

    /// That these are the usage rows of a user.
    pub(super) fn rows_are(&mut self, user: usize, seen: &[Value]) -> Result<(), Halt> {
        let name = USERS[user];
        let mut wanted: Vec<&Row> = self
            .model
            .rows
            .iter()
            .filter(|row| row.user == user)
            .collect();
        // Rows of one instant may be listed in any order.
        let mut seen: Vec<Value> = seen.iter().map(known).collect();
        wanted.sort_by_key(|row| row.at);
        let mut wanted: Vec<Value> = wanted.iter().map(|row| self.wanted(row)).collect();
        for rows in [&mut seen, &mut wanted] {
            rows.sort_by_cached_key(|row| (row["created_at"].as_i64(), row.to_string()));
        }
        self.checks += wanted.len();
        let without_cost = |rows: &[Value]| -> Vec<Value> {
            let mut rows = rows.to_vec();
            for row in &mut rows {
                row["cost_micros"] = Value::Null;
            }
            rows.sort_by_cached_key(ToString::to_string);
            rows
        };
        let (seen_rows, wanted_rows) = (without_cost(&seen), without_cost(&wanted));
        if seen_rows != wanted_rows {
            let missing = wanted_rows.iter().find(|row| !seen_rows.contains(row));
            let more = seen_rows.iter().find(|row| !wanted_rows.contains(row));
            let told = |row: Option<&Value>| row.map_or("no other".to_owned(), Value::to_string);
            return Err(broken(
                "API-001",
                format!("{} usage rows of {name}: {}", wanted.len(), told(missing)),
                format!("{}: {}", seen.len(), told(more)),
            ));
        }
        if seen != wanted {
            let differs = seen
                .iter()
                .zip(&wanted)
                .find(|(seen, wanted)| seen != wanted);
            let told = |row: &Value| format!("cost_micros {} of {row}", row["cost_micros"]);
            return Err(broken(
                "API-004",
                differs.map_or(String::new(), |(_, wanted)| told(wanted)),
                differs.map_or(String::new(), |(seen, _)| told(seen)),
            ));
        }
        Ok(())
    }

    /// A row as the model knows it.
    fn wanted(&self, row: &Row) -> Value {
        json!({
            "api_key_id": self.keys[row.key].id,
            "conversation_id": if row.is_of_conversation { json!(self.conversations[row.user]) } else { Value::Null },
            "model": self.scene.model(MODELS[row.model]),
            "input_tokens": row.tokens.map(|tokens| tokens.0),
            "output_tokens": row.tokens.map(|tokens| tokens.1),
            "cost_micros": row.cost.map(|cost| u64::try_from(cost).unwrap_or(u64::MAX)),
            "created_at": row.at,
        })
    }

    /// That the daily statistics are those of the model.
    pub(super) async fn sums_are(&mut self) -> Result<(), Halt> {
        let (from, to) = (date(self.scene.began), date(self.latest()));
        for (user, name) in USERS.iter().enumerate() {
            let id = self.scene.user(name);
            let path = format!("/api/admin/statistics?from={from}&to={to}&user_id={id}");
            let listed = self.scene.operate(Call::get(path)).await?;
            let listed = listed.expect(200, |seen| Stop::unmet("API-008", seen))?;
            let seen = listed.list("/days").into_iter().map(|day| {
                json!([
                    day["date"],
                    day["model"],
                    day["requests"],
                    day["input_tokens"],
                    day["output_tokens"],
                    day["cost_micros"]
                ])
            });
            let mut seen: Vec<String> = seen.map(|day| day.to_string()).collect();
            let theirs = self.model.sums.iter().filter(|((_, of, _), _)| *of == user);
            let wanted = theirs.map(|((date, _, model), sums)| {
                let cost = u64::try_from(sums.cost).unwrap_or(u64::MAX);
                let model = self.scene.model(MODELS[*model]);
                json!([date, model, sums.requests, sums.input, sums.output, cost]).to_string()
            });
            let mut wanted: Vec<String> = wanted.collect();
            seen.sort();
            wanted.sort();
            self.checks += wanted.len();
            if seen != wanted {
                return Err(broken(
                    "API-008",
                    format!("the daily sums of {name}: {}", wanted.join(", ")),
                    seen.join(", "),
                ));
            }
        }
        Ok(())
    }

    async fn keys_are(&mut self) -> Result<(), Halt> {
        for (key, wanted) in self.keys.iter().zip(&self.model.keys) {
            let read = Call::get(format!("/api/admin/keys/{}", key.id));
            let read = self.scene.operate(read).await?;
            let read = read.expect(200, |seen| Stop::unmet("API-002", seen))?;
            let seen = json!([
                read.at("/requests_used"),
                read.at("/quota_requests"),
                read.at("/expires_at"),
                !read.at("/revoked_at").is_null()
            ]);
            let wanted = json!([
                wanted.used,
                wanted.quota,
                wanted.expires_at,
                wanted.is_revoked
            ]);
            self.checks += 1;
            if seen != wanted {
                return Err(broken(
                    "API-002",
                    format!(
                        "a key with requests_used, quota_requests, expires_at and whether it is revoked: {wanted}"
                    ),
                    seen.to_string(),
                ));
            }
        }
        Ok(())
    }

    async fn entries_are(&mut self) -> Result<(), Halt> {
        let (from, to) = (self.scene.began - DAY, self.latest() + 1);
        let path = format!("/api/admin/audit?from={from}&to={to}");
        let all = self.scene.pages(&path, "entries").await?;
        let actor = json!(self.scene.email());
        let counted = all.iter().filter(|entry| {
            let action = entry["action"].as_str().unwrap_or_default();
            entry["actor"] == actor && COUNTED.contains(&action)
        });
        let (seen, wanted) = (counted.count(), self.model.changes);
        self.checks += 1;
        if seen == wanted {
            return Ok(());
        }
        Err(broken(
            "API-009",
            format!("{wanted} entries of as many changes of keys, prices and limits"),
            format!("{seen} entries"),
        ))
    }

    async fn windows_are(&mut self, database: &Database) -> Result<(), Halt> {
        for (user, name) in USERS.iter().enumerate() {
            let id = self.scene.user(name);
            let rows = database.naming(&id, "").await?;
            let prefix = "rate_limits: ";
            let theirs = rows.iter().filter_map(|row| row.strip_prefix(prefix));
            let mut theirs: Vec<Value> = theirs
                .filter_map(|row| serde_json::from_str(row).ok())
                .collect();
            let wanted = self
                .model
                .windows
                .iter()
                .filter(|((of, ..), _)| *of == user);
            let wanted: Vec<(i64, i64)> = wanted
                .map(|((.., start), count)| (*start, *count))
                .collect();
            self.checks += wanted.len();
            if theirs.len() != wanted.len() {
                return Err(broken(
                    "API-003",
                    format!("{} rows of windows of {name}", wanted.len()),
                    format!("{} rows", theirs.len()),
                ));
            }
            for (start, count) in wanted {
                let holds = |row: &Value| began(row) == Some(start) && has(row, count);
                let Some(at) = theirs.iter().position(holds) else {
                    let expected =
                        format!("a window of {name} that began at {start} with a count of {count}");
                    return Err(broken("API-003", expected, json!(theirs).to_string()));
                };
                theirs.remove(at);
            }
        }
        Ok(())
    }

    /// The summary per date and user: the other views sum what is everybody's.
    async fn view_is(&mut self, database: &Database) -> Result<(), Halt> {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let rows: Vec<Usage> = self
            .model
            .rows
            .iter()
            .map(|row| Usage {
                input: row.tokens.map(|tokens| signed(tokens.0)),
                output: row.tokens.map(|tokens| signed(tokens.1)),
                cost: row.cost.map(|cost| i64::try_from(cost).unwrap_or(i64::MAX)),
                ..Usage::of(&self.scene.user(USERS[row.user]), "", row.at)
            })
            .collect();
        let mut wanted = (BY_USER.rows)(&rows);
        let sql = format!(
            "SELECT {} FROM {} WHERE user_id IN (?1, ?2)",
            BY_USER.columns, BY_USER.name
        );
        let users = USERS.map(|name| self.scene.user(name));
        let seen = database.with(move |connection| {
            let mut statement = connection.prepare(&sql)?;
            let columns = statement.column_count();
            let read = statement.query_map(users, |row| {
                (0..columns).map(|at| row.get::<_, Sql>(at)).collect()
            })?;
            read.collect::<rusqlite::Result<Vec<Vec<Sql>>>>()
        });
        let Ok(seen) = seen.await else {
            return Err(Stop::unmet("API-005", "the summary per user cannot be read").into());
        };
        let mut seen: Vec<Vec<Sql>> = seen.into_iter().map(crate::sample::whole).collect();
        for rows in [&mut seen, &mut wanted] {
            rows.sort_by_cached_key(|row| told_row(row));
        }
        self.checks += wanted.len();
        if seen == wanted {
            return Ok(());
        }
        let told = |rows: &[Vec<Sql>]| {
            let rows: Vec<String> = rows.iter().map(|row| told_row(row)).collect();
            rows.join(", ")
        };
        Err(broken(
            "API-005",
            format!("{} {}", BY_USER.name, told(&wanted)),
            told(&seen),
        ))
    }

    /// The conversations, at the very end: their users have to be let in again.
    async fn messages_are(&mut self) -> Result<(), Halt> {
        for (user, name) in USERS.iter().enumerate() {
            let Some(id) = self.conversations[user].clone() else {
                continue;
            };
            self.scene.unlimit(&self.scene.user(name)).await?;
            let key = self.scene.key(name).await?;
            let path = format!("/v1/conversations/{id}/messages?limit=1000");
            let read = self.scene.send(Call::get(path).by(&key.credential)).await?;
            let read = read.expect(200, |seen| Stop::unmet("API-001", seen))?;
            let roles: Vec<Value> = read
                .list("/messages")
                .iter()
                .map(|message| json!([message["position"], message["role"]]))
                .collect();
            // Whether positions count from 0 or from 1 is the worker's own matter.
            let first = usize::from(roles.first().is_some_and(|role| role[0] != json!(0)));
            let wanted: Vec<Value> = (0..self.model.messages[user])
                .map(|at| json!([at + first, if at % 2 == 0 { "user" } else { "assistant" }]))
                .collect();
            self.checks += 1;
            if roles != wanted {
                return Err(broken(
                    "API-001",
                    format!(
                        "{} messages of {name}, question and answer by turns",
                        wanted.len()
                    ),
                    json!(roles).to_string(),
                ));
            }
        }
        Ok(())
    }
}

/// What of a row the model knows.
fn known(row: &Value) -> Value {
    let fields = [
        "api_key_id",
        "conversation_id",
        "model",
        "input_tokens",
        "output_tokens",
        "cost_micros",
        "created_at",
    ];
    fields
        .map(|field| (field.to_owned(), row[field].clone()))
        .into_iter()
        .collect()
}

/// What is less is a count, and what is more a time in milliseconds: 1973-03-03.
const TIMES_BEGIN: i64 = 100_000_000_000;

fn numbers(row: &Value) -> impl Iterator<Item = i64> {
    let values = row.as_object().into_iter().flat_map(|row| row.values());
    values.filter_map(Value::as_i64)
}

/// When the window of a row began: no time of it is earlier.
fn began(row: &Value) -> Option<i64> {
    numbers(row).filter(|time| *time >= TIMES_BEGIN).min()
}

fn has(row: &Value, count: i64) -> bool {
    numbers(row).any(|number| number == count)
}
