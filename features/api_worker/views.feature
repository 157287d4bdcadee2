@api-worker @since.1.1
Feature: Views and queries
  What is told of the rows is what the rows say.

  @API-005 @must
  Rule: API-005 Views
    The views `user_usage_summary`, `model_usage_stats`, `daily_usage_trends` equal a recomputation from the raw rows under random rows, empty and NULL included.

    Scenario: The three views are there and tell nothing where nothing was used
      Given the API worker that the target offers, with users and models of this scenario
      Then the three views are there and tell nothing where nothing was used

    Scenario: User_usage_summary equals a recomputation from random rows per date and user
      Given the API worker that the target offers, with users and models of this scenario
      Then user_usage_summary equals a recomputation from random rows per date and user

    Scenario: Model_usage_stats equals a recomputation from random rows per model
      Given the API worker that the target offers, with users and models of this scenario
      Then model_usage_stats equals a recomputation from random rows per model

    Scenario: Daily_usage_trends equals a recomputation from random rows per date
      Given the API worker that the target offers, with users and models of this scenario
      Then daily_usage_trends equals a recomputation from random rows per date

    Scenario: What is not known of a request counts as nothing in every view and leaves no request out
      Given the API worker that the target offers, with users and models of this scenario
      Then what is not known of a request counts as nothing in every view and leaves no request out

    Scenario: The views of the target's own database equal a recomputation from its rows
      Given the API worker that the target offers, with users and models of this scenario
      Then the views of the target's own database equal a recomputation from its rows

    Scenario: Usage outlives its key and its conversation in every view of the target's own database
      Given the API worker that the target offers, with users and models of this scenario
      Then usage outlives its key and its conversation in every view of the target's own database

    Scenario: After a drawn sequence the summary of each user equals a model's rows
      Given the API worker that the target offers, with users and models of this scenario
      Then after a drawn sequence the summary of each user equals a model's rows

    Scenario: Sums beyond what a floating-point number holds are exact in every view
      Given the API worker that the target offers, with users and models of this scenario
      Then sums beyond what a floating-point number holds are exact in every view

  @API-011 @must
  Rule: API-011 Monitoring queries
    Every monitoring and debug query that the documents name runs, uses an index, and returns what it says.

    Scenario: Every monitoring and debug query is one statement that says what it means and runs
      Given the API worker that the target offers, with users and models of this scenario
      Then every monitoring and debug query is one statement that says what it means and runs

    Scenario: No query that the documents name reads more where rows are added that it does not ask for
      Given the API worker that the target offers, with users and models of this scenario
      Then no query that the documents name reads more where rows are added that it does not ask for

    Scenario: Recent usage is that of the last seven days per date and user
      Given the API worker that the target offers, with users and models of this scenario
      Then recent usage is that of the last seven days per date and user

    Scenario: The costs are those of the last day per model, to the micro-unit
      Given the API worker that the target offers, with users and models of this scenario
      Then the costs are those of the last day per model, to the micro-unit

    Scenario: The status of the rate limits counts the requests of each user in the last hour, each once
      Given the API worker that the target offers, with users and models of this scenario
      Then the status of the rate limits counts the requests of each user in the last hour, each once

    Scenario: The schema's version is that of the newest migration
      Given the API worker that the target offers, with users and models of this scenario
      Then the schema's version is that of the newest migration

    Scenario: The structure of the tables names each with its declaration
      Given the API worker that the target offers, with users and models of this scenario
      Then the structure of the tables names each with its declaration

    Scenario: The recent errors are the failures of the service, newest first, and nothing else
      Given the API worker that the target offers, with users and models of this scenario
      Then the recent errors are the failures of the service, newest first, and nothing else

    Scenario: Trends by day, a user's dates, a model's sums and deliveries that were given up are told as the documents have them, where queries ask for them
      Given the API worker that the target offers, with users and models of this scenario
      Then trends by day, a user's dates, a model's sums and deliveries that were given up are told as the documents have them, where queries ask for them

    Scenario: The queries that the documents name run in the target's own database
      Given the API worker that the target offers, with users and models of this scenario
      Then the queries that the documents name run in the target's own database
