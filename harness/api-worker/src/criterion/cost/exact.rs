//! Costs to the last micro-unit: halves, large numbers, none. Never lets two chats share a model.

use super::{costs, row_of};
use crate::aspect::{Aspect, aspect};
use crate::chat::Chat;
use crate::oracle::cost::Price;
use crate::outcome::{Judged, Stop};
use crate::scene::{Key, Scene};
use crate::subject::Subject;
use futures_util::future::try_join_all;
use moltproof_doubles::{Reply, StreamDialect};

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-004",
        Beside,
        "a chat costs its tokens at the model's price, exactly, rounded once, half up",
        to_the_micro_unit
    ),
    aspect!(
        "API-004",
        Beside,
        "a stream costs what the same chat costs without one",
        streamed
    ),
    aspect!(
        "API-004",
        Beside,
        "models whose names differ in letter case only have prices of their own",
        by_the_whole_name
    ),
    aspect!(
        "API-004",
        Beside,
        "a cost is null where there are no tokens or no price, and 0 where the price is 0",
        none_and_nothing
    ),
];

/// Prices and tokens at which a wrong way of counting shows: input price, output price, input tokens, output tokens.
const CASES: [(u64, u64, u64, u64); 12] = [
    // Whole numbers.
    (150_000, 600_000, 1_000, 500),
    // A half is rounded up, what is less down.
    (500_000, 0, 1, 3),
    (499_999, 0, 1, 3),
    // Two halves are one whole: each rounded up would be two, each rounded down none.
    (500_000, 500_000, 1, 1),
    (400_000, 400_000, 1, 1),
    // A half to even would be 2.
    (2_500_000, 0, 1, 0),
    (100_000, 0, 25, 0),
    // 1.005 × 100 is less than 100.5 in floating point.
    (1_005_000, 0, 100, 0),
    (70_000, 290_000, 3_333, 7_777),
    // Products beyond 2^53 and beyond 2^63.
    (999_999_999_999, 1, 9_007_199, 500_001),
    (1_000_000_000_000, 1_000_000_000_000, 12_345_678, 1),
    (3, 7, 0, 0),
];

/// Cases that are drawn at random.
const DRAWN: usize = 12;

async fn one(
    scene: &Scene<'_>,
    key: &Key,
    at: usize,
    case: (u64, u64, u64, u64),
) -> Result<(), Stop> {
    let (input, output, tokens_in, tokens_out) = case;
    let model = scene.model(&format!("case{at}"));
    scene.price(&model, input, output).await?;
    let chat = Chat::with(&model);
    scene.script(&chat, Reply::answer("Hello.", tokens_in, tokens_out));
    let answer = scene.chatted(key, &chat).await?;
    let row = row_of(&scene.usage(&key.user).await?, &answer)?;
    costs(
        &row,
        (tokens_in, tokens_out),
        Some(Price { input, output }),
        "",
    )
}

async fn to_the_micro_unit(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    scene.unlimit(&key.user).await?;
    let drawn = (0..DRAWN).map(|_| {
        let price = || fastrand::u64(0..5_000_000);
        (
            price(),
            price(),
            fastrand::u64(0..200_000),
            fastrand::u64(0..20_000),
        )
    });
    let cases: Vec<_> = CASES.into_iter().chain(drawn).collect();
    let judged = cases.iter().enumerate();
    try_join_all(judged.map(|(at, case)| one(&scene, &key, at, *case))).await?;
    Ok(format!("{} costs are exact", cases.len()))
}

async fn streamed(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let (key, model) = (scene.key("ada").await?, scene.model("small"));
    let price = Price {
        input: 123_457,
        output: 654_321,
    };
    scene.price(&model, price.input, price.output).await?;
    for dialect in [StreamDialect::OpenAi, StreamDialect::OpenAiBinding] {
        let chat = Chat::with(&model).streamed();
        scene.script(&chat, Reply::stream(dialect, &["Hel", "lo."], 1_237, 411));
        let answer = scene.chatted(&key, &chat).await?;
        let row = row_of(&scene.usage(&key.user).await?, &answer)?;
        costs(&row, (1_237, 411), Some(price), ", streamed")?;
    }
    Ok("two streams cost what their tokens cost".to_owned())
}

async fn by_the_whole_name(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    let models = [
        scene.model("small"),
        scene.model("Small"),
        scene.model("SMALL"),
    ];
    let prices = [1_000_000, 3_000_000, 7_000_000].map(|input| Price { input, output: 0 });
    for (model, price) in models.iter().zip(prices).rev() {
        scene.price(model, price.input, price.output).await?;
    }
    for (model, price) in models.iter().zip(prices) {
        let answer = scene.chatted(&key, &Chat::with(model)).await?;
        let row = row_of(&scene.usage(&key.user).await?, &answer)?;
        costs(&row, (7, 3), Some(price), &format!(", of {model}"))?;
    }
    let unpriced = Chat::with(&scene.model("sMALL"));
    let answer = scene.chatted(&key, &unpriced).await?;
    let row = row_of(&scene.usage(&key.user).await?, &answer)?;
    costs(&row, (7, 3), None, ", of a name that has no price")?;
    Ok("three names had three prices, and a fourth had none".to_owned())
}

async fn none_and_nothing(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = scene.key("ada").await?;
    let unpriced = Chat::with(&scene.model("unpriced"));
    let answer = scene.chatted(&key, &unpriced).await?;
    let row = row_of(&scene.usage(&key.user).await?, &answer)?;
    costs(&row, (7, 3), None, ", without a price")?;
    let free = scene.model("free");
    scene.price(&free, 0, 0).await?;
    let answer = scene.chatted(&key, &Chat::with(&free)).await?;
    let row = row_of(&scene.usage(&key.user).await?, &answer)?;
    costs(
        &row,
        (7, 3),
        Some(Price {
            input: 0,
            output: 0,
        }),
        ", free",
    )?;
    let model = scene.model("silent");
    scene.price(&model, 1_000_000, 1_000_000).await?;
    let silent = Chat::with(&model);
    scene.script(&silent, Reply::without_usage());
    let answer = scene.chatted(&key, &silent).await?;
    let row = row_of(&scene.usage(&key.user).await?, &answer)?;
    let (tokens, cost) = (&row["input_tokens"], &row["cost_micros"]);
    if !tokens.is_null() {
        return Err(Stop::unmet(
            "API-001",
            format!("{tokens} tokens that the provider did not tell"),
        ));
    }
    if !cost.is_null() {
        return Err(Stop::breach(
            "cost_micros null for a chat without tokens",
            format!("cost_micros {cost}"),
        ));
    }
    Ok("no price and no tokens cost null, a price of 0 costs 0".to_owned())
}
