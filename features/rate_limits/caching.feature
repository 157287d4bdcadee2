@core
Feature: What a cache may keep
  The health may be asked from a cache; everything else is between the backend and one caller.

  @RL-013 @must
  Rule: RL-013 Ten seconds of health, nothing else
    `/sandbox-health` may be cached for 10 s (`Cache-Control: public, max-age=10`); every other route is `no-store`.

    Scenario: The health may be kept for ten seconds
      When somebody asks for the health
      Then the answer has status 200
      And a cache may keep the answer for 10 seconds

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: No answer to a tenant may be kept
      Given a free tenant "a"
      Then no cache may keep an answer to tenant "a"
        | answer          |
        | status          |
        | chat            |
        | streamed chat   |
        | malformed chat  |
        | unknown route   |
        | wrong method    |

    @needs.hosts
    Scenario: The answer for an unknown host may not be kept
      When a stranger asks for the status of a host that is nobody's
      Then the answer is refused with 404 "TENANT_NOT_FOUND"
      And the answer may not be kept by any cache

    @needs.tenants @needs.hosts @needs.client-ip @needs.variant.small-limits
    Scenario: Refusals for too many requests may not be kept, not even of the health
      Given the backend runs as small-limits
      And a free tenant "a"
      When tenant "a" has used up its quota
      Then the answer may not be kept by any cache
      When the client ip has used up its quota
      Then the answer may not be kept by any cache

    @needs.tenants @needs.admin @since.1.1
    Scenario: No answer of an admin route may be kept, refused or not
      Given a free tenant "a"
      Then no cache may keep an admin answer about tenant "a"
        | answer    |
        | found     |
        | listed    |
        | no method |
        | no route  |
        | denied    |
