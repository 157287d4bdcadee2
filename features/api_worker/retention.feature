@api-worker @since.1.1
Feature: Retention and statistics
  What is old goes, and what it summed up to stays.

  @API-008 @must
  Rule: API-008 Retention
    Retention removes old logs and sessions in bounded batches, resumes after a break, touches nothing at or after the boundary; daily statistics survive and stay equal to what they summed.

    Scenario: Retention removes usage logs before the boundary and none at or after it
      Given the API worker that the target offers, with users and models of this scenario
      Then retention removes usage logs before the boundary and none at or after it

    Scenario: Usage logs of a day that is not summed stay, however old they are
      Given the API worker that the target offers, with users and models of this scenario
      Then usage logs of a day that is not summed stay, however old they are

    Scenario: Retention removes in batches of the size asked for, stops after as many as asked for, and goes on where it stopped
      Given the API worker that the target offers, with users and models of this scenario
      Then retention removes in batches of the size asked for, stops after as many as asked for, and goes on where it stopped

    Scenario: Retention removes sessions and windows that ended before their boundary and no others
      Given the API worker that the target offers, with users and models of this scenario
      Then retention removes sessions and windows that ended before their boundary and no others

    Scenario: Daily statistics equal the usage of each date, user and model, chats without tokens included
      Given the API worker that the target offers, with users and models of this scenario
      Then daily statistics equal the usage of each date, user and model, chats without tokens included

    Scenario: Statistics survive retention unchanged, and no later run of the job changes them
      Given the API worker that the target offers, with users and models of this scenario
      Then statistics survive retention unchanged, and no later run of the job changes them

    Scenario: The day that is not over is not summed, and jobs at once sum a day once
      Given the API worker that the target offers, with users and models of this scenario
      Then the day that is not over is not summed, and jobs at once sum a day once

    Scenario: A day whose usage comes when later days are summed is summed as well
      Given the API worker that the target offers, with users and models of this scenario
      Then a day whose usage comes when later days are summed is summed as well

    Scenario: A rule of retention or a job that breaks a rule is refused, and nothing is removed
      Given the API worker that the target offers, with users and models of this scenario
      Then a rule of retention or a job that breaks a rule is refused, and nothing is removed

    Scenario: Jobs whose clock has gone back remove nothing and leave every sum as it was
      Given the API worker that the target offers, with users and models of this scenario
      Then jobs whose clock has gone back remove nothing and leave every sum as it was

    Scenario: In a drawn sequence the jobs sum and remove what a model has
      Given the API worker that the target offers, with users and models of this scenario
      Then in a drawn sequence the jobs sum and remove what a model has

    Scenario: Usage that came late to a day that was summed is removed with the day's, whosever it is
      Given the API worker that the target offers, with users and models of this scenario
      Then usage that came late to a day that was summed is removed with the day's, whosever it is

    Scenario: A batch has no more rows than asked for, though all are of one instant
      Given the API worker that the target offers, with users and models of this scenario
      Then a batch has no more rows than asked for, though all are of one instant

  @API-013 @must
  Rule: API-013 History
    History is not rewritten: `created_at` never changes, corrections add rows.

    Scenario: No UPDATE gives a row of any table another created_at
      Given the API worker that the target offers, with users and models of this scenario
      Then no UPDATE gives a row of any table another created_at

    Scenario: No change of another column, and no trigger, touches created_at
      Given the API worker that the target offers, with users and models of this scenario
      Then no change of another column, and no trigger, touches created_at

    Scenario: No REPLACE gives a key, or a row of history, another created_at
      Given the API worker that the target offers, with users and models of this scenario
      Then no REPLACE gives a key, or a row of history, another created_at

    Scenario: Usage, messages, prices, daily sums and audit entries cannot be changed: a correction is a row of its own
      Given the API worker that the target offers, with users and models of this scenario
      Then usage, messages, prices, daily sums and audit entries cannot be changed: a correction is a row of its own

    Scenario: Usage, messages, prices, daily sums and audit entries cannot be replaced
      Given the API worker that the target offers, with users and models of this scenario
      Then usage, messages, prices, daily sums and audit entries cannot be replaced

    Scenario: The end of a price is set once
      Given the API worker that the target offers, with users and models of this scenario
      Then the end of a price is set once

    Scenario: No statement removes an audit entry or a price
      Given the API worker that the target offers, with users and models of this scenario
      Then no statement removes an audit entry or a price

    Scenario: The production set-up gives nothing that it finds another created_at
      Given the API worker that the target offers, with users and models of this scenario
      Then the production set-up gives nothing that it finds another created_at

    Scenario: Whatever the routes change, no row of the target's database gets another created_at or another past
      Given the API worker that the target offers, with users and models of this scenario
      Then whatever the routes change, no row of the target's database gets another created_at or another past
