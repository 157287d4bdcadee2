@core
Feature: What the upstream sends reaches the caller, and nothing beside it
  Text is passed on while it is produced; redirects and cookies end at the backend.

  @AIG-017 @must
  Rule: AIG-017 A stream is passed on while it is produced
    A streamed reply reaches the caller as it is produced: the first event before the last was sent upstream; a caller that goes away cancels the upstream call.

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: The first event of an <dialect> stream comes before the last is sent
      Given a <tier> tenant "a"
      And the upstream replies "<dialect> stream 7/3 held after 1"
      When tenant "a" opens a streamed prompt
      Then the caller has the first event while the upstream holds back the rest
      When the upstream goes on
      Then the rest of the stream reaches the caller

      Examples:
        | tier    | dialect |
        | free    | openai  |
        | free    | binding |
        | free    | native  |
        | premium | openai  |
        | premium | native  |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: So does that of a fallback
      Given a premium tenant "a"
      And the upstream replies "500, 500, openai stream 7/3 held after 1"
      When tenant "a" opens a streamed prompt
      Then the caller has the first event while the upstream holds back the rest
      When the upstream goes on
      Then the rest of the stream reaches the caller
      And the caller is told step "1"

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: A caller that leaves an <dialect> stream cancels the upstream call
      Given a premium tenant "a"
      And the upstream replies "<dialect> stream 7/3 held after 1"
      When tenant "a" opens a streamed prompt
      Then the caller has the first event while the upstream holds back the rest
      When the caller goes away
      Then the upstream call is cancelled
      And there was 1 upstream call

      Examples:
        | dialect |
        | openai  |
        | native  |

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: A caller that leaves an <dialect> stream in the midst of its events cancels the upstream call
      Given a premium tenant "a"
      And the upstream sends <dialect> events 100 ms apart for 30 s
      When tenant "a" opens a streamed prompt
      Then the caller has the first event while the upstream sends on
      When the caller goes away
      Then the upstream call is cancelled
      And there was 1 upstream call

      Examples:
        | dialect |
        | openai  |
        | native  |

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: A caller that leaves before the first byte cancels the upstream call while it replies "<replies>"
      Given a <tier> tenant "a"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      Given the upstream replies "<replies>"
      When tenant "a" opens a streamed prompt and leaves while the upstream is silent
      Then the upstream call is cancelled
      And nobody calls a model for the caller that has gone

      Examples:
        | tier    | replies                   |
        | free    | answer hanging            |
        | premium | 500, answer hanging       |
        | premium | 500, 500, answer hanging  |

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: The first event of an <dialect> stream whose lines end with <line end> comes before the last is sent
      Given a <tier> tenant "a"
      And the upstream replies "<dialect> stream 7/3 with <line end> held after 1"
      When tenant "a" opens a streamed prompt
      Then the caller has the first event while the upstream holds back the rest
      When the upstream goes on
      Then the rest of the stream reaches the caller

      Examples:
        | tier    | dialect | line end |
        | free    | openai  | CR LF    |
        | premium | native  | CR LF    |
        | premium | openai  | CR       |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: Who asks for a stream gets one as a <tier> tenant
      Given a <tier> tenant "a"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And the answer is a stream of events

      Examples:
        | tier    |
        | free    |
        | premium |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: An <dialect> stream that breaks off upstream is not ended as if it were whole
      Given a free tenant "a"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      Given the upstream replies "<dialect> stream 7/3 cut after 2"
      When tenant "a" prompts the model in a stream
      Then the caller is not told that the answer is whole

      Examples:
        | dialect |
        | openai  |
        | native  |

  @AIG-019 @must
  Rule: AIG-019 Redirects and cookies of the upstream end here
    Upstream redirects are not followed and upstream `Set-Cookie` is not passed on.

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: A redirect with <status> is not followed <way>
      Given a premium tenant "a"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      Given the upstream redirects with <status> to another provider
      When tenant "a" prompts the model <way>
      Then the answer is refused with 502 "AI_UPSTREAM_FAILED"
      And the answer has neither redirect nor cookie of the upstream
      And the upstream calls were "70b <status>"
      And no other provider was called

      Examples:
        | status | way         |
        | 301    | plainly     |
        | 302    | plainly     |
        | 303    | plainly     |
        | 307    | plainly     |
        | 308    | plainly     |
        | 307    | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: A redirect within the AI Gateway is not followed either
      Given a free tenant "a"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      Given the upstream redirects with 308 to itself
      When tenant "a" prompts the model
      Then the answer is refused with 502 "AI_UPSTREAM_FAILED"
      And the upstream calls were "8b 308"

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: The upstream's cookie stays outside when it replies "<replies>" <way>
      Given a premium tenant "a"
      And the upstream replies "<replies>"
      When tenant "a" prompts the model <way>
      Then the answer has status <status>
      And the answer has neither redirect nor cookie of the upstream

      Examples:
        | replies                                                    | way         | status |
        | answer with a cookie                                       | plainly     | 200    |
        | stream with a cookie                                       | in a stream | 200    |
        | 500 with a cookie, 500 with a cookie, answer with a cookie | plainly     | 200    |
        | native 7/3 with a cookie                                   | plainly     | 200    |
        | 400 with a cookie                                          | plainly     | 502    |
        | 500 with a cookie                                          | in a stream | 502    |
