-- The document's "Audit Log Pattern": every change of a user or an item leaves one entry.
--
-- Where this differs from the document, and why:
-- - The log hangs on nothing. The document lets it go with the tenant (ON DELETE CASCADE), which takes away the proof just when
--   it is asked for; and once entries cannot be deleted, such a reference forbids deleting the tenant. The tenant's id is kept as text.
-- - Entries cannot be changed, removed or replaced. Two guards against UPDATE and DELETE are not enough: REPLACE fires no DELETE
--   trigger. The third guard refuses an INSERT whose key exists, and since `id` is the INTEGER PRIMARY KEY, there is no
--   second key (the hidden rowid) to replace by. Ids are positive, for SQLite shows -1 to the guard while no id is chosen.
-- - One change is allowed: when a user is deleted, the entries of what that user did lose their actor, and nothing else. The guard
--   sees that the user is gone.
-- - Entries are written by triggers, so that no statement goes without one. Who acts is told in the same batch: the batch begins with
--   a row in `acting_users` and ends by removing it; D1 runs a batch as one transaction, and nothing in between. Where a batch
--   names nobody, the owner of the row acts. An actor is always a user of the entry's tenant, or NULL.
-- - REPLACE is seen as well. It deletes the rows that are in its way without firing a DELETE trigger, but foreign key actions do fire.
--   So each tracked row has a companion with a cascading reference, which holds the row's last values, and entries are written when the
--   companion changes. A companion that goes while its row is still there was sent away by the trigger for DELETE: one `delete`.
--   One that goes after its row was taken by a REPLACE: it is put back, marked as replaced, and the trigger of the row that was written
--   looks for such marks. The companion under that row's own id gets the new values: one `update`. Any other row was pushed out
--   by another unique key: one `delete`. No mark outlives the statement, for a companion without its row breaks the reference.
-- - What an entry holds of a row is said once, in a view. Whoever adds a column makes the view anew.
-- - The time of an entry is the database's clock, not what the application says.
-- - No CASE … END in a trigger: some tools take its END for the end of the trigger and cut the statement there.

CREATE TABLE audit_logs (
  id INTEGER PRIMARY KEY NOT NULL CHECK (id > 0),
  tenant_id TEXT NOT NULL,
  actor TEXT,
  action TEXT NOT NULL CHECK (action IN ('create', 'update', 'delete')),
  resource_type TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  old_values TEXT CHECK (old_values IS NULL OR (json_valid(old_values) AND json_type(old_values) = 'object')),
  new_values TEXT CHECK (new_values IS NULL OR (json_valid(new_values) AND json_type(new_values) = 'object')),
  ip_address TEXT,
  user_agent TEXT,
  created_at INTEGER NOT NULL DEFAULT (CAST(round(unixepoch('subsec') * 1000) AS INTEGER))
) STRICT;

CREATE INDEX audit_logs_page ON audit_logs (tenant_id, id DESC);
CREATE INDEX audit_logs_resource ON audit_logs (tenant_id, resource_type, resource_id);
CREATE INDEX audit_logs_actor ON audit_logs (tenant_id, actor);

CREATE TRIGGER audit_logs_are_not_replaced BEFORE INSERT ON audit_logs
WHEN EXISTS (SELECT 1 FROM audit_logs WHERE id = new.id)
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_logs_are_not_changed BEFORE UPDATE ON audit_logs
WHEN NOT (
  old.actor IS NOT NULL AND new.actor IS NULL
  AND NOT EXISTS (SELECT 1 FROM users WHERE tenant_id = old.tenant_id AND id = old.actor)
  AND new.id IS old.id AND new.tenant_id IS old.tenant_id AND new.action IS old.action
  AND new.resource_type IS old.resource_type AND new.resource_id IS old.resource_id
  AND new.old_values IS old.old_values AND new.new_values IS old.new_values
  AND new.ip_address IS old.ip_address AND new.user_agent IS old.user_agent AND new.created_at IS old.created_at
)
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_logs_are_not_removed BEFORE DELETE ON audit_logs
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_logs_name_own_users BEFORE INSERT ON audit_logs
WHEN new.actor IS NOT NULL AND NOT EXISTS (SELECT 1 FROM users WHERE tenant_id = new.tenant_id AND id = new.actor)
BEGIN
  SELECT RAISE(ABORT, 'the actor is not a user of this tenant');
END;

-- Who acts for a tenant in the batch that is running.
CREATE TABLE acting_users (
  tenant_id TEXT PRIMARY KEY NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL,
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
) STRICT;

-- Users.

CREATE VIEW user_values AS
  SELECT id, json_object(
    'id', id, 'tenant_id', tenant_id, 'email', email, 'auth0_id', auth0_id, 'created_at', created_at,
    'updated_at', updated_at, 'deleted_at', deleted_at
  ) AS row_values
  FROM users;

CREATE TABLE user_last_values (
  user_id TEXT PRIMARY KEY NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  last_values TEXT NOT NULL CHECK (json_valid(last_values) AND json_type(last_values) = 'object'),
  replaced INTEGER NOT NULL DEFAULT 0 CHECK (replaced IN (0, 1))
) STRICT;

CREATE INDEX user_last_values_replaced ON user_last_values (user_id) WHERE replaced = 1;

-- Rows that are older than the log get a companion, and no entry.
INSERT INTO user_last_values (user_id, last_values) SELECT id, row_values FROM user_values;

CREATE TRIGGER users_inserted_values AFTER INSERT ON users
BEGIN
  DELETE FROM user_last_values WHERE replaced = 1 AND user_id <> new.id;
  INSERT INTO user_last_values (user_id, last_values) SELECT id, row_values FROM user_values WHERE id = new.id
  ON CONFLICT (user_id) DO UPDATE SET last_values = excluded.last_values, replaced = 0;
END;

CREATE TRIGGER users_updated_values AFTER UPDATE ON users
BEGIN
  DELETE FROM user_last_values WHERE replaced = 1 AND user_id <> new.id;
  INSERT INTO user_last_values (user_id, last_values) SELECT id, row_values FROM user_values WHERE id = new.id
  ON CONFLICT (user_id) DO UPDATE SET last_values = excluded.last_values, replaced = 0;
END;

CREATE TRIGGER users_deleted_values BEFORE DELETE ON users
BEGIN
  DELETE FROM user_last_values WHERE user_id = old.id;
END;

CREATE TRIGGER user_last_values_replaced_rows AFTER DELETE ON user_last_values
WHEN old.replaced = 0 AND NOT EXISTS (SELECT 1 FROM users WHERE id = old.user_id)
BEGIN
  INSERT INTO user_last_values (user_id, last_values, replaced) VALUES (old.user_id, old.last_values, 1);
END;

CREATE TRIGGER user_audit_create AFTER INSERT ON user_last_values
WHEN new.replaced = 0
BEGIN
  INSERT INTO audit_logs (tenant_id, actor, action, resource_type, resource_id, old_values, new_values)
  SELECT new.last_values ->> 'tenant_id', actor.id, 'create', 'user', new.user_id, NULL, new.last_values
  FROM (SELECT 1) LEFT JOIN users AS actor ON actor.tenant_id = new.last_values ->> 'tenant_id' AND actor.id = coalesce(
    (SELECT user_id FROM acting_users WHERE tenant_id = new.last_values ->> 'tenant_id'), new.last_values ->> 'id'
  );
END;

CREATE TRIGGER user_audit_update AFTER UPDATE OF last_values ON user_last_values
BEGIN
  INSERT INTO audit_logs (tenant_id, actor, action, resource_type, resource_id, old_values, new_values)
  SELECT new.last_values ->> 'tenant_id', actor.id, 'update', 'user', new.user_id, old.last_values, new.last_values
  FROM (SELECT 1) LEFT JOIN users AS actor ON actor.tenant_id = new.last_values ->> 'tenant_id' AND actor.id = coalesce(
    (SELECT user_id FROM acting_users WHERE tenant_id = new.last_values ->> 'tenant_id'), new.last_values ->> 'id'
  );
END;

CREATE TRIGGER user_audit_delete AFTER DELETE ON user_last_values
WHEN old.replaced = 1 OR EXISTS (SELECT 1 FROM users WHERE id = old.user_id)
BEGIN
  INSERT INTO audit_logs (tenant_id, actor, action, resource_type, resource_id, old_values, new_values)
  SELECT old.last_values ->> 'tenant_id', actor.id, 'delete', 'user', old.user_id, old.last_values, NULL
  FROM (SELECT 1) LEFT JOIN users AS actor ON actor.tenant_id = old.last_values ->> 'tenant_id' AND actor.id = coalesce(
    (SELECT user_id FROM acting_users WHERE tenant_id = old.last_values ->> 'tenant_id'), old.last_values ->> 'id'
  );
END;

-- What a deleted user did keeps no actor, whichever way the user went.
CREATE TRIGGER users_deleted_actor AFTER DELETE ON users
BEGIN
  UPDATE audit_logs SET actor = NULL WHERE tenant_id = old.tenant_id AND actor = old.id;
END;

CREATE TRIGGER users_replaced_actor AFTER DELETE ON user_last_values
WHEN old.replaced = 1
BEGIN
  UPDATE audit_logs SET actor = NULL WHERE tenant_id = old.last_values ->> 'tenant_id' AND actor = old.user_id;
END;

-- Items.

CREATE VIEW item_values AS
  SELECT id, json_object(
    'id', id, 'tenant_id', tenant_id, 'user_id', user_id, 'name', name, 'content', content, 'importance', importance,
    'access_scope', access_scope, 'published_at', published_at, 'tags', json(tags), 'metadata', json(metadata),
    'created_at', created_at, 'updated_at', updated_at, 'deleted_at', deleted_at
  ) AS row_values
  FROM items;

CREATE TABLE item_last_values (
  item_id TEXT PRIMARY KEY NOT NULL REFERENCES items (id) ON DELETE CASCADE ON UPDATE CASCADE,
  last_values TEXT NOT NULL CHECK (json_valid(last_values) AND json_type(last_values) = 'object'),
  replaced INTEGER NOT NULL DEFAULT 0 CHECK (replaced IN (0, 1))
) STRICT;

CREATE INDEX item_last_values_replaced ON item_last_values (item_id) WHERE replaced = 1;

-- Rows that are older than the log get a companion, and no entry.
INSERT INTO item_last_values (item_id, last_values) SELECT id, row_values FROM item_values;

CREATE TRIGGER items_inserted_values AFTER INSERT ON items
BEGIN
  DELETE FROM item_last_values WHERE replaced = 1 AND item_id <> new.id;
  INSERT INTO item_last_values (item_id, last_values) SELECT id, row_values FROM item_values WHERE id = new.id
  ON CONFLICT (item_id) DO UPDATE SET last_values = excluded.last_values, replaced = 0;
END;

CREATE TRIGGER items_updated_values AFTER UPDATE ON items
BEGIN
  DELETE FROM item_last_values WHERE replaced = 1 AND item_id <> new.id;
  INSERT INTO item_last_values (item_id, last_values) SELECT id, row_values FROM item_values WHERE id = new.id
  ON CONFLICT (item_id) DO UPDATE SET last_values = excluded.last_values, replaced = 0;
END;

CREATE TRIGGER items_deleted_values BEFORE DELETE ON items
BEGIN
  DELETE FROM item_last_values WHERE item_id = old.id;
END;

CREATE TRIGGER item_last_values_replaced_rows AFTER DELETE ON item_last_values
WHEN old.replaced = 0 AND NOT EXISTS (SELECT 1 FROM items WHERE id = old.item_id)
BEGIN
  INSERT INTO item_last_values (item_id, last_values, replaced) VALUES (old.item_id, old.last_values, 1);
END;

CREATE TRIGGER item_audit_create AFTER INSERT ON item_last_values
WHEN new.replaced = 0
BEGIN
  INSERT INTO audit_logs (tenant_id, actor, action, resource_type, resource_id, old_values, new_values)
  SELECT new.last_values ->> 'tenant_id', actor.id, 'create', 'item', new.item_id, NULL, new.last_values
  FROM (SELECT 1) LEFT JOIN users AS actor ON actor.tenant_id = new.last_values ->> 'tenant_id' AND actor.id = coalesce(
    (SELECT user_id FROM acting_users WHERE tenant_id = new.last_values ->> 'tenant_id'), new.last_values ->> 'user_id'
  );
END;

CREATE TRIGGER item_audit_update AFTER UPDATE OF last_values ON item_last_values
BEGIN
  INSERT INTO audit_logs (tenant_id, actor, action, resource_type, resource_id, old_values, new_values)
  SELECT new.last_values ->> 'tenant_id', actor.id, 'update', 'item', new.item_id, old.last_values, new.last_values
  FROM (SELECT 1) LEFT JOIN users AS actor ON actor.tenant_id = new.last_values ->> 'tenant_id' AND actor.id = coalesce(
    (SELECT user_id FROM acting_users WHERE tenant_id = new.last_values ->> 'tenant_id'), new.last_values ->> 'user_id'
  );
END;

CREATE TRIGGER item_audit_delete AFTER DELETE ON item_last_values
WHEN old.replaced = 1 OR EXISTS (SELECT 1 FROM items WHERE id = old.item_id)
BEGIN
  INSERT INTO audit_logs (tenant_id, actor, action, resource_type, resource_id, old_values, new_values)
  SELECT old.last_values ->> 'tenant_id', actor.id, 'delete', 'item', old.item_id, old.last_values, NULL
  FROM (SELECT 1) LEFT JOIN users AS actor ON actor.tenant_id = old.last_values ->> 'tenant_id' AND actor.id = coalesce(
    (SELECT user_id FROM acting_users WHERE tenant_id = old.last_values ->> 'tenant_id'), old.last_values ->> 'user_id'
  );
END;
