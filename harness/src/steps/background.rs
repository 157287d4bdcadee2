//! Steps that every area uses: variants, tenants, plain requests, plain assertions. Never holds an expectation of one area.

use super::operating::{expect_first, expect_status_first};
use crate::contract::need::Variant;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::said::said;
use crate::verdict::{Check, OrUnmet as _, Stop};

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(r"the backend runs as ([a-z0-9-]+)", |s, a| {
        Box::pin(runs_as(s, a))
    });
    book.step(r"nobody else uses the (.+) meanwhile", |s, a| {
        Box::pin(alone(s, a))
    });
    book.step(
        r#"an? (free|premium|enterprise) tenant "([^"]+)""#,
        |s, a| Box::pin(tenant(s, a)),
    );
    book.step(
        r#"an? (free|premium|enterprise) tenant "([^"]+)" that is called at a custom hostname(?:, on platform "([^"]+)")?"#,
        |s, a| Box::pin(tenant_at_hostname(s, a)),
    );
    book.step(r#"tenant "([^"]+)" asks for its status"#, |s, a| {
        Box::pin(asks_status(s, a))
    });
    book.step(r"somebody asks for the health", |s, a| {
        Box::pin(asks_health(s, a))
    });
    book.step(r"the answer has status (\d+)", |s, a| {
        Box::pin(has_status(s, a))
    });
    book.step(r#"the answer is refused with (\d+) "([A-Z_]+)""#, |s, a| {
        Box::pin(is_refused(s, a))
    });
    book.step(r#"the answer names tenant "([^"]+)""#, |s, a| {
        Box::pin(names_tenant(s, a))
    });
}

async fn runs_as(s: &mut Scene, a: Args) -> Check {
    let variant = Variant::parse(a.text(1))
        .ok_or_else(|| Stop::Fault(format!("no variant is called `{}`", a.text(1))))?;
    s.use_variant(variant).await
}

async fn alone(s: &mut Scene, a: Args) -> Check {
    s.alone(a.text(1)).await;
    Ok(())
}

async fn tenant(s: &mut Scene, a: Args) -> Check {
    let tenant = s.new_tenant(a.text(2), a.text(1)).await?;
    s.make_tenant(a.text(2), tenant).await.map(drop)
}

/// From here on its host is the custom one: all that the scenario sends goes there.
async fn tenant_at_hostname(s: &mut Scene, a: Args) -> Check {
    let mut tenant = s.new_tenant(a.text(2), a.text(1)).await?;
    tenant.domains = vec![s.domain(a.text(2))];
    if !a.text(3).is_empty() {
        a.text(3).clone_into(&mut tenant.platform);
    }
    let mut tenant = s.make_tenant(a.text(2), tenant).await?;
    if let Some(hostname) = tenant.domains.first() {
        tenant.host.clone_from(hostname);
    }
    s.know_tenant(a.text(2), tenant);
    Ok(())
}

async fn asks_status(s: &mut Scene, a: Args) -> Check {
    let host = s.tenant(a.text(1))?.host;
    let request = s.status_request(&host);
    s.send(request).await.map(drop)
}

async fn asks_health(s: &mut Scene, _a: Args) -> Check {
    let request = s.health_request();
    s.send(request).await.map(drop)
}

/// Criteria that are about what the upstream sees: what the caller is told says nothing of them, one way or the other.
const NOT_OF_ANSWERS: [&str; 3] = ["AIG-008", "AIG-019", "AIG-021"];
/// Criteria about usage rows alone: a plain look at the answer is a control in their scenarios.
const OF_ROWS: [&str; 4] = ["USG-003", "USG-004", "USG-005", "USG-013"];

/// What a plain look at an answer means for criteria that say nothing of answers.
fn as_promised(s: &Scene, check: Check) -> Check {
    let all_among = |list: &[&str]| {
        let mut own = s.planned.criteria.iter();
        own.all(|id| list.contains(&id.as_str()))
    };
    match check {
        Err(Stop::Violation(_)) if all_among(&NOT_OF_ANSWERS) => Ok(()),
        check if all_among(&OF_ROWS) => check.or_unmet("an answer that is none of the kind"),
        check => check,
    }
}

/// Areas in whose scenarios a status only shows that the target answers: none of their criteria promises one to a good request.
const STATUS_SHOWS_LIFE: [&str; 4] = ["ERR-", "SEC-", "BND-009", "RL-"];

async fn has_status(s: &mut Scene, a: Args) -> Check {
    let (answer, status) = (s.last()?, a.number(1)?);
    let own = &s.planned.criteria;
    let shows_life = own
        .iter()
        .all(|id| STATUS_SHOWS_LIFE.iter().any(|area| id.starts_with(area)));
    let concerns = |id: &str| own.iter().any(|own| own == id);
    // What is hostile may be refused, and must not break anything; what is missing closes nothing but what needs it.
    let is_broken = (answer.status >= 500 && concerns("SEC-004"))
        || (answer.has_code("CONFIGURATION_ERROR") && answer.status == 503 && concerns("BND-009"));
    // Which tenant a host is may show in a chat; that models answer is promised elsewhere.
    let by_chat = own.iter().all(|id| id.starts_with("RES-"))
        && answer.request.route() == s.dialect().chat
        && answer.status != 404;
    if (shows_life || by_chat) && !is_broken {
        return expect_status_first(s, &answer, status);
    }
    let check = s.expect_status(&answer, status);
    as_promised(s, check)
}

/// Criteria that say something of a refusal that is promised elsewhere.
const REFUSED_IN_ANY_WORDS: [&str; 2] = ["RES-013", "RL-013"];

async fn is_refused(s: &mut Scene, a: Args) -> Check {
    let (answer, status) = (s.last()?, a.number(1)?);
    let own = &s.planned.criteria;
    let only_about = |area: &str| own.iter().all(|id| id.starts_with(area));
    let (about_errors, about_leaks) = (only_about("ERR-"), only_about("ERR-004"));
    let in_any_words = own
        .iter()
        .all(|id| REFUSED_IN_ANY_WORDS.contains(&id.as_str()));
    // How an error looks shows where there is one: that there is one is promised elsewhere.
    if about_errors && !(answer.status < 400 && s.accept_refusal(&answer)) {
        let is_refused = answer.status >= 400 && (answer.status != 429 || status == 429);
        expect_first(s, &answer, is_refused, format!("a refusal with {status}"))?;
    }
    if about_leaks {
        return Ok(());
    }
    // What is logged or kept of a refusal does not hang on its words.
    if in_any_words {
        let is_refused = (400..500).contains(&answer.status) && answer.status != 429;
        return expect_first(s, &answer, is_refused, format!("a refusal with {status}"));
    }
    let check = s.expect_error(&answer, status, a.text(2));
    as_promised(s, check)
}

async fn names_tenant(s: &mut Scene, a: Args) -> Check {
    let (answer, tenant) = (s.last()?, s.tenant(a.text(1))?);
    let seen = s.who_answered(&answer).await?;
    s.expect(
        seen.as_deref() == Some(tenant.slug.as_str()),
        format!("tenant `{}`", tenant.slug),
        || {
            format!(
                "{}, answered by {seen}",
                describe(&answer),
                seen = said(&seen)
            )
        },
    )
}
