@api-worker @since.1.1
Feature: Webhooks
  What has happened is told once to everybody who asked.

  @API-010 @must
  Rule: API-010 Deliveries
    Webhook deliveries are recorded, signed, retried with back-off, and never delivered twice for one event and endpoint once answered 2xx; a dead endpoint ends as failed, visibly.

    Scenario: A dead endpoint is tried six times, after 30, 60, 120, 240 and 480 seconds, and ends as failed, visibly
      Given the API worker that the target offers, with users and models of this scenario
      Then a dead endpoint is tried six times, after 30, 60, 120, 240 and 480 seconds, and ends as failed, visibly

    Scenario: Whatever is not answered 2xx in time is tried again: errors, redirects, cut, late and hanging answers
      Given the API worker that the target offers, with users and models of this scenario
      Then whatever is not answered 2xx in time is tried again: errors, redirects, cut, late and hanging answers

    Scenario: A webhook that failed is active again once a delivery to it succeeds
      Given the API worker that the target offers, with users and models of this scenario
      Then a webhook that failed is active again once a delivery to it succeeds

    Scenario: What was answered 2xx is never sent again, however often and late the job runs
      Given the API worker that the target offers, with users and models of this scenario
      Then what was answered 2xx is never sent again, however often and late the job runs

    Scenario: Jobs at once send each delivery that is due exactly once
      Given the API worker that the target offers, with users and models of this scenario
      Then jobs at once send each delivery that is due exactly once

    Scenario: An attempt that is answered 2xx in time counts, though its claim has ended and another attempt fails
      Given the API worker that the target offers, with users and models of this scenario
      Then an attempt that is answered 2xx in time counts, though its claim has ended and another attempt fails

    Scenario: A delivery that was under way when the worker was killed is tried again after it under the same id, and one that had been answered 2xx is not
      Given the API worker that the target offers, with users and models of this scenario
      Then a delivery that was under way when the worker was killed is tried again after it under the same id, and one that had been answered 2xx is not

    Scenario: Each delivery is signed by its webhook's secret over id, time and body
      Given the API worker that the target offers, with users and models of this scenario
      Then each delivery is signed by its webhook's secret over id, time and body

    Scenario: Each event is sent once to each webhook that names it and to no other, and a refused request causes none
      Given the API worker that the target offers, with users and models of this scenario
      Then each event is sent once to each webhook that names it and to no other, and a refused request causes none

    Scenario: A delivery that was answered 2xx is recorded as delivered, with its attempt, status and time
      Given the API worker that the target offers, with users and models of this scenario
      Then a delivery that was answered 2xx is recorded as delivered, with its attempt, status and time

    Scenario: A webhook that breaks a rule or that is nobody's is refused, and nothing is left of it
      Given the API worker that the target offers, with users and models of this scenario
      Then a webhook that breaks a rule or that is nobody's is refused, and nothing is left of it

    Scenario: A webhook to a private address, in whatever spelling, is refused, and nothing is sent there
      Given the API worker that the target offers, with users and models of this scenario
      Then a webhook to a private address, in whatever spelling, is refused, and nothing is sent there

    Scenario: A delivery that is redirected to a private address is not sent there
      Given the API worker that the target offers, with users and models of this scenario
      Then a delivery that is redirected to a private address is not sent there

    Scenario: A webhook whose name leads to a private address, by any of its answers, is refused, and nothing is left of it
      Given the API worker that the target offers, with users and models of this scenario
      Then a webhook whose name leads to a private address, by any of its answers, is refused, and nothing is left of it

    Scenario: A webhook whose name has come to lead to a private address is not sent there
      Given the API worker that the target offers, with users and models of this scenario
      Then a webhook whose name has come to lead to a private address is not sent there

    Scenario: An endpoint that never answers is tried six times as well, and its webhook ends as failing
      Given the API worker that the target offers, with users and models of this scenario
      Then an endpoint that never answers is tried six times as well, and its webhook ends as failing

    Scenario: A 2xx whose body does not come is an answer: nothing is sent again
      Given the API worker that the target offers, with users and models of this scenario
      Then a 2xx whose body does not come is an answer: nothing is sent again
