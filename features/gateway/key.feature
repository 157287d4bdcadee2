@core
Feature: The key of the AI Gateway stays with the AI Gateway
  Whoever has the key can spend the operator's money.

  @AIG-021 @must
  Rule: AIG-021 The key is sent upstream and shown nowhere
    Every upstream call carries `cf-aig-authorization: Bearer <key>`, and the key appears nowhere else: no answer, log, report or other header.

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: Every call of a <tier> tenant carries the key <way>
      Given a <tier> tenant "a"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      And every upstream call carried the key of the AI Gateway in one header and nowhere else
      Given the upstream replies "500"
      When tenant "a" prompts the model <way>
      Then every upstream call carried the key of the AI Gateway in one header and nowhere else

      Examples:
        | tier    | way         |
        | free    | plainly     |
        | free    | in a stream |
        | premium | plainly     |
        | premium | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: A caller's Authorization does not push the key aside
      Given a premium tenant "a"
      When tenant "a" prompts the model with headers of its own:
        | name                 | value           |
        | authorization        | Bearer {canary} |
        | cf-aig-authorization | Bearer {canary} |
      Then the caller gets the model's text
      And every upstream call carried the key of the AI Gateway in one header and nowhere else

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.logs @whole-run
    Scenario: Neither an answer nor a log line of the whole run shows it
      Given a premium tenant "a"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And every upstream call carried the key of the AI Gateway in one header and nowhere else
      Given the upstream fails with 401 and a gateway body full of secrets
      When tenant "a" prompts the model
      Then the answer is refused with 502 "AI_UPSTREAM_FAILED"
      Given the upstream fails with 500 and a plain body full of secrets
      When tenant "a" prompts the model
      Then the answer is refused with 502 "AI_UPSTREAM_FAILED"
      And no answer of the whole run shows the key
      And no log line of the whole run shows the key

    @needs.access @needs.admin @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario: The team domain does not get it
      Given a free tenant "a"
      And a "good" token opens the record of tenant "a"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And every upstream call carried the key of the AI Gateway in one header and nowhere else
      And no request to the team domain carried the key of the AI Gateway
