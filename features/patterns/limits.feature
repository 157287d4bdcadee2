@data @since.1.1
Feature: The limits of D1
  What D1 refuses in production it may take on a developer's machine.

  @PAT-010 @must
  Rule: PAT-010 D1's limits
    Declared writes stay within D1's limits at 1, 99, 100 and 101 items (100 parameters, 100,000 bytes of SQL, 2,000,000 bytes a row, LIKE patterns of 50 bytes, cascades 10 deep); a batch is one transaction; reads are paged by key. ("10,000 rows a query" in the seed is not true of D1: 50 MB and 30 s are its limits.)

    Scenario: Declared writes of many items stay within D1's limits at 1, 99, 100 and 101 items
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then declared writes of many items stay within D1's limits at 1, 99, 100 and 101 items

    Scenario: A declared batch is undone whole when one of its statements fails
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then a declared batch is undone whole when one of its statements fails

    Scenario: Declared pages are read by key, not by offset
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then declared pages are read by key, not by offset

    Scenario: Declared writes of one item stay within D1's limits, the length of their patterns among them
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then declared writes of one item stay within D1's limits, the length of their patterns among them

    Scenario: No deletion goes deeper than D1 nests triggers
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then no deletion goes deeper than D1 nests triggers
