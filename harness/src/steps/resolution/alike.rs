//! Answers that must be alike: unknown tenants are refused alike. Never takes for a difference what differs between equal requests as well.

use super::ask::request_for;
use super::hosts::is_unknown;
use crate::client::Request;
use crate::evidence::{Exchange, cut};
use crate::run::book::{Args, Book};
use crate::run::capture::point_at;
use crate::run::scene::Scene;
use crate::steps::words::filled;
use crate::subject::dialect::operation::Operation;
use crate::verdict::{Check, Stop};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Headers of the request, of the moment and of the connection, of which no answer says anything of its own.
const OWN_TO_EACH: [&str; 6] = [
    "x-request-id",
    "date",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
];

/// How often two answers that differ are looked at again. Evidence: what changes with the second, the count or the connection changes
/// between two equal requests as well, and what tells one from the other does not.
const LOOKS_AGAIN: usize = 2;

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(r"these are refused alike as unknown tenants:", |s, a| {
        Box::pin(refused_alike(s, a))
    });
    book.step(
        r#"none of these answers holds anything of tenants "([^"]+)" and "([^"]+)""#,
        |s, a| Box::pin(none_holds(s, a)),
    );
    book.step(
        r#"the answer holds nothing of tenants "([^"]+)" and "([^"]+)""#,
        |s, a| Box::pin(holds_nothing(s, a)),
    );
}

/// All that an answer says, part by part: status, headers, fields of the body.
pub(in crate::steps) type Face = BTreeMap<String, String>;

/// What an answer says, without `meta`; each of `words` stands for what it is given with.
pub(in crate::steps) fn face(answer: &Exchange, words: &[(&str, &str)]) -> Face {
    let blank = |text: &str| {
        let one = |text: String, (own, word): &(&str, &str)| text.replace(own, word);
        words.iter().fold(text.to_owned(), one)
    };
    let mut face = Face::from([("status".to_owned(), answer.status.to_string())]);
    let mut headers = answer.headers.clone();
    headers.sort();
    for (name, value) in &headers {
        if !OWN_TO_EACH.contains(&name.as_str()) {
            let line = face.entry(format!("header {name}")).or_default();
            line.push_str(&blank(value));
            line.push('\n');
        }
    }
    match answer.json() {
        Some(mut body) => {
            if let Some(members) = body.as_object_mut() {
                members.remove("meta");
            }
            parts_of("body", &body, &mut |part, value| {
                face.insert(part, blank(value));
            });
        }
        None => {
            face.insert("body".to_owned(), blank(&answer.text()));
        }
    }
    face
}

fn parts_of(part: &str, value: &Value, put: &mut impl FnMut(String, &str)) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                parts_of(&format!("{part}/{key}"), value, put);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (at, value) in list.iter().enumerate() {
                parts_of(&format!("{part}/{at}"), value, put);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => put(part.to_owned(), &value.to_string()),
    }
}

/// The parts in which two faces differ.
pub(in crate::steps) fn differences(one: &Face, other: &Face) -> BTreeSet<String> {
    let parts: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    parts
        .into_iter()
        .filter(|part| one.get(*part) != other.get(*part))
        .cloned()
        .collect()
}

/// A request, and the words that stand for what it names.
pub(in crate::steps) struct Asked<'a> {
    pub(in crate::steps) request: Request,
    pub(in crate::steps) words: &'a [(&'a str, &'a str)],
}

/// What tells nothing: the parts in which answers to equal requests were seen to differ.
#[derive(Default)]
pub(in crate::steps) struct Varying {
    parts: BTreeSet<String>,
    /// A request that changes nothing, with its first answer.
    first: Option<(Request, Face)>,
}

impl Varying {
    /// Sends a request again, and notes what differs from its first answer.
    pub(in crate::steps) async fn measure(
        &mut self,
        s: &mut Scene,
        asked: &Asked<'_>,
        first: &Face,
    ) -> Check {
        for _look in 0..LOOKS_AGAIN {
            let answer = s.send(asked.request.clone()).await?;
            self.parts
                .extend(differences(first, &face(&answer, asked.words)));
        }
        let plain = face(&*s.send(asked.request.clone()).await?, &[]);
        self.first = Some((asked.request.clone(), plain));
        Ok(())
    }

    /// What has changed since with the second, in answers to a request that changes nothing.
    async fn measure_again(&mut self, s: &mut Scene) -> Check {
        if let Some((request, first)) = self.first.clone() {
            let answer = s.send(request).await?;
            self.parts.extend(differences(&first, &face(&answer, &[])));
        }
        Ok(())
    }

    /// Which parts tell two answers apart, however often both requests are sent: one line for each.
    pub(in crate::steps) async fn told_apart(
        &mut self,
        s: &mut Scene,
        [one, other]: [&Asked<'_>; 2],
        [first, second]: [&Face; 2],
    ) -> Result<Vec<String>, Stop> {
        let mut differs = &differences(first, second) - &self.parts;
        // What changes something may not do it again: then the second answer is another one.
        let dialect = s.dialect();
        let repeatable = |asked: &Asked<'_>| {
            let request = &asked.request;
            matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS")
                || dialect.speak(request.clone()).operation == Some(Operation::Chat)
        };
        let looks = if repeatable(one) && repeatable(other) {
            LOOKS_AGAIN
        } else {
            if !differs.is_empty() {
                self.measure_again(s).await?;
                differs = &differs - &self.parts;
            }
            0
        };
        for _look in 0..looks {
            if differs.is_empty() {
                break;
            }
            let answer = s.send(one.request.clone()).await?;
            let first_again = face(&answer, one.words);
            let answer = s.send(other.request.clone()).await?;
            let second_again = face(&answer, other.words);
            self.parts.extend(differences(first, &first_again));
            self.parts.extend(differences(second, &second_again));
            differs = &(&differs & &differences(&first_again, &second_again)) - &self.parts;
        }
        let shown = |face: &Face, part: &String| {
            let text = face.get(part).map_or("nothing", |text| text.trim_end());
            text.to_owned()
        };
        let line = |part| {
            let (seen, wanted) = (shown(second, part), shown(first, part));
            format!("{part}: {seen} instead of {wanted}")
        };
        Ok(differs.iter().map(line).collect())
    }
}

async fn refused_alike(s: &mut Scene, a: Args) -> Check {
    let first = s.exchanges.len();
    s.notes.insert("alike from".to_owned(), json!(first));
    let mut model: Option<(Asked<'_>, Face, String)> = None;
    let mut varying = Varying::default();
    for row in a.rows() {
        let host = filled(s, &row[1]).await?;
        let asked = Asked {
            request: request_for(s, &row[2], "").host(host),
            words: &[],
        };
        let answer = s.send(asked.request.clone()).await?;
        is_unknown(s, &answer)?;
        let seen = face(&answer, &[]);
        let Some((wanted, expected, why)) = &model else {
            varying.measure(s, &asked, &seen).await?;
            model = Some((asked, seen, row[0].clone()));
            continue;
        };
        let apart = varying
            .told_apart(s, [wanted, &asked], [expected, &seen])
            .await?;
        s.expect(
            apart.is_empty(),
            format!("for \"{}\" the same answer as for \"{why}\"", row[0]),
            || {
                point_at(&answer);
                cut(&apart.join("; "), 1500)
            },
        )?;
    }
    Ok(())
}

/// Everything that tells one tenant from others.
fn traits_of(s: &Scene, names: [&str; 2]) -> Result<Vec<String>, Stop> {
    let mut list = Vec::new();
    for name in names {
        let tenant = s.tenant(name)?;
        list.extend([tenant.slug, tenant.id, tenant.sandbox_id]);
        list.extend(tenant.domains);
    }
    Ok(list)
}

fn without(s: &mut Scene, answer: &Exchange, traits: &[String]) -> Check {
    let shown = answer.shown().to_lowercase();
    for known in traits {
        s.expect(
            !shown.contains(&known.to_lowercase()),
            format!("nothing of an existing tenant, such as `{known}`"),
            || shown.clone(),
        )?;
    }
    Ok(())
}

async fn none_holds(s: &mut Scene, a: Args) -> Check {
    let traits = traits_of(s, [a.text(1), a.text(2)])?;
    let first = s
        .notes
        .get("alike from")
        .and_then(Value::as_u64)
        .and_then(|at| usize::try_from(at).ok())
        .unwrap_or(0);
    let answers: Vec<Arc<Exchange>> = s.exchanges[first..].to_vec();
    for answer in answers {
        without(s, &answer, &traits)?;
    }
    Ok(())
}

async fn holds_nothing(s: &mut Scene, a: Args) -> Check {
    let traits = traits_of(s, [a.text(1), a.text(2)])?;
    let answer = s.last()?;
    without(s, &answer, &traits)
}
