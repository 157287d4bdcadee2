@core
Feature: Resolution is quick and does not fail
  A tenant is found in a fraction of a second, every time.

  @RES-014 @should
  Rule: RES-014 Time and success rate
    Mean time from request to resolved tenant is under 200 ms; success rate of known tenants is at least 99 %.

    @whole-run @needs.tenants @needs.hosts
    Scenario: Known tenants are found, by slug and by hostname
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
      And a free tenant "b"
      And a premium tenant "c"
      When each of these hosts is asked 40 times for the status:
        | host            | tenant |
        | {host a}        | a      |
        | {host b}        | b      |
        | {host c}        | c      |
      And somebody asks 20 times for the health
      Then at least 99 % of the status answers name their tenant
      And a tenant is resolved within 200 ms in the mean
