//! An endpoint for webhooks: answers by script, path by path, and keeps a journal.
//! It runs on a thread of its own, so that it answers while the caller's runtime is busy. It never judges what it receives.

mod serve;

pub(crate) use serve::read;

use moltproof_doubles::lag::Patience;
use moltproof_doubles::thread::OwnThread;
use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How one delivery is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// With this status.
    Status(u16),
    /// With this status, after so long.
    Slow(Duration, u16),
    /// Not at all, until the sender gives up.
    Hang,
    /// With this status, as soon as it is released.
    Held(u16),
    /// With 2xx, when the sender has given up.
    TooLate,
    /// Not at all: the connection is closed.
    Cut,
    /// With the beginning of a 200: the connection is closed inside the head.
    CutInside,
    /// With a whole head of this status and a part of its body: the connection is closed inside the body.
    CutBody(u16),
    /// With a whole head of this status and a part of its body, whose rest never comes.
    HangingBody(u16),
    /// With a redirect (307) to another path of the receiver, or to a whole address.
    Redirect(String),
}

impl Reply {
    /// Whether the sender has to wait for it.
    fn keeps_waiting(&self) -> bool {
        match self {
            Self::Slow(_, _)
            | Self::Hang
            | Self::Held(_)
            | Self::TooLate
            | Self::HangingBody(_) => true,
            Self::Status(_)
            | Self::Cut
            | Self::CutInside
            | Self::CutBody(_)
            | Self::Redirect(_) => false,
        }
    }
}

/// One delivery as the receiver saw it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The path asked for.
    pub path: String,
    /// The method.
    pub method: String,
    /// Names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: Vec<u8>,
    /// When the request had been read, on the machine's monotonic clock.
    pub at: Instant,
    /// The status that was answered; `None` as long as there was none, and for ever if there was to be none.
    pub answered: Option<u16>,
    /// Whether the sender closed the connection before it was answered.
    pub is_given_up: bool,
}

impl Delivery {
    /// A header's first value; `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A running receiver. Dropping it stops it.
#[derive(Debug)]
pub struct Receiver {
    book: Arc<Book>,
    authority: String,
    forbidden: String,
    _thread: OwnThread,
}

#[derive(Debug)]
struct Book {
    pages: Mutex<Pages>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Pages {
    scripts: BTreeMap<String, Vec<Reply>>,
    taken: BTreeMap<String, usize>,
    /// How many deliveries to a path, from the first on, are held no longer.
    released: BTreeMap<String, usize>,
    deliveries: Vec<Delivery>,
    /// Connections to the address that is not allowed.
    trespasses: usize,
    /// Senders that are kept waiting for their answer now.
    waiting: usize,
    /// When the last of them stopped waiting.
    waited_until: Option<Instant>,
}

impl Book {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        // Every change is one assignment or push: a panic elsewhere leaves the book whole.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Pages) -> T) -> T {
        let result = change(&mut self.pages());
        self.changed.send_replace(());
        result
    }
}

impl Book {
    /// Waits until a delivery to a path, by its number there, is held no longer.
    async fn released(&self, path: &str, at: usize) {
        let mut changes = self.changed.subscribe();
        let is_free = |pages: &Pages| pages.released.get(path).is_some_and(|count| *count > at);
        while !is_free(&self.pages()) && changes.changed().await.is_ok() {}
    }
}

impl Receiver {
    /// Starts a receiver on 127.0.0.1 and a free port, and a second port beside it that no webhook may go to.
    ///
    /// # Errors
    /// When a socket or a thread cannot be had.
    pub fn start() -> io::Result<Self> {
        let (listener, forbidden) = (listen()?, listen()?);
        let authority = listener.local_addr()?.to_string();
        let forbidden_at = forbidden.local_addr()?.to_string();
        let book = Arc::new(Book {
            pages: Mutex::default(),
            changed: watch::Sender::new(()),
        });
        let book_there = Arc::clone(&book);
        let thread = OwnThread::spawn("webhook-receiver", move || async move {
            tokio::select! {
                () = serve::serve(listener, Arc::clone(&book_there)) => {}
                () = serve::count(forbidden, book_there) => {}
            }
        })?;
        Ok(Self {
            book,
            authority,
            forbidden: forbidden_at,
            _thread: thread,
        })
    }

    /// Host and port that the target has to allow (`WEBHOOK_ALLOWED_ADDRESSES`).
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Host and port that the target is not to be told as allowed.
    #[must_use]
    pub fn forbidden(&self) -> &str {
        &self.forbidden
    }

    /// The address of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.authority)
    }

    /// Sets how a path answers: one reply for each delivery, the last of which repeats. A path without a script answers 200.
    pub fn script(&self, path: &str, replies: Vec<Reply>) {
        self.book.change(|pages| {
            pages.taken.remove(path);
            pages.released.remove(path);
            pages.scripts.insert(path.to_owned(), replies);
        });
    }

    /// Lets the first so many deliveries to a path be answered that are held, or will be.
    pub fn release(&self, path: &str, count: usize) {
        let released = |pages: &mut Pages| pages.released.insert(path.to_owned(), count);
        self.book.change(released);
    }

    /// What has come to a path so far, in order.
    #[must_use]
    pub fn deliveries(&self, path: &str) -> Vec<Delivery> {
        let pages = self.book.pages();
        let theirs = pages.deliveries.iter().filter(|known| known.path == path);
        theirs.cloned().collect()
    }

    /// How often the address that is not allowed was connected to.
    #[must_use]
    pub fn trespasses(&self) -> usize {
        self.book.pages().trespasses
    }

    /// Whether a sender was kept waiting for its answer at any time since then: what else it has to send may be next in its line.
    #[must_use]
    pub fn kept_a_sender_waiting(&self, since: Instant) -> bool {
        let pages = self.book.pages();
        pages.waiting > 0 || pages.waited_until.is_some_and(|until| until >= since)
    }

    /// The deliveries of a path as soon as they satisfy `condition`, or at the deadline.
    pub async fn wait_until(
        &self,
        path: &str,
        deadline: Duration,
        condition: impl Fn(&[Delivery]) -> bool,
    ) -> Vec<Delivery> {
        let mut changes = self.book.changed.subscribe();
        let satisfied = async {
            loop {
                let seen = self.deliveries(path);
                if condition(&seen) || changes.changed().await.is_err() {
                    return seen;
                }
            }
        };
        Patience::of(deadline)
            .with(satisfied)
            .await
            .unwrap_or_else(|| self.deliveries(path))
    }
}

fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait;
    use moltproof_doubles::clock;
    use moltproof_doubles::lag::TooSlow;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_sender_is_kept_waiting_until_it_leaves_or_is_answered() {
        let receiver = Receiver::start().unwrap();
        receiver.script("/hang", vec![Reply::Hang]);
        let before = clock::now();
        assert!(!receiver.kept_a_sender_waiting(before));
        let mut sender = tokio::net::TcpStream::connect(receiver.authority())
            .await
            .unwrap();
        let request = "POST /hang HTTP/1.1\r\ncontent-length: 0\r\n\r\n";
        sender.write_all(request.as_bytes()).await.unwrap();
        let long = Duration::from_secs(30);
        receiver
            .wait_until("/hang", long, |seen| !seen.is_empty())
            .await;
        assert!(receiver.kept_a_sender_waiting(clock::now()));
        sender.shutdown().await.unwrap();
        let mut rest = Vec::new();
        sender.read_to_end(&mut rest).await.unwrap();
        let has_left = wait::until(long, || async {
            let waits = receiver.kept_a_sender_waiting(clock::now());
            Ok::<_, TooSlow>((!waits).then_some(()))
        });
        assert_eq!(has_left.await, Ok(Some(())));
        assert!(receiver.kept_a_sender_waiting(before));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_is_answered_at_once_is_not_kept_waiting() {
        let receiver = Receiver::start().unwrap();
        let before = clock::now();
        let url = receiver.url("/ok");
        reqwest::get(url).await.unwrap();
        assert_eq!(receiver.deliveries("/ok").len(), 1);
        assert!(!receiver.kept_a_sender_waiting(before));
    }
}
