-- Rate limit status: how many requests each user made in the minutes that began within the last hour.
-- Index: rate_limits_window, of the last hour's minutes only.
-- The document counts rows, that is windows: after 57 requests within a minute it tells 1.
SELECT subject AS user_id, sum(requests) AS requests
FROM rate_limits INDEXED BY rate_limits_window
WHERE subject_kind = 'user' AND window_kind = 'minute'
  AND window_start >= CAST(round(unixepoch('subsec') * 1000) AS INTEGER) - 3600000
GROUP BY subject;
