//! Requests as the target takes them, and its answers as the judges read them. Never judges either.

use super::routes::{self, Route, Tells, WORDED, filled};
use super::{Times, Words, is_id, is_time, parted};
use crate::oracle::dates::text_of;
use bytes::Bytes;
use moltproof_doubles::clock;
use serde_json::{Map, Value, json};

/// Milliseconds of a second.
const SECOND: i64 = 1_000;

/// Where an error has its code, and its details, unless the target says otherwise.
const CODE: &str = "/error/code";
const DETAILS: &str = "/error/details";

/// A request as the target takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) body: Option<Bytes>,
}

/// An answer as the judges read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

type Object = Map<String, Value>;

/// A place as a JSON pointer.
fn pointer(place: &str) -> String {
    if place.starts_with('/') {
        place.to_owned()
    } else {
        format!("/{}", place.replace('~', "~0").replace('/', "~1"))
    }
}

/// A text as a part of a query.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Puts a value where a pointer says, below objects that are made where there are none.
fn put(object: &mut Object, place: &str, value: Value) {
    let pointer = pointer(place);
    let mut names = pointer
        .split('/')
        .skip(1)
        .map(|name| name.replace("~1", "/").replace("~0", "~"));
    let (Some(mut name), mut at) = (names.next(), object) else {
        return;
    };
    for next in names {
        let inner = at.entry(name).or_insert_with(|| json!({}));
        if !inner.is_object() {
            *inner = json!({});
        }
        let Some(below) = inner.as_object_mut() else {
            return;
        };
        (name, at) = (next, below);
    }
    at.insert(name, value);
}

impl Words {
    /// A request as the target takes it.
    pub(crate) fn spoken(&self, method: &str, path: &str, body: Option<&Bytes>) -> Spoken {
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        let route = routes::of(method, bare);
        let (their_method, their_path) = self.their_route(route, method, bare);
        let query = self.their_query(query);
        let joint = match (query.is_empty(), their_path.contains('?')) {
            (true, _) => "",
            (false, true) => "&",
            (false, false) => "?",
        };
        Spoken {
            method: their_method,
            path: format!("{their_path}{joint}{query}"),
            body: body.map(|body| self.their_body(route, body)),
        }
    }

    fn their_route(
        &self,
        route: Option<&'static Route>,
        method: &str,
        path: &str,
    ) -> (String, String) {
        let usual = (method.to_owned(), path.to_owned());
        let Some(route) = route else {
            return usual;
        };
        let segments = filled(route.path, path).unwrap_or_default();
        let ours = format!("{} {}", route.method, route.path);
        let named = self.routes.get(&ours).and_then(|theirs| parted(theirs));
        let (their_method, their_path) = named.unwrap_or((route.method, route.path));
        let their_method = if method == "HEAD" {
            method
        } else {
            their_method
        };
        let their_path: Vec<&str> = their_path
            .split('/')
            .map(|word| {
                let segment = segments.iter().find(|(name, _)| *name == word);
                match segment {
                    Some(("{scope}", segment)) => self.theirs(segment),
                    Some((_, segment)) => segment,
                    None => word,
                }
            })
            .collect();
        (their_method.to_owned(), their_path.join("/"))
    }

    fn their_query(&self, query: &str) -> String {
        let parts = query.split('&').map(|part| {
            let Some((name, value)) = part.split_once('=') else {
                return part.to_owned();
            };
            let place = self.place("query", name).unwrap_or(name);
            let time = is_time(name).then(|| value.parse().ok()).flatten();
            match time.map(|time| self.their_time(time)) {
                Some(Value::String(text)) => {
                    format!("{place}={}", encoded(&text))
                }
                Some(time) => format!("{place}={time}"),
                None => format!("{place}={value}"),
            }
        });
        parts.collect::<Vec<_>>().join("&")
    }

    fn their_body(&self, route: Option<&'static Route>, body: &Bytes) -> Bytes {
        let kind = route.and_then(|route| route.asks);
        let parsed = kind.map(|_| serde_json::from_slice(body));
        // What is broken on purpose, and what is no object, goes as it is.
        let (Some(kind), Some(Ok(Value::Object(ours)))) = (kind, parsed) else {
            return body.clone();
        };
        let mut theirs = Object::new();
        for (field, value) in &ours {
            let place = self.place(kind, field).unwrap_or(field);
            put(&mut theirs, place, self.their_value(field, value));
        }
        if theirs == ours {
            return body.clone();
        }
        // The space behind an object makes a body as large as it has to be.
        let space = body.len() - body.trim_ascii_end().len();
        let mut theirs = Value::Object(theirs).to_string().into_bytes();
        theirs.resize(theirs.len() + space, b' ');
        theirs.into()
    }

    fn their_value(&self, field: &str, value: &Value) -> Value {
        match value {
            Value::Number(number) if is_time(field) => number
                .as_i64()
                .map_or_else(|| value.clone(), |time| self.their_time(time)),
            Value::String(text) if WORDED.contains(&field) => json!(self.theirs(text)),
            Value::Array(all) if WORDED.contains(&field) => {
                all.iter().map(|one| self.their_value(field, one)).collect()
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => value.clone(),
        }
    }

    fn their_time(&self, ms: i64) -> Value {
        match self.times {
            Times::Milliseconds => ms.into(),
            Times::Seconds => ms.div_euclid(SECOND).into(),
            Times::Text => text_of(ms).into(),
        }
    }

    /// An answer to a request of ours as the judges read it. Any status of a success reads as the one that the route has in
    /// `fixtures/shapes.md`, and an id that is a number as a text: no criterion promises either.
    pub(crate) fn read(&self, method: &str, path: &str, status: u16, body: Bytes) -> Read {
        let (bare, _query) = path.split_once('?').unwrap_or((path, ""));
        let route = routes::of(method, bare);
        let (Some(route), 200..=204) = (route, status) else {
            return Read {
                status,
                body: self.our_error(status, body),
            };
        };
        Read {
            status: route.success,
            body: self.our_body(route, body),
        }
    }

    fn our_body(&self, route: &Route, body: Bytes) -> Bytes {
        if route.tells == Tells::Nothing {
            return body;
        }
        let Ok(theirs) = serde_json::from_slice::<Value>(&body) else {
            return body;
        };
        let ours = match route.tells {
            Tells::Nothing => return body,
            Tells::One(kind) => match theirs.pointer(&self.object) {
                Some(object) => self.our_object(kind, object),
                None => return body,
            },
            Tells::List(name, kind) => self.our_list(name, kind, &theirs),
        };
        if ours == theirs {
            body
        } else {
            ours.to_string().into()
        }
    }

    fn our_list(&self, name: &str, kind: &str, theirs: &Value) -> Value {
        let items = if self.items.is_empty() {
            pointer(name)
        } else {
            self.items.clone()
        };
        let rows = theirs.pointer(&items).and_then(Value::as_array);
        let Some(rows) = rows else {
            return theirs.clone();
        };
        let rows: Vec<Value> = rows.iter().map(|row| self.our_object(kind, row)).collect();
        let mut ours = match theirs {
            Value::Object(theirs) => theirs.clone(),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Object::new(),
        };
        ours.insert(name.to_owned(), rows.into());
        if !self.next_cursor.is_empty() {
            let next = theirs.pointer(&pointer(&self.next_cursor)).cloned();
            ours.insert("next_cursor".to_owned(), next.unwrap_or_default());
        }
        Value::Object(ours)
    }

    fn our_object(&self, kind: &str, theirs: &Value) -> Value {
        let Value::Object(members) = theirs else {
            return theirs.clone();
        };
        let mut ours = members.clone();
        for field in routes::fields(kind) {
            if let Some(place) = self.place(kind, field) {
                ours.remove(*field);
                if let Some(value) = theirs.pointer(&pointer(place)) {
                    ours.insert((*field).to_owned(), value.clone());
                }
            }
        }
        for (field, value) in &mut ours {
            let read = self.our_value(kind, field, value);
            *value = read;
        }
        if kind == "entry" {
            self.tell_changes(&mut ours);
        }
        Value::Object(ours)
    }

    fn our_value(&self, kind: &str, field: &str, value: &Value) -> Value {
        match value {
            Value::Number(id) if is_id(field) => json!(id.to_string()),
            Value::Number(_) | Value::String(_) if is_time(field) => self.our_time(value),
            Value::String(text) if WORDED.contains(&field) => json!(self.ours(text)),
            Value::Array(all) if WORDED.contains(&field) => {
                let words = all.iter().map(|one| self.our_value(kind, field, one));
                words.collect()
            }
            Value::Array(all) if (kind, field) == ("schema", "history") => {
                let applied = all.iter().map(|one| self.our_object("applied", one));
                applied.collect()
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => value.clone(),
        }
    }

    /// What an entry of the audit tells of before and after is an object of the kind that its action begins with.
    fn tell_changes(&self, entry: &mut Object) {
        let action = entry.get("action").and_then(Value::as_str);
        let kind = action.and_then(|action| action.split('.').next());
        let kind = kind.unwrap_or_default().to_owned();
        for field in ["before", "after"] {
            if let Some(told) = entry.get_mut(field) {
                let read = self.our_object(&kind, told);
                *told = read;
            }
        }
    }

    fn our_time(&self, value: &Value) -> Value {
        let read = match self.times {
            Times::Milliseconds => None,
            Times::Seconds => value.as_i64().map(|time| time * SECOND),
            Times::Text => value.as_str().and_then(clock::epoch_ms_of),
        };
        read.map_or_else(|| value.clone(), Value::from)
    }

    /// The body of an error, with its code and details where the contract has them.
    fn our_error(&self, status: u16, body: Bytes) -> Bytes {
        let has_words = !self.error_code.is_empty()
            || !self.error_details.is_empty()
            || !self.codes.is_empty()
            || !self.values.is_empty()
            || !self.fields.is_empty()
            || !self.fields_of.is_empty();
        let parsed = (status >= 400 && has_words).then(|| serde_json::from_slice(&body));
        let Some(Ok(theirs)) = parsed else {
            return body;
        };
        let theirs: Value = theirs;
        let at = |place: &str, usual: &str| {
            let place = if place.is_empty() { usual } else { place };
            theirs.pointer(&pointer(place)).cloned()
        };
        let mut ours = theirs.as_object().cloned().unwrap_or_default();
        if let Some(code) = at(&self.error_code, CODE) {
            let code = code.as_str().map_or(json!(""), |code| {
                let mut all = self.codes.iter();
                let found = all.find(|(_, theirs)| *theirs == code);
                json!(found.map_or(code, |(ours, _)| ours))
            });
            put(&mut ours, CODE, code);
        }
        if let Some(details) = at(&self.error_details, DETAILS) {
            put(&mut ours, DETAILS, self.our_object("refusal", &details));
        }
        Value::Object(ours).to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words {
        let text = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(ours, theirs)| ((*ours).to_owned(), (*theirs).to_owned()))
                .collect::<std::collections::BTreeMap<_, _>>()
        };
        Words {
            routes: text(&[
                ("POST /api/admin/keys", "PUT /ops/credentials"),
                ("DELETE /v1/sessions/{id}", "POST /v1/logout/{id}"),
                (
                    "PUT /api/admin/preferences/{scope}/{subject}/{name}",
                    "PUT /ops/settings/{name}/{scope}/{subject}",
                ),
            ]),
            object: "/data".to_owned(),
            items: "/data".to_owned(),
            next_cursor: "/page/next".to_owned(),
            fields: text(&[("user_id", "owner"), ("cursor", "after")]),
            fields_of: [(
                "key".to_owned(),
                text(&[("name", "label"), ("expires_at", "/limits/until")]),
            )]
            .into(),
            values: text(&[("user", "account"), ("chat", "talk")]),
            times: Times::Text,
            error_code: "/fault/kind".to_owned(),
            codes: text(&[("NOT_FOUND", "missing")]),
            ..Words::default()
        }
    }

    fn spoken(method: &str, path: &str, body: &Value) -> (String, String, Value) {
        let body = Bytes::from(body.to_string());
        let spoken = words().spoken(method, path, Some(&body));
        let body = spoken.body.unwrap_or_default();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        (spoken.method, spoken.path, body)
    }

    fn read(path: &str, status: u16, body: &Value) -> (u16, Value) {
        let read = words().read("GET", path, status, body.to_string().into());
        let body = serde_json::from_slice(&read.body).unwrap_or_default();
        (read.status, body)
    }

    #[test]
    fn a_request_has_their_route_fields_values_and_times() {
        let wish = json!({"user_id": "ada", "name": null, "permissions": ["chat", "read"], "expires_at": 0, "x": 1});
        let (method, path, body) = spoken("POST", "/api/admin/keys", &wish);
        assert_eq!(
            (method.as_str(), path.as_str()),
            ("PUT", "/ops/credentials")
        );
        let theirs = json!({"owner": "ada", "label": null, "permissions": ["talk", "read"], "limits": {"until": "1970-01-01T00:00:00.000Z"}, "x": 1});
        assert_eq!(body, theirs);
        let (_, path, _) = spoken(
            "PUT",
            "/api/admin/preferences/user/ada/theme",
            &json!({"value": {"user_id": 1}}),
        );
        assert_eq!(path, "/ops/settings/theme/account/ada");
        let (_, path, _) = spoken("GET", "/v1/usage?from=1000&cursor=a", &json!({}));
        assert_eq!(path, "/v1/usage?from=1970-01-01T00%3A00%3A01.000Z&after=a");
    }

    #[test]
    fn what_is_no_route_or_no_object_goes_as_it_is() {
        let (method, path, body) = spoken("GET", "/v1/no-such-route?user_id=1", &json!([1]));
        assert_eq!(
            (method.as_str(), path.as_str()),
            ("GET", "/v1/no-such-route?owner=1")
        );
        assert_eq!(body, json!([1]));
        let padded = Bytes::from_static(b"{\"user_id\":\"ada\"}      ");
        let spoken = words().spoken("POST", "/api/admin/keys", Some(&padded));
        assert_eq!(
            spoken.body,
            Some(Bytes::from_static(b"{\"owner\":\"ada\"}      "))
        );
        let broken = Bytes::from_static(b"{\"user_id\": ");
        let spoken = words().spoken("POST", "/api/admin/keys", Some(&broken));
        assert_eq!(spoken.body, Some(broken));
    }

    #[test]
    fn an_answer_is_read_with_our_status_fields_values_and_times() {
        let theirs = json!({"data": {"id": 7, "owner": "ada", "label": "x", "permissions": ["talk"], "limits": {"until": "1970-01-01T00:00:01Z"}}});
        let (status, body) = read("/api/admin/keys/7", 200, &theirs);
        assert_eq!(status, 200);
        let got = |field: &str| body[field].clone();
        assert_eq!(got("id"), json!("7"));
        assert_eq!(got("user_id"), json!("ada"));
        assert_eq!(got("name"), json!("x"));
        assert_eq!(got("permissions"), json!(["chat"]));
        assert_eq!(got("expires_at"), json!(1000));
        let page = json!({"data": [{"id": 1, "owner": "bob"}], "page": {"next": "z"}});
        let (_, body) = read("/api/admin/keys", 200, &page);
        assert_eq!(
            (&body["keys"][0]["id"], &body["keys"][0]["user_id"]),
            (&json!("1"), &json!("bob"))
        );
        assert_eq!(body["next_cursor"], json!("z"));
        let gone = words().read("DELETE", "/v1/sessions/7", 200, Bytes::new());
        assert_eq!(gone.status, 204);
    }

    #[test]
    fn an_error_has_our_code_and_keeps_its_status() {
        let (status, body) = read("/v1/usage", 404, &json!({"fault": {"kind": "missing"}}));
        assert_eq!((status, &body["error"]["code"]), (404, &json!("NOT_FOUND")));
        let (status, _) = read("/v1/no-such-route", 200, &json!({}));
        assert_eq!(status, 200);
    }

    #[test]
    fn words_that_nobody_knows_are_told() {
        assert_eq!(words().check(), Ok(()));
        let mut typed = words();
        typed.fields.insert("user".to_owned(), "owner".to_owned());
        assert!(
            typed
                .check()
                .is_err_and(|error| error.to_string().contains("`user`"))
        );
        let mut other = words();
        let route = "DELETE /v1/sessions/{id}".to_owned();
        other.routes.insert(route, "DELETE /v1/sessions".to_owned());
        assert!(
            other
                .check()
                .is_err_and(|error| error.to_string().contains("same names in braces"))
        );
    }
}
