@core
Feature: The caller is told which step answered, and nothing of the upstream's troubles
  Operators see who answered; callers never see what the upstream said of a failure.

  @AIG-012 @must
  Rule: AIG-012 The step that answered is told and logged
    The caller's response carries `cf-aig-step`: `0` when the primary answered, `1` when the fallback did; the step is logged.

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: A <tier> tenant is told step <step> when the upstream replies "<replies>" <way>
      Given a <tier> tenant "a"
      And the upstream replies "<replies>"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      And the caller is told step "<step>"

      Examples:
        | tier       | replies                  | way         | step |
        | free       | answer                   | plainly     | 0    |
        | free       | 500, answer              | plainly     | 0    |
        | premium    | answer                   | plainly     | 0    |
        | premium    | 500, answer              | plainly     | 0    |
        | premium    | 500, 500, answer         | plainly     | 1    |
        | enterprise | timeout, timeout, answer | plainly     | 1    |
        | free       | answer                   | in a stream | 0    |
        | premium    | 503, answer              | in a stream | 0    |
        | premium    | 500, 500, answer         | in a stream | 1    |

    # A gateway numbers the steps of the one call it sees: that of a fallback made by the backend is its step 0.
    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: The gateway's own count does not hide a fallback
      Given a premium tenant "a"
      And the upstream replies "500 claiming step 0, 500 claiming step 0, answer claiming step 0"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the caller is told step "1"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.logs
    Scenario Outline: The log tells step <step> for a <tier> tenant <way>
      Given a <tier> tenant "a"
      And the upstream replies "<replies>"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      And the log tells step "<step>" and the <model> model for tenant "a"

      Examples:
        | tier    | replies          | way         | step | model |
        | free    | answer           | plainly     | 0    | 8b    |
        | premium | answer           | plainly     | 0    | 70b   |
        | premium | 500, 500, answer | plainly     | 1    | 8b    |
        | premium | 500, 500, answer | in a stream | 1    | 8b    |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.logs @since.1.1
    Scenario Outline: The log tells step <step> for a <tier> tenant whatever is to be billed, when the upstream replies "<replies>" <way>
      Given a <tier> tenant "a"
      And the upstream replies "<replies>"
      When tenant "a" prompts the model <way>
      Then the log tells step "<step>" and the <model> model for tenant "a"

      Examples:
        | tier    | replies                              | way         | step | model |
        | free    | no usage                             | plainly     | 0    | 8b    |
        | premium | 500, 500, no usage                   | plainly     | 1    | 8b    |
        | free    | openai stream 7/3 cut after 2        | in a stream | 0    | 8b    |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.logs @since.1.1
    Scenario Outline: The log tells step 0 for a <tier> tenant whose model answers when it is tried again <way>
      Given a <tier> tenant "a"
      And the upstream replies "500, answer"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      And the log tells step "0" and the 70b model for tenant "a"

      Examples:
        | tier       | way         |
        | premium    | plainly     |
        | premium    | in a stream |
        | enterprise | plainly     |

  @AIG-013 @must
  Rule: AIG-013 When all attempts fail the caller learns that, and how many there were
    When all attempts fail the caller gets 502 `AI_UPSTREAM_FAILED`, or 504 `AI_UPSTREAM_TIMEOUT` if the last failure was a timeout, with the attempts counted, and nothing of the upstream's body or credentials.

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: A <tier> tenant whose upstream replies "<replies>" <way> is told of the failure
      Given a <tier> tenant "a"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      Given the upstream replies "<replies>"
      When tenant "a" prompts the model <way>
      Then the answer is refused with 502 "AI_UPSTREAM_FAILED"
      And the answer counts the upstream calls as attempts

      Examples:
        | tier       | replies      | way         |
        | free       | 500          | plainly     |
        | free       | 429          | plainly     |
        | free       | 400          | plainly     |
        | free       | 401          | plainly     |
        | free       | 404          | plainly     |
        | free       | timeout, 500 | plainly     |
        | free       | reset        | plainly     |
        | free       | garbled      | plainly     |
        | premium    | 503          | plainly     |
        | premium    | 500, 403     | plainly     |
        | premium    | timeout, 500 | plainly     |
        | enterprise | 500          | plainly     |
        | free       | 500          | in a stream |
        | premium    | 429, 500     | in a stream |
        | premium    | 400          | in a stream |

    # Whichever failure is the last one decides, be it one that is tried again or not.
    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: After a timeout the last failure decides for a <tier> tenant, when the upstream replies "<replies>" <way>
      Given a <tier> tenant "a"
      And the upstream replies "<replies>"
      When tenant "a" prompts the model <way>
      Then the answer is refused with 502 "AI_UPSTREAM_FAILED"
      And the answer counts the upstream calls as attempts

      Examples:
        | tier       | replies               | way         |
        | free       | timeout, 400          | plainly     |
        | free       | timeout, 401          | in a stream |
        | premium    | timeout, 403          | plainly     |
        | premium    | timeout, 404          | in a stream |
        | enterprise | timeout, timeout, 422 | plainly     |
        | free       | timeout, reset        | plainly     |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: A <tier> tenant whose provider never answers in time is told so <way>
      Given a <tier> tenant "a"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      Given the upstream replies "timeout"
      When tenant "a" prompts the model <way>
      Then the answer says that the upstream failed or timed out
      And the answer counts the upstream calls as attempts

      Examples:
        | tier    | way         |
        | free    | plainly     |
        | premium | plainly     |
        | premium | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: Nothing of a <shape> failure with <status> gets through <way>
      Given a premium tenant "a"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      Given the upstream fails with <status> and a <shape> body full of secrets
      When tenant "a" prompts the model <way>
      Then the answer is refused with 502 "AI_UPSTREAM_FAILED"
      And the answer shows nothing of the upstream's body

      Examples:
        | status | shape    | way         |
        | 500    | gateway  | plainly     |
        | 500    | provider | plainly     |
        | 429    | plain    | plainly     |
        | 401    | gateway  | plainly     |
        | 400    | provider | plainly     |
        | 503    | gateway  | in a stream |
        | 403    | plain    | in a stream |
