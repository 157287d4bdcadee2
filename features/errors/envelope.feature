@core
Feature: One shape for every error
  An error is an interface: whoever calls the backend can rely on its shape and on its id.

  @ERR-001 @must
  Rule: ERR-001 The shape
    Every error of every route has this shape, `application/json`, RFC 3339 UTC timestamp, and validates against the published JSON Schema.

    @needs.tenants @needs.hosts @smoke
    Scenario: Public routes
      Given a free tenant "a"
      When tenant "a" asks for its status
      Then the answer has status 200
      When errors of the public routes are provoked at tenant "a"
      Then all of them are errors in the contract's shape

    @needs.tenants @needs.hosts @since.1.1
    Scenario: Public routes, asked by a caller that waits for a stream
      Given a free tenant "a"
      When tenant "a" asks for its status
      Then the answer has status 200
      When errors of the public routes are provoked at tenant "a" by a caller that accepts "text/event-stream"
      Then all of them are errors in the contract's shape

    @needs.tenants @needs.hosts @since.1.1
    Scenario Outline: Public routes, asked by a caller that prefers <what>
      Given a free tenant "a"
      When tenant "a" asks for its status
      Then the answer has status 200
      When errors of the public routes are provoked at tenant "a" by a caller that accepts "<forms>"
      Then all of them are errors in the contract's shape

      Examples:
        | what            | forms                                            |
        | problem details | application/problem+json                         |
        | XML             | application/xml                                  |
        | HTML            | text/html,application/xhtml+xml,*/*;q=0.8        |
        | JSON:API        | application/vnd.api+json, application/json;q=0.5 |
        | plain text      | text/plain                                       |

    @needs.tenants @needs.hosts @needs.admin @since.1.1
    Scenario: Paths that cannot be decoded, in every kind of route
      Given a free tenant "a"
      When tenant "a" asks for its status
      Then the answer has status 200
      When every kind of route is asked at tenant "a" by paths that cannot be decoded
      Then whatever errors they are have the contract's shape

    @needs.tenants @needs.admin
    Scenario: Admin routes
      Given a free tenant "a"
      When every admin route is asked without a token, and wrongly with one, for tenant "a"
      Then all of them are errors in the contract's shape

    @needs.variant.without-d1
    Scenario: A backend that is not configured
      Given the backend runs as without-d1
      When every route is asked
      Then all of them are errors in the contract's shape

    @whole-run
    Scenario: Every error of the whole run
      When somebody asks for the health
      Then the answer has status 200
      When somebody asks for a route that does not exist
      Then every error of the whole run has the contract's shape

  @ERR-002 @must
  Rule: ERR-002 The request id
    `request_id` is unique per request and also in `X-Request-Id`; a caller's own value is not trusted as the id.

    @needs.tenants @needs.hosts
    Scenario: Each of many requests has its own id
      Given a free tenant "a"
      When tenant "a" asks 10 times for its status, and nobody 20 times, all at once
      Then the answers have as many request ids as there are answers
      And each error's body has the id of its header

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: An error that ends a stream has the id of its head (<replies>)
      Given a free tenant "a"
      When tenant "a" prompts the model in a stream
      Then the caller gets the model's text
      Given the upstream replies "<replies>"
      When tenant "a" prompts the model in a stream
      Then whatever error the stream tells has the id of its header

      Examples:
        | replies                        |
        | openai stream 7/3 cut after 2  |
        | native stream 7/3 cut after 2  |

    @needs.hosts @needs.variant.small-limits
    Scenario: Another instance does not give the same ids
      When nobody asks 3 times in production, and 3 times as small-limits
      Then the answers have as many request ids as there are answers

    @needs.tenants @needs.hosts
    Scenario Outline: A caller's <what> is not taken for the id
      Given a free tenant "a"
      When tenant "a" and nobody ask twice with "X-Request-Id: <value>"
      Then the answers have as many request ids as there are answers
      And no answer has the request id "<value>"
      And each error's body has the id of its header

      Examples:
        | what        | value                                |
        | own id      | mine-{token}                         |
        | UUID        | {id a}                               |
        | hostile id  | <script>{token}</script>             |
        | long id     | {token}{times x 2000}                |

    @whole-run
    Scenario: No id twice in the whole run
      When somebody asks for the health
      Then the answer has status 200
      When somebody asks for a route that does not exist
      Then no request id of the whole run was given twice

    @needs.tenants @needs.hosts @since.1.1
    Scenario Outline: A caller's <what> is not taken for the id either
      Given a free tenant "a"
      When tenant "a" and nobody ask twice with "<header>: <value>"
      Then the answers have as many request ids as there are answers
      And each error's body has the id of its header

      Examples:
        | what           | header            | value                                                   |
        | trace          | traceparent       | 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 |
        | correlation id | X-Correlation-Id  | {id a}                                                  |
