//! What one aspect does at the target: with users, addresses and models of its own, at a time of its own. Never shares them with another scene.

use crate::call::{Answer, Call};
use crate::oracle::dates::{DAY, HOUR, MINUTE};
use crate::outcome::{Cause, Need, Stop};
use crate::subject::Subject;
use moltproof_doubles::clock;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};

/// Where the times of jobs begin: 2001-01-01, so far back that no job touches what others make at present.
const ERAS_BEGIN: i64 = 978_307_200_000;
/// How long one scene's time of jobs is: no scene puts its clock on by more than 45 days, and none keeps rows for more than 10.
const ERA: i64 = 75 * DAY;
/// Where the eras must have ended: 2024-12-31.
const ERAS_END: i64 = 1_735_603_200_000;

/// No time is told.
const UNTOLD: i64 = i64::MIN;

/// What one aspect does at the target.
#[derive(Debug)]
pub(crate) struct Scene<'s> {
    pub(crate) subject: &'s Subject,
    /// Letters and digits that nobody else has in the names of users, models and flags.
    pub(crate) tag: String,
    ip: String,
    /// The present of the scene when it began, epoch milliseconds.
    pub(crate) began: i64,
    now: AtomicI64,
    answered: AtomicUsize,
}

/// An API key that was made for a scene.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) user: String,
    /// The whole credential.
    pub(crate) credential: String,
    /// What the answer to the creation told.
    pub(crate) told: Value,
}

/// Letters and digits that nobody has chosen before.
pub(crate) fn unique(length: usize) -> String {
    std::iter::repeat_with(|| fastrand::char('a'..='z'))
        .take(length)
        .collect()
}

/// A client's address that no other scene has: of 198.18.0.0/15, which is for tests of networks.
fn address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static BEGIN: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    let begin = *BEGIN.get_or_init(|| fastrand::u32(..));
    let host = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % (1 << 17);
    std::net::Ipv4Addr::from(0xc612_0000 + host).to_string()
}

impl<'s> Scene<'s> {
    /// A scene at present. Where the target's clock can be told, it is told, beginning early in an hour, so that no window ends meanwhile.
    pub(crate) fn at_present(subject: &'s Subject) -> Self {
        let hour = (clock::epoch_ms() / HOUR + 1) * HOUR;
        // An instant of its own, so that what others write can be left out by its time.
        let own = hour + fastrand::i64(0..MINUTE / 2);
        Self::at(subject, if subject.is_clock_told { own } else { UNTOLD })
    }

    /// A scene at the machine's time.
    pub(crate) fn untold(subject: &'s Subject) -> Self {
        Self::at(subject, UNTOLD)
    }

    /// A scene at present whose clock can be put on.
    pub(crate) fn with_clock(subject: &'s Subject) -> Result<Self, Stop> {
        if subject.is_clock_told {
            Ok(Self::at_present(subject))
        } else {
            Err(Stop::lacking(Need::Clock))
        }
    }

    /// A scene of jobs, in a time of its own long ago and later than those of all scenes before it. Only for aspects that are `Jobs` or `Whole`.
    pub(crate) async fn long_ago(subject: &'s Subject) -> Result<Self, Stop> {
        Self::long_ago_for(subject, ERA).await
    }

    /// The same, where it is known how far the scene's clock is put on at most.
    pub(crate) async fn long_ago_for(subject: &'s Subject, length: i64) -> Result<Self, Stop> {
        if !subject.is_clock_told {
            return Err(Stop::lacking(Need::Clock));
        }
        let eras = &subject.turns.eras;
        if eras.load(Ordering::SeqCst) == 0 {
            let begin = first_era(subject).await?;
            eras.store(begin, Ordering::SeqCst);
        }
        let now = eras.fetch_add(length, Ordering::SeqCst);
        if now > ERAS_END {
            let seen = "what earlier runs have left in the database leaves no time for jobs";
            return Err(Stop::Fault(seen.to_owned()));
        }
        Ok(Self::at(subject, now))
    }

    fn at(subject: &'s Subject, now: i64) -> Self {
        Self {
            subject,
            tag: unique(10),
            ip: address(),
            began: if now == UNTOLD {
                clock::epoch_ms()
            } else {
                now
            },
            now: AtomicI64::new(now),
            answered: AtomicUsize::new(0),
        }
    }

    /// The same scene, at the same present, where its target answers now.
    pub(crate) fn moved<'t>(&self, subject: &'t Subject) -> Scene<'t> {
        Scene {
            subject,
            tag: self.tag.clone(),
            ip: self.ip.clone(),
            began: self.began,
            now: AtomicI64::new(self.now.load(Ordering::SeqCst)),
            answered: AtomicUsize::new(self.answered()),
        }
    }

    /// The present of the scene, epoch milliseconds.
    pub(crate) fn now(&self) -> i64 {
        match self.now.load(Ordering::SeqCst) {
            UNTOLD => clock::epoch_ms(),
            told => told,
        }
    }

    /// Puts the clock to a time. Nothing happens where it is not told.
    pub(crate) fn set(&self, now: i64) {
        if self.now.load(Ordering::SeqCst) != UNTOLD {
            self.now.store(now, Ordering::SeqCst);
        }
    }

    /// Puts the clock on.
    pub(crate) fn pass(&self, ms: i64) {
        self.set(self.now() + ms);
    }

    /// A further address of its own.
    pub(crate) fn another_ip() -> String {
        address()
    }

    /// A user's id: `alice` of this scene is nobody else's.
    pub(crate) fn user(&self, name: &str) -> String {
        format!("{name}-{}", self.tag)
    }

    /// A model's name of its own.
    pub(crate) fn model(&self, name: &str) -> String {
        format!("@cf/moltproof/{name}-{}", self.tag)
    }

    /// A flag's or preference's name of its own.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{name}.{}", self.tag)
    }

    /// The operator's e-mail address.
    pub(crate) fn email(&self) -> String {
        format!("{}@operators.example", self.tag)
    }

    /// Sends a request, from its own address and at its own time unless the request names others.
    pub(crate) async fn send(&self, mut call: Call) -> Result<Answer, Stop> {
        if !call.has("cf-connecting-ip") {
            call = call.from(&self.ip);
        }
        let told = self.now.load(Ordering::SeqCst);
        if told != UNTOLD && !call.has("x-test-now") {
            call = call.header("x-test-now", told.to_string());
        }
        let answer = call.send(self.subject).await?;
        self.answered.fetch_add(1, Ordering::Relaxed);
        Ok(answer)
    }

    /// How many requests were answered.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Sends a request as the operator.
    pub(crate) async fn operate(&self, call: Call) -> Result<Answer, Stop> {
        let operator = self.subject.operator.as_ref();
        let operator = operator.ok_or(Stop::lacking(Need::Operator))?;
        let token = operator(&self.email());
        let answer = self
            .send(call.header("cf-access-jwt-assertion", token))
            .await?;
        // What Access refuses says nothing about the data layer behind it.
        if answer.is(403, "ACCESS_DENIED") {
            return Err(Stop::Unmet {
                cause: Cause::Capability(Need::Operator),
                seen: answer.to_string(),
            });
        }
        Ok(answer)
    }

    /// A key that is made as a precondition, with all permissions.
    pub(crate) async fn key(&self, user: &str) -> Result<Key, Stop> {
        self.key_with(user, json!({})).await
    }

    /// A key that is made as a precondition, with these fields.
    pub(crate) async fn key_with(&self, user: &str, fields: Value) -> Result<Key, Stop> {
        let user = self.user(user);
        let mut wish = json!({"user_id": user, "permissions": ["chat", "read", "write"]});
        merge(&mut wish, fields);
        let made = self
            .operate(Call::post("/api/admin/keys").json(&wish))
            .await?
            .expect(201, |seen| Stop::unmet("API-002", seen))?;
        let (id, credential) = (made.text("/id"), made.text("/key"));
        if id.is_empty() || credential.is_empty() {
            return Err(Stop::unmet("API-002", format!("no id or key: {made}")));
        }
        Ok(Key {
            id,
            user,
            credential,
            told: made.json(),
        })
    }

    /// Sets a preference as the operator, as a precondition; `path` is scope, subject and name.
    pub(crate) async fn prefer(&self, path: &str, value: Value) -> Result<(), Stop> {
        self.operate(
            Call::put(format!("/api/admin/preferences/{path}")).json(&json!({"value": value})),
        )
        .await?
        .expect(200, |seen| Stop::unmet("API-009", seen))
        .map(drop)
    }

    /// Lets a user do as much as he likes.
    pub(crate) async fn unlimit(&self, user: &str) -> Result<(), Stop> {
        for window in ["minute", "hour", "day"] {
            let path = format!("user/{user}/rate_limit.user.{window}");
            self.prefer(&path, json!(1_000_000)).await?;
        }
        Ok(())
    }

    /// A price from now on, as a precondition.
    pub(crate) async fn price(&self, model: &str, input: u64, output: u64) -> Result<Value, Stop> {
        let price = json!({
            "model": model,
            "input_micros_per_million": input,
            "output_micros_per_million": output,
        });
        let made = self
            .operate(Call::post("/api/admin/prices").json(&price))
            .await?
            .expect(201, |seen| Stop::unmet("API-004", seen))?;
        Ok(made.json())
    }
}

/// The time of the first scene of jobs: after everything that was summed before.
async fn first_era(subject: &Subject) -> Result<i64, Stop> {
    let scene = Scene::untold(subject);
    let days = scene
        .operate(Call::get(
            "/api/admin/statistics?from=2001-01-01&to=2024-12-31",
        ))
        .await?
        .expect(200, |seen| Stop::unmet("API-008", seen))?
        .list("/days");
    let last = days
        .iter()
        .filter_map(|day| crate::oracle::dates::start_of(day["date"].as_str()?))
        .max();
    Ok(last.map_or(ERAS_BEGIN, |last| last + ERA))
}

/// Puts the fields of one object into another.
pub(crate) fn merge(into: &mut Value, fields: Value) {
    if let (Some(into), Value::Object(fields)) = (into.as_object_mut(), fields) {
        into.extend(fields);
    }
}
