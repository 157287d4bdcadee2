@core
Feature: No identifier in a request reaches another tenant
  Isolation here means routing and identity. Containers as a security boundary against hostile code are out of scope.

  @ISO-001 @must
  Rule: ISO-001 Only the caller's own tenant is read, changed and billed
    For every pair of tenants, every route and every carrier of an identifier (host, path, query, header, body), no request of one reads, changes or is billed to the other.

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1 @needs.kv @needs.r2
    Scenario: The host alone, subdomain and custom domain, of three tenants side by side
      Given three tenants of every tier, one with a running gateway
      When each tenant in turn asks for its status and chats, on each of its hosts
      Then every answer is the caller's own, and no other tenant was read, changed or billed

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway
    Scenario: The state of a gateway is told to its own tenant
      Given three tenants of every tier, one with a running gateway
      Then the status of that one tells of a gateway, and the status of the others of none

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1 @needs.kv @needs.r2 @smoke
    Scenario: Headers that name another tenant
      Given three tenants of every tier, one with a running gateway
      When each tenant in turn asks for its status and chats, naming each other tenant in each of these headers
        | X-Tenant-Override: {slug}                                   |
        | X-Tenant-Id: {id}                                           |
        | X-Tenant: {slug}                                            |
        | X-Sandbox-Id: {sandbox}                                     |
        | X-Forwarded-Host: {host}                                    |
        | Forwarded: host={host}                                      |
        | X-Original-Host: {host}                                     |
        | X-Original-URL: http://{host}/api/status                    |
        | Cookie: tenant={slug}; tenant_id={id}; sandbox_id={sandbox} |
        | cf-aig-metadata: {"tenant_id":"{id}","sandbox_id":"{sandbox}"} |
        | Authorization: Bearer {jwt}                                 |
      Then every answer is the caller's own, and no other tenant was read, changed or billed

    # Where a custom hostname is asked, another part of a backend finds the tenant.
    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1 @needs.kv @needs.r2 @since.1.1
    Scenario: Headers that name another tenant, at custom hostnames
      Given three tenants of every tier, one with a running gateway
      When each tenant in turn asks for its status and chats at its own hostname, naming each other tenant in each of these headers
        | X-Tenant-Override: {slug}                                   |
        | X-Tenant-Override: {id}                                     |
        | X-Tenant-Id: {id}                                           |
        | X-Sandbox-Id: {sandbox}                                     |
        | X-Forwarded-Host: {host}                                    |
        | Forwarded: host={host}                                      |
        | X-Original-Host: {host}                                     |
        | X-Original-URL: http://{host}/api/status                    |
        | Cookie: tenant={slug}; tenant_id={id}; sandbox_id={sandbox} |
        | cf-aig-metadata: {"tenant_id":"{id}","sandbox_id":"{sandbox}"} |
        | Authorization: Bearer {jwt}                                 |
      Then every answer is the caller's own, and no other tenant was read, changed or billed

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1 @needs.kv @needs.r2 @since.1.1
    Scenario: Queries that name another tenant, at custom hostnames
      Given three tenants of every tier, one with a running gateway
      When each tenant in turn asks for its status and chats at its own hostname, naming each other tenant in each of these queries
        | tenant={slug}            |
        | tenant_id={id}           |
        | host={host}              |
        | X-Tenant-Override={slug} |
      Then every answer is the caller's own, and no other tenant was read, changed or billed

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1 @needs.kv @needs.r2 @since.1.1
    Scenario: Bodies that name another tenant, at custom hostnames
      Given three tenants of every tier, one with a running gateway
      When each tenant in turn chats at its own hostname, naming each other tenant in each of these fields
        | {"tenant_id": "{id}"}                                       |
        | {"tenant": "{slug}"}                                        |
        | {"id": "{id}", "host": "{host}", "sandbox_id": "{sandbox}"} |
      Then every answer is the caller's own, and no other tenant was read, changed or billed

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1 @needs.kv @needs.r2
    Scenario: Queries that name another tenant
      Given three tenants of every tier, one with a running gateway
      When each tenant in turn asks for its status and chats, naming each other tenant in each of these queries
        | tenant={slug}            |
        | tenant_id={id}           |
        | sandbox_id={sandbox}     |
        | host={host}              |
        | X-Tenant-Override={slug} |
      Then every answer is the caller's own, and no other tenant was read, changed or billed

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1 @needs.kv @needs.r2
    Scenario: Bodies that name another tenant
      Given three tenants of every tier, one with a running gateway
      When each tenant in turn chats, naming each other tenant in each of these fields
        | {"tenant_id": "{id}"}                                            |
        | {"tenant": "{slug}"}                                             |
        | {"user": "{id}"}                                                 |
        | {"sandbox_id": "{sandbox}"}                                      |
        | {"metadata": {"tenant_id": "{id}", "sandbox_id": "{sandbox}"}}   |
        | {"cf-aig-metadata": {"tenant_id": "{id}"}}                       |
        | {"id": "{id}", "host": "{host}", "platform": "web"}              |
      Then every answer is the caller's own, and no other tenant was read, changed or billed

    # What operators' routes read of a request, public ones may read as well.
    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1 @needs.kv @needs.r2 @since.1.1
    Scenario: The names under which the target's own routes take a tenant
      Given three tenants of every tier, one with a running gateway
      When each tenant in turn asks for its status and chats, naming each other tenant in the words of the target's own routes
      Then every answer is the caller's own, and no other tenant was read, changed or billed

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1 @needs.kv @needs.r2
    Scenario: Paths that name another tenant
      Given three tenants of every tier, one with a running gateway
      When each tenant in turn calls each of these paths, naming each other tenant
        | /api/status/{slug}             |
        | /api/status/{id}               |
        | /{slug}/api/status             |
        | /{host}/api/status             |
        | /tenants/{id}/api/status       |
        | /api/tenants/{id}              |
        | /api/usage/{id}                |
        | /{slug}/v1/chat/completions    |
        | /v1/{id}/chat/completions      |
        | /{sandbox}/gateway/state.json  |
      Then every answer is the caller's own, and no other tenant was read, changed or billed

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1 @needs.kv @needs.r2
    Scenario: Admin routes without the operator's token
      Given three tenants of every tier, one with a running gateway
      When each tenant in turn calls every admin route of each other tenant, without token
      Then each of these calls is refused with 403 "ACCESS_DENIED"
      And every answer is the caller's own, and no other tenant was read, changed or billed
      But the operator reads and changes each of the three

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1
    Scenario: The very same chat of two tenants
      Given a free tenant "a"
      And a free tenant "b"
      When tenants "a" and "b" send the very same chat, one after the other
      Then tenants "a" and "b" were each answered by a model call of their own, on their own bill

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1 @since.1.1
    Scenario Outline: The very same chat of two tenants, which name the same <header>
      Given a free tenant "a"
      And a free tenant "b"
      When tenants "a" and "b" send the very same chat with the same "<header>", one after the other
      Then tenants "a" and "b" were each answered by a model call of their own, on their own bill

      Examples:
        | header           |
        | Idempotency-Key  |
        | X-Request-Id     |
        | X-Session-Id     |
        | traceparent      |
        | If-None-Match    |
        | cf-aig-cache-key |

    @needs.tenants @needs.hosts @needs.admin @since.1.1
    Scenario: The state of a gateway is the caller's own, whatever the status request names
      Given a free tenant "a"
      And a free tenant "b"
      When the operator starts the gateway of tenant "a"
      Then tenant "b" is told that its gateway is stopped, whatever it names of tenant "a", whose gateway runs:
        | tenant={slug}           |
        | tenant={id}             |
        | tenant_id={id}          |
        | id={id}                 |
        | slug={slug}             |
        | host={host}             |
        | sandbox={sandbox}       |
        | sandbox_id={sandbox}    |
        | box={sandbox}           |
        | gateway={sandbox}       |
        | X-Tenant-Override: {slug} |
        | X-Tenant-Id: {id}         |
        | X-Sandbox-Id: {sandbox}   |
        | X-Gateway-Id: {sandbox}   |

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1-write @since.1.1
    Scenario: Pages of usage rows of one moment are the tenant's own
      Given a free tenant "a"
      And a free tenant "b"
      And tenants "a" and "b" have 4 usage rows each
      And all usage rows of tenants "a" and "b" are of one moment
      When the operator turns the pages of the usage of tenant "a", one row each
      Then no row of tenant "b" shows on them

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1
    Scenario: A place in one tenant's usage shows nothing of it under another's id
      Given a free tenant "a"
      And a free tenant "b"
      And tenants "a" and "b" have 3 usage rows each
      When the operator pages through the usage of tenant "a" and takes its cursor to tenant "b"
      Then no row of tenant "a" shows under tenant "b"
