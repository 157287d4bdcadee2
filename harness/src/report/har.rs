//! The exchanges of a report as an HTTP Archive (HAR 1.2): a page for each scenario. Never holds more of a body than the report.

use super::once;
use super::{Evidence, ExchangeReport, Report, story};
use crate::clock;
use serde_json::{Value, json};
use std::io;

/// What stands where something is not known, as the format has it.
const UNKNOWN: i64 = -1;

/// The report as one JSON document.
///
/// # Errors
/// When it cannot be serialised.
pub(super) fn render(report: &Report) -> io::Result<Vec<u8>> {
    let (mut pages, mut entries) = (Vec::new(), Vec::new());
    let mut add = |title: String, comment: String, evidence: &Evidence| {
        if evidence.exchanges.is_empty() {
            return;
        }
        let id = format!("page_{}", pages.len() + 1);
        pages.push(json!({ "startedDateTime": moment(report, evidence.began_ms), "id": id, "title": title, "comment": comment,
            "pageTimings": { "onContentLoad": UNKNOWN, "onLoad": UNKNOWN } }));
        let own = evidence.exchanges.iter();
        entries.extend(own.map(|one| entry(report, &id, evidence, one)));
    };
    for once in once::scenarios(report) {
        if let Some(evidence) = report.evidence_of(once.scenario) {
            let why = once.why();
            let word = once.scenario.outcome.word();
            add(
                once.title.clone(),
                why.unwrap_or_else(|| word.to_owned()),
                evidence,
            );
        }
    }
    for one in &report.generated {
        if let Some(evidence) = report.evidence.get(&one.id) {
            let title = format!("{} {}", one.id, one.name);
            add(title, one.outcome.word().to_owned(), evidence);
        }
    }
    let (name, version) = report.harness.split_once(' ').unwrap_or_default();
    let document = json!({ "log": { "version": "1.2", "creator": { "name": name, "version": version },
        "comment": format!("{}: {}", report.target, story::sentence(report)), "pages": pages, "entries": entries } });
    let mut bytes = serde_json::to_vec_pretty(&document)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A moment, milliseconds after the run began.
#[expect(
    clippy::cast_possible_truncation,
    reason = "no run lasts that long, and a cast saturates"
)]
fn moment(report: &Report, after_ms: f64) -> String {
    clock::rfc3339(report.started_at_ms + after_ms.round() as i64)
}

fn entry(report: &Report, page: &str, evidence: &Evidence, one: &ExchangeReport) -> Value {
    let connect = one.connect_ms.map(|ms| ms.clamp(0.0, one.head_ms));
    let wait = one.head_ms - connect.unwrap_or(0.0);
    let receive = (one.duration_ms - one.head_ms).max(0.0);
    let mut comment = format!("exchange {}", one.number);
    if evidence.decisive == Some(one.number) {
        comment.push_str(", which decided");
    }
    let connect_ms = connect.map_or(json!(UNKNOWN), |ms| json!(ms));
    json!({
        "pageref": page,
        "startedDateTime": moment(report, evidence.began_ms + one.at_ms),
        "time": connect.unwrap_or(0.0) + wait + receive,
        "request": request(one),
        "response": response(one),
        "cache": {},
        "timings": { "blocked": UNKNOWN, "dns": UNKNOWN, "connect": connect_ms, "ssl": UNKNOWN, "send": 0, "wait": wait, "receive": receive },
        "comment": comment,
    })
}

fn request(one: &ExchangeReport) -> Value {
    let host = ("Host".to_owned(), one.host.clone());
    let headers: Vec<Value> = std::iter::once(&host)
        .chain(&one.request_headers)
        .map(header)
        .collect();
    let query = one.path.split_once('?').map_or("", |(_, query)| query);
    let query: Vec<Value> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    let mut told = json!({ "method": one.method, "url": address(one), "httpVersion": "HTTP/1.1", "cookies": [], "headers": headers,
        "queryString": query, "headersSize": UNKNOWN, "bodySize": UNKNOWN });
    if one.request_body.is_empty() {
        told["bodySize"] = 0.into();
    } else {
        let kind = named(&one.request_headers, "content-type");
        told["postData"] = json!({ "mimeType": kind, "text": one.request_body, "params": [] });
    }
    told
}

fn response(one: &ExchangeReport) -> Value {
    let status = hyper::StatusCode::from_u16(one.status).ok();
    let reason = status.and_then(|status| status.canonical_reason());
    let headers: Vec<Value> = one.headers.iter().map(header).collect();
    let mut content = json!({ "size": one.body_len, "mimeType": named(&one.headers, "content-type"), "text": one.body });
    if one.body.len() < one.body_len {
        content["comment"] = format!(
            "cut: the body had {} bytes, more than a report keeps",
            one.body_len
        )
        .into();
    }
    json!({ "status": one.status, "statusText": reason.unwrap_or_default(), "httpVersion": "HTTP/1.1", "cookies": [], "headers": headers,
        "content": content, "redirectURL": named(&one.headers, "location"), "headersSize": UNKNOWN, "bodySize": one.body_len })
}

fn header((name, value): &(String, String)) -> Value {
    json!({ "name": name, "value": value })
}

/// The first value of a header; empty if there is none.
fn named<'a>(headers: &'a [(String, String)], wanted: &str) -> &'a str {
    let mut own = headers.iter();
    own.find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        .map_or("", |(_, value)| value)
}

/// What stands in an address for a host that none can hold; the header `Host` has it as it was sent.
const NO_HOST: &str = "host.invalid";

/// The address by the name that was asked for, not by the one that was connected to; whatever a path cannot hold is percent-encoded.
fn address(one: &ExchangeReport) -> String {
    let scheme = if one.curl.contains("https://") {
        "https"
    } else {
        "http"
    };
    let host = one.host.as_str();
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let is_host = !host.is_empty() && host.bytes().all(may_stand);
    let parses = is_host && url::Url::parse(&format!("{scheme}://{host}/")).is_ok();
    let host = if parses { host } else { NO_HOST };
    let slash = if one.path.starts_with('/') { "" } else { "/" };
    format!(
        "{scheme}://{host}{slash}{}",
        encoded(&one.path, b"-._~!$&'()*+,;=:@/?%")
    )
}

fn encoded(text: &str, kept: &[u8]) -> String {
    let bytes = text.as_bytes();
    let begins_code = |at: usize| {
        let code = bytes.get(at + 1..at + 3);
        code.is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit))
    };
    let spelled = |(at, &byte): (usize, &u8)| {
        let is_kept = byte.is_ascii_alphanumeric() || kept.contains(&byte);
        if is_kept && (byte != b'%' || begins_code(at)) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    bytes.iter().enumerate().map(spelled).collect()
}
