@core
Feature: A missing binding stops everything, and says so
  Production fails fast: with a binding missing, no request is half served.

  @BND-001 @must
  Rule: BND-001 Without D1 nothing is served
    In production, with D1 missing, every route answers 503 `CONFIGURATION_ERROR` and names `TENANT_DB`.

    @needs.variant.without-d1 @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @smoke
    Scenario: Every route refuses and names the database
      Given every route answers as it should while everything is bound
      When the backend runs as without-d1
      Then every route refuses with 503 "CONFIGURATION_ERROR" and names exactly "TENANT_DB"

    @needs.variant.without-d1 @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @since.1.1
    Scenario: Public routes refuse whatever the method, as they do for GET and POST
      Given every route answers as it should while everything is bound
      When the backend runs as without-d1
      And every public route is called with HEAD, OPTIONS, PUT and PATCH
      Then each of these methods is refused with 503 "CONFIGURATION_ERROR"

  @BND-002 @must
  Rule: BND-002 Without KV nothing is served
    The same for KV (`TENANT_KV`).

    @needs.variant.without-kv @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway
    Scenario: Every route refuses and names the registry
      Given every route answers as it should while everything is bound
      When the backend runs as without-kv
      Then every route refuses with 503 "CONFIGURATION_ERROR" and names exactly "TENANT_KV"

    @needs.variant.without-kv @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @since.1.1
    Scenario: Public routes refuse whatever the method, as they do for GET and POST
      Given every route answers as it should while everything is bound
      When the backend runs as without-kv
      And every public route is called with HEAD, OPTIONS, PUT and PATCH
      Then each of these methods is refused with 503 "CONFIGURATION_ERROR"

  @BND-003 @must
  Rule: BND-003 Without R2 nothing is served
    The same for R2 (`MOLTBOT_BUCKET`).

    @needs.variant.without-r2 @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway
    Scenario: Every route refuses and names the bucket
      Given every route answers as it should while everything is bound
      When the backend runs as without-r2
      Then every route refuses with 503 "CONFIGURATION_ERROR" and names exactly "MOLTBOT_BUCKET"

    @needs.variant.without-r2 @needs.hosts @needs.d1-write @needs.kv-write @needs.ai-gateway @needs.admin
    Scenario: A tenant that could be served without the bucket is not
      Given the backend runs as without-r2
      And tenant "a" stands in those stores that are there
      Then every route of tenant "a" refuses with 503 "CONFIGURATION_ERROR" and names exactly "MOLTBOT_BUCKET"

    @needs.variant.without-r2 @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @since.1.1
    Scenario: Public routes refuse whatever the method, as they do for GET and POST
      Given every route answers as it should while everything is bound
      When the backend runs as without-r2
      And every public route is called with HEAD, OPTIONS, PUT and PATCH
      Then each of these methods is refused with 503 "CONFIGURATION_ERROR"

  @BND-004 @must
  Rule: BND-004 One answer names all that is missing
    Several missing bindings are all named in one answer.

    @needs.variant.without-d1-and-r2 @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway
    Scenario: Two missing bindings are named together on every route
      Given every route answers as it should while everything is bound
      When the backend runs as without-d1-and-r2
      Then every route refuses with 503 "CONFIGURATION_ERROR" and names exactly "MOLTBOT_BUCKET, TENANT_DB"

  @BND-005 @must
  Rule: BND-005 Nothing happens meanwhile
    While a binding is missing nothing happens: no model call, no usage row, no tenant created.

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1-write @needs.kv-write @needs.r2
    Scenario Outline: Nothing leaves a trace <variant>
      Given a tenant created while everything is bound leaves a model call, a usage row and a record
      When the backend runs as <variant>
      And tenant "a" stands in those stores that are there
      And everything that would leave a trace is tried with tenant "a"
      Then each try is refused with 503 "CONFIGURATION_ERROR"
      And no model was called, no usage row written, no tenant created, changed or deleted

      @needs.variant.without-d1
      Examples:
        | variant    |
        | without-d1 |

      @needs.variant.without-kv
      Examples:
        | variant    |
        | without-kv |

      @needs.variant.without-r2
      Examples:
        | variant    |
        | without-r2 |

  @BND-006 @must
  Rule: BND-006 In development a missing binding is a warning
    With `DEV_MODE` on, a missing binding is a warning in a clear banner and the backend serves what it can.

    @needs.variant.dev-mode-without-r2 @needs.hosts @needs.logs @needs.admin @until.1.0
    Scenario: Without the bucket tenants are still made and resolved
      Given the backend runs as dev-mode-without-r2
      When the operator makes tenant "a" all the same
      And somebody asks for the health
      Then the answer has status 200
      And a banner in the log warns of exactly "MOLTBOT_BUCKET"
      When tenant "a" asks for its status
      Then the answer has status 200
      And the answer names tenant "a"

    @needs.variant.dev-mode-without-r2 @needs.hosts @needs.logs @needs.admin @since.1.1
    Scenario: Without the bucket tenants are still made and resolved, and a banner names it
      Given the backend runs as dev-mode-without-r2
      When the operator makes tenant "a" all the same
      Then tenant "a" was made
      When somebody asks for the health
      Then the answer has status 200
      And a banner in the log warns of exactly "MOLTBOT_BUCKET"
      When tenant "a" asks for its status
      Then the answer has status 200
      And the answer names tenant "a"

    @needs.variant.dev-mode-without-d1 @needs.logs
    Scenario: Without the database the backend is still there
      Given the backend runs as dev-mode-without-d1
      When somebody asks for the health
      Then the answer has status 200
      And a banner in the log warns of exactly "TENANT_DB"

    @needs.variant.dev-mode-without-kv @needs.logs @since.1.1
    Scenario: Without the registry the backend is still there
      Given the backend runs as dev-mode-without-kv
      When somebody asks for the health
      Then the answer has status 200
      And a banner in the log warns of exactly "TENANT_KV"

    @needs.variant.dev-mode-without-kv @needs.hosts @needs.admin @needs.d1-write @needs.kv-write @since.1.1
    Scenario: Without the registry the operator reads what D1 alone holds
      Given the backend runs as dev-mode-without-kv
      And tenant "a" stands in those stores that are there
      When the operator reads the routing of tenant "a"
      Then the answer has status 200

    @needs.variant.dev-mode @needs.logs
    Scenario: With everything bound there is no banner
      Given the backend runs as dev-mode
      When somebody asks for the health
      Then the answer has status 200
      And no banner in the log warns of anything missing

  @BND-007 @must
  Rule: BND-007 The answer shows names only
    The answer shows names only: no value, secret or stack.

    @needs.hosts @needs.admin
    Scenario Outline: Only names are shown <variant>
      Given the backend runs as <variant>
      When every route is called that needs <what>
      Then each answer names what is missing and shows nothing else of the configuration

      @needs.variant.without-d1-and-r2
      Examples:
        | variant           | what             |
        | without-d1-and-r2 | the bindings     |

      @needs.variant.without-access-team
      Examples:
        | variant             | what             |
        | without-access-team | Access           |

      @needs.variant.without-access-aud
      Examples:
        | variant            | what             |
        | without-access-aud | Access           |

      @needs.variant.without-app-domain
      Examples:
        | variant            | what             |
        | without-app-domain | the app domain   |

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario Outline: What there is of the AI Gateway's configuration is not shown <variant>
      Given the backend runs as <variant>
      And a free tenant "a"
      When tenant "a" chats, streamed and not, also naming a provider of its own
      Then each answer names what is missing and shows nothing else of the configuration

      @needs.variant.without-ai-gateway-url
      Examples:
        | variant                |
        | without-ai-gateway-url |

      @needs.variant.without-ai-gateway-key
      Examples:
        | variant                |
        | without-ai-gateway-key |
