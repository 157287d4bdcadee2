@api-worker @since.1.1
Feature: What usage costs
  A sum of money is exact, and stays what it was.

  @API-004 @must
  Rule: API-004 Cost
    Each usage log's cost equals tokens × the price valid at its time (half-open validity, no overlap, history kept), exact in integer micro-units with the rounding stated.

    Scenario: A chat costs its tokens at the model's price, exactly, rounded once, half up
      Given the API worker that the target offers, with users and models of this scenario
      Then a chat costs its tokens at the model's price, exactly, rounded once, half up

    Scenario: A stream costs what the same chat costs without one
      Given the API worker that the target offers, with users and models of this scenario
      Then a stream costs what the same chat costs without one

    Scenario: Models whose names differ in letter case only have prices of their own
      Given the API worker that the target offers, with users and models of this scenario
      Then models whose names differ in letter case only have prices of their own

    Scenario: A cost is null where there are no tokens or no price, and 0 where the price is 0
      Given the API worker that the target offers, with users and models of this scenario
      Then a cost is null where there are no tokens or no price, and 0 where the price is 0

    Scenario: A price holds from its first instant until the instant before the next one's
      Given the API worker that the target offers, with users and models of this scenario
      Then a price holds from its first instant until the instant before the next one's

    Scenario: A new price leaves the cost of every earlier chat as it was
      Given the API worker that the target offers, with users and models of this scenario
      Then a new price leaves the cost of every earlier chat as it was

    Scenario: A chat whose model gets a new price while it answers costs by the time of its row
      Given the API worker that the target offers, with users and models of this scenario
      Then a chat whose model gets a new price while it answers costs by the time of its row

    Scenario: The history of a model's prices is kept, without a gap that nobody asked for and without an overlap
      Given the API worker that the target offers, with users and models of this scenario
      Then the history of a model's prices is kept, without a gap that nobody asked for and without an overlap

    Scenario: A schema that keeps a price from beginning within another one keeps it from every overlap
      Given the API worker that the target offers, with users and models of this scenario
      Then a schema that keeps a price from beginning within another one keeps it from every overlap

    Scenario: A price that would overlap or rewrite the past is refused, and the history stays as it was
      Given the API worker that the target offers, with users and models of this scenario
      Then a price that would overlap or rewrite the past is refused, and the history stays as it was

    Scenario: Of prices from one instant on, made at once, one is taken
      Given the API worker that the target offers, with users and models of this scenario
      Then of prices from one instant on, made at once, one is taken

    Scenario: A price is a whole number of micro-units from 0, and nothing else is taken
      Given the API worker that the target offers, with users and models of this scenario
      Then a price is a whole number of micro-units from 0, and nothing else is taken

    Scenario: A price that breaks a rule is refused, and nothing is left of it
      Given the API worker that the target offers, with users and models of this scenario
      Then a price that breaks a rule is refused, and nothing is left of it

    Scenario: A clock that goes back finds the price of that time, and none can be put before those that follow
      Given the API worker that the target offers, with users and models of this scenario
      Then a clock that goes back finds the price of that time, and none can be put before those that follow

    Scenario: In a drawn sequence of prices and chats each row costs what a model has
      Given the API worker that the target offers, with users and models of this scenario
      Then in a drawn sequence of prices and chats each row costs what a model has

    Scenario: A price that is announced while another one is in use holds from its first instant on
      Given the API worker that the target offers, with users and models of this scenario
      Then a price that is announced while another one is in use holds from its first instant on

    Scenario: A schema that keeps a price from being replaced keeps it whatever the other one is for
      Given the API worker that the target offers, with users and models of this scenario
      Then a schema that keeps a price from being replaced keeps it whatever the other one is for
