//! Tells answers of the Worker from answers of what stands around it: challenge pages, Access, error pages of the edge, wrangler's proxy.
//! Never excuses what a Worker itself can answer: every rule asks for a mark that the platform sets and no Worker has a reason to set.

use crate::evidence::Exchange;
use serde::Serialize;

/// What may answer in the Worker's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surroundings {
    /// A process that the harness started: nothing but a development server's own proxy.
    Launched,
    /// An address: Cloudflare's edge, or a development server's proxy.
    Address,
}

/// What an answer that is not the Worker's means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// The request did not reach the Worker: nothing can be judged by it.
    Intercepted,
    /// Cloudflare Access refused it before the Worker saw it: a lock, but not the Worker's.
    LockedAtTheEdge,
}

/// An answer that is not the Worker's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impostor {
    /// Stable name of the rule.
    pub id: &'static str,
    /// Who answered.
    pub who: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// What it means for a run.
    pub meaning: Meaning,
    /// The answer in short.
    pub saw: String,
}

impl std::fmt::Display for Impostor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} answered, not the Worker ({}); {}",
            self.who, self.saw, self.remedy
        )
    }
}

struct Rule {
    id: &'static str,
    who: &'static str,
    remedy: &'static str,
    meaning: Meaning,
    /// Whether only the edge can answer so.
    edge_only: bool,
    holds: fn(&Exchange) -> bool,
}

/// The marks, each with its source.
const RULES: [Rule; 7] = [
    // Cloudflare sets this header on challenge pages "regardless of the requested resource type" (Challenges, detect a response).
    Rule {
        id: "challenge",
        who: "a Cloudflare challenge (WAF, bot protection)",
        remedy: "let the harness pass: a WAF skip rule for its address or for a header, in staging only",
        meaning: Meaning::Intercepted,
        edge_only: true,
        holds: |answer| {
            answer
                .header("cf-mitigated")
                .is_some_and(|value| value.eq_ignore_ascii_case("challenge"))
        },
    },
    // A block page of the WAF has no mark of its own but its text and form.
    Rule {
        id: "block",
        who: "Cloudflare's WAF",
        remedy: "let the harness pass: a WAF skip rule for its address or for a header, in staging only",
        meaning: Meaning::Intercepted,
        edge_only: true,
        holds: |answer| {
            is_edge_page(answer, &[403, 429, 503])
                && says_any(
                    answer,
                    &["cf-error-details", "cf-wrapper", "cf-browser-verification"],
                )
        },
    },
    // Captured from a live organisation: an anonymous request is sent to the team's login page.
    Rule {
        id: "access-login",
        who: "Cloudflare Access (its login page)",
        remedy: "give [operator] service_token, and allow it in a Service Auth policy",
        meaning: Meaning::LockedAtTheEdge,
        edge_only: true,
        holds: |answer| {
            matches!(answer.status, 301 | 302 | 303 | 307)
                && answer.header("location").is_some_and(is_login_page)
        },
    },
    // The same, where only service tokens are allowed: 401 or 403 with the application's headers.
    Rule {
        id: "access-refusal",
        who: "Cloudflare Access",
        remedy: "give [operator] service_token, and allow it in a Service Auth policy",
        meaning: Meaning::LockedAtTheEdge,
        edge_only: true,
        holds: |answer| {
            let named = answer.header("cf-access-aud").is_some()
                && answer.header("cf-access-domain").is_some();
            let asked = answer
                .header("www-authenticate")
                .is_some_and(|value| value.starts_with("Cloudflare-Access"));
            matches!(answer.status, 401 | 403) && (named || asked)
        },
    },
    // "error code: 1xxx" in plain text is what the edge answers to programs. 1101 and 1102 are the Worker's own crash
    // and its own excess of resources: those stay findings.
    Rule {
        id: "edge-error-code",
        who: "Cloudflare's edge (an Error 1xxx)",
        remedy: "look the code up in Cloudflare's list of 1xxx errors: the host, its DNS or a limit of the account, not the Worker",
        meaning: Meaning::Intercepted,
        edge_only: true,
        holds: |answer| answer.status >= 400 && is_by_cloudflare(answer) && edge_error_code(answer),
    },
    // 520 to 526 and 530 are the edge's own statuses: it could not reach an origin. A Worker that relays such a status from
    // its upstream does not come with the edge's page.
    Rule {
        id: "edge-5xx",
        who: "Cloudflare's edge (it reached no origin)",
        remedy: "check that the host's route or custom domain leads to the Worker",
        meaning: Meaning::Intercepted,
        edge_only: true,
        holds: |answer| {
            is_edge_page(answer, &[520, 521, 522, 523, 524, 525, 526, 530])
                && says_any(answer, &["cf-error-details", "cf-wrapper"])
        },
    },
    // The sentence of wrangler's proxy Worker, word for word.
    Rule {
        id: "wrangler-restart",
        who: "wrangler's own proxy",
        remedy: "leave the sources alone while it is judged, lower --concurrency, and let the Worker read a body before it refuses it: it answers so when a request met a reload, or a connection that was lost or still held a body that nobody read",
        meaning: Meaning::Intercepted,
        edge_only: false,
        holds: |answer| answer.status == 503 && answer.text().starts_with(RESTARTED),
    },
];

/// How wrangler's proxy begins where it answers in the Worker's place. Only some request in a thousand meets it.
const RESTARTED: &str = "Your worker restarted mid-request. Please try sending the request again.";

/// Whether a reason tells that wrangler's proxy answered because of a reload or a connection that was lost.
#[must_use]
pub fn tells_of_a_restart(reason: &str) -> bool {
    reason.contains(RESTARTED)
}

/// Who answered in the Worker's place, if somebody did.
#[must_use]
pub fn recognise(around: Surroundings, answer: &Exchange) -> Option<Impostor> {
    let rule = RULES.iter().find(|rule| {
        (around == Surroundings::Address || !rule.edge_only) && (rule.holds)(answer)
    })?;
    Some(Impostor {
        id: rule.id,
        who: rule.who,
        remedy: rule.remedy,
        meaning: rule.meaning,
        saw: seen(answer),
    })
}

/// Whether the head of an answer leaves it open that it is not the Worker's: only then its body matters.
#[must_use]
pub fn is_open(status: u16) -> bool {
    !(200..300).contains(&status)
}

fn seen(answer: &Exchange) -> String {
    let place = match answer.header("location") {
        // Its query holds a state that is nobody's business.
        Some(location) => format!(" to {}", location.split('?').next().unwrap_or_default()),
        None => String::new(),
    };
    let text = answer.text();
    let title = between(&text, "<title>", "</title>").map(str::trim);
    let said = title.map_or_else(
        || crate::evidence::cut(text.trim(), 120),
        |title| format!("page \"{}\"", crate::evidence::cut(title, 80)),
    );
    let request = &answer.request;
    format!(
        "{} {}{}: status {}{place}{}{said}",
        request.method,
        request.host,
        request.path.split('?').next().unwrap_or_default(),
        answer.status,
        if said.is_empty() { "" } else { ", " },
    )
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(open)?;
    rest.split_once(close).map(|(inner, _)| inner)
}

fn is_by_cloudflare(answer: &Exchange) -> bool {
    answer
        .header("server")
        .is_some_and(|server| server.eq_ignore_ascii_case("cloudflare"))
}

fn is_edge_page(answer: &Exchange, statuses: &[u16]) -> bool {
    let is_html = answer.media_type() == "text/html";
    statuses.contains(&answer.status) && is_by_cloudflare(answer) && is_html
}

fn says_any(answer: &Exchange, marks: &[&str]) -> bool {
    let text = answer.text();
    marks.iter().any(|mark| text.contains(mark))
}

/// The login page of a team domain, or the path on the host itself that leads there.
fn is_login_page(location: &str) -> bool {
    const PATH: &str = "/cdn-cgi/access/login";
    match url::Url::parse(location) {
        Ok(url) => {
            let host = url.host_str().unwrap_or_default();
            host.ends_with(".cloudflareaccess.com") && url.path().starts_with(PATH)
        }
        Err(_relative) => location.starts_with(PATH),
    }
}

/// `error code: 1xxx`, the Worker's own crash (1101) and excess of resources (1102) apart.
fn edge_error_code(answer: &Exchange) -> bool {
    let text = answer.text();
    let code = text
        .trim()
        .strip_prefix("error code: ")
        .and_then(|code| code.parse::<u16>().ok());
    code.is_some_and(|code| (1000..1200).contains(&code) && !matches!(code, 1101 | 1102))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::samples::answer;

    fn with(mut exchange: Exchange, headers: &[(&str, &str)]) -> Exchange {
        for (name, value) in headers {
            exchange
                .headers
                .push(((*name).to_owned(), (*value).to_owned()));
        }
        exchange
    }

    fn check(answer: &Exchange, expected: Option<&str>) {
        let found = recognise(Surroundings::Address, answer).map(|found| found.id);
        assert_eq!(found, expected, "{answer:?}");
    }

    const EDGE: (&str, &str) = ("server", "cloudflare");

    #[test]
    fn each_page_of_the_platform_is_told_by_its_own_mark() {
        let page = "<html><title>Just a moment...</title>";
        check(
            &with(
                answer(403, "text/html", page),
                &[("cf-mitigated", "challenge"), EDGE],
            ),
            Some("challenge"),
        );
        let block = "<title>Attention Required! | Cloudflare</title><div id=\"cf-wrapper\"><div id=\"cf-error-details\">";
        check(
            &with(answer(403, "text/html; charset=UTF-8", block), &[EDGE]),
            Some("block"),
        );
        let login =
            "https://team.cloudflareaccess.com/cdn-cgi/access/login/app.example?kid=1&meta=2";
        check(
            &with(answer(302, "text/html", ""), &[("location", login)]),
            Some("access-login"),
        );
        check(
            &with(
                answer(302, "text/html", ""),
                &[("location", "/cdn-cgi/access/login/app.example?kid=1")],
            ),
            Some("access-login"),
        );
        check(
            &with(
                answer(403, "application/json", "{}"),
                &[("cf-access-aud", "a"), ("cf-access-domain", "b")],
            ),
            Some("access-refusal"),
        );
        check(
            &with(
                answer(401, "text/html", ""),
                &[(
                    "www-authenticate",
                    "Cloudflare-Access resource_metadata=\"x\"",
                )],
            ),
            Some("access-refusal"),
        );
        check(
            &with(answer(530, "text/plain", "error code: 1016"), &[EDGE]),
            Some("edge-error-code"),
        );
        check(
            &with(
                answer(522, "text/html", "<div id=\"cf-error-details\">"),
                &[EDGE],
            ),
            Some("edge-5xx"),
        );
        let restart = "Your worker restarted mid-request. Please try sending the request again. Only GET or HEAD requests are retried automatically.";
        check(
            &answer(503, "text/plain", restart),
            Some("wrangler-restart"),
        );
    }

    #[test]
    fn what_a_worker_may_answer_itself_is_the_workers() {
        check(
            &with(
                answer(403, "text/html", "<title>Forbidden</title>"),
                &[EDGE],
            ),
            None,
        );
        check(
            &with(answer(503, "application/json", "{\"error\":{}}"), &[EDGE]),
            None,
        );
        check(&with(answer(524, "application/json", "{}"), &[EDGE]), None);
        check(
            &answer(503, "text/plain", "Your worker restarted mid-request"),
            None,
        );
        check(
            &with(
                answer(302, "text/html", ""),
                &[("location", "https://team.cloudflareaccess.com")],
            ),
            None,
        );
        check(
            &with(
                answer(302, "text/html", ""),
                &[("location", "https://evil.example/cdn-cgi/access/login")],
            ),
            None,
        );
        check(
            &with(
                answer(401, "text/html", ""),
                &[("www-authenticate", "Bearer")],
            ),
            None,
        );
        check(
            &with(answer(403, "text/html", ""), &[("cf-access-aud", "a")]),
            None,
        );
    }

    #[test]
    fn a_crash_of_the_worker_is_no_excuse() {
        check(
            &with(answer(500, "text/plain", "error code: 1101"), &[EDGE]),
            None,
        );
        check(
            &with(answer(503, "text/plain", "error code: 1102"), &[EDGE]),
            None,
        );
        check(
            &answer(
                500,
                "text/plain",
                "Error: boom\n    at fetch (index.ts:1:1)",
            ),
            None,
        );
    }

    #[test]
    fn a_process_that_the_harness_started_has_no_edge_to_hide_behind() {
        let login = "https://team.cloudflareaccess.com/cdn-cgi/access/login/a?kid=1";
        let redirect = with(answer(302, "text/html", ""), &[("location", login)]);
        assert_eq!(recognise(Surroundings::Launched, &redirect), None);
        let challenge = with(
            answer(403, "text/html", ""),
            &[("cf-mitigated", "challenge")],
        );
        assert_eq!(recognise(Surroundings::Launched, &challenge), None);
    }

    #[test]
    fn what_was_seen_names_the_page_and_leaves_the_state_of_a_login_out() {
        let login = "https://t.cloudflareaccess.com/cdn-cgi/access/login/a?kid=1&meta=secret";
        let redirect = with(answer(302, "text/html", ""), &[("location", login)]);
        let said = recognise(Surroundings::Address, &redirect)
            .unwrap()
            .to_string();
        assert!(
            said.contains("/cdn-cgi/access/login/a") && !said.contains("secret"),
            "{said}"
        );
    }
}
