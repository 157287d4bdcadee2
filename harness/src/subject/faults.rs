//! Faults of D1 and KV, one tenant at a time. Never touches a store itself: an adapter of the target asks what to do before each call.

use crate::clock;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// The call takes this much longer.
    Slow(Duration),
    /// D1 is overloaded; nothing is done.
    Busy,
    /// D1 is overloaded or busy, in these words; nothing is done.
    BusySaying(&'static str),
    /// The store is out of reach; nothing is done.
    Unavailable,
    /// The call is done and its answer is lost: this is said in its place.
    AnswerLost(&'static str),
}

/// What is said in place of an answer that is lost on its way.
pub const LOST: &str = "Network connection lost.";

/// Which calls a fault is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Calls {
    /// Reads of `tenants` in D1.
    TenantRead,
    /// Writes of `usage` in D1.
    UsageWrite,
    /// Reads of the registry in KV.
    RegistryRead,
}

/// The faults of one instance. A scope is a tenant id, a slug or a host name: whatever the call names.
#[derive(Debug, Default)]
pub struct StoreFaults {
    plans: Mutex<HashMap<(Calls, String), Plan>>,
    /// Other words for a scope, such as the slug of a tenant whose id no statement names.
    words: Mutex<HashMap<String, String>>,
    /// Whether the store tells when a call is through.
    tells: AtomicBool,
    /// Statements by the value for which they are listened to, each once.
    statements: Mutex<HashMap<String, BTreeSet<String>>>,
}

/// When a call was through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Through {
    /// At this moment.
    At(Instant),
    /// It is not, so far.
    NotYet,
    /// The store does not tell.
    Untold,
}

/// Whether a word stands in a text by itself, and not as a part of a longer one.
fn names(text: &str, word: &str) -> bool {
    let is_of_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.match_indices(word).any(|(at, found)| {
        let before = text[..at].bytes().next_back();
        let after = text[at + found.len()..].bytes().next();
        !before.is_some_and(is_of_word) && !after.is_some_and(is_of_word)
    })
}

#[derive(Debug, Clone)]
struct Plan {
    fault: StoreFault,
    /// How many calls it is for; `None` for all.
    left: Option<u32>,
    /// When each call asked.
    asked: Vec<Instant>,
    /// When the last call was through, where the store tells.
    through: Option<Instant>,
}

impl StoreFaults {
    /// From now on the next `times` calls (`None`: all) in this scope meet the fault.
    pub fn set(&self, calls: Calls, scope: &str, fault: StoreFault, times: Option<u32>) {
        self.plans().insert(
            (calls, scope.to_owned()),
            Plan {
                fault,
                left: times,
                asked: Vec::new(),
                through: None,
            },
        );
    }

    /// Calls in this scope work again.
    pub fn clear(&self, calls: Calls, scope: &str) {
        self.plans().remove(&(calls, scope.to_owned()));
    }

    /// How many calls in this scope were seen since the fault was set, failed or not.
    #[must_use]
    pub fn asked(&self, calls: Calls, scope: &str) -> u32 {
        let times = self.asked_at(calls, scope).len();
        u32::try_from(times).unwrap_or(u32::MAX)
    }

    /// When each call in this scope was seen since the fault was set, failed or not.
    #[must_use]
    pub fn asked_at(&self, calls: Calls, scope: &str) -> Vec<Instant> {
        self.plans()
            .get(&(calls, scope.to_owned()))
            .map(|plan| plan.asked.clone())
            .unwrap_or_default()
    }

    /// When the last call in this scope since the fault was set was through.
    #[must_use]
    pub fn through(&self, calls: Calls, scope: &str) -> Through {
        let told = self
            .plans()
            .get(&(calls, scope.to_owned()))
            .and_then(|plan| plan.through);
        match told {
            Some(at) => Through::At(at),
            None if self.tells.load(Ordering::Relaxed) => Through::NotYet,
            None => Through::Untold,
        }
    }

    /// From now on the store's adapter tells when a write of usage is through.
    pub fn will_tell(&self) {
        self.tells.store(true, Ordering::Relaxed);
    }

    /// A call in this scope is through. Told by the target's store adapter, if it can.
    pub fn is_through(&self, calls: Calls, scope: &str) {
        if let Some(plan) = self.plans().get_mut(&(calls, scope.to_owned())) {
            plan.through = Some(clock::now());
        }
    }

    /// From now on statements of D1 that have this value are kept.
    pub fn listen(&self, value: &str) {
        self.statements().entry(value.to_owned()).or_default();
    }

    /// A statement of D1, as it was sent, with its values. Told by the target's store adapter, if it knows them.
    pub fn hear<'a>(&self, sql: &str, values: impl IntoIterator<Item = &'a str>) {
        let mut statements = self.statements();
        for value in values {
            if let Some(heard) = statements.get_mut(value) {
                heard.insert(sql.to_owned());
            }
        }
    }

    /// The statements with this value since it was listened to.
    #[must_use]
    pub fn heard(&self, value: &str) -> BTreeSet<String> {
        self.statements().get(value).cloned().unwrap_or_default()
    }

    fn statements(&self) -> MutexGuard<'_, HashMap<String, BTreeSet<String>>> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on a call that names one of these words is in the scope as well.
    pub fn also_called<'a>(&self, scope: &str, words: impl IntoIterator<Item = &'a str>) {
        let mut known = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        for word in words.into_iter().filter(|word| !word.is_empty()) {
            known.insert(word.to_owned(), scope.to_owned());
        }
    }

    /// What the next call meets that has these texts as values, statement or key. It counts once in a scope, however often it names it.
    pub fn meet_in<'a>(
        &self,
        calls: Calls,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Option<StoreFault> {
        let mut scopes = Vec::new();
        for scope in texts.into_iter().filter_map(|text| self.scope(calls, text)) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes.iter().find_map(|scope| self.meet(calls, scope))
    }

    /// The scope that a text is, or names by itself or in another word.
    fn scope(&self, calls: Calls, text: &str) -> Option<String> {
        let plans = self.plans();
        let known = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = plans.keys().filter(|(of, _)| *of == calls);
        let named = own.find(|(_, scope)| names(text, scope));
        let called = || {
            let mut words = known.iter().filter(|(word, _)| names(text, word));
            words.find(|(_, scope)| plans.contains_key(&(calls, (*scope).clone())))
        };
        named
            .map(|(_, scope)| scope)
            .or_else(|| called().map(|(_, scope)| scope))
            .cloned()
    }

    /// What the next call in this scope meets. Asked by the target's store adapter, once per call.
    pub fn meet(&self, calls: Calls, scope: &str) -> Option<StoreFault> {
        let mut plans = self.plans();
        if plans.is_empty() {
            return None;
        }
        let plan = plans.get_mut(&(calls, scope.to_owned()))?;
        plan.asked.push(clock::now());
        match &mut plan.left {
            None => Some(plan.fault),
            Some(0) => None,
            Some(left) => {
                *left -= 1;
                Some(plan.fault)
            }
        }
    }

    fn plans(&self) -> MutexGuard<'_, HashMap<(Calls, String), Plan>> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_in_a_scope_by_any_part_that_names_it() {
        let faults = StoreFaults::default();
        let (calls, fault) = (Calls::TenantRead, StoreFault::Unavailable);
        faults.set(calls, "u-1", fault, None);
        faults.also_called("u-1", ["acme", "acme.example"]);
        let met = |text: &str| faults.meet_in(calls, [text]).is_some();
        assert!(met("u-1") && met("acme") && met("SELECT * FROM t WHERE slug = 'acme'"));
        assert!(met("site:acme.example"));
        assert!(!met("acme-2") && !met("u-10") && !met("SELECT 1"));
        assert_eq!(faults.asked(calls, "u-1"), 4);
    }

    #[test]
    fn statements_are_kept_for_the_values_that_are_listened_to() {
        let faults = StoreFaults::default();
        faults.hear("SELECT 0", ["u-1"]);
        faults.listen("u-1");
        faults.hear("SELECT 1", ["u-1", "9"]);
        faults.hear("SELECT 2", ["u-2"]);
        assert_eq!(faults.heard("u-1"), BTreeSet::from(["SELECT 1".to_owned()]));
        assert!(faults.heard("u-2").is_empty());
    }

    #[test]
    fn a_call_that_names_its_scope_twice_counts_once() {
        let faults = StoreFaults::default();
        let (calls, fault) = (Calls::UsageWrite, StoreFault::Unavailable);
        faults.set(calls, "u-1", fault, Some(1));
        faults.also_called("u-1", ["acme"]);
        assert!(faults.meet_in(calls, ["u-1", "acme"]).is_some());
        assert!(faults.meet_in(calls, ["u-1", "acme"]).is_none());
        assert_eq!(faults.asked(calls, "u-1"), 2);
    }
}
