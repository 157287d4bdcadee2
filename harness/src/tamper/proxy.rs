//! The proxy's sockets. Never looks at what it carries: that is the [`Tamper`]'s part.

use super::conversation::{Ask, Upstream};
use super::{Tamper, Told, Unanswered};
use crate::wait;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Idle connections are used again for this long. Evidence: the doubles and the reference keep theirs for 15 s and more.
const IDLE_MS_MAX: u64 = 3_000;
/// A request head that is longer is passed on byte for byte. Evidence: the largest that scenarios send has a token of 64 KiB.
const HEAD_BYTES_MAX: usize = 256 * 1024;
/// After a failed accept, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// More header lines than hyper takes.
const HEADERS_MAX: usize = 100;

/// A running proxy; it ends with the runtime it was started on.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Scheme and authority of its own address.
    pub base: String,
}

impl Proxy {
    /// Starts a proxy on 127.0.0.1 in front of `upstream` (scheme and authority).
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn start(upstream: &str, tamper: Arc<dyn Tamper>) -> io::Result<Self> {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_at(anywhere, upstream, tamper).await
    }

    /// The same at an address.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_at(
        listen: SocketAddr,
        upstream: &str,
        tamper: Arc<dyn Tamper>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_millis(IDLE_MS_MAX))
            .build(connector);
        let way = Way {
            upstream: Upstream::new(upstream.to_owned(), client),
            tamper,
        };
        tokio::spawn(async move {
            loop {
                let Ok((stream, _peer)) = listener.accept().await else {
                    // No descriptor is free: nothing announces when one will be.
                    wait::pass(ACCEPT_PAUSE).await;
                    continue;
                };
                tokio::spawn(way.clone().carry(stream));
            }
        });
        Ok(Self { base })
    }
}

#[derive(Clone)]
struct Way {
    upstream: Upstream,
    tamper: Arc<dyn Tamper>,
}

impl Way {
    /// One connection to its end. What is no HTTP request goes to the backend as it is: what it says of that is its own.
    async fn carry(self, mut stream: TcpStream) {
        // A socket that refuses works all the same.
        drop(stream.set_nodelay(true));
        let mut head = BytesMut::new();
        match read_head(&mut stream, &mut head).await {
            Head::Request => {}
            Head::Gone => return,
            Head::Other => return self.tunnel(stream, &head).await,
        }
        let (reader, writer) = stream.into_split();
        let socket = tokio::io::join(std::io::Cursor::new(head.freeze()).chain(reader), writer);
        let service = service_fn(move |request| {
            let way = self.clone();
            async move { way.answer(request).await }
        });
        // A connection that breaks concerns its two ends alone.
        drop(
            hyper::server::conn::http1::Builder::new()
                .max_buf_size(HEAD_BYTES_MAX * 2)
                .serve_connection(TokioIo::new(socket), service)
                .await,
        );
    }

    async fn answer(
        self,
        request: hyper::Request<Incoming>,
    ) -> Result<hyper::Response<UnsyncBoxBody<Bytes, io::Error>>, Unanswered> {
        let (parts, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| Unanswered(error.to_string()))?
            .to_bytes();
        let ask = Ask {
            method: parts.method,
            path: parts.uri.to_string(),
            headers: parts.headers,
            body,
        };
        let told = self.tamper.pass(ask, &self.upstream).await?;
        Ok(Told::into_response(told))
    }

    async fn tunnel(self, mut stream: TcpStream, read: &[u8]) {
        let Ok(mut backend) = TcpStream::connect(self.upstream.authority()).await else {
            return;
        };
        if backend.write_all(read).await.is_ok() {
            drop(tokio::io::copy_bidirectional(&mut stream, &mut backend).await);
        }
    }
}

enum Head {
    /// A request that hyper takes.
    Request,
    /// Anything else.
    Other,
    /// The caller has left.
    Gone,
}

async fn read_head(stream: &mut TcpStream, head: &mut BytesMut) -> Head {
    loop {
        match stream.read_buf(head).await {
            Ok(0) if head.is_empty() => return Head::Gone,
            Ok(0) => return Head::Other,
            Ok(_read) => {}
            Err(_error) => return Head::Gone,
        }
        let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut lines);
        match request.parse(head) {
            Ok(httparse::Status::Partial) if head.len() < HEAD_BYTES_MAX => {}
            Ok(httparse::Status::Partial) | Err(_) => return Head::Other,
            Ok(httparse::Status::Complete(_)) => {
                return if is_plain(&request) {
                    Head::Request
                } else {
                    Head::Other
                };
            }
        }
    }
}

/// Whether nothing gets lost when hyper reads it and sends it on.
fn is_plain(request: &httparse::Request<'_, '_>) -> bool {
    let path = request.path.unwrap_or_default();
    let hosts = count(request, "host");
    let lengths = count(request, "content-length") + count(request, "transfer-encoding");
    path.starts_with('/')
        && path.parse::<hyper::Uri>().is_ok_and(|uri| uri == *path)
        && hyper::Method::from_bytes(request.method.unwrap_or_default().as_bytes()).is_ok()
        && request.version == Some(1)
        && hosts == 1
        && lengths <= 1
        && count(request, "expect") == 0
}

fn count(request: &httparse::Request<'_, '_>, name: &str) -> usize {
    request
        .headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case(name))
        .count()
}
