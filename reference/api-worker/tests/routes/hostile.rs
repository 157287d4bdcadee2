//! Requests as nobody should send them, drawn at random. Never decides what becomes of one.

use crate::stage::NOW;
use crate::table::routes;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request};
use bytes::Bytes;
use futures_util::StreamExt;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use std::convert::Infallible;

/// A request as it is drawn: nothing of it is bound to a stage.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    route: Index,
    method: Option<&'static str>,
    segments: Vec<Segment>,
    query: String,
    who: Who,
    body: Twist,
    headers: Headers,
}

#[derive(Debug, Clone)]
enum Segment {
    /// Something that is there, of this user or of another one.
    Known(Index),
    Text(String),
}

#[derive(Debug, Clone, Copy)]
enum Who {
    Rightful,
    Nobody,
    Other,
    Malformed,
}

/// What is done to a body that would be right.
#[derive(Debug, Clone)]
enum Twist {
    None,
    Missing(Index),
    Unknown(String),
    Replaced(Index, Value),
    /// Cut off behind this place.
    Cut(Index),
    /// One field twice.
    Doubled(Index),
    Bytes(Vec<u8>),
    Deep(usize),
    /// More bytes than are taken, all there.
    Large(usize),
    /// Never ends.
    Endless,
    /// Breaks off.
    Broken,
}

#[derive(Debug, Clone)]
enum Headers {
    Usual,
    Many(usize),
    Long(usize),
    Now(String),
    Any(Vec<u8>),
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        select(vec![
            -1_i64,
            0,
            1,
            59,
            61,
            1_000,
            1_001,
            2_592_001,
            1_000_000_000_001,
            253_402_300_800_000
        ])
        .prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
        select(vec![
            "",
            "\u{0}",
            "..",
            "user",
            "default",
            "https://10.0.0.1/",
            "https://[::1]/",
            "https://private.example.test/",
            "file:///etc/passwd"
        ])
        .prop_map(Value::from),
        (200_usize..5_000).prop_map(|length| Value::from("x".repeat(length))),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map("[a-z_]{0,12}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_twist() -> impl Strategy<Value = Twist> {
    prop_oneof![
        2 => Just(Twist::None),
        2 => any::<Index>().prop_map(Twist::Missing),
        2 => "[a-z_]{1,12}".prop_map(Twist::Unknown),
        12 => (any::<Index>(), any_value()).prop_map(|(field, value)| Twist::Replaced(field, value)),
        2 => any::<Index>().prop_map(Twist::Cut),
        1 => any::<Index>().prop_map(Twist::Doubled),
        3 => vec(any::<u8>(), 0..200).prop_map(Twist::Bytes),
        1 => any_value().prop_map(|value| Twist::Bytes(value.to_string().into_bytes())),
        1 => (1_usize..20_000).prop_map(Twist::Deep),
        1 => ((1_usize << 20) + 1..3 << 20).prop_map(Twist::Large),
        1 => Just(Twist::Endless),
        1 => Just(Twist::Broken),
    ]
}

fn any_segment() -> impl Strategy<Value = Segment> {
    prop_oneof![
        4 => any::<Index>().prop_map(Segment::Known),
        2 => "[a-z0-9_.-]{1,70}".prop_map(Segment::Text),
        2 => select(vec!["%FF", "..%2F", "%00", "%", "'", "user", "environment", "default", "-", "staging", "rate_limit.user.minute", "x"])
            .prop_map(|text| Segment::Text(text.to_owned())),
        1 => "[a-zA-Z0-9%._~!$&'()*+,;=:@-]{0,200}".prop_map(Segment::Text),
    ]
}

fn any_query() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(String::new()),
        1 => "\\?(limit|cursor|from|to|user_id|model|name)=[a-zA-Z0-9%._+-]{0,30}",
        1 => "\\?(limit|from|to)=-?[0-9]{1,20}(&(cursor|limit|unknown)=[A-Za-z0-9_-]{0,40})?",
        1 => "\\?[a-zA-Z0-9%&=._~-]{0,60}",
    ]
}

fn any_headers() -> impl Strategy<Value = Headers> {
    prop_oneof![
        12 => Just(Headers::Usual),
        1 => (90_usize..400).prop_map(Headers::Many),
        1 => (1_000_usize..200_000).prop_map(Headers::Long),
        1 => "-?[0-9a-z.]{0,20}".prop_map(Headers::Now),
        1 => vec(32_u8..127, 0..100).prop_map(Headers::Any),
    ]
}

/// Any such request.
pub(crate) fn any_request() -> impl Strategy<Value = Drawn> {
    let method = prop_oneof![
        8 => Just(None),
        1 => select(vec!["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"]).prop_map(Some),
    ];
    let who = prop_oneof![
        12 => Just(Who::Rightful),
        1 => Just(Who::Nobody),
        1 => Just(Who::Other),
        1 => Just(Who::Malformed),
    ];
    let parts = (
        any::<Index>(),
        method,
        vec(any_segment(), 3),
        any_query(),
        who,
        any_twist(),
        any_headers(),
    );
    parts.prop_map(
        |(route, method, segments, query, who, body, headers)| Drawn {
            route,
            method,
            segments,
            query,
            who,
            body,
            headers,
        },
    )
}

/// What a stage knows: who may ask, and what there is to name.
pub(crate) struct Known {
    pub(crate) key: String,
    pub(crate) other_key: String,
    pub(crate) token: String,
    /// Ids of things, this user's and another's.
    pub(crate) ids: Vec<String>,
}

impl Drawn {
    /// Whether it asks for nothing but to see something.
    pub(crate) fn reads(&self) -> bool {
        let routes = routes();
        let (method, ..) = self.route.get(&routes);
        matches!(
            self.method.unwrap_or(method),
            "GET" | "HEAD" | "OPTIONS" | "TRACE"
        )
    }

    /// Whether it asks for no body.
    pub(crate) fn is_head(&self) -> bool {
        self.method == Some("HEAD")
    }

    /// The request itself; `None` where the parts make none that HTTP could carry.
    pub(crate) fn request(&self, known: &Known) -> Option<Request<Body>> {
        let routes = routes();
        let (method, template, good) = self.route.get(&routes);
        let mut path = String::new();
        let mut segments = self.segments.iter();
        for (at, literal) in template.split("{}").enumerate() {
            if at > 0 {
                match segments.next()? {
                    Segment::Known(id) => path.push_str(id.get::<String>(&known.ids)),
                    Segment::Text(text) => path.push_str(text),
                }
            }
            path.push_str(literal);
        }
        let mut request = Request::builder()
            .method(self.method.unwrap_or(method))
            .uri(format!("{path}{}", self.query));
        if !matches!(self.headers, Headers::Now(_)) {
            request = request.header("x-test-now", NOW);
        }
        let (key, token) = match self.who {
            Who::Rightful => (Some(known.key.as_str()), Some(known.token.as_str())),
            Who::Nobody => (None, None),
            Who::Other => (Some(known.other_key.as_str()), None),
            Who::Malformed => (Some("mpk_x"), Some("a.b.c")),
        };
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        if let Some(token) = token.filter(|_| template.starts_with("/api/admin/")) {
            request = request.header("cf-access-jwt-assertion", token);
        }
        let mut request = request.body(self.body(good)).ok()?;
        self.add_headers(&mut request)?;
        Some(request)
    }

    fn add_headers(&self, request: &mut Request<Body>) -> Option<()> {
        let headers = request.headers_mut();
        match &self.headers {
            Headers::Usual => {}
            Headers::Many(count) => {
                for number in 0..*count {
                    let name = HeaderName::try_from(format!("x-{number}")).ok()?;
                    headers.append(name, HeaderValue::from_static("1"));
                }
            }
            Headers::Long(length) => {
                let value = HeaderValue::try_from("a".repeat(*length)).ok()?;
                headers.append("x-long", value);
            }
            Headers::Now(now) => {
                headers.append("x-test-now", HeaderValue::try_from(now).ok()?);
            }
            Headers::Any(bytes) => {
                headers.append("content-type", HeaderValue::from_bytes(bytes).ok()?);
            }
        }
        Some(())
    }

    fn body(&self, good: &Value) -> Body {
        let mut body = good.clone();
        let field = |index: &Index| {
            let fields: Vec<String> = good.as_object()?.keys().cloned().collect();
            (!fields.is_empty()).then(|| index.get(&fields).clone())
        };
        match &self.body {
            Twist::None => {}
            Twist::Missing(at) => {
                if let (Some(name), Some(fields)) = (field(at), body.as_object_mut()) {
                    fields.remove(&name);
                }
            }
            Twist::Unknown(name) => {
                if let Some(fields) = body.as_object_mut() {
                    fields.insert(name.clone(), json!(1));
                }
            }
            Twist::Replaced(at, value) => {
                if let Some(name) = field(at) {
                    body[&name] = value.clone();
                }
            }
            Twist::Cut(at) => {
                let text = good.to_string();
                return Body::from(text[..at.index(text.len())].to_owned());
            }
            Twist::Doubled(at) => {
                if let Some(name) = field(at) {
                    let text = good.to_string();
                    return Body::from(format!("{{\"{name}\":{},{}", good[&name], &text[1..]));
                }
            }
            Twist::Bytes(bytes) => return Body::from(bytes.clone()),
            Twist::Deep(depth) => {
                return Body::from(format!(
                    "{{\"value\":{}{}}}",
                    "[".repeat(*depth),
                    "]".repeat(*depth)
                ));
            }
            Twist::Large(length) => return Body::from(vec![b' '; *length]),
            Twist::Endless => return endless(),
            Twist::Broken => {
                let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                let parts = [Ok(Bytes::from_static(b"{\"value\":")), Err(cut)];
                return Body::from_stream(futures_util::stream::iter(parts));
            }
        }
        if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        }
    }
}

/// 64 KiB again and again.
fn endless() -> Body {
    let part = Bytes::from(vec![b' '; 64 << 10]);
    Body::from_stream(futures_util::stream::repeat(part).map(Ok::<_, Infallible>))
}
