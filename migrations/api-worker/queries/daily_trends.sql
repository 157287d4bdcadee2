-- How usage went day by day over the last thirty days and today.
-- Index: usage_logs_date, from the first date on; no sorting.
SELECT date, requests, users, input_tokens, output_tokens, cost_micros
FROM daily_usage_trends
WHERE date >= date('now', '-30 days');
