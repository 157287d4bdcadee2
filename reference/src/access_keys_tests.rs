//! Rotation, cooldown and outage of a key set, against a real server. Never waits: time is set.

use super::*;
use crate::clock::ManualClock;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

const CACHE: Duration = Duration::from_secs(300);
const COOLDOWN: Duration = Duration::from_secs(30);

struct Published {
    server: MockServer,
    keys: TeamDomainKeys,
    clock: Arc<ManualClock>,
}

impl Published {
    async fn new(answer: ResponseTemplate) -> Self {
        let server = MockServer::start().await;
        let clock = Arc::new(ManualClock::new(0));
        let url = server.uri().parse().unwrap();
        let keys =
            TeamDomainKeys::new(url, CACHE, COOLDOWN, Arc::<ManualClock>::clone(&clock)).unwrap();
        let published = Self {
            server,
            keys,
            clock,
        };
        published.answer_with(answer).await;
        published
    }

    /// From now on, with the count of fetches kept.
    async fn answer_with(&self, answer: ResponseTemplate) {
        // Of mocks that match, wiremock takes the one of the highest priority, and of those the first: give each a higher one.
        let fetches = u8::try_from(self.fetches().await).unwrap();
        Mock::given(any())
            .respond_with(answer)
            .with_priority(255 - fetches)
            .mount(&self.server)
            .await;
    }

    async fn fetches(&self) -> usize {
        self.server.received_requests().await.unwrap().len()
    }

    /// `found`, `unknown` or `unavailable`.
    async fn look_up(&self, kid: &str) -> &'static str {
        match self.keys.key(kid).await {
            Ok(Some(_)) => "found",
            Ok(None) => "unknown",
            Err(KeySetUnavailable(_)) => "unavailable",
        }
    }
}

fn rsa(kid: &str) -> Value {
    json!({"kid": kid, "kty": "RSA", "alg": "RS256", "use": "sig", "e": "AQAB", "n": "sXchOKQ"})
}

fn set(kids: &[&str]) -> ResponseTemplate {
    let keys: Vec<Value> = kids.iter().map(|kid| rsa(kid)).collect();
    ResponseTemplate::new(200).set_body_json(json!({ "keys": keys, "public_certs": [] }))
}

fn outage() -> ResponseTemplate {
    ResponseTemplate::new(503)
}

#[tokio::test]
async fn keys_are_found_by_id_and_fetched_once_while_the_cache_is_fresh() {
    let published = Published::new(set(&["old", "current"])).await;
    for _ in 0..3 {
        assert_eq!(published.look_up("current").await, "found");
        assert_eq!(published.look_up("old").await, "found");
        published.clock.advance(CACHE / 4);
    }
    assert_eq!(published.fetches().await, 1);
    published.clock.advance(CACHE / 4);
    assert_eq!(published.look_up("current").await, "found");
    assert_eq!(published.fetches().await, 2, "the cache time has passed");
}

#[tokio::test]
async fn parallel_look_ups_share_one_fetch() {
    let published = Published::new(set(&["a"])).await;
    let found = futures_util::future::join_all((0..50).map(|_| published.look_up("a"))).await;
    assert!(found.iter().all(|found| *found == "found"));
    assert_eq!(published.fetches().await, 1);
}

#[tokio::test]
async fn a_rotated_in_key_is_found_at_once() {
    let published = Published::new(set(&["old"])).await;
    assert_eq!(published.look_up("old").await, "found");
    published.answer_with(set(&["old", "new"])).await;
    published.clock.advance(Duration::from_secs(1));
    assert_eq!(published.look_up("new").await, "found");
    assert_eq!(published.fetches().await, 2);
}

#[tokio::test]
async fn a_rotated_out_key_is_refused_once_the_cache_time_has_passed() {
    let published = Published::new(set(&["old", "new"])).await;
    assert_eq!(published.look_up("old").await, "found");
    published.answer_with(set(&["new"])).await;
    published.clock.advance(Duration::from_secs(299));
    assert_eq!(published.look_up("old").await, "found");
    published.clock.advance(Duration::from_secs(1));
    assert_eq!(published.look_up("old").await, "unknown");
    assert_eq!(published.look_up("new").await, "found");
}

#[tokio::test]
async fn unknown_ids_cause_at_most_one_fetch_in_a_cooldown() {
    let published = Published::new(set(&["a"])).await;
    assert_eq!(published.look_up("a").await, "found");
    for attempt in 0..20 {
        assert_eq!(
            published.look_up(&format!("unknown {attempt}")).await,
            "unknown"
        );
    }
    assert_eq!(published.fetches().await, 2);
    published.clock.advance(COOLDOWN);
    assert_eq!(published.look_up("unknown").await, "unknown");
    assert_eq!(published.look_up("unknown").await, "unknown");
    assert_eq!(published.fetches().await, 3);
}

#[tokio::test]
async fn with_the_set_out_of_reach_a_cached_key_goes_on_working_and_recovery_is_noticed() {
    let published = Published::new(set(&["a"])).await;
    assert_eq!(published.look_up("a").await, "found");
    published.answer_with(outage()).await;
    published.clock.advance(CACHE);
    for _ in 0..5 {
        assert_eq!(published.look_up("a").await, "found");
        assert_eq!(published.look_up("b").await, "unknown");
    }
    assert_eq!(published.fetches().await, 2, "one try in a cooldown");
    published.answer_with(set(&["b"])).await;
    published.clock.advance(COOLDOWN);
    assert_eq!(published.look_up("b").await, "found");
    assert_eq!(
        published.look_up("a").await,
        "unknown",
        "the set is back and no longer lists it"
    );
}

#[tokio::test]
async fn with_nothing_cached_an_outage_opens_nothing_and_recovery_needs_no_restart() {
    let published = Published::new(outage()).await;
    for _ in 0..5 {
        assert_eq!(published.look_up("a").await, "unavailable");
    }
    assert_eq!(published.fetches().await, 1);
    published.answer_with(set(&["a"])).await;
    published.clock.advance(COOLDOWN);
    assert_eq!(published.look_up("a").await, "found");
}

#[tokio::test]
async fn what_is_no_key_set_is_an_outage() {
    let large = json!({"keys": [rsa("a")], "padding": "x".repeat(BODY_BYTES_MAX)});
    for answer in [
        ResponseTemplate::new(200).set_body_string("<html>"),
        ResponseTemplate::new(200).set_body_json(json!({"keys": {}})),
        ResponseTemplate::new(200).set_body_json(large),
        ResponseTemplate::new(302).insert_header("location", "/elsewhere"),
    ] {
        let published = Published::new(answer).await;
        assert_eq!(published.look_up("a").await, "unavailable");
        assert_eq!(published.fetches().await, 1);
    }
}

#[tokio::test]
async fn keys_of_other_kinds_are_left_out_one_by_one() {
    let mut for_encryption = rsa("encryption");
    for_encryption["use"] = json!("enc");
    let mut other_algorithm = rsa("algorithm");
    other_algorithm["alg"] = json!("RS512");
    let mut symmetric = rsa("symmetric");
    symmetric["kty"] = json!("oct");
    let mut broken = rsa("broken");
    broken["n"] = json!("not base64!");
    let keys = json!({"keys": [for_encryption, other_algorithm, symmetric, broken, "text", {}, rsa("good")]});
    let published = Published::new(ResponseTemplate::new(200).set_body_json(keys)).await;
    assert_eq!(published.look_up("good").await, "found");
    for kid in ["encryption", "algorithm", "symmetric", "broken", ""] {
        assert_eq!(published.look_up(kid).await, "unknown", "{kid}");
    }
}

#[tokio::test]
async fn a_caller_who_goes_away_wastes_no_fetch() {
    let published = Published::new(set(&["a"])).await;
    // Polled once, the look-up has started its fetch; then it is dropped.
    let mut look_up = Box::pin(published.keys.key("a"));
    assert!(futures_util::poll!(&mut look_up).is_pending());
    drop(look_up);
    while published.fetches().await == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(published.look_up("a").await, "found");
    assert_eq!(published.fetches().await, 1);
}
