//! A thread and runtime of its own for each double. It never runs on the caller's runtime.

use std::{
    future::Future,
    io,
    sync::{Mutex, PoisonError},
    thread,
};

use crate::lag;

use tokio::{runtime::Builder, sync::oneshot};

/// A running server thread; dropping it stops the server and waits for the thread.
#[derive(Debug)]
pub struct OwnThread {
    stop: Mutex<Option<oneshot::Sender<()>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl OwnThread {
    /// Runs the future that `serve` makes until it ends or the value is dropped, beside a heartbeat. `name` is the thread's.
    ///
    /// # Errors
    /// When a runtime or a thread cannot be had.
    pub fn spawn<F, Fut>(name: &str, serve: F) -> io::Result<Self>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()>,
    {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    tokio::select! {
                        () = serve() => {}
                        _ = stopped => {}
                        () = lag::serving() => {}
                    }
                });
                runtime.shutdown_background();
            })?;
        Ok(Self {
            stop: Mutex::new(Some(stop)),
            thread: Some(thread),
        })
    }
}

impl OwnThread {
    /// Whether the server still serves.
    pub(crate) fn is_up(&self) -> bool {
        let stopped = self
            .stop
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none();
        let ended = self
            .thread
            .as_ref()
            .is_none_or(thread::JoinHandle::is_finished);
        !stopped && !ended
    }

    /// Ends the server for good, its listeners included.
    pub(crate) fn stop(&self) {
        drop(
            self.stop
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

impl Drop for OwnThread {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has already said so on stderr; there is nobody left to tell.
            drop(thread.join());
        }
    }
}
