@core
Feature: Only what the caller may decide goes upstream
  A caller brings messages and a workload; headers, credentials and broken bodies stay outside.

  @AIG-008 @must
  Rule: AIG-008 The caller's gateway headers and credentials stay outside
    `cf-aig-*` headers and metadata sent by the caller never reach the AI Gateway; caller credentials (`Authorization`, cookies, Access JWT) never do either.

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: None of them reaches the AI Gateway <way> while it replies "<replies>"
      Given a premium tenant "a"
      And the upstream replies "<replies>"
      When tenant "a" prompts the model <way> with headers of its own:
        | name                    | value                                                         |
        | cf-aig-metadata         | {"platform":"{canary}","tier":"enterprise","workload":"chat"} |
        | cf-aig-authorization    | Bearer {canary}                                               |
        | cf-aig-request-timeout  | 1                                                             |
        | cf-aig-max-attempts     | 5                                                             |
        | cf-aig-retry-delay      | 4999                                                          |
        | cf-aig-backoff          | exponential                                                   |
        | cf-aig-cache-ttl        | 86400                                                         |
        | cf-aig-cache-key        | {canary}                                                      |
        | cf-aig-skip-cache       | true                                                          |
        | cf-aig-collect-log      | false                                                         |
        | cf-aig-event-id         | {canary}                                                      |
        | cf-aig-custom-cost      | {"per_token_in":0,"per_token_out":0}                          |
        | cf-aig-byok-alias       | {canary}                                                      |
        | cf-aig-step             | 7                                                             |
        | Authorization           | Bearer {canary}                                               |
        | Proxy-Authorization     | Basic {canary}                                                |
        | Cookie                  | session={canary}; CF_Authorization={canary}                   |
        | Cf-Access-Jwt-Assertion | {canary}                                                      |
        | CF-Access-Client-Id     | {canary}.access                                               |
        | CF-Access-Client-Secret | {canary}                                                      |
      Then no upstream call carried any of the caller's headers
      When tenant "a" prompts the model <way>
      Then the answer has status <status>

      Examples:
        | replies | way         | status |
        | answer  | plainly     | 200    |
        | answer  | in a stream | 200    |
        | 500     | plainly     | 502    |
        | 500     | in a stream | 502    |

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: No header of AI Gateway's reaches it, listed or not (<way>)
      Given a free tenant "a"
      When tenant "a" prompts the model <way> with headers of its own:
        | name                       | value            |
        | cf-aig-collect-log-payload | {canary}         |
        | cf-aig-cache-status        | {canary}         |
        | cf-aig-log-id              | {canary}         |
        | cf-aig-zdr                 | {canary}         |
        | cf-aig-otel-trace-id       | {canary}         |
        | cf-aig-dlp                 | {canary}         |
        | cf-aig-of-tomorrow         | {canary}         |
        | CF-AIG-Of-Yesterday        | {canary}         |
        | Authorization              | sk-{canary}      |
      Then no upstream call carried any of the caller's headers
      When tenant "a" prompts the model <way>
      Then the answer has status 200

      Examples:
        | way         |
        | plainly     |
        | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: None of them reaches it from a caller of tier <tier> (<way>)
      Given a <tier> tenant "a"
      When tenant "a" prompts the model <way> with headers of its own:
        | name                    | value                                                         |
        | cf-aig-metadata         | {"platform":"{canary}","tier":"enterprise","workload":"chat"} |
        | cf-aig-authorization    | Bearer {canary}                                               |
        | cf-aig-cache-key        | {canary}                                                      |
        | Authorization           | Bearer sk-{canary}                                            |
        | Cookie                  | session={canary}; CF_Authorization={canary}                   |
        | Cf-Access-Jwt-Assertion | {canary}                                                      |
      Then no upstream call carried any of the caller's headers
      When tenant "a" prompts the model <way>
      Then the answer has status 200

      Examples:
        | tier       | way         |
        | free       | plainly     |
        | enterprise | plainly     |
        | enterprise | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: Metadata in a body do not reach it either (<way>)
      Given a free tenant "a"
      When tenant "a" prompts the model <way>, giving it metadata of its own
      Then every upstream call carried the metadata of tenant "a" and workload "chat"

      Examples:
        | way         |
        | plainly     |
        | in a stream |

  @AIG-016 @must
  Rule: AIG-016 The caller names the workload
    `X-Workload` chooses the workload (default `chat`); an unknown value gets 400 `INVALID_WORKLOAD` and no upstream call.

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: The workload "<workload>" goes into the metadata
      Given a free tenant "a"
      When tenant "a" prompts the model with workload "<workload>"
      Then the caller gets the model's text
      And every upstream call carried the metadata of tenant "a" and workload "<workload>"

      Examples:
        | workload      |
        | chat          |
        | summarization |
        | analysis      |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: Without X-Workload it is chat, plain and streamed
      Given a premium tenant "a"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And every upstream call carried the metadata of tenant "a" and workload "chat"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And every upstream call carried the metadata of tenant "a" and workload "chat"

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario: Each prompt of a tenant has the workload that it names itself
      Given a premium tenant "a"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And every upstream call carried the metadata of tenant "a" and workload "chat"
      When tenant "a" prompts the model with workload "analysis"
      Then the caller gets the model's text
      And every upstream call carried the metadata of tenant "a" and workload "analysis"
      When tenant "a" prompts the model in a stream with workload "summarization"
      Then the caller gets the model's text
      And every upstream call carried the metadata of tenant "a" and workload "summarization"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And every upstream call carried the metadata of tenant "a" and workload "chat"

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: The workload "<workload>" is refused
      Given a free tenant "a"
      When tenant "a" prompts the model with workload "analysis"
      Then the caller gets the model's text
      When tenant "a" prompts the model <way> with workload "<workload>"
      Then the answer is refused with 400 "INVALID_WORKLOAD"
      And there was no upstream call

      Examples:
        | workload           | way         |
        | translation        | plainly     |
        | chatter            | plainly     |
        | chat,analysis      | plainly     |
        | chat; tier=premium | plainly     |
        | {chat}             | plainly     |
        | premium            | in a stream |

      # Names that every object has in many languages: a look-up in a table of workloads finds something there.
      @since.1.1
      Examples:
        | workload           | way         |
        | constructor        | plainly     |
        | __proto__          | plainly     |
        | toString           | in a stream |

  @AIG-018 @must
  Rule: AIG-018 Malformed and oversized bodies go nowhere
    A malformed or oversized request body gets 400 or 413 and no upstream call.

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: As prompt, <body> is refused
      Given a free tenant "a"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And there was 1 upstream call
      When tenant "a" sends as prompt <body>
      Then the answer is refused as malformed or too large
      And there was no upstream call
      When tenant "a" prompts the model
      Then the caller gets the model's text

      Examples:
        | body                                         |
        | nothing                                      |
        | a text that is no JSON                       |
        | a JSON text                                  |
        | a JSON list                                  |
        | null                                         |
        | a prompt cut off in the middle               |
        | a prompt with garbage behind                 |
        | a prompt that is not UTF-8                   |
        | no messages                                  |
        | messages that are null                       |
        | messages that are a text                     |
        | messages that are an object                  |
        | an empty list of messages                    |
        | a message that is a text                     |
        | a role that is a number                      |
        | content that is a number                     |
        | a stream flag that is a text                 |
        | messages nested 10,000 deep                  |
        | a body one byte too large                    |
        | a body far too large                         |
        | a body one byte too large, its length untold |

      @since.1.1
      Examples:
        | body                                             |
        | a system's content that is a number              |
        | an assistant's content that is an object         |
        | a message without content                        |
        | an object without anything                       |
        | messages that are null, and nothing else         |
        | an empty list of messages, and nothing else      |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: The largest allowed body is let through
      Given a free tenant "a"
      When tenant "a" sends as prompt the largest allowed body
      Then the caller gets the model's text
      And there was 1 upstream call
