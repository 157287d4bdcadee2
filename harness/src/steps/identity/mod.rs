//! Steps of the sandbox id: derivation, refusal of wrong ones, spellings. Never takes the expected id from the target.

mod changes;
mod derivation;
mod everywhere;
mod spelling;
mod wrong_id;

use super::operating::create;
use crate::run::book::Book;
use crate::run::scene::Scene;
use crate::verdict::{Check, Stop};

/// A finding about a sandbox id, unless the plainest tenant's does not follow from its id as the contract has it either: that is ID-004's.
pub(super) async fn unless_derived_otherwise(s: &mut Scene, check: Check) -> Check {
    let Err(stop @ Stop::Violation(_)) = check else {
        return check;
    };
    let mut control = s.new_tenant("derivation-control", "free").await?;
    while !is_telling(&control.sandbox_id) {
        control = s.new_tenant("derivation-control", "free").await?;
    }
    let answer = create(s, &control.creation()).await?;
    let seen = answer.text_at(&s.dialect().tenant_sandbox_id);
    let is_other = seen.is_some_and(|seen| seen != control.sandbox_id);
    Err(if is_other {
        stop.or_unmet("ID-004")
    } else {
        stop
    })
}

/// Whether a byte of the hash is below 16, which shows as well who writes such a byte without its leading zero.
fn is_telling(sandbox_id: &str) -> bool {
    let digits = sandbox_id.trim_start_matches("sk-").as_bytes();
    digits.chunks(2).any(|byte| byte[0] == b'0')
}

/// Adds the steps.
pub(super) fn register(book: &mut Book) {
    derivation::register(book);
    changes::register(book);
    everywhere::register(book);
    spelling::register(book);
    wrong_id::register(book);
}
