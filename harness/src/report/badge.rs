//! The verdict as a badge: a small picture for a page of the project, in words and colour. Never says more than the headline.

use super::Report;
use crate::verdict::{RunVerdict, Tally};
use maud::{Markup, html};

/// The left half.
const NAME: &str = "moltproof";

/// Units beside each text.
const PAD: usize = 8;

/// The badge as SVG.
#[must_use]
pub fn render(report: &Report) -> String {
    let (words, colour) = words(report);
    let (left, right) = (width(NAME) + 2 * PAD, width(&words) + 2 * PAD);
    let label = format!("{NAME}: {words}");
    let picture = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(left + right) height="20" role="img" aria-label=(label) {
            title { (label) }
            clipPath id="r" { rect width=(left + right) height="20" rx="4" {} }
            g clip-path="url(#r)" {
                rect width=(left) height="20" fill="#24292f" {}
                rect x=(left) width=(right) height="20" fill=(colour) {}
            }
            g fill="#fff" font-family="Verdana,'DejaVu Sans',Geneva,sans-serif" font-size="11" {
                (said(NAME, PAD))
                (said(&words, left + PAD))
            }
        }
    };
    picture.into_string() + "\n"
}

/// A text that takes the width it was given, whatever font there is.
fn said(text: &str, x: usize) -> Markup {
    html! { text x=(x) y="14" textLength=(width(text)) lengthAdjust="spacingAndGlyphs" { (text) } }
}

/// What it says, and a ground on which white text has a contrast of at least 7:1.
fn words(report: &Report) -> (String, &'static str) {
    let summary = &report.summary;
    let (word, colour) = match summary.verdict {
        RunVerdict::Conforms => ("conforms", "#116329"),
        RunVerdict::Violates => ("violates", "#a40e26"),
        RunVerdict::Known => ("violates as known", "#7a4a00"),
        RunVerdict::Inconclusive => ("inconclusive", "#7a4a00"),
    };
    let counted = |must: &Tally, should: &Tally| {
        let (tally, level) = if must.total > 0 {
            (must, "MUST")
        } else {
            (should, "SHOULD")
        };
        format!("{}/{} {level}", tally.passed, tally.total)
    };
    let each = report.profiles.iter();
    let each = each.map(|one| format!("{} {}", one.profile, counted(&one.must, &one.should)));
    let counts = if report.profiles.is_empty() {
        counted(&summary.must, &summary.should)
    } else {
        each.collect::<Vec<_>>().join(" · ")
    };
    let part = if report.interrupted.is_some() {
        " · incomplete"
    } else if report.is_whole() {
        ""
    } else {
        " · a part only"
    };
    let words = format!("{word} · {counts}{part}");
    (words, colour)
}

/// The width of a text in Verdana of 11 units, rounded up.
fn width(text: &str) -> usize {
    let units: usize = text.chars().map(advance).sum();
    (units * 11).div_ceil(UNITS_PER_EM)
}

/// Verdana counts in these.
const UNITS_PER_EM: usize = 2048;

/// Advance widths of Verdana's own table, for the letters that a badge holds; any other is taken for the widest of them.
fn advance(letter: char) -> usize {
    match letter {
        'i' | 'l' => 562,
        ' ' | 'f' => 720,
        '·' => 745,
        't' => 807,
        'r' => 874,
        '/' => 930,
        'c' | 's' => 1067,
        'k' | 'v' | 'y' => 1212,
        'e' => 1220,
        'a' => 1230,
        'o' => 1243,
        'b' | 'd' | 'p' => 1276,
        'h' | 'n' | 'u' => 1296,
        '0'..='9' => 1302,
        'w' => 1676,
        'L' => 1140,
        'T' => 1262,
        'S' => 1400,
        'U' => 1499,
        'H' => 1539,
        'D' => 1578,
        'O' => 1612,
        'M' => 1726,
        _ => 1992,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::Sample;

    const SAMPLE: Sample = Sample {
        criteria: 3,
        scenarios: 2,
        exchanges: 1,
        finding_every: 0,
        alike: false,
        text: "plain",
        times: 1,
    };

    #[test]
    fn it_says_the_verdict_and_never_calls_a_part_the_whole() {
        let mut report: Report = serde_json::from_value(SAMPLE.json()).expect("a report");
        assert!(render(&report).contains(">conforms · 2/2 MUST<"));
        report.summary.scenarios_not_selected = 1;
        assert!(render(&report).contains(">conforms · 2/2 MUST · a part only<"));
        report.summary.must = crate::verdict::Tally::default();
        assert!(render(&report).contains(">conforms · 1/1 SHOULD · a part only<"));
        report.summary.verdict = RunVerdict::Violates;
        assert!(render(&report).contains("#a40e26"));
    }

    #[test]
    fn a_text_is_as_wide_as_in_verdana() {
        // Four figures of 1302 and a stroke of 930, by 11 and 2048: 32.97.
        assert_eq!(width("127/1"), 33);
        assert_eq!(width(""), 0);
    }
}
