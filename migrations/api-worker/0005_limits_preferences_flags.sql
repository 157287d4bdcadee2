-- Windows of rate limits, preferences, feature flags, and how long rows are kept.
--
-- Where this differs from the document, and why:
-- - There is one row per subject, kind of window and start, and its column `requests` is the count. The document's own query counts
--   rows, and tells 1 where 57 requests were made.
-- - The start of a window is aligned to the epoch, and its end is derived, so that two writers can never disagree about a window.
-- - A preference has a scope, so that a user's value, an environment's and the default can all be there.
-- - What a flag says for an environment or a user is a row, found by key.

CREATE TABLE rate_limits (
  subject_kind TEXT NOT NULL CHECK (subject_kind IN ('user', 'ip')),
  subject TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 128),
  window_kind TEXT NOT NULL CHECK (window_kind IN ('minute', 'hour', 'day')),
  window_start INTEGER NOT NULL CHECK (window_start BETWEEN 0 AND 253402300799999),
  requests INTEGER NOT NULL CHECK (requests >= 1),
  window_end INTEGER NOT NULL GENERATED ALWAYS AS (
    window_start + iif(window_kind = 'minute', 60000, iif(window_kind = 'hour', 3600000, 86400000))
  ) VIRTUAL,
  PRIMARY KEY (subject_kind, subject, window_kind, window_start),
  CONSTRAINT aligned CHECK (window_start % iif(window_kind = 'minute', 60000, iif(window_kind = 'hour', 3600000, 86400000)) = 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX rate_limits_window ON rate_limits (subject_kind, window_kind, window_start);
CREATE INDEX rate_limits_end ON rate_limits (window_end);

CREATE TRIGGER rate_limits_keep_their_window BEFORE UPDATE ON rate_limits
WHEN new.subject_kind IS NOT old.subject_kind OR new.subject IS NOT old.subject OR new.window_kind IS NOT old.window_kind
  OR new.window_start IS NOT old.window_start OR new.requests < old.requests
BEGIN
  SELECT RAISE(ABORT, 'a window only counts up');
END;

CREATE TABLE user_preferences (
  scope TEXT NOT NULL CHECK (scope IN ('user', 'environment', 'default')),
  subject TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 128),
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64 AND name GLOB '[a-z]*' AND name NOT GLOB '*[^a-z0-9_.]*'),
  value TEXT NOT NULL CHECK (json_valid(value)),
  created_at INTEGER NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799999),
  updated_at INTEGER NOT NULL CHECK (updated_at BETWEEN 0 AND 253402300799999),
  PRIMARY KEY (scope, subject, name),
  CONSTRAINT subject_of_scope CHECK (
    scope = 'user' OR (scope = 'environment' AND subject IN ('development', 'staging', 'production')) OR (scope = 'default' AND subject = '-')
  ),
  CONSTRAINT limits_are_counts CHECK (
    substr(name, 1, 11) <> 'rate_limit.' OR (
      (name IN ('rate_limit.user.minute', 'rate_limit.user.hour', 'rate_limit.user.day')
        OR (scope <> 'user' AND name IN ('rate_limit.ip.minute', 'rate_limit.ip.hour', 'rate_limit.ip.day')))
      AND json_type(value) = 'integer' AND json_extract(value, '$') >= 0
    )
  )
) STRICT, WITHOUT ROWID;

CREATE TRIGGER user_preferences_keep_their_history BEFORE UPDATE ON user_preferences
WHEN new.scope IS NOT old.scope OR new.subject IS NOT old.subject OR new.name IS NOT old.name OR new.created_at IS NOT old.created_at
BEGIN
  SELECT RAISE(ABORT, 'a preference keeps its key and the time at which it was first set');
END;

CREATE TABLE feature_flags (
  name TEXT PRIMARY KEY NOT NULL CHECK (length(name) BETWEEN 1 AND 64 AND name GLOB '[a-z]*' AND name NOT GLOB '*[^a-z0-9_.]*'),
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  rollout_percent INTEGER CHECK (rollout_percent IS NULL OR rollout_percent BETWEEN 0 AND 100),
  created_at INTEGER NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799999),
  updated_at INTEGER NOT NULL CHECK (updated_at BETWEEN 0 AND 253402300799999)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER feature_flags_keep_their_history BEFORE UPDATE ON feature_flags
WHEN new.name IS NOT old.name OR new.created_at IS NOT old.created_at
BEGIN
  SELECT RAISE(ABORT, 'a flag keeps its name and the time at which it was first set');
END;

CREATE TABLE feature_flag_overrides (
  flag TEXT NOT NULL REFERENCES feature_flags (name) ON DELETE CASCADE,
  scope TEXT NOT NULL CHECK (scope IN ('user', 'environment')),
  subject TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 128),
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  PRIMARY KEY (flag, scope, subject),
  CONSTRAINT subject_of_scope CHECK (scope = 'user' OR subject IN ('development', 'staging', 'production'))
) STRICT, WITHOUT ROWID;

-- A row that is not there means 90 days of usage logs, 30 of sessions and 7 of rate limits.
CREATE TABLE retention_policies (
  subject TEXT PRIMARY KEY NOT NULL CHECK (subject IN ('usage_logs', 'user_sessions', 'rate_limits')),
  days INTEGER NOT NULL CHECK (days BETWEEN 1 AND 3650),
  updated_at INTEGER NOT NULL CHECK (updated_at BETWEEN 0 AND 253402300799999)
) STRICT, WITHOUT ROWID;
