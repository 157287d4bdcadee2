//! The table of sentences and the functions that judge them. Never judges.

use crate::outcome::Judged;
use crate::subject::Subject;
use futures_util::future::BoxFuture;
use moltproof_doubles::lag::progress;
use std::pin::pin;
use std::time::Duration;

/// A judgement under way.
pub type Judging<'s> = BoxFuture<'s, Judged>;

/// One thing that is judged of a criterion.
#[derive(Debug, Clone, Copy)]
pub struct Aspect {
    /// The criterion (`API-001`).
    pub criterion: &'static str,
    /// What holds, as a sentence in the present tense without a full stop.
    pub sentence: &'static str,
    /// With what it may not share the target.
    pub alone: Alone,
    pub(crate) function: for<'s> fn(&'s Subject) -> Judging<'s>,
}

/// With what an aspect may not share its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alone {
    /// It uses no running target: the files are judged, or what the target's own tool makes of them.
    Apart,
    /// It keeps to its own users, addresses, models, flags and webhooks.
    Beside,
    /// It runs jobs, which touch what others of this kind have made.
    Jobs,
    /// It changes what holds for every caller, or what every caller does would change what it sees: answers that a webhook gives in turn
    /// go to the events of others too, and a target that is busy with others may give up an endpoint that has answered.
    Whole,
}

/// An [`Aspect`] of a criterion: `aspect!("API-002", Beside, "a sentence", function)`.
macro_rules! aspect {
    ($criterion:literal, $alone:ident, $sentence:literal, $function:path) => {
        $crate::aspect::Aspect {
            criterion: $criterion,
            sentence: $sentence,
            alone: $crate::aspect::Alone::$alone,
            function: |subject| Box::pin($function(subject)),
        }
    };
}
pub(crate) use aspect;

impl Aspect {
    /// Judges it, when nothing is in its way.
    ///
    /// # Errors
    /// Why it does not hold, or was not judged.
    pub async fn judge(&self, subject: &Subject) -> Judged {
        let turns = &subject.turns;
        match self.alone {
            Alone::Apart => (self.function)(subject).await,
            Alone::Beside => {
                let _shared = its_turn(turns.whole.read()).await;
                (self.function)(subject).await
            }
            Alone::Jobs => {
                let _one = its_turn(turns.jobs.lock()).await;
                let _shared = its_turn(turns.whole.read()).await;
                (self.function)(subject).await
            }
            Alone::Whole => {
                let _one = its_turn(turns.jobs.lock()).await;
                let _whole = its_turn(turns.whole.write()).await;
                (self.function)(subject).await
            }
        }
    }
}

/// How often somebody who waits for his turn says that he does.
const WAITING: Duration = Duration::from_secs(5);

/// Waits for a turn. Whoever waits has not stalled: those who are before him are watched themselves.
async fn its_turn<F: Future>(turn: F) -> F::Output {
    let mut turn = pin!(turn);
    loop {
        if let Ok(turn) = tokio::time::timeout(WAITING, turn.as_mut()).await {
            return turn;
        }
        progress::moved();
    }
}
