//! Structured log lines: typed events, one JSON object each. Never lets a secret through.

mod scrub;

use crate::domain::sandbox_id::SandboxId;
use crate::domain::tenant::TenantId;
use crate::domain::timestamp::Timestamp;
use crate::ports::{Clock, Level, LogSink};
use scrub::{REDACTED, scrub_words};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use std::borrow::Cow;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

/// Longest free text in a line; a caller must not be able to fill the log.
const TEXT_LEN_MAX: usize = 256;
/// Free text from outside, without secrets. [`Log::scrub`] is the only way to make one.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Scrubbed<'a>(Cow<'a, str>);

/// What can be logged. Fields are as `fixtures/shapes.md` lists them.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the fields are documented by the published table of log lines"
)]
pub enum Event<'a> {
    /// A host is no tenant, or its look-up failed.
    ResolutionFailure {
        host: Scrubbed<'a>,
        client_ip: IpAddr,
        request_id: Uuid,
    },
    /// Malformed `X-Tenant-Override` in development.
    OverrideIgnored { request_id: Uuid },
    /// `DEV_MODE` let an admin request in without a valid token.
    AccessRelaxed {
        reason: &'static str,
        request_id: Uuid,
    },
    /// An admin request was refused.
    AccessDenied {
        reason: &'static str,
        request_id: Uuid,
    },
    /// A request was refused for missing configuration.
    ConfigurationError { missing: &'a [&'static str] },
    /// The same in development: the banner.
    ConfigurationWarning { missing: &'a [&'static str] },
    /// A stored sandbox id is malformed or not the derived one.
    SecurityAlert {
        tenant_id: TenantId,
        request_id: Uuid,
    },
    /// After each upstream call.
    AiAttempt {
        tenant_id: TenantId,
        model: &'static str,
        outcome: Scrubbed<'a>,
        attempt: u32,
        request_id: Uuid,
    },
    /// The caller gets a model's answer.
    AiAnswered {
        tenant_id: TenantId,
        model: &'static str,
        step: u8,
        attempts: u32,
        request_id: Uuid,
    },
    /// A usage row could not be written.
    UsageLost {
        tenant_id: TenantId,
        attempts: u32,
        cause: Scrubbed<'a>,
    },
    /// A gateway was started.
    GatewayStarted {
        sandbox_id: SandboxId,
        instance_id: Uuid,
    },
    /// D1, KV or R2 failed.
    StoreUnavailable {
        store: &'static str,
        cause: Scrubbed<'a>,
        request_id: Uuid,
    },
    /// A handler broke off: a defect.
    Panicked { request_id: Uuid },
    /// After each request.
    Request {
        request_id: Uuid,
        method: Scrubbed<'a>,
        path: Scrubbed<'a>,
        status: u16,
        duration_ms: u64,
    },
}

impl Event<'_> {
    fn level(&self) -> Level {
        match self {
            Self::AiAttempt { .. }
            | Self::AiAnswered { .. }
            | Self::GatewayStarted { .. }
            | Self::Request { .. } => Level::Info,
            Self::ResolutionFailure { .. }
            | Self::OverrideIgnored { .. }
            | Self::AccessRelaxed { .. }
            | Self::AccessDenied { .. }
            | Self::ConfigurationWarning { .. } => Level::Warn,
            Self::ConfigurationError { .. }
            | Self::SecurityAlert { .. }
            | Self::UsageLost { .. }
            | Self::StoreUnavailable { .. }
            | Self::Panicked { .. } => Level::Error,
        }
    }

    fn message(&self) -> &'static str {
        match self {
            Self::ResolutionFailure { .. } => "the host leads to no tenant",
            Self::OverrideIgnored { .. } => {
                "a malformed X-Tenant-Override was ignored; the host decides"
            }
            Self::AccessRelaxed { .. } => {
                "DEV_MODE is on: an admin request was let in without a valid Access token"
            }
            Self::AccessDenied { .. } => "an admin request was refused",
            Self::ConfigurationError { .. } => {
                "configuration is missing; requests that need it are refused"
            }
            Self::ConfigurationWarning { .. } => {
                "***** DEV_MODE is on and configuration is missing: routes that need it answer 503 *****"
            }
            Self::SecurityAlert { .. } => {
                "a stored sandbox id is not the derived one; the request was refused"
            }
            Self::AiAttempt { .. } => "the AI Gateway was called",
            Self::AiAnswered { .. } => "a model answered",
            Self::UsageLost { .. } => "a usage row could not be written",
            Self::GatewayStarted { .. } => "a sandbox gateway was started",
            Self::StoreUnavailable { .. } => "a store failed",
            Self::Panicked { .. } => "a request handler broke off",
            Self::Request { .. } => "a request was answered",
        }
    }
}

/// Where the backend logs to.
#[derive(Clone)]
pub struct Log {
    sink: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    secrets: Arc<[SecretString]>,
}

impl Log {
    /// A log that redacts `secrets` wherever they turn up, besides everything that looks like one.
    #[must_use]
    pub fn new(sink: Arc<dyn LogSink>, clock: Arc<dyn Clock>, secrets: Vec<SecretString>) -> Self {
        Self {
            sink,
            clock,
            secrets: secrets.into(),
        }
    }

    /// Writes one line.
    pub fn write(&self, event: &Event<'_>) {
        self.write_as(event.level(), event.message(), event);
    }

    /// Writes one line of an event of somebody else's: an object with a field `event`. `message` needs no escaping.
    pub fn write_as(&self, level: Level, message: &'static str, event: &impl Serialize) {
        let timestamp = Timestamp::from_epoch_ms(self.clock.now_ms());
        let mut line = Vec::with_capacity(320);
        line.extend_from_slice(b"{\"ts\":\"");
        line.extend_from_slice(timestamp.as_str().as_bytes());
        line.extend_from_slice(b"\",\"level\":\"");
        line.extend_from_slice(level_name(level).as_bytes());
        line.extend_from_slice(b"\",\"message\":\"");
        // Messages are our own constants and need no escaping.
        line.extend_from_slice(message.as_bytes());
        line.extend_from_slice(b"\",");
        let fields_at = line.len();
        // The event's own object follows; its brace is dropped so that both make one flat object.
        if serde_json::to_writer(&mut line, event).is_err() {
            return;
        }
        line.remove(fields_at);
        self.sink
            .line(level, std::str::from_utf8(&line).unwrap_or_default());
    }

    /// Makes free text fit for the log: secrets replaced, length bounded.
    #[must_use]
    pub fn scrub<'a>(&self, text: &'a str) -> Scrubbed<'a> {
        let cut = match text.char_indices().nth(TEXT_LEN_MAX) {
            Some((at, _)) if text.len() > TEXT_LEN_MAX => &text[..at],
            _ => text,
        };
        let mut scrubbed = Cow::Borrowed(cut);
        for secret in self.secrets.iter().map(ExposeSecret::expose_secret) {
            // Looked for in the whole text: a cut must not leave half a secret behind.
            if !secret.is_empty() && text.contains(secret) {
                let whole = text.replace(secret, REDACTED);
                scrubbed = Cow::Owned(whole.chars().take(TEXT_LEN_MAX).collect());
            }
        }
        match scrub_words(&scrubbed) {
            Some(words) => Scrubbed(Cow::Owned(words)),
            None => Scrubbed(scrubbed),
        }
    }
}

/// An error with everything that caused it: the innermost cause is what an operator has to know.
#[must_use]
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

/// Writes lines to standard error.
#[derive(Debug, Default)]
pub struct StderrSink;

impl LogSink for StderrSink {
    fn line(&self, _level: Level, json: &str) {
        // One write per line, so that lines of parallel requests do not mix; nobody is left to tell if it fails.
        drop(std::io::stderr().write_all(format!("{json}\n").as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    impl LogSink for Lines {
        fn line(&self, _level: Level, json: &str) {
            self.0.lock().unwrap().push(json.to_owned());
        }
    }

    fn scrub(text: &str) -> String {
        let log = Log::new(
            Arc::new(Lines::default()),
            Arc::new(ManualClock::new(0)),
            vec!["hunter2".into()],
        );
        log.scrub(text).0.into_owned()
    }

    #[test]
    fn a_line_is_one_flat_json_object() {
        let lines = Arc::new(Lines::default());
        let log = Log::new(
            Arc::clone(&lines) as Arc<dyn LogSink>,
            Arc::new(ManualClock::new(0)),
            Vec::new(),
        );
        let request_id = Uuid::nil();
        let (method, path) = (log.scrub("GET"), log.scrub("/a\"\n"));
        log.write(&Event::Request {
            request_id,
            method,
            path,
            status: 200,
            duration_ms: 3,
        });
        let line: serde_json::Value = serde_json::from_str(&lines.0.lock().unwrap()[0]).unwrap();
        assert_eq!(line["ts"], "1970-01-01T00:00:00.000Z");
        assert_eq!(line["level"], "info");
        assert_eq!(line["event"], "request");
        assert_eq!(line["path"], "/a\"\n");
        assert_eq!(line["status"], 200);
        assert!(line["message"].is_string());
    }

    #[test]
    fn secrets_are_redacted() {
        for (text, secret) in [
            ("GET with hunter2 inside", "hunter2"),
            ("/x/hunter2", "hunter2"),
            ("Authorization: Bearer abc", "abc"),
            ("bearer abc", "abc"),
            ("/api/status?token=abc&x=1", "abc"),
            ("cookie: CF_Authorization=abc", "abc"),
            ("api_key=abc", "abc"),
            ("/api/eyJhbGciOi.eyJhdWQ.c2ln/x", "eyJhdWQ"),
            (&format!("/x/{}", "aB3".repeat(20)), "aB3aB3"),
        ] {
            let scrubbed = scrub(text);
            assert!(
                !scrubbed.contains(secret) && scrubbed.contains(REDACTED),
                "{text} -> {scrubbed}"
            );
        }
    }

    #[test]
    fn what_is_no_secret_stays_readable() {
        for text in [
            "/api/status",
            "tenant-a.app.example.test",
            "/api/admin/tenants/0190b6f0-0000-7000-8000-000000000000/gateway/start",
            "database is locked",
            "tenant-a.app.example.test:8443",
        ] {
            assert_eq!(scrub(text), text);
        }
    }

    #[test]
    fn free_text_is_bounded() {
        assert!(scrub(&"a.".repeat(5_000)).len() <= TEXT_LEN_MAX);
    }
}
