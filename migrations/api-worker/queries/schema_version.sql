-- Check the schema's version: the newest file that was applied.
-- Index: schema_metadata_newest, whose first entry it is.
-- The document sorts keys and values by a time that each of its replacements resets, and gets whichever row was inserted first.
SELECT version, file, environment, sha256, applied_at
FROM schema_metadata
ORDER BY version DESC, applied_at DESC, file DESC
LIMIT 1;
