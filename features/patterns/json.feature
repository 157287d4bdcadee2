@data @since.1.1
Feature: JSON in text columns
  What D1 keeps as text is JSON only if the database sees to it.

  @PAT-004 @must
  Rule: PAT-004 JSON in text
    JSON in TEXT is checked by the database; tag queries match whole tags, case-exact; adding a tag keeps the array flat.

    Scenario: The database refuses text that is no JSON
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then the database refuses text that is no JSON

    Scenario: A tag query matches whole tags only, case-exact
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then a tag query matches whole tags only, case-exact

    Scenario: Adding a tag keeps the array flat and what was there
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then adding a tag keeps the array flat and what was there
