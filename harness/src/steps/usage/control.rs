//! What a usage row is looked for by, and whose fault it is that one is not as it should be. Never finds anything broken itself.
//!
//! Most criteria of usage are about whether there is a row, and whose: a row without counts is a row for them. And where the plainest prompt
//! of all leaves no right row, no other criterion is to be blamed for what its rows say.

use super::crowd::{extra_marker, scripted};
use super::rows::{of_tenant, visible_max};
use crate::doubles::{Reply, Script};
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

/// What wrong rows mean for the scenario's criteria: these counts were `seen` where those were `wanted`.
pub(super) async fn blamed(
    s: &mut Scene,
    stop: Stop,
    seen: &[Option<Tokens>],
    wanted: &[Tokens],
) -> Stop {
    let is_wanted = |count: &Option<Tokens>| count.is_some_and(|count| wanted.contains(&count));
    let too_many = seen.len() > wanted.len();
    if all_among(s, &OF_ABSENCE) {
        // A row that is nobody's success is what was not to be there; one that is doubled is not.
        if too_many && !seen.iter().all(is_wanted) {
            return stop;
        }
        // A stream without counts of its own may be billed by those of the one before.
        if too_many && all_among(s, &["USG-007"]) {
            return unless_plain(s, stop).await;
        }
        return stop.or_unmet("USG-001");
    }
    if counts_may_lack(s) && seen.len() == wanted.len() {
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

/// A plain prompt's row is USG-001's, a streamed one's USG-006's. What cannot be looked at excuses nobody.
async fn unless_plain(s: &mut Scene, stop: Stop) -> Stop {
    if !matches!(stop, Stop::Violation(_)) {
        return stop;
    }
    let is_about = |id: &str| s.planned.criteria.iter().any(|own| own == id);
    let (of_plain, of_shapes, of_streams) = (
        is_about("USG-001"),
        is_about("USG-016"),
        is_about("USG-006"),
    );
    let mut is_broken = matches!(is_billed(s, Control::Plain).await, Ok(false));
    // A shape that is not understood is USG-016's, be it the plain one.
    if is_broken && of_shapes {
        is_broken = matches!(is_billed(s, Control::Native).await, Ok(false));
    }
    if is_broken {
        return if of_plain {
            stop
        } else {
            stop.or_unmet("USG-001")
        };
    }
    if !of_streams && !of_shapes && matches!(is_billed(s, Control::Streamed).await, Ok(false)) {
        return stop.or_unmet("USG-006");
    }
    stop
}

/// A prompt that every backend bills.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Control {
    Plain,
    Native,
    Streamed,
}

/// Whether a prompt of another tenant leaves its one row.
async fn is_billed(s: &mut Scene, control: Control) -> Result<bool, Stop> {
    let name = format!("usage-control-{}", control as u8);
    let tenant = s.new_tenant(&name, "free").await?;
    s.make_tenant(&name, tenant).await?;
    let tenant = s.tenant(&name)?;
    let marker = extra_marker(s, CONTROL_NUMBER + control as usize);
    let is_streamed = control == Control::Streamed;
    let request = scripted(s, &tenant, &marker, CONTROL, is_streamed).await?;
    if control == Control::Native {
        let (tokens_in, tokens_out) = (CONTROL.0.unsigned_abs(), CONTROL.1.unsigned_abs());
        let reply = Reply::native("Hello.", tokens_in, tokens_out);
        s.gateway().await?.script(&marker, Script::always(reply));
    }
    s.send(request).await?;
    let d1 = s.d1().await?;
    let there = wait::until::<_, Stop, _, _>(visible_max(s), || {
        let (d1, id) = (Arc::clone(&d1), tenant.id.clone());
        async move {
            let rows = of_tenant(&d1, &id).await?;
            let counts: Vec<_> = rows.iter().map(usage::tokens).collect();
            let right = counts == [Some(CONTROL)];
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
