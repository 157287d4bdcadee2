//! What an answer says, and answers of a deviant's own. Never looks into a stream.

use crate::tamper::{Ask, Content, Told};
use serde_json::{Value, json};

/// The body as JSON; null if it is none, or a stream.
pub(super) fn json_of(told: &Told) -> Value {
    match &told.content {
        Content::Whole(bytes) => serde_json::from_slice(bytes).unwrap_or_default(),
        Content::Stream(_) => Value::Null,
    }
}

/// Whether it is an error of this code.
pub(super) fn is_error(told: &Told, code: &str) -> bool {
    told.status >= 400 && json_of(told)["error"]["code"] == code
}

/// Changes a JSON body; leaves any other as it is.
pub(super) fn edit(told: &mut Told, change: impl FnOnce(&mut Value)) {
    let mut body = json_of(told);
    if !body.is_null() {
        change(&mut body);
        told.put(body.to_string());
    }
}

/// Makes another error of an answer, its `meta` and headers as they were.
pub(super) fn refuse(told: &mut Told, status: u16, code: &str) {
    told.status = status;
    edit(told, |body| {
        body["error"]["code"] = json!(code);
        body["success"] = json!(false);
    });
}

/// The path's segment after `/api/admin/tenants/`, decoded, and what follows it.
pub(super) fn tenant_in_path(ask: &Ask) -> Option<(String, &str)> {
    let rest = ask.route().strip_prefix("/api/admin/tenants/")?;
    let (id, below) = rest.split_once('/').unwrap_or((rest, ""));
    Some((decoded(id), below))
}

/// A parameter of the query, decoded.
pub(super) fn query(ask: &Ask, name: &str) -> Option<String> {
    let (_route, query) = ask.path.split_once('?')?;
    url::form_urlencoded::parse(query.as_bytes())
        .find_map(|(key, value)| (key == name).then(|| value.into_owned()))
}

/// A percent-encoded text as it is meant.
pub(super) fn decoded(text: &str) -> String {
    let guarded = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(guarded.as_bytes())
        .map(|(_name, value)| value.into_owned())
        .next()
        .unwrap_or_default()
}
