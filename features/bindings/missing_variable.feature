@core
Feature: A missing variable never widens what is open
  Unset Access, AI Gateway or app domain configuration closes what depends on it, and leaves the rest as it is.

  @BND-008 @must
  Rule: BND-008 Unset Access configuration opens no admin route
    In production, unset `CF_ACCESS_TEAM_DOMAIN` or `CF_ACCESS_AUD` never opens an admin route: 503 `CONFIGURATION_ERROR`.

    @needs.hosts @needs.admin @needs.access @needs.ai-gateway @needs.d1-write @needs.kv-write
    Scenario Outline: <name> is unset
      Given the operator's token opens the admin routes in production
      When the backend runs as <variant>
      And tenant "a" stands in its stores
      And every admin route is called for tenant "a" with a good token, with forged ones and with none
      Then each of these is refused with 503 "CONFIGURATION_ERROR" and names exactly "<name>"
      And tenant "a" stands in the database as before, and no other was made
      But tenant "a" is served on the public routes

      @needs.variant.without-access-team
      Examples:
        | variant             | name                  |
        | without-access-team | CF_ACCESS_TEAM_DOMAIN |

      @needs.variant.without-access-aud
      Examples:
        | variant            | name          |
        | without-access-aud | CF_ACCESS_AUD |

      @needs.variant.without-access @since.1.1
      Examples:
        | variant        | name                                 |
        | without-access | CF_ACCESS_TEAM_DOMAIN, CF_ACCESS_AUD |

  @BND-009 @must
  Rule: BND-009 Without AI Gateway no model is called
    A missing AI Gateway configuration is reported the same way, and no other provider is called instead.

    @needs.variant.without-ai-gateway @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @until.1.0
    Scenario: Chats are refused, everything else goes on
      Given a free tenant "control"
      And a chat of tenant "control" reaches the AI Gateway
      When the backend runs as without-ai-gateway
      And a free tenant "a"
      And tenant "a" chats, streamed and not, also naming a provider of its own
      Then each of these is refused with 503 "CONFIGURATION_ERROR" and names exactly "AI_GATEWAY_BASE_URL, CLOUDFLARE_AI_GATEWAY_API_KEY"
      And no provider was called and no usage row of tenant "a" written
      When tenant "a" asks for its status
      Then the answer has status 200
      And the answer names tenant "a"

    @needs.variant.without-ai-gateway @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario: Chats are refused, everything else goes on or is told the same
      Given a free tenant "control"
      And a chat of tenant "control" reaches the AI Gateway
      When the backend runs as without-ai-gateway
      And a free tenant "a"
      And tenant "a" chats, streamed and not, also naming a provider of its own
      Then each of these is refused with 503 "CONFIGURATION_ERROR" and names exactly "AI_GATEWAY_BASE_URL, CLOUDFLARE_AI_GATEWAY_API_KEY"
      And no provider was called and no usage row of tenant "a" written
      And tenant "a" is told its status, or the same

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario Outline: A part of it alone is missing: <name>
      Given a free tenant "control"
      And a chat of tenant "control" reaches the AI Gateway
      When the backend runs as <variant>
      And a free tenant "a"
      And tenant "a" chats, streamed and not, also naming a provider of its own
      Then each of these is refused with 503 "CONFIGURATION_ERROR" and names exactly "<name>"
      And no provider was called and no usage row of tenant "a" written

      @needs.variant.without-ai-gateway-url
      Examples:
        | variant                | name                |
        | without-ai-gateway-url | AI_GATEWAY_BASE_URL |

      @needs.variant.without-ai-gateway-key
      Examples:
        | variant                | name                          |
        | without-ai-gateway-key | CLOUDFLARE_AI_GATEWAY_API_KEY |

    @needs.variant.without-ai-gateway @needs.tenants @needs.hosts @needs.ai-gateway @since.1.1
    Scenario: It is told before anybody is asked who he is
      Given a free tenant "control"
      And a chat of tenant "control" reaches the AI Gateway
      When the backend runs as without-ai-gateway
      And nobody chats, streamed and not
      Then each of these is refused with 503 "CONFIGURATION_ERROR" and names exactly "AI_GATEWAY_BASE_URL, CLOUDFLARE_AI_GATEWAY_API_KEY"

  @BND-010 @must
  Rule: BND-010 Without app domain no host is anybody's
    In production an unset `APP_DOMAIN` is a 503 `CONFIGURATION_ERROR`: no host ever falls into a default tenant or shared sandbox.

    @needs.variant.without-app-domain @needs.tenants @needs.hosts @needs.admin @needs.ai-gateway @needs.d1
    Scenario: Whatever the host, nobody is served
      Given the backend runs as production
      And a free tenant "control" with a custom domain is served on both its hosts
      When the backend runs as without-app-domain
      And a free tenant "a" with a custom domain is all that the scenario has
      And status and chat are asked for on each of these hosts
        | the subdomain of tenant "a"     |
        | the custom domain of tenant "a" |
        | the bare app domain             |
        | the subdomain of nobody         |
        | localhost                       |
        | 127.0.0.1                       |
        | a single label                  |
        | default.example                 |
      Then each of these is refused with 503 "CONFIGURATION_ERROR" and names exactly "APP_DOMAIN"
      And no provider was called and no usage row of tenant "a" written
      And the gateway of tenant "a" was never started

    @needs.variant.without-app-domain @needs.tenants @needs.hosts @needs.d1-write @needs.kv-write @since.1.1
    Scenario: A tenant that stands in the stores is served on none of its hosts
      Given the backend runs as production
      And a free tenant "control" with a custom domain is served on both its hosts
      When the backend runs as without-app-domain
      And tenant "a" stands in its stores, with a custom domain
      And status and chat are asked for on each of these hosts
        | the subdomain of tenant "a"              |
        | the custom domain of tenant "a"          |
        | the slug of tenant "a" below localhost   |
        | the slug of tenant "a" below example.com |
        | the slug of tenant "a" below workers.dev |
      Then each of these is refused with 503 "CONFIGURATION_ERROR" and names exactly "APP_DOMAIN"

    @needs.variant.without-app-domain @needs.hosts @since.1.1
    Scenario: No host is served where there is no tenant at all
      When the backend runs as without-app-domain
      And status and chat are asked for on each of these hosts
        | the bare app domain     |
        | the subdomain of nobody |
        | localhost               |
        | nobody below localhost  |
        | 127.0.0.1               |
        | a single label          |
        | default.example         |
      Then each of these is refused with 503 "CONFIGURATION_ERROR" and names exactly "APP_DOMAIN"
