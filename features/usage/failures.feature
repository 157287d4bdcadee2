@core
Feature: What failed is not billed
  Each failure is followed by a success of the same tenant, whose row shows that rows are written and seen.

  @USG-002 @must
  Rule: USG-002 A failing upstream costs nothing
    Upstream 4xx/5xx → no row.

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario Outline: "<replies>" <way> leaves no row for a <tier> tenant
      Given a <tier> tenant "a"
      And the upstream replies "<replies>"
      When tenant "a" prompts the model <way>
      Then there were 1 to 3 upstream calls
      Given the upstream replies "answer 41/17"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "41/17"

      Examples:
        | tier    | replies         | way         |
        | free    | 400             | plainly     |
        | free    | 429             | plainly     |
        | free    | 500             | in a stream |
        | premium | 503             | plainly     |
        | premium | timeout         | plainly     |
        # Counts in the body of a failure are no success either.
        | free    | chat 9/2 as 500 | plainly     |
        | free    | chat 9/2 as 400 | plainly     |
        | premium | native 9/2 as 429 | plainly   |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario Outline: Nor do the failures before an answer of a <tier> tenant's chat: "<replies>" <way>
      Given a <tier> tenant "a"
      And the upstream replies "<replies>"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      Given the upstream replies "answer 41/17"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "21/8, 41/17"

      Examples:
        | tier       | replies                               | way         |
        | free       | chat 9/2 as 500, 503, answer 21/8     | plainly     |
        | premium    | chat 9/2 as 500, 503, answer 21/8     | plainly     |
        | enterprise | 500, native 9/2 as 503, answer 21/8   | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario: Whichever status the failure has, and whatever counts it reports
      Given an enterprise tenant "a"
      When tenant "a" prompts the model once for each failure that has a name and is final, and the upstream reports 9/2 tokens with it
      And the upstream replies "answer 41/17"
      And tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "41/17"

  @USG-003 @must
  Rule: USG-003 An error in a 200 costs nothing
    200 with `success: false` or an `error`/`errors` payload → no row.

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario Outline: 200 with <payload> leaves no row
      Given a free tenant "a"
      And the upstream replies "<payload>"
      When tenant "a" prompts the model
      Then there was 1 upstream call
      Given the upstream replies "answer 41/17"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "41/17"

      Examples:
        | payload       |
        | success false |
        | error object  |
        | error array   |
        | errors array  |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario: A stream with an error in it leaves no row
      Given a free tenant "a"
      And the upstream streams these frames:
        """
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "finish_reason": null}]}
        {"error": {"message": "Inference failed", "type": "server_error", "code": "inference_failed"}}
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}
        """
      When tenant "a" prompts the model in a stream
      Then there was 1 upstream call
      Given the upstream replies "answer 41/17"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "41/17"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario Outline: 200 with <beside> beside its counts leaves no row
      Given a free tenant "a"
      And the upstream reports 9/2 tokens and <beside> beside them
      When tenant "a" prompts the model
      Then there was 1 upstream call
      Given the upstream replies "answer 41/17"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "41/17"

      Examples:
        | beside                                |
        | {"error": "Inference failed"}         |
        | {"error": ["Inference failed"]}       |
        | {"error": {"code": 3040}}             |
        | {"error": 3040}                       |
        | {"error": true}                       |
        | {"errors": "Inference failed"}        |
        | {"errors": ["Inference failed"]}      |
        | {"errors": {"3040": "No capacity"}}   |
        | {"success": false, "errors": []}      |
        | {"success": true, "errors": [{"code": 3040}]} |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario Outline: A stream with <beside> <where> its counts leaves no row
      Given a free tenant "a"
      And the upstream reports 9/2 tokens and <beside> in a stream <where> them
      When tenant "a" prompts the model in a stream
      Then there was 1 upstream call
      Given the upstream replies "answer 41/17"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "41/17"

      Examples:
        | where  | beside                                         |
        | behind | {"error": {"message": "Inference failed"}}     |
        | behind | {"error": "Inference failed"}                  |
        | behind | {"errors": [{"code": 3040}]}                   |
        | behind | {"success": false}                             |
        | beside | {"error": "Inference failed"}                  |
        | beside | {"success": false}                             |

  @USG-004 @must
  Rule: USG-004 What reports no usage is not guessed
    200 without usage, or usage null → no row.

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario Outline: 200 with <payload> leaves no row
      Given a free tenant "a"
      And the upstream replies "<payload>"
      When tenant "a" prompts the model
      Then there was 1 upstream call
      Given the upstream replies "answer 41/17"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "41/17"

      Examples:
        | payload    |
        | no usage   |
        | null usage |
        | garbage    |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario Outline: 200 without usage leaves no row in any form of a body: <form>
      Given a free tenant "a" that is called at a custom hostname
      And the upstream answers with this body:
        """
        <body>
        """
      When tenant "a" prompts the model
      Then there was 1 upstream call
      Given the upstream replies "answer 41/17"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "41/17"

      Examples:
        | form                  | body |
        | native                | {"result": {"response": "Hello."}, "success": true, "errors": [], "messages": []} |
        | native, usage null    | {"result": {"response": "Hello.", "usage": null}, "success": true, "errors": [], "messages": []} |
        | bare                  | {"response": "Hello."} |
        | bare, usage null      | {"response": "Hello.", "usage": null} |
        | OpenAI's, tool calls  | {"choices": [{"index": 0, "message": {"role": "assistant", "content": null, "tool_calls": []}, "finish_reason": "tool_calls"}]} |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario: A whole native stream that reports no usage leaves no row
      Given a free tenant "a"
      And the upstream streams these frames:
        """
        {"response": "Hel"}
        {"response": "lo."}
        """
      When tenant "a" prompts the model in a stream
      Then there was 1 upstream call
      Given the upstream replies "answer 41/17"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "41/17"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario: Usage without counts leaves no row
      Given a free tenant "a"
      And the upstream answers with this body:
        """
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}], "usage": {}}
        """
      When tenant "a" prompts the model
      Then the caller gets the model's text
      Given the upstream replies "answer 41/17"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "41/17"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario: A whole stream that reports no usage leaves no row
      Given a free tenant "a"
      And the upstream streams these frames:
        """
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "finish_reason": null}], "usage": null}
        {"choices": [{"index": 0, "delta": {"content": "lo."}, "finish_reason": null}]}
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        """
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      Given the upstream replies "answer 41/17"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "41/17"

  @USG-013 @must
  Rule: USG-013 What a gate refused costs nothing
    Requests refused by any gate (503, 403, 404, 429, 400) write no row.

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @needs.variant.without-ai-gateway
    Scenario: 503, for the AI Gateway is not configured
      Given the backend runs as without-ai-gateway
      And a free tenant "a"
      When tenant "a" prompts the model
      Then the answer is refused with 503 "CONFIGURATION_ERROR"
      And no usage row of tenant "a" is there
      Given the backend runs as production
      And a free tenant "b"
      When tenant "b" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "b" have tokens "7/3"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario: 403, for the token is missing
      Given a free tenant "a"
      When somebody without a token starts the gateway of tenant "a"
      Then the answer is refused with 403 "ACCESS_DENIED"
      And no usage row of tenant "a" is there
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "7/3"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario: 404, for the host is no tenant
      Given a free tenant "a"
      And the upstream replies "answer 904211/904217"
      When somebody prompts the model on a host that is no tenant
      Then the answer is refused with 404 "TENANT_NOT_FOUND"
      And there was no upstream call
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "904211/904217"
      And no usage row has the tokens "904211/904217" but those of tenant "a"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @needs.variant.small-limits
    Scenario: 429, for the quota is used up
      Given the backend runs as small-limits
      And a free tenant "a"
      When tenant "a" prompts the model 4 times more than its small quota allows
      Then tenant "a" has a usage row for each admitted prompt and for no other

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario: 400, for workload or body are wrong
      Given a free tenant "a"
      When tenant "a" prompts the model with workload "translation"
      Then the answer is refused with 400 "INVALID_WORKLOAD"
      When tenant "a" sends as prompt an empty list of messages
      Then the answer is refused as malformed or too large
      And no usage row of tenant "a" is there
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "7/3"

    # Not every backend refuses each of them; which it does is for the other promises.
    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario: 400, for one message among good ones is wrong
      Given a free tenant "a"
      When tenant "a" sends each of these as prompt
        | content that is a number              |
        | a message without content             |
        | a role that is a number               |
        | a message that is a text              |
        | a system's content that is a number   |
        | a stream flag that is a text          |
      And tenant "a" prompts the model
      Then the caller gets the model's text
      And of those prompts only the answered ones have been billed to tenant "a"
