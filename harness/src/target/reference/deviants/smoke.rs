//! Backends that fail the smoke test. Never breaks more than one thing at a time.

use super::Draft;

pub(super) fn all() -> Vec<Draft> {
    vec![]
}
