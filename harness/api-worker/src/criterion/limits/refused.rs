//! Limits that are none, and clocks that go back. Never judges which of several windows answers.

use super::{Exceeded, limited, passed, probe, refused as is_refused};
use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::oracle::window::{self, KINDS};
use crate::outcome::{Judged, Stop};
use crate::scene::Scene;
use crate::subject::Subject;
use crate::wrong::{Right, Traces, told};
use serde_json::json;

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-003",
        Beside,
        "a limit that is none is refused, and the one that was set goes on holding",
        refused
    ),
    aspect!(
        "API-003",
        Beside,
        "a clock that goes back finds each window as it was left",
        clock_goes_back
    ),
];

const LIMIT: i64 = 2;

async fn refused(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = limited(&scene, &[("day", LIMIT)]).await?;
    let user = format!("/api/admin/preferences/user/{}", key.user);
    let day = Right {
        required: &["value"],
        broken: vec![
            ("value", json!(-1)),
            ("value", json!(1.5)),
            ("value", json!("5")),
            ("value", json!(null)),
            ("value", json!(true)),
            ("value", json!([5])),
        ],
        ..Right::new(
            "API-009",
            Call::put,
            format!("{user}/rate_limit.user.day"),
            (200, json!({"value": LIMIT})),
        )
    };
    day.taken(&scene).await?;
    let before = Traces::of(&scene).await?;
    let mut count = day.refused(&scene).await?;
    // No such window, no such subject, and an address's limit that is one user's.
    for name in [
        "rate_limit.user.week",
        "rate_limit.day",
        "rate_limit.ip.day",
    ] {
        let call = Call::put(format!("{user}/{name}")).json(&json!({"value": 5}));
        let answer = scene.operate(call).await?;
        answer.refused(
            400,
            "INVALID_REQUEST",
            &format!("for the limit {name} of a user"),
        )?;
        count += 1;
    }
    before.unchanged(&scene).await?;
    for nth in 1..=LIMIT {
        let which = format!("request {nth} of {LIMIT} in one day");
        passed(&scene.send(probe(&key)).await?, &which)?;
    }
    let why = format!("beyond {LIMIT} in the day of the user");
    let answer = scene.send(probe(&key)).await?;
    answer.refused(429, "RATE_LIMIT_EXCEEDED", &why)?;
    Ok(told(count))
}

async fn clock_goes_back(subject: &Subject) -> Judged {
    for (kind, length) in KINDS {
        let scene = Scene::with_clock(subject)?;
        let key = limited(&scene, &[(kind, LIMIT)]).await?;
        let start = window::start(kind, scene.now() + length);
        let (here, before) = (start + length / 3, start - length / 2);
        let exceeded = Exceeded {
            subject: "user",
            kind,
            limit: LIMIT,
        };
        for (at, nth) in [(here, 1), (before, 1), (here, 2), (before, 2)] {
            scene.set(at);
            let order = if at == here { "a" } else { "the earlier" };
            let which = format!("request {nth} of {LIMIT} in {order} {kind}");
            passed(&scene.send(probe(&key)).await?, &which)?;
        }
        for at in [here, before, start + length - 1, start - length] {
            scene.set(at);
            is_refused(&scene.send(probe(&key)).await?, exceeded, at)?;
        }
    }
    let seen = format!("{LIMIT} requests passed in each of two windows by turns, and no more");
    Ok::<_, Stop>(seen)
}
