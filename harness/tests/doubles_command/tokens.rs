//! Tokens as `moltproof token` mints them, held against the key set that `moltproof doubles` serves.
//!
//! Never asks the program whether a token is good.

use super::{Doubles, client, complaint, key_set, mint, state, text, told};
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

/// What a careful Worker does with a token, by the key set served and the variables printed.
pub(super) fn verify(token: &str, keys: &JwkSet, facts: &Value) -> Option<Value> {
    // No Access token is anywhere near that long.
    if token.len() > 16 * 1024 {
        return None;
    }
    let kid = decode_header(token).ok()?.kid?;
    let AlgorithmParameters::RSA(rsa) = &keys.find(&kid)?.algorithm else {
        return None;
    };
    let key = DecodingKey::from_rsa_components(&rsa.n, &rsa.e).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[text(facts, "/variables/CF_ACCESS_AUD")]);
    validation.set_issuer(&[text(facts, "/variables/CF_ACCESS_TEAM_DOMAIN")]);
    validation.set_required_spec_claims(&["exp", "aud", "iss"]);
    validation.validate_nbf = true;
    let claims = decode::<Value>(token, &key, &validation).ok()?.claims;
    (claims["type"] == "app").then_some(claims)
}

#[tokio::test]
async fn the_key_set_served_accepts_the_good_kinds_and_no_bad_one() {
    let state = state();
    let (doubles, facts) = Doubles::with_facts(state.path(), &[]);
    let keys = key_set(&client(None), &facts).await;
    let listed = told(&["token", "kinds", "--format", "json"], state.path());
    let kinds: Vec<Value> = serde_json::from_slice(&listed.stdout).unwrap();
    let due = |due: &str| kinds.iter().filter(|kind| kind["due"] == due).count();
    assert!(due("accepted") >= 4 && due("refused") >= 25, "{kinds:?}");
    for kind in &kinds {
        let token = mint(&["--kind", text(kind, "/kind")], state.path());
        let accepted = verify(&token, &keys, &facts).is_some();
        match text(kind, "/due") {
            "accepted" => assert!(accepted, "{kind}"),
            "refused" => assert!(!accepted, "{kind}"),
            other => assert_eq!(other, "either"),
        }
    }
    doubles.end("-TERM");
}

#[tokio::test]
async fn a_token_says_what_it_was_asked_to_say() {
    let state = state();
    let (_doubles, facts) = Doubles::with_facts(state.path(), &[]);
    let keys = key_set(&client(None), &facts).await;
    let token = mint(&["--email", "me@example.com", "--ttl", "90s"], state.path());
    let claims = verify(&token, &keys, &facts).unwrap();
    assert_eq!(claims["email"], "me@example.com");
    let lives = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(lives, 90);
    let other = ["--aud", "other", "--iss", "https://other.example"];
    let token = mint(&[&other[..], &["--format", "json"]].concat(), state.path());
    let told: Value = serde_json::from_str(&token).unwrap();
    assert_eq!(
        (&told["audience"], &told["issuer"]),
        (&json!("other"), &json!("https://other.example"))
    );
    assert!(verify(text(&told, "/token"), &keys, &facts).is_none());
    // The short name, the key by name, and the one that was there before the current one.
    let kid = keys.keys[0].common.key_id.clone().unwrap();
    let token = mint(&["--kind", "service", "--key", &kid], state.path());
    assert!(verify(&token, &keys, &facts).unwrap()["common_name"].is_string());
    assert_eq!(decode_header(&token).unwrap().kid, Some(kid));
}

#[tokio::test]
async fn audience_and_keys_survive_a_restart_and_a_rotation_reaches_the_mint() {
    let state = state();
    let (doubles, first) = Doubles::with_facts(state.path(), &[]);
    let early = mint(&["--kind", "good"], state.path());
    let keys = text(&first, "/team_domain/keys_url");
    let rotate = keys.replace("/keys", "/rotate");
    let rotated: Value = client(None)
        .post(rotate)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let late = mint(&["--kind", "good"], state.path());
    assert_eq!(
        decode_header(&late).unwrap().kid.as_deref(),
        rotated["current"].as_str()
    );
    doubles.end("-TERM");
    let (_doubles, second) = Doubles::with_facts(state.path(), &[]);
    for name in ["CF_ACCESS_AUD", "CLOUDFLARE_AI_GATEWAY_API_KEY"] {
        assert_eq!(first["variables"][name], second["variables"][name]);
    }
    let keys = key_set(&client(None), &second).await;
    assert_eq!(keys.keys.len(), 3);
    // The port, and with it the issuer, is another: `first` is what these tokens were minted for.
    assert!(verify(&early, &keys, &first).is_some() && verify(&late, &keys, &first).is_some());
    assert!(verify(&mint(&[], state.path()), &keys, &second).is_some());
}

#[test]
fn a_token_that_cannot_be_made_is_told_with_the_way_out() {
    let state = tempfile::tempdir().unwrap();
    let said = complaint(&["token", "mint"], state.path());
    assert!(said.contains("start `moltproof doubles`"), "{said}");
    let said = complaint(&["token", "mint", "--kind", "nonsense"], state.path());
    assert!(
        said.contains("alg-none") && said.contains("token kinds"),
        "{said}"
    );
    for ttl in ["0s", "1y", "90", "-1h", "32d", "99999999999999999999d"] {
        let said = complaint(&["token", "mint", &format!("--ttl={ttl}")], state.path());
        assert!(said.contains("from 1s to 31d"), "{ttl}: {said}");
    }
    std::fs::write(state.path().join("doubles.json"), "{}").unwrap();
    let said = complaint(&["token", "mint"], state.path());
    assert!(said.contains("doubles.json is not readable"), "{said}");
    let said = complaint(
        &["token", "mint", "--key", "no-such"],
        super::state().path(),
    );
    assert!(said.contains("has no key `no-such`; it has: "), "{said}");
}
