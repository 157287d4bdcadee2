//! A resolver that answers DNS over HTTPS in JSON: what each name leads to is told it, and it keeps how often it was asked.
//! It runs on a thread of its own, as the receiver does. Never asks another resolver.

use crate::receiver::read;
use moltproof_doubles::thread::OwnThread;
use reqwest::Url;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// What a name is asked for, among what leads to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// IPv4 addresses (A).
    V4,
    /// IPv6 addresses (AAAA).
    V6,
}

impl Wanted {
    /// The number of this type of record.
    fn number(self) -> u16 {
        match self {
            Self::V4 => 1,
            Self::V6 => 28,
        }
    }

    fn is_of(self, address: &IpAddr) -> bool {
        address.is_ipv4() == (self == Self::V4)
    }
}

/// The type of a record that names another name.
const ALIAS: u16 = 5;
/// The status of an answer about a name that is there.
const NO_ERROR: u16 = 0;
/// The status of an answer about a name that is not.
const NO_SUCH_NAME: u16 = 3;

/// What whoever asks gets to see of the addresses that a name leads to.
pub type View = fn(Wanted, Vec<IpAddr>) -> Vec<IpAddr>;

/// A running resolver. Dropping it stops it.
#[derive(Debug)]
pub struct Resolver {
    book: Arc<Book>,
    url: String,
    _thread: OwnThread,
}

#[derive(Debug)]
struct Book {
    names: Mutex<BTreeMap<String, Name>>,
    view: View,
}

#[derive(Debug, Default)]
struct Name {
    /// By which other name it is led to them.
    alias: Option<String>,
    addresses: Vec<IpAddr>,
    asked: usize,
}

impl Book {
    fn names(&self) -> MutexGuard<'_, BTreeMap<String, Name>> {
        // Each change is one assignment: a panic elsewhere leaves it whole.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to one question.
    fn answer(&self, name: &str, wanted: Option<Wanted>) -> Value {
        let mut names = self.names();
        let Some(known) = names.get_mut(name) else {
            return told(name, wanted, NO_SUCH_NAME, Vec::new());
        };
        known.asked += 1;
        let Some(wanted) = wanted else {
            return told(name, None, NO_ERROR, Vec::new());
        };
        let addresses = known.addresses.iter().copied();
        let addresses = addresses.filter(|address| wanted.is_of(address)).collect();
        let addresses = (self.view)(wanted, addresses);
        let alias = known.alias.as_ref();
        let owner = alias.map_or(name, String::as_str);
        let alias = alias.map(|alias| record(name, ALIAS, alias));
        let addresses = addresses
            .iter()
            .map(|address| record(owner, wanted.number(), &address.to_string()));
        let records = alias.into_iter().chain(addresses).collect();
        told(name, Some(wanted), NO_ERROR, records)
    }
}

/// A record that may be kept for no time, so that what a name leads to may change at once.
fn record(name: &str, kind: u16, data: &str) -> Value {
    json!({"name": name, "type": kind, "TTL": 0, "data": data})
}

fn told(name: &str, wanted: Option<Wanted>, status: u16, records: Vec<Value>) -> Value {
    let question = json!([{"name": name, "type": wanted.map(Wanted::number)}]);
    let mut answer = json!({
        "Status": status, "TC": false, "RD": true, "RA": true, "AD": false, "CD": false, "Question": question,
    });
    // As public resolvers do, it names no answers where there are none.
    if !records.is_empty() {
        answer["Answer"] = Value::Array(records);
    }
    answer
}

impl Resolver {
    /// Starts a resolver that knows no name, on 127.0.0.1 and a free port.
    ///
    /// # Errors
    /// When a socket or a thread cannot be had.
    pub fn start() -> io::Result<Self> {
        Self::seen_through(|_wanted, addresses| addresses)
    }

    /// The same, where whoever asks sees something else than what names lead to.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn seen_through(view: View) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}/dns-query", listener.local_addr()?);
        let book = Arc::new(Book {
            names: Mutex::default(),
            view,
        });
        let book_there = Arc::clone(&book);
        let thread = OwnThread::spawn("resolver", move || serve(listener, book_there))?;
        Ok(Self {
            book,
            url,
            _thread: thread,
        })
    }

    /// Where it is asked: `?name=…&type=A` or `AAAA`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on a name leads to these addresses, by way of another name if there is one.
    pub fn lead(&self, name: &str, alias: Option<&str>, addresses: &[IpAddr]) {
        let mut names = self.book.names();
        let known = names.entry(name.to_owned()).or_default();
        known.alias = alias.map(str::to_owned);
        known.addresses = addresses.to_vec();
    }

    /// What a name leads to.
    #[must_use]
    pub fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let names = self.book.names();
        names
            .get(name)
            .map_or_else(Vec::new, |name| name.addresses.clone())
    }

    /// How often it was asked for a name that it knows.
    #[must_use]
    pub fn asked(&self, name: &str) -> usize {
        self.book.names().get(name).map_or(0, |name| name.asked)
    }
}

async fn serve(listener: TcpListener, book: Arc<Book>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    loop {
        if let Ok((stream, _peer)) = listener.accept().await {
            let book = Arc::clone(&book);
            // Whoever goes away misses the answer, and nothing else.
            drop(tokio::spawn(async move { drop(one(stream, &book).await) }));
        }
    }
}

async fn one(mut stream: TcpStream, book: &Book) -> io::Result<()> {
    let Some(request) = read(&mut stream).await? else {
        return Ok(());
    };
    let (status, body) = match question(&request.path) {
        Some((name, wanted)) if request.method == "GET" => {
            (200, book.answer(&name, wanted).to_string())
        }
        Some(_) | None => (
            400,
            json!({"error": "ask by GET for name and type"}).to_string(),
        ),
    };
    let head = format!(
        "HTTP/1.1 {status} Resolved\r\ncontent-type: application/dns-json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// The name that a request asks for, and what of it; `None` if it asks for none.
fn question(path: &str) -> Option<(String, Option<Wanted>)> {
    let url = Url::parse(&format!("http://resolver{path}")).ok()?;
    let value = |wanted: &str| {
        let mut pairs = url.query_pairs();
        pairs.find_map(|(name, value)| (name == wanted).then(|| value.into_owned()))
    };
    let name = value("name")?.trim_end_matches('.').to_ascii_lowercase();
    let kind = value("type").map_or_else(|| "A".to_owned(), |kind| kind.to_ascii_uppercase());
    let wanted = match kind.as_str() {
        "A" | "1" => Some(Wanted::V4),
        "AAAA" | "28" => Some(Wanted::V6),
        _ => None,
    };
    Some((name, wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(resolver: &Resolver, query: &str) -> Value {
        let url = format!("{}?{query}", resolver.url());
        let answer = reqwest::get(url).await.unwrap();
        answer.json().await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_name_leads_where_it_was_told_to_by_way_of_its_alias() {
        let resolver = Resolver::start().unwrap();
        let addresses: Vec<IpAddr> = ["10.0.0.1", "::1"].map(|one| one.parse().unwrap()).into();
        resolver.lead("a.example", Some("b.example"), &addresses);
        let four = ask(&resolver, "name=A.example.&type=A").await;
        assert_eq!(four["Status"], json!(0));
        let alias = json!({"name": "a.example", "type": 5, "TTL": 0, "data": "b.example"});
        let address = json!({"name": "b.example", "type": 1, "TTL": 0, "data": "10.0.0.1"});
        assert_eq!(four["Answer"], json!([alias, address]));
        let six = ask(&resolver, "name=a.example&type=28").await;
        assert_eq!(six["Answer"][1]["data"], json!("::1"));
        assert_eq!(resolver.asked("a.example"), 2);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_not_there_has_no_answers() {
        let resolver = Resolver::start().unwrap();
        let nobody = ask(&resolver, "name=nobody.example&type=A").await;
        assert_eq!(
            (&nobody["Status"], &nobody["Answer"]),
            (&json!(3), &Value::Null)
        );
        resolver.lead("a.example", None, &[]);
        let none = ask(&resolver, "name=a.example&type=TXT").await;
        assert_eq!(
            (&none["Status"], &none["Answer"]),
            (&json!(0), &Value::Null)
        );
        let wrong = reqwest::get(resolver.url()).await.unwrap();
        assert_eq!(wrong.status(), 400);
    }
}
