//! What a scenario reads of the log. Never takes a missing line for a proof where lines may be missing.

#![expect(
    clippy::missing_errors_doc,
    reason = "every error here is a `Stop`, which ends the scenario and says why"
)]

use super::{Scene, late, missing};
use crate::contract::need::Need;
use crate::observe::{LogLine, Logs};
use crate::run::capture::own_words;
use crate::verdict::Stop;
use crate::wait;
use crate::wait::Look;
use std::sync::Arc;
use std::time::Duration;

/// How late the line of a log that comes from afar may be. Evidence: `wrangler tail` shows a line one to three seconds after it was written.
const REMOTE_LOG: Duration = Duration::from_secs(10);

impl Scene {
    async fn logs(&mut self) -> Result<Arc<dyn Logs>, Stop> {
        self.uses.note("logs");
        self.instance()
            .await?
            .logs
            .clone()
            .ok_or_else(|| missing(Need::Logs))
    }

    /// From here on the scenario cannot pass any more, only fail or end as not verified.
    pub fn cannot_prove(&mut self, why: impl Into<String>) {
        self.unproven.get_or_insert_with(|| why.into());
    }

    /// Every log line since the scenario began to talk to the instance. Other scenarios' lines are among them.
    pub async fn log_lines(&mut self) -> Result<Vec<LogLine>, Stop> {
        let mark = self.log_mark;
        self.lines_from(mark).await
    }

    /// Every log line since the instance was started.
    pub async fn all_log_lines(&mut self) -> Result<Vec<LogLine>, Stop> {
        self.lines_from(0).await
    }

    async fn lines_from(&mut self, mark: usize) -> Result<Vec<LogLine>, Stop> {
        let logs = self.logs().await?;
        let lines = self.lines_of(logs.as_ref(), mark);
        if self.run.captures {
            let own = own_words(self);
            self.lines.look(mark, &lines, &own);
        }
        Ok(lines)
    }

    /// The lines of a log from a mark on. Where some may be missing nothing is proven by those that are not there.
    pub fn lines_of(&mut self, logs: &dyn Logs, mark: usize) -> Vec<LogLine> {
        if let Some(why) = logs.gaps() {
            self.cannot_prove(why);
        }
        self.run.target.dialect().log.read(logs.since(mark))
    }

    /// Waits for a log line; `expected` says for which, in the finding if it does not come.
    pub async fn wait_for_log(
        &mut self,
        expected: &str,
        deadline: Duration,
        wanted: impl Fn(&LogLine) -> bool,
    ) -> Result<LogLine, Stop> {
        let mark = self.log_mark;
        let first = |lines: &[LogLine]| lines.iter().find(|line| wanted(line)).cloned();
        self.wait_for_line(mark, expected, deadline, first).await
    }

    /// As [`Self::wait_for_log`], among all lines since the instance was started: what is waited for may stand in several of them.
    pub async fn wait_for_log_since_start(
        &mut self,
        expected: &str,
        deadline: Duration,
        wanted: impl Fn(&[LogLine]) -> Option<LogLine>,
    ) -> Result<LogLine, Stop> {
        self.wait_for_line(0, expected, deadline, wanted).await
    }

    async fn wait_for_line(
        &mut self,
        mark: usize,
        expected: &str,
        deadline: Duration,
        wanted: impl Fn(&[LogLine]) -> Option<LogLine>,
    ) -> Result<LogLine, Stop> {
        let logs = self.logs().await?;
        let gaps = logs.gaps();
        let deadline = gaps.as_ref().map_or(deadline, |_| deadline.max(REMOTE_LOG));
        let target = Arc::clone(&self.run.target);
        let found = wait::until::<_, Stop, _, _>(deadline, || {
            let lines = target.dialect().log.read(logs.since(mark));
            let hit = wanted(&lines);
            async move {
                Ok(hit.map_or_else(
                    || Look::NotYet(format!("{} other lines", lines.len())),
                    Look::Done,
                ))
            }
        })
        .await?;
        match (found, gaps) {
            (Ok(line), _) => {
                self.lines.keep(&line);
                self.checks += 1;
                Ok(line)
            }
            (Err(timed_out), None) => Err(late(expected, timed_out)),
            (Err(timed_out), Some(why)) => {
                Err(Stop::NotVerified(format!("{expected}: {timed_out}; {why}")))
            }
        }
    }
}
