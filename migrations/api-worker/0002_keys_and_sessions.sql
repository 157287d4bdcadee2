-- Credentials: API keys, and the sessions that were begun by one.
--
-- Where this differs from the document, and why:
-- - Nothing of a credential is kept but its SHA-256, which an index finds, and the 12 characters by which people tell keys apart.
--   A slow hash guards guessable passwords; nobody guesses 256 random bits.
-- - The permissions are a JSON array that the database checks word by word: without its known words nothing but brackets and commas is left.
-- - The quota and what was used of it are numbers of the same row, so that one UPDATE decides.
-- - A session belongs to a key and to that key's user: the reference holds both.
-- - What a credential is cannot be changed afterwards, and a revocation cannot be taken back. Rows of keys stay, for usage refers to them.

CREATE TABLE api_keys (
  id TEXT PRIMARY KEY NOT NULL,
  user_id TEXT NOT NULL CHECK (length(user_id) BETWEEN 1 AND 128),
  name TEXT CHECK (name IS NULL OR length(name) BETWEEN 1 AND 200),
  prefix TEXT NOT NULL CHECK (prefix GLOB 'mpk_????????'),
  hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64 AND hash NOT GLOB '*[^0-9a-f]*'),
  permissions TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(permissions) AND json_type(permissions) = 'array'),
  expires_at INTEGER CHECK (expires_at IS NULL OR expires_at BETWEEN 0 AND 253402300799999),
  quota_requests INTEGER CHECK (quota_requests IS NULL OR quota_requests >= 0),
  requests_used INTEGER NOT NULL DEFAULT 0 CHECK (requests_used >= 0),
  replaces TEXT,
  revoked_at INTEGER CHECK (revoked_at IS NULL OR revoked_at BETWEEN 0 AND 253402300799999),
  created_at INTEGER NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799999),
  UNIQUE (user_id, id),
  FOREIGN KEY (user_id, replaces) REFERENCES api_keys (user_id, id) ON DELETE RESTRICT,
  CONSTRAINT only_known_permissions CHECK (
    instr(substr(permissions, 2), '[') = 0
    AND trim(replace(replace(replace(permissions, '"chat"', ''), '"read"', ''), '"write"', ''), '[],') = ''
  ),
  CONSTRAINT used_within_quota CHECK (quota_requests IS NULL OR requests_used <= quota_requests)
) STRICT, WITHOUT ROWID;

CREATE INDEX api_keys_page ON api_keys (created_at, id);
CREATE INDEX api_keys_user_page ON api_keys (user_id, created_at, id);
CREATE INDEX api_keys_replaced ON api_keys (user_id, replaces);

CREATE TRIGGER api_keys_are_not_replaced BEFORE INSERT ON api_keys
WHEN EXISTS (SELECT 1 FROM api_keys WHERE id = new.id) OR EXISTS (SELECT 1 FROM api_keys WHERE hash = new.hash)
BEGIN
  SELECT RAISE(ABORT, 'this key is there already');
END;

CREATE TRIGGER api_keys_stay_what_they_are BEFORE UPDATE ON api_keys
WHEN new.id IS NOT old.id OR new.user_id IS NOT old.user_id OR new.name IS NOT old.name OR new.prefix IS NOT old.prefix
  OR new.hash IS NOT old.hash OR new.permissions IS NOT old.permissions OR new.expires_at IS NOT old.expires_at
  OR new.quota_requests IS NOT old.quota_requests OR new.replaces IS NOT old.replaces OR new.created_at IS NOT old.created_at
  OR new.requests_used < old.requests_used OR (old.revoked_at IS NOT NULL AND new.revoked_at IS NOT old.revoked_at)
BEGIN
  SELECT RAISE(ABORT, 'a key is used and revoked, and otherwise stays what it is');
END;

CREATE TRIGGER api_keys_are_not_removed BEFORE DELETE ON api_keys
BEGIN
  SELECT RAISE(ABORT, 'a key is revoked, and its row stays');
END;

CREATE TABLE user_sessions (
  id TEXT PRIMARY KEY NOT NULL,
  user_id TEXT NOT NULL,
  api_key_id TEXT NOT NULL,
  prefix TEXT NOT NULL CHECK (prefix GLOB 'mps_????????'),
  hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64 AND hash NOT GLOB '*[^0-9a-f]*'),
  expires_at INTEGER NOT NULL CHECK (expires_at BETWEEN 0 AND 253402300799999),
  revoked_at INTEGER CHECK (revoked_at IS NULL OR revoked_at BETWEEN 0 AND 253402300799999),
  created_at INTEGER NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799999),
  FOREIGN KEY (user_id, api_key_id) REFERENCES api_keys (user_id, id) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;

CREATE INDEX user_sessions_key ON user_sessions (user_id, api_key_id);
CREATE INDEX user_sessions_end ON user_sessions (expires_at, id);

CREATE TRIGGER user_sessions_are_not_replaced BEFORE INSERT ON user_sessions
WHEN EXISTS (SELECT 1 FROM user_sessions WHERE id = new.id) OR EXISTS (SELECT 1 FROM user_sessions WHERE hash = new.hash)
BEGIN
  SELECT RAISE(ABORT, 'this session is there already');
END;

CREATE TRIGGER user_sessions_stay_what_they_are BEFORE UPDATE ON user_sessions
WHEN new.id IS NOT old.id OR new.user_id IS NOT old.user_id OR new.api_key_id IS NOT old.api_key_id OR new.prefix IS NOT old.prefix
  OR new.hash IS NOT old.hash OR new.expires_at IS NOT old.expires_at OR new.created_at IS NOT old.created_at
  OR (old.revoked_at IS NOT NULL AND new.revoked_at IS NOT old.revoked_at)
BEGIN
  SELECT RAISE(ABORT, 'a session is ended, and otherwise stays what it is');
END;
