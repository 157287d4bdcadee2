//! Prices in time: which one holds at an instant, and that a later one changes nothing of before. Never reads the machine's clock where an instant decides.

use super::{costs, row_of};
use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::chat::Chat;
use crate::oracle::cost::Price;
use crate::oracle::dates::HOUR;
use crate::outcome::{Judged, Stop};
use crate::scene::{Key, Scene};
use crate::subject::Subject;
use crate::wait;
use crate::words::encoded;
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-004",
        Beside,
        "a price holds from its first instant until the instant before the next one's",
        half_open
    ),
    aspect!(
        "API-004",
        Beside,
        "a new price leaves the cost of every earlier chat as it was",
        earlier_costs_stay
    ),
    aspect!(
        "API-004",
        Beside,
        "a chat whose model gets a new price while it answers costs by the time of its row",
        changes_while_answered
    ),
    aspect!(
        "API-004",
        Beside,
        "the history of a model's prices is kept, without a gap that nobody asked for and without an overlap",
        history_is_kept
    ),
    aspect!(
        "API-004",
        Beside,
        "a price that is announced while another one is in use holds from its first instant on",
        announced
    ),
];

const FIRST: Price = Price {
    input: 1_000_000,
    output: 2_000_000,
};
const SECOND: Price = Price {
    input: 3_000_000,
    output: 5_000_000,
};
const THIRD: Price = Price {
    input: 0,
    output: 7_000_000,
};

/// The double's plain answer.
const TOKENS: (u64, u64) = (7, 3);

async fn price_from(scene: &Scene<'_>, model: &str, price: Price, from: i64) -> Result<(), Stop> {
    let wish = json!({
        "model": model,
        "input_micros_per_million": price.input,
        "output_micros_per_million": price.output,
        "valid_from": from,
    });
    scene
        .operate(Call::post("/api/admin/prices").json(&wish))
        .await?
        .expect(201, |seen| {
            Stop::breach("a price after the open one's beginning to be taken", seen)
        })
        .map(drop)
}

async fn chat_at(scene: &Scene<'_>, key: &Key, model: &str, at: i64) -> Result<Value, Stop> {
    let chat = Chat::with(model);
    let call = chat.call().by(&key.credential);
    let answer = scene
        .send(call.header("x-test-now", at.to_string()))
        .await?
        .expect(200, |seen| Stop::unmet("API-001", seen))?;
    row_of(&scene.usage(&key.user).await?, &answer)
}

/// The price of a row by the time that the row itself tells.
fn price_at(prices: &[(i64, Price)], row: &Value) -> Result<Option<Price>, Stop> {
    let at = row["created_at"].as_i64();
    let at =
        at.ok_or_else(|| Stop::unmet("API-014", format!("created_at {}", row["created_at"])))?;
    let valid = prices.iter().rev().find(|(from, _)| *from <= at);
    Ok(valid.map(|(_, price)| *price))
}

async fn half_open(subject: &Subject) -> Judged {
    let scene = Scene::with_clock(subject)?;
    let (key, model) = (scene.key("ada").await?, scene.model("changing"));
    scene.unlimit(&key.user).await?;
    let first = scene.now() + HOUR;
    let prices = [
        (first, FIRST),
        (first + HOUR, SECOND),
        (first + HOUR + 1, THIRD),
    ];
    for (from, price) in prices {
        price_from(&scene, &model, price, from).await?;
    }
    let instants = prices
        .iter()
        .flat_map(|(from, _)| [from - 1, *from, from + 1]);
    // All at once, and not in the order of their times.
    let rows = instants.rev().map(|at| {
        let (scene, key, model) = (&scene, &key, &model);
        async move { Ok::<_, Stop>((at, chat_at(scene, key, model, at).await?)) }
    });
    let rows = try_join_all(rows).await?;
    for (at, row) in &rows {
        if row["created_at"] != json!(at) {
            let seen = format!("a chat at {at} has a usage row of {}", row["created_at"]);
            return Err(Stop::unmet("API-001", seen));
        }
        let when = format!(", {} ms after the first price began", at - first);
        costs(row, TOKENS, price_at(&prices, row)?, &when)?;
    }
    Ok(format!(
        "{} chats around three beginnings cost what was valid",
        rows.len()
    ))
}

async fn earlier_costs_stay(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (key, model) = (scene.key("ada").await?, scene.model("changing"));
    // Before the model has any price, and at its first one.
    let unpriced = scene.chatted(&key, &Chat::with(&model)).await?;
    let first = row_of(&scene.usage(&key.user).await?, &unpriced)?;
    costs(&first, TOKENS, None, ", before the model had a price")?;
    scene.pass(1);
    scene.price(&model, FIRST.input, FIRST.output).await?;
    let early = scene.chatted(&key, &Chat::with(&model)).await?;
    let before = row_of(&scene.usage(&key.user).await?, &early)?;
    costs(&before, TOKENS, Some(FIRST), ", before the price changed")?;
    // A price begins after the one before it; where the clock is not told, the chat has taken that time.
    scene.pass(1);
    scene.price(&model, SECOND.input, SECOND.output).await?;
    let late = scene.chatted(&key, &Chat::with(&model)).await?;
    let rows = scene.usage(&key.user).await?;
    costs(
        &row_of(&rows, &late)?,
        TOKENS,
        Some(SECOND),
        ", after the price changed",
    )?;
    for (answer, before) in [(&unpriced, first), (&early, before)] {
        let after = row_of(&rows, answer)?;
        if after != before {
            return Err(Stop::breach(
                format!("the row to stay {before}"),
                format!("{after}"),
            ));
        }
    }
    Ok("the rows from before each change are what they were".to_owned())
}

/// Two prices of a model cannot begin in one millisecond.
const UNTIL_THE_NEXT: Duration = Duration::from_millis(2);

async fn changes_while_answered(subject: &Subject) -> Judged {
    // A told clock stands still while the model answers.
    let scene = Scene::untold(subject);
    let (key, model) = (scene.key("ada").await?, scene.model("changing"));
    let begin = |price: &Value| {
        let begin = price["valid_from"].as_i64();
        begin.ok_or_else(|| Stop::unmet("API-014", format!("valid_from {}", price["valid_from"])))
    };
    let first = scene.price(&model, FIRST.input, FIRST.output).await?;
    wait::pass(UNTIL_THE_NEXT).await;
    let chat = Chat::with(&model).streamed();
    let (answer, second) = scene
        .chat_meanwhile(
            &key,
            &chat,
            scene.price(&model, SECOND.input, SECOND.output),
        )
        .await?;
    let prices = [(begin(&first)?, FIRST), (begin(&second)?, SECOND)];
    let row = row_of(&scene.usage(&key.user).await?, &answer)?;
    let when = ", where the price changed while the model answered";
    costs(&row, TOKENS, price_at(&prices, &row)?, when)?;
    Ok(format!(
        "its row is {} ms younger than the new price",
        row["created_at"].as_i64().unwrap_or_default() - prices[1].0
    ))
}

async fn history_is_kept(subject: &Subject) -> Judged {
    let scene = Scene::with_clock(subject)?;
    let model = scene.model("changing");
    let mut wanted = Vec::new();
    for (nth, price) in [FIRST, SECOND, THIRD].into_iter().enumerate() {
        let begin = scene.now();
        scene.price(&model, price.input, price.output).await?;
        if let Some((_, _, end)) = wanted.last_mut() {
            *end = json!(begin);
        }
        wanted.push((price, begin, Value::Null));
        scene.pass(HOUR + i64::try_from(nth).unwrap_or_default());
    }
    let list = format!("/api/admin/prices?model={}", encoded(&model));
    let listed = scene
        .operate(Call::get(list))
        .await?
        .expect(200, |seen| Stop::unmet("API-001", seen))?;
    let rows = listed.list("/prices");
    if rows.len() != wanted.len() {
        return Err(Stop::breach(
            "three prices in the history",
            listed.to_string(),
        ));
    }
    for (row, (price, from, to)) in rows.iter().zip(wanted) {
        let wanted = json!([price.input, price.output, from, to]);
        let seen = json!([
            row["input_micros_per_million"],
            row["output_micros_per_million"],
            row["valid_from"],
            row["valid_to"],
        ]);
        if seen != wanted {
            let what = "prices, beginning and end";
            return Err(Stop::breach(
                format!("{what} {wanted}"),
                format!("{what} {seen}"),
            ));
        }
    }
    Ok("three prices follow each other without a gap".to_owned())
}

async fn announced(subject: &Subject) -> Judged {
    let scene = Scene::with_clock(subject)?;
    let (key, model) = (scene.key("ada").await?, scene.model("changing"));
    scene.unlimit(&key.user).await?;
    let (first, second) = (scene.now(), scene.now() + HOUR);
    price_from(&scene, &model, FIRST, first).await?;
    let before = chat_at(&scene, &key, &model, first + 1).await?;
    costs(
        &before,
        TOKENS,
        Some(FIRST),
        ", while the first price holds",
    )?;
    price_from(&scene, &model, SECOND, second).await?;
    let prices = [(first, FIRST), (second, SECOND)];
    for at in [first + 2, second - 1, second, second + 1] {
        let row = chat_at(&scene, &key, &model, at).await?;
        let when = format!(
            ", {} ms after the beginning of a price that was announced before",
            at - second
        );
        costs(&row, TOKENS, price_at(&prices, &row)?, &when)?;
    }
    Ok("four chats around its beginning cost what was valid".to_owned())
}
