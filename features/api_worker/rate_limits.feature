@api-worker @since.1.1
Feature: Rate limits of users and addresses
  Nobody takes more than his part, however many requests come at once.

  @API-003 @must
  Rule: API-003 Windows
    Rate limits count minute, hour and day windows per user and per ip, exactly under parallel load: one row per subject, kind and window; the strictest exceeded one answers, with its own `Retry-After`.

    Scenario: A user's limit lets exactly as many requests pass when they come at once
      Given the API worker that the target offers, with users and models of this scenario
      Then a user's limit lets exactly as many requests pass when they come at once

    Scenario: The database holds one row for each user, kind and window, with the exact count
      Given the API worker that the target offers, with users and models of this scenario
      Then the database holds one row for each user, kind and window, with the exact count

    Scenario: An address's minute, hour and day each refuse what is beyond their limit, with a key or without
      Given the API worker that the target offers, with users and models of this scenario
      Then an address's minute, hour and day each refuse what is beyond their limit, with a key or without

    Scenario: Requests for what is not there count for their address as well
      Given the API worker that the target offers, with users and models of this scenario
      Then requests for what is not there count for their address as well

    Scenario: Addresses of IPv6 in different networks have windows of their own
      Given the API worker that the target offers, with users and models of this scenario
      Then addresses of IPv6 in different networks have windows of their own

    Scenario: What the user's limit refuses does not count for the address
      Given the API worker that the target offers, with users and models of this scenario
      Then what the user's limit refuses does not count for the address

    Scenario: An address's limit lets exactly as many requests pass when they come at once
      Given the API worker that the target offers, with users and models of this scenario
      Then an address's limit lets exactly as many requests pass when they come at once

    Scenario: A user's minute, hour and day each refuse what is beyond their limit until they end, aligned to the epoch
      Given the API worker that the target offers, with users and models of this scenario
      Then a user's minute, hour and day each refuse what is beyond their limit until they end, aligned to the epoch

    Scenario: Of several exceeded windows the one that ends last answers, with its own Retry-After
      Given the API worker that the target offers, with users and models of this scenario
      Then of several exceeded windows the one that ends last answers, with its own Retry-After

    Scenario: A refused request counts in no window
      Given the API worker that the target offers, with users and models of this scenario
      Then a refused request counts in no window

    Scenario: A limit that is lowered below what has been counted refuses the next request, and one that is raised lets it pass
      Given the API worker that the target offers, with users and models of this scenario
      Then a limit that is lowered below what has been counted refuses the next request, and one that is raised lets it pass

    Scenario: A request whose credential is no longer valid counts in no window of a user
      Given the API worker that the target offers, with users and models of this scenario
      Then a request whose credential is no longer valid counts in no window of a user

    Scenario: All keys of a user share the user's windows, and another user has others
      Given the API worker that the target offers, with users and models of this scenario
      Then all keys of a user share the user's windows, and another user has others

    Scenario: Sessions of a user count in the user's windows, as keys do
      Given the API worker that the target offers, with users and models of this scenario
      Then sessions of a user count in the user's windows, as keys do

    Scenario: A limit of 0, where it is taken, refuses every request
      Given the API worker that the target offers, with users and models of this scenario
      Then a limit of 0, where it is taken, refuses every request

    Scenario: A limit that is none is refused, and the one that was set goes on holding
      Given the API worker that the target offers, with users and models of this scenario
      Then a limit that is none is refused, and the one that was set goes on holding

    Scenario: A clock that goes back finds each window as it was left
      Given the API worker that the target offers, with users and models of this scenario
      Then a clock that goes back finds each window as it was left

    Scenario: In a drawn sequence each request is limited and counted as a model has it, whichever way the clock goes
      Given the API worker that the target offers, with users and models of this scenario
      Then in a drawn sequence each request is limited and counted as a model has it, whichever way the clock goes

    Scenario: No header that a caller may send gives it the windows of another address
      Given the API worker that the target offers, with users and models of this scenario
      Then no header that a caller may send gives it the windows of another address

    Scenario: A clock that goes back finds the windows of an address as they were left
      Given the API worker that the target offers, with users and models of this scenario
      Then a clock that goes back finds the windows of an address as they were left
