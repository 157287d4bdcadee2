//! A cursor that the target gave out, with a payload put into it. Never makes one up: what the target cannot read it never looks at.

use super::injection::{begin, operator_gets};
use crate::run::book::{Args, Book};
use crate::run::scene::Scene;
use crate::steps::operating::{expect_status_first, expect_usage_count};
use crate::steps::words::filled;
use crate::verdict::{Check, OrUnmet as _, Stop};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value;
use std::collections::BTreeSet;

/// What may stand between the parts of a cursor.
const SEPARATORS: [char; 7] = [' ', ':', '|', ',', '_', '.', ';'];

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(r#"tenant "([^"]+)" has two pages of usage"#, |s, a| {
        Box::pin(two_pages(s, a))
    });
    book.step(
        r#"the operator turns the pages of (the tenants|the usage of tenant "([^"]+)") by the target's own cursor with "([^"]+)" put into it"#,
        |s, a| Box::pin(turns_pages(s, a)),
    );
}

/// Chats twice: a page of one row has a next one.
async fn two_pages(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    for _chat in 0..2 {
        let request = s.chat_request(&tenant.host);
        let answer = s.send(request).await?;
        expect_status_first(s, &answer, 200)?;
    }
    let looked = expect_usage_count(s, &tenant, 2).await;
    looked.or_unmet("USG-001")
}

async fn turns_pages(s: &mut Scene, a: Args) -> Check {
    let (payload, dialect) = (filled(s, a.text(3)).await?, s.dialect());
    let path = if a.text(2).is_empty() {
        dialect.tenants
    } else {
        dialect.usage.replace("{id}", &s.tenant(a.text(2))?.id)
    };
    let first = operator_gets(s, &format!("{path}?limit=1")).await?;
    expect_status_first(s, &first, 200)?;
    let cursor = first.text_at(&s.dialect().next_cursor).unwrap_or_default();
    // Nobody promises pages: where there are none, there is no cursor to be changed.
    if cursor.is_empty() {
        return Err(Stop::NotApplicable(format!(
            "{} names no next page in `next_cursor`: there is no cursor of the target's own to be changed",
            first.request.path
        )));
    }
    // Taken as it is: only then is a changed one looked at.
    let next = operator_gets(s, &format!("{path}?limit=1&cursor={}", escaped(&cursor))).await?;
    expect_status_first(s, &next, 200)?;
    begin(s);
    // A blank may part what a cursor holds; SQL takes a comment for one.
    let mut all = with_payload(&cursor, &payload);
    all.extend(with_payload(&cursor, &payload.replace(' ', "/**/")));
    for changed in all {
        operator_gets(s, &format!("{path}?cursor={}", escaped(&changed))).await?;
    }
    Ok(())
}

/// The cursor with the payload in each place where it may be taken for a part of it.
fn with_payload(cursor: &str, payload: &str) -> BTreeSet<String> {
    let mut all = in_text(cursor, payload);
    for alphabet in [URL_SAFE_NO_PAD, URL_SAFE, STANDARD_NO_PAD, STANDARD] {
        let decoded = alphabet.decode(cursor).ok();
        let Some(inner) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) else {
            continue;
        };
        let printable = !inner.is_empty() && !inner.chars().any(char::is_control);
        if printable {
            let inner = in_text(&inner, payload);
            all.extend(inner.iter().map(|text| alphabet.encode(text)));
        }
    }
    all
}

/// The text with the payload before it, behind it, behind each of its parts and, if it is JSON, behind each of its values.
fn in_text(text: &str, payload: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::from([format!("{text}{payload}"), format!("{payload}{text}")]);
    for (at, _separator) in text.match_indices(SEPARATORS) {
        all.insert(format!("{}{payload}{}", &text[..at], &text[at..]));
    }
    if let Ok(Value::Object(members)) = serde_json::from_str::<Value>(text) {
        for (name, value) in &members {
            let mut changed = members.clone();
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            changed.insert(name.clone(), format!("{value}{payload}").into());
            all.insert(Value::Object(changed).to_string());
        }
    }
    all
}

/// The text as the value of a query's parameter.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_put_behind_each_part_of_a_cursor() {
        let all = with_payload("17:ab", "'x");
        for changed in ["17:ab'x", "'x17:ab", "17'x:ab"] {
            assert!(all.contains(changed), "{changed} in {all:?}");
        }
    }

    #[test]
    fn a_payload_is_put_into_what_a_cursor_hides() {
        let cursor = URL_SAFE_NO_PAD.encode(r#"{"at":17,"id":"ab"}"#);
        let all = with_payload(&cursor, "'x");
        let hidden = URL_SAFE_NO_PAD.encode(r#"{"at":17,"id":"ab'x"}"#);
        assert!(all.contains(&hidden), "{all:?}");
        let number = URL_SAFE_NO_PAD.encode(r#"{"at":"17'x","id":"ab"}"#);
        assert!(all.contains(&number), "{all:?}");
    }

    #[test]
    fn a_query_takes_any_text() {
        assert_eq!(escaped("a' b"), "a%27%20b");
    }
}
