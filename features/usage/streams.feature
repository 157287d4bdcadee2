@core
Feature: Streams are billed when they tell their usage
  The usage of a stream stands in one of its last frames, in one of several dialects.

  @USG-006 @must
  Rule: USG-006 The last usage that counts is the usage
    Streams: one row from the last non-zero usage frame, in either dialect (a frame with empty `choices`, or a native frame without `choices`).

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario Outline: The usage of an <dialect> stream of a <tier> tenant is found
      Given a <tier> tenant "a"
      And the upstream replies "<dialect> stream 345/67"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "345/67"
      And the usage row with tokens "345/67" says that the <model> model answered tenant "a"

      Examples:
        | dialect | tier    | model |
        | openai  | free    | 8b    |
        | binding | free    | 8b    |
        | native  | free    | 8b    |
        | openai  | premium | 70b   |
        | binding | premium | 70b   |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario: Of growing counts on every frame the last is taken, not their sum
      Given a free tenant "a"
      And the upstream streams these frames:
        """
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "finish_reason": null}], "usage": {"prompt_tokens": 30, "completion_tokens": 1, "total_tokens": 31}}
        {"choices": [{"index": 0, "delta": {"content": "lo."}, "finish_reason": null}], "usage": {"prompt_tokens": 30, "completion_tokens": 2, "total_tokens": 32}}
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 30, "completion_tokens": 3, "total_tokens": 33}}
        """
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "30/3"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario: Zeros behind the counts do not undo them
      Given a free tenant "a"
      And the upstream streams these frames:
        """
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hello."}, "finish_reason": null}]}
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        {"response": "", "usage": {"prompt_tokens": 44, "completion_tokens": 12, "total_tokens": 56}}
        {"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}
        """
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "44/12"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario Outline: An <dialect> stream <form> is billed
      Given a free tenant "a"
      And the upstream replies "<dialect> stream 345/67 <form>"
      When tenant "a" prompts the model in a stream
      Then the usage rows of tenant "a" have tokens "345/67"

      Examples:
        | dialect | form           |
        | openai  | without [DONE] |
        | native  | without [DONE] |
        | openai  | with CR LF     |
        | native  | with CR        |
        | openai  | without a space |
        | native  | without a space |
        | openai  | with other fields |
        | native  | with other fields |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario: Of counts in both dialects the last is taken: a native one
      Given a free tenant "a"
      And the upstream streams these frames:
        """
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hello."}, "finish_reason": null}]}
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        {"choices": [], "usage": {"prompt_tokens": 15, "completion_tokens": 7, "total_tokens": 22}}
        {"response": "", "usage": {"prompt_tokens": 19, "completion_tokens": 11, "total_tokens": 30}}
        """
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "19/11"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario: Of counts in both dialects the last is taken: one of OpenAI's
      Given a free tenant "a"
      And the upstream streams these frames:
        """
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hello."}, "finish_reason": null}]}
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        {"response": "", "usage": {"prompt_tokens": 19, "completion_tokens": 11, "total_tokens": 30}}
        {"choices": [], "usage": {"prompt_tokens": 15, "completion_tokens": 7, "total_tokens": 22}}
        """
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "15/7"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario: A caller that wants no usage in its stream is billed all the same
      Given a free tenant "a"
      And the upstream replies "answer 345/67"
      When tenant "a" prompts the model in a stream and wants no usage in it
      Then the usage rows of tenant "a" have tokens "345/67"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @AIG-017 @since.1.1
    Scenario Outline: An <dialect> stream that arrives in two parts is billed and passed on, wherever it is parted
      Given an enterprise tenant "a"
      When tenant "a" prompts the model <times> times in a stream of <dialect> events that arrives in two parts, each time parted elsewhere
      Then each of these answers has status 200
      And each of these callers gets the model's text
      And the usage rows of tenant "a" have tokens "345/67", <times> times

      Examples:
        | dialect | times |
        | openai  | 60    |
        | native  | 40    |

  @USG-007 @must
  Rule: USG-007 A stream that broke before its usage costs nothing
    A stream cut before any usage frame → no row.

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario Outline: An <dialect> stream cut after <chunks> frames leaves no row
      Given a free tenant "a"
      And the upstream replies "<dialect> stream 88/44 cut after <chunks>"
      When tenant "a" prompts the model in a stream
      Then there was 1 upstream call
      Given the upstream replies "answer 41/17"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "41/17"

      Examples:
        | dialect | chunks |
        | openai  | 1      |
        | openai  | 4      |
        | binding | 5      |
        | native  | 3      |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario Outline: Nor does one after <way> that was billed: an <dialect> stream cut after <chunks> frames
      Given a free tenant "a"
      And the upstream replies "<before>"
      When tenant "a" prompts the model <way>
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "5/7"
      Given the upstream replies "<dialect> stream 88/44 cut after <chunks>"
      When tenant "a" prompts the model in a stream
      Then there was 1 upstream call
      Given the upstream replies "answer 41/17"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "5/7, 41/17"

      Examples:
        | before            | way         | dialect | chunks |
        | openai stream 5/7 | in a stream | openai  | 2      |
        | native stream 5/7 | in a stream | native  | 2      |
        | answer 5/7        | plainly     | openai  | 1      |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario: A caller that leaves before the usage is not billed
      Given a free tenant "a"
      And the upstream replies "openai stream 88/44 held after 1"
      When tenant "a" opens a streamed prompt
      Then the caller has the first event while the upstream holds back the rest
      When the caller goes away
      Then the upstream call is cancelled
      Given the upstream replies "answer 41/17"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "41/17"

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario Outline: However much of it came: a long <dialect> stream cut after <chunks> frames
      Given a free tenant "a"
      And the upstream replies "long <dialect> stream 88/44 cut after <chunks>"
      When tenant "a" prompts the model in a stream
      Then there was 1 upstream call
      Given the upstream replies "answer 41/17"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And the usage rows of tenant "a" have tokens "41/17"

      Examples:
        | dialect | chunks |
        | openai  | 16     |
        | openai  | 100    |
        | native  | 60     |
