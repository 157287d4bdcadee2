//! Prices that must not be: overlapping, in the past, negative, broken. Never judges a refusal before a good price was taken.

use crate::aspect::{Aspect, aspect};
use crate::call::{Answer, Call};
use crate::chat::Chat;
use crate::oracle::dates::HOUR;
use crate::outcome::{Judged, Stop};
use crate::scene::Scene;
use crate::subject::Subject;
use crate::words::encoded;
use crate::wrong::{Right, Traces, told};
use futures_util::future::join_all;
use serde_json::{Value, json};

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-004",
        Beside,
        "a price that would overlap or rewrite the past is refused, and the history stays as it was",
        refused
    ),
    aspect!(
        "API-004",
        Beside,
        "of prices from one instant on, made at once, one is taken",
        at_once
    ),
    aspect!(
        "API-004",
        Beside,
        "a price is a whole number of micro-units from 0, and nothing else is taken",
        whole_numbers
    ),
    aspect!(
        "API-004",
        Beside,
        "a price that breaks a rule is refused, and nothing is left of it",
        broken
    ),
    aspect!(
        "API-004",
        Beside,
        "a clock that goes back finds the price of that time, and none can be put before those that follow",
        clock_goes_back
    ),
];

async fn history(scene: &Scene<'_>, model: &str) -> Result<Vec<Value>, Stop> {
    let list = format!("/api/admin/prices?model={}", encoded(model));
    let listed = scene
        .operate(Call::get(list))
        .await?
        .expect(200, |seen| Stop::unmet("API-001", seen))?;
    Ok(listed.list("/prices"))
}

fn wish(model: &str, input: impl Into<Value>, from: Option<i64>) -> Call {
    let mut wish = json!({
        "model": model,
        "input_micros_per_million": input.into(),
        "output_micros_per_million": 1,
    });
    if let Some(from) = from {
        wish["valid_from"] = from.into();
    }
    Call::post("/api/admin/prices").json(&wish)
}

async fn refused(subject: &Subject) -> Judged {
    let scene = Scene::with_clock(subject)?;
    let model = scene.model("changing");
    let open = scene.now() + HOUR;
    scene
        .operate(wish(&model, json!(5), Some(open)))
        .await?
        .expect(201, |seen| {
            Stop::breach("a price from the next hour on to be taken", seen)
        })?;
    let before = history(&scene, &model).await?;
    let overlapping = [
        ("the open price's instant", open),
        ("an earlier instant", open - 1),
    ];
    for (what, from) in overlapping {
        let answer = scene.operate(wish(&model, json!(6), Some(from))).await?;
        answer.refused(409, "CONFLICT", &format!("for a price from {what} on"))?;
    }
    let past = scene
        .operate(wish(&model, json!(6), Some(scene.now() - 1)))
        .await?;
    past.refused(400, "INVALID_REQUEST", "for a price from the past on")?;
    let after = history(&scene, &model).await?;
    if before == after {
        Ok("three refusals left the history as it was".to_owned())
    } else {
        let (before, after) = (json!(before), json!(after));
        Err(Stop::breach(
            format!("the history to stay {before}"),
            after.to_string(),
        ))
    }
}

/// Prices at once.
const AT_ONCE: usize = 12;

async fn at_once(subject: &Subject) -> Judged {
    let scene = Scene::with_clock(subject)?;
    let model = scene.model("changing");
    scene.price(&model, 1, 1).await?;
    let from = scene.now() + HOUR;
    let wishes = (0..AT_ONCE).map(|nth| scene.operate(wish(&model, json!(nth), Some(from))));
    let answers: Vec<Answer> = join_all(wishes)
        .await
        .into_iter()
        .collect::<Result<_, _>>()?;
    let taken = answers.iter().filter(|answer| answer.status == 201).count();
    let listed = history(&scene, &model).await?;
    let begun = listed
        .iter()
        .filter(|row| row["valid_from"] == json!(from))
        .count();
    if taken == 1 && begun == 1 {
        return Ok(format!("one of {AT_ONCE} was taken"));
    }
    Err(Stop::breach(
        format!("one of {AT_ONCE} prices from one instant on to be taken"),
        format!("{taken} were, and {begun} stand in the history"),
    ))
}

async fn whole_numbers(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let model = scene.model("broken");
    let none: [(&str, Value); 6] = [
        ("-1", json!(-1)),
        ("0.5", json!(0.5)),
        ("a text", json!("5")),
        ("null", Value::Null),
        ("more than 1,000,000,000,000", json!(1_000_000_000_001_u64)),
        ("true", json!(true)),
    ];
    for (what, value) in none {
        let answer = scene.operate(wish(&model, value, None)).await?;
        answer.refused(400, "INVALID_REQUEST", &format!("for a price of {what}"))?;
    }
    if let Some(row) = history(&scene, &model).await?.first() {
        return Err(Stop::breach(
            "no price after refusals only",
            row.to_string(),
        ));
    }
    let good = scene
        .operate(wish(&model, json!(1_000_000_000_000_u64), None))
        .await?;
    good.expect(201, |seen| {
        Stop::breach("the largest price to be taken", seen)
    })?;
    Ok("six broken prices were refused and the largest good one was taken".to_owned())
}

async fn broken(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let price = json!({
        "model": scene.model("kept"),
        "input_micros_per_million": 5,
        "output_micros_per_million": 7,
        "valid_from": scene.now() + HOUR,
    });
    let prices = Right {
        required: &[
            "model",
            "input_micros_per_million",
            "output_micros_per_million",
        ],
        broken: vec![
            ("model", json!("")),
            ("model", json!("m".repeat(201))),
            ("model", json!(5)),
            ("output_micros_per_million", json!(-1)),
            ("output_micros_per_million", json!(0.5)),
            ("output_micros_per_million", json!("7")),
            ("output_micros_per_million", json!(1_000_000_000_001_u64)),
            ("valid_from", json!(scene.now() - HOUR)),
            ("valid_from", json!(-1)),
            ("valid_from", json!("tomorrow")),
            ("valid_from", json!(true)),
        ],
        ..Right::new("API-004", Call::post, "/api/admin/prices", (201, price))
    };
    prices.taken(&scene).await?;
    let before = Traces::of(&scene).await?;
    let count = prices.refused(&scene).await?;
    before.unchanged(&scene).await?;
    Ok(told(count))
}

async fn clock_goes_back(subject: &Subject) -> Judged {
    let scene = Scene::with_clock(subject)?;
    let (key, model) = (scene.key("ada").await?, scene.model("changing"));
    let began = scene.now();
    for (at, input) in [(began, 1_000_000), (began + HOUR, 2_000_000)] {
        scene.set(at);
        scene.price(&model, input, 0).await?;
    }
    let before = history(&scene, &model).await?;
    // The double tells 7 tokens of every question.
    for (at, cost) in [
        (began + HOUR, 14),
        (began + HOUR - 1, 7),
        (began, 7),
        (began - 1, 0),
    ] {
        scene.set(at);
        let answer = scene.chatted(&key, &Chat::with(&model)).await?;
        let id = json!(answer.header("x-request-id"));
        let rows = scene.usage(&key.user).await?;
        let row = rows.iter().find(|row| row["request_id"] == id);
        let seen = row
            .map(|row| row["cost_micros"].clone())
            .unwrap_or_default();
        let wanted = if cost == 0 { Value::Null } else { json!(cost) };
        if seen != wanted {
            return Err(Stop::breach(
                format!(
                    "a cost of {wanted} at {} ms after the first price",
                    at - began
                ),
                format!("cost_micros {seen}"),
            ));
        }
    }
    for at in [began, began + HOUR - 1] {
        scene.set(at);
        let answer = scene.operate(wish(&model, json!(3), None)).await?;
        answer.refused(409, "CONFLICT", "for a price before one that stands")?;
    }
    if history(&scene, &model).await? != before {
        return Err(Stop::breach(
            "the history to stay as it was",
            "another one after prices that were refused",
        ));
    }
    Ok("four chats cost what they did at their time, and two prices were refused".to_owned())
}
