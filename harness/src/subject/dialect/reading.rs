//! A target's answer, read in the words of `shapes.md`. Never changes the answer itself: what was sent stays the evidence.

use super::Dialect;
use super::field::Field;
use super::operation::Operation;
use crate::contract::codes::CODES;
use crate::evidence::Interpreter;
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex, PoisonError};

/// Which of a scenario's looks met nothing because the target does not show the value.
#[derive(Debug, Default)]
pub struct Missed(Mutex<Option<&'static str>>);

impl Missed {
    fn put(&self, key: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
    }

    /// The `[dialect]` key of what was looked for in vain since the last call.
    pub fn take(&self) -> Option<&'static str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// How the answer to one request is read.
#[derive(Debug)]
pub struct Reading {
    operation: Option<Operation>,
    /// Fields that are elsewhere, or nowhere.
    moved: Vec<(Field, String)>,
    codes: Vec<(String, String)>,
    tiers: Vec<(String, String)>,
    variables: Vec<(String, String)>,
    states: Vec<(String, String)>,
    success: Vec<u16>,
    missed: Arc<Missed>,
}

impl Reading {
    /// How answers to an operation are read; `None` where the target speaks as `shapes.md` does.
    #[must_use]
    pub fn of(
        dialect: &Dialect,
        operation: Option<Operation>,
        missed: &Arc<Missed>,
    ) -> Option<Arc<dyn Interpreter>> {
        let mut own = dialect.clone();
        let moved: Vec<_> = Field::ALL
            .into_iter()
            .filter_map(|field| {
                let here = field.is_of_errors()
                    || operation.is_some_and(|operation| field.is_of(operation));
                let pointer = field.of_mut(&mut own).clone();
                (here && pointer != field.canonical()).then_some((field, pointer))
            })
            .collect();
        let pairs = |map: &std::collections::BTreeMap<String, String>| {
            map.iter()
                .map(|(name, own)| (name.clone(), own.clone()))
                .collect::<Vec<_>>()
        };
        let reading = Self {
            operation,
            moved,
            codes: pairs(&dialect.error_codes),
            tiers: pairs(&dialect.tiers),
            variables: pairs(&dialect.variables),
            states: pairs(&dialect.gateway_states),
            success: operation
                .and_then(|operation| dialect.spelling(operation))
                .map_or_else(Vec::new, |spelling| spelling.success.clone()),
            missed: Arc::clone(missed),
        };
        let plain = reading.moved.is_empty()
            && reading.codes.is_empty()
            && reading.tiers.is_empty()
            && reading.variables.is_empty()
            && reading.states.is_empty()
            && reading.success.is_empty();
        (!plain).then(|| Arc::new(reading) as Arc<dyn Interpreter>)
    }

    fn moved(&self, status: u16) -> impl Iterator<Item = &(Field, String)> {
        self.moved
            .iter()
            .filter(move |(field, _)| field.is_of_errors() == (status >= 300))
    }

    /// The contract's code for the target's; of several the one that has this status.
    fn code(&self, own: &str, status: u16) -> Option<String> {
        let theirs = || self.codes.iter().filter(|(_, theirs)| theirs == own);
        let fits = |code: &str| CODES.contains(&(code, status));
        theirs()
            .find(|(code, _)| fits(code))
            .or_else(|| theirs().next())
            .map(|(code, _)| code.clone())
    }
}

impl Interpreter for Reading {
    fn read(&self, status: u16, body: Option<Value>) -> Option<Value> {
        let sent = body?;
        let mut shown = sent.clone();
        // What differs from answer to answer stands in one place only, where comparisons leave it out.
        for (field, pointer) in self.moved(status) {
            let own_of_each = matches!(field, Field::ErrorRequestId | Field::ErrorTimestamp);
            if own_of_each && let Some(value) = shown.pointer_mut(pointer) {
                *value = Value::Null;
            }
        }
        for (field, pointer) in self.moved(status) {
            let value = (!pointer.is_empty())
                .then(|| sent.pointer(pointer))
                .flatten();
            if let Some(value) = value {
                put(&mut shown, field.canonical(), value.clone());
            } else if shown.pointer(field.canonical()).is_some() {
                // A value that the target calls otherwise must not pass for the one that is looked for.
                put(&mut shown, field.canonical(), Value::Null);
            }
        }
        let named = |names: &[(String, String)], own: &str| {
            let found = names.iter().find(|(_, theirs)| theirs == own);
            found.map(|(name, _)| name.clone())
        };
        let missing = shown.pointer_mut("/error/details/missing");
        if status >= 300
            && let Some(Value::Array(missing)) = missing
        {
            for name in missing {
                let fields = name.as_object_mut().into_iter().flatten();
                for (_field, text) in fields {
                    translate(text, "", |own| named(&self.variables, own));
                }
                translate(name, "", |own| named(&self.variables, own));
            }
        }
        if status < 300 && self.operation.is_some_and(Operation::shows_a_gateway) {
            for pointer in ["/state", "/gateway/state"] {
                translate(&mut shown, pointer, |own| named(&self.states, own));
            }
        }
        if status >= 300 {
            translate(&mut shown, "/error/code", |own| self.code(own, status));
        } else if self.operation.is_some_and(Operation::shows_a_tier) {
            translate(&mut shown, "/tier", |own| {
                let found = self.tiers.iter().find(|(_, theirs)| theirs == own);
                found.map(|(name, _)| name.clone())
            });
        }
        Some(shown)
    }

    fn status(&self, sent: u16) -> u16 {
        match self.operation {
            Some(operation) if self.success.contains(&sent) => operation.success(),
            Some(_) | None => sent,
        }
    }

    fn has_codes(&self) -> bool {
        !self
            .moved
            .iter()
            .any(|(field, pointer)| *field == Field::ErrorCode && pointer.is_empty())
    }

    fn says(&self, sent: Option<&Value>, code: &str) -> bool {
        let pointer = self
            .moved
            .iter()
            .find(|(field, _)| *field == Field::ErrorCode)
            .map_or("/error/code", |(_, pointer)| pointer);
        let own = self.codes.iter().find(|(name, _)| name == code);
        let own = own.map_or(code, |(_, own)| own);
        let seen = sent.and_then(|sent| sent.pointer(pointer)?.as_str());
        seen == Some(own)
    }

    fn look(&self, status: u16, pointer: &str) {
        // An error code that is not there is judged by the status: see `has_codes`.
        let missing = self.moved(status).find(|(field, own)| {
            own.is_empty() && field.canonical() == pointer && *field != Field::ErrorCode
        });
        // Errors of a target with no request id in them break ERR-002: nothing there is left open.
        if let Some((field, _)) = missing
            && !field.is_of_errors()
        {
            self.missed.put(field.key());
        }
    }
}

fn translate(shown: &mut Value, pointer: &str, to: impl Fn(&str) -> Option<String>) {
    if let Some(value) = shown.pointer_mut(pointer)
        && let Some(name) = value.as_str().and_then(to)
    {
        *value = Value::String(name);
    }
}

/// Puts a value at a pointer, making objects on the way; an array on the way is only entered where it is.
fn put(target: &mut Value, pointer: &str, value: Value) {
    let mut place = target;
    for word in pointer.split('/').skip(1) {
        if let (Value::Array(list), Ok(at)) = (&*place, word.parse::<usize>())
            && at < list.len()
        {
            place = &mut place[at];
            continue;
        }
        if word == "0" && !place.is_object() {
            *place = Value::Array(vec![Value::Null]);
            place = &mut place[0];
            continue;
        }
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[word];
    }
    *place = value;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn dialect() -> Dialect {
        Dialect {
            error_code: "/error".into(),
            error_details: "/info".into(),
            status_tenant: String::new(),
            tenant_id: "/customer/uuid".into(),
            tenant_slug: "/id".into(),
            chat_text: "/reply/text".into(),
            error_codes: BTreeMap::from([
                ("TENANT_NOT_FOUND".into(), "not_found".into()),
                ("NOT_FOUND".into(), "not_found".into()),
                ("INVALID_REQUEST".into(), "bad".into()),
            ]),
            tiers: BTreeMap::from([("free".into(), "basic".into())]),
            ..Dialect::default()
        }
    }

    fn reading(operation: Operation) -> (Arc<dyn Interpreter>, Arc<Missed>) {
        let missed = Arc::default();
        (
            Reading::of(&dialect(), Some(operation), &missed).unwrap(),
            missed,
        )
    }

    #[test]
    fn the_default_dialect_is_read_as_it_stands() {
        let missed = Arc::default();
        assert!(Reading::of(&Dialect::default(), Some(Operation::Chat), &missed).is_none());
    }

    #[test]
    fn moved_fields_stand_where_shapes_has_them_even_if_names_cross() {
        let (reading, _) = reading(Operation::ReadTenant);
        let body = json!({ "id": "acme", "customer": { "uuid": "u-1" }, "tier": "basic" });
        let shown = reading.read(200, Some(body)).unwrap();
        assert_eq!(shown["id"], "u-1");
        assert_eq!(shown["slug"], "acme");
        assert_eq!(shown["tier"], "free");
    }

    #[test]
    fn an_error_is_read_by_the_targets_own_names() {
        let (reading, _) = reading(Operation::Status);
        let body = json!({ "error": "not_found", "info": { "a": 1 } });
        let shown = reading.read(404, Some(body.clone())).unwrap();
        assert_eq!(shown["error"]["details"], json!({ "a": 1 }));
        assert!(
            reading.says(Some(&body), "TENANT_NOT_FOUND") && reading.says(Some(&body), "NOT_FOUND")
        );
        assert!(!reading.says(Some(&body), "INVALID_REQUEST"));
    }

    #[test]
    fn a_wrapped_model_answer_is_a_completion() {
        let (reading, _) = reading(Operation::Chat);
        let shown = reading
            .read(200, Some(json!({ "reply": { "text": "Hello" } })))
            .unwrap();
        assert_eq!(shown["choices"][0]["message"]["content"], "Hello");
    }

    #[test]
    fn a_look_for_what_is_not_shown_is_noted_and_only_in_a_successful_answer() {
        let (reading, missed) = reading(Operation::Status);
        reading.look(404, "/tenant");
        reading.look(200, "/gateway/state");
        assert_eq!(missed.take(), None);
        reading.look(200, "/tenant");
        assert_eq!(missed.take(), Some("status_tenant"));
        assert_eq!(missed.take(), None);
    }

    #[test]
    fn names_of_what_is_missing_and_states_are_the_contracts() {
        let own = Dialect {
            variables: BTreeMap::from([("TENANT_DB".into(), "DB".into())]),
            gateway_states: BTreeMap::from([("running".into(), "up".into())]),
            ..Dialect::default()
        };
        let missed = Arc::default();
        let read = |operation, status, body| {
            let reading = Reading::of(&own, Some(operation), &missed).unwrap();
            reading.read(status, Some(body)).unwrap()
        };
        let error = json!({ "error": { "details": { "missing": ["DB", "OTHER"] } } });
        let shown = read(Operation::Status, 503, error);
        assert_eq!(
            shown["error"]["details"]["missing"],
            json!(["TENANT_DB", "OTHER"])
        );
        let error =
            json!({ "error": { "details": { "missing": [{ "name": "DB", "kind": "d1" }] } } });
        let shown = read(Operation::Status, 503, error);
        assert_eq!(shown["error"]["details"]["missing"][0]["name"], "TENANT_DB");
        let shown = read(
            Operation::Status,
            200,
            json!({ "gateway": { "state": "up" } }),
        );
        assert_eq!(shown["gateway"]["state"], "running");
        let shown = read(Operation::Gateway, 200, json!({ "state": "up" }));
        assert_eq!(shown["state"], "running");
    }

    #[test]
    fn what_the_target_calls_otherwise_does_not_pass_for_the_field() {
        let (reading, _) = reading(Operation::Status);
        let shown = reading
            .read(200, Some(json!({ "tenant": "a number of the target" })))
            .unwrap();
        assert_eq!(shown["tenant"], Value::Null);
    }
}
