@core
Feature: Secrets stay out of logs
  Logs are read by many, kept for long and copied about: no secret may ever get there.

  @SEC-003 @must
  Rule: SEC-003 Logs never hold a secret
    Logs never hold a secret: tokens, keys, Access JWTs, cookies and secret query parameters are redacted, on success and on error.

    @needs.tenants @needs.hosts @needs.logs @needs.admin
    Scenario Outline: Secrets sent as <carrier>
      Given a free tenant "a"
      When a secret is sent as <carrier> to routes that answer and to routes that refuse
      Then some of the answers are successes and some are errors
      And no log line and no answer holds a secret

      Examples:
        | carrier                                 |
        | the header "Authorization: Bearer"      |
        | the header "Authorization: Basic"       |
        | the header "Authorization"              |
        | the header "Cf-Access-Jwt-Assertion"    |
        | the header "cf-aig-authorization: Bearer" |
        | the header "X-Api-Key"                  |
        | the header "Api-Key"                    |
        | the header "X-Auth-Token"               |
        | the header "CF-Access-Client-Secret"    |
        | the header "Proxy-Authorization: Bearer" |
        | the cookie "CF_Authorization"           |
        | the cookie "session"                    |
        | the query parameter "token"             |
        | the query parameter "access_token"      |
        | the query parameter "api_key"           |
        | the query parameter "apikey"            |
        | the query parameter "key"               |
        | the query parameter "secret"            |
        | the query parameter "password"          |
        | the query parameter "jwt"               |
        | the query parameter "TOKEN"             |
        | the query parameter "api%5fkey"         |
        | the body field "api_key"                |
        | a body that is no JSON                  |

    @needs.tenants @needs.hosts @needs.logs @needs.admin
    Scenario: Access tokens, those that are accepted and those that are refused
      Given a free tenant "a"
      When the operator's token and every bad one are sent to admin and public routes
      Then some of the answers are successes and some are errors
      And no log line and no answer holds a secret

    @needs.tenants @needs.hosts @needs.logs @needs.variant.dev-mode
    Scenario: Development is no excuse
      Given the backend runs as dev-mode
      And a free tenant "a"
      When secrets are sent in every place at once
      Then some of the answers are successes and some are errors
      And no log line and no answer holds a secret

    @needs.tenants @needs.hosts @needs.logs @needs.ai-gateway
    Scenario Outline: A model call that <ends> logs neither the key nor what came back
      Given a free tenant "a"
      And the AI Gateway repeats the key it was sent and a secret of its own, and <answers>
      When secrets are sent in every place at once
      And somebody chats at host "{host a}"
      Then the answer is a 502 or 504 that tells nothing of the inside
      And no log line and no answer holds a secret

      Examples:
        | ends       | answers          |
        | is refused | answers with 401 |
        | fails      | answers with 500 |

    @needs.tenants @needs.hosts @needs.logs @needs.store-faults
    Scenario: A failing store is no excuse
      Given a free tenant "a"
      And D1 is unavailable for tenant "a"
      When somebody asks host "{host a}" for the status
      Then it is told as an outage of D1 for tenant "a"
      When secrets are sent in every place at once
      Then no log line and no answer holds a secret
      When D1 is back for tenant "a"
      Then host "{host a}" answers as tenant "a"

    @whole-run @needs.logs
    Scenario: No secret of the whole run is in the log or in an answer
      Then no log line and no answer of the whole run holds a secret
