@core
Feature: Who is refused learns when to come back
  A refusal is a promise: after the stated time there is a place again.

  @RL-002 @must
  Rule: RL-002 A refusal says when to come back
    429 carries `Retry-After` (whole seconds, 1…period), equal to `details.retry_after_seconds`.

    @needs.tenants @needs.hosts @needs.variant.small-limits
    Scenario: Every refusal of a tenant states a time within the period
      Given the backend runs as small-limits
      And a free tenant "a"
      When tenant "a" has used up its quota
      Then the refusal states when to come back
      When tenant "a" asks again for its status
      Then the answer, if refused, states when to come back

    @needs.hosts @needs.client-ip @needs.variant.small-limits
    Scenario: Every refusal of a client ip states a time within the period
      Given the backend runs as small-limits
      When the client ip has used up its quota
      Then the refusal states when to come back

    @needs.tenants @needs.hosts @needs.variant.small-limits @waits
    Scenario: Late in the window the stated time is still a whole second at least
      Given the backend runs as small-limits
      And a free tenant "a"
      When tenant "a" has used up its quota
      And nine tenths of the period have passed since
      And tenant "a" asks again for its status
      Then the answer, if refused, states when to come back

    # Where header and details are rounded in two ways, they differ at some fractions of a second only.
    @needs.hosts @needs.variant.small-limits @waits @since.1.1
    Scenario Outline: One time at every fraction of a second: <who>
      Given the backend runs as small-limits
      Then <who> is told one time in header and details, at every fraction of a second

      @needs.tenants
      Examples:
        | who                 |
        | a fresh free tenant |

      @needs.client-ip
      Examples:
        | who               |
        | a fresh client ip |

  @RL-003 @must
  Rule: RL-003 A refusal says which limit it is
    `details` has `limit_type` (`tenant_quota` or `client_ip`), `limit`, `period` (`"60s"`), `retry_after_seconds`.

    @needs.tenants @needs.hosts @needs.variant.small-limits
    Scenario Outline: A <tier> tenant is told its limit in numbers
      Given the backend runs as small-limits
      And a <tier> tenant "a"
      When tenant "a" has used up its quota
      Then the refusal says in numbers that the tenant's quota is used up

      Examples:
        | tier    |
        | free    |
        | premium |

    @needs.hosts @needs.client-ip @needs.variant.small-limits
    Scenario: A client without tenant is told its limit in numbers
      Given the backend runs as small-limits
      When the client ip has used up its quota
      Then the refusal says in numbers that the client ip's quota is used up

    @needs.tenants @needs.hosts @needs.admin @needs.variant.small-limits @since.1.1
    Scenario Outline: A tenant that becomes <new> within its window is told its new limit in numbers
      Given the backend runs as small-limits
      And a <old> tenant "a"
      When tenant "a" asks for its status and becomes <new>
      And tenant "a" has used up its quota
      Then the refusal says in numbers that the tenant's quota is used up

      Examples:
        | old     | new     |
        | free    | premium |
        | premium | free    |

    @needs.tenants @needs.hosts @since.1.1
    Scenario: The period of a whole minute is told in seconds as well
      Given a free tenant "a"
      When tenant "a" has used up its quota
      Then the refusal, if it is of the tenant's quota, tells the period in seconds

  @RL-005 @must
  Rule: RL-005 The promise is kept
    After `Retry-After` has passed requests are admitted again.

    @needs.tenants @needs.hosts @needs.variant.small-limits @waits
    Scenario: A tenant that comes back when told is admitted
      Given the backend runs as small-limits
      And a free tenant "a"
      When tenant "a" has used up its quota
      And the time that the refusal stated has passed
      Then tenant "a" is admitted again

    @needs.tenants @needs.hosts @needs.variant.small-limits @waits
    Scenario: A tenant that keeps asking is admitted when it was told
      Given the backend runs as small-limits
      Then a fresh free tenant that goes on asking after its refusal is admitted again when that refusal said

    @needs.hosts @needs.client-ip @needs.variant.small-limits @waits
    Scenario: A client ip that comes back when told is admitted
      Given the backend runs as small-limits
      When the client ip has used up its quota
      And the time that the refusal stated has passed
      Then the client ip is admitted again

    @needs.tenants @needs.hosts @needs.variant.small-limits @waits @since.1.1
    Scenario: So is one whose requests lie apart in the period
      Given the backend runs as small-limits
      And a free tenant "a"
      When tenant "a" has used up its quota, the last of it late in the period
      And the time that the refusal stated has passed
      Then tenant "a" is admitted again

  @RL-008 @must
  Rule: RL-008 A refused request costs nothing
    A refused request reaches neither AI Gateway nor the usage table.

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @needs.variant.small-limits @smoke
    Scenario: A refused chat calls no model and writes no row
      Given the backend runs as small-limits
      And a free tenant "a"
      And a free tenant "b"
      When tenant "a" chats and is admitted, which costs one call and one row
      And tenant "a" has used up its quota
      And tenant "a" chats 3 times more, once as a stream, and is refused
      And tenant "b" chats and is admitted, which costs one call and one row
      Then the refused chats of tenant "a" have cost no call and no row

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @needs.variant.small-limits @since.1.1
    Scenario: Refused chats of a crowd cost nothing either
      Given the backend runs as small-limits
      And a free tenant "a" that is called at a custom hostname
      When tenant "a" chats and is admitted, which costs one call and one row
      And tenant "a" chats 2 times its quota at once, and some chats are refused
      Then the refused chats of tenant "a" have cost no call and no row
