//! Which run store is meant, and what is done with a run that ended. Never fails a run because its report cannot be kept.

use super::say;
use crate::report::Report;
use crate::report::repeat::STORE;
use crate::store::{NONE, Store};

/// Options that name the store.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct StoreArgs {
    /// Folder for the reports of the last 20 runs and the history; `none` keeps nothing.
    #[arg(
        long,
        env = "MOLTPROOF_STORE",
        value_name = "DIR|none",
        default_value = STORE
    )]
    store: String,
}

impl StoreArgs {
    /// The store, unless none is wanted.
    pub(super) fn open(&self) -> Option<Store> {
        (self.store != NONE).then(|| Store::at(&self.store))
    }

    /// Keeps a report; the report says where.
    pub(super) fn keep(&self, report: &mut Report) {
        let Some(store) = self.open() else {
            return;
        };
        report.kept = Some(self.store.clone());
        if let Err(error) = store.keep(report) {
            report.kept = None;
            say(&format!(
                "warning: the run cannot be kept in {}: {error}; name another folder with --store, or `--store none`",
                self.store
            ));
        }
    }
}
