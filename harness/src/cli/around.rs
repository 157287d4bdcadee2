//! What is done before and after the scenarios of a run: the build is confirmed, and what was made is removed. Never judges.

use super::target::Opened;
use super::{Failure, say};
use crate::contract::need::{Need, Variant};
use crate::subject::build;
use crate::sweep::{self, Scope};
use std::time::Duration;

/// The build under test, if the manifest says where it stands; the expected one, if it names one.
pub(super) async fn build_of(
    opened: &Opened,
    patience: Duration,
) -> Result<Option<String>, Failure> {
    let Some(probe) = opened.target.probe().build else {
        return Ok(None);
    };
    let fault = |why: String| Failure::fault(format!("cannot tell the build: {why}"));
    let instance = opened.target.instance(Variant::Production).await;
    let instance = instance.map_err(|error| fault(error.to_string()))?;
    build::confirm(&opened.client, &instance.base, &probe, patience)
        .await
        .map(Some)
        .map_err(fault)
}

/// A run over two builds judges neither.
pub(super) async fn same_build(opened: &Opened, before: Option<&str>) -> Result<(), Failure> {
    let (Some(probe), Some(before)) = (opened.target.probe().build, before) else {
        return Ok(());
    };
    let fault = |why: String| Failure::fault(format!("no verdict: {why}; run again"));
    let instance = opened.target.instance(Variant::Production).await;
    let instance = instance.map_err(|error| fault(error.to_string()))?;
    let now = build::ask(&opened.client.for_cleaning(), &instance.base, &probe)
        .await
        .map_err(fault)?;
    if build::is_same(before, &now) {
        Ok(())
    } else {
        Err(fault(format!(
            "the build changed during the run, from {before} to {now}"
        )))
    }
}

/// Removes what the run has left on a target that lives on; where that fails, says how to do it.
pub(super) async fn tidy(opened: &Opened, run: &str, quiet: bool) {
    let target = opened.target.as_ref();
    let operable = target.lacks(Need::Tenants).is_none();
    if target.standing().is_empty() || !operable {
        return;
    }
    let scope = Scope {
        run: Some(run.to_owned()),
        ..Scope::default()
    };
    let command = format!("moltproof sweep --target {} --run {run}", opened.named);
    match sweep::sweep(&opened.client.for_cleaning(), target, &scope).await {
        Ok(swept) if swept.left.is_empty() => {
            if !quiet {
                say(&format!(
                    "swept: {} tenants and {} entries of this run",
                    swept.tenants.len(),
                    swept.entries.len()
                ));
            }
        }
        Ok(swept) => say(&format!(
            "not everything of this run could be removed ({}); `{command}` tries again",
            swept.left.join("; ")
        )),
        Err(error) => say(&format!(
            "the tenants of this run could not be removed: {error}; `{command}` removes them"
        )),
    }
}
