@core
Feature: Hosts that mean harm
  A Host header is a caller's text: it is looked up or refused, never trusted and never repeated.

  @SEC-001 @must
  Rule: SEC-001 A hostile host is refused and not echoed
    A hostile Host (`<script>alert(1)</script>.com`, control bytes, overlong, empty) gets 400 or 404 and is never echoed.

    # These are host names in form, so that they reach every backend: even one behind a runtime that parses hosts first.
    @needs.tenants @needs.hosts
    Scenario Outline: A host that is a name in form: <what>
      Given a free tenant "a"
      When somebody sends the host "<host>" to the public routes
      Then each answer is 400 or 404 and repeats nothing of the host
      And host "{host a}" answers as tenant "a"

      Examples:
        | what                           | host                                     |
        | 300 characters                 | {canary}{times x 280}.example            |
        | 300 characters in labels       | {canary}{times .x 130}.{app}             |
        | 5,000 characters               | {canary}{times x 4980}.example           |
        | 5,000 characters in labels     | {canary}{times .x 2490}.{app}            |
        | 5,000 characters of one label  | {canary}{times x 4950}.{app}             |
        | underscores                    | _{canary}_.{app}                         |
        | an outer hyphen                | -{canary}-.{app}                         |
        | a leading dot                  | .{canary}.{app}                          |
        | doubled dots                   | {canary}..{app}                          |
        | many dots                      | {canary}{times . 200}{app}               |
        | two trailing dots              | {canary}.{app}..                         |
        | a key of the registry's own    | tenant.{canary}.{app}                    |
        | a property of every object     | __proto__.{canary}.example               |

    # Each label is short enough; what grows is the whole, past what a name, a key of a store or a header may hold.
    @needs.tenants @needs.hosts @since.1.1
    Scenario Outline: A host that is overlong only as a whole: <what>
      Given a free tenant "a"
      When somebody sends the host "<host>" to the public routes
      Then each answer is 400 or 404 and repeats nothing of the host
      And host "{host a}" answers as tenant "a"

      Examples:
        | what                          | host                                   |
        | 280 characters of a domain    | {canary}{times .x 125}.example         |
        | 530 characters of a domain    | {canary}{times .x 255}.example         |
        | 1,050 characters of a domain  | {canary}{times .x 515}.example         |
        | 2,100 characters of a domain  | {canary}{times .x 1040}.example        |
        | 560 characters below the app  | {canary}{times .x 265}.{app}           |

    # A URL cannot hold these: some runtimes answer them before the backend is asked, and say so.
    @needs.tenants @needs.hosts
    Scenario Outline: A host that is no name at all: <what>
      Given a free tenant "a"
      When somebody sends the host "<host>" to the public routes
      Then each answer is 400 or 404 and repeats nothing of the host, unless the runtime answers for the backend
      And host "{host a}" answers as tenant "a"

      Examples:
        | what                       | host                                        |
        | script                     | <script>alert(1)</script>.com               |
        | script with a canary       | <script>{canary}</script>.{app}             |
        | an image that runs         | <img/src/onerror={canary}>.{app}            |
        | a control byte             | {canary}{byte 01}.{app}                     |
        | a NUL byte                 | {canary}{byte 00}.{app}                     |
        | a tab                      | {canary}{byte 09}x.{app}                    |
        | an escape sequence         | {byte 1b}[31m{canary}.{app}                 |
        | a DEL byte                 | {canary}{byte 7f}.{app}                     |
        | a line feed                | {canary}{byte 0a}X-Injected: {canary}       |
        | a carriage return          | {canary}{byte 0d}X-Injected: {canary}       |
        | nothing                    |                                             |
        | a blank within             | {canary} x.{app}                            |
        | quotes                     | "{canary}".{app}                            |
        | SQL                        | {canary}' OR '1'='1.{app}                   |
        | a shell's words            | $(id){canary};id.{app}                      |
        | a template                 | {{{canary}}}${7*7}.{app}                    |
        | a path                     | ../../{canary}/.{app}                       |
        | a percent escape           | {canary}%00.{app}                           |
        | bytes that are no UTF-8    | {canary}{byte ff}{byte fe}.{app}            |
        | letters beyond ASCII       | münchen{canary}.{app}                       |
        | Punycode that decodes to nothing | xn--{canary}-\\-.{app}                 |
        | a port beyond 65535        | {canary}.{app}:99999                        |
        | a port that is a word      | {canary}.{app}:{canary}                     |
        | 70,000 characters          | {canary}{times x 69980}.example             |

    # Whoever takes such a host apart carelessly finds a tenant in it.
    @needs.tenants @needs.hosts
    Scenario Outline: A host that hides a tenant's: <what>
      Given a free tenant "a"
      When somebody sends the host "<host>" to the public routes
      Then each answer is 400 or 404 and repeats nothing of the host, unless the runtime answers for the backend
      And host "{host a}" answers as tenant "a"

      Examples:
        | what                  | host                     |
        | as a user's server    | {canary}@{host a}        |
        | as a user             | {host a}@{canary}.example |
        | before a path         | {host a}/{canary}        |
        | before a query        | {host a}?{canary}        |
        | before a fragment     | {host a}#{canary}        |
        | before a backslash    | {host a}\\{canary}       |
        | first of a list       | {host a}, {canary}.example |
        | last of a list        | {canary}.example, {host a} |
        | before a blank        | {host a} {canary}        |
        | behind a scheme       | http://{host a}/{canary} |
        | with two ports        | {host a}:80:{canary}     |
        | with a word for a port | {host a}:{canary}        |
        | with a signed port    | {host a}:+80             |
        | before a NUL          | {host a}{byte 00}{canary} |

    @needs.tenants @needs.hosts
    Scenario: No Host header at all
      Given a free tenant "a"
      When somebody sends no host to the public routes
      Then each answer is 400 or 404 and repeats nothing of the host, unless the runtime answers for the backend
      And host "{host a}" answers as tenant "a"

    @needs.tenants @needs.hosts
    Scenario: Two Host headers, neither a tenant's
      Given a free tenant "a"
      When somebody sends two hosts, "{canary}.{app}" and "{canary}.example", to the public routes
      Then each answer is 400 or 404 and repeats nothing of the host, unless the runtime answers for the backend
      And host "{host a}" answers as tenant "a"

    @needs.tenants @needs.hosts @needs.logs
    Scenario: A hostile host cannot forge a log line
      Given a free tenant "a"
      When somebody sends the host "{canary}","event":"forged{canary}" to the public routes
      Then no log line has the event "forged{canary}"
      And host "{host a}" answers as tenant "a"

  @SEC-002 @must
  Rule: SEC-002 Nothing about existing tenants
    An unknown host gets the generic 404 and reveals nothing about existing tenants.

    @needs.tenants @needs.hosts @smoke
    Scenario: However near an unknown host comes to a tenant's, the answer is the generic one
      Given a premium tenant "a" with these custom hostnames:
        | shop.{domain a} |
      And a free tenant "b"
      And a free tenant "near"
      Then host "{host a}" answers as tenant "a"
      And host "shop.{domain a}" answers as tenant "a"
      And host "{host near}" answers as tenant "near"
      And these are refused alike as unknown tenants:
        | why                              | host                   | ask                   |
        | far from everything              | {domain far}           | status                |
        | one character more               | {slug a}x.{app}        | status                |
        | one character less               | {slug near minus one}.{app} | status           |
        | a sibling of a hostname          | shap.{domain a}        | status                |
        | the parent of a hostname         | {domain a}             | status                |
        | below a tenant                   | www.{host a}           | status                |
        | below a tenant's hostname        | www.shop.{domain a}    | status                |
        | a tenant's id                    | {id a}.{app}           | status                |
        | a tenant's sandbox id            | {sandbox a}.{app}      | status                |
        | a tenant's slug elsewhere        | {slug a}.evil.example  | status                |
        | asked for a chat                 | {slug a}x.{app}        | chat                  |
        | asked for an unknown route       | {slug a}x.{app}        | GET /mp-no-such-route |
      And none of these answers holds anything of tenants "a" and "b"
      And none of these answers holds anything of tenants "near" and "b"

    @needs.tenants @needs.hosts @needs.admin @since.1.1
    Scenario: A host that was a tenant's does not tell where that tenant is now
      Given a free tenant "a"
      And a free tenant "b"
      Then host "{host a}" answers as tenant "a"
      When the operator renames tenant "a" to "{own second}"
      Then these hosts become tenant "a":
        | host               |
        | {own second}.{app} |
      And these hosts become no tenant:
        | host          |
        | {own a}.{app} |
      And these are refused alike as unknown tenants:
        | why                 | host          | ask    |
        | far from everything | {domain far}  | status |
        | its former host     | {own a}.{app} | status |
        | a chat there        | {own a}.{app} | chat   |
      And none of these answers holds anything of tenants "a" and "b"

    @needs.tenants @needs.hosts @until.1.0
    Scenario: The health of an unknown host tells of no tenant
      Given a free tenant "a"
      Then host "{host a}" answers as tenant "a"
      When somebody asks host "{slug a}x.{app}" for the health
      Then the answer has status 200
      And the answer holds nothing of tenants "a" and "a"

    # Whether an unknown host has a health is promised elsewhere.
    @needs.tenants @needs.hosts @since.1.1
    Scenario: The health of an unknown host, whatever it is, tells of no tenant
      Given a free tenant "a"
      And host "{host a}" answers as tenant "a"
      When somebody asks host "{slug a}x.{app}" for the health
      Then the answer holds nothing of tenants "a" and "a"
