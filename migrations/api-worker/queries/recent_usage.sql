-- Check recent usage: one row per date and user, of the last seven days and today.
-- Index: usage_logs_date, from the first date on; no sorting.
-- The document asks its view for a column `date` that the view does not have.
SELECT date, user_id, requests, input_tokens, output_tokens, cost_micros
FROM user_usage_summary
WHERE date >= date('now', '-7 days');
