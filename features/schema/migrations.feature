@core
Feature: Migrations make the schema

  @SCH-004 @must
  Rule: SCH-004 Migrations are numbered, recorded and whole
    The schema comes from numbered migrations applied in order, recorded in `d1_migrations`, each in one transaction; applying again changes nothing; a failing file leaves nothing of itself behind and stops the run with its name and line.

    @needs.migrations @needs.d1
    Scenario: The target's own schema comes from its migrations
      Then the migrations recorded in the target's database are those of its folder, in order

    @needs.migrations
    Scenario: Files apply by their number, whatever its width, and nothing else applies
      Given a folder of migrations
        | 100_third.sql        | INSERT INTO steps SELECT 'third', count(*) FROM steps;                              |
        | 0010_second.sql      | INSERT INTO steps SELECT 'second', count(*) FROM steps;                             |
        | 9_first.sql          | CREATE TABLE steps (name TEXT, position INTEGER); INSERT INTO steps VALUES ('first', 0); |
        | sub/0001_ignored.sql | INSERT INTO steps VALUES ('sub-folder', -1);                                        |
        | README.md            | not SQL                                                                             |
      When the migrations are applied to a fresh database
      Then the tool reports success
      And the migrations "9_first.sql, 0010_second.sql, 100_third.sql" are recorded in this order, each once
      And the steps done are "first 0, second 1, third 2"

    @needs.migrations
    Scenario: Applying again changes nothing, and a file added later applies alone
      Given a folder of migrations
        | 0001_first.sql | CREATE TABLE steps (name TEXT, position INTEGER); INSERT INTO steps VALUES ('first', 0); |
      When the migrations are applied to a fresh database
      And the migrations are applied again
      Then the tool reports success
      And nothing in the database has changed
      When a migration is added to the folder
        | 0002_second.sql | INSERT INTO steps SELECT 'second', count(*) FROM steps; |
      And the migrations are applied again
      Then the tool reports success
      And the migrations "0001_first.sql, 0002_second.sql" are recorded in this order, each once
      And the steps done are "first 0, second 1"

    # Whether the tool then complains is its choice; what was applied is not done again.
    @needs.migrations
    Scenario: A file that was edited after it was applied is not applied again
      Given a folder of migrations
        | 0001_first.sql | CREATE TABLE IF NOT EXISTS steps (name TEXT, position INTEGER); INSERT INTO steps VALUES ('first', 0); |
      When the migrations are applied to a fresh database
      Then the tool reports success
      And the steps done are "first 0"
      When a migration is added to the folder
        | 0001_first.sql | CREATE TABLE IF NOT EXISTS steps (name TEXT, position INTEGER); INSERT INTO steps VALUES ('edited', 1); |
      And the migrations are applied again
      Then nothing in the database has changed

    @needs.migrations
    Scenario: A failing file leaves nothing of itself and stops the run with its name
      Given a folder of migrations
        | 0001_good.sql  | CREATE TABLE steps (name TEXT, position INTEGER); INSERT INTO steps VALUES ('first', 0); |
        | 0003_later.sql | INSERT INTO steps VALUES ('later', 9);                                                  |
      And the migration "0002_bad.sql" in it
        """
        CREATE TABLE half (id INTEGER);
        INSERT INTO steps VALUES ('half', 1);
        -- the next statement names a column that is not there
        INSERT INTO steps (name, no_such_column)
        VALUES ('never', 2);
        INSERT INTO steps VALUES ('after', 3);
        """
      When the migrations are applied to a fresh database
      Then the tool reports failure and names "0002_bad.sql"
      And the migrations "0001_good.sql" are recorded in this order, each once
      And the steps done are "first 0"
      And table "half" is not there
      When the migration "0002_bad.sql" is mended
        """
        INSERT INTO steps SELECT 'mended', count(*) FROM steps;
        """
      And the migrations are applied again
      Then the tool reports success
      And the migrations "0001_good.sql, 0002_bad.sql, 0003_later.sql" are recorded in this order, each once
      And the steps done are "first 0, mended 1, later 9"

    @needs.migrations
    Scenario: A failing file stops the run with the line
      Given a folder of migrations
        | 0001_good.sql | CREATE TABLE steps (name TEXT, position INTEGER); |
      And the migration "0002_bad.sql" in it
        """
        INSERT INTO steps VALUES ('half', 1);
        -- the next statement names a column that is not there
        INSERT INTO steps (name, no_such_column)
        VALUES ('never', 2);
        """
      When the migrations are applied to a fresh database
      Then the tool reports failure and names "0002_bad.sql"
      And it names line 3

    @needs.migrations
    Scenario: Semicolons in texts, comments and triggers end no statement
      Given the migration "0001_tricky.sql" in a folder of its own
        """
        CREATE TABLE steps (name TEXT DEFAULT 'a;b', position INTEGER); -- one; two
        /* three; four */
        CREATE TRIGGER counted AFTER INSERT ON steps WHEN new.position IS NULL BEGIN
          UPDATE steps SET position = 1 WHERE rowid = new.rowid;
          UPDATE steps SET position = position + 1 WHERE rowid = new.rowid;
        END;
        INSERT INTO steps (name) VALUES ('x;y');
        """
      When the migrations are applied to a fresh database
      Then the tool reports success
      And the steps done are "x;y 2"

    @needs.migrations @needs.d1 @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @since.1.1
    Scenario: Nothing but migrations has changed the schema, whatever operators and callers have done
      Given a free tenant "a"
      When the operator changes every field of tenant "a" back and forth
      And tenant "a" chats so that a usage row is written
      And the operator reads all that is known of tenant "a"
      And the target's migrations are applied by wrangler's rules and within D1's limits
      Then the schema they give is the one of the target's database

  @SCH-005 @must
  Rule: SCH-005 Wrangler applies the same files to the same end
    The same files apply through `wrangler d1 migrations apply` and give the same schema.

    @needs.migrations @needs.d1
    Scenario: By wrangler's rules and within D1's limits the files give the target's schema
      When the target's migrations are applied by wrangler's rules and within D1's limits
      Then the schema they give is the one of the target's database

    @needs.migrations
    Scenario: The target's tool and wrangler's rules make the same of the same files
      When the target's migrations are applied by wrangler's rules and within D1's limits
      And the target's own tool applies them to a fresh database
      Then both have given the same schema
