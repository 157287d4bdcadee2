//! Limits of those who name no tenant. Never trusts a header to say who asks but the edge's own.

use super::free_of_charge::no_admin_limited;
use super::used_up::{expect_still_refused, use_up};
use super::{Asker, expect_whole_quota, other_ip};
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::verdict::{Check, OrUnmet as _, Stop};

/// Values tried for each header that claims another client ip.
const CLAIMS: usize = 3;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(r"another client ip is admitted", |s, a| {
        Box::pin(another_ip(s, a))
    });
    book.step(
        r#"the client ip is still refused with the header "([^"]+)""#,
        |s, a| Box::pin(cannot_claim(s, a)),
    );
    book.step(
        r"at each of these client ips the quota, once used up, is so with each header:",
        |s, a| Box::pin(cannot_claim_there(s, a)),
    );
    book.step(r"the client ip is admitted its whole quota", |s, a| {
        Box::pin(whole_quota(s, a))
    });
    book.step(
        r"more requests than any quota are all refused for the missing binding",
        |s, a| Box::pin(not_counted(s, a)),
    );
}

async fn another_ip(s: &mut Scene, _a: Args) -> Check {
    for number in 0..CLAIMS {
        let ip = other_ip(s, number);
        let request = s.health_request().header("cf-connecting-ip", ip.as_str());
        let answer = s.send(request).await?;
        Asker::ClientIp.is_admitted(&answer)?;
        s.expect(
            answer.status == 200,
            format!("client ip {ip} admitted, whatever another one has used"),
            || describe(&answer),
        )?;
    }
    Ok(())
}

/// The way in which the quota was used up is the way in which it is tried again.
fn who(s: &Scene, app_domain: String) -> Asker {
    let by_health = s
        .last()
        .is_ok_and(|answer| answer.request.route() == s.dialect().health);
    if by_health {
        Asker::ClientIp
    } else {
        Asker::Stranger(app_domain)
    }
}

async fn cannot_claim(s: &mut Scene, a: Args) -> Check {
    let app_domain = s.instance().await?.app_domain.clone();
    let who = who(s, app_domain);
    let header = a.text(1);
    for number in 0..CLAIMS {
        let ip = other_ip(s, 100 + number);
        let value = if header == "Forwarded" {
            format!("for={ip}")
        } else {
            ip
        };
        let request = who.request(s, 2000 + number).header(header, value.as_str());
        let what = format!("a request with {header}: {value}");
        expect_still_refused(s, &who, &what, request).await?;
    }
    Ok(())
}

async fn cannot_claim_there(s: &mut Scene, a: Args) -> Check {
    let own = s.client_ip().to_owned();
    let others =
        (0..CLAIMS).map(|number| s.client_ip_like(&format!("203.{}.{{x}}.{{y}}", 100 + number)));
    let others: Vec<String> = others.collect();
    for row in a.rows() {
        let [ip, header] = row.as_slice() else {
            return Err(Stop::Fault(
                "a row needs a client ip and a header".to_owned(),
            ));
        };
        s.set_client_ip(&own);
        let ip = s.client_ip_like(ip);
        s.set_client_ip(&ip);
        use_up(s, &Asker::ClientIp).await?;
        for (number, other) in others.iter().enumerate() {
            let value = if header == "Forwarded" {
                format!("for={other}")
            } else {
                other.clone()
            };
            let request = Asker::ClientIp
                .request(s, number)
                .header(header, value.as_str());
            let what = format!("a request from {ip} with {header}: {value}");
            expect_still_refused(s, &Asker::ClientIp, &what, request).await?;
        }
    }
    s.set_client_ip(&own);
    Ok(())
}

async fn whole_quota(s: &mut Scene, _a: Args) -> Check {
    no_admin_limited(s)?;
    let check = expect_whole_quota(s, &Asker::ClientIp).await;
    let about_admins = s.planned.criteria.iter().any(|id| id == "RL-012");
    if about_admins && matches!(check, Err(Stop::Violation(_))) {
        // The control: a client ip of which no operator has asked has its quota.
        let ip = other_ip(s, 50);
        s.set_client_ip(&ip);
        expect_whole_quota(s, &Asker::ClientIp)
            .await
            .or_unmet("RL-007")?;
    }
    check
}

async fn not_counted(s: &mut Scene, _a: Args) -> Check {
    let requests = s.run.target.limits().quota.0 as usize + 10;
    let request = s.health_request();
    for answer in s.send_all(vec![request; requests]).await? {
        s.expect(
            answer.status != 429,
            "no request counted that is refused for a missing binding",
            || describe(&answer),
        )?;
        s.expect_error(&answer, 503, "CONFIGURATION_ERROR")
            .or_unmet("BND-003")?;
    }
    Ok(())
}
