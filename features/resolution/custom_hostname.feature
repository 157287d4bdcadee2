@core
Feature: A customer's own hostname
  A tenant may be reached under hostnames of its own, listed in the registry.

  @RES-004 @must
  Rule: RES-004 Punycode hostnames
    A custom hostname in Punycode (`xn--mnchen-3ya.de`) resolves through the registry.

    @needs.tenants @needs.hosts
    Scenario Outline: The hostname <host> is its tenant's
      Given a free tenant "a" with these custom hostnames:
        | <host> |
      And a free tenant "b"
      Then host "<host>" answers as tenant "a"
      And host "{host a}" answers as tenant "a"
      But these hosts are no tenant:
        | host        |
        | <unlike>    |
        | www.<host>  |

      Examples:
        | host                                   | unlike                                |
        | xn--mnchen-3ya.{domain x}              | mnchen.{domain x}                     |
        | xn--mnchen-3ya.{token}.de              | xn--bcher-kva.{token}.de              |
        | shop.xn--mnchen-3ya.{token}.de         | shop.mnchen.{token}.de                |
        | xn--fiqs8s.{token}.example             | xn--fiqz9s.{token}.example            |
        | {token}.xn--p1ai                       | {token}.example                       |

    @needs.tenants @needs.hosts @needs.ai-gateway @needs.d1
    Scenario: A chat on a Punycode hostname is its tenant's
      Given a free tenant "a" with these custom hostnames:
        | xn--mnchen-3ya.{domain x} |
      And a free tenant "b"
      When somebody chats at host "xn--mnchen-3ya.{domain x}"
      Then the answer has status 200
      And the chat is billed to tenant "a" alone

    @needs.tenants @needs.hosts @needs.admin @needs.kv @since.1.1
    Scenario Outline: A Punycode hostname is given to a tenant as any other is: <host>
      Given a free tenant "b" with these custom hostnames:
        | shop.{domain b} |
      Then the operator creates the tenant "a" with the custom hostname "<host>"
      And host "<host>" answers as tenant "a"
      And host "shop.{domain b}" answers as tenant "b"

      Examples:
        | host                         |
        | xn--bcher-kva.{domain a}     |
        | {token}.xn--fiqs8s           |
        | {token}.xn--mgberp4a5d4ar    |

  @RES-005 @must
  Rule: RES-005 The registry comes first
    A custom ASCII hostname resolves through the registry before the tenant record is fetched.

    @needs.tenants @needs.hosts
    Scenario: Each custom hostname is its own tenant's, matched whole
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
        | {domain second} |
        | {own shop}{app} |
      And a free tenant "b" with these custom hostnames:
        | shop.{domain b} |
      Then these hosts are tenant "a":
        | host            |
        | shop.{domain a} |
        | {domain second} |
        | {own shop}{app} |
        | {host a}        |
      And host "shop.{domain b}" answers as tenant "b"
      But these hosts are no tenant:
        | host                         |
        | {domain a}                   |
        | www.shop.{domain a}          |
        | shop.{domain a}.evil.example |
        | evil-shop.{domain a}         |
        | {slug a}.{domain second}     |

    @since.1.1 @needs.tenants @needs.hosts
    Scenario Outline: What no slug may be is no rule for a hostname: <first>
      Given a free tenant "a" with these custom hostnames:
        | <first>.{domain a} |
      And a free tenant "b"
      Then host "<first>.{domain a}" answers as tenant "a"
      And host "{host a}" answers as tenant "a"
      But these hosts are no tenant:
        | host               |
        | <first>.{domain b} |

      Examples:
        | first      |
        | www        |
        | api        |
        | admin      |
        | root       |
        | system     |
        | cloudflare |
        | workers    |
        | a          |
        | 7          |

    @needs.tenants @needs.hosts @needs.kv-write
    Scenario: The registry's entry decides, and it alone
      Given a free tenant "a"
      And a free tenant "b"
      Then these hosts are no tenant:
        | host              |
        | late.{domain new} |
      When the registry is given the hostname "late.{domain new}" for tenant "a"
      Then these hosts soon become tenant "a":
        | host              |
        | late.{domain new} |
      When the registry is given the hostname "late.{domain new}" for tenant "b"
      Then these hosts soon become tenant "b":
        | host              |
        | late.{domain new} |
      When the registry loses the hostname "late.{domain new}"
      Then these hosts soon become no tenant:
        | host              |
        | late.{domain new} |

    @needs.tenants @needs.hosts @needs.store-faults
    Scenario: Without the registry's answer no record is fetched
      Given a free tenant "a" with these custom hostnames:
        | shop.{domain a} |
      And the reads of tenant "a"'s record are counted
      And the registry is unavailable for "shop.{domain a}"
      When somebody asks host "shop.{domain a}" for the status
      Then it is told as an outage of the registry for "shop.{domain a}"
      And no record of tenant "a" was read
      When the registry is back for "shop.{domain a}"
      Then host "shop.{domain a}" answers as tenant "a"
