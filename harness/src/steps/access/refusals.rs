//! Refusals held against each other. Never looks at why one was refused.

use super::{
    Credential, TOKEN_HEADER, expect_denied, is_refused_in_front, record_request, routes,
    uncreated_slug,
};
use crate::client::Request;
use crate::doubles::TokenKind;
use crate::evidence::Exchange;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, breach, describe};
use crate::said::said;
use crate::steps::operating::expect_first;
use crate::verdict::{Check, OrUnmet as _};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Headers that differ between any two answers, whatever they say.
const OWN_OF_EACH: [&str; 3] = ["x-request-id", "date", "content-length"];

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"every bad (service )?token is refused the record of tenant "([^"]+)" as no token is"#,
        |s, a| Box::pin(all_alike(s, a)),
    );
    book.step(
        r#"a refusal of the record of tenant "([^"]+)" names a login address and the scope "([^"]+)""#,
        |s, a| Box::pin(says_where_to_sign_in(s, a)),
    );
    book.step(
        r#"on every admin route an absent tenant is refused as tenant "([^"]+)" is"#,
        |s, a| Box::pin(absent_alike(s, a)),
    );
    book.step(
        r#"creating a tenant with the slug of tenant "([^"]+)" is refused as with a free one"#,
        |s, a| Box::pin(taken_alike(s, a)),
    );
}

/// Everything that an answer says, but for what is its own: request id, time, and the caller's own words.
type Face = BTreeMap<String, String>;

fn face(answer: &Exchange, own_words: &[&str]) -> Face {
    let blank = |text: &str| {
        own_words
            .iter()
            .fold(text.to_owned(), |text, own| text.replace(own, "…"))
    };
    let mut face = Face::from([("status".to_owned(), answer.status.to_string())]);
    for (name, value) in &answer.headers {
        if !OWN_OF_EACH.contains(&name.as_str()) {
            let line = face.entry(format!("header {name}")).or_default();
            line.push_str(&blank(value));
            line.push('\n');
        }
    }
    match answer.json() {
        Some(mut body) => {
            if let Some(object) = body.as_object_mut() {
                object.remove("meta");
            }
            flatten("body", &body, &mut |path, value| {
                face.insert(path, blank(value));
            });
        }
        None => {
            face.insert("body".to_owned(), blank(&answer.text()));
        }
    }
    face
}

fn flatten(path: &str, value: &Value, put: &mut impl FnMut(String, &str)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                flatten(&format!("{path}/{key}"), value, put);
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                flatten(&format!("{path}/{at}"), value, put);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            put(path.to_owned(), &value.to_string());
        }
    }
}

/// Where two faces differ.
fn differences(one: &Face, other: &Face) -> BTreeSet<String> {
    let keys: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    keys.into_iter()
        .filter(|key| one.get(*key) != other.get(*key))
        .cloned()
        .collect()
}

/// The face of a refusal, from several answers to one request: what differs among those tells nothing.
struct Refusal {
    face: Face,
    varies: BTreeSet<String>,
}

impl Refusal {
    fn from(answers: &[Arc<Exchange>], own_words: &[&str]) -> Self {
        let faces: Vec<Face> = answers
            .iter()
            .map(|answer| face(answer, own_words))
            .collect();
        let first = faces.first().cloned().unwrap_or_default();
        let varies = faces
            .iter()
            .flat_map(|other| differences(&first, other))
            .collect();
        Self {
            face: first,
            varies,
        }
    }

    /// Asserts that an answer looks the same; `whose` names it.
    fn expect_same(
        &self,
        s: &mut Scene,
        whose: &str,
        answer: &Exchange,
        own_words: &[&str],
    ) -> Check {
        let other = face(answer, own_words);
        let differs: Vec<_> = differences(&self.face, &other)
            .difference(&self.varies)
            .cloned()
            .collect();
        s.expect(
            differs.is_empty(),
            format!("the refusal of {whose} to look like every other"),
            || {
                let telling = differs.iter().map(|key| {
                    format!(
                        "{key}: {} instead of {}",
                        said(&other.get(key)),
                        said(&self.face.get(key))
                    )
                });
                telling.collect::<Vec<_>>().join("; ")
            },
        )
    }
}

async fn all_alike(s: &mut Scene, a: Args) -> Check {
    let (is_of_a_service, tenant) = (!a.text(1).is_empty(), s.tenant(a.text(2))?);
    let access = s.access().await?;
    let plain = record_request(s, &tenant);
    let bare = s.send_all(vec![plain.clone(); 3]).await?;
    for answer in &bare {
        expect_denied(s, answer).or_unmet("ACC-001")?;
    }
    let refusal = Refusal::from(&bare, &[]);
    let kinds: Vec<TokenKind> = TokenKind::all()
        .iter()
        .copied()
        .filter(|kind| kind.is_refused())
        .collect();
    let carriers: [fn(String) -> Credential; 2] = [Credential::Header, Credential::Cookie];
    for carrier in carriers {
        let requests = kinds
            .iter()
            .map(|&kind| {
                let token = if is_of_a_service {
                    access.service_token(kind)
                } else {
                    access.token(kind)
                };
                carrier(token).on(plain.clone())
            })
            .collect();
        let answers = s.send_all(requests).await?;
        for (kind, answer) in kinds.iter().zip(&answers) {
            let is_long = [TokenKind::Oversized, TokenKind::OversizedToTheLetter].contains(kind);
            let in_front = is_long && is_refused_in_front(answer);
            // Whom it lets in is no refusal: which token is refused is promised elsewhere.
            let is_let_in = answer.status < 300;
            if in_front || is_let_in {
                continue;
            }
            let is_quota = answer.status == 429;
            expect_first(s, answer, !is_quota, "a refusal for the token's sake")?;
            let whose = if is_of_a_service { "service " } else { "" };
            refusal.expect_same(s, &format!("the {whose}token \"{kind}\""), answer, &[])?;
        }
    }
    Ok(())
}

fn is_address(text: &str) -> bool {
    url::Url::parse(text)
        .is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
}

async fn says_where_to_sign_in(s: &mut Scene, a: Args) -> Check {
    let request = record_request(s, &s.tenant(a.text(1))?);
    let expired = s.access().await?.token(TokenKind::Expired);
    let with_token = request.clone().header(TOKEN_HEADER, expired);
    for answer in s.send_all(vec![request, with_token]).await? {
        expect_denied(s, &answer).or_unmet("ACC-001")?;
        // A redirect, where somebody answers for one, names it in its own way, and has no body for the scope.
        if (300..400).contains(&answer.status) {
            let to = answer.header("location").map(str::to_owned);
            s.expect(
                to.as_deref().is_some_and(is_address),
                "a redirect to an http(s) address",
                || format!("Location {to}", to = said(&to)),
            )?;
            continue;
        }
        let url = answer.text_at("/error/details/login_url");
        s.expect(
            url.as_deref().is_some_and(is_address),
            "details.login_url with an http(s) address",
            || describe(&answer),
        )?;
        let scope = answer.text_at("/error/details/required_scope");
        s.expect(
            scope.as_deref() == Some(a.text(2)),
            format!("details.required_scope \"{}\"", a.text(2)),
            || describe(&answer),
        )?;
    }
    Ok(())
}

async fn absent_alike(s: &mut Scene, a: Args) -> Check {
    let present = s.tenant(a.text(1))?;
    let absent = s.new_tenant("absent", "free").await?;
    let expired = s.access().await?.token(TokenKind::Expired);
    for credential in [Credential::Nothing, Credential::Header(expired)] {
        let here = routes(s, &present);
        let there = routes(s, &absent);
        for (here, there) in here.iter().zip(&there) {
            let same = credential.on(here.request());
            let mut requests = vec![same; 3];
            requests.push(credential.on(there.request()));
            let answers = s.send_all(requests).await?;
            compare(
                s,
                &answers,
                &format!("{} of an absent tenant", here.method),
                &[present.id.as_str(), absent.id.as_str()],
            )?;
        }
    }
    Ok(())
}

async fn taken_alike(s: &mut Scene, a: Args) -> Check {
    let (taken, free) = (s.tenant(a.text(1))?.slug, uncreated_slug(s));
    let path = s.dialect().tenants;
    let creation = |slug: &str| Request::new("POST", path.clone()).json(&json!({ "slug": slug }));
    let requests = vec![
        creation(&taken),
        creation(&taken),
        creation(&taken),
        creation(&free),
    ];
    let answers = s.send_all(requests).await?;
    compare(s, &answers, "a free slug", &[&taken, &free])
}

/// Asserts that the last is refused as those before it, whose own refusal is promised elsewhere.
fn compare(s: &mut Scene, answers: &[Arc<Exchange>], whose: &str, own_words: &[&str]) -> Check {
    match answers {
        [same @ .., last] if !same.is_empty() => {
            for answer in same {
                let is_refused = answer.status >= 300 && answer.status != 429;
                expect_first(s, answer, is_refused, "a refusal without a good token")?;
                if answer.status != 403 {
                    s.accept_refusal(answer);
                }
            }
            let check = Refusal::from(same, own_words).expect_same(s, whose, last, own_words);
            // What anybody may do is no refusal to compare.
            if last.status < 300 {
                check.or_unmet("ACC-001")
            } else {
                check
            }
        }
        _ => Err(breach("answers to compare", "none")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_by_itself_is_no_difference_and_all_else_is() {
        let face = |pairs: &[(&str, &str)]| -> Face {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        let one = face(&[
            ("status", "403"),
            ("header cf-ray", "1"),
            ("body/code", "X"),
        ]);
        let two = face(&[
            ("status", "403"),
            ("header cf-ray", "2"),
            ("body/code", "X"),
        ]);
        assert_eq!(
            differences(&one, &two),
            BTreeSet::from(["header cf-ray".to_owned()])
        );
        let more = face(&[
            ("status", "403"),
            ("header cf-ray", "1"),
            ("body/code", "X"),
            ("body/why", "expired"),
        ]);
        assert_eq!(
            differences(&one, &more),
            BTreeSet::from(["body/why".to_owned()])
        );
    }
}
