//! Texts with places for what a request holds. Never fills a place with nothing: a text that cannot be filled is none.

use super::conversation::Ask;
use crate::clock;
use serde::Deserialize;

/// A text in which `{header.NAME}`, `{query.NAME}`, `{cookie.NAME}`, `{date+SECONDS}` (an HTTP date) and `{uuid}` stand for what a request holds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Header(String),
    Query(String),
    Cookie(String),
    DateIn(i64),
    Uuid,
}

/// A text that is no template.
#[derive(Debug, thiserror::Error)]
#[error("unknown placeholder {{{0}}}")]
pub struct Unknown(String);

impl TryFrom<String> for Template {
    type Error = Unknown;

    fn try_from(text: String) -> Result<Self, Unknown> {
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            // Braces that hold no word are JSON.
            let word = after
                .split_once('}')
                .filter(|(word, _)| word.starts_with(|first: char| first.is_ascii_lowercase()));
            if let Some((word, after)) = word {
                pieces.push(Piece::Text(before.to_owned()));
                pieces.push(Piece::of(word)?);
                rest = after;
            } else {
                pieces.push(Piece::Text(format!("{before}{{")));
                rest = after;
            }
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }
}

impl Piece {
    fn of(word: &str) -> Result<Self, Unknown> {
        let unknown = || Unknown(word.to_owned());
        let named = |rest: &str| rest.to_owned();
        Ok(match word {
            "uuid" => Self::Uuid,
            _ => match word.split_once(['.', '+']) {
                Some(("header", name)) => Self::Header(named(name)),
                Some(("query", name)) => Self::Query(named(name)),
                Some(("cookie", name)) => Self::Cookie(named(name)),
                Some(("date", seconds)) => Self::DateIn(seconds.parse().map_err(|_no| unknown())?),
                Some(_) | None => return Err(unknown()),
            },
        })
    }

    fn fill(&self, ask: &Ask) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Header(name) => ask.header(name).map(str::to_owned),
            Self::Query(name) => query(&ask.path, name),
            Self::Cookie(name) => ask
                .header("cookie")?
                .split(';')
                .filter_map(|pair| pair.trim().split_once('='))
                .find_map(|(key, value)| (key == name).then(|| value.to_owned())),
            Self::DateIn(seconds) => http_date(*seconds),
            Self::Uuid => Some(uuid::Uuid::new_v4().to_string()),
        }
    }
}

impl Template {
    /// The text for a request; `None` if it names what is not there.
    #[must_use]
    pub fn fill(&self, ask: &Ask) -> Option<String> {
        self.0.iter().map(|piece| piece.fill(ask)).collect()
    }
}

fn query(path: &str, name: &str) -> Option<String> {
    let (_route, query) = path.split_once('?')?;
    url::form_urlencoded::parse(query.as_bytes())
        .find_map(|(key, value)| (key == name).then(|| value.into_owned()))
}

fn http_date(in_seconds: i64) -> Option<String> {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let at = clock::epoch_ms() / 1000 + in_seconds;
    time::OffsetDateTime::from_unix_timestamp(at)
        .ok()?
        .format(format)
        .ok()
}
