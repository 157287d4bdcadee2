//! What must have become of a sequence so far: keys, windows, prices, rows and sums. Never asks the target.

use super::operation::{MODELS, Permissions, USERS};
use crate::oracle::cost::{Price, cost};
use crate::oracle::dates::DAY;
use crate::oracle::dates::date;
use crate::oracle::window::{KINDS, retry_after, start};
use std::collections::{BTreeMap, BTreeSet};

/// What a user may do in each window where nothing is set.
const USUAL: [i64; 3] = [60, 1_000, 10_000];

/// Days that windows are kept for where nothing is set.
const WINDOWS_KEPT: i64 = 7;

/// A key.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) user: usize,
    pub(super) permissions: Permissions,
    pub(super) quota: Option<u64>,
    pub(super) used: u64,
    pub(super) expires_at: Option<i64>,
    pub(super) is_revoked: bool,
}

/// A usage row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) user: usize,
    pub(super) key: usize,
    pub(super) model: usize,
    pub(super) is_of_conversation: bool,
    pub(super) tokens: Option<(u64, u64)>,
    pub(super) cost: Option<u128>,
    pub(super) at: i64,
}

/// A row of the daily statistics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) requests: u64,
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) cost: u128,
}

/// What becomes of a request of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Unauthenticated,
    /// With this wait, in seconds.
    Limited(i64),
    Forbidden,
    QuotaExceeded,
    Served,
}

/// The state.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) now: i64,
    pub(super) keys: Vec<Key>,
    limits: [[i64; 3]; USERS.len()],
    /// Counts by user, kind of window and its beginning.
    pub(super) windows: BTreeMap<(usize, usize, i64), i64>,
    pub(super) prices: [Vec<(i64, Price)>; MODELS.len()],
    pub(super) rows: Vec<Row>,
    pub(super) messages: [usize; USERS.len()],
    pub(super) sums: BTreeMap<(String, usize, usize), Sums>,
    /// Where the days that are summed end.
    summed_until: i64,
    pub(super) days_kept: i64,
    /// Changes by the operator that leave an entry, jobs and rules of retention left out.
    pub(super) changes: usize,
    set: BTreeSet<(usize, usize)>,
}

impl Model {
    /// Of a time before which every day is summed.
    pub(super) fn at(now: i64) -> Self {
        Self {
            now,
            keys: Vec::new(),
            limits: [USUAL; USERS.len()],
            windows: BTreeMap::new(),
            prices: [const { Vec::new() }; MODELS.len()],
            rows: Vec::new(),
            messages: [0; USERS.len()],
            sums: BTreeMap::new(),
            summed_until: now - now.rem_euclid(DAY),
            days_kept: 90,
            changes: 0,
            set: BTreeSet::new(),
        }
    }

    /// A request with a key that needs this permission; of a chat the quota is asked, too.
    pub(super) fn request(&mut self, key: usize, is_chat: bool) -> Answer {
        let now = self.now;
        let known = &self.keys[key];
        if known.is_revoked || known.expires_at.is_some_and(|at| now >= at) {
            return Answer::Unauthenticated;
        }
        let user = known.user;
        if let Some(wait) = self.wait(user) {
            return Answer::Limited(wait);
        }
        for (kind, (name, _)) in KINDS.iter().enumerate() {
            *self
                .windows
                .entry((user, kind, start(name, now)))
                .or_default() += 1;
        }
        let known = &mut self.keys[key];
        let is_allowed = if is_chat {
            known.permissions.may_chat()
        } else {
            known.permissions.may_read()
        };
        if !is_allowed {
            return Answer::Forbidden;
        }
        if is_chat {
            if known.quota.is_some_and(|quota| known.used >= quota) {
                return Answer::QuotaExceeded;
            }
            known.used += 1;
        }
        Answer::Served
    }

    /// How long the user has to wait, in seconds; none where every window has room.
    fn wait(&self, user: usize) -> Option<i64> {
        let exceeded = KINDS.iter().enumerate().filter(|(kind, (name, _))| {
            let window = (user, *kind, start(name, self.now));
            let count = self.windows.get(&window).copied().unwrap_or_default();
            count >= self.limits[user][*kind]
        });
        exceeded
            .map(|(_, (name, _))| retry_after(name, self.now))
            .max()
    }

    /// A chat that was answered.
    pub(super) fn chatted(
        &mut self,
        (key, model): (usize, usize),
        is_of_conversation: bool,
        tokens: Option<(u64, u64)>,
    ) {
        let user = self.keys[key].user;
        if is_of_conversation {
            self.messages[user] += 2;
        }
        let price = self.prices[model]
            .iter()
            .rev()
            .find(|(from, _)| *from <= self.now);
        let cost = tokens
            .zip(price)
            .map(|((tokens_in, tokens_out), (_, price))| cost(*price, tokens_in, tokens_out));
        self.rows.push(Row {
            user,
            key,
            model,
            is_of_conversation,
            tokens,
            cost,
            at: self.now,
        });
    }

    /// Whether the price is taken: it is after the one that stands.
    pub(super) fn price(&mut self, model: usize, price: Price) -> bool {
        let history = &mut self.prices[model];
        let is_taken = history.last().is_none_or(|(from, _)| *from < self.now);
        if is_taken {
            history.push((self.now, price));
            self.changes += 1;
        }
        is_taken
    }

    pub(super) fn limit(&mut self, user: usize, kind: usize, limit: i64) {
        if self.set.insert((user, kind)) || self.limits[user][kind] != limit {
            self.changes += 1;
        }
        self.limits[user][kind] = limit;
    }

    pub(super) fn made(&mut self, key: Key) {
        self.keys.push(key);
        self.changes += 1;
    }

    pub(super) fn revoke(&mut self, key: usize) {
        let was = std::mem::replace(&mut self.keys[key].is_revoked, true);
        self.changes += usize::from(!was);
    }

    /// Whether the key is replaced: it is in force.
    pub(super) fn rotate(&mut self, key: usize) -> bool {
        let now = self.now;
        let old = &mut self.keys[key];
        if old.is_revoked || old.expires_at.is_some_and(|at| now >= at) {
            return false;
        }
        old.is_revoked = true;
        let quota = old.quota.map(|quota| quota.saturating_sub(old.used));
        let new = Key {
            quota,
            used: 0,
            is_revoked: false,
            ..old.clone()
        };
        self.made(new);
        true
    }

    pub(super) fn back(&mut self, ms: i64) {
        self.now = (self.now - ms).max(self.summed_until.min(self.now));
    }

    /// Sums every whole day that is not summed.
    pub(super) fn sum(&mut self) {
        let until = self.now - self.now.rem_euclid(DAY);
        let new = self.summed_until..until.max(self.summed_until);
        for row in self.rows.iter().filter(|row| new.contains(&row.at)) {
            let of = (date(row.at), row.user, row.model);
            let sums = self.sums.entry(of).or_default();
            let (tokens_in, tokens_out) = row.tokens.unwrap_or_default();
            sums.requests += 1;
            sums.input += tokens_in;
            sums.output += tokens_out;
            sums.cost += row.cost.unwrap_or_default();
        }
        self.summed_until = new.end;
    }

    /// Removes what is too old, of days that are summed; how many rows.
    pub(super) fn retain(&mut self) -> usize {
        let (edge, until) = (self.now - self.days_kept * DAY, self.summed_until);
        let before = self.rows.len();
        self.rows.retain(|row| row.at >= edge || row.at >= until);
        let edge = self.now - WINDOWS_KEPT * DAY;
        self.windows
            .retain(|(_, kind, start), _| start + KINDS[*kind].1 >= edge);
        before - self.rows.len()
    }
}
