@data @since.1.1
Feature: Migrations
  A migration is tried with rows in the tables, for that is how it is run in production.

  @PAT-009 @must
  Rule: PAT-009 Migrations and the schema agree
    Replaying the migrations from empty gives the schema of the database; after each file the statements declared for the version before still work, until a file says otherwise; applying again changes nothing; an edited file that was applied is noticed. Decision: the runner is idempotent, not each statement.

    Scenario: The migrations apply to an empty database, file by file
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then the migrations apply to an empty database, file by file

    Scenario: The statements declared for the version before still work after each file
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then the statements declared for the version before still work after each file

  @PAT-016 @must
  Rule: PAT-016 Migrations with rows
    With rows in every table no migration fails that applies to the empty database, and none removes or nulls a row that it does not name (a table rebuild on D1 empties cascading children).

    Scenario: With rows in every table no migration fails that applies to the empty database
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then with rows in every table no migration fails that applies to the empty database

    Scenario: No migration removes or nulls a row that it does not name
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then no migration removes or nulls a row that it does not name

  @PAT-017 @must
  Rule: PAT-017 Rebuilds keep what was there
    A rebuild keeps columns, indexes, triggers and references unless the file names the loss.

    Scenario: A rebuild keeps the columns and references of its table, unless the file names the loss
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then a rebuild keeps the columns and references of its table, unless the file names the loss

    Scenario: A rebuild keeps the indexes and triggers of its table, unless the file names the loss
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then a rebuild keeps the indexes and triggers of its table, unless the file names the loss

  @PAT-018 @must
  Rule: PAT-018 One meaning by all ways in
    A file means the same through binding, query and import: all three ways of splitting it give the same statements.

    Scenario: Each file is split into the same statements by binding, query and import
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then each file is split into the same statements by binding, query and import
