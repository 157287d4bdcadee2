-- Verify the tables' structure: each table of the application with its columns as they were declared.
-- SQLite's list of the schema has no index, and is as short as the schema.
-- The document's query lists SQLite's and D1's own tables as well.
SELECT name, sql
FROM sqlite_schema
WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*' AND name <> 'd1_migrations';
