//! The deviants, by criterion. Never one that the contract lets pass.

use super::{Answered, Asked, Deviant, Instead, Memory, answers, requests, subtle};

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

/// Those that change what they remember of requests and answers.
const SUBTLE: &[Deviant] = &[
    Deviant {
        breaks: "API-001",
        name: "a stream leaves no usage",
        on_request: requests::none,
        on_answer: subtle::no_usage_of_streams,
    },
    Deviant {
        breaks: "API-001",
        name: "positions begin anew after twenty messages",
        on_request: requests::none,
        on_answer: subtle::positions_begin_anew,
    },
    Deviant {
        breaks: "API-001",
        name: "a title in broken UTF-8 is mended in silence",
        on_request: subtle::mended_titles,
        on_answer: answers::none,
    },
    Deviant {
        breaks: "API-002",
        name: "after a rotation the old key goes on as the new one",
        on_request: subtle::old_key_is_new,
        on_answer: subtle::remember_keys,
    },
    Deviant {
        breaks: "API-002",
        name: "the audit tells a key that has chatted",
        on_request: requests::none,
        on_answer: subtle::key_in_the_audit,
    },
    Deviant {
        breaks: "API-002",
        name: "a log line tells the key of a request that failed",
        on_request: requests::none,
        on_answer: subtle::key_in_a_log_line,
    },
    Deviant {
        breaks: "API-002",
        name: "a key that had expired when it was made never expires",
        on_request: subtle::expiry_in_the_past_is_none,
        on_answer: answers::none,
    },
    Deviant {
        breaks: "API-003",
        name: "a kind of window is counted once and for all",
        on_request: subtle::remember_limits,
        on_answer: subtle::windows_never_end,
    },
    Deviant {
        breaks: "API-003",
        name: "a clock that goes back opens the windows",
        on_request: requests::none,
        on_answer: subtle::open_when_back,
    },
    Deviant {
        breaks: "API-003",
        name: "a limit that is no number is as good as none",
        on_request: subtle::broken_limit_is_none,
        on_answer: answers::none,
    },
    Deviant {
        breaks: "API-004",
        name: "a stream costs nothing",
        on_request: requests::none,
        on_answer: subtle::streams_cost_nothing,
    },
    Deviant {
        breaks: "API-004",
        name: "a price below 0 is taken as 0",
        on_request: subtle::negative_price_is_zero,
        on_answer: answers::none,
    },
    Deviant {
        breaks: "API-008",
        name: "retention runs a batch too many",
        on_request: subtle::one_batch_more,
        on_answer: answers::none,
    },
    Deviant {
        breaks: "API-008",
        name: "retention takes requests out of the sums",
        on_request: requests::none,
        on_answer: subtle::sums_lose_what_is_removed,
    },
    Deviant {
        breaks: "API-008",
        name: "a batch out of range is as good as the nearest",
        on_request: subtle::batch_in_range,
        on_answer: answers::none,
    },
    Deviant {
        breaks: "API-009",
        name: "a rotation leaves no entry",
        on_request: requests::none,
        on_answer: subtle::no_entry_of_a_rotation,
    },
    Deviant {
        breaks: "API-009",
        name: "a rollout beyond 100 is as good as 100",
        on_request: subtle::rollout_in_range,
        on_answer: answers::none,
    },
    Deviant {
        breaks: "API-009",
        name: "a flag's second change tells the first one's before",
        on_request: requests::none,
        on_answer: subtle::first_before,
    },
    Deviant {
        breaks: "API-010",
        name: "a private address is taken",
        on_request: subtle::private_address_is_public,
        on_answer: subtle::remember_endpoint,
    },
    Deviant {
        breaks: "API-010",
        name: "a private address is tried before it is refused",
        on_request: requests::none,
        on_answer: subtle::refused_address_is_tried,
    },
    Deviant {
        breaks: "API-010",
        name: "what was delivered at the second attempt is sent once more",
        on_request: subtle::delivered_again,
        on_answer: subtle::remember_webhooks,
    },
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
    let subtle = SUBTLE.iter().copied();
    let mut all: Vec<Deviant> = by_request.chain(by_answer).chain(subtle).collect();
    all.sort_by_key(|deviant| deviant.breaks);
    all
}
