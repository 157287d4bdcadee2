//! What a backend meets in bad times: kills, locks, full disks, a bad AI Gateway, idle and slow callers. Never reaches beyond loopback.
//!
//! Every test waits for what it is about, some for half a minute; so all of them run at the same time, whatever the number of cores.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

mod bad_gateway;
mod callers;
#[path = "../routes/client.rs"]
#[expect(
    dead_code,
    reason = "the client of the tests of routes, which need more of it"
)]
mod client;
mod full_disk;
mod idle;
mod keys_down;
mod kill;
mod large_answers;
mod locked;
mod server;
mod slow_callers;
mod stage;
mod stream;
mod terminate;
mod upstream;
mod wait;

use libtest_mimic::{Arguments, Trial};
use std::path::Path;
use std::process::ExitCode;

/// One test per function, under its name.
macro_rules! tests {
    ($($module:ident::$name:ident,)*) => {
        vec![$(Trial::test(concat!(stringify!($module), "::", stringify!($name)), || {
            $module::$name();
            Ok(())
        })),*]
    };
}

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if let [word, file] = &words[..]
        && word == kill::WRITE_ROWS
    {
        kill::write_all_rows(Path::new(file));
        return ExitCode::SUCCESS;
    }
    idle::allow_many_files();
    let tests = tests![
        slow_callers::bodies_that_come_byte_by_byte_are_refused_after_thirty_seconds,
        slow_callers::heads_that_come_byte_by_byte_are_ended_after_fifteen_seconds,
        bad_gateway::a_gateway_that_says_nothing_gives_a_timeout_after_three_attempts,
        bad_gateway::an_answer_that_stops_half_way_is_given_up,
        bad_gateway::an_answer_that_dribbles_arrives_whole_and_as_it_comes,
        bad_gateway::a_cut_connection_is_a_failed_call_and_no_row,
        bad_gateway::garbage_is_a_failed_call_and_no_row,
        bad_gateway::a_stream_that_is_cut_or_garbage_counts_nothing,
        idle::ten_thousand_idle_connections_delay_nobody_and_are_ended,
        keys_down::a_refusing_team_domain_opens_no_admin_route,
        keys_down::a_stalling_team_domain_opens_no_admin_route,
        keys_down::a_failing_team_domain_opens_no_admin_route,
        keys_down::an_endless_key_set_opens_no_admin_route,
        large_answers::ten_thousand_tiny_chunks_arrive_whole,
        large_answers::answers_of_a_hundred_megabytes_are_refused_in_bounded_memory,
        large_answers::streams_of_a_hundred_megabytes_wait_for_slow_readers,
        kill::a_killed_backend_keeps_every_row_that_was_seen_and_halves_or_doubles_none,
        kill::every_write_that_returned_before_a_kill_is_there_after_it,
        terminate::rows_held_up_by_a_lock_are_written_before_an_orderly_end,
        locked::a_locked_d1_refuses_operators_serves_callers_and_accounts_for_every_row,
        locked::a_locked_kv_refuses_operators_and_leaves_no_half_tenant,
        full_disk::without_room_writes_are_refused_reads_served_and_lost_rows_told,
        full_disk::a_disk_that_fills_up_in_the_middle_of_writes_halves_no_row,
        terminate::an_end_under_load_leaves_one_row_for_every_answer,
    ];
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(tests.len());
    libtest_mimic::run(&arguments, tests).exit_code()
}
