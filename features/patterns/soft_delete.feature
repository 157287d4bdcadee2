@data @since.1.1
Feature: Rows that are marked as deleted
  A row that is marked as deleted is gone for everybody who reads.

  @PAT-002 @must
  Rule: PAT-002 Soft delete
    Declared active queries never show soft-deleted rows of any table they join; an index serves them.

    Scenario: No declared active query shows a soft-deleted row of any table that it joins
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then no declared active query shows a soft-deleted row of any table that it joins

    Scenario: An index serves every declared active query
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then an index serves every declared active query
