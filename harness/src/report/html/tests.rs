//! The page, held against reports as large and as hostile as they come. Never looks at its looks.

use super::*;
use crate::report::samples::Sample;
use crate::report::{Evidence, Kind};
use crate::verdict::Verdict;

/// What a hostile target may answer.
const HOSTILE: &str = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\" onclick=\"a' -->]]>\u{0}\u{1b}[31m\u{202e}gnp.exe\u{2066}\u{feff}";

const WHOLE_RUN: Sample = Sample {
    criteria: 134,
    scenarios: 6,
    exchanges: 14,
    finding_every: 0,
    alike: false,
    text: "plain",
    times: 40,
};

fn report(sample: Sample) -> Report {
    serde_json::from_value(sample.json()).expect("a sample is a report")
}

/// The elements of the page by name, as a tokeniser sees them that knows nothing but tags.
fn tags(page: &str) -> Vec<&str> {
    page.split('<')
        .skip(1)
        .filter(|tag| tag.starts_with(|letter: char| letter.is_ascii_alphabetic()))
        .collect()
}

#[test]
fn a_whole_run_stays_below_1_mb_however_many_findings_it_has() {
    for finding_every in [0, 1, 30] {
        let sample = Sample {
            finding_every,
            ..WHOLE_RUN
        };
        let page = render(&report(sample));
        assert!(
            page.len() < PAGE_LEN_MAX,
            "{} bytes with every {finding_every}th",
            page.len()
        );
        let all = sample.criteria * sample.scenarios;
        let findings = all.checked_div(finding_every).unwrap_or(0);
        let cases = page.matches("<section class=\"case").count();
        assert_eq!(cases, findings, "a finding is missing");
        let rows = page.matches("told above, number").count();
        assert_eq!(rows, findings, "a criterion does not name its finding");
        assert!(finding_every == 0 || page.contains("The exchange that decided"));
    }
}

#[test]
fn a_page_of_a_whole_run_without_a_finding_stays_below_300_kb() {
    let page = render(&report(WHOLE_RUN));
    assert!(page.len() < 300_000, "{} bytes", page.len());
}

#[test]
fn what_many_scenarios_saw_is_told_once_and_names_them_all() {
    let sample = Sample {
        finding_every: 3,
        alike: true,
        ..WHOLE_RUN
    };
    let page = render(&report(sample));
    assert_eq!(page.matches("<section class=\"case").count(), 1);
    let findings = sample.criteria * sample.scenarios / 3;
    let rows = page.matches("told above, number 1").count();
    let same = page.matches("the same as number 1 above").count();
    assert_eq!((rows, rows + same), (1, findings));
    let more = format!("The same was found by {} more scenarios, of", findings - 1);
    assert!(page.contains(&more), "{more}");
}

#[test]
fn what_was_found_stands_before_what_makes_it_weaker() {
    let page = render(&report(Sample {
        finding_every: 9,
        ..WHOLE_RUN
    }));
    let place = |words: &str| page.find(words).unwrap_or_else(|| panic!("no {words}"));
    assert!(place("What was found") < place("What makes this verdict weaker"));
    assert!(place("What makes this verdict weaker") < place("Every criterion"));
}

#[test]
fn what_is_left_out_is_said() {
    let small = render(&report(Sample {
        criteria: 3,
        scenarios: 2,
        exchanges: 3,
        finding_every: 2,
        ..WHOLE_RUN
    }));
    assert!(!small.contains("So that this page stays small"));
    assert!(!small.contains("is left out here"));
    let large = render(&report(Sample {
        finding_every: 1,
        times: 400,
        ..WHOLE_RUN
    }));
    assert!(large.contains("So that this page stays small"));
    assert!(large.contains("Its evidence is left out here: the JSON report has it"));
    assert!(large.len() < PAGE_LEN_MAX, "{} bytes", large.len());
}

#[test]
fn nothing_from_outside_becomes_markup_or_turns_text() {
    let sample = Sample {
        criteria: 4,
        scenarios: 2,
        exchanges: 3,
        finding_every: 2,
        alike: false,
        text: HOSTILE,
        times: 3,
    };
    let (hostile, calm) = (
        render(&report(sample)),
        render(&report(Sample {
            text: "plain",
            ..sample
        })),
    );
    let scripts = |page: &str| {
        tags(page)
            .iter()
            .filter(|tag| tag.starts_with("script"))
            .count()
    };
    assert_eq!((scripts(&hostile), scripts(&calm)), (1, 1));
    let names = |page: &str| -> std::collections::BTreeSet<String> {
        let name = |tag: &&str| tag.split([' ', '>']).next().unwrap_or_default().to_owned();
        tags(page).iter().map(name).collect()
    };
    assert_eq!(
        names(&hostile),
        names(&calm),
        "an element came from outside"
    );
    for tag in tags(&hostile) {
        let inside = tag.split('>').next().unwrap_or_default();
        assert!(
            !inside.contains(" onclick=\"a") && !inside.contains(" onerror=alert"),
            "<{inside}>"
        );
    }
    let bad = hostile.chars().find(|letter| {
        matches!(letter, '\u{202e}' | '\u{2066}' | '\u{feff}')
            || (letter.is_control() && *letter != '\n')
    });
    assert_eq!(bad, None, "a mark that turns text, or a control byte");
    assert!(hostile.contains("⟨U+202E⟩gnp.exe"), "the mark is not shown");
}

#[test]
fn a_line_of_64_kib_is_cut_and_every_kind_bears_it() {
    let sample = Sample {
        criteria: 2,
        scenarios: 1,
        exchanges: 2,
        finding_every: 1,
        alike: false,
        text: HOSTILE.repeat(600).leak(),
        times: 1,
    };
    let report = report(sample);
    for kind in Kind::ALL {
        let bytes = kind.render(&report, &[]).expect("it renders");
        assert!(!bytes.is_empty(), "{}", kind.word());
    }
    let page = render(&report);
    assert!(page.contains("more bytes: the JSON report has them"));
    assert!(page.len() < 300_000, "{} bytes", page.len());
}

#[test]
fn the_page_loads_nothing_and_lets_nothing_in() {
    let page = render(&report(Sample {
        finding_every: 9,
        ..WHOLE_RUN
    }));
    for word in [
        "src=",
        "@import",
        "url(",
        "<link",
        "<iframe",
        "<base",
        "style=\"",
        "javascript:",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    let links = page.split("href=\"").skip(1);
    assert!(
        links.into_iter().all(|rest| rest.starts_with('#')),
        "a link leads elsewhere"
    );
    assert!(page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"));
    // What the policy lets in is what stands there: a browser counts the same.
    for (element, policy) in [("style", "style-src"), ("script", "script-src")] {
        let text = page
            .split(&format!("<{element}>"))
            .nth(1)
            .and_then(|rest| rest.split(&format!("</{element}>")).next());
        let digest = aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA256,
            text.unwrap_or_default().as_bytes(),
        );
        let digest = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest);
        assert!(
            page.contains(&format!("{policy} 'sha256-{digest}'")),
            "{element}"
        );
    }
}

#[test]
fn every_criterion_has_its_anchor_and_headings_are_in_order() {
    let report = report(Sample {
        finding_every: 20,
        ..WHOLE_RUN
    });
    let page = render(&report);
    for criterion in &report.criteria {
        let (anchor, link) = (
            format!("id=\"{}\"", criterion.id),
            format!("href=\"#{}\"", criterion.id),
        );
        assert_eq!(page.matches(&anchor).count(), 1, "{anchor}");
        assert!(page.contains(&link), "{link}");
    }
    let levels: Vec<u32> = tags(&page)
        .iter()
        .filter_map(|tag| {
            let mut letters = tag.chars();
            (letters.next() == Some('h'))
                .then(|| letters.next()?.to_digit(10))
                .flatten()
        })
        .collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert!(
        levels.windows(2).all(|pair| pair[1] <= pair[0] + 1),
        "a heading skips a level"
    );
}

#[test]
fn a_must_that_was_not_verified_stands_in_the_headline() {
    let mut report = report(WHOLE_RUN);
    report.criteria[0].verdict = Verdict::NotVerified;
    report.criteria[0].reason = "needs d1: add [observe.d1] to the manifest".to_owned();
    let must = &mut report.summary.must;
    must.passed -= 1;
    must.not_verified = 1;
    report.summary.verdict = RunVerdict::Inconclusive;
    let page = render(&report);
    let headline = page.split("</header>").next().unwrap_or_default();
    assert!(headline.contains("1 could not be verified"), "{headline}");
    assert!(page.contains("add [observe.d1] to the manifest"));
    let markdown = crate::report::markdown::render(&report);
    assert!(markdown.contains("1 could not be verified"));
    assert!(
        markdown.contains(
            "- **1 MUST not verified**: needs d1: add \\[observe.d1\\] to the manifest (RES-000)"
        ),
        "{markdown}"
    );
}

#[test]
fn the_figure_shows_who_asked_whom_and_what_was_seen() {
    let report = report(Sample {
        criteria: 1,
        scenarios: 1,
        exchanges: 3,
        finding_every: 1,
        ..WHOLE_RUN
    });
    let evidence: &Evidence = report.evidence.values().next().expect("a scenario ran");
    let figure = sequence::figure(evidence, Some("saw status 200")).into_string();
    for words in [
        ">Caller<",
        ">Worker<",
        ">AI Gateway<",
        ">D1<",
        "3 answered 200",
        "answered 200",
        "D1: saw plain (3 times)",
        "✗ saw status 200",
    ] {
        assert!(figure.contains(words), "{words}: {figure}");
    }
    assert!(
        sequence::figure(&Evidence::default(), None)
            .into_string()
            .is_empty()
    );
}
