@core
Feature: The tier alone decides the model
  Callers cannot choose a model, and operators can see and change what a tenant gets.

  @AIG-004 @must
  Rule: AIG-004 free is answered by the small model
    free → `@cf/meta/llama-3.1-8b-instruct-fp8-fast`.

    @needs.tenants @needs.hosts @needs.ai-gateway-log @smoke
    Scenario: A free tenant's prompts go to the 8b model, plain and streamed
      Given a free tenant "a"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the upstream calls were "8b 200"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And the upstream calls were "8b 200"

    @needs.tenants @needs.hosts @needs.ai-gateway-log @since.1.1
    Scenario Outline: So does a free tenant's <workload>, plain and streamed
      Given a free tenant "a"
      When tenant "a" prompts the model plainly with workload "<workload>"
      Then the upstream calls were "8b 200"
      When tenant "a" prompts the model in a stream with workload "<workload>"
      Then the upstream calls were "8b 200"

      Examples:
        | workload      |
        | summarization |
        | analysis      |

    @needs.tenants @needs.hosts @needs.ai-gateway-log @since.1.1
    Scenario Outline: A free tenant's prompt goes to the 8b model <way>, giving it <what>
      Given a free tenant "a" that is called at a custom hostname
      When tenant "a" prompts the model <way>, giving it <what>
      Then the upstream calls were "8b 200"

      Examples:
        | what                 | way         |
        | tools                | plainly     |
        | tools                | in a stream |
        | a form to answer in  | plainly     |
        | settings             | in a stream |
        | a conversation       | plainly     |
        | text in parts        | plainly     |
        | a long text          | plainly     |
        | a long text          | in a stream |

    @AIG-014 @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: However often a free tenant's prompt is tried after "<failure>" <way>, it stays with the 8b model
      Given a free tenant "a"
      And the upstream replies "<failure>"
      When tenant "a" prompts the model <way>
      Then every upstream call asked Workers AI through the AI Gateway
      And no other provider was called
      And every try asked for a model of the tier "free", in its order

      Examples:
        | failure | way         |
        | 429     | plainly     |
        | 500     | in a stream |
        | 503     | plainly     |
        | 524     | in a stream |
        | timeout | plainly     |

  @AIG-005 @must
  Rule: AIG-005 premium is answered by the large model
    premium → `@cf/meta/llama-3.3-70b-instruct-fp8-fast`, fallback to the free model.

    @needs.tenants @needs.hosts @needs.ai-gateway-log
    Scenario: A premium tenant's prompts go to the 70b model, plain and streamed
      Given a premium tenant "a"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the upstream calls were "70b 200"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      And the upstream calls were "70b 200"

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: The 8b model stands in when the 70b model fails
      Given a premium tenant "a"
      And the upstream replies "500, 500, answer"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the upstream calls were "70b 500, 70b 500, 8b 200"

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: After the 8b model has stood in, the next prompt goes to the 70b model again (<way>)
      Given a premium tenant "a"
      And the upstream replies "500, 500, answer"
      When tenant "a" prompts the model <way>
      Then the upstream calls were "70b 500, 70b 500, 8b 200"
      Given the upstream replies "answer"
      When tenant "a" prompts the model <way>
      Then the upstream calls were "70b 200"
      Given the upstream replies "500, answer"
      When tenant "a" prompts the model plainly
      Then the upstream calls were "70b 500, 70b 200"

      Examples:
        | way         |
        | plainly     |
        | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: The 8b model stands in for a <workload> as well <way>
      Given a premium tenant "a" that is called at a custom hostname
      And the upstream replies "500, 500, answer"
      When tenant "a" prompts the model <way> with workload "<workload>"
      Then the caller gets the model's text
      And the upstream calls were "70b 500, 70b 500, 8b 200"

      Examples:
        | workload      | way         |
        | chat          | in a stream |
        | summarization | plainly     |
        | analysis      | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway-log @since.1.1
    Scenario Outline: A premium tenant's prompt goes to the 70b model <way>, giving it <what>
      Given a premium tenant "a"
      When tenant "a" prompts the model <way>, giving it <what>
      Then the upstream calls were "70b 200"

      Examples:
        | what                 | way         |
        | tools                | in a stream |
        | a form to answer in  | plainly     |
        | settings             | in a stream |
        | a conversation       | plainly     |
        | text in parts        | plainly     |
        | a long text          | in a stream |

    @needs.tenants @needs.hosts @needs.ai-gateway-log @since.1.1
    Scenario Outline: So does a premium tenant's <workload>, plain and streamed
      Given a premium tenant "a"
      When tenant "a" prompts the model plainly with workload "<workload>"
      Then the upstream calls were "70b 200"
      When tenant "a" prompts the model in a stream with workload "<workload>"
      Then the upstream calls were "70b 200"

      Examples:
        | workload      |
        | summarization |
        | analysis      |

    @AIG-014 @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: However often a premium tenant's prompt is tried after "<failure>" <way>, it goes to the 70b model and then to the 8b model
      Given a premium tenant "a"
      And the upstream replies "<failure>"
      When tenant "a" prompts the model <way>
      Then every upstream call asked Workers AI through the AI Gateway
      And no other provider was called
      And every try asked for a model of the tier "premium", in its order

      Examples:
        | failure | way         |
        | 429     | plainly     |
        | 500     | in a stream |
        | 503     | plainly     |
        | 524     | in a stream |
        | timeout | plainly     |

  @AIG-006 @must
  Rule: AIG-006 enterprise routes as premium, no tier as free
    enterprise routes as premium (metadata `tier` may say `enterprise` or `premium`). An unknown or empty tier routes as free.

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: An enterprise tenant has model, timeouts, retry and fallback of premium
      Given an enterprise tenant "a"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the upstream calls were "70b 200"
      And every upstream call carried the metadata of tenant "a" and workload "chat"
      Given the upstream replies "503, 429, answer"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the upstream calls were "70b 503, 70b 429, 8b 200"
      And every upstream call to the 70b model stated a timeout of 20000 ms
      And every upstream call to the 8b model stated a timeout of 8000 ms

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1-write
    Scenario Outline: The tier "<tier>" in a record routes as free
      Given a premium tenant "a"
      And the record of tenant "a" has the tier "<tier>"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the upstream calls were "8b 200"
      Given the upstream replies "500"
      When tenant "a" prompts the model
      Then the upstream calls and the answer keep to the rubric of tenant "a"
      And every upstream call to the 8b model stated a timeout of 8000 ms

      Examples:
        | tier          |
        |               |
        | gold          |
        | premium-trial |

      @since.1.1
      Examples:
        | tier          |
        | constructor   |
        | __proto__     |

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: When the upstream replies "<replies>", an enterprise tenant is routed as a premium one <way>
      Given a premium tenant "b"
      And an enterprise tenant "a"
      And the upstream replies "<replies>"
      When tenant "b" prompts the model <way>
      Given the upstream calls were "<calls>"
      And the upstream replies "<replies>"
      When tenant "a" prompts the model <way>
      Then the last prompt was routed as the one before it

      Examples:
        | replies          | calls                            | way         |
        | answer           | 70b 200                          | plainly     |
        | 500, 500, answer | 70b 500, 70b 500, 8b 200         | plainly     |
        | 500, 500, answer | 70b 500, 70b 500, 8b 200         | in a stream |
        | timeout          | 70b timeout, 70b timeout, 8b timeout | plainly |

    @needs.tenants @needs.hosts @needs.ai-gateway-log @since.1.1
    Scenario Outline: An enterprise tenant's <workload> goes to the 70b model, plain and streamed
      Given an enterprise tenant "a"
      When tenant "a" prompts the model plainly with workload "<workload>"
      Then the upstream calls were "70b 200"
      When tenant "a" prompts the model in a stream with workload "<workload>"
      Then the upstream calls were "70b 200"

      Examples:
        | workload      |
        | chat          |
        | summarization |
        | analysis      |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1-write @since.1.1
    Scenario Outline: The tier "<tier>" routes as free in a stream and with another workload, where "premium" routes as premium
      Given a premium tenant "b"
      When tenant "b" prompts the model in a stream with workload "analysis"
      Then the upstream calls were "70b 200"
      Given a premium tenant "a"
      And the record of tenant "a" has the tier "<tier>"
      When tenant "a" prompts the model in a stream with workload "analysis"
      Then the upstream calls were "8b 200"
      When tenant "a" prompts the model plainly with workload "summarization"
      Then the upstream calls were "8b 200"

      Examples:
        | tier |
        |      |
        | gold |

    @AIG-014 @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: However often an enterprise tenant's prompt is tried after "<failure>" <way>, it goes to the 70b model and then to the 8b model
      Given an enterprise tenant "a"
      And the upstream replies "<failure>"
      When tenant "a" prompts the model <way>
      Then every upstream call asked Workers AI through the AI Gateway
      And no other provider was called
      And every try asked for a model of the tier "enterprise", in its order

      Examples:
        | failure | way         |
        | 429     | plainly     |
        | 500     | in a stream |
        | 503     | plainly     |
        | 524     | in a stream |
        | timeout | plainly     |

  @AIG-007 @must
  Rule: AIG-007 Callers do not choose the model
    A `model` in the caller's body never overrides the tier's model.

    @needs.tenants @needs.hosts @needs.ai-gateway-log
    Scenario Outline: A <tier> tenant naming "<named>" in its <place> gets the tier's model
      Given a <tier> tenant "a"
      When tenant "a" prompts the model naming "<named>" in its <place>
      Then the caller gets the model's text
      And the upstream calls were "<model> 200"
      When tenant "a" prompts the model in a stream naming "<named>" in its <place>
      Then the caller gets the model's text
      And the upstream calls were "<model> 200"

      Examples:
        | tier    | named                                               | place | model |
        | free    | @cf/meta/llama-3.3-70b-instruct-fp8-fast            | body  | 8b    |
        | free    | workers-ai/@cf/meta/llama-3.3-70b-instruct-fp8-fast | body  | 8b    |
        | free    | openai/gpt-4o                                       | body  | 8b    |
        | free    | dynamic/premium                                     | body  | 8b    |
        | free    |                                                     | body  | 8b    |
        | free    | @cf/meta/llama-3.3-70b-instruct-fp8-fast            | query | 8b    |
        | premium | @cf/meta/llama-3.1-8b-instruct-fp8-fast             | body  | 70b   |
        | premium | gpt-4o                                              | body  | 70b   |

    @needs.tenants @needs.hosts @needs.ai-gateway-log @since.1.1
    Scenario Outline: The <tier> tier's model answers, though "<named>" is named in the <place>
      Given a <tier> tenant "a" that is called at a custom hostname
      When tenant "a" prompts the model naming "<named>" in its <place>
      Then the upstream calls were "70b 200"
      When tenant "a" prompts the model in a stream naming "<named>" in its <place>
      Then the upstream calls were "70b 200"

      Examples:
        | tier       | named                                              | place |
        | enterprise | @cf/meta/llama-3.1-8b-instruct-fp8-fast            | body  |
        | enterprise | workers-ai/@cf/meta/llama-3.1-8b-instruct-fp8-fast | body  |
        | enterprise | dynamic/free                                       | body  |
        | enterprise | @cf/meta/llama-3.1-8b-instruct-fp8-fast            | query |
        | premium    | @cf/meta/llama-3.1-8b-instruct-fp8-fast            | query |
        | premium    | workers-ai/@cf/meta/llama-3.1-8b-instruct-fp8-fast | body  |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: Neither retry nor fallback ask for the model that the caller named
      Given a premium tenant "a"
      And the upstream replies "500, 500, answer"
      When tenant "a" prompts the model naming "@cf/qwen/qwq-32b" in its body
      Then the caller gets the model's text
      And the upstream calls were "70b 500, 70b 500, 8b 200"

  @AIG-014 @must
  Rule: AIG-014 Nothing but Workers AI through the AI Gateway
    The default configuration calls Cloudflare AI Gateway with Workers AI models and nothing else.

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: A <tier> tenant's calls all go there, failing ones included
      Given a <tier> tenant "a"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And every upstream call asked Workers AI through the AI Gateway
      Given the upstream replies "500"
      When tenant "a" prompts the model in a stream
      Then every upstream call asked Workers AI through the AI Gateway
      And no other provider was called

      Examples:
        | tier    |
        | free    |
        | premium |

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: A caller cannot point the backend to another provider
      Given a free tenant "a"
      When tenant "a" prompts the model with these fields:
        | name     | value       |
        | provider | openai      |
        | base_url | {elsewhere} |
        | api_base | {elsewhere} |
        | endpoint | {elsewhere} |
      Then the caller gets the model's text
      And every upstream call asked Workers AI through the AI Gateway
      And no other provider was called

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: An upstream that redirects with <status> leads to no other provider
      Given a premium tenant "a"
      When tenant "a" prompts the model
      Then every upstream call asked Workers AI through the AI Gateway
      Given the upstream redirects with <status> to another provider
      When tenant "a" prompts the model
      Then every upstream call asked Workers AI through the AI Gateway
      And no other provider was called

      Examples:
        | status |
        | 302    |
        | 307    |

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: No other provider is called for a prompt with <what>
      Given a free tenant "a"
      When tenant "a" prompts the model plainly, giving it <what>
      Then every upstream call asked Workers AI through the AI Gateway
      And no other provider was called

      Examples:
        | what                |
        | a picture           |
        | text in parts       |
        | tools               |
        | a form to answer in |
        | a name of its user  |
        | a very long text    |

  @AIG-015 @must
  Rule: AIG-015 The operator can read a tenant's routing
    An operator can read a tenant's effective tier, model, fallback and timeouts without logs (routing route).

    @needs.tenants @needs.admin
    Scenario Outline: The routing of a <tier> tenant is shown
      Given a <tier> tenant "a"
      When the operator reads the routing of tenant "a"
      Then the routing shows tier "<shown>", the <model> model with <timeout> ms and <fallback>

      Examples:
        | tier       | shown               | model | timeout | fallback                              |
        | free       | free                | 8b    | 8000    | no fallback                           |
        | premium    | premium             | 70b   | 20000   | the 8b model with 8000 ms as fallback |
        | enterprise | enterprise\|premium | 70b   | 20000   | the 8b model with 8000 ms as fallback |

    @needs.tenants @needs.admin @needs.d1-write
    Scenario: The tier that is shown is the effective one
      Given a premium tenant "a"
      And the record of tenant "a" has the tier "gold"
      When the operator reads the routing of tenant "a"
      Then the routing shows tier "free", the 8b model with 8000 ms and no fallback

    @needs.tenants @needs.admin
    Scenario: What is shown follows a change of tier
      Given a free tenant "a"
      When the operator moves tenant "a" to tier "premium"
      And the operator reads the routing of tenant "a"
      Then the routing shows tier "premium", the 70b model with 20000 ms and the 8b model with 8000 ms as fallback

    @needs.tenants @needs.admin @since.1.1
    Scenario: What was shown before a change of tier is shown no more
      Given a free tenant "a"
      When the operator reads the routing of tenant "a"
      Then the answer has status 200
      When the operator moves tenant "a" to tier "premium"
      And the operator reads the routing of tenant "a"
      Then the routing shows tier "premium", the 70b model with 20000 ms and the 8b model with 8000 ms as fallback

  @AIG-022 @must
  Rule: AIG-022 A new tier applies at once
    A tier changed by the operator applies to the tenant's next model call.

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway
    Scenario: Up and down again, model, timeout, retries and metadata follow
      Given a free tenant "a"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the upstream calls were "8b 200"
      When the operator moves tenant "a" to tier "premium"
      And tenant "a" prompts the model
      Then the upstream calls were "70b 200"
      And every upstream call to the 70b model stated a timeout of 20000 ms
      And every upstream call carried the metadata of tenant "a" and workload "chat"
      When the operator moves tenant "a" to tier "free"
      Given the upstream replies "500"
      When tenant "a" prompts the model
      Then the upstream calls and the answer keep to the rubric of tenant "a"
      And every upstream call carried the metadata of tenant "a" and workload "chat"

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @since.1.1
    Scenario: A tier that is changed together with the names applies as well
      Given a free tenant "a"
      When tenant "a" prompts the model
      Then the caller gets the model's text
      And the upstream calls were "8b 200"
      When the operator gives tenant "a" another domain and moves it to tier "premium" in one change
      And tenant "a" prompts the model
      Then the upstream calls were "70b 200"
