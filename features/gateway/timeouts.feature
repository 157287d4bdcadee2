@core
Feature: No caller waits for ever
  The time to the first byte is bounded, by the gateway if it does as it is told, by the backend if it does not.

  @AIG-009 @must
  Rule: AIG-009 The first byte comes in time
    Timeout to the first byte: free 8 s, premium 20 s, stated upstream as `cf-aig-request-timeout` and enforced by the backend if the gateway does not.

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: The timeout is stated on each call of a <tier> tenant
      Given a <tier> tenant "a"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And every upstream call to the <model> model stated a timeout of <timeout> ms
      Given the upstream replies "500"
      When tenant "a" prompts the model in a stream
      Then every upstream call to the <model> model stated a timeout of <timeout> ms

      Examples:
        | tier    | model | timeout |
        | free    | 8b    | 8000    |
        | premium | 70b   | 20000   |

    @needs.tenants @needs.hosts @needs.ai-gateway @waits @since.1.1
    Scenario Outline: A call that failed late takes nothing of the next one's time (<tier>)
      Given a <tier> tenant "a"
      And the upstream replies "500 late by 2500 ms, answer"
      When tenant "a" prompts the model
      Then the upstream calls were "<model> 500, <model> 200"
      And every upstream call to the <model> model stated a timeout of <timeout> ms

      Examples:
        | tier    | model | timeout |
        | free    | 8b    | 8000    |
        | premium | 70b   | 20000   |

    # The gateway double takes these seconds in virtual time: it holds the provider's latency against the stated timeout.
    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: A <tier> tenant's provider that takes "<replies>" is waited for just so long
      Given a <tier> tenant "a"
      And the upstream replies "<replies>"
      When tenant "a" prompts the model
      Then the upstream calls were "<calls>"
      And the caller gets the model's text

      Examples:
        | tier       | replies                                      | calls                            |
        | free       | answer after 7 s                             | 8b 200                           |
        | free       | answer after 9 s, answer after 7 s           | 8b timeout, 8b 200               |
        | premium    | answer after 19 s                            | 70b 200                          |
        | premium    | answer after 21 s, answer after 19 s         | 70b timeout, 70b 200             |
        | premium    | answer after 21 s, timeout, answer after 7 s | 70b timeout, 70b timeout, 8b 200 |
        | enterprise | answer after 19 s                            | 70b 200                          |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: A fallback that takes 9 s is too late as well
      Given a premium tenant "a"
      And the upstream replies "answer after 21 s, answer after 21 s, answer after 9 s"
      When tenant "a" prompts the model
      Then the upstream calls were "70b timeout, 70b timeout, 8b timeout"
      And the answer says that the upstream failed or timed out

    @needs.tenants @needs.hosts @needs.ai-gateway @AIG-013 @slow
    Scenario: A gateway that hangs is given up after 8 s for a free tenant
      Given a free tenant "a"
      And the upstream fails at once and hangs on the last try of tenant "a"
      When tenant "a" prompts the model
      Then the answer is refused with 504 "AI_UPSTREAM_TIMEOUT"
      And the answer took 8 s, give or take 1.5 s
      And the answer counts the upstream calls as attempts

    @needs.tenants @needs.hosts @needs.ai-gateway @slow @since.1.1
    Scenario: A gateway that sends a head and no byte behind it is given up after 8 s for a free tenant
      Given a free tenant "a"
      And the upstream fails at once and sends a head alone on the last try of tenant "a"
      When tenant "a" prompts the model and waits for 16 s at most
      Then the answer took 8 s, give or take 1.5 s

    @needs.tenants @needs.hosts @needs.ai-gateway @slow
    Scenario: A gateway that hangs is given up after 20 s for a premium tenant and asked again
      Given a premium tenant "a"
      And the upstream replies "answer hanging, answer"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the upstream calls were "70b hung, 70b 200"
      And the answer took 20 s, give or take 1.5 s

    @needs.tenants @needs.hosts @needs.ai-gateway @slow @since.1.1
    Scenario: A gateway that hangs at the fallback is given up after the free 8 s
      Given a premium tenant "a"
      And the upstream replies "500, 500, answer hanging"
      When tenant "a" prompts the model and waits for 16 s at most
      Then the answer took 8 s, give or take 1.5 s

    @needs.tenants @needs.hosts @needs.ai-gateway @slow
    Scenario: Once the first byte is there the rest may take its time
      Given a free tenant "a"
      And the upstream replies "openai stream 7/3 held after 1"
      When tenant "a" opens a streamed prompt
      Then the caller has the first event while the upstream holds back the rest
      When the upstream goes on after 10 s
      Then the rest of the stream reaches the caller
      And there was 1 upstream call
