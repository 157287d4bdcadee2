@core
Feature: A successful answer is billed once, to the tenant that asked, at the counts that the upstream reported
  A response is successful when the upstream status is 200, the payload does not say `success: false` or carry an error, and usage with token counts is present.

  @USG-001 @must
  Rule: USG-001 One success, one row
    A success writes exactly one row: UUID `id`, `tenant_id`, `model`, `tokens_in`, `tokens_out`, `latency_ms`, `created_at` (integer epoch milliseconds).

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario Outline: The row of a <tier> tenant's prompt says it all
      Given a <tier> tenant "a"
      And the upstream replies "answer 1234/567"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "1234/567"
      And the usage row with tokens "1234/567" says that the <model> model answered tenant "a"

      Examples:
        | tier       | way         | model |
        | free       | plainly     | 8b    |
        | premium    | plainly     | 70b   |
        | enterprise | in a stream | 70b   |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @smoke
    Scenario: Each further prompt adds one row, a retried one as well
      Given a free tenant "a"
      And the upstream replies "answer 11/5"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      Given the upstream replies "500, answer 11/5"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      Given the upstream replies "answer 40/2"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "11/5, 11/5, 40/2"
      And every id among the usage rows of tenant "a" is another

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario Outline: A prompt writes its row <way>, giving the model <what>
      Given a free tenant "a" that is called at a custom hostname
      And the upstream replies "answer 321/45"
      When tenant "a" prompts the model <way>, giving it <what>
      Then the usage rows of tenant "a" have tokens "321/45"

      Examples:
        | what                 | way         |
        | tools                | plainly     |
        | a form to answer in  | in a stream |
        | settings             | plainly     |
        | a conversation       | in a stream |
        | a long text          | plainly     |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario Outline: A success writes its row whatever ended it: <reason>
      Given a free tenant "a"
      And the upstream answers with this body:
        """
        {"object": "chat.completion", "choices": [{"index": 0, "message": <message>, "finish_reason": "<reason>"}], "usage": {"prompt_tokens": 61, "completion_tokens": 19}}
        """
      When tenant "a" prompts the model
      Then the answer has status 200
      And the usage rows of tenant "a" have tokens "61/19"

      Examples:
        | reason        | message |
        | length        | {"role": "assistant", "content": "Hello."} |
        | tool_calls    | {"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]} |
        | function_call | {"role": "assistant", "content": null, "function_call": {"name": "weather", "arguments": "{}"}} |
        | stop          | {"role": "assistant", "content": ""} |

  @USG-005 @must
  Rule: USG-005 Filtered content is billed as reported
    A content-filtered reply that reports tokens → one row.

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario: A reply that the filter ended writes its row
      Given a free tenant "a"
      And the upstream replies "content filtered 90/0"
      When tenant "a" prompts the model
      Then the answer has status 200
      And the usage rows of tenant "a" have tokens "90/0"
      And the usage row with tokens "90/0" says that the 8b model answered tenant "a"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario: A stream that the filter ended writes its row, its usage beside the reason
      Given a free tenant "a"
      And the upstream streams these frames:
        """
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "finish_reason": null}]}
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}], "usage": {"prompt_tokens": 90, "completion_tokens": 2}}
        """
      When tenant "a" prompts the model in a stream
      Then the usage rows of tenant "a" have tokens "90/2"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario: A stream that the filter ended writes its row, its usage behind the reason
      Given a free tenant "a"
      And the upstream streams these frames:
        """
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "finish_reason": null}]}
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]}
        {"choices": [], "usage": {"prompt_tokens": 90, "completion_tokens": 2}}
        """
      When tenant "a" prompts the model in a stream
      Then the usage rows of tenant "a" have tokens "90/2"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario: So does a stream that the filter ended before its first word
      Given a free tenant "a"
      And the upstream streams these frames:
        """
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}]}
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]}
        {"choices": [], "usage": {"prompt_tokens": 90, "completion_tokens": 0, "total_tokens": 90}}
        """
      When tenant "a" prompts the model in a stream
      Then the usage rows of tenant "a" have tokens "90/0"

  @USG-011 @must
  Rule: USG-011 The row names who answered
    After a fallback the row names the model that answered.

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario Outline: After "<replies>" <way> the <model> model is named
      Given a premium tenant "a"
      And the upstream replies "<replies>"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "21/8"
      And the usage row with tokens "21/8" says that the <model> model answered tenant "a"

      Examples:
        | replies                        | way         | model |
        | 500, 500, answer 21/8          | plainly     | 8b    |
        | timeout, timeout, answer 21/8  | in a stream | 8b    |
        | 503, answer 21/8               | plainly     | 70b   |

      @since.1.1
      Examples:
        | replies                              | way         | model |
        | 500, 500, native 21/8                | plainly     | 8b    |
        | 500, 500, chat 21/8                  | plainly     | 8b    |
        | 503, native 21/8                     | plainly     | 70b   |
        | 500, 500, native stream 21/8         | in a stream | 8b    |
        | 500, 500, binding stream 21/8        | in a stream | 8b    |

  @USG-012 @must
  Rule: USG-012 In a crowd everybody pays for himself
    Under concurrency every row belongs to the tenant that called, and sums of tokens are exact per tenant.

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario: Many tenants at once, each with counts of its own
      When each of 9 tenants of all tiers prompts the model 8 times, all at once
      Then each of the 9 tenants has exactly the usage rows of its own 8 prompts

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario: Many prompts at once that cost the same
      When each of 6 tenants of all tiers prompts the model 12 times, all at once, all with the same counts
      Then each of the 6 tenants has exactly the usage rows of its own 12 prompts, all with the same counts

  @USG-014 @must
  Rule: USG-014 The latency is true
    `latency_ms` lies between the upstream's real latency and what the caller measured.

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario Outline: An upstream that took 200 ms <way> is neither flattered nor blamed
      Given a free tenant "a"
      When tenant "a" prompts the model <way> and the upstream answers "31/9" after 200 ms
      Then the caller gets the model's text
      And the usage row of tenant "a" with tokens "31/9" has a latency between 200 ms and what the caller measured

      Examples:
        | way         |
        | plainly     |
        | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario: An upstream whose body came 200 ms after its head took as long
      Given a free tenant "a"
      When tenant "a" prompts the model plainly and the body of the upstream's answer is "31/9" after 200 ms
      Then the caller gets the model's text
      And the usage row of tenant "a" with tokens "31/9" has a latency between 200 ms and what the caller measured

    @since.1.1 @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @needs.store-faults @waits
    Scenario Outline: A row that is written at the fourth try has the latency of its answer <way>
      Given a free tenant "a"
      And D1 is busy for the next 3 usage writes of tenant "a"
      When tenant "a" prompts the model <way> and the upstream answers "31/9" after 200 ms
      Then the caller gets the model's text
      And the usage write of tenant "a" was tried 4 times, after pauses of "100, 200, 400" ms
      And the usage row of tenant "a" with tokens "31/9" has a latency between 200 ms and what the caller measured

      Examples:
        | way         |
        | plainly     |
        | in a stream |

  @USG-016 @must
  Rule: USG-016 Every shape of an answer is understood
    Native Workers AI bodies (`result.usage`), root `usage`, and OpenAI bodies are all understood.

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario Outline: A body "<shape>" is billed and reaches the caller as a chat completion
      Given a free tenant "a"
      And the upstream replies "<shape> 77/33"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "77/33"

      Examples:
        | shape      |
        | native     |
        | root usage |
        | chat       |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario: An empty list of errors and further counts are no trouble
      Given a free tenant "a"
      And the upstream answers with this body:
        """
        {"result": {"response": "Hello.", "tool_calls": [], "usage": {"prompt_tokens": 12, "completion_tokens": 6, "total_tokens": 18, "prompt_tokens_details": {"cached_tokens": 4}}}, "success": true, "errors": [], "messages": []}
        """
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "12/6"

  @USG-017 @should
  Rule: USG-017 A cache hit is billed as reported
    An AI Gateway cache hit (`cf-aig-cache-status: HIT`) follows the reported tokens like any other response.

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario: A hit that reports tokens writes its row
      Given a free tenant "a"
      And the upstream replies "cache hit 15/4"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "15/4"
      And the usage row with tokens "15/4" says that the 8b model answered tenant "a"
