@core
Feature: The sandbox id follows from the tenant id
  `sandbox_id = "sk-" + first 16 hex digits of SHA-256(tenant UUID)`, where the UUID is its canonical lower-case 36-character text.

  @ID-001 @must
  Rule: ID-001 A tenant keeps its sandbox id
    The same tenant always has the same sandbox id: across requests, restarts and instances.

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1
    Scenario: Every answer and the database name one sandbox id, whatever happens in between
      Given a free tenant "a"
      When the sandbox id of tenant "a" is looked up wherever it shows
      And tenant "a" chats and its gateway runs
      And the sandbox id of tenant "a" is looked up wherever it shows
      Then every look-up gave the sandbox id that follows from the tenant id

    @needs.restart @needs.tenants @needs.admin @needs.d1
    Scenario Outline: It outlives <how the backend ends>
      Given an instance that can be restarted
      And a free tenant "a"
      When the sandbox id of tenant "a" is looked up wherever it shows
      And the instance <ends> and starts again
      And the sandbox id of tenant "a" is looked up wherever it shows
      Then every look-up gave the sandbox id that follows from the tenant id

      Examples:
        | how the backend ends | ends      |
        | an orderly shutdown  | shuts down |
        | a sudden death       | is killed  |

    @needs.variant.dev-mode @needs.admin @needs.d1
    Scenario: Another instance with other configuration gives the same tenant the same sandbox id
      Given a free tenant "a"
      When the sandbox id of tenant "a" is looked up wherever it shows
      And the backend runs as dev-mode
      And the same tenant "a" is there too
      And the sandbox id of tenant "a" is looked up wherever it shows
      Then every look-up gave the sandbox id that follows from the tenant id

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: The AI Gateway's journal names it too
      Given a free tenant "a"
      And a premium tenant "b"
      When the sandbox id of tenant "a" is looked up in the AI Gateway's journal
      And the sandbox id of tenant "b" is looked up in the AI Gateway's journal
      Then every look-up gave the sandbox id that follows from the tenant id

    @needs.tenants @needs.admin @needs.d1 @since.1.1
    Scenario: It is the same however the operator spells the tenant's id
      Given a free tenant "a"
      When the sandbox id of tenant "a" is looked up wherever it shows
      And the sandbox id of tenant "a" is looked up by its tenant id in other spellings
      Then every look-up gave the sandbox id that follows from the tenant id

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario: It is the same for every workload, and for every model that is asked
      Given an enterprise tenant "a" that is called at a custom hostname
      When the sandbox id of tenant "a" is looked up in all model calls of each workload, plain and streamed
      Then every look-up gave the sandbox id that follows from the tenant id

    @needs.tenants @needs.admin @since.1.1
    Scenario: It is the same in every state of the gateway
      Given a free tenant "a"
      When the sandbox id of tenant "a" is looked up at every route, in every state of its gateway
      Then every look-up gave the sandbox id that follows from the tenant id

  @ID-002 @must
  Rule: ID-002 A sandbox id has 19 characters
    It is exactly 19 characters.

    @needs.admin
    Scenario: Also when the hash begins with zeros
      When tenants are created whose hash begins with a zero and has another small byte
      And a tenant is created that leaves its id to the backend
      Then every sandbox id shown has exactly 19 characters

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: The AI Gateway's journal names it too
      Given a free tenant "a"
      And a premium tenant "b"
      When the sandbox id of tenant "a" is looked up in the AI Gateway's journal
      And the sandbox id of tenant "b" is looked up in the AI Gateway's journal
      Then every sandbox id shown has exactly 19 characters

    @needs.admin @needs.d1-write @since.1.1
    Scenario: No other form when the id is another tenant's already
      Given a row of another tenant that holds the sandbox id of tenant "a" to be
      When the operator creates tenant "a" beside that row, or else once it is gone
      Then every sandbox id shown has exactly 19 characters

    @needs.tenants @needs.admin @since.1.1
    Scenario: At every route, in every state of the gateway
      Given a free tenant "a"
      When the sandbox id of tenant "a" is looked up at every route, in every state of its gateway
      Then every sandbox id shown has exactly 19 characters

  @ID-003 @must
  Rule: ID-003 A sandbox id has one form
    It matches `^sk-[a-f0-9]{16}$`.

    @needs.admin @smoke
    Scenario: Prefix and lower-case digits, nothing else
      When tenants are created whose hash begins with a zero and has another small byte
      And a tenant is created that leaves its id to the backend
      Then every sandbox id shown matches "^sk-[a-f0-9]{16}$"

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: The AI Gateway's journal names it too
      Given a free tenant "a"
      And a premium tenant "b"
      When the sandbox id of tenant "a" is looked up in the AI Gateway's journal
      And the sandbox id of tenant "b" is looked up in the AI Gateway's journal
      Then every sandbox id shown matches "^sk-[a-f0-9]{16}$"

    @needs.admin @needs.d1-write @since.1.1
    Scenario: No other form when the id is another tenant's already
      Given a row of another tenant that holds the sandbox id of tenant "a" to be
      When the operator creates tenant "a" beside that row, or else once it is gone
      Then every sandbox id shown matches "^sk-[a-f0-9]{16}$"

    @needs.tenants @needs.admin @since.1.1
    Scenario: At every route, in every state of the gateway
      Given a free tenant "a"
      When the sandbox id of tenant "a" is looked up at every route, in every state of its gateway
      Then every sandbox id shown matches "^sk-[a-f0-9]{16}$"

    # That such a record is refused is promised elsewhere.
    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1-write @since.1.1
    Scenario: No other form where the database holds one
      Given a free tenant "a"
      When the sandbox id of tenant "a" is looked up at every route, in every state of its gateway
      Then every sandbox id shown matches "^sk-[a-f0-9]{16}$"
      When the database is made to hold its own in upper case as sandbox id of tenant "a"
      And the sandbox id of tenant "a" is looked up in the model call of a chat, if that is not refused
      Then every sandbox id shown matches "^sk-[a-f0-9]{16}$"

  @ID-004 @must
  Rule: ID-004 The published vectors hold
    It equals the published vectors (`vectors/sandbox_ids.json`).

    @needs.admin @waits
    Scenario: Every published tenant id gets its published sandbox id
      Given nobody else uses the published tenant ids meanwhile
      When the operator creates a tenant for each published vector
      Then each has the published sandbox id

    # What was deleted leaves nothing that another tenant of the same id would take along.
    @needs.admin @waits @since.1.1
    Scenario: So does a tenant that is made again once it was deleted
      Given nobody else uses the published tenant ids meanwhile
      When the operator creates a tenant for each published vector
      Then each has the published sandbox id
      When the operator creates a tenant for each published vector again
      Then each has the published sandbox id

  @ID-005 @must
  Rule: ID-005 Nothing but the tenant id counts
    It depends on the tenant id alone: changing slug, tier, platform or domains never changes it.

    @needs.tenants @needs.admin @needs.d1
    Scenario Outline: A new <what> leaves it as it is
      Given a free tenant "a"
      When the operator gives tenant "a" a new <what>
      And the sandbox id of tenant "a" is looked up wherever it shows
      Then every look-up gave the sandbox id that follows from the tenant id

      Examples:
        | what             |
        | slug             |
        | tier             |
        | platform         |
        | set of domains   |
        | name in each way |

    @needs.tenants @needs.admin @needs.d1 @since.1.1
    Scenario: From each tier to each other, and every other field there and back
      Given a free tenant "a"
      When the operator changes every field of tenant "a" back and forth
      And the sandbox id of tenant "a" is looked up wherever it shows
      Then every look-up gave the sandbox id that follows from the tenant id

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @since.1.1
    Scenario: On every platform it is the same, for operators and for the AI Gateway
      Given an enterprise tenant "a"
      When the operator moves tenant "a" to each of these platforms, and it chats there:
        | cli                                                              |
        | partner_api                                                      |
        | mobile                                                           |
        | cli.v2-beta                                                      |
        | shop.example                                                     |
        | 2024                                                             |
        | p23456789-123456789-123456789-123456789-123456789-123456789-1234 |
        | web                                                              |
      Then every look-up gave the sandbox id that follows from the tenant id

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.r2 @since.1.1
    Scenario: By whatever name a tenant is called, it is its one sandbox that is woken
      Given a free tenant "b"
      And tenant "b" sends a cold chat
      And the bucket holds objects below the sandbox id of tenant "b"
      And a free tenant "a" that is called at a custom hostname
      When tenant "a" sends a cold chat
      Then the bucket holds objects below the sandbox id of tenant "a"

    @needs.tenants @needs.admin @needs.d1
    Scenario: The same id with everything else different gives the same, another id with everything else equal does not
      Given a free tenant "a"
      When the operator removes tenant "a" and makes one with its id and nothing else of it
      And the sandbox id of tenant "a" is looked up wherever it shows
      Then every look-up gave the sandbox id that follows from the tenant id
      When the operator removes tenant "a" and makes one with another id and everything else of it
      Then tenant "a" has the sandbox id of its new tenant id, not the former one
