//! What is known again in another run and what is not. Never runs a scenario.

use super::*;
use proptest::prelude::*;

fn knows(known: [&str; 2], found: [&str; 2]) -> bool {
    let of = |[expected, seen]: [&str; 2]| Fingerprint::of("Then it is so", expected, seen);
    of(known).knows(&of(found))
}

#[test]
fn what_is_new_in_every_run_does_not_tell_findings_apart() {
    let seen = [
        (
            "tenant 123e4567-e89b-12d3-a456-426614174000",
            "tenant 6D706162-0000-4000-8000-00000000000a",
        ),
        (
            "host mp-abcdef0001-acme.moltworker.example",
            "host mp-zzzzzz8001-acme.moltworker.example",
        ),
        (
            "host shop-abcdef0001.customer.example",
            "host shop-qwerty0001.customer.example",
        ),
        ("prompt [[mp-abcdef0001]]", "prompt [[mp-qwerty2001]]"),
        ("http://127.0.0.1:40123/status", "http://127.0.0.1:9/status"),
        (
            "\"at\":\"2026-11-22T19:00:00.123Z\"",
            "\"at\":\"2027-01-01T00:00:00Z\"",
        ),
        (
            "date Sun, 22 Nov 2026 19:00:00 GMT",
            "date Mon, 23 Nov 2026 07:30:00 GMT",
        ),
        ("reset 1795374000", "reset 1795374060"),
        (
            "not so within 503 ms; last seen: 0 rows",
            "not so within 511 ms; last seen: 0 rows",
        ),
    ];
    for (one, other) in seen {
        assert!(
            knows(["status 403", one], ["status 403", other]),
            "{one}\n{other}"
        );
    }
}

#[test]
fn equal_ids_stay_equal_and_others_other() {
    let (a, b) = (
        "123e4567-e89b-12d3-a456-426614174000",
        "6d706162-0000-4000-8000-00000000000a",
    );
    assert!(knows([a, b], [b, a]), "two that differ");
    assert!(
        !knows([a, b], [a, a]),
        "two that differ are not two that are equal"
    );
}

#[test]
fn a_wildcard_stands_for_one_word_of_a_run_and_for_no_status_code_or_word() {
    let known = |pattern: &str, text: &str| knows(["status 403", pattern], ["status 403", text]);
    assert!(known(
        "sandbox sk-* of acme",
        "sandbox sk-986c0dc956dc822b of acme"
    ));
    assert!(known(r#"{"id":"*","x":1}"#, r#"{"id":"req_9f2","x":1}"#));
    for (pattern, text) in [
        ("status *", "status 500"),
        ("status 4*", "status 404"),
        ("code *", "code TENANT_NOT_FOUND"),
        ("sandbox sk-*", "sandbox sk-986c0dc956dc822b of globex"),
        (r#"{"id":"*"}"#, r#"{"id":"a1b2","admin":"c3d4"}"#),
        ("row *", "row "),
    ] {
        assert!(!known(pattern, text), "{pattern} knows {text}");
    }
}

#[test]
fn a_star_that_was_seen_is_written_as_a_star() {
    for text in [r"Allow-Origin: *", r#""a\\b" \* **"#, r"plain", r"\"] {
        let written = written(text);
        assert!(fits(&written, text), "{written}");
        assert!(!form(&written).1, "{written} has wildcards");
    }
    assert!(!knows(["a", r"origin \*"], ["a", "origin 12345"]));
}

#[test]
fn a_text_of_wildcards_is_vague() {
    for text in ["", "  ", "*", "**", "* - *", "a*"] {
        assert!(is_vague(text), "{text}");
    }
    for text in ["403", "status *", "0"] {
        assert!(!is_vague(text), "{text}");
    }
}

proptest! {
    #[test]
    fn another_status_code_or_id_never_is_the_known_one(
        status in 100_u16..600,
        other in 100_u16..600,
        code in "[A-Z]{3,8}(_[A-Z]{3,8})?",
        other_code in "[A-Z]{3,8}(_[A-Z]{3,8})?",
        id in "sk-[0-9a-f]{16}",
        other_id in "sk-[0-9a-f]{16}",
    ) {
        let seen = |status: u16, code: &str, id: &str| {
            format!("status {status} {{\"error\":{{\"code\":\"{code}\"}},\"sandbox_id\":\"{id}\"}}")
        };
        let known = seen(status, &code, &id);
        prop_assert!(knows(["status 403", &known], ["status 403", &known]));
        for (differs, another) in [
            (status != other, seen(other, &code, &id)),
            (code != other_code, seen(status, &other_code, &id)),
            (id != other_id, seen(status, &code, &other_id)),
        ] {
            prop_assert_eq!(knows(["status 403", &known], ["status 403", &another]), !differs);
        }
        let (wanted, other_wanted) = (format!("status {status}"), format!("status {other}"));
        prop_assert_eq!(knows([&wanted, &known], [&other_wanted, &known]), status == other);
    }

    #[test]
    fn no_wildcard_stands_for_a_status_code(status in 100_u16..600, at in 0..3_usize) {
        let text = format!("status {status}");
        let mut known = text.clone();
        known.replace_range(7 + at..=7 + at, "*");
        prop_assert!(!knows(["a", &known], ["a", &text]), "{known}");
    }

    #[test]
    fn putting_it_twice_changes_nothing(text in "[ -~]{0,60}") {
        let once = Fingerprint::of(&text, &text, &text);
        let again = Fingerprint::of(&once.step, &once.expected, &once.seen);
        prop_assert_eq!(once, again);
    }
}
