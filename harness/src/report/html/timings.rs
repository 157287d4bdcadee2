//! How long each exchange took, as bars: until the connection stood, until the first byte, until the last. Never measures.

use super::outside::line;
use crate::report::{Evidence, ExchangeReport};
use maud::{Markup, html};

/// Bars of a figure, at most: the last ones, which decide.
const BARS_MAX: usize = 24;
/// Widths of the labels, of the longest bar, of all, and height of a bar, in units of the drawing.
const LABEL: f64 = 300.0;
const BAR: f64 = 250.0;
const WIDTH: usize = 760;
const STEP: usize = 20;
/// Letters of a label that fit.
const LETTERS: usize = 41;

/// The figure; nothing for less than two exchanges, whose times stand beside them.
pub(super) fn figure(evidence: &Evidence) -> Markup {
    let all = &evidence.exchanges;
    if all.len() < 2 {
        return html! {};
    }
    let decisive = evidence.decisive;
    let end = all
        .iter()
        .position(|one| Some(one.number) == decisive)
        .map_or(all.len(), |at| (at + 1).max(BARS_MAX.min(all.len())));
    let shown = &all[end.saturating_sub(BARS_MAX)..end];
    let longest = shown.iter().map(|one| one.duration_ms).fold(0.0, f64::max);
    let height = shown.len() * STEP + 4;
    html! {
        figure {
            figcaption {
                "How long each took: " b.one { "■" } " connect, " b.two { "■" } " until the first byte, " b.three { "■" } " until the last byte; in figures: connect + first byte · total"
                @if shown.len() < all.len() { " · " (all.len() - shown.len()) " of " (all.len()) " exchanges are not drawn" }
            }
            div.scroll tabindex="0" role="region" aria-label="Timings chart" {
                svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(format!("Times of {} exchanges; the longest took {longest:.1} ms", shown.len())) {
                    @for (place, one) in shown.iter().enumerate() {
                        (bar(one, place * STEP, longest, Some(one.number) == decisive))
                    }
                }
            }
        }
    }
}

fn bar(one: &ExchangeReport, top: usize, longest: f64, decisive: bool) -> Markup {
    let scale = |ms: f64| {
        let share = if longest > 0.0 { ms / longest } else { 0.0 };
        share.clamp(0.0, 1.0) * BAR
    };
    let connect = scale(one.connect_ms.unwrap_or_default());
    let head = scale(one.head_ms).max(connect);
    let done = scale(one.duration_ms).max(head);
    let parts = [
        ("one", 0.0, connect),
        ("two", connect, head),
        ("three", head, done),
    ];
    let connected = one
        .connect_ms
        .map_or_else(String::new, |ms| format!("{ms:.1} + "));
    let label = format!(
        "{} {} {} → {}",
        one.number, one.method, one.path, one.status
    );
    html! {
        text class=[decisive.then_some("no")] x="4" y=(top + 15) { (line(&label, LETTERS)) }
        @for (class, from, to) in parts {
            @if to - from > 0.05 {
                rect class=(class) x=(format!("{:.1}", LABEL + from)) y=(top + 5) width=(format!("{:.1}", to - from)) height="12" {}
            }
        }
        text.soft x=(format!("{:.0}", LABEL + done + 6.0)) y=(top + 15) {
            (connected) (format!("{:.1} · {:.1} ms", one.head_ms, one.duration_ms))
        }
    }
}
