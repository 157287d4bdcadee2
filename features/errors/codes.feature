@core
Feature: Codes that callers can rely on
  A caller tells errors apart by code and status, never by words.

  @ERR-003 @must
  Rule: ERR-003 The codes
    Codes are stable and listed: `ACCESS_DENIED` 403, `RATE_LIMIT_EXCEEDED` 429, `TENANT_NOT_FOUND` 404, `NOT_FOUND` 404, `METHOD_NOT_ALLOWED` 405, `INVALID_REQUEST` 400, `INVALID_WORKLOAD` 400, `PAYLOAD_TOO_LARGE` 413, `CONFLICT`/`SANDBOX_ID_CONFLICT` 409, `CONFIGURATION_ERROR` and `STORE_UNAVAILABLE` 503, `AI_UPSTREAM_FAILED` 502, `AI_UPSTREAM_TIMEOUT` 504, `SANDBOX_ID_INVALID` and `INTERNAL` 500.

    # Each of these steps first shows that the same thing, done rightly, succeeds.
    Scenario Outline: <code> is <status>
      When <happens>
      Then the answer is refused with <status> "<code>"
      And the answer is an error in the contract's shape

      @needs.admin
      Examples:
        | code          | status | happens                                              |
        | ACCESS_DENIED | 403    | an admin route is asked without a token              |
        | CONFLICT      | 409    | a tenant is created with a slug that is in use       |
        | CONFLICT      | 409    | a tenant is created with a hostname that is in use   |
        | CONFLICT      | 409    | a tenant is created with an id that is in use        |

      @needs.tenants @needs.hosts
      Examples:
        | code               | status | happens                                         |
        | TENANT_NOT_FOUND   | 404    | a host is asked that is no tenant's             |
        | NOT_FOUND          | 404    | a route is asked that does not exist            |
        | METHOD_NOT_ALLOWED | 405    | a route is asked with a method it does not have |

      @needs.tenants @needs.hosts @needs.ai-gateway
      Examples:
        | code                | status | happens                                            |
        | INVALID_REQUEST     | 400    | a chat is sent that is no JSON                     |
        | INVALID_WORKLOAD    | 400    | a chat is sent with an unknown workload            |
        | PAYLOAD_TOO_LARGE   | 413    | a chat is sent that is larger than the limit       |
        | AI_UPSTREAM_FAILED  | 502    | every model call fails                             |
        | AI_UPSTREAM_TIMEOUT | 504    | every model call takes too long                    |

      @needs.tenants @needs.hosts @needs.variant.small-limits
      Examples:
        | code                | status | happens                                     |
        | RATE_LIMIT_EXCEEDED | 429    | more is asked than the quota allows         |

      @needs.admin @needs.d1-write
      Examples:
        | code                | status | happens                                                 |
        | SANDBOX_ID_CONFLICT | 409    | a tenant is created whose sandbox id another one has    |

      @needs.tenants @needs.hosts @needs.d1-write @needs.ai-gateway
      Examples:
        | code                | status | happens                                                 |
        | SANDBOX_ID_INVALID  | 500    | a chat is sent to a tenant whose stored sandbox id is wrong |

      @needs.variant.without-kv
      Examples:
        | code                | status | happens                                       |
        | CONFIGURATION_ERROR | 503    | a backend without its KV is asked             |

      @needs.tenants @needs.hosts @needs.store-faults
      Examples:
        | code                | status | happens                                       |
        | STORE_UNAVAILABLE   | 503    | a tenant is asked whose record cannot be read |

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario: Whatever is refused on a public route has a code of the list
      Given a free tenant "a"
      When tenant "a" is sent bodies of other media types, unknown routes and wrong methods
      Then every error among the answers has a listed code with its status

    @needs.tenants @needs.admin @since.1.1
    Scenario: Whatever is refused to an operator has a code of the list
      Given a free tenant "a"
      When an operator sends bodies of other media types to create and to change tenant "a"
      Then every error among the answers has a listed code with its status

    # `INTERNAL` is for what nobody foresaw: no request provokes it at will, but wherever it appears it must be a 500.
    @whole-run
    Scenario: Every code of the whole run is listed and has its status
      When somebody asks for the health
      Then the answer has status 200
      When somebody asks for a route that does not exist
      Then every error code of the whole run is listed and has its status

  @ERR-004 @must
  Rule: ERR-004 Errors tell nothing of the inside
    No error shows a stack, path, SQL, secret, token or upstream body.

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario Outline: The upstream's words stay inside: <reply>
      Given a free tenant "a"
      When somebody chats at host "{host a}"
      Then the answer has status 200
      Given the AI Gateway answers with <reply>
      When somebody chats at host "{host a}"
      Then the answer is a 502 or 504 that tells nothing of the inside
      And the answer has nothing of the upstream's body

      Examples:
        | reply                             |
        | a gateway's error                 |
        | a provider's error                |
        | a page of HTML                    |
        | a stack trace                     |
        | an error of its SQL               |
        | a body that is no JSON            |

    @needs.tenants @needs.hosts @needs.store-faults
    Scenario: A failing store
      Given a free tenant "a"
      And D1 is unavailable for tenant "a"
      When somebody asks host "{host a}" for the status
      Then it is told as an outage of D1 for tenant "a"
      And the answer tells nothing of the inside
      When D1 is back for tenant "a"
      Then host "{host a}" answers as tenant "a"

    @needs.tenants @needs.admin
    Scenario: Conflicts, bad fields and bad ids
      Given a free tenant "a"
      When every admin route is asked without a token, and wrongly with one, for tenant "a"
      Then all of them are errors that tell nothing of the inside

    @needs.tenants @needs.hosts
    Scenario: Bad requests of callers
      Given a free tenant "a"
      When tenant "a" asks for its status
      Then the answer has status 200
      When errors of the public routes are provoked at tenant "a"
      Then all of them are errors that tell nothing of the inside

    @needs.tenants @needs.hosts @needs.d1-write @needs.ai-gateway
    Scenario: A tenant whose data are wrong
      When a chat is sent to a tenant whose stored sandbox id is wrong
      Then the answer is refused with 500 "SANDBOX_ID_INVALID"
      And the answer tells nothing of the inside

    @needs.tenants @needs.hosts @since.1.1
    Scenario Outline: An error does not repeat a secret that came as <carrier>
      Given a free tenant "a"
      When a secret is sent as <carrier> to routes that answer and to routes that refuse
      Then some of the answers are successes and some are errors
      And no error holds a secret

      Examples:
        | carrier                              |
        | the header "Authorization: Bearer"   |
        | the header "Cf-Access-Jwt-Assertion" |
        | the header "X-Api-Key"               |
        | the cookie "CF_Authorization"        |
        | the query parameter "token"          |
        | the body field "api_key"             |
        | a body that is no JSON               |

    @needs.tenants @needs.hosts @needs.admin @since.1.1
    Scenario: An error repeats no Access token
      Given a free tenant "a"
      When the operator's token and every bad one are sent to admin and public routes
      Then some of the answers are successes and some are errors
      And no error holds a secret

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario: The error of a failed model call shows neither the key nor what came back
      Given a free tenant "a"
      When somebody chats at host "{host a}"
      Then the answer has status 200
      Given the AI Gateway repeats the key it was sent and a secret of its own, and answers with 500
      When somebody chats at host "{host a}"
      Then the answer is a 502 or 504 that tells nothing of the inside
      And no error holds a secret

    @whole-run
    Scenario: Every error of the whole run tells nothing of the inside
      When somebody asks for the health
      Then the answer has status 200
      When somebody asks for a route that does not exist
      Then no error of the whole run tells anything of the inside
