//! Doubles that run alone, beside somebody's own `wrangler dev`: faults by words, journal, rotation. It never scripts one.

use moltproof::doubles::{AccessIssuer, AiGatewayDouble, Alone, KeptTeam, Place, TokenKind, Wish};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

use super::{DEADLINE, MODEL, client};

const KEY: &str = "mpk-a-key-of-this-test";

fn alone(authenticated: bool) -> AiGatewayDouble {
    let key = KEY.to_owned();
    AiGatewayDouble::start_alone(&Place::default(), Alone { key, authenticated }).unwrap()
}

fn says(prompt: &str, model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": prompt}]})
}

async fn ask(gateway: &AiGatewayDouble, prompt: &str) -> Response {
    ask_for(gateway, prompt, MODEL).await
}

async fn ask_for(gateway: &AiGatewayDouble, prompt: &str, model: &str) -> Response {
    let url = format!("{}/workers-ai/v1/chat/completions", gateway.base_url());
    let request = client()
        .post(url)
        .bearer_auth("other")
        .json(&says(prompt, model));
    request.timeout(DEADLINE).send().await.unwrap()
}

async fn journal(gateway: &AiGatewayDouble, query: &str) -> Value {
    let url = format!("{}/__moltproof/journal{query}", gateway.origin());
    client()
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_prompt_asks_for_a_sequence_per_model_and_the_last_repeats() {
    let gateway = alone(false);
    let prompt = "Hi [[fault:503,429,200]]";
    for (model, expected) in [
        (MODEL, 503),
        (MODEL, 429),
        ("@cf/other", 503),
        (MODEL, 200),
        (MODEL, 200),
    ] {
        assert_eq!(
            ask_for(&gateway, prompt, model).await.status(),
            expected,
            "{model}"
        );
    }
    let url = format!("{}/__moltproof/journal", gateway.origin());
    let cleared: Value = client()
        .delete(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(cleared, json!({"cleared": 5}));
    assert_eq!(ask(&gateway, prompt).await.status(), 503, "begun anew");
}

#[tokio::test]
async fn a_fault_for_one_model_leaves_the_others_alone() {
    let gateway = alone(false);
    let prompt = "[[fault:503@70b]] [[fault:429@8b]]";
    assert_eq!(ask_for(&gateway, prompt, "@cf/x-70b").await.status(), 503);
    assert_eq!(ask_for(&gateway, prompt, "@cf/x-8b").await.status(), 429);
    assert_eq!(ask_for(&gateway, prompt, "@cf/x-3b").await.status(), 200);
}

#[tokio::test]
async fn a_header_stands_before_the_prompt_and_an_unknown_word_is_told_with_the_known() {
    let gateway = alone(false);
    let url = format!("{}/compat/chat/completions", gateway.base_url());
    let body = says("[[fault:503]]", &format!("workers-ai/{MODEL}"));
    let with = |words: &str| {
        client()
            .post(&url)
            .header("x-moltproof-fault", words)
            .json(&body)
            .send()
    };
    assert_eq!(with("status=418").await.unwrap().status(), 418);
    let refused = with("no-such-fault").await.unwrap();
    assert_eq!(refused.status(), 400);
    let said = refused.text().await.unwrap();
    assert!(
        said.contains("`no-such-fault`") && said.contains("error-in-200"),
        "{said}"
    );
    let calls = journal(&gateway, "").await;
    assert!(
        calls["calls"][1]["fault"]
            .as_str()
            .unwrap()
            .starts_with("no-such-fault: "),
        "{calls}"
    );
}

#[tokio::test]
async fn an_answer_without_usage_has_none_in_any_form() {
    let gateway = alone(false);
    for path in [
        "workers-ai/v1/chat/completions",
        "workers-ai/@cf/meta/m",
        "compat/chat/completions",
    ] {
        for stream in [false, true] {
            for (prompt, has_usage) in [("[[fault:no-usage]]", false), ("plain", true)] {
                let mut body = says(prompt, "workers-ai/@cf/meta/m");
                body["stream"] = stream.into();
                let url = format!("{}/{path}", gateway.base_url());
                let answer = client().post(url).json(&body).send().await.unwrap();
                assert_eq!(answer.status(), 200);
                let text = answer.text().await.unwrap();
                assert_eq!(
                    text.contains("completion_tokens"),
                    has_usage,
                    "{path} {stream}: {text}"
                );
                assert!(text.contains("Hello."), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn cut_stall_and_garbage_spoil_the_answer_and_slow_only_delays_it() {
    let gateway = alone(false);
    assert!(ask(&gateway, "[[fault:cut]]").await.bytes().await.is_err());
    let garbage = ask(&gateway, "[[fault:garbage]]").await;
    assert_eq!(garbage.status(), 200);
    assert!(garbage.json::<Value>().await.is_err());
    let failed: Value = ask(&gateway, "[[fault:error-in-200]]")
        .await
        .json()
        .await
        .unwrap();
    assert!(failed["error"].is_object(), "{failed}");
    assert_eq!(ask(&gateway, "[[fault:timeout]]").await.status(), 524);
    assert_eq!(ask(&gateway, "[[fault:slow=20ms+503]]").await.status(), 503);
    let url = format!("{}/workers-ai/v1/chat/completions", gateway.base_url());
    let stalled = client()
        .post(url)
        .json(&says("[[fault:stall]]", MODEL))
        .send()
        .await
        .unwrap();
    let more = tokio::time::timeout(std::time::Duration::from_millis(50), stalled.bytes()).await;
    assert!(more.is_err(), "a stalled answer ended");
}

#[tokio::test]
async fn a_gateway_with_authentication_lets_only_the_key_in() {
    let gateway = alone(true);
    let url = format!("{}/workers-ai/v1/chat/completions", gateway.base_url());
    let request = || client().post(&url).json(&says("Hi", MODEL));
    for refused in [
        request(),
        request().header("cf-aig-authorization", "Bearer wrong"),
        request().bearer_auth(KEY),
    ] {
        let answer = refused.send().await.unwrap();
        assert_eq!(answer.status(), 401);
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error"][0]["code"], 2009);
    }
    let good = request().header("cf-aig-authorization", format!("Bearer {KEY}"));
    assert_eq!(good.send().await.unwrap().status(), 200);
    let compat = format!("{}/compat/chat/completions", gateway.base_url());
    let dynamic = client()
        .post(compat)
        .bearer_auth(KEY)
        .json(&says("Hi", "dynamic/route"));
    let answer = dynamic.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    for header in ["cf-aig-model", "cf-aig-provider", "cf-aig-step"] {
        assert!(answer.headers().contains_key(header), "{header}");
    }
}

#[tokio::test]
async fn any_provider_answers_alone_and_only_workers_ai_answers_in_a_run() {
    let calls = [
        ("openai/chat/completions", says("Hi", "gpt-x")),
        ("compat/chat/completions", says("Hi", "openai/gpt-x")),
        (
            "",
            json!([{"provider": "openai", "endpoint": "chat/completions", "headers": {}, "query": says("Hi", "gpt-x")}]),
        ),
    ];
    let (alone, judged) = (alone(false), AiGatewayDouble::start().unwrap());
    for (path, body) in calls {
        for (gateway, is_played) in [(&alone, true), (&judged, false)] {
            let url = format!("{}/{path}", gateway.base_url());
            let answer = client().post(url).json(&body).send().await.unwrap();
            assert_eq!(answer.status() == 200, is_played, "{path}");
            let text = answer.text().await.unwrap();
            assert_eq!(
                text.contains("completion_tokens"),
                is_played,
                "{path}: {text}"
            );
        }
    }
    let unnamed = format!("{}/compat/chat/completions", alone.base_url());
    let answer = client()
        .post(unnamed)
        .json(&says("Hi", MODEL))
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.status(),
        400,
        "compat wants the provider in the model's name"
    );
}

#[tokio::test]
async fn the_journal_tells_calls_by_number_and_marker_and_never_a_secret() {
    let gateway = alone(false);
    ask(&gateway, "first [[mp-abcdefgh]]").await;
    let url = format!("{}/workers-ai/v1/chat/completions", gateway.base_url());
    let keyed = client()
        .post(url)
        .header("cf-aig-authorization", format!("Bearer {KEY}"))
        .header("authorization", "Bearer my-cloudflare-token")
        .header("x-copy", KEY)
        .json(&says(&format!("second, with {KEY}"), MODEL));
    assert_eq!(keyed.send().await.unwrap().status(), 200);
    let all = journal(&gateway, "").await;
    assert_eq!(
        (all["calls"].as_array().unwrap().len(), &all["last"]),
        (2, &json!(2))
    );
    assert_eq!(all["calls"][0]["authorization"], "(absent)");
    assert_eq!(all["calls"][1]["authorization"], "(the key)");
    assert_eq!(
        all["calls"][1]["outcome"],
        json!({"kind": "answered", "status": 200})
    );
    let text = all.to_string();
    assert!(
        !text.contains(KEY) && !text.contains("my-cloudflare-token"),
        "{text}"
    );
    let later = journal(&gateway, "?since=1").await;
    assert_eq!(later["calls"][0]["number"], 2);
    let marked = journal(&gateway, "?marker=abcdefgh").await;
    assert_eq!(marked["calls"].as_array().unwrap().len(), 1);
    let none = journal(&gateway, "?since=2").await;
    assert_eq!(none, json!({"calls": [], "last": 2}));
    assert!(journal(&gateway, "?since=x").await["error"].is_string());
}

#[tokio::test]
async fn nobody_steers_a_double_that_a_run_uses() {
    let gateway = AiGatewayDouble::start().unwrap();
    assert_eq!(
        ask(&gateway, "[[fault:503]] [[mp-judged01]]")
            .await
            .status(),
        200
    );
    let url = format!("{}/__moltproof/journal", gateway.origin());
    assert_eq!(client().delete(url).send().await.unwrap().status(), 404);
    assert_eq!(gateway.journal("judged01").len(), 1, "still there");
    let access = AccessIssuer::start().unwrap();
    let before = access.current_key();
    let url = format!("{}/__moltproof/rotate", access.origin());
    assert_eq!(client().post(url).send().await.unwrap().status(), 404);
    assert_eq!(access.current_key(), before);
}

/// A team domain alone, and what it gave its keeper to keep.
fn team() -> (AccessIssuer, Arc<Mutex<Vec<KeptTeam>>>) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let there = Arc::clone(&kept);
    let keeper = Box::new(move |team: &KeptTeam| {
        there.lock().unwrap().push(team.clone());
        Ok(())
    });
    let access = AccessIssuer::start_alone(&Place::default(), None, keeper).unwrap();
    (access, kept)
}

async fn steer(access: &AccessIssuer, method: reqwest::Method, path: &str) -> Response {
    let url = format!("{}/__moltproof/{path}", access.origin());
    client().request(method, url).send().await.unwrap()
}

async fn certs(access: &AccessIssuer) -> reqwest::Result<Response> {
    let url = format!("{}/cdn-cgi/access/certs", access.origin());
    client().get(url).send().await
}

async fn listed(access: &AccessIssuer) -> usize {
    let set: Value = certs(access).await.unwrap().json().await.unwrap();
    set["keys"].as_array().unwrap().len()
}

#[tokio::test]
async fn keys_rotate_in_and_retire_and_are_kept_each_time() {
    let (access, kept) = team();
    let old = access.current_key();
    assert_eq!(listed(&access).await, 2);
    let rotated = steer(&access, Method::POST, "rotate").await;
    assert!(rotated.status().is_success());
    assert_ne!(access.current_key(), old);
    assert_eq!(listed(&access).await, 3);
    let retire = format!("retire?kid={old}");
    let retired = steer(&access, Method::POST, &retire).await;
    assert!(retired.status().is_success());
    assert_eq!(listed(&access).await, 2);
    let again = steer(&access, Method::POST, &retire).await;
    assert_eq!(again.status(), 400);
    let kept = kept.lock().unwrap();
    assert_eq!(kept.len(), 3, "at the start, and after each change");
    let token = kept[2].token(TokenKind::Good, &Wish::default()).unwrap();
    assert_eq!(
        jsonwebtoken::decode_header(token).unwrap().kid.as_deref(),
        Some(access.current_key().as_str())
    );
    assert!(!format!("{:?}", kept[2]).contains("PRIVATE"));
}

#[tokio::test]
async fn without_a_kid_all_keys_but_the_current_one_retire() {
    let (access, _kept) = team();
    let current = access.current_key();
    let retired = steer(&access, Method::POST, "retire").await;
    assert!(retired.status().is_success());
    assert_eq!(listed(&access).await, 1);
    assert_eq!(access.current_key(), current);
}

#[tokio::test]
async fn the_key_set_falls_out_of_reach_and_comes_back_on_demand() {
    let (access, _kept) = team();
    let begun = steer(&access, Method::POST, "outage").await;
    assert!(begun.status().is_success());
    assert_eq!(certs(&access).await.unwrap().status(), 503);
    let closed = steer(&access, Method::POST, "outage?as=closed").await;
    assert!(closed.status().is_success());
    assert!(certs(&access).await.is_err());
    let wrong = steer(&access, Method::POST, "outage?as=lunch").await;
    assert_eq!(wrong.status(), 400);
    let ended = steer(&access, Method::DELETE, "outage").await;
    let state: Value = ended.json().await.unwrap();
    assert_eq!(state["key_set"], "reachable");
    assert_eq!(state["current"], access.current_key().as_str());
    assert_eq!(listed(&access).await, 2);
    let nothing = steer(&access, Method::GET, "nothing").await;
    assert_eq!(nothing.status(), 404);
}
