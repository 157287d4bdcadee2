//! Requests that no route may take, each made of one that is right, and that they leave nothing behind. Never judges a refusal before the right one was taken.

use crate::call::{Answer, Call};
use crate::outcome::Stop;
use crate::scene::{Key, Scene, merge};
use serde_json::{Value, json};

/// Bytes of a body that is larger than any route takes: ten times the contract's limit.
const TOO_LARGE: usize = 10 << 20;

/// What stands where the byte is to be that no UTF-8 has.
const BROKEN: &str = "@broken@";

/// A request that is right, and what makes it wrong.
pub(crate) struct Right<'a> {
    /// At fault where the right one is not taken.
    pub(crate) criterion: &'static str,
    pub(crate) make: fn(String) -> Call,
    pub(crate) path: String,
    pub(crate) body: Value,
    /// How the right one is answered.
    pub(crate) status: u16,
    /// Whose it is; none: the operator's.
    pub(crate) key: Option<&'a Key>,
    /// Fields that it cannot do without.
    pub(crate) required: &'static [&'static str],
    /// A field that takes nearly any text, so that only a reader of bytes sees the broken one.
    pub(crate) text: Option<&'static str>,
    /// Whether fields that it does not know go on.
    pub(crate) is_open: bool,
    /// Fields and values that break their rule.
    pub(crate) broken: Vec<(&'static str, Value)>,
}

/// A body that must be refused.
struct Wrong {
    what: String,
    body: Vec<u8>,
    refusal: (u16, &'static str),
}

const INVALID: (u16, &str) = (400, "INVALID_REQUEST");

impl<'a> Right<'a> {
    /// A request by which something is made or set, answered with this status, of which nothing is broken so far.
    pub(crate) fn new(
        criterion: &'static str,
        make: fn(String) -> Call,
        path: impl Into<String>,
        (status, body): (u16, Value),
    ) -> Self {
        Self {
            criterion,
            make,
            path: path.into(),
            body,
            status,
            key: None,
            required: &[],
            text: None,
            is_open: false,
            broken: Vec::new(),
        }
    }

    /// With this key in place of the operator's token.
    pub(crate) fn by(mut self, key: &'a Key) -> Self {
        self.key = Some(key);
        self
    }

    /// The request with a body.
    async fn send(&self, scene: &Scene<'_>, body: impl Into<bytes::Bytes>) -> Result<Answer, Stop> {
        let call = (self.make)(self.path.clone()).raw(body);
        match self.key {
            Some(key) => scene.send(call.by(&key.credential)).await,
            None => scene.operate(call).await,
        }
    }

    /// Sees that the right one is taken, as a precondition.
    pub(crate) async fn taken(&self, scene: &Scene<'_>) -> Result<Answer, Stop> {
        self.send(scene, self.body.to_string())
            .await?
            .expect(self.status, |seen| Stop::unmet(self.criterion, seen))
    }

    fn with(&self, fields: Value) -> Value {
        let mut body = self.body.clone();
        merge(&mut body, fields);
        body
    }

    fn wrongs(&self) -> Vec<Wrong> {
        let wrong = |what: String, body: Vec<u8>| Wrong {
            what,
            body,
            refusal: INVALID,
        };
        let mut all: Vec<Wrong> = [
            ("a body that is no JSON", "{\"a\":"),
            ("an array", "[]"),
            ("null", "null"),
            ("a text", "\"x\""),
        ]
        .map(|(what, body)| wrong(what.to_owned(), body.as_bytes().to_vec()))
        .into();
        if let Some(field) = self.text {
            let body = self.with(json!({field: BROKEN})).to_string();
            let body = replaced(body.as_bytes(), BROKEN.as_bytes(), b"\xff");
            all.push(wrong(format!("{field} in broken UTF-8"), body));
        }
        if !self.is_open {
            let body = self.with(json!({"unknown_field": 1})).to_string();
            all.push(wrong("an unknown field".to_owned(), body.into()));
        }
        for field in self.required {
            let mut body = self.body.clone();
            if let Some(body) = body.as_object_mut() {
                body.remove(*field);
            }
            all.push(wrong(format!("no {field}"), body.to_string().into()));
        }
        for (field, value) in &self.broken {
            let what: String = format!("{field} {value}").chars().take(80).collect();
            let body = self.with(json!({*field: value})).to_string();
            all.push(wrong(what, body.into()));
        }
        let mut large = self.body.to_string().into_bytes();
        large.resize(TOO_LARGE, b' ');
        all.push(Wrong {
            what: "10 MiB".to_owned(),
            body: large,
            refusal: (413, "PAYLOAD_TOO_LARGE"),
        });
        all
    }

    /// Sees that every wrong one is refused; how many there were.
    pub(crate) async fn refused(&self, scene: &Scene<'_>) -> Result<usize, Stop> {
        let all = self.wrongs();
        let count = all.len();
        for Wrong {
            what,
            body,
            refusal: (status, code),
        } in all
        {
            let answer = self.send(scene, body).await?;
            answer.refused(status, code, &format!("for {what}"))?;
        }
        Ok(count)
    }
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match text.windows(from.len()).position(|window| window == from) {
        Some(at) => [&text[..at], to, &text[at + from.len()..]].concat(),
        None => text.to_vec(),
    }
}

/// Sees that each request is answered as one for what is not there; how many there were.
pub(crate) async fn not_found(
    scene: &Scene<'_>,
    key: Option<&Key>,
    calls: Vec<Call>,
) -> Result<usize, Stop> {
    let count = calls.len();
    for call in calls {
        let answer = match key {
            Some(key) => scene.send(call.by(&key.credential)).await?,
            None => scene.operate(call).await?,
        };
        answer.refused(404, "NOT_FOUND", "for what is not there")?;
    }
    Ok(count)
}

/// What a scene has left in the database: every row that names it, but for counts of rate limits, which a refused request may leave.
#[derive(Debug)]
pub(crate) struct Traces(Result<Vec<String>, Stop>);

impl Traces {
    pub(crate) async fn of(scene: &Scene<'_>) -> Result<Self, Stop> {
        let database = match scene.subject.own_database() {
            Ok(database) => database,
            Err(stop) => return Ok(Self(Err(stop))),
        };
        let rows = database.naming(&scene.tag, "rate_limits").await?;
        if rows.is_empty() {
            let seen = "no row of the database names what was just made";
            return Ok(Self(Err(Stop::unmet("API-001", seen))));
        }
        Ok(Self(Ok(rows)))
    }

    /// That nothing was written since: judged by the answers, and by the database where it can be read.
    pub(crate) async fn unchanged(self, scene: &Scene<'_>) -> Result<(), Stop> {
        let before = self.0?;
        let after = Self::of(scene).await?.0?;
        let more = after.iter().find(|row| !before.contains(row));
        let gone = before.iter().find(|row| !after.contains(row));
        let told = |row: &String| row.chars().take(200).collect::<String>();
        match (more, gone) {
            (None, None) if before.len() == after.len() => Ok(()),
            (Some(row), _) => Err(Stop::breach(
                "nothing to be written by a request that is refused",
                format!("a row of {}", told(row)),
            )),
            (None, Some(row)) => Err(Stop::breach(
                "nothing to be removed by a request that is refused",
                format!("no longer a row of {}", told(row)),
            )),
            (None, None) => Err(Stop::breach(
                "nothing to be written by a request that is refused",
                format!("{} rows in place of {}", after.len(), before.len()),
            )),
        }
    }
}

/// What was done, for people.
pub(crate) fn told(count: usize) -> String {
    format!("{count} wrong requests were refused and left nothing")
}
