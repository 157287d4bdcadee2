//! One token, one verdict: opens or denied. Never compares refusals with each other.

use super::{
    Credential, credential, expect_all_open, expect_denied, expect_denied_or_too_large,
    expect_record, learn_refusal, record_request, routes, token, try_everywhere, with_request,
};
use crate::client::Request;
use crate::clock;
use crate::doubles::TokenKind;
use crate::evidence::Exchange;
use crate::lag::Patience;
use crate::run::book::{Args, Book};
use crate::run::scene::Scene;
use crate::subject::dialect::AdminRoute;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use crate::wait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::time::Duration;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.asserting(
        &OPENS,
        r#"an? "([^"]+)" token opens the record of tenant "([^"]+)""#,
        |s, a| Box::pin(opens_record(s, a)),
    );
    book.asserting(
        &OPENS,
        r#"an? "([^"]+)" token opens the record of tenant "([^"]+)" on the host (of tenant )?"([^"]+)""#,
        |s, a| Box::pin(opens_record_on_host(s, a)),
    );
    book.asserting(
        &["ACC-001"],
        r#"without a token the record of tenant "([^"]+)" is denied on the host of tenant "([^"]+)""#,
        |s, a| Box::pin(denied_on_host(s, a)),
    );
    book.asserting(
        &["ACC-001", "ACC-020"],
        r#"without a token the record of tenant "([^"]+)" is denied"#,
        |s, a| Box::pin(denied_record(s, a)),
    );
    book.asserting(
        &OPENS,
        r#"an? "([^"]+)" token opens every admin route of tenant "([^"]+)""#,
        |s, a| Box::pin(opens_everything(s, a)),
    );
    book.asserting(
        &["ACC-001"],
        r#"without a token every admin route of tenant "([^"]+)" is denied"#,
        |s, a| Box::pin(denied_without_token(s, a)),
    );
    book.step(
        r#"with the header "([^":]+): ([^"]+)" every admin route of tenant "([^"]+)" is denied"#,
        |s, a| Box::pin(denied_with_header(s, a)),
    );
    book.asserting(
        &REFUSED,
        r#"an? "([^"]+)" token is denied every admin route of tenant "([^"]+)""#,
        |s, a| Box::pin(denied_everywhere(s, a)),
    );
    book.step(
        r#"a "good" token in the (Authorization header|query) is denied every admin route of tenant "([^"]+)""#,
        |s, a| Box::pin(denied_elsewhere(s, a)),
    );
    book.asserting(
        &["ACC-003"],
        r#"a token that opens the record of tenant "([^"]+)" is denied as soon as one that was never shown and expires with it"#,
        |s, a| Box::pin(expires_though_known(s, a)),
    );
    book.step(
        r#"a token that was just accepted( in the cookie)? is denied the record of tenant "([^"]+)" with another payload"#,
        |s, a| Box::pin(denied_with_other_words(s, a)),
    );
    book.step(
        r#"a token that was just accepted is denied the record of tenant "([^"]+)" with another signature"#,
        |s, a| Box::pin(denied_with_another_signature(s, a)),
    );
    book.step(
        r#"each of these tokens is denied the record of tenant "([^"]+)""#,
        |s, a| Box::pin(denied_malformed(s, a)),
    );
    book.step(
        r#"the target takes the cookie for tenant "([^"]+)""#,
        |s, a| Box::pin(takes_cookie(s, a)),
    );
    book.step(
        r#"an? "([^"]+)" token in the cookie( among others)? (opens|is denied) the record of tenant "([^"]+)""#,
        |s, a| Box::pin(in_cookie(s, a)),
    );
    book.step(
        r#"an? "([^"]+)" token with an? "([^"]+)" cookie (opens|is denied) the record of tenant "([^"]+)""#,
        |s, a| Box::pin(with_cookie(s, a)),
    );
}

/// The criteria that let a token in.
const OPENS: [&str; 3] = ["ACC-002", "ACC-014", "ACC-021"];
/// The criteria that refuse one for what is wrong with it; the first is what other scenarios use for a control.
pub(super) const REFUSED: [&str; 10] = [
    "ACC-005", "ACC-003", "ACC-004", "ACC-006", "ACC-007", "ACC-008", "ACC-009", "ACC-010",
    "ACC-011", "ACC-012",
];

async fn opens_record(s: &mut Scene, a: Args) -> Check {
    let (tenant, credential) = (s.tenant(a.text(2))?, credential(s, a.text(1)).await?);
    let check = judge_record(s, &tenant, &credential, true).await;
    let is_of_this_second = a.text(1) == TokenKind::OfThisSecond.name();
    let skew = s.last().ok().and_then(|answer| answer.skew_seconds());
    if is_of_this_second && skew.is_some_and(|skew| skew < 0) {
        return check.or_unmet("the clocks, of which the target's is behind ours");
    }
    check
}

async fn opens_record_on_host(s: &mut Scene, a: Args) -> Check {
    if !s.run.target.dialect().operator_host.is_empty() {
        return Err(Stop::NotVerified(
            "operators act on a host of their own, so that another one shows nothing (manifest: dialect.operator_host)".to_owned(),
        ));
    }
    let (tenant, credential) = (s.tenant(a.text(2))?, credential(s, a.text(1)).await?);
    let host = if a.text(3).is_empty() {
        a.text(4).to_owned()
    } else {
        s.tenant(a.text(4))?.host
    };
    let request = record_request(s, &tenant).host(host);
    let answer = s.send(credential.on(request)).await?;
    expect_record(s, &tenant, &answer)
}

async fn denied_on_host(s: &mut Scene, a: Args) -> Check {
    let (tenant, host) = (s.tenant(a.text(1))?, s.tenant(a.text(2))?.host);
    let request = record_request(s, &tenant).host(host);
    let answer = s.send(request).await?;
    expect_denied(s, &answer)
}

async fn denied_record(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    judge_record(s, &tenant, &Credential::Nothing, false).await
}

async fn opens_everything(s: &mut Scene, a: Args) -> Check {
    let (tenant, credential) = (s.tenant(a.text(2))?, credential(s, a.text(1)).await?);
    let is_about_good = s.planned.criteria.iter().any(|id| id == "ACC-002");
    let good = self::credential(s, TokenKind::Good.name()).await?;
    let control = (!is_about_good).then_some(&good);
    expect_all_open(s, &tenant, &credential, control).await
}

async fn denied_without_token(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    for answer in try_everywhere(s, &tenant, &Credential::Nothing).await? {
        expect_denied(s, &answer)?;
    }
    Ok(())
}

async fn denied_with_header(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(3))?;
    let credential = Credential::OtherHeader(a.text(1).to_owned(), a.text(2).to_owned());
    for answer in try_everywhere(s, &tenant, &credential).await? {
        expect_denied(s, &answer)?;
    }
    Ok(())
}

/// In the header on every admin route, and in the cookie: a target that takes the cookie must refuse there what it refuses here.
async fn denied_everywhere(s: &mut Scene, a: Args) -> Check {
    let (tenant, token) = (s.tenant(a.text(2))?, token(s, a.text(1)).await?);
    let header = Credential::Header(token.clone());
    let mut answers = try_everywhere(s, &tenant, &header).await?;
    let request = Credential::Cookie(token).on(record_request(s, &tenant));
    answers.push(s.send(request).await?);
    let mut bare: Vec<Request> = routes(s, &tenant).iter().map(AdminRoute::request).collect();
    bare.push(record_request(s, &tenant));
    let mut unguarded = Ok(());
    for (answer, bare) in answers.iter().zip(bare) {
        let denied = if a.text(1).contains("oversized") {
            expect_denied_or_too_large(s, answer)
        } else {
            expect_denied(s, answer)
        };
        match denied {
            Err(stop) if is_open_to_all(s, answer, bare).await? => {
                unguarded = Err(stop.or_unmet("ACC-001"));
            }
            other => other?,
        }
    }
    unguarded
}

/// Whether a route that let a bad token in lets everybody in: then nobody looks at tokens there, which is another promise (ACC-001), and
/// shows nothing of what is wrong with this one.
async fn is_open_to_all(s: &mut Scene, answer: &Exchange, bare: Request) -> Result<bool, Stop> {
    if !(200..300).contains(&answer.status) {
        return Ok(false);
    }
    let without = s.send(bare).await?;
    // What was made or deleted by the bad token is told as a conflict or as not there by whoever lets everybody in.
    Ok((200..300).contains(&without.status) || [404, 409].contains(&without.status))
}

/// Names under which a backend might look for a token in the query.
const QUERY_NAMES: [&str; 5] = [
    "access_token",
    "token",
    "jwt",
    "CF_Authorization",
    "cf-access-jwt-assertion",
];

async fn denied_elsewhere(s: &mut Scene, a: Args) -> Check {
    let (tenant, good) = (s.tenant(a.text(2))?, token(s, "good").await?);
    s.run.remember_secret(&good);
    let query = QUERY_NAMES.map(|name| format!("{name}={good}")).join("&");
    let routes = routes(s, &tenant);
    let requests = routes.iter().map(|route| {
        let mut request = route.request();
        if a.text(1) == "query" {
            let joint = if request.path.contains('?') { '&' } else { '?' };
            request.path = format!("{}{joint}{query}", request.path);
            return request;
        }
        request.header("authorization", format!("Bearer {good}"))
    });
    let requests = requests.collect();
    for answer in s.send_all(requests).await? {
        expect_denied(s, &answer)?;
    }
    Ok(())
}

/// A backend that remembers what it has verified must remember the whole of it.
async fn denied_with_other_words(s: &mut Scene, a: Args) -> Check {
    let (tenant, is_by_cookie) = (s.tenant(a.text(2))?, !a.text(1).is_empty());
    let carrier: fn(String) -> Credential = if is_by_cookie {
        Credential::Cookie
    } else {
        Credential::Header
    };
    accepted_and_denied_changed(s, &tenant, carrier, |good| {
        Ok(vec![with_another_email(good)?])
    })
    .await
}

async fn denied_with_another_signature(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    accepted_and_denied_changed(s, &tenant, Credential::Header, |good| {
        let (signed, signature) = good
            .rsplit_once('.')
            .ok_or_else(|| Stop::Fault("the good token has no signature".to_owned()))?;
        // Reversed it has the same length and letters, and signs nothing.
        let reversed: String = signature.chars().rev().collect();
        Ok(vec![format!("{signed}.{reversed}"), format!("{signed}.")])
    })
    .await
}

/// A good token opens the record, carried so; each token that `change` makes of it opens nothing, in the header and in the cookie.
async fn accepted_and_denied_changed(
    s: &mut Scene,
    tenant: &Tenant,
    carrier: fn(String) -> Credential,
    change: impl Fn(&str) -> Result<Vec<String>, Stop>,
) -> Check {
    let good = token(s, "good").await?;
    let opened = judge_record(s, tenant, &carrier(good.clone()), true).await;
    opened.or_unmet("ACC-002")?;
    for changed in change(&good)? {
        for credential in [
            Credential::Header(changed.clone()),
            Credential::Cookie(changed),
        ] {
            judge_record(s, tenant, &credential, false).await?;
        }
    }
    Ok(())
}

/// Beyond any leeway that is granted to clocks.
const LEEWAY_MAX_S: u64 = 240;
/// A token is over so long after it was shown first.
const SHOWN_BEFORE_S: u64 = 2;
/// So often such a token is made before one is seen in time.
const SHOWN_TIMES_MAX: u32 = 4;
/// Within this time a token that was never shown is refused, once the leeway is known to the second.
const EXPIRED_WITHIN: Duration = Duration::from_secs(20);

/// Pause between two tokens that were never shown.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// Whether a token that was never shown and is over at this time, in epoch seconds, opens a tenant's record.
async fn opens_anew(s: &mut Scene, tenant: &Tenant, expires_at: u64) -> Result<bool, Stop> {
    let token = Credential::Header(s.access().await?.token_until(expires_at));
    let answer = s.send(token.on(record_request(s, tenant))).await?;
    if answer.status == 429 {
        return Err(Stop::NotVerified(
            "too many requests with an expired token: what they would open is not seen".to_owned(),
        ));
    }
    Ok((200..300).contains(&answer.status))
}

/// The whole seconds after its end for which a token still opens.
async fn leeway_s(s: &mut Scene, tenant: &Tenant) -> Result<u64, Stop> {
    let (mut opens, mut denied) = (0, LEEWAY_MAX_S);
    while opens + 1 < denied {
        let middle = u64::midpoint(opens, denied);
        if opens_anew(s, tenant, clock::epoch_seconds() - middle).await? {
            opens = middle;
        } else {
            denied = middle;
        }
    }
    Ok(opens)
}

async fn expires_though_known(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let leeway = leeway_s(s, &tenant).await?;
    let mut tries = 0;
    let (expires_at, known) = loop {
        let expires_at = clock::epoch_seconds() - leeway + SHOWN_BEFORE_S;
        let known = Credential::Header(s.access().await?.token_until(expires_at));
        let opened = judge_record(s, &tenant, &known, true).await;
        tries += 1;
        // On a busy machine it may be over before it is seen: then it was rightly refused.
        let was_over = clock::epoch_seconds() >= expires_at + leeway;
        if opened.is_ok() || !was_over || tries == SHOWN_TIMES_MAX {
            opened.or_unmet("ACC-002")?;
            break (expires_at, known);
        }
    };
    let patience = Patience::of(EXPIRED_WITHIN);
    while opens_anew(s, &tenant, expires_at).await? {
        if patience.is_over() {
            return Err(Stop::NotVerified(format!(
                "a token still opens {} s after the {leeway} s of leeway that this target grants to clocks",
                EXPIRED_WITHIN.as_secs()
            )));
        }
        wait::pass(BETWEEN_LOOKS).await;
    }
    judge_record(s, &tenant, &known, false).await
}

/// A token's header and signature around the payload of somebody else.
fn with_another_email(token: &str) -> Result<String, Stop> {
    let parts: Vec<&str> = token.split('.').collect();
    let payload = URL_SAFE_NO_PAD.decode(parts.get(1).copied().unwrap_or_default());
    let claims = payload
        .ok()
        .and_then(|payload| serde_json::from_slice(&payload).ok());
    match (parts.as_slice(), claims) {
        (&[header, _payload, signature], Some(serde_json::Value::Object(mut claims))) => {
            claims.insert("email".to_owned(), "intruder@example.com".into());
            let claims = serde_json::Value::Object(claims).to_string();
            Ok([header, &URL_SAFE_NO_PAD.encode(claims), signature].join("."))
        }
        _ => Err(Stop::Fault(
            "the good token does not hold claims".to_owned(),
        )),
    }
}

async fn denied_malformed(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let good = token(s, "good").await?;
    learn_refusal(s, &tenant).await?;
    for row in a.rows() {
        let name = row.first().map_or("", String::as_str);
        let token = malformed(name, &good)?;
        for credential in [Credential::Header(token.clone()), Credential::Cookie(token)] {
            let answer = s.send(credential.on(record_request(s, &tenant))).await?;
            expect_denied(s, &answer)
                .map_err(|stop| with_request(stop, &format!("the token \"{name}\"")))?;
        }
    }
    Ok(())
}

/// What is left of a good token when it is broken in a certain way.
fn malformed(name: &str, good: &str) -> Result<String, Stop> {
    let parts: Vec<&str> = good.split('.').collect();
    let &[header, payload, signature] = parts.as_slice() else {
        return Err(Stop::Fault(
            "the good token does not have three parts".to_owned(),
        ));
    };
    Ok(match name {
        "only the header" => header.to_owned(),
        "header and payload" => format!("{header}.{payload}"),
        "four parts" => format!("{good}.{signature}"),
        "dots alone" => "..".to_owned(),
        "a header that is no JSON" => {
            format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode("RS256"))
        }
        "an empty payload" => format!("{header}..{signature}"),
        _ => return Err(Stop::Fault(format!("no malformed token \"{name}\""))),
    })
}

async fn takes_cookie(s: &mut Scene, a: Args) -> Check {
    let (tenant, token) = (s.tenant(a.text(1))?, token(s, "good").await?);
    let opened = judge_record(s, &tenant, &Credential::Header(token.clone()), true).await;
    // What is refused in the header as well tells nothing of the cookie.
    opened.or_unmet("ACC-002")?;
    let request = Credential::Cookie(token).on(record_request(s, &tenant));
    // Refused in whatever form: how refusals look is judged where they are the subject.
    if (300..500).contains(&s.send(request).await?.status) {
        return Err(Stop::NotApplicable(
            "the target does not take a token from the CF_Authorization cookie".to_owned(),
        ));
    }
    Ok(())
}

async fn in_cookie(s: &mut Scene, a: Args) -> Check {
    let (tenant, token) = (s.tenant(a.text(4))?, token(s, a.text(1)).await?);
    let credential = if a.text(2).is_empty() {
        Credential::Cookie(token)
    } else {
        Credential::CookieAmongOthers(token)
    };
    judge_record(s, &tenant, &credential, a.text(3) == "opens").await
}

async fn with_cookie(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(4))?;
    let (header, cookie) = (token(s, a.text(1)).await?, token(s, a.text(2)).await?);
    let credential = Credential::HeaderAndCookie(header, cookie);
    judge_record(s, &tenant, &credential, a.text(3) == "opens").await
}

async fn judge_record(
    s: &mut Scene,
    tenant: &Tenant,
    credential: &Credential,
    opens: bool,
) -> Check {
    let answer = s.send(credential.on(record_request(s, tenant))).await?;
    if opens {
        expect_record(s, tenant, &answer)
    } else {
        learn_refusal(s, tenant).await?;
        expect_denied(s, &answer)
    }
}
