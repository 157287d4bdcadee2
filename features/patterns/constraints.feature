@data @since.1.1
Feature: Constraints
  What the database refuses no version of the application can write.

  @PAT-008 @must
  Rule: PAT-008 Constraints
    Enum, range, conditional and composite unique constraints refuse other values, NULL where it is not meant, wrong types, fractions and values just outside; several NULLs pass a unique column.

    Scenario: Declared lists refuse every other value, other types, and NULL where it is not meant
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then declared lists refuse every other value, other types, and NULL where it is not meant

    Scenario: Declared ranges refuse what is just outside, fractions, other types, and NULL where it is not meant
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then declared ranges refuse what is just outside, fractions, other types, and NULL where it is not meant

    Scenario: No row can be made that breaks a declared condition
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then no row can be made that breaks a declared condition

    Scenario: Several rows without a value pass a unique column
      Given the database that the target declares, replayed in memory with rows of two tenants
      Then several rows without a value pass a unique column
