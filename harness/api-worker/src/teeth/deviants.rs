//! The deviants, by criterion. Never one that the contract lets pass.

use super::addresses;
use super::alike::ALIKE;
use super::remembering::SUBTLE;
use super::rights::RIGHTS;
use super::{Answered, Asked, Deviant, Instead, Memory, answers, requests};

/// How a request is changed, and how an answer.
type OnRequest = fn(&mut Asked, &Memory) -> Instead;
type OnAnswer = fn(&Asked, &mut Answered, &Memory);

/// Those that change requests.
const REQUESTS: &[(&str, &str, OnRequest)] = &[
    (
        "API-001",
        "messages are kept in another order",
        requests::system_message_lost,
    ),
    (
        "API-001",
        "a chat of a conversation is done twice",
        requests::chats_twice,
    ),
    (
        "API-001",
        "a chat forgets its conversation",
        requests::conversation_forgotten,
    ),
    (
        "API-002",
        "a key ends an instant late",
        requests::key_ends_late,
    ),
    (
        "API-002",
        "every key has all permissions",
        requests::all_permissions,
    ),
    (
        "API-002",
        "a quota lets one more pass",
        requests::quota_one_too_large,
    ),
    (
        "API-003",
        "a limit lets one more pass",
        requests::limit_one_too_large,
    ),
    (
        "API-003",
        "addresses are not told apart",
        requests::address_forgotten,
    ),
    ("API-003", "days are not limited", requests::no_day),
    (
        "API-003",
        "a window ends an instant late",
        requests::window_ends_late,
    ),
    (
        "API-004",
        "a price begins an instant late",
        requests::price_early,
    ),
    (
        "API-008",
        "retention takes the row at the boundary",
        requests::retention_one_instant_more,
    ),
    (
        "API-008",
        "retention leaves the row before the boundary",
        requests::retention_one_instant_less,
    ),
    (
        "API-008",
        "retention knows no batches",
        requests::no_batches,
    ),
    (
        "API-008",
        "statistics sum the day that is not over",
        requests::statistics_of_today,
    ),
    (
        "API-009",
        "flags know no environments",
        requests::no_environments,
    ),
    (
        "API-009",
        "a rollout turns on one bucket more",
        requests::rollout_one_too_large,
    ),
    (
        "API-009",
        "the environment's preferences are everybody's",
        requests::environment_is_default,
    ),
    (
        "API-010",
        "a delivery is tried again an instant early",
        requests::deliveries_early,
    ),
    (
        "API-010",
        "nothing is tried again",
        requests::deliveries_never,
    ),
    (
        "API-010",
        "a webhook hears of every event",
        requests::every_event,
    ),
];

/// Those that change answers.
const ANSWERS: &[(&str, &str, OnAnswer)] = &[
    (
        "API-001",
        "the last message is not told",
        answers::last_message_missing,
    ),
    ("API-001", "tool calls are not told", answers::no_tool_calls),
    (
        "API-001",
        "usage names no conversation",
        answers::usage_without_conversation,
    ),
    ("API-001", "a usage row is told twice", answers::usage_twice),
    (
        "API-002",
        "an error tells the credential",
        answers::credential_in_errors,
    ),
    (
        "API-002",
        "a header tells the credential in base64",
        answers::credential_in_a_header,
    ),
    ("API-002", "a key is shown again", answers::key_shown_again),
    (
        "API-002",
        "a cache serves revoked keys",
        answers::cached_for_ever,
    ),
    (
        "API-002",
        "a key that has ended serves one request more",
        answers::one_request_more,
    ),
    (
        "API-003",
        "the wait is that of a minute",
        answers::wait_of_a_minute,
    ),
    (
        "API-003",
        "the wait is a second too long",
        answers::wait_too_long,
    ),
    ("API-003", "a limit leaks under load", answers::limit_leaks),
    (
        "API-004",
        "a cost is a micro-unit too small",
        answers::cost_rounded_down,
    ),
    (
        "API-004",
        "a cost is a number in floating point",
        answers::cost_in_floating_point,
    ),
    (
        "API-004",
        "what has no cost costs 0",
        answers::no_cost_is_zero,
    ),
    (
        "API-004",
        "usage costs what it would today",
        answers::cost_of_today,
    ),
    (
        "API-004",
        "earlier prices are forgotten",
        answers::last_price_only,
    ),
    (
        "API-004",
        "a price that overlaps is taken",
        answers::overlap_taken,
    ),
    (
        "API-008",
        "statistics lose what has no tokens",
        answers::statistics_without_nulls,
    ),
    (
        "API-008",
        "statistics go with the rows",
        answers::statistics_go_with_the_rows,
    ),
    (
        "API-008",
        "retention is done when it is not",
        answers::done_at_once,
    ),
    (
        "API-009",
        "a deletion leaves no entry",
        answers::no_entry_of_a_deletion,
    ),
    (
        "API-009",
        "a change leaves two entries",
        answers::entries_twice,
    ),
    (
        "API-009",
        "entries tell nothing of before",
        answers::no_before,
    ),
    ("API-009", "a rollout flips a user", answers::flag_flips),
    (
        "API-009",
        "a null of the user's is no value",
        answers::null_is_nothing,
    ),
    (
        "API-010",
        "deliveries are signed by another secret",
        answers::other_secret,
    ),
    (
        "API-010",
        "a dead endpoint never fails",
        answers::never_failed,
    ),
    (
        "API-010",
        "a dead endpoint's webhook stays active",
        answers::always_active,
    ),
    (
        "API-010",
        "deliveries are not recorded",
        answers::no_records,
    ),
];

/// Every deviant, by criterion.
#[must_use]
pub fn deviants() -> Vec<Deviant> {
    let by_request = REQUESTS.iter().map(|&(breaks, name, on_request)| Deviant {
        name,
        breaks,
        on_request,
        on_answer: answers::none,
    });
    let by_answer = ANSWERS.iter().map(|&(breaks, name, on_answer)| Deviant {
        name,
        breaks,
        on_request: requests::none,
        on_answer,
    });
    let subtle = SUBTLE.iter().chain(RIGHTS).chain(ALIKE).copied();
    let subtle = subtle.chain(addresses::DEVIANTS);
    let mut all: Vec<Deviant> = by_request.chain(by_answer).chain(subtle).collect();
    all.sort_by_key(|deviant| deviant.breaks);
    all
}
