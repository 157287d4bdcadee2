//! What a usage row is looked for by, and whose fault it is that one is not as it should be. Never finds anything broken itself.
//!
//! Most criteria of usage are about whether there is a row, and whose: a row without counts is a row for them. And where the plainest prompt
//! of all leaves no right row, no other criterion is to be blamed for what its rows say.

use super::crowd::{extra_marker, scripted};
use super::rows::{of_tenant, visible_max};
use crate::oracle::usage::{self, Tokens};
use crate::run::scene::Scene;
use crate::verdict::{Check, Stop};
use crate::wait::{self, Look};
use std::sync::Arc;

/// Criteria that promise rows and not what stands in them.
const OF_ROWS_ALONE: [&str; 10] = [
    "USG-002", "USG-003", "USG-004", "USG-005", "USG-007", "USG-008", "USG-009", "USG-010",
    "USG-013", "USG-015",
];
/// Criteria that promise that there is no row: one that is missing is no breach of theirs.
const OF_ABSENCE: [&str; 5] = ["USG-002", "USG-003", "USG-004", "USG-007", "USG-013"];
/// Criteria that a plain prompt's row is the subject of.
const OF_PLAIN_ROWS: [&str; 2] = ["USG-001", "USG-016"];
/// Counts of the control's own.
const CONTROL: Tokens = (9_173, 2_819);
/// The control's number among the scenario's further prompts.
const CONTROL_NUMBER: usize = 9_999;

fn all_among(s: &Scene, list: &[&str]) -> bool {
    let mut own = s.planned.criteria.iter();
    own.all(|id| list.contains(&id.as_str()))
}

/// Whether a row of this scenario may be known by its tenant alone, where it tells no counts.
pub(super) fn counts_may_lack(s: &Scene) -> bool {
    all_among(s, &OF_ROWS_ALONE)
}

/// Whether the counts that were seen are those that were wanted; with `lack` a row without counts is any of them.
pub(super) fn fit(seen: &[Option<Tokens>], wanted: &[Option<Tokens>], lack: bool) -> bool {
    if !lack || seen.len() != wanted.len() {
        return seen == wanted;
    }
    let mut left = wanted.to_vec();
    seen.iter().flatten().all(|tokens| {
        let place = left.iter().position(|wanted| *wanted == Some(*tokens));
        place.map(|at| left.swap_remove(at)).is_some()
    })
}

/// What wrong rows mean for the scenario's criteria: `seen` rows where `wanted` were to be.
pub(super) async fn blamed(s: &mut Scene, stop: Stop, seen: usize, wanted: usize) -> Stop {
    let too_many = seen > wanted;
    if (all_among(s, &OF_ABSENCE) && !too_many) || (counts_may_lack(s) && seen == wanted) {
        return stop.or_unmet("USG-001");
    }
    unless_plain(s, stop).await
}

/// A finding about rows, unless a plain prompt of another tenant leaves no right row either.
pub(super) async fn blamed_on_plain(s: &mut Scene, check: Check) -> Check {
    match check {
        Ok(()) => Ok(()),
        Err(stop) => Err(unless_plain(s, stop).await),
    }
}

async fn unless_plain(s: &mut Scene, stop: Stop) -> Stop {
    if !matches!(stop, Stop::Violation(_)) || all_among(s, &OF_PLAIN_ROWS) {
        return stop;
    }
    match plain_is_billed(s).await {
        Ok(false) => stop.or_unmet("USG-001"),
        // What cannot be looked at excuses nobody.
        Ok(true) | Err(_) => stop,
    }
}

async fn plain_is_billed(s: &mut Scene) -> Result<bool, Stop> {
    let tenant = s.new_tenant("usage-control", "free").await?;
    s.make_tenant("usage-control", tenant).await?;
    let tenant = s.tenant("usage-control")?;
    let marker = extra_marker(s, CONTROL_NUMBER);
    let request = scripted(s, &tenant, &marker, CONTROL, false).await?;
    s.send(request).await?;
    let d1 = s.d1().await?;
    let there = wait::until::<_, Stop, _, _>(visible_max(s), || {
        let (d1, id) = (Arc::clone(&d1), tenant.id.clone());
        async move {
            let rows = of_tenant(&d1, &id).await?;
            let right = rows.iter().any(|row| usage::tokens(row) == Some(CONTROL));
            Ok(if right {
                Look::Done(())
            } else {
                Look::NotYet(format!("{} rows", rows.len()))
            })
        }
    })
    .await?;
    Ok(there.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_without_counts_is_any_row_where_counts_may_lack() {
        let wanted = [Some((1, 2)), Some((3, 4))];
        assert!(fit(&[None, Some((3, 4))], &wanted, true));
        assert!(!fit(&[None, Some((3, 4))], &wanted, false));
        assert!(!fit(&[None, Some((5, 4))], &wanted, true));
        assert!(!fit(&[Some((3, 4)), Some((3, 4))], &wanted, true));
        assert!(!fit(&[None], &wanted, true));
        assert!(fit(&wanted, &wanted, false));
    }
}
