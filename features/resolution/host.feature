@core
Feature: The host alone decides the tenant
  The request host names the tenant; nothing else a caller sends does.

  @RES-001 @must
  Rule: RES-001 A subdomain of the app domain is a tenant
    In production `tenant-a.<APP_DOMAIN>` resolves to tenant `tenant-a`.

    @needs.tenants @needs.hosts
    Scenario: Each tenant is answered as itself on its own subdomain
      Given a free tenant "a"
      And a free tenant "b"
      When tenant "a" asks for its status
      Then the answer has status 200
      And the answer names tenant "a"
      When tenant "b" asks for its status
      Then the answer has status 200
      And the answer names tenant "b"
