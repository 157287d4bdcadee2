@core
Feature: A sandbox id that is not the tenant's own is never used

  @ID-006 @must
  Rule: ID-006 Two tenants never share a sandbox id
    Two tenants never share one. On a (64-bit) collision creation fails with 409 `SANDBOX_ID_CONFLICT` and nothing is written; no suffix is appended, since ID-002 holds always.

    @needs.admin @needs.d1-write @needs.kv
    Scenario: A tenant whose sandbox id is taken cannot be made
      Given a row of another tenant that holds the sandbox id of tenant "a" to be
      When the operator tries to create tenant "a" with a domain
      Then the answer is refused with 409 "SANDBOX_ID_CONFLICT"
      And neither the database nor the registry knows tenant "a"
      And the row that holds the sandbox id is as it was
      When that row is gone and the operator tries to create tenant "a" with a domain
      Then tenant "a" is created with its own sandbox id

    @needs.admin @needs.d1-write @since.1.1
    Scenario: What a refused creation asked for is free for another tenant at once
      Given a row of another tenant that holds the sandbox id of tenant "a" to be
      When the operator tries to create tenant "a" with a domain
      Then the answer is refused with 409 "SANDBOX_ID_CONFLICT"
      When the operator creates tenant "b" with the slug and the domain of tenant "a"
      Then it is created, for nobody has what was asked for in vain

    @needs.admin @needs.d1
    Scenario: One tenant id is given once, however often it is asked for at the same time
      When the operator creates 6 tenants with one id and 6 with ids of their own side by side
      Then 1 of the tenants with one id is created and the others are refused as conflicts
      And all tenants created have sandbox ids of their own

  @ID-007 @must
  Rule: ID-007 A wrong sandbox id in the store stops the request
    A stored sandbox id that is malformed or differs from the derived one is never used: the request gets 500 `SANDBOX_ID_INVALID`, and a security alert is logged.

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1-write @needs.logs @needs.r2
    Scenario Outline: Stored <wrong>
      Given a free tenant "a"
      And a free tenant "b"
      When the database is made to hold <wrong> as sandbox id of tenant "a"
      Then status, chat, streamed chat, and start of the gateway of tenant "a" are refused with 500 "SANDBOX_ID_INVALID"
      And a security alert names tenant "a"
      And no model was called and no object was stored for tenant "a"
      But tenant "b" is served as ever
      When the database holds the right sandbox id of tenant "a" again
      Then tenant "a" is served as ever

      Examples:
        | wrong                          |
        | its own in upper case          |
        | its own and one more character |
        | its own cut by one character   |
        | its own and a line break       |
        | its own without prefix         |
        | a word that is no hexadecimal  |
        | nothing at all                 |
        | a path out of its prefix       |
        | the one of a tenant unknown    |

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1-write @needs.logs @needs.r2 @since.1.1
    Scenario: Stored with a number, as for the second of a name
      Given a free tenant "a"
      And a free tenant "b"
      When the database is made to hold its own and a hyphen with a number as sandbox id of tenant "a"
      Then status, chat, streamed chat, and start of the gateway of tenant "a" are refused with 500 "SANDBOX_ID_INVALID"
      And a security alert names tenant "a"
      But tenant "b" is served as ever

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1-write @needs.logs @needs.r2 @needs.kv-write
    Scenario: Two tenants with each other's sandbox id are both stopped, and neither's state is touched
      Given a free tenant "a"
      And a free tenant "b"
      And the gateways of tenants "a" and "b" run and have stored state
      When the database is made to hold the sandbox ids of tenants "a" and "b" the wrong way round
      Then status, chat, streamed chat, and start of the gateway of tenant "a" are refused with 500 "SANDBOX_ID_INVALID"
      And status, chat, streamed chat, and start of the gateway of tenant "b" are refused with 500 "SANDBOX_ID_INVALID"
      And a security alert names tenant "a"
      And a security alert names tenant "b"
      When the operator tries to delete tenant "a"
      Then the stored state of tenant "b" is as it was

  @ID-008 @must
  Rule: ID-008 Other spellings of a UUID become canonical or are refused
    An upper-case, braced or otherwise non-canonical UUID supplied at creation is stored and hashed in canonical form, or refused with 400.

    @needs.admin @needs.d1
    Scenario Outline: A fresh id <spelled>
      When the operator creates a tenant with a fresh id <spelled>
      Then it is stored and hashed in canonical form or refused with 400
      And an id that differs from it in spelling only makes no second tenant

      Examples:
        | spelled                    |
        | in canonical form          |
        | in upper case              |
        | in mixed case              |
        | in braces                  |
        | in braces and upper case   |
        | as URN                     |
        | as URN in upper case       |
        | without hyphens            |
        | without hyphens upper case |

    @needs.admin @needs.d1
    Scenario: The published spellings give the published sandbox ids or are refused
      Given nobody else uses the published tenant ids meanwhile
      When the operator creates a tenant for each published spelling in turn
      Then each was stored and hashed in canonical form or refused with 400

    @needs.admin
    Scenario: What is no UUID is refused, and nothing of it is kept
      When the operator creates a tenant for each published text that is no UUID
      Then each creation is refused with 400 "INVALID_REQUEST"
      And each slug asked for is still free
