//! How a request names another tenant: header, query, body, path, admin route. Never sends to another host than the caller's.

use super::matrix::{TENANTS, rounds};
use super::own_words;
use super::{chat_of, fill};
use crate::client::Request;
use crate::evidence::Exchange;
use crate::run::book::{Args, Book};
use crate::run::scene::{Scene, describe};
use crate::steps::operating::{
    at, change, expect_first, expect_status_first, expect_usage_count, operate, presuppose, read,
    usage_ids, usage_rows,
};
use crate::subject::dialect::AdminRoute;
use crate::subject::tenant::Tenant;
use crate::verdict::{Check, OrUnmet as _, Stop};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    book.step(
        r"each tenant in turn asks for its status and chats, on each of its hosts",
        |s, _a| Box::pin(rounds_of(s, Carrier::Host, Vec::new())),
    );
    book.step(
        r"each tenant in turn asks for its status and chats( at its own hostname)?, naming each other tenant in each of these headers",
        |s, a| Box::pin(rounds_at(s, Carrier::Header, a)),
    );
    book.step(
        r"each tenant in turn asks for its status and chats( at its own hostname)?, naming each other tenant in each of these queries",
        |s, a| Box::pin(rounds_at(s, Carrier::Query, a)),
    );
    book.step(
        r"each tenant in turn chats( at its own hostname)?, naming each other tenant in each of these fields",
        |s, a| Box::pin(rounds_at(s, Carrier::Body, a)),
    );
    book.step(
        r"each tenant in turn asks for its status and chats, naming each other tenant in the words of the target's own routes",
        |s, _a| Box::pin(rounds_in_own_words(s)),
    );
    book.step(
        r"each tenant in turn calls each of these paths( at its own hostname)?, naming each other tenant",
        |s, a| Box::pin(rounds_at(s, Carrier::Path, a)),
    );
    book.step(
        r"each tenant in turn calls every admin route of each other tenant, without token",
        |s, _a| Box::pin(rounds_of(s, Carrier::Admin, vec!["{id}".to_owned()])),
    );
    book.step(
        r"the operator reads and changes each of the three",
        |s, _a| Box::pin(operator_can(s)),
    );
    book.step(
        r#"tenants "([^"]+)" and "([^"]+)" have (\d+) usage rows each"#,
        |s, a| Box::pin(have_usage(s, a)),
    );
    book.step(
        r#"a cursor of tenant "([^"]+)" that is used for tenant "([^"]+)" is answered as one that names nobody's row"#,
        |s, a| Box::pin(foreign_cursor_as_nobodys(s, a)),
    );
    book.step(
        r#"the operator pages through the usage of tenant "([^"]+)" and takes its cursor to tenant "([^"]+)""#,
        |s, a| Box::pin(take_cursor(s, a)),
    );
    book.step(
        r#"tenant "([^"]+)" is told that its gateway is stopped, whatever it names of tenant "([^"]+)", whose gateway runs:"#,
        |s, a| Box::pin(own_state(s, a)),
    );
    book.step(
        r#"all usage rows of tenants "([^"]+)" and "([^"]+)" are of one moment"#,
        |s, a| Box::pin(of_one_moment(s, a)),
    );
    book.step(
        r#"the operator turns the pages of the usage of tenant "([^"]+)", one row each"#,
        |s, a| Box::pin(turn_pages(s, a)),
    );
    book.step(r#"no row of tenant "([^"]+)" shows on them"#, |s, a| {
        Box::pin(none_on_pages(s, a))
    });
    book.step(
        r#"no row of tenant "([^"]+)" shows under tenant "([^"]+)""#,
        |s, a| Box::pin(no_foreign_row(s, a)),
    );
}

/// The note that tenants call at their custom hostnames.
const AT_OWN_HOSTNAME: &str = "at its own hostname";

/// Where a request names the other tenant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Carrier {
    /// Nowhere: the caller's hosts alone.
    Host,
    /// `Name: value`.
    Header,
    /// `name=value`.
    Query,
    /// A JSON object whose fields join the chat's body.
    Body,
    /// A path.
    Path,
    /// `header …`, `query …` or `body …`, each as above; `status …` or `chat …`, at that path.
    Named,
    /// The admin routes of the other tenant.
    Admin,
}

impl Carrier {
    /// The requests of a caller that name the other tenant as `line` says.
    pub(super) fn requests(
        self,
        s: &Scene,
        name: &str,
        caller: &Tenant,
        other: &Tenant,
        line: &str,
    ) -> Result<Vec<Request>, Stop> {
        let filled = fill(line, other);
        let host = host_of(s, caller);
        let plain = [
            s.status_request(host),
            s.chat_request_with(host, &chat_of(s, name, &json!({}))),
        ];
        Ok(match self {
            Self::Host => plain.to_vec(),
            Self::Header => {
                let (header, value) = filled
                    .split_once(": ")
                    .ok_or_else(|| Stop::Fault(format!("`{line}` is no header")))?;
                plain.map(|request| request.header(header, value)).to_vec()
            }
            Self::Query => plain
                .map(|mut request| {
                    request.path = format!("{}?{filled}", request.path);
                    request
                })
                .to_vec(),
            Self::Body => {
                let fields: Value = serde_json::from_str(&filled)
                    .map_err(|error| Stop::Fault(format!("`{line}`: {error}")))?;
                vec![s.chat_request_with(host, &chat_of(s, name, &fields))]
            }
            Self::Path => {
                let [_status, chat] = plain;
                let is_chat = filled.contains("chat");
                let asked = if is_chat {
                    chat
                } else {
                    Request::new("GET", "")
                };
                vec![Request {
                    path: filled,
                    host: Some(host.to_owned()),
                    ..asked
                }]
            }
            Self::Named => {
                let (kind, line) = line.split_once(' ').unwrap_or((line, ""));
                let carrier = match kind {
                    "header" => Self::Header,
                    "query" => Self::Query,
                    "body" => Self::Body,
                    public => {
                        let [status, chat] = plain;
                        let asked = if public == "chat" { chat } else { status };
                        let path = fill(line, other);
                        return Ok(vec![Request { path, ..asked }]);
                    }
                };
                carrier.requests(s, name, caller, other, line)?
            }
            Self::Admin => {
                let fresh = s.slug("made");
                let routes = s.dialect().admin_routes(&other.id, &fresh);
                let requests = routes.iter().map(AdminRoute::request);
                requests.map(|request| request.host(host)).collect()
            }
        })
    }
}

/// On the host below the app domain, or on a custom hostname, where another part of a backend decides.
async fn rounds_at(s: &mut Scene, carrier: Carrier, a: Args) -> Check {
    if !a.text(1).is_empty() {
        s.notes.insert(AT_OWN_HOSTNAME.to_owned(), json!(true));
    }
    rounds(s, carrier, &a.list()).await
}

fn host_of<'a>(s: &Scene, caller: &'a Tenant) -> &'a str {
    if s.notes.contains_key(AT_OWN_HOSTNAME) {
        &caller.domains[0]
    } else {
        &caller.host
    }
}

async fn rounds_in_own_words(s: &mut Scene) -> Check {
    let lines = own_words::lines(&s.dialect());
    rounds(s, Carrier::Named, &lines).await
}

async fn rounds_of(s: &mut Scene, carrier: Carrier, lines: Vec<String>) -> Check {
    rounds(s, carrier, &lines).await
}

/// The control of the refusals: the operator may.
async fn operator_can(s: &mut Scene) -> Check {
    for (name, _tier) in TENANTS {
        let id = s.tenant(name)?.id;
        let answer = read(s, &id).await?;
        expect_status_first(s, &answer, 200)?;
        let answer = change(s, &id, &json!({ "platform": "cli" })).await?;
        let is_changed =
            answer.status == 200 && answer.text_at("/platform").as_deref() == Some("cli");
        expect_first(
            s,
            &answer,
            is_changed,
            "a change by the operator, after which the tenant is shown with platform `cli`",
        )?;
    }
    Ok(())
}

async fn have_usage(s: &mut Scene, a: Args) -> Check {
    let count: usize = a.number(3)?;
    for name in [a.text(1), a.text(2)] {
        let tenant = s.tenant(name)?;
        let body = chat_of(s, name, &json!({}));
        let requests = (0..count)
            .map(|_| s.chat_request_with(&tenant.host, &body))
            .collect();
        for answer in s.send_all(requests).await? {
            presuppose(&answer, answer.status == 200, "cannot chat")?;
        }
        expect_usage_count(s, &tenant, count).await?;
    }
    Ok(())
}

async fn own_state(s: &mut Scene, a: Args) -> Check {
    let (caller, other) = (s.tenant(a.text(1))?, s.tenant(a.text(2))?);
    let pointer = s.dialect().status_gateway_state;
    let plain = s.status_request(&caller.host);
    for (tenant, state) in [(&caller, "stopped"), (&other, "running")] {
        let request = s.status_request(&tenant.host);
        let answer = s.send(request).await?;
        let is_so = answer.text_at(&pointer).as_deref() == Some(state);
        let expected = format!(
            "a status of tenant `{}` with the gateway {state}",
            tenant.slug
        );
        s.expect(is_so, expected, || describe(&answer))
            .or_unmet("SMK-001")?;
    }
    for line in a.list() {
        let line = fill(&line, &other);
        let request = match line.split_once(": ") {
            Some((header, value)) => plain.clone().header(header, value.to_owned()),
            None => Request {
                path: format!("{}?{line}", plain.path),
                ..plain.clone()
            },
        };
        let answer = s.send(request).await?;
        // A refusal tells no state, be it for a parameter that nobody knows.
        if answer.status < 300 {
            s.expect(
                answer.text_at(&pointer).as_deref() == Some("stopped"),
                format!("the state of the caller's own gateway for `{line}`"),
                || describe(&answer),
            )?;
        }
    }
    Ok(())
}

/// Gives all rows of both tenants one time, so that only a condition on the tenant keeps them apart.
async fn of_one_moment(s: &mut Scene, a: Args) -> Check {
    let mut rows = Vec::new();
    for name in [a.text(1), a.text(2)] {
        let id = s.tenant(name)?.id;
        rows.extend(usage_rows(s, &id).await?);
    }
    let Some(moment) = rows.first().map(|row| row["created_at"].clone()) else {
        return Err(Stop::NotVerified("there are no usage rows".to_owned()));
    };
    let d1 = s.d1().await?;
    for row in &rows {
        let sql = "UPDATE usage SET created_at = ?1 WHERE id = ?2";
        let set = d1.execute(sql, &[moment.clone(), row["id"].clone()]).await;
        set.map_err(|error| {
            Stop::NotVerified(format!("a usage row cannot be given another time: {error}"))
        })?;
    }
    Ok(())
}

/// Pages of one tenant's usage that are asked for at most.
const PAGES_MAX: usize = 12;

async fn turn_pages(s: &mut Scene, a: Args) -> Check {
    let one = s.tenant(a.text(1))?;
    let own = usage_ids(s, &one.id).await?;
    let listing = at(&s.dialect().usage, &one.id);
    let from = s.exchanges.len();
    s.notes.insert(PAGES_FROM.to_owned(), json!(from));
    let mut path = format!("{listing}?limit=1");
    for _page in 0..PAGES_MAX {
        let page = operate(s, "GET", path, None).await?;
        expect_status_first(s, &page, 200)?;
        let Some(cursor) = page.text_at(&s.dialect().next_cursor) else {
            break;
        };
        path = page_after(&listing, 1, &cursor);
    }
    let pages = s.exchanges[from..].to_vec();
    if pages.len() < 2 {
        return Err(Stop::NotApplicable(
            "the usage listing has no cursor after a page of one row".to_owned(),
        ));
    }
    // The positive control: its own rows show.
    let shows = |id: &String| pages.iter().any(|page| page.text().contains(id.as_str()));
    s.expect(
        own.iter().all(shows),
        format!("pages with every row of tenant {}", one.id),
        || {
            format!(
                "{} of {} rows",
                own.iter().filter(|id| shows(id)).count(),
                own.len()
            )
        },
    )
    .or_unmet("a listing of usage that shows its rows")
}

/// The path of the page behind a cursor.
fn page_after(listing: &str, limit: u32, cursor: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(cursor.as_bytes()).collect();
    format!("{listing}?limit={limit}&cursor={encoded}")
}

/// The note where the pages begin.
const PAGES_FROM: &str = "pages from";

async fn none_on_pages(s: &mut Scene, a: Args) -> Check {
    let other = s.tenant(a.text(1))?;
    let foreign = usage_ids(s, &other.id).await?;
    let from = s.notes.get(PAGES_FROM).and_then(Value::as_u64);
    let from = from
        .and_then(|from| usize::try_from(from).ok())
        .unwrap_or(0);
    let pages = s.exchanges[from..].to_vec();
    for page in pages {
        let shown = foreign.iter().find(|id| page.text().contains(id.as_str()));
        s.expect(
            shown.is_none() && !page.text().contains(&other.id),
            format!("pages without a row of tenant {}", other.id),
            || describe(&page),
        )?;
    }
    Ok(())
}

async fn take_cursor(s: &mut Scene, a: Args) -> Check {
    let (one, other) = (s.tenant(a.text(1))?, s.tenant(a.text(2))?);
    let listing = at(&s.dialect().usage, &one.id);
    let page = operate(s, "GET", format!("{listing}?limit=1"), None).await?;
    // The positive control: under its own id the row shows.
    let rows = usage_ids(s, &one.id).await?;
    let mut known = rows.iter().chain([&one.id]);
    s.expect(
        page.status == 200 && known.any(|id| page.text().contains(id.as_str())),
        format!("a page with a row of tenant {}", one.id),
        || describe(&page),
    )?;
    let cursor = page.text_at(&s.dialect().next_cursor).ok_or_else(|| {
        Stop::NotApplicable("the usage listing has no cursor after a page of one row".to_owned())
    })?;
    let listing = at(&s.dialect().usage, &other.id);
    operate(s, "GET", page_after(&listing, 10, &cursor), None)
        .await
        .map(drop)
}

/// The cursor with the id of another row in it, in whichever alphabet it is written; nothing if it names none of these rows.
fn with_another_row(cursor: &str, rows: &[String]) -> Option<String> {
    let renamed = |text: &str| {
        let row = rows.iter().find(|row| text.contains(row.as_str()))?;
        Some(text.replace(row.as_str(), &uuid::Uuid::new_v4().to_string()))
    };
    let encoded = || {
        let mut alphabets = [URL_SAFE_NO_PAD, URL_SAFE, STANDARD_NO_PAD, STANDARD].into_iter();
        alphabets.find_map(|alphabet| {
            let inner = String::from_utf8(alphabet.decode(cursor).ok()?).ok()?;
            Some(alphabet.encode(renamed(&inner)?))
        })
    };
    renamed(cursor).or_else(encoded)
}

async fn foreign_cursor_as_nobodys(s: &mut Scene, a: Args) -> Check {
    let (other, asked) = (s.tenant(a.text(1))?, s.tenant(a.text(2))?);
    let rows = usage_ids(s, &other.id).await?;
    let listing = at(&s.dialect().usage, &other.id);
    let page = operate(s, "GET", format!("{listing}?limit=1"), None).await?;
    expect_status_first(s, &page, 200)?;
    let cursor = page.text_at(&s.dialect().next_cursor);
    let changed = cursor
        .as_deref()
        .and_then(|cursor| with_another_row(cursor, &rows));
    let (Some(foreign), Some(nobodys)) = (cursor, changed) else {
        return Err(Stop::NotApplicable(
            "no cursor of the usage listing names a row by its id".to_owned(),
        ));
    };
    let listing = at(&s.dialect().usage, &asked.id);
    let unknown = operate(s, "GET", page_after(&listing, 10, &nobodys), None).await?;
    let answer = operate(s, "GET", page_after(&listing, 10, &foreign), None).await?;
    let told = |answer: &Exchange| (answer.status, answer.text_at("/error/code"));
    s.expect(
        told(&answer) == told(&unknown),
        format!(
            "a cursor that names a row of tenant {} answered as one that names nobody's, which is {}",
            other.id,
            describe(&unknown)
        ),
        || describe(&answer),
    )
}

async fn no_foreign_row(s: &mut Scene, a: Args) -> Check {
    let (one, other) = (s.tenant(a.text(1))?, s.tenant(a.text(2))?);
    // By the ids of the rows themselves: a listing may well put the asked tenant's id on every row it shows.
    let (foreign, own) = (usage_ids(s, &one.id).await?, usage_ids(s, &other.id).await?);
    let shows = |answer: &Exchange, id: &String| answer.text().contains(id.as_str());
    let with_cursor = s.last()?;
    expect_first(
        s,
        &with_cursor,
        with_cursor.status < 500,
        "a page of rows, or a refusal of the cursor",
    )?;
    s.expect(
        !foreign.iter().any(|id| shows(&with_cursor, id)) && !shows(&with_cursor, &one.id),
        format!("rows of tenant {} alone, or a refusal", other.id),
        || describe(&with_cursor),
    )?;
    let path = at(&s.dialect().usage, &other.id);
    let listing = operate(s, "GET", path, None).await?;
    let is_listed = listing.status == 200 && own.iter().all(|id| shows(&listing, id));
    expect_first(
        s,
        &listing,
        is_listed,
        format!("the rows of tenant {}", other.id),
    )?;
    s.expect(
        !foreign.iter().any(|id| shows(&listing, id)),
        format!("the rows of tenant {} and no others", other.id),
        || describe(&listing),
    )
}
