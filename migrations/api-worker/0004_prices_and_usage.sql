-- Prices, usage with its cost, daily sums, and the three views.
--
-- Where this differs from the document, and why:
-- - Money is an integer of micro-units: as REAL, 0.1 + 0.2 is 0.30000000000000004.
-- - A price holds from `valid_from` until just before `valid_to`, prices of a model never overlap, and old ones stay: with one row per
--   model there is no telling what a past request cost.
-- - A price is never changed but for its end, which is set once.
-- - Times are epoch milliseconds; the date of a log is derived by the database and indexed, so that the views are searched by it.
-- - `daily_usage_stats` has a key without NULLs, and a summed day does not change: UNIQUE over columns that may be NULL is none.
-- - The views count unknown tokens and costs as 0 and drop no row.
-- - The upper bounds keep each cost within what JavaScript holds exactly, and sums within 64 bits.

CREATE TABLE model_pricing (
  id TEXT PRIMARY KEY NOT NULL,
  model TEXT NOT NULL CHECK (length(model) BETWEEN 1 AND 200),
  input_micros_per_million INTEGER NOT NULL CHECK (input_micros_per_million BETWEEN 0 AND 1000000000000),
  output_micros_per_million INTEGER NOT NULL CHECK (output_micros_per_million BETWEEN 0 AND 1000000000000),
  valid_from INTEGER NOT NULL CHECK (valid_from BETWEEN 0 AND 253402300799999),
  valid_to INTEGER CHECK (valid_to IS NULL OR valid_to BETWEEN 0 AND 253402300799999),
  created_at INTEGER NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799999),
  UNIQUE (model, valid_from),
  CONSTRAINT not_empty CHECK (valid_to IS NULL OR valid_to > valid_from)
) STRICT, WITHOUT ROWID;

-- Only the price before and the price after can overlap with a new one, for those that are there do not overlap.
CREATE TRIGGER model_pricing_does_not_overlap BEFORE INSERT ON model_pricing
WHEN EXISTS (
  SELECT 1 FROM model_pricing
  WHERE model = new.model AND valid_from < coalesce(new.valid_to, 9223372036854775807)
    AND (valid_to IS NULL OR valid_to > new.valid_from)
) OR EXISTS (SELECT 1 FROM model_pricing WHERE id = new.id)
BEGIN
  SELECT RAISE(ABORT, 'another price of this model holds at that time');
END;

CREATE TRIGGER model_pricing_is_only_ended BEFORE UPDATE ON model_pricing
WHEN new.id IS NOT old.id OR new.model IS NOT old.model OR new.input_micros_per_million IS NOT old.input_micros_per_million
  OR new.output_micros_per_million IS NOT old.output_micros_per_million OR new.valid_from IS NOT old.valid_from
  OR new.created_at IS NOT old.created_at OR old.valid_to IS NOT NULL OR new.valid_to IS NULL
BEGIN
  SELECT RAISE(ABORT, 'a price is ended once, and otherwise stays what it is');
END;

CREATE TRIGGER model_pricing_is_not_removed BEFORE DELETE ON model_pricing
BEGIN
  SELECT RAISE(ABORT, 'the history of prices stays');
END;

-- `conversation_id` has no reference: usage outlives the conversation. A trigger refuses the conversation of another user.
CREATE TABLE usage_logs (
  id TEXT PRIMARY KEY NOT NULL,
  request_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  api_key_id TEXT NOT NULL,
  conversation_id TEXT,
  model TEXT NOT NULL CHECK (length(model) BETWEEN 1 AND 200),
  input_tokens INTEGER CHECK (input_tokens IS NULL OR input_tokens BETWEEN 0 AND 1000000000),
  output_tokens INTEGER CHECK (output_tokens IS NULL OR output_tokens BETWEEN 0 AND 1000000000),
  cost_micros INTEGER CHECK (cost_micros IS NULL OR cost_micros BETWEEN 0 AND 2000000000000000),
  latency_ms INTEGER NOT NULL CHECK (latency_ms >= 0),
  created_at INTEGER NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799999),
  date TEXT NOT NULL GENERATED ALWAYS AS (strftime('%Y-%m-%d', created_at / 1000, 'unixepoch')) VIRTUAL,
  FOREIGN KEY (user_id, api_key_id) REFERENCES api_keys (user_id, id) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_logs_time ON usage_logs (created_at, id);
CREATE INDEX usage_logs_user_time ON usage_logs (user_id, created_at, id);
CREATE INDEX usage_logs_user_date ON usage_logs (user_id, date);
CREATE INDEX usage_logs_date ON usage_logs (date, user_id, model);
CREATE INDEX usage_logs_model ON usage_logs (model, created_at);
CREATE INDEX usage_logs_key ON usage_logs (user_id, api_key_id);

CREATE TRIGGER usage_logs_are_not_replaced BEFORE INSERT ON usage_logs
WHEN EXISTS (SELECT 1 FROM usage_logs WHERE id = new.id)
BEGIN
  SELECT RAISE(ABORT, 'this usage is logged already');
END;

CREATE TRIGGER usage_logs_name_own_conversations BEFORE INSERT ON usage_logs
WHEN EXISTS (SELECT 1 FROM conversations WHERE id = new.conversation_id AND user_id <> new.user_id)
BEGIN
  SELECT RAISE(ABORT, 'this conversation belongs to another user');
END;

CREATE TRIGGER usage_logs_are_not_changed BEFORE UPDATE ON usage_logs
BEGIN
  SELECT RAISE(ABORT, 'usage is not rewritten: a correction is a row of its own');
END;

CREATE TABLE daily_usage_stats (
  date TEXT NOT NULL CHECK (date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
  user_id TEXT NOT NULL CHECK (length(user_id) BETWEEN 1 AND 128),
  model TEXT NOT NULL CHECK (length(model) BETWEEN 1 AND 200),
  requests INTEGER NOT NULL CHECK (requests >= 1),
  input_tokens INTEGER NOT NULL CHECK (input_tokens >= 0),
  output_tokens INTEGER NOT NULL CHECK (output_tokens >= 0),
  cost_micros INTEGER NOT NULL CHECK (cost_micros >= 0),
  created_at INTEGER NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799999),
  PRIMARY KEY (date, user_id, model)
) STRICT, WITHOUT ROWID;

CREATE INDEX daily_usage_stats_user ON daily_usage_stats (user_id, date);

CREATE TRIGGER daily_usage_stats_are_not_replaced BEFORE INSERT ON daily_usage_stats
WHEN EXISTS (SELECT 1 FROM daily_usage_stats WHERE date = new.date AND user_id = new.user_id AND model = new.model)
BEGIN
  SELECT RAISE(ABORT, 'this day is summed already');
END;

CREATE TRIGGER daily_usage_stats_are_not_changed BEFORE UPDATE ON daily_usage_stats
BEGIN
  SELECT RAISE(ABORT, 'a summed day does not change');
END;

CREATE TRIGGER daily_usage_stats_are_not_removed BEFORE DELETE ON daily_usage_stats
BEGIN
  SELECT RAISE(ABORT, 'a summed day stays');
END;

CREATE VIEW user_usage_summary AS
  SELECT
    date, user_id, count(*) AS requests,
    coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens,
    coalesce(sum(cost_micros), 0) AS cost_micros
  FROM usage_logs GROUP BY date, user_id;

CREATE VIEW model_usage_stats AS
  SELECT
    model, count(*) AS requests,
    coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens,
    coalesce(sum(cost_micros), 0) AS cost_micros, sum(latency_ms) / count(*) AS average_latency_ms
  FROM usage_logs GROUP BY model;

CREATE VIEW daily_usage_trends AS
  SELECT
    date, count(*) AS requests, count(DISTINCT user_id) AS users,
    coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens,
    coalesce(sum(cost_micros), 0) AS cost_micros
  FROM usage_logs GROUP BY date;
