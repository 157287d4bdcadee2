//! Calls of models out of the Logs API of AI Gateway. Never filters at the API: there a filter's key and value may match different entries.

use super::CannotObserve;
use super::api::{Answer, Api, segment};
use super::budget::Budget;
use super::model_calls::{ModelCall, ModelCalls, SeenCalls, Whose};
use crate::clock;
use crate::doubles::Outcome;
use crate::wait;
use async_trait::async_trait;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Rows per page, the API's maximum.
const PAGE_ROWS: usize = 50;
/// Most pages of one look. Evidence: a run makes some hundred calls of models.
const PAGES_MAX: usize = 40;
/// How far the clocks may be apart.
const SKEW_MS: i64 = 60_000;
/// The name by which a prompt tells whose it is.
const MARKER: &str = r"\[\[mp-([a-z0-9]{8,32})\]\]";

/// How long is waited for rows.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Time between two looks.
    pub every: Duration,
    /// How late a row may come.
    pub late: Duration,
    /// In this time after the last row of a scenario no further one may come.
    pub quiet: Duration,
}

impl Default for Pace {
    /// That of Cloudflare's API.
    fn default() -> Self {
        Self {
            // It allows 1200 requests in five minutes, and a look takes one or two.
            every: Duration::from_secs(1),
            // 13 of 14 rows were there at once, one half a second later; a busy gateway may take more.
            late: Duration::from_secs(15),
            quiet: Duration::from_secs(2),
        }
    }
}

/// The log of one gateway since this was made.
pub struct AiGatewayLogs {
    api: Api,
    since_ms: i64,
    marker: regex::Regex,
    pace: Pace,
    read: tokio::sync::Mutex<Read>,
}

#[derive(Default)]
struct Read {
    at: Option<Instant>,
    /// By time and id: in order of arrival.
    rows: BTreeMap<(i64, String), Row>,
}

struct Row {
    call: ModelCall,
    owner: Owner,
    /// The ids that its metadata names.
    ids: Vec<String>,
}

/// Whose a row is, as far as its prompt tells.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owner {
    /// Its prompt has this marker.
    Marker(String),
    /// Its prompt has none: not ours.
    Stranger,
    /// Its prompt was not looked at, for its metadata tells.
    Named,
    /// Its metadata names nobody, and its prompt cannot be read.
    Unknown,
}

impl AiGatewayLogs {
    /// The log of this gateway from now on; `base_url` is the API's address, without trailing slash.
    #[must_use]
    pub fn new(
        http: &reqwest::Client,
        base_url: &str,
        account: &str,
        gateway: &str,
        api_token: &str,
    ) -> Self {
        let base = format!("{base_url}/accounts/{account}/ai-gateway/gateways/{gateway}/logs");
        Self {
            api: Api::new("AI Gateway", http, base, Some(api_token.to_owned())),
            since_ms: clock::epoch_ms() - SKEW_MS,
            marker: regex::Regex::new(MARKER)
                .unwrap_or_else(|_invalid| unreachable!("a constant pattern")),
            pace: Pace::default(),
            read: tokio::sync::Mutex::default(),
        }
    }

    /// Shares the requests that the account may make.
    #[must_use]
    pub fn sharing(self, budget: &Arc<Budget>) -> Self {
        let api = self.api.sharing(budget);
        Self { api, ..self }
    }

    /// The same at another pace.
    #[must_use]
    pub fn paced(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// What the log holds of them now, read after this call began; scenarios that ask at the same time share one look.
    async fn now(&self, whose: &Whose) -> Result<SeenCalls, CannotObserve> {
        let asked = clock::now();
        let mut read = self.read.lock().await;
        if read.at.is_none_or(|at| at < asked) {
            if let Some(at) = read.at {
                wait::pass_until(at + self.pace.every).await;
            }
            let at = clock::now();
            self.read_on(&mut read).await?;
            read.at = Some(at);
        }
        let mut seen = SeenCalls::default();
        for row in read.rows.values() {
            if row.owner == Owner::Marker(whose.marker.clone())
                || row.ids.iter().any(|id| whose.ids.contains(id))
            {
                seen.calls.push(row.call.clone());
            } else if row.owner == Owner::Unknown {
                seen.unattributed += 1;
            }
        }
        Ok(seen)
    }

    /// Reads page by page back to what is old enough to be complete.
    async fn read_on(&self, read: &mut Read) -> Result<(), CannotObserve> {
        let newest = read.rows.keys().next_back().map_or(0, |(at, _id)| *at);
        let late_ms = i64::try_from(self.pace.late.as_millis()).unwrap_or(i64::MAX);
        let floor = self.since_ms.max(newest - late_ms);
        for page in 1..=PAGES_MAX {
            let rows = self.page(page).await?;
            let last = rows.len() < PAGE_ROWS;
            let mut reached = false;
            for row in rows {
                let at = created(&row).ok_or_else(|| {
                    self.api
                        .cannot(format!("created_at {} is no time", row["created_at"]))
                })?;
                reached |= at < floor;
                if at < self.since_ms {
                    continue;
                }
                let id = row["id"].as_str().unwrap_or_default().to_owned();
                let unsettled = read
                    .rows
                    .get(&(at, id.clone()))
                    .is_none_or(|known| known.owner == Owner::Unknown);
                if unsettled {
                    let row = self.row(&id, &row).await?;
                    read.rows.insert((at, id), row);
                }
            }
            if last || reached {
                return Ok(());
            }
        }
        Err(self.api.cannot(format!(
            "more than {} rows since the run began: give the target a gateway of its own",
            PAGES_MAX * PAGE_ROWS
        )))
    }

    async fn page(&self, page: usize) -> Result<Vec<Value>, CannotObserve> {
        let url = format!(
            "{}?order_by=created_at&order_by_direction=desc&per_page={PAGE_ROWS}&page={page}",
            self.api.url("").trim_end_matches('/')
        );
        let answer = self.api.look(&self.api.http().get(url)).await?;
        let envelope = self.api.envelope(&answer)?;
        envelope["result"]
            .as_array()
            .cloned()
            .ok_or_else(|| self.api.refused(&answer))
    }

    async fn row(&self, id: &str, row: &Value) -> Result<Row, CannotObserve> {
        // Live it is an object, in the schema the text of one.
        let metadata = match row["metadata"].as_str() {
            Some(text) => serde_json::from_str(text).unwrap_or(Value::Null),
            None => row["metadata"].clone(),
        };
        let ids: Vec<String> = ["tenant_id", "sandbox_id"]
            .into_iter()
            .filter_map(|key| metadata[key].as_str())
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .collect();
        let owner = if ids.is_empty() {
            self.owner(id).await?
        } else {
            Owner::Named
        };
        let model = row["model"].as_str().unwrap_or_default();
        let status = row["status_code"].as_u64().unwrap_or_default();
        Ok(Row {
            call: ModelCall {
                model: model
                    .strip_prefix("workers-ai/")
                    .unwrap_or(model)
                    .to_owned(),
                outcome: Outcome::Answered(u16::try_from(status).unwrap_or_default()),
                kept: metadata.as_object().map_or(0, serde_json::Map::len),
                metadata: (!metadata.is_null()).then(|| metadata.to_string()),
            },
            owner,
            ids,
        })
    }

    /// Whose the prompt is, if it was logged at all.
    async fn owner(&self, id: &str) -> Result<Owner, CannotObserve> {
        let url = self.api.url(&format!("{}/request", segment(id)));
        let answer = self.api.look(&self.api.http().get(url)).await?;
        match answer.status {
            200 => Ok(self.owner_of(&answer)),
            404 => Ok(Owner::Unknown),
            _ => Err(self.api.refused(&answer)),
        }
    }

    fn owner_of(&self, answer: &Answer) -> Owner {
        let text = String::from_utf8_lossy(&answer.body);
        if let Some(found) = self.marker.captures(&text) {
            return Owner::Marker(found[1].to_owned());
        }
        // Without `cf-aig-collect-log-payload` there is nothing to be read in it.
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        let holder = if body["result"].is_null() {
            &body
        } else {
            &body["result"]
        };
        let readable = ["messages", "prompt", "input", "contents"]
            .into_iter()
            .any(|name| !holder[name].is_null());
        if readable {
            Owner::Stranger
        } else {
            Owner::Unknown
        }
    }
}

/// When a row was made, epoch milliseconds.
fn created(row: &Value) -> Option<i64> {
    let text = row["created_at"].as_str()?;
    let moment = OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_no_zone| {
            OffsetDateTime::parse(&format!("{}Z", text.replacen(' ', "T", 1)), &Rfc3339)
        })
        .ok()?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()
}

#[async_trait]
impl ModelCalls for AiGatewayLogs {
    async fn of(&self, whose: &Whose, least: usize) -> Result<SeenCalls, CannotObserve> {
        let began = clock::now();
        let mut seen = self.now(whose).await?;
        while seen.calls.len() < least && began.elapsed() < self.pace.late {
            seen = self.now(whose).await?;
        }
        // A retry or a fallback may have been logged after the call that was waited for.
        loop {
            wait::pass(self.pace.quiet).await;
            let again = self.now(whose).await?;
            if again.calls.len() == seen.calls.len() {
                return Ok(again);
            }
            seen = again;
        }
    }

    fn blind_spot(&self) -> Option<&'static str> {
        Some(
            "AI Gateway logs what it kept of the metadata, not what was sent: what it drops silently cannot be seen there",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_time_is_read_with_and_without_its_zone() {
        let check = |text: &str, expected| {
            assert_eq!(created(&json!({ "created_at": text })), expected, "{text}");
        };
        check("2026-08-01T12:00:00.250Z", Some(1_785_585_600_250));
        check("2026-08-01 12:00:00", Some(1_785_585_600_000));
        check("2026-08-01T14:00:00+02:00", Some(1_785_585_600_000));
        check("yesterday", None);
    }
}
