//! Tries once each thing by which an API worker is judged, with its control, before it is judged. Never judges a promise.

use crate::call::Call;
use crate::chat::Chat;
use crate::criterion;
use crate::oracle::dates::MINUTE;
use crate::outcome::{Judged, Need, Stop};
use crate::scene::{Key, Scene, unique};
use crate::subject::Subject;
use serde_json::json;

/// One thing that was tried.
#[derive(Debug, Clone)]
pub struct Look {
    /// Its name.
    pub name: &'static str,
    /// What hangs on it; `None`: nearly everything.
    pub need: Option<Need>,
    /// What was seen.
    pub saw: Saw,
}

/// What a try came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saw {
    /// It works, and so does its control.
    Works(String),
    /// It does not.
    Fails(String),
    /// The target does not offer it.
    NotOffered,
    /// It was not tried, because something before it did not work.
    Untried,
}

impl From<Judged> for Saw {
    fn from(judged: Judged) -> Self {
        match judged {
            Ok(saw) => Self::Works(saw),
            Err(Stop::Violated(violation)) => Self::Fails(violation.to_string()),
            Err(Stop::Unmet { seen, .. } | Stop::Fault(seen)) => Self::Fails(seen),
        }
    }
}

/// Who is nobody: a credential of the right form.
fn nobody() -> String {
    format!("mpk_{}", unique(43))
}

/// Tries everything, one after the other.
pub async fn look(subject: &Subject) -> Vec<Look> {
    let scene = Scene::at_present(subject);
    let mut looks = Vec::new();
    let mut put = |name, need, saw| looks.push(Look { name, need, saw });
    let offers = |need| match need {
        Need::Operator => subject.operator.is_some(),
        Need::Database => subject.database.is_some(),
        Need::Logs => subject.logs.is_some(),
        Need::Clock => subject.is_clock_told,
        Need::Receiver => subject.receiver.is_some(),
        Need::Files => subject.files.is_some(),
        Need::Runner => subject.runner.is_some(),
        Need::Seeder => subject.seeder.is_some(),
        Need::Restart => subject.own.is_some(),
        Need::Resolver => subject.resolver.is_some(),
    };
    let (operator, key) = match operator(&scene).await {
        Ok((saw, key)) => (Saw::Works(saw), Some(key)),
        Err(_) if !offers(Need::Operator) => (Saw::NotOffered, None),
        Err(stop) => (Err(stop).into(), None),
    };
    put("operator", Some(Need::Operator), operator);
    put(
        "api-chat",
        None,
        match &key {
            Some(key) => chat(&scene, key).await.into(),
            None => Saw::Untried,
        },
    );
    let with_key = [
        ("jobs", Need::Operator),
        ("test-clock", Need::Clock),
        ("look", Need::Database),
        ("log", Need::Logs),
        ("webhooks", Need::Receiver),
        ("names", Need::Resolver),
        ("restart", Need::Restart),
    ];
    for (name, need) in with_key {
        let saw = match (&key, offers(need)) {
            (_, false) => Saw::NotOffered,
            (None, true) => Saw::Untried,
            (Some(key), true) => match need {
                Need::Clock => told_clock(subject).await.into(),
                Need::Database => database(&scene, key).await.into(),
                Need::Logs => logs(&scene, key).into(),
                Need::Receiver => criterion::delivered(subject).await.into(),
                Need::Resolver => criterion::looked_up(subject).await.into(),
                Need::Restart => criterion::lives_on(subject).await.into(),
                Need::Operator | Need::Files | Need::Runner | Need::Seeder => {
                    jobs(&scene).await.into()
                }
            },
        };
        put(name, Some(need), saw);
    }
    for (name, need) in [
        ("files", Need::Files),
        ("tool", Need::Runner),
        ("seeds", Need::Seeder),
    ] {
        let saw = match (need, offers(need)) {
            (_, false) => Saw::NotOffered,
            (Need::Files, true) => files(subject).await.into(),
            (Need::Seeder, true) => criterion::seeder_works(subject).await.into(),
            (_, true) => criterion::tool_works(subject).await.into(),
        };
        put(name, Some(need), saw);
    }
    looks
}

fn fails(expected: &str, seen: &(impl ToString + ?Sized)) -> Stop {
    Stop::Fault(format!("expected {expected}; saw {}", seen.to_string()))
}

/// An operator makes a key, and whoever shows no token makes none.
async fn operator(scene: &Scene<'_>) -> Result<(String, Key), Stop> {
    let key = scene.key("doctor").await?;
    let wish = json!({"user_id": key.user, "permissions": ["chat"]});
    let refused = scene
        .send(Call::post("/api/admin/keys").json(&wish))
        .await?;
    if !matches!(refused.status, 401 | 403) {
        return Err(fails("a refusal without a token", &refused));
    }
    let saw = format!(
        "POST /api/admin/keys makes a key with a token, and answers {} without",
        refused.status
    );
    Ok((saw, key))
}

/// A chat reaches the double, and one with nobody's key reaches nobody.
async fn chat(scene: &Scene<'_>, key: &Key) -> Judged {
    let chat = Chat::with(&scene.model("doctor"));
    let answer = scene.chat(key, &chat).await?;
    if answer.status != 200 {
        return Err(fails("200 to a chat with a new key", &answer));
    }
    if scene.seen_upstream(&chat).is_empty() {
        return Err(fails("a call of the AI Gateway double", "none"));
    }
    let refused = scene.send(chat.call().by(&nobody())).await?;
    if refused.status != 401 {
        return Err(fails("401 to a key of nobody", &refused));
    }
    Ok(
        "a chat with a new key reaches the AI Gateway double; with a key of nobody it is a 401"
            .to_owned(),
    )
}

/// A key that expires is taken before that time, and not after it.
async fn told_clock(subject: &Subject) -> Judged {
    let scene = Scene::with_clock(subject)?;
    let key = scene
        .key_with("doctor", json!({"expires_at": scene.now() + MINUTE}))
        .await?;
    let read = || scene.send(Call::get("/v1/usage").by(&key.credential));
    let before = read().await?;
    scene.pass(2 * MINUTE);
    let after = read().await?;
    if before.status != 200 || after.status != 401 {
        let seen = format!("{} and {}", before.status, after.status);
        return Err(fails(
            "200 before a key expires by X-Test-Now, and 401 after it",
            &seen,
        ));
    }
    Ok("a key expires by X-Test-Now: 200 before, 401 two minutes later".to_owned())
}

/// What was just made stands in the database, and what was not does not.
async fn database(scene: &Scene<'_>, key: &Key) -> Judged {
    let database = scene.subject.own_database()?;
    let rows = database.naming(&key.user, "").await?;
    if rows.is_empty() {
        return Err(fails("a row that names the user of a new key", "none"));
    }
    let others = database.naming(&unique(20), "").await?;
    if !others.is_empty() {
        return Err(fails("no row for what nobody made", &others.len()));
    }
    Ok(format!(
        "{} rows name the user of a new key, and none a user of nobody",
        rows.len()
    ))
}

/// Lines are logged. That no key is in them is judged elsewhere.
fn logs(scene: &Scene<'_>, _key: &Key) -> Judged {
    let lines = scene.subject.lines()?.len();
    if lines == 0 {
        return Err(fails("lines after so many requests", "none"));
    }
    Ok(format!("{lines} lines so far"))
}

/// A job runs for an operator, and for nobody else.
async fn jobs(scene: &Scene<'_>) -> Judged {
    let call = || Call::post("/api/admin/jobs/deliveries").json(&json!({}));
    let ran = scene.operate(call()).await?;
    if ran.status != 200 {
        return Err(fails("200 from the job of deliveries", &ran));
    }
    let refused = scene.send(call()).await?;
    if !matches!(refused.status, 401 | 403) {
        return Err(fails("a refusal without a token", &refused));
    }
    Ok(format!(
        "the job of deliveries runs for an operator, and is a {} without a token",
        refused.status
    ))
}

/// The migrations apply in memory.
async fn files(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            scripts.trial()?;
            let seeds = [scripts.development(), scripts.production()];
            let seeds = seeds.iter().filter(|seed| seed.is_ok()).count();
            let (count, queries) = (scripts.migrations.len(), scripts.queries.len());
            Ok(format!(
                "{count} migrations apply in memory; {seeds} of 2 seeds, {queries} queries"
            ))
        })
        .await
}
