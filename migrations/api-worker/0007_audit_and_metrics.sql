-- The log of administrative actions, and metrics.
--
-- Where this differs from the document, and why:
-- - The log is append-only against every statement. Guards against UPDATE and DELETE are not enough, for REPLACE fires no DELETE
--   trigger: the third guard refuses an INSERT whose key exists, and since `id` is the INTEGER PRIMARY KEY, there is no second key (the
--   hidden rowid) to replace by. Ids are positive, for SQLite shows -1 to the guard while no id is chosen.
-- - The log refers to nothing: entries outlive what they tell of.
-- - `action` is one of a list. The document looks for errors by `action LIKE '%error%'`, which reads the whole log and finds nothing,
--   because nothing writes such actions: failures of the service are metrics, with an index of their own.

CREATE TABLE audit_logs (
  id INTEGER PRIMARY KEY NOT NULL CHECK (id > 0),
  actor TEXT NOT NULL CHECK (length(actor) >= 1),
  action TEXT NOT NULL CHECK (action IN (
    'key.create', 'key.rotate', 'key.revoke', 'price.create', 'preference.set', 'preference.delete', 'flag.set', 'flag.delete',
    'webhook.create', 'webhook.delete', 'retention.set', 'job.statistics', 'job.retention', 'job.deliveries'
  )),
  resource TEXT NOT NULL,
  before TEXT CHECK (before IS NULL OR (json_valid(before) AND json_type(before) = 'object')),
  after TEXT CHECK (after IS NULL OR (json_valid(after) AND json_type(after) = 'object')),
  request_id TEXT NOT NULL,
  created_at INTEGER NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799999)
) STRICT;

CREATE INDEX audit_logs_time ON audit_logs (created_at, id);

CREATE TRIGGER audit_logs_are_not_replaced BEFORE INSERT ON audit_logs
WHEN EXISTS (SELECT 1 FROM audit_logs WHERE id = new.id)
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_logs_are_not_changed BEFORE UPDATE ON audit_logs
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_logs_are_not_removed BEFORE DELETE ON audit_logs
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TABLE system_metrics (
  id INTEGER PRIMARY KEY NOT NULL CHECK (id > 0),
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64 AND name GLOB '[a-z]*' AND name NOT GLOB '*[^a-z0-9_.]*'),
  value INTEGER NOT NULL,
  created_at INTEGER NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799999)
) STRICT;

CREATE INDEX system_metrics_name ON system_metrics (name, created_at, id);
CREATE INDEX system_metrics_time ON system_metrics (created_at, id);
CREATE INDEX system_metrics_errors ON system_metrics (created_at DESC, id DESC) WHERE name >= 'error.' AND name < 'error/';

CREATE TRIGGER system_metrics_are_not_replaced BEFORE INSERT ON system_metrics
WHEN EXISTS (SELECT 1 FROM system_metrics WHERE id = new.id)
BEGIN
  SELECT RAISE(ABORT, 'this metric is there already');
END;

CREATE TRIGGER system_metrics_are_not_changed BEFORE UPDATE ON system_metrics
BEGIN
  SELECT RAISE(ABORT, 'a metric is not rewritten');
END;
