//! What the log warns of as missing, in one line or in a box of several. Never looks at answers.

use super::names::listed;
use crate::observe::LogLine;
use crate::run::book::{Args, Book};
use crate::run::scene::Scene;
use crate::said::said;
use crate::steps::operating::LOG_SOON;
use crate::verdict::Check;
use std::collections::BTreeSet;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"a banner in the log warns of exactly "([A-Z0-9_, ]+)""#,
        |s, a| Box::pin(banner(s, a)),
    );
    book.step(
        r"no banner in the log warns of anything missing",
        |s, _a| Box::pin(no_banner(s)),
    );
}

/// The bindings that a banner can name.
const BINDINGS: [&str; 3] = ["TENANT_DB", "TENANT_KV", "MOLTBOT_BUCKET"];

/// So many lines of a box are read behind the one that warns: a frame, a sentence, a line for each name, a hint.
const BOX_LINES_MAX: usize = 12;

/// In which words a line says that something is missing, and in which a box does, whose lines may hold anything.
const LINE_TELLS: [&str; 6] = [
    "missing",
    "unset",
    "undefined",
    "unbound",
    "without",
    "not ",
];
const BOX_TELLS: [&str; 12] = [
    "missing",
    "unset",
    "undefined",
    "unbound",
    "without",
    "unavailable",
    "absent",
    "not bound",
    "not set",
    "not configured",
    "not found",
    "not there",
];

/// Begins wrangler's own table of what is bound.
const TABLE_OF_BOUND: &str = "access to the following bindings";

fn names_in<'t>(texts: impl Iterator<Item = &'t str>) -> BTreeSet<String> {
    let named = |text: &'t str| BINDINGS.into_iter().filter(move |name| text.contains(name));
    texts.flat_map(named).map(str::to_owned).collect()
}

/// Whether lines tell that something is missing: as the manifest says, or in these words.
fn tell(lines: &[&LogLine], words: &[&str]) -> bool {
    let events: Vec<bool> = lines
        .iter()
        .filter_map(|line| line.is_event("binding_missing"))
        .collect();
    if !events.is_empty() {
        return events.contains(&true);
    }
    let has_word = |line: &&LogLine| {
        let text = line.text.to_lowercase();
        words.iter().any(|word| text.contains(word))
    };
    lines.iter().any(has_word)
}

/// Whether a line stands for itself: it has an object, a level or a time of its own.
fn is_another(line: &LogLine) -> bool {
    const BEGINNINGS: [&str; 12] = [
        "▲ [",
        "✘ [",
        "[wrangler:",
        "[mf:",
        "info",
        "log",
        "debug",
        "trace",
        "error",
        "at=",
        "ts=",
        "time=",
    ];
    let text = line.text.trim_start().to_lowercase();
    let core = text.trim_start_matches('[');
    let begins = |beginning: &str| text.starts_with(beginning) || core.starts_with(beginning);
    line.json().is_some()
        || BEGINNINGS.iter().any(|beginning| begins(beginning))
        || is_time(core.split([' ', ']']).next().unwrap_or_default())
        || ["level=", "lvl=", "severity="]
            .iter()
            .any(|level| text.contains(level))
}

/// Whether a word is a date or a time of the day.
fn is_time(word: &str) -> bool {
    word.len() >= 5
        && word.starts_with(|c: char| c.is_ascii_digit())
        && word
            .chars()
            .all(|c| c.is_ascii_digit() || "-:.,tz+".contains(c))
}

/// The line that warns and those of its box: what follows without being a line of its own. Other writers may come between.
fn boxed(lines: &[LogLine]) -> Vec<&LogLine> {
    let Some((first, rest)) = lines.split_first() else {
        return Vec::new();
    };
    let follow = rest
        .iter()
        .take(BOX_LINES_MAX)
        .take_while(|line| !line.text.contains(TABLE_OF_BOUND))
        .filter(|line| !is_another(line));
    std::iter::once(first).chain(follow).collect()
}

/// Each warning of missing bindings, whatever the event is called: its lines as one, and the names in them.
fn warnings(lines: &[LogLine]) -> impl Iterator<Item = (LogLine, BTreeSet<String>)> {
    let heads = (0..lines.len()).filter(|at| lines[*at].warns());
    heads.filter_map(|at| {
        let first = &lines[at];
        let own = names_in(std::iter::once(first.text.as_str()));
        // A line that names something has said all of it.
        if !own.is_empty() {
            return tell(&[first], &LINE_TELLS).then(|| (first.clone(), own));
        }
        let of_box = boxed(&lines[at..]);
        let names = names_in(of_box.iter().map(|line| line.text.as_str()));
        if names.is_empty() || !tell(&of_box, &BOX_TELLS) {
            return None;
        }
        let texts: Vec<&str> = of_box.iter().map(|line| line.text.as_str()).collect();
        let whole = LogLine {
            text: texts.join("\n"),
            ..first.clone()
        };
        Some((whole, names))
    })
}

async fn banner(s: &mut Scene, a: Args) -> Check {
    let names = listed(a.text(1));
    let expected = format!(
        "a warning in the log that names exactly {names} as missing",
        names = said(&names)
    );
    let is_it = |lines: &[LogLine]| {
        let mut right = warnings(lines).filter(|(_line, named)| *named == names);
        right.next().map(|(line, _named)| line)
    };
    let line = s.wait_for_log_since_start(&expected, LOG_SOON, is_it);
    let line = line.await?;
    let message = match line.json() {
        Some(json) => json["message"].as_str().unwrap_or_default().to_owned(),
        None => line.text.clone(),
    };
    s.expect(
        !message.trim().is_empty(),
        "a banner with a message for people",
        || line.text.clone(),
    )
}

async fn no_banner(s: &mut Scene) -> Check {
    let lines = s.all_log_lines().await?;
    let warning = warnings(&lines).next();
    s.expect(
        warning.is_none(),
        "no warning of a missing binding while nothing is missing",
        || warning.map_or(String::new(), |(line, _named)| line.text),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(text: &str) -> Vec<BTreeSet<String>> {
        let lines: Vec<LogLine> = text
            .lines()
            .enumerate()
            .map(|(number, text)| LogLine::new(number, text))
            .collect();
        warnings(&lines).map(|(_line, names)| names).collect()
    }

    #[test]
    fn a_banner_of_several_lines_names_what_stands_in_them() {
        let both = [listed("TENANT_DB, MOLTBOT_BUCKET")];
        for text in [
            "########\n##  WARNING: DEV_MODE runs with missing bindings\n##    - TENANT_DB (D1)\n##    - MOLTBOT_BUCKET (R2)\n########",
            "▲ [WARNING] ########\n\n    Missing bindings:\n    * TENANT_DB\n    * MOLTBOT_BUCKET\n",
            "╔═ ⚠ Warning ═╗\n║ not bound: ║\n{\"event\":\"served\",\"db\":\"TENANT_KV\"}\n║ 1. TENANT_DB ║\n║ MOLTBOT_BUCKET ║",
            r#"{"level":40,"msg":"missing: TENANT_DB MOLTBOT_BUCKET"}"#,
        ] {
            assert_eq!(warned(text), both, "{text}");
        }
    }

    #[test]
    fn a_line_that_names_something_has_said_all_of_it() {
        let text = "WARN TENANT_DB is missing\nTENANT_KV is there";
        assert_eq!(warned(text), [listed("TENANT_DB")]);
    }

    #[test]
    fn a_box_that_names_more_warns_of_more() {
        let text = "WARNING: missing\n- TENANT_DB\n- TENANT_KV";
        assert_eq!(warned(text), [listed("TENANT_DB, TENANT_KV")]);
    }

    #[test]
    fn what_is_bound_or_somebody_elses_is_not_warned_of() {
        for text in [
            "▲ [WARNING] 2 options are missing\n\nYour Worker has access to the following bindings:\nenv.TENANT_DB (x)   D1 Database   local",
            "WARNING: a route is missing\n2026-01-01T00:00:00Z asked TENANT_DB",
            "WARNING: missing\nlvl=info ev=asked db=TENANT_DB",
            "WARNING: slow\n- TENANT_DB",
            "missing\n- TENANT_DB",
            &format!("WARNING: missing{}TENANT_DB", "\n-".repeat(12) + "\n"),
        ] {
            assert!(warned(text).is_empty(), "{text}");
        }
    }
}
