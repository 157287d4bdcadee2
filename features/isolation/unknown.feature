@core
Feature: Foreign looks like unknown
  Who guesses an identifier learns nothing about whether it is somebody's.

  @ISO-002 @must
  Rule: ISO-002 A foreign identifier answers as an unknown one
    A foreign identifier answers exactly as an unknown one.

    @needs.tenants @needs.hosts @needs.ai-gateway
    Scenario: Whatever carries it, on the public routes
      Given a free tenant "a"
      And a free tenant "b" that answers on its own host
      When tenant "a" names tenant "b", and then nobody, in each of these ways
        | GET  | /api/status              | X-Tenant-Override: {slug} |
        | GET  | /api/status              | X-Tenant-Id: {id}         |
        | GET  | /api/status              | X-Sandbox-Id: {sandbox}   |
        | GET  | /api/status              | X-Forwarded-Host: {host}  |
        | GET  | /api/status?tenant={slug} |                          |
        | GET  | /api/status/{slug}       |                           |
        | GET  | /api/tenants/{id}        |                           |
        | GET  | /{slug}/api/status       |                           |
        | GET  | /{sandbox}/gateway/state.json |                      |
        | POST | /v1/chat/completions     | X-Tenant-Id: {id}         |
        | POST | /v1/chat/completions?tenant_id={id} |                |
        | POST | /v1/{id}/chat/completions |                          |
      Then each pair of answers is alike

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario: Whatever carries it, at a custom hostname
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
      And a free tenant "b" that answers on its own host
      And host "shop.{domain a}" answers as tenant "a"
      When tenant "a" names tenant "b", and then nobody, in each of these ways at its custom hostname
        | GET  | /api/status              | X-Tenant-Override: {slug} |
        | GET  | /api/status              | X-Tenant-Override: {id}   |
        | GET  | /api/status              | X-Tenant-Id: {id}         |
        | GET  | /api/status              | X-Forwarded-Host: {host}  |
        | GET  | /api/status?tenant={slug} |                          |
        | POST | /v1/chat/completions     | X-Tenant-Override: {slug} |
        | POST | /v1/chat/completions?tenant_id={id} |                |
      Then each pair of answers is alike

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario: Wherever a browser says that it comes from
      Given a premium tenant "a" with these custom hostnames:
        | shop.{domain a} |
      And a free tenant "b" with these custom hostnames:
        | shop.{domain b} |
      And host "shop.{domain b}" answers as tenant "b"
      When tenant "a" names tenant "b", and then nobody, in each of these ways
        | GET     | /api/status          | Origin: https://{host}                                       |
        | GET     | /api/status          | Origin: https://{domain}                                     |
        | GET     | /api/status          | Origin: http://{host}:8787                                   |
        | GET     | /api/status          | Referer: https://{host}/prices?of=all                        |
        | GET     | /api/status          | Referer: https://{domain}/                                   |
        | HEAD    | /api/status          | Origin: https://{host}                                       |
        | OPTIONS | /v1/chat/completions | Origin: https://{host} + Access-Control-Request-Method: POST   |
        | OPTIONS | /api/status          | Origin: https://{domain} + Access-Control-Request-Method: GET |
        | POST    | /v1/chat/completions | Origin: https://{host}                                       |
        | POST    | /v1/chat/completions | Origin: https://{domain} + Referer: https://{domain}/        |
        | GET     | /sandbox-health      | Origin: https://{host}                                       |
        | GET     | /api/no-such-route   | Origin: https://{domain}                                     |
      Then each pair of answers is alike

    @needs.tenants @needs.hosts @needs.admin
    Scenario: On the admin routes without token
      Given a free tenant "a"
      And a free tenant "b" that answers on its own host
      When every admin route is called without token from the host of tenant "a", for tenant "b" and then for nobody
      Then each pair of answers is alike

    @needs.tenants @needs.hosts @needs.admin
    Scenario: A tenant that is gone is as one that never was
      Given a free tenant "b" that answers on its own host
      And a free tenant "b" is removed for good
      When the host of tenant "b", and then one of nobody, is asked for status and chat
      And the operator reads tenant "b", and then nobody
      Then each pair of answers is alike
      And each of these answers is refused with 404 "TENANT_NOT_FOUND"

    @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario: Whatever field of a prompt carries it
      Given a free tenant "a"
      And a free tenant "b" that answers on its own host
      When tenant "a" prompts the model
      Then the caller gets the model's text
      When tenant "a" names tenant "b", and then nobody, in each of these ways
        | POST | /v1/chat/completions | body tenant_id: {id}             |
        | POST | /v1/chat/completions | body user: {slug}                |
        | POST | /v1/chat/completions | body metadata.tenant_id: {id}    |
        | POST | /v1/chat/completions | body metadata.tenant: {slug}     |
        | POST | /v1/chat/completions | body sandbox_id: {sandbox}       |
      Then each pair of answers is alike

    @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1 @since.1.1
    Scenario: A row that a cursor names
      Given a free tenant "a"
      And a free tenant "b"
      And tenants "a" and "b" have 2 usage rows each
      Then a cursor of tenant "b" that is used for tenant "a" is answered as one that names nobody's row
