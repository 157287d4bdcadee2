//! API-004: what a chat costs. Never takes a cost or a price from the target.

mod exact;
mod history;
mod overlaps;
mod refusals;

use crate::aspect::Aspect;
use crate::call::Answer;
use crate::oracle::cost::{Price, cost};
use crate::outcome::Stop;
use serde_json::{Value, json};

/// What is judged of API-004, by family.
pub(super) const FAMILIES: [&[Aspect]; 4] = [
    exact::ASPECTS,
    history::ASPECTS,
    overlaps::ASPECTS,
    refusals::ASPECTS,
];

/// The one usage row of a chat, found by the id of its request.
fn row_of(rows: &[Value], answer: &Answer) -> Result<Value, Stop> {
    let id = answer.header("x-request-id").unwrap_or_default();
    let mut theirs = rows.iter().filter(|row| row["request_id"] == id);
    match (theirs.next(), theirs.next()) {
        (Some(row), None) => Ok(row.clone()),
        (None, _) => Err(Stop::unmet(
            "API-001",
            format!("no usage row of the request {id}"),
        )),
        (Some(_), Some(_)) => Err(Stop::unmet(
            "API-001",
            format!("several usage rows of the request {id}"),
        )),
    }
}

/// That a row has these tokens, and costs what they cost at this price (none: no cost).
fn costs(row: &Value, tokens: (u64, u64), price: Option<Price>, when: &str) -> Result<(), Stop> {
    let (tokens_in, tokens_out) = tokens;
    if row["input_tokens"] != json!(tokens_in) || row["output_tokens"] != json!(tokens_out) {
        let seen = format!(
            "{} and {} tokens",
            row["input_tokens"], row["output_tokens"]
        );
        return Err(Stop::unmet(
            "API-001",
            format!("the row of {tokens_in} and {tokens_out} tokens has {seen}"),
        ));
    }
    let seen = &row["cost_micros"];
    let wanted = price.map(|price| cost(price, tokens_in, tokens_out));
    let is_right = match wanted {
        None => seen.is_null(),
        Some(wanted) => seen.as_u64().map(u128::from) == Some(wanted),
    };
    if is_right {
        return Ok(());
    }
    let wanted = wanted.map_or_else(|| "null".to_owned(), |wanted| wanted.to_string());
    let by = price.map_or_else(String::new, |price| {
        format!(
            " at {} and {} micro-units for a million",
            price.input, price.output
        )
    });
    Err(Stop::breach(
        format!("cost_micros {wanted} for {tokens_in} and {tokens_out} tokens{by}{when}"),
        format!("cost_micros {seen}"),
    ))
}
