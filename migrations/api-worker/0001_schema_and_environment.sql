-- What is applied here, and which environment the database was set up for.
--
-- Where this differs from the document, and why:
-- - `schema_metadata` has a row for each file that was applied, with the SHA-256 of its text, so that an edited file is noticed.
--   The document keeps keys and values there: its "latest version" is whichever row was inserted first, and its runner records a
--   migration before running it, under a constant checksum.
-- - Rows of it are never changed, removed or replaced: what was applied stays told. WITHOUT ROWID, like all tables here whose key is
--   a text: by the hidden rowid a REPLACE could remove a row past every guard.
-- - `deployment` says once what the database is for. The development seed and the production set-up begin by writing it, so that the
--   one is refused where the other has been.

CREATE TABLE schema_metadata (
  file TEXT PRIMARY KEY NOT NULL CHECK (length(file) BETWEEN 1 AND 255),
  version INTEGER NOT NULL CHECK (version >= 0),
  environment TEXT NOT NULL CHECK (environment IN ('development', 'staging', 'production')),
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64 AND sha256 NOT GLOB '*[^0-9a-f]*'),
  applied_at INTEGER NOT NULL CHECK (applied_at BETWEEN 0 AND 253402300799999)
) STRICT, WITHOUT ROWID;

CREATE INDEX schema_metadata_newest ON schema_metadata (version DESC, applied_at DESC, file DESC);

CREATE TRIGGER schema_metadata_is_not_replaced BEFORE INSERT ON schema_metadata
WHEN EXISTS (SELECT 1 FROM schema_metadata WHERE file = new.file)
BEGIN
  SELECT RAISE(ABORT, 'this file is recorded already');
END;

CREATE TRIGGER schema_metadata_is_not_changed BEFORE UPDATE ON schema_metadata
BEGIN
  SELECT RAISE(ABORT, 'what was applied is not rewritten');
END;

CREATE TRIGGER schema_metadata_is_not_removed BEFORE DELETE ON schema_metadata
BEGIN
  SELECT RAISE(ABORT, 'what was applied is not forgotten');
END;

-- One row at most.
CREATE TABLE deployment (
  id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
  environment TEXT NOT NULL CHECK (environment IN ('development', 'staging', 'production')),
  created_at INTEGER NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799999)
) STRICT;

-- A set-up file inserts its environment unless it is there already, so that the file can run twice. Over another environment the INSERT is
-- made, and refused here, whatever conflict clause it has.
CREATE TRIGGER deployment_is_not_replaced BEFORE INSERT ON deployment
WHEN EXISTS (SELECT 1 FROM deployment)
BEGIN
  SELECT RAISE(ABORT, 'this database was set up for another environment');
END;

CREATE TRIGGER deployment_is_not_changed BEFORE UPDATE ON deployment
BEGIN
  SELECT RAISE(ABORT, 'a database stays in the environment that it was set up for');
END;

CREATE TRIGGER deployment_is_not_removed BEFORE DELETE ON deployment
BEGIN
  SELECT RAISE(ABORT, 'a database stays in the environment that it was set up for');
END;
