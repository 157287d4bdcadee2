-- Webhooks, the events that they are told, and each delivery.
--
-- Where this differs from the document, and why:
-- - An event is a row of the transaction that caused it, and so is each delivery: nothing is told that did not happen, and a crash
--   forgets nothing.
-- - There is one delivery per event and webhook, and one that was answered 2xx is closed for good.
-- - A worker claims a delivery before it tries it. A claim ends by itself, for a worker may die.
-- - The secret is kept as it is, for a signature cannot be made from a hash.

CREATE TABLE webhooks (
  id TEXT PRIMARY KEY NOT NULL,
  url TEXT NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
  secret TEXT NOT NULL CHECK (secret GLOB 'whsec_*' AND length(secret) = 50),
  events TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(events) AND json_type(events) = 'array'),
  state TEXT NOT NULL CHECK (state IN ('active', 'failing')),
  created_at INTEGER NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799999),
  CONSTRAINT only_known_events CHECK (
    instr(substr(events, 2), '[') = 0
    AND trim(replace(replace(replace(replace(replace(
      events, '"key.created"', ''), '"key.rotated"', ''), '"key.revoked"', ''), '"chat.completed"', ''), '"price.created"', ''), '[],') = ''
  )
) STRICT, WITHOUT ROWID;

CREATE INDEX webhooks_page ON webhooks (created_at, id);

CREATE TRIGGER webhooks_are_not_replaced BEFORE INSERT ON webhooks
WHEN EXISTS (SELECT 1 FROM webhooks WHERE id = new.id)
BEGIN
  SELECT RAISE(ABORT, 'this webhook is there already');
END;

CREATE TRIGGER webhooks_stay_what_they_are BEFORE UPDATE ON webhooks
WHEN new.id IS NOT old.id OR new.url IS NOT old.url OR new.secret IS NOT old.secret OR new.events IS NOT old.events
  OR new.created_at IS NOT old.created_at
BEGIN
  SELECT RAISE(ABORT, 'only the state of a webhook changes');
END;

CREATE TABLE webhook_events (
  id TEXT PRIMARY KEY NOT NULL,
  event TEXT NOT NULL CHECK (event IN ('key.created', 'key.rotated', 'key.revoked', 'chat.completed', 'price.created')),
  data TEXT NOT NULL CHECK (json_valid(data) AND json_type(data) = 'object'),
  created_at INTEGER NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799999)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER webhook_events_are_not_replaced BEFORE INSERT ON webhook_events
WHEN EXISTS (SELECT 1 FROM webhook_events WHERE id = new.id)
BEGIN
  SELECT RAISE(ABORT, 'this event is there already');
END;

CREATE TRIGGER webhook_events_are_not_changed BEFORE UPDATE ON webhook_events
BEGIN
  SELECT RAISE(ABORT, 'what happened is not rewritten');
END;

CREATE TABLE webhook_deliveries (
  id TEXT PRIMARY KEY NOT NULL,
  webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
  event_id TEXT NOT NULL REFERENCES webhook_events (id) ON DELETE CASCADE,
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND 6),
  last_status INTEGER CHECK (last_status IS NULL OR last_status BETWEEN 100 AND 999),
  next_attempt_at INTEGER CHECK (next_attempt_at IS NULL OR next_attempt_at BETWEEN 0 AND 253402300799999),
  claimed_until INTEGER CHECK (claimed_until IS NULL OR claimed_until BETWEEN 0 AND 253402300799999),
  claim TEXT,
  delivered_at INTEGER CHECK (delivered_at IS NULL OR delivered_at BETWEEN 0 AND 253402300799999),
  created_at INTEGER NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799999),
  UNIQUE (webhook_id, event_id),
  CONSTRAINT pending_has_a_next_attempt CHECK ((state = 'pending') = (next_attempt_at IS NOT NULL)),
  CONSTRAINT delivered_has_a_time CHECK ((state = 'delivered') = (delivered_at IS NOT NULL)),
  CONSTRAINT claims_are_whole CHECK ((claim IS NULL) = (claimed_until IS NULL)),
  CONSTRAINT only_pending_is_claimed CHECK (state = 'pending' OR claim IS NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX webhook_deliveries_page ON webhook_deliveries (webhook_id, created_at, id);
CREATE INDEX webhook_deliveries_event ON webhook_deliveries (event_id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at, id) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (created_at DESC, id DESC) WHERE state = 'failed';

CREATE TRIGGER webhook_deliveries_are_not_replaced BEFORE INSERT ON webhook_deliveries
WHEN EXISTS (SELECT 1 FROM webhook_deliveries WHERE id = new.id)
  OR EXISTS (SELECT 1 FROM webhook_deliveries WHERE webhook_id = new.webhook_id AND event_id = new.event_id)
BEGIN
  SELECT RAISE(ABORT, 'this delivery is there already');
END;

CREATE TRIGGER webhook_deliveries_keep_their_history BEFORE UPDATE ON webhook_deliveries
WHEN old.state <> 'pending' OR new.id IS NOT old.id OR new.webhook_id IS NOT old.webhook_id OR new.event_id IS NOT old.event_id
  OR new.created_at IS NOT old.created_at OR new.attempts < old.attempts
BEGIN
  SELECT RAISE(ABORT, 'a delivery that has ended stays as it ended');
END;
