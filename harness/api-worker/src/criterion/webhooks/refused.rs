//! Webhooks that break a rule, and addresses that none may go to. Never one whose address is public: it would be sent to.

use super::failing::planned;
use super::{arrived, event_of, hook, received, rotated, unhook};
use crate::aspect::{Aspect, aspect};
use crate::call::Call;
use crate::outcome::{Judged, Stop};
use crate::receiver::Reply;
use crate::scene::Scene;
use crate::subject::Subject;
use crate::wrong::{Right, Traces, not_found, told};
use serde_json::{Value, json};

pub(super) const ASPECTS: &[Aspect] = &[
    aspect!(
        "API-010",
        Beside,
        "a webhook that breaks a rule or that is nobody's is refused, and nothing is left of it",
        refused
    ),
    aspect!(
        "API-010",
        Beside,
        "a webhook to a private address, in whatever spelling, is refused, and nothing is sent there",
        private
    ),
    aspect!(
        "API-010",
        Whole,
        "a delivery that is redirected to a private address is not sent there",
        redirected
    ),
];

/// Hosts that no webhook may have: of each kind the ends of its range, and the spellings that a URL may have.
const PRIVATE: [&[&str]; 13] = [
    // Loopback, in full and shortened.
    &[
        "127.0.0.1",
        "127.255.255.254",
        "127.1",
        "127.0.1",
        "127.0.0.1.",
    ],
    // As one number, in octal and hexadecimal digits, the endpoint of a cloud's metadata among them.
    &["2130706433", "3232235521", "2852039166"],
    &[
        "0x7f000001",
        "0x7f.0.0.1",
        "0x7f.1",
        "0xa9fea9fe",
        "0XA.0.0.1",
    ],
    &[
        "0177.0.0.1",
        "017700000001",
        "0251.0376.0251.0376",
        "012.0.0.1",
    ],
    // Digits that a URL may write otherwise.
    &[
        "%31%32%37.0.0.1",
        "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
        "127\u{3002}0\u{3002}0\u{3002}1",
    ],
    // Names.
    &["localhost", "LOCALHOST.", "worker.localhost"],
    // This host, private networks, link-local, shared, multicast.
    &["0.0.0.0", "0", "0.0.0.0."],
    &[
        "10.0.0.1",
        "10.255.255.254",
        "10.1",
        "172.16.0.1",
        "172.31.255.254",
        "192.168.0.1",
        "192.168.255.254",
        "192.168.1",
    ],
    &[
        "169.254.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.127.255.254",
    ],
    &["224.0.0.1", "239.255.255.255"],
    // The same of IPv6.
    &[
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::]",
        "[fe80::1]",
        "[febf::1]",
        "[ff02::1]",
    ],
    &["[fc00::1]", "[fd00::1]", "[fdff:ffff:ffff::1]"],
    // IPv4 addresses that are mapped to IPv6.
    &[
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::FFFF:10.0.0.1]",
        "[::ffff:c0a8:1]",
        "[::ffff:ac10:1]",
        "[0:0:0:0:0:ffff:a9fe:a9fe]",
        "[::ffff:100.64.0.1]",
        "[::ffff:0.0.0.0]",
    ],
];

fn right(url: &str) -> Right<'static> {
    let wish = json!({"url": url, "events": ["key.rotated"]});
    Right::new("API-010", Call::post, "/api/admin/webhooks", (201, wish))
}

/// Takes the right one and removes it again, so that it is sent nothing of others.
async fn taken(scene: &Scene<'_>, right: &Right<'_>) -> Result<(), Stop> {
    let id = right.taken(scene).await?.text("/id");
    let removed = Call::delete(format!("/api/admin/webhooks/{id}"));
    scene
        .operate(removed)
        .await?
        .expect(204, |seen| Stop::unmet("API-010", seen))
        .map(drop)
}

async fn refused(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let url = subject.receiver()?.url(&format!("/kept-{}", scene.tag));
    let long = format!("{url}{}", "x".repeat(10_000));
    let webhooks = Right {
        required: &["url", "events"],
        broken: vec![
            ("url", json!("")),
            ("url", json!("no url")),
            ("url", json!("ftp://files.example/")),
            ("url", json!("http://hooks.example/")),
            ("url", json!("https://user:password@hooks.example/")),
            ("url", json!(long)),
            ("url", json!(5)),
            ("events", json!([])),
            ("events", json!("key.rotated")),
            ("events", json!(["key.forgotten"])),
            ("events", json!(["key.rotated", "key.rotated"])),
            ("events", Value::Null),
        ],
        ..right(&url)
    };
    taken(&scene, &webhooks).await?;
    let before = Traces::of(&scene).await?;
    let mut count = webhooks.refused(&scene).await?;
    let none = "/api/admin/webhooks/00000000-0000-4000-8000-000000000000";
    let calls = vec![
        Call::get(none),
        Call::get(format!("{none}/deliveries")),
        Call::delete(none),
    ];
    count += not_found(&scene, None, calls).await?;
    before.unchanged(&scene).await?;
    Ok(told(count))
}

async fn private(subject: &Subject) -> Judged {
    let scene = Scene::at_present(subject);
    let receiver = subject.receiver()?;
    let path = format!("/private-{}", scene.tag);
    let mut broken: Vec<(&str, Value)> = PRIVATE
        .into_iter()
        .flatten()
        .map(|host| ("url", json!(format!("https://{host}{path}"))))
        .collect();
    let forbidden = receiver.forbidden();
    broken.push(("url", json!(format!("http://{forbidden}{path}"))));
    broken.push(("url", json!(format!("https://{forbidden}{path}"))));
    let webhooks = Right {
        broken,
        ..right(&receiver.url(&path))
    };
    taken(&scene, &webhooks).await?;
    let before = Traces::of(&scene).await?;
    let count = webhooks.refused(&scene).await?;
    before.unchanged(&scene).await?;
    untouched(&scene)?;
    Ok(told(count))
}

/// That nobody has come to the address that is not allowed.
pub(super) fn untouched(scene: &Scene<'_>) -> Result<(), Stop> {
    match scene.subject.receiver()?.trespasses() {
        0 => Ok(()),
        count => Err(Stop::breach(
            "no connection to an address that is not allowed",
            format!("{count} connections"),
        )),
    }
}

async fn redirected(subject: &Subject) -> Judged {
    let receiver = subject.receiver()?;
    let scene = Scene::long_ago(subject).await?;
    let elsewhere = format!("http://{}/private-{}", receiver.forbidden(), scene.tag);
    let replies = vec![Reply::Redirect(elsewhere), Reply::Status(200)];
    let hook = hook(&scene, "redirected", &["key.rotated"], replies).await?;
    let ids = rotated(&scene).await?;
    let event = event_of(&arrived(&scene, &hook, &ids, 1).await?[0]);
    // When its next attempt is planned, nobody is under way elsewhere any more.
    scene.set(planned(&scene, &hook, &event, (1, 30)).await?);
    super::job(&scene).await?;
    let seen = received(&scene, &hook, &ids)?.len();
    unhook(&scene, &hook).await?;
    untouched(&scene)?;
    if seen == 2 {
        Ok(
            "a redirect to a private address was not followed, and the delivery tried again"
                .to_owned(),
        )
    } else {
        Err(Stop::unmet("API-010", format!("{seen} attempts")))
    }
}
