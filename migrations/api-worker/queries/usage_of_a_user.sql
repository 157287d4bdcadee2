-- The usage of one user per date, from one date to another, both included.
-- ?1: the user's id. ?2: the first date, ?3: the last date, as YYYY-MM-DD.
-- Index: usage_logs_user_date, between the dates; no sorting.
SELECT date, requests, input_tokens, output_tokens, cost_micros
FROM user_usage_summary
WHERE user_id = ?1 AND date >= ?2 AND date <= ?3;
