@core
Feature: The tenant override of developers
  Locally there are no subdomains: a header stands in, in development and nowhere else.

  @RES-003 @must
  Rule: RES-003 The override selects in development
    With `DEV_MODE` on, a valid `X-Tenant-Override: tenant-b` selects `tenant-b`.

    @needs.tenants @needs.hosts @needs.variant.dev-mode
    Scenario: The override takes the place of the host's tenant
      Given the backend runs as dev-mode
      And a free tenant "a"
      And a free tenant "b"
      Then host "{host a}" answers as tenant "a"
      And with the header "X-Tenant-Override: {slug b}" these hosts are tenant "b":
        | host               |
        | {host a}           |
        | {host b}           |
        | {own nobody}.{app} |
      And with the header "X-Tenant-Override: {slug a}" these hosts are tenant "a":
        | host               |
        | {host b}           |

    @needs.tenants @needs.hosts @needs.variant.dev-mode @since.1.1
    Scenario: The override takes the place of the tenant of a custom hostname
      Given the backend runs as dev-mode
      And a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
      And a free tenant "b"
      Then host "shop.{domain a}" answers as tenant "a"
      And with the header "X-Tenant-Override: {slug b}" these hosts are tenant "b":
        | host            |
        | shop.{domain a} |
        | {HOST a}        |
      And with the header "X-Tenant-Override: {slug a}" these hosts are tenant "a":
        | host            |
        | shop.{domain a} |
        | {host b}        |

    @needs.tenants @needs.hosts @needs.variant.dev-mode @since.1.1
    Scenario: The override selects a tenant whatever the form of its slug
      Given the backend runs as dev-mode
      And free tenants with these slugs, each beginning alike:
        | slug                  |
        | {own a}               |
        | {own a}-b             |
        | {own a}--b            |
        | {own 0}               |
        | {own a}{times x 46}-b |
      Then an override by its slug selects each of them, from the host of another

    @needs.tenants @needs.hosts @needs.variant.dev-mode
    Scenario: The override works where a developer works, on the local address
      Given the backend runs as dev-mode
      And a free tenant "b"
      Then with the header "X-Tenant-Override: {slug b}" these hosts are tenant "b":
        | host           |
        | localhost      |
        | localhost:8787 |
        | 127.0.0.1:8787 |
        | {app}          |
      But these hosts are no tenant:
        | host           |
        | localhost:8787 |
        | {app}          |

    @needs.tenants @needs.hosts @needs.variant.dev-mode
    Scenario: A well-formed override that names nobody selects nobody
      Given the backend runs as dev-mode
      And a free tenant "a"
      Then host "{host a}" answers as tenant "a"
      And with the header "X-Tenant-Override: {own nobody}" these hosts are no tenant:
        | host     |
        | {host a} |
      And host "{host a}" answers as tenant "a"

    @needs.tenants @needs.hosts @needs.variant.dev-mode @needs.ai-gateway @needs.d1
    Scenario: A chat under an override is the selected tenant's
      Given the backend runs as dev-mode
      And a free tenant "a"
      And a free tenant "b"
      When somebody chats at host "{host a}" with the header "X-Tenant-Override: {slug b}"
      Then the answer has status 200
      And the chat is billed to tenant "b" alone

  @RES-007 @must
  Rule: RES-007 A malformed override is ignored
    With `DEV_MODE` on, a malformed override (anything but letters, digits, hyphen) is ignored with a warning; the host decides.

    @needs.tenants @needs.hosts @needs.variant.dev-mode @needs.logs
    Scenario Outline: The override is ignored: <what>
      Given the backend runs as dev-mode
      And a free tenant "a"
      And a free tenant "b"
      Then with the header "X-Tenant-Override: {slug b}" these hosts are tenant "b":
        | host     |
        | {host a} |
      When somebody asks host "{host a}" for the status with the header "X-Tenant-Override: <value>"
      Then the answer has status 200
      And the answer names tenant "a"
      And the log warns of the ignored override

      Examples:
        | what                | value                  |
        | an underscore       | {slug b}_              |
        | a dot               | {slug b}.              |
        | a whole host        | {host b}               |
        | a blank             | {slug b} x             |
        | a list              | {slug b},{slug a}      |
        | a path              | ../{slug b}            |
        | a quote             | {slug b}' OR '1'='1    |
        | a key of the store  | slug:{slug b}          |
        | a percent escape    | {slug b}%00            |
        | markup              | <b>{slug b}</b>        |
        | letters beyond a-z  | {slug b}ä              |

    @needs.tenants @needs.hosts @needs.variant.dev-mode
    Scenario: The host decides, also when it is nobody's
      Given the backend runs as dev-mode
      And a free tenant "a"
      Then with the header "X-Tenant-Override: {slug a}" these hosts are tenant "a":
        | host               |
        | {own nobody}.{app} |
      But with the header "X-Tenant-Override: {slug a}_" these hosts are no tenant:
        | host               |
        | {own nobody}.{app} |
        | {domain nobody}    |
