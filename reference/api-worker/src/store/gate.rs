//! The gates of a user's request as one transaction: limits of the ip, the credential, limits of the user. Never counts what it refuses.

use super::{Store, words_column};
use crate::domain::credential::{Credential, Kind};
use crate::domain::environment::Environment;
use crate::domain::window::{Exceeded, SubjectKind, Window, judge};
use moltworker_reference::ports::StoreError;
use rusqlite::{Connection, OptionalExtension, params};

/// Who is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The user.
    pub user_id: String,
    /// The key, or the key of the session.
    pub key_id: String,
    /// Whether it is a session.
    pub by_session: bool,
    /// What the key may do.
    pub permissions: Vec<String>,
    /// How many chats the key may ask for in all, and how many it has.
    pub quota_requests: Option<i64>,
    /// See there.
    pub requests_used: i64,
    /// Since when there is the key, epoch milliseconds.
    pub key_created_at: i64,
}

/// What the gates say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passage {
    /// A limit is reached; nothing was counted.
    Exceeded(Exceeded),
    /// No valid credential; the request was counted for its ip.
    Unauthenticated,
    /// Counted, and let in.
    Admitted(Principal),
}

/// A request at the gates.
pub struct Arrival {
    /// Epoch milliseconds.
    pub now: i64,
    /// Whose limits stand between a user's and the default.
    pub environment: Environment,
    /// The client's.
    pub ip: String,
    /// What it carries, if that is well-formed.
    pub credential: Option<Credential>,
}

impl Store {
    /// Takes a request through the gates.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing is counted.
    pub async fn admit(&self, arrival: Arrival) -> Result<Passage, StoreError> {
        self.count(move |connection| pass(connection, &arrival))
            .await
    }

    /// Who a credential belongs to, unless it is unknown, revoked or expired.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn principal(
        &self,
        credential: &Credential,
        now: i64,
    ) -> Result<Option<Principal>, StoreError> {
        self.file
            .read_point(|connection| principal(connection, credential, now))
    }
}

fn pass(connection: &Connection, arrival: &Arrival) -> rusqlite::Result<Passage> {
    let ip = Subject {
        kind: SubjectKind::Ip,
        id: &arrival.ip,
    };
    if let Some(exceeded) = ip.exceeded(connection, arrival)? {
        return Ok(Passage::Exceeded(exceeded));
    }
    let principal = match &arrival.credential {
        Some(credential) => principal(connection, credential, arrival.now)?,
        None => None,
    };
    let Some(principal) = principal else {
        ip.count(connection, arrival.now)?;
        return Ok(Passage::Unauthenticated);
    };
    let user = Subject {
        kind: SubjectKind::User,
        id: &principal.user_id,
    };
    if let Some(exceeded) = user.exceeded(connection, arrival)? {
        return Ok(Passage::Exceeded(exceeded));
    }
    ip.count(connection, arrival.now)?;
    user.count(connection, arrival.now)?;
    Ok(Passage::Admitted(principal))
}

struct Subject<'a> {
    kind: SubjectKind,
    id: &'a str,
}

impl Subject<'_> {
    fn exceeded(
        &self,
        connection: &Connection,
        arrival: &Arrival,
    ) -> rusqlite::Result<Option<Exceeded>> {
        let limits = self.limits(connection, arrival.environment)?;
        let mut counts = [0; 3];
        let mut statement = connection.prepare_cached(
            "SELECT requests FROM rate_limits WHERE subject_kind = ?1 AND subject = ?2 AND window_kind = ?3 AND window_start = ?4",
        )?;
        for (count, window) in counts.iter_mut().zip(Window::ALL) {
            let key = params![
                self.kind.name(),
                self.id,
                window.name(),
                window.start(arrival.now)
            ];
            *count = statement
                .query_row(key, |row| row.get(0))
                .optional()?
                .unwrap_or(0);
        }
        Ok(judge(self.kind, arrival.now, counts, limits))
    }

    fn count(&self, connection: &Connection, now: i64) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(
            "INSERT INTO rate_limits (subject_kind, subject, window_kind, window_start, requests) VALUES (?1, ?2, ?3, ?4, 1)
             ON CONFLICT (subject_kind, subject, window_kind, window_start) DO UPDATE SET requests = requests + 1",
        )?;
        for window in Window::ALL {
            statement.execute(params![
                self.kind.name(),
                self.id,
                window.name(),
                window.start(now)
            ])?;
        }
        Ok(())
    }

    /// The user's own over the environment's over the default; what is set nowhere has the contract's number.
    fn limits(
        &self,
        connection: &Connection,
        environment: Environment,
    ) -> rusqlite::Result<[i64; 3]> {
        let names = Window::ALL.map(|window| self.kind.limit_name(window));
        let mut limits = Window::ALL.map(|window| self.kind.default_limit(window));
        let mut statement = connection.prepare_cached(
            "SELECT name, CAST(value AS INTEGER) FROM user_preferences WHERE scope = ?1 AND subject = ?2 AND name IN (?3, ?4, ?5)",
        )?;
        let scopes = [
            ("default", "-"),
            ("environment", environment.name()),
            ("user", self.id),
        ];
        let scopes = match self.kind {
            SubjectKind::User => &scopes[..],
            SubjectKind::Ip => &scopes[..2],
        };
        for (scope, subject) in scopes {
            let mut rows =
                statement.query(params![scope, subject, names[0], names[1], names[2]])?;
            while let Some(row) = rows.next()? {
                let name: String = row.get(0)?;
                if let Some(at) = names.iter().position(|known| *known == name) {
                    limits[at] = row.get(1)?;
                }
            }
        }
        Ok(limits)
    }
}

/// Found by an index over hashes, compared in constant time.
fn principal(
    connection: &Connection,
    credential: &Credential,
    now: i64,
) -> rusqlite::Result<Option<Principal>> {
    let hash = credential.hash();
    let by_session = credential.kind() == Kind::Session;
    let sql = if by_session {
        "SELECT user_sessions.hash, api_keys.id, api_keys.user_id, api_keys.permissions, api_keys.quota_requests, api_keys.requests_used,
           api_keys.created_at
         FROM user_sessions CROSS JOIN api_keys ON api_keys.user_id = user_sessions.user_id AND api_keys.id = user_sessions.api_key_id
         WHERE user_sessions.hash = ?1 AND user_sessions.revoked_at IS NULL AND user_sessions.expires_at > ?2
           AND api_keys.revoked_at IS NULL AND (api_keys.expires_at IS NULL OR api_keys.expires_at > ?2)"
    } else {
        "SELECT hash, id, user_id, permissions, quota_requests, requests_used, created_at FROM api_keys
         WHERE hash = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)"
    };
    let found = connection
        .prepare_cached(sql)?
        .query_row(params![hash.as_str(), now], |row| {
            let stored: String = row.get("hash")?;
            let principal = Principal {
                user_id: row.get("user_id")?,
                key_id: row.get("id")?,
                by_session,
                permissions: words_column(row, "permissions")?,
                quota_requests: row.get("quota_requests")?,
                requests_used: row.get("requests_used")?,
                key_created_at: row.get("created_at")?,
            };
            Ok((stored, principal))
        })
        .optional()?;
    Ok(found
        .filter(|(stored, _)| hash.is(stored))
        .map(|(_, principal)| principal))
}
