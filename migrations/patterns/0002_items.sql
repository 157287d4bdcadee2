-- The document's "Tenant Isolation Pattern", second half, with its "Soft Delete Pattern", "Index Strategy" and "Constraint Patterns":
-- the items of a tenant.
--
-- Where this differs from the document, and why:
-- - The reference to the user is composite: (tenant_id, user_id) → users (tenant_id, id). With the document's `user_id REFERENCES
--   users (id)` a row of tenant A may name a user of tenant B, and deleting tenant B then deletes A's row.
-- - Every reference has an index that starts with its columns, and the first column is the tenant: without one, deleting a tenant
--   or a user reads the whole table, and D1 bills each row that is read.
-- - Active rows are served by a partial index on what the page is sorted by. The document's index on `deleted_at` alone is slower
--   than none on a large table, because nearly every row has the same value there.
-- - The page ends with the id, so that it can go on after the last row seen (a keyset). OFFSET reads all that it skips.
-- - A name is unique among the active items of one tenant: a soft-deleted item does not block its successor.
-- - `importance` is NOT NULL and INTEGER in a STRICT table: `BETWEEN 1 AND 10` alone passes NULL and 5.5.
-- - The condition over two columns cannot become NULL, for the CHECK would then pass.

CREATE TABLE items (
  id TEXT PRIMARY KEY NOT NULL,
  tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL,
  name TEXT NOT NULL,
  content TEXT NOT NULL,
  importance INTEGER NOT NULL DEFAULT 5 CHECK (importance BETWEEN 1 AND 10),
  access_scope TEXT NOT NULL DEFAULT 'private' CHECK (access_scope IN ('private', 'global')),
  published_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER,
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
  CONSTRAINT published_means_global CHECK ((access_scope = 'global') = (published_at IS NOT NULL))
) STRICT;

CREATE INDEX items_user ON items (tenant_id, user_id);
CREATE INDEX items_active_page ON items (tenant_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX items_active_name ON items (tenant_id, name) WHERE deleted_at IS NULL;

CREATE TRIGGER items_keep_their_tenant BEFORE UPDATE OF tenant_id ON items
WHEN new.tenant_id IS NOT old.tenant_id
BEGIN
  SELECT RAISE(ABORT, 'an item stays with its tenant');
END;

CREATE TRIGGER items_of_another_tenant BEFORE INSERT ON items
WHEN EXISTS (SELECT 1 FROM items WHERE id = new.id AND tenant_id <> new.tenant_id)
BEGIN
  SELECT RAISE(ABORT, 'this id belongs to an item of another tenant');
END;

-- An item may get another id, but none that is taken: UPDATE OR REPLACE would remove the item that has it.
CREATE TRIGGER items_with_a_taken_id BEFORE UPDATE OF id ON items
WHEN new.id IS NOT old.id AND EXISTS (SELECT 1 FROM items WHERE id = new.id)
BEGIN
  SELECT RAISE(ABORT, 'another item has this id');
END;
