//! Bad tokens by the methods that no route is asked by. Never asks what a method that lets everybody in does.

use super::paths::own_requests;
use super::{Credential, is_refusal, learn_refusal, token};
use crate::client::Request;
use crate::evidence::Exchange;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, Stop};
use bytes::Bytes;
use std::collections::BTreeSet;

/// Methods of which no admin route is one, by which the record is asked. Where a target has one for a route, the token is a bad one all the same.
const OTHER_METHODS: [&str; 2] = ["PUT", "OPTIONS"];

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.asserting(
        &super::tokens::REFUSED,
        r#"an? "([^"]+)" token and a user's like it open nothing of tenant "([^"]+)" by any other method"#,
        |s, a| Box::pin(no_other_method(s, a)),
    );
}

/// Each path that can be read, asked by HEAD, and the first by the other methods as well; the record stands first where it is shown.
fn requests(s: &Scene, tenant: &Tenant) -> Vec<Request> {
    let mut seen = BTreeSet::new();
    let mut read: Vec<Request> = own_requests(s, tenant)
        .into_iter()
        .filter(|route| route.method == "GET" && seen.insert(route.path.clone()))
        .collect();
    read.sort_by_key(|route| !route.path.ends_with(tenant.id.as_str()));
    let by = |method: &str, route: &Request| Request {
        method: method.to_owned(),
        headers: Vec::new(),
        body: Bytes::new(),
        ..route.clone()
    };
    let first = read.first().into_iter();
    let others = first.flat_map(|route| OTHER_METHODS.map(|method| by(method, route)));
    let others: Vec<Request> = others.collect();
    let heads = read.iter().map(|route| by("HEAD", route));
    heads.chain(others).collect()
}

async fn no_other_method(s: &mut Scene, a: Args) -> Check {
    let (kind, tenant) = (a.text(1), s.tenant(a.text(2))?);
    let mut kinds = vec![kind];
    kinds.extend(kind.strip_prefix(super::OF_A_SERVICE));
    learn_refusal(s, &tenant).await?;
    let plain = requests(s, &tenant);
    let Some(head) = plain.first().cloned() else {
        return Err(Stop::NotVerified(
            "no admin route is read by GET (manifest: dialect)".to_owned(),
        ));
    };
    for kind in kinds {
        let token = token(s, kind).await?;
        let cookie = Credential::Cookie(token.clone()).on(head.clone());
        let header = Credential::Header(token);
        let mut asked: Vec<Request> = plain.iter().map(|bare| header.on(bare.clone())).collect();
        asked.push(cookie);
        let answers = s.send_all(asked).await?;
        let bare = plain.iter().chain([&head]);
        for (answer, bare) in answers.iter().zip(bare) {
            expect_nothing_opened(s, kind, answer, bare).await?;
        }
    }
    Ok(())
}

/// Refused, in whatever form. What is not is nothing that the token has opened, if nobody needs one there: that is another promise (ACC-017).
async fn expect_nothing_opened(
    s: &mut Scene,
    kind: &str,
    answer: &Exchange,
    bare: &Request,
) -> Check {
    if answer.status == 429 {
        return Err(Stop::NotVerified(
            "too many requests with a bad token: what it would open is not seen".to_owned(),
        ));
    }
    if is_refusal(answer.status) {
        s.checks += 1;
        return Ok(());
    }
    let without = s.send(bare.clone()).await?;
    let tells_both_alike = without.status == answer.status;
    s.expect(
        tells_both_alike,
        format!(
            "{} {} with the token \"{kind}\" refused, as without one",
            bare.method, bare.path
        ),
        || describe(answer),
    )
}
