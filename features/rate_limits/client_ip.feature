@core
Feature: Requests without a tenant are limited by client ip
  Who knocks at random has a quota too, and cannot buy another by calling himself somebody else.

  @RL-007 @must
  Rule: RL-007 No tenant, then the client ip counts
    Requests without a tenant (health, unknown host) are limited per client ip; `X-Forwarded-For` cannot buy a new quota.

    @needs.hosts @needs.client-ip @needs.exact-limits @needs.variant.small-limits
    Scenario: A client ip is admitted the limit that it is told, in requests for the health
      Given the backend runs as small-limits
      Then a fresh client ip that asks for the health is admitted exactly the limit that it is told

    @needs.hosts @needs.client-ip @needs.exact-limits @needs.variant.small-limits
    Scenario: A client ip is admitted the limit that it is told, in requests for unknown hosts
      Given the backend runs as small-limits
      Then a fresh client ip that asks for ever other unknown hosts is admitted exactly the limit that it is told

    @needs.hosts @needs.client-ip @needs.exact-limits @needs.variant.small-limits @since.1.1
    Scenario: A client ip is admitted the limit that it is told, in requests for hosts that can be nobody's
      Given the backend runs as small-limits
      Then a fresh client ip that asks for ever other hosts two labels below the app domain is admitted exactly the limit that it is told

    @needs.hosts @needs.client-ip @needs.variant.small-limits
    Scenario: Another client ip is not concerned
      Given the backend runs as small-limits
      When the client ip has used up its quota
      Then another client ip is admitted

    @needs.client-ip @needs.variant.small-limits
    Scenario Outline: <header> cannot buy a new quota
      Given the backend runs as small-limits
      When the client ip has used up its quota
      Then the client ip is still refused with the header "<header>"

      Examples:
        | header              |
        | X-Forwarded-For     |
        | X-Real-IP           |
        | True-Client-IP      |
        | X-Client-IP         |
        | X-Cluster-Client-IP |
        | Fastly-Client-IP    |
        | Forwarded           |

    @needs.hosts @needs.client-ip @needs.variant.small-limits
    Scenario: X-Forwarded-For cannot buy a new quota for guessing hosts
      Given the backend runs as small-limits
      When the client ip has used up its quota by asking for unknown hosts
      Then the client ip is still refused with the header "X-Forwarded-For"

    # Of such an address a backend may think that it is a proxy of its own. What the edge says is so.
    @needs.client-ip @needs.variant.small-limits @since.1.1
    Scenario: No other header buys a new quota either where the client ip is of a private network or of one machine
      Given the backend runs as small-limits
      Then at each of these client ips the quota, once used up, is so with each header:
        | client ip            | header           |
        | 10.18.{x}.{y}        | X-Forwarded-For  |
        | 10.18.{x}.{y}        | Forwarded        |
        | 172.18.{x}.{y}       | X-Forwarded-For  |
        | 192.168.{x}.{y}      | X-Forwarded-For  |
        | 127.18.{x}.{y}       | X-Forwarded-For  |
        | 127.0.0.1            | X-Forwarded-For  |
        | 100.64.{x}.{y}       | X-Forwarded-For  |
        | 169.254.{x}.{y}      | X-Forwarded-For  |
        | ::1                  | X-Forwarded-For  |
        | fd00::{x}:{y}        | X-Forwarded-For  |
        | fe80::{x}:{y}        | X-Real-IP        |
        | ::ffff:10.19.{x}.{y} | X-Forwarded-For  |
        | 2001:db8:{x}:{y}::1  | X-Forwarded-For  |

    @needs.tenants @needs.hosts @needs.client-ip @needs.variant.small-limits
    Scenario: Requests with a tenant leave the quota of their client ip whole
      Given the backend runs as small-limits
      And a free tenant "a"
      And a free tenant "b"
      When tenant "a" has used up its quota
      And tenant "b" has used up its quota
      Then the client ip is admitted its whole quota

    @needs.hosts @needs.client-ip @needs.variant.without-r2
    Scenario: What is refused for its configuration is not counted
      Given the backend runs as without-r2
      Then more requests than any quota are all refused for the missing binding
