//! The deviants that remember, by criterion. Never one that the contract lets pass.

use super::{Deviant, answers, requests, subtle};

/// Those that change what they remember of requests and answers.
pub(super) const SUBTLE: &[Deviant] = &[
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
        breaks: "API-002",
        name: "a revocation does nothing",
        on_request: requests::none,
        on_answer: subtle::revocation_does_nothing,
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
    Deviant {
        breaks: "API-010",
        name: "an answer that comes after another attempt was begun is forgotten",
        on_request: subtle::taken_over,
        on_answer: subtle::remember_webhooks,
    },
    Deviant {
        breaks: "API-013",
        name: "a preference of a user's own is set anew each time",
        on_request: subtle::preference_anew,
        on_answer: answers::none,
    },
];
