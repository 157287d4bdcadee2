//! The shape of an error, held against the published JSON Schema. Never asks what caused the error.

use crate::contract::codes::CODES;
use crate::evidence::Exchange;
use crate::said::said;
use jsonschema::Validator;
use serde_json::Value;
use std::sync::LazyLock;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The schema that the project publishes.
pub const SCHEMA: &str = include_str!("../../../fixtures/schemas/error.schema.json");

/// How far the clocks of harness and target may be apart. Evidence: Access and TLS already fail between clocks that differ by more.
const CLOCK_SKEW_MS_MAX: i64 = 10 * 60 * 1000;

static VALIDATOR: LazyLock<Result<Validator, String>> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(SCHEMA).map_err(|error| error.to_string())?;
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema)
        .map_err(|error| error.to_string())
});

/// Whether an answer is an error whose body is there to be judged: an answer to `HEAD` has none.
#[must_use]
pub fn is_error(answer: &Exchange) -> bool {
    answer.status >= 400 && answer.request.method != "HEAD"
}

/// What is wrong with the shape of an error (ERR-001); nothing if it is as the contract has it.
#[must_use]
pub fn flaws(answer: &Exchange) -> Vec<String> {
    let mut flaws = Vec::new();
    if answer.media_type() != "application/json" {
        let media_type = answer.header("content-type").unwrap_or_default();
        flaws.push(format!("content-type is `{media_type}`"));
    }
    let Some(body) = answer.sent_json() else {
        flaws.push("the body is no JSON".to_owned());
        return flaws;
    };
    flaws.extend(schema_flaws(&body));
    flaws.extend(timestamp_flaw(&body, answer.sent_at_ms));
    flaws
}

fn schema_flaws(body: &Value) -> Vec<String> {
    match &*VALIDATOR {
        Ok(validator) => validator
            .iter_errors(body)
            .map(|error| format!("{error} (at `{}`)", error.instance_path()))
            .collect(),
        Err(why) => vec![format!("the published schema is no schema: {why}")],
    }
}

fn timestamp_flaw(body: &Value, sent_at_ms: i64) -> Option<String> {
    let text = body.pointer("/meta/timestamp")?.as_str()?;
    let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) else {
        return Some(format!("timestamp `{text}` is not RFC 3339"));
    };
    if !moment.offset().is_utc() {
        return Some(format!("timestamp `{text}` is not in UTC"));
    }
    let ms = moment.unix_timestamp_nanos() / 1_000_000;
    let apart = (ms - i128::from(sent_at_ms)).abs();
    (apart > i128::from(CLOCK_SKEW_MS_MAX)).then(|| {
        format!("timestamp `{text}` is {apart} ms away from the time the request was sent")
    })
}

/// What is wrong with code and status (ERR-003); `None` if the code is listed and has its status.
#[must_use]
pub fn code_flaw(answer: &Exchange) -> Option<String> {
    let Some(code) = answer.text_at("/error/code") else {
        return Some("no error code".to_owned());
    };
    match CODES.iter().find(|(known, _)| *known == code) {
        None => Some(format!("`{code}` is not a code of the contract")),
        Some((_, status)) if *status == answer.status => None,
        Some((_, status)) => Some(format!(
            "`{code}` has status {}, not {status}",
            answer.status
        )),
    }
}

/// What is wrong with the request id (ERR-002) of an error: header and body must name the same.
#[must_use]
pub fn id_flaw(answer: &Exchange) -> Option<String> {
    let header = answer.header("x-request-id");
    let body = answer.text_at("/meta/request_id");
    if header.is_none() {
        Some("no X-Request-Id".to_owned())
    } else if answer.header_all("x-request-id").len() > 1 {
        Some("several X-Request-Id".to_owned())
    } else if header != body.as_deref() {
        Some(format!(
            "X-Request-Id is {header} and meta.request_id {body}",
            header = said(&header),
            body = said(&body)
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::samples::answer;
    use serde_json::json;

    fn envelope() -> Value {
        json!({
            "success": false,
            "error": { "code": "NOT_FOUND", "message": "No such route.", "details": {} },
            "meta": { "request_id": "0191d4b2-7c3e-7f00-8000-000000000000", "timestamp": "1970-01-01T00:00:01.5Z" }
        })
    }

    fn flaws_of(body: &Value) -> Vec<String> {
        flaws(&answer(404, "application/json", &body.to_string()))
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut body = envelope();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    }

    #[test]
    fn the_contracts_shape_has_no_flaw() {
        assert_eq!(flaws_of(&envelope()), Vec::<String>::new());
        assert_eq!(
            flaws_of(&with("/error/details", Value::Null)),
            Vec::<String>::new()
        );
        let offset = with("/meta/timestamp", json!("1970-01-01T00:00:01+00:00"));
        assert_eq!(flaws_of(&offset), Vec::<String>::new());
    }

    #[test]
    fn every_departure_from_the_shape_is_a_flaw() {
        let departures = [
            ("/success", json!(true)),
            ("/success", json!("false")),
            ("/error/code", json!("OOPS")),
            ("/error/message", json!("")),
            ("/error/details", json!("text")),
            ("/error", json!("NOT_FOUND")),
            ("/meta", json!({})),
            ("/meta/request_id", json!(7)),
            ("/meta/request_id", json!("")),
            ("/meta/timestamp", json!("1970-01-01 00:00:01")),
            ("/meta/timestamp", json!("1970-01-01T02:00:01+02:00")),
            ("/meta/timestamp", json!("1970-02-30T00:00:01Z")),
            ("/meta/timestamp", json!("1980-01-01T00:00:01Z")),
            ("/meta/timestamp", json!(1000)),
        ];
        for (pointer, value) in departures {
            let body = with(pointer, value.clone());
            assert_ne!(flaws_of(&body), Vec::<String>::new(), "{pointer} = {value}");
        }
    }

    #[test]
    fn a_missing_or_additional_member_is_a_flaw() {
        let mut without_details = envelope();
        without_details["error"]
            .as_object_mut()
            .unwrap()
            .remove("details");
        assert_ne!(flaws_of(&without_details), Vec::<String>::new());
        let mut with_stack = envelope();
        with_stack["error"]["stack"] = json!("at main");
        assert_ne!(flaws_of(&with_stack), Vec::<String>::new());
    }

    #[test]
    fn another_media_type_or_no_json_is_a_flaw() {
        let html = answer(404, "text/html", &envelope().to_string());
        assert_eq!(flaws(&html), ["content-type is `text/html`"]);
        let text = answer(404, "application/json; charset=utf-8", "Not Found");
        assert_eq!(flaws(&text), ["the body is no JSON"]);
    }

    #[test]
    fn the_schema_lists_the_codes_of_the_contract() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let listed = schema
            .pointer("/properties/error/properties/code/enum")
            .unwrap();
        let mut listed: Vec<_> = listed
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let mut codes: Vec<_> = CODES.iter().map(|(code, _)| *code).collect();
        listed.sort_unstable();
        codes.sort_unstable();
        assert_eq!(listed, codes);
    }

    #[test]
    fn a_code_with_another_status_is_a_flaw() {
        let body = envelope().to_string();
        assert_eq!(code_flaw(&answer(404, "application/json", &body)), None);
        assert!(code_flaw(&answer(400, "application/json", &body)).is_some());
    }
}
