//! Usage of many callers, written together. Never tells one caller of another's refusal, nor anybody before the rows are on the disk.
//!
//! Chats that leave nothing but their usage wait here until the writing thread comes to them, and then go into the database in the order of
//! their users and several a statement: rows of one user share pages of most indexes, and what a statement may have to undo is kept once.

use super::chats::{cost_of, insert, keep};
use super::keys::Told;
use super::{Refusal, Store, deliveries, in_savepoint, prices};
use crate::domain::fields::EventKind;
use crate::domain::records::{ModelPrice, Usage};
use moltworker_reference::ports::StoreError;
use moltworker_reference::store::{is_refusal, store_error};
use rusqlite::{Connection, Statement, ToSql};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Rows of one job: half of what the writing thread puts into a transaction, so that callers of one half come back while the other is written.
const ROWS_MAX: usize = 2_048;

/// Columns of a row.
const COLUMNS: usize = 11;

/// Rows of one statement: D1 takes at most a hundred values.
const ROWS_OF_A_STATEMENT: usize = 9;

static INSERT_SEVERAL: LazyLock<String> = LazyLock::new(|| {
    let row = format!("({})", ["?"; COLUMNS].join(", "));
    format!(
        "INSERT INTO usage_logs
           (id, request_id, user_id, api_key_id, conversation_id, model, input_tokens, output_tokens, cost_micros, latency_ms, created_at)
         VALUES {}",
        vec![row; ROWS_OF_A_STATEMENT].join(", ")
    )
});

type Outcome = Result<Told<Usage>, StoreError>;
type Reply = oneshot::Sender<Outcome>;

/// Usage that nobody has begun to write.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Vec<(Usage, Reply)>>);

/// What is about to be written.
struct Taken {
    usages: Vec<Usage>,
    replies: Vec<Reply>,
    /// Whether more is waiting than one job takes.
    is_more: bool,
}

/// The callers of one job, for whoever tells them how it ended.
#[derive(Default)]
struct Callers {
    replies: Vec<Reply>,
    is_more: bool,
}

/// What failed all usage of one job.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
struct Shared(Arc<StoreError>);

/// The job of this usage was lost.
#[derive(Debug, thiserror::Error)]
#[error("the usage was given up")]
struct GivenUp;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one call: a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Waiting {
    /// Puts usage to the rest; whether it is the first, so that somebody has to come for it.
    fn push(&self, usage: Usage, reply: Reply) -> bool {
        let mut rows = lock(&self.0);
        rows.push((usage, reply));
        rows.len() == 1
    }

    fn take(&self, most: usize) -> Taken {
        let mut rows = lock(&self.0);
        let count = rows.len().min(most);
        let (usages, replies) = rows.drain(..count).unzip();
        let is_more = !rows.is_empty();
        Taken {
            usages,
            replies,
            is_more,
        }
    }
}

impl Store {
    /// Writes the usage of a chat that leaves nothing else, its cost by the price of that moment.
    ///
    /// It is carried out even if the caller goes away.
    pub(super) async fn keep_usage(&self, usage: Usage) -> Outcome {
        let (reply, answer) = oneshot::channel();
        if self.waiting.push(usage, reply) {
            let store = self.clone();
            tokio::spawn(async move { store.write_waiting().await });
        }
        let given_up = |_| StoreError::Unavailable(Box::new(GivenUp));
        answer.await.map_err(given_up)?
    }

    /// Has the writing thread take what waits when it comes to it, and tells the callers how that ended.
    async fn write_waiting(&self) {
        loop {
            let callers = Arc::new(Mutex::new(Callers::default()));
            let (waiting, theirs) = (Arc::clone(&self.waiting), Arc::clone(&callers));
            let written = self.file.write(move |connection| {
                let Taken {
                    usages,
                    replies,
                    is_more,
                } = waiting.take(ROWS_MAX);
                *lock(&theirs) = Callers { replies, is_more };
                write(connection, usages)
            });
            let written = written.await;
            let Callers { replies, is_more } = std::mem::take(&mut *lock(&callers));
            match written {
                Ok(outcomes) => tell(replies, outcomes),
                Err(failure) => self.fail(replies, failure),
            }
            if !is_more {
                return;
            }
        }
    }

    /// Tells these callers of a failure; all that wait if the writing thread has not come to any.
    fn fail(&self, replies: Vec<Reply>, failure: StoreError) {
        let replies = if replies.is_empty() {
            self.waiting.take(usize::MAX).replies
        } else {
            replies
        };
        let is_busy = matches!(failure, StoreError::Busy(_));
        let shared = Shared(Arc::new(failure));
        let outcomes = replies.iter().map(|_reply| {
            let shared = Box::new(shared.clone());
            Err(if is_busy {
                StoreError::Busy(shared)
            } else {
                StoreError::Unavailable(shared)
            })
        });
        let outcomes = outcomes.collect();
        tell(replies, outcomes);
    }
}

fn tell(replies: Vec<Reply>, outcomes: Vec<Outcome>) {
    for (reply, outcome) in replies.into_iter().zip(outcomes) {
        // A caller that went away does not want to know.
        drop(reply.send(outcome));
    }
}

/// Writes usage; what became of each, in its order. An error concerns all of it.
fn write(connection: &Connection, mut usages: Vec<Usage>) -> rusqlite::Result<Vec<Outcome>> {
    if deliveries::is_heard(connection, EventKind::ChatCompleted)? {
        return usages
            .into_iter()
            .map(|usage| refused_alone(announced(connection, usage)))
            .collect();
    }
    let mut prices = Prices::default();
    for usage in &mut usages {
        usage.cost_micros = prices.cost(connection, usage)?;
    }
    let mut refusals = insert_all(connection, &usages)?;
    let outcome = |(place, value)| match refusals.remove(&place) {
        Some(refusal) => Err(refusal),
        None => Ok(Told {
            value,
            deliveries: Vec::new(),
        }),
    };
    Ok(usages.into_iter().enumerate().map(outcome).collect())
}

/// With its event, whole or not at all.
fn announced(connection: &Connection, usage: Usage) -> rusqlite::Result<Told<Usage>> {
    let kept = in_savepoint(connection, |connection| {
        keep(connection, usage, &[]).map(Ok::<_, Refusal>)
    });
    // Nothing is refused.
    kept?.map_err(|_never| rusqlite::Error::InvalidQuery)
}

/// A refusal of one row is its caller's; any other error is everybody's.
fn refused_alone<T>(done: rusqlite::Result<T>) -> rusqlite::Result<Result<T, StoreError>> {
    match done {
        Ok(value) => Ok(Ok(value)),
        Err(error) if is_refusal(&error) => Ok(Err(store_error(error))),
        Err(error) => Err(error),
    }
}

/// Inserts rows, each of them or none of it; why some are refused, by their places.
fn insert_all(
    connection: &Connection,
    usages: &[Usage],
) -> rusqlite::Result<BTreeMap<usize, StoreError>> {
    let mut order: Vec<usize> = (0..usages.len()).collect();
    order.sort_unstable_by_key(|&place| (&usages[place].user_id, &usages[place].id));
    let mut refusals = BTreeMap::new();
    for places in order.chunks(ROWS_OF_A_STATEMENT) {
        if places.len() == ROWS_OF_A_STATEMENT {
            let rows = places.iter().map(|&place| &usages[place]);
            if refused_alone(insert_several(connection, rows))?.is_ok() {
                continue;
            }
        }
        for &place in places {
            if let Err(refusal) = refused_alone(insert(connection, &usages[place]))? {
                refusals.insert(place, refusal);
            }
        }
    }
    Ok(refusals)
}

/// Inserts as many rows as a statement takes, or none of them.
fn insert_several<'u>(
    connection: &Connection,
    usages: impl Iterator<Item = &'u Usage>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(&INSERT_SEVERAL)?;
    for (row, usage) in usages.enumerate() {
        bind(&mut statement, row * COLUMNS, usage)?;
    }
    statement.raw_execute().map(drop)
}

fn bind(statement: &mut Statement<'_>, before: usize, usage: &Usage) -> rusqlite::Result<()> {
    let values: [&dyn ToSql; COLUMNS] = [
        &usage.id,
        &usage.request_id,
        &usage.user_id,
        &usage.api_key_id,
        &usage.conversation_id,
        &usage.model,
        &usage.input_tokens,
        &usage.output_tokens,
        &usage.cost_micros,
        &usage.latency_ms,
        &usage.created_at,
    ];
    for (number, value) in (before + 1..).zip(values) {
        statement.raw_bind_parameter(number, value)?;
    }
    Ok(())
}

/// Prices that were looked up for these rows.
#[derive(Default)]
struct Prices(BTreeMap<String, ModelPrice>);

impl Prices {
    fn cost(&mut self, connection: &Connection, usage: &Usage) -> rusqlite::Result<Option<i64>> {
        let now = usage.created_at;
        // Prices of a model do not overlap: what is valid at a time is the one price that is.
        let is_valid = |price: &&ModelPrice| {
            price.valid_from <= now && price.valid_to.is_none_or(|end| now < end)
        };
        if let Some(known) = self.0.get(&usage.model).filter(is_valid) {
            return Ok(cost_of(usage, Some(known)));
        }
        let price = prices::at(connection, &usage.model, now)?;
        let cost = cost_of(usage, price.as_ref());
        if let Some(price) = price {
            self.0.insert(usage.model.clone(), price);
        }
        Ok(cost)
    }
}

#[cfg(test)]
#[path = "usage_rows_tests.rs"]
mod tests;
