@core
Feature: Every model call says whose it is
  What reaches the AI Gateway without metadata cannot be told apart afterwards, and the platform drops silently what breaks its rules.

  @AIG-001 @must
  Rule: AIG-001 Every upstream call carries platform, tier and workload
    Every upstream call, retries and fallbacks included, carries `cf-aig-metadata`: a flat JSON object with string values for `platform`, `tier`, `workload`.

    @needs.tenants @needs.hosts @needs.ai-gateway-log
    Scenario Outline: A call that is answered carries them (<tier>, <platform>, <workload>)
      Given a <tier> tenant "a" on platform "<platform>"
      When tenant "a" prompts the model with workload "<workload>"
      Then the caller gets the model's text
      And every upstream call carried the metadata of tenant "a" and workload "<workload>"

      Examples:
        | tier       | platform    | workload      |
        | free       | web         | chat          |
        | premium    | partner_api | summarization |
        | enterprise | cli.v2-beta | analysis      |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: Each retry and the fallback carry them too (<tier>, <way>)
      Given a <tier> tenant "a" on platform "partner_api"
      When tenant "a" prompts the model <way> with workload "analysis"
      Then the caller gets the model's text
      And every upstream call carried the metadata of tenant "a" and workload "analysis"
      Given the upstream replies "<replies>"
      When tenant "a" prompts the model <way> with workload "analysis"
      Then every upstream call carried the metadata of tenant "a" and workload "analysis"

      Examples:
        | tier       | replies           | way         |
        | free       | 503               | plainly     |
        | premium    | 429, timeout, 500 | plainly     |
        | premium    | 500               | in a stream |
        | enterprise | timeout, 500, 503 | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway-log @since.1.1
    Scenario: A platform name of 64 characters is carried whole
      Given a premium tenant "a" on platform "p23456789-123456789-123456789-123456789-123456789-123456789-1234"
      When tenant "a" prompts the model in a stream
      Then every upstream call carried the metadata of tenant "a" and workload "chat"

    @needs.tenants @needs.hosts @needs.ai-gateway-log @since.1.1
    Scenario Outline: A prompt's call carries them <way>, giving it <what>
      Given a <tier> tenant "a" that is called at a custom hostname, on platform "partner_api"
      When tenant "a" prompts the model <way>, giving it <what>
      Then every upstream call carried the metadata of tenant "a" and workload "chat"

      Examples:
        | tier       | what                 | way         |
        | free       | tools                | in a stream |
        | enterprise | tools                | plainly     |
        | free       | a form to answer in  | plainly     |
        | free       | metadata of its own  | plainly     |
        | free       | a name of its user   | in a stream |
        | premium    | settings             | plainly     |
        | premium    | a conversation       | in a stream |
        | free       | a long text          | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway-log @since.1.1
    Scenario Outline: A platform that looks like a <kind> is carried as a text
      Given a free tenant "a" on platform "<platform>"
      When tenant "a" prompts the model
      Then every upstream call carried the metadata of tenant "a" and workload "chat"

      Examples:
        | kind    | platform |
        | number  | 2024     |
        | boolean | true     |

  @AIG-002 @must
  Rule: AIG-002 The metadata keeps within what the platform keeps
    At most 5 keys, each value at most 64 characters, no key starting `cf.`, no null or nested value.
    (The platform silently drops what breaks these.)

    @needs.tenants @needs.hosts @needs.ai-gateway-log
    Scenario: A platform name of 64 characters is carried whole
      Given a premium tenant "a" on platform "p23456789-123456789-123456789-123456789-123456789-123456789-1234"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the metadata of every upstream call kept within the limits
      And every upstream call carried the metadata of tenant "a" and workload "chat"

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: Retries and the fallback keep within the limits as well (<way>)
      Given a premium tenant "a" on platform "partner_api"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      And the metadata of every upstream call kept within the limits
      Given the upstream replies "429, timeout, answer"
      When tenant "a" prompts the model <way>
      Then the metadata of every upstream call kept within the limits

      Examples:
        | way         |
        | plainly     |
        | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1-write
    Scenario Outline: A record with a platform <platform> breaks no rule
      Given a free tenant "a"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And every upstream call carried the metadata of tenant "a" and workload "chat"
      Given the record of tenant "a" has a platform <platform>
      When tenant "a" prompts the model
      Then the metadata of every upstream call kept within the limits

      Examples:
        | platform                    |
        | of 200 letters              |
        | with quotes and backslashes |
        | beyond ASCII                |

    # What is cut before it is encoded is longer afterwards.
    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1-write @since.1.1
    Scenario Outline: A record with a platform <platform> breaks no rule, plain or streamed
      Given a premium tenant "a"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And every upstream call carried the metadata of tenant "a" and workload "chat"
      Given the record of tenant "a" has a platform <platform>
      When tenant "a" prompts the model
      Then the metadata of every upstream call kept within the limits
      When tenant "a" prompts the model in a stream
      Then the metadata of every upstream call kept within the limits

      Examples:
        | platform                   |
        | of 60 letters beyond ASCII |

    # Keys of its own that a prompt brings along are not the metadata's.
    @needs.tenants @needs.hosts @needs.ai-gateway-log @since.1.1
    Scenario Outline: A <tier> tenant's prompt with <what> keeps within the limits <way>
      Given a <tier> tenant "a" on platform "partner_api"
      When tenant "a" prompts the model <way>, giving it <what>
      Then the metadata of every upstream call kept within the limits

      Examples:
        | tier       | what                 | way         |
        | free       | a name of its user   | plainly     |
        | premium    | a name of its user   | in a stream |
        | enterprise | metadata of its own  | plainly     |
        | free       | tools                | in a stream |
        | premium    | a form to answer in  | plainly     |
        | free       | a conversation       | plainly     |

  @AIG-003 @should
  Rule: AIG-003 The two other keys are tenant and sandbox
    The two other keys are `tenant_id` and `sandbox_id`; no e-mail, IP or other personal data.

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: Tenant and sandbox are named and nobody else
      Given a premium tenant "a"
      When tenant "a" prompts the model with headers of its own:
        | name                               | value                 |
        | x-forwarded-for                    | 203.0.113.77          |
        | from                               | anna@customer.example |
        | cf-access-authenticated-user-email | anna@customer.example |
      Then the caller gets the model's text
      And the metadata of every upstream call named tenant "a" and its sandbox and nothing else
      And the metadata of no upstream call showed the caller's ip, "203.0.113.77" or "anna@customer.example"

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: What the body says of its user stays out of the metadata
      Given a free tenant "a"
      When tenant "a" prompts the model with these fields:
        | name | value                 |
        | user | anna@customer.example |
      Then the caller gets the model's text
      And the metadata of every upstream call named tenant "a" and its sandbox and nothing else
      And the metadata of no upstream call showed the caller's ip, "203.0.113.77" or "anna@customer.example"

  @AIG-020 @must
  Rule: AIG-020 No call of a whole run is without metadata
    Metadata coverage over a whole run is 100 %.

    @needs.tenants @needs.hosts @needs.ai-gateway @whole-run
    Scenario: Every call of this run had its metadata
      Given a free tenant "a"
      And a premium tenant "b"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      When tenant "b" prompts the model in a stream
      Then the caller gets the model's text
      Given the upstream replies "500"
      When tenant "a" prompts the model
      And tenant "b" prompts the model
      Then every upstream call of the whole run carried complete metadata

    @needs.tenants @needs.hosts @needs.ai-gateway @whole-run @since.1.1
    Scenario: Calls for platforms with long names had theirs as well
      Given a premium tenant "a" on platform "p23456789-123456789-123456789-123456789-123456789-123456789-1234"
      And an enterprise tenant "b" on platform "partner_api.of-europe"
      When tenant "a" prompts the model with workload "summarization"
      And tenant "b" prompts the model in a stream with workload "summarization"
      Then the caller gets the model's text
      Given the upstream replies "500"
      When tenant "a" prompts the model in a stream with workload "analysis"
      Then every upstream call of the whole run carried complete metadata

    # The gateway keeps keys that begin so for itself, and takes every value.
    @AIG-001 @needs.tenants @needs.hosts @needs.ai-gateway @whole-run @since.1.1
    Scenario: Calls for a platform whose name begins as the gateway's own keys do had theirs as well
      Given a free tenant "a" on platform "cf.of-europe"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And every upstream call carried the metadata of tenant "a" and workload "chat"
      And every upstream call of the whole run carried complete metadata

    @needs.tenants @needs.hosts @needs.ai-gateway @whole-run @since.1.1
    Scenario Outline: Calls for prompts with <what> had theirs as well
      Given a free tenant "a"
      When tenant "a" prompts the model plainly, giving it <what>
      Then the caller gets the model's text
      And every upstream call of the whole run carried complete metadata

      Examples:
        | what                          |
        | the wish that nothing is kept |
        | settings                      |

    @AIG-001 @needs.tenants @needs.hosts @needs.ai-gateway @whole-run @since.1.1
    Scenario Outline: Calls for a <tier> tenant had theirs after whatever failure of an earlier one
      Given a <tier> tenant "a"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      Given the upstream replies "400"
      When tenant "a" prompts the model plainly
      Given the upstream replies "answer"
      When tenant "a" prompts the model plainly
      Then every upstream call carried the metadata of tenant "a" and workload "chat"
      Given the upstream replies "401"
      When tenant "a" prompts the model plainly
      Given the upstream replies "answer"
      When tenant "a" prompts the model in a stream
      Then every upstream call carried the metadata of tenant "a" and workload "chat"
      Given the upstream replies "403"
      When tenant "a" prompts the model plainly
      Given the upstream replies "answer"
      When tenant "a" prompts the model plainly
      Then every upstream call carried the metadata of tenant "a" and workload "chat"
      Given the upstream replies "404"
      When tenant "a" prompts the model plainly
      Given the upstream replies "answer"
      When tenant "a" prompts the model in a stream
      Then every upstream call carried the metadata of tenant "a" and workload "chat"
      Given the upstream replies "422"
      When tenant "a" prompts the model plainly
      Given the upstream replies "answer"
      When tenant "a" prompts the model plainly
      Then every upstream call carried the metadata of tenant "a" and workload "chat"
      Given the upstream replies "500"
      When tenant "a" prompts the model plainly
      Given the upstream replies "answer"
      When tenant "a" prompts the model in a stream
      Then every upstream call carried the metadata of tenant "a" and workload "chat"
      Given the upstream replies "timeout"
      When tenant "a" prompts the model plainly
      Given the upstream replies "answer"
      When tenant "a" prompts the model plainly
      Then every upstream call carried the metadata of tenant "a" and workload "chat"
      Given the upstream replies "error object"
      When tenant "a" prompts the model plainly
      Given the upstream replies "answer"
      When tenant "a" prompts the model in a stream
      Then every upstream call carried the metadata of tenant "a" and workload "chat"
      And every upstream call of the whole run carried complete metadata

      Examples:
        | tier    |
        | free    |
        | premium |
