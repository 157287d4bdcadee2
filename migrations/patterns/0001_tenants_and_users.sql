-- The document's "Tenant Isolation Pattern", first half: tenants and their users.
--
-- Where this differs from the document, and why:
-- - Keys are NOT NULL: a TEXT PRIMARY KEY alone takes several NULLs.
-- - Tables are STRICT: an INTEGER column of the document takes 'yesterday' as well as 1.5.
-- - `plan` is NOT NULL beside its CHECK: a CHECK passes on NULL.
-- - `UNIQUE (tenant_id, id)` lets other tables refer to a user together with its tenant, so that a row of one tenant can never
--   name the user of another (see 0002).
-- - An e-mail is unique among the active users of one tenant, ignoring case. With the document's `email UNIQUE` the same person
--   cannot belong to two tenants, cannot come back after a soft delete, and may still be there twice as X@X.de and x@x.de.
-- - The unique keys are partial indexes: a row that is soft-deleted blocks no successor, and several users may have no `auth0_id`.
-- - A row stays with its tenant, and its id with its row. Without these triggers a REPLACE or an UPSERT of one tenant that hits
--   the id of another would remove or change the other's row.
--
-- Write tenants and users by INSERT … ON CONFLICT … DO UPDATE, never by REPLACE: REPLACE deletes the old row first, and the cascade
-- takes everything that hangs on it.

CREATE TABLE tenants (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  plan TEXT NOT NULL CHECK (plan IN ('free', 'pro', 'team')),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER
) STRICT;

CREATE TABLE users (
  id TEXT PRIMARY KEY NOT NULL,
  tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  email TEXT NOT NULL COLLATE NOCASE,
  auth0_id TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER,
  UNIQUE (tenant_id, id)
) STRICT;

CREATE UNIQUE INDEX users_active_email ON users (tenant_id, email COLLATE NOCASE) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX users_active_auth0_id ON users (tenant_id, auth0_id) WHERE auth0_id IS NOT NULL AND deleted_at IS NULL;

CREATE TRIGGER users_keep_their_key BEFORE UPDATE OF id, tenant_id ON users
WHEN new.id IS NOT old.id OR new.tenant_id IS NOT old.tenant_id
BEGIN
  SELECT RAISE(ABORT, 'a user keeps its id and its tenant');
END;

CREATE TRIGGER users_of_another_tenant BEFORE INSERT ON users
WHEN EXISTS (SELECT 1 FROM users WHERE id = new.id AND tenant_id <> new.tenant_id)
BEGIN
  SELECT RAISE(ABORT, 'this id belongs to a user of another tenant');
END;
