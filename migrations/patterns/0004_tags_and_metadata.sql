-- The document's "JSON Storage Pattern" and its "Example: Add new column safely": tags and metadata of items.
--
-- Where this differs from the document, and why:
-- - The database checks the JSON: a single row that is none stops every `json_each` over the table.
-- - The tags are an array of texts. A CHECK cannot look into an array, so triggers refuse one that holds anything else. The document
--   adds a tag by `json_array(tags, 'new-tag')`, which puts the old array into a new one; after three tags it is nested
--   three deep, and the first tag is no longer found. `json_insert(tags, '$[#]', ?)` keeps it flat.
-- - A tag is found by `json_each`. `LIKE '%"important"%'` also finds {"important":false} and ["IMPORTANT"], and D1 refuses a pattern
--   of more than 50 bytes.
-- - A column that is added to a table with rows is nullable, or has a constant default that its own CHECK takes; anything else works
--   on the empty database and fails in production.
-- - No column for embeddings: vectors belong into Vectorize.

ALTER TABLE items ADD COLUMN tags TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(tags) AND json_type(tags) = 'array');
ALTER TABLE items ADD COLUMN metadata TEXT CHECK (metadata IS NULL OR (json_valid(metadata) AND json_type(metadata) = 'object'));

CREATE TRIGGER items_inserted_tags BEFORE INSERT ON items
WHEN json_valid(new.tags) AND EXISTS (SELECT 1 FROM json_each(iif(json_valid(new.tags), new.tags, '[]')) WHERE type <> 'text')
BEGIN
  SELECT RAISE(ABORT, 'tags are an array of texts');
END;

CREATE TRIGGER items_updated_tags BEFORE UPDATE OF tags ON items
WHEN json_valid(new.tags) AND EXISTS (SELECT 1 FROM json_each(iif(json_valid(new.tags), new.tags, '[]')) WHERE type <> 'text')
BEGIN
  SELECT RAISE(ABORT, 'tags are an array of texts');
END;
