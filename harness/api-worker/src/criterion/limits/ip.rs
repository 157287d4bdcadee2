//! The windows of a client's address, whose limits hold for everybody: the target is nobody else's meanwhile. Never leaves a limit behind.

use super::{Exceeded, limited, passed, probe, refused};
use crate::aspect::{Aspect, aspect};
use crate::call::{Answer, Call};
use crate::oracle::window::{self, KINDS};
use crate::outcome::{Judged, Stop};
use crate::scene::Scene;
use crate::subject::Subject;
use futures_util::future::join_all;
use serde_json::json;

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-003",
        Whole,
        "an address's minute, hour and day each refuse what is beyond their limit, with a key or without",
        each_window
    ),
    aspect!(
        "API-003",
        Whole,
        "requests for what is not there count for their address as well",
        any_path_counts
    ),
    aspect!(
        "API-003",
        Whole,
        "addresses of IPv6 in different networks have windows of their own",
        long_addresses
    ),
    aspect!(
        "API-003",
        Whole,
        "what the user's limit refuses does not count for the address",
        one_decision
    ),
    aspect!(
        "API-003",
        Whole,
        "an address's limit lets exactly as many requests pass when they come at once",
        at_once
    ),
    aspect!(
        "API-003",
        Whole,
        "no header that a caller may send gives it the windows of another address",
        forged
    ),
    aspect!(
        "API-003",
        Whole,
        "a clock that goes back finds the windows of an address as they were left",
        goes_back
    ),
];

const LIMIT: i64 = 4;

fn path(subject: &Subject, kind: &str) -> String {
    format!("environment/{}/rate_limit.ip.{kind}", subject.environment)
}

/// What `work` finds while addresses are limited so; the limit is taken away again whatever it finds.
async fn while_limited<F>(scene: &Scene<'_>, kind: &str, limit: i64, work: F) -> Judged
where
    F: Future<Output = Judged>,
{
    let path = path(scene.subject, kind);
    scene.prefer(&path, json!(limit)).await?;
    let found = work.await;
    let removed = scene
        .operate(Call::delete(format!("/api/admin/preferences/{path}")))
        .await?;
    if removed.status != 204 {
        return Err(Stop::Fault(format!(
            "a limit for everybody stays: {removed}"
        )));
    }
    found
}

fn address(kind: &str) -> Exceeded<'_> {
    Exceeded {
        subject: "ip",
        kind,
        limit: LIMIT,
    }
}

async fn each_window(subject: &Subject) -> Judged {
    let scene = Scene::with_clock(subject)?;
    let key = limited(&scene, &[]).await?;
    for (kind, length) in KINDS {
        let start = window::start(kind, scene.now() + 2 * length);
        scene.set(start + length / 3 + 17);
        let found = while_limited(
            &scene,
            kind,
            LIMIT,
            one_window(&scene, kind, &key, start + length),
        );
        found.await?;
    }
    Ok(format!(
        "{LIMIT} requests passed in each window of an address, and no more until its end"
    ))
}

async fn one_window(scene: &Scene<'_>, kind: &str, key: &crate::scene::Key, end: i64) -> Judged {
    let ip = Scene::another_ip();
    let now = scene.now();
    for nth in 1..=LIMIT {
        // A request without a credential counts for its address as well.
        if nth % 2 == 0 {
            let answer = scene.send(Call::get("/v1/usage").from(&ip)).await?;
            answer.refused(401, "UNAUTHENTICATED", "below the limit of the address")?;
        } else {
            let which = format!("request {nth} of {LIMIT} from one address in one {kind}");
            passed(&scene.send(probe(key).from(&ip)).await?, &which)?;
        }
    }
    refused(&scene.send(probe(key).from(&ip)).await?, address(kind), now)?;
    let without = scene.send(Call::get("/v1/usage").from(&ip)).await?;
    refused(&without, address(kind), now)?;
    let other = scene.send(probe(key).from(&Scene::another_ip())).await?;
    passed(&other, "a request from another address")?;
    scene.set(end - 1);
    refused(
        &scene.send(probe(key).from(&ip)).await?,
        address(kind),
        end - 1,
    )?;
    scene.set(end);
    let next = scene.send(probe(key).from(&ip)).await?;
    passed(&next, &format!("the first request of the next {kind}"))?;
    Ok(String::new())
}

async fn any_path_counts(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let work = async {
        let ip = Scene::another_ip();
        let times = usize::try_from(LIMIT).unwrap_or_default();
        for path in ["/v1/nothing", "/nothing", "/nothing/else", "/v1/usage"]
            .iter()
            .cycle()
            .take(times)
        {
            let answer = scene.send(Call::get(*path).from(&ip)).await?;
            if !matches!(answer.status, 401 | 404) {
                return Err(Stop::unmet("API-002", answer.to_string()));
            }
        }
        let why = format!("beyond {LIMIT} in the day of the address");
        for path in ["/v1/usage", "/nothing"] {
            let answer = scene.send(Call::get(path).from(&ip)).await?;
            answer.refused(429, "RATE_LIMIT_EXCEEDED", &why)?;
        }
        Ok("unknown paths counted, and were refused".to_owned())
    };
    while_limited(&scene, "day", LIMIT, work).await
}

async fn long_addresses(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = limited(&scene, &[]).await?;
    let own = Scene::another_ip();
    let mut ends = own.rsplit('.').filter_map(|part| part.parse::<u16>().ok());
    let network = ends.next().unwrap_or(1) * 256 + ends.next().unwrap_or(1);
    let addresses = [
        format!("2001:db8:{network:x}:1::17"),
        format!("2001:db8:{network:x}:12::17"),
        format!("2001:db8:{network:x}:123::17"),
    ];
    let work = async {
        for ip in &addresses {
            for nth in 1..=LIMIT {
                let which = format!("request {nth} of {LIMIT} from {ip}");
                passed(&scene.send(probe(&key).from(ip)).await?, &which)?;
            }
            let why = format!("beyond {LIMIT} in the day of {ip}");
            let answer = scene.send(probe(&key).from(ip)).await?;
            answer.refused(429, "RATE_LIMIT_EXCEEDED", &why)?;
        }
        Ok(format!(
            "{} addresses had {LIMIT} requests each",
            addresses.len()
        ))
    };
    while_limited(&scene, "day", LIMIT, work).await
}

async fn one_decision(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let few = limited(&scene, &[("day", 1)]).await?;
    let many = scene.key("bob").await?;
    let work = async {
        passed(&scene.send(probe(&few)).await?, "the first request")?;
        for _ in 0..2 * LIMIT {
            let why = "beyond 1 in the day of the user";
            scene
                .send(probe(&few))
                .await?
                .refused(429, "RATE_LIMIT_EXCEEDED", why)?;
        }
        for nth in 2..=LIMIT {
            let which = format!(
                "request {nth} of {LIMIT} from one address, from which the user's limit had refused others,"
            );
            passed(&scene.send(probe(&many)).await?, &which)?;
        }
        let why = format!("beyond {LIMIT} in the day of the address");
        scene
            .send(probe(&many))
            .await?
            .refused(429, "RATE_LIMIT_EXCEEDED", &why)?;
        Ok("what one limit refused the other did not count".to_owned())
    };
    while_limited(&scene, "day", LIMIT, work).await
}

/// Requests at once, and how many of them the limit lets pass.
const AT_ONCE: usize = 50;
const PASSING: usize = 23;

async fn at_once(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = limited(&scene, &[]).await?;
    let work = async {
        let answers = join_all((0..AT_ONCE).map(|_| scene.send(probe(&key)))).await;
        let answers: Vec<Answer> = answers.into_iter().collect::<Result<_, _>>()?;
        super::at_once::exactly(&answers, PASSING, "one address")?;
        Ok(format!("{PASSING} of {AT_ONCE} requests at once passed"))
    };
    let limit = i64::try_from(PASSING).unwrap_or(i64::MAX);
    while_limited(&scene, "day", limit, work).await
}

/// Headers by which proxies tell a client's address, and which any caller may send.
const FORGED: [&str; 10] = [
    "true-client-ip",
    "x-forwarded-for",
    "x-real-ip",
    "forwarded",
    "client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "fastly-client-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
];

async fn forged(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let key = limited(&scene, &[]).await?;
    let work = async {
        let ip = Scene::another_ip();
        for nth in 1..=LIMIT {
            let which = format!("request {nth} of {LIMIT} from one address");
            passed(&scene.send(probe(&key).from(&ip)).await?, &which)?;
        }
        for name in FORGED {
            let other = Scene::another_ip();
            let value = if name == "forwarded" {
                format!("for={other}")
            } else {
                other
            };
            let answer = scene
                .send(probe(&key).from(&ip).header(name, value))
                .await?;
            let why = format!("beyond {LIMIT} in the day of the address, whatever {name} says");
            answer.refused(429, "RATE_LIMIT_EXCEEDED", &why)?;
        }
        Ok(format!("{} headers gave no further request", FORGED.len()))
    };
    while_limited(&scene, "day", LIMIT, work).await
}

async fn goes_back(subject: &Subject) -> Judged {
    let scene = Scene::with_clock(subject)?;
    let key = limited(&scene, &[]).await?;
    let length = window::length("minute");
    let first = window::start("minute", scene.now() + 2 * length) + 17;
    let work = async {
        let ip = Scene::another_ip();
        scene.set(first);
        for nth in 1..=LIMIT {
            let which = format!("request {nth} of {LIMIT} from one address in one minute");
            passed(&scene.send(probe(&key).from(&ip)).await?, &which)?;
        }
        refused(
            &scene.send(probe(&key).from(&ip)).await?,
            address("minute"),
            first,
        )?;
        scene.set(first + length);
        passed(
            &scene.send(probe(&key).from(&ip)).await?,
            "the first request of the next minute",
        )?;
        scene.set(first);
        refused(
            &scene.send(probe(&key).from(&ip)).await?,
            address("minute"),
            first,
        )?;
        Ok("the minute before was still used up".to_owned())
    };
    while_limited(&scene, "minute", LIMIT, work).await
}
