//! An instance of the target that one sentence has for itself: it is killed, and started again on the state that it has left. Never the one that others share.

use futures_util::future::BoxFuture;
use std::path::PathBuf;
use std::sync::Arc;

/// Starts such an instance, on a state of its own.
pub type OwnInstances =
    Arc<dyn Fn() -> BoxFuture<'static, Result<Box<dyn OwnInstance>, String>> + Send + Sync>;

/// It, running or not. Dropping it ends it.
pub trait OwnInstance: Send {
    /// Where it answers: scheme, host and port. It may be elsewhere after each start.
    fn base(&self) -> String;

    /// The SQLite file of its database, if that can be seen.
    fn database(&self) -> Option<PathBuf>;

    /// Sudden death (SIGKILL); returns when the process is gone.
    fn kill(&mut self) -> BoxFuture<'_, Result<(), String>>;

    /// Starts it again on the same state.
    fn start(&mut self) -> BoxFuture<'_, Result<(), String>>;
}
