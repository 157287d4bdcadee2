@data @since.1.1
Feature: Sessions
  A session ends when it says.

  @PAT-006 @must
  Rule: PAT-006 Sessions
    Expired sessions are never served, at the very instant neither; activity extends only live ones; purging uses an index.

    Scenario: An ended session is never served, at the very instant neither
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then an ended session is never served, at the very instant neither

    Scenario: Activity extends live sessions only
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then activity extends live sessions only

    Scenario: Purging removes ended sessions only, and by an index
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then purging removes ended sessions only, and by an index
