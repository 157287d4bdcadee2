//! Webhooks whose names lead to private addresses. Never lets a name lead to an address that anybody has: what is public here is of the
//! networks for documentation, and nothing is sent there.

use super::failing::planned;
use super::{BESIDE_THE_CALLER, Hook, arrived, hook, job, records, rotated, unhook};
use crate::aspect::{Aspect, aspect};
use crate::call::{Answer, Call};
use crate::outcome::{Cause, Judged, Need, Stop};
use crate::receiver::Reply;
use crate::resolver::Resolver;
use crate::scene::Scene;
use crate::subject::Subject;
use crate::wait;
use crate::wrong::Traces;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::net::IpAddr;

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-010",
        Whole,
        "a webhook whose name leads to a private address, by any of its answers, is refused, and nothing is left of it",
        refused
    ),
    aspect!(
        "API-010",
        Whole,
        "a webhook whose name has come to lead to a private address is not sent there",
        changed
    ),
];

/// Addresses that a webhook may go to: `203.0.113.0/24` and `2001:db8::/32` are for documents, and no network has them.
const PUBLIC: &str = "203.0.113.10";
const PUBLIC_V6: &str = "2001:db8::10";

/// What names may lead to: addresses of either family, and of both.
const TAKEN: [&[&str]; 3] = [
    &[PUBLIC],
    &[PUBLIC_V6],
    &[PUBLIC, "203.0.113.11", PUBLIC_V6],
];

/// What no name may lead to: of each kind its ends, then private answers before, behind and between public ones.
const REFUSED: [&[&str]; 44] = [
    &["127.0.0.1"],
    &["127.255.255.254"],
    &["10.0.0.1"],
    &["10.255.255.254"],
    &["172.16.0.1"],
    &["172.31.255.254"],
    &["192.168.0.1"],
    &["192.168.255.254"],
    &["169.254.0.1"],
    &["169.254.169.254"],
    &["100.64.0.1"],
    &["100.127.255.254"],
    &["0.0.0.0"],
    &["224.0.0.1"],
    &["239.255.255.255"],
    &["::1"],
    &["::"],
    &["fe80::1"],
    &["febf::1"],
    &["fc00::1"],
    &["fd00::1"],
    &["fdff:ffff:ffff::1"],
    &["ff02::1"],
    // IPv4 addresses that are mapped to IPv6.
    &["::ffff:127.0.0.1"],
    &["::ffff:10.0.0.1"],
    &["::ffff:172.16.0.1"],
    &["::ffff:192.168.0.1"],
    &["::ffff:169.254.169.254"],
    &["::ffff:100.64.0.1"],
    &["::ffff:0.0.0.0"],
    // One of several answers.
    &[PUBLIC, "127.0.0.1"],
    &["127.0.0.1", PUBLIC],
    &[PUBLIC, "10.0.0.1", "203.0.113.11"],
    &["10.0.0.1", "192.168.0.1"],
    &[PUBLIC, "203.0.113.11", "203.0.113.12", "169.254.169.254"],
    &[PUBLIC_V6, "::1"],
    &["::1", PUBLIC_V6],
    &[PUBLIC_V6, "fd00::1", "2001:db8::11"],
    &[PUBLIC_V6, "::ffff:10.0.0.1"],
    // One family's answers.
    &[PUBLIC, "::1"],
    &[PUBLIC, "fd00::1"],
    &[PUBLIC, "::ffff:127.0.0.1"],
    &["127.0.0.1", PUBLIC_V6],
    &["169.254.169.254", PUBLIC_V6],
];

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    let texts = texts.iter();
    texts.filter_map(|text| text.parse().ok()).collect()
}

/// A name of this scene that leads there.
fn name(scene: &Scene<'_>, resolver: &Resolver, label: &str, leads_to: &[&str]) -> String {
    let name = format!("{label}-{}.hooks.example", scene.tag);
    resolver.lead(&name, None, &addresses(leads_to));
    name
}

async fn make(scene: &Scene<'_>, url: &str) -> Result<Answer, Stop> {
    let wish = json!({"url": url, "events": ["key.rotated"]});
    let call = Call::post("/api/admin/webhooks").json(&wish);
    scene.operate(call).await
}

/// Makes a webhook to a name that leads to public addresses only.
async fn taken(
    scene: &Scene<'_>,
    resolver: &Resolver,
    name: &str,
    url: &str,
) -> Result<Hook, Stop> {
    let hook = made(scene, resolver, name, url).await?;
    if resolver.asked(name) == 0 {
        unhook(scene, &hook).await?;
        return Err(not_asked(name));
    }
    Ok(hook)
}

/// The same, whether the resolver was asked for the name or not.
async fn made(scene: &Scene<'_>, resolver: &Resolver, name: &str, url: &str) -> Result<Hook, Stop> {
    let made = make(scene, url).await?;
    if made.status != 201 {
        let cause = if resolver.asked(name) == 0 {
            Cause::Capability(Need::Resolver)
        } else {
            Cause::Criterion("API-010")
        };
        let seen = made.to_string();
        return Err(Stop::Unmet { cause, seen });
    }
    Ok(Hook {
        id: made.text("/id"),
        secret: made.text("/secret"),
        path: String::new(),
    })
}

/// Whoever asks another resolver tells nothing of what this one answers.
fn not_asked(name: &str) -> Stop {
    Stop::Unmet {
        cause: Cause::Capability(Need::Resolver),
        seen: format!("a webhook to {name} was made, and the resolver was not asked for it"),
    }
}

/// Whether the resolver is asked for the name of a webhook when there is something to send to it, by which time it leads nowhere.
async fn is_asked_at_an_attempt(
    scene: &Scene<'_>,
    resolver: &Resolver,
    name: &str,
) -> Result<bool, Stop> {
    resolver.lead(name, None, &addresses(&["10.0.0.1"]));
    rotated(scene).await?;
    let asked = wait::until(BESIDE_THE_CALLER, || async {
        Ok::<_, Stop>((resolver.asked(name) > 0).then_some(()))
    });
    Ok(asked.await?.is_some())
}

/// That a webhook to such a name is refused; one that is made is taken away again, so that it is sent nothing of others.
async fn is_refused(scene: &Scene<'_>, name: &str, leads_to: &str) -> Result<(), Stop> {
    let answer = make(scene, &format!("https://{name}/hook")).await?;
    if answer.status == 201 {
        let path = format!("/api/admin/webhooks/{}", answer.text("/id"));
        scene.operate(Call::delete(path)).await?;
    }
    let why = format!("for a name that leads to {leads_to}");
    answer.refused(400, "INVALID_REQUEST", &why)
}

async fn refused(subject: &Subject) -> Judged {
    subject.receiver()?;
    let resolver = subject.resolver()?;
    let scene = Scene::at_present(subject);
    let (mut own, mut unasked) = (Vec::new(), None);
    for (number, leads_to) in TAKEN.iter().enumerate() {
        let name = name(&scene, resolver, &format!("public-{number}"), leads_to);
        let url = format!("https://{name}/hook");
        own.push(made(&scene, resolver, &name, &url).await?);
        if resolver.asked(&name) == 0 {
            unasked = Some(name);
        }
    }
    // Who looks only before something is sent asks this resolver as well, and takes names that lead to private addresses.
    if let Some(name) = unasked
        && !is_asked_at_an_attempt(&scene, resolver, &name).await?
    {
        for hook in &own {
            unhook(&scene, hook).await?;
        }
        return Err(not_asked(&name));
    }
    // A webhook that is there leaves the rows by which it is seen that the database can be read.
    let (kept, others) = own.split_at(1);
    for hook in others {
        unhook(&scene, hook).await?;
    }
    let before = Traces::of(&scene).await?;
    let refusals = REFUSED.iter().enumerate().map(|(number, leads_to)| {
        let scene = &scene;
        let name = name(scene, resolver, &format!("private-{number}"), leads_to);
        async move { is_refused(scene, &name, &leads_to.join(", ")).await }
    });
    for refusal in join_all(refusals).await {
        refusal?;
    }
    let alias = format!("alias-{}.hooks.example", scene.tag);
    resolver.lead(
        &alias,
        Some("inside.hooks.example"),
        &addresses(&["10.0.0.1"]),
    );
    is_refused(&scene, &alias, "another name, and by that to 10.0.0.1").await?;
    before.unchanged(&scene).await?;
    for hook in kept {
        unhook(&scene, hook).await?;
    }
    Ok(format!(
        "{} names that lead to private addresses were refused, and {} that do not were taken",
        REFUSED.len() + 1,
        TAKEN.len()
    ))
}

async fn changed(subject: &Subject) -> Judged {
    let receiver = subject.receiver()?;
    let resolver = subject.resolver()?;
    let scene = Scene::long_ago(subject).await?;
    let name = name(&scene, resolver, "changing", &[PUBLIC]);
    let (host, port) = receiver.forbidden().split_once(':').unwrap_or_default();
    let url = format!("https://{name}:{port}/hook");
    let sent = hook(&scene, "beside", &["key.rotated"], vec![Reply::Status(200)]).await?;
    let hook = taken(&scene, resolver, &name, &url).await?;
    resolver.lead(&name, None, &addresses(&[host]));
    let asked = resolver.asked(&name);
    let ids = rotated(&scene).await?;
    arrived(&scene, &sent, &ids, 1).await?;
    let event = event_of_only(&scene, &hook).await?;
    for (attempt, seconds) in [(1, 30), (2, 60)] {
        // When its next attempt is planned, this one is over.
        let at = planned(&scene, &hook, &event, (attempt, seconds)).await?;
        super::refused::untouched(&scene)?;
        scene.set(at);
        job(&scene).await?;
    }
    super::refused::untouched(&scene)?;
    let is_looked_at_again = resolver.asked(&name) > asked;
    for hook in [&sent, &hook] {
        unhook(&scene, hook).await?;
    }
    if is_looked_at_again {
        Ok("a name that had come to lead to a private address was looked at again at each attempt, and nothing was sent there".to_owned())
    } else {
        Err(Stop::breach(
            "the name of a webhook to be looked at again before each attempt",
            "three attempts, and no question for it after it was made",
        ))
    }
}

/// Before anything is judged: a name is asked for, and what it leads to decides.
pub(crate) async fn looked_up(subject: &Subject) -> Judged {
    let resolver = subject.resolver()?;
    let scene = Scene::at_present(subject);
    let public = name(&scene, resolver, "doctor", &[PUBLIC]);
    let hook = taken(&scene, resolver, &public, &format!("https://{public}/hook")).await?;
    unhook(&scene, &hook).await?;
    let private = name(&scene, resolver, "inside", &["10.0.0.1"]);
    is_refused(&scene, &private, "10.0.0.1").await?;
    Ok("the resolver is asked for names: one that leads to a public address is taken, and one to 10.0.0.1 refused".to_owned())
}

/// The event of a webhook's only delivery, which nobody is sent.
async fn event_of_only(scene: &Scene<'_>, hook: &Hook) -> Result<String, Stop> {
    let found = wait::until(BESIDE_THE_CALLER, || async {
        let records = records(scene, hook).await?;
        let event = records.first().map(|record| record["event_id"].clone());
        Ok::<_, Stop>(event.and_then(|event: Value| event.as_str().map(str::to_owned)))
    })
    .await?;
    found.ok_or_else(|| Stop::breach("a record of the delivery", "none"))
}
