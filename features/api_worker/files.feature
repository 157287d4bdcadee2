@api-worker @since.1.1
Feature: Migrations, seeds and set-up
  A file means the same whenever and wherever it is applied.

  @API-006 @must
  Rule: API-006 Development and production
    Development seed (test keys, sample data, relaxed limits, verbose logging) and production set-up (strict limits, auditing on, debug off, retention) are separate files; the production one refuses to run over development data and leaves nothing of itself behind.

    Scenario: The development seed brings two users with a key each, which its comment tells
      Given the API worker that the target offers, with users and models of this scenario
      Then the development seed brings two users with a key each, which its comment tells

    Scenario: The development seed brings sample usage
      Given the API worker that the target offers, with users and models of this scenario
      Then the development seed brings sample usage

    Scenario: The development seed allows a user ten times the usual
      Given the API worker that the target offers, with users and models of this scenario
      Then the development seed allows a user ten times the usual

    Scenario: The development seed turns debugging and verbose logging on
      Given the API worker that the target offers, with users and models of this scenario
      Then the development seed turns debugging and verbose logging on

    Scenario: The production set-up allows a user half the usual
      Given the API worker that the target offers, with users and models of this scenario
      Then the production set-up allows a user half the usual

    Scenario: The production set-up turns auditing on and debugging off
      Given the API worker that the target offers, with users and models of this scenario
      Then the production set-up turns auditing on and debugging off

    Scenario: The production set-up states how long usage, sessions and rate limits are kept
      Given the API worker that the target offers, with users and models of this scenario
      Then the production set-up states how long usage, sessions and rate limits are kept

    Scenario: The production set-up brings no key, no user and no sample data
      Given the API worker that the target offers, with users and models of this scenario
      Then the production set-up brings no key, no user and no sample data

    Scenario: The production set-up is refused over development data and leaves nothing behind
      Given the API worker that the target offers, with users and models of this scenario
      Then the production set-up is refused over development data and leaves nothing behind

    Scenario: The development seed is refused over a production database and leaves nothing behind
      Given the API worker that the target offers, with users and models of this scenario
      Then the development seed is refused over a production database and leaves nothing behind

    Scenario: The target's own database takes at most one of the two, and nothing of the other
      Given the API worker that the target offers, with users and models of this scenario
      Then the target's own database takes at most one of the two, and nothing of the other

    Scenario: The target's own tool refuses the production set-up over development data, and leaves nothing
      Given the API worker that the target offers, with users and models of this scenario
      Then the target's own tool refuses the production set-up over development data, and leaves nothing

    Scenario: The production set-up leaves nothing over development data where its statements are run one by one
      Given the API worker that the target offers, with users and models of this scenario
      Then the production set-up leaves nothing over development data where its statements are run one by one

  @API-007 @must
  Rule: API-007 The record of what was applied
    `schema_metadata` tracks version, history, time, environment and a SHA-256 per file; the runner applies what is missing in order, refuses an edited file, and records only what has been applied.

    Scenario: Schema_metadata keeps file, version, environment, SHA-256 and time of each file, one row for each
      Given the API worker that the target offers, with users and models of this scenario
      Then schema_metadata keeps file, version, environment, SHA-256 and time of each file, one row for each

    Scenario: The target's database has a row for each migration, with the SHA-256 of its text
      Given the API worker that the target offers, with users and models of this scenario
      Then the target's database has a row for each migration, with the SHA-256 of its text

    Scenario: What the target's database records has been applied to it
      Given the API worker that the target offers, with users and models of this scenario
      Then what the target's database records has been applied to it

    Scenario: The rows of the target's database are in order: by version, by time, in a known environment
      Given the API worker that the target offers, with users and models of this scenario
      Then the rows of the target's database are in order: by version, by time, in a known environment

    Scenario: The operators' route tells version, environment and the history with the SHA-256 of each file
      Given the API worker that the target offers, with users and models of this scenario
      Then the operators' route tells version, environment and the history with the SHA-256 of each file

    Scenario: The operators' route tells what the database holds
      Given the API worker that the target offers, with users and models of this scenario
      Then the operators' route tells what the database holds

    Scenario: The target's own tool applies the missing migrations in order and records each with its SHA-256
      Given the API worker that the target offers, with users and models of this scenario
      Then the target's own tool applies the missing migrations in order and records each with its SHA-256

    Scenario: The target's own tool applies nothing twice, and a new file without touching the rows of older ones
      Given the API worker that the target offers, with users and models of this scenario
      Then the target's own tool applies nothing twice, and a new file without touching the rows of older ones

    Scenario: The target's own tool refuses a file that was edited after it was applied, and applies nothing after it
      Given the API worker that the target offers, with users and models of this scenario
      Then the target's own tool refuses a file that was edited after it was applied, and applies nothing after it

    Scenario: The target's own tool records no file that failed, and goes on from it once it is mended
      Given the API worker that the target offers, with users and models of this scenario
      Then the target's own tool records no file that failed, and goes on from it once it is mended

    Scenario: The target's own tool records no seed that failed, and the seed once it is mended
      Given the API worker that the target offers, with users and models of this scenario
      Then the target's own tool records no seed that failed, and the seed once it is mended

  @API-012 @must
  Rule: API-012 Seeds and set-up files
    Seeds and set-up files apply to the schema they ship with, twice, to one state.

    Scenario: The development seed applies to the schema it ships with
      Given the API worker that the target offers, with users and models of this scenario
      Then the development seed applies to the schema it ships with

    Scenario: The production set-up applies to the schema it ships with
      Given the API worker that the target offers, with users and models of this scenario
      Then the production set-up applies to the schema it ships with

    Scenario: The development seed applied twice leaves the state of once
      Given the API worker that the target offers, with users and models of this scenario
      Then the development seed applied twice leaves the state of once

    Scenario: The production set-up applied twice leaves the state of once
      Given the API worker that the target offers, with users and models of this scenario
      Then the production set-up applied twice leaves the state of once

    Scenario: What the seed and the set-up leave behind keeps every reference
      Given the API worker that the target offers, with users and models of this scenario
      Then what the seed and the set-up leave behind keeps every reference

    Scenario: A seed that the target's own database takes leaves one state there too, applied twice
      Given the API worker that the target offers, with users and models of this scenario
      Then a seed that the target's own database takes leaves one state there too, applied twice

    Scenario: The target's own tool applies the set-up twice, to one state
      Given the API worker that the target offers, with users and models of this scenario
      Then the target's own tool applies the set-up twice, to one state

    Scenario: The seed and the set-up apply again when what they brought was changed later
      Given the API worker that the target offers, with users and models of this scenario
      Then the seed and the set-up apply again when what they brought was changed later

    Scenario: The seed and the set-up apply again when some of what they brought was removed
      Given the API worker that the target offers, with users and models of this scenario
      Then the seed and the set-up apply again when some of what they brought was removed
