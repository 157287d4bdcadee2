-- The document's "Session Management Pattern".
--
-- Where this differs from the document, and why:
-- - `expires_at` is set when the session begins, and is NOT NULL. The document's `expired_at` is written when somebody notices, so that
--   a session which nobody looks at never ends.
-- - A session is valid while `expires_at > now`: at the very instant of its end it is over. Whoever extends a session asks the same.
-- - The id is the hash of the token that the client holds: a copy of the database opens no session.
-- - The reference to the user is composite (see 0002).
-- - The index on `expires_at` is there for those who remove what has ended; it is the only one that they need.

CREATE TABLE sessions (
  id TEXT PRIMARY KEY NOT NULL,
  tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL,
  mcp_client_id TEXT,
  connected_at INTEGER NOT NULL,
  last_activity_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  metadata TEXT CHECK (metadata IS NULL OR (json_valid(metadata) AND json_type(metadata) = 'object')),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX sessions_user ON sessions (tenant_id, user_id);
CREATE INDEX sessions_end ON sessions (expires_at);
