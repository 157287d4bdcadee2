-- Monitor costs: what each model cost in the last 24 hours, in micro-units, and how many of its requests have no known cost.
-- Index: usage_logs_time, from 24 hours ago on.
-- The document compares `created_at` with a text, and so leaves out every row whose time is a number; its index on the model reads all logs.
-- `+model` keeps SQLite from reading all logs in the order of their models to save the sorting of the groups.
SELECT model, coalesce(sum(cost_micros), 0) AS total_cost_micros, count(*) AS requests, count(*) - count(cost_micros) AS requests_without_cost
FROM usage_logs
WHERE created_at >= CAST(round(unixepoch('subsec') * 1000) AS INTEGER) - 86400000
GROUP BY +model;
