//! Waiting for conditions: the only module that sleeps. Never waits without a deadline.

use moltproof_doubles::lag::{Patience, TooSlow};
use std::future::Future;
use std::time::Duration;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until `look` gives a value; `None` when the deadline has passed. Of time only that counts in which everybody came to his turn.
///
/// # Errors
/// Whatever `look` fails with; [`TooSlow`] when there was no value, and the machine took the time for it.
pub(crate) async fn until<T, E, F, Fut>(deadline: Duration, mut look: F) -> Result<Option<T>, E>
where
    E: From<TooSlow>,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>, E>>,
{
    let patience = Patience::of(deadline);
    loop {
        if let Some(value) = look().await? {
            return Ok(Some(value));
        }
        if patience.is_over() {
            let waited = || format!("not so within {} ms", patience.elapsed().as_millis());
            patience.blame(waited)?;
            return Ok(None);
        }
        pass(PAUSE).await;
    }
}

/// Lets real time pass: a quiet window in which something must not happen.
#[expect(clippy::disallowed_methods, reason = "this module owns waiting")]
pub(crate) async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
}
