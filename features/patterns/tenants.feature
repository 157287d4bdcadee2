@data @since.1.1
Feature: Tenants in one database
  What belongs to a tenant goes with it, and belongs to nobody else.

  @PAT-001 @must
  Rule: PAT-001 Tenant scoping
    Every tenant-scoped table has a NOT NULL tenant key that references the tenants table on delete cascade, directly or through NOT NULL cascading parents, and is the first column of an index. Deleting a tenant removes all its rows and none of another's; nothing dangles. Tables declared to outlive the tenant keep theirs.

    @smoke
    Scenario: Deleting a tenant removes all of its rows and none of another's
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then deleting a tenant removes all of its rows and none of another's

    Scenario: Nothing dangles when a tenant is deleted
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then nothing dangles when a tenant is deleted

    Scenario: Tables that are declared to outlive a tenant keep its rows
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then tables that are declared to outlive a tenant keep its rows

    Scenario: Every table that belongs to tenants has a tenant key that is NOT NULL, or hangs on parents that are NOT NULL
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then every table that belongs to tenants has a tenant key that is NOT NULL, or hangs on parents that are NOT NULL

    Scenario: The tenant key refers to the table of tenants ON DELETE CASCADE, directly or through parents that cascade
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then the tenant key refers to the table of tenants ON DELETE CASCADE, directly or through parents that cascade

    Scenario: The tenant key is the first column of an index
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then the tenant key is the first column of an index

  @PAT-011 @must
  Rule: PAT-011 Ownership in declared writes
    Ownership holds in code as well: a declared write that names a tenant, user or parent that does not exist, or belongs to another tenant, is refused and writes nothing.

    Scenario: A declared write that names a tenant, user or parent of another tenant writes nothing
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then a declared write that names a tenant, user or parent of another tenant writes nothing

    Scenario: A declared write that names a tenant, user or parent that does not exist writes nothing
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then a declared write that names a tenant, user or parent that does not exist writes nothing

  @PAT-012 @must
  Rule: PAT-012 No reference into another tenant
    No row refers to a row of another tenant: for every reference between scoped tables a foreign pair is refused, the own pair accepted.

    Scenario: No row can be inserted that refers to a row of another tenant
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then no row can be inserted that refers to a row of another tenant

    Scenario: No row can be changed so that it refers to a row of another tenant
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then no row can be changed so that it refers to a row of another tenant

  @PAT-013 @must
  Rule: PAT-013 Uniqueness within the tenant
    Uniqueness that a tenant can run into is scoped to the tenant, and a soft-deleted row does not block its successor; exceptions are declared.

    Scenario: What one tenant has used for a unique key another tenant may use as well
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then what one tenant has used for a unique key another tenant may use as well

    Scenario: A soft-deleted row does not block its successor
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then a soft-deleted row does not block its successor
