@data @since.1.1
Feature: The audit log
  What was done stays to be seen, whatever becomes of those who did it.

  @PAT-005 @must
  Rule: PAT-005 Audit trail
    Every change of a tracked table, by whatever statement, leaves exactly one entry with actor, action, resource, old and new values; entries cannot be changed, removed or replaced, by rowid neither; they survive the tenant where that is declared, and a deleted user's entries keep a null actor. Decision: a log that outlives its tenant holds the tenant's id as text without a foreign key (the seed's cascade and append-only exclude each other).

    Scenario: Every change of a tracked table leaves exactly one entry that tells what was changed
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then every change of a tracked table leaves exactly one entry that tells what was changed

    Scenario: No entry can be changed, removed or replaced
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then no entry can be changed, removed or replaced

    Scenario: Entries survive their tenant where that is declared
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then entries survive their tenant where that is declared

    Scenario: The entries of a deleted user stay, without an actor
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then the entries of a deleted user stay, without an actor
