@core
Feature: The window slides
  A quota that starts afresh at fixed moments lets twice as much through around them.

  @RL-010 @should
  Rule: RL-010 No double burst
    No double burst across a window boundary: at most `limit` in any interval of one period.

    @needs.tenants @needs.hosts @needs.exact-limits @needs.variant.small-limits @waits
    Scenario: Wherever a window may begin, no interval of one period holds more than the quota
      Given the backend runs as small-limits
      Then 2 tenants that use up their quota one after the other and keep asking are never admitted more than it in one period

    @needs.tenants @needs.hosts @needs.exact-limits @needs.variant.small-limits @waits
    Scenario: A window does not begin with the first request either
      Given the backend runs as small-limits
      Then 2 tenants that ask once, and fully just before and just after a period, are never admitted more than their quota in one

  @RL-011 @must
  Rule: RL-011 Who is admitted learns what is left
    Admitted responses carry `X-RateLimit-Limit`, `X-RateLimit-Remaining`, `X-RateLimit-Reset`.

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: Every admitted answer states limit, rest and reset
      Given a free tenant "a"
      Then every admitted answer to tenant "a" states limit, rest and reset
        | answer           |
        | status           |
        | chat             |
        | streamed chat    |
        | malformed chat   |
        | unknown route    |
        | wrong method     |

    @needs.tenants @needs.hosts @since.1.1
    Scenario: An admitted request that is too large states them too
      Given a free tenant "a"
      Then every admitted answer to tenant "a" states limit, rest and reset
        | answer         |
        | status         |
        | too large chat |

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario: An admitted request that fails states them too
      Given a free tenant "a"
      Then every admitted answer to tenant "a" states limit, rest and reset
        | answer      |
        | status      |
        | failed chat |

    Scenario: The health states limit, rest and reset
      When somebody asks for the health
      Then the answer has status 200
      And the answer states limit, rest and reset

    @needs.tenants @needs.hosts @needs.exact-limits @needs.variant.small-limits
    Scenario: The rest falls by one with each request, to nothing
      Given the backend runs as small-limits
      Then the rest that a fresh free tenant is told falls by one with each request, to nothing
