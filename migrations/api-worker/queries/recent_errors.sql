-- Check recent errors: the failures of the service (answers of 500 and above) within the last seven days, newest first, a hundred at most, each by its code.
-- Index: system_metrics_errors, which holds nothing else.
-- The document looks through the whole audit log for actions that hold the word "error"; nothing writes such actions.
SELECT name, value, created_at
FROM system_metrics INDEXED BY system_metrics_errors
WHERE name >= 'error.' AND name < 'error/' AND created_at >= CAST(round(unixepoch('subsec') * 1000) AS INTEGER) - 604800000
ORDER BY created_at DESC, id DESC
LIMIT 100;
