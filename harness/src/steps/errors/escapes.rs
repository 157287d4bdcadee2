//! Paths with a percent sign that begins no escape, or one of no text. Never says which error such a path is.

use super::envelope::{begin, shaped, since_begin};
use crate::client::Request;
use crate::oracle::error_shape::is_error;
use crate::oracle::http_form::answered_before_the_backend;
use crate::run::book::{Args, Book};
use crate::run::scene::Scene;
use crate::steps::operating::worst;
use crate::verdict::{Check, Stop};

/// What stands behind a path: no escape, half of one, an escape of no letter, the first bytes of a letter.
const ESCAPES: [&str; 5] = ["%", "%2", "%zz", "%FF", "%E0%A4%A"];

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r#"every kind of route is asked at tenant "([^"]+)" by paths that cannot be decoded"#,
        |s, a| Box::pin(asked(s, a)),
    );
    book.step(
        r"whatever errors they are have the contract's shape",
        |s, _a| Box::pin(errors_shaped(s)),
    );
}

/// A path with an escape in a segment of its own and at the end of its last, and in its query.
fn spoilt(path: &str, at: usize) -> [String; 3] {
    let escape = ESCAPES[at % ESCAPES.len()];
    let path = path.trim_end_matches('/');
    [
        format!("{path}{escape}"),
        format!("{path}/{escape}"),
        format!("{path}?q={escape}"),
    ]
}

async fn asked(s: &mut Scene, a: Args) -> Check {
    let tenant = s.tenant(a.text(1))?;
    let dialect = s.dialect();
    let has_path = |path: &&String| !path.is_empty() && !path.contains('?');
    let as_it_stands = |method: &str, path: String| Request {
        as_it_stands: true,
        ..Request::new(method, path)
    };
    let mut requests: Vec<Request> = ESCAPES
        .iter()
        .map(|escape| as_it_stands("GET", format!("/{escape}")).host(&tenant.host))
        .collect();
    let public = [
        ("GET", &dialect.status),
        ("POST", &dialect.chat),
        ("GET", &dialect.health),
    ];
    for (at, (method, path)) in public.iter().filter(|(_, path)| has_path(path)).enumerate() {
        let paths = spoilt(path, at).into_iter();
        requests.extend(paths.map(|path| as_it_stands(method, path).host(&tenant.host)));
    }
    let admin = [
        &dialect.tenants,
        &dialect.tenant,
        &dialect.routing,
        &dialect.usage,
        &dialect.gateway,
    ];
    let admin: Vec<String> = admin.into_iter().filter(has_path).cloned().collect();
    for (at, path) in admin.iter().enumerate() {
        let escape = ESCAPES[at % ESCAPES.len()];
        let mut paths = Vec::from(spoilt(&path.replace("{id}", &tenant.id), at));
        if path.contains("{id}") {
            paths.push(path.replace("{id}", escape));
        }
        for path in paths {
            requests.push(as_it_stands("GET", path.clone()));
            let operators = s.operator_request("GET", &path).await?;
            requests.push(Request {
                as_it_stands: true,
                ..operators
            });
        }
    }
    begin(s);
    s.send_all(requests).await.map(drop)
}

/// What HTTP refuses by itself, as it may such a path, and what is no error shows nothing.
async fn errors_shaped(s: &mut Scene) -> Check {
    let runtime_answers = s.run.target.limits().runtime_answers_malformed_requests;
    let answers = since_begin(s);
    let errors: Vec<_> = answers
        .iter()
        .filter(|answer| is_error(answer) && !answered_before_the_backend(answer, runtime_answers))
        .collect();
    if errors.is_empty() {
        return Err(Stop::NotVerified(
            "no path that cannot be decoded is answered with an error of the backend".to_owned(),
        ));
    }
    worst(errors.iter().map(|answer| shaped(s, answer)))
}
