//! Makes a sequence that does not hold as small as it can be: by leaving out operations as long as it goes on breaking the same criterion. Never adds one.

use super::operation::Operation;
use super::play::{Broken, Halt, play};
use crate::subject::Subject;
use crate::witness::{Exchanged, Tape};
use moltproof_doubles::clock;
use std::time::Duration;

/// Most plays of smaller sequences. Evidence: one of 64 operations is down to its two to five that matter after 20 to 50.
const TRIES_MAX: usize = 60;

/// Longest time spent on it: it is a convenience, and the sequence found stands without it.
const SHRINKING_MAX: Duration = Duration::from_secs(20);

/// What a sequence breaks, and what was exchanged meanwhile.
type Found = (Broken, Vec<Exchanged>);

/// The smallest sequence, and what it breaks. The tape holds what each play exchanges.
pub(super) async fn smallest(
    subject: &Subject,
    tape: &Tape,
    operations: &[Operation],
    mut found: Found,
) -> (Vec<Operation>, Found) {
    let began = clock::now();
    let mut left = operations.to_vec();
    let mut tries = 0;
    let mut size = left.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < left.len() {
            if tries == TRIES_MAX || began.elapsed() > SHRINKING_MAX {
                return (left, found);
            }
            tries += 1;
            let end = (at + size).min(left.len());
            let fewer = [&left[..at], &left[end..]].concat();
            let tried = still(subject, &fewer, found.0.criterion).await;
            let exchanged = tape.take();
            match tried {
                Some((until, less)) => {
                    left = fewer[..until].to_vec();
                    found = (less, exchanged);
                }
                None => at = end,
            }
        }
        size /= 2;
    }
    (left, found)
}

/// Up to which operation a sequence breaks the criterion, if it does.
async fn still(
    subject: &Subject,
    operations: &[Operation],
    criterion: &str,
) -> Option<(usize, Broken)> {
    match play(subject, operations).await.ok()?.halted? {
        (until, Halt::Broken(broken)) if broken.criterion == criterion => Some((until, broken)),
        (_, Halt::Broken(_) | Halt::Stopped(_)) => None,
    }
}
