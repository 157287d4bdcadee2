//! A remote D1 database through Cloudflare's REST API. Never asks for anything but the schema and the names of applied migrations.

use super::{Kind, Source, Unusable, schema};
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Where Cloudflare's API answers, as wrangler's own `CLOUDFLARE_API_BASE_URL` has it.
pub const BASE_URL: &str = "https://api.cloudflare.com/client/v4";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

const OBJECTS: &str =
    "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid";

const APPLIED: &str = "SELECT name FROM d1_migrations ORDER BY id";

/// A remote database and the right to read it.
pub struct Remote {
    /// Where the API answers ([`BASE_URL`]).
    pub base: String,
    /// The account's id.
    pub account: String,
    /// The database's id.
    pub database: String,
    /// An API token that may read D1.
    pub token: String,
}

/// The API's envelope, as far as it is read.
#[derive(Deserialize)]
struct Answer {
    success: bool,
    #[serde(default)]
    errors: Vec<Problem>,
    result: Option<Vec<Outcome>>,
}

#[derive(Deserialize)]
struct Problem {
    message: String,
}

#[derive(Deserialize)]
struct Outcome {
    results: Option<Table>,
}

#[derive(Deserialize)]
struct Table {
    rows: Vec<Vec<Option<String>>>,
}

/// Reads the schema of a remote database.
///
/// # Errors
/// [`Unusable::Unreachable`], [`Unusable::Refused`].
pub fn remote(remote: &Remote) -> Result<Source, Unusable> {
    // A thread of its own: the caller may run within a runtime already, where waiting is forbidden.
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime
                .map_err(|error| unreachable(remote, &error))?
                .block_on(read(remote))
        });
        asked
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A client that trusts the system's certificate authorities, or Mozilla's where the system has none (an image with nothing in it).
fn client() -> Result<reqwest::Client, reqwest::Error> {
    let bare = || reqwest::Client::builder().timeout(PATIENCE);
    bare().build().or_else(|_no_certificates| {
        let authorities = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        let trusted = authorities.map(|certificate| reqwest::Certificate::from_der(certificate));
        bare()
            .tls_certs_only(trusted.collect::<Result<Vec<_>, _>>()?)
            .build()
    })
}

async fn read(remote: &Remote) -> Result<Source, Unusable> {
    let client = client().map_err(|error| unreachable(remote, &error))?;
    let objects = ask(&client, remote, OBJECTS).await?;
    let cells = objects.into_iter().filter_map(|row| {
        let [kind, name, sql] = <[Option<String>; 3]>::try_from(row).ok()?;
        Some(schema::Object {
            kind: kind?,
            name: name?,
            sql: sql?,
        })
    });
    let objects: Vec<schema::Object> = cells.collect();
    let is_applied_by_wrangler = objects.iter().any(|object| object.name == "d1_migrations");
    let applied = if is_applied_by_wrangler {
        let rows = ask(&client, remote, APPLIED).await?;
        Some(rows.into_iter().flatten().flatten().collect())
    } else {
        None
    };
    Ok(Source {
        shown: format!("remote D1 database {}", remote.database),
        files: vec![schema::file(&PathBuf::from("schema.sql"), &objects)],
        kind: Kind::Database,
        applied,
        ..Source::default()
    })
}

/// The rows of one query.
async fn ask(
    client: &reqwest::Client,
    remote: &Remote,
    sql: &str,
) -> Result<Vec<Vec<Option<String>>>, Unusable> {
    let url = format!(
        "{}/accounts/{}/d1/database/{}/raw",
        remote.base.trim_end_matches('/'),
        remote.account,
        remote.database
    );
    let answer = client
        .post(url)
        .bearer_auth(&remote.token)
        .json(&json!({ "sql": sql }))
        .send()
        .await
        .map_err(|error| unreachable(remote, &error))?;
    let status = answer.status();
    let body = answer
        .text()
        .await
        .map_err(|error| unreachable(remote, &error))?;
    let refused = |reason: String| Unusable::Refused {
        database: remote.database.clone(),
        reason,
    };
    let answer: Answer = serde_json::from_str(&body)
        .map_err(|error| refused(format!("status {status}, and no answer of D1: {error}")))?;
    if !answer.success {
        let reasons: Vec<String> = answer
            .errors
            .into_iter()
            .map(|error| error.message)
            .collect();
        return Err(refused(format!("status {status}: {}", reasons.join("; "))));
    }
    let results = answer.result.into_iter().flatten().next();
    let table = results.and_then(|outcome| outcome.results);
    Ok(table.map(|table| table.rows).unwrap_or_default())
}

fn unreachable(remote: &Remote, error: &dyn std::error::Error) -> Unusable {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        reason = format!("{reason}: {inner}");
        cause = inner.source();
    }
    Unusable::Unreachable {
        base: remote.base.clone(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::{Remote, remote};
    use crate::source::Unusable;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    /// Answers each request with the next body; what was asked.
    fn serve(answers: Vec<(u16, &'static str)>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/client/v4", listener.local_addr().unwrap());
        let served = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = String::new();
                while !request.contains('}') {
                    let mut piece = [0; 4096];
                    let read = stream.read(&mut piece).unwrap();
                    request.push_str(std::str::from_utf8(&piece[..read]).unwrap());
                }
                let length = body.len();
                write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").unwrap();
                asked.push(request);
            }
            asked
        });
        (base, served)
    }

    fn database(base: String) -> Remote {
        Remote {
            base,
            account: "acc".to_owned(),
            database: "base".to_owned(),
            token: "secret".to_owned(),
        }
    }

    #[test]
    fn the_schema_is_read_with_one_question_and_the_applied_migrations_with_another() {
        let (base, served) = serve(vec![
            (
                200,
                r#"{"success":true,"errors":[],"result":[{"success":true,"results":{"columns":["type","name","sql"],"rows":[["table","d1_migrations","CREATE TABLE d1_migrations (id, name)"],["table","users","CREATE TABLE users (id)"]]}}]}"#,
            ),
            (
                200,
                r#"{"success":true,"errors":[],"result":[{"success":true,"results":{"columns":["name"],"rows":[["0001_a.sql"]]}}]}"#,
            ),
        ]);
        let source = remote(&database(base)).unwrap();
        assert_eq!(&*source.files[0].text, "CREATE TABLE users (id);");
        assert_eq!(source.applied.unwrap(), ["0001_a.sql"]);
        let asked = served.join().unwrap();
        assert!(asked[0].starts_with("POST /client/v4/accounts/acc/d1/database/base/raw "));
        assert!(asked[0].contains("authorization: Bearer secret"));
        assert!(
            asked
                .iter()
                .all(|request| request.contains(r#"{"sql":"SELECT "#))
        );
    }

    #[test]
    fn a_refusal_says_what_cloudflare_said_and_not_the_token() {
        let (base, _served) = serve(vec![(
            401,
            r#"{"success":false,"errors":[{"code":10000,"message":"Authentication error"}],"result":null}"#,
        )]);
        let refusal = remote(&database(base)).unwrap_err();
        assert!(matches!(refusal, Unusable::Refused { .. }));
        let said = refusal.to_string();
        assert!(said.contains("Authentication error") && said.contains("CLOUDFLARE_API_TOKEN"));
        assert!(!said.contains("secret"));
    }

    #[test]
    fn a_place_where_nobody_answers_is_unreachable() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let refusal = remote(&database(base)).unwrap_err();
        assert!(matches!(refusal, Unusable::Unreachable { .. }), "{refusal}");
    }
}
