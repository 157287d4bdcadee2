//! Usage rows, and what of an upstream answer counts as success. Never writes.

use super::tenant::TenantId;
use serde_json::Value;

/// One row of `usage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Primary key; made once per answer, so that a retried write leaves one row (USG-010). Version 7: time-ordered keys append to the index.
    pub id: uuid::Uuid,
    /// Who called.
    pub tenant_id: TenantId,
    /// The model that answered.
    pub model: String,
    /// Prompt tokens.
    pub tokens_in: i64,
    /// Completion tokens.
    pub tokens_out: i64,
    /// Time from the upstream call that answered to its last byte, milliseconds.
    pub latency_ms: i64,
    /// Epoch milliseconds.
    pub created_at: i64,
}

/// Largest token count that is believed: what JSON numbers hold exactly in every language.
const TOKENS_MAX: u64 = 1 << 53;

/// Token counts as an answer reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenUsage {
    /// Prompt tokens.
    pub tokens_in: i64,
    /// Completion tokens.
    pub tokens_out: i64,
}

impl TokenUsage {
    /// The usage of an answer or of one stream frame: root `usage` (`OpenAI`, or native inside a Worker) or `result.usage` (native).
    #[must_use]
    pub fn from_answer(answer: &Value) -> Option<Self> {
        let root = answer.get("usage").and_then(Self::from_usage);
        root.or_else(|| {
            answer
                .get("result")?
                .get("usage")
                .and_then(Self::from_usage)
        })
    }

    fn from_usage(usage: &Value) -> Option<Self> {
        let count = |names: [&str; 2]| names.iter().find_map(|name| usage.get(*name));
        let tokens_in = count(["prompt_tokens", "input_tokens"]);
        let tokens_out = count(["completion_tokens", "output_tokens"]);
        if tokens_in.is_none() && tokens_out.is_none() {
            return None;
        }
        Some(Self {
            tokens_in: tokens(tokens_in)?,
            tokens_out: tokens(tokens_out)?,
        })
    }

    /// Whether it counts anything; a stream's early frames often report zeros (USG-006).
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.tokens_in == 0 && self.tokens_out == 0
    }
}

/// A count that is absent is zero; one that is no count makes the whole report unbelievable.
fn tokens(value: Option<&Value>) -> Option<i64> {
    let Some(value) = value else { return Some(0) };
    let count = value.as_u64().or_else(|| whole(value.as_f64()?))?;
    (count <= TOKENS_MAX).then(|| i64::try_from(count).ok())?
}

fn whole(number: f64) -> Option<u64> {
    let text = number.to_string();
    text.parse().ok()
}

/// Whether a 200 answer, or a frame of one, says itself that it failed (USG-003).
#[must_use]
pub fn says_failure(answer: &Value) -> bool {
    let reported = |name: &str| match answer.get(name) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Array(errors)) => !errors.is_empty(),
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Object(error)) => !error.is_empty(),
        Some(Value::Bool(true) | Value::Number(_)) => true,
    };
    answer.get("success") == Some(&Value::Bool(false)) || reported("error") || reported("errors")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(answer: &Value, expected: Option<(i64, i64)>) {
        let usage =
            TokenUsage::from_answer(answer).map(|usage| (usage.tokens_in, usage.tokens_out));
        assert_eq!(usage, expected, "{answer}");
    }

    #[test]
    fn every_dialect_is_understood() {
        let usage = json!({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7});
        check(&json!({"usage": usage}), Some((3, 4)));
        check(
            &json!({"result": {"response": "x", "usage": usage}, "success": true}),
            Some((3, 4)),
        );
        check(
            &json!({"usage": null, "result": {"usage": usage}}),
            Some((3, 4)),
        );
        check(
            &json!({"usage": {"input_tokens": 3.0, "output_tokens": 0}}),
            Some((3, 0)),
        );
        check(&json!({"usage": {"prompt_tokens": 5}}), Some((5, 0)));
    }

    #[test]
    fn what_is_no_count_is_no_usage() {
        for usage in [
            json!(null),
            json!({}),
            json!([]),
            json!("x"),
            json!({"total_tokens": 5}),
        ] {
            check(&json!({"usage": usage}), None);
        }
        for count in [
            json!(-1),
            json!("3"),
            json!(1.5),
            json!(null),
            json!(1e300),
            json!(u64::MAX),
        ] {
            check(
                &json!({"usage": {"prompt_tokens": count, "completion_tokens": 1}}),
                None,
            );
        }
    }

    #[test]
    fn a_payload_may_say_that_it_failed() {
        for answer in [
            json!({"success": false}),
            json!({"error": {"message": "x"}}),
            json!({"error": [{"code": 2009}]}),
            json!({"errors": [{"code": 1}]}),
            json!({"error": "x"}),
        ] {
            assert!(says_failure(&answer), "{answer}");
        }
        for answer in [
            json!({"success": true, "errors": [], "messages": []}),
            json!({"error": null}),
            json!(null),
            json!([]),
        ] {
            assert!(!says_failure(&answer), "{answer}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let key = prop_oneof![
            Just("usage".to_owned()),
            Just("result".to_owned()),
            Just("prompt_tokens".to_owned()),
            Just("completion_tokens".to_owned()),
            Just("error".to_owned()),
            any::<String>()
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 32, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(key.clone(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect()))
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_gives_no_panic_and_no_negative_count(answer in any_json()) {
            prop_assert!(!(says_failure(&answer) && answer.is_null()));
            if let Some(usage) = TokenUsage::from_answer(&answer) {
                prop_assert!(usage.tokens_in >= 0 && usage.tokens_out >= 0);
            }
        }
    }
}
