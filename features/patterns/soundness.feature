@data @since.1.1
Feature: A schema without traps
  SQLite takes many statements whose failure comes later.

  @PAT-019 @must
  Rule: PAT-019 Nothing fails later
    Nothing in the schema fails later: every view and trigger prepares, every reference has a table, columns and a unique parent, every table takes an insert and a delete.

    Scenario: Every view and every trigger prepares
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then every view and every trigger prepares

    Scenario: Every reference has a table, columns and a unique parent
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then every reference has a table, columns and a unique parent

    Scenario: Every table takes an insert and a delete
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then every table takes an insert and a delete
