-- The document's "Full-Text Search Pattern (FTS5)": the names and texts of items.
--
-- Where this differs from the document, and why:
-- - The index is not tied to the implicit rowid of a table with a TEXT key. The document looks for `id IN (SELECT rowid …)`, which
--   finds nothing, and with ids that are digits it finds the row of another tenant. VACUUM and a dump may also renumber such rowids.
-- - Between the items and the index stands a side table with an INTEGER PRIMARY KEY. The triggers of the index sit there, because
--   SQLite deletes rows for REPLACE without firing DELETE triggers: with triggers on `items` itself a single REPLACE corrupts
--   the index. Foreign key actions do fire then, so the cascade removes the side row, and that deletion fires the trigger below.
-- - Every search joins the item, and asks for its tenant and whether it is active (see `data.toml`).
-- - What a user types goes into MATCH as quoted words: a bare double quote, an apostrophe or AND is a syntax error.
-- - The items that are there already are indexed by this file.

CREATE TABLE item_texts (
  id INTEGER PRIMARY KEY NOT NULL,
  item_id TEXT NOT NULL UNIQUE REFERENCES items (id) ON DELETE CASCADE ON UPDATE CASCADE,
  name TEXT NOT NULL,
  content TEXT NOT NULL
) STRICT;

CREATE VIRTUAL TABLE item_texts_fts USING fts5 (name, content, content = 'item_texts', content_rowid = 'id');

-- Nothing but the triggers of `items` adds rows here, so a row in the way means that somebody replaces one behind their back.
CREATE TRIGGER item_texts_are_not_replaced BEFORE INSERT ON item_texts
WHEN EXISTS (SELECT 1 FROM item_texts WHERE item_id = new.item_id OR id = new.id)
BEGIN
  SELECT RAISE(ABORT, 'the text of an item is changed by changing the item');
END;

CREATE TRIGGER item_texts_are_not_exchanged BEFORE UPDATE OF id, item_id ON item_texts
WHEN new.id IS NOT old.id OR EXISTS (SELECT 1 FROM item_texts WHERE item_id = new.item_id AND id <> new.id)
BEGIN
  SELECT RAISE(ABORT, 'the text of an item is changed by changing the item');
END;

CREATE TRIGGER item_texts_inserted AFTER INSERT ON item_texts
BEGIN
  INSERT INTO item_texts_fts (rowid, name, content) VALUES (new.id, new.name, new.content);
END;

CREATE TRIGGER item_texts_deleted AFTER DELETE ON item_texts
BEGIN
  INSERT INTO item_texts_fts (item_texts_fts, rowid, name, content) VALUES ('delete', old.id, old.name, old.content);
END;

CREATE TRIGGER item_texts_updated AFTER UPDATE OF name, content ON item_texts
BEGIN
  INSERT INTO item_texts_fts (item_texts_fts, rowid, name, content) VALUES ('delete', old.id, old.name, old.content);
  INSERT INTO item_texts_fts (rowid, name, content) VALUES (new.id, new.name, new.content);
END;

INSERT INTO item_texts (item_id, name, content) SELECT id, name, content FROM items;

CREATE TRIGGER items_inserted_text AFTER INSERT ON items
BEGIN
  INSERT INTO item_texts (item_id, name, content) VALUES (new.id, new.name, new.content);
END;

CREATE TRIGGER items_updated_text AFTER UPDATE OF name, content ON items
BEGIN
  UPDATE item_texts SET name = new.name, content = new.content WHERE item_id = new.id;
END;
