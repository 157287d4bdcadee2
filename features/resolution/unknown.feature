@core
Feature: A host that is no tenant
  Whoever asks for a tenant that does not exist learns that, and nothing more.

  @RES-008 @must
  Rule: RES-008 Only one label below the app domain
    The bare app domain, and a name with two or more labels below it, are no tenant.

    @needs.tenants @needs.hosts
    Scenario: Neither the app domain itself nor deeper names
      Given a free tenant "a"
      And a free tenant "b"
      Then host "{host a}" answers as tenant "a"
      And host "{host b}" answers as tenant "b"
      But these hosts are no tenant:
        | host                      |
        | {app}                     |
        | {APP}                     |
        | {app}:8080                |
        | {slug a}.{host b}         |
        | {slug a}.{host a}         |
        | www.{host a}              |
        | {slug a}.www.{app}        |
        | x.y.{host a}              |
        | {slug a}.x.y.{app}        |
        | {slug a}.{host b}:8080    |

    # Names that mean something elsewhere: a port, a preview, a service, an address, a language.
    @needs.tenants @needs.hosts @since.1.1
    Scenario: Whatever the label before a tenant's name looks like
      Given a free tenant "a"
      Then host "{host a}" answers as tenant "a"
      But these hosts are no tenant:
        | host                      |
        | 3000.{host a}             |
        | 1.{host a}                |
        | 8787-{own x}.{host a}     |
        | api.{host a}              |
        | admin.{host a}            |
        | preview.{host a}          |
        | {own x}-preview.{host a}  |
        | _acme-challenge.{host a}  |
        | xn--mnchen-3ya.{host a}   |
        | v1.{host a}               |
        | 127.0.0.1.{host a}        |
        | localhost.{host a}        |
        | en.{host a}               |

    @needs.tenants @needs.hosts @needs.variant.dev-mode
    Scenario: The same in development
      Given the backend runs as dev-mode
      And a free tenant "a"
      Then host "{host a}" answers as tenant "a"
      But these hosts are no tenant:
        | host              |
        | {app}             |
        | www.{host a}      |
        | {slug a}.{host a} |

    # Only where the harness has started the backend: elsewhere these hosts may be somebody's by now.
    @needs.restart @needs.tenants @needs.hosts @needs.admin @since.1.1
    Scenario Outline: Not even as a custom hostname: <hostname>
      Given a free tenant "b"
      And host "{host b}" answers as tenant "b"
      When the operator asks for a tenant "a" with the custom hostname "<hostname>"
      Then these hosts are no tenant:
        | host       |
        | <hostname> |

      Examples:
        | hostname              |
        | {app}                 |
        | {own x}.shop.{app}    |
        | {own x}.{host b}      |

  @RES-009 @must
  Rule: RES-009 Look-alike suffixes
    A look-alike suffix (`tenant-a.evil<APP_DOMAIN>`, `<APP_DOMAIN>.evil.example`) is no tenant.

    @needs.tenants @needs.hosts
    Scenario: A suffix that merely looks like the app domain
      Given a free tenant "a"
      Then host "{host a}" answers as tenant "a"
      But these hosts are no tenant:
        | host                         |
        | {slug a}.evil{app}           |
        | {slug a}.evil-{app}          |
        | {slug a}evil{app}            |
        | {slug a}{app}                |
        | {slug a}-{app}               |
        | {app}.evil.example           |
        | {host a}.evil.example        |
        | {slug a}.evil.example        |
        | {host a}evil.example         |
        | {slug a}.{app}.{app}         |
        | {slug a}.{app with x for .}  |
        | {slug a}.{app without first} |
        | {slug a}                     |

  @RES-011 @must
  Rule: RES-011 An entry without a record
    A registry entry whose tenant record is gone is an unknown tenant.

    @needs.tenants @needs.hosts @needs.d1-write @needs.kv
    Scenario: The record is gone and the entries are left
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
      And a free tenant "b"
      Then host "{host a}" answers as tenant "a"
      When the record of tenant "a" is taken out of D1
      And the registry still has its entries for tenant "a"
      Then these hosts soon become no tenant:
        | host            |
        | {host a}        |
        | shop.{domain a} |
      And a chat at host "{host a}" is refused as an unknown tenant's
      And host "{host b}" answers as tenant "b"
      When the record of tenant "a" is put back into D1
      Then these hosts soon become tenant "a":
        | host            |
        | {host a}        |
        | shop.{domain a} |

    @needs.tenants @needs.hosts @needs.kv-write
    Scenario: An entry for a tenant that never was
      Given a free tenant "b"
      And the registry is given the slug "{own ghost}" for a tenant that never was
      Then these hosts are no tenant:
        | host              |
        | {own ghost}.{app} |
      And host "{host b}" answers as tenant "b"

  @RES-012 @must
  Rule: RES-012 One answer for every unknown tenant
    Every unknown tenant gets the same 404 `TENANT_NOT_FOUND`: status, headers and body equal apart from `meta`, whatever the reason.

    @needs.tenants @needs.hosts @needs.admin
    Scenario: Whatever the reason, the answer is the same
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
      And a free tenant "gone" with these custom hostnames:
        | shop.{domain gone} |
      And a free tenant "renamed"
      Then host "{host a}" answers as tenant "a"
      And host "shop.{domain gone}" answers as tenant "gone"
      And host "{host renamed}" answers as tenant "renamed"
      When the operator renames tenant "renamed" to "{own anew}"
      And the operator deletes tenant "gone"
      Then these are refused alike as unknown tenants:
        | why                               | host                    | ask                       |
        | nobody has this slug              | {own nobody}.{app}      | status                    |
        | nobody has this hostname          | {domain nobody}         | status                    |
        | a deleted tenant's slug           | {host gone}             | status                    |
        | a deleted tenant's hostname       | shop.{domain gone}      | status                    |
        | a renamed tenant's former slug    | {own renamed}.{app}     | status                    |
        | the bare app domain               | {app}                   | status                    |
        | two labels                        | {slug a}.{host a}       | status                    |
        | a look-alike suffix               | {slug a}.evil{app}      | status                    |
        | below a tenant's hostname         | www.shop.{domain a}     | status                    |
        | a reserved word                   | www.{app}               | status                    |
        | an address                        | 192.0.2.1               | status                    |
        | a Punycode name                   | xn--mnchen-3ya.{app}    | status                    |
        | capitals and a port               | {OWN nobody}.{APP}:8080 | status                    |
        | asked for a chat                  | {own nobody}.{app}      | chat                      |
        | asked for a chat with a bad body  | {own nobody}.{app}      | POST chat                 |
        | asked for an unknown route        | {own nobody}.{app}      | GET /mp-no-such-route     |
        | asked with a wrong method         | {own nobody}.{app}      | DELETE status             |
      And host "{host a}" answers as tenant "a"

    @needs.tenants @needs.hosts @since.1.1
    Scenario: Whatever path is asked for, if it is not the health route
      Given a free tenant "a"
      Then host "{host a}" answers as tenant "a"
      And these are refused alike as unknown tenants:
        | why                          | host               | ask                           |
        | nobody has this slug         | {own nobody}.{app} | status                        |
        | below the health route       | {own nobody}.{app} | GET /sandbox-health/mp-other  |
        | beginning as the health route | {own nobody}.{app} | GET /sandbox-healthz-mp      |
        | ending as a file             | {own nobody}.{app} | GET /mp-no-such-file.php      |
        | ending as a picture          | {own nobody}.{app} | GET /mp/no-such-picture.png   |
        | a well-known place           | {own nobody}.{app} | GET /.well-known/mp-no-such   |

    @needs.tenants @needs.hosts @needs.d1-write
    Scenario: An entry without a record is refused like an unknown slug
      Given a free tenant "a"
      And a free tenant "b"
      And the record of tenant "a" is taken out of D1
      Then these hosts soon become no tenant:
        | host     |
        | {host a} |
      And these are refused alike as unknown tenants:
        | why                  | host               | ask    |
        | nobody has this slug | {own nobody}.{app} | status |
        | the record is gone   | {host a}           | status |
        | the record is gone   | {host a}           | chat   |
      And host "{host b}" answers as tenant "b"

  @RES-013 @must
  Rule: RES-013 Failures are logged, not told
    A resolution failure is logged as `resolution_failure` with host and client ip; the body names neither.

    @needs.tenants @needs.hosts @needs.logs @needs.client-ip
    Scenario Outline: Logged with host and client ip: <what>
      Given a free tenant "a"
      When tenant "a" asks for its status
      Then the answer has status 200
      When somebody asks host "<host>" for the status with the header "X-Forwarded-For: 203.0.113.77"
      Then the answer is refused with 404 "TENANT_NOT_FOUND"
      And the log has the resolution failure of host "<host>" with the client ip
      And the answer names neither host "<host>" nor the client ip
      But the log has no resolution failure of host "{host a}"

      Examples:
        | what                 | host                       |
        | an unknown slug      | {own nobody}.{app}         |
        | an unknown hostname  | {domain nobody}            |
        | two labels           | {own nobody}.{own x}.{app} |
        | a look-alike suffix  | {own nobody}.evil{app}     |

    @needs.tenants @needs.hosts @needs.logs @needs.client-ip @since.1.1
    Scenario Outline: Logged with a client ip of whatever kind: <client ip>
      Given a free tenant "a"
      When tenant "a" asks for its status
      Then the answer has status 200
      Given whoever calls has the client ip "<client ip>"
      When somebody asks host "{own nobody}.{app}" for the status with the header "X-Forwarded-For: 203.0.113.77"
      Then the answer is refused with 404 "TENANT_NOT_FOUND"
      And the log has the resolution failure of host "{own nobody}.{app}" with the client ip
      And the answer names neither host "{own nobody}.{app}" nor the client ip

      Examples:
        | client ip                  |
        | 2001:db8:1{x}:1{y}::17     |
        | 2001:db8:1{x}:1{y}:1:2:3:4 |
        | fd00::1{x}:1{y}            |

    @needs.tenants @needs.hosts @needs.logs @needs.client-ip @needs.d1-write @needs.kv @since.1.1
    Scenario: A registry entry whose record is gone is logged too
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
      And host "{host a}" answers as tenant "a"
      And the record of tenant "a" is taken out of D1
      And the registry still has its entries for tenant "a"
      And these hosts soon become no tenant:
        | host            |
        | {host a}        |
        | shop.{domain a} |
      When somebody asks host "shop.{domain a}" for the status with the header "X-Forwarded-For: 203.0.113.77"
      Then the answer is refused with 404 "TENANT_NOT_FOUND"
      And the log has the resolution failure of host "shop.{domain a}" with the client ip
      And the answer names neither host "shop.{domain a}" nor the client ip

    @needs.tenants @needs.hosts @needs.logs @needs.client-ip @since.1.1
    Scenario: A host that fails again is logged again
      Given a free tenant "a"
      When tenant "a" asks for its status
      Then the answer has status 200
      When somebody asks host "{own nobody}.{app}" for the status
      Then the answer is refused with 404 "TENANT_NOT_FOUND"
      And the log has the resolution failure of host "{own nobody}.{app}" with the client ip
      When somebody asks host "{own nobody}.{app}" for the status
      Then the answer is refused with 404 "TENANT_NOT_FOUND"
      And the log has the resolution failure of host "{own nobody}.{app}" a second time

    @needs.tenants @needs.hosts @needs.logs @needs.client-ip @needs.ai-gateway
    Scenario: A chat to nobody is logged too
      Given a free tenant "a"
      When somebody chats at host "{host a}"
      Then the answer has status 200
      When somebody chats at host "{own nobody}.{app}"
      Then the answer is refused with 404 "TENANT_NOT_FOUND"
      And the log has the resolution failure of host "{own nobody}.{app}" with the client ip
      And the answer names neither host "{own nobody}.{app}" nor the client ip

    @needs.tenants @needs.hosts @needs.logs @needs.client-ip @needs.store-faults
    Scenario: A look-up that fails is logged too
      Given a free tenant "a"
      And D1 is unavailable for tenant "a"
      When somebody asks host "{host a}" for the status
      Then it is told as an outage of D1 for tenant "a"
      And the log has the resolution failure of host "{host a}" with the client ip
      And the answer names neither host "{host a}" nor the client ip
      When D1 is back for tenant "a"
      Then host "{host a}" answers as tenant "a"
