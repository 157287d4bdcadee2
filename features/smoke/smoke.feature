@core
Feature: Smoke test
  Create tenant, start its gateway, receive a model response.

  @SMK-001 @must @smoke
  Rule: SMK-001 From nothing to an answer
    Create tenant → start its gateway → receive a model response, in one run, under 30 s.

    @needs.hosts @needs.admin @needs.ai-gateway @needs.d1
    Scenario: Create, start, chat, and find the row
      When the smoke test creates tenant "a"
      And the smoke test starts the gateway of tenant "a"
      And the gateway of tenant "a" is said to run, to operator and tenant alike
      And tenant "a" receives the model's response
      Then the usage row of that response is there
      And all of it took less than 30 s

    @needs.hosts @needs.admin @needs.ai-gateway @needs.d1 @since.1.1
    Scenario: So does a tenant that takes the id of one that is gone
      When the smoke test creates tenant "a"
      And the smoke test starts the gateway of tenant "a"
      And the operator removes it
      And the smoke test creates tenant "b" with the id and names of tenant "a"
      And the smoke test starts the gateway of tenant "b"
      And the gateway of tenant "b" is said to run, to operator and tenant alike
      And tenant "b" receives the model's response
      Then all of it took less than 30 s

  @SMK-002 @must @smoke
  Rule: SMK-002 A tenant is there at once
    Creation and mapping take under 2 s.

    # It runs last, so that no other scenario of the run takes the target's time.
    @needs.hosts @needs.admin @whole-run
    Scenario: Created and found on its host and custom domain
      When the smoke test creates tenant "a" with a custom domain
      Then subdomain and custom domain of tenant "a" answer as tenant "a" within 2 s of the creating request

    @needs.hosts @needs.admin @whole-run @since.1.1
    Scenario: So is one with many custom domains
      When the smoke test creates tenant "a" with 20 custom domains
      Then subdomain and custom domain of tenant "a" answer as tenant "a" within 2 s of the creating request

    @needs.hosts @needs.admin @whole-run @since.1.1
    Scenario: So is one that takes the names of a tenant that is gone
      When the smoke test creates tenant "a" with a custom domain
      And the operator removes it
      And the smoke test creates tenant "b" with the names of tenant "a"
      Then subdomain and custom domain of tenant "b" answer as tenant "b" within 2 s of the creating request

  @SMK-003 @must @smoke
  Rule: SMK-003 The report tells what each step took
    Every step's time and result is recorded in the report.

    @needs.hosts @needs.admin @needs.ai-gateway @needs.d1
    Scenario: Each step leaves its time and its result
      When the smoke test creates tenant "a"
      And the smoke test starts the gateway of tenant "a"
      And tenant "a" receives the model's response
      And the usage row of that response is there
      Then each of these 3 steps has left its time, its result and a line for the report

  @SMK-004 @must
  Rule: SMK-004 One gateway however often it is started
    Starting a gateway is idempotent: any number of parallel starts and cold requests gives one gateway.

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.logs @smoke
    Scenario Outline: <starts> starts and <chats> cold chats at once
      Given a free tenant "a"
      And the gateway of tenant "a" is stopped
      When <starts> starts of the gateway of tenant "a" and <chats> cold chats are sent at once
      Then all of them are answered with 200
      And all starts and a later look name one run of the gateway
      And its start was logged once

      Examples:
        | starts | chats |
        | 20     | 0     |
        | 0      | 20    |
        | 20     | 20    |

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.logs @since.1.1 @smoke
    Scenario Outline: <starts> starts and <chats> cold chats at once, by every name of the tenant
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
        | {domain second} |
      And the gateway of tenant "a" is stopped
      When <starts> starts of the gateway of tenant "a" and <chats> cold chats are sent at once
      Then all of them are answered with 200
      And all starts and a later look name one run of the gateway
      And its start was logged once

      Examples:
        | starts | chats |
        | 0      | 12    |
        | 3      | 12    |

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.logs @smoke
    Scenario: Started again while it runs
      Given a free tenant "a"
      And the gateway of tenant "a" is stopped
      When 1 starts of the gateway of tenant "a" and 0 cold chats are sent at once
      And 3 starts of the gateway of tenant "a" and 3 cold chats are sent at once
      Then all of them are answered with 200
      And all starts and a later look name one run of the gateway
      And its start was logged once

    # The smoke test has no time for it.
    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.logs @since.1.1 @waits
    Scenario: Started again when it has run for a while
      Given a free tenant "a"
      And the gateway of tenant "a" is stopped
      When 1 starts of the gateway of tenant "a" and 0 cold chats are sent at once
      And the gateway has run for 3 s
      And 2 starts of the gateway of tenant "a" and 2 cold chats are sent at once
      Then all of them are answered with 200
      And all starts and a later look name one run of the gateway
      And its start was logged once

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.logs @since.1.1 @slow
    Scenario: Started again when it has run for a quarter of a minute
      Given a free tenant "a"
      And the gateway of tenant "a" is stopped
      When 1 starts of the gateway of tenant "a" and 0 cold chats are sent at once
      And the gateway has run for 15 s
      And 2 starts of the gateway of tenant "a" and 2 cold chats are sent at once
      Then all of them are answered with 200
      And all starts and a later look name one run of the gateway
      And its start was logged once
