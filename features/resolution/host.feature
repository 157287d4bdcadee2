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

    @needs.tenants @needs.hosts
    Scenario: A slug is matched whole, whatever its form
      Given free tenants with these slugs, each beginning alike:
        | slug                                    |
        | {own a}                                 |
        | {own a}b                                |
        | {own a}-b                               |
        | {own a}--b                              |
        | {own 0}                                 |
        | {own a}{times x 48}                     |
        | {own a}{times x 46}-b                   |
      Then each of them is answered as itself
      And these hosts are no tenant:
        | host                         |
        | {own a}-bb.{app}             |
        | {own a}{times x 44}.{app}    |

    # Only where the harness has started the backend: elsewhere such a name may be somebody's.
    @needs.restart @needs.tenants @needs.hosts @since.1.1
    Scenario Outline: A slug may be as short as <length>
      Given a free tenant "a" whose slug has <length> of its own
      Then host "{host a}" answers as tenant "a"

      Examples:
        | length       |
        | 1 letter     |
        | 1 digit      |
        | 2 letters    |
        | 3 letters    |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario: A chat on a tenant's subdomain is that tenant's
      Given a free tenant "a"
      And a free tenant "b"
      When somebody chats at host "{host a}"
      Then the answer has status 200
      And the chat is billed to tenant "a" alone

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1 @since.1.1
    Scenario Outline: Custom hostnames do not take the place of a <tier> tenant's subdomain
      Given a <tier> tenant "a" with these custom hostnames:
        | shop.{domain a} |
        | {domain second} |
      And a free tenant "b"
      And host "shop.{domain a}" answers as tenant "a"
      Then host "{host a}" answers as tenant "a"
      When somebody chats at host "{host a}"
      Then the answer has status 200
      And the chat is billed to tenant "a" alone

      Examples:
        | tier       |
        | free       |
        | enterprise |

    @needs.tenants @needs.hosts @needs.admin @since.1.1
    Scenario: Nor those that it is given later
      Given a premium tenant "a"
      When the operator gives tenant "a" these custom hostnames instead:
        | shop.{domain a} |
      Then these hosts become tenant "a":
        | host            |
        | shop.{domain a} |
      And host "{host a}" answers as tenant "a"

    @needs.tenants @needs.hosts @since.1.1
    Scenario: A slug may begin and end as names do that others keep for themselves
      Given free tenants with these slugs, whatever else is called so:
        | slug           |
        | api-{own a}    |
        | www-{own a}    |
        | admin-{own a}  |
        | app-{own a}    |
        | status-{own a} |
        | {own a}-api    |
        | www{own a}     |
      Then each of them is answered as itself

  @RES-002 @must
  Rule: RES-002 No override in production
    In production an `X-Tenant-Override` header is ignored: the host's tenant answers.

    @needs.tenants @needs.hosts @smoke
    Scenario: Whatever the override names, the host's tenant answers
      Given a free tenant "a"
      And a free tenant "b"
      Then host "{host a}" answers as tenant "a" with each of these headers:
        | header            | value                 |
        | X-Tenant-Override | {slug b}              |
        | X-Tenant-Override | {id b}                |
        | X-Tenant-Override | {host b}              |
        | X-Tenant-Override | {sandbox b}           |
        | X-Tenant-Override | {own nobody}          |
        | X-Tenant-Override | not a slug; or 1=1 -- |
        | X-Tenant-Override |                       |
      And host "{host b}" answers as tenant "b"

    @needs.tenants @needs.hosts @since.1.1
    Scenario: Whatever the override names, the tenant of a custom hostname answers
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
      And a free tenant "b"
      And host "shop.{domain a}" answers as tenant "a"
      Then host "shop.{domain a}" answers as tenant "a" with each of these headers:
        | header            | value        |
        | X-Tenant-Override | {slug b}     |
        | X-Tenant-Override | {id b}       |
        | X-Tenant-Override | {host b}     |
        | X-Tenant-Override | {own nobody} |
      And host "{host b}" answers as tenant "b"

    @needs.tenants @needs.hosts
    Scenario: An override makes no tenant of a host that is none
      Given a free tenant "a"
      Then host "{host a}" answers as tenant "a"
      And with the header "X-Tenant-Override: {slug a}" these hosts are no tenant:
        | host               |
        | {own nobody}.{app} |
        | {app}              |
        | {domain nobody}    |
        | 127.0.0.1          |
        | localhost          |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario: A chat with an override is billed to the host's tenant
      Given a free tenant "a"
      And a free tenant "b"
      When somebody chats at host "{host a}" with the header "X-Tenant-Override: {slug b}"
      Then the answer has status 200
      And the chat is billed to tenant "a" alone

    @needs.tenants @needs.hosts @needs.variant.own-switches @since.1.1
    Scenario: A switch of the backend's own lets no caller choose the tenant
      Given the backend runs as own-switches
      And a free tenant "a"
      And a free tenant "b"
      Then host "{host a}" answers as tenant "a" with each of these headers:
        | header            | value    |
        | X-Tenant-Override | {slug b} |
        | X-Tenant-Override | {id b}   |
      And host "{host b}" answers as tenant "b"

  @RES-006 @must
  Rule: RES-006 Letter case and port do not matter
    Host matching ignores letter case and port.

    @needs.tenants @needs.hosts
    Scenario: A subdomain in any case and with any port
      Given a free tenant "a"
      And a free tenant "b"
      Then these hosts are tenant "a":
        | host           |
        | {HOST a}       |
        | {Host a}       |
        | {slug a}.{APP} |
        | {SLUG a}.{app} |
        | {host a}:80    |
        | {host a}:443   |
        | {host a}:8787  |
        | {host a}:65535 |
        | {HOST a}:8080  |
      And host "{HOST b}:8080" answers as tenant "b"
      But these hosts are no tenant:
        | host                    |
        | {OWN nobody}.{app}:8080 |
        | {APP}:8080              |

    @needs.tenants @needs.hosts
    Scenario: A custom hostname in any case and with any port
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain x}           |
        | xn--mnchen-3ya.{domain x} |
      Then these hosts are tenant "a":
        | host                           |
        | shop.{domain x}                |
        | SHOP.{DOMAIN x}                |
        | Shop.{Domain x}                |
        | shop.{domain x}:443            |
        | SHOP.{DOMAIN x}:8787           |
        | XN--MNCHEN-3YA.{DOMAIN x}:8787 |

    @needs.hosts @needs.admin
    Scenario: A custom hostname registered in capitals is found in any case
      When the operator creates the tenant "a" with the custom hostname "Shop.{DOMAIN x}"
      Then these hosts become tenant "a":
        | host            |
        | shop.{domain x} |
        | SHOP.{DOMAIN x} |

  @RES-010 @must
  Rule: RES-010 Forwarded hosts change nothing
    `X-Forwarded-Host`, `Forwarded`, `X-Original-Host` never change the tenant.

    @needs.tenants @needs.hosts
    Scenario: A tenant's host with another tenant's in a header
      Given a free tenant "a"
      And a free tenant "b" with these custom hostnames:
        | shop.{domain b} |
      Then host "{host a}" answers as tenant "a" with each of these headers:
        | header           | value                                            |
        | X-Forwarded-Host | {host b}                                         |
        | X-Forwarded-Host | {host b}, {host a}                               |
        | X-Forwarded-Host | shop.{domain b}                                  |
        | X-Forwarded-Host | {own nobody}.{app}                               |
        | Forwarded        | host={host b}                                    |
        | Forwarded        | for=192.0.2.43;host="{host b}";proto=https       |
        | Forwarded        | host={own nobody}.{app}, host={host b}           |
        | X-Original-Host  | {host b}                                         |
        | X-Original-Host  | shop.{domain b}:443                              |
        | X-Original-Host  | {own nobody}.{app}                               |
      And host "shop.{domain b}" answers as tenant "b"

    @needs.tenants @needs.hosts
    Scenario Outline: No tenant's host with a tenant's in <header>
      Given a free tenant "a"
      Then host "{host a}" answers as tenant "a"
      And with the header "<header>: <value>" these hosts are no tenant:
        | host               |
        | {own nobody}.{app} |
        | {domain nobody}    |
        | {app}              |

      Examples:
        | header           | value         |
        | X-Forwarded-Host | {host a}      |
        | Forwarded        | host={host a} |
        | X-Original-Host  | {host a}      |

    @needs.tenants @needs.hosts @since.1.1
    Scenario Outline: No tenant's host with a tenant's in a header of another form: <header>: <value>
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
      Then host "{host a}" answers as tenant "a"
      And with the header "<header>: <value>" these hosts are no tenant:
        | host               |
        | {own nobody}.{app} |
        | {domain nobody}    |
        | {app}              |

      Examples:
        | header           | value                                                |
        | Forwarded        | for=192.0.2.1;host={host a}                          |
        | Forwarded        | Host={host a}                                        |
        | Forwarded        | for=192.0.2.43, for=198.51.100.17;host={host a}      |
        | Forwarded        | host=shop.{domain a}                                 |
        | X-Forwarded-Host | {own nobody}.{app}, {host a}                         |
        | X-Forwarded-Host | {host a}:443                                         |
        | X-Forwarded-Host | shop.{domain a}                                      |
        | X-Original-Host  | https://{host a}                                     |
        | X-Original-Host  | shop.{domain a}                                      |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario Outline: A chat with another tenant's host in <header>
      Given a free tenant "a"
      And a free tenant "b"
      When somebody chats at host "{host a}" with the header "<header>: <value>"
      Then the answer has status 200
      And the chat is billed to tenant "a" alone

      Examples:
        | header           | value         |
        | X-Forwarded-Host | {host b}      |
        | Forwarded        | host={host b} |
        | X-Original-Host  | {host b}      |

    @needs.tenants @needs.hosts @needs.variant.dev-mode
    Scenario: They change nothing in development either
      Given the backend runs as dev-mode
      And a free tenant "a"
      And a free tenant "b"
      Then host "{host a}" answers as tenant "a" with each of these headers:
        | header           | value         |
        | X-Forwarded-Host | {host b}      |
        | Forwarded        | host={host b} |
        | X-Original-Host  | {host b}      |

  @RES-016 @should
  Rule: RES-016 One trailing dot
    One trailing dot of a fully qualified host is ignored.

    @needs.tenants @needs.hosts
    Scenario: A fully qualified host is the same host
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain x} |
      Then these hosts are tenant "a":
        | host                  |
        | {host a}.             |
        | {host a}.:8080        |
        | {HOST a}.             |
        | shop.{domain x}.      |
        | shop.{domain x}.:8080 |
      But these hosts are no tenant:
        | host                |
        | {own nobody}.{app}. |
        | {app}.              |
