//! Which tenant a host is: at once, or as soon as a change may be seen. Never asks more than a few dozen times.

use super::ask::{about, send, with_header};
use super::outage::has_failed;
use crate::client::Request;
use crate::evidence::Exchange;
use crate::lag::Patience;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::said::said;
use crate::steps::operating::{
    SETTLED_MAX, create, expect_first, expect_status_first, settle, too_late,
};
use crate::steps::words::filled;
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How much later than the registry's own delay a change behind the target's back may be seen: it may keep what it has read for a moment.
pub(super) const BEHIND_ITS_BACK: Duration = Duration::from_secs(2);

/// The criteria of which it is a promise that a host without more leads to its tenant.
const FOUND_BY_HOST: [&str; 6] = [
    "RES-001", "RES-004", "RES-005", "RES-006", "RES-016", "RES-017",
];
/// Those of which it is one that an override does.
const FOUND_BY_OVERRIDE: [&str; 1] = ["RES-003"];
/// Those of which it is one that a host without more is no tenant's.
const NONE_BY_HOST: [&str; 8] = [
    "RES-008", "RES-001", "RES-004", "RES-005", "RES-006", "RES-009", "RES-011", "RES-016",
];
/// Those of which it is one that a header does not make a tenant's host of it.
const NONE_BY_HEADER: [&str; 4] = ["RES-002", "RES-003", "RES-007", "RES-010"];
/// Those that say in which words an unknown tenant is refused. To the others it is all the same, as long as nobody answers.
const REFUSED_IN_WORDS: [&str; 2] = ["RES-012", "SEC-002"];
/// Those that say that somebody is unknown, which a crash does not say.
const TOLD_UNKNOWN: [&str; 5] = ["RES-011", "RES-015", "RES-017", "SEC-001", "ISO-003"];

/// Whether the scenario is about one of these criteria.
fn is_about(s: &Scene, criteria: &[&str]) -> bool {
    s.planned
        .criteria
        .iter()
        .any(|id| criteria.contains(&id.as_str()))
}

/// A check that judges these criteria; in the scenario of others it is a control, and what it finds is the first one's fault.
fn judging(s: &Scene, criteria: &[&str], check: Check) -> Check {
    match criteria.first() {
        Some(first) if !is_about(s, criteria) => check.or_unmet(first),
        Some(_) | None => check,
    }
}

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"free tenants with these slugs, each beginning alike:",
        |s, a| Box::pin(tenants_with_slugs(s, a)),
    );
    book.step(
        r"free tenants with these slugs, whatever else is called so:",
        |s, a| Box::pin(tenants_with_slugs(s, a)),
    );
    book.step(
        r#"a free tenant "([^"]+)" whose slug has (\d+) (letter|digit)s? of its own"#,
        |s, a| Box::pin(tenant_with_short_slug(s, a)),
    );
    book.step(
        r#"an? (free|premium|enterprise) tenant "([^"]+)" with these custom hostnames:"#,
        |s, a| Box::pin(tenant_with_hostnames(s, a)),
    );
    book.step(
        r#"the operator asks for a tenant "([^"]+)" with the custom hostname "([^"]*)""#,
        |s, a| Box::pin(asks_for_hostname(s, a)),
    );
    book.step(r"each of them is answered as itself", |s, a| {
        Box::pin(each_as_itself(s, a))
    });
    book.step(
        r"an override by its slug selects each of them, from the host of another",
        |s, _a| Box::pin(each_by_override(s)),
    );
    book.asserting(
        &FOUND_BY_HOST,
        r#"host "([^"]*)" answers as tenant "([^"]+)""#,
        |s, a| Box::pin(answers_as(s, a)),
    );
    book.asserting(
        &["ISO-003"],
        r#"host "([^"]*)" still answers as tenant "([^"]+)""#,
        |s, a| Box::pin(answers_as(s, a)),
    );
    book.step(
        r#"host "([^"]*)" answers as tenant "([^"]+)" with each of these headers:"#,
        |s, a| Box::pin(answers_with_headers(s, a)),
    );
    book.step(
        r#"(?:with the header "([A-Za-z-]+): ([^"]*)" )?these hosts are tenant "([^"]+)":"#,
        |s, a| Box::pin(are_tenant(s, a)),
    );
    book.step(
        r#"(?:with the header "([A-Za-z-]+): ([^"]*)" )?these hosts are no tenant:"#,
        |s, a| Box::pin(are_none(s, a)),
    );
    book.asserting(
        &["RES-015", "RES-005", "RES-006"],
        r#"these hosts (soon )?become tenant "([^"]+)":"#,
        |s, a| Box::pin(become_tenant(s, a)),
    );
    book.asserting(
        &["RES-011", "RES-005", "RES-015"],
        r"these hosts (soon )?become no tenant:",
        |s, a| Box::pin(become_none(s, a)),
    );
    book.step(
        r#"a chat at host "([^"]*)" is refused as an unknown tenant's"#,
        |s, a| Box::pin(chat_refused(s, a)),
    );
}

async fn tenants_with_slugs(s: &mut Scene, a: Args) -> Check {
    let mut names = Vec::new();
    for row in a.rows() {
        let slug = filled(s, &row[0]).await?;
        let mut tenant = s.new_tenant(&slug, "free").await?;
        tenant.host = s.instance().await?.tenant_host(&slug);
        tenant.slug.clone_from(&slug);
        s.make_tenant(&slug, tenant).await?;
        names.push(slug);
    }
    s.notes.insert("slugs".to_owned(), json!(names));
    Ok(())
}

/// So many short slugs are tried, since another run's tenant may have one.
const SHORT_SLUGS: usize = 6;

async fn tenant_with_short_slug(s: &mut Scene, a: Args) -> Check {
    let length: usize = a.number(2)?;
    let any = if a.text(3) == "digit" {
        || fastrand::digit(10)
    } else {
        fastrand::lowercase
    };
    for _ in 0..SHORT_SLUGS {
        let slug: String = std::iter::repeat_with(any).take(length).collect();
        let host = s.instance().await?.tenant_host(&slug);
        let request = s.status_request(&host);
        // What answers already is another one's, or a name that the backend keeps for itself.
        if s.send(request).await?.status != 404 {
            continue;
        }
        let mut tenant = s.new_tenant(a.text(1), "free").await?;
        (tenant.slug, tenant.host) = (slug, host);
        if s.make_tenant(a.text(1), tenant).await.is_ok() {
            return Ok(());
        }
    }
    Err(Stop::NotVerified(format!(
        "no tenant could be made with a slug of {length} {}s: each one tried was taken or refused",
        a.text(3)
    )))
}

/// The slugs of the tenants that were made with slugs of their own.
fn slugs(s: &Scene) -> Vec<String> {
    let slugs = s.notes.get("slugs");
    slugs
        .and_then(|list| serde_json::from_value(list.clone()).ok())
        .unwrap_or_default()
}

async fn each_as_itself(s: &mut Scene, _a: Args) -> Check {
    let slugs = slugs(s);
    for slug in slugs {
        let request = s.status_request(&s.tenant(&slug)?.host);
        let answer = s.send(request).await?;
        is_tenant(s, &answer, &slug).await?;
    }
    Ok(())
}

/// Each of the tenants by its slug alone, at the host of the next one.
async fn each_by_override(s: &mut Scene) -> Check {
    let slugs = slugs(s);
    let others = slugs.iter().cycle().skip(1);
    for (slug, other) in slugs.iter().zip(others) {
        let host = s.tenant(other)?.host;
        let request = s.status_request(&host);
        let answer = s.send(request).await?;
        is_tenant(s, &answer, other).await.or_unmet("RES-001")?;
        let request = s
            .status_request(&host)
            .header("X-Tenant-Override", slug.as_str());
        let answer = s.send(request).await?;
        is_tenant(s, &answer, slug).await?;
    }
    Ok(())
}

async fn tenant_with_hostnames(s: &mut Scene, a: Args) -> Check {
    let mut tenant = s.new_tenant(a.text(2), a.text(1)).await?;
    for name in a.list() {
        let name = filled(s, &name).await?;
        tenant.domains.push(name);
    }
    s.make_tenant(a.text(2), tenant).await.map(drop)
}

/// Whether the tenant is made or refused: what is judged is whether the hostname becomes one of a tenant.
async fn asks_for_hostname(s: &mut Scene, a: Args) -> Check {
    let mut tenant = s.new_tenant(a.text(1), "free").await?;
    tenant.domains = vec![filled(s, a.text(2)).await?];
    let answer = create(s, &tenant.creation()).await?;
    s.know_tenant(a.text(1), tenant);
    let is_told = answer.status < 500 && answer.status != 429;
    expect_first(s, &answer, is_told, "a tenant made or refused")?;
    settle(s).await
}

/// Asserts that an answer to a status request is this tenant's.
pub(in crate::steps) async fn is_tenant(s: &mut Scene, answer: &Exchange, name: &str) -> Check {
    let slug = s.tenant(name)?.slug;
    let seen = s.who_answered(answer).await?;
    s.expect(
        answer.status == 200 && seen.as_deref() == Some(slug.as_str()),
        format!(
            "host `{}` is tenant `{slug}`",
            crate::evidence::cut(&answer.request.host, 80)
        ),
        || {
            format!(
                "{}, answered by {seen}",
                describe(answer),
                seen = said(&seen)
            )
        },
    )
}

/// Asserts that an answer is an unknown tenant's: in the contract's words where they are promised, else that nobody answers.
pub(in crate::steps) fn is_unknown(s: &mut Scene, answer: &Exchange) -> Check {
    let what = format!(
        "host `{}` is no tenant",
        crate::evidence::cut(&answer.request.host, 80)
    );
    if answer.status == 429 {
        return expect_status_first(s, answer, 404);
    }
    let in_words = is_about(s, &REFUSED_IN_WORDS);
    if !in_words && (300..500).contains(&answer.status) {
        s.checks += 1;
        return Ok(());
    }
    let check = about(&what, s.expect_error(answer, 404, "TENANT_NOT_FOUND"));
    let is_telling = answer.status < 300 || in_words;
    if is_telling || (answer.status >= 500 && is_about(s, &TOLD_UNKNOWN)) {
        check
    } else {
        check.or_unmet("RES-012")
    }
}

async fn answers_as(s: &mut Scene, a: Args) -> Check {
    let host = filled(s, a.text(1)).await?;
    let request = s.status_request(&host);
    let answer = s.send(request).await?;
    let check = is_tenant(s, &answer, a.text(2)).await;
    let tenant = s.tenant(a.text(2))?;
    // A slug is found without the hostnames, and a tenant whose store never failed whether or not another's did.
    let by_slug = host == tenant.host && is_about(s, &["RES-004", "RES-005"]);
    let is_control = by_slug || (is_about(s, &["RES-017"]) && !has_failed(s, &tenant));
    if is_control {
        check.or_unmet("RES-001")
    } else {
        check
    }
}

async fn answers_with_headers(s: &mut Scene, a: Args) -> Check {
    let host = filled(s, a.text(1)).await?;
    // The positive control: without the header the host is that tenant's.
    let plain = s.status_request(&host);
    let answer = s.send(plain.clone()).await?;
    is_tenant(s, &answer, a.text(2)).await.or_unmet("RES-001")?;
    for row in a.rows() {
        let request = with_header(s, plain.clone(), &row[0], &row[1]).await?;
        let answer = send(s, request).await?;
        about(
            &format!("with `{}: {}`", row[0], row[1]),
            is_tenant(s, &answer, a.text(2)).await,
        )?;
    }
    Ok(())
}

/// Status requests to the hosts of a table, all with one header.
async fn requests(s: &mut Scene, a: &Args, header: (&str, &str)) -> Result<Vec<Request>, Stop> {
    let mut list = Vec::new();
    for row in a.rows() {
        let host = filled(s, &row[0]).await?;
        let request = s.status_request(&host);
        list.push(with_header(s, request, header.0, header.1).await?);
    }
    Ok(list)
}

async fn ask_all(
    s: &mut Scene,
    a: &Args,
    header: (&str, &str),
) -> Result<Vec<Arc<Exchange>>, Stop> {
    let requests = requests(s, a, header).await?;
    s.send_all(requests).await
}

async fn are_tenant(s: &mut Scene, a: Args) -> Check {
    let bare = a.text(1).is_empty();
    for answer in ask_all(s, &a, (a.text(1), a.text(2))).await? {
        let check = is_tenant(s, &answer, a.text(3)).await;
        if check.is_err() && bare && is_about(s, &["RES-006", "RES-016"]) {
            plain_host_is(s, &answer.request.host, a.text(3)).await?;
        }
        let criteria: &[&str] = if bare {
            &FOUND_BY_HOST
        } else {
            &FOUND_BY_OVERRIDE
        };
        judging(s, criteria, check)?;
    }
    Ok(())
}

/// The control of a host in capitals, with a port or a dot at its end: without these it is the tenant's.
async fn plain_host_is(s: &mut Scene, host: &str, name: &str) -> Check {
    let lower = host.to_ascii_lowercase();
    let plain = lower.split(':').next().unwrap_or_default();
    let request = s.status_request(plain.trim_end_matches('.'));
    let answer = s.send(request).await?;
    is_tenant(s, &answer, name).await.or_unmet("RES-001")
}

async fn are_none(s: &mut Scene, a: Args) -> Check {
    let criteria: &[&str] = if a.text(1).is_empty() {
        &NONE_BY_HOST
    } else {
        &NONE_BY_HEADER
    };
    for answer in ask_all(s, &a, (a.text(1), a.text(2))).await? {
        let mut check = is_unknown(s, &answer);
        let is_plain = a.text(1).is_empty() && !is_about(s, &["RES-006", "RES-016"]);
        // Whoever asks with an override means nobody else, so that whose the host is by itself is no excuse.
        let is_plain = is_plain || is_about(s, &FOUND_BY_OVERRIDE);
        if check.is_err()
            && answer.status < 300
            && !is_plain
            && plain_host_is_served(s, &answer).await?
        {
            check = check.or_unmet("RES-008");
        }
        judging(s, criteria, check)?;
    }
    Ok(())
}

/// Whether the host of this answer is somebody's without any header, in small letters, without port and final dot too: then what it had
/// besides did not make it so.
async fn plain_host_is_served(s: &mut Scene, answer: &Exchange) -> Result<bool, Stop> {
    let lower = answer.request.host.to_ascii_lowercase();
    let plain = lower.split(':').next().unwrap_or_default();
    let request = s.status_request(plain.trim_end_matches('.'));
    Ok(s.send(request).await?.status < 300)
}

/// How long a change may take to be seen: nothing at all on a strongly consistent target.
fn delay(s: &Scene, soon: &str) -> Duration {
    let stated = s.run.target.limits().registry_delay;
    if soon.is_empty() {
        stated
    } else {
        stated + BEHIND_ITS_BACK
    }
}

/// Asks until the check holds; the first answer must do where there is no delay.
pub(super) async fn within(
    s: &mut Scene,
    request: Request,
    delay: Duration,
    check: impl AsyncFn(&mut Scene, &Exchange) -> Check,
) -> Check {
    let patience = Patience::of(delay);
    let mut pause = Duration::from_millis(5);
    loop {
        let answer = s.send(request.clone()).await?;
        match check(s, &answer).await {
            Ok(()) => return Ok(()),
            late if patience.is_over() => {
                if !delay.is_zero() {
                    patience.blame(|| describe(&answer))?;
                }
                return about(&format!("within {} ms", delay.as_millis()), late);
            }
            Err(_not_yet) => wait::pass(pause).await,
        }
        // Few looks: each one counts against a quota.
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}

async fn become_tenant(s: &mut Scene, a: Args) -> Check {
    let delay = delay(s, a.text(1));
    if delay > SETTLED_MAX {
        return Err(too_late(delay));
    }
    let name = a.text(2).to_owned();
    for request in requests(s, &a, ("", "")).await? {
        within(
            s,
            request,
            delay,
            async |s: &mut Scene, answer: &Exchange| is_tenant(s, answer, &name).await,
        )
        .await?;
    }
    Ok(())
}

async fn become_none(s: &mut Scene, a: Args) -> Check {
    let delay = delay(s, a.text(1));
    if delay > SETTLED_MAX {
        return Err(too_late(delay));
    }
    for request in requests(s, &a, ("", "")).await? {
        within(
            s,
            request,
            delay,
            async |s: &mut Scene, answer: &Exchange| is_unknown(s, answer),
        )
        .await?;
    }
    Ok(())
}

async fn chat_refused(s: &mut Scene, a: Args) -> Check {
    let host = filled(s, a.text(1)).await?;
    let request = s.chat_request(&host);
    let answer = s.send(request).await?;
    is_unknown(s, &answer)
}
