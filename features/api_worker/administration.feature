@api-worker @since.1.1
Feature: Administration
  What an operator does is known afterwards.

  @API-009 @must
  Rule: API-009 Audit, flags and preferences
    Administrative actions are audited; feature flags and preferences resolve user over environment over default; a percentage rollout is stable per user.

    Scenario: No statement changes, removes or replaces an entry
      Given the API worker that the target offers, with users and models of this scenario
      Then no statement changes, removes or replaces an entry

    Scenario: Each change by an operator leaves exactly one entry with actor, action, resource and request
      Given the API worker that the target offers, with users and models of this scenario
      Then each change by an operator leaves exactly one entry with actor, action, resource and request

    Scenario: An entry tells what was before and what came after, and no secret
      Given the API worker that the target offers, with users and models of this scenario
      Then an entry tells what was before and what came after, and no secret

    Scenario: A request that is refused leaves no entry
      Given the API worker that the target offers, with users and models of this scenario
      Then a request that is refused leaves no entry

    Scenario: A request that changes nothing leaves no entry
      Given the API worker that the target offers, with users and models of this scenario
      Then a request that changes nothing leaves no entry

    Scenario: Changes at once leave one entry each
      Given the API worker that the target offers, with users and models of this scenario
      Then changes at once leave one entry each

    Scenario: Jobs that changed something and new rules of retention leave one entry each
      Given the API worker that the target offers, with users and models of this scenario
      Then jobs that changed something and new rules of retention leave one entry each

    Scenario: A flag is the user's value, else the environment's, else the rollout's, else the default
      Given the API worker that the target offers, with users and models of this scenario
      Then a flag is the user's value, else the environment's, else the rollout's, else the default

    Scenario: A rollout turns on exactly the users whose bucket lies below its percentage
      Given the API worker that the target offers, with users and models of this scenario
      Then a rollout turns on exactly the users whose bucket lies below its percentage

    Scenario: A rollout never flips a user: neither between requests nor by being raised
      Given the API worker that the target offers, with users and models of this scenario
      Then a rollout never flips a user: neither between requests nor by being raised

    Scenario: A preference is the user's, else the environment's, else the default, whatever JSON it is
      Given the API worker that the target offers, with users and models of this scenario
      Then a preference is the user's, else the environment's, else the default, whatever JSON it is

    Scenario: A user sets and removes only what is the user's own, and never a limit
      Given the API worker that the target offers, with users and models of this scenario
      Then a user sets and removes only what is the user's own, and never a limit

    Scenario: A flag that breaks a rule is refused, and what was set goes on deciding
      Given the API worker that the target offers, with users and models of this scenario
      Then a flag that breaks a rule is refused, and what was set goes on deciding

    Scenario: A preference that breaks a rule is refused, and what was set goes on resolving
      Given the API worker that the target offers, with users and models of this scenario
      Then a preference that breaks a rule is refused, and what was set goes on resolving

    Scenario: After a drawn sequence the audit has one entry for each change that a model has
      Given the API worker that the target offers, with users and models of this scenario
      Then after a drawn sequence the audit has one entry for each change that a model has

    Scenario: A preference that changes its type only is changed, and a user's object stands in the place of the ones below it
      Given the API worker that the target offers, with users and models of this scenario
      Then a preference that changes its type only is changed, and a user's object stands in the place of the ones below it

    Scenario: A rollout decides for a user alike by each key and each session
      Given the API worker that the target offers, with users and models of this scenario
      Then a rollout decides for a user alike by each key and each session
