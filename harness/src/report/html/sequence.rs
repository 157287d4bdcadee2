//! What a scenario saw as a sequence diagram: caller, Worker, AI Gateway and stores, in order of time. Never draws what nobody saw.

use super::outside::line;
use crate::report::{Evidence, ExchangeReport, ModelCallReport, ObservationReport};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// Messages of a figure, at most. Evidence: what leads to a finding is within the last ten; a page of paper holds forty.
const MESSAGES_MAX: usize = 36;
/// Of them after the decisive one.
const AFTER_MAX: usize = 4;

/// Width of the figure and of the column of times; height of one message; where the first stands. In units of the drawing.
const WIDTH: usize = 760;
const TIMES: usize = 70;
const STEP: usize = 30;
const TOP: usize = 58;
/// Width of a letter of the monospaced font at 11 units: 0.6 em in every common one, rounded up.
const LETTER: usize = 7;

/// Who takes part, from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Caller,
    Worker,
    Gateway,
    Stores,
}

/// One arrow or note.
#[derive(Debug)]
struct Message<'a> {
    at_ms: f64,
    from: Lane,
    to: Lane,
    what: What<'a>,
    decisive: bool,
}

#[derive(Debug)]
enum What<'a> {
    Asked(&'a ExchangeReport),
    Answered(&'a ExchangeReport),
    Called(&'a ModelCallReport),
    Ended(&'a ModelCallReport),
    Looked(&'a ObservationReport),
}

impl What<'_> {
    fn text(&self) -> String {
        match self {
            Self::Asked(one) => {
                format!("{} {} {} · {}", one.number, one.method, one.path, one.host)
            }
            Self::Answered(one) => {
                format!(
                    "{} answered {} ({} bytes)",
                    one.number, one.status, one.body_len
                )
            }
            Self::Called(call) => call.model.clone(),
            Self::Ended(call) => call.outcome.clone(),
            Self::Looked(one) => {
                let times = if one.times > 1 {
                    format!(" ({} times)", one.times)
                } else {
                    String::new()
                };
                format!("{}: {}{times}", one.store, counted(&one.saw))
            }
        }
    }

    fn is_answer(&self) -> bool {
        matches!(self, Self::Answered(_) | Self::Ended(_))
    }
}

/// The figure; nothing where there is nothing to draw.
pub(super) fn figure(evidence: &Evidence, finding: Option<&str>) -> Markup {
    let mut messages = messages(evidence);
    if messages.is_empty() {
        return html! {};
    }
    let (before, after) = shorten(&mut messages);
    let lanes: BTreeSet<Lane> = [Lane::Caller, Lane::Worker]
        .into_iter()
        .chain(messages.iter().flat_map(|one| [one.from, one.to]))
        .collect();
    let lanes: Vec<Lane> = lanes.into_iter().collect();
    let bottom = TOP + messages.len() * STEP;
    let height = bottom + if finding.is_some() { 34 } else { 14 };
    let told = format!("Sequence of {} messages in order of time", messages.len());
    html! {
        figure {
            figcaption {
                "What happened, in order of time (ms since the scenario began)"
                @if before > 0 { " · " (before) " earlier messages are not drawn" }
                @if after > 0 { " · " (after) " later messages are not drawn" }
            }
            div.scroll tabindex="0" role="region" aria-label="Sequence diagram" {
                svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(told) {
                    @for lane in &lanes { (head(*lane, x(&lanes, *lane), bottom, evidence)) }
                    @for (place, message) in messages.iter().enumerate() {
                        (arrow(message, &lanes, TOP + place * STEP + 14))
                    }
                    @if let Some(finding) = finding {
                        text.no x="4" y=(bottom + 22) { "✗ " (line(finding, (WIDTH - 24) / LETTER)) }
                    }
                }
            }
        }
    }
}

/// What was seen in a store, its rows counted: a row too many is told by the figure alone.
fn counted(saw: &str) -> String {
    let rows: Option<Vec<serde::de::IgnoredAny>> = serde_json::from_str(saw).ok();
    match rows.map(|rows| rows.len()) {
        Some(0) => "saw nothing".to_owned(),
        Some(1) => format!("saw 1: {saw}"),
        Some(count) => format!("saw {count}: {saw}"),
        None => format!("saw {saw}"),
    }
}

fn messages(evidence: &Evidence) -> Vec<Message<'_>> {
    use Lane::{Caller, Gateway, Stores, Worker};
    let decisive = evidence.decisive;
    let mut all = Vec::new();
    let mut add = |at_ms, from, to, what, decisive| {
        all.push(Message {
            at_ms,
            from,
            to,
            what,
            decisive,
        });
    };
    for one in &evidence.exchanges {
        let decides = decisive == Some(one.number);
        let done = one.at_ms + one.duration_ms;
        add(one.at_ms, Caller, Worker, What::Asked(one), decides);
        add(done, Worker, Caller, What::Answered(one), decides);
    }
    for call in &evidence.model_calls {
        add(call.at_ms, Worker, Gateway, What::Called(call), false);
        let done = call.at_ms + call.duration_ms.unwrap_or_default();
        add(done, Gateway, Worker, What::Ended(call), false);
    }
    for look in &evidence.observations {
        add(look.at_ms, Stores, Stores, What::Looked(look), false);
    }
    all.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    all
}

/// Keeps what stands around the decisive exchange, and tells how many are gone before and after.
fn shorten(messages: &mut Vec<Message<'_>>) -> (usize, usize) {
    let whole = messages.len();
    let last = messages.iter().rposition(|one| one.decisive);
    let end = last.map_or(whole, |last| whole.min(last + 1 + AFTER_MAX));
    let end = end.max(whole.min(MESSAGES_MAX));
    let begin = end.saturating_sub(MESSAGES_MAX);
    messages.truncate(end);
    messages.drain(..begin);
    (begin, whole - end)
}

fn x(lanes: &[Lane], lane: Lane) -> usize {
    let place = lanes.iter().position(|one| *one == lane).unwrap_or(0);
    let room = WIDTH - TIMES - 120;
    TIMES + 60 + room * place / (lanes.len().max(2) - 1)
}

fn head(lane: Lane, x: usize, bottom: usize, evidence: &Evidence) -> Markup {
    let name = match lane {
        Lane::Caller => "Caller".to_owned(),
        Lane::Worker => "Worker".to_owned(),
        Lane::Gateway => "AI Gateway".to_owned(),
        Lane::Stores => {
            let stores: BTreeSet<&str> = evidence
                .observations
                .iter()
                .map(|one| one.store.as_str())
                .collect();
            line(&stores.into_iter().collect::<Vec<_>>().join(" · "), 16)
        }
    };
    html! {
        line.lane x1=(x) y1="34" x2=(x) y2=(bottom) {}
        rect.box x=(x - 56) y="6" width="112" height="28" rx="5" {}
        text.head x=(x) y="24" text-anchor="middle" { (name) }
    }
}

fn arrow(message: &Message<'_>, lanes: &[Lane], y: usize) -> Markup {
    let (from, to) = (x(lanes, message.from), x(lanes, message.to));
    let class = if message.decisive { " no" } else { "" };
    let at = format!("{:.1}", message.at_ms);
    if from == to {
        return looked(message, from, y, &at);
    }
    let back = if message.what.is_answer() {
        " back"
    } else {
        ""
    };
    let tip = if to > from { to - 7 } else { to + 7 };
    // A label may run on over free lanes to its right.
    let left = from.min(to) + 8;
    let room = if message.from == Lane::Caller || message.to == Lane::Caller {
        WIDTH.min(left + 470) - left
    } else {
        WIDTH - left
    };
    html! {
        text.soft x="4" y=(y + 4) { (at) }
        line class={ "go" (back) (class) } x1=(from) y1=(y) x2=(tip) y2=(y) {}
        path class={ "tip" (class) } d=(format!("M{to} {y}L{tip} {}L{tip} {}Z", y - 4, y + 4)) {}
        text class=[message.decisive.then_some("no")] x=(left) y=(y - 5) { (line(&message.what.text(), room / LETTER)) }
    }
}

/// What the check saw in a store is a note beside it: nobody saw who wrote it.
fn looked(message: &Message<'_>, x: usize, y: usize, at: &str) -> Markup {
    let text = line(&message.what.text(), 60);
    let width = text.chars().count() * LETTER + 12;
    let left = (WIDTH - 2).saturating_sub(width);
    html! {
        text.soft x="4" y=(y + 4) { (at) }
        rect.box x=(left.min(x)) y=(y - 11) width=(width) height="20" rx="3" {}
        text x=(left.min(x) + 6) y=(y + 3) { (text) }
    }
}
