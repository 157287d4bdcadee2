@data @since.1.1
Feature: Access paths
  D1 bills every row that is read.

  @PAT-007 @must
  Rule: PAT-007 Indexes for hot queries
    Every declared hot query searches by index, with and without statistics: no scan of a base table, no temporary b-tree; rows read ≤ 3 × rows returned + 10 a table.

    Scenario: Every declared hot query searches by index, without a scan of a table and without a temporary b-tree
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then every declared hot query searches by index, without a scan of a table and without a temporary b-tree

    Scenario: With the statistics of a million rows every declared hot query still searches by index
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then with the statistics of a million rows every declared hot query still searches by index

    Scenario: What a declared hot query reads follows what it returns, not what the tables hold
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then what a declared hot query reads follows what it returns, not what the tables hold

  @PAT-015 @should
  Rule: PAT-015 No needless index, no scan for children
    No index is covered by another; every foreign key's parent delete is a search.

    Scenario: No index is covered by another one
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then no index is covered by another one

    Scenario: The children of a deleted parent are found by a search
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then the children of a deleted parent are found by a search
