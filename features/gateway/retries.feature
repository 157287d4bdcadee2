@core
Feature: Failing models are tried again, within bounds
  How often, on what, and with which model is fixed; who performs it, backend or gateway, is not.

  @AIG-010 @must
  Rule: AIG-010 Retries and fallback have their number
    free: at most 2 retries, no fallback. premium: 1 retry, then the fallback model (free timeout).

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: A free tenant's prompt stays with its model while the upstream replies "<replies>"
      Given a free tenant "a"
      And the upstream replies "<replies>"
      When tenant "a" prompts the model <way>
      Then there were <calls> upstream calls
      And the upstream calls and the answer keep to the rubric of tenant "a"

      Examples:
        | replies          | way         | calls  |
        | 500              | plainly     | 2 to 3 |
        | 429, 503, answer | plainly     | 2 to 3 |
        | timeout          | plainly     | 2 to 3 |
        | 524              | in a stream | 2 to 3 |
        | 500, answer      | plainly     | 2      |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: A <tier> tenant's prompt is tried twice and falls back once while the upstream replies "<replies>"
      Given a <tier> tenant "a"
      And the upstream replies "<replies>"
      When tenant "a" prompts the model <way>
      Then the upstream calls were "<calls>"
      And the upstream calls and the answer keep to the rubric of tenant "a"

      Examples:
        | tier       | replies                  | way         | calls                                |
        | premium    | 500, answer              | plainly     | 70b 500, 70b 200                     |
        | premium    | 500, 500, answer         | plainly     | 70b 500, 70b 500, 8b 200             |
        | premium    | 500                      | plainly     | 70b 500, 70b 500, 8b 500             |
        | premium    | 503, 429, 500, answer    | plainly     | 70b 503, 70b 429, 8b 500             |
        | premium    | timeout, timeout, answer | plainly     | 70b timeout, 70b timeout, 8b 200     |
        | premium    | timeout                  | plainly     | 70b timeout, 70b timeout, 8b timeout |
        | premium    | 500, 524, answer         | in a stream | 70b 500, 70b 524, 8b 200             |
        | enterprise | 500                      | plainly     | 70b 500, 70b 500, 8b 500             |
        | enterprise | 500, answer              | in a stream | 70b 500, 70b 200                     |

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: A fallback that fails with <reply> is not tried again (<tier>, <way>)
      Given a <tier> tenant "a"
      And the upstream replies "500, 500, <reply>, answer"
      When tenant "a" prompts the model <way>
      Then the upstream calls were "70b 500, 70b 500, 8b <reply>"
      And the upstream calls and the answer keep to the rubric of tenant "a"

      Examples:
        | tier       | reply | way         |
        | premium    | 429   | plainly     |
        | premium    | 503   | in a stream |
        | enterprise | 524   | plainly     |
        | enterprise | 429   | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: A <tier> tenant's <workload> is tried as often as a chat <way>
      Given a <tier> tenant "a" that is called at a custom hostname
      And the upstream replies "503"
      When tenant "a" prompts the model <way> with workload "<workload>"
      Then the upstream calls and the answer keep to the rubric of tenant "a"

      Examples:
        | tier       | workload      | way         |
        | free       | analysis      | in a stream |
        | free       | summarization | plainly     |
        | premium    | analysis      | plainly     |
        | premium    | summarization | in a stream |
        | enterprise | analysis      | in a stream |
        | enterprise | summarization | plainly     |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: The fallback has the free timeout
      Given a premium tenant "a"
      And the upstream replies "500, 500, answer"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And every upstream call to the 8b model stated a timeout of 8000 ms
      And every upstream call to the 70b model stated a timeout of 20000 ms

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: The fallback of a <tier> tenant's stream has the free timeout
      Given a <tier> tenant "a" that is called at a custom hostname
      And the upstream replies "500, 500, answer"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And every upstream call to the 8b model stated a timeout of 8000 ms
      And every upstream call to the 70b model stated a timeout of 20000 ms

      Examples:
        | tier       |
        | premium    |
        | enterprise |

    @needs.tenants @needs.hosts @needs.ai-gateway @slow @since.1.1
    Scenario Outline: A failure that is long in coming is tried again as any other (<tier>, <replies>, <way>)
      Given a <tier> tenant "a"
      And the upstream replies "<replies>"
      When tenant "a" prompts the model <way>
      Then the upstream calls were "<calls>"

      Examples:
        | tier       | replies                           | way         | calls                    |
        | free       | 503 late by 6000 ms, answer       | in a stream | 8b 503, 8b 200           |
        | premium    | 503 late by 12000 ms, answer      | plainly     | 70b 503, 70b 200         |
        | enterprise | 500 late by 12000 ms, 503, answer | in a stream | 70b 500, 70b 503, 8b 200 |
        | premium    | answer hanging, answer            | plainly     | 70b hung, 70b 200        |

  @AIG-011 @must
  Rule: AIG-011 Only what may pass is tried again
    Retry and fallback happen on 429, 500, 503, 524 and on timeout, and on nothing else (400, 401, 403, 404, 422 do not retry).

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: <reply> is tried again
      Given a free tenant "a"
      And the upstream replies "<reply>, answer"
      When tenant "a" prompts the model <way>
      Then the upstream calls were "8b <reply>, 8b 200"
      And the caller gets the model's text

      Examples:
        | reply   | way         |
        | 429     | plainly     |
        | 500     | plainly     |
        | 503     | plainly     |
        | 524     | plainly     |
        | timeout | plainly     |
        | 429     | in a stream |
        | timeout | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: <status> that says when to come back is tried again, and leads to the fallback
      Given a premium tenant "a"
      And the upstream replies "<status> with Retry-After 1, <status> with Retry-After 1, answer"
      When tenant "a" prompts the model <way>
      Then the upstream calls were "70b <status>, 70b <status>, 8b 200"
      And the caller gets the model's text

      Examples:
        | status | way         |
        | 429    | plainly     |
        | 503    | plainly     |
        | 503    | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: <reply> leads to the fallback
      Given a premium tenant "a"
      And the upstream replies "<reply>, <reply>, answer"
      When tenant "a" prompts the model
      Then the upstream calls were "70b <reply>, 70b <reply>, 8b 200"
      And the caller gets the model's text

      Examples:
        | reply   |
        | 429     |
        | 500     |
        | 503     |
        | 524     |
        | timeout |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: <status> is final for a <tier> tenant <way>
      Given a <tier> tenant "a"
      And the upstream replies "<status>, answer"
      When tenant "a" prompts the model <way>
      Then the upstream calls were "<model> <status>"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text

      Examples:
        | tier    | status | way         | model |
        | free    | 400    | plainly     | 8b    |
        | free    | 401    | plainly     | 8b    |
        | free    | 402    | plainly     | 8b    |
        | free    | 403    | plainly     | 8b    |
        | free    | 404    | plainly     | 8b    |
        | free    | 422    | plainly     | 8b    |
        | free    | 424    | plainly     | 8b    |
        | free    | 502    | plainly     | 8b    |
        | free    | 400    | in a stream | 8b    |
        | premium | 400    | plainly     | 70b   |
        | premium | 401    | plainly     | 70b   |
        | premium | 402    | plainly     | 70b   |
        | premium | 403    | plainly     | 70b   |
        | premium | 404    | plainly     | 70b   |
        | premium | 422    | plainly     | 70b   |
        | premium | 424    | plainly     | 70b   |
        | premium | 502    | plainly     | 70b   |
        | premium | 422    | in a stream | 70b   |

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: <status> is final for a <tier> tenant <way>, whatever it sounds like
      Given a <tier> tenant "a"
      And the upstream replies "<status>, answer"
      When tenant "a" prompts the model <way>
      Then the upstream calls were "<model> <status>"

      Examples:
        | tier       | status | way         | model |
        | free       | 408    | plainly     | 8b    |
        | free       | 408    | in a stream | 8b    |
        | free       | 504    | plainly     | 8b    |
        | free       | 522    | in a stream | 8b    |
        | enterprise | 408    | plainly     | 70b   |
        | enterprise | 502    | in a stream | 70b   |

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario: Of all statuses from 400 to 599 none but 429, 500, 503 and 524 is tried again
      Given a premium tenant "a"
      When tenant "a" prompts the model once for each status from 400 to 599 that is final, and the upstream replies with it
      Then each of these statuses ended its prompt at once

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: A final failure after a retry ends it, without fallback
      Given a premium tenant "a"
      And the upstream replies "500, 400, answer"
      When tenant "a" prompts the model
      Then the upstream calls were "70b 500, 70b 400"
      And the upstream calls and the answer keep to the rubric of tenant "a"

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: 200 is never tried again, not even with "<reply>" in it
      Given a premium tenant "a"
      And the upstream replies "<reply>, answer"
      When tenant "a" prompts the model
      Then the upstream calls were "70b 200"
      When tenant "a" prompts the model
      Then the caller gets the model's text

      Examples:
        | reply         |
        | success false |
        | error object  |
        | error array   |
        | errors array  |
        | no usage      |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: A stream that breaks after its first event is not begun again
      Given a premium tenant "a"
      And the upstream replies "stream cut after 2, answer"
      When tenant "a" prompts the model in a stream
      Then the upstream calls were "70b cut"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
