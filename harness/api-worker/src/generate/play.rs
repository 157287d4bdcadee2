//! Does a sequence at the target, and holds every answer against the model. Never asks the target what to expect.

use super::model::{Answer, Key, Model};
use super::operation::{MODELS, Operation, USERS};
use crate::call::{self, Call};
use crate::oracle::cost::Price;
use crate::oracle::dates::{DAY, HOUR, MINUTE};
use crate::oracle::window::KINDS;
use crate::outcome::Stop;
use crate::scene::{self, Scene};
use crate::subject::Subject;
use serde_json::json;

/// What a sequence breaks.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    pub(super) criterion: &'static str,
    pub(super) expected: String,
    pub(super) seen: String,
    /// Whether a gate refused what it should have let pass: it may have counted what was done twice, which the rows tell.
    pub(super) is_refusal: bool,
}

/// Why a sequence was not played to its end.
#[derive(Debug, Clone)]
pub(super) enum Halt {
    Broken(Broken),
    Stopped(Stop),
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

pub(super) fn broken(criterion: &'static str, expected: String, seen: String) -> Halt {
    found(criterion, (expected, seen), false)
}

/// What a gate refused, though the model lets it pass.
pub(super) fn refused(criterion: &'static str, expected: String, seen: String) -> Halt {
    found(criterion, (expected, seen), true)
}

fn found(criterion: &'static str, told: (String, String), is_refusal: bool) -> Halt {
    let (expected, seen) = told;
    Halt::Broken(Broken {
        criterion,
        expected,
        seen,
        is_refusal,
    })
}

/// How one play went: what was compared and held, or after how many operations it did not.
#[derive(Debug, Clone)]
pub(super) struct Played {
    pub(super) checks: usize,
    pub(super) exchanges: usize,
    pub(super) halted: Option<(usize, Halt)>,
}

/// A sequence under way.
pub(super) struct Play<'s> {
    pub(super) scene: Scene<'s>,
    pub(super) model: Model,
    pub(super) keys: Vec<scene::Key>,
    /// A conversation of each user, once there is one.
    pub(super) conversations: [Option<String>; USERS.len()],
    /// Comparisons that were made and held.
    pub(super) checks: usize,
    latest: i64,
}

/// Plays a sequence from a fresh beginning. Only while the jobs are this caller's.
pub(super) async fn play(subject: &Subject, operations: &[Operation]) -> Result<Played, Stop> {
    let passing = operations.iter().map(|operation| match operation {
        Operation::Later(ms) => *ms,
        Operation::MakeKey { .. }
        | Operation::Rotate(_)
        | Operation::Revoke(_)
        | Operation::Chat { .. }
        | Operation::ChatsAtOnce { .. }
        | Operation::Read(_)
        | Operation::Price { .. }
        | Operation::Limit { .. }
        | Operation::Back(_)
        | Operation::Keep { .. }
        | Operation::Sum
        | Operation::Retain { .. } => 0,
    });
    let days = passing.sum::<i64>() / DAY + 2;
    let scene = Scene::long_ago_for(subject, days * DAY).await?;
    scene.set(scene.began - scene.began.rem_euclid(DAY) + 10 * HOUR);
    let mut play = Play {
        model: Model::at(scene.now()),
        latest: scene.now(),
        scene,
        keys: Vec::new(),
        conversations: [const { None }; USERS.len()],
        checks: 0,
    };
    let mut halted = None;
    for (at, operation) in operations.iter().enumerate() {
        if let Err(halt) = play.perform(operation).await {
            halted = Some((at + 1, play.rows_first(halt).await));
            break;
        }
    }
    if halted.is_none()
        && let Err(halt) = play.compare().await
    {
        halted = Some((operations.len(), halt));
    }
    if play.model.days_kept != USUAL_DAYS {
        play.keep(USUAL_DAYS).await?;
    }
    Ok(Played {
        checks: play.checks,
        exchanges: play.scene.answered(),
        halted,
    })
}

/// Days that usage is kept for where nothing is set.
const USUAL_DAYS: i64 = 90;

impl Play<'_> {
    /// What was found, or that rows differ already, which a gate's finding may follow from.
    async fn rows_first(&mut self, halt: Halt) -> Halt {
        match &halt {
            Halt::Broken(found) if found.is_refusal => {
                self.all_rows_are().await.err().unwrap_or(halt)
            }
            Halt::Broken(_) | Halt::Stopped(_) => halt,
        }
    }

    async fn perform(&mut self, operation: &Operation) -> Result<(), Halt> {
        let of = |key: usize| key % self.keys.len().max(1);
        match *operation {
            Operation::MakeKey {
                user,
                permissions,
                quota,
                minutes,
            } => {
                let key = Key {
                    user,
                    permissions,
                    quota,
                    used: 0,
                    expires_at: minutes.map(|minutes| self.model.now + minutes * MINUTE),
                    is_revoked: false,
                };
                self.make(key).await
            }
            Operation::Rotate(_) | Operation::Revoke(_) if self.keys.is_empty() => Ok(()),
            Operation::Rotate(key) => self.rotate(of(key)).await,
            Operation::Revoke(key) => self.revoke(of(key)).await,
            Operation::Chat { .. } | Operation::ChatsAtOnce { .. } | Operation::Read(_)
                if self.keys.is_empty() =>
            {
                Ok(())
            }
            Operation::Chat {
                key,
                model,
                is_stream,
                is_of_conversation,
                upstream,
            } => {
                let how = (is_stream, is_of_conversation, upstream);
                self.chat(of(key), model, how).await
            }
            Operation::ChatsAtOnce { key, count } => self.at_once(of(key), count).await,
            Operation::Read(key) => self.read(of(key)).await,
            Operation::Price {
                model,
                input,
                output,
            } => self.price(model, Price { input, output }).await,
            Operation::Limit { user, kind, limit } => self.limit(user, kind, limit).await,
            Operation::Later(ms) => {
                self.model.now += ms;
                self.tell_clock();
                Ok(())
            }
            Operation::Back(ms) => {
                self.model.back(ms);
                self.tell_clock();
                Ok(())
            }
            Operation::Keep { days } => Ok(self.keep(days).await?),
            Operation::Sum => self.sum().await,
            Operation::Retain { batch } => self.retain(batch).await,
        }
    }

    fn tell_clock(&mut self) {
        self.scene.set(self.model.now);
        self.latest = self.latest.max(self.model.now);
    }

    /// The latest present of the sequence so far.
    pub(super) fn latest(&self) -> i64 {
        self.latest
    }

    async fn make(&mut self, key: Key) -> Result<(), Halt> {
        let mut wish = json!({"permissions": key.permissions.names()});
        if let Some(quota) = key.quota {
            wish["quota_requests"] = quota.into();
        }
        if let Some(at) = key.expires_at {
            wish["expires_at"] = at.into();
        }
        let user = key.user;
        let made = self.scene.key_with(USERS[user], wish).await?;
        self.keys.push(made);
        self.model.made(key);
        if self.conversations[user].is_none() {
            let last = self.keys.len() - 1;
            self.converse(last).await?;
        }
        Ok(())
    }

    /// Begins the conversation of a key's user, by whoever may.
    async fn converse(&mut self, key: usize) -> Result<(), Halt> {
        if !self.model.keys[key].permissions.names().contains(&"write") {
            return Ok(());
        }
        // It counts as any request does.
        let counted = self.model.request(key, false);
        let call = Call::post("/v1/conversations").json(&json!({}));
        let answer = self.scene.send(call.by(&self.keys[key].credential)).await?;
        if counted != Answer::Served {
            return self.is_as_told(&answer, counted);
        }
        let made = answer.expect(201, |seen| Stop::unmet("API-001", seen))?;
        self.conversations[self.model.keys[key].user] = Some(made.text("/id"));
        Ok(())
    }

    async fn rotate(&mut self, key: usize) -> Result<(), Halt> {
        let path = format!("/api/admin/keys/{}/rotate", self.keys[key].id);
        let answer = self.scene.operate(Call::post(path)).await?;
        let is_replaced = self.model.rotate(key);
        let wanted = if is_replaced { 201 } else { 409 };
        self.has_status(&answer, wanted, "API-002")?;
        if is_replaced {
            self.keys.push(scene::Key {
                id: answer.text("/id"),
                user: self.keys[key].user.clone(),
                credential: answer.text("/key"),
                told: answer.json(),
            });
            self.may_go_on_counting(&answer);
        }
        Ok(())
    }

    /// A worker may tell what is left of a quota as one of its own, or go on counting by the old one: both leave as much.
    fn may_go_on_counting(&mut self, rotated: &call::Answer) {
        let told = |field: &str| rotated.at(field).as_u64();
        let Some(new) = self.model.keys.last_mut() else {
            return;
        };
        let (quota, used) = (told("/quota_requests"), told("/requests_used"));
        let left = |quota: u64, used: u64| quota.saturating_sub(used);
        let is_as_much = match (quota, new.quota) {
            (None, None) => true,
            (Some(quota), Some(wanted)) => {
                left(quota, used.unwrap_or_default()) == left(wanted, new.used)
            }
            (None, Some(_)) | (Some(_), None) => false,
        };
        if is_as_much && let Some(used) = used {
            (new.quota, new.used) = (quota, used);
        }
    }

    async fn revoke(&mut self, key: usize) -> Result<(), Halt> {
        let path = format!("/api/admin/keys/{}", self.keys[key].id);
        let answer = self.scene.operate(Call::delete(path)).await?;
        self.model.revoke(key);
        self.has_status(&answer, 204, "API-002")
    }

    async fn read(&mut self, key: usize) -> Result<(), Halt> {
        let call = Call::get("/v1/usage?limit=1000").by(&self.keys[key].credential);
        let counted = self.model.request(key, false);
        let answer = self.scene.send(call).await?;
        self.is_as_told(&answer, counted)?;
        if counted == Answer::Served {
            let user = self.model.keys[key].user;
            self.rows_are(user, &answer.list("/usage"))?;
        }
        Ok(())
    }

    async fn price(&mut self, model: usize, price: Price) -> Result<(), Halt> {
        let wish = json!({
            "model": self.scene.model(MODELS[model]),
            "input_micros_per_million": price.input,
            "output_micros_per_million": price.output,
        });
        let call = Call::post("/api/admin/prices").json(&wish);
        let answer = self.scene.operate(call).await?;
        let wanted = if self.model.price(model, price) {
            201
        } else {
            409
        };
        self.has_status(&answer, wanted, "API-004")
    }

    async fn limit(&mut self, user: usize, kind: usize, limit: i64) -> Result<(), Halt> {
        let (id, kind_name) = (self.scene.user(USERS[user]), KINDS[kind].0);
        let path = format!("user/{id}/rate_limit.user.{kind_name}");
        self.scene.prefer(&path, json!(limit)).await?;
        self.model.limit(user, kind, limit);
        Ok(())
    }

    async fn keep(&mut self, days: i64) -> Result<(), Stop> {
        let rules = json!({"usage_logs_days": days});
        let call = Call::put("/api/admin/retention").json(&rules);
        let answer = self.scene.operate(call).await?;
        answer.expect(200, |seen| Stop::unmet("API-008", seen))?;
        self.model.days_kept = days;
        Ok(())
    }

    async fn sum(&mut self) -> Result<(), Halt> {
        // What is wrong already is not the job's doing.
        self.all_rows_are().await?;
        let call = Call::post("/api/admin/jobs/statistics").json(&json!({}));
        let answer = self.scene.operate(call).await?;
        self.model.sum();
        self.has_status(&answer, 200, "API-008")?;
        self.sums_are().await
    }

    async fn retain(&mut self, batch: usize) -> Result<(), Halt> {
        self.all_rows_are().await?;
        let wish = json!({"batch_size": batch});
        let call = Call::post("/api/admin/jobs/retention").json(&wish);
        let answer = self.scene.operate(call).await?;
        self.has_status(&answer, 200, "API-008")?;
        let gone = self.model.retain();
        let removed = answer
            .at("/removed/usage_logs")
            .as_u64()
            .unwrap_or_default();
        if removed < gone as u64 || answer.at("/done") != json!(true) {
            return Err(broken(
                "API-008",
                format!("{gone} usage rows at least to be removed, and nothing to be left"),
                answer.to_string(),
            ));
        }
        self.checks += 1;
        // What is more or less now is the job's doing.
        self.all_rows_are().await.map_err(|halt| match halt {
            Halt::Broken(found) => Halt::Broken(Broken {
                criterion: "API-008",
                ..found
            }),
            Halt::Stopped(_) => halt,
        })
    }
}
