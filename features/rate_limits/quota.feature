@core
Feature: A tenant has a quota, and it is his own
  So many requests in so much time, whatever the route, the host or the client; the next one waits.

  @RL-001 @must
  Rule: RL-001 The quota is admitted, no more
    The first `limit` requests of a tenant in a fresh window are admitted, the next gets 429 `RATE_LIMIT_EXCEEDED`.

    @needs.tenants @needs.hosts @needs.exact-limits @needs.variant.small-limits
    Scenario: A small quota is admitted whole, and the next request is refused
      Given the backend runs as small-limits
      Then a fresh free tenant is admitted exactly its quota, one request after the other

    @needs.tenants @needs.hosts @needs.exact-limits
    Scenario: The quota of production is admitted whole, and the next request is refused
      Then a fresh free tenant is admitted exactly its quota, one request after the other
      And the refusal says in numbers that the tenant's quota is used up

    @needs.tenants @needs.hosts @needs.exact-limits @needs.variant.small-limits @since.1.1
    Scenario Outline: What fails is admitted within the quota and not beyond it: a tenant <whose>
      Given the backend runs as small-limits
      Then a fresh free tenant <whose> is admitted exactly its quota, one request after the other

      @needs.ai-gateway
      Examples:
        | whose                |
        | whose chats all fail |

      Examples:
        | whose                                   |
        | whose chats are all malformed           |
        | that asks for routes that there are not |

    @needs.tenants @needs.hosts @needs.variant.small-limits @needs.client-ip
    Scenario: All routes, hosts and clients of a tenant use one quota
      Given the backend runs as small-limits
      And a free tenant "a" with a custom domain
      When tenant "a" has used up its quota
      Then tenant "a" is refused wherever it comes from
        | from                     |
        | the chat route           |
        | its custom domain        |
        | another client ip        |
        | another credential       |
        | another user agent       |
        | an unknown route         |
        | a method that is not his |

    @needs.tenants @needs.hosts @needs.variant.small-limits
    Scenario: The quota is looked at before the request is
      Given the backend runs as small-limits
      And a free tenant "a"
      Then tenant "a" gets status 400 for a malformed chat
      When tenant "a" has used up its quota
      Then tenant "a" is refused wherever it comes from
        | from             |
        | a malformed chat |

  @RL-004 @must
  Rule: RL-004 Nobody uses another's quota
    One tenant's use never consumes another's quota.

    @needs.tenants @needs.hosts @needs.variant.small-limits
    Scenario: A tenant whose neighbour has used up his quota has its own
      Given the backend runs as small-limits
      And a free tenant "a"
      And a free tenant "b"
      When tenant "a" has used up its quota
      Then tenant "b" is admitted its whole quota

    @needs.tenants @needs.hosts @needs.variant.small-limits
    Scenario: Tenants that take turns from one client ip have a whole quota each
      Given the backend runs as small-limits
      And a free tenant "a"
      And a free tenant "aa"
      Then tenants "a" and "aa" are admitted their whole quotas in turns

    @needs.tenants @needs.hosts @needs.admin @needs.variant.small-limits @since.1.1
    Scenario: A tenant with the slug of a deleted one has a whole quota
      Given the backend runs as small-limits
      Then a tenant with the slug of a deleted one, whose quota is used up, is admitted its whole quota

  @RL-006 @must
  Rule: RL-006 Exact under parallel load
    N parallel requests admit exactly `limit` on a target with exact limits; a permissive target is checked for shape only.

    @needs.tenants @needs.hosts @needs.exact-limits @needs.variant.small-limits
    Scenario: Four times the quota at once, for four tenants at once
      Given the backend runs as small-limits
      Then 4 fresh free tenants that each send 4 times their quota at once are admitted exactly their quota

    @needs.tenants @needs.hosts @needs.variant.small-limits
    Scenario: Whoever sends far too much at once is refused in the right form
      Given the backend runs as small-limits
      And a free tenant "a"
      When tenant "a" sends 12 times its quota at once
      Then some were admitted, and every refusal is in the right form

    @needs.tenants @needs.hosts @needs.exact-limits @needs.variant.small-limits @since.1.1
    Scenario Outline: Twice the quota at once, of a <tier> tenant
      Given the backend runs as small-limits
      Then 1 fresh <tier> tenant that each send 2 times their quota at once are admitted exactly their quota

      Examples:
        | tier       |
        | premium    |
        | enterprise |

    @needs.hosts @needs.client-ip @needs.exact-limits @needs.variant.small-limits @since.1.1
    Scenario: Three times the limit at once, of a client ip without tenant
      Given the backend runs as small-limits
      Then a fresh client ip that asks for the health 3 times its limit at once is admitted exactly its limit

  @RL-009 @must
  Rule: RL-009 Every tier has its own quota
    Tiers have their own quota. *Decision*: free `PUBLIC_RATE_LIMIT_MAX`, premium 10 ×, enterprise 20 ×, each configurable.

    @needs.tenants @needs.hosts @needs.exact-limits @needs.variant.small-limits
    Scenario Outline: A <tier> tenant is admitted exactly its tier's quota
      Given the backend runs as small-limits
      Then 1 fresh <tier> tenant that each send 2 times their quota at once are admitted exactly their quota

      Examples:
        | tier       |
        | free       |
        | premium    |
        | enterprise |

    @needs.tenants @needs.hosts
    Scenario Outline: A <tier> tenant is told its tier's quota
      Given a <tier> tenant "a"
      When tenant "a" asks for its status
      Then the answer has status 200
      And the answer states the quota of a <tier> tenant

      Examples:
        | tier       |
        | free       |
        | premium    |
        | enterprise |

    @needs.tenants @needs.hosts @needs.admin @needs.exact-limits @needs.variant.small-limits @since.1.1
    Scenario Outline: A tenant that becomes <new> has the quota of its new tier at once
      Given the backend runs as small-limits
      And a <old> tenant "a" that is called at a custom hostname
      Then tenant "a" asks for its status, becomes <new>, and is admitted the quota of its new tier

      Examples:
        | old     | new     |
        | free    | premium |
        | premium | free    |

  @RL-012 @must
  Rule: RL-012 Operators have no part in it
    Admin routes neither consume nor are blocked by the public quota.

    @needs.tenants @needs.hosts @needs.admin @needs.access @needs.variant.small-limits @needs.client-ip
    Scenario: Admin routes work when every public quota is used up
      Given the backend runs as small-limits
      And a free tenant "a"
      When the client ip has used up its quota
      And tenant "a" has used up its quota
      Then an operator reads tenant "a" 3 times its quota from the same client ip and host

    @needs.tenants @needs.hosts @needs.admin @needs.access @needs.variant.small-limits @needs.client-ip
    Scenario: Admin requests leave the public quotas whole
      Given the backend runs as small-limits
      And a free tenant "a"
      When an operator reads tenant "a" 3 times its quota from the same client ip and host
      And somebody without a token asks 3 times as often, and is denied each time
      Then tenant "a" is admitted its whole quota
      And the client ip is admitted its whole quota

    @needs.tenants @needs.hosts @needs.admin @needs.access @needs.variant.small-limits @needs.client-ip @since.1.1
    Scenario: Admin routes that there are not leave the public quotas whole as well
      Given the backend runs as small-limits
      And a free tenant "a"
      When an operator asks for admin routes that there are not 3 times as often as the quota of tenant "a" allows, from the same client ip and host
      Then tenant "a" is admitted its whole quota
      And the client ip is admitted its whole quota

    @needs.tenants @needs.hosts @needs.admin @needs.access @needs.variant.small-limits @needs.client-ip @since.1.1
    Scenario: So does every admin route
      Given the backend runs as small-limits
      And a free tenant "a"
      When an operator calls each route of tenant "a" as often as the public quota allows, from the same client ip and host
      Then tenant "a" is admitted its whole quota
      And the client ip is admitted its whole quota
