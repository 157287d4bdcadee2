//! The team domain double against an independent verifier. It never trusts the double's own opinion of a token.

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{AlgorithmParameters, JwkSet},
};
use moltproof::doubles::{AccessIssuer, Due, KeyName, KeySetMode, TokenKind};
use serde_json::Value;

use super::{DEADLINE, client};

fn issuer() -> AccessIssuer {
    AccessIssuer::start().unwrap()
}

/// What a careful backend does: the key by `kid`, RS256 only, audience, issuer, times, type, size.
fn verify(issuer: &AccessIssuer, token: &str) -> Result<Value, String> {
    if token.len() > 16 * 1024 {
        return Err("size".into());
    }
    let header = decode_header(token).map_err(|error| reason(error.kind()))?;
    let keys: JwkSet = serde_json::from_value(issuer.certs_json()).unwrap();
    let kid = header.kid.ok_or("no kid")?;
    let jwk = keys.find(&kid).ok_or("unknown kid")?;
    let AlgorithmParameters::RSA(rsa) = &jwk.algorithm else {
        return Err("key type".into());
    };
    let key = DecodingKey::from_rsa_components(&rsa.n, &rsa.e).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[issuer.audience()]);
    validation.set_issuer(&[issuer.origin()]);
    validation.set_required_spec_claims(&["exp", "aud", "iss"]);
    validation.validate_nbf = true;
    let claims = decode::<Value>(token, &key, &validation)
        .map_err(|error| reason(error.kind()))?
        .claims;
    if claims["type"] == "app" {
        Ok(claims)
    } else {
        Err("type".into())
    }
}

fn reason(kind: &ErrorKind) -> String {
    if let ErrorKind::MissingRequiredClaim(claim) = kind {
        format!("no {claim}")
    } else if matches!(kind, ErrorKind::Json(_) | ErrorKind::Base64(_)) {
        "header".into()
    } else {
        format!("{kind:?}")
    }
}

#[test]
fn every_token_is_accepted_or_refused_for_the_reason_it_was_made_for() {
    let issuer = issuer();
    for kind in TokenKind::all().iter().copied() {
        let expected = match kind {
            TokenKind::Good
            | TokenKind::GoodServiceToken
            | TokenKind::AudienceAsString
            | TokenKind::AudienceArrayOfTwo
            | TokenKind::OfALongSession
            | TokenKind::OfThisSecond
            | TokenKind::WithCustomClaims
            // jsonwebtoken grants clocks 60 s of leeway: `Either` is what the contract says of these.
            | TokenKind::ValidInHalfAMinute
            | TokenKind::ExpiredHalfAMinuteAgo => "accepted",
            TokenKind::Expired | TokenKind::ExpiredFourMinutesAgo => "ExpiredSignature",
            TokenKind::NotYetValid | TokenKind::ValidInFourMinutes | TokenKind::OfTheNextHour => "ImmatureSignature",
            TokenKind::WrongAudience
            | TokenKind::EmptyAudience
            | TokenKind::AudienceContainingOurs
            | TokenKind::AudiencePartOfOurs => "InvalidAudience",
            TokenKind::NoAudience => "no aud",
            TokenKind::WrongIssuer
            | TokenKind::IssuerBeginningWithOurs
            | TokenKind::IssuerWithAPath
            | TokenKind::IssuerOfAnotherScheme
            | TokenKind::IssuerOfAnotherAccessTeam
            | TokenKind::IssuerEndingWithOurs
            | TokenKind::IssuerOfAnotherPort => "InvalidIssuer",
            TokenKind::NoIssuer => "no iss",
            TokenKind::BadSignature
            | TokenKind::NoSignature
            | TokenKind::TamperedPayload
            | TokenKind::ForeignTeamKeyOurKid
            | TokenKind::EmbeddedJwk => "InvalidSignature",
            TokenKind::AlgNone | TokenKind::AlgNoneMixedCase => "header",
            TokenKind::Hs256WithPublicKey | TokenKind::AlgRs512 => "InvalidAlgorithm",
            TokenKind::UnknownKid
            | TokenKind::EmptyKid
            | TokenKind::KidInOtherCase
            | TokenKind::KidWithBlanks
            | TokenKind::KidBeginningWithOurs
            | TokenKind::KidPartOfOurs
            | TokenKind::ForeignTeamKey
            | TokenKind::EmbeddedJwkOwnKid
            | TokenKind::EmbeddedCertificate => "unknown kid",
            TokenKind::NoKid => "no kid",
            TokenKind::NoExpiry => "no exp",
            TokenKind::OrgType => "type",
            TokenKind::NotAJwt | TokenKind::Empty => "InvalidToken",
            TokenKind::Oversized | TokenKind::OversizedToTheLetter => "size",
        };
        let seen =
            verify(&issuer, &issuer.token(kind)).map_or_else(|why| why, |_| "accepted".into());
        assert_eq!(seen, expected, "{kind}");
        match kind.due() {
            Due::Accepted => assert_eq!(seen, "accepted", "{kind}"),
            Due::Refused => assert_ne!(seen, "accepted", "{kind}"),
            Due::Either => {}
        }
    }
}

/// A verifier that takes the key from where the token says it is.
fn naive(token: &str) -> bool {
    let header = decode_header(token).unwrap();
    let key = header.jwk.as_ref().map(DecodingKey::from_jwk);
    let Some(Ok(key)) = key else { return false };
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_aud = false;
    decode::<Value>(token, &key, &validation).is_ok()
}

#[test]
fn who_believes_the_key_in_the_header_believes_another_team() {
    let issuer = issuer();
    for kind in [TokenKind::EmbeddedJwk, TokenKind::EmbeddedJwkOwnKid] {
        assert!(naive(&issuer.token(kind)), "{kind} would fool nobody");
    }
    let header = decode_header(issuer.token(TokenKind::EmbeddedJwkOwnKid)).unwrap();
    assert_eq!(header.jwk.unwrap().common.key_id, header.kid);
    let header = decode_header(issuer.token(TokenKind::EmbeddedCertificate)).unwrap();
    assert_eq!(header.x5c.unwrap().len(), 1);
}

#[test]
fn who_looks_for_our_audience_as_a_part_of_text_finds_it() {
    let issuer = issuer();
    let aud = |kind| {
        let token = issuer.token(kind);
        jsonwebtoken::dangerous::insecure_decode::<Value>(&token)
            .unwrap()
            .claims["aud"]
            .clone()
    };
    let containing = aud(TokenKind::AudienceContainingOurs);
    assert!(containing.as_str().unwrap().contains(issuer.audience()));
    let part = aud(TokenKind::AudiencePartOfOurs);
    assert!(issuer.audience().starts_with(part[0].as_str().unwrap()));
}

#[test]
fn a_user_token_and_a_service_token_have_the_claims_of_the_platform() {
    let issuer = issuer();
    let user = verify(&issuer, &issuer.token(TokenKind::Good)).unwrap();
    assert_eq!(user["aud"], serde_json::json!([issuer.audience()]));
    for claim in ["email", "nbf", "identity_nonce", "country"] {
        assert!(user.get(claim).is_some(), "{claim}");
    }
    let service = verify(&issuer, &issuer.token(TokenKind::GoodServiceToken)).unwrap();
    assert_eq!(service["aud"], issuer.audience());
    assert_eq!(service["sub"], "");
    assert!(
        service["common_name"]
            .as_str()
            .unwrap()
            .ends_with(".access")
    );
    assert_eq!(
        service["exp"].as_u64().unwrap() - service["iat"].as_u64().unwrap(),
        3601
    );
    for claim in ["email", "nbf", "identity_nonce"] {
        assert_eq!(service.get(claim), None, "{claim}");
    }
}

#[test]
fn an_oversized_token_is_rightly_signed_and_64_kib_long() {
    let issuer = issuer();
    let token = issuer.token(TokenKind::Oversized);
    assert!(token.len() >= 64 * 1024);
    assert_eq!(
        decode_header(&token).unwrap().kid.as_deref(),
        Some(issuer.current_key().as_str())
    );
}

#[test]
fn an_oversized_token_to_the_letter_has_64_kib_and_no_more() {
    let issuer = issuer();
    for token in [
        issuer.token(TokenKind::OversizedToTheLetter),
        issuer.service_token(TokenKind::OversizedToTheLetter),
    ] {
        assert_eq!(token.len(), 64 * 1024);
    }
}

#[test]
fn a_token_is_signed_once_and_then_reused() {
    let issuer = issuer();
    assert_eq!(issuer.token(TokenKind::Good), issuer.token(TokenKind::Good));
    assert_ne!(
        issuer.token(TokenKind::Good),
        AccessIssuer::start().unwrap().token(TokenKind::Good)
    );
}

#[test]
fn another_issuers_token_is_unknown_here() {
    let (ours, theirs) = (issuer(), issuer());
    assert_eq!(
        verify(&ours, &theirs.token(TokenKind::Good)),
        Err("unknown kid".into())
    );
}

async fn fetch(issuer: &AccessIssuer) -> reqwest::Result<reqwest::Response> {
    let url = format!("{}/cdn-cgi/access/certs", issuer.origin());
    client().get(url).timeout(DEADLINE).send().await
}

#[tokio::test]
async fn the_key_set_has_the_real_shape_and_the_current_key_is_the_second() {
    let issuer = issuer();
    let response = fetch(&issuer).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let certs: Value = response.json().await.unwrap();
    assert_eq!(certs, issuer.certs_json());
    assert_eq!(certs["keys"].as_array().unwrap().len(), 2);
    assert_eq!(certs["keys"][1]["kid"], issuer.current_key().as_str());
    assert_eq!(certs["public_cert"], certs["public_certs"][1]);
    let pem = certs["public_cert"]["cert"].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n"));
    for key in certs["keys"].as_array().unwrap() {
        assert_eq!(key["kid"].as_str().unwrap().len(), 64);
        assert_eq!(
            (
                key["kty"].as_str(),
                key["alg"].as_str(),
                key["use"].as_str(),
                key["e"].as_str()
            ),
            (Some("RSA"), Some("RS256"), Some("sig"), Some("AQAB"))
        );
    }
}

#[test]
fn a_rotated_in_key_signs_and_a_rotated_out_one_is_no_longer_listed() {
    let issuer = issuer();
    let old = issuer.current_key();
    let new = issuer.rotate_in();
    assert_ne!(old, new);
    assert_eq!(issuer.current_key(), new);
    let accepted =
        |key: &KeyName| verify(&issuer, &issuer.token_signed_with(key, TokenKind::Good)).is_ok();
    assert!(accepted(&old) && accepted(&new));
    assert!(issuer.rotate_out(&old));
    assert!(!issuer.rotate_out(&old), "it is out already");
    assert!(!accepted(&old) && accepted(&new));
    assert!(issuer.rotate_out(&new));
    assert_ne!(issuer.current_key(), new, "the newest published key signs");
    assert!(verify(&issuer, &issuer.token(TokenKind::Good)).is_ok());
}

#[tokio::test]
async fn every_request_for_the_key_set_is_counted_answered_or_not() {
    let issuer = issuer();
    assert_eq!(issuer.fetches(), 0);
    assert_eq!(fetch(&issuer).await.unwrap().status(), 200);
    assert_eq!(issuer.fetches(), 1);
    issuer.set_reachable(false);
    assert!(fetch(&issuer).await.is_err());
    let while_closed = issuer.fetches();
    assert!(while_closed >= 2);
    issuer.set_mode(KeySetMode::Unavailable);
    assert_eq!(fetch(&issuer).await.unwrap().status(), 503);
    issuer.set_reachable(true);
    assert_eq!(fetch(&issuer).await.unwrap().status(), 200);
    assert_eq!(issuer.fetches(), while_closed + 2);
    let elsewhere = client().get(issuer.origin()).send().await.unwrap();
    assert_eq!(elsewhere.status(), 404);
    assert_eq!(issuer.fetches(), while_closed + 2);
}

#[tokio::test]
async fn what_a_request_brings_along_is_remembered() {
    let issuer = issuer();
    fetch(&issuer).await.unwrap();
    assert_eq!(issuer.was_sent("of-another-server"), None);
    let address = format!("{}/cdn-cgi/access/certs", issuer.origin());
    let request = reqwest::Client::new().get(address);
    let request = request.header("X-Key", "key-of-another-server");
    request.send().await.unwrap();
    let line = issuer.was_sent("of-another-server");
    assert_eq!(line.as_deref(), Some("x-key: key-of-another-server"));
}

#[tokio::test]
async fn a_hanging_key_set_answers_when_it_is_reachable_again() {
    let issuer = issuer();
    issuer.set_mode(KeySetMode::Hanging);
    let mut pending = Box::pin(fetch(&issuer));
    let early = tokio::time::timeout(std::time::Duration::from_millis(50), &mut pending).await;
    assert!(early.is_err());
    issuer.set_reachable(true);
    assert_eq!(pending.await.unwrap().status(), 200);
}
