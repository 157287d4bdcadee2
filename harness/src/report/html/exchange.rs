//! One exchange with the target: whole, or in a line. Never shows more of a body than it is told to, and says what it leaves out.

use super::outside::{indented, line, start, visible};
use crate::report::ExchangeReport;
use maud::{Markup, html};
use std::fmt::Write as _;

/// Bytes of a path in a line. Evidence: the longest path of the contract's own routes has 80.
const PATH_SHOWN_MAX: usize = 110;

/// Bytes of all headers of a message. Evidence: servers take 8 to 16 KiB; more is an attack, and its beginning tells so.
const HEADERS_SHOWN_MAX: usize = 4096;

/// Bytes of a path where an exchange stands whole.
const TARGET_SHOWN_MAX: usize = 2048;

/// Request and answer as they went over the wire, JSON indented.
pub(super) fn whole(one: &ExchangeReport, body_max: usize) -> Markup {
    let request = format!(
        "{} {}\nhost: {}\n{}",
        one.method,
        cut(&one.path, TARGET_SHOWN_MAX),
        one.host,
        headers(&one.request_headers)
    );
    let answer = format!("{}\n{}", one.status, headers(&one.headers));
    html! {
        div.halves {
            div {
                h5 { "Request " (one.number) }
                pre { (visible(&request)) (body(&one.request_body, body_max)) }
            }
            div {
                h5 { "Answer after " (ms(one.duration_ms)) ", " (one.body_len) " bytes" }
                pre { (visible(&answer)) (body(&one.body, body_max)) }
            }
        }
    }
}

fn headers(headers: &[(String, String)]) -> String {
    let mut text = String::new();
    for (name, value) in headers {
        let _infallible = writeln!(text, "{name}: {value}");
    }
    cut(&text, HEADERS_SHOWN_MAX)
}

fn body(text: &str, max: usize) -> String {
    if text.is_empty() {
        return String::new();
    }
    let indented = indented(text);
    format!("\n{}", cut(indented.as_deref().unwrap_or(text), max))
}

/// The text as it may be shown; what is left out is told.
pub(super) fn cut(text: &str, max: usize) -> String {
    let (shown, left) = start(text, max);
    let mut shown = shown.into_owned();
    if left > 0 {
        let _infallible = write!(shown, "…\n[{left} more bytes: the JSON report has them]\n");
    }
    shown
}

/// Number, method, path, status and time; the host where it differs from the one before.
pub(super) fn in_a_line(one: &ExchangeReport, host_before: &mut String) -> String {
    let mut text = String::new();
    if *host_before != one.host {
        let _infallible = writeln!(text, "@ {}", line(&one.host, PATH_SHOWN_MAX));
        host_before.clone_from(&one.host);
    }
    let _infallible = writeln!(
        text,
        "{} {} {} → {} {}",
        one.number,
        line(&one.method, 20),
        line(&one.path, PATH_SHOWN_MAX),
        one.status,
        ms(one.duration_ms)
    );
    text
}

/// Milliseconds as a reader wants them.
pub(super) fn ms(ms: f64) -> String {
    if ms >= 10_000.0 {
        format!("{:.1} s", ms / 1000.0)
    } else if ms >= 100.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{ms:.1} ms")
    }
}
