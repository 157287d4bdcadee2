@data @since.1.1
Feature: Full-text search
  An index of words is a second copy of the rows, and stays true to them.

  @PAT-003 @must
  Rule: PAT-003 Full text in sync
    Full text stays in sync under any sequence of INSERT, multi-row INSERT, UPDATE, key change, UPSERT, REPLACE, OR IGNORE, cascade and rolled-back batch: FTS5's own integrity check holds and the declared search returns exactly the expected rows.

    Scenario: The index stays in step with its rows under every way of writing them
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then the index stays in step with its rows under every way of writing them

  @PAT-014 @must
  Rule: PAT-014 Search within the tenant
    A search finds rows of its tenant only, whatever the ids look like, and no text of a user is a syntax error.

    Scenario: A search finds rows of its own tenant only
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then a search finds rows of its own tenant only

    Scenario: No text that a user types is a syntax error
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then no text that a user types is a syntax error
