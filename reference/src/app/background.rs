//! Work that goes on when the caller is gone: usage rows, operators' writes. Never keeps a caller waiting.

use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Counts the tasks that still run.
#[derive(Debug, Clone)]
pub struct Background {
    running: watch::Sender<usize>,
}

impl Default for Background {
    fn default() -> Self {
        Self {
            running: watch::Sender::new(0),
        }
    }
}

/// Counts one task down, also when it panics.
struct Running(watch::Sender<usize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Background {
    /// Runs a task to its end, whether or not anybody waits for it.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.running.send_modify(|count| *count += 1);
        let running = Running(self.running.clone());
        tokio::spawn(async move {
            let _running = running;
            task.await
        })
    }

    /// Returns once no task runs.
    pub async fn idle(&self) {
        let mut running = self.running.subscribe();
        // The sender lives as long as `self`: waiting cannot fail.
        drop(running.wait_for(|count| *count == 0).await);
    }
}
