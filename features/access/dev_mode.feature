@core
Feature: Only development is relaxed
  On a developer's machine there is no Access; everywhere else there is.

  @ACC-020 @must
  Rule: ACC-020 DEV_MODE and nothing else relaxes Access
    `DEV_MODE` relaxes Access for local work and only `DEV_MODE` does; a warning is logged.

    @needs.access @needs.admin @needs.tenants @needs.variant.dev-mode
    Scenario: In development an operator needs no token
      Given the backend runs as dev-mode
      And a free tenant "a"
      Then without a token the record of tenant "a" opens
      And without a token every admin route of tenant "a" opens

    @needs.access @needs.admin @needs.tenants @needs.variant.dev-mode @needs.logs
    Scenario: Each relaxed request leaves a warning
      Given the backend runs as dev-mode
      And a free tenant "a"
      Then without a token the record of tenant "a" opens
      And the log has a warning that Access was relaxed for that request

    @needs.access @needs.admin @needs.tenants @needs.variant.dev-mode @needs.logs @since.1.1
    Scenario Outline: So does one whose token is of no use: <kind>
      Given the backend runs as dev-mode
      And a free tenant "a"
      When the record of tenant "a" is asked for in development with a token of kind "<kind>"
      Then the log has a warning that Access was relaxed for that request

      Examples:
        | kind           |
        | expired        |
        | bad-signature  |
        | not-a-jwt      |
        | wrong-audience |

    @needs.access @needs.admin @needs.tenants @needs.logs
    Scenario: In production nothing is relaxed, and no such warning is written
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And without a token the record of tenant "a" is denied
      And the log has no warning that Access was relaxed for that request

    @needs.access @needs.admin @needs.tenants
    Scenario: Nothing that a caller sends turns development on
      Given a free tenant "a"
      Then a "good" token opens the record of tenant "a"
      And none of these opens the record of tenant "a" without a token
        | where  | what                          |
        | header | DEV_MODE: true                |
        | header | Dev-Mode: true                |
        | header | X-Dev-Mode: true              |
        | header | X-Debug: true                 |
        | header | X-Environment: development    |
        | header | Cookie: DEV_MODE=true         |
        | header | X-Tenant-Override: a          |
        | header | X-Forwarded-For: 127.0.0.1    |
        | header | X-Real-IP: 127.0.0.1          |
        | header | X-Forwarded-Host: localhost   |
        | header | Origin: http://localhost:8787 |
        | header | Referer: http://localhost/    |
        | ip     | 127.0.0.1                     |
        | ip     | ::1                           |
        | host   | localhost                     |
        | host   | localhost:8787                |
        | host   | 127.0.0.1                     |
        | query  | DEV_MODE=true                 |
        | query  | dev_mode=1                    |
        | query  | dev=true                      |
      And a "good" token opens the record of tenant "a"

    @needs.access @needs.admin @needs.tenants @since.1.1
    Scenario Outline: DEV_MODE that is not "true" relaxes nothing: <variant>
      Given the backend runs as <variant>
      And a free tenant "a"
      And a "good" token opens the record of tenant "a"
      Then without a token the record of tenant "a" is denied
      And a "good" token opens the record of tenant "a"

      @needs.variant.dev-mode-false
      Examples:
        | variant        |
        | dev-mode-false |

      @needs.variant.dev-mode-0
      Examples:
        | variant    |
        | dev-mode-0 |

      @needs.variant.dev-mode-upper-case
      Examples:
        | variant             |
        | dev-mode-upper-case |

    @needs.access @needs.admin @needs.tenants @needs.variant.own-switches @since.1.1
    Scenario: A switch of the backend's own relaxes nothing
      Given the backend runs as own-switches
      And a free tenant "a"
      And a "good" token opens the record of tenant "a"
      Then without a token the record of tenant "a" is denied
      And without a token every admin route of tenant "a" is denied
      And a "good" token opens the record of tenant "a"
