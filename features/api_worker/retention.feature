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
