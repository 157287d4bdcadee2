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
