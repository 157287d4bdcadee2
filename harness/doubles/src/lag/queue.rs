//! How long a target that had something to do waited for a processor, as the kernel counts it. Never counts what it was busy with.
//!
//! Whoever mostly sleeps is served first: beside other work a heartbeat comes in time while a target that has much to do is a second late.
//! So the kernel is asked as well, about every thread of the processes below this one, which are targets and what starts them. This process
//! has heartbeats, and what its own threads take from each other is nobody's excuse. Linux tells it (`/proc/PID/task/TID/schedstat`);
//! elsewhere, and about a target at an address, nothing is known and nothing excused.

use super::beat::sleep;
use crate::clock;
use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// From one look at the threads to the next: short beside the timings of seconds that are held against it.
const EVERY: Duration = Duration::from_millis(100);

/// Processes that were started meanwhile are found at every so many looks.
const SEARCH_AT: u32 = 10;

/// What was seen since somebody watches.
static SEEN: Mutex<Seen> = Mutex::new(Seen {
    is_watched: false,
    line: Line { looks: Vec::new() },
});

#[derive(Debug)]
struct Seen {
    is_watched: bool,
    line: Line,
}

fn seen() -> MutexGuard<'static, Seen> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at the threads on one of its own for as long as `is_read`; there is one such thread at most.
pub(super) fn look_while(is_read: fn() -> bool) {
    if std::mem::replace(&mut seen().is_watched, true) {
        return;
    }
    let looking = thread::Builder::new().name("processor-queue".to_owned());
    let looking = looking.spawn(move || {
        let mut threads = Threads::default();
        threads.look();
        seen().line.add(clock::now(), Duration::ZERO);
        while goes_on(is_read) {
            sleep(EVERY);
            let waited = threads.look();
            seen().line.add(clock::now(), waited);
        }
    });
    // Without a thread to spare less is excused, and nothing else is lost.
    if looking.is_err() {
        seen().is_watched = false;
    }
}

/// Whether somebody still reads; where nobody does, whoever comes next starts anew.
fn goes_on(is_read: fn() -> bool) -> bool {
    let mut seen = seen();
    seen.is_watched = is_read();
    seen.is_watched
}

/// How much of the time between two moments the one who waited longest for a processor waited.
pub(super) fn between(from: Instant, until: Instant) -> Duration {
    seen().line.between(from, until)
}

/// What the looks saw, in order.
#[derive(Debug, Default)]
struct Line {
    looks: Vec<Look>,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    /// Of the stretch before each look up to this one, what the thread that waited longest waited in it.
    waited: Duration,
}

impl Line {
    fn add(&mut self, at: Instant, waited: Duration) {
        let before = self.looks.last().copied();
        let (since, before) = before.map_or((at, Duration::ZERO), |look| (look.at, look.waited));
        // The kernel counts a wait when it ends: it may have begun before.
        let waited = before + waited.min(at.saturating_duration_since(since));
        self.looks.push(Look { at, waited });
    }

    /// What was waited up to a moment, as if each stretch's wait were spread evenly over it.
    fn up_to(&self, moment: Instant) -> Duration {
        let next = self.looks.partition_point(|look| look.at <= moment);
        let Some(last) = next.checked_sub(1).map(|last| self.looks[last]) else {
            return Duration::ZERO;
        };
        let Some(next) = self.looks.get(next) else {
            return last.waited;
        };
        let part = (moment - last.at).as_secs_f64() / (next.at - last.at).as_secs_f64();
        last.waited + next.waited.saturating_sub(last.waited).mul_f64(part)
    }

    fn between(&self, from: Instant, until: Instant) -> Duration {
        self.up_to(until).saturating_sub(self.up_to(from))
    }
}

/// The threads of the processes below this one.
#[derive(Debug, Default)]
struct Threads {
    looks: u32,
    processes: Vec<u32>,
    /// Nanoseconds that each of them has waited in its life, by process and thread.
    waited: BTreeMap<(u32, u32), u64>,
}

impl Threads {
    /// Finds the processes at times, and tells what the thread that waited longest since the last look has waited.
    fn look(&mut self) -> Duration {
        if self.looks.is_multiple_of(SEARCH_AT) {
            self.processes = below(std::process::id(), &parents());
        }
        self.looks = self.looks.wrapping_add(1);
        self.longest_wait()
    }

    fn longest_wait(&mut self) -> Duration {
        let before = std::mem::take(&mut self.waited);
        for &process in &self.processes {
            for thread in numbered(&format!("/proc/{process}/task")) {
                // It may end at any moment.
                let told = fs::read_to_string(format!("/proc/{process}/task/{thread}/schedstat"));
                if let Some(waited) = told.ok().and_then(|told| second_number(&told)) {
                    self.waited.insert((process, thread), waited);
                }
            }
        }
        let since = |(one, now): (&(u32, u32), &u64)| Some(now.saturating_sub(*before.get(one)?));
        let longest = self.waited.iter().filter_map(since).max();
        Duration::from_nanos(longest.unwrap_or_default())
    }
}

fn second_number(told: &str) -> Option<u64> {
    told.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The entries of a folder that are numbers.
fn numbered(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Who started each process that there is.
fn parents() -> BTreeMap<u32, u32> {
    let parent = |process: u32| {
        let told = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        Some((process, parent(&told)?))
    };
    numbered("/proc").into_iter().filter_map(parent).collect()
}

/// The parent in a line of `/proc/PID/stat`: the second word behind the name, which stands in parentheses and may hold any of them.
fn parent(told: &str) -> Option<u32> {
    let (_name, behind) = told.rsplit_once(')')?;
    behind.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// All processes below one.
fn below(first: u32, parents: &BTreeMap<u32, u32>) -> Vec<u32> {
    let mut family = vec![first];
    let mut next = 0;
    while let Some(&one) = family.get(next) {
        next += 1;
        let children = parents.iter().filter(|(_child, parent)| **parent == one);
        family.extend(children.map(|(child, _parent)| *child));
    }
    family.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lag::Patience;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn line(waits_ms: &[u64]) -> (Instant, Line) {
        let start = clock::now();
        let mut line = Line::default();
        for (at, waited) in (0..).map(|look| look * 100).zip(waits_ms) {
            let at = start + Duration::from_millis(at);
            line.add(at, Duration::from_millis(*waited));
        }
        (start, line)
    }

    fn waited(line: &Line, start: Instant, from: u64, until: u64) -> u128 {
        let at = |ms| start + Duration::from_millis(ms);
        line.between(at(from), at(until)).as_millis()
    }

    #[test]
    fn only_what_was_waited_between_the_two_moments_counts() {
        let (start, line) = line(&[0, 40, 0, 80]);
        assert_eq!(waited(&line, start, 0, 300), 120);
        assert_eq!(waited(&line, start, 50, 100), 20);
        assert_eq!(waited(&line, start, 100, 200), 0);
        assert_eq!(waited(&line, start, 250, 900), 40);
        assert_eq!(waited(&line, start, 300, 900), 0);
    }

    #[test]
    fn nobody_waits_longer_than_there_was_time() {
        let (start, line) = line(&[50, 2_000]);
        assert_eq!(waited(&line, start, 0, 100), 100);
    }

    #[test]
    fn a_process_has_its_children_and_theirs_below_it() {
        let parents = BTreeMap::from([(7, 1), (8, 7), (9, 8), (10, 1), (11, 7)]);
        assert_eq!(below(7, &parents), [8, 11, 9]);
        assert_eq!(below(10, &parents), [0; 0]);
    }

    #[test]
    fn a_name_may_hold_spaces_and_parentheses() {
        assert_eq!(parent("42 (a) b (c) S 17 42 42 0"), Some(17));
        assert_eq!(parent("42"), None);
        assert_eq!(second_number("5120 7700 3\n"), Some(7_700));
        assert_eq!(second_number(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn more_busy_threads_than_processors_are_seen_to_wait() {
        let count = 4 * thread::available_parallelism().map_or(1, usize::from);
        let mut threads = Threads {
            processes: vec![std::process::id()],
            ..Threads::default()
        };
        let is_over = AtomicBool::new(false);
        let seen = thread::scope(|scope| {
            for _one in 0..count {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            // A kernel that does not count it fails this test and does not hang it.
            let patience = Patience::of(Duration::from_secs(30));
            let waits = std::iter::repeat_with(|| threads.longest_wait());
            let mut waits = waits.take_while(|_wait| !patience.is_over());
            let seen = waits.find(|wait| !wait.is_zero());
            is_over.store(true, Ordering::Relaxed);
            seen
        });
        assert!(seen.is_some());
    }
}
